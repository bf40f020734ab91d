"""The API description of a running instance, and the check of each answer against its row.

/openapi.json is generated from the route table, so this is the table as a client can see it; what
is no OpenAPI stands in each operation under "x-tenantd".
"""
import collections
import copy
import json
import re

import jsonschema

METHODS = ("get", "post", "put", "patch", "delete")
ERROR_STATUSES = {400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 414, 415, 417, 428, 429, 431, 503}
#: Paths of document 001 repeat the sentence in "detail", those of document 004 in "message".
DETAIL_PATHS = re.compile(r"^/(auth/|users(/|$))")
MESSAGE_PATHS = re.compile(r"^/(oauth/|tenants(/|$)|api/(protected|admin|users/me|data)$)")
PREFIX = re.compile(r"^/(?:t|tenants)/([^/]+)(/.*)$")
#: Names that no answer may have at any depth, except inside custom_fields.
FORBIDDEN_MEMBERS = {"password", "password_hash", "hash", "security_epoch", "epoch", "mac",
                     "secret", "username_canonical", "email_canonical", "private_sealed"}
REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")


class Row:
    """One method and path of the route table."""

    def __init__(self, method, path, operation):
        self.method = method
        self.path = path
        self.operation = operation
        self.facts = operation["x-tenantd"]
        self.flags = set(self.facts["flags"])
        self.hidden = bool(self.flags & {"hidden", "internal"})
        pattern = re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(path))
        self._pattern = re.compile(f"^{pattern}$")
        self.fixed = path.count("/") - path.count("{")  # fixed segments win over {names}

    def __repr__(self):
        return f"{self.method} {self.path}"

    @property
    def name(self):
        return repr(self)

    @property
    def auth(self):
        return set(self.facts["auth"])

    def matches(self, path):
        return self._pattern.match(path) is not None

    def at(self, **names):
        """The path with its names filled in; {cid} and {client_id} are alike."""
        path = self.path
        for name, value in names.items():
            path = path.replace("{" + name + "}", str(value))
        assert "{" not in path, f"{self} needs more names than {sorted(names)}"
        return path

    def input_schemas(self):
        """{content type: schema} of the body."""
        content = self.operation.get("requestBody", {}).get("content", {})
        return {kind: entry.get("schema", {}) for kind, entry in content.items()}


