"""The API description: complete, valid, and true about the running service (R001-24)."""
import copy
import json

import jsonschema
import pytest

from support.check import ok
from support.instance import run

REQUIRED_FACTS = {"tenant", "auth", "scope", "key_scope", "role", "rate", "body", "body_cap",
                  "flags"}

#: Rows that callers were promised. A row that disappears is a broken promise to its callers.
PROMISED = """
GET /health|GET /ready|GET /openapi.json|GET /docs/{client_id}|GET /.well-known/jwks.json
GET /oauth/jwks|GET /api/ping|GET /api/status|POST /tenants/register|GET /tenants/info
POST /tenants/info|GET /tenants/list|GET /tenants/stats|GET /tenants/resolve
GET /tenants/settings|PUT /tenants/settings|POST /oauth/register|POST /oauth/login
POST /oauth/logout|GET /api/protected|GET /api/users/me|GET /api/data|POST /auth/register
POST /auth/login|POST /auth/refresh|POST /auth/logout|POST /auth/logout-all
POST /auth/password/change|POST /api/register|POST /api/login|GET /api/dashboard|GET /api/whoami
POST /api/v1/clients/register|GET /api/v1/clients/me|POST /api/v1/clients/me/rotate-key
POST /api/v1/{cid}/signup|POST /api/v1/{cid}/login|POST /api/v1/{cid}/refresh
POST /api/v1/{cid}/logout|GET /api/v1/{cid}/me|PATCH /api/v1/{cid}/me|GET /api/v1/{cid}/users
GET /api/v1/{cid}/audit|GET /tenants/audit|GET /tenants/audit/export|GET /users/export|POST /users/import|GET /users/import/{id}|GET /users/me|PATCH /users/me|GET /
POST /oauth/token|POST /oauth/revoke|POST /oauth/introspect|POST /oauth/client/register
GET /oauth/client/list|GET /oauth/client/{id}|PUT /oauth/client/{id}|DELETE /oauth/client/{id}
GET /auth/verify|POST /oauth/client/{id}/rotate-secret|GET /oauth/userinfo|POST /oauth/userinfo
GET /.well-known/openid-configuration|GET /.well-known/oauth-authorization-server
GET /.well-known/oauth-authorization-server/t/{cid}
""".replace("\n", "|").strip("|").split("|")


@pytest.fixture(scope="module")
def document(contract):
    return contract.document


@pytest.mark.parametrize("name", PROMISED)
def test_the_promised_rows_exist(contract, name):
    assert name in {row.name for row in contract.rows}


def test_it_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] and document["info"]["version"]


def test_every_operation_is_described(contract):
    """TI-3: an unset column fails here too."""
    for row in contract.rows:
        assert set(row.facts) >= REQUIRED_FACTS, row
        assert row.operation["summary"], row
        assert row.operation["responses"], row
        assert "unset" not in json.dumps(row.facts), row
        assert row.auth, row


def test_a_query_beside_a_body_is_described(contract):
    row = next(row for row in contract.rows if row.name == "PUT /tenants/schema")
    assert [one["name"] for one in row.operation["parameters"] if one.get("in") == "query"] == ["dry_run"]
    assert row.operation["requestBody"]


def test_operation_ids_are_unique(contract):
    ids = [row.operation["operationId"] for row in contract.rows]
    assert len(ids) == len(set(ids))


def test_every_reference_has_its_target(document):
    for reference in references(document):
        node = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in node, reference
            node = node[part]


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_schema_is_one(document):
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object", name


def test_no_schema_tells_what_stays_inside(document):
    """No hash, counter or key of the database has a name in the public description."""
    schemas = copy.deepcopy(document["components"]["schemas"])
    # What may be brought from elsewhere is written, and never read.
    assert schemas["tenant_user_input"]["properties"].pop("password_hash")["writeOnly"] is True
    # An export has it for keys that are trusted with it, and says so.
    assert "users:hashes" in schemas["user_line"]["properties"].pop("password_hash")["description"]
    text = json.dumps(schemas)
    for name in ("password_hash", "security_epoch", "username_canonical", "email_canonical",
                 "private_sealed"):
        assert name not in text


