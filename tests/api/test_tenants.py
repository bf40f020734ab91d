"""Tenants: registration, information, list, statistics, settings (document 004)."""
import uuid

import pymongo.errors
import pytest

from support.check import ok, refused, until
from support.world import OWNER_PASSWORD, unique


def registration(slug, **changes):
    body = {"tenant_name": f"Name of {slug}", "tenant_slug": slug, "admin_username": "admin",
            "admin_email": f"admin@{slug}.example", "admin_password": OWNER_PASSWORD,
            "plan": "free"}
    body.update(changes)
    return {name: value for name, value in body.items() if value is not None}


# -- registration ------------------------------------------------------------------------------


def test_registration_answers_the_shape_of_004(api):
    """R004-26, api.md §8."""
    slug = unique("shape")
    body = ok(api.post("/tenants/register", json=registration(slug)), 201)
    assert set(body) >= {"message", "tenant", "admin", "access_info"}
    assert set(body["tenant"]) >= {"id", "name", "slug", "domain", "plan"}
    assert body["tenant"]["slug"] == slug
    assert body["tenant"]["plan"] == "free"
    assert body["tenant"]["domain"] is None
    assert body["admin"]["username"] == "admin"
    assert body["admin"]["email"] == f"admin@{slug}.example"
    assert body["admin"]["role"] == "owner"
    uuid.UUID(body["admin"]["id"])
    assert set(body["access_info"]) >= {"subdomain", "header", "path"}
    assert slug in body["access_info"]["subdomain"]
    assert slug in body["access_info"]["header"]
    assert slug in body["access_info"]["path"]


def test_plan_is_free_when_none_is_named(api):
    body = ok(api.post("/tenants/register", json=registration(unique("np"), plan=None)), 201)
    assert body["tenant"]["plan"] == "free"


def test_registration_makes_everything_in_the_database(api, service):
    """R003-02, R003-25, R004-08, design §5: collection, indexes, validator, keys, owner, audit."""
    slug = unique("db")
    body = ok(api.post("/tenants/register", json=registration(slug)), 201)
    tenant_id = uuid.UUID(body["tenant"]["id"])
    name = "users_" + tenant_id.hex
    (collection,) = list(service.db.list_collections(filter={"name": name}))
    assert "$jsonSchema" in collection["options"]["validator"]
    indexes = service.db[name].index_information()
    unique_fields = {index["key"][0][0] for index in indexes.values() if index.get("unique")}
    assert any("email" in field for field in unique_fields)
    assert any("username" in field for field in unique_fields)
    document = service.db.tenants.find_one({"slug": slug})
    assert document["_id"] == tenant_id and document["status"] == "active"
    owner = service.db[name].find_one()
    assert owner["tenant_id"] == tenant_id and owner["role"] == "owner"
    assert owner["password_hash"].startswith("$2b$")
    assert service.db.signing_keys.count_documents({"tenant_id": tenant_id}) >= 1


def test_the_validator_refuses_a_write_past_the_service(service, acme):
    """C4, R001-10: a user document of another tenant, or without one, does not get in."""
    for document in ({"_id": uuid.uuid4()},
                     {"_id": uuid.uuid4(), "tenant_id": "text", "role": "user"}):
        with pytest.raises(pymongo.errors.WriteError):
            service.db[acme.collection].insert_one(document)


def test_the_owner_can_sign_in_at_once(api):
    slug = unique("own")
    ok(api.post("/tenants/register", json=registration(slug)), 201)
    for login in ("admin", f"admin@{slug}.example"):
        body = ok(api.post("/oauth/login", tenant=slug,
                           json={"username": login, "password": OWNER_PASSWORD}))
        assert body["role"] == "owner"


def test_slug_is_lower_cased(api):
    """api.md §8: slug lower-cased."""
    slug = unique("Upper")
    body = ok(api.post("/tenants/register", json=registration(slug)), 201)
    assert body["tenant"]["slug"] == slug.lower()


@pytest.mark.parametrize("slug", ["", "-a", "a-", "a--b", "a_b", "a.b", "a b", "ä", "a" * 64,
                                  "a/b", "$a", "a\u0000b"])
def test_slugs_that_are_none_are_refused(api, slug):
    """api.md §2.7, TI-4."""
    answer = api.post("/tenants/register", json=registration("x", tenant_slug=slug))
    refused(answer, 400)


