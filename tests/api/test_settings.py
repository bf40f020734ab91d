"""Settings of a tenant (api.md §10): each is stored, checked, live everywhere, and does something.

R004-12, C33, PW-3, PW-5.
"""
import pytest

from support.check import ok, refused, until
from support.world import USER_PASSWORD, World, unique


@pytest.fixture(name="mine")
def fixture_mine(world):
    tenant = world.tenant()
    world.login(tenant.owner)
    return tenant


@pytest.fixture(name="client", scope="module")
def fixture_client(world):
    """A tenant with an access key and an owner."""
    return world.key_tenant()


def put(api, tenant, **settings):
    return api.put("/tenants/settings", token=tenant.owner.token, json={"settings": settings})


def in_force(api, tenant):
    return ok(api.get("/tenants/settings", token=tenant.owner.token))["settings"]


DEFAULTS = {
    "access_token_ttl": 900, "refresh_token_ttl": 604800, "refresh_token_max_ttl": 2592000,
    "id_token_ttl": 3600, "claims": {}, "resources": [],
    "session_ttl": 43200, "refresh_grace": 0, "email_verification": "off", "allowed_origins": [],
    "self_registration": True, "discoverable": True, "require_access_key": True,
    "require_if_match": False, "password_min_length": 8, "password_blocklist": False, "mfa": "off",
    "require_pkce": False, "users_may_register_clients": False,
}

CHANGED = {
    "access_token_ttl": 60, "refresh_token_ttl": 61, "refresh_token_max_ttl": 62,
    "id_token_ttl": 64, "claims": {"department": "custom_fields.department"},
    "resources": ["https://orders.example/api"],
    "session_ttl": 63, "refresh_grace": 30, "email_verification": "optional",
    "allowed_origins": ["https://app.example.com"], "self_registration": False,
    "discoverable": False, "require_access_key": False, "password_min_length": 64,
    "password_blocklist": True, "require_pkce": True, "users_may_register_clients": True,
}


def test_every_setting_is_kept_and_given_back(api, mine):
    """All members are there with the values in force; null gives the default back."""
    assert in_force(api, mine) == DEFAULTS
    assert ok(put(api, mine, **CHANGED))["settings"] == DEFAULTS | CHANGED
    assert in_force(api, mine) == DEFAULTS | CHANGED
    ok(put(api, mine, **dict.fromkeys(CHANGED)))
    assert in_force(api, mine) == DEFAULTS


def test_settings_reach_every_instance_within_a_second(pair):
    """design §6: the change stream drops the cached tenant."""
    one, two = pair
    world = World(one)
    mine = world.tenant()
    world.login(mine.owner)
    assert in_force(two, mine) == DEFAULTS
    ok(put(one, mine, **CHANGED))
    until(lambda: in_force(two, mine) == DEFAULTS | CHANGED, 1.0)


REFUSED = [
    ("self_registration", "yes"), ("self_registration", 1), ("discoverable", []),
    ("require_access_key", "off"), ("require_if_match", 0), ("password_blocklist", {}),
    ("password_min_length", 7), ("password_min_length", 65), ("password_min_length", "10"),
    ("email_verification", "required"), ("email_verification", "always"),
    ("email_verification", True), ("mfa", "required"), ("mfa", "optional"), ("mfa", "admins"),
    ("mfa", "on"), ("allowed_origins", "https://app.example.com"),
    ("allowed_origins", {}), ("allowed_origins", [7]), ("allowed_origins", ["*"]),
    ("allowed_origins", ["null"]), ("allowed_origins", ["https://*.example.com"]),
    ("allowed_origins", ["https://app.example.com/"]), ("allowed_origins", ["app.example.com"]),
    ("allowed_origins", ["ftp://app.example.com"]), ("allowed_origins", ["https://"]),
    ("allowed_origins", ["https://user@app.example.com"]), ("allowed_origins", ["https://a:0"]),
    ("allowed_origins", ["https://a:65536"]), ("allowed_origins", ["https://a:"]),
    ("allowed_origins", ["https://-a.example"]), ("allowed_origins", ["https://a..b"]),
    ("allowed_origins", ["https://[::1"]), ("allowed_origins", ["https://[x]"]),
    ("allowed_origins", ["https://a.example", "https://b.example?x"]),
    ("allowed_origins", [f"https://a{n}.example" for n in range(51)]),
    ("id_token_ttl", 3601), ("id_token_ttl", 0),     *[("claims", {name: "custom_fields.x"}) for name in (
        "sub", "iss", "aud", "exp", "scope", "tid", "role", "roles", "email", "email_verified",
        "phone_number_verified", "age_verified", "preferred_username", "updated_at", "a b")],
    *[("claims", {"department": source}) for source in (
        "department", "custom_fields", "custom_fields.", "custom_fields.a..b", "email",
        "password_hash", 7, None, {"a": "b"})],
    ("claims", {f"c{n}": "custom_fields.x" for n in range(51)}),
    ("require_pkce", "yes"), ("require_pkce", 1), ("users_may_register_clients", "admins"),
    ("users_may_register_clients", []),
]


