"""Idempotency-Key: a request that creates may be repeated after an unknown outcome.

api.md §10 "Retries", OP-2, OP-3: of all requests with one key and body, on any number of instances,
exactly one is carried out, and all get its answer. What a key's record holds is sealed.
"""
import base64
import datetime
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from support.api import Api
from support.check import in_time, ok, refused, until
from support.instance import PLATFORM_KEY
from support.racers import ROUNDS, Racers, race
from support.world import OWNER_PASSWORD, USER_PASSWORD, World, unique

FAST = {"password": {"scheme": "argon2id"}}


def key():
    return {"Idempotency-Key": str(uuid.uuid4())}


def same(first, again):
    """The second answer is the first one, byte for byte, with where and which version that is, and
    says so."""
    assert (again.status_code, again.content) == (first.status_code, first.content), again.text
    for name in ("content-type", "location", "etag"):
        assert again.headers.get(name) == first.headers.get(name), name
    assert again.headers.get("idempotency-replayed") == "true"
    assert "idempotency-replayed" not in first.headers


def new_user():
    return {"email": f"{unique('idem')}@example.com", "password": USER_PASSWORD}


def named_user():
    return new_user() | {"username": unique("idem")}


def new_tenant():
    slug = unique("idem")
    return {"tenant_name": f"Idem {slug}", "tenant_slug": slug, "admin_username": "admin",
            "admin_email": f"admin@{slug}.example", "admin_password": OWNER_PASSWORD}


def new_client():
    return {"client_name": f"Idem {unique()}", "industry": "SaaS"}


def new_access_key():
    return {"label": unique("idem")}


def new_oauth_client():
    return {"client_name": f"Idem {unique()}", "grant_types": ["client_credentials"]}


def new_admin_tenant():
    return {"name": f"Idem {unique()}", "plan": "premium"}


#: One row per route of the table that takes the header: how to make a body and how to send it.
CREATIONS = {
    "POST /tenants/register": (new_tenant, {}),
    "POST /api/v1/clients/register": (new_client, {}),
    "POST /api/register": (named_user, {"tenant": True}),
    "POST /oauth/register": (named_user, {"tenant": True}),
    "POST /auth/register": (new_user, {"tenant": True}),
    "POST /api/v1/{cid}/signup": (new_user, {"key": True}),
    "POST /tenants/access-keys": (new_access_key, {"owner": True}),
    "POST /tenants/users": (new_user, {"owner": True}),
    "POST /users": (new_user, {"owner": True}),
    "POST /oauth/client/register": (new_oauth_client, {"owner": True}),
    "POST /admin/tenants": (new_admin_tenant, {"platform": True}),
    "POST /admin/keys": (new_access_key, {"platform": True}),
}


def sender(api, tenant, row):
    """send(body, headers) for a row of CREATIONS."""
    path = row.split(" ", 1)[1].replace("{cid}", tenant.id)
    wants = CREATIONS[row][1]
    options = {}
    if wants.get("tenant"):
        options["tenant"] = tenant.slug
    if wants.get("key"):
        options["token"] = tenant.key
    if wants.get("owner"):
        options["token"] = tenant.owner.token
    if wants.get("platform"):
        options["token"] = PLATFORM_KEY
    return lambda body, headers, by=api: by.post(path, json=body, headers=headers, **options)


@pytest.fixture(scope="module")
def place(pair):
    """Two instances, a world and a tenant with key and owner."""
    first, second = pair
    world = World(first)
    tenant = world.key_tenant()
    first.instance.db.tenants.update_one({"slug": tenant.slug}, {"$set": {"plan": "enterprise"}})
    return first, second, world, tenant


def test_every_route_that_creates_takes_a_key(contract):
    """A POST that answers 201 is in the table above; nothing else is. Forms of pages send no header."""
    creating = {row.name for row in contract.rows if "page" not in row.flags
                and row.name.startswith("POST ") and "201" in row.operation["responses"]}
    flagged = {row.name for row in contract.rows
               if "idempotent" in row.operation["x-tenantd"]["flags"]}
    assert creating <= flagged
    assert flagged == set(CREATIONS)
    for row in contract.rows:
        named = {"$ref": "#/components/parameters/IdempotencyKey"} in row.operation["parameters"]
        assert named == (row.name in flagged), row.name


