"""One registration behind four entries: /api/register, /auth/register, /oauth/register, signup."""
import pytest

from support.check import ok, refused
from support.world import USER_PASSWORD, unique


class Entry:
    """One way to register: where, with which members, and what names the new user in the answer."""

    def __init__(self, name, path, members, id_member, key=False):
        self.name, self.path, self.members, self.id_member, self.key = \
            name, path, members, id_member, key

    def __repr__(self):
        return self.name

    def post(self, api, tenant, **body):
        path = self.path.format(cid=tenant.id)
        if self.key:
            return api.post(path, token=tenant.key, json=body)
        return api.post(path, tenant=tenant.slug, json=body)

    def body(self, **changes):
        full = {"username": unique("name"), "email": f"{unique('mail')}@example.com",
                "password": USER_PASSWORD}
        return {name: full[name] for name in self.members} | changes


ENTRIES = [
    Entry("000", "/api/register", ["username", "password"], "user_id"),
    Entry("001", "/auth/register", ["email", "password"], "id"),
    Entry("004", "/oauth/register", ["username", "email", "password"], "user_id"),
    Entry("003", "/api/v1/{cid}/signup", ["email", "password"], "user_id", key=True),
]
every_entry = pytest.mark.parametrize("entry", ENTRIES, ids=repr)


@pytest.fixture(scope="module")
def tenant(service, world):
    """With a key, and room for as many users as the tests want."""
    made = world.key_tenant()
    service.db.tenants.update_one({"slug": made.slug}, {"$set": {"plan": "enterprise"}})
    return made


@every_entry
def test_registration_is_201_and_lets_in(api, tenant, entry):
    """R000-07, R001-03, R004-35, R003-15; api.md §10: 201 on every path."""
    body = entry.body()
    made = ok(entry.post(api, tenant, **body), 201)
    assert made[entry.id_member]
    login = body.get("username") or body["email"]
    got = ok(api.post("/oauth/login", tenant=tenant.slug,
                      json={"username": login, "password": USER_PASSWORD}))
    assert got["user_id"] == made[entry.id_member]
    assert got["role"] == "user"


def test_shapes(api, tenant):
    """api.md §8: each document's own members."""
    made = ok(ENTRIES[0].post(api, tenant, **ENTRIES[0].body()), 201)
    assert set(made) >= {"message", "user_id"}
    body = ENTRIES[2].body()
    made = ok(ENTRIES[2].post(api, tenant, **body), 201)
    assert set(made) >= {"message", "user_id", "username", "tenant_id", "tenant_slug"}
    assert (made["username"], made["tenant_id"], made["tenant_slug"]) == \
        (body["username"], tenant.id, tenant.slug)


BAD_VALUES = {
    "password": ["short", "p" * 73, "nul\u0000nul nul", ""],
    "email": ["no address", "a@b@c.de"],
    "username": ["", "two  blanks", "at@sign", "n" * 65, "tab\there", "nul\u0000", "\u202eevil"],
}


@pytest.mark.parametrize("entry, member, bad", [
    (entry, member, bad) for entry in ENTRIES for member in entry.members
    for bad in BAD_VALUES[member]], ids=repr)
def test_the_same_rules_on_every_entry(api, tenant, entry, member, bad):
    """AU-3, PW-1..3: user names hold no @ and nothing invisible; each refusal names the member."""
    answer = entry.post(api, tenant, **entry.body(**{member: bad}))
    refused(answer, 400, field=None if "\u0000" in bad else member)


@every_entry
def test_custom_fields_on_every_entry(api, tenant, entry):
    """Issue 3.6: on every path that takes users."""
    body = entry.body(custom_fields={"deep": {"list": [1, 2.5, "ß", None, True]}})
    made = ok(entry.post(api, tenant, **body), 201)
    login = body.get("username") or body["email"]
    pair = ok(api.post("/auth/login", tenant=tenant.slug,
                       json={"email": login, "password": USER_PASSWORD}))
    me = ok(api.get("/users/me", token=pair["access_token"]))
    assert me["id"] == made[entry.id_member]
    assert me["custom_fields"] == {"deep": {"list": [1, 2.5, "ß", None, True]}}


@every_entry
def test_taken_names_are_409_on_every_entry(api, tenant, entry):
    """AU-4, api.md §10: over all entries together, in any spelling."""
    first = ENTRIES[2].body()
    ok(ENTRIES[2].post(api, tenant, **first), 201)
    if "email" in entry.members:
        answer = entry.post(api, tenant, **entry.body(email=first["email"].upper()))
        refused(answer, 409, "email_taken")
    if "username" in entry.members:
        answer = entry.post(api, tenant, **entry.body(username=first["username"].upper()))
        refused(answer, 409, "username_taken")


