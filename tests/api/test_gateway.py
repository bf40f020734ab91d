"""GET /auth/verify, and the shipped nginx configuration that protects an application with it: R004-04.

The application is a real HTTP server that answers with the headers that reached it.
"""
import http.server
import json
import threading

import httpx
import pytest

from support import oauth
from support.api import set_cookies
from support.authorize import field
from support.check import ok, refused, until
from support.proxies import VerifyNginx
from support.world import World, unique

IDENTITY = ("x-tenant-id", "x-user-id", "x-role", "x-scope", "x-client-id")


def told(headers):
    """What is said about the caller, without what is not."""
    return {name: headers[name] for name in IDENTITY if headers.get(name)}


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with the request."""
    protocol_version = "HTTP/1.1"

    def answer(self):
        size = int(self.headers.get("Content-Length", 0))
        seen = {"path": self.path, "method": self.command, "body": self.rfile.read(size).decode(),
                "headers": [[name.lower(), value] for name, value in self.headers.items()]}
        self.server.seen.append(seen)
        body = json.dumps(seen).encode()
        self.send_response(418 if self.path == "/app/teapot" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *args):  # pylint: disable=arguments-differ
        pass


@pytest.fixture(name="application", scope="module")
def fixture_application():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    server.seen = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(name="target", scope="module")
def fixture_target(instances):
    return instances({"server": {"trusted_proxies": ["127.0.0.1"], "keep_alive_ms": 15000}})


@pytest.fixture(name="behind", scope="module")
def fixture_behind(target, application):
    nginx = VerifyNginx(target.port, application.server_address[1])
    yield nginx
    nginx.close()


@pytest.fixture(name="sides", scope="module")
def fixture_sides(connect, target):
    """Two tenants, each with an owner and a user who are signed in, and a client for itself."""
    api = connect(target)
    world, made = World(api), []
    for _ in range(2):
        tenant = world.key_tenant()
        tenant.client = oauth.client(api, tenant, grant_types=["client_credentials"],
                                     scope="read billing")
        tenant.machine = ok(oauth.token(api, tenant.client, grant_type="client_credentials"))
        tenant.user = world.user(tenant)
        for user in (tenant.owner, tenant.user):
            world.sign_in(user)
        made.append(tenant)
    return made


@pytest.fixture(name="direct", scope="module")
def fixture_direct(connect, target):
    return connect(target)


# -- the route -----------------------------------------------------------------------------------


def test_it_tells_whose_credential_it_is(direct, sides):
    """api.md §6: 204 and headers, by token and by session; nothing that may be stored."""
    for tenant in sides:
        for user, role in ((tenant.owner, "owner"), (tenant.user, "user")):
            for credential in ({"token": user.token},
                               {"cookie": user.session, "tenant": tenant.slug}):
                answer = direct.get("/auth/verify", **credential)
                assert (answer.status_code, answer.content) == (204, b"")
                assert answer.headers["cache-control"] == "no-store"
                seen = told(answer.headers)
                scope = set(seen.pop("x-scope").split())
                assert seen == {"x-tenant-id": tenant.id, "x-user-id": user.id, "x-role": role}
                assert {"read", "write"} <= scope and ("admin" in scope) == (role == "owner")
        answer = direct.get("/auth/verify", token=tenant.machine["access_token"])
        assert answer.status_code == 204
        assert told(answer.headers) == {"x-tenant-id": tenant.id, "x-scope": "read billing",
                                        "x-client-id": tenant.client["client_id"]}


def test_it_asks_for_scopes_and_roles(direct, sides):
    """403 for who is known and may not, 400 for a question that makes no sense."""
    tenant = sides[0]
    who = {"owner": {"token": tenant.owner.token}, "user": {"token": tenant.user.token},
           "session": {"cookie": tenant.user.session, "tenant": tenant.slug},
           "machine": {"token": tenant.machine["access_token"]}}
    for query, good in (("scope=read", {"owner", "user", "session", "machine"}),
                        ("scope=read+write", {"owner", "user", "session"}),
                        ("scope=billing", {"machine"}), ("scope=admin", {"owner"}),
                        ("role=user", {"owner", "user", "session"}), ("role=admin", {"owner"}),
                        ("role=owner&scope=write", {"owner"}), ("scope=nonsense", set())):
        for name, credential in who.items():
            answer = direct.get(f"/auth/verify?{query}", **credential)
            where = f"{query} by {name}: {answer.status_code} {answer.text}"
            assert answer.status_code == (204 if name in good else 403), where
            if name not in good:
                assert answer.json()["error"] in ("insufficient_scope", "insufficient_role"), where
                assert "Bearer" in answer.headers["www-authenticate"] and not told(answer.headers)
    for query, field in (("role=king", "role"), ("scope=%22", "scope"), ("scopes=read", "scopes"),
                         ("scope=" + "x" * 1001, "scope"), ("role=user&role=owner", "role")):
        refused(direct.get(f"/auth/verify?{query}", token=tenant.owner.token), 400, field=field)


def test_it_refuses_what_proves_nothing(direct, sides):
    """401 with a challenge, another tenant's credential 403, and both without an identity."""
    mine, other = sides
    for credential in ({}, {"token": "garbage"}, {"token": mine.key}, {"cookie": {"session-x": "y"}},
                       {"tenant": mine.slug, "cookie": {f"session-{mine.slug}": "y"}}):
        answer = direct.get("/auth/verify", **credential)
        assert answer.status_code == 401 and not told(answer.headers)
        assert answer.headers["www-authenticate"].startswith("Bearer realm=")
    for credential in ({"token": other.user.token}, {"cookie": other.user.session}):
        answer = direct.get("/auth/verify", tenant=mine.slug, **credential)
        refused(answer, 403, "tenant_mismatch")
        assert not told(answer.headers)