class Contract:
    """Rows by method and path; remembers which were hit with success."""

    def __init__(self, document):
        self.document = document
        self.hits = collections.Counter()
        self.rows = []
        for path, operations in document["paths"].items():
            for method in METHODS:
                if method in operations:
                    self.rows.append(Row(method.upper(), path, operations[method]))
        self._validators = {}

    # -- finding --------------------------------------------------------------------------------

    def find(self, method, path):
        """The row that answers, as api.md §2 and §10 rewrite paths; None when there is none."""
        method = "GET" if method == "HEAD" else method
        found = []
        for distance, (candidate, is_alias) in enumerate(self._readings(path)):
            for row in self.rows:
                if row.method == method and row.matches(candidate) \
                        and (not is_alias or "api_v1" in row.flags):
                    fixed = row.fixed + (2 if is_alias else 0)
                    found.append((fixed, "{" not in row.path, -distance, row))
        return max(found, key=lambda entry: entry[:3])[3] if found else None

    @staticmethod
    def _readings(path):
        """The paths that this one may stand for, and whether as one of /api/v1/."""
        inner = PREFIX.match(path)
        paths = [path]
        if inner and path.startswith("/tenants/"):
            paths.append("/tenants" + inner.group(2))
        if inner:
            paths.append(inner.group(2))
        for one in paths:
            yield one, False
            if one.startswith("/api/v1/"):
                yield one[len("/api/v1"):], True

    def resolve(self, schema):
        """Follows one reference."""
        while "$ref" in schema:
            target = self.document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            schema = target
        return schema

    def members(self, schema):
        """{name: schema} of an object schema's members."""
        return {name: self.resolve(member)
                for name, member in self.resolve(schema).get("properties", {}).items()}

    # -- checking -------------------------------------------------------------------------------

    def check(self, answer):
        """Raises when an answer breaks the promises that all answers share, or those of its row."""
        request = answer.request
        path = request.url.path
        where = f"{request.method} {request.url.raw_path.decode()} -> {answer.status_code}"
        row = self.find(request.method, path)
        if answer.status_code >= 400:
            self._check_error(answer, row, path, where)
        elif row is not None:
            self._check_success(answer, row, where)
            self.hits[row.name] += 1
        if answer.status_code in (204, 304) or request.method == "HEAD":
            assert answer.content == b"", f"{where}: a body where none may be"
        self._check_privacy(answer, row, where)

    def _check_error(self, answer, row, path, where):
        assert answer.status_code in ERROR_STATUSES, f"{where}: {answer.text[:300]}"
        if path == "/ready" or answer.request.method == "HEAD" \
                or "html" in answer.headers.get("content-type", ""):
            return
        body = self._object(answer, where)
        for member in ("error", "error_description", "request_id"):
            assert isinstance(body.get(member), str) and body[member], \
                f"{where}: no {member}: {body}"
        assert REQUEST_ID.match(body["request_id"]), f"{where}: {body['request_id']!r}"
        if answer.headers.get("connection") == "close" and answer.status_code in (400, 408, 413, 414, 417, 431):
            return  # said before the path was known
        routed = self._routed(row, path)
        if row is not None and DETAIL_PATHS.match(routed):
            assert isinstance(body.get("detail"), str), f"{where}: no detail: {body}"
        if row is not None and MESSAGE_PATHS.match(routed):
            assert isinstance(body.get("message"), str), f"{where}: no message: {body}"
        if answer.status_code == 405:
            assert answer.headers.get("allow"), f"{where}: no Allow"
        if answer.status_code == 429:
            seconds = answer.headers.get("retry-after", "")
            assert seconds.isdigit() and int(seconds) >= 1, f"{where}: Retry-After {seconds!r}"
        if answer.status_code in (401, 403) and row is not None and "bearer" in row.auth:
            challenge = answer.headers.get("www-authenticate", "")
            assert challenge.startswith(("Bearer", "DPoP")), f"{where}: challenge {challenge!r}"

    @staticmethod
    def _routed(row, path):
        return row.path if row is not None else path

    def _check_success(self, answer, row, where):
        if row.hidden or answer.status_code in (301, 302, 303, 304):
            return
        responses = row.operation["responses"]
        assert str(answer.status_code) in responses, f"{where}: documented are {sorted(responses)}"
        content = responses[str(answer.status_code)].get("content", {})
        kind = answer.headers.get("content-type", "").split(";")[0]
        if answer.status_code == 204:
            assert not content, f"{where}: 204 is documented with content"
            return
        if not content:
            return
        if "page" in row.flags and kind == "text/html":
            return
        assert kind in content, f"{where}: {kind!r} is not among {sorted(content)}"
        if answer.request.method == "HEAD":
            return
        if kind == "application/json":
            self._check_body(self._object(answer, where), kind, answer.status_code, row, where,
                             "fields" in answer.request.url.params)
        if kind == "application/x-ndjson":  # one object a line; a sample of a long one
            for line in answer.text.splitlines()[:200]:
                self._check_body(json.loads(line), kind, answer.status_code, row, where)

    # pylint: disable-next=too-many-arguments,too-many-positional-arguments
    def _check_body(self, body, kind, status, row, where, is_cut=False):
        """is_cut: to the members that the parameter "fields" names, so no other has to be there."""
        error = jsonschema.exceptions.best_match(
            error for error in self._validator(row, str(status), kind).iter_errors(body)
            if not (is_cut and error.validator == "required"))
        assert error is None, f"{where}: {error.json_path if error else ''} {error.message}: " \
                              f"{json.dumps(body)[:500]}"

    @staticmethod
    def _object(answer, where):
        kind = answer.headers.get("content-type", "")
        assert kind.startswith("application/json"), f"{where}: content type {kind!r}"
        body = answer.json()
        assert isinstance(body, dict), f"{where}: not an object: {answer.text[:200]}"
        return body

    def _validator(self, row, status, kind="application/json"):
        key = (row.name, status)
        if key not in self._validators:
            schema = row.operation["responses"][status]["content"][kind]["schema"]
            whole = {"components": closed(self.document.get("components", {})), **closed(schema)}
            self._validators[key] = jsonschema.Draft202012Validator(
                whole, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
        return self._validators[key]

    def _check_privacy(self, answer, row, where):
        kind = answer.headers.get("content-type", "")
        if "json" not in kind or "ndjson" in kind or not answer.content:
            return
        if row is not None and row.path == "/openapi.json":
            return
        for name in member_names(answer.json()):
            assert name not in FORBIDDEN_MEMBERS, f"{where}: the answer has a member {name!r}"
        if row is not None and carries_credential(answer.json()):
            assert "no-store" in answer.headers.get("cache-control", ""), f"{where}: may be cached"


def closed(schema):
    """A copy in which objects with known members have no others: an undeclared member is a leak."""
    schema = copy.deepcopy(schema)
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if isinstance(node.get("properties"), dict) and "additionalProperties" not in node:
                node["additionalProperties"] = False
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return schema


def member_names(value):
    """All member names of a JSON value; what users stored themselves is left out."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            if name != "custom_fields":
                yield from member_names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from member_names(inner)


def carries_credential(value):
    return bool({"access_token", "refresh_token", "access_key"} & set(member_names(value)))
