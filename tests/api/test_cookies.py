"""Sessions and cookies (api.md §11): names, attributes, tenants side by side, cross-site writes."""
import uuid

import pytest

from support.api import set_cookies
from support.check import ok, refused, until
from support.spans import seen_alive
from support.world import World


def oauth_login(api, user, **options):
    return api.post("/oauth/login", tenant=user.tenant.slug, json={
        "username": user.username or user.email, "password": user.password}, **options)


@pytest.fixture(scope="module")
def user(world, acme):
    return world.user(acme)


# -- the session cookie ------------------------------------------------------------------------


def test_the_session_cookie(api, user):
    """TI-7, R004-27: named and bound per tenant, HttpOnly, Lax, Path=/, no Domain; not Secure over
    plain http, where curl would not send it back."""
    value, attributes = set_cookies(oauth_login(api, user))["session-acme"]
    assert len(value) >= 43
    assert "httponly" in attributes
    assert attributes["samesite"].lower() == "lax"
    assert attributes["path"] == "/"
    assert "domain" not in attributes and "secure" not in attributes


def test_https_makes_it_host_bound_and_secure(start_instance, connect):
    """api.md §11: __Host- over https, as a trusted proxy says it is."""
    instance = start_instance({"server": {"trusted_proxies": ["127.0.0.1"]},
                               "password": {"scheme": "argon2id"}})
    api = connect(instance)
    tenant = World(api).tenant()
    answer = oauth_login(api, tenant.owner, headers={"X-Forwarded-Proto": "https"})
    value, attributes = set_cookies(answer)[f"__Host-session-{tenant.slug}"]
    assert "secure" in attributes and attributes["path"] == "/" and "domain" not in attributes
    ok(api.get("/users/me", tenant=tenant.slug, cookie={f"__Host-session-{tenant.slug}": value},
               headers={"X-Forwarded-Proto": "https"}))


def test_strangers_cannot_claim_https(api, user):
    """HT-8: X-Forwarded-Proto of a peer that is no trusted proxy."""
    assert "session-acme" in set_cookies(oauth_login(api, user,
                                                     headers={"X-Forwarded-Proto": "https"}))


def test_a_session_opens_the_same_doors_as_a_token(api, world, user):
    session = world.sign_in(user)
    me = ok(api.get("/users/me", tenant="acme", cookie=session))
    assert me["id"] == user.id
    ok(api.patch("/users/me", tenant="acme", cookie=session, json={"name": "By session"}))


def test_a_session_is_stored_as_a_hash(api, service, world, user):
    """TS-5."""
    (value,) = world.sign_in(user).values()
    for document in service.db.sessions.find({"user_id": uuid.UUID(user.id)}):
        assert value not in repr(document)


def test_ids_from_the_client_are_never_adopted(api, user):
    """TS-8: a new session id at each login."""
    first = oauth_login(api, user).cookies["session-acme"]
    second = oauth_login(api, user, cookie={"session-acme": first}).cookies["session-acme"]
    third = oauth_login(api, user, cookie={"session-acme": "A" * 64}).cookies["session-acme"]
    assert len({first, second, third}) == 3


@pytest.mark.parametrize("value", ["", "x", "A" * 43, "A" * 5000, "..", "%00", "null"])
def test_garbage_is_no_session(api, acme, value):
    refused(api.get("/users/me", tenant="acme", cookie={"session-acme": value}), 401)


def test_logout_ends_the_session_and_only_that_tenants_cookies(api, world, user):
    """TS-10."""
    session = world.sign_in(user)
    answer = api.post("/oauth/logout", tenant="acme", cookie=session)
    assert answer.status_code == 204
    cookies = set_cookies(answer)
    assert cookies["session-acme"][0] == ""
    assert all(name.endswith("-acme") for name in cookies)
    assert "device-acme" not in cookies
    assert "clear-site-data" not in answer.headers
    until(lambda: api.get("/users/me", tenant="acme", cookie=session).status_code == 401, 1.0)


def test_logout_needs_a_session(api, acme):
    refused(api.post("/oauth/logout", tenant="acme"), 401)


def test_a_session_expires(api, world):
    """TS-9: session_ttl, at least a second in development."""
    tenant = world.tenant()
    world.login(tenant.owner)

    def short(seconds):
        ok(api.put("/tenants/settings", token=tenant.owner.token,
                   json={"settings": {"session_ttl": seconds}}))
        session = world.sign_in(tenant.owner)
        answer = api.get("/users/me", tenant=tenant.slug, cookie=session)
        return session if answer.status_code == 200 else refused(answer, 401) and None

    session = seen_alive(short)
    until(lambda: api.get("/users/me", tenant=tenant.slug, cookie=session).status_code == 401, 3.0)


# -- several tenants in one browser ------------------------------------------------------------


