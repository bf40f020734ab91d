"""Operators of MongoDB in every field of every route: none reaches the database as one.

G9, IN-1, IN-3, IN-4, PS GHSA-vgjh. The database's profiler shows what an instance really sent. In
./dev test each field meets a share of the 500 payloads, with TENANTD_LONG=1 (./dev soak) all.
"""
import datetime
import itertools
import json
import os
import re
import urllib.parse

import bson
import pytest

from support.check import ok
from support.world import World, unique
from test_bad_input import Caller

CANARY = "c4n4ry"
SHARE = None if os.environ.get("TENANTD_LONG") else 4
PROFILE_BYTES = 64 * 1024 * 1024
OPERATORS = [
    "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$eq", "$exists", "$type", "$regex", "$not",
    "$where", "$expr", "$jsonSchema", "$mod", "$text", "$all", "$elemMatch", "$size", "$or", "$and",
    "$nor", "$comment", "$rand", "$function", "$accumulator", "$set", "$unset", "$inc", "$rename",
    "$push", "$pull", "$addToSet", "$currentDate", "$setOnInsert", "$lookup", "$merge", "$out",
    "$unionWith", "$graphLookup", "$oid", "$date", "$numberLong", "$binary", "$code", "$minKey",
    "$maxKey", "$undefined", "$ref"]


def shapes(operator):
    """Ten ways to send one operator where a value belongs."""
    yield {operator: CANARY}
    yield {operator: [CANARY]}
    yield {operator: {"x": CANARY}}
    yield [{operator: CANARY}]
    yield {"a": {operator: CANARY}}
    yield {operator: CANARY, "x": CANARY}
    yield {f"{operator}\u2024x": CANARY}
    yield {f"x.{operator}": CANARY}
    yield f'{{"{operator}": "{CANARY}"}}'
    yield f"{CANARY}'; return {operator}; //"


