"""A tenant's schema of custom fields: published in versions, obeyed on every way in (issue 6.1, 6.3).

R003-05, R001-10, IN-7, IN-11. The compiler and validator by themselves: test_shapes.py.
"""
import datetime
import json
import time
import uuid

import bson
import pytest

from support.check import in_time, ok, refused, until
from support.world import USER_PASSWORD, unique

SCHEMA = {
    "type": "object",
    "title": "Staff",
    "additionalProperties": False,
    "required": ["department"],
    "properties": {
        "department": {"type": "string", "enum": ["sales", "support"], "default": "sales"},
        "age": {"type": "integer", "minimum": 0, "maximum": 9007199254740993},
        "email2": {"type": "string", "format": "email"},
        "badge": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$", "x-write": "admin"},
        "cost": {"type": "number", "multipleOf": 0.01, "x-write": "server"},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 3}, "uniqueItems": True},
        "home": {"type": "object", "properties": {"zip": {"type": "string", "x-write": "admin"},
                                                  "city": {"type": "string"}}},
    },
}


def put(api, tenant, schema=None, **options):
    return api.put("/tenants/schema", token=tenant.owner.token, json=SCHEMA if schema is None else schema, **options)


def fields(api, user, value):
    return api.patch("/users/me", token=user.token, json={"custom_fields": value})


def register(api, tenant, **members):
    return api.post("/auth/register", tenant=tenant.slug, json={
        "email": f"{unique('s')}@example.com", "password": USER_PASSWORD, **members})


@pytest.fixture(scope="module")
def staff(api, world):
    """A tenant that has published SCHEMA, with the owner logged in."""
    tenant = world.tenant()
    world.login(tenant.owner)
    ok(api.patch("/users/me", token=tenant.owner.token,
                 json={"custom_fields": {"department": "support"}}))
    answer = put(api, tenant)
    assert ok(answer) == {"version": 1, "state": "active",
                          "failing": {"checked": 1, "count": 0, "sample": []}}
    assert answer.headers["ETag"] == '"1"'
    return tenant


def test_a_published_schema_is_given_back(api, world, staff):
    """api.md §7: GET /tenants/schema, for every member of the tenant."""
    user = world.user(staff)
    for token in (staff.owner.token, user.token):
        answer = api.get("/tenants/schema", token=token)
        assert ok(answer) == {"version": 1, "schema": SCHEMA, "indexes": []}
        assert list(answer.json()["schema"]) == list(SCHEMA)
        assert answer.headers["ETag"] == '"1"'
    refused(api.get("/tenants/schema", tenant=staff.slug), 401)


def test_without_a_schema_there_is_none(api, world):
    tenant = world.tenant()
    world.login(tenant.owner)
    refused(api.get("/tenants/schema", token=tenant.owner.token), 404)


def test_everything_that_is_wrong_is_told_at_once(api, world, staff):
    """api.md §7: all failures, each with pointer, keyword and sentence."""
    answer = register(api, staff, custom_fields={
        "department": "kitchen", "age": -1, "email2": "x", "tags": ["abcd", "a", "a"],
        "extra": 1, "home": []})
    refused(answer, 400, "invalid_custom_fields")
    body = answer.json()
    assert {(one["pointer"], one["keyword"]) for one in body["errors"]} == {
        ("/custom_fields/department", "enum"), ("/custom_fields/age", "minimum"),
        ("/custom_fields/email2", "format"), ("/custom_fields/tags/0", "maxLength"),
        ("/custom_fields/tags", "uniqueItems"), ("/custom_fields/extra", "additionalProperties"),
        ("/custom_fields/home", "type")}
    assert body["field"] == body["errors"][0]["pointer"]
    assert '"sales", "support"' in body["error_description"]


def test_defaults_are_filled_in_at_creation_alone(api, world, staff):
    user = world.user(staff)
    me = ok(api.get("/users/me", token=user.token))
    assert me["custom_fields"] == {"department": "sales"}
    answer = fields(api, user, {"department": None})
    refused(answer, 400, "invalid_custom_fields")
    assert answer.json()["errors"] == [{"pointer": "/custom_fields/department",
                                        "keyword": "required", "message": "is required"}]
    assert ok(api.get("/users/me", token=user.token)) == me


def test_numbers_are_exact_past_what_doubles_hold(api, world, staff):
    """IN-7."""
    user = world.user(staff)
    assert ok(fields(api, user, {"age": 2 ** 53 + 1}))["custom_fields"]["age"] == 2 ** 53 + 1
    refused(fields(api, user, {"age": 2 ** 53 + 2}), 400, "invalid_custom_fields")


