"""Every route with every kind of bad input: always an answer of api.md §1, never a crash or a 500.

Generated from /openapi.json, so a new route or member is tested as soon as it is in the table.
IN-1: wrong JSON types for each member. IN-2: the strict reader.
"""
import http.client
import json

import pytest

from support.check import ok, refused
from support.instance import PLATFORM_KEY
from support.world import USER_PASSWORD, unique

#: One of each JSON type, and what databases and parsers like to trip over.
VALUES = {
    "null": "null", "true": "true", "zero": "0", "integer": "5", "negative": "-1", "float": "1.5",
    "huge": "123456789012345678901234567890", "empty text": '""', "text": '"text"', "list": "[]",
    "list of text": '["text"]', "list of objects": '[{"a":1}]', "object": "{}",
    "operator": '{"$ne":null}', "regex": '{"$regex":"^."}', "where": '{"$where":"1"}',
    "extended": '{"$oid":"5f43a1b2c3d4e5f601234567"}', "nul": '"a\\u0000b"',
    "lone surrogate": '"\\ud800"', "long": json.dumps("x" * 5000),
    "crlf": '"a\\r\\nSet-Cookie: a=b"', "path": '"../../etc/passwd"', "markup": '"<script>"',
}
#: JSON types as OpenAPI names them, by the values above.
TYPES = {
    "null": "null", "true": "boolean", "zero": "integer", "integer": "integer",
    "negative": "integer", "float": "number", "huge": "number", "list": "array",
    "list of text": "array", "list of objects": "array", "object": "object", "operator": "object",
    "regex": "object", "where": "object", "extended": "object",
}
#: A body that is no JSON object of strict JSON; each must be 400.
BODIES = {
    "empty": b"", "blank": b" ", "no object": b"[]", "null": b"null", "text": b'"x"',
    "number": b"5", "cut": b'{"a":', "cut text": b'{"a":"', "trailing": b"{} x",
    "two documents": b"{}{}", "comma": b'{"a":1,}', "single quotes": b"{'a':1}",
    "bare word": b"{a:1}", "comment": b"{/* */}", "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}', "minus Infinity": b'{"a":-Infinity}', "1e999": b'{"a":1e999}',
    "leading zero": b'{"a":01}', "twice": b'{"a":1,"a":2}',
    "twice nested": b'{"a":{"b":1,"b":2}}', "twice escaped": b'{"a":1,"\\u0061":2}',
    "nul byte": b'{"a":"\x00"}', "nul escape": b'{"a":"\\u0000"}', "nul name": b'{"\\u0000":1}',
    "overlong": b'{"a":"\xc0\x80"}', "surrogate bytes": b'{"a":"\xed\xa0\x80"}',
    "latin 1": b'{"a":"\xe4"}', "lone surrogate": b'{"a":"\\udc00"}',
    "raw line break": b'{"a":"x\ny"}', "raw tab": b'{"a":"x\ty"}', "bad escape": b'{"a":"\\x"}',
    "BOM": b"\xef\xbb\xbf{}", "UTF-16": '{"a":1}'.encode("utf-16"),
    "depth 17": b'{"a":' * 17 + b"1" + b"}" * 17, "depth of lists": b'{"a":' + b"[" * 20000,
    "closed depth": b'{"a":' + b"[" * 17 + b"]" * 17 + b"}",
    "members": json.dumps({f"m{number}": 1 for number in range(1001)}).encode(),
}


class Caller:
    """Credentials with which each route can be reached, so that its body is what is refused."""

    def __init__(self, service, world):
        self.tenant = world.key_tenant()
        service.db.tenants.update_one({"slug": self.tenant.slug}, {"$set": {"plan": "enterprise"}})
        self.user = self.tenant.owner
        self.other = world.user(self.tenant, login=False)

    def options(self, row):
        """(path, options of Api.request) for a row."""
        path = row.path.replace("{cid}", self.tenant.id).replace("{client_id}", self.tenant.id) \
            .replace("{file}", "none.css").replace("/users/{id}", f"/users/{self.other.id}")
        if row.auth == {"platform"}:
            return path.replace("{id}", self.tenant.id), {"token": PLATFORM_KEY}
        if "key" in row.auth and "bearer" not in row.auth:
            return path, {"token": self.tenant.key}
        if "bearer" in row.auth and "public" not in row.auth:
            return path, {"token": self.user.token}
        if "session" in row.auth and "public" not in row.auth:
            return path, {"tenant": self.tenant.slug, "cookie": self.user.session}
        return path, {} if row.facts["tenant"] == "ignored" else {"tenant": self.tenant.slug}


@pytest.fixture(scope="module")
def caller(service, world):
    made = Caller(service, world)
    world.sign_in(made.user)
    return made


