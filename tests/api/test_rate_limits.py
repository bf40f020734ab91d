"""Limits per address, tenant and key: 429 with Retry-After, RateLimit-* on the way (RL-2, RL-3).

Instances of their own, in which the limits are small and nothing multiplies them.
"""
import datetime
import time
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from support.api import Api
from support.check import ok, refused, until
from support.oauth import ask, client, token
from support.world import USER_PASSWORD, World, unique

SMALL = {"password": {"scheme": "argon2id"}, "limits": {"development_factor": 1}}


@pytest.fixture
def small(start_instance, connect):
    def start(limits=None, plans=None):
        settings = dict(SMALL)
        settings["limits"] = SMALL["limits"] | (limits or {})
        if plans:
            settings["plans"] = plans
        api = connect(start_instance(settings))
        return api, World(api)
    return start


def spend(request, allowed, each, since=None):
    """allowed answers that are no 429, and what comes back meanwhile, one in each so many seconds;
    then one that is. Returns the 429."""
    began, passed = since or time.monotonic(), 0
    while (answer := request()).status_code != 429:
        passed += 1
        assert passed <= allowed + (time.monotonic() - began) / each, f"{passed} passed"
    assert passed >= allowed, f"request {passed + 1} of {allowed} was refused"
    refused(answer, 429, "rate_limited")
    assert int(answer.headers["retry-after"]) >= 1
    return answer


def test_sign_ins_from_one_address(small):
    """api.md §1: one budget over all login paths, good and bad ones alike."""
    api, world = small({"sign_ins_per_minute": 6})
    tenant = world.tenant()
    paths = [("/api/login", "username"), ("/auth/login", "email"), ("/oauth/login", "username")]
    turn = iter(range(100))

    def request():
        path, member = paths[next(turn) % 3]
        return api.post(path, tenant=tenant.slug, json={
            member: f"{unique('nobody')}@example.com", "password": "wrong password"})

    spend(request, 6, 10)
    ok(api.get("/tenants/info", tenant=tenant.slug))


def test_tokens_for_clients(small):
    """R004-56: passwords shown to /oauth/token are sign-ins of the address, and every request there
    is one of the client's tenant; a machine elsewhere is not concerned."""
    api, world = small({"sign_ins_per_minute": 5, "client_percent": 100},
                       plans={"free": {"requests_per_minute": 12}})
    busy, calm = world.tenant(plan="free"), world.tenant()
    machines, began = [], time.monotonic()
    for tenant in (busy, calm):
        world.login(tenant.owner)
        machines.append(client(api, tenant, grant_types=["password", "client_credentials"]))
    spend(lambda: token(api, machines[1], grant_type="password", username=unique("nobody"),
                        password="wrong password"), 3, 12, began)
    ok(token(api, machines[1], grant_type="client_credentials"))
    for least in (8, 0):
        spend(lambda: token(api, machines[0], grant_type="client_credentials"), least, 5, began - 20)
    ok(token(api, machines[1], grant_type="client_credentials"))


def test_a_clients_flood_leaves_the_others_served(small):
    """R004-56: a client has half of its tenant's requests a minute; what is refused beyond that is
    not taken from the tenant, whether the path names it or the client does."""
    api, world = small(plans={"free": {"requests_per_minute": 40}})
    for prefix in ("", "/t/{slug}"):
        tenant = world.tenant(plan="free")
        world.login(tenant.owner)
        noisy, calm = (client(api, tenant, grant_types=["client_credentials"]) for _ in range(2))
        path = prefix.format(slug=tenant.slug) + "/oauth/token"

        def request(made, path=path):
            return ask(api, path, made, grant_type="client_credentials").status_code

        began = time.monotonic()
        answers = [request(noisy) for _ in range(120)]
        back = (time.monotonic() - began) / 3  # while it lasts
        assert answers[0] == 200 and set(answers) == {200, 429}
        assert 20 <= answers.count(200) <= 21 + back, answers
        assert [request(calm) for _ in range(8)] == [200] * 8
        ok(api.get("/tenants/info", tenant=tenant.slug))
        until(lambda: request(noisy) == 429, pause=0)


