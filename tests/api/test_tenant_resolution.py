"""Which tenant a request goes to: every rule of api.md §2, with the details of §10 and §11.

Proof E7 as far as it needs no OAuth client. TI-1: one resolved tenant per request, or none.
"""
import datetime
import uuid

import pytest

from support.check import ok, refused, until
from support.instance import merged
from support.world import World, unique

INFO = "/tenants/info"


@pytest.fixture(scope="module")
def domain(service, other):
    """A verified custom domain of `other`, put into the database as api.md and issue 3 say."""
    name = "login.other-söhne.example".encode("idna").decode()
    service.db.tenant_domains.insert_one(verified(other, name))
    yield name


def verified(tenant, name):
    return {"_id": uuid.uuid4(), "tenant_id": uuid.UUID(tenant.id), "domain": name,
            "verified_domain": name, "status": "verified", "challenge": "none", "created_at": now()}


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def slug_of(answer):
    return ok(answer)["slug"]


# -- each hint alone ---------------------------------------------------------------------------


def test_slug_header(api, acme):
    """R004-09, hint 1."""
    assert slug_of(api.get(INFO, tenant="acme")) == "acme"


def test_slug_header_is_lower_cased(api, acme):
    assert slug_of(api.get(INFO, tenant="ACME")) == "acme"


def test_id_header(api, acme):
    """Hint 2, in any case of letters; what 002's clients send (C25)."""
    assert slug_of(api.get(INFO, tenant_id=acme.id)) == "acme"
    assert slug_of(api.get(INFO, tenant_id=acme.id.upper())) == "acme"


def test_subdomain(api, acme):
    """R000-06, C11, hint 3: with port, without, in capitals, with a trailing dot."""
    for host in ("acme.localhost", "ACME.LocalHost", "acme.localhost.", "acme.localhost:80"):
        assert slug_of(api.get(INFO, headers={"Host": host})) == "acme"


def test_verified_domain(api, other, domain):
    """R002-16, hint 4."""
    for host in (domain, domain.upper(), domain + ".", domain + ":8443"):
        assert slug_of(api.get(INFO, headers={"Host": host})) == "other"


def test_path_prefixes(api, acme):
    """Hint 5: /t/{slug}/X is /X; /tenants/{slug}/X is /tenants/X where that is a route, else /X."""
    assert slug_of(api.get("/t/acme/tenants/info")) == "acme"
    assert slug_of(api.get("/tenants/acme/info")) == "acme"
    assert slug_of(api.get("/tenants/acme/tenants/info")) == "acme"
    assert slug_of(api.get("/t/ACME/tenants/info")) == "acme"
    keys = ok(api.get("/t/acme/.well-known/jwks.json"))
    assert ok(api.get("/tenants/acme/.well-known/jwks.json")) == keys


def test_client_path(api, keyed):
    """Hint 5: /api/v1/{cid}/ takes the UUID or the slug (C3)."""
    for cid in (keyed.id, keyed.id.upper(), keyed.slug):
        refused(api.post(f"/api/v1/{cid}/login", token=keyed.key,
                         json={"email": "nobody@example.com", "password": "whatever 1"}),
                401, "invalid_credentials")


def test_client_path_behind_a_tenant_prefix(api, keyed, other):
    """§10: /t/{slug}/X means /X; the path then names the tenant twice."""
    body = {"email": "nobody@example.com", "password": "whatever 1"}
    refused(api.post(f"/t/{keyed.slug}/api/v1/{keyed.id}/login", token=keyed.key, json=body), 401,
            "invalid_credentials")
    refused(api.post(f"/t/other/api/v1/{keyed.id}/login", token=keyed.key, json=body), 400,
            "tenant_conflict")


def test_versioned_paths_answer_alike(api, acme, anna):
    """R001-14: /auth, /users and /tenants also under /api/v1."""
    assert slug_of(api.get("/api/v1/tenants/info", tenant="acme")) == "acme"
    assert ok(api.get("/api/v1/users/me", token=anna.token))["id"] == anna.id
    ok(api.post("/api/v1/auth/login", tenant="acme",
                json={"email": anna.email, "password": anna.password}))
    ok(api.post("/api/v1/oauth/login", tenant="acme",
                json={"username": anna.email, "password": anna.password}))


def test_prefix_and_version_together(api, acme):
    assert slug_of(api.get("/t/acme/api/v1/tenants/info")) == "acme"


