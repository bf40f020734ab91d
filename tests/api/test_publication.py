"""Publishing a schema of custom fields while the tenant's users go on writing (issue 6.1, R003-05).

ADR 20: a background job behind a fence of the collection's validator. A process that is killed
leaves the old version or the new one, and the next one finishes or undoes it.
"""
import contextlib
import datetime
import json
import os
import subprocess
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pymongo
import pytest

from support.api import Api
from support.check import ok, refused, until
from support.instance import program
from support.oauth import client, token
from support.racers import ROUNDS
from support.world import USER_PASSWORD, World, unique

#: A failpoint of MongoDB.
INDEX_BUILD = "hangAfterStartingIndexBuild"
LONG = bool(os.environ.get("TENANTD_LONG"))
#: Short leases, so that another instance takes over soon; a cheap hash.
QUICK = {"password": {"scheme": "argon2id"}, "jobs": {"lease_ms": 500},
         "limits": {"tenants_per_hour": 0},  # ./dev soak makes hundreds
         "server": {"public_url": "http://localhost:8080"}}
STAFF = {"properties": {
    "department": {"type": "string", "enum": ["sales", "support"]},
    "age": {"type": "integer", "minimum": 0, "maximum": 150},
    "score": {"type": "number", "multipleOf": 0.5},
    "since": {"type": "string", "format": "date"},
    "tags": {"type": "array", "items": {"type": "string", "maxLength": 4}, "uniqueItems": True},
    "secret": {"type": "string", "x-encrypt": True}}}


def publish(api, tenant, schema, **options):
    return api.put("/tenants/schema", token=tenant.owner.token, json=schema, **options)


def schema_of(api, tenant):
    return ok(api.get("/tenants/schema", token=tenant.owner.token))


def register(api, tenant, fields):
    return api.post("/auth/register", tenant=tenant.slug, json={
        "email": f"{unique('p')}@example.com", "password": USER_PASSWORD, "custom_fields": fields})


def validator_of(users):
    return users.options().get("validator")


@pytest.fixture(scope="module")
def place(instances, connect):
    """Two instances with short leases on one database, and their world."""
    first = instances(QUICK)
    second = instances(QUICK, database=first.database_name)
    return connect(first), connect(second), World(connect(first))


def tenant_of(world):
    tenant = world.tenant()
    world.login(tenant.owner)
    return tenant


# -- the second wall -----------------------------------------------------------------------------


def test_a_write_past_the_service_fails(place):
    """api.md §7, IN-10: the collection's validator is the schema, in the stored form."""
    api, _, world = place
    tenant = tenant_of(world)
    users = api.instance.db[tenant.collection]
    ok(publish(api, tenant, STAFF))
    ok(register(api, tenant, {"department": "sales", "age": 3, "since": "2026-01-31",
                              "score": 1.5, "tags": ["a"], "secret": "x"}), 201)
    (user,) = users.find({"custom_fields.age": 3})
    assert user["custom_fields"]["since"] == datetime.datetime(2026, 1, 31, tzinfo=datetime.timezone.utc)
    assert isinstance(user["custom_fields"]["secret"], bytes)
    own = {"_id": user["_id"]}
    for change in ({"department": "kitchen"}, {"age": -1}, {"age": "3"}, {"age": 1.5}, {"score": 0.3},
                   {"since": "2026-01-31"}, {"tags": ["a", "a"]}, {"tags": ["12345"]}, {"secret": "x"}):
        with pytest.raises(pymongo.errors.WriteError) as failure:
            users.update_one(own, {"$set": {f"custom_fields.{name}": value for name, value in change.items()}})
        assert failure.value.code == 121, change
    for change in ({"department": "support"}, {"age": 4.0}, {"score": 2}, {"tags": ["a", "b"]}):
        users.update_one(own, {"$set": {f"custom_fields.{name}": value for name, value in change.items()}})


# -- the answers ---------------------------------------------------------------------------------


