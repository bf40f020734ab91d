"""A tenant's own administration of its access keys: TS-13, R003-07, R004-12.

Shown once, hashed, scoped, expiring, with their last use; two live during a rotation; out of use on
every instance within a second; never more than the plan allows.
"""
import base64
import datetime
import hashlib
import time
import uuid

import pytest

from support.check import ok, refused, until
from support.racers import PARALLEL, Racers, race
from support.spans import seen_alive
from support.world import World, unique

PATH = "/tenants/access-keys"
DEFAULT_SCOPES = ["auth", "users:read", "audit:read"]


@pytest.fixture(name="mine")
def fixture_mine(world):
    tenant = world.tenant()
    world.login(tenant.owner)
    return tenant


def create(api, tenant, label="a key", **members):
    return ok(api.post(PATH, token=tenant.owner.token, json={"label": label, **members}), 201)


def listed(api, tenant):
    """{id: key} of the tenant's list."""
    page = ok(api.get(PATH, token=tenant.owner.token))
    return {key["id"]: key for key in page["access_keys"]}


def works(api, text):
    return api.get("/api/v1/clients/me", token=text).status_code == 200


def in_seconds(seconds):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def audited(service, tenant, action):
    return list(service.db.audit_logs.find({"tenant_id": uuid.UUID(tenant.id), "action": action}))


def test_a_key_is_shown_once_and_kept_as_a_hash(api, service, mine):
    """TS-13, R003-07: the list names everything but the secret."""
    made = create(api, mine, "billing")
    assert made["access_key"].startswith("ak_" + made["id"].replace("-", "") + "_")
    assert made["scopes"] == DEFAULT_SCOPES and "expires_at" not in made
    answer = api.get(PATH, token=mine.owner.token)
    assert made["access_key"] not in answer.text and "hash" not in answer.text
    entry = listed(api, mine)[made["id"]]
    assert (entry["label"], entry["scopes"]) == ("billing", DEFAULT_SCOPES)
    assert "last_used_at" not in entry
    stored = service.db.access_keys.find_one({"_id": uuid.UUID(made["id"])})
    assert stored["hash"] == hashlib.sha256(made["access_key"].encode()).digest()
    assert made["access_key"] not in str(stored)
    assert works(api, made["access_key"])
    (row,) = audited(service, mine, "key.created")
    assert (row["key_id"], row["user_id"]) == (uuid.UUID(made["id"]), uuid.UUID(mine.owner.id))


def test_scopes_decide_what_a_key_opens(api, mine):
    reader = create(api, mine, scopes=["users:read"])["access_key"]
    login = {"email": mine.owner.email, "password": mine.owner.password}
    ok(api.get(f"/api/v1/{mine.id}/users", token=reader))
    refused(api.get(f"/api/v1/{mine.id}/audit", token=reader), 403, "insufficient_scope")
    refused(api.post(f"/api/v1/{mine.id}/login", token=reader, json=login), 403,
            "insufficient_scope")
    standard = create(api, mine)["access_key"]
    ok(api.post(f"/api/v1/{mine.id}/login", token=standard, json=login))
    ok(api.get(f"/api/v1/{mine.id}/audit", token=standard))


@pytest.mark.parametrize("body, field", [
    ({}, "label"), ({"label": ""}, "label"), ({"label": "x" * 101}, "label"),
    ({"label": 7}, "label"), ({"label": "a\u0007b"}, "label"),
    ({"label": "x", "scopes": ["admin"]}, "scopes"), ({"label": "x", "scopes": ["users"]}, "scopes"),
    ({"label": "x", "scopes": ["auth "]}, "scopes"), ({"label": "x", "scopes": ["auth", "auth"]},
                                                      "scopes"),
    ({"label": "x", "scopes": []}, "scopes"), ({"label": "x", "scopes": "auth"}, "scopes"),
    ({"label": "x", "scopes": [""]}, "scopes"),
    ({"label": "x", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
    ({"label": "x", "expires_at": "tomorrow"}, "expires_at"),
    ({"label": "x", "expires_at": 1}, "expires_at"),
])
def test_bad_keys_are_refused(api, mine, body, field):
    refused(api.post(PATH, token=mine.owner.token, json=body), 400, field=field)
    assert not listed(api, mine)


def forged(text):
    """A key of the right form, tenant, id and checksum, with another secret."""
    kind, identity, secret = text.split("_", 2)
    body = bytearray(base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))[:-4])
    body[-1] ^= 1
    check = hashlib.sha256(identity.encode() + body).digest()[:4]
    return f"{kind}_{identity}_{base64.urlsafe_b64encode(bytes(body) + check).decode().rstrip('=')}"


def test_a_key_is_more_than_its_id_and_its_checksum(api, mine):
    """SK-1: what anybody can compute opens nothing, also while the key itself is in the cache."""
    key = create(api, mine)["access_key"]
    ok(api.get("/api/v1/clients/me", token=key))
    assert len(forged(key)) == len(key) and forged(forged(key)) == key
    answer = api.get("/api/v1/clients/me", token=forged(key))
    assert "mistyped" not in refused(answer, 401, "invalid_access_key")["error_description"]
    refused(api.get("/api/v1/clients/me", headers={"X-Access-Key": forged(key)}), 401)


