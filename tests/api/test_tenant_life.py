"""Suspended, restored, deleted, gone; and how many tenants there may be (R004-10, api.md §2, §11).

TI-2: a suspended, a deleted and an unknown tenant answer alike. TI-10: nothing of a deleted tenant
stays but its tombstone and its audit rows. Design §5: tenants.max_collections is never passed.
"""
import datetime
import re
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.check import ok, refused, until
from support.instance import PLATFORM_KEY
from support.world import OWNER_PASSWORD, World, unique

FAST = {"password": {"scheme": "argon2id"}}
PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)


@pytest.fixture(scope="module")
def worlds(pair):
    """The same installation through two instances."""
    return World(pair[0]), World(pair[1])


def set_status(world, tenant, step):
    method, path = ("DELETE", "") if step == "delete" else ("POST", "/" + step)
    return ok(world.admin(method, f"/tenants/{tenant.id}{path}"), 202 if step == "delete" else 200)


def credentials(world, tenant):
    """Each kind of credential, all working."""
    session = world.sign_in(tenant.owner)
    return {"bearer": {"token": tenant.owner.token}, "session": {"cookie": session}}


@pytest.mark.parametrize("step", ["suspend", "delete"])
def test_credentials_end_everywhere_and_return_only_by_a_new_login(worlds, step):
    """Tokens, sessions, keys and refresh tokens die within 1 s on the other instance; after a
    restore access keys work again, users sign in again, and what was issued before stays dead."""
    here, there = worlds
    tenant = here.key_tenant()
    old = credentials(here, tenant)
    for credential in old.values():
        ok(there.api.get("/api/whoami", tenant=tenant.slug, **credential))
    ok(there.api.get("/api/v1/clients/me", token=tenant.key))
    changed = set_status(here, tenant, step)
    assert changed["status"] == {"suspend": "suspended", "delete": "deleting"}[step]
    assert (changed["purge_at"] is not None) == (step == "delete")
    for credential in old.values():
        until(lambda credential=credential: there.api.get(
            "/api/whoami", **credential).status_code in (400, 401), 1.0)
        refused(here.api.get("/api/whoami", tenant=tenant.slug, **credential), 404)
    until(lambda: there.api.get("/api/v1/clients/me", token=tenant.key).status_code == 401, 1.0)
    refused(there.api.post("/auth/refresh", json={"refresh_token": tenant.owner.refresh_token}),
            401)
    assert set_status(here, tenant, step)["version"] == changed["version"]  # once is enough
    assert set_status(there, tenant, "restore")["status"] == "active"
    until(lambda: here.api.get("/tenants/info", tenant=tenant.slug).status_code == 200, 1.0)
    for credential in old.values():
        for world in worlds:
            refused(world.api.get("/api/whoami", tenant=tenant.slug, **credential), 401)
    refused(here.api.post("/auth/refresh", json={"refresh_token": tenant.owner.refresh_token}),
            401)
    until(lambda: here.api.get("/api/v1/clients/me", token=tenant.key).status_code == 200, 1.0)
    here.login(tenant.owner)
    ok(there.api.get("/api/whoami", token=tenant.owner.token))
    actions = [event["action"] for event in ok(here.admin(
        "GET", f"/tenants/{tenant.id}/audit"))["events"]]
    assert actions.count("tenant.restored") == 1
    assert actions.count({"suspend": "tenant.suspended",
                          "delete": "tenant.deletion_scheduled"}[step]) == 1


def test_the_tenants_own_epoch_outlives_its_revocation(worlds):
    """Sessions may live longer than the revocation that a suspension wrote: the tenant's document ends
    them all the same, and tokens and refresh tokens."""
    here, there = worlds
    tenant, bystander = here.tenant(), here.tenant()
    for owner in (tenant.owner, bystander.owner):
        here.login(owner)
    old = credentials(here, tenant)
    tenants = here.api.instance.db.tenants
    tenants.update_one({"_id": uuid.UUID(tenant.id)}, {"$inc": {"epoch": 1}})
    for world in (here, there):
        for credential in old.values():
            until(lambda api=world.api, credential=credential: api.get(
                "/api/whoami", tenant=tenant.slug, **credential).status_code == 401, 1.0)
    refused(there.api.post("/auth/refresh", json={"refresh_token": tenant.owner.refresh_token}), 401)
    for credential in credentials(here, bystander).values():
        ok(there.api.get("/api/whoami", tenant=bystander.slug, **credential))


def answer_without_names(answer, names):
    """What a client sees of an answer, without its request id and the names that it sent."""
    text = answer.text
    for name in names:
        text = text.replace(name, "NAME")
    text = re.sub(r'"request_id":"[^"]*"', '"request_id":""', text)
    text = re.sub(r"Request id: <[^>]*>[^<]*|[0-9a-f]{8}-[0-9a-f-]{27}", "ID", text)
    headers = {name: value for name, value in answer.headers.items()
               if not name.startswith("ratelimit") and
               name not in ("date", "x-request-id", "content-length", "etag")}
    for name in names:
        headers = {key: value.replace(name, "NAME") for key, value in headers.items()}
    return answer.status_code, text, headers