def test_a_revoked_token_is_refused_at_once(direct, sides):
    tenant = sides[0]
    user = World(direct).user(tenant)
    ok(direct.get("/auth/verify", token=user.token), 204)
    ok(direct.post("/auth/logout-all", token=user.token), 204)
    refused(direct.get("/auth/verify", token=user.token), 401, "invalid_token")


def test_a_token_costs_no_read(direct, target, sides):
    """Cheap enough for every request of an application."""
    def calls():
        text = httpx.get(f"http://127.0.0.1:{target.metrics_port}/metrics", timeout=60).text
        return next(int(line.split()[1]) for line in text.splitlines()
                    if line.startswith("tenantd_db_calls_total "))

    token = sides[0].user.token
    ok(direct.get("/auth/verify?scope=read&role=user", token=token), 204)

    def quiet():  # housekeeping reads now and then
        before = calls()
        for _ in range(20):
            ok(direct.get("/auth/verify?scope=read&role=user", token=token), 204)
        return calls() - before < 20
    until(quiet, 5)


# -- nginx ---------------------------------------------------------------------------------------

SPOOFED = [(name, value) for name, value in (
    ("X-Tenant-Id", "00000000-0000-0000-0000-000000000000"), ("X-User-Id", "admin"),
    ("X-Role", "owner"), ("X-Scope", "admin"), ("X-Client-Id", "other"))]
SPOOFED += [(name.lower().replace("-", "_"), value) for name, value in SPOOFED] + \
    [(name.upper(), value) for name, value in SPOOFED] + \
    [("X_User-Id", "admin"), ("X-Forwarded-User", "kept")]


def through(nginx, path, tenant=None, token=None, cookie=None, headers=(), method="GET", **options):
    """A request to the gateway; the tenant is named by the host."""
    sent = list(headers)
    if "Accept" not in dict(sent):
        sent.append(("Accept", "application/json"))
    if tenant is not None:
        sent.append(("Host", f"{tenant.slug}.localhost:{nginx.port}"))
    if token is not None:
        sent.append(("Authorization", f"Bearer {token}"))
    if cookie is not None:
        sent.append(("Cookie", "; ".join(f"{name}={value}" for name, value in cookie.items())))
    return httpx.request(method, f"http://127.0.0.1:{nginx.port}{path}", headers=sent, verify=False,
                         timeout=60, **options)


def reached(answer):
    """The headers with which a request arrived at the application."""
    assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
    return answer.json()["headers"]


