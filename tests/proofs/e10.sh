#!/usr/bin/env bash
# shellcheck disable=SC2086,SC1091  # the printed commands stand as they are printed
# Proof E10: machine clients, guesses at passwords and forged tokens.
# usage: H=http://localhost:8080 LOCK=30 e10.sh     LOCK: seconds of the first lock
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The registration and the login of E1, and the same name in another tenant.
curl -X POST $H/tenants/register -H "$J" -d '{"tenant_name":"Acme Corporation","tenant_slug":"acme","admin_username":"admin","admin_email":"admin@acme.com","admin_password":"secure123","plan":"free"}'
expect_status 201
TENANT=$(member .tenant.id)
curl -X POST $H/tenants/register -H "$J" -d '{"tenant_name":"Other Ltd","tenant_slug":"other","admin_username":"admin","admin_email":"admin@other.example","admin_password":"secure456","plan":"free"}'
expect_status 201
OTHER=$(member .tenant.id)
AT=$(curl -X POST $H/auth/login -H "$J" -H "X-Tenant-Slug: acme" -d '{"email":"admin@acme.com","password":"secure123"}' | jq -r .access_token)
expect_status 200

# A machine's token has no user.
curl -X POST $H/oauth/login -H "$J" -H "X-Tenant-Slug: acme" -c cookies.txt -d '{"username":"admin","password":"secure123"}'
expect_status 200
# printed:
curl -X POST $H/oauth/client/register -H "$J" -H 'X-Tenant-Slug: acme' -b cookies.txt -d '{"client_name":"Machine","grant_types":["client_credentials"],"scope":"read"}'
expect_status 201
CID=$(member .client_id) SEC=$(member .client_secret)
# printed:
curl -X POST $H/oauth/token -u $CID:$SEC -d grant_type=client_credentials -d scope=read; expect_status 200; expect .scope read; OLD=$SEC MT=$(member .access_token); curl -X POST $H/oauth/client/$CID/rotate-secret -H 'X-Tenant-Slug: acme' -b cookies.txt -H "$J" -d '{"overlap_seconds":5}'
expect_status 200
SEC=$(member .client_secret) ROTATED=$EPOCHREALTIME
[[ $SEC != "$OLD" ]] || fail "the secret is the old one"

# Both secrets work inside the overlap.
for secret in "$OLD" "$SEC"; do
    curl -X POST $H/oauth/token -u $CID:$secret -d grant_type=client_credentials -d scope=read
    [[ $(last_status) == 200 ]] || late "$ROTATED" 5
    expect_status 200
done

curl $H/api/protected -H "Authorization: Bearer $MT"
expect_status 200
expect .user null
curl $H/api/users/me -H "Authorization: Bearer $MT"
expect_status 403
curl $H/oauth/userinfo -H "Authorization: Bearer $MT"
expect_status 403

# Two authentications at once.
curl -X POST $H/oauth/token -u $CID:$SEC -d grant_type=client_credentials -d client_id=$CID -d client_secret=$SEC
expect_error 400 invalid_request

# The password grant is not for a public client.
curl -X POST $H/oauth/client/register -H "$J" -H 'X-Tenant-Slug: acme' -b cookies.txt -d '{"client_name":"Page","token_endpoint_auth_method":"none","redirect_uris":["https://app.example/cb"]}'
expect_status 201
expect .client_secret null
curl -X POST $H/oauth/token -d client_id="$(member .client_id)" -d grant_type=password -d username=admin -d password=secure123
expect_error 400 unauthorized_client

# Forged tokens: all 401. First that the genuine one is none of them.
curl $H/api/protected -H "Authorization: Bearer $AT"
expect_status 200