def ways_in(api, world, tenant, bad):
    """A bad value by every path that writes custom fields of users."""
    user = world.user(tenant)
    owner = tenant.owner
    body = {"email": f"{unique('w')}@example.com", "username": unique("w"),
            "password": USER_PASSWORD, "custom_fields": bad}
    yield api.post("/auth/register", tenant=tenant.slug, json=body)
    yield api.post("/oauth/register", tenant=tenant.slug, json=body)
    yield api.post("/tenants/users", token=owner.token, json=body)
    yield api.patch("/users/me", token=user.token, json={"custom_fields": bad})
    yield api.patch(f"/tenants/users/{user.id}", token=owner.token, json={"custom_fields": bad})


def test_every_way_in_obeys(api, world, staff):
    """R003-05: sign-up of each kind, the own profile, administrators."""
    for number, answer in enumerate(ways_in(api, world, staff, {"department": "kitchen"})):
        assert answer.status_code == 400, (number, answer.text)
        assert answer.json()["errors"][0]["keyword"] == "enum", (number, answer.text)


def test_who_may_write(api, world, staff):
    """api.md §7 x-write: users, administrators, servers; unchanged values may be sent again."""
    user = world.user(staff)
    path = f"/tenants/users/{user.id}"
    owner = staff.owner.token
    for value, place in (({"badge": "AB-123"}, "/custom_fields/badge"),
                         ({"cost": 1.25}, "/custom_fields/cost"),
                         ({"home": {"zip": "1"}}, "/custom_fields/home/zip")):
        refused(fields(api, user, value), 403, "field_not_writable", field=place)
        refused(register(api, staff, custom_fields=value), 403, "field_not_writable")
    ok(api.patch(path, token=owner, json={"custom_fields": {"badge": "AB-123",
                                                             "home": {"zip": "1"}}}))
    refused(api.patch(path, token=owner, json={"custom_fields": {"cost": 1.25}}), 403,
            "field_not_writable")
    assert ok(fields(api, user, {"badge": "AB-123", "home": {"city": "Bern"}}))["custom_fields"] \
        == {"department": "sales", "badge": "AB-123", "home": {"zip": "1", "city": "Bern"}}
    for value in ({"badge": None}, {"home": None}, {"home": {"zip": None}}, {"badge": "AB-124"}):
        refused(fields(api, user, value), 403, "field_not_writable")


def test_places_of_any_name_are_pointers(api, world):
    """RFC 6901 in whatever names a place, with names as long as they may be."""
    tenant = world.tenant()
    world.login(tenant.owner)
    long = "/" * 255
    kept = {"type": "object", "properties": {long: {"type": "object", "properties": {
        "a/b~c": {"type": "string", "x-write": "admin"}, long: {"type": "string", "x-read": "admin"}}}}}
    ok(put(api, tenant, {"properties": {long: kept, "d/e": {"type": "string", "x-encrypt": True}}}))
    user = world.user(tenant)
    above = "/custom_fields" + ("/" + "~1" * 255) * 2
    for name, place in (("a/b~c", above + "/a~1b~0c"), (long, above + "/" + "~1" * 255)):
        refused(fields(api, user, {long: {long: {name: "x"}}}), 403, "field_not_writable", field=place)
    for schema, place in (({"d/e": {"type": "string", "minLength": 1}}, "/properties/d~1e"),
                          ({"x/y": {"type": "string", "format": "date-time", "const": "2026-01-31T10:00:00+01:00"}},
                           "/properties/x~1y/const"),
                          ({"x": {"type": "object", "properties": {"i" * 239: {"type": "string", "x-unique": True}}}},
                           f"/properties/x/properties/{'i' * 239}/x-unique")):
        refused(put(api, tenant, {"properties": schema}), 400, "invalid_schema", field=place)
    refused(put(api, tenant, {"properties": {"x/y": {"x-write": "admin"}}, "required": ["x/y"]}), 400,
            "invalid_schema", field="/properties/x~1y")
    name = "i" * 240
    ok(put(api, tenant, {"properties": {name: {"type": "string", "x-unique": True}}}))
    ok(register(api, tenant, custom_fields={name: "x"}), 201)
    refused(register(api, tenant, custom_fields={name: "x"}), 409, "value_taken", field=f"/custom_fields/{name}")


