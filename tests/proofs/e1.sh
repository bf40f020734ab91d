#!/usr/bin/env bash
# shellcheck disable=SC2086,SC1091  # the printed commands stand as they are printed
# Proof E1: the quick start of document 004, verbatim: register, login, a client, its token.
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
curl -X POST $H/oauth/client/register -H "$J" -H "X-Tenant-Slug: acme" -b cookies.txt -d '{"client_name":"My Application","grant_types":["password","refresh_token"],"scope":"read write profile"}'
expect_status 201
expect .client_name "My Application"
expect .scope "read write profile"
expect .tenant_id "$TENANT"
CID=$(member .client_id) SEC=$(member .client_secret)
[[ ${#CID} == 24 && ${#SEC} == 48 ]] || fail "client_id $CID, client_secret of ${#SEC} characters"

# printed:
curl -X POST $H/oauth/token -H "X-Tenant-Slug: acme" -d grant_type=password -d username=admin -d password=secure123 -d client_id=$CID -d client_secret=$SEC -d "scope=read write"
expect_status 200
expect .scope "read write"
expect .token_type Bearer
expect .expires_in 3600
[[ $(member .refresh_token) != null ]] || fail "no refresh token"
AT=$(member .access_token)

# printed:
curl $H/api/protected -H "Authorization: Bearer $AT"; expect_status 200; expect .client_id "$CID"; curl -X POST $H/tenants/info -H "X-Tenant-Slug: acme"; expect_status 200; expect .slug acme; expect .is_active true
curl $H/tenants/list; expect_status 200
[[ $(member '.tenants | map(.slug) | index("acme") != null') == true ]] || fail "acme is not listed"
curl $H/tenants/stats -H "X-Tenant-Slug: acme" -b cookies.txt
expect_status 200
expect .total_users 1
expect .active_users 1
expect .total_clients 1
expect .plan free
expect .max_users 10

# The same without the cookie, which the proof implies.
curl $H/tenants/stats -H "X-Tenant-Slug: acme"
expect_status 401

# The scope decides: without profile no, with it yes.
curl $H/api/users/me -H "Authorization: Bearer $AT"
expect_error 403 insufficient_scope
AT=$(curl -X POST $H/oauth/token -H "X-Tenant-Slug: acme" -d grant_type=password -d username=admin -d password=secure123 -d client_id=$CID -d client_secret=$SEC -d scope=profile | jq -r .access_token)
expect_status 200
expect .scope profile
curl $H/api/users/me -H "Authorization: Bearer $AT"
expect_status 200
echo "E1: proven"
