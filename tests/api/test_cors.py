"""Cross-origin rules of each tenant (api.md §11): R002-20, HT-13.

What a page of another origin may read is decided by the tenant that the request reaches, exactly,
on answers of success and of error alike; never with credentials, never on pages.
"""
import urllib.request

import pytest

from support import oauth
from support.authorize import code_of, pkce, public_client
from support.check import ok, refused, until
from support.world import World, unique

APP = "https://app.example.com"
OTHER = "https://other.example.com"
FOREIGN = "https://evil.example"


@pytest.fixture(name="sides", scope="module")
def fixture_sides(api, world):
    """Two tenants, each with an origin of its own."""
    made = []
    for origin in (APP, OTHER):
        tenant = world.key_tenant()
        ok(api.put("/tenants/settings", token=tenant.owner.token,
                   json={"settings": {"allowed_origins": [origin]}}))
        made.append(tenant)
    return made


def allowed(answer):
    """The origin that may read the answer, None when none may."""
    assert "access-control-allow-credentials" not in answer.headers
    return answer.headers.get("access-control-allow-origin")


def preflight(api, path, origin, method="POST", **options):
    headers = {"Origin": origin, "Access-Control-Request-Method": method,
               "Access-Control-Request-Headers": "authorization, content-type, x-tenant-slug"}
    return api.request("OPTIONS", path, headers=headers, **options)


ROUTES = [
    ("GET", "/tenants/info"), ("GET", "/users/me"), ("POST", "/auth/login"),
    ("POST", "/auth/register"), ("POST", "/auth/refresh"), ("GET", "/tenants/settings"),
    ("PATCH", "/users/me"), ("POST", "/auth/logout"),
]


@pytest.mark.parametrize("method, path", ROUTES)
def test_only_the_tenants_own_origins_read_its_answers(api, sides, method, path):
    """HT-13: every channel that names the tenant, success or error; Vary always."""
    mine = sides[0]
    for origin, expected in ((APP, APP), (OTHER, None), (FOREIGN, None), ("null", None),
                             (APP + ".evil.example", None), ("http://app.example.com", None),
                             (APP + ":8443", None), (APP.upper(), None), ("*", None)):
        for options in ({"tenant": mine.slug}, {"host": f"{mine.slug}.localhost"},
                        {"tenant_id": mine.id}, {"tenant": mine.slug, "token": "garbage"}):
            extra = {"json": {}} if method != "GET" else {}
            answer = api.request(method, path, headers={"Origin": origin}, **options, **extra)
            assert allowed(answer) == expected, f"{origin} {options} {answer.status_code}"
            assert answer.headers["vary"] == "Origin"


def test_the_credential_names_the_tenant(api, sides):
    """Without a hint the tenant of the token decides; a token that proves nothing is refused
    readably for origins that some tenant allows."""
    token = sides[0].owner.token
    assert allowed(api.get("/users/me", token=token, headers={"Origin": APP})) == APP
    assert allowed(api.get("/users/me", token=token, headers={"Origin": OTHER})) is None
    for origin, expected in ((APP, APP), (OTHER, OTHER), (FOREIGN, None), ("null", None)):
        answer = api.get("/users/me", token="garbage", headers={"Origin": origin})
        refused(answer, 401)
        assert allowed(answer) == expected


def test_what_an_allowed_page_may_read(api, sides):
    answer = api.get("/users/me", token=sides[0].owner.token, headers={"Origin": APP})
    exposed = answer.headers["access-control-expose-headers"]
    assert {"ETag", "Retry-After", "X-Request-Id"} <= set(exposed.split(", "))


def test_preflights(api, sides):
    """R002-20: resolved by the tenant that host or path names, else by any tenant's origins."""
    mine = sides[0]
    for path, options in (("/users/me", {"host": f"{mine.slug}.localhost"}),
                          (f"/t/{mine.slug}/users/me", {}),
                          (f"/api/v1/{mine.id}/me", {}), (f"/api/v1/{mine.slug}/me", {})):
        answer = preflight(api, path, APP, "PATCH", **options)
        assert answer.status_code == 204 and allowed(answer) == APP
        assert "PATCH" in answer.headers["access-control-allow-methods"]
        assert "X-Tenant-Slug" in answer.headers["access-control-allow-headers"]
        assert answer.headers["vary"] == "Origin"
        for origin in (OTHER, FOREIGN, "null"):
            assert allowed(preflight(api, path, origin, "PATCH", **options)) is None
    for origin, expected in ((APP, APP), (OTHER, OTHER), (FOREIGN, None), ("null", None),
                             ("*", None)):
        assert allowed(preflight(api, "/users/me", origin, "PATCH")) == expected
    # no tenant there, or two: nobody's origin
    assert allowed(preflight(api, "/users/me", APP, "PATCH", host="no-such.localhost")) is None
    assert allowed(preflight(api, f"/t/{mine.slug}/users/me", APP, "PATCH",
                             host=f"{sides[1].slug}.localhost")) is None
    # of the platform's own routes no tenant decides
    assert allowed(preflight(api, "/tenants/register", APP)) is None