def test_registrations_from_one_address(small):
    """R000-17: 30 an hour, here 4, over all entries."""
    api, world = small({"registrations_per_hour": 4})
    tenant = world.tenant()
    paths = ["/api/register", "/oauth/register"]
    turn = iter(range(100))

    def request():
        name = unique("r")
        return api.post(paths[next(turn) % 2], tenant=tenant.slug, json={
            "username": name, "email": f"{name}@example.com", "password": USER_PASSWORD})

    answer = spend(request, 4, 900)
    assert int(answer.headers["retry-after"]) <= 3600


def test_tenants_from_one_address(small):
    """api.md §10: 5 a day from one address, counted over both ways."""
    api, _ = small({"tenants_per_day": 2})
    turn = iter(range(100))

    def request():
        if next(turn) % 2:
            return api.post("/api/v1/clients/register",
                            json={"client_name": unique("c"), "industry": "x"})
        slug = unique("t")
        return api.post("/tenants/register", json={
            "tenant_name": "T", "tenant_slug": slug, "admin_username": "admin",
            "admin_email": f"a@{slug}.example", "admin_password": USER_PASSWORD})

    spend(request, 2, 43200)


def test_the_platforms_hourly_budget(small):
    api, _ = small({"tenants_per_hour": 1, "tenants_per_day": 100})
    spend(lambda: api.post("/api/v1/clients/register",
                           json={"client_name": unique("c"), "industry": "x"}), 1, 3600)


def test_everything_from_one_address(small):
    """The widest budget holds before anything is looked up; health stays out of it."""
    api, _ = small({"requests_per_minute": 40})
    until(lambda: api.get("/api/ping").status_code == 429, 5, 0)
    for _ in range(50):
        ok(api.get("/health"))


def test_a_key_has_its_plans_budget(small):
    """R003-22, E6, api.md §11: counted against the key, with RateLimit-* headers, and not against
    the per-address limits."""
    api, world = small({"sign_ins_per_minute": 3},
                       {"free": {"users": 10, "requests_per_minute": 12, "access_keys": 5,
                                 "audit_days": 30}})
    tenant = world.key_tenant(with_owner=False)
    remaining = []

    def request():
        answer = api.post(f"/api/v1/{tenant.id}/login", token=tenant.key, json={
            "email": f"{unique('n')}@example.com", "password": "wrong password"})
        if answer.status_code != 429:
            remaining.append(int(answer.headers["ratelimit-remaining"]))
            assert answer.headers["ratelimit-limit"] == "12"
            assert int(answer.headers["ratelimit-reset"]) >= 0
        return answer

    began = time.monotonic()
    answer = spend(request, 12, 5)
    assert remaining[-1] == 0
    assert remaining == sorted(remaining, reverse=True) or time.monotonic() - began > 5
    assert answer.headers["ratelimit-remaining"] == "0"


def test_unknown_tenants_from_one_address(small):
    """api.md §10: 404 comes before the limits by address, and costs a read: an address has a budget
    of those, and known tenants stay known to it."""
    api, world = small({"unknown_tenants_per_minute": 20})
    tenant = world.tenant()
    ways = [lambda: {"tenant": unique("ghost")}, lambda: {"tenant_id": uuid.uuid4()},
            lambda: {"host": unique("ghost") + ".localhost"}]
    ok(api.get("/tenants/info", tenant=tenant.slug))
    turn = iter(range(1000))

    def ask(way=None):
        answer = api.get("/tenants/info", **(way or ways[next(turn) % 3])())
        refused(answer, (404, 429)[answer.status_code == 429], ("tenant_not_found", "rate_limited"))
        return answer

    spend(ask, 20, 3)
    for way in ways:
        answer, _ = until(lambda way=way: (answer := ask(way)).status_code == 429 and answer)
        assert 1 <= int(answer.headers["retry-after"]) <= 60

    def cheap():
        _, before = counters(api.instance)
        answers = [ask().status_code for _ in range(100)]
        return counters(api.instance)[1] - before < 100 and answers.count(429) >= 95

    until(cheap)  # one comes back every three seconds, and the service has calls of its own
    ok(api.get("/tenants/info", tenant=tenant.slug))
    ok(api.get("/api/ping"))


