"""Every route × every kind of credential × every tenant channel: nothing crosses the border.

TI-1, TI-2, TI-6, R004-08, G4. Generated from /openapi.json: a route that is in the table is in the
matrix; one that needs something the matrix does not know fails the test that counts them.
"""
import dataclasses
import datetime
import itertools
import os
import time
import uuid

import pytest

from support.check import ok
from support.instance import PLATFORM_KEY
from support.oauth import basic, client, token
from support.world import USER_PASSWORD, unique

#: Answers that may refuse a foreign, forged or missing credential.
REFUSALS = {400, 401, 403, 404, 405, 429}


@dataclasses.dataclass
class Side:
    """A tenant and one working credential of each kind."""
    tenant: object
    user: object
    client_tokens: dict  # of the tenant's OAuth client, for its owner

    def credentials(self):
        made = self.tenant.client
        return {
            "session": {"cookie": self.user.session},
            "bearer": {"token": self.user.token},
            "key": {"token": self.tenant.key},
            "key header": {"headers": {"X-Access-Key": self.tenant.key}},
            "client token": {"token": self.client_tokens["access_token"]},
            "client": {"headers": basic(made["client_id"], made["client_secret"])},
        }


#: What each kind of credential is to the route table.
ACCEPTED = {"session": "session", "bearer": "bearer", "key": "key", "key header": "key",
            "client token": "bearer", "client": "client"}
CREDENTIALS = {"session", "bearer", "key", "platform", "client"}


def make_side(world):
    tenant = world.key_tenant()
    world.sign_in(tenant.owner)
    tenant.client = client(world.api, tenant, scope="read write profile admin", grant_types=[
        "password", "refresh_token", "client_credentials"])
    tokens = ok(token(world.api, tenant.client, grant_type="password",
                      username=tenant.owner.email, password=tenant.owner.password))
    return Side(tenant, tenant.owner, tokens)


@pytest.fixture(scope="module")
def sides(service, world):
    """Two tenants on a plan whose budget the matrix does not use up."""
    made = make_side(world), make_side(world)
    for side in made:
        service.db.tenants.update_one({"slug": side.tenant.slug}, {"$set": {"plan": "enterprise"}})
    return made


@pytest.fixture(scope="module")
def domain(service, sides):
    """Verified domains of both tenants."""
    names = []
    for side in sides:
        name = f"{side.tenant.slug}.domain.example"
        service.db.tenant_domains.insert_one({
            "_id": uuid.uuid4(), "tenant_id": uuid.UUID(side.tenant.id), "domain": name,
            "verified_domain": name, "status": "verified", "challenge": "none",
            "created_at": datetime.datetime.now(datetime.timezone.utc)})
        names.append(name)
    return names


def channels(tenant, domain):
    """{name: (path prefix, options)}: all ways to name a tenant."""
    return {
        "slug": ("", {"tenant": tenant.slug}),
        "id": ("", {"tenant_id": tenant.id}),
        "subdomain": ("", {"host": f"{tenant.slug}.localhost"}),
        "domain": ("", {"host": domain}),
        "t": (f"/t/{tenant.slug}", {}),
        "tenants": (f"/tenants/{tenant.slug}", {}),
    }


def fill(row, tenant):
    path = row.path
    if path.startswith(("/oauth/client/", "/dashboard/admin/clients/")) and tenant.client:
        path = path.replace("{id}", tenant.client["client_id"])
    return path.replace("{cid}", tenant.id).replace("{client_id}", tenant.id) \
        .replace("{file}", "app.css").replace("{id}", str(uuid.uuid4()))


def body_for(row):
    """A body that would be accepted as far as form goes; what it asks for changes nothing."""
    if row.facts["body"] == "none":
        return {}
    if "client" in row.auth:
        return {"form": {"grant_type": "client_credentials", "token": "none"}}
    if row.facts["body"] == "form":
        return {"form": {}}
    if row.facts["body"] == "lines":
        return {"content": b"{}\n", "headers": {"Content-Type": "application/x-ndjson"}}
    if row.facts["body"] == "merge_patch":
        return {"json": {"custom_fields": {"crossed": True}}}
    return {"json": {"settings": {"refresh_grace": 7}, "current_password": "never the password",
                     "new_password": "crossed the border 1", "refresh_token": "none"}}


