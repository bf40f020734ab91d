"""Registration and login of document 001: POST /auth/register, POST /auth/login, GET /users/me."""
import pytest

from support.api import set_cookies
from support.check import ok, refused
from support.world import USER_PASSWORD, unique

USER_MEMBERS = {"id", "username", "email", "name", "role", "is_active", "is_email_verified",
                "custom_fields", "created_at", "updated_at", "last_login_at", "version"}


def test_register_answers_id_email_and_tenant(api, acme):
    """R001-03, R000-05."""
    email = f"{unique('r')}@example.com"
    body = ok(api.post("/auth/register", tenant="acme",
                       json={"email": email, "password": USER_PASSWORD}), 201)
    assert body["email"] == email
    assert body["tenant_id"] == acme.id
    assert len(body["id"]) == 36


def test_login_by_json_gives_a_pair(api, world, acme):
    """R001-03, R001-05, C10: the names, "bearer" in lower case, 900 seconds."""
    user = world.user(acme, login=False)
    answer = api.post("/auth/login", tenant="acme",
                      json={"email": user.email, "password": user.password})
    body = ok(answer)
    assert body["token_type"] == "bearer"
    assert body["expires_in"] == 900
    assert body["access_token"].count(".") == 2
    assert body["refresh_token"]
    assert answer.headers["cache-control"] == "no-store"
    assert not set_cookies(answer).keys() & {"session-acme", "access-acme", "refresh-acme"}


def test_login_by_form_gives_a_pair(api, world, acme):
    """R001-03: the form calls the address username."""
    user = world.user(acme, login=False)
    body = ok(api.post("/auth/login", tenant="acme",
                       form={"username": user.email, "password": user.password}))
    assert ok(api.get("/users/me", token=body["access_token"]))["email"] == user.email


def test_login_by_form_keeps_a_raw_blank(api, world, acme):
    """api.md §1: curl -d sends blanks as they are."""
    user = world.user(acme, password="two words 123", login=False)
    ok(api.post("/auth/login", tenant="acme",
                content=f"username={user.email}&password=two words 123",
                headers={"Content-Type": "application/x-www-form-urlencoded"}))


def test_multipart_forms_are_refused(api, acme):
    refused(api.post("/auth/login", tenant="acme",
                     files={"username": (None, "u@example.com"), "password": (None, "x")}),
            415, "unsupported_media_type")


def test_users_me_is_the_user_document(api, world, acme):
    """api.md §7: the members of a user document, and never a hash or a counter."""
    user = world.user(acme, name="Ánna", custom_fields={"a": 1})
    body = ok(api.get("/users/me", token=user.token))
    assert set(body) <= USER_MEMBERS
    assert body["id"] == user.id
    assert body["name"] == "Ánna"
    assert body["role"] == "user"
    assert body["is_active"] is True
    assert body["is_email_verified"] is False
    assert body["custom_fields"] == {"a": 1}
    assert body["created_at"].endswith("Z") and body["last_login_at"].endswith("Z")


def test_email_is_trimmed_and_compared_without_case(api, acme):
    """R002-03, C2: surrounding blanks go; capital letters do not make another user."""
    email = f"{unique('Case')}@Example.com"
    ok(api.post("/auth/register", tenant="acme",
                json={"email": f"  {email} ", "password": USER_PASSWORD}), 201)
    refused(api.post("/auth/register", tenant="acme",
                     json={"email": email.lower(), "password": USER_PASSWORD}), 409, "email_taken")
    ok(api.post("/auth/login", tenant="acme",
                json={"email": email.upper(), "password": USER_PASSWORD}))


def test_taken_email_is_409_with_detail(api, world, acme):
    """R001-03, api.md §10: duplicates are 409; paths of 001 carry detail."""
    user = world.user(acme, login=False)
    body = refused(api.post("/auth/register", tenant="acme",
                            json={"email": user.email, "password": USER_PASSWORD}),
                   409, "email_taken")
    assert isinstance(body["detail"], str)


def test_wrong_password_is_401_with_the_text_of_001(api, world, acme):
    user = world.user(acme, login=False)
    body = refused(api.post("/auth/login", tenant="acme",
                            json={"email": user.email, "password": "wrong-password"}),
                   401, "invalid_credentials")
    assert body["detail"] == "Invalid credentials"


