#!/usr/bin/env bash
# shellcheck disable=SC2086,SC1091  # the printed commands stand as they are printed
# Proof E7: hints that contradict each other or the credential.
# usage: H=http://localhost:8080 e7.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The registrations and the login of E1, and the tenant `other`.
curl -X POST $H/tenants/register -H "$J" -d '{"tenant_name":"Acme Corporation","tenant_slug":"acme","admin_username":"admin","admin_email":"admin@acme.com","admin_password":"secure123","plan":"free"}'
expect_status 201
curl -X POST $H/tenants/register -H "$J" -d '{"tenant_name":"Other Ltd","tenant_slug":"other","admin_username":"admin","admin_email":"admin@other.example","admin_password":"secure456","plan":"free"}'
expect_status 201
OTHER=$(member .tenant.id)
AT=$(curl -X POST $H/auth/login -H "$J" -H "X-Tenant-Slug: acme" -d '{"email":"admin@acme.com","password":"secure123"}' | jq -r .access_token)
expect_status 200
RT=$(member .refresh_token)

# printed: slug against id, path against header, token against header.
curl -i $H/tenants/info -H 'X-Tenant-Slug: acme' -H "X-Tenant-ID: $OTHER"; expect_error 400 tenant_conflict; curl -i $H/tenants/acme/info -H 'X-Tenant-Slug: other'; expect_error 400 tenant_conflict; curl -i $H/api/protected -H "Authorization: Bearer $AT" -H 'X-Tenant-Slug: other'; expect_error 403 tenant_mismatch

# Host against slug.
PORT_OF_H=${H##*:}
curl $H/tenants/info -H "Host: other.localhost:$PORT_OF_H" -H 'X-Tenant-Slug: acme'
expect_error 400 tenant_conflict

# An unknown slug never falls through, whatever stands beside it.
curl $H/tenants/info -H 'X-Tenant-Slug: nobody'
expect_error 404 tenant_not_found
curl $H/api/protected -H "Authorization: Bearer $AT" -H 'X-Tenant-Slug: nobody'
expect_error 404 tenant_not_found
curl $H/tenants/info -H "Host: acme.localhost:$PORT_OF_H" -H 'X-Tenant-Slug: nobody'
expect_error 404 tenant_not_found

# The refresh token of acme at other: refused, and not used up.
curl -X POST $H/auth/refresh -H "$J" -H 'X-Tenant-Slug: other' -d "{\"refresh_token\":\"$RT\"}"
expect_error 403 tenant_mismatch
curl -X POST $H/auth/refresh -H "$J" -H 'X-Tenant-Slug: acme' -d "{\"refresh_token\":\"$RT\"}"
expect_status 200

# The client of acme at other: as unknown as one that nobody registered.
CLIENT=$(curl -X POST $H/oauth/client/register -H "$J" -H "Authorization: Bearer $AT" -d '{"client_name":"Machine","grant_types":["client_credentials"],"scope":"read"}')
expect_status 201
CID=$(jq -r .client_id <<<"$CLIENT") SEC=$(jq -r .client_secret <<<"$CLIENT")
curl -X POST $H/t/other/oauth/token -u $CID:$SEC -d grant_type=client_credentials
expect_error 401 invalid_client
curl -X POST $H/t/acme/oauth/token -u $CID:$SEC -d grant_type=client_credentials
expect_status 200

# Two slugs in two headers, the same one too.
curl $H/tenants/info -H 'X-Tenant-Slug: acme' -H 'X-Tenant-Slug: other'
expect_status 400
curl $H/tenants/info -H 'X-Tenant-Slug: acme' -H 'X-Tenant-Slug: acme'
expect_status 400

# What a stranger says about the host it came to counts for nothing.
curl $H/tenants/info -H 'X-Tenant-Slug: acme' -H 'X-Forwarded-Host: other.localhost'
expect_status 200
expect .slug acme
curl $H/tenants/info -H 'X-Forwarded-Host: other.localhost'
expect_error 400 tenant_not_identified
echo "E7: proven"