def call(api, row, path, **options):
    return api.request(row.method, path, **combined(body_for(row), options))


def combined(options, credential):
    """Options of a channel and of a credential in one call."""
    merged = dict(options)
    for name, value in credential.items():
        merged[name] = {**merged.get(name, {}), **value} if isinstance(value, dict) else value
    return merged


def guarded(contract):
    """Rows that need a credential, or use one where it is sent."""
    return [row for row in contract.rows if row.auth & CREDENTIALS
            and row.auth & {*CREDENTIALS, "public"} != {"platform", "public"}  # a tenant's credential is none there
            and "internal" not in row.flags]


def needs_credential(row):
    return not row.auth & {"public", "optional", "body"}


def test_no_credential_opens_nothing(api, contract, sides, domain):
    """Each guarded route, on each channel: 401."""
    tenant = sides[0].tenant
    for row in guarded(contract):
        if not needs_credential(row):
            continue
        for name, (prefix, options) in channels(tenant, domain[0]).items():
            if prefix and row.path.startswith("/api/v1"):
                continue
            answer = call(api, row, prefix + fill(row, tenant), **options)
            assert answer.status_code == 401, f"{row} by {name}: {answer.status_code} {answer.text}"


LONG = bool(os.environ.get("TENANTD_LONG"))
GARBAGE = ["garbage", "ak_", "ak_" + "0" * 32 + "_" + "A" * 86, "pk_0_0", "pk_" + "A" * 60,
           "a.b.c", "..", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.", "A" * 4000, "null", "undefined",
           "00000000-0000-0000-0000-000000000000." + "A" * 100]


def test_garbage_opens_nothing(api, contract, sides):
    tenant = sides[0].tenant
    for row in guarded(contract):
        if not needs_credential(row):
            continue  # there, what does not prove anything is no credential
        for text in GARBAGE:
            answer = call(api, row, fill(row, tenant), tenant=tenant.slug, token=text)
            assert answer.status_code in (400, 401), \
                f"{row} with {text[:20]!r}: {answer.status_code} {answer.text}"


def test_credentials_of_another_tenant_open_nothing(api, contract, sides, domain, service):
    """Every route × credentials of one × channels of the other: never a success, never a 500, and
    nothing changes. Half of them from A to B, half from B to A; with TENANTD_LONG all both ways."""
    tried = 0
    for way, (mine, theirs, domain_name) in enumerate(((sides[0], sides[1], domain[1]),
                                                       (sides[1], sides[0], domain[0]))):
        before = snapshot(service, theirs)
        for at, row in enumerate(guarded(contract)):
            for kind, credential in mine.credentials().items():
                for number, (name, (prefix, options)) in enumerate(
                        channels(theirs.tenant, domain_name).items()):
                    if not LONG and (at + number) % 2 != way:
                        continue
                    path = prefix + fill(row, theirs.tenant)
                    answer = call(api, row, path, **combined(options, credential))
                    tried += 1
                    where = f"{row} with {kind} by {name}: {answer.status_code} {answer.text[:300]}"
                    check_refused(row, kind, answer, where)
        assert snapshot(service, theirs) == before
    assert tried > 500


def check_refused(row, kind, answer, where):
    if "page" in row.flags:  # another tenant's session counts as absent on pages (api.md §11)
        assert answer.status_code in {200, 303} | REFUSALS, where
        return
    if kind == "client" and not needs_credential(row):
        return  # what proves nothing there is no credential
    assert answer.status_code in REFUSALS, where
    if ACCEPTED[kind] in row.auth and needs_credential(row) and answer.status_code != 404:
        assert answer.status_code in (401, 403), where
    if "client" in row.auth:
        assert answer.json()["error"] == "invalid_client", where