def test_suspended_deleted_and_unknown_answer_alike(worlds, contract):
    """TI-2: on every route and every channel that names a tenant, byte for byte."""
    here, _ = worlds
    made = {step: here.key_tenant() for step in ("suspend", "delete", "gone")}
    known = {}
    for step, tenant in made.items():
        set_status(here, tenant, "delete" if step == "gone" else step)
        known[step] = (tenant.slug, tenant.id, tenant.key, tenant.owner.token)
    purge(here, made["gone"])
    known["unknown"] = (unique("client-x"), str(uuid.uuid4()), made["gone"].key,
                        made["gone"].owner.token)
    compared = 0
    for row in contract.rows:
        if row.facts["tenant"] == "ignored" or row.hidden or "{id}" in row.path:
            continue
        for channel in ("slug", "id", "subdomain", "prefix", "token", "key"):
            seen = {}
            for state, (slug, identity, key, token) in known.items():
                path = row.path.replace("{cid}", identity).replace("{client_id}", identity)
                options = {"slug": {"tenant": slug}, "id": {"tenant_id": identity},
                           "subdomain": {"host": f"{slug}.localhost"}, "prefix": {},
                           "token": {"token": token}, "key": {"token": key}}[channel]
                if channel == "prefix":
                    path = f"/t/{slug}{path}"
                answer = here.api.request(row.method, path, **options)
                seen[state] = answer_without_names(answer, (slug, identity))
            assert len({str(shape) for shape in seen.values()}) == 1, (str(row), channel, seen)
            compared += 1
    assert compared > 100


def purge(world, tenant):
    """Lets the grace end, and waits until housekeeping is done."""
    tenants = world.api.instance.db.tenants
    tenants.update_one({"_id": uuid.UUID(tenant.id)}, {"$set": {"purge_at": PAST}})
    until(lambda: tenants.find_one({"_id": uuid.UUID(tenant.id)})["status"] == "deleted", 25, 0.1)


def mentions(database, text, raw):
    """{collection: documents} in which the id stands, as binary or in any text, at any depth."""
    found = {}
    for name in database.list_collection_names():
        if name.startswith("system."):
            continue
        for document in database[name].find():
            shown = repr(document)
            if text in shown or text.replace("-", "") in shown or repr(raw) in shown:
                found.setdefault(name, []).append(document)
    return found


def plant_everywhere(database, tenant_id):
    """A document of the tenant in every collection that keeps documents of tenants."""
    planted = []
    hexadecimal = tenant_id.hex
    for info in database.list_collections():
        properties = info.get("options", {}).get("validator", {}).get("$jsonSchema", {}) \
            .get("properties", {})
        if "tenant_id" not in properties or info["name"].startswith("users_") \
                or info["name"] in ("audit_logs",):
            continue
        textual = properties.get("_id", {}).get("bsonType") == "string"
        document = {"_id": f"{hexadecimal}:planted" if textual else uuid.uuid4(),
                    "tenant_id": tenant_id, "kid": "planted", "hash": b"planted"}
        database[info["name"]].insert_one(document, bypass_document_validation=True)
        planted.append(info["name"])
    return planted


def test_nothing_of_a_deleted_tenant_stays(instances, connect):
    """TI-10: the whole database is searched for the old id. The slug is refused for ever, the audit
    rows stay readable for the platform, and a proven domain stays reserved."""
    world = World(connect(instances(FAST)))
    database = world.api.instance.db
    tenant = world.key_tenant()
    credentials(world, tenant)
    world.user(tenant)
    world.api.post("/api/login", tenant=tenant.slug, json={"username": "x", "password": "wrong one"})
    tenant_id = uuid.UUID(tenant.id)
    domain = f"{unique('gone')}.example"
    database.tenant_domains.insert_one({
        "_id": uuid.uuid4(), "tenant_id": tenant_id, "domain": domain, "verified_domain": domain,
        "status": "verified", "challenge": "none", "created_at": PAST})
    set_status(world, tenant, "delete")
    planted = plant_everywhere(database, tenant_id)
    assert len(planted) >= 8, planted
    places = ok(world.admin("GET", "/stats"))["collections"]["used"]
    purge(world, tenant)
    left = mentions(database, tenant.id, tenant_id)
    assert set(left) == {"tenants", "audit_logs", "tenant_domains"}, left.keys()
    assert set(left["tenants"][0]) <= {"_id", "slug", "name", "plan", "status", "discoverable",
                                       "epoch", "created_at", "status_changed_at", "version"}
    assert left["tenants"][0]["name"] == tenant.slug
    (kept,) = left["tenant_domains"]
    assert kept["verified_domain"] == domain and kept["status"] == "retired"
    assert tenant.collection not in database.list_collection_names()
    until(lambda: ok(world.admin("GET", "/stats"))["collections"]["used"] == places - 1)
    events = ok(world.admin("GET", f"/tenants/{tenant.id}/audit"))["events"]
    assert events[0]["action"] == "tenant.deleted"
    refused(world.api.post("/tenants/register", json={
        "tenant_name": "Again", "tenant_slug": tenant.slug, "admin_username": "ada",
        "admin_email": "ada@example.com", "admin_password": OWNER_PASSWORD}), 409, "slug_taken")
    refused(world.admin("POST", "/tenants", json={"name": "A", "slug": tenant.slug}), 409)
    refused(world.admin("POST", f"/tenants/{tenant.id}/restore"), 409, "conflict")
    assert tenant.slug not in str(ok(world.admin("GET", "/tenants", params={"limit": 200})))
    gone = ok(world.admin("GET", "/tenants", params={"status": "deleted", "search": tenant.slug}))
    assert [row["id"] for row in gone["tenants"]] == [tenant.id]