def test_two_tenants_stay_signed_in_side_by_side(api, world, user, other):
    """TI-7: on one host, under path prefixes, each request takes its own tenant's cookie."""
    both = world.sign_in(user) | world.sign_in(other.owner)
    assert ok(api.get("/t/acme/users/me", cookie=both))["id"] == user.id
    assert ok(api.get("/t/other/users/me", cookie=both))["id"] == other.owner.id
    refused(api.get("/users/me", cookie=both), 400, "tenant_not_identified")


def test_a_single_cookie_decides_without_a_hint(api, world, user):
    assert ok(api.get("/users/me", cookie=world.sign_in(user)))["id"] == user.id


def test_another_tenants_session_alone_is_403(api, world, user, other):
    """api.md §11: on API routes, alone: 403; beside the own one it counts as absent."""
    refused(api.get("/users/me", tenant="other", cookie=world.sign_in(user)), 403,
            "tenant_mismatch")


def test_a_token_beside_another_tenants_session(api, world, user, other):
    """api.md §2.4, §11: two credentials of two tenants are 403, unless the own cookie is there too;
    what does not prove is no credential."""
    foreign = world.sign_in(other.owner)
    for hint in ("acme", None):
        refused(api.get("/users/me", tenant=hint, token=user.token, cookie=foreign), 403,
                "tenant_mismatch")
    own = world.sign_in(user)
    ok(api.get("/users/me", tenant="acme", token=user.token, cookie=foreign | own))
    ok(api.get("/users/me", tenant="acme", token=user.token, cookie=own))
    ok(api.get("/users/me", tenant="acme", token=user.token, cookie={"session-other": "A" * 67}))
    ok(api.post("/oauth/logout", tenant="other", cookie=foreign), 204)
    until(lambda: api.get("/users/me", tenant="acme", token=user.token,
                          cookie=foreign).status_code == 200, 1.0)


def test_another_tenants_session_is_absent_at_login_and_registration(api, world, user, other):
    session = world.sign_in(user)
    ok(oauth_login(api, other.owner, cookie=session))
    ok(api.post("/api/login", tenant="other", cookie=session,
                json={"username": other.owner.username, "password": other.owner.password}))


def test_a_cookie_moved_to_another_tenants_name_is_refused(api, world, user, other):
    """TI-7: the value carries the tenant."""
    (value,) = world.sign_in(user).values()
    answer = api.get("/users/me", tenant="other", cookie={"session-other": value})
    assert answer.status_code in (401, 403)
    refused(api.get("/users/me", cookie={"session-other": value}), 401)


# -- token cookies -----------------------------------------------------------------------------


@pytest.fixture
def token_cookies(api, user):
    answer = api.post("/auth/login?cookies=true", tenant="acme",
                      json={"email": user.email, "password": user.password})
    ok(answer)
    return set_cookies(answer)


def test_login_with_cookies(token_cookies):
    """R000-15: HttpOnly, the refresh cookie limited to the route of refresh as addressed."""
    access, refresh = token_cookies["access-acme"][1], token_cookies["refresh-acme"][1]
    for attributes in (access, refresh):
        assert "httponly" in attributes and attributes["samesite"].lower() in ("lax", "strict")
        assert "domain" not in attributes
    assert access["path"] == "/"
    assert refresh["path"] == "/auth/refresh"


@pytest.mark.parametrize("prefix", ["/t/acme", "/tenants/acme", "/api/v1"])
def test_the_refresh_cookies_path_is_as_addressed(api, user, prefix):
    options = {"tenant": "acme"} if prefix == "/api/v1" else {}
    answer = api.post(f"{prefix}/auth/login?cookies=true",
                      json={"email": user.email, "password": user.password}, **options)
    ok(answer)
    assert set_cookies(answer)["refresh-acme"][1]["path"] == f"{prefix}/auth/refresh"


def test_the_access_cookie_is_a_credential(api, user, token_cookies):
    """It counts only without Authorization."""
    access = {"access-acme": token_cookies["access-acme"][0]}
    assert ok(api.get("/users/me", tenant="acme", cookie=access))["id"] == user.id
    refused(api.get("/users/me", tenant="acme", cookie=access, token="garbage"), 401)


def test_refresh_by_cookie(api, token_cookies):
    """R001-09: the body, or the cookie; the new pair comes in cookies again."""
    cookie = {"refresh-acme": token_cookies["refresh-acme"][0]}
    answer = api.post("/auth/refresh", tenant="acme", cookie=cookie)
    assert answer.status_code == 200, answer.text
    renewed = set_cookies(answer)
    assert renewed["refresh-acme"][0] != token_cookies["refresh-acme"][0]
    ok(api.get("/users/me", tenant="acme", cookie={"access-acme": renewed["access-acme"][0]}))


