"""Custom fields: any JSON object within the limits, stored and given back unchanged (issue 3.6).

R003-05, IN-3: names that mean something to the database are refused; nothing changes its type.
"""
import datetime
import math
import uuid

import pytest
from bson import Int64
from hypothesis import HealthCheck, given, settings, strategies as st

from support.check import ok, refused
from support.world import USER_PASSWORD, unique

INT64 = (-2 ** 63, 2 ** 63 - 1)
ZERO = "00000000-0000-0000-0000-000000000000"
BAD_NAMES = ["", "$", "$ne", "$where", "$oid", "a.b", ".", "a.", ".a", "nul\u0000", "__proto__",
             "constructor", "prototype"]


@pytest.fixture(scope="module")
def user(world, acme):
    return world.user(acme)


def put(api, user, value):
    """Replaces all custom fields by value: the old ones are cleared with null first."""
    now = ok(api.get("/users/me", token=user.token))["custom_fields"]
    if now:
        ok(patch(api, user, {name: None for name in now}))
    return patch(api, user, value)


def patch(api, user, value):
    return api.patch("/users/me", token=user.token, json={"custom_fields": value})


def raw(api, user, text):
    return api.patch("/users/me", token=user.token, headers={"Content-Type": "application/json"},
                     content=b'{"custom_fields":' + text.encode() + b"}")


