#!/usr/bin/env bash
# shellcheck disable=SC2086,SC1091  # the printed commands stand as they are printed
# Proof E4: the token lifecycle of document 001.
# usage: H=http://localhost:8080 OWNER=address OWNER_PASSWORD=… e4.sh     of the tenant `default`
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

curl -X POST $H/auth/register -H "$J" -H 'X-Tenant-Slug: default' -d '{"email":"u@example.com","password":"password123"}'
expect_status 201
expect .email u@example.com
USER_ID=$(member .id)

# Login by JSON.
curl -X POST $H/auth/login -H "$J" -H 'X-Tenant-Slug: default' -d '{"email":"u@example.com","password":"password123"}'
expect_status 200
expect .token_type bearer

# printed: login by form.
curl -X POST $H/auth/login -H 'X-Tenant-Slug: default' -d username=u@example.com -d password=password123
expect_status 200
RT=$(member .refresh_token) AT=$(member .access_token)
FIRST=$RT

# printed: a new pair, then the old one again, and its access token.
curl -X POST $H/auth/refresh -H "$J" -d "{\"refresh_token\":\"$RT\"}"; expect_status 200; NEW=$(member .refresh_token) NEW_AT=$(member .access_token)
[[ $NEW != "$FIRST" ]] || fail "the refresh token did not rotate"
curl $H/users/me -H "Authorization: Bearer $NEW_AT"; expect_status 200; expect .id "$USER_ID"
curl -i -X POST $H/auth/refresh -H "$J" -d "{\"refresh_token\":\"$RT\"}"
expect_status 401
SENTENCE=$(member .detail)
[[ $SENTENCE == "Invalid or expired refresh token" ]] || fail "the sentence is '$SENTENCE'"

# The family is revoked: the new one is dead too, and so are the access tokens within a second.
curl -X POST $H/auth/refresh -H "$J" -d "{\"refresh_token\":\"$NEW\"}"
expect_status 401
expect .detail "$SENTENCE"
for token in "$AT" "$NEW_AT"; do
    for ((try = 0; ; try++)); do
        curl $H/users/me -H "Authorization: Bearer $token"
        [[ $(last_status) != 401 ]] || break
        ((try < 1200)) || fail "a token of the revoked family stays alive"
        sleep 0.05
    done
done

login() {
    RT=$(curl -X POST $H/auth/login -H 'X-Tenant-Slug: default' -d username=u@example.com -d password=password123 | jq -r .refresh_token)
    expect_status 200
}

# Wrong token, access token as refresh token: the same sentence.
login
AT=$(member .access_token)
for wrong in nonsense "${RT}A" "${RT:0:36}.AAAA" "$AT"; do
    curl -X POST $H/auth/refresh -H "$J" -H 'X-Tenant-Slug: default' -d "{\"refresh_token\":\"$wrong\"}"
    expect_status 401
    expect .detail "$SENTENCE"
done
# printed:
curl $H/users/me -H "Authorization: Bearer $AT"; expect_status 200; expect .email u@example.com

# An expired token: a lifetime of one second.
OWNER_AT=$(curl -X POST $H/auth/login -H 'X-Tenant-Slug: default' --data-urlencode "username=$OWNER" --data-urlencode "password=$OWNER_PASSWORD" | jq -r .access_token)
curl -X PUT $H/tenants/settings -H "Authorization: Bearer $OWNER_AT" -H "$J" -d '{"settings":{"refresh_token_ttl":1,"access_token_ttl":1}}'
expect_status 200
login
AT=$(member .access_token)
sleep 1.2
curl -X POST $H/auth/refresh -H "$J" -d "{\"refresh_token\":\"$RT\"}"
expect_status 401
expect .detail "$SENTENCE"
curl $H/users/me -H "Authorization: Bearer $AT"
expect_status 401
# The owner's token is older than the setting, and lives on.
curl -X PUT $H/tenants/settings -H "Authorization: Bearer $OWNER_AT" -H "$J" -d '{"settings":{"refresh_token_ttl":604800,"access_token_ttl":900}}'
expect_status 200

# Two refreshes at once: exactly one 200.
login
: >codes.txt
for _ in 1 2; do
    command curl -s -o /dev/null -w '%{http_code}\n' -X POST "$H/auth/refresh" -H "$J" -d "{\"refresh_token\":\"$RT\"}" >>codes.txt &
done
wait
[[ $(grep -c '^200$' codes.txt) == 1 ]] || fail "two refreshes at once gave $(tr '\n' ' ' <codes.txt)"
[[ $(grep -c '^401$' codes.txt) == 1 ]] || fail "two refreshes at once gave $(tr '\n' ' ' <codes.txt)"
echo "E4: proven"
