"""The metadata of issuers (OpenID Connect Discovery 1.0, RFC 8414): R004-19, C31, OA-6."""
import json

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata

from support.check import ok, refused, until
from test_tokens import claims_of

OIDC = "/.well-known/openid-configuration"
OAUTH = "/.well-known/oauth-authorization-server"

#: What is registered (IANA OAuth Authorization Server Metadata) and may be told.
KNOWN = {
    "issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri",
    "registration_endpoint",
    "end_session_endpoint", "revocation_endpoint", "introspection_endpoint", "scopes_supported",
    "response_types_supported", "response_modes_supported", "grant_types_supported",
    "acr_values_supported", "subject_types_supported", "id_token_signing_alg_values_supported",
    "token_endpoint_auth_methods_supported", "revocation_endpoint_auth_methods_supported",
    "introspection_endpoint_auth_methods_supported", "claim_types_supported", "claims_supported",
    "code_challenge_methods_supported", "claims_parameter_supported",
    "request_parameter_supported", "request_uri_parameter_supported",
    "authorization_response_iss_parameter_supported", "backchannel_logout_supported",
    "backchannel_logout_session_supported", "prompt_values_supported", "display_values_supported",
    "ui_locales_supported",
}


@pytest.fixture(scope="module")
def metadata(api, acme):
    return ok(api.get(f"/t/{acme.slug}{OIDC}"))


def test_the_issuer_is_that_of_the_tokens(api, world, acme, metadata):
    """OA-6: byte for byte, and every endpoint lies under it."""
    assert metadata["issuer"] == claims_of(world.user(acme).token)["iss"]
    urls = {name: url for name, url in metadata.items() if name.endswith(("_endpoint", "_uri"))}
    assert {"token_endpoint", "userinfo_endpoint", "jwks_uri", "revocation_endpoint",
            "introspection_endpoint"} <= set(urls)
    for url in urls.values():
        assert url.startswith(metadata["issuer"] + "/")
        path = "/t/" + url.split("/t/")[1]
        assert api.request("OPTIONS", path).status_code == 204, url


def test_independent_readers_accept_it(metadata):
    """R004-19: Authlib's validators of both documents; nothing that nobody registered."""
    if "authorization_endpoint" in metadata:
        server = AuthorizationServerMetadata(metadata)
        server.validate_issuer = lambda: None  # insists on https, which development has not
        server.validate()
        provider = OpenIDProviderMetadata(metadata)
        provider.validate_issuer = lambda: None
        provider.validate()
    assert set(metadata) <= KNOWN


def test_clients_register_where_it_says(api, world, metadata, acme):
    """C18, OA-15: RFC 7591 with the token of an administrator; nobody registers without one."""
    world.login(acme.owner)
    path = "/t/" + metadata["registration_endpoint"].split("/t/")[1]
    wanted = {"client_name": "Found", "redirect_uris": ["https://app.example/cb"]}
    refused(api.post(path, json=wanted), 401, "authentication_required")
    made = ok(api.post(path, token=acme.owner.token, json=wanted), 201)
    assert made["client_secret_expires_at"] == 0 and made["client_id_issued_at"] > 0
    assert made["redirect_uris"] == wanted["redirect_uris"]
    assert ok(api.post("/oauth/register", tenant=acme.slug, json={
        "username": "found", "email": "found@example.com", "password": "battery staple"}), 201)["user_id"]


def test_what_is_said_holds(metadata):
    """api.md §11: only what is built; OA-3: no implicit flow, no tokens in addresses."""
    assert metadata["id_token_signing_alg_values_supported"] == ["RS256", "ES256"]
    assert metadata["subject_types_supported"] == ["public"]
    assert metadata["request_parameter_supported"] is False
    assert metadata["request_uri_parameter_supported"] is False
    built = "authorization_endpoint" in metadata
    assert metadata["claims_parameter_supported"] is built
    assert metadata["authorization_response_iss_parameter_supported"] is built
    assert metadata["response_types_supported"] == (["code"] if built else [])
    assert ("authorization_code" in metadata["grant_types_supported"]) is built
    assert {"openid", "profile", "email", "address", "phone",
            "offline_access"} == set(metadata["scopes_supported"])
    assert {"sub", "name", "email_verified", "address"} <= set(metadata["claims_supported"])
    assert not any("none" in words for name, words in metadata.items()
                   if name.startswith("id_token"))


@pytest.mark.parametrize("path", [OAUTH, OIDC])
def test_every_way_to_a_tenant_leads_to_one_document(api, acme, metadata, path):
    """RFC 8414 §3.1 inserts the path of the issuer; headers and hosts name the tenant too."""
    assert ok(api.get(path, tenant=acme.slug)) == metadata
    assert ok(api.get(path, tenant_id=acme.id)) == metadata
    assert ok(api.get(path, host=f"{acme.slug}.localhost")) == metadata
    assert ok(api.get(f"/t/{acme.slug}{path}")) == metadata
    assert ok(api.get(f"{OAUTH}/t/{acme.slug}")) == metadata


def test_unknown_tenants_and_hints_that_disagree(api, acme, other):
    """TI-1."""
    refused(api.get(f"{OAUTH}/t/nobody"), 404, "tenant_not_found")
    refused(api.get(f"/t/nobody{OIDC}"), 404, "tenant_not_found")
    refused(api.get(f"{OAUTH}/t/{acme.slug}", tenant=other.slug), 400, "tenant_conflict")
    refused(api.get(OIDC), 400, "tenant_not_identified")
    refused(api.get(f"{OAUTH}/t/{acme.slug}/x"), 404)


@pytest.mark.parametrize("headers", [
    {"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example"}, {"X-Forwarded-Proto": "https"},
    {"Forwarded": "host=evil.example;proto=https"}])
def test_a_forged_host_changes_nothing(api, acme, metadata, headers):
    """OA-6, HT-7: made from configuration, never from the request, also when it is kept."""
    path = f"/t/{acme.slug}{OIDC}"
    answer = api.get(path, headers=headers)
    assert "evil.example" not in answer.text and ok(answer) == metadata
    assert ok(api.get(path)) == metadata


def test_anybody_may_read_and_keep_it(api, acme):
    """api.md §11 CORS: *; credentials are ignored."""
    answer = api.get(f"/t/{acme.slug}{OIDC}", headers={"Origin": "https://app.example"},
                     token="garbage")
    assert ok(answer)["issuer"]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["content-type"] == "application/json"


def test_the_text_is_kept_per_tenant(api, world, acme, metadata):
    """TI-8."""
    tenant = world.tenant()
    mine = ok(api.get(f"/t/{tenant.slug}{OIDC}"))
    assert mine != metadata
    assert json.loads(json.dumps(mine).replace(tenant.slug, acme.slug)) == metadata


def test_a_suspended_tenant_has_none(api, world):
    """TI-2: within a second, though it was kept."""
    tenant = world.tenant()
    ok(api.get(f"/t/{tenant.slug}{OIDC}"))
    ok(world.admin("POST", f"/tenants/{tenant.id}/suspend"))
    until(lambda: api.get(f"/t/{tenant.slug}{OIDC}").status_code == 404, 1.0)
