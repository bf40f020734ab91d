"""Refusals in the audit log: each kind has its rows, and a flood has few (AL-1, R004-57)."""
import uuid

import pytest

from support.check import ok, refused
from support.world import USER_PASSWORD, World, unique

FAST = {"password": {"scheme": "argon2id"}}


def rows(service, tenant, **query):
    return list(service.db.audit_logs.find({"tenant_id": uuid.UUID(tenant.id)} | query)
                .sort([("timestamp", 1), ("_id", 1)]))


@pytest.fixture
def tenant(service, world):
    """A tenant of its own: what is alike is counted for a minute."""
    made = world.key_tenant()
    service.db.tenants.update_one({"slug": made.slug}, {"$set": {"plan": "enterprise"}})
    return made


def test_a_conflict_of_hints(api, service, tenant, other):
    refused(api.get("/tenants/info", tenant=tenant.slug, host="other.localhost",
                    headers={"User-Agent": "conflict/1"}), 400, "tenant_conflict")
    (row,) = rows(service, tenant, action="tenant.conflict")
    assert (row["status"], row["user_agent"], row["ip_address"]) == \
        ("failed", "conflict/1", "127.0.0.1")


def test_a_foreign_credential(api, service, tenant, anna):
    """In the log of the tenant that was asked for, and without the other tenant's user."""
    refused(api.get("/users/me", tenant=tenant.slug, token=anna.token), 403, "tenant_mismatch")
    (row,) = rows(service, tenant, action="tenant.mismatch")
    assert row["status"] == "failed" and anna.id not in repr(row)
    assert "user_id" not in row or row["user_id"].int == 0


@pytest.mark.parametrize("make, reason", [
    (lambda world, tenant: {}, "authentication_required"),
    (lambda world, tenant: {"token": "a.b.c"}, "invalid_token"),
    (lambda world, tenant: {"token": world.user(tenant).token}, "insufficient_scope"),
    (lambda world, tenant: {"cookie": world.sign_in(world.named_user(tenant))},
     "insufficient_role"),
], ids=["nobody", "forged", "user", "session"])
def test_knocking_at_admin_routes(api, service, world, tenant, make, reason):
    answer = api.get("/tenants/audit", tenant=tenant.slug, **make(world, tenant))
    refused(answer, 403 if reason.startswith("insufficient") else 401, reason)
    (row,) = rows(service, tenant, action="access.denied")
    assert (row["status"], row["reason"]) == ("failed", reason)
    known = reason.startswith("insufficient")
    assert ("user_id" in row and row["user_id"].int != 0) == known


def test_a_bad_key(api, service, tenant):
    refused(api.post(f"/api/v1/{tenant.id}/login", token="ak_nothing", json={}), 401)
    (row,) = rows(service, tenant, action="access.denied")
    assert row["status"] == "failed"


def test_ordinary_routes_without_a_credential_are_no_event(api, service, tenant):
    """A page that asks who is signed in."""
    refused(api.get("/users/me", tenant=tenant.slug), 401)
    assert rows(service, tenant, action="access.denied") == []


def test_rate_limits(start_instance, connect):
    instance = start_instance(FAST | {"limits": {"development_factor": 1,
                                                 "sign_ins_per_minute": 3}})
    client = connect(instance)
    tenant = World(client).tenant(plan="free")
    statuses = [client.post("/auth/login", tenant=tenant.slug, json={
        "email": f"{unique()}@example.com", "password": USER_PASSWORD}).status_code
        for _ in range(8)]
    assert 429 in statuses
    (row,) = rows(instance, tenant, action="rate.limited")
    assert row["status"] == "failed"
    assert instance.stop() == []
    told = rows(instance, tenant, action="rate.limited")
    assert sum(row.get("count", 1) for row in told) == statuses.count(429)


def test_a_flood_is_two_rows(start_instance, connect):
    """The first at once, the others as a number when the minute is over or the instance stops; rows
    of another reason, user or tenant are apart."""
    instance = start_instance(FAST)
    client = connect(instance)
    world = World(client)
    tenant, second = world.tenant(), world.tenant()
    users = [world.user(tenant) for _ in range(2)]
    for _ in range(50):
        refused(client.get("/tenants/audit", tenant=tenant.slug), 401)
    for user in users:
        for _ in range(5):
            refused(client.get("/tenants/audit", token=user.token), 403)
    refused(client.get("/tenants/audit", tenant=second.slug), 401)
    denied = rows(instance, tenant, action="access.denied")
    assert [row.get("count", 1) for row in denied] == [1, 1, 1]
    assert instance.stop() == []
    counts = {}
    for row in rows(instance, tenant, action="access.denied"):
        key = (row["reason"], row.get("user_id"))
        counts.setdefault(key, []).append(row.get("count", 1))
    assert counts.pop(("authentication_required", None)) == [1, 49]
    assert counts == {("insufficient_scope", uuid.UUID(user.id)): [1, 4] for user in users}
    assert [row.get("count") for row in rows(instance, second, action="access.denied")] == [None]


def test_what_could_not_be_written_is_not_forgotten(start_instance, connect, own_mongo):
    """A refusal stays a refusal without an audit log, and its row comes when there is one."""
    instance = start_instance(FAST, server=own_mongo)
    client = connect(instance)
    tenant = World(client).tenant()
    with own_mongo.failpoint(["insert"], namespace=f"{instance.database_name}.audit_logs",
                             errorCode=11600):
        for _ in range(3):
            refused(client.get("/tenants/audit", tenant=tenant.slug), 401)
    assert instance.stop() == []
    # What a number was taken for in vain says "not_committed".
    told = rows(instance, tenant, action="access.denied", reason={"$ne": "not_committed"})
    assert sum(row.get("count", 1) for row in told) == 3


def test_counts_are_shown_and_exported(start_instance, connect):
    instance = start_instance(FAST)
    client = connect(instance)
    tenant = World(client).tenant()
    for _ in range(4):
        refused(client.get("/tenants/audit", tenant=tenant.slug), 401)
    assert instance.stop() == []
    instance.start()
    World(client).login(tenant.owner)
    events = ok(client.get("/tenants/audit", token=tenant.owner.token,
                           params={"action": "access.denied"}))["events"]
    assert [event.get("count") for event in events] == [3, None]