def test_cookie_refresh_has_grace(api, token_cookies):
    """api.md §10: 10 s by default for cookies: a browser's parallel tabs get the same successor."""
    cookie = {"refresh-acme": token_cookies["refresh-acme"][0]}
    first = set_cookies(api.post("/auth/refresh", tenant="acme", cookie=cookie))
    second = set_cookies(api.post("/auth/refresh", tenant="acme", cookie=cookie))
    assert first["refresh-acme"][0] == second["refresh-acme"][0]


def test_no_cookies_unless_asked(api, user):
    for query in ("", "?cookies=false"):
        answer = api.post(f"/auth/login{query}", tenant="acme",
                          json={"email": user.email, "password": user.password})
        ok(answer)
        assert not {"access-acme", "refresh-acme"} & set(set_cookies(answer))


# -- cross-site writes -------------------------------------------------------------------------


FOREIGN = [{"Origin": "https://evil.example"}, {"Origin": "null"},
           {"Origin": "http://acme.localhost.evil.example"},
           {"Sec-Fetch-Site": "cross-site"}]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_writes_from_other_sites_are_refused(api, world, user, headers):
    """R002-21, api.md §11: what uses or sets a cookie is refused with a foreign Origin."""
    session = world.sign_in(user)
    for answer in (api.patch("/users/me", tenant="acme", cookie=session, json={"name": "evil"},
                             headers=headers),
                   api.post("/auth/logout-all", tenant="acme", cookie=session, headers=headers),
                   api.post("/oauth/logout", tenant="acme", cookie=session, headers=headers),
                   oauth_login(api, user, headers=headers)):
        refused(answer, 403, "cross_site_request")
    assert ok(api.get("/users/me", tenant="acme", cookie=session)).get("name") != "evil"


def test_an_origin_that_only_begins_like_ours_is_another(api, service, world, user):
    """HT-9: scheme, host and port are compared as a whole."""
    session = world.sign_in(user)
    own = f"127.0.0.1:{service.port}"
    for origin in (f"http://{own}.evil.example", f"http://{own}0", f"http://{own[:-1]}",
                   f"http://{own}@evil.example", "http://127.0.0.1", "http://127.0.0.1.evil.example",
                   f"https://{own}", f"http://{own}/", "http://", "http://127.0.0"):
        refused(api.patch("/users/me", tenant="acme", cookie=session, json={"name": "evil"},
                          headers={"Origin": origin}), 403, "cross_site_request")
    ok(api.patch("/users/me", tenant="acme", cookie=session, json={"name": "ours"},
                 headers={"Origin": f"http://{own}"}))


def test_a_header_of_another_scheme_opens_no_way_around(api, user):
    """HT-9, api.md §11: the access cookie counts only without Authorization, whatever it holds, and
    a header that proves nothing does not lift the cross-site rule."""
    pair = ok(api.post("/auth/login", tenant="acme", json={
        "username": user.username or user.email, "password": user.password}))
    for origin in ({"Origin": "https://evil.example"}, {}):
        refused(api.patch("/users/me", tenant="acme", json={"name": "Mallory"},
                          cookie={"access-acme": pair["access_token"]},
                          headers={"Authorization": "Basic eDp5", **origin}), 401)


def test_writes_without_origin_or_from_here_are_fine(api, service, world, user):
    """api.md §1: no CSRF header for JSON without Origin (curl); the own origin is the own."""
    session = world.sign_in(user)
    ok(api.patch("/users/me", tenant="acme", cookie=session, json={"name": "curl"}))
    for origin, host in ((f"http://127.0.0.1:{service.port}", None),
                         (f"http://acme.localhost:{service.port}", "acme.localhost")):
        ok(api.patch("/users/me", tenant="acme", cookie=session, json={"name": "page"}, host=host,
                     headers={"Origin": origin, "Sec-Fetch-Site": "same-origin"}))


def test_bearer_tokens_do_not_care_about_origin(api, user):
    """Nothing that a browser adds by itself: no forgery."""
    ok(api.patch("/users/me", token=user.token, json={"name": "spa"},
                 headers={"Origin": "https://evil.example"}))


def test_a_form_cannot_pass_as_json(api, world, user):
    """R002-21: cookie writes need a JSON content type."""
    session = world.sign_in(user)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        refused(api.patch("/users/me", tenant="acme", cookie=session, content=b'{"name":"evil"}',
                          headers={"Content-Type": kind}), 415)


def test_a_new_session_has_the_role_of_the_database(api, service, world, acme):
    """api.md §2.6: role and membership are read from the resolved tenant's collection."""
    member = world.user(acme)
    session = world.sign_in(member)
    refused(api.get("/tenants/stats", tenant="acme", cookie=session), 403)
    service.db[acme.collection].update_one({"_id": uuid.UUID(member.id)},
                                           {"$set": {"role": "admin"}})
    ok(api.get("/tenants/stats", tenant="acme", cookie=world.sign_in(member)))
