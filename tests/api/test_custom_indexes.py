"""x-unique and x-index: indexes of the database, made by publishing a schema (issue 6.2, R003-05).

32 writers at once: test_races.py. How filters use them: the tests of GET /users.
"""
import pytest

from support.check import ok, refused
from support.world import USER_PASSWORD, unique

SCHEMA = {
    "properties": {
        "badge": {"type": "string", "x-unique": True},
        "nick": {"type": "string", "x-unique": True, "x-index": "ci"},
        "age": {"type": "integer", "x-index": True},
        "home": {"type": "object", "properties": {
            "city": {"type": "string", "x-index": "ci"},
            "a/b~c d": {"type": "integer", "x-unique": True}}},
    },
}
LOCALE = {"locale": "en", "strength": 2}


def publish(api, tenant, schema, **options):
    return api.put("/tenants/schema", token=tenant.owner.token, json=schema, **options)


def register(api, tenant, fields):
    return api.post("/auth/register", tenant=tenant.slug, json={
        "email": f"{unique('i')}@example.com", "password": USER_PASSWORD, "custom_fields": fields})


@pytest.fixture(scope="module")
def club(api, world):
    tenant = world.key_tenant()
    world.login(tenant.owner)
    ok(world.admin("PATCH", f"/tenants/{tenant.id}", json={"plan": "enterprise"}))
    ok(publish(api, tenant, SCHEMA))
    return tenant


def indexes_of(api, tenant):
    found = api.instance.db[tenant.collection].index_information()
    return {name: one for name, one in found.items() if name.startswith("cf_")}


def test_the_database_has_what_the_schema_asks_for(api, club):
    told = ok(api.get("/tenants/schema", token=club.owner.token))["indexes"]
    assert [(one["field"], one["unique"], one["ignores_case"]) for one in told] == [
        ("/custom_fields/age", False, False), ("/custom_fields/badge", True, False),
        ("/custom_fields/home/a~1b~0c d", True, False), ("/custom_fields/home/city", False, True),
        ("/custom_fields/nick", True, True)]
    made = indexes_of(api, club)
    assert set(made) == {one["name"] for one in told}
    assert {"cf_i_age", "cf_u_badge", "cf_ici_home.city", "cf_uci_nick"} < set(made)
    for name, one in made.items():
        (path, _), *rest = one["key"]
        assert rest == ([] if one.get("unique") else [("_id", 1)])
        assert one["partialFilterExpression"] == {path: {"$exists": True}}
        collation = dict(one.get("collation") or {})
        assert {key: collation.get(key) for key in LOCALE} == (LOCALE if "ci_" in name else
                                                               {"locale": None, "strength": None})


def ways_in(api, world, tenant, fields):
    """Every path that writes custom fields of users."""
    user, owner = world.user(tenant), tenant.owner
    session = world.sign_in(user)
    body = {"email": f"{unique('w')}@example.com", "username": unique("w"),
            "password": USER_PASSWORD, "custom_fields": fields}
    yield api.post("/auth/register", tenant=tenant.slug, json=body)
    yield api.post("/oauth/register", tenant=tenant.slug, json=body)
    yield api.post("/tenants/users", token=owner.token, json=body)
    yield api.post(f"/api/v1/{tenant.id}/signup", token=tenant.key, json=body)
    yield api.patch("/users/me", token=user.token, json={"custom_fields": fields})
    yield api.patch("/users/me", tenant=tenant.slug, cookie=session, json={"custom_fields": fields})
    yield api.patch(f"/tenants/users/{user.id}", token=owner.token, json={"custom_fields": fields})


@pytest.mark.parametrize("taken, same, pointer", [
    ({"badge": "B-1"}, {"badge": "B-1"}, "/custom_fields/badge"),
    ({"nick": "Straße a"}, {"nick": "STRAẞE A"}, "/custom_fields/nick"),
    ({"home": {"a/b~c d": 7}}, {"home": {"a/b~c d": 7.0}}, "/custom_fields/home/a~1b~0c d"),
], ids=["exact", "without case", "nested"])
def test_a_taken_value_is_named_on_every_path(api, world, club, taken, same, pointer):
    ok(register(api, club, taken), 201)
    for answer in ways_in(api, world, club, same):
        refused(answer, 409, "value_taken")
        assert answer.json()["field"] == pointer


