"""The platform's administrators: their keys, all tenants, figures (api.md §4, §10; R004-10…13, C19).

AU-16, SK-1, SK-2, TI-2: a platform key opens /admin and nothing of a tenant, a tenant's credential
opens nothing of /admin, and no key is ever in a log.
"""
import json
import os
import re
import stat
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.api import Api
from support.check import ok, refused, until
from support.instance import PLATFORM_KEY, Instance, run
from support.world import OWNER_PASSWORD, World, unique

FAST = {"password": {"scheme": "argon2id"}}


@pytest.fixture(scope="module")
def place(instances, connect):
    """An installation of its own, whose figures nobody else changes."""
    return World(connect(instances(FAST)))


def admin_rows(contract):
    return [row for row in contract.rows if row.auth == {"platform"}]


# -- who may -----------------------------------------------------------------------------------


def test_tenants_credentials_open_nothing_of_admin(api, contract, world):
    """Session, token and access key of an owner: 401, on every row; nothing at all: 401."""
    tenant = world.key_tenant()
    session = world.sign_in(tenant.owner)
    rows = admin_rows(contract)
    assert len(rows) >= 14
    for row in rows:
        path = row.at(**({"id": tenant.id} if "{id}" in row.path else {}))
        for credential in ({}, {"cookie": session}, {"token": tenant.owner.token},
                           {"token": tenant.key}, {"headers": {"X-Access-Key": tenant.key}},
                           {"token": PLATFORM_KEY[:-1] + ("A" if PLATFORM_KEY[-1] != "A" else "Q")},
                           {"token": "pk_" + "0" * 32 + "_" + "A" * 43}, {"token": "pk_"}):
            refused(api.request(row.method, path, tenant=tenant.slug, **credential), 401)


def test_a_platform_key_opens_nothing_of_a_tenant(api, contract, acme):
    """It is no tenant credential: 401 or 403 wherever one is needed, anonymous elsewhere."""
    tried = 0
    for row in contract.rows:
        if row.auth & {"public", "optional", "body", "ignore", "platform"} or row.hidden:
            continue
        path = row.path.replace("{cid}", acme.id).replace("{client_id}", acme.id) \
            .replace("{id}", str(uuid.uuid4()))
        body = {"none": {}, "form": {"form": {"token": "none"}},
                "lines": {"content": b"{}\n", "headers": {
                    "Content-Type": "application/x-ndjson"}}}.get(row.facts["body"], {"json": {}})
        answer = api.request(row.method, path, tenant=acme.slug, token=PLATFORM_KEY, **body)
        assert answer.status_code in (401, 403), f"{row}: {answer.status_code} {answer.text}"
        tried += 1
    assert tried > 15
    assert "max_users" not in ok(api.get("/tenants/info", tenant=acme.slug, token=PLATFORM_KEY))


def test_keys_are_made_rotated_and_revoked(pair):
    """Expiry, rotation with overlap, revocation within 1 s on both instances, last use."""
    one, two = World(pair[0]), World(pair[1])
    made = ok(one.admin("POST", "/keys", json={"label": "deployment"}), 201)
    key = made["platform_key"]
    assert ok(two.admin("GET", "/stats", key=key))

    def listed_keys():
        return {row["id"]: row for row in ok(two.admin("GET", "/keys"))["keys"]}

    until(lambda: listed_keys()[made["id"]]["last_used_at"] is not None)
    shown = listed_keys()
    assert key not in json.dumps(shown)
    overlapped = ok(one.admin("POST", f"/keys/{made['id']}/rotate", json={"overlap_seconds": 60}))
    for alive in (key, overlapped["platform_key"]):
        ok(two.admin("GET", "/stats", key=alive))
    last = ok(one.admin("POST", f"/keys/{overlapped['id']}/rotate", json={}))
    until(lambda: two.admin("GET", "/stats", key=overlapped["platform_key"]).status_code == 401, 1)
    ok(two.admin("GET", "/stats", key=last["platform_key"]))
    assert one.admin("DELETE", f"/keys/{last['id']}").status_code == 204
    until(lambda: two.admin("GET", "/stats", key=last["platform_key"]).status_code == 401, 1)
    refused(one.admin("DELETE", f"/keys/{last['id']}"), 404)
    refused(one.admin("POST", f"/keys/{last['id']}/rotate", json={}), 404)
    refused(one.admin("POST", "/keys", json={"label": "late", "expires_at":
                                             "2020-01-01T00:00:00Z"}), 400, field="expires_at")
    short = ok(one.admin("POST", "/keys", json={"label": "short",
                                                "expires_at": "2099-01-01T00:00:00Z"}), 201)
    one.api.instance.db.platform_keys.update_one(
        {"_id": uuid.UUID(short["id"])}, {"$set": {"expires_at": past()}})
    refused(two.admin("GET", "/stats", key=short["platform_key"]), 401, "invalid_platform_key")
    actions = [event["action"] for event in ok(one.admin("GET", "/audit"))["events"]]
    assert {"platform_key.created", "platform_key.rotated", "platform_key.revoked"} <= set(actions)
    stored = list(one.api.instance.db.platform_keys.find())
    assert all(key not in str(document) and len(document["hash"]) == 32 for document in stored)