def test_unknown_origins_from_one_address(small):
    """HT-13: where nothing names the tenant an origin is looked up among all, and so many of those
    that nobody knows are read for one address; origins that are known stay known to it."""
    api, world = small({"unknown_tenants_per_minute": 20})
    tenant, mine = world.key_tenant(), "https://app.example.com"
    ok(api.put("/tenants/settings", token=tenant.owner.token,
               json={"settings": {"allowed_origins": [mine]}}))

    def allowed(origin):
        return api.request("OPTIONS", "/users/me", headers={
            "Origin": origin, "Access-Control-Request-Method": "GET"}) \
            .headers.get("access-control-allow-origin")

    assert allowed(mine) == mine

    def cheap():
        _, before = counters(api.instance)
        assert {allowed(f"https://{unique('x')}.example") for _ in range(150)} == {None}
        return counters(api.instance)[1] - before < 100

    until(cheap)
    assert allowed(mine) == mine


def test_one_tenants_budget_is_not_anothers(small):
    """TI-12: a tenant that is over its budget does not hurt its neighbour."""
    api, world = small(None, {"free": {"users": 10, "requests_per_minute": 15, "access_keys": 5,
                                       "audit_days": 30}})
    loud, quiet = world.tenant(plan="free"), world.tenant(plan="free")
    until(lambda: api.get("/tenants/info", tenant=loud.slug).status_code == 429, 5, 0)
    for _ in range(5):
        ok(api.get("/tenants/info", tenant=quiet.slug))


PLAN = {"free": {"users": 10, "requests_per_minute": 64, "access_keys": 5, "audit_days": 30}}


def burst(apis, slug):
    """Requests in turn until none of them lets one pass; how many passed, and within what time."""
    passed, start, refused_in_turn = 0, time.monotonic(), 0
    for number in range(400):
        answer = apis[number % len(apis)].get("/tenants/info", tenant=slug)
        if answer.status_code == 429:
            assert answer.headers["ratelimit-remaining"] == "0"
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            refused_in_turn += 1
        else:
            assert answer.headers["ratelimit-limit"] == "64"
            passed, refused_in_turn = passed + 1, 0
        if refused_in_turn == 2 * len(apis):
            break
    return passed, time.monotonic() - start


def test_instances_share_a_budget(start_instance, connect):
    """RL-1: the same limit over two instances and a restart, within a quarter (ADR 0016)."""
    settings = SMALL | {"plans": PLAN}
    first = start_instance(settings)
    second = start_instance(settings, database=first.database_name)
    apis = [connect(first), connect(second)]
    world = World(apis[0])
    slugs = [world.tenant(plan="free").slug for _ in range(2)]
    passed, took = burst(apis, slugs[0])
    assert 64 - 8 <= passed <= 64 + 16 + took * 64 / 60 + 1, passed
    # One instance uses it up, then the other starts anew: what it has is a quarter.
    began = time.monotonic()
    passed, took = burst(apis[:1], slugs[1])
    assert 64 <= passed <= 64 + took * 64 / 60 + 1, passed
    assert second.stop() == []
    second.start()
    passed, _ = burst(apis[1:], slugs[1])
    assert passed <= 16 + (time.monotonic() - began) * 64 / 60 + 1, passed


