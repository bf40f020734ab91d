"""GET and POST /oauth/userinfo, and the setting "claims" (R004-38, api.md §11 Claims, TI-15)."""
import pytest

from support.check import ok, refused, until
from support.oauth import client, token
from support.world import World

PATH = "/oauth/userinfo"
FIELDS = {
    "given_name": "Ada", "family_name": "Lovelace", "birthdate": "1815-12-10", "nickname": "",
    "website": 7, "phone_number": "+44 20 7946 0000", "department": "Engines", "level": 3,
    "team": {"name": "Analytical", "lead": True}, "none": None,
    "address": {"locality": "London", "country": "GB", "street_address": "", "planet": "Earth"},
    "sub": "forged", "email_verified": True, "phone_number_verified": True,
}


@pytest.fixture(scope="module")
def app(api, tenant):
    """A client that may ask for everything."""
    return client(api, tenant, grant_types=["password", "client_credentials"],
                  scope="openid profile email address phone read write orders:read")


@pytest.fixture(scope="module")
def ada(api, world, tenant):
    user = world.named_user(tenant)
    world.login(user)
    ok(api.patch("/users/me", token=user.token, json={"name": "Ada L.", "custom_fields": FIELDS}))
    return user


def granted(api, app, user, scope):
    return ok(token(api, app, grant_type="password", username=user.username,
                    password=user.password, scope=scope))["access_token"]


def info(api, app, user, scope):
    return ok(api.get(PATH, token=granted(api, app, user, scope)))


def test_openid_alone_gives_the_subject(api, app, ada):
    assert info(api, app, ada, "openid") == {"sub": ada.id}


def test_profile(api, app, ada):
    """OIDC Core §5.1, §5.4: empty ones and other types are left out."""
    told = info(api, app, ada, "openid profile")
    assert isinstance(told.pop("updated_at"), int)
    assert told.pop("created_at").endswith("Z")
    assert told == {"sub": ada.id, "name": "Ada L.", "given_name": "Ada", "family_name": "Lovelace",
                    "birthdate": "1815-12-10", "preferred_username": ada.username,
                    "username": ada.username}


def test_email_address_and_phone(api, app, ada):
    """JSON types; what users write themselves is never verified."""
    assert info(api, app, ada, "openid email") == {
        "sub": ada.id, "email": ada.email, "email_verified": False}
    assert info(api, app, ada, "openid address") == {
        "sub": ada.id, "address": {"locality": "London", "country": "GB"}}
    assert info(api, app, ada, "openid phone") == {
        "sub": ada.id, "phone_number": "+44 20 7946 0000", "phone_number_verified": False}


def test_users_without_anything(api, world, app, tenant):
    user = world.user(tenant)
    told = info(api, app, user_named(user), "openid profile email address phone")
    assert set(told) == {"sub", "email", "email_verified", "updated_at", "created_at"}


def user_named(user):
    """Logs in by address: there is no user name."""
    user.username = user.email
    return user


def test_tokens_without_openid(api, app, ada):
    """api.md §11: document 004's clients get username and created_at; others nothing."""
    assert set(info(api, app, ada, "read")) == {"sub", "username", "created_at"}
    assert set(info(api, app, ada, "write")) == {"sub", "username", "created_at"}
    assert {"username", "name"} <= set(info(api, app, ada, "profile"))
    answer = api.get(PATH, token=granted(api, app, ada, "email orders:read"))
    refused(answer, 403, "insufficient_scope")
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_session_less_tokens(api, ada):
    told = ok(api.get(PATH, token=ada.token))
    assert told["sub"] == ada.id and told["email"] == ada.email and told["username"]


def test_a_token_without_a_user(api, app):
    machine = ok(token(api, app, grant_type="client_credentials", scope="read"))["access_token"]
    answer = api.get(PATH, token=machine)
    refused(answer, 403, "insufficient_scope")
    assert answer.headers["www-authenticate"].startswith("Bearer ")