def test_case_is_what_the_collation_says(api, club):
    """Letters that differ in case alone are one; "é" is not "e", "ß" is not "SS"; an exact field
    tells "x" from "X"."""
    ok(register(api, club, {"nick": "Gasse"}), 201)
    ok(register(api, club, {"nick": "gaße"}), 201)
    ok(register(api, club, {"nick": "emile", "badge": "x-1"}), 201)
    refused(register(api, club, {"nick": "EMILE"}), 409, "value_taken")
    ok(register(api, club, {"nick": "émile", "badge": "X-1"}), 201)


def test_absent_values_never_collide(api, club):
    """api.md §7. null is no value of such a field: a merge patch with null takes the field away."""
    one, two = (ok(register(api, club, {"age": 3}), 201) for _ in range(2))
    assert one["id"] != two["id"]
    refused(register(api, club, {"badge": None}), 400, "invalid_custom_fields", "/custom_fields/badge")
    for schema in ({"type": ["string", "null"], "x-unique": True}, {"x-unique": True},
                   {"type": "array", "items": {"type": "string"}, "x-unique": True}):
        refused(publish(api, club, {"properties": {"v": schema}}), 400, "invalid_schema",
                "/properties/v/x-unique")


def test_ones_own_value_is_not_taken(api, world, club):
    user = world.user(club, custom_fields={"badge": unique("own")})
    for _ in range(2):
        mine = ok(api.get("/users/me", token=user.token))["custom_fields"]
        ok(api.patch("/users/me", token=user.token, json={"custom_fields": mine}))
    ok(api.patch("/users/me", token=user.token, json={"custom_fields": {"badge": None}}))
    other = world.user(club)
    ok(api.patch("/users/me", token=other.token, json={"custom_fields": mine}))


def test_the_plan_bounds_them(api, world):
    """api.md §10: 2, 4, 8, 8 by plan."""
    tenant = world.tenant(plan="free")
    world.login(tenant.owner)
    three = {"properties": {name: {"type": "string", "x-index": True} for name in "abc"}}
    for options in ({}, {"params": {"dry_run": "true"}}):
        body = refused(publish(api, tenant, three, **options), 403, "plan_limit")
        assert (body["field"], body["limit"], body["usage"]) == ("/properties/c/x-index", 2, 3)
    refused(api.get("/tenants/schema", token=tenant.owner.token), 404)
    assert not indexes_of(api, tenant)
    del three["properties"]["c"]
    ok(publish(api, tenant, three))


def test_an_index_below_a_list_is_refused(api, club):
    """Where a list may stand on the way, one user could have many values."""
    inner = {"properties": {"b": {"type": "string", "x-index": True}}}
    refused(publish(api, club, {"properties": {"a": inner}}), 400, "invalid_schema", "/properties/a/type")
    refused(publish(api, club, {"properties": {"a": {"type": "object", "x-index": True}}}), 400,
            "invalid_schema", "/properties/a/x-index")


def test_publishing_changes_indexes(api, world):
    """What is no longer asked for goes, also when it only changes its kind; duplicates refuse."""
    tenant = world.tenant()
    world.login(tenant.owner)

    def kinds(**annotations):
        answer = publish(api, tenant, {"properties": {"v": {"type": "string", **annotations}}})
        return answer.status_code, sorted(indexes_of(api, tenant))

    assert kinds(**{"x-index": True}) == (200, ["cf_i_v"])
    for _ in range(2):
        ok(register(api, tenant, {"v": "same"}), 201)
    before = ok(api.get("/tenants/schema", token=tenant.owner.token))
    answer = publish(api, tenant, {"properties": {"v": {"type": "string", "x-unique": True}}})
    refused(answer, 409, "documents_fail", "/custom_fields/v")
    after = ok(api.get("/tenants/schema", token=tenant.owner.token))
    assert after.pop("publication")["error"] == "documents_fail" and after == before
    assert sorted(indexes_of(api, tenant)) == ["cf_i_v"]
    api.instance.db[tenant.collection].update_one({"custom_fields.v": "same"},
                                                  {"$set": {"custom_fields.v": "Same"}})
    assert kinds(**{"x-unique": True}) == (200, ["cf_u_v"])
    assert kinds(**{"x-unique": True, "x-index": "ci"})[0] == 409
    api.instance.db[tenant.collection].update_one({"custom_fields.v": "Same"},
                                                  {"$set": {"custom_fields.v": "other"}})
    assert kinds(**{"x-unique": True, "x-index": "ci"}) == (200, ["cf_uci_v"])
    assert kinds(**{"x-index": "ci"}) == (200, ["cf_ici_v"])
    assert kinds() == (200, [])
