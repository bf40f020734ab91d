"""What a stranger may send and what every answer carries: HT-2, HT-5…HT-8, HT-12, HT-16, R004-55, G28."""
import json
import re
import socket

import httpx
import pytest

from support.api import Api
from support.check import ok, refused, until
from support.contract import Contract
from support.framing import read_answers
from support.instance import merged
from support.proxies import Nginx

PRODUCTION = {"environment": "production", "tenants": {"base_domains": ["login.example.com"]}}
CANARY = "canary-host.example"
GUARDS = ("x-content-type-options", "referrer-policy", "cross-origin-opener-policy",
          "cross-origin-resource-policy", "content-security-policy", "strict-transport-security")


@pytest.fixture(scope="module")
def behind(instances):
    """A service that trusts a proxy on loopback."""
    return instances({"server": {"trusted_proxies": ["127.0.0.1"]}})


@pytest.fixture(scope="module")
def https(behind):
    """A client whose trusted proxy came by https; every answer is checked."""
    plain = Api(behind)
    contract = Contract(plain.get("/openapi.json").json())
    plain.close()
    api = Api(behind, contract)
    yield api
    api.close()


def exchange(port, raw):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(raw)
        return read_answers(connection, quiet=0.4)[0]


def filled(path):
    """A row's path with something in its parameters."""
    return re.sub(r"\{[^}]+\}", "01890000-0000-7000-8000-000000000000", path)


# -- what every answer carries -----------------------------------------------------------------


def test_guards_on_every_route(https):
    """HT-12: success, refusal or page, each answer of each row over https has all headers."""
    seen = set()
    for row in https.contract.rows:
        for headers in ({}, {"Accept": "text/html"}, {"X-Tenant-Slug": "nobody"},
                        {"Authorization": "Bearer x"}):
            answer = https.request(row.method, filled(row.path),
                                   headers=headers | {"X-Forwarded-Proto": "https"})
            where = f"{row.name} {headers} -> {answer.status_code}"
            for name in GUARDS:
                assert answer.headers.get(name), f"{where}: no {name}"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] in ("no-referrer", "same-origin")
            age = int(re.match(r"max-age=(\d+)", answer.headers["strict-transport-security"])[1])
            assert age >= 31536000
            assert "server" not in answer.headers and "x-powered-by" not in answer.headers, where
            assert answer.status_code < 500 or answer.status_code == 503, where
            seen.add(answer.status_code)
    assert {200, 400, 401, 404} <= seen


@pytest.mark.parametrize("raw", [
    b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x16\x03\x01\x00\xa5\x01\x00\x00", b"GET /x\r\n\r\n", b"GET / HTTP/1.1\r\nX\r\n\r\n",
    b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: cow\r\n\r\n",
], ids=["version", "method", "tls", "0.9", "header", "large", "coding"])
def test_what_civetweb_refuses_itself(service, raw):
    """HT-12, HT-16: its own error pages never show."""
    answer = exchange(service.port, raw).decode("latin-1")
    head, _, body = answer.partition("\r\n\r\n")
    assert re.match(r"HTTP/1\.1 4\d\d ", head), answer
    assert json.loads(body)["request_id"]
    for name in GUARDS[:-1]:
        assert re.search(f"^{name}: ", head, re.I | re.M), f"no {name} in {head}"
    assert "civetweb" not in answer.lower() and not re.search("^server:", head, re.I | re.M)


@pytest.fixture(scope="module")
def production(instances):
    """As it is shipped to the world, behind a proxy on loopback."""
    instance = instances(PRODUCTION | {
        "server": {"public_url": "https://login.example.com", "trusted_proxies": ["127.0.0.1"],
                   "extra_port": 0}})
    api = Api(instance)
    yield api
    api.close()