def test_three_forms(api, app, ada):
    """OIDC Core §5.3.1, RFC 6750 §2: GET and POST with the header, POST with the form."""
    text = granted(api, app, ada, "openid email")
    told = ok(api.get(PATH, token=text))
    assert ok(api.post(PATH, token=text)) == told
    assert ok(api.post(PATH, form={"access_token": text})) == told
    assert ok(api.post(f"/t/{ada.tenant.slug}{PATH}", form={"access_token": text})) == told
    refused(api.post(PATH, token=text, form={"access_token": text}), 400)
    refused(api.post(PATH, form={"access_token": "garbage"}), 401, "invalid_token")
    refused(api.post(PATH, form={"other": text}, tenant=ada.tenant.slug), 401)
    refused(api.get(f"{PATH}?access_token={text}", tenant=ada.tenant.slug), 401)
    refused(api.post(PATH, json={"access_token": text}), 415)
    refused(api.post(PATH, content=f"access_token={text}&access_token={text}",
                     headers={"Content-Type": "application/x-www-form-urlencoded"}), 400)


def test_no_cookie_is_a_token_here(api, tenant, ada):
    """api.md §11 Cookies: neither the access cookie nor the session."""
    name = f"access-{tenant.slug}"
    ok(api.get("/users/me", tenant=tenant.slug, cookie={name: ada.token}))
    refused(api.get(PATH, tenant=tenant.slug, cookie={name: ada.token}), 401)
    refused(api.post(PATH, tenant=tenant.slug, cookie={name: ada.token}), 401)


def test_foreign_and_dead_tokens(api, world, tenant, other, ada):
    """TI-6, TS-7: another tenant's token 403; a user who is gone 401."""
    refused(api.get(PATH, tenant=other.slug, token=ada.token), 403, "tenant_mismatch")
    refused(api.post(PATH, tenant=other.slug, form={"access_token": ada.token}), 403,
            "tenant_mismatch")
    user = world.user(tenant)
    ok(api.delete(f"/tenants/users/{user.id}", token=tenant.owner.token), 204)
    until(lambda: api.get(PATH, token=user.token).status_code == 401, 1.0)


# -- the setting -------------------------------------------------------------------------------


def put_claims(api, tenant, claims):
    return ok(api.put("/tenants/settings", token=tenant.owner.token,
                      json={"settings": {"claims": claims}}))["settings"]["claims"]


def test_claims_from_custom_fields(pair):
    """R004-38: further claims with their types, standard ones from other fields, on all instances
    within a second; null takes them back."""
    api, second = pair
    world = World(api)
    tenant = world.tenant()
    world.login(tenant.owner)
    user = world.user(tenant)
    ok(api.patch("/users/me", token=user.token, json={"custom_fields": FIELDS}))
    assert "department" not in ok(api.get(PATH, token=user.token))
    wanted = {"department": "custom_fields.department", "level": "custom_fields.level",
              "team": "custom_fields.team", "lead": "custom_fields.team.lead",
              "nothing": "custom_fields.none", "missing": "custom_fields.a.b",
              "nickname": "custom_fields.given_name", "name": "custom_fields.family_name"}
    assert put_claims(api, tenant, wanted) == wanted
    told = ok(api.get(PATH, token=user.token))
    assert told["department"] == "Engines" and told["level"] == 3 and told["lead"] is True
    assert told["team"] == {"name": "Analytical", "lead": True}
    assert told["nickname"] == "Ada" and told["name"] == "Lovelace"
    assert told["sub"] == user.id and told["email_verified"] is False
    assert not {"nothing", "missing", "role"} & set(told)
    until(lambda: second.get(PATH, token=user.token).json().get("level") == 3, 1.0)
    assert put_claims(api, tenant, {"level": "custom_fields.level"}) == {
        "level": "custom_fields.level"}, "replaced as a whole"
    assert "department" not in ok(api.get(PATH, token=user.token))
    assert put_claims(api, tenant, None) == {}
    until(lambda: "level" not in second.get(PATH, token=user.token).json(), 1.0)


def test_mapped_claims_come_with_the_profile(api, app, tenant, ada):
    put_claims(api, tenant, {"department": "custom_fields.department"})
    assert info(api, app, ada, "openid profile")["department"] == "Engines"
    assert "department" not in info(api, app, ada, "openid email")
    put_claims(api, tenant, None)