def test_path_parameters_are_declared(contract):
    for row in contract.rows:
        names = {part.strip("{}") for part in row.path.split("/") if part.startswith("{")}
        declared = {parameter["name"] for parameter in row.operation.get("parameters", [])
                    if parameter.get("in") == "path"}
        assert names == declared, row


def test_the_command_prints_the_same(document):
    """Issue 3: `tenantd openapi` needs no service and no database."""
    status, text, _ = run(["openapi"])
    assert status == 0
    assert json.loads(text)["paths"] == document["paths"]


def test_methods_that_are_not_in_the_table_are_405(api, contract):
    """api.md §1, §10: with Allow, which names those that are."""
    by_path = {}
    for row in contract.rows:
        if "internal" not in row.flags:
            by_path.setdefault(row.path, set()).add(row.method)
    for path, methods in by_path.items():
        where = path.replace("{cid}", "acme").replace("{client_id}", "acme") \
            .replace("{file}", "app.css")
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - methods:
            answer = api.request(method, where)
            assert answer.status_code == 405, f"{method} {where}: {answer.status_code}"
            allowed = {part.strip() for part in answer.headers["allow"].split(",")}
            assert methods <= allowed and method not in allowed, f"{method} {where}: {allowed}"


def test_head_answers_like_get_without_a_body(api, acme):
    for path in ("/health", "/api/ping", "/tenants/info", "/tenants/list"):
        got, head = api.get(path, tenant="acme"), api.request("HEAD", path, tenant="acme")
        assert (head.status_code, head.content) == (got.status_code, b"")


def test_unknown_paths_are_404(api):
    for path in ("/nothing", "/auth", "/tenants", "/api/v1", "/oauth", "/oauth/client", "/admin",
                 "/auth/login/more", "/metrics"):
        assert api.get(path).status_code == 404, path


def test_the_small_documents(api, service):
    """R004-51, api.md §3."""
    health = ok(api.get("/health"))
    assert health["status"] == "healthy" and health["service"]
    assert ok(api.get("/ready"))
    assert ok(api.get("/api/ping")) == {"message": "pong"}
    assert set(ok(api.get("/api/status"))) >= {"status", "api_version", "auth_type"}
    root = ok(api.get("/"))
    assert set(root) >= {"message", "version", "auth_type", "multi_tenant", "endpoints"}
    assert root["multi_tenant"] is True


def test_html_only_where_it_is_wanted(api, acme):
    """api.md §3: a tenant's host shows the login page unless Accept names only JSON; elsewhere HTML
    only when Accept names text/html."""
    def kind(accept, **options):
        headers = {"Accept": accept} if accept else {}
        return api.get("/", headers=headers, **options).headers["content-type"].split(";")[0]
    assert kind("application/json") == "application/json"
    assert kind("*/*") == "application/json"
    assert kind("text/html,application/xhtml+xml,*/*;q=0.8") == "text/html"
    assert kind("*/*", host="acme.localhost") == "text/html"
    assert kind("text/html", host="acme.localhost") == "text/html"
    assert kind("application/json", host="acme.localhost") == "application/json"


def test_the_pages_show_each_tenants_title(api, acme, other):
    """E3, R000-09."""
    one = api.get("/", host="acme.localhost", headers={"Accept": "text/html"})
    two = api.get("/", host="other.localhost", headers={"Accept": "text/html"})
    assert one.status_code == two.status_code == 200
    assert "Acme Corporation" in one.text and "Other" not in one.text
    assert "Other &amp; Söhne" in two.text and "Acme" not in two.text


def test_the_reference_page_lists_the_routes(api):
    """R001-24: /docs is made from the same table."""
    answer = api.get("/docs", headers={"Accept": "text/html"})
    assert answer.status_code == 200 and "/tenants/register" in answer.text