def test_errors_tell_nothing_of_the_inside(production):
    """HT-16: in production an error is a code, a sentence and an id."""
    texts = []
    for path, options in {
            "/nothing": {}, "/users/me": {"token": "x.y.z"}, "/tenants/info": {"tenant": "nobody"},
            "/auth/login": {"json": {"email": 1}}, "/oauth/login": {"content": b"{"},
            "/tenants/register": {"json": {}}, "/api/v1/x/me": {},
            "/users/01890000-0000-7000-8000-000000000000": {}}.items():
        method = "POST" if "json" in options or "content" in options else "GET"
        answer = production.request(method, path, headers={"X-Forwarded-Proto": "https"},
                                    **options)
        assert answer.status_code >= 400
        assert set(answer.json()) <= {"error", "error_description", "request_id", "message", "detail",
                                      "field", "required"}, answer.text
        texts.append(answer.text)
    text = "".join(texts).lower()
    for word in ("mongo", "bson", "civetweb", "app/", ".c:", "handler", "errno", "/etc", "null",
                 "localhost", "users_", "tenantd"):
        assert word not in text, f"{word!r} in {text}"


def test_development_pages_do_not_exist_in_production(production):
    """api.md §9: the playground is 404, on every way, like any path that is not there."""
    for path in ("/playground", "/t/acme/playground"):
        for headers in ({}, {"Host": "acme.login.example.com"}):
            answer = production.get(path, headers=headers | {"X-Forwarded-Proto": "https"})
            assert answer.status_code == 404 and "Playground" not in answer.text, path


def test_production_answers_only_https(instances):
    """R004-55, R004-48: plain http reaches the probes alone; a trusted proxy says what it was."""
    instance = instances(PRODUCTION | {
        "server": {"public_url": "https://login.example.com", "trusted_proxies": ["127.0.0.2"],
                   "extra_port": 0}})
    api = Api(instance)
    for path in ("/", "/openapi.json", "/oauth/login", "/.well-known/jwks.json"):
        refused(api.get(path), 405 if path == "/oauth/login" else 403,
                None if path == "/oauth/login" else "https_required")
    refused(api.post("/oauth/login", json={}), 403, "https_required")
    refused(api.post("/oauth/login", json={}, headers={"X-Forwarded-Proto": "https"}), 403,
            "https_required")  # says a stranger
    ok(api.get("/health"))
    ok(api.get("/ready"))
    instance.reconfigure({"server": {"trusted_proxies": ["127.0.0.1"]}})
    assert instance.stop() == []
    instance.start()
    ok(api.get("/openapi.json", headers={"X-Forwarded-Proto": "https"}))
    refused(api.get("/openapi.json"), 403, "https_required")
    refused(api.get("/openapi.json", headers={"X-Forwarded-Proto": "http"}), 403, "https_required")
    api.close()


# -- methods -----------------------------------------------------------------------------------


def test_methods_of_every_path(https):
    """HT-5: what a path does not declare is 405 with Allow; headers change no method."""
    methods = ("GET", "POST", "PUT", "PATCH", "DELETE")
    declared = {}
    for row in https.contract.rows:
        declared.setdefault(row.path, set()).add(row.method)
    for path, known in declared.items():
        for method in methods:
            if method in known:
                continue
            answer = https.request(method, filled(path))
            if answer.status_code == 404:  # development only, or on the other listener
                continue
            assert answer.status_code == 405, f"{method} {path}: {answer.status_code}"
            allow = set(answer.headers["allow"].split(", "))
            assert known <= allow and method not in allow, f"{method} {path}: {allow}"
        for method in ("TRACE", "PROPFIND", "TRACK", "DEBUG"):
            answer = https.request(method, filled(path))
            assert answer.status_code == 405, f"{method} {path}"
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        refused(https.request("GET", "/oauth/login", headers={name: "POST"}), 405)
        ok(https.request("GET", "/health", headers={name: "DELETE"}))
    refused(https.get("/oauth/login?_method=POST"), 405)


# -- paths -------------------------------------------------------------------------------------