def same(left, right):
    """Equal in value and in type: 1 is not 1.0, True is not 1."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    return left == right


# -- any document ------------------------------------------------------------------------------


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
NAMES = TEXTS.filter(lambda name: name and not name.startswith("$") and "." not in name
                     and name not in BAD_NAMES)
LEAVES = st.one_of(st.booleans(), st.integers(*INT64), TEXTS,
                   st.floats(allow_nan=False, allow_infinity=False))
# null clears a member in a merge patch, so it stands only inside of lists.
VALUES = st.recursive(LEAVES, lambda inner: st.one_of(
    st.lists(st.one_of(inner, st.none()), max_size=4),
    st.dictionaries(NAMES, inner, max_size=4)), max_leaves=8)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=6)


def depth(value):
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=DOCUMENTS.filter(lambda value: depth(value) <= 5))
def test_any_document_comes_back_unchanged(api, user, document):
    """IN-3: store and read back, types included."""
    stored = ok(put(api, user, document))["custom_fields"]
    assert same(stored, document), (stored, document)
    read = ok(api.get("/users/me", token=user.token))["custom_fields"]
    assert same(read, document)


@pytest.mark.parametrize("value", [
    0, -1, 2 ** 31, -2 ** 31 - 1, 2 ** 53 + 1, -2 ** 53 - 1, *INT64,
    0.1, -0.0, 1e300, 5e-324, 1.7976931348623157e308, 1.0, 100.0, 1e21,
    "", " ", "ß", "日本語", "😀👩‍👩‍👧", "\u200d", "\ufeff", "e\u0301", "\u00e9", "\"\\/\b\f\n\r\t",
    "<script>alert(1)</script>", "$ne", "a.b", "\u007f", "\U0010ffff", True, False, [], {},
    [None], [[]], [{}], {"a": {"b": {"c": 1}}}, [1, "a", None, True, 1.5, {"x": []}],
], ids=repr)
def test_edges_come_back_unchanged(api, user, value):
    """api.md §7: 64-bit integers, Unicode without normalisation, nesting, empty things."""
    stored = ok(put(api, user, {"value": value}))["custom_fields"]
    assert same(stored, {"value": value})


def test_the_order_of_members_is_kept(api, world, acme):
    fields = {name: number for number, name in enumerate(["zeta", "alpha", "Mid", "1", "0"])}
    user = world.user(acme, custom_fields=fields)
    assert list(ok(api.get("/users/me", token=user.token))["custom_fields"]) == list(fields)


def test_nothing_but_plain_types_is_stored(api, service, world, acme):
    """IN-3, F14, F15: no date, regex, code, min key or reference gets into the database."""
    user = world.user(acme, custom_fields={"when": "2024-01-01T00:00:00Z", "pattern": "/^a/i",
                                           "id": str(uuid.uuid4()), "n": 5, "d": 5.0})
    stored = service.db[acme.collection].find_one({"_id": uuid.UUID(user.id)})["custom_fields"]
    assert {type(value) for value in stored.values()} <= {str, Int64, float}
    assert not isinstance(stored["when"], datetime.datetime)
    types = service.db[acme.collection].aggregate([
        {"$match": {"_id": uuid.UUID(user.id)}},
        {"$project": {"n": {"$type": "$custom_fields.n"}, "d": {"$type": "$custom_fields.d"}}}])
    assert list(types)[0] | {"_id": 0} == {"_id": 0, "n": "long", "d": "double"}


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
@pytest.mark.parametrize("wrap", [lambda inner: inner, lambda inner: {"a": inner},
                                  lambda inner: {"a": [inner]}], ids=["top", "nested", "in list"])
def test_bad_names_are_refused_with_their_place(api, user, name, wrap):
    """IN-3: $, dots, NUL, empty and __proto__-like, at any depth; the answer says where."""
    refused(patch(api, user, wrap({name: 1})), 400,
            field=None if "\u0000" in name else "custom_fields")


EXTENDED = ['{"$oid":"5f43a1b2c3d4e5f601234567"}', '{"$date":"2020-01-01T00:00:00Z"}',
            '{"$numberLong":"5"}', '{"$regex":"^a","$options":"i"}', '{"$code":"1"}',
            '{"$minKey":1}', '{"$undefined":true}', '{"$binary":"AA==","$type":"00"}',
            '{"$ref":"users","$id":"1"}', '{"$timestamp":{"t":1,"i":1}}', '{"$symbol":"x"}',
            '{"$numberDecimal":"1"}', '{"$uuid":"00000000-0000-0000-0000-000000000000"}']


@pytest.mark.parametrize("text", EXTENDED)
def test_extended_json_is_refused(api, user, text):
    for place in (text, f'{{"a":{text}}}', f'{{"a":[{text}]}}'):
        refused(raw(api, user, place), 400)


@pytest.mark.parametrize("text", ["9223372036854775808", "-9223372036854775809", "1e400", "-1e400",
                                  "123456789012345678901234567890", "NaN", "Infinity", "-Infinity",
                                  "01", "1.", ".5", "+1", "0x10", "'a'", "undefined"])
def test_numbers_outside_json_or_int64_are_refused(api, user, text):
    """api.md §7: never rounded in silence."""
    before = ok(api.get("/users/me", token=user.token))["custom_fields"]
    for place in (f'{{"a":{text}}}', f'{{"a":[{text}]}}', f'{{"a":{{"b":{text}}}}}'):
        refused(raw(api, user, place), 400)
    assert ok(api.get("/users/me", token=user.token))["custom_fields"] == before


@pytest.mark.parametrize("text", ['"text"', "5", "[]", "true", '{"a":1,"a":2}', '{"a":"\\u0000"}',
                                  '{"a":"\\ud800"}', '{"a":"\\udc00x"}', '{"a":1,}', "{'a':1}"])
def test_what_is_no_object_of_text_is_refused(api, user, text):
    refused(raw(api, user, text), 400)


@pytest.mark.parametrize("tail", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
                                  b"\xe2\x82", b"\x80"])
def test_invalid_utf8_is_refused(api, user, tail):
    """F14: overlong, surrogate, too large, cut."""
    body = b'{"custom_fields":{"a":"' + tail + b'"}}'
    refused(api.patch("/users/me", token=user.token, content=body,
                      headers={"Content-Type": "application/json"}), 400)


# -- limits ------------------------------------------------------------------------------------


def nested(levels):
    value = 1
    for _ in range(levels):
        value = {"n": value}
    return value


def test_depth(api, user):
    """api.md §10: depth 5."""
    ok(put(api, user, nested(5)))
    refused(put(api, user, nested(6)), 400, "invalid_custom_fields")
    refused(put(api, user, {"a": {"b": {"c": {"d": {"e": [1, {"f": 1}]}}}}}), 400)


def test_members(api, user):
    """api.md §10: 200 members, nested ones counted."""
    ok(put(api, user, {f"m{number}": 1 for number in range(200)}))
    refused(put(api, user, {f"m{number}": 1 for number in range(201)}), 400,
            "invalid_custom_fields")
    half = {f"m{number}": {"x": 1} for number in range(101)}
    refused(put(api, user, half), 400, "invalid_custom_fields")
    ok(put(api, user, {}))


def test_size(api, user):
    """api.md §10: 16 KiB of JSON; more is 400 with the limit, more than a body may have 413."""
    ok(put(api, user, {"a": "x" * (16 * 1024 - 10)}))
    answer = put(api, user, {"a": "x" * (16 * 1024 + 1)})
    refused(answer, 400, "invalid_custom_fields")
    assert "16" in answer.text
    refused(put(api, user, {"a": "x" * (65 * 1024)}), 413, "body_too_large")
    ok(put(api, user, {}))


def test_limits_hold_for_the_merged_document(api, user):
    """Patch after patch cannot grow past them."""
    ok(put(api, user, {}))
    ok(patch(api, user, {f"a{number}": 1 for number in range(150)}))
    refused(patch(api, user, {f"b{number}": 1 for number in range(51)}), 400,
            "invalid_custom_fields")
    ok(patch(api, user, {f"b{number}": 1 for number in range(50)}))
    ok(put(api, user, {}))
    for name in ("x", "y"):
        answer = patch(api, user, {name: "z" * (9 * 1024)})
    refused(answer, 400, "invalid_custom_fields")
    ok(put(api, user, {}))


def test_limits_hold_at_registration(api, acme):
    for fields in (nested(6), {f"m{number}": 1 for number in range(201)}, {"$a": 1}, [], "x"):
        refused(api.post("/auth/register", tenant="acme", json={
            "email": f"{unique('cf')}@example.com", "password": USER_PASSWORD,
            "custom_fields": fields}), 400, field="custom_fields")


# -- merge patch -------------------------------------------------------------------------------


@pytest.mark.parametrize("before, change, after", [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": False}, {"a": 1}, {"e": False, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": None}}}, {"a": {"b": {"d": 2}}}),
    ({"a": 1}, {}, {"a": 1}),
], ids=str)
def test_merge_patch(api, user, before, change, after):
    """RFC 7396, appendix A as far as it concerns objects; lists are replaced, null clears."""
    assert ok(put(api, user, before))["custom_fields"] == before
    assert ok(patch(api, user, change))["custom_fields"] == after
    assert ok(api.get("/users/me", token=user.token))["custom_fields"] == after


def test_both_content_types(api, user):
    """api.md §11: application/merge-patch+json and application/json."""
    ok(api.patch("/users/me", token=user.token, content=b'{"custom_fields":{"k":1}}',
                 headers={"Content-Type": "application/merge-patch+json"}))
    refused(api.patch("/users/me", token=user.token, content=b"[]",
                      headers={"Content-Type": "application/json-patch+json"}), 415)


def test_a_refused_patch_changes_nothing(api, user):
    """No half-writes: one bad member refuses all of it."""
    before = ok(put(api, user, {"keep": 1}))
    for body in ({"name": "New", "custom_fields": {"ok": 1, "$bad": 2}},
                 {"name": "New", "custom_fields": {"ok": 1}, "version": 5},
                 {"name": "New", "nonsense": 1}, {"name": 5, "custom_fields": {"ok": 1}}):
        refused(api.patch("/users/me", token=user.token, json=body), 400)
    after = ok(api.get("/users/me", token=user.token))
    assert after["custom_fields"] == {"keep": 1}
    assert (after["name"] if "name" in after else None, after["version"]) == \
        (before.get("name"), before["version"])


@pytest.mark.parametrize("body", [{"id": ZERO}, {"version": 2},
                                  {"created_at": "2020-01-01T00:00:00Z"}, {"role": "owner"},
                                  {"is_active": False}, {"is_email_verified": True},
                                  {"tenant_id": ZERO}, {"password_hash": "x"},
                                  {"security_epoch": 0}, {"unknown": 1}, {"password": "x" * 10}],
                         ids=str)
def test_what_users_may_not_write(api, user, body):
    """TI-11, api.md §11: PATCH of id, version, created_at is 400; unknown members too."""
    before = ok(api.get("/users/me", token=user.token))
    answer = api.patch("/users/me", token=user.token, json=body)
    assert answer.status_code in (400, 403), answer.text
    assert next(iter(body)) in answer.text
    assert ok(api.get("/users/me", token=user.token)) == before


def test_each_change_raises_the_version(api, user):
    one = ok(patch(api, user, {"v": 1}))
    two = ok(patch(api, user, {"v": 2}))
    assert two["version"] == one["version"] + 1
    assert two["updated_at"] >= one["updated_at"]


def test_custom_fields_cannot_reach_a_token(api, world, acme):
    """TI-15: names of claims stay fields."""
    names = ["iss", "sub", "aud", "exp", "iat", "jti", "tid", "scope", "role", "ep", "gid"]
    user = world.user(acme, custom_fields={name: "evil" for name in names})
    me = ok(api.get("/users/me", token=user.token))
    assert me["role"] == "user" and me["custom_fields"]["role"] == "evil"
    whoami = ok(api.get("/api/whoami", token=user.token))
    assert whoami["tenant"] == "acme"
