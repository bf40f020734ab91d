"""The stored form of custom fields and who sees what of them (issue 6.1, 6.3; R003-05, IN-3, IN-7).

Dates are BSON dates in the database and RFC 3339 text outside; x-read hides a field on every path.
"""
import datetime
import uuid

import pytest
from bson.codec_options import DatetimeConversion

from support.check import ok, refused, until
from support.world import USER_PASSWORD, key_of, unique

UTC = datetime.timezone.utc

DATES = {"properties": {
    "born": {"type": "string", "format": "date"},
    "seen": {"type": "string", "format": "date-time"},
    "days": {"type": "array", "items": {"type": "string", "format": "date"}},
    "trip": {"type": "object", "properties": {"begins": {"type": ["string", "null"],
                                                         "format": "date-time"}}},
}, "additionalProperties": True}


def publish(api, tenant, schema, **options):
    return api.put("/tenants/schema", token=tenant.owner.token, json=schema, **options)


def new_tenant(api, world, schema):
    tenant = world.tenant()
    world.login(tenant.owner)
    ok(publish(api, tenant, schema))
    return tenant


def patch(api, user, value):
    return api.patch("/users/me", token=user.token, json={"custom_fields": value})


def stored(database, user):
    found = database[user.tenant.collection].find_one({"_id": uuid.UUID(user.id)})
    return found.get("custom_fields", {})


@pytest.fixture(scope="module")
def database(service):
    """Year 0 is none of Python's."""
    return service.db.with_options(codec_options=service.db.codec_options.with_options(
        datetime_conversion=DatetimeConversion.DATETIME_AUTO))


# -- dates ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dated(api, world):
    return world.user(new_tenant(api, world, DATES))


@pytest.mark.parametrize("sent, shown, kept", [
    ("2026-01-31T09:30:00Z", "2026-01-31T09:30:00Z",
     datetime.datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
    ("2026-01-31t09:30:00.120+05:30", "2026-01-31T04:00:00.120Z",
     datetime.datetime(2026, 1, 31, 4, 0, 0, 120000, tzinfo=UTC)),
    ("1969-12-31T23:59:59.9999999-00:00", "1969-12-31T23:59:59.999Z",
     datetime.datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)),
    ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", datetime.datetime(1, 1, 1, tzinfo=UTC)),
    ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z",
     datetime.datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)),
])
def test_a_moment_is_a_date_of_the_database(api, database, dated, sent, shown, kept):
    """IN-7, api.md §7 Numbers: any offset in, UTC to the millisecond kept and shown."""
    value = {"seen": sent, "trip": {"begins": sent}, "born": None, "days": None, "other": None}
    expected = {"seen": shown, "trip": {"begins": shown}}
    assert ok(patch(api, dated, value))["custom_fields"] == expected
    assert ok(api.get("/users/me", token=dated.token))["custom_fields"] == expected
    assert stored(database, dated) == {"seen": kept, "trip": {"begins": kept}}


def test_a_date_is_midnight_in_the_database(api, database, dated):
    """IN-7: shown as it was sent, items of arrays too; text that no schema calls a date stays text."""
    value = {"born": "2000-02-29", "days": ["1999-12-31", "0000-01-01"], "other": "2000-02-29",
             "seen": None, "trip": None}
    expected = {"born": "2000-02-29", "days": ["1999-12-31", "0000-01-01"], "other": "2000-02-29"}
    assert ok(patch(api, dated, value))["custom_fields"] == expected
    kept = stored(database, dated)
    assert kept["born"] == datetime.datetime(2000, 2, 29, tzinfo=UTC)
    assert int(kept["days"][1]) == -62167219200000
    assert kept["other"] == "2000-02-29"


@pytest.mark.parametrize("bad", [
    "2026-06-30T23:59:60Z", "2026-01-31T09:30:00", "2026-02-29T00:00:00Z", "2026-01-31",
    "0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "10000-01-01T00:00:00Z",
    "2026-01-31 09:30:00Z", "2026-01-31T24:00:00Z", 0, {"$date": 0}])