@pytest.mark.parametrize("row", sorted(CREATIONS))
def test_the_same_request_gives_the_same_answer(place, row):
    """Also from the other instance; without the key it is a request of its own."""
    first, second, _, tenant = place
    send, body, header = sender(first, tenant, row), CREATIONS[row][0](), key()
    answer = send(body, header)
    ok(answer, 201)
    same(answer, send(body, header))
    same(answer, send(body, header, by=second))
    plain = send(body, None)
    assert "idempotency-replayed" not in plain.headers and plain.content != answer.content


@pytest.mark.parametrize("row", sorted(CREATIONS))
def test_another_body_is_refused(place, row):
    """409, and nothing is made of it."""
    first, _, _, tenant = place
    send, header = sender(first, tenant, row), key()
    body = CREATIONS[row][0]()
    ok(send(body, header), 201)
    other = CREATIONS[row][0]()
    refused(send(other, header), 409, "idempotency_key_reused", "Idempotency-Key")
    ok(send(other, key()), 201)


@pytest.mark.parametrize("bad", ["", "a" * 65, "with blank", "umläut"])
def test_bad_keys(place, bad):
    """400 that names the header; nothing is created."""
    first, _, _, tenant = place
    body = new_user()
    answer = sender(first, tenant, "POST /auth/register")(
        body, [("Idempotency-Key", bad.encode())])
    refused(answer, 400, "invalid_request", "Idempotency-Key")
    assert count_users(first, tenant, body["email"]) == 0


def test_two_keys_in_one_request(place):
    first, _, _, tenant = place
    refused(sender(first, tenant, "POST /auth/register")(
        new_user(), [("Idempotency-Key", "a"), ("Idempotency-Key", "a")]), 400, "invalid_request")


def test_all_visible_characters_are_a_key(place):
    first, _, _, tenant = place
    send = sender(first, tenant, "POST /auth/register")
    characters = "".join(map(chr, range(0x21, 0x7f)))
    for text in (characters[:64], characters[-64:], "!"):
        body, header = new_user(), {"Idempotency-Key": text}
        same(send(body, header), send(body, header))


def test_other_routes_ignore_it(place):
    """Reading and changing repeat themselves without help."""
    first, _, world, tenant = place
    user = world.user(tenant)
    for _ in range(2):
        answer = first.get("/users/me", token=user.token, headers={"Idempotency-Key": "x y"})
        assert answer.status_code == 200 and "idempotency-replayed" not in answer.headers


def count_users(api, tenant, email):
    return api.instance.db[tenant.collection].count_documents({"email": email.lower()})


def records(api):
    return api.instance.db.idempotency_keys


# -- who may see an answer ---------------------------------------------------------------------


def test_another_tenant_never_sees_it(place):
    """TI-5: the same key and body in another tenant is another request."""
    first, _, world, tenant = place
    other = world.key_tenant()
    body, header = new_user(), key()
    for row in ("POST /auth/register", "POST /api/v1/{cid}/signup"):
        answer = sender(first, tenant, row)(body, header)
        foreign = sender(first, other, row)(body, header)
        assert "idempotency-replayed" not in foreign.headers
        assert foreign.content != answer.content
        body = new_user()


def test_another_caller_never_sees_it(place):
    """An answer with tokens belongs to the key that asked for it."""
    first, _, world, _ = place
    tenant = world.key_tenant()
    body, header = new_user(), key()
    path = f"/api/v1/{tenant.id}/signup"
    ok(first.post(path, token=tenant.key, json=body, headers=header), 201)
    rotated = ok(first.post("/api/v1/clients/me/rotate-key", token=tenant.key))["access_key"]
    refused(first.post(path, token=rotated, json=body, headers=header), 409, "email_taken")
    refused(first.post(path, json=body, headers=header), 401)
    refused(first.post(path, token=tenant.key, json=body, headers=header), 401)