@pytest.mark.parametrize("body, names", [
    ({}, ["email", "password"]),
    ({"email": "a@example.com"}, ["password"]),
    ({"password": USER_PASSWORD}, ["email"]),
])
def test_missing_members_are_named(api, acme, body, names):
    """api.md §1: every 400 says which field and why."""
    answer = api.post("/auth/register", tenant="acme", json=body)
    assert refused(answer, 400)["required"] == names
    answer = api.post("/auth/login", tenant="acme", json=body)
    refused(answer, 400)
    assert any(name in answer.text for name in names)


@pytest.mark.parametrize("email", ["", "plain", "@example.com", "a@", "a b@example.com",
                                   "a@b@example.com", "a@exa mple.com", "a" * 250 + "@example.com",
                                   "a\n@example.com"])
def test_addresses_that_are_none_are_refused(api, acme, email):
    refused(api.post("/auth/register", tenant="acme",
                     json={"email": email, "password": USER_PASSWORD}), 400, field="email")


def test_short_passwords_are_refused_with_the_rule(api, acme):
    """PW-3: at least 8 characters, counted as characters."""
    email = f"{unique('pw')}@example.com"
    answer = api.post("/auth/register", tenant="acme", json={"email": email, "password": "seven77"})
    refused(answer, 400, field="password")
    assert "8" in answer.text
    ok(api.post("/auth/register", tenant="acme",
                json={"email": email, "password": "éééééééé"}), 201)


def test_bcrypt_never_cuts_a_password(api, world, acme):
    """C5, PW-1: more than 72 bytes are refused when set, and are wrong at login."""
    email = f"{unique('long')}@example.com"
    answer = api.post("/auth/register", tenant="acme", json={"email": email, "password": "p" * 73})
    refused(answer, 400, field="password")
    assert "72" in answer.text
    user = world.user(acme, password="p" * 72)
    for wrong in ("p" * 71, "p" * 73, "p" * 72 + "x", "p" * 600):
        refused(api.post("/auth/login", tenant="acme",
                         json={"email": user.email, "password": wrong}), 401, "invalid_credentials")


def test_passwords_are_normalised_once(api, world, acme):
    """PW-3: é as one character and as e with an accent is the same password."""
    user = world.user(acme, password="caf\u00e9 caf\u00e9", login=False)
    ok(api.post("/auth/login", tenant="acme",
                json={"email": user.email, "password": "cafe\u0301 cafe\u0301"}))


def test_the_seeds_passwords_are_accepted(api, acme):
    """api.md §1: secure123 and password123 fulfil the default rule."""
    for password in ("secure123", "password123"):
        ok(api.post("/auth/register", tenant="acme",
                    json={"email": f"{unique('s')}@example.com", "password": password}), 201)


def test_unknown_members_are_ignored(api, acme):
    """api.md §1, §10: ignored in a body that creates."""
    ok(api.post("/auth/register", tenant="acme", json={
        "email": f"{unique('x')}@example.com", "password": USER_PASSWORD, "nonsense": [1]}), 201)


def test_nobody_registers_as_more_than_a_user(api, acme):
    """C16, TI-11: members that only the service sets change nothing."""
    email = f"{unique('m')}@example.com"
    ok(api.post("/auth/register", tenant="acme", json={
        "email": email, "password": USER_PASSWORD, "id": "00000000-0000-0000-0000-000000000001",
        "is_active": False, "is_email_verified": True, "tenant_id": acme.owner.id, "version": 9,
        "password_hash": "x", "security_epoch": 5}), 201)
    pair = ok(api.post("/auth/login", tenant="acme",
                       json={"email": email, "password": USER_PASSWORD}))
    me = ok(api.get("/users/me", token=pair["access_token"]))
    assert (me["role"], me["is_active"], me["is_email_verified"], me["version"]) == \
        ("user", True, False, 1)
    assert me["id"] != "00000000-0000-0000-0000-000000000001"


def test_no_credential_is_401_with_a_challenge(api, acme):
    """api.md §10: WWW-Authenticate with realm; error only where a token was sent."""
    bare = api.get("/users/me", tenant="acme")
    refused(bare, 401, "authentication_required")
    assert bare.headers["www-authenticate"].startswith("Bearer realm=")
    assert "error=" not in bare.headers["www-authenticate"]
    bad = api.get("/users/me", tenant="acme", token="abc")
    refused(bad, 401, "invalid_token")
    assert 'error="invalid_token"' in bad.headers["www-authenticate"]
