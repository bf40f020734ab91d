"""MongoDB slow, frozen, gone, failing: refused honestly and in time, whole again by itself.

OP-9, OP-10, issue 3 "Bad input": 503 within 2 s, back by itself, nobody logged out; no token
without its audit row. A mongod of our own, so that only these tests suffer.
"""
import json
import threading
import time
import uuid

import pytest
from bson.int64 import Int64

from support.api import Api
from support.check import in_time, ok, refused, until
from support.instance import SHIPPED_LIMITS, Instance, merged
from support.ports import free_port
from support.team import Team, make_due, nothing_left
from support.user_search import SCHEMA, fill, random_users
from support.world import USER_PASSWORD, World, key_of, unique

FAST = {"password": {"scheme": "argon2id"}} | SHIPPED_LIMITS


@pytest.fixture(scope="module")
def faulty(instances, connect, own_mongo):
    """An instance on the mongod that these tests break; a tenant with a user."""
    instance = instances(FAST, server=own_mongo)
    api = connect(instance)
    world = World(api)
    tenant = world.key_tenant(with_owner=False)
    instance.db.tenants.update_one({"slug": tenant.slug}, {"$set": {"plan": "enterprise"}})
    return instance, api, world, tenant


def timed(request):
    start = time.monotonic()
    answer = request()
    return answer, time.monotonic() - start


def unavailable(request):
    """503 with Retry-After, within 2 seconds."""
    answer, took = timed(request)
    body = refused(answer, 503)
    in_time(took, 2.0)
    assert int(answer.headers["retry-after"]) >= 1
    assert "mongo" not in body["error_description"].lower()
    return body


def whole_again(api, user):
    """Logins, tokens and refreshes of before work; returns how long that took."""
    _, took = until(lambda: api.get("/users/me", token=user.token).status_code == 200, 15, 0.05)
    until(lambda: api.get("/ready").status_code == 200, 5, 0.05)
    return took


def requests_that_need_the_database(api, tenant, user):
    return {
        "login": lambda: api.post("/api/login", tenant=tenant.slug, json={
            "username": user.email, "password": USER_PASSWORD}),
        "register": lambda: api.post("/auth/register", tenant=tenant.slug, json={
            "email": f"{unique('f')}@example.com", "password": USER_PASSWORD}),
        "refresh": lambda: api.post("/auth/refresh", json={"refresh_token": user.refresh_token}),
        "profile": lambda: api.get("/users/me", token=user.token),
        "list": lambda: api.get("/tenants/list"),
        "users": lambda: api.get(f"/api/v1/{tenant.id}/users", token=tenant.key),
        "logout": lambda: api.post("/auth/logout", json={"refresh_token": user.refresh_token}),
    }


def test_frozen_mongod(faulty, own_mongo):
    """Each request is answered in time, /health always; then everything goes on."""
    instance, api, world, tenant = faulty
    user = world.user(tenant)
    with own_mongo.paused():
        for name, request in requests_that_need_the_database(api, tenant, user).items():
            assert unavailable(request), name
        answer, took = timed(lambda: api.get("/health"))
        assert ok(answer)["status"] == "healthy"
        in_time(took, 0.5)
        until(lambda: api.get("/ready").status_code == 503, 5)
    whole_again(api, user)
    ok(api.post("/auth/refresh", json={"refresh_token": user.refresh_token}))