def snapshot(service, side):
    """What the routes could change at a tenant."""
    tenant_id = uuid.UUID(side.tenant.id)
    return (list(service.db[side.tenant.collection].find().sort("_id")),
            service.db.tenants.find_one({"_id": tenant_id}),
            list(service.db.access_keys.find({"tenant_id": tenant_id}).sort("_id")),
            list(service.db.oauth_clients.find({"tenant_id": tenant_id}).sort("_id")),
            service.db.sessions.count_documents({"tenant_id": tenant_id}),
            service.db.tokens.count_documents({"tenant_id": tenant_id, "state": "active"}))


def resolves_hints(row):
    """Rows on which tenant hints count, in all channels: what names its tenant by {cid} has a hint more."""
    return row.facts["tenant"] != "ignored" and "internal" not in row.flags


#: Each route meets this many pairs of channels in ./dev test; with TENANTD_LONG (./dev soak) all.
PAIRS = None if os.environ.get("TENANTD_LONG") else 2


def crossed(names, count):
    """Ordered pairs of different channels that can be sent together; count: how many at a time, so
    that calls in a row go through all of them."""
    pairs = [pair for pair in itertools.permutations(names, 2) if set(pair) != {"t", "tenants"}
             and not set(pair) <= {"subdomain", "domain"}]
    endless = itertools.cycle(pairs)
    while True:
        yield list(itertools.islice(endless, count or len(pairs)))


def is_another(contract, row, path):
    """/tenants/{slug}/X is /tenants/X where there is such a path, for any method."""
    found = [contract.find(method, path) for method in ("GET", "POST", "PUT", "PATCH", "DELETE")]
    return any(one is not None and one.path != row.path for one in found)


def together(one, two):
    """The options of two channels, and the prefix of the one that has one."""
    return one[0] or two[0], {**one[1], **two[1]}


def test_hints_that_disagree_are_a_conflict_whatever_proves_who_asks(api, contract, sides, domain):
    """E7, TI-1: every route that knows tenants × every kind of credential × pairs of all channels:
    400 tenant_conflict before any credential counts."""
    mine, theirs = (channels(side.tenant, name) for side, name in zip(sides, domain))
    pairs = crossed(list(mine), PAIRS)
    credentials = {"none": {}, "garbage": {"token": "garbage"}, "platform": {"token": PLATFORM_KEY},
                   **sides[0].credentials()}
    seen, tried = set(), 0
    for row in filter(resolves_hints, contract.rows):
        for kind, credential in credentials.items():
            for one, two in next(pairs):
                prefix, options = together(mine[one], theirs[two])
                path = prefix + fill(row, sides[0].tenant)
                if is_another(contract, row, path):
                    continue
                answer = call(api, row, path, **combined(options, credential))
                where = f"{row} with {kind} by {one} and {two}: {answer.status_code} {answer.text[:200]}"
                assert answer.status_code == 400, where
                if "html" not in answer.headers["content-type"]:
                    assert answer.json()["error"] == "tenant_conflict", where
                seen.add((one, two))
                tried += 1
    assert tried > 500 and len(seen) == 26, (tried, len(seen))


def test_hints_that_agree_are_one_hint(api, contract, sides, domain):
    """E7: every reading route × its credentials × every two channels that name the same tenant: as
    with one of them alone."""
    side = sides[0]
    mine = channels(side.tenant, domain[0])
    pairs = crossed(list(mine), PAIRS)
    for row in guarded(contract):
        if row.method != "GET" or not resolves_hints(row):
            continue
        path = fill(row, side.tenant)
        for kind, credential in side.credentials().items():
            alone = call(api, row, path, **combined(mine["slug"][1], credential))
            for one, two in next(pairs):
                prefix, options = together(mine[one], mine[two])
                if is_another(contract, row, prefix + path):
                    continue
                answer = call(api, row, prefix + path, **combined(options, credential))
                assert answer.status_code == alone.status_code, \
                    f"{row} with {kind} by {one} and {two}: {answer.status_code}, " \
                    f"alone {alone.status_code} {answer.text[:200]}"