def counters(instance):
    """What costs: calls of the database and evaluated passwords, so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{instance.metrics_port}/metrics") as answer:
        text = answer.read().decode()
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, value in found.items()
            if name.startswith(("tenantd_login", "tenantd_hash", "tenantd_lockout"))}, \
        int(found["tenantd_db_calls_total"])


def test_a_refused_request_costs_nothing(small):
    """RL-6: the limit is taken before the hash and before the database is asked."""
    api, world = small({"sign_ins_per_minute": 3})
    tenant = world.tenant()
    login = {"username": unique("nobody"), "password": "wrong password"}

    def send():
        return api.post("/api/login", tenant=tenant.slug, json=login)

    spend(send, 3, 20)

    def free():
        """Whether none of a hundred passed, and they cost less than a call each: the service has
        heartbeats of its own."""
        attempts = list(api.instance.db.login_attempts.find())
        before, calls_before = counters(api.instance)
        answers = [send() for _ in range(100)]
        if any(answer.status_code != 429 for answer in answers):
            return False  # one comes back in 20 s
        assert {answer.json()["error"] for answer in answers} == {"rate_limited"}
        after, calls_after = counters(api.instance)
        assert before and after == before
        assert list(api.instance.db.login_attempts.find()) == attempts
        return calls_after - calls_before < 100

    until(free)


def test_development_multiplies_only_the_addresses_limits(start_instance, connect):
    """api.md §1: by 100 in development; the lock of an account stays."""
    api = connect(start_instance({"password": {"scheme": "argon2id"},
                                  "limits": {"sign_ins_per_minute": 1}}))
    world = World(api)
    tenant = world.tenant()
    user = world.named_user(tenant)
    for _ in range(10):
        refused(api.post("/api/login", tenant=tenant.slug, json={
            "username": user.username, "password": "wrong password"}), 401)
    refused(api.post("/api/login", tenant=tenant.slug, json={
        "username": user.username, "password": USER_PASSWORD}), 429, "too_many_attempts")


def test_a_full_hash_queue_is_503_and_everything_else_fast(start_instance, connect):
    """PW-11: a flood of logins waits or is refused; what needs no hash is not slowed down."""
    instance = start_instance({"password": {"scheme": "bcrypt", "queue": 1, "threads": 1,
                                            "cost": 12}})
    api = connect(instance)
    tenant = World(api).tenant()

    def login(_):
        with closing(Api(instance, api.contract)) as client:
            return client.post("/api/login", tenant=tenant.slug, json={
                "username": unique("n"), "password": "wrong password"})

    def flood():
        """The answers to logins at once, and how many others were answered while one had none."""
        with ThreadPoolExecutor(8) as pool:
            logins, served = [pool.submit(login, number) for number in range(8)], 0
            while not all(login.done() for login in logins):
                ok(api.get("/tenants/info", tenant=tenant.slug))
                served += 1
        return [login.result() for login in logins], served

    def decided():
        """None where the machine was too slow to bring them together."""
        answers, served = flood()
        assert {answer.status_code for answer in answers} <= {401, 503}
        return served > 8 and [answer for answer in answers if answer.status_code == 503]

    busy, _ = until(decided, 20)
    assert all(answer.json()["error"] == "busy" for answer in busy)
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in busy)


def test_tries_that_were_never_looked_at_do_not_lock(start_instance, connect):
    """RL-2, PW-11: while the hash queue is full logins are 503; those must not lock anybody out."""
    instance = start_instance({"password": {"scheme": "bcrypt", "threads": 1, "queue": 1,
                                            "cost": 12}})
    api = connect(instance)
    world = World(api)
    tenant = world.tenant()

    def guess(user):
        with closing(Api(instance)) as own:
            return own.post("/api/login", tenant=tenant.slug, json={
                "username": user.username, "password": "wrong password"}).status_code

    def flood():
        """Somebody new and what their guessers were told; None where the queue kept up with them."""
        user = world.named_user(tenant)
        instance.db.login_attempts.delete_many({})
        with ThreadPoolExecutor(24) as pool:
            found = list(pool.map(guess, [user] * 24))
        assert set(found) <= {401, 429, 503}, found
        return 503 in found and found.count(401) < 10 and (user, found)

    (user, found), _ = until(flood, 20)
    (attempts,) = instance.db.login_attempts.find()
    assert attempts["tries"] == found.count(401)
    ok(api.post("/api/login", tenant=tenant.slug, json={
        "username": user.username, "password": user.password}))


def test_one_login_wipes_once_whatever_the_clocks(api, world, acme):
    """RL-2, OP-14: a last login in the future (a clock that was ahead) gives no endless guesses."""
    user = world.named_user(acme)
    users = api.instance.db[acme.collection]
    users.update_one({"username": user.username.lower()}, {"$set": {
        "strange_login_at": datetime.datetime.now(datetime.timezone.utc)
        + datetime.timedelta(minutes=5)}})
    found = [api.post("/api/login", tenant="acme", json={
        "username": user.username, "password": "wrong password"}).status_code for _ in range(12)]
    assert found == [401] * 10 + [429] * 2
