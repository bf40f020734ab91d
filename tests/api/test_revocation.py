"""Revoked everywhere within a second: two instances on one database (TS-7, TS-14, design §7)."""
import uuid

import pytest

from support.check import ok, refused, until
from support.world import World, unique


@pytest.fixture(scope="module")
def two(pair):
    first, second = pair
    world = World(first)
    return first, second, world, world.tenant()


def dead_within_a_second(api, **credential):
    _, took = until(lambda: api.get("/users/me", **credential).status_code == 401, 1.0)
    return took


def test_logout_all(two):
    first, second, world, tenant = two
    user = world.user(tenant)
    ok(second.get("/users/me", token=user.token))
    assert first.post("/auth/logout-all", token=user.token).status_code == 204
    dead_within_a_second(second, token=user.token)
    refused(first.get("/users/me", token=user.token), 401)
    refused(second.post("/auth/refresh", json={"refresh_token": user.refresh_token}), 401)


def test_logout(two):
    first, second, world, tenant = two
    user = world.user(tenant)
    ok(second.get("/users/me", token=user.token))
    assert first.post("/auth/logout",
                      json={"refresh_token": user.refresh_token}).status_code == 204
    dead_within_a_second(second, token=user.token)


def test_password_change(two):
    first, second, world, tenant = two
    user = world.user(tenant)
    session = world.sign_in(user)
    ok(second.get("/users/me", token=user.token))
    ok(second.get("/users/me", tenant=tenant.slug, cookie=session))
    assert first.post("/auth/password/change", token=user.token, json={
        "current_password": user.password, "new_password": "another one 3"}).status_code == 204
    dead_within_a_second(second, token=user.token)
    dead_within_a_second(second, tenant=tenant.slug, cookie=session)
    user.password = "another one 3"
    ok(second.get("/users/me", token=world.login(user)["access_token"]))


def test_a_session_opened_by_a_login_in_flight(two):
    """design §7: a session made from a user as read before the change ends with it, for as long as
    it could live, and not only as long as access tokens do."""
    first, second, world, tenant = two
    user = world.user(tenant)
    session = world.sign_in(user)
    db = first.instance.db
    stored = db.sessions.find_one({"user_id": uuid.UUID(user.id)})
    assert first.post("/auth/logout-all", token=user.token).status_code == 204
    db.sessions.insert_one(stored)
    dead_within_a_second(second, tenant=tenant.slug, cookie=session)
    ending = db.revocations.find_one({"_id": {"$regex": uuid.UUID(user.id).hex}})
    assert ending["expires_at"] >= stored["expires_at"]


def test_reuse_of_a_refresh_token(two):
    first, second, world, tenant = two
    user = world.user(tenant)
    successor = ok(first.post("/auth/refresh", json={"refresh_token": user.refresh_token}))
    ok(second.get("/users/me", token=successor["access_token"]))
    refused(first.post("/auth/refresh", json={"refresh_token": user.refresh_token}), 401)
    dead_within_a_second(second, token=successor["access_token"])


def test_session_logout(two):
    first, second, world, tenant = two
    user = world.user(tenant)
    session = world.sign_in(user)
    ok(second.get("/users/me", tenant=tenant.slug, cookie=session))
    assert first.post("/oauth/logout", tenant=tenant.slug, cookie=session).status_code == 204
    dead_within_a_second(second, tenant=tenant.slug, cookie=session)


def test_key_rotation(two):
    """TS-13."""
    first, second, world, _ = two
    tenant = world.key_tenant(with_owner=False)
    ok(second.get("/api/v1/clients/me", token=tenant.key))
    new = ok(first.post("/api/v1/clients/me/rotate-key", token=tenant.key))["access_key"]
    until(lambda: second.get("/api/v1/clients/me", token=tenant.key).status_code == 401, 1.0)
    ok(second.get("/api/v1/clients/me", token=new))


def test_settings_reach_the_other_instance(two):
    """Caches are dropped by the change stream."""
    first, second, world, _ = two
    tenant = world.tenant()
    world.login(tenant.owner)
    ok(second.get("/tenants/settings", token=tenant.owner.token))
    ok(first.put("/tenants/settings", token=tenant.owner.token,
                 json={"settings": {"access_token_ttl": 77}}))
    until(lambda: second.get("/tenants/settings", token=tenant.owner.token)
          .json()["settings"]["access_token_ttl"] == 77, 1.0)


def test_a_new_tenant_is_known_at_once(two):
    """A 404 that was cached a moment ago does not stay."""
    first, second, world, _ = two
    slug = unique("soon")
    refused(second.get("/tenants/info", tenant=slug), 404)
    tenant = world.tenant(slug=slug)
    until(lambda: second.get("/tenants/info", tenant=tenant.slug).status_code == 200, 1.0)


def test_suspension_of_a_tenant(two):
    """TS-14: by an operator, in the database."""
    first, second, world, _ = two
    tenant = world.tenant()
    user = world.user(tenant)
    ok(second.get("/users/me", token=user.token))
    first.instance.db.tenants.update_one({"_id": uuid.UUID(tenant.id)},
                                         {"$set": {"status": "suspended"}, "$inc": {"epoch": 1}})
    for api in (first, second):
        until(lambda a=api: a.get("/users/me", token=user.token).status_code in (401, 404), 1.0)


def test_a_killed_change_stream_comes_back(start_instance, connect):
    """design §5: the watcher opens the stream again, and nothing revoked meanwhile is honoured. On
    instances of its own: after a fault of the database a token that was used before is 503 for a while."""
    shared = {"password": {"scheme": "argon2id"}, "server": {"public_url": "http://localhost:8080"}}
    instance = start_instance(shared)
    first, second = connect(instance), connect(start_instance(shared, database=instance.database_name))
    world = World(first)
    tenant = world.tenant()
    users = [world.user(tenant) for _ in range(3)]
    for user in users:
        ok(second.get("/users/me", token=user.token))
        kill_streams(first.instance)
        assert first.post("/auth/logout-all", token=user.token).status_code == 204
        dead_within_a_second(second, token=user.token)


def kill_streams(instance):
    """Ends every open change stream of this database on the server's side."""
    admin = instance.mongo.client.admin
    streams = admin.aggregate([
        {"$currentOp": {"allUsers": True, "idleCursors": True}},
        {"$match": {"ns": {"$regex": f"^{instance.database_name}\\."},
                    "cursor": {"$exists": True}}},
    ])
    for operation in streams:
        cursor = operation["cursor"]
        if cursor.get("tailable"):
            database, _, collection = operation["ns"].partition(".")
            instance.mongo.client[database].command(
                {"killCursors": collection, "cursors": [cursor["cursorId"]]})