def past():
    import datetime  # pylint: disable=import-outside-toplevel
    return datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)


def test_the_last_key_stays(instances, connect):
    """Two keys that would revoke each other at once: one stays."""
    world = World(connect(instances(FAST)))
    first = ok(world.admin("GET", "/keys"))["keys"]
    assert len(first) == 1
    refused(world.admin("DELETE", f"/keys/{first[0]['id']}"), 403, "last_platform_key")
    survivor = {"id": first[0]["id"], "platform_key": PLATFORM_KEY}
    for _ in range(3):
        keys = [ok(world.admin("POST", "/keys", key=survivor["platform_key"],
                               json={"label": "x"}), 201) for _ in range(2)]
        assert world.admin("DELETE", f"/keys/{survivor['id']}",
                           key=keys[0]["platform_key"]).status_code == 204
        barrier = threading.Barrier(2)

        def revoke(number, keys=keys, barrier=barrier):
            barrier.wait()
            return world.admin("DELETE", f"/keys/{keys[1 - number]['id']}",
                               key=keys[number]["platform_key"]).status_code

        with ThreadPoolExecutor(2) as pool:
            statuses = list(pool.map(revoke, range(2)))
        live = [key for key in keys
                if world.admin("GET", "/stats", key=key["platform_key"]).status_code == 200]
        assert len(live) == 1 and statuses.count(204) == 1, statuses
        survivor = live[0]


# -- the first key -----------------------------------------------------------------------------


def first_key_settings(path):
    return FAST | {"platform_key": None, "platform_key_file": path}


def test_one_of_several_instances_makes_the_first_key(mongo, tmp_path):
    """AU-16: four start at once on an empty database: one key, one file, mode 0600, logged is only
    its path; a second start makes none; the file alone opens /admin."""
    database = unique("first")
    path = str(tmp_path / "platform-key")
    starting = [Instance(mongo, database, first_key_settings(path if number % 2 else path + "2"))
                for number in range(4)]
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda instance: instance.start(), starting))
        files = sorted(os.listdir(tmp_path))
        assert len(files) == 1 and files[0] in ("platform-key", "platform-key2")
        path = str(tmp_path / files[0])
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        with open(path, encoding="utf-8") as file:
            key = file.read().strip()
        for instance in starting:
            api = Api(instance)
            ok(api.get("/admin/stats", token=key))
            api.close()
            assert key.split("_", 2)[2] not in instance.output()
        assert any(path in instance.output() for instance in starting)
        assert mongo.database(database).platform_keys.count_documents({}) == 1
        starting[0].stop()
        starting[0].start()
        assert sorted(os.listdir(tmp_path)) == files
    finally:
        for instance in starting:
            instance.close()
        mongo.drop(database)


def test_bad_platform_keys_stop_the_start(mongo, tmp_path):
    """SK-1: readable by others, short, made up, of another shape, in two places."""
    readable = tmp_path / "readable"
    readable.write_text(PLATFORM_KEY + "\n")
    readable.chmod(0o644)
    made_up = "pk_" + "0" * 31 + "1_" + "A" * 43
    for settings, sentence in (
            ({"platform_key": None, "platform_key_file": str(readable)}, "chmod 600"),
            ({"platform_key": "pk_short"}, "platform key"),
            ({"platform_key": PLATFORM_KEY[:-2]}, "platform key"),
            ({"platform_key": PLATFORM_KEY + "A"}, "platform key"),
            ({"platform_key_file": str(readable)}, "both set"),
            ({"platform_key": made_up, "environment": "production"}, "platform key")):
        instance = Instance(mongo, "unused", settings)
        status, _, errors = run(["check-config", "--config", instance.write_config()])
        assert status != 0 and sentence in errors, (settings, errors)
        assert PLATFORM_KEY not in errors
        instance.close()
    instance = Instance(mongo, "unused")
    status, shown, _ = run(["print-config", "--config", instance.write_config()])
    assert status == 0 and PLATFORM_KEY not in shown
    instance.close()