PAYLOADS = [shape for operator in OPERATORS for shape in shapes(operator)]
#: Where each payload is one request or more: every operator and every shape, not each with each.
SAMPLE = [payload for number, payload in enumerate(PAYLOADS)
          if SHARE is None or number // 10 % 5 == number % 5]


@pytest.fixture(scope="module")
def place(instances, connect):
    """An instance of its own, whose commands are recorded."""
    instance = instances({"password": {"scheme": "argon2id"},
                          "limits": {"development_factor": 1000000}})
    api = connect(instance)
    world = World(api)
    caller = Caller(instance, world)
    world.sign_in(caller.user)
    instance.db.create_collection("system.profile", capped=True, size=PROFILE_BYTES)
    instance.db.command("profile", 2)
    yield api, world, caller
    instance.db.command("profile", 0)


def share(start):
    """The payloads for the next field."""
    if SHARE is None:
        return PAYLOADS
    return list(itertools.islice(itertools.cycle(PAYLOADS), start * SHARE, (start + 1) * SHARE))


def operators_over_canaries(value, operator=None):
    """Names of operators under which the canary stands as a value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if CANARY in name:
                yield name
            yield from operators_over_canaries(inner, name if name.startswith("$") else operator)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from operators_over_canaries(inner, operator)
    elif operator is not None and CANARY in str(value):
        yield operator


def check_commands(api):
    """What came as a value was sent as a value: compared for equality or stored, nothing else."""
    seen = 0
    for entry in api.instance.db["system.profile"].find({"appName": {"$regex": "^tenantd"}}):
        seen += 1
        found = set(operators_over_canaries(entry.get("command", {})))
        assert found <= {"$set", "$setOnInsert", "$literal"}, (found, str(entry["command"])[:600])
    assert seen > 0


@pytest.mark.parametrize("command, found", [
    ({"filter": {"email": CANARY}}, set()), ({"filter": {"email": {"$ne": CANARY}}}, {"$ne"}),
    ({"q": {"$or": [{"a": {"x": [CANARY]}}]}}, {"$or"}), ({"q": {CANARY: 1}}, {CANARY}),
    ({"u": {"$set": {"name": CANARY}}}, {"$set"})])
def test_the_check_can_tell(command, found):
    assert set(operators_over_canaries(command)) == found


def test_there_are_enough():
    assert len(PAYLOADS) >= 500
    assert len({json.dumps(payload) for payload in PAYLOADS}) == len(PAYLOADS)


def test_every_member_of_every_body(place, contract):
    """Beside good members, so that the refusal is about this one."""
    api, _, caller = place
    number = 0
    rows = [row for row in contract.rows
            if row.facts["body"] in ("json", "json_or_form", "merge_patch")]
    for row in rows:
        (schema, *_) = row.input_schemas().values()
        members = contract.members(schema)
        good = {name: f"{unique('no')}-x1" for name in contract.resolve(schema).get("required", [])}
        path, options = caller.options(row)
        for member in members:
            for payload in share(number):
                answer = api.request(row.method, path, json=good | {member: payload}, **options)
                assert answer.status_code < 500, f"{row} {member} {payload}: {answer.text}"
            number += 1
    assert number > 40
    check_commands(api)


def test_every_custom_field(place):
    """IN-3: names that could be operators are refused; what is stored comes back as it was."""
    api, _, caller = place
    token = caller.user.token
    for payload in SAMPLE:
        answer = api.patch("/users/me", token=token, json={"custom_fields": {"f": payload}})
        assert answer.status_code in (200, 400), answer.text
        if answer.status_code == 200:
            assert ok(api.get("/users/me", token=token))["custom_fields"]["f"] == payload
            assert "$" not in "".join(names(payload))
    check_commands(api)


def names(payload):
    if isinstance(payload, dict):
        for name, inner in payload.items():
            yield name
            yield from names(inner)
    elif isinstance(payload, list):
        for inner in payload:
            yield from names(inner)


def test_every_name_that_a_request_can_carry(place, contract):
    """Queries, paths, headers, forms and cookies."""
    api, _, caller = place
    slug = caller.tenant.slug
    for number, payload in enumerate(SAMPLE):
        text = payload if isinstance(payload, str) else json.dumps(payload)
        quoted = urllib.parse.quote(text, safe="")
        bracket = urllib.parse.quote(f"limit[{OPERATORS[number % len(OPERATORS)]}]")
        places = [
            ("GET", f"/tenants/list?limit=5&cursor={quoted}", {}),
            ("GET", f"/api/v1/{caller.tenant.id}/users?cursor={quoted}",
             {"token": caller.tenant.key}),
            ("GET", f"/tenants/list?{bracket}=5", {}),
            ("GET", f"/t/{quoted}/tenants/info", {}),
            ("GET", "/tenants/info", {"headers": {"X-Tenant-Slug": quoted}}),
            ("GET", "/tenants/info", {"headers": {"X-Tenant-ID": quoted}}),
            ("POST", "/auth/login", {"tenant": slug, "form": {
                "username": text, "password": text, "username[$ne]": CANARY}}),
            ("GET", "/users/me", {"tenant": slug, "cookie": {f"session-{slug}": quoted}}),
            ("GET", "/users/me", {"token": quoted}),
        ]
        for method, where, options in places[number % 3::3 if SHARE else 1]:
            answer = api.request(method, where, **options)
            assert answer.status_code < 500, f"{answer.request.url} {text}: {answer.text}"
    check_commands(api)
    assert contract.rows


#: What the service itself says to the database when it searches users.
SEARCH_WORDS = {"$and", "$or", "$nor", "$not", "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$exists", "$type",
                "$regex", "$expr", "$literal", "$cond", "$in", "$match", "$sort", "$limit", "$set", "$count"}
SEARCH_NAMES = {"tenant_id", "_id", "username", "email", "name", "role", "created_at", "_k0", "_k1", "_k2",
                "custom_fields.f"}


def search_parts(value):
    """(names, patterns) of what a search asked for."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name, None
            yield from search_parts(inner) if name != "$literal" else ()
    elif isinstance(value, list):
        for inner in value:
            yield from search_parts(inner)
    elif isinstance(value, bson.Regex):
        yield None, value.pattern


def is_tame(pattern):
    """Anchors of ours around quoted characters, nothing that means more."""
    inner = re.sub(r"\\z\)?$", "", re.sub(r"^\^(\(\?!)?", "", pattern))
    return re.fullmatch(r"(?:[0-9A-Za-z\x80-\U0010ffff]|\\[^0-9A-Za-z\x80-\U0010ffff])*", inner, re.S) is not None


@pytest.mark.parametrize("pattern, tame", [
    (r"^a\.b", True), (r"a\$", True), (r"^(?!x\.\z)", True), (r"^a.b", False), (r"a|b", False), (r"\Qa", False),
    ("a\\\\\\\n", True), (r"(?i)a", False)])
def test_the_check_of_patterns_can_tell(pattern, tame):
    assert is_tame(pattern) is tame


def searches(text):
    """Every place of GET /users into which a payload goes."""
    quoted = json.dumps(text)
    for operator in ("eq", "ne", "co", "sw", "ew", "gt"):
        yield {"filter": f"name {operator} {quoted}"}
        yield {"filter": f"not (custom_fields.f {operator} {quoted}) or email {operator} {quoted}"}
    yield {"filter": text}
    yield {"filter": f"custom_fields.{text} eq {quoted}"}
    yield {"filter": f"custom_fields.f {text} {quoted}"}
    yield {"filter": f"custom_fields.f eq {text}"}
    yield {"filter": f"name eq {quoted} and {text}"}
    yield {"sort": text}
    yield {"sort": f"custom_fields.f,-{text}"}
    yield {"sort": f"custom_fields.{text}"}
    for name in ("fields", "cursor", "limit", "explain", "filter[$ne]", text):
        yield {name: text}


def test_every_search_of_users(place):
    """G9, IN-4: 500 payloads in every parameter: the database sees words, names and patterns of ours."""
    api, _, caller = place
    users = api.instance.db["system.profile"].find({"ns": {"$regex": "[.]users_"}}).sort("ts", -1).limit(1)
    since = next(iter(users), {"ts": datetime.datetime(2020, 1, 1)})["ts"]
    for number, payload in enumerate(PAYLOADS):
        text = payload if isinstance(payload, str) else json.dumps(payload)
        text = "\x00" + text if number % 50 == 1 else text
        places = list(searches(text))
        for parameters in places if SHARE is None else places[number % len(places):][:1]:
            query = urllib.parse.urlencode(parameters, errors="surrogatepass")
            answer = api.get(f"/users?{query}", token=caller.tenant.key)
            assert answer.status_code in (200, 400), f"{parameters}: {answer.text}"
    seen = 0
    for entry in api.instance.db["system.profile"].find(
            {"appName": {"$regex": "^tenantd"}, "ns": {"$regex": "[.]users_"}, "ts": {"$gt": since}}):
        command = entry.get("command", {})
        asked = command.get("filter") or command.get("pipeline")
        if not asked or "hint" not in command:
            continue
        seen += 1
        for name, pattern in search_parts(asked):
            if pattern is not None:
                assert is_tame(pattern), pattern
            elif name.startswith("$"):
                assert name in SEARCH_WORDS, (name, asked)
            else:
                assert name in SEARCH_NAMES or name.startswith("custom_fields."), (name, asked)
                assert CANARY not in name, (name, asked)
    assert seen > (100 if SHARE else 1000)