@pytest.fixture(name="unchanged", scope="module")
def fixture_unchanged(world):
    tenant = world.tenant()
    world.login(tenant.owner)
    return tenant


@pytest.mark.parametrize("name, value", REFUSED)
def test_values_out_of_bounds_are_refused(api, unchanged, name, value):
    """400 with the member, what was wrong and what is allowed; nothing is stored."""
    body = refused(put(api, unchanged, refresh_grace=9, **{name: value}), 400, field=name)
    assert body["field"].startswith(name) and len(body["error_description"]) > 20
    assert in_force(api, unchanged) == DEFAULTS


def test_what_needs_more_than_this_version_says_so(api, unchanged):
    """No feature that exists only on paper."""
    said = refused(put(api, unchanged, email_verification="required"), 400)["error_description"]
    assert "mail" in said and "optional" in said
    assert "second factor" in refused(put(api, unchanged, mfa="required"),
                                      400)["error_description"]


def test_origins_are_kept_as_browsers_send_them(api, mine):
    """Lower case, without the scheme's own port."""
    ok(put(api, mine, allowed_origins=["HTTPS://App.Example.COM:443", " http://x.example:80 ",
                                       "https://[::1]:8443", "http://10.0.0.1:3000"]))
    assert in_force(api, mine)["allowed_origins"] == [
        "https://app.example.com", "http://x.example", "https://[::1]:8443",
        "http://10.0.0.1:3000"]


# -- self_registration ---------------------------------------------------------------------------


def register_by(api, tenant, path):
    email = f"{unique('r')}@example.com"
    return api.post(path, tenant=tenant.slug, json={
        "username": email.split("@", maxsplit=1)[0], "email": email, "password": USER_PASSWORD})


def test_self_registration_off(api, service, client):
    """R001-03, api.md §10: nobody registers; an access key still makes users."""
    ok(put(api, client, self_registration=False))
    before = service.db[client.collection].count_documents({})
    for path in ("/api/register", "/oauth/register", "/auth/register"):
        refused(register_by(api, client, path), 403, "registration_closed")
    # with a key shown, too: the paths are public
    refused(api.post("/auth/register", token=client.key, json={
        "email": f"{unique('r')}@example.com", "password": USER_PASSWORD}), 403,
            "registration_closed")
    page = api.get("/register", tenant=client.slug, headers={"Accept": "text/html"})
    assert page.status_code == 403 and 'id="register-submit"' not in page.text
    assert "closed" in page.text and 'id="login-submit"' in page.text
    form = api.post("/register", tenant=client.slug, headers={"Accept": "text/html"}, form={
        "username": unique("r"), "password": USER_PASSWORD, "form_token": "x"})
    assert form.status_code == 403
    assert service.db[client.collection].count_documents({}) == before
    signed = api.post(f"/api/v1/{client.id}/signup", token=client.key, json={
        "email": f"{unique('r')}@example.com", "password": USER_PASSWORD})
    ok(signed, 201)
    ok(put(api, client, self_registration=None))
    for path in ("/api/register", "/oauth/register", "/auth/register"):
        ok(register_by(api, client, path), 201)
    page = api.get("/register", tenant=client.slug, headers={"Accept": "text/html"})
    assert page.status_code == 200 and 'id="register-submit"' in page.text


# -- discoverable --------------------------------------------------------------------------------


def listed(api, tenant):
    cursor = ""
    while True:
        page = ok(api.get(f"/tenants/list?limit=200{cursor}"))
        if any(entry["slug"] == tenant.slug for entry in page["tenants"]):
            return True
        if page["next"] is None:
            return False
        cursor = f"&cursor={page['next']}"


def test_discoverable(api, mine):
    """R004-42: the public list names only tenants that want it."""
    assert listed(api, mine)
    ok(put(api, mine, discoverable=False))
    assert not listed(api, mine)
    ok(put(api, mine, discoverable=None))
    assert listed(api, mine)


