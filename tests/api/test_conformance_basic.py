"""The modules of the OpenID Foundation's Basic plan and its configuration plan, each as a test of the
module's name (issue 5, G20; OA-16 to OA-18, R004-19, C31).

The client is tests/support/conformance.py. What a module leaves to the provider ("may be refused",
"a warning otherwise") is asserted as this provider does it.
"""
import base64
import json
import urllib.parse
import uuid

import jsonschema
import pytest
from bson.binary import Binary
from joserfc import jwt

from support.authorize import browser_of, pkce
from support.check import ok, refused
from support.conformance import ConformanceClient
from support.oauth import ask

FIELDS = {
    "given_name": "Ada", "family_name": "Lovelace", "middle_name": "King", "nickname": "ada",
    "profile": "https://ada.example/", "picture": "https://ada.example/me.png",
    "website": "https://ada.example/", "gender": "female", "birthdate": "1815-12-10",
    "zoneinfo": "Europe/London", "locale": "en-GB", "phone_number": "+44 20 7946 0000",
    "address": {"street_address": "12 St James's Square", "locality": "London", "country": "GB"},
}
PROFILE = {"name", "preferred_username", "updated_at"} | set(FIELDS) - {"phone_number", "address"}
EMAIL, PHONE = {"email", "email_verified"}, {"phone_number", "phone_number_verified"}


@pytest.fixture(scope="module")
def client(api, tenant):
    return ConformanceClient(api, tenant)


@pytest.fixture(scope="module")
def user(api, world, tenant):
    """Somebody with all claims, who signed in 100 seconds ago."""
    made = world.named_user(tenant)
    world.login(made)
    ok(api.patch("/users/me", token=made.token, json={"name": "Ada Lovelace", "custom_fields": FIELDS}))
    world.sign_in(made)
    grow_old(api.instance, made, 100)
    return made


def stored(text):
    """An id as the database has it."""
    return Binary.from_uuid(uuid.UUID(text))


def grow_old(service, user, seconds):
    """Moves the sessions of a user into the past."""
    moved = service.db.sessions.update_many({"user_id": stored(user.id)}, [{"$set": {
        "created_at": {"$subtract": ["$created_at", seconds * 1000]}}}])
    assert moved.modified_count > 0


# -- the flow -----------------------------------------------------------------------------------


def test_oidcc_server(client, user):
    """Discovery, unique key ids, state, iss, code, token answer, ID token, UserInfo."""
    pair, claims = client.sign_in(user.session, scope="openid profile email")
    assert claims["sub"] == user.id and claims["acr"] == "aal1" and claims["amr"] == ["pwd"]
    assert pair["expires_in"] == 3600 and "refresh_token" not in pair
    assert not (PROFILE | EMAIL) & set(claims), "scope claims go to UserInfo"
    assert client.userinfo(pair, claims)["email"] == user.email


def test_oidcc_server_client_secret_post(api, tenant, user):
    client = ConformanceClient(api, tenant, "client_secret_post")
    assert "client_secret_post" in client.provider["token_endpoint_auth_methods_supported"]
    pair, claims = client.sign_in(user.session)
    client.userinfo(pair, claims)
    refused(ask(api, client.path("token_endpoint"), client.made, grant_type="refresh_token",
                refresh_token="x"), 401, "invalid_client")


def test_oidcc_response_type_missing(client, user):
    assert client.error(client.ask(user.session, response_type=None)) == "invalid_request"


def test_oidcc_idtoken_signature(api, tenant, client, user):
    """RS256 with a key id of the key set; ES256 for a client that registered it."""
    assert "RS256" in client.provider["id_token_signing_alg_values_supported"]
    client.sign_in(user.session)
    other = ConformanceClient(api, tenant, id_token_signed_response_alg="ES256")
    pair = ok(other.exchange(other.code(other.ask(user.session))))
    token = jwt.decode(pair["id_token"], other.keys(), algorithms=["ES256"])
    assert token.header["alg"] == "ES256" and token.claims["sub"] == user.id


def test_oidcc_idtoken_unsigned(api, tenant, client):
    """The suite skips this where `none` is not supported: nobody can register for it."""
    assert "none" not in client.provider["id_token_signing_alg_values_supported"]
    refused(api.post("/oauth/client/register", token=tenant.owner.token, json={
        "client_name": "Unsigned", "redirect_uris": ["https://app.example/cb"],
        "id_token_signed_response_alg": "none"}), 400)


# -- UserInfo -----------------------------------------------------------------------------------


def test_oidcc_userinfo_get(client, user):
    client.userinfo(*client.sign_in(user.session))