def test_guessing_is_limited(start_instance, connect):
    """As with access keys: wrong keys use up a budget, a good one never does."""
    api = connect(start_instance(FAST | {"limits": {"requests_per_minute": 10,
                                                    "development_factor": 1}}))
    for _ in range(25):
        ok(api.get("/admin/stats", token=PLATFORM_KEY))
    guess = "pk_" + "1" * 32 + "_" + "B" * 42 + "A"
    began = time.monotonic()
    found = [api.get("/admin/stats", token=guess).status_code for _ in range(30)]
    back = (time.monotonic() - began) / 6  # while it lasts
    assert set(found) <= {401, 429} and found.count(401) <= 11 + back and (429 in found or back > 15)


# -- all tenants -------------------------------------------------------------------------------


def listed(world, **parameters):
    """All pages of a search: slugs."""
    slugs, cursor = [], None
    while True:
        page = ok(world.admin("GET", "/tenants", params={
            **parameters, **({"cursor": cursor} if cursor else {})}))
        slugs += [row["slug"] for row in page["tenants"]]
        cursor = page["next"]
        if cursor is None:
            return slugs


def test_tenants_are_found_by_slug_and_name(place):
    """Pages of any size show each match once: slugs first, then names, each in order."""
    stem = unique("find")
    for number in range(4):
        ok(place.admin("POST", "/tenants", json={
            "name": f"Firm {number}", "slug": f"{stem}-{number}", "plan": "basic"}), 201)
    for number in range(4):
        ok(place.admin("POST", "/tenants", json={
            "name": f"{stem.upper()} Größe {number}", "slug": f"other-{stem}-{3 - number}"}), 201)
    both = ok(place.admin("POST", "/tenants", json={"name": f"{stem}-x", "slug": f"{stem}-x"}), 201)
    expected = [f"{stem}-{number}" for number in range(4)] + [both["tenant"]["slug"]] + \
        [f"other-{stem}-{3 - number}" for number in range(4)]
    for limit in (1, 2, 4, 5, 6, 200):
        assert listed(place, search=stem.capitalize(), limit=limit) == expected, limit
    assert listed(place, search=stem, plan="basic", limit=3) == expected[:4]
    assert listed(place, search=stem + " GRÖSSE") == []
    assert listed(place, search=stem + " größe 2") == [f"other-{stem}-1"]
    assert listed(place, search="\U0010ffff") == [] and listed(place, search=".*") == []
    refused(place.admin("GET", "/tenants", params={"status": "odd"}), 400, field="status")
    page = ok(place.admin("GET", "/tenants", params={"search": stem, "limit": 2}))
    refused(place.admin("GET", "/tenants", params={"cursor": page["next"], "limit": 2}), 400,
            "invalid_cursor")