def test_the_credential_names_the_tenant(api, anna, keyed, world, acme):
    """api.md §2.5: no hint, so the tenant is the credential's: token, key, session."""
    assert slug_of(api.get(INFO, token=anna.token)) == "acme"
    assert ok(api.get("/api/v1/clients/me", token=keyed.key))["slug"] == keyed.slug
    assert slug_of(api.get(INFO, cookie=world.sign_in(anna))) == "acme"


def test_protected_needs_no_hint(api, anna):
    """R004-39."""
    ok(api.get("/api/protected", token=anna.token))


# -- no hint -----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "unknown.example",
                                  "www.localhost", "api.localhost", "192.0.2.1:8080"])
def test_hosts_that_are_no_hint(api, host):
    """api.md §2.1: addresses, bare base domain, unknown domains, reserved labels."""
    refused(api.get(INFO, headers={"Host": host}), 400, "tenant_not_identified")


def test_deeper_names_under_a_base_domain_are_unknown(api, acme):
    """C11: no label counting; what stands before the base domain is the slug or nothing."""
    answer = api.get(INFO, headers={"Host": "a.acme.localhost"})
    assert answer.status_code in (400, 404), answer.text
    assert answer.json()["error"] in ("tenant_not_found", "tenant_not_identified",
                                      "invalid_tenant_hint")


def test_a_pending_domain_is_no_hint(api, service, acme):
    name = f"{unique('pending')}.example"
    pending = verified(acme, name) | {"status": "pending"}
    del pending["verified_domain"]
    service.db.tenant_domains.insert_one(pending)
    refused(api.get(INFO, host=name), 400, "tenant_not_identified")


def test_forwarded_host_of_strangers_is_ignored(api, acme, other):
    """HT-8, api.md §2.6: believed from trusted proxies only, and loopback is none."""
    for name in ("X-Forwarded-Host", "Forwarded", "X-Original-Host", "X-Host"):
        value = "host=other.localhost" if name == "Forwarded" else "other.localhost"
        assert slug_of(api.get(INFO, tenant="acme", headers={name: value})) == "acme"
        refused(api.get(INFO, headers={name: value}), 400, "tenant_not_identified")


# -- unknown and malformed ---------------------------------------------------------------------


def test_unknown_explicit_hints_never_fall_through(api, anna, domain):
    """api.md §2.2: 404 even beside a good one, or a good credential."""
    unknown_id = str(uuid.uuid4())
    for options in ({"tenant": "nobody"}, {"tenant_id": unknown_id}, {"host": "nobody.localhost"}):
        for extra in ({}, {"token": anna.token}, {"headers": {"X-Other": "1"}}):
            refused(api.get(INFO, **options, **extra), 404, "tenant_not_found")
    for path in ("/t/nobody/tenants/info", "/tenants/nobody/info"):
        refused(api.get(path), 404, "tenant_not_found")
        refused(api.get(path, tenant="acme"), 404, "tenant_not_found")
    refused(api.get(INFO, tenant="acme", tenant_id=unknown_id), 404, "tenant_not_found")
    refused(api.get(INFO, tenant="nobody", host="acme.localhost"), 404, "tenant_not_found")
    refused(api.get(INFO, tenant="nobody", host=domain), 404, "tenant_not_found")


@pytest.mark.parametrize("value", ["", "a b", "-a", "a-", "a--b", "a_b", "a.b", "$ne",
                                   "a" * 64, "ä", "../x", "{\"$gt\":\"\"}"])
def test_malformed_slugs_are_400(api, acme, value):
    """api.md §2.7."""
    headers = [("X-Tenant-Slug", value.encode())]
    refused(api.get(INFO, headers=headers), 400, "invalid_tenant_hint")


@pytest.mark.parametrize("value", ["", "acme", "0", "00000000-0000-0000-0000-00000000000",
                                   "00000000000000000000000000000000",
                                   "{00000000-0000-0000-0000-000000000000}",
                                   "0000000g-0000-0000-0000-000000000000"])
def test_malformed_ids_are_400(api, acme, value):
    refused(api.get(INFO, headers=[("X-Tenant-ID", value)]), 400, "invalid_tenant_hint")


@pytest.mark.parametrize("name, values", [("X-Tenant-Slug", ("acme", "acme")),
                                          ("X-Tenant-Slug", ("acme", "other")),
                                          ("x-tenant-slug", ("acme", "ACME"))])