def test_failing_users_undo_nothing_and_are_told(place):
    api, _, world = place
    tenant = tenant_of(world)
    users = api.instance.db[tenant.collection]
    for age in (1, 200, 201):
        ok(register(api, tenant, {"age": age}), 201)
    before = validator_of(users)
    body = refused(publish(api, tenant, STAFF), 409, "documents_fail", "/custom_fields/age")
    assert "2 of 4 users" in body["error_description"]
    assert validator_of(users) == before
    refused(api.get("/tenants/schema", token=tenant.owner.token), 404)
    dry = ok(publish(api, tenant, STAFF, params={"dry_run": "true"}))
    assert (dry["state"], dry["failing"]["checked"], dry["failing"]["count"]) == ("dry_run", 4, 2)
    assert validator_of(users) == before
    ok(publish(api, tenant, {}))
    refused(publish(api, tenant, STAFF), 409, "documents_fail")
    told = schema_of(api, tenant)
    assert told["version"] == 1
    assert {name: told["publication"][name] for name in ("state", "version", "failing", "error")} == {
        "state": "failed", "version": 2, "failing": 2, "error": "documents_fail"}
    assert len(told["publication"]["sample"]) == 2
    member = world.user(tenant)
    assert "publication" not in ok(api.get("/tenants/schema", token=member.token))
    made = client(api, tenant, grant_types=["password"], scope="read admin")
    for scope in ("read", "read admin"):
        given = ok(token(api, made, grant_type="password", username=tenant.owner.email,
                         password=tenant.owner.password, scope=scope))["access_token"]
        assert ("publication" in ok(api.get("/tenants/schema", token=given))) == ("admin" in scope)


def test_duplicates_are_told_with_who_has_them(place):
    api, _, world = place
    tenant = tenant_of(world)
    made = [ok(register(api, tenant, {"code": code}), 201)["id"] for code in ("one", "ONE", "two")]
    schema = {"properties": {"code": {"type": "string", "x-unique": True, "x-index": "ci"}}}
    dry = ok(publish(api, tenant, schema, params={"dry_run": "true"}))["failing"]
    assert {one["user_id"] for one in dry["sample"]} == set(made[:2])
    assert {(one["pointer"], one["keyword"]) for one in dry["sample"]} == {("/custom_fields/code", "x-unique")}
    refused(publish(api, tenant, schema), 409, "documents_fail", "/custom_fields/code")
    ok(publish(api, tenant, {"properties": {"code": {"type": "string", "x-unique": True}}}))


@pytest.mark.parametrize("values, before, after", [
    (("2026-01-31T10:00:00+01:00", "2026-01-31T09:00:00Z"), {}, {"format": "date-time"}),
    (("2026-01-31T09:00:00.1231Z", "2026-01-31T09:00:00.1232Z"), {"x-unique": True}, {"format": "date-time"}),
    (("1", "1"), {"x-encrypt": True}, {})])
def test_equal_values_in_an_older_form_cannot_become_unique(place, values, before, after):
    """ADR 20: they would pass the index and could never be converted, for ever in the way."""
    api, _, world = place
    tenant = tenant_of(world)
    base = {"type": "string"}
    ok(publish(api, tenant, {"properties": {"code": base | before}}))
    for value in values:
        ok(register(api, tenant, {"code": value}), 201)
    body = refused(publish(api, tenant, {"properties": {"code": base | after | {"x-unique": True}}}),
                   409, "documents_fail", "/custom_fields/code")
    assert "2 of 3" in body["error_description"] and "without x-unique" in body["error_description"]
    ok(publish(api, tenant, {"properties": {"code": base | after}}))
    refused(publish(api, tenant, {"properties": {"code": base | after | {"x-unique": True}}}),
            409, "documents_fail", "/custom_fields/code")
    users = api.instance.db[tenant.collection]
    ok(api.delete(f"/users/{users.find_one({'role': 'user'})['_id']}", token=tenant.owner.token), 204)
    ok(publish(api, tenant, {"properties": {"code": base | after | {"x-unique": True}}}))