def test_pages_answer_no_origin(api, sides):
    """api.md §11: pages never; public documents any."""
    host = f"{sides[0].slug}.localhost"
    for path in ("/", "/login", "/register", "/dashboard", "/docs"):
        answer = api.get(path, host=host, headers={"Origin": APP, "Accept": "text/html"})
        assert allowed(answer) is None, path
        assert allowed(preflight(api, path, APP, "GET", host=host)) is None, path
    answer = api.get("/.well-known/jwks.json", host=host, headers={"Origin": FOREIGN})
    assert allowed(answer) == "*"


def test_writes_with_cookies_come_from_own_and_allowed_origins(api, world, sides):
    """api.md §11: the cross-site rule follows the tenant's list."""
    mine = sides[0]
    body = {"email": mine.owner.email, "password": mine.owner.password}
    path = "/auth/login?cookies=true"
    ok(api.post(path, tenant=mine.slug, json=body, headers={"Origin": APP}))
    for origin in (OTHER, FOREIGN, "null"):
        refused(api.post(path, tenant=mine.slug, json=body, headers={"Origin": origin}), 403,
                "cross_site_request")
    session = world.sign_in(mine.owner)
    change = {"json": {"name": unique("n")}, "tenant": mine.slug, "cookie": session}
    ok(api.patch("/users/me", headers={"Origin": APP}, **change))
    refused(api.patch("/users/me", headers={"Origin": OTHER}, **change), 403,
            "cross_site_request")


def test_a_removed_origin_is_out_within_a_second(pair):
    """R002-20: on every instance, for requests and preflights."""
    one, two = pair
    world = World(one)
    tenant = world.key_tenant()
    origin = f"https://{unique('o')}.example.com"

    def sees(api):
        return (allowed(api.get("/tenants/info", tenant=tenant.slug, headers={"Origin": origin})),
                allowed(preflight(api, "/users/me", origin, "GET")))

    assert sees(two) == (None, None)
    for origins, expected in (([origin], (origin, origin)), ([], (None, None))):
        ok(one.put("/tenants/settings", token=tenant.owner.token,
                   json={"settings": {"allowed_origins": origins}}))
        assert sees(one) == expected
        until(lambda want=expected: sees(two) == want, 1.5)


# -- by the redirect URIs of a tenant's clients ------------------------------------------------


@pytest.fixture(name="apps", scope="module")
def fixture_apps(api, world):
    """Two tenants; each has a single-page application that registered its redirect URI, no more."""
    made = []
    for name in ("One", "two"):
        tenant = world.key_tenant()
        host = f"{unique(name)}.example"
        tenant.redirect = f"https://{host}:443/callback?x=1"
        tenant.origin = f"https://{host.lower()}"
        tenant.client = public_client(api, tenant, redirect_uris=[
            tenant.redirect, f"https://{host}:8443/a"])
        world.sign_in(tenant.owner)
        made.append(tenant)
    return made


def issued(api, tenant):
    """What the application of the tenant gets for a code."""
    verifier, challenge = pkce()
    code = code_of(api, tenant.owner, tenant.client, challenge, redirect_uri=tenant.redirect,
                   scope="openid profile read write offline_access")
    return {"grant_type": "authorization_code", "code": code, "code_verifier": verifier,
            "client_id": tenant.client["client_id"], "redirect_uri": tenant.redirect}


def steps(api, tenant, origin):
    """The requests of a single-page application, without its tenant named where a browser can:
    (what, status that is due, answer)."""
    sent = {"headers": {"Origin": origin}}
    form = issued(api, tenant)
    token = api.post("/oauth/token", form=form, **sent)
    yield "token", 200, token
    yield "bad code", 400, api.post("/oauth/token", form=form | {"code": "x"}, **sent)
    access, base = token.json()["access_token"], f"/t/{tenant.slug}"
    for path in ("/oauth/userinfo", "/users/me", "/api/protected"):
        yield path, 200, api.get(base + path, token=access, **sent)
        yield f"{path} without token", 401, api.get(base + path, **sent)
    yield "beyond the token", 403, api.get(base + "/tenants/settings", token=access, **sent)
    yield "patch", 200, api.patch(base + "/users/me", token=access, json={"name": "x"}, **sent)
    yield "bad patch", 400, api.patch(base + "/users/me", token=access, json={"id": "x"}, **sent)
    yield "revoke", 200, api.post("/oauth/revoke", form={
        "token": access, "client_id": tenant.client["client_id"]}, **sent)
    yield "revoked", 401, api.get(base + "/oauth/userinfo", token=access, **sent)