@pytest.mark.parametrize("slug", ["www", "api", "admin", "auth", "static", "docs", "mail",
                                  "localhost", "t", "clients", "tenants", "oauth", "users",
                                  "register", "info", "list", "stats", "health", "login"])
def test_reserved_slugs_are_refused(api, slug):
    """C21, api.md §11: 400 slug_reserved."""
    refused(api.post("/tenants/register", json=registration(slug)), 400, "slug_reserved")


def test_taken_slug_is_409(api, acme):
    """api.md §10."""
    refused(api.post("/tenants/register", json=registration("acme")), 409, "slug_taken")
    refused(api.post("/tenants/register", json=registration("ACME")), 409, "slug_taken")


@pytest.mark.parametrize("missing", ["tenant_name", "tenant_slug", "admin_username", "admin_email",
                                     "admin_password"])
def test_missing_members_are_listed(api, missing):
    """api.md §8: 400 {error, required[]}."""
    slug = unique("m")
    body = refused(api.post("/tenants/register", json=registration(slug, **{missing: None})), 400)
    assert missing in body["required"]


def test_plans_that_cost_are_not_self_service(api):
    """C19, R004-13."""
    refused(api.post("/tenants/register", json=registration(unique("p"), plan="basic")),
            403, "plan_not_self_service")
    refused(api.post("/tenants/register", json=registration(unique("p"), plan="gold")), 400,
            field="plan")


def test_a_named_domain_is_pending(api, service):
    """api.md §4: pending until verified; it names no tenant before."""
    slug = unique("dom")
    body = ok(api.post("/tenants/register",
                       json=registration(slug, domain=f"{slug}.example.org")), 201)
    assert body["tenant"]["domain"] in (None, f"{slug}.example.org")
    assert service.db.tenant_domains.count_documents(
        {"domain": f"{slug}.example.org", "status": "verified"}) == 0
    refused(api.get("/tenants/info", host=f"{slug}.example.org"), 400, "tenant_not_identified")


@pytest.mark.parametrize("domain", ["localhost", "x.localhost", "127.0.0.1", "nodot", "a b.com"])
def test_domains_that_cannot_be_claimed(api, domain):
    """api.md §11: base domains and public_url, and what is no domain."""
    refused(api.post("/tenants/register", json=registration(unique("d"), domain=domain)), 400)


def test_the_service_s_own_address_cannot_be_claimed(start_instance, connect):
    """api.md §11: public_url, and what is below it; a name that only ends alike may be."""
    api = connect(start_instance({"server": {"public_url": "http://auth.example.com:8080"}}))
    for domain in ("auth.example.com", "x.auth.example.com"):
        refused(api.post("/tenants/register", json=registration(unique("d"), domain=domain)), 400,
                "domain_not_allowed")
    for domain in ("example.com", "xauth.example.com"):
        ok(api.post("/tenants/register", json=registration(unique("d"), domain=domain)), 201)


def test_a_refused_registration_leaves_nothing(api, service):
    """design §5: nothing half-made is visible."""
    slug = unique("half")
    before = set(service.db.list_collection_names())
    refused(api.post("/tenants/register", json=registration(slug, admin_password="short")), 400)
    refused(api.post("/tenants/register", json=registration(slug, admin_email="none")), 400)
    assert service.db.tenants.count_documents({"slug": slug}) == 0
    assert set(service.db.list_collection_names()) <= before
    ok(api.post("/tenants/register", json=registration(slug)), 201)


def test_hints_are_ignored_where_tenants_are_made(api):
    """api.md §2.1: /tenants/register, /tenants/list and /api/v1/clients/register ignore hints."""
    ok(api.post("/tenants/register", json=registration(unique("h")), tenant="no-such-tenant"), 201)
    ok(api.get("/tenants/list", tenant="no-such-tenant"))
    ok(api.get("/tenants/list", headers={"X-Tenant-ID": "not a uuid"}))
    ok(api.get("/health", tenant="no-such-tenant", host="nobody.localhost"))


# -- information -------------------------------------------------------------------------------


def test_info_by_get_and_post(api, acme):
    """R004-34, C12: both, the same answer; POST without body or length."""
    by_get = ok(api.get("/tenants/info", tenant="acme"))
    by_post = ok(api.post("/tenants/info", tenant="acme"))
    assert by_get == by_post
    assert set(by_get) >= {"id", "name", "slug", "domain", "plan", "is_active", "created_at"}
    assert by_get["id"] == acme.id and by_get["is_active"] is True