def test_dry_runs_do_not_pile_up(place):
    """What walks over all users is bounded for each tenant."""
    api, _, world = place
    tenant = tenant_of(world)
    waiting = {"_id": uuid.uuid4(), "tenant_id": uuid.UUID(tenant.id), "kind": "schema_trial",
               "alone": "schema_trial", "state": "queued", "input": {},
               "created_at": datetime.datetime.now(datetime.timezone.utc)}
    api.instance.db.jobs.insert_one(waiting)  # without due_at: nobody takes it
    refused(publish(api, tenant, {}, params={"dry_run": "true"}), 409, "conflict")
    ok(publish(api, tenant, {}))
    api.instance.db.jobs.delete_one({"_id": waiting["_id"]})
    ok(publish(api, tenant, {}, params={"dry_run": "true"}))


def test_of_parallel_publishers_one_wins(place):
    one, two, world = place
    tenant = tenant_of(world)
    answers = []
    def run(api, number):
        answers.append(publish(api, tenant, {"title": str(number)}))

    threads = [threading.Thread(target=run, args=(Api(api.instance, api.contract), number))
               for number, api in enumerate((one, two) * 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [answer.json()["version"] for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert sorted(won) == list(range(1, len(won) + 1)) and won, won
    assert schema_of(one, tenant)["version"] == len(won)


def test_the_old_form_must_not_hide_new_rules(place):
    """A secret that becomes plain is held to its type first: nothing could refuse it meanwhile."""
    api, _, world = place
    tenant = tenant_of(world)
    ok(publish(api, tenant, {"properties": {"pin": {"type": "string", "x-encrypt": True}}}))
    mine = ok(api.patch("/users/me", token=tenant.owner.token, json={"custom_fields": {"pin": "12"}}))
    strict = {"properties": {"pin": {"type": "string", "pattern": "^[0-9]+$"}}}
    refused(publish(api, tenant, strict), 400, "invalid_schema", "/properties/pin")
    ok(publish(api, tenant, {"properties": {"pin": {"type": "string"}}}))
    ok(publish(api, tenant, strict))
    stored = api.instance.db[tenant.collection].find_one({"_id": uuid.UUID(tenant.owner.id)})
    assert stored["custom_fields"] == {"pin": "12"}
    assert ok(api.get("/users/me", token=tenant.owner.token))["custom_fields"] == mine["custom_fields"]


# -- while users write ---------------------------------------------------------------------------

#: Versions that take turns: what one allows the other refuses; stored forms differ.
TURNS = [
    {"properties": {"v": {"type": "integer", "maximum": 10}, "day": {"type": "string", "format": "date"}}},
    {"properties": {"v": {"type": "integer", "minimum": 5}, "day": {"type": "string"}}},
]


def test_writers_go_on_and_nothing_violates_the_active_version(place):
    """Issue 6: 8 writers on two instances while versions change under them."""
    one, two, world = place
    tenant = tenant_of(world)
    users = one.instance.db[tenant.collection]
    ok(publish(one, tenant, {"properties": {"v": {"type": "integer"}}}))
    stop, seen = threading.Event(), []

    def write(api, number):
        value = number
        while not stop.is_set():
            value = (value + 1) % 16
            answer = register(api, tenant, {"v": value, "day": "2026-01-31"})
            seen.append(answer.status_code)
            if answer.status_code == 400:
                assert answer.json()["error"] == "invalid_custom_fields", answer.text

    writers = [threading.Thread(target=write, args=(Api(api.instance, api.contract), number))
               for number, api in enumerate((one, two) * 4)]
    for writer in writers:
        writer.start()
    versions = published = 0
    deadline = time.monotonic() + (60 if LONG else 0.8)
    while time.monotonic() < deadline or published < 1:
        answer = publish(two, tenant, TURNS[versions % 2])
        if answer.status_code == 409:  # the users that there are do not fit it: make them
            limit = {"$lt": 5} if versions % 2 else {"$gt": 10}
            users.delete_many({"custom_fields.v": limit})
            continue
        published += ok(answer)["version"] > 0
        versions += 1
    stop.set()
    for writer in writers:
        writer.join()
    assert published >= 1 and set(seen) <= {201, 400}, (published, {code: seen.count(code) for code in seen})
    validator = validator_of(users)
    wrong = list(users.find({"$nor": [validator]}))
    assert not wrong, (validator, wrong[:3])
    assert ok(publish(one, tenant, TURNS[(versions - 1) % 2], params={"dry_run": "true"}))["failing"]["count"] == 0


def test_logins_go_on_while_an_index_is_built(place):
    """R003-05: building is online. 20,000 users in ./dev soak, fewer in ./dev test."""
    one, two, world = place
    tenant = tenant_of(world)
    user = world.user(tenant)
    users = one.instance.db[tenant.collection]
    model = users.find_one({"_id": uuid.UUID(user.id)})
    many = 20000 if LONG else 1000
    users.insert_many([{**model, "_id": uuid.uuid4(), "email": f"{number}@example.com",
                        "email_typed": f"{number}@example.com",
                        "custom_fields": {"code": f"c{number}", "city": f"City {number % 90}"}}
                       for number in range(many)])
    schema = {"properties": {"code": {"type": "string", "x-unique": True},
                             "city": {"type": "string", "x-index": "ci"}}}
    took, done = [], threading.Event()

    def sign_in():
        while not done.is_set():
            began = time.monotonic()
            ok(two.post("/auth/login", tenant=tenant.slug, json={"email": user.email, "password": USER_PASSWORD}))
            took.append(time.monotonic() - began)

    with ThreadPoolExecutor(1) as pool:
        logins = pool.submit(sign_in)
        try:
            until(lambda: took or logins.done())
            answer = publish(one, tenant, schema)
            assert answer.status_code in (200, 202), answer.text
            until(lambda: one.get("/tenants/schema", token=tenant.owner.token).status_code == 200, 60)
        finally:
            done.set()
        logins.result()
    assert schema_of(one, tenant)["version"] == 1 and schema_of(one, tenant)["indexes"]
    print(f"{many} users: {len(took)} logins meanwhile, the slowest {max(took) * 1000:.0f} ms")


# -- cancelled -----------------------------------------------------------------------------------


def cancel(api, tenant):
    return api.delete("/tenants/schema/publication", token=tenant.owner.token)


def let_index_builds_go(server):
    server.client.admin.command({"configureFailPoint": INDEX_BUILD, "mode": "off"})


@contextlib.contextmanager
def held_index_builds(server):
    """Indexes over what is there are not finished until they may."""
    server.client.admin.command({"configureFailPoint": INDEX_BUILD, "mode": "alwaysOn"})
    try:
        yield
    finally:
        let_index_builds_go(server)


def test_a_cancelled_publication_leaves_the_old_version(start_instance, connect, own_mongo):
    """At an index that takes long: the version in force stays with its validator and indexes, who
    waits for the new one is told, and it can be published again."""
    instance = start_instance(QUICK, server=own_mongo)
    api = connect(instance)
    tenant = tenant_of(World(api))
    users = instance.db[tenant.collection]
    refused(cancel(api, tenant), 404)
    ok(publish(api, tenant, {"properties": {"n": {"type": "integer", "x-index": True}}}))
    refused(cancel(api, tenant), 404)
    before = validator_of(users), users.index_information()
    wanted = {"properties": {"n": {"type": "integer", "maximum": 9}, "code": {"x-unique": True, "type": "string"}}}
    with held_index_builds(own_mongo), ThreadPoolExecutor(1) as pool:
        publisher = pool.submit(publish, api, tenant, wanted)
        until(lambda: schema_of(api, tenant).get("publication", {}).get("state") == "indexing")
        told = ok(cancel(api, tenant), 202)
        assert (told["state"], told["version"], told["dry_run"]) == ("cancelling", 2, False)
        ok(cancel(api, tenant), 202)
        let_index_builds_go(own_mongo)
        answer = publisher.result()
    refused(answer, 409, "conflict")
    assert "publication was cancelled" in answer.json()["error_description"]
    told = schema_of(api, tenant)
    assert (told["version"], told["publication"]["state"]) == (1, "cancelled")
    assert (validator_of(users), users.index_information()) == before
    ok(register(api, tenant, {"n": 1000}), 201)
    events = ok(api.get("/tenants/audit", token=tenant.owner.token))["events"]
    assert [(one["action"], one.get("reason")) for one in reversed(events) if "schema" in one["action"]] == [
        ("schema.submitted", None), ("schema.published", None), ("schema.submitted", None),
        ("schema.cancelled", None), ("schema.cancelled", None), ("schema.published", "cancelled")]
    refused(publish(api, tenant, wanted), 409, "documents_fail")
    assert ok(publish(api, tenant, {}))["version"] == 2


def test_what_nobody_began_is_cancelled_at_once(place):
    """A dry run, too; and what is in force already is not."""
    one, two, world = place
    tenant = tenant_of(world)
    ok(publish(one, tenant, {}))
    jobs, now = one.instance.db.jobs, datetime.datetime.now(datetime.timezone.utc)
    (done,) = jobs.find({"tenant_id": uuid.UUID(tenant.id)})
    waits = {name: done[name] for name in ("tenant_id", "kind", "input")} | {
        "state": "queued", "created_at": now, "due_at": now + datetime.timedelta(days=365)}
    for kind in ("publication", "schema_trial"):
        made = jobs.insert_one(waits | {"_id": uuid.uuid4(), "kind": kind, "alone": kind}).inserted_id
        assert ok(cancel(two, tenant), 202)["state"] == "cancelled"
        assert jobs.find_one({"_id": made})["state"] == "cancelled"
        refused(cancel(two, tenant), 404)
    beyond = done["result"] | {"phase": "converting"}
    jobs.update_one({"_id": done["_id"]}, {
        "$set": waits | {"state": "running", "result": beyond, "alone": "publication",
                         "created_at": now + datetime.timedelta(seconds=1)}})
    body = refused(cancel(one, tenant), 409, "conflict")
    assert "Version 1 is in force already" in body["error_description"]
    jobs.delete_one({"_id": done["_id"]})


# -- killed ----------------------------------------------------------------------------------------

PHASES = ["checking", "fencing", "rechecking", "indexing", "opening", "activating", "dropping",
          "converting", "tightening", "sweeping"]
POINTS = [f"{phase} {when}" for phase in PHASES for when in ("before", "behind", "saved")]
#: The last day of time is what many store as "for ever".
EVER = "9999-12-31T00:00:00Z"
BEFORE = {"properties": {"day": {"type": "string", "x-index": True}, "n": {"type": "integer"},
                         "pin": {"type": "string"}, "till": {"type": "string"}}}
AFTER = {"properties": {"day": {"type": "string", "format": "date"},
                        "till": {"type": "string", "format": "date-time"},
                        "n": {"type": "integer", "maximum": 50, "x-unique": True},
                        "pin": {"type": "string", "x-encrypt": True, "minLength": 2}}}


@pytest.fixture(scope="module")
def victim(place, instances, tmp_path_factory):
    """kill(point, request): the third instance dies at that point of the publication it is asked for."""
    path = tmp_path_factory.mktemp("kill") / "point"
    os.environ["TENANTD_KILL_AT"] = str(path)
    instance = instances(QUICK, database=place[0].instance.database_name)

    def kill(point, request):
        if instance.process.poll() is not None:
            instance.start()
        path.write_text(f"publication {point}")
        api = Api(instance)
        try:
            request(api)
        except httpx.TransportError:
            instance.process.wait(60)
        finally:
            api.close()
            path.unlink()
        return instance.process.poll() is not None
    yield kill
    del os.environ["TENANTD_KILL_AT"]


def kill_once(place, victim, point):
    one, _, world = place
    tenant = tenant_of(world)
    users, jobs = one.instance.db[tenant.collection], one.instance.db.jobs
    own = {"tenant_id": uuid.UUID(tenant.id), "kind": "publication"}
    ok(publish(one, tenant, BEFORE))
    for number in range(3):
        ok(register(one, tenant, {"day": f"2026-01-0{number + 1}", "n": number, "pin": "123", "till": EVER}), 201)
    died = victim(point, lambda api: publish(api, tenant, AFTER))
    if not died:  # another instance was quicker
        return False
    assert not list(users.find({"$nor": [validator_of(users)]})), "somebody could not sign in"
    ok(api_register(one, tenant), 201)
    until(lambda: jobs.count_documents({**own, "state": {"$in": ["queued", "running"]}}) == 0, 20)
    (last,) = jobs.find(own).sort("created_at", -1).limit(1)
    assert last["state"] == "done", last
    until(lambda: schema_of(one, tenant)["version"] == 2, 10)  # on this instance too
    assert [index["field"] for index in schema_of(one, tenant)["indexes"]] == ["/custom_fields/n"]
    assert {name for name in users.index_information() if name.startswith("cf_")} == {"cf_u_n"}
    assert not list(users.find({"$nor": [validator_of(users)]}))
    assert users.count_documents({"custom_fields.day": {"$type": "date"},
                                  "custom_fields.pin": {"$type": "binData"}}) == 4
    assert users.count_documents({"custom_fields.till": {"$type": "date"}}) == 3
    with pytest.raises(pymongo.errors.WriteError):
        users.update_one({"custom_fields.n": 1}, {"$set": {"custom_fields.day": "2026-01-31"}})
    refused(register(one, tenant, {"n": 1}), 409, "value_taken")
    return True


def api_register(api, tenant):
    """What both versions allow is never refused."""
    return register(api, tenant, {"day": "2026-02-01", "n": 7, "pin": "1234"})


@pytest.mark.parametrize("point", POINTS if LONG else ["fencing behind"])
def test_killed_at_any_step_another_finishes(place, victim, point):
    """kill -9: users can write at once, and the new version comes in force as a whole."""
    for _ in range(ROUNDS):
        until(lambda: kill_once(place, victim, point), 240)


def test_who_slips_in_before_the_fence_undoes_it(place, victim):
    """Between the first look and the fence somebody is written whom the new version does not fit; and
    what the fence refuses is told with the reason."""
    until(lambda: slip_in(place, victim), 240)


def slip_in(place, victim):
    """False where another instance was quicker than the victim."""
    one, _, world = place
    tenant = tenant_of(world)
    users, jobs = one.instance.db[tenant.collection], one.instance.db.jobs
    own = {"tenant_id": uuid.UUID(tenant.id), "kind": "publication"}
    ok(publish(one, tenant, BEFORE))
    before, indexes = validator_of(users), set(users.index_information())
    if not victim("checking saved", lambda api: publish(api, tenant, AFTER)):
        return False
    users.update_one({"_id": uuid.UUID(tenant.owner.id)}, {"$set": {"custom_fields": {"n": 77}}})
    refusals = []

    def over():
        answer = register(one, tenant, {"n": 99})
        if answer.status_code == 400:
            refusals.append(answer.json()["error_description"])
        return jobs.count_documents({**own, "state": {"$in": ["queued", "running"]}}) == 0
    until(over, 20)
    (last,) = jobs.find(own).sort("created_at", -1).limit(1)
    if last["state"] == "done":  # it was looked at again before somebody slipped in
        return False
    assert (last["state"], last["error"]) == ("failed", "documents_fail"), last
    assert all("A new schema is being published" in words for words in refusals)
    assert validator_of(users) == before and set(users.index_information()) == indexes
    assert schema_of(one, tenant)["version"] == 1
    return True


def test_a_tenant_suspended_behind_the_activation_has_the_new_version(place, victim):
    """What was activated is finished, and told as what it is."""
    until(lambda: suspend_behind(place, victim), 240)


def suspend_behind(place, victim):
    """False where another instance was quicker than the victim."""
    one, _, world = place
    tenant = tenant_of(world)
    own = {"tenant_id": uuid.UUID(tenant.id), "kind": "publication"}
    ok(publish(one, tenant, BEFORE))
    ok(register(one, tenant, {"day": "2026-01-01"}), 201)
    if not victim("converting before", lambda api: publish(api, tenant, AFTER)):
        return False
    ok(world.admin("POST", f"/tenants/{tenant.id}/suspend"))
    until(lambda: not one.instance.db.jobs.count_documents({**own, "state": "running"}), 20)
    ok(world.admin("POST", f"/tenants/{tenant.id}/restore"))
    until(lambda: one.post("/auth/login", tenant=tenant.slug, json={
        "email": tenant.owner.email, "password": tenant.owner.password}).status_code == 200, 5)
    world.login(tenant.owner)
    told = schema_of(one, tenant)
    assert told["version"] == 2 and "publication" not in told, told
    return True


def test_the_coming_schema_tells_nobody_of_hidden_fields(place, victim):
    """x-read: a refusal behind the fence says no more of a hidden field than any other does."""
    one, _, world = place
    tenant = tenant_of(world)
    users = one.instance.db[tenant.collection]
    risk = {"type": "string", "x-read": "admin"}
    ok(publish(one, tenant, {"properties": {"risk": risk, "n": {"type": "integer"}}}))
    member = world.user(tenant)
    asked = {"properties": {"risk": risk | {"enum": ["low", "high"]}, "n": {"type": "integer"}}}
    told = []

    def ask():
        users.update_one({"_id": uuid.UUID(member.id)}, {"$unset": {"custom_fields.risk": 1}})
        if victim("fencing behind", lambda api: publish(api, tenant, asked)):
            users.update_one({"_id": uuid.UUID(member.id)}, {"$set": {"custom_fields.risk": "middling"}},
                             bypass_document_validation=True)
            answer = one.patch("/users/me", token=member.token, json={"custom_fields": {"n": 1}})
            if answer.status_code == 400:
                told.append(answer.text)
        until(lambda: "publication" not in schema_of(one, tenant) or
              schema_of(one, tenant)["publication"]["state"] == "failed", 20)
        return told
    until(ask, 240)
    assert "low" not in told[0] and "x-read" in told[0], told


def test_the_doctor_finishes_what_nobody_does(start_instance, connect, tmp_path, monkeypatch):
    """OPERATIONS.md: a publication that was interrupted is shown, and carried out by --fix."""
    path = tmp_path / "point"
    monkeypatch.setenv("TENANTD_KILL_AT", str(path))
    instance = start_instance(QUICK)
    api = connect(instance)
    tenant = tenant_of(World(api))
    path.write_text("publication opening behind")
    with pytest.raises(httpx.TransportError):
        publish(api, tenant, AFTER)
    path.unlink()
    config = instance.write_config()

    def doctor(*arguments):
        done = subprocess.run([program(), "doctor", "--json", "--config", config, *arguments],
                              capture_output=True, text=True, timeout=180, check=False)
        return [one for one in json.loads(done.stdout)["findings"] if one["tenant"] == tenant.slug]

    found, _ = until(doctor, 10, 0.1)
    assert [one["check"] for one in found] == ["background jobs"]
    assert [one["mended"] for one in doctor("--fix")] == [True]
    assert not doctor()
    stored = instance.db.tenants.find_one({"slug": tenant.slug})
    assert stored["schema_version"] == 1