def test_the_platform_key_opens_no_tenant(api, contract, sides, domain, service):
    """C19: the key that manages all tenants is no credential within any of them."""
    tenant = sides[1].tenant
    before = snapshot(service, sides[1])
    for row in guarded(contract):
        if "platform" in row.auth:
            continue
        for name, (prefix, options) in channels(tenant, domain[1]).items():
            answer = call(api, row, prefix + fill(row, tenant), token=PLATFORM_KEY, **options)
            where = f"{row} by {name}: {answer.status_code} {answer.text[:200]}"
            if needs_credential(row):
                assert answer.status_code in (401, 403, 404), where
                continue
            anonymous = call(api, row, prefix + fill(row, tenant), **options)
            assert answer.status_code in (anonymous.status_code, 401, 403), where
    assert snapshot(service, sides[1]) == before


def test_no_tenants_credential_opens_the_platform(api, contract, sides):
    """C19: owner's token, session, access key: none is a platform key, named or not."""
    rows = [row for row in contract.rows
            if "platform" in row.auth and not row.auth & {"public", "session", "bearer", "key"}]
    assert len(rows) > 5
    for row in rows:
        for kind, credential in sides[0].credentials().items():
            for options in ({}, {"tenant": sides[0].tenant.slug}):
                answer = call(api, row, fill(row, sides[0].tenant), **combined(options, credential))
                assert answer.status_code in (401, 403), f"{row} with {kind}: {answer.status_code}"


def test_the_paths_own_tenant_decides(api, contract, sides):
    """/api/v1/{cid}/*: A's credentials at B's path without any other hint."""
    mine, theirs = sides
    rows = [row for row in guarded(contract) if "{cid}" in row.path]
    assert rows
    for row in rows:
        for cid in (theirs.tenant.id, theirs.tenant.slug):
            for kind, credential in mine.credentials().items():
                path = row.path.replace("{cid}", cid)
                answer = call(api, row, path, **credential)
                assert answer.status_code in (401, 403), f"{row} with {kind}: {answer.status_code}"


#: Pages of the console: without a session each answers 303 to the login page (tests/browser).
CONSOLE = {f"{method} /dashboard/admin{path}" for method, path in (
    ("GET", ""), ("GET", "/users"), ("POST", "/users"), ("GET", "/users/new"), ("GET", "/users/{id}"),
    ("POST", "/users/{id}"), ("POST", "/users/{id}/role"), ("POST", "/users/{id}/active"),
    ("POST", "/users/{id}/sign-out"), ("POST", "/users/{id}/delete"), ("GET", "/fields"),
    ("POST", "/fields"), ("GET", "/settings"), ("POST", "/settings"), ("GET", "/keys"), ("POST", "/keys"), ("POST", "/keys/{id}/rotate"),
    ("POST", "/keys/{id}/delete"), ("GET", "/clients"), ("GET", "/clients/new"), ("POST", "/clients"),
    ("GET", "/clients/{id}"), ("POST", "/clients/{id}"), ("POST", "/clients/{id}/rotate"),
    ("POST", "/clients/{id}/delete"), ("GET", "/audit"))}


def test_every_route_of_the_table_is_guarded_or_known_as_public(contract):
    """TI-3: a new public route must be named here, so that nobody opens one by accident."""
    public = {row.name for row in contract.rows if not needs_credential(row) or
              not row.auth & {*CREDENTIALS, "body"}}
    known = {
        "GET /", "GET /health", "GET /ready", "GET /metrics", "GET /openapi.json", "GET /api/ping",
        "GET /api/status", "GET /.well-known/jwks.json", "GET /oauth/jwks",
        "GET /.well-known/openid-configuration", "GET /.well-known/oauth-authorization-server",
        "GET /.well-known/oauth-authorization-server/t/{cid}",
        "POST /tenants/register", "GET /tenants/info", "POST /tenants/info", "GET /tenants/list",
        "GET /tenants/resolve", "POST /api/register", "POST /oauth/register", "POST /auth/register",
        "POST /api/login", "POST /oauth/login", "POST /auth/login", "POST /auth/refresh",
        "POST /auth/logout", "POST /api/v1/clients/register", "GET /login", "POST /login",
        "GET /oauth/authorize", "POST /oauth/authorize",
        "GET /oauth/end-session", "POST /oauth/end-session",
        "GET /register", "POST /register", "POST /logout", "GET /dashboard",
        "POST /dashboard/profile", "POST /dashboard/password", "POST /dashboard/close",
        "POST /dashboard/sessions/end", "POST /dashboard/consents/end",
        "POST /dashboard/sessions/end-others", *CONSOLE,
        "GET /docs", "GET /docs/{client_id}", "GET /playground",
        "GET /static/{file}", "GET /favicon.ico",
    }
    assert public <= known, public - known