def test_what_is_no_moment_is_refused(api, database, dated, bad):
    """IN-7, IN-3: leap seconds, years outside 0000 to 9999 in UTC, missing offsets, other types."""
    before = stored(database, dated)
    refused(patch(api, dated, {"seen": bad}), 400, "invalid_custom_fields")
    assert stored(database, dated) == before


@pytest.mark.parametrize("schema, place", [
    ({"properties": {"m": {"format": "date-time", "enum": ["2026-01-31T09:30:00Z",
                                                           "2026-01-31T10:30:00+01:00"]}}},
     "/properties/m/enum"),
    ({"properties": {"m": {"items": {"format": "date-time", "const": "2026-01-31T09:30:00.000Z"}}}},
     "/properties/m/items/const")])
def test_moments_of_a_schema_are_written_as_they_are_shown(api, dated, schema, place):
    """Otherwise no value would ever fit them."""
    refused(publish(api, dated.tenant, schema, params={"dry_run": "true"}), 400, "invalid_schema",
            field=place)
    fine = {"properties": {"m": {"format": "date-time",
                                 "enum": ["2026-01-31T09:30:00Z", "no moment", 1]}}}
    ok(publish(api, dated.tenant, fine, params={"dry_run": "true"}))


def test_text_of_an_older_version_still_shows(api, world, database):
    """A document from before its field was a date: shown in the form of today, stored so when it
    is written again."""
    tenant = new_tenant(api, world, {"properties": {"born": {"type": "string"},
                                                    "seen": {"type": "string"}}})
    user = world.user(tenant)
    ok(patch(api, user, {"born": "2000-01-01", "seen": "2026-01-31T10:30:00+01:00"}))
    collection = database[tenant.collection]
    ok(publish(api, tenant, DATES))
    collection.update_one({"_id": uuid.UUID(user.id)}, {"$set": {"custom_fields": {
        "born": "2000-01-01", "seen": "2026-01-31T10:30:00+01:00"}}}, bypass_document_validation=True)
    shown = {"born": "2000-01-01", "seen": "2026-01-31T09:30:00Z"}
    assert ok(api.get("/users/me", token=user.token))["custom_fields"] == shown
    assert ok(patch(api, user, {"extra": 1}))["custom_fields"] == {**shown, "extra": 1}
    assert isinstance(stored(database, user)["born"], datetime.datetime)


# -- who sees what --------------------------------------------------------------------------------


HIDING = {"properties": {
    "nick": {"type": "string"},
    "level": {"type": "string", "maxLength": 20, "x-read": "admin"},
    "score": {"type": "string", "x-read": "server", "default": "s-default"},
    "home": {"type": "object", "required": ["city"], "properties": {
        "city": {"type": "string"}, "code": {"type": "string", "x-read": "admin"}}},
    "note": {"type": "string", "x-write": "admin"},
}}
ALL = {"nick": "nick-a", "level": "level-b", "score": "score-c", "note": "note-d",
       "home": {"city": "city-e", "code": "code-f"}}
BY_ADMIN = {name: value for name, value in ALL.items() if name != "score"}
BY_USER = {"nick": "nick-a", "note": "note-d", "home": {"city": "city-e"}}


@pytest.fixture(scope="module")
def hiding(api, world):
    """A tenant with HIDING and a key."""
    tenant = new_tenant(api, world, HIDING)
    tenant.owner.session = world.sign_in(tenant.owner)
    tenant.key = ok(api.post("/tenants/access-keys", token=tenant.owner.token, json={
        "label": "all", "scopes": ["auth", "users:read", "users:write", "schema"]}), 201)["access_key"]
    return tenant


@pytest.fixture
def seen(api, world, hiding):
    """A user with ALL, made by a server."""
    email = f"{unique('h')}@example.com"
    made = ok(api.post("/users", token=hiding.key, json={
        "email": email, "password": USER_PASSWORD, "custom_fields": ALL}), 201)
    assert made["custom_fields"] == ALL
    user = type(hiding.owner)(id=made["id"], tenant=hiding, email=email, password=USER_PASSWORD)
    world.login(user)
    return user