#: A path, and whether anybody may find a route under it.
PATHS = (
    "/%00", "/health%00", "/health%00.html", "/api%2fping", "/api%5cping", "/api%2Fping", "/%2e",
    "/./health", "/api/../health", "/api/%2e%2e/health", "/api/..%2fhealth", "/..%5chealth",
    "//health", "/api//ping", "/health/", "/health/.", "/health/..", "/health;a=b", "/health;/x",
    "/..;/health", "/health%0d%0aX-Injected:%201", "/health%0a", "/health%09", "/health%20",
    "/%68ealth", "/HEALTH", "/health%", "/health%2", "/health%zz", "/%c0%afhealth", "/%ff",
    "/%e2%80%ae", "/%ef%bc%8fhealth", "/health%3fa=b", "/health%23", "/api/%252e%252e/health",
    "/%25%30%30", "/t/acme/../other/tenants/info", "/t/%2e%2e/health", "/t/acme%2f..%2fother/info",
    "/.well-known/../health", "/static/../config.yaml", "/static/%2e%2e/%2e%2e/etc/passwd",
    "/static/..%2f..%2fetc%2fpasswd", "/static//etc/passwd", "/static/style.css%00.png", "/\\health",
    "/health\\", "/~root", "/.git/config", "/cgi-bin/x", "/health|x", "/health`", "/<script>",
)


@pytest.fixture(scope="module")
def gateway(behind):
    proxy = Nginx(behind.port)
    yield proxy
    proxy.close()


def status_of(port, path):
    raw = exchange(port, b"GET " + path.encode("latin-1") + b" HTTP/1.1\r\nHost: localhost\r\n"
                   b"Connection: close\r\n\r\n")
    match = re.match(rb"HTTP/1\.1 (\d+)", raw)
    assert match, f"{path}: {raw[:100]!r}"
    assert b"x-injected" not in raw.lower() and b"root:" not in raw, path
    return int(match[1]), raw


@pytest.mark.parametrize("path", PATHS)
def test_paths_mean_the_same_to_nginx_and_the_service(behind, gateway, path):
    """HT-2: none of these is a way to a route, and a proxy in front does not make it one."""
    direct, raw = status_of(behind.port, path)
    through, _ = status_of(gateway.port, path)
    if path == "/%68ealth":  # the same path to everybody
        assert direct == through == 200, raw
        return
    assert direct in (400, 404), raw
    assert through == direct or (through == 400 and direct == 404), f"{direct}, then {through}"


# -- hosts -------------------------------------------------------------------------------------

BAD_HOSTS = (
    "", " ", ".", "..", "a..b", ".a", "a b", "a/b", "a@b", "user@localhost", "a\\b", "a?b", "a#b",
    "http://a", "a:b", "a:", "a:99999", "a:-1", "a:80:80", "[::1", "::1", "[::1]x", "[gg::1]", "a,b",
    "a;b", "a'b", 'a"b', "a<b>", "a%00b", "a%2eb", "{a}", "(a)", "a|b", "a^b", "a`b", "ä.example",
    "a\tb", "*", "a=b", "localhost:8080@evil.example", "x" * 300,
)


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_hosts_that_are_none(service, host):
    """HT-6: 400, and nothing of it in the answer. An empty port is one (RFC 3986)."""
    raw = exchange(service.port, b"GET /tenants/info HTTP/1.1\r\nHost: " + host.encode() + b"\r\n\r\n")
    assert raw.startswith(b"HTTP/1.1 400 "), raw[:200]
    if host == "a:":
        assert json.loads(raw.split(b"\r\n\r\n")[1])["error"] == "tenant_not_identified"
        return
    assert json.loads(raw.split(b"\r\n\r\n")[1])["error"] == "invalid_request"


@pytest.mark.parametrize("spelling", ["{slug}.localhost", "{SLUG}.LOCALHOST", "{slug}.localhost.",
                                      "{slug}.localhost:80", "{slug}.localhost.:65535"])
def test_one_host_in_many_spellings(api, acme, spelling):
    """HT-6: case, port and a trailing dot are no difference."""
    host = spelling.format(slug=acme.slug, SLUG=acme.slug.upper())
    assert ok(api.get("/tenants/info", headers={"Host": host}))["slug"] == acme.slug


# -- forwarding --------------------------------------------------------------------------------