def test_a_schema_that_users_break_is_refused_with_samples(api, world):
    """issue 6.1: the dry run counts and lists; publishing is 409 and changes nothing."""
    tenant = world.tenant()
    world.login(tenant.owner)
    users = [world.user(tenant, login=False, custom_fields={"n": number}) for number in range(12)]
    schema = {"properties": {"n": {"maximum": 0}}}
    trial = ok(put(api, tenant, schema, params={"dry_run": "true"}))
    assert trial["state"] == "dry_run" and trial["version"] == 1
    assert (trial["failing"]["checked"], trial["failing"]["count"]) == (13, 11)
    sample = trial["failing"]["sample"]
    assert len(sample) == 10 and {one["user_id"] for one in sample} <= {one.id for one in users}
    assert all(one["pointer"] == "/custom_fields/n" and one["keyword"] == "maximum"
               for one in sample)
    answer = put(api, tenant, schema)
    refused(answer, 409, "documents_fail", field="/custom_fields/n")
    assert "11 of 13" in answer.json()["error_description"]
    refused(api.get("/tenants/schema", token=tenant.owner.token), 404)
    told = ok(api.get("/tenants/audit", token=tenant.owner.token))["events"]
    told = [one for one in told if one["action"].startswith("schema.")]
    assert [(one["action"], one["status"], one.get("reason")) for one in reversed(told)] == [
        ("schema.submitted", "success", None), ("schema.published", "failed", "documents_fail")]
    assert ok(put(api, tenant, {"properties": {"n": {"maximum": 11}}}))["version"] == 1


def test_who_takes_over_hears_of_the_cancellation(api, service, world):
    """A worker that died behind it, before it heard: the next one undoes what there is."""
    tenant = world.tenant()
    world.login(tenant.owner)
    ok(put(api, tenant, {}))
    jobs, now = service.db.jobs, datetime.datetime.now(datetime.timezone.utc)
    left = jobs.insert_one({
        "_id": uuid.uuid4(), "tenant_id": uuid.UUID(tenant.id), "kind": "publication",
        "alone": "publication", "state": "running", "claim": bson.Int64(1), "created_at": now,
        "input": {"schema": {"title": "Never"}, "version": bson.Int64(2)},
        "cancel_at": now, "due_at": now}).inserted_id
    until(lambda: jobs.find_one({"_id": left})["state"] not in ("queued", "running"))
    assert jobs.find_one({"_id": left})["state"] == "cancelled"
    assert ok(api.get("/tenants/schema", token=tenant.owner.token))["version"] == 1


def test_versions_and_if_match(api, service, world):
    """ETag and If-Match; one of many parallel publishers of the same version wins; audited."""
    tenant = world.tenant()
    world.login(tenant.owner)
    refused(put(api, tenant, {}, headers={"If-Match": "*"}), 412)
    assert ok(put(api, tenant, {}, headers={"If-None-Match": "*"}))["version"] == 1
    refused(put(api, tenant, {"title": "x"}, headers={"If-Match": '"7"'}), 412)
    for tag in ("*", '"1"', 'W/"1"'):
        refused(put(api, tenant, {"title": "x"}, headers={"If-None-Match": tag}), 412)
    assert ok(put(api, tenant, {"title": "two"}, headers={"If-Match": '"1"'}))["version"] == 2
    refused(put(api, tenant, {"title": "x"}, headers={"If-Match": '"1"'}), 412)
    assert ok(api.get("/tenants/schema", token=tenant.owner.token))["schema"] == {"title": "two"}
    versions = [one["version"] for one in service.db.custom_schemas.find(
        {"tenant_id": service.db.tenants.find_one({"slug": tenant.slug})["_id"]}).sort("version")]
    assert versions == [1, 2]
    events = ok(api.get("/tenants/audit", token=tenant.owner.token,
                        params={"action": "schema.published"}))["events"]
    assert [one["status"] for one in events] == ["success", "success"]


def test_only_owners_publish(api, world, staff):
    user = world.user(staff)
    answer = api.put("/tenants/schema", token=user.token, json=SCHEMA)
    assert answer.status_code == 403, answer.text
    refused(api.put("/tenants/schema", tenant=staff.slug, json=SCHEMA), 401)


def test_access_keys_with_the_scope_publish_and_write(api, world):
    """api.md §10: the scope "schema" of access keys."""
    tenant = world.key_tenant()
    assert ok(api.put("/tenants/schema", token=tenant.key, json={"title": "by key"}))["version"] == 1
    assert ok(api.get("/tenants/schema", token=tenant.key))["schema"] == {"title": "by key"}