def test_a_tenant_is_made_changed_and_its_limits_hold(place):
    """R004-11…13, C19: any plan, limits beside it, exact; null gives one back."""
    slug = unique("made")
    made = ok(place.admin("POST", "/tenants", json={
        "name": "Made", "slug": slug, "plan": "premium", "limits": {"users": 2},
        "owner_username": "ada", "owner_password": OWNER_PASSWORD, "with_key": True}), 201)
    tenant = made["tenant"]
    assert tenant["plan"] == "premium" and tenant["max_users"] == 2 and tenant["users"] == 1
    ok(place.api.get("/api/v1/clients/me", token=made["access_key"]))
    ok(place.api.post("/api/login", tenant=slug, json={"username": "ada",
                                                      "password": OWNER_PASSWORD}))

    def sign_up():
        return place.api.post("/auth/register", tenant=slug, json={
            "email": f"{unique('u')}@example.com", "password": OWNER_PASSWORD})

    ok(sign_up(), 201)
    refused(sign_up(), 403, "plan_limit")
    path = f"/tenants/{tenant['id']}"
    changed = ok(place.admin("PATCH", path, json={"limits": {"users": 3}, "industry": "Tools"}))
    assert changed["max_users"] == 3 and changed["industry"] == "Tools"
    ok(sign_up(), 201)
    refused(sign_up(), 403, "plan_limit")
    changed = ok(place.admin("PATCH", path, json={
        "limits": {"users": None}, "plan": "free", "industry": None, "name": "Neu"}))
    assert changed["max_users"] == 10 and changed["limits"] == {} and changed["industry"] is None
    assert ok(place.admin("GET", path)) == changed and changed["users"] == 3
    assert listed(place, search="neu") == [slug] and listed(place, search="Made") == [slug]
    for bad, field in (({"plan": "odd"}, "plan"), ({"limits": {"users": -1}}, "users"),
                       ({"slug": "x"}, "slug"), ({"limits": {"odd": 1}}, "odd"),
                       ({"name": None}, "name"), ({"limits": 5}, "limits")):
        refused(place.admin("PATCH", path, json=bad), 400, field=field)
    assert ok(place.admin("GET", path)) == changed
    actions = [event["action"] for event in ok(place.admin("GET", path + "/audit"))["events"]]
    assert actions.count("tenant.changed") == 2
    for bad, field in (({}, "name"), ({"name": "A", "slug": "www"}, "slug"),
                       ({"name": "A", "slug": "A_"}, "slug"), ({"name": "A", "plan": "x"}, "plan"),
                       ({"name": "A", "owner_username": "a"}, "owner_password"),
                       ({"name": "A", "owner_password": OWNER_PASSWORD}, "owner_email"),
                       ({"name": "A", "owner_username": "a", "owner_password": "x"}, "password")):
        refused(place.admin("POST", "/tenants", json=bad), 400, field=field)
    refused(place.admin("POST", "/tenants", json={"name": "A", "slug": slug}), 409, "slug_taken")
    for odd in (str(uuid.uuid4()), "x", "0" * 32, str(uuid.UUID(int=0))):
        refused(place.admin("GET", f"/tenants/{odd}"), 404)
        refused(place.admin("POST", f"/tenants/{odd}/suspend"), 404)


@pytest.mark.parametrize("plan,users", [("free", 10), ("basic", 50), ("premium", 200),
                                        ("enterprise", None)])
def test_the_users_of_each_plan(place, plan, users):
    """R004-11: free, basic, premium, and enterprise without limit. A fifth plan is none."""
    made = ok(place.admin("POST", "/tenants", json={"name": "Plans", "plan": plan}), 201)["tenant"]
    assert (made["plan"], made.get("max_users")) == (plan, users)
    refused(place.admin("PATCH", f"/tenants/{made['id']}", json={"plan": "gold"}), 400, field="plan")


def test_figures(place):
    """R003-28: tenants by status and plan, users, places, logins, all from counters and indexes."""
    before = ok(place.admin("GET", "/stats"))
    tenant = place.tenant(plan="enterprise")
    other = ok(place.admin("POST", "/tenants", json={"name": "Figures", "plan": "basic"}), 201)
    ok(place.admin("POST", f"/tenants/{other['tenant']['id']}/suspend"))
    place.user(tenant)
    after = ok(place.admin("GET", "/stats"))
    assert after["tenants"]["total"] == before["tenants"]["total"] + 2
    assert after["tenants"]["active"] == before["tenants"]["active"] + 1
    assert after["tenants"]["suspended"] == before["tenants"]["suspended"] + 1
    assert after["plans"]["enterprise"] == before["plans"]["enterprise"] + 1
    assert after["plans"]["basic"] == before["plans"]["basic"] + 1
    assert after["users"]["total"] == before["users"]["total"] + 2
    assert after["collections"]["used"] == before["collections"]["used"] + 2
    assert after["collections"]["used"] == after["tenants"]["total"]
    assert after["collections"]["bound"] > 100
    until(lambda: ok(place.admin("GET", "/stats"))["logins"]["succeeded"] >
          before["logins"]["succeeded"], 15, 0.3)