def test_oidcc_userinfo_post_header(api, client, user):
    pair, claims = client.sign_in(user.session)
    told = ok(api.post(client.path("userinfo_endpoint"), token=pair["access_token"]))
    assert told["sub"] == claims["sub"]


def test_oidcc_userinfo_post_body(api, client, user):
    pair, claims = client.sign_in(user.session)
    told = ok(api.post(client.path("userinfo_endpoint"), form={"access_token": pair["access_token"]}))
    assert told["sub"] == claims["sub"]


def test_oidcc_scope_profile(client, user):
    assert PROFILE <= set(client.person(user.session, "openid profile"))


def test_oidcc_scope_email(client, user):
    assert set(client.person(user.session, "openid email")) == {"sub"} | EMAIL


def test_oidcc_scope_address(client, user):
    assert client.person(user.session, "openid address") == {
        "sub": user.id, "address": FIELDS["address"]}


def test_oidcc_scope_phone(client, user):
    assert set(client.person(user.session, "openid phone")) == {"sub"} | PHONE


def test_oidcc_scope_all(client, user):
    told = client.person(user.session, "openid profile email address phone")
    assert PROFILE | EMAIL | PHONE | {"address"} <= set(told)
    jsonschema.validate(told, {"properties": {
        "updated_at": {"type": "integer"}, "address": {"type": "object"},
        **{name: {"type": "boolean"} for name in ("email_verified", "phone_number_verified")},
        **{name: {"type": "string", "minLength": 1} for name in PROFILE - {"updated_at"}}}})


def test_oidcc_alternate_happy_flow(client, user):
    """Another order of scopes, and of parameters."""
    told = client.person(user.session, "email openid")
    assert set(told) == {"sub"} | EMAIL
    backwards = dict(reversed(client.params().items()))
    client.finish(client.follow(f"{client.path('authorization_endpoint')}?"
                                + urllib.parse.urlencode(backwards), user.session))


# -- what is taken without an error -------------------------------------------------------------


def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(client, user):
    client.sign_in(user.session, nonce=None)


def test_oidcc_ensure_request_with_unknown_parameter_succeeds(client, user):
    client.sign_in(user.session, extra="foobar")


def test_oidcc_display_page(client, user):
    client.sign_in(user.session, display="page")


def test_oidcc_display_popup(client, user):
    client.sign_in(user.session, display="popup")


def test_oidcc_ui_locales(client, user):
    client.sign_in(user.session, ui_locales="se")


def test_oidcc_claims_locales(client, user):
    client.sign_in(user.session, claims_locales="se")


def test_oidcc_ensure_request_with_acr_values_succeeds(client, user):
    """acr is one of those that discovery names, and one that was asked for where it can be."""
    supported = client.provider["acr_values_supported"]
    _, claims = client.sign_in(user.session, acr_values=" ".join(supported))
    assert claims["acr"] in supported
    _, claims = client.sign_in(user.session, acr_values="urn:nobody:knows")
    assert claims["acr"] in supported


def test_oidcc_claims_essential(client, user):
    """OIDC Core §5.5.1: comes by name; an essential claim that is not there is no error."""
    wanted = {"userinfo": {"name": {"essential": True}, "nobody_knows": {"essential": True}}}
    told = client.userinfo(*client.sign_in(user.session, claims=json.dumps(wanted)))
    assert told == {"sub": user.id, "name": "Ada Lovelace"}


def test_oidcc_ensure_request_with_valid_pkce_succeeds(api, tenant, client, user):
    """Of confidential and public clients; a wrong verifier gives nothing and uses nothing up."""
    verifier, challenge = pkce()
    proof = {"code_challenge": challenge, "code_challenge_method": "S256"}
    code = client.code(client.ask(user.session, **proof))
    refused(client.exchange(code, code_verifier=pkce()[0]), 400, "invalid_grant")
    client.claims(client.check_pair(client.exchange(code, code_verifier=verifier)))
    public = ConformanceClient(api, tenant, "none")
    assert "S256" in public.provider["code_challenge_methods_supported"]
    public.finish(public.ask(user.session, **proof), code_verifier=verifier)


def test_oidcc_ensure_post_request_succeeds(api, client, user):
    """By 303 to the same request as GET; query and body do not mix."""
    path = client.path("authorization_endpoint")
    headers = {"Accept": "text/html", "Origin": "https://app.example"}
    answer = api.post(path, cookie=user.session, headers=headers, form=client.params(
        state="a b&c"))
    assert answer.status_code == 303
    client.code(client.follow(answer.headers["Location"], user.session), state="a b&c")
    mixed = api.post(f"{path}?state=x", headers={"Accept": "text/html"}, form=client.params())
    assert mixed.status_code == 400 and "Location" not in mixed.headers