def test_everybody_sees_by_x_read_on_every_path(api, hiding, seen, world):
    """api.md §7 x-read: users, administrators and servers; who may see more sees no more in the
    user's own role."""
    owner = hiding.owner
    one = f"/tenants/users/{seen.id}"
    assert ok(api.get("/users/me", token=seen.token))["custom_fields"] == BY_USER
    assert ok(api.patch("/users/me", token=seen.token, json={"name": "A"}))["custom_fields"] == BY_USER
    assert ok(api.get(f"/api/v1/{hiding.id}/me", token=seen.token))["custom_fields"] == BY_USER
    assert ok(api.get(one, token=owner.token))["custom_fields"] == BY_ADMIN
    assert ok(api.get(one, cookie=owner.session))["custom_fields"] == BY_ADMIN
    assert ok(api.patch(one, token=owner.token, json={"name": "B"}))["custom_fields"] == BY_ADMIN
    listed = {user["id"]: user for user in ok(api.get("/tenants/users", token=owner.token))["users"]}
    assert listed[seen.id]["custom_fields"] == BY_ADMIN
    listed = {user["id"]: user for user in ok(api.get(
        f"/api/v1/{hiding.id}/users", token=hiding.key))["users"]}
    assert listed[seen.id]["custom_fields"] == ALL
    ok(api.put(f"{one}/role", token=owner.token, json={"role": "admin"}))
    world.login(seen)
    assert ok(api.get("/users/me", token=seen.token))["custom_fields"] == BY_USER
    assert ok(api.get(one, token=seen.token))["custom_fields"] == BY_ADMIN


def test_pages_show_what_their_reader_may_see(api, hiding, seen, world):
    """The dashboard is a user's, the console an administrator's."""
    own = api.get("/dashboard", cookie=world.sign_in(seen), headers={"Accept": "text/html"}).text
    console = api.get(f"/dashboard/admin/users/{seen.id}", cookie=hiding.owner.session,
                      headers={"Accept": "text/html"}).text
    assert "nick-a" in own and "level-b" not in own and "code-f" not in own and "score-c" not in own
    assert "score-c" not in console


def test_a_patch_neither_reveals_nor_drops_what_is_hidden(api, database, hiding, seen):
    """RFC 7396 over what the caller sees; null empties only that."""
    assert ok(patch(api, seen, {"nick": "new", "home": {"city": "c2"}}))["custom_fields"] == {
        **BY_USER, "nick": "new", "home": {"city": "c2"}}
    assert stored(database, seen) == {**ALL, "nick": "new", "home": {"city": "c2", "code": "code-f"}}
    for value in ({"level": None}, {"level": "level-b"}, {"level": "x"}, {"score": None},
                  {"home": {"code": None}}, {"home": {"code": "code-f"}}, {"home": "x"},
                  {"nick": "other", "score": {"a": 1}}):
        refused(patch(api, seen, value), 403, "field_not_writable")
    refused(api.patch(f"/tenants/users/{seen.id}", token=hiding.owner.token,
                      json={"custom_fields": {"score": "score-c"}}), 403, "field_not_writable",
            field="/custom_fields/score")
    admin = api.patch(f"/tenants/users/{seen.id}", token=hiding.owner.token,
                      json={"custom_fields": None})
    assert ok(admin)["custom_fields"] == {}
    assert stored(database, seen) == {"score": "score-c"}


def test_hidden_fields_cannot_be_set_at_registration_but_have_defaults(api, database, hiding, world):
    for value in ({"level": "a"}, {"home": {"city": "a", "code": "b"}}, {"score": "s-default"}):
        answer = api.post("/auth/register", tenant=hiding.slug, json={
            "email": f"{unique('h')}@example.com", "password": USER_PASSWORD, "custom_fields": value})
        refused(answer, 403, "field_not_writable")
    user = world.user(hiding, custom_fields={"nick": "n"})
    assert ok(api.get("/users/me", token=user.token))["custom_fields"] == {"nick": "n"}
    assert stored(database, user) == {"nick": "n", "score": "s-default"}