def test_expired_tokens_open_nothing(api, contract, world, service):
    """An expired token of the right tenant is 401 on every route that takes tokens."""
    tenant = world.key_tenant()
    service.db.tenants.update_one({"slug": tenant.slug}, {"$set": {"plan": "enterprise"}})
    ok(api.put("/tenants/settings", token=tenant.owner.token,
               json={"settings": {"access_token_ttl": 1}}))
    expired = world.login(tenant.owner)["access_token"]
    time.sleep(1.1)
    for row in guarded(contract):
        if "bearer" in row.auth and needs_credential(row):
            answer = call(api, row, fill(row, tenant), token=expired, tenant=tenant.slug)
            assert answer.status_code == 401, f"{row}: {answer.status_code} {answer.text}"


def test_a_plain_user_reaches_only_what_users_may(api, contract, world, sides):
    """R004-14, R001-19: routes with a role refuse a user of the same tenant."""
    user = world.user(sides[0].tenant)
    session = world.sign_in(user)
    for row in guarded(contract):
        if row.facts["role"] not in ("admin", "owner"):
            continue
        for credential in ({"token": user.token}, {"cookie": session}):
            if "cookie" in credential and "session" not in row.auth:
                continue
            answer = call(api, row, fill(row, sides[0].tenant), tenant=sides[0].tenant.slug,
                          **credential)
            assert answer.status_code == 403, f"{row}: {answer.status_code} {answer.text}"
            assert answer.json()["error"] in ("insufficient_scope", "insufficient_role")


def test_wrong_kinds_of_credential_open_nothing(api, contract, sides):
    """A good credential of the right tenant, of a kind that the route does not take."""
    side = sides[0]
    for row in guarded(contract):
        if not needs_credential(row):
            continue
        for kind, accepted in ACCEPTED.items():
            if accepted in row.auth:
                continue
            answer = call(api, row, fill(row, side.tenant), tenant=side.tenant.slug,
                          **side.credentials()[kind])
            assert answer.status_code in (401, 403), f"{row} with {kind}: {answer.status_code}"


def test_bodies_cannot_name_another_tenant(api, contract, sides, service):
    """TI-11: tenant ids in bodies and queries are members like any other: ignored or refused."""
    mine, theirs = sides
    made = client(api, mine.tenant, grant_types=["client_credentials"])  # to be changed
    tenant = dataclasses.replace(mine.tenant, client=made)
    for row in guarded(contract):
        if row.facts["body"] not in ("json", "merge_patch") or "{cid}" in row.path:
            continue
        before = snapshot(service, theirs)
        api.request(row.method, fill(row, tenant) + f"?tenant_id={theirs.tenant.id}",
                    token=mine.user.token if "bearer" in row.auth else mine.tenant.key,
                    json={"tenant_id": theirs.tenant.id, "client_id": theirs.tenant.id,
                          "tenant_slug": theirs.tenant.slug})
        assert snapshot(service, theirs) == before, row
    api.delete(f"/oauth/client/{made['client_id']}", token=mine.user.token)


def test_tokens_of_clients_open_no_route_for_people(api, contract, sides):
    """api.md §11: what changes or shows a person's credentials is not for an OAuth client's token,
    whatever its scope is and whoever it stands for."""
    side = sides[0]
    machine = ok(token(api, side.tenant.client, grant_type="client_credentials"))["access_token"]
    tried = 0
    for row in guarded(contract):
        if "no_clients" not in row.auth or "bearer" not in row.auth:
            continue
        for text in (side.client_tokens["access_token"], machine):
            answer = call(api, row, fill(row, side.tenant), token=text)
            assert answer.status_code == 403, f"{row}: {answer.status_code} {answer.text}"
            tried += 1
    assert tried > 20
    for row in guarded(contract):
        if "bearer" in row.auth and needs_credential(row) \
                and row.facts["role"] in ("user", "admin", "owner"):
            answer = call(api, row, fill(row, side.tenant), token=machine)
            assert answer.status_code == 403, f"{row} by a machine: {answer.status_code}"