def test_frozen_mongod_does_not_pile_up_requests(faulty, own_mongo):
    """OP-10: 40 at once, all refused in time, /health fast beside them."""
    instance, api, world, tenant = faulty
    user = world.user(tenant)
    results = []
    clients = [Api(instance, api.contract) for _ in range(40)]

    def one(client):
        answer, took = timed(lambda: client.get("/users/me", token=user.token))
        results.append((answer.status_code, took))
        client.close()

    with own_mongo.paused():
        threads = [threading.Thread(target=one, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        answer, took = timed(lambda: api.get("/health"))
        assert answer.status_code == 200
        in_time(took, 1.0)
        for thread in threads:
            thread.join()
    assert {status for status, _ in results} == {503}
    in_time(max(took for _, took in results), 3.0)
    whole_again(api, user)


def test_a_slow_database_has_the_time_that_is_configured(faulty, instances, connect, own_mongo):
    """database.call_timeout_ms: what is an outage as shipped is an answer for who allows more."""
    shipped, api, world, tenant = faulty
    user = world.user(tenant)
    patient = connect(instances(merged(FAST, {"database": {"call_timeout_ms": 15000}}),
                                server=own_mongo, database=shipped.database_name))
    for client, status in ((api, 503), (patient, 200), (api, 503)):
        with own_mongo.failpoint(["find"], namespace=f"{shipped.database_name}.{tenant.collection}",
                                 times=1, blockConnection=True, blockTimeMS=1500):
            answer = client.post("/auth/login", tenant=tenant.slug, json={
                "email": user.email, "password": USER_PASSWORD})
            assert answer.status_code == status, answer.text


def test_stopped_mongod(faulty, own_mongo):
    """Gone and back: nobody is logged out, refresh tokens and sessions of before are good."""
    instance, api, world, tenant = faulty
    user = world.user(tenant)
    session = world.sign_in(user)
    own_mongo.shut_down()
    try:
        for request in requests_that_need_the_database(api, tenant, user).values():
            unavailable(request)
        ok(api.get("/health"))
    finally:
        own_mongo.start()
    whole_again(api, user)
    ok(api.get("/users/me", tenant=tenant.slug, cookie=session))
    ok(api.post("/auth/refresh", json={"refresh_token": user.refresh_token}))


def test_killed_mongod(faulty, own_mongo):
    """G10 in small: what was acknowledged is there after kill -9."""
    instance, api, world, tenant = faulty
    users = [world.user(tenant) for _ in range(5)]
    own_mongo.kill()
    own_mongo.start()
    whole_again(api, users[0])
    for user in users:
        ok(api.post("/auth/refresh", json={"refresh_token": user.refresh_token}))


def test_revocations_made_while_the_stream_was_down(faulty, own_mongo):
    """design §7: after an outage no revoked token is honoured, not even for a moment."""
    instance, api, world, tenant = faulty
    user, other = world.user(tenant), world.user(tenant)
    own_mongo.shut_down()
    own_mongo.start()
    answer, _ = until(lambda: (lambda a: a if a.status_code != 503 else None)(
        api.post("/auth/logout-all", token=user.token)), 15, 0.05)
    assert answer.status_code == 204
    until(lambda: api.get("/users/me", token=user.token).status_code == 401, 1.0)
    until(lambda: api.get("/users/me", token=other.token).status_code == 200, 5.0)


def test_no_token_without_its_audit_row(faulty, own_mongo):
    """R003-11, design §8: the audit collection refuses writes, so nothing is handed out."""
    instance, api, world, tenant = faulty
    user = world.user(tenant)
    email = f"{unique('noaudit')}@example.com"
    database = instance.database_name
    requests = {
        "login": lambda: api.post("/auth/login", tenant=tenant.slug, json={
            "email": user.email, "password": USER_PASSWORD}),
        "session": lambda: api.post("/oauth/login", tenant=tenant.slug, json={
            "username": user.email, "password": USER_PASSWORD}),
        "refresh": lambda: api.post("/auth/refresh", json={"refresh_token": user.refresh_token}),
        "signup": lambda: api.post(f"/api/v1/{tenant.id}/signup", token=tenant.key, json={
            "email": email, "password": USER_PASSWORD}),
    }
    for name, request in requests.items():
        with own_mongo.failpoint(["insert", "bulkWrite"], namespace=f"{database}.audit_logs",
                                 errorCode=50):
            answer = request()
        assert answer.status_code == 503, f"{name}: {answer.status_code} {answer.text}"
        assert "access_token" not in answer.text and "set-cookie" not in answer.headers, name
    ok(api.post("/auth/login", tenant=tenant.slug, json={
        "email": user.email, "password": USER_PASSWORD}))
    ok(requests["refresh"]())  # spent without an answer: the retry must not look like theft


def test_a_lost_answer_logs_nobody_out(faulty, own_mongo):
    """design §7: the rotation was applied, its answer lost: the retry gets the successor."""
    instance, api, world, tenant = faulty
    user = world.user(tenant)
    with own_mongo.failpoint(["findAndModify"], namespace=f"{instance.database_name}.tokens", times=1,
                             writeConcernError={"code": 91, "errmsg": "stepping down"}):
        first = api.post("/auth/refresh", json={"refresh_token": user.refresh_token})
    if first.status_code == 200:  # sent once more, in time
        ok(api.post("/auth/refresh", json={"refresh_token": first.json()["refresh_token"]}))
    else:
        refused(first, 503)
        ok(api.post("/auth/refresh", json={"refresh_token": user.refresh_token}))


def lose_a_rotation(api, own_mongo, tokens, user, **data):
    """The database leaves the outcome of a rotation unknown, and the client has no answer."""
    with own_mongo.failpoint(["findAndModify"], namespace=tokens, **data):
        refused(api.post("/auth/refresh", json={"refresh_token": user.refresh_token}), 503)


def test_a_retry_that_fails_too_may_be_repeated(faulty, own_mongo):
    """design §7: a stall logs nobody out, also when the retry of a lost rotation meets another."""
    instance, api, world, tenant = faulty
    tokens = f"{instance.database_name}.tokens"
    user = world.user(tenant)
    lose_a_rotation(api, own_mongo, tokens, user,
                    writeConcernError={"code": 91, "errmsg": "stepping down"})
    # The first find tells that the generation is spent, the second fetches the successor.
    with own_mongo.failpoint(["find"], namespace=tokens, skip=1, errorCode=91):
        refused(api.post("/auth/refresh", json={"refresh_token": user.refresh_token}), 503)
    ok(api.post("/auth/refresh", json={"refresh_token": user.refresh_token}))


def test_an_answered_retry_is_no_second_life(faulty, own_mongo):
    """TS-11: once the retry of a lost rotation was answered, the old token is reuse again: not at
    once, since another instance might still have an unanswered rotation to tell of, but soon."""
    instance, api, world, tenant = faulty
    tokens = f"{instance.database_name}.tokens"
    user = world.user(tenant)
    lose_a_rotation(api, own_mongo, tokens, user, errorCode=91)
    lose_a_rotation(api, own_mongo, tokens, user, errorCode=91)
    successor = ok(api.post("/auth/refresh", json={"refresh_token": user.refresh_token}))
    answer, _ = until(lambda: (lambda a: a if a.status_code != 503 else None)(
        api.post("/auth/refresh", json={"refresh_token": user.refresh_token})), 10, 0.2)
    refused(answer, 401)
    refused(api.post("/auth/refresh", json={"refresh_token": successor["refresh_token"]}), 401)


def test_dropped_connections_are_retried_or_refused(faulty, own_mongo):
    """OP-1: a connection that breaks in the middle is never a 500 and never half a user."""
    instance, api, world, tenant = faulty
    for _ in range(3):
        email = f"{unique('drop')}@example.com"
        with own_mongo.failpoint(["insert"], times=2, closeConnection=True,
                                 namespace=f"{instance.database_name}.{tenant.collection}"):
            answer = api.post("/auth/register", tenant=tenant.slug,
                              json={"email": email, "password": USER_PASSWORD})
        assert answer.status_code in (201, 503), answer.text
        count = instance.db[tenant.collection].count_documents({"email": email})
        assert count == (1 if answer.status_code == 201 else count) and count <= 1
        again = api.post("/auth/register", tenant=tenant.slug,
                         json={"email": f"{unique('next')}@example.com", "password": USER_PASSWORD})
        ok(again, 201)


def test_a_tenant_whose_creation_broke_leaves_nothing_visible(faulty, own_mongo):
    """design §5: no half-made tenant answers, and its slug can be had afterwards."""
    instance, api, _, _ = faulty
    for command in (["create"], ["createIndexes"], ["commitTransaction"]):
        slug = unique("broken")
        body = {"tenant_name": "Broken", "tenant_slug": slug, "admin_username": "admin",
                "admin_email": f"a@{slug}.example", "admin_password": USER_PASSWORD}
        with own_mongo.failpoint(command, errorCode=91):
            answer = api.post("/tenants/register", json=body)
        assert answer.status_code in (201, 503), f"{command}: {answer.status_code} {answer.text}"
        info = api.get("/tenants/info", tenant=slug)
        assert (answer.status_code, info.status_code) in ((201, 200), (503, 404))


def test_the_start_waits_and_says_why(instances, own_mongo):
    """Issue 3: MongoDB absent at start: one sentence, and a retry until a deadline."""
    instance = Instance(own_mongo, unique("test_api_"), merged(FAST, {"database": {"start_timeout_ms": 1500}}),
        uri=f"mongodb://127.0.0.1:{free_port()}/?replicaSet=rs0")
    start = time.monotonic()
    instance.start(wait=False)
    assert instance.process.wait(60) != 0
    assert time.monotonic() - start > 1.0
    assert "MongoDB" in instance.output()
    instance.process = None
    instance.close()


def test_the_start_catches_up_when_mongod_comes(instances, own_mongo):
    own_mongo.shut_down()
    try:
        instance = instances(FAST, server=own_mongo, wait=False)
        time.sleep(0.5)
        assert instance.process.poll() is None
    finally:
        own_mongo.start()
    instance.wait_ready()


def test_the_start_waits_for_a_database_that_is_slow_now(instances, own_mongo):
    """Recovery without a restart: what answers the first ping and then times out is waited for, not given up."""
    with own_mongo.failpoint(["findAndModify", "update", "find"], times=6, errorCode=50):
        instances(FAST, server=own_mongo)


def test_users_of_before_are_still_there(faulty):
    """After all of the above: one more login, and the ids are what they were."""
    _, api, world, tenant = faulty
    user = world.user(tenant)
    assert ok(api.get("/users/me", token=user.token))["id"] == user.id
    uuid.UUID(user.id)


def test_removal_of_accounts_goes_on_after_a_kill(start_instance, connect, own_mongo):
    """kill -9 while closed accounts are removed: the next start finishes, each counted off once."""
    first = start_instance(FAST, server=own_mongo)
    team = Team(World(connect(first)))
    users = [team.make() for _ in range(12)]
    for user in users:
        ok(team.api.delete("/users/me", token=user.token), 202)
    make_due(first.db, *users)
    until(lambda: first.db[team.tenant.collection].count_documents({}) < 15, 20.0, 0.001)
    first.kill()
    # What the dead process held, the server would keep for a minute.
    first.db.client.admin.command("killAllSessions", [])
    second = start_instance(FAST, database=first.database_name, server=own_mongo)
    until(lambda: second.db.user_removals.count_documents({}) == 0, 20.0, 0.05)
    assert team.counters() == (3, 0, 1)
    for user in users:
        nothing_left(second.db, team.tenant, user)
        assert team.audited("user.deleted", user) == 1


def test_a_search_too_long_ends_with_a_page_or_a_sentence(instances, connect, own_mongo):
    """R003-05: the first try's time is over, so users are counted: lists come all the same, shorter
    where 10,000 users were looked at, and what finds nobody among these, or more to sort, is refused
    with the way out."""
    instance = instances(server=own_mongo)
    api = connect(instance)
    world = World(api)
    tenant = world.tenant()
    world.login(tenant.owner)
    ok(api.put("/tenants/schema", token=tenant.owner.token, json=SCHEMA))
    users = [user | {"custom_fields": {"department": "lab", "age": Int64(number)}}
             for number, user in enumerate(random_users(tenant.id, 10_400))]
    last = max(users, key=lambda user: user["_id"])
    last["custom_fields"]["vip"] = True
    fill(instance.db, tenant, users)
    place = f"{instance.database_name}.{tenant.collection}"

    def ask(**parameters):
        return api.get("/users", token=tenant.owner.token, params=parameters | {"limit": 200})

    lab, key = 'custom_fields.department eq "lab"', key_of(api, tenant, "users:read")
    with own_mongo.failpoint(["find"], namespace=place, errorCode=50):
        refused(ask(filter=f"{lab} and custom_fields.score gt 1"), 400, "filter_not_indexed",
                field="custom_fields.score")
        first = ok(ask(filter=f'{lab} and email co "ann99"'))
        second = ok(ask(filter=f'{lab} and email co "ann99"', cursor=first["next"]))
        # An export goes on: it has no page that could be refused.
        refused(ask(filter=f"{lab} and custom_fields.vip eq true"), 400, "filter_not_indexed")
        exported = api.get("/users/export", token=key, params={
            "filter": f"{lab} and custom_fields.vip eq true"}).text
    assert [json.loads(line)["id"] for line in exported.splitlines()] == [str(last["_id"])]
    assert second["next"] is None and 0 < len(first["users"]) < 200
    found = [user["id"] for user in first["users"] + second["users"]]
    assert found == sorted(str(user["_id"]) for user in users if "ann99" in user.get("email", ""))
    with own_mongo.failpoint(["aggregate"], namespace=place, errorCode=50, times=1):
        refused(ask(filter=lab, sort="name"), 400, "filter_not_indexed", field="too many to sort")