FORGED = {
    "Host": CANARY, "X-Forwarded-Host": CANARY, "X-Host": CANARY, "X-Original-Host": CANARY,
    "X-Forwarded-Server": CANARY, "X-HTTP-Host-Override": CANARY, "Forwarded": f"host={CANARY}",
    "X-Forwarded-Proto": "https", "X-Forwarded-Port": "666", "X-Forwarded-Prefix": f"//{CANARY}",
    "X-Original-URL": f"//{CANARY}/", "X-Rewrite-URL": f"//{CANARY}/", "X-Forwarded-For": "203.0.113.7",
    "X-Real-IP": "203.0.113.7", "Client-IP": "203.0.113.7", "True-Client-IP": "203.0.113.7",
    "Referer": f"https://{CANARY}/",
}


def test_forged_hosts_never_come_back(production, api):
    """HT-7: nothing that a client claims about the host or itself is in any answer, even when a
    trusted proxy hands it on. (In development a hint says what was seen.)"""
    for row in api.contract.rows:
        for headers in (FORGED, FORGED | {"Accept": "text/html"}, FORGED | {"Host": "localhost"}):
            answer = production.request(row.method, filled(row.path), headers=headers)
            text = str(answer.headers) + answer.text
            assert CANARY not in text and "203.0.113.7" not in text, f"{row.name}: {text[:500]}"
            assert ":666" not in text


def test_forged_hosts_on_pages_of_a_tenant(api, acme):
    for path in ("/t/{}/", "/t/{}/dashboard", "/t/{}/.well-known/jwks.json", "/t/{}/nothing"):
        answer = api.get(path.format(acme.slug), headers=FORGED | {"Accept": "text/html"})
        assert CANARY not in str(answer.headers) + answer.text
        assert "vary" in answer.headers or "no-store" in answer.headers["cache-control"] \
            or "jwks" in path


def last_ip(instance, request_id):
    """The log is written by a thread of its own, a moment later."""
    (line,), _ = until(lambda: [line for line in instance.log_lines()
                                if line.get("request_id") == request_id])
    return line["ip"]


@pytest.mark.parametrize("sent, seen", [
    (["203.0.113.9"], "203.0.113.9"),
    (["198.51.100.1, 203.0.113.9"], "203.0.113.9"),        # the client's own claim stands left
    (["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
    (["203.0.113.9, 127.0.0.1"], "203.0.113.9"),           # through two trusted ones
    (["203.0.113.9, 10.9.8.7, 127.0.0.1"], "203.0.113.9"), # a trusted network
    (["10.9.8.7"], "10.9.8.7"),                            # all trusted: the farthest
    (["nonsense"], "127.0.0.1"),
    (["203.0.113.9, nonsense"], "127.0.0.1"),
    (["203.0.113.9, 256.1.1.1, 127.0.0.1"], "127.0.0.1"),
    (["203.0.113.9:4711"], "203.0.113.9"),
    (["[2001:db8::7]:4711"], "2001:db8::7"),
    (["2001:db8::7"], "2001:db8::7"),
    (["::ffff:203.0.113.9"], "::ffff:203.0.113.9"),
    ([""], "127.0.0.1"),
    ([", ,"], "127.0.0.1"),
    (["unknown"], "127.0.0.1"),
])
def test_the_rightmost_untrusted_hop_is_the_client(instances, sent, seen):
    """HT-8: whatever stands left of it may be made up."""
    instance = trusting(instances)
    with httpx.Client(base_url=instance.url, timeout=60) as http:
        answer = http.get("/nothing", headers=[("X-Forwarded-For", value) for value in sent])
    assert answer.status_code == 404
    found = last_ip(instance, answer.headers["x-request-id"])
    assert found == seen, f"{sent}: {found}"


_trusting = {}


def trusting(instances):
    if "one" not in _trusting:
        _trusting["one"] = instances(merged({}, {"server": {
            "trusted_proxies": ["127.0.0.1", "10.9.0.0/16"]}}))
    return _trusting["one"]


def test_strangers_choose_no_address(service):
    """HT-8: without a trusted proxy the peer is the client, whatever it says."""
    for name, value in FORGED.items():
        if name == "Host":
            continue
        with httpx.Client(base_url=service.url, timeout=60) as http:
            answer = http.get("/nothing", headers={name: value})
        assert last_ip(service, answer.headers["x-request-id"]) == "127.0.0.1", name