# -- who is signed in ---------------------------------------------------------------------------


@pytest.fixture
def visitor(world, tenant):
    """Somebody whose sessions change."""
    made = world.named_user(tenant)
    world.sign_in(made)
    return made


@pytest.mark.parametrize("prompt", ["login", "select_account"])
def test_oidcc_prompt_login(service, client, visitor, prompt):
    """A second login is asked for, once, and tells of a later one."""
    grow_old(service, visitor, 100)
    _, first = client.sign_in(visitor.session)
    answer, cookies = client.log_in_again(visitor, client.ask(visitor.session, prompt=prompt))
    _, second = client.finish(answer)
    assert second["sub"] == first["sub"] and second["auth_time"] >= first["auth_time"] + 99
    _, third = client.sign_in(cookies, prompt="none")
    assert third["auth_time"] == second["auth_time"]


def test_oidcc_prompt_none_not_logged_in(client):
    assert client.error(client.ask(prompt="none")) == "login_required"


def test_oidcc_prompt_none_logged_in(client, user):
    _, first = client.sign_in(user.session)
    _, second = client.sign_in(user.session, prompt="none")
    assert (first["sub"], first["auth_time"]) == (second["sub"], second["auth_time"])


def test_oidcc_max_age_1(service, client, visitor):
    """Signed in 100 seconds ago: once more, and auth_time says so; prompt=none gets an error."""
    grow_old(service, visitor, 100)
    _, first = client.sign_in(visitor.session)
    assert client.error(client.ask(visitor.session, max_age="1", prompt="none")) == "login_required"
    answer, _ = client.log_in_again(visitor, client.ask(visitor.session, max_age="1"))
    _, second = client.finish(answer)
    assert second["auth_time"] >= first["auth_time"] + 99 and second["sub"] == first["sub"]


def test_oidcc_max_age_10000(client, user):
    _, first = client.sign_in(user.session)
    _, second = client.sign_in(user.session, max_age="10000")
    assert (first["sub"], first["auth_time"]) == (second["sub"], second["auth_time"])


def test_oidcc_id_token_hint(client, user, visitor):
    """With prompt=none: silent for the person of the hint, login_required when somebody else is
    signed in (test_authorize_who.py: without prompt, and hints that are none)."""
    pair, first = client.sign_in(user.session)
    hint = {"prompt": "none", "id_token_hint": pair["id_token"]}
    _, second = client.sign_in(user.session, **hint)
    assert (first["sub"], first["auth_time"]) == (second["sub"], second["auth_time"])
    assert client.error(client.ask(visitor.session, **hint)) == "login_required"


def test_oidcc_login_hint(client, user):
    """Stands in the login page, and does not change who is signed in."""
    _, claims = client.sign_in(user.session, login_hint="somebody@example.com")
    assert claims["sub"] == user.id
    answer = client.ask(login_hint="somebody@example.com")
    page = client.follow(answer.headers["Location"], browser_of(answer))
    assert 'value="somebody@example.com"' in page.text


# -- codes and refresh tokens -------------------------------------------------------------------


def spent(client, user):
    """A code that was exchanged, its verifier, and what it gave."""
    verifier, challenge = pkce()
    code = client.code(client.ask(user.session, scope="openid offline_access", code_challenge=challenge,
                                  code_challenge_method="S256"))
    return code, verifier, client.check_pair(client.exchange(code, code_verifier=verifier))


def reuse_ends_all(api, client, code, verifier, pair):
    """Only for whoever holds the verifier, too: a code alone is no weapon against its owner."""
    refused(client.exchange(code, code_verifier=pkce()[0]), 400, "invalid_grant")
    ok(api.get(client.path("userinfo_endpoint"), token=pair["access_token"]))
    refused(client.exchange(code, code_verifier=verifier), 400, "invalid_grant")
    refused(api.get(client.path("userinfo_endpoint"), token=pair["access_token"]), 401, "invalid_token")
    refused(client.token(grant_type="refresh_token", refresh_token=pair["refresh_token"]), 400,
            "invalid_grant")
    refused(client.exchange(code, code_verifier=verifier), 400, "invalid_grant")


def test_oidcc_codereuse(api, client, user):
    """OA-4: the second use is refused, and what the first gave is dead."""
    reuse_ends_all(api, client, *spent(client, user))