url64() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
part() { # part NUMBER: that part of the genuine token as text
    local text
    text=$(cut -d. -f"$1" <<<"$AT" | tr -- '-_' '+/')
    while ((${#text} % 4)); do text+='='; done
    openssl base64 -d -A <<<"$text"
}
refused() { # refused WHAT TOKEN
    curl $H/api/protected -H "Authorization: Bearer $2"
    [[ $(last_status) == 401 ]] || fail "$1 was answered $(last_status)"
}
HEADER=$(part 1) CLAIMS=$(part 2) SIGNATURE=$(cut -d. -f3 <<<"$AT")
NONE=$(jq -c '.alg = "none"' <<<"$HEADER" | tr -d '\n' | url64).$(url64 <<<"$CLAIMS")
refused "alg none" "$NONE."
refused "alg none with a signature" "$NONE.$SIGNATURE"

# HS256 under the public key, as text and as its coordinates.
JWK=$(curl $H/t/acme/.well-known/jwks.json | jq -c '.keys[0]')
for secret in "$JWK" "$(jq -r .x <<<"$JWK")" "$(jq -r .kid <<<"$JWK")"; do
    text=$(jq -c '.alg = "HS256"' <<<"$HEADER" | tr -d '\n' | url64).$(printf %s "$CLAIMS" | url64)
    mac=$(printf %s "$text" | openssl dgst -sha256 -hmac "$secret" -binary | url64)
    refused "HS256 under the public key" "$text.$mac"
done

# The tenant exchanged under the genuine signature.
refused "an edited tid" "$(cut -d. -f1 <<<"$AT").$(printf %s "${CLAIMS//$TENANT/$OTHER}" | url64).$SIGNATURE"
# Another tenant's key id, with that tenant named or not.
KID=$(curl $H/t/other/.well-known/jwks.json | jq -r '.keys[0].kid')
FOREIGN=$(jq -c --arg kid "$KID" '.kid = $kid' <<<"$HEADER" | tr -d '\n' | url64)
refused "another tenant's kid" "$FOREIGN.$(cut -d. -f2,3 <<<"$AT")"
refused "another tenant's kid and tid" "$FOREIGN.$(printf %s "${CLAIMS//$TENANT/$OTHER}" | url64).$SIGNATURE"

# The overlap is over: the old secret fails.
sleep "$(jq -n "[0, 5.1 - ($EPOCHREALTIME - $ROTATED)] | max")"
curl -X POST $H/oauth/token -u $CID:$OLD -d grant_type=client_credentials -d scope=read
expect_error 401 invalid_client
curl -X POST $H/oauth/token -u $CID:$SEC -d grant_type=client_credentials -d scope=read
expect_status 200

# Ten guesses are 401, the next two 429. (The wrapper of lib.sh keeps out of it.)
unset -f curl
GUESSED=$EPOCHREALTIME
# printed:
for i in $(seq 12); do curl -s -o /dev/null -w '%{http_code} ' -X POST $H/oauth/login -H "$J" -H 'X-Tenant-Slug: acme' -d '{"username":"admin","password":"wrong-pass"}'; done >codes.txt
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[[ $(<codes.txt) == *" 429 429 " ]] || late "$GUESSED" "$LOCK"
[[ $(<codes.txt) == "401 401 401 401 401 401 401 401 401 401 429 429 " ]] || fail "twelve guesses gave $(<codes.txt)"

# The right password is refused too until the lock ends; the other tenant's admin is not concerned.
curl -X POST $H/oauth/login -H "$J" -H 'X-Tenant-Slug: acme' -d '{"username":"admin","password":"secure123"}'
[[ $(last_status) == 429 ]] || late "$GUESSED" "$LOCK"
expect_error 429 too_many_attempts
WAIT=$(header Retry-After)
[[ $WAIT -ge 1 && $WAIT -le $LOCK ]] || fail "Retry-After is $WAIT"
curl -X POST $H/oauth/login -H "$J" -H 'X-Tenant-Slug: other' -d '{"username":"admin","password":"secure456"}'
expect_status 200
sleep "$WAIT"
curl -X POST $H/oauth/login -H "$J" -H 'X-Tenant-Slug: acme' -d '{"username":"admin","password":"secure123"}'
expect_status 200
echo "E10: proven"