# -- require_access_key --------------------------------------------------------------------------


def test_require_access_key_off(api, client):
    """C33: a tenant may let browsers use its client API without a key; a key must still be good."""
    email = f"{unique('k')}@example.com"
    body = {"email": email, "password": USER_PASSWORD}
    base = f"/api/v1/{client.id}"
    refused(api.post(f"{base}/signup", json=body), 401)
    ok(put(api, client, require_access_key=False))
    ok(api.post(f"{base}/signup", json=body), 201)
    pair = ok(api.post(f"{base}/login", json=body))
    pair = ok(api.post(f"{base}/refresh", json={"refresh_token": pair["refresh_token"]}))
    ok(api.get(f"{base}/me", token=pair["access_token"]))
    ok(api.post(f"{base}/logout", json={"refresh_token": pair["refresh_token"]}), 204)
    # what reads other people's data needs a key as before
    refused(api.get(f"{base}/users"), 401)
    refused(api.get(f"{base}/audit"), 401)
    # a key that is shown must be good, and this tenant's
    refused(api.post(f"{base}/login", token=client.key[:-1] + "x", json=body), 401)
    refused(api.post(f"{base}/login", headers={"X-Access-Key": "ak_x"}, json=body), 401)
    # without a key it is a registration like any other
    ok(put(api, client, self_registration=False))
    refused(api.post(f"{base}/signup", json=body), 403, "registration_closed")
    refused(api.post(f"{base}/signup", token=client.key, json=body), 409, "email_taken")
    ok(put(api, client, require_access_key=None, self_registration=None))
    refused(api.post(f"{base}/login", json=body), 401)
    ok(api.post(f"{base}/login", token=client.key, json=body))


# -- passwords -----------------------------------------------------------------------------------


def sign_up(api, tenant, password, **members):
    return api.post("/auth/register", tenant=tenant.slug, json={
        "email": f"{unique('p')}@example.com", "password": password, **members})


def test_password_min_length(api, world, mine):
    """PW-3: in code points, for registration and change alike; told by the pages."""
    ok(put(api, mine, password_min_length=12))
    said = refused(sign_up(api, mine, "elevenchars"), 400, field="password")["error_description"]
    assert "12" in said
    ok(sign_up(api, mine, "twelve chars"), 201)
    ok(sign_up(api, mine, "日本語のパスワードです四"), 201)
    user = world.user(mine)
    change = {"current_password": user.password, "new_password": "elevenchars"}
    refused(api.post("/auth/password/change", token=user.token, json=change), 400,
            field="new_password")
    ok(api.post("/auth/password/change", token=user.token,
                json=change | {"new_password": "twelve chars"}), 204)
    page = api.get("/register", tenant=mine.slug, headers={"Accept": "text/html"})
    assert 'minlength="12"' in page.text


COMMON = ["password123", "P4$$w0rd!", "Summer2026!", "qwerty123", "1q2w3e4r", "Iloveyou1",
          "12345678", "aaaaaaaa", "31.12.1999"]


def test_password_blocklist(api, world):
    """PW-5: off, the source documents' commands work; on, what is guessed first is refused."""
    slug = unique("acme")
    mine = world.tenant(slug=slug, name="Wombat Industries")
    world.login(mine.owner)
    for password in COMMON:
        ok(sign_up(api, mine, password), 201)
    ok(put(api, mine, password_blocklist=True))
    for password in COMMON:
        refused(sign_up(api, mine, password), 400, field="password")
    about = {"name": "Hildegard Obermayer"}
    for password in (f"{slug}2026", "Wombat!!99", "industries1", "W0mb4t2026", "tenantd1",
                     "hildegard77", "Obermayer1!", "hildegardobermayer"):
        refused(sign_up(api, mine, password, **about), 400, field="password")
    email = f"{unique('kunigunde')}@example.com"
    refused(sign_up(api, mine, email.split("@", maxsplit=1)[0] + "1", email=email), 400,
            field="password")
    for password in ("wombat and vexing otter", "correct horse 1", "gy7#kq!vzp2m"):
        ok(sign_up(api, mine, password, **about), 201)
    user = world.user(mine)
    refused(api.post("/auth/password/change", token=user.token, json={
        "current_password": user.password, "new_password": "Dragon2026!"}), 400,
            field="new_password")
    ok(put(api, mine, password_blocklist=None))
    ok(sign_up(api, mine, "password123"), 201)