def test_a_killed_purge_is_finished_by_the_next(start_instance, instances, connect):
    """kill -9 at any step: what is half removed is removed by whoever holds the lease next."""
    first = instances(FAST)
    world = World(connect(first))
    tenants = [world.key_tenant(with_owner=False) for _ in range(3)]
    database = first.db
    for tenant in tenants:
        set_status(world, tenant, "delete")
    first.kill()
    # As after a kill between any two steps: claimed, with some of it gone.
    for number, tenant in enumerate(tenants):
        database.tenants.update_one({"_id": uuid.UUID(tenant.id)}, {"$set": {"status": "purging"}})
        if number >= 1:
            database.drop_collection(tenant.collection)
        if number >= 2:
            database.access_keys.delete_many({"tenant_id": uuid.UUID(tenant.id)})
            database.tenant_usage.delete_one({"_id": uuid.UUID(tenant.id)})
    second = start_instance(FAST, database=first.database_name)
    until(lambda: database.tenants.count_documents({"status": "deleted"}) == 3, 25, 0.1)
    for tenant in tenants:
        left = mentions(database, tenant.id, uuid.UUID(tenant.id))
        assert set(left) == {"tenants", "audit_logs"}, left
    assert database.platform_counters.find_one({"_id": "tenants"})["value"] == 0
    assert ok(connect(second).get("/admin/stats", token=PLATFORM_KEY))["tenants"]["total"] == 0


# -- how many there may be ---------------------------------------------------------------------


def test_the_bound_is_never_passed(instances, connect):
    """R004-12, OP-19: 24 at once on two instances at a bound of 10: ten tenants, clear refusals, the
    gauge and the warning at 70 %; refused slugs give their place back."""
    settings = FAST | {"tenants": {"max_collections": 10}}
    first = instances(settings)
    second = instances(settings, database=first.database_name)
    apis = [connect(first), connect(second)]

    def create(number):
        return apis[number % 2].post("/admin/tenants", token=PLATFORM_KEY,
                                     json={"name": f"Bound {number}", "slug": f"bound-{number}"})

    for number in range(6):
        ok(create(number), 201)
    assert not warnings(first) and not warnings(second)
    for _ in range(8):
        refused(create(1), 409, "slug_taken")
    with ThreadPoolExecutor(24) as pool:
        statuses = [answer.status_code for answer in pool.map(create, range(6, 30))]
    assert statuses.count(201) == 4 and set(statuses) == {201, 503}, statuses
    refused(create(31), 503, "tenant_capacity")
    database = first.db
    assert database.tenants.count_documents({"status": "active"}) == 10
    assert database.platform_counters.find_one({"_id": "tenants"})["value"] == 10
    assert len([name for name in database.list_collection_names()
                if name.startswith("users_")]) == 10
    until(lambda: warnings(first) or warnings(second))
    until(lambda: gauge(first, "tenantd_collections") == 10, 12, 0.2)
    assert gauge(first, "tenantd_collections_bound") == 10
    database.platform_counters.delete_one({"_id": "tenants"})
    refused(create(32), 503, "tenant_capacity")  # counted anew when it is missing
    assert database.platform_counters.find_one({"_id": "tenants"})["value"] == 10


def warnings(instance):
    return [line for line in instance.log_lines() if line.get("event") == "tenant_capacity"
            and line["level"] == "warn"]


def gauge(instance, name):
    import urllib.request  # pylint: disable=import-outside-toplevel
    with urllib.request.urlopen(f"http://127.0.0.1:{instance.metrics_port}/metrics") as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
    return None