def test_oidcc_codereuse_30seconds(api, service, client, user):
    """The same half a minute later, which the clock of the stored grant makes of it."""
    code, verifier, pair = spent(client, user)
    times = ("created_at", "rotated_at", "expires_at", "ends_at", "purge_at")
    moved = service.db.tokens.update_one({"_id": stored(code.partition(".")[0])}, [{"$set": {
        name: {"$subtract": ["$" + name, 30000]} for name in times}}])
    assert moved.modified_count == 1
    reuse_ends_all(api, client, code, verifier, pair)


def test_oidcc_refresh_token(api, tenant, client, user):
    """Rotates; claims of the new ID token agree; another client gets nothing and uses nothing up."""
    first, old = client.sign_in(user.session, scope="openid offline_access")
    other = ConformanceClient(api, tenant)
    refused(other.token(grant_type="refresh_token", refresh_token=first["refresh_token"]), 400,
            "invalid_grant")
    second = client.check_pair(client.token(grant_type="refresh_token",
                                            refresh_token=first["refresh_token"]))
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    new = client.claims(second, nonce=None)
    for name in ("iss", "sub", "aud", "auth_time", "sid"):
        assert old[name] == new[name], name
    assert new["iat"] >= old["iat"]
    client.userinfo(second, new)
    narrow = ok(client.token(grant_type="refresh_token", scope="offline_access",
                             refresh_token=second["refresh_token"]))
    assert "id_token" not in narrow


# -- what is refused ----------------------------------------------------------------------------


def test_oidcc_ensure_registered_redirect_uri(client, user):
    """A page, and nobody is sent anywhere; test_authorize.py has 120 more."""
    answer = client.ask(user.session, redirect_uri="https://app.example/callback?foo=bar")
    assert answer.status_code == 400 and "Location" not in answer.headers
    assert answer.headers["Content-Type"].startswith("text/html")


def unsigned(client, **changes):
    """A request object with alg none (OIDC Core §6.1)."""
    parts = [{"alg": "none"}, client.params(**changes)]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
                    for part in parts) + "."


def test_oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(client, user):
    assert client.provider["request_parameter_supported"] is False
    answer = client.ask(user.session, request=unsigned(client, state="inside"))
    assert client.error(answer) == "request_not_supported"


def test_oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(client, user):
    assert client.provider["request_uri_parameter_supported"] is False
    answer = client.ask(user.session, request_uri="https://app.example/request")
    assert client.error(answer) == "request_uri_not_supported"


def test_oidcc_ensure_request_object_with_redirect_uri(client, user):
    """The object's redirect URI neither wins nor is ignored: the request is refused, and goes back
    only to the registered one."""
    answer = client.ask(user.session, request=unsigned(client, redirect_uri="https://evil.example/"))
    assert client.error(answer) == "request_not_supported"
    answer = client.ask(user.session, redirect_uri="https://evil.example/",
                        request=unsigned(client, redirect_uri="https://evil.example/"))
    assert answer.status_code == 400 and "Location" not in answer.headers


# -- the configuration plan ---------------------------------------------------------------------


METADATA = {
    "required": ["issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri",
                 "response_types_supported", "subject_types_supported",
                 "id_token_signing_alg_values_supported", "scopes_supported"],
    "patternProperties": {
        "_endpoint$|_uri$|^issuer$": {"type": "string", "format": "uri"},
        "_(supported)$": {"type": ["array", "boolean"], "items": {"type": "string"}, "uniqueItems": True},
    },
}


def test_oidcc_discovery_endpoint_verification(api, service, client, tenant):
    """JSON; the issuer is the address without the suffix; endpoints lie under it, over its scheme
    (https in production: test_http_edge.py); RS256, openid, subject types; the keys are readable."""
    answer = api.get(f"/t/{tenant.slug}/.well-known/openid-configuration")
    found = ok(answer)
    assert answer.headers["Content-Type"] == "application/json"
    jsonschema.validate(found, METADATA)
    assert found["issuer"] == f"{service.public_url}/t/{tenant.slug}"
    for name, value in found.items():
        assert not name.endswith(("_endpoint", "_uri")) or value.startswith(found["issuer"] + "/")
    assert "RS256" in found["id_token_signing_alg_values_supported"]
    assert "openid" in found["scopes_supported"] and "code" in found["response_types_supported"]
    assert set(found["subject_types_supported"]) <= {"public", "pairwise"}
    assert set(found["claims_supported"]) >= {"sub"} | PROFILE | EMAIL | PHONE | {"address"}
    for key in client.keys().keys:
        assert not key.is_private and key.as_dict()["use"] == "sig"
        if key.key_type == "RSA":
            assert key.raw_value.key_size >= 2048