@pytest.mark.parametrize("schema, place", [
    ({"$ref": "#"}, "/$ref"), ({"properties": {"a": {"type": "text"}}}, "/properties/a/type"),
    ({"properties": {"a": {"pattern": "("}}}, "/properties/a/pattern"),
    ({"properties": {"a": {"minimum": 2, "maximum": 1}}}, "/properties/a/minimum"),
    ({"properties": {"a/b": {"type": "integer", "enum": ["1", "2"]}}}, "/properties/a~1b/enum"),
    ({"properties": {"a": {"items": {"enum": ["a"], "minLength": 2}}}}, "/properties/a/items/enum"),
    ({"additionalProperties": {"format": "date", "enum": ["x"]}}, "/additionalProperties/enum"),
    ({"required": ["a", "b"], "maxProperties": 1}, "/required"),
    ({"properties": {"a": {"type": "string", "x-unique": True, "default": "x"}}}, "/properties/a/x-unique"),
    ({"properties": {"o": {"type": "object", "minProperties": 1, "additionalProperties": False}}},
     "/properties/o/minProperties"),
    ({"properties": {"d": {"type": "string", "format": "date", "x-index": "ci"}}},
     "/properties/d/x-index"),
], ids=json.dumps)
def test_what_is_no_schema_is_refused_at_its_place(api, staff, schema, place):
    """issue 6, bad input: a pointer in every error, nothing changed; what is not kept is refused."""
    answer = put(api, staff, schema)
    refused(answer, 400, "invalid_schema", field=place)
    assert place in answer.json()["error_description"]
    assert ok(api.get("/tenants/schema", token=staff.owner.token))["version"] == 1


def test_ten_thousand_properties_and_bad_parameters(api, staff):
    wide = {"properties": {f"p{number}": {} for number in range(3000)}}
    assert put(api, staff, wide).status_code == 400
    refused(put(api, staff, {"properties": {f"p{i}": {} for i in range(10000)}}), 413)
    for text in ("maybe", "TRUE", ""):
        refused(put(api, staff, {}, params={"dry_run": text}), 400, field="dry_run")
    for name in ("dryrun", "dry-run", "dryRun"):
        refused(put(api, staff, {}, params={name: "true"}), 400, "unknown_field", field=name)
    assert ok(api.get("/tenants/schema", token=staff.owner.token))["version"] == 1
    deep = "{\"items\":" * 1000 + "{}" + "}" * 1000
    refused(api.put("/tenants/schema", token=staff.owner.token, content=deep,
                    headers={"Content-Type": "application/json"}), 400)
    refused(api.put("/tenants/schema", token=staff.owner.token, content="",
                    headers={"Content-Type": "application/json"}), 400, "invalid_schema")


def test_a_catastrophic_pattern_stops_nobody(api, world):
    """IN-11: publishing it is allowed, a text that would take for ever is an answer at once."""
    tenant = world.tenant()
    world.login(tenant.owner)
    ok(put(api, tenant, {"properties": {"v": {"pattern": "^(a+)+$"}}}))
    began = time.monotonic()
    refused(fields(api, tenant.owner, {"v": "a" * 4000 + "!"}), 400, "invalid_custom_fields")
    in_time(time.monotonic() - began, 3)


@pytest.mark.parametrize("around", ["items", "additionalProperties"])
def test_what_nothing_would_obey_is_refused_in_lists_too(api, world, around):
    """R003-05: below items an x-write would be a promise that no check keeps."""
    tenant = world.tenant()
    world.login(tenant.owner)
    for word, value in (("x-write", "server"), ("x-read", "admin"), ("x-unique", True)):
        inner = {"properties": {"grade": {"type": "string", word: value}}}
        refused(put(api, tenant, {"properties": {"list": {around: inner}}}), 400, "invalid_schema",
                field=f"/properties/list/{around}/properties/grade/{word}")
    ok(put(api, tenant, {"properties": {"list": {around: {"properties": {"grade": {}}}},
                                        "late": {"x-write": "admin"}}}))


def test_the_largest_schema_is_obeyed(api, world):
    """R003-05: what was published can be compiled again by whoever obeys it."""
    tenant = world.tenant()
    world.login(tenant.owner)
    properties = {f"field_{number:03}": {
        "type": ["string", "null"], "maxLength": 20, "title": "x" * 150,
        "enum": ["a", "b", "c", None]} for number in range(190)}
    ok(put(api, tenant, {"properties": properties}))
    refused(register(api, tenant, custom_fields={"field_189": "d"}), 400, "invalid_custom_fields")
    ok(register(api, tenant, custom_fields={"field_189": "a"}), 201)
    wide = {f"f{number}": {"enum": list(range(200))} for number in range(80)}
    refused(put(api, tenant, {"properties": wide}), 400, "invalid_schema")