def test_another_address_never_sees_a_new_tenants_key(instances, connect):
    """POST /api/v1/clients/register needs no secret, so key and body are not enough there."""
    api = connect(instances(FAST | {"server": {"trusted_proxies": ["127.0.0.1/32"]}}))
    body, header = new_client(), key()

    def ask(address):
        return api.post("/api/v1/clients/register", json=body,
                        headers=header | {"X-Forwarded-For": address})

    first = ask("192.0.2.1")
    same(first, ask("192.0.2.1"))
    assert ok(ask("192.0.2.2"), 201)["access_key"] != first.json()["access_key"]
    own = ask("2001:db8:1:2::1")
    same(own, ask("2001:db8:1:2:ffff::9"))  # one customer's network
    assert ok(ask("2001:db8:1:3::1"), 201)["access_key"] != own.json()["access_key"]


def test_nothing_of_a_request_is_stored_in_clear(place):
    """R002-06: neither secrets of the answer, nor the key, nor a digest that could be guessed."""
    first, _, _, tenant = place
    made = []
    for row in ("POST /api/v1/{cid}/signup", "POST /api/v1/clients/register"):
        body, header = CREATIONS[row][0](), key()
        answer = ok(sender(first, tenant, row)(body, header), 201)
        values = [*answer.values(), *body.values(), header["Idempotency-Key"]]
        made += [value for value in values if isinstance(value, str) and len(value) > 6]
    stored = b"".join(record for record in raw_records(first))
    for text in made:
        assert text.encode() not in stored, text
        for part in text.split("_", 2)[2:] + text.split("."):
            if len(part) >= 16:
                assert part.encode() not in stored, part
                assert decoded(part) not in stored, part


def decoded(text):
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return text.encode()


def raw_records(api):
    from bson.codec_options import CodecOptions
    from bson.raw_bson import RawBSONDocument
    raw = CodecOptions(document_class=RawBSONDocument)
    return [document.raw for document in
            api.instance.db.get_collection("idempotency_keys", raw).find()]


def test_a_changed_record_is_not_answered(place):
    """A sealed answer that was tampered with, or moved here from another record, never leaves."""
    first, _, _, tenant = place
    send = sender(first, tenant, "POST /api/v1/{cid}/signup")
    bodies, header = [new_user(), new_user()], [key(), key()]
    found = []
    for body, name in zip(bodies, header):
        before = {record["_id"] for record in records(first).find({}, {"_id": 1})}
        ok(send(body, name), 201)
        found += [record for record in records(first).find() if record["_id"] not in before]
    records(first).update_one({"_id": found[0]["_id"]}, {"$set": {"answer": found[1]["answer"]}})
    refused(send(bodies[0], header[0]), 409, "idempotency_answer_lost")
    ok(first.post("/auth/login", tenant=tenant.slug, json=bodies[0]))  # it was carried out


# -- refusals and expiry -----------------------------------------------------------------------


def test_a_refusal_frees_the_key(place):
    """Nothing was created, so nothing is remembered: a corrected request may use the same key."""
    first, _, _, tenant = place
    send, header, body = sender(first, tenant, "POST /auth/register"), key(), new_user()
    refused(send(body | {"password": "short"}, header), 400)
    taken = ok(send(body, header), 201)
    assert taken["email"] == body["email"]
    refused(send(body, key()), 409, "email_taken")
    refused(send(body | {"password": "another one 4"}, header), 409, "idempotency_key_reused")


def test_a_day_later_the_key_is_free(place):
    """A record whose day is over counts no more, also before MongoDB has removed it."""
    first, _, _, tenant = place
    send, header, body = sender(first, tenant, "POST /auth/register"), key(), new_user()
    before = {record["_id"] for record in records(first).find({}, {"_id": 1})}
    ok(send(body, header), 201)
    (record,) = [record for record in records(first).find() if record["_id"] not in before]
    day = record["expires_at"] - record["created_at"]
    assert day == datetime.timedelta(hours=24)
    past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1)
    records(first).update_one({"_id": record["_id"]}, {"$set": {"expires_at": past}})
    refused(send(body, header), 409, "email_taken")
    ok(send(new_user(), header), 201)