def test_the_application_learns_who_it_is(behind, sides):
    """Two tenants, token and session, users and machines: the truth, whatever the client says."""
    for tenant in sides:
        machine = tenant.machine["access_token"]
        for options, user, role in (
                ({"token": tenant.owner.token, "tenant": tenant}, tenant.owner, "owner"),
                ({"token": tenant.user.token}, tenant.user, "user"),
                ({"cookie": tenant.user.session | {"theme": "dark"}, "tenant": tenant},
                 tenant.user, "user"),
                ({"token": machine, "tenant": tenant}, None, None), ({"token": machine}, None, None)):
            for extra in ([], SPOOFED):
                headers = reached(through(behind, "/app/x?y=1", headers=extra, **options))
                names = [name for name, _ in headers]
                seen = told(dict(headers))
                scope = seen.pop("x-scope").split()
                assert "read" in scope and ("admin" in scope) == (role == "owner")
                assert seen == {"x-tenant-id": tenant.id, **(
                    {"x-user-id": user.id, "x-role": role} if user
                    else {"x-client-id": tenant.client["client_id"]})}
                assert len(names) == len(set(names)) and not any("_" in name for name in names)
                assert "authorization" not in names
                if extra:
                    assert ("x-forwarded-user", "kept") in map(tuple, headers)


def test_a_body_arrives_whole(behind, sides):
    """The question to tenantd takes no body; the application gets it."""
    tenant = sides[0]
    answer = through(behind, "/app/form", token=tenant.user.token, method="POST", content="a" * 40000)
    assert answer.json()["body"] == "a" * 40000 and answer.json()["method"] == "POST"
    answer = through(behind, "/app/teapot", token=tenant.user.token)
    assert answer.status_code == 418  # the application's own word


