#!/usr/bin/env bash
# shellcheck disable=SC2086,SC1091  # the printed commands stand as they are printed
# Proof E2: discovery, authorization code with PKCE and consent, ID token, UserInfo, reuse, revocation.
# usage: H=http://localhost:8080 e2.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The registration and the login of E1, and the two clients.
curl -X POST $H/tenants/register -H "$J" -d '{"tenant_name":"Acme Corporation","tenant_slug":"acme","admin_username":"admin","admin_email":"admin@acme.com","admin_password":"secure123","plan":"free"}'
expect_status 201
ADMIN=$(member .admin.id)
curl -X POST $H/oauth/login -H "$J" -H "X-Tenant-Slug: acme" -c cookies.txt -d '{"username":"admin","password":"secure123"}'
expect_status 200
RU=http://localhost:3000/callback
curl -X POST $H/oauth/client/register -H "$J" -H "X-Tenant-Slug: acme" -b cookies.txt -d "{\"client_name\":\"Spa\",\"redirect_uris\":[\"$RU\"],\"token_endpoint_auth_method\":\"none\",\"scope\":\"openid email\"}"
expect_status 201
[[ $(member .client_secret) == null ]] || fail "a public client got a secret"
PUB=$(member .client_id)
curl -X POST $H/oauth/client/register -H "$J" -H "X-Tenant-Slug: acme" -b cookies.txt -d '{"client_name":"My Application","grant_types":["password","refresh_token"],"scope":"read write profile"}'
expect_status 201
CID=$(member .client_id) SEC=$(member .client_secret)

url64() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
un64() { # un64 TEXT: the bytes of base64url
    local text
    text=$(tr -- '-_' '+/' <<<"$1")
    while ((${#text} % 4)); do text+='='; done
    openssl base64 -d -A <<<"$text"
}
CV=$(openssl rand 48 | url64)
CC=$(printf %s "$CV" | openssl dgst -sha256 -binary | url64)

# One round of the browser: consent where it is asked for, then the code.
grant() {
    # printed:
    curl $H/t/acme/.well-known/openid-configuration; curl -i -b cookies.txt "$H/t/acme/oauth/authorize?response_type=code&client_id=$PUB&redirect_uri=$RU&scope=openid+email&state=s&nonce=n&code_challenge=$CC&code_challenge_method=S256"
    if [[ $(last_status) == 200 ]]; then
        FORM=$(sed -n 's/.*name="form_token" value="\([^"]*\)".*/\1/p' "$ANSWER" | head -1)
        grep -q consent-allow "$ANSWER" || fail "the page does not ask for consent"
        curl -X POST $H/t/acme/oauth/authorize -b cookies.txt -d confirm=yes --data-urlencode "form_token=$FORM" -d response_type=code -d client_id=$PUB --data-urlencode "redirect_uri=$RU" -d "scope=openid email" -d state=s -d nonce=n -d code_challenge=$CC -d code_challenge_method=S256
    fi
    expect_status 303
    LOCATION=$(header Location)
    [[ $LOCATION == "$RU?"* ]] || fail "the browser is sent to $LOCATION"
    [[ $LOCATION == *state=s* && $LOCATION == *iss=* ]] || fail "state or iss is missing: $LOCATION"
    CODE=$(sed 's/.*[?&]code=\([^&]*\).*/\1/' <<<"$LOCATION")
}
grant

# Wrong verifier: refused, and nothing is used up.
curl -X POST $H/t/acme/oauth/token -d grant_type=authorization_code -d code=$CODE -d redirect_uri=$RU -d client_id=$PUB -d code_verifier=$CC
expect_error 400 invalid_grant
# printed:
curl -X POST $H/t/acme/oauth/token -d grant_type=authorization_code -d code=$CODE -d redirect_uri=$RU -d client_id=$PUB -d code_verifier=$CV
expect_status 200
expect .token_type Bearer
FIRST=$(member .access_token) IDT=$(member .id_token)

# The ID token, with the published key.
curl $H/t/acme/.well-known/openid-configuration
ISSUER=$(member .issuer)
curl $H/t/acme/.well-known/jwks.json
KID=$(un64 "$(cut -d. -f1 <<<"$IDT")" | jq -r .kid)
for name in n e; do
    declare "$name=$(un64 "$(jq -r --arg kid "$KID" --arg name "$name" '.keys[] | select(.kid == $kid) | .[$name]' "$ANSWER")" | od -An -v -tx1 | tr -d ' \n')"
done
# shellcheck disable=SC2154  # n and e are declared above
printf '%s\n' 'asn1=SEQUENCE:key' '[key]' 'a=SEQUENCE:alg' 'b=BITWRAP,SEQUENCE:rsa' '[alg]' \
    'a=OID:rsaEncryption' 'b=NULL' '[rsa]' "n=INTEGER:0x$n" "e=INTEGER:0x$e" >key.conf
openssl asn1parse -genconf key.conf -noout -out key.der
openssl pkey -pubin -inform DER -in key.der -out key.pem
un64 "$(cut -d. -f3 <<<"$IDT")" >signature.bin
printf %s "${IDT%.*}" | openssl dgst -sha256 -verify key.pem -signature signature.bin >/dev/null ||
    fail "the signature of the ID token is not the published key's"
CLAIMS=$(un64 "$(cut -d. -f2 <<<"$IDT")")
[[ $(jq -r .iss <<<"$CLAIMS") == "$ISSUER" && $(jq -r .sub <<<"$CLAIMS") == "$ADMIN" ]] || fail "claims: $CLAIMS"
[[ $(jq -r .nonce <<<"$CLAIMS") == n && $(jq -r '[.aud] | flatten[0]' <<<"$CLAIMS") == "$PUB" ]] || fail "claims: $CLAIMS"

# UserInfo by the scopes.
curl $H/oauth/userinfo -H "Authorization: Bearer $FIRST"
expect_status 200
expect .sub "$ADMIN"
expect .email admin@acme.com

# The code again: refused, and what it gave is dead.
curl -X POST $H/t/acme/oauth/token -d grant_type=authorization_code -d code=$CODE -d redirect_uri=$RU -d client_id=$PUB -d code_verifier=$CV
expect_error 400 invalid_grant
curl $H/api/protected -H "Authorization: Bearer $FIRST"
expect_error 401 invalid_token

# A foreign redirect URI is never gone to.
curl -i -b cookies.txt "$H/t/acme/oauth/authorize?response_type=code&client_id=$PUB&redirect_uri=https://evil.example/&scope=openid+email&state=s&code_challenge=$CC&code_challenge_method=S256"
expect_status 400
[[ -z $(header Location) ]] || fail "a foreign redirect URI was gone to"

# The consent is remembered: the second time there is no page.
grant

# printed:
AT=$(curl -s -X POST $H/oauth/token -u $CID:$SEC -d grant_type=password -d username=admin -d password=secure123 | jq -r .access_token)
expect_status 200
curl $H/api/protected -H "Authorization: Bearer $AT"
expect_status 200
# printed:
curl -X POST $H/oauth/revoke -u $CID:$SEC -d token=$AT; curl -X POST $H/oauth/introspect -u $CID:$SEC -d token=$AT
expect_status 200
expect .active false
curl $H/api/protected -H "Authorization: Bearer $AT"
expect_error 401 invalid_token
echo "E2: proven"