def test_the_database_removes_them(place):
    """The TTL index that makes 24 hours true."""
    first, _, _, _ = place
    index = records(first).index_information()["expires_at_1"]
    assert index["expireAfterSeconds"] == 0


def test_a_replay_costs_no_tenant_of_the_day(instances, connect):
    """R000-17: the budget of new tenants counts tenants, not retries."""
    api = connect(instances(FAST | {"limits": {"tenants_per_day": 2, "development_factor": 1}}))
    body, header = new_tenant(), key()
    first = api.post("/tenants/register", json=body, headers=header)
    ok(first, 201)
    for _ in range(3):
        same(first, api.post("/tenants/register", json=body, headers=header))
    ok(api.post("/tenants/register", json=new_tenant()), 201)
    refused(api.post("/tenants/register", json=new_tenant()), 429)


# -- races and faults --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def racers(place):
    made = Racers(place[:2])
    yield made
    made.close()


@pytest.mark.parametrize("row", ["POST /auth/register", "POST /api/v1/{cid}/signup",
                                 "POST /api/v1/clients/register"])
@race
def test_32_at_once_on_two_instances(place, racers, row):
    """OP-2, G5: one is carried out; the others get its answer, or are told that it is under way."""
    first, _, _, tenant = place
    body, header = CREATIONS[row][0](), key()
    send = sender(first, tenant, row)
    answers = racers.race(lambda racer, _: send(body, header, by=racer))
    made = [answer for answer in answers if answer.status_code == 201]
    assert made and {answer.content for answer in made} == {made[0].content}
    assert sum("idempotency-replayed" not in answer.headers for answer in made) == 1
    for answer in answers:
        if answer.status_code != 201:
            refused(answer, 409, "idempotency_in_progress")
            assert int(answer.headers["retry-after"]) >= 1
    again = send(body, header)
    assert again.content == made[0].content
    if "email" in body:
        assert count_users(first, tenant, body["email"]) == 1
    else:
        assert first.instance.db.tenants.count_documents({"name": body["client_name"]}) == 1


def test_who_waits_is_told_when_to_come_back(place):
    """An attempt that is under way elsewhere: 409 with Retry-After after 2 s at most."""
    first, _, _, tenant = place
    send, header, body = sender(first, tenant, "POST /auth/register"), key(), new_user()
    before = {record["_id"] for record in records(first).find({}, {"_id": 1})}
    ok(send(body, header), 201)
    (record,) = [record for record in records(first).find() if record["_id"] not in before]
    now = datetime.datetime.now(datetime.timezone.utc)
    first.instance.db[tenant.collection].delete_one({"email": body["email"]})
    records(first).update_one({"_id": record["_id"]}, {
        "$set": {"state": "pending", "lease_until": now + datetime.timedelta(seconds=600)},
        "$unset": {"answer": 1}})
    start = time.monotonic()
    answer = send(body, header)
    refused(answer, 409, "idempotency_in_progress")
    in_time(time.monotonic() - start, 4)
    assert 400 <= int(answer.headers["retry-after"]) <= 600
    # The attempt is overdue now: who comes next carries the request out.
    records(first).update_one({"_id": record["_id"]}, {"$set": {"lease_until": now}})
    assert "idempotency-replayed" not in send(body, header).headers
    assert count_users(first, tenant, body["email"]) == 1


@pytest.fixture(scope="module")
def faulty(instances, connect, own_mongo):
    """An instance on a mongod that may be made to fail; a second one beside it."""
    first = instances(FAST, server=own_mongo)
    second = instances(FAST, server=own_mongo, database=first.database_name)
    world = World(connect(first))
    tenant = world.key_tenant()
    first.db.tenants.update_one({"slug": tenant.slug}, {"$set": {"plan": "enterprise"}})
    for instance in (first, second):  # what fails is soon told from here on
        instance.reload_as({"server": {"request_timeout_ms": 1500}})
    return connect(first), connect(second), tenant


