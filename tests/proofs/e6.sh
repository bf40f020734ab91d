#!/usr/bin/env bash
# shellcheck disable=SC2086,SC1091  # the printed commands stand as they are printed
# Proof E6: the client flow of document 003. What stands in the database is checked by test_proofs.py.
# usage: H=http://localhost:8080 e6.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# printed:
curl -X POST $H/api/v1/clients/register -H "$J" -d '{"client_name":"AI Platform","industry":"AI/ML"}'
expect_status 201
C=$(member .client_id) AK=$(member .access_key) DOCS=$(member .documentation_url)
echo "$C" >client_id.txt

# printed:
curl -X POST $H/api/v1/$C/signup -H "Authorization: Bearer $AK" -H "$J" -d '{"email":"user@example.com","password":"password123","custom_fields":{"department":"ML"}}'
expect_status 201
USER_ID=$(member .user_id)
echo "$USER_ID" >user_id.txt
[[ $(member .access_token) != null && $(member .refresh_token) != null ]] || fail "signup gave no tokens"

# Once more: 409.
curl -X POST $H/api/v1/$C/signup -H "Authorization: Bearer $AK" -H "$J" -d '{"email":"user@example.com","password":"password123","custom_fields":{"department":"ML"}}'
expect_error 409 email_taken

# A wrong password, for the failed row.
curl -X POST $H/api/v1/$C/login -H "Authorization: Bearer $AK" -H "$J" -d '{"email":"user@example.com","password":"password124"}'
expect_error 401 invalid_credentials

# printed:
curl -X POST $H/api/v1/$C/login -H "Authorization: Bearer $AK" -H "$J" -d '{"email":"user@example.com","password":"password123"}'; expect_status 200; expect .user_id "$USER_ID"; RT=$(member .refresh_token)

curl -X POST $H/api/v1/$C/logout -H "Authorization: Bearer $AK" -H "$J" -d "{\"refresh_token\":\"$RT\"}"
expect_status 204

# printed:
curl $H/api/v1/$C/audit -H "Authorization: Bearer $AK"
expect_status 200
rows=$(member '[.events[] | select(.action == "signup" or .action == "login" or .action == "logout")
    | select(.status == "success" or .action == "login")] | reverse
    | map(.action + " " + .status) | join(", ")')
[[ $rows == "signup success, login failed, login success, logout success" ]] || fail "the rows are: $rows"
[[ $(member '[.events[] | select(.action == "signup" or .action == "login" or .action == "logout")
    | .ip_address == "127.0.0.1" or .ip_address == "::1"] | all') == true ]] || fail "an address is wrong"
[[ $(member '[.events[] | select(.action == "signup" or .action == "login" or .action == "logout")
    | .user_agent | startswith("curl/")] | all') == true ]] || fail "an agent is wrong"

# No key 401, key of another client 403.
curl $H/api/v1/$C/audit
expect_status 401
OTHER=$(curl -X POST $H/api/v1/clients/register -H "$J" -d '{"client_name":"Somebody else","industry":"SaaS"}' | jq -r .access_key)
curl $H/api/v1/$C/audit -H "Authorization: Bearer $OTHER"
expect_error 403 tenant_mismatch

# documentation_url answers 200.
command curl -s -o /dev/null -w '%{http_code}' "$DOCS" >"$HEAD.status"
expect_status 200 "$DOCS"

# Over budget: 429 with Retry-After. The plan allows BUDGET requests a minute, which come back
# while a slow machine still asks.
for ((i = 0; i <= 3 * BUDGET; i++)); do
    curl $H/api/v1/clients/me -H "Authorization: Bearer $AK" >/dev/null
    [[ $(last_status) == 200 ]] || break
done
expect_error 429 rate_limited
[[ $(header Retry-After) -ge 1 ]] || fail "no Retry-After"
echo "E6: proven"