def test_the_typed_spelling_is_shown(api, tenant):
    """design §7: unique in one canonical form, displayed as typed."""
    name = unique("McDuck")
    ok(ENTRIES[0].post(api, tenant, username=name, password=USER_PASSWORD), 201)
    got = ok(api.post("/api/login", tenant=tenant.slug,
                      json={"username": name.lower(), "password": USER_PASSWORD}))
    assert ok(api.get("/api/whoami", token=got["access_token"]))["username"] == name


def test_canonical_equivalents_are_one_name(api, tenant):
    """AU-4: NFC and lower case."""
    stem = unique()
    ok(ENTRIES[0].post(api, tenant, username="caf\u00e9" + stem, password=USER_PASSWORD), 201)
    for twin in ("cafe\u0301" + stem, "CAF\u00c9" + stem, "CAFE\u0301" + stem):
        refused(ENTRIES[0].post(api, tenant, username=twin, password=USER_PASSWORD), 409,
                "username_taken")


def test_a_username_only_user_has_no_email(api, tenant):
    """R003-09: only 000's registration may lack an address; two such users do not collide."""
    for _ in range(2):
        body = ENTRIES[0].body()
        ok(ENTRIES[0].post(api, tenant, **body), 201)
        got = ok(api.post("/api/login", tenant=tenant.slug, json=body))
        assert "email" not in ok(api.get("/users/me", token=got["access_token"]))


def test_api_register_takes_an_email_too(api, tenant):
    body = ENTRIES[0].body(email=f"{unique('opt')}@example.com")
    ok(ENTRIES[0].post(api, tenant, **body), 201)
    ok(api.post("/auth/login", tenant=tenant.slug,
                json={"email": body["email"], "password": USER_PASSWORD}))


@every_entry
@pytest.mark.parametrize("role", ["owner", "admin"])
def test_nobody_gets_a_higher_role(api, service, tenant, entry, role):
    """C16, R004-35: 403 on 004's path, which knows the member; without effect on the others."""
    body = entry.body(role=role)
    answer = entry.post(api, tenant, **body)
    if entry.name == "004":
        refused(answer, 403, "role_not_allowed")
        return
    assert answer.status_code in (201, 403), answer.text
    name = {member: body[member].lower() for member in ("username", "email") if member in body}
    document = service.db[tenant.collection].find_one(name)
    assert (document is not None) == (answer.status_code == 201)
    assert document is None or document["role"] == "user"


def test_role_user_may_be_said(api, tenant):
    ok(ENTRIES[2].post(api, tenant, **ENTRIES[2].body(role="user")), 201)


def test_the_plan_limits_users(api, world):
    """R004-11, R004-12: free has 10, the owner counted; 403 plan_limit with limit and usage."""
    tenant = world.key_tenant()
    for number in range(9):
        entry = ENTRIES[number % 4]
        ok(entry.post(api, tenant, **entry.body()), 201)
    for entry in ENTRIES:
        body = refused(entry.post(api, tenant, **entry.body()), 403, "plan_limit")
        assert (body["limit"], body["usage"]) == (10, 10)


def test_a_failed_registration_gives_its_place_back(api, world):
    """design §8: reserved by a conditional $inc, compensated on failure."""
    tenant = world.key_tenant()
    taken = ENTRIES[1].body()
    ok(ENTRIES[1].post(api, tenant, **taken), 201)
    for _ in range(12):
        refused(ENTRIES[1].post(api, tenant, **taken), 409, "email_taken")
    for _ in range(8):
        ok(ENTRIES[1].post(api, tenant, **ENTRIES[1].body()), 201)
    refused(ENTRIES[1].post(api, tenant, **ENTRIES[1].body()), 403, "plan_limit")


def test_same_user_in_two_tenants(api, tenant, acme, world):
    """R000-05, E3: isolated user bases."""
    twin = world.tenant()
    for where, password in ((tenant, "password for one"), (twin, "password for two")):
        ok(api.post("/api/register", tenant=where.slug,
                    json={"username": "john", "password": password}), 201)
    ok(api.post("/api/login", tenant=twin.slug,
                json={"username": "john", "password": "password for two"}))
    refused(api.post("/api/login", tenant=twin.slug,
                     json={"username": "john", "password": "password for one"}), 401)