@pytest.fixture(scope="module")
def json_rows(contract):
    rows = [row for row in contract.rows if row.facts["body"] in
            ("json", "json_or_form", "merge_patch")]
    assert len(rows) >= 15, "the description has fewer routes than the issue asks for"
    return rows


def send(api, caller, row, body):
    path, options = caller.options(row)
    kind = "application/merge-patch+json" if row.facts["body"] == "merge_patch" \
        else "application/json"
    return api.request(row.method, path, content=body, headers={"Content-Type": kind}, **options)


def allowed_types(schema):
    kinds = schema.get("type", [])
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    if "enum" in schema and not kinds:
        kinds = {"string"}
    return kinds


def test_each_member_of_each_route_with_each_wrong_type(api, contract, caller, json_rows):
    """IN-1: 400, with the name of the member; nothing of it reaches the database."""
    tried = 0
    for row in json_rows:
        (schema, *_) = row.input_schemas().values()
        for member, member_schema in contract.members(schema).items():
            kinds = allowed_types(member_schema)
            for name, value in VALUES.items():
                kind = TYPES.get(name, "string")
                good = kind in kinds or kind == "integer" and "number" in kinds \
                    or kind == "null" or not kinds
                answer = send(api, caller, row, f'{{"{member}":{value}}}'.encode())
                tried += 1
                assert answer.status_code < 500, f"{row} {member} {name}: {answer.text}"
                if not good and not member_schema.get("readOnly"):
                    assert answer.status_code in (400, 401, 403), f"{row} {member} {name}: " \
                                                             f"{answer.status_code} {answer.text}"
    assert tried > 500


def test_wrong_types_beside_good_members(api, contract, caller, json_rows):
    """IN-1: the wrong member is named also where everything else is fine."""
    for row in json_rows:
        (schema, *_) = row.input_schemas().values()
        members = contract.members(schema)
        good = {name: example_of(name, member) for name, member in members.items()
                if name in contract.resolve(schema).get("required", [])}
        for member, member_schema in members.items():
            if member_schema.get("readOnly"):
                continue
            for wrong in ({"$ne": ""}, ["x"], 5, True):
                kind = {dict: "object", list: "array", int: "integer", bool: "boolean"}[type(wrong)]
                if kind in allowed_types(member_schema) or not allowed_types(member_schema):
                    continue
                answer = send(api, caller, row, json.dumps(good | {member: wrong}).encode())
                assert answer.status_code == 400, f"{row} {member} {wrong}: {answer.status_code}"
                assert member in answer.text, f"{row} {member}: {answer.text}"


def example_of(name, schema):
    """A value that the schema allows."""
    if "email" in name:
        return f"{unique('bad')}@example.com"
    if schema.get("type") == "object":
        return {}
    if "enum" in schema:
        return schema["enum"][0]
    return unique("bad-input-password")


def test_each_route_with_each_broken_body(api, caller, json_rows):
    """IN-2: one strict reader behind all routes."""
    for row in json_rows:
        for name, body in BODIES.items():
            if not body.strip() and not required(row):
                continue
            answer = send(api, caller, row, body)
            assert answer.status_code == 400, f"{row} {name}: {answer.status_code} {answer.text}"


def required(row):
    return row.facts["body"] != "merge_patch" and row.operation["requestBody"].get("required")


def test_limits_of_the_reader_are_exact(api, acme):
    """api.md §10: depth 16 and 1,000 members are fine for the reader."""
    headers = {"Content-Type": "application/json"}
    for body in (b'{"x":' + b"[" * 15 + b"]" * 15 + b"}",
                 json.dumps({f"m{number}": 1 for number in range(1000)}).encode()):
        answer = api.post("/api/login", tenant="acme", content=body, headers=headers)
        refused(answer, 400, field="password")


def test_bodies_beyond_64_kib_are_413(api, caller, contract):
    """api.md §1, on every route with a body, whatever announces its length."""
    for row in contract.rows:
        if row.facts["body"] in ("none", "lines") or row.method == "GET":
            continue
        path, options = caller.options(row)
        kind = "application/x-www-form-urlencoded" if row.facts["body"] == "form" \
            else "application/json"
        body = b'{"a":"' + b"x" * (row.facts["body_cap"] + 1) + b'"}'
        answer = api.request(row.method, path, content=body, headers={"Content-Type": kind},
                             **options)
        assert answer.status_code == 413, f"{row}: {answer.status_code}"
        answer = api.request(row.method, path, headers={"Content-Type": kind},
                             content=iter([body[:40000], body[40000:]]), **options)
        assert answer.status_code == 413, f"{row} chunked: {answer.status_code}"


def test_a_megabyte_is_refused_and_the_service_goes_on(api, acme):
    answer = api.post("/auth/login", tenant="acme", content=b"x" * (1 << 20),
                      headers={"Content-Type": "application/json"})
    refused(answer, 413, "body_too_large")
    ok(api.get("/health"))


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/xml", "multipart/form-data",
                                  "application/jsonp", "json",
                                  "application/json; charset=utf-16"])
