"""Cross-origin rules of each tenant (api.md §11): R002-20, HT-13.

What a page of another origin may read is decided by the tenant that the request reaches, exactly,
on answers of success and of error alike; never with credentials, never on pages.
"""
import pytest

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