def test_max_users_is_for_members(api, world, keyed):
    """api.md §10."""
    user = world.user(keyed)
    assert "max_users" not in ok(api.get("/tenants/info", tenant=keyed.slug))
    body = ok(api.get("/tenants/info", token=user.token))
    assert body["max_users"] == 10
    refused(api.get("/tenants/info", tenant="acme", token=user.token), 403, "tenant_mismatch")


def test_info_without_a_tenant(api):
    """api.md §8, §10: error tenant_not_identified, description beginning as 004's."""
    body = refused(api.get("/tenants/info"), 400, "tenant_not_identified")
    assert body["error_description"].startswith("Tenant not identified")
    assert body["message"]


# -- list --------------------------------------------------------------------------------------


def test_list_is_paged_and_tells_little(api, world):
    """R004-42, C13: active, discoverable; slug, name, domain."""
    made = {world.tenant(plan="free").slug for _ in range(3)}
    seen, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        body = ok(api.get("/tenants/list", params=params))
        assert len(body["tenants"]) <= 2
        for entry in body["tenants"]:
            assert set(entry) <= {"slug", "name", "domain"}
        seen += [entry["slug"] for entry in body["tenants"]]
        cursor = body.get("next")
        if not cursor:
            break
    assert made <= set(seen)
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "limit=100000", "cursor=junk",
                                   "limit=1&limit=2", "cursor=%00"])
def test_list_refuses_bad_pages(api, query):
    refused(api.get(f"/tenants/list?{query}"), 400)


def test_an_edited_cursor_is_refused(api, world):
    """SK-1, IN-6: page tokens are authenticated."""
    world.tenant(plan="free"), world.tenant(plan="free")
    cursor = ok(api.get("/tenants/list", params={"limit": 1}))["next"]
    ok(api.get("/tenants/list", params={"limit": 1, "cursor": cursor}))
    middle = len(cursor) // 2
    letter = "A" if cursor[middle] != "A" else "B"
    for edited in (cursor[:middle] + letter + cursor[middle + 1:], cursor[:-3]):
        refused(api.get("/tenants/list", params={"cursor": edited}), 400, "invalid_cursor")


def test_suspended_and_undiscoverable_tenants_are_not_listed(api, service, world):
    hidden, suspended = world.tenant(plan="free"), world.tenant(plan="free")
    service.db.tenants.update_one({"slug": hidden.slug}, {"$set": {"discoverable": False}})
    service.db.tenants.update_one({"slug": suspended.slug}, {"$set": {"status": "suspended"}})
    seen = {entry["slug"] for entry in every_tenant(api)}
    assert not seen & {hidden.slug, suspended.slug}


def every_tenant(api):
    cursor = None
    while True:
        body = ok(api.get("/tenants/list",
                          params={"limit": 50} | ({"cursor": cursor} if cursor else {})))
        yield from body["tenants"]
        cursor = body.get("next")
        if not cursor:
            return


# -- statistics --------------------------------------------------------------------------------


def test_stats_are_for_admins(api, world, keyed, anna):
    """R004-44."""
    refused(api.get("/tenants/stats", tenant="acme"), 401)
    refused(api.get("/tenants/stats", token=anna.token), 403,
            ("insufficient_scope", "insufficient_role"))
    body = ok(api.get("/tenants/stats", token=keyed.owner.token))
    assert set(body) >= {"total_users", "active_users", "total_clients", "active_tokens", "plan",
                         "max_users"}
    assert body["plan"] == "free" and body["max_users"] == 10
    assert body["total_users"] >= 1 and body["active_tokens"] >= 1


def test_stats_by_session(api, world, acme):
    """R004-44: the proof's curl uses the session."""
    session = world.sign_in(acme.owner)
    assert ok(api.get("/tenants/stats", tenant="acme", cookie=session))["total_users"] >= 1


def test_stats_count(api, world):
    tenant = world.tenant()
    world.login(tenant.owner)
    world.user(tenant), world.user(tenant)
    body = ok(api.get("/tenants/stats", token=tenant.owner.token))
    assert (body["total_users"], body["active_users"], body["active_tokens"]) == (3, 3, 3)