def test_other_content_types_are_415(api, caller, json_rows, kind):
    """api.md §10: said before anything else about the request."""
    for row in json_rows[:6]:
        path, options = caller.options(row)
        headers = [] if kind is None else [("Content-Type", kind)]
        answer = api.request(row.method, path, content=b'{"a":1}', headers=headers, **options)
        assert answer.status_code in ((415,) if kind is not None else (400, 415)), \
            f"{row} {kind}: {answer.status_code} {answer.text}"


@pytest.mark.parametrize("kind", ["application/json", "APPLICATION/JSON",
                                  "application/json; charset=utf-8",
                                  "application/json;charset=UTF-8", "application/json ; a=b"])
def test_json_by_its_names(api, acme, kind):
    answer = api.post("/api/login", tenant="acme", content=b"{}", headers={"Content-Type": kind})
    refused(answer, 400, field="password")


# -- forms and queries -------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["username=a&username=b&password=x", "username=%", "username=%zz",
                                  "username=%00&password=x", "username=%ff&password=x",
                                  "username=%c0%80", "%00=1", "a=1&" * 200 + "b=1",
                                  "username=a%ed%a0%80&password=x"])
def test_bad_forms_are_400(api, acme, form):
    """Duplicate parameters, bad escapes, NUL, invalid UTF-8, too many."""
    refused(api.post("/auth/login", tenant="acme", content=form.encode(),
                     headers={"Content-Type": "application/x-www-form-urlencoded"}), 400)


@pytest.mark.parametrize("query", ["limit=%00", "limit=%ff", "limit=%", "limit=%zz",
                                   "limit[$gt]=1&limit=x", "cursor=%c0%80", "limit=1e3",
                                   "limit=+1", "limit=0x1", "limit=99999999999999999999",
                                   "limit=1;limit=2"])
def test_bad_queries_are_400(api, keyed, query):
    for path in ("/tenants/list", f"/api/v1/{keyed.id}/users", f"/api/v1/{keyed.id}/audit"):
        answer = api.get(f"{path}?{query}", token=None if "list" in path else keyed.key)
        assert answer.status_code == 400, f"{path}?{query}: {answer.status_code}"


@pytest.mark.parametrize("path", ["/%00", "/auth/login%00", "/auth%2flogin", "/auth/..%2fhealth",
                                  "/%ff", "/%c0%80", "/%", "/%zz", "//health", "/./health",
                                  "/auth/../health", "/health/", "/HEALTH", "/health;x=1",
                                  "/t//tenants/info", "/t/acme//tenants/info",
                                  "/api/v1//login", "/api/v1/%00/login", "/api/v1/$ne/login",
                                  "/static/..%2f..%2fetc%2fpasswd", "/static/../config.yaml",
                                  "/docs/%00", "/docs/..", "/a" * 300, "/" + "a" * 5000])
def test_odd_paths_are_not_found_or_refused(api, acme, path):
    """F10: one decode per segment; nothing decoded becomes a slash, a NUL or a file."""
    connection = http.client.HTTPConnection("127.0.0.1", api.instance.port, timeout=60)
    connection.putrequest("GET", path, skip_accept_encoding=True)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status in (400, 404, 405, 414, 431), f"{path[:50]}: {answer.status}"
    assert b"root:" not in body


def test_every_header_with_odd_bytes(api, anna):
    """Bytes that are no text in any header are data or refused, never a 500."""
    for name in ("X-Tenant-Slug", "X-Tenant-ID", "Cookie", "Authorization", "User-Agent", "Origin",
                 "Accept", "X-Request-Id", "Accept-Language", "X-Forwarded-For", "Content-Type",
                 "Idempotency-Key", "If-Match", "X-Access-Key", "Forwarded"):
        for value in (b"\xff\xfe", b"a\tb", b"\xc3\xa4", b'"' * 50, b"%00", b"x" * 8000, b"${HOME}",
                      b"a=b; a=b; =; ;;", b"../.."):
            answer = api.get("/users/me", headers=[(name.encode(), value)])
            assert answer.status_code < 500, f"{name} {value[:20]}: {answer.status_code}"
            answer = api.post("/api/login", tenant="acme" if name != "X-Tenant-Slug" else None,
                              content=b"{}", headers=[(name.encode(), value)]
                              + ([(b"Content-Type", b"application/json")]
                                 if name != "Content-Type" else []))
            assert answer.status_code < 500, f"{name} {value[:20]}: {answer.status_code}"


def test_the_service_is_as_before(api, world, acme):
    """After all of it: no half-made user or tenant of these tests, and a login works."""
    user = world.user(acme, password=USER_PASSWORD)
    assert ok(api.get("/users/me", token=user.token))["id"] == user.id