def test_a_header_twice_is_400(api, acme, other, name, values):
    """api.md §2.7, E7."""
    refused(api.get(INFO, headers=[(name, value) for value in values]), 400)


def test_the_id_header_twice_is_400(api, acme):
    refused(api.get(INFO, headers=[("X-Tenant-ID", acme.id), ("X-Tenant-ID", acme.id)]), 400)


@pytest.mark.parametrize("path", ["/t/a--b/tenants/info", "/t/a_b/tenants/info",
                                  "/t/%24ne/tenants/info", "/t/-a/tenants/info"])
def test_malformed_path_slugs_are_refused(api, acme, path):
    assert api.get(path).status_code in (400, 404)


# -- conflicts ---------------------------------------------------------------------------------


def hints(tenant, domain_name=None):
    """The channels through which a request can name a tenant: {channel: (path, options)}."""
    found = {
        "slug": (INFO, {"tenant": tenant.slug}),
        "id": (INFO, {"tenant_id": tenant.id}),
        "subdomain": (INFO, {"host": f"{tenant.slug}.localhost"}),
        "t": (f"/t/{tenant.slug}{INFO}", {}),
        "tenants": (f"/tenants/{tenant.slug}/info", {}),
    }
    if domain_name:
        found["domain"] = (INFO, {"host": domain_name})
    return found


def test_every_two_hints_of_different_tenants_conflict(api, acme, other, domain):
    """api.md §2.3, TI-1, E7: all pairs of channels, both ways: 400 tenant_conflict."""
    tried = 0
    for one, (path_one, options_one) in hints(acme).items():
        for two, (path_two, options_two) in hints(other, domain).items():
            if path_one != INFO and path_two != INFO or options_one.keys() & options_two.keys():
                continue  # the same place cannot name both
            path = path_one if path_one != INFO else path_two
            refused(api.get(path, **options_one, **options_two), 400, "tenant_conflict")
            tried += 1
    assert tried >= 16, (one, two)


def test_agreeing_hints_are_fine(api, other, domain):
    assert slug_of(api.get(f"/t/other{INFO}", tenant="other", tenant_id=other.id,
                           host="other.localhost")) == "other"
    assert slug_of(api.get("/tenants/other/info", tenant="Other", host=domain)) == "other"


def test_a_conflict_is_said_before_any_credential_is_looked_at(api, acme, other, anna):
    """api.md §10, order of checks."""
    for token in (anna.token, "garbage"):
        refused(api.get("/users/me", tenant="acme", host="other.localhost", token=token),
                400, "tenant_conflict")


def test_a_conflict_is_audited(api, service, world, other):
    """api.md §2.3: in the log of the tenant that was named; repeated ones are told together later."""
    mine, mark = world.tenant(), unique("conflict-agent")
    refused(api.get(INFO, tenant=mine.slug, host="other.localhost", headers={"User-Agent": mark}),
            400, "tenant_conflict")
    until(lambda: service.db.audit_logs.find_one({
        "tenant_id": uuid.UUID(mine.id), "action": "tenant.conflict", "user_agent": mark}), 5)


# -- hints against credentials -----------------------------------------------------------------


def test_a_foreign_credential_is_403(api, anna, keyed, acme, other, domain):
    """api.md §2.4: 403 tenant_mismatch on every channel, for tokens and keys."""
    for path, options in hints(other, domain).values():
        refused(api.get(path, token=anna.token, **options), 403, "tenant_mismatch")
    for channel, (path, options) in hints(acme).items():
        if channel != "tenants":
            path = path.replace(INFO, "/api/v1/clients/me")
            refused(api.get(path, token=keyed.key, **options), 403, "tenant_mismatch")


def test_mismatch_does_not_tell_whose_it_is(api, anna, other):
    text = api.get("/users/me", tenant="other", token=anna.token).text
    assert "acme" not in text and anna.id not in text and anna.tenant.id not in text


def test_a_key_at_another_tenants_path(api, keyed, keyed_other):
    """E6: the key of another client is 403."""
    for cid in (keyed_other.id, keyed_other.slug):
        refused(api.post(f"/api/v1/{cid}/login", token=keyed.key,
                         json={"email": "a@example.com", "password": "whatever 1"}),
                403, "tenant_mismatch")


