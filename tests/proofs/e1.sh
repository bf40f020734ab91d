#!/usr/bin/env bash
# shellcheck disable=SC2086,SC1091  # the printed commands stand as they are printed
# Proof E1, first half: the quick start of document 004, verbatim: register, login, info, list, stats.
# usage: H=http://localhost:8080 e1.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# printed:
curl -X POST $H/tenants/register -H "$J" -d '{"tenant_name":"Acme Corporation","tenant_slug":"acme","admin_username":"admin","admin_email":"admin@acme.com","admin_password":"secure123","plan":"free"}'
expect_status 201
expect .tenant.slug acme
expect .tenant.name "Acme Corporation"
expect .tenant.plan free
expect .admin.username admin
expect .admin.email admin@acme.com
expect .admin.role owner
for name in subdomain header path; do
    [[ $(member ".access_info.$name") == *acme* ]] || fail "access_info.$name does not name acme"
done
TENANT=$(member .tenant.id) ADMIN=$(member .admin.id)

# printed:
curl -X POST $H/oauth/login -H "$J" -H "X-Tenant-Slug: acme" -c cookies.txt -d '{"username":"admin","password":"secure123"}'
expect_status 200
expect .user_id "$ADMIN"
expect .username admin
expect .tenant_id "$TENANT"
expect .tenant_slug acme
expect .role owner
grep -q session-acme cookies.txt || fail "no session cookie in cookies.txt"

# printed:
curl -X POST $H/tenants/info -H "X-Tenant-Slug: acme"; expect_status 200; expect .slug acme; expect .is_active true
curl $H/tenants/list; expect_status 200
[[ $(member '.tenants | map(.slug) | index("acme") != null') == true ]] || fail "acme is not listed"
curl $H/tenants/stats -H "X-Tenant-Slug: acme" -b cookies.txt
expect_status 200
expect .total_users 1
expect .active_users 1
expect .total_clients 0
expect .plan free
expect .max_users 10

# The same without the cookie, which the proof implies.
curl $H/tenants/stats -H "X-Tenant-Slug: acme"
expect_status 401

# A user's token opens what the second line of the proof shows with a client's.
AT=$(curl -X POST $H/auth/login -H "$J" -H "X-Tenant-Slug: acme" -d '{"email":"admin@acme.com","password":"secure123"}' | jq -r .access_token)
# printed:
curl $H/api/protected -H "Authorization: Bearer $AT"
expect_status 200
echo "E1 (first half): proven"
