#!/usr/bin/env bash
# shellcheck disable=SC2086,SC1091  # the printed commands stand as they are printed
# Proof E8: roles and the limit of a plan, without invitations (mail) and scopes of OAuth clients.
# usage: H=http://localhost:8080 e8.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The registration and the login of E1.
curl -X POST $H/tenants/register -H "$J" -d '{"tenant_name":"Acme Corporation","tenant_slug":"acme","admin_username":"admin","admin_email":"admin@acme.com","admin_password":"secure123","plan":"free"}'
expect_status 201
OWNER=$(member .admin.id)
curl -X POST $H/oauth/login -H "$J" -H "X-Tenant-Slug: acme" -c cookies.txt -d '{"username":"admin","password":"secure123"}'
expect_status 200

# printed: nobody makes himself an owner.
curl -i -X POST $H/oauth/register -H "$J" -H 'X-Tenant-Slug: acme' -d '{"username":"x","email":"x@acme.com","password":"secure123","role":"owner"}'
expect_status 403

# An admin makes users and admins, but no owner.
curl -X POST $H/tenants/users -H "$J" -H 'X-Tenant-Slug: acme' -b cookies.txt -d '{"username":"ada","email":"ada@acme.com","password":"secure123","role":"admin"}'
expect_status 201
ADA=$(member .user.id)
AT=$(curl -X POST $H/auth/login -H "$J" -H "X-Tenant-Slug: acme" -d '{"email":"ada@acme.com","password":"secure123"}' | jq -r .access_token)
expect_status 200
curl -X POST $H/tenants/users -H "$J" -H "Authorization: Bearer $AT" -d '{"username":"boss","email":"boss@acme.com","password":"secure123","role":"owner"}'
expect_error 403 role_not_allowed
curl $H/api/admin -H "Authorization: Bearer $AT"
expect_status 200

# The last owner stays one, whoever asks.
curl -X PUT $H/tenants/users/$OWNER/role -H "$J" -H 'X-Tenant-Slug: acme' -b cookies.txt -d '{"role":"user"}'
expect_status 403
curl $H/tenants/users/$OWNER -H "Authorization: Bearer $AT"
expect .role owner

# A demoted admin's old token loses admin at once.
curl -X PUT $H/tenants/users/$ADA/role -H "$J" -H 'X-Tenant-Slug: acme' -b cookies.txt -d '{"role":"user"}'
expect_status 200
curl $H/api/admin -H "Authorization: Bearer $AT"
[[ $(last_status) == 401 || $(last_status) == 403 ]] || fail "the demoted admin's token still opens /api/admin"
curl $H/tenants/users -H "Authorization: Bearer $AT"
[[ $(last_status) == 401 || $(last_status) == 403 ]] || fail "the demoted admin still lists users"

# Free has ten users, two are there: of 20 who register at once eight get in, and never an eleventh.
: >codes.txt
for i in $(seq 20); do
    command curl -s -o "body-$i.json" -w '%{http_code}\n' -X POST "$H/oauth/register" -H "$J" -H 'X-Tenant-Slug: acme' \
        -d "{\"username\":\"user$i\",\"email\":\"user$i@acme.com\",\"password\":\"secure123\"}" >>codes.txt &
done
wait
odd=$(grep -cvE '^(201|403|503)$' codes.txt) || true
[[ $odd == 0 && $(grep -c '^201$' codes.txt) -le 8 ]] || fail "20 at once gave $(sort codes.txt | uniq -c | tr '\n' ' ')"
# A 503 is honest on a crowded machine: whoever got one comes again, until the plan is full.
for ((i = 1; i <= 9; i++)); do
    curl -X POST $H/oauth/register -H "$J" -H 'X-Tenant-Slug: acme' -d "{\"username\":\"late$i\",\"email\":\"late$i@acme.com\",\"password\":\"secure123\"}"
    [[ $(last_status) == 201 ]] || break
done
expect_error 403 plan_limit
curl $H/tenants/stats -H "X-Tenant-Slug: acme" -b cookies.txt
expect_status 200
expect .total_users 10
expect .max_users 10
echo "E8 (without invitations and clients): proven"