def as_client(side, way):
    """Options that prove the side's client by the header, or by the body."""
    made = side.tenant.client
    if way == "basic":
        return {"headers": basic(made["client_id"], made["client_secret"])}, {}
    return {}, {"client_id": made["client_id"], "client_secret": made["client_secret"]}


def test_clients_of_another_tenant_are_unknown(api, contract, sides, domain, service):
    """E7, OA-9: every route for clients × Basic and body × every channel of the other tenant: 401
    invalid_client in the words of a client that nobody registered; without the channel it is good."""
    rows = [row for row in contract.rows if "client" in row.auth]
    assert len(rows) >= 3
    fields = {"grant_type": "client_credentials", "token": "none"}
    for mine, theirs, name in ((sides[0], sides[1], domain[1]), (sides[1], sides[0], domain[0])):
        before = snapshot(service, theirs)
        for row, way in itertools.product(rows, ("basic", "body")):
            options, proof = as_client(mine, way)
            unknown = api.post(row.path, headers=basic("nobody", "none"), form=fields).json()
            assert api.post(row.path, form=fields | proof, **options).status_code == 200, row
            for prefix, channel in channels(theirs.tenant, name).values():
                answer = api.post(prefix + row.path, form=fields | proof, **channel, **options)
                where = f"{row} {way}: {answer.status_code} {answer.text}"
                assert answer.status_code == 401, where
                assert answer.json()["error"] == "invalid_client", where
                assert answer.json()["error_description"] == unknown["error_description"], where
        assert snapshot(service, theirs) == before


def test_clients_see_and_end_nothing_of_another_tenant(api, sides):
    """OA-13, RFC 7009 §2.1: tokens of another tenant are unknown; administrators find no client of
    another tenant by its id."""
    for mine, theirs in (sides, sides[::-1]):
        for text in (*(theirs.client_tokens[name] for name in ("access_token", "refresh_token")),
                     theirs.user.token, theirs.user.refresh_token):
            for way in ("basic", "body"):
                options, proof = as_client(mine, way)
                shown = ok(api.post("/oauth/introspect", form=proof | {"token": text}, **options))
                assert shown == {"active": False}
                ended = api.post("/oauth/revoke", form=proof | {"token": text}, **options)
                assert (ended.status_code, ended.text) == (200, "{}")
        ok(api.get("/api/protected", token=theirs.client_tokens["access_token"]))
        ok(api.get("/users/me", token=theirs.user.token))
        path = f"/oauth/client/{theirs.tenant.client['client_id']}"
        for method, where, body in (("GET", "", {}), ("DELETE", "", {}),
                                    ("PUT", "", {"json": {"client_name": "Taken"}}),
                                    ("POST", "/rotate-secret", {"json": {}})):
            answer = api.request(method, path + where, token=mine.user.token, **body)
            assert answer.status_code == 404, f"{method} {answer.text}"
        ids = {entry["client_id"] for entry in
               ok(api.get("/oauth/client/list", token=mine.user.token))["clients"]}
        assert ids == {mine.tenant.client["client_id"]}
        ok(token(api, theirs.tenant.client, grant_type="client_credentials"))


def test_the_same_address_in_two_tenants_stays_two_users(api, world, sides):
    """R000-05: nothing of one is seen through the other."""
    email = f"{unique('both')}@example.com"
    one = world.user(sides[0].tenant, email=email, custom_fields={"side": 1})
    two = world.user(sides[1].tenant, email=email, custom_fields={"side": 2},
                     password=USER_PASSWORD + "x")
    assert one.id != two.id
    assert ok(api.get("/users/me", token=one.token))["custom_fields"] == {"side": 1}
    assert ok(api.get("/users/me", token=two.token))["custom_fields"] == {"side": 2}
    ids = {user["id"] for user in ok(api.get(f"/api/v1/{sides[0].tenant.id}/users",
                                             token=sides[0].tenant.key))["users"]}
    assert one.id in ids and two.id not in ids