# -- settings ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mine(world):
    tenant = world.tenant()
    world.login(tenant.owner)
    return tenant


def test_settings_are_read_and_changed_in_part(api, mine):
    before = ok(api.get("/tenants/settings", token=mine.owner.token))
    assert set(before) >= {"settings", "plan", "max_users"}
    after = ok(api.put("/tenants/settings", token=mine.owner.token,
                       json={"settings": {"access_token_ttl": 600}}))
    assert after["settings"]["access_token_ttl"] == 600
    ok(api.put("/tenants/settings", token=mine.owner.token,
               json={"settings": {"refresh_grace": 5}}))
    now = ok(api.get("/tenants/settings", token=mine.owner.token))["settings"]
    assert (now["access_token_ttl"], now["refresh_grace"]) == (600, 5)


def test_a_new_lifetime_holds_from_the_next_login(api, world, mine):
    ok(api.put("/tenants/settings", token=mine.owner.token,
               json={"settings": {"access_token_ttl": 321}}))
    assert world.user(mine).tokens["expires_in"] == 321


@pytest.mark.parametrize("settings", [
    {"access_token_ttl": 0}, {"access_token_ttl": -1}, {"access_token_ttl": "900"},
    {"access_token_ttl": 1.5}, {"access_token_ttl": True}, {"access_token_ttl": 10 ** 18},
    {"refresh_grace": 31}, {"refresh_grace": -1}, {"refresh_token_ttl": []},
    {"no_such_setting": 1}, {"plan": "enterprise"}, {"$set": {"plan": "enterprise"}},
    {"a.b": 1},
])
def test_bad_settings_are_refused_and_change_nothing(api, mine, settings):
    """TI-11, api.md §11: unknown members are refused with their name."""
    before = ok(api.get("/tenants/settings", token=mine.owner.token))
    refused(api.put("/tenants/settings", token=mine.owner.token, json={"settings": settings}), 400,
            field=next(iter(settings)))
    assert ok(api.get("/tenants/settings", token=mine.owner.token)) == before


def test_settings_are_for_the_owner(api, service, world, mine):
    """api.md §4: GET for admins, PUT for owners."""
    user = world.user(mine)
    for answer in (api.get("/tenants/settings", token=user.token),
                   api.put("/tenants/settings", token=user.token, json={"settings": {}})):
        refused(answer, 403, ("insufficient_scope", "insufficient_role"))
    service.db[mine.collection].update_one({"_id": uuid.UUID(user.id)}, {"$set": {"role": "admin"}})
    world.login(user)
    ok(api.get("/tenants/settings", token=user.token))
    refused(api.put("/tenants/settings", token=user.token,
                    json={"settings": {"refresh_grace": 1}}), 403, "insufficient_role")


def test_a_settings_change_is_audited(api, service, mine):
    changed = {"tenant_id": uuid.UUID(mine.id), "action": "tenant.settings_changed"}
    before = service.db.audit_logs.count_documents(changed)
    ok(api.put("/tenants/settings", token=mine.owner.token,
               json={"settings": {"refresh_grace": 2}}))
    rows = list(service.db.audit_logs.find(changed))
    assert len(rows) == before + 1 and {row["status"] for row in rows} == {"success"}


def test_a_suspended_tenant_is_an_unknown_one(api, service, world):
    """api.md §2.2, TI-2, TS-14: within a second, for everybody, with every credential."""
    tenant = world.tenant()
    user = world.user(tenant)
    unknown = api.get("/tenants/info", tenant="never-was-there")
    service.db.tenants.update_one({"slug": tenant.slug},
                                  {"$set": {"status": "suspended"}, "$inc": {"epoch": 1}})
    until(lambda: api.get("/tenants/info", tenant=tenant.slug).status_code == 404, 1.0)
    suspended = api.get("/tenants/info", tenant=tenant.slug)
    assert suspended.json()["error"] == unknown.json()["error"] == "tenant_not_found"
    assert suspended.json()["error_description"] == unknown.json()["error_description"]
    until(lambda: api.get("/users/me", token=user.token).status_code in (401, 404), 1.0)
    assert api.post("/auth/refresh",
                    json={"refresh_token": user.refresh_token}).status_code in (401, 404)
    assert api.post("/auth/login", tenant=tenant.slug, json={
        "email": user.email, "password": user.password}).status_code == 404