def test_an_expired_key_is_none(api, mine):
    def short(seconds):
        made = create(api, mine, expires_at=in_seconds(seconds))
        if not works(api, made["access_key"]):
            return None
        shown = listed(api, mine).get(made["id"])
        assert shown is None or shown["expires_at"] == made["expires_at"]
        return made if shown else None

    made = seen_alive(short, (1.2, 5, 20, 60))
    until(lambda: not works(api, made["access_key"]), 2.5, 0.05)
    refused(api.post(f"{PATH}/{made['id']}/rotate", token=mine.owner.token), 409)
    ok(api.delete(f"{PATH}/{made['id']}", token=mine.owner.token), 204)


def test_rotation_with_an_overlap(pair):
    """TS-13: two live during it, on both instances; a second rotation ends the first at once."""
    one, two = pair
    world = World(one)
    mine = world.tenant()
    world.login(mine.owner)

    def rotate(made, seconds):
        return ok(one.post(f"{PATH}/{made['id']}/rotate", token=mine.owner.token,
                           json={"overlap_seconds": seconds}))

    first = create(one, mine, "shop", scopes=["auth", "schema"], expires_at=in_seconds(3600))
    second = rotate(first, 600)
    assert {name: second[name] for name in ("label", "scopes", "expires_at")} == \
        {name: first[name] for name in ("label", "scopes", "expires_at")}
    for api in pair:
        assert works(api, first["access_key"]) and works(api, second["access_key"])
    entry = listed(one, mine)[first["id"]]
    assert entry["successor_id"] == second["id"] and entry["ends_at"]
    refused(one.post(f"{PATH}/{first['id']}/rotate", token=mine.owner.token), 409, "conflict")
    keys = [first, second]

    def replaced(seconds):
        keys.append(rotate(keys[-1], seconds))
        until(lambda: not works(two, keys[-3]["access_key"]), 1.0)
        assert works(two, keys[-1]["access_key"])
        return keys[-2] if works(two, keys[-2]["access_key"]) else None

    second = seen_alive(replaced)
    until(lambda: not works(one, second["access_key"]) and not works(two, second["access_key"]),
          2.0, 0.05)
    assert set(listed(one, mine)) == {keys[-1]["id"]}


def test_rotation_without_an_overlap_and_deletion(pair):
    """TS-13: out of use everywhere within a second."""
    one, two = pair
    world = World(one)
    mine = world.tenant()
    world.login(mine.owner)
    first = create(one, mine)
    assert works(two, first["access_key"])
    second = ok(one.post(f"{PATH}/{first['id']}/rotate", token=mine.owner.token))
    assert not works(one, first["access_key"])
    until(lambda: not works(two, first["access_key"]), 1.0)
    assert works(two, second["access_key"])
    ok(one.delete(f"{PATH}/{second['id']}", token=mine.owner.token), 204)
    assert not works(one, second["access_key"])
    until(lambda: not works(two, second["access_key"]), 1.0)
    refused(one.delete(f"{PATH}/{second['id']}", token=mine.owner.token), 404)
    refused(one.post(f"{PATH}/{second['id']}/rotate", token=mine.owner.token), 404)
    assert not listed(one, mine)
    for action, key in (("key.rotated", first), ("key.deleted", second)):
        (row,) = audited(one.instance, mine, action)
        assert row["key_id"] == uuid.UUID(key["id"])


@pytest.mark.parametrize("overlap", [-1, 604801, "10", 1.5, None])
def test_bad_overlaps(api, mine, overlap):
    made = create(api, mine)
    answer = api.post(f"{PATH}/{made['id']}/rotate", token=mine.owner.token,
                      json={"overlap_seconds": overlap})
    if overlap is None:  # like one that is left out
        ok(answer)
    else:
        refused(answer, 400, field="overlap_seconds")
        assert works(api, made["access_key"])


def test_only_the_tenants_own_keys(api, world, mine):
    """TI-2: another tenant's key is one that does not exist; so is text that is no id."""
    other = world.key_tenant()
    key_id = ok(api.get(PATH, token=other.owner.token))["access_keys"][0]["id"]
    for wrong in (key_id, str(uuid.uuid4()), "x", "00000000-0000-0000-0000-000000000000"):
        refused(api.delete(f"{PATH}/{wrong}", token=mine.owner.token), 404)
        refused(api.post(f"{PATH}/{wrong}/rotate", token=mine.owner.token), 404)
    assert works(api, other.key)


def test_keys_are_the_owners(api, service, world, mine):
    """api.md §4: owner only, never by key or by an admin."""
    admin = world.user(mine)
    service.db[mine.collection].update_one({"_id": uuid.UUID(admin.id)},
                                           {"$set": {"role": "admin"}})
    world.login(admin)
    key = create(api, mine)["access_key"]
    refused(api.get(PATH, token=admin.token), 403, "insufficient_role")
    refused(api.post(PATH, token=admin.token, json={"label": "x"}), 403, "insufficient_role")
    refused(api.get(PATH, token=key), 401)