def test_searches_use_indexes(place):
    """With 300 tenants each kind of page reads no more than it shows, by an index."""
    database = place.api.instance.db
    seeded = seed_tenants(database, 300)
    database.create_collection("system.profile", capped=True, size=4 << 20)
    database.command("profile", 2)
    for parameters in ({}, {"search": "seed-1"}, {"search": "Seeded 2"}, {"status": "active"},
                       {"plan": "basic"}, {"status": "suspended", "plan": "free"},
                       {"search": "seed", "status": "active", "plan": "basic"}):
        rows = ok(place.admin("GET", "/tenants", params={**parameters, "limit": 5}))["tenants"]
        assert rows or "suspended" in parameters.values(), parameters
    ok(place.admin("GET", "/stats"))
    database.command("profile", 0)
    for name in ("tenants", "tenant_usage"):
        database[name].delete_many({"_id": {"$in": seeded}})
    seen = [entry for entry in database["system.profile"].find(
        {"ns": database.name + ".tenants", "appName": {"$regex": "^tenantd"}})
        if entry["op"] in ("query", "command")]
    assert len(seen) >= 8
    for entry in seen:
        assert re.search("IXSCAN|COUNT_SCAN", entry.get("planSummary", "")), entry["command"]
        assert "COLLSCAN" not in entry["planSummary"]
        assert not entry.get("hasSortStage"), entry["command"]


def seed_tenants(database, count):
    """The documents that POST /admin/tenants makes, without the tenants' collections."""
    import datetime  # pylint: disable=import-outside-toplevel
    now = datetime.datetime.now(datetime.timezone.utc)
    plans = ["free", "basic", "premium", "enterprise"]
    from bson.int64 import Int64  # pylint: disable=import-outside-toplevel
    tenants = [{"_id": uuid.uuid4(), "slug": f"seed-{number}", "name": f"Seeded {number}",
                "name_key": f"seeded {number}", "plan": plans[number % 4], "status": "active",
                "discoverable": True, "epoch": Int64(1), "created_at": now, "version": Int64(1)}
               for number in range(count)]
    database.tenants.insert_many(tenants)
    database.tenant_usage.insert_many(
        [{"_id": tenant["_id"], "users": Int64(number), "inactive_users": Int64(0)}
         for number, tenant in enumerate(tenants)])
    return [tenant["_id"] for tenant in tenants]


# -- who may register --------------------------------------------------------------------------


@pytest.mark.parametrize("registration", ["closed", "verified"])
def test_closed_registration_needs_a_platform_key(start_instance, connect, registration):
    """403 registration_closed on both paths, unless a platform key is sent: then any plan."""
    api = connect(start_instance(FAST | {"tenants": {"registration": registration}}))
    slug = unique("shut")
    tenant = {"tenant_name": "Shut", "tenant_slug": slug, "admin_username": "ada",
              "admin_email": "ada@example.com", "admin_password": OWNER_PASSWORD,
              "plan": "premium"}
    client = {"client_name": unique("Shut "), "industry": "SaaS"}
    for wrong in (None, "pk_" + "1" * 32 + "_" + "B" * 42 + "A", "garbage"):
        for path, body in (("/tenants/register", tenant), ("/api/v1/clients/register", client)):
            body = refused(api.post(path, json=body, token=wrong), 403, "registration_closed")
            assert "administrators" in json.dumps(body)
    made = ok(api.post("/tenants/register", json=tenant, token=PLATFORM_KEY), 201)
    assert made["tenant"]["plan"] == "premium"
    key = ok(api.post("/api/v1/clients/register", json=client, token=PLATFORM_KEY),
             201)["access_key"]
    refused(api.post("/tenants/register", json=tenant, token=key), 403, "registration_closed")


def test_resolve_in_production_is_the_platforms(start_instance):
    """GET /tenants/resolve: 404 in production like a path that does not exist, but with a key."""
    production = FAST | {
        "environment": "production",
        "server": {"public_url": "https://login.example.com", "bind": "127.0.0.1",
                   "trusted_proxies": ["127.0.0.1"]},
        "tenants": {"base_domains": ["login.example.com"], "registration": "closed"}}
    api = Api(start_instance(production))
    https = {"X-Forwarded-Proto": "https"}
    for headers in (https, https | {
            "Authorization": "Bearer pk_" + "1" * 32 + "_" + "B" * 42 + "A"}):
        body = refused(api.get("/tenants/resolve", headers=headers), 404, "not_found")
        nothing = refused(api.get("/nothing/here", headers=headers), 404, "not_found")
        assert body["error_description"] == nothing["error_description"]
    seen = ok(api.get("/tenants/resolve", tenant="nobody", token=PLATFORM_KEY,
                      headers=https))
    assert seen["decision"] == "tenant_not_found"
    api.close()