def test_two_credentials_of_different_tenants(api, anna, world, other):
    """api.md §2.4: the same rule as hint against credential; the token decides over no cookie."""
    session = world.sign_in(other.owner)
    answer = api.get("/tenants/info", token=anna.token, cookie=session)
    refused(answer, 403, "tenant_mismatch")


def test_token_and_key_of_different_tenants(api, anna, keyed):
    refused(api.get("/users/me", token=anna.token, headers={"X-Access-Key": keyed.key}), 403,
            "tenant_mismatch")


# -- order of checks ---------------------------------------------------------------------------


def test_order_of_checks(api, acme, other, anna):
    """api.md §10: each step is reached only when those before it are content."""
    body = {"content": b"<x/>", "headers": [("Content-Type", "text/xml")]}
    refused(api.post("/auth/nothing", tenant="a--b", **body), 404, "not_found")
    refused(api.delete("/auth/login", tenant="a--b"), 405, "method_not_allowed")
    refused(api.post("/auth/login", tenant="a--b", **body), 415, "unsupported_media_type")
    refused(api.post("/auth/login", tenant="a--b", host="nobody.localhost", json={}), 400,
            "invalid_tenant_hint")
    refused(api.post("/auth/login", tenant="acme", tenant_id=uuid.uuid4(),
                     host="other.localhost", json={}), 404, "tenant_not_found")
    refused(api.post("/auth/login", tenant="acme", host="other.localhost", json={}), 400,
            "tenant_conflict")
    refused(api.patch("/users/me", tenant="acme", token="bad", json=[]), 401, "invalid_token")
    refused(api.patch("/users/me", tenant="other", token=anna.token, json=[]), 403,
            "tenant_mismatch")
    refused(api.post("/auth/login", json=[]), 400, "tenant_not_identified")
    refused(api.get("/users/me"), 401)
    refused(api.put("/tenants/settings", token=anna.token, json=[]), 403)
    refused(api.patch("/users/me", token=anna.token, json=[]), 400)


# -- default tenant, fixed segments, explanation -----------------------------------------------


def test_default_tenant(start_instance, connect):
    """api.md §2.5, C24: only if nothing else, and only on loopback and public_url's host."""
    instance = start_instance({"tenants": {"default_tenant": "standard"}})
    api = connect(instance)
    world = World(api)
    standard, second = world.tenant(slug="standard"), world.tenant()
    user = world.user(second)
    assert slug_of(api.get(INFO)) == "standard"
    assert slug_of(api.get(INFO, host="localhost")) == "standard"
    assert slug_of(api.get(INFO, tenant=second.slug)) == second.slug
    assert slug_of(api.get(INFO, token=user.token)) == second.slug
    refused(api.get(INFO, headers={"Host": "unknown.example"}), 400, "tenant_not_identified")
    refused(api.get(INFO, tenant="nobody"), 404, "tenant_not_found")
    ok(api.post("/auth/login", json={"email": standard.owner.email,
                                     "password": standard.owner.password}))


def test_trusted_proxies_are_believed(start_instance, connect):
    """api.md §2.6: X-Forwarded-Host counts when the peer is a trusted proxy."""
    settings = merged({}, {"server": {"trusted_proxies": ["127.0.0.1"]}})
    instance = start_instance(settings)
    api = connect(instance)
    tenant = World(api).tenant()
    for host in (f"{tenant.slug}.localhost", f"{tenant.slug}.localhost:443"):
        assert slug_of(api.get(INFO, headers={"X-Forwarded-Host": host})) == tenant.slug


def test_fixed_segments_win(api, acme, keyed):
    """C21: /tenants/register is no tenant called register, /api/v1/clients/me no client."""
    refused(api.get("/tenants/register"), 405)
    assert ok(api.get("/api/v1/clients/me", token=keyed.key))["client_id"] == keyed.id


def test_resolve_explains(api, acme, other):
    """api.md §4: development shows what was seen and decided."""
    body = ok(api.get("/tenants/resolve", tenant="acme", host="acme.localhost"))
    assert len(body["hints"]) == 2
    assert body["decision"]
    conflict = ok(api.get("/tenants/resolve", tenant="acme", host="other.localhost"))
    assert "conflict" in str(conflict["decision"])
    assert "acme" in str(conflict["hints"]) and "other" in str(conflict["hints"])


def test_errors_carry_a_hint_in_development(api):
    """api.md §10: what was seen and what would have worked."""
    assert refused(api.get(INFO), 400)["hint"]