def retry_until_answered(send, body, header):
    """What a client does after an unknown outcome."""
    def once():
        answer = send(body, header)
        assert answer.status_code in (201, 409, 503), answer.text
        if answer.status_code == 409:
            refused(answer, 409, "idempotency_in_progress")
        return answer if answer.status_code == 201 else None
    # A killed instance's transaction ends after 10 s (deploy/mongo/mongod.conf), looked at every 5.
    answer, _ = until(once, 25, 0.05)
    return answer


FAULTS = {
    "applied": {"commands": ["commitTransaction"],
                "writeConcernError": {"code": 91, "errmsg": "stepping down"},
                "errorLabels": ["UnknownTransactionCommitResult"]},
    "cut": {"commands": ["commitTransaction"], "closeConnection": True},
    "stepdown": {"commands": ["commitTransaction"], "errorCode": 91},
    "claim": {"commands": ["findAndModify"], "closeConnection": True},
    "create": {"commands": ["create"], "errorCode": 91},
}
#: The long runs try all; ./dev test those that differ most.
SHORT_FAULTS = [("applied", "POST /auth/register"), ("applied", "POST /api/v1/clients/register"),
                ("cut", "POST /auth/register"), ("stepdown", "POST /tenants/register"),
                ("claim", "POST /auth/register"), ("create", "POST /tenants/register")]
FAULT_ROWS = ["POST /auth/register", "POST /tenants/register", "POST /api/v1/clients/register"]
ALL_FAULTS = [(fault, row) for fault in FAULTS for row in FAULT_ROWS
              if fault != "create" or row != "POST /auth/register"]


@pytest.mark.parametrize("fault,row", SHORT_FAULTS if ROUNDS == 1 else ALL_FAULTS)
def test_an_unknown_outcome_may_be_retried(faulty, own_mongo, row, fault):
    """OP-2: 503 tells nothing; the retry gets the one object there is."""
    first, second, tenant = faulty
    send, body, header = sender(first, tenant, row), CREATIONS[row][0](), key()
    options = dict(FAULTS[fault])
    with own_mongo.failpoint(options.pop("commands"), **options):
        refused(send(body, header), 503)
    answer = retry_until_answered(lambda b, h: send(b, h, by=second), body, header)
    assert retry_until_answered(send, body, header).content == answer.content
    assert count_objects(first, tenant, body) == 1


def count_objects(api, tenant, body):
    if "client_name" in body:
        return api.instance.db.tenants.count_documents({"name": body["client_name"]})
    if "tenant_slug" in body:
        return api.instance.db.tenants.count_documents({"slug": body["tenant_slug"]})
    return count_users(api, tenant, body["email"])


SHORT_KILLS = [("commitTransaction", "POST /auth/register"), ("insert", "POST /tenants/register"),
               ("commitTransaction", "POST /api/v1/clients/register")]
ALL_KILLS = [(command, row) for command in ("commitTransaction", "insert") for row in FAULT_ROWS]


@pytest.mark.parametrize("command,row", SHORT_KILLS if ROUNDS == 1 else ALL_KILLS)
def test_a_killed_instance(faulty, own_mongo, start_instance, row, command):
    """OP-2: kill -9 in the middle, the retry elsewhere: exactly one object."""
    first, _, tenant = faulty
    for _ in range(min(ROUNDS, 5)):
        victim = start_instance(FAST | {"server": {"request_timeout_ms": 1500}}, server=own_mongo,
                                database=first.instance.database_name)

        def killed(victim=victim):
            """The request in whose middle it died; None where it was over before."""
            if victim.process.poll() is not None:
                victim.start()
            body, header = CREATIONS[row][0](), key()
            before = records(first).count_documents({"state": "pending"})
            with own_mongo.failpoint([command], blockConnection=True, blockTimeMS=600,
                                     appName="tenantd"), ThreadPoolExecutor(1) as pool, \
                    closing(Api(victim)) as api:
                pending = pool.submit(sender(api, tenant, row), body, header)
                until(lambda: records(first).count_documents({"state": "pending"}) > before or pending.done(), 5)
                time.sleep(0.2)
                victim.kill()
                return pending.exception() and (body, header)

        (body, header), _ = until(killed, 30)
        answer = retry_until_answered(sender(first, tenant, row), body, header)
        assert answer.status_code == 201
        assert count_objects(first, tenant, body) == 1