def test_errors_do_not_tell_what_a_hidden_field_holds(api, database, hiding, seen):
    """What does not fit the schema any more stops writes, and only says where."""
    database[hiding.collection].update_one(
        {"_id": uuid.UUID(seen.id)}, {"$set": {"custom_fields.level": "x" * 21}},
        bypass_document_validation=True)
    answer = patch(api, seen, {"nick": "other"})
    refused(answer, 400, "invalid_custom_fields")
    assert [(one["pointer"], one["keyword"]) for one in answer.json()["errors"]] == [
        ("/custom_fields/level", "x-read")]
    assert "20" not in answer.json()["error_description"]
    told = api.patch(f"/tenants/users/{seen.id}", token=hiding.owner.token,
                     json={"custom_fields": {"nick": "other"}}).json()
    assert told["errors"][0]["keyword"] == "maxLength"


def test_what_is_left_to_a_user_tells_nothing_of_what_is_hidden(api, world):
    """The limit counts hidden fields in whole KiB: neither the verdict nor a number tells true from
    false, and a user who fills everything up leaves room for them."""
    tenant = new_tenant(api, world, {"properties": {
        "text": {"type": "string"}, "mark": {"type": "boolean", "x-read": "admin"},
        "long": {"type": "string", "x-read": "server"}}})
    server = key_of(api, tenant, "users:read", "users:write")
    users = [world.user(tenant) for _ in range(3)]
    for user, mark in zip(users, (True, False)):
        ok(api.patch(f"/users/{user.id}", token=server, json={"custom_fields": {"mark": mark}}))
    most = 15 * 1024 - len('{"text":""}')
    for user in users:
        answer = patch(api, user, {"text": "x" * (most + 1)})
        refused(answer, 400, "invalid_custom_fields")
        assert "it has" not in answer.text
        ok(patch(api, user, {"text": "x" * most}))
    one = f"/users/{users[0].id}"
    ok(api.patch(one, token=server, json={"custom_fields": {"long": "y" * 900}}))
    refused(patch(api, users[0], {"other": True}), 400, "invalid_custom_fields")
    ok(patch(api, users[0], {"text": "x" * (most - 1)}))  # who takes away is never refused
    assert len(ok(api.get(one, token=server))["custom_fields"]["long"]) == 900


def test_hidden_fields_become_no_claims(api, database, hiding, seen):
    """api.md §11 Claims, TI-15: refused when set, when a schema would hide what is set, and skipped
    where both are in force."""
    def settings(claims):
        return api.put("/tenants/settings", token=hiding.owner.token,
                       json={"settings": {"claims": claims}})

    for source in ("level", "score", "score.a", "home.code"):
        refused(settings({"x": f"custom_fields.{source}"}), 400, field="claims")
    ok(settings({"nick": "custom_fields.nick", "home": "custom_fields.home"}))
    told = ok(api.get("/oauth/userinfo", token=seen.token))
    assert told["nick"] == "nick-a" and told["home"] == {"city": "city-e"}
    narrower = {"properties": {**HIDING["properties"], "nick": {"x-read": "admin"}}}
    for dry_run in ("true", "false"):
        refused(publish(api, hiding, narrower, params={"dry_run": dry_run}), 400, "invalid_schema")
    database.tenants.update_one({"_id": uuid.UUID(hiding.id)}, {"$set": {
        "settings.claims": {"name2": "custom_fields.nick", "lvl": "custom_fields.level"}}})
    until(lambda: "name2" in api.get("/oauth/userinfo", token=seen.token).json(), 2.0)
    assert "lvl" not in ok(api.get("/oauth/userinfo", token=seen.token))
    ok(settings(None))