def test_redirect_origins_work_by_themselves(api, apps):
    """HT-13, api.md §11: an application reads token, revoke, userinfo and API from the origin of
    its redirect URI, errors too; nobody else does, and no setting was made."""
    mine, other = apps
    for origin, expected in ((mine.origin, mine.origin), (f"{mine.origin}:8443",) * 2,
                             (other.origin, None), (FOREIGN, None), ("null", None),
                             (mine.origin + ".evil.example", None), (mine.origin.upper(), None),
                             (mine.origin + ":443", None), (mine.origin + "/callback", None),
                             ("http" + mine.origin[5:], None), ("*", None)):
        for what, status, answer in steps(api, mine, origin):
            assert answer.status_code == status, f"{what}: {answer.text}"
            assert allowed(answer) == expected, f"{what} from {origin}"
            assert answer.headers["vary"] == "Origin"
        for method, path in (("POST", "/oauth/token"), ("GET", "/oauth/userinfo"),
                             ("PATCH", "/users/me"), ("GET", "/api/data")):
            for options in ({"path": f"/t/{mine.slug}{path}"},
                            {"path": path, "host": f"{mine.slug}.localhost"}):
                assert allowed(preflight(api, origin=origin, method=method, **options)) == expected


def test_redirect_origins_are_for_tokens_only(api, world, apps):
    """api.md §11: never on pages, the authorization endpoint and sign-in; no writes with cookies;
    public documents stay open to all."""
    mine = apps[0]
    host, sent = f"{mine.slug}.localhost", {"headers": {"Origin": mine.origin}}
    for method, path in (("GET", "/oauth/authorize"), ("POST", "/oauth/authorize"),
                         ("GET", "/login"), ("GET", "/dashboard"), ("GET", "/"),
                         ("POST", "/auth/login"), ("POST", "/oauth/login"),
                         ("POST", "/auth/register"), ("POST", "/tenants/register")):
        extra = {"json": {}} if method == "POST" and "authorize" not in path else {}
        assert allowed(api.request(method, path, host=host, **sent, **extra)) is None, path
        assert allowed(preflight(api, path, mine.origin, method, host=host)) is None, path
    change = {"json": {"name": "x"}, "host": host, "cookie": world.sign_in(mine.owner)}
    refused(api.patch("/users/me", **sent, **change), 403, "cross_site_request")
    for path in ("/.well-known/openid-configuration", "/.well-known/jwks.json"):
        answer = api.get(path, host=host, headers={"Origin": FOREIGN})
        assert answer.status_code == 200 and allowed(answer) == "*"


def test_origins_of_clients_follow_their_changes(pair):
    """HT-13: a client that is registered, changed or deleted on one instance counts on the other
    within a second."""
    one, two = pair
    tenant = World(one).key_tenant()
    origins = [f"https://{unique('o')}.example" for _ in range(2)]

    def sees(api):
        return [allowed(api.get("/tenants/info", tenant=tenant.slug, headers={"Origin": origin}))
                for origin in origins]

    def is_seen(*expected):
        assert sees(one) == list(expected)
        until(lambda: sees(two) == list(expected), 1.5)

    is_seen(None, None)
    made = oauth.client(one, tenant, redirect_uris=[origins[0] + "/a"])
    is_seen(origins[0], None)
    path = f"/oauth/client/{made['client_id']}"
    ok(one.put(path, token=tenant.owner.token,
               json={"client_name": "b", "redirect_uris": [origins[1] + "/b"]}))
    is_seen(None, origins[1])
    ok(one.delete(path, token=tenant.owner.token), 204)
    is_seen(None, None)


def loads(instance):
    """How often the origins of a tenant's clients were read."""
    with urllib.request.urlopen(f"http://127.0.0.1:{instance.metrics_port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    name = 'tenantd_cache_misses_total{cache="client_origins"} '
    return next(int(line[len(name):]) for line in lines if line.startswith(name))


def test_origins_cost_no_reads(api, service, apps):
    """Whatever stands in Origin: it is looked for in memory."""
    mine = apps[0]
    api.get("/tenants/info", tenant=mine.slug, headers={"Origin": mine.origin})

    def free():
        """What is remembered is read again after a minute: once, not for each request."""
        before = loads(service)
        for number in range(40):
            origin = f"https://{unique('x')}.example" if number % 2 else mine.origin
            answer = api.get("/tenants/info", tenant=mine.slug, headers={"Origin": origin})
            assert allowed(answer) == (origin if origin == mine.origin else None)
            preflight(api, f"/t/{mine.slug}/oauth/token", origin)
        return loads(service) == before

    until(free)