def test_last_use_costs_one_write_a_minute(pair):
    """TS-13: recorded apart from the cached key, whatever its traffic and however many instances
    serve it."""
    one, two = pair
    world = World(one)
    mine = world.tenant()
    world.login(mine.owner)
    uses = one.instance.db.access_key_uses

    def used_for_a_while():
        """A new key, what both lists say and what is stored, all of it within one minute."""
        uses.delete_many({"tenant_id": uuid.UUID(mine.id)})
        made, before = create(one, mine), time.time()
        for _ in range(5):
            assert works(one, made["access_key"]) and works(two, made["access_key"])
        told = [listed(api, mine)[made["id"]]["last_used_at"] for api in pair]
        stored = uses.count_documents({"tenant_id": uuid.UUID(mine.id)})
        after = time.time()
        return before // 60 == after // 60 and (made, before, told, stored, after)

    made, before, told, stored, after = until(used_for_a_while)[0]
    used = datetime.datetime.fromisoformat(told[0].replace("Z", "+00:00"))
    assert before - 1 <= used.timestamp() <= after + 1
    assert told[0] == told[1] and stored == 1
    stored = one.instance.db.access_keys.find_one({"_id": uuid.UUID(made["id"])})
    assert "last_used_at" not in stored and "used_at" not in stored


def test_pages(api, mine):
    ids = [create(api, mine, f"key {number}")["id"] for number in range(3)]
    page = ok(api.get(f"{PATH}?limit=2", token=mine.owner.token))
    rest = ok(api.get(f"{PATH}?limit=2&cursor={page['next']}", token=mine.owner.token))
    assert [key["id"] for key in page["access_keys"] + rest["access_keys"]] == ids
    assert rest["next"] is None


# -- the plan ------------------------------------------------------------------------------------


def usage(api, tenant):
    return ok(api.get("/tenants/stats", token=tenant.owner.token))["usage"]["access_keys"]


def test_the_plan_limits_keys(api, service, world):
    """R004-12: free has 2; the key of /api/v1/clients/register counts, a rotation does not."""
    mine = world.key_tenant()
    assert usage(api, mine) == {"used": 1, "limit": 2}
    made = create(api, mine)
    body = refused(api.post(PATH, token=mine.owner.token, json={"label": "x"}), 403, "plan_limit")
    assert (body["limit"], body["usage"]) == (2, 2) and "upgrade_url" in body
    made = ok(api.post(f"{PATH}/{made['id']}/rotate", token=mine.owner.token,
                       json={"overlap_seconds": 600}))
    assert len(listed(api, mine)) == 3 and usage(api, mine) == {"used": 2, "limit": 2}
    (replaced,) = [key for key in listed(api, mine).values() if "successor_id" in key]
    ok(api.delete(f"{PATH}/{replaced['id']}", token=mine.owner.token), 204)
    refused(api.post(PATH, token=mine.owner.token, json={"label": "x"}), 403, "plan_limit")
    ok(api.delete(f"{PATH}/{made['id']}", token=mine.owner.token), 204)
    assert usage(api, mine) == {"used": 1, "limit": 2}
    create(api, mine)
    # the platform's word for this tenant counts before its plan
    service.db.tenants.update_one({"slug": mine.slug}, {"$set": {"limits": {"access_keys": 3}}})
    until(lambda: usage(api, mine) == {"used": 2, "limit": 3}, 1.5)
    create(api, mine)
    refused(api.post(PATH, token=mine.owner.token, json={"label": "x"}), 403, "plan_limit")


@pytest.fixture(name="racers", scope="module")
def fixture_racers(pair):
    made = Racers(pair)
    yield made
    made.close()


def count(answers, status):
    return sum(answer.status_code == status for answer in answers)


@race
def test_the_limit_holds_under_parallel_creations(pair, racers):
    """R004-12: 32 at once on two instances: one place left, one key; never a place lost."""
    api = pair[0]
    mine = World(api).key_tenant()
    answers = racers.race(lambda racer, number: racer.post(PATH, token=mine.owner.token, json={
        "label": f"racer {number}"}))
    assert (count(answers, 201), count(answers, 403)) == (1, PARALLEL - 1)
    assert len(listed(api, mine)) == 2 and usage(api, mine) == {"used": 2, "limit": 2}


@race
def test_deletions_and_rotations_at_once_keep_the_count(pair, racers):
    """Of 32 for one key one counts, and the counter stays that of the keys."""
    api = pair[0]
    mine = World(api).key_tenant()
    made = create(api, mine, unique("raced"))
    answers = racers.race(lambda racer, number: racer.request(
        "DELETE" if number % 2 else "POST",
        f"{PATH}/{made['id']}" + ("" if number % 2 else "/rotate"), token=mine.owner.token))
    assert count(answers, 204) + count(answers, 200) == 1, [a.status_code for a in answers]
    assert {answer.status_code for answer in answers} <= {200, 204, 404, 409}
    left = 2 if count(answers, 200) else 1
    assert len(listed(api, mine)) == left and usage(api, mine)["used"] == left