def test_nothing_passes_without_a_credential(behind, application, sides):
    """401 for programs, the login page for browsers, 403 for who may not; the application sees none
    of it."""
    mine, other = sides
    before = len(application.seen)
    for options in ({}, {"token": "garbage"}, {"headers": SPOOFED}, {"cookie": {"session-x": "y"}},
                    {"tenant": mine, "cookie": {f"session-{mine.slug}": "garbage"}},
                    {"tenant": mine, "method": "POST", "content": "x",
                     "headers": [("Accept", "text/html")]}):
        answer = through(behind, "/app/", **options)
        refused(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer realm=")
        assert answer.headers.get_list("www-authenticate")[1:] == []
        assert answer.headers["cache-control"] == "no-store"
    for path, options in (
            ("/app/", {"tenant": mine, "token": other.user.token}),
            ("/app/", {"tenant": mine, "cookie": other.user.session}),
            ("/app/admin/", {"tenant": mine, "token": mine.user.token}),
            ("/app/admin/", {"tenant": mine, "token": mine.machine["access_token"]}),
            ("/app/write/", {"tenant": mine, "token": mine.machine["access_token"]}),
            ("/app/", {"tenant": mine, "cookie": mine.user.session, "method": "POST",
                       "headers": [("Origin", "https://evil.example")]})):
        refused(through(behind, path, **options), 403, "forbidden")
    both = {"cookie": mine.user.session | other.user.session}
    refused(through(behind, "/app/", **both), 400, "tenant_not_identified")
    assert through(behind, "/gateway/verify", token=mine.user.token).status_code == 404
    refused(through(behind, "/auth/verify", tenant=mine), 401)
    assert len(application.seen) == before
    reached(through(behind, "/app/admin/", tenant=mine, token=mine.owner.token))
    reached(through(behind, "/app/write/", tenant=mine, token=mine.user.token))


def test_browsers_sign_in_and_come_back(behind, sides):
    """303 to the tenant's login page, and from there to the page that was asked for."""
    tenant = sides[0]
    page = [("Accept", "text/html,application/xhtml+xml")]
    answer = through(behind, "/app/orders?id=7&x=1", tenant=tenant, headers=page)
    assert answer.status_code == 303 and answer.headers["cache-control"] == "no-store"
    where = answer.headers["location"]
    assert where == "/login?next=/app/orders?id=7"
    login = through(behind, where, tenant=tenant, headers=page)
    assert login.status_code == 200 and 'name="next" value="/app/orders?id=7"' in login.text
    signed_in = through(behind, where, tenant=tenant, cookie=tenant.user.session, headers=page)
    assert signed_in.status_code == 303 and signed_in.headers["location"] == "/app/orders?id=7"


def test_the_forms_lead_back_too(behind, sides):
    """Registration leads to sign-in, and that to the page of the application, with a session that
    the gateway takes."""
    tenant, name = sides[1], unique("new")
    page, jar = [("Accept", "text/html")], {}

    def send(path, form=None):
        answer = through(behind, path, tenant=tenant, cookie=jar, headers=page + (
            [("Origin", f"http://{tenant.slug}.localhost:{behind.port}")] if form else []),
            method="POST" if form else "GET", data=form)
        for made, (value, _) in set_cookies(answer).items():
            jar[made] = value
        return answer

    def form(html, action):
        part = html.split(f'action="{action}"')[1].split("</form>")[0]
        return {key: field(part, key) for key in ("form_token", "next")}

    first = send("/login?next=/app/%C3%A4?a=1").text
    done = send("/register", form(first, "/register") | {"username": name, "password": "secure 12345"})
    assert done.status_code == 303
    second = send(done.headers["location"])
    assert second.status_code == 200
    wrong = send("/login", form(second.text, "/login") | {"username": name, "password": "wrong"})
    assert wrong.status_code == 401
    done = send("/login", form(wrong.text, "/login") | {"username": name, "password": "secure 12345"})
    assert done.status_code == 303 and done.headers["location"] == "/app/%C3%A4?a=1"
    assert ["x-role", "user"] in reached(send(done.headers["location"]))


def test_what_login_follows(direct, sides):
    """HT-14: ?next= leads to a path of the same origin or nowhere."""
    tenant = sides[0]

    def goes_to(text):
        answer = direct.get("/login", params={"next": text}, host=f"{tenant.slug}.localhost",
                            cookie=tenant.user.session, headers={"Accept": "text/html"})
        assert answer.status_code == 303
        return answer.headers["location"]

    for text, expected in (("/app/", "/app/"), ("/a?b=c&d=%20", "/a?b=c&d=%20"), ("/ä b", "/%C3%A4%20b"),
                           ("/a#b", "/a%23b"), ("/%", "/%25"), ("/\"<>", "/%22%3C%3E"), ("/", "/")):
        assert goes_to(text) == expected
    evil = "evil.example"
    for text in (f"//{evil}", f"/\\{evil}", f"\\/{evil}", f"https://{evil}", f"/\t/{evil}", f"/\n/{evil}",
                 f"\t//{evil}", f" //{evil}", "javascript:alert(1)", evil, f"///{evil}", "", "app", "?x", "#x",
                 f"/a\r\nSet-Cookie: x=y", f"http:{evil}", f"/\x7f/{evil}", "/" + "a" * 1000,
                 f"\u3000//{evil}", "data:text/html,x", f"\\\\{evil}", f"/\x0b/{evil}", f"@{evil}",
                 f"https:/{evil}", f"/\x00/{evil}", f".//{evil}", f"/%2f{evil}", f"/%5c{evil}",
                 f"/%09/{evil}", "/a/%0d%0aSet-Cookie:x", f"/%2F%2F{evil}", "/a%7f"):
        try:
            assert goes_to(text) == "/dashboard", text
        except AssertionError:
            assert "\x00" in text  # refused as a request


def test_the_gateway_fails_closed(application, target, sides):
    """Without tenantd nothing passes."""
    nginx = VerifyNginx(1, application.server_address[1])
    try:
        before = len(application.seen)
        refused(through(nginx, "/app/", token=sides[0].user.token), 503, "try_again")
        assert len(application.seen) == before
    finally:
        nginx.close()


def test_limits_of_the_tenant_are_told(behind, direct):
    """429 of tenantd stays 429, with its Retry-After."""
    world = World(direct)
    tenant = world.key_tenant()
    ok(world.admin("PATCH", f"/tenants/{tenant.id}", json={"limits": {"requests_per_minute": 5}}))
    answers = []
    until(lambda: answers.append(through(behind, "/app/", token=tenant.owner.token))
          or answers[-1].status_code == 429, 10)
    assert {answer.status_code for answer in answers} <= {200, 429}
    refused(answers[-1], 429, "rate_limited")
    assert int(answers[-1].headers["retry-after"]) >= 1
