"""The stored form of custom fields and who sees what of them (issue 6.1, 6.3; R003-05, IN-3, IN-7).

Dates are BSON dates in the database and RFC 3339 text outside; x-read hides a field on every path.
"""
import datetime
import uuid

import pytest
from bson.codec_options import DatetimeConversion

from support.check import ok, refused
from support.world import USER_PASSWORD, unique

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
    value = {"seen": sent, "trip": {"begins": sent}}
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
