#!/usr/bin/env bash
# shellcheck disable=SC2086,SC1091  # the printed commands stand as they are printed
# Proof E3: subdomain isolation of document 000: the same user name in two tenants.
# usage: H=http://localhost:8080 PORT=5000 e3.sh     PORT: where the printed commands say 5000
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# printed, except for the port:
for t in client1 client2; do
    curl -X POST http://$t.localhost:$PORT/api/register -H "$J" -d "{\"username\":\"john\",\"password\":\"pass-$t-1\"}"
    expect_status 201
    [[ $(member .message) != null ]] || fail "no message"
done

# Crossed passwords are 401, each side's own is 200.
for pair in "client1 pass-client2-1" "client2 pass-client1-1"; do
    read -r t password <<<"$pair"
    curl -X POST http://$t.localhost:$PORT/api/login -H "$J" -d "{\"username\":\"john\",\"password\":\"$password\"}"
    expect_error 401 invalid_credentials
done

# printed, except for the port:
AT=$(curl -s -X POST http://client1.localhost:$PORT/api/login -H "$J" -d '{"username":"john","password":"pass-client1-1"}' | jq -r .access_token)
expect_status 200
curl http://client1.localhost:$PORT/api/whoami -H "Authorization: Bearer $AT"; expect_status 200; expect .username john; expect .tenant client1
curl -i http://client2.localhost:$PORT/api/whoami -H "Authorization: Bearer $AT"
expect_error 403 tenant_mismatch

# The page / shows each tenant's title.
for t in client1 client2; do
    curl http://$t.localhost:$PORT/
    expect_status 200
    title=$(command curl -s "$H/tenants/info" -H "X-Tenant-Slug: $t" | jq -r .name)
    grep -qF "$title" "$ANSWER" || fail "the page of $t does not show '$title'"
done
echo "E3: proven"
