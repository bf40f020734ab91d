"""Every command on tenants' data names its tenant: what the database saw of a whole life of users.

TI-5, R001-21: MongoDB's profiler records each command of an instance of its own. Looked up without a
tenant are only tenants themselves, by slug or domain, and what belongs to no tenant.
"""
import uuid

import pytest

from support.check import ok
from support.world import USER_PASSWORD, World, unique

#: Collections whose documents belong to no tenant, or are found before the tenant is known.
GLOBAL = {"tenants", "tenant_domains", "tenant_usage", "leases", "schema_migrations",
          "platform_counters", "platform_keys", "user_removals", "outbox", "jobs"}
PROFILE_BYTES = 32 * 1024 * 1024


@pytest.fixture(scope="module")
def profiled(instances, connect):
    """What the profiler wrote of each command that the instance sent."""
    instance = instances({"password": {"scheme": "argon2id"}})
    instance.db.create_collection("system.profile", capped=True, size=PROFILE_BYTES)
    instance.db.command("profile", 2)
    live(World(connect(instance)))
    instance.db.command("profile", 0)
    return list(instance.db["system.profile"].find({"appName": {"$regex": "^tenantd"}}))


@pytest.fixture(scope="module")
def commands(profiled):
    """[(collection, operation, the command)] that the instance sent."""
    seen = []
    for entry in profiled:
        collection = entry["ns"].partition(".")[2]
        if entry["op"] != "getmore" and not collection.startswith(("system.", "$cmd")):
            seen.append((collection, entry["op"], entry["command"]))
    return seen


def live(world):
    """Each kind of request once, good and bad."""
    api = world.api
    tenant = world.key_tenant()
    for member in ("email", "username"):
        user = world.user(tenant) if member == "email" else world.named_user(tenant)
        world.login(user)
        session = world.sign_in(user)
        api.post("/api/login", tenant=tenant.slug,
                 json={"username": user.email, "password": "wrong password"})
        pair = ok(api.post("/auth/refresh", json={"refresh_token": user.refresh_token}))
        api.post("/auth/refresh", json={"refresh_token": user.refresh_token})
        api.post("/auth/logout", json={"refresh_token": pair["refresh_token"]})
        ok(api.patch("/users/me", tenant=tenant.slug, cookie=session,
                     json={"custom_fields": {"a": 1}}))
        ok(api.get("/api/whoami", tenant=tenant.slug, cookie=session))
        api.post("/oauth/logout", tenant=tenant.slug, cookie=session)
        world.login(user)
        api.post("/auth/password/change", token=user.token, json={
            "current_password": USER_PASSWORD, "new_password": "another one 5"})
    world.login(tenant.owner)
    ok(api.get("/tenants/stats", token=tenant.owner.token))
    ok(api.put("/tenants/settings", token=tenant.owner.token,
               json={"settings": {"refresh_grace": 1}}))
    ok(api.get(f"/api/v1/{tenant.id}/users", token=tenant.key))
    ok(api.get(f"/api/v1/{tenant.id}/audit", token=tenant.key))
    api.post(f"/api/v1/{tenant.id}/signup", token=tenant.key,
             json={"email": tenant.owner.email, "password": USER_PASSWORD})
    api.post("/api/login", tenant=tenant.slug,
             json={"username": unique("nobody"), "password": "wrong password"})
    look_around(api, tenant, world.sign_in(tenant.owner))
    assert api.post("/auth/logout-all", token=tenant.owner.token).status_code == 204
    ok(api.post("/api/v1/clients/me/rotate-key", token=tenant.key))
    ok(api.get("/t/" + tenant.slug + "/.well-known/jwks.json"))


def look_around(api, tenant, session):
    """The pages of the console and what the dashboard asks, as the owner."""
    ok(api.get("/users/me/sessions", tenant=tenant.slug, cookie=session))
    owner = tenant.owner
    for path in ("", "/admin", "/admin/users", f"/admin/users/{owner.id}", "/admin/settings",
                 f"/admin/users?q={owner.email[:5]}", "/admin/users?q=some", "/admin/keys",
                 "/admin/audit", f"/admin/audit?user={owner.email}&action=login&status=failed"):
        answer = api.get(f"/t/{tenant.slug}/dashboard{path}", cookie=session,
                         headers={"Accept": "text/html"})
        assert answer.status_code == 200, f"{path}: {answer.text}"


def filters(command):
    """The filters of a command, or the documents that it brings."""
    for member in ("filter", "query", "q"):
        if member in command:
            yield command[member]
    if "pipeline" in command:
        yield command["pipeline"][0].get("$match", {}) if command["pipeline"] else {}
    yield from command.get("documents", [])


def names_a_tenant(condition):
    """Whether a filter or document says which tenant: by its id, or by a key that begins with it."""
    if isinstance(condition.get("tenant_id"), uuid.UUID):
        return True
    identity = condition.get("_id")
    candidates = identity.get("$in", []) if isinstance(identity, dict) else [identity]
    if isinstance(identity, dict) and "tenant_id" in identity:
        return True
    return bool(candidates) and all(isinstance(one, str) and begins_with_id(one)
                                    for one in candidates)


def begins_with_id(text):
    head = text.partition(":")[0]
    return len(head) == 32 and all(letter in "0123456789abcdef" for letter in head)


def test_every_command_names_its_tenant(commands):
    nameless = []
    for collection, operation, command in commands:
        if collection in GLOBAL or "create" in command or "createIndexes" in command \
                or "listIndexes" in command or "collMod" in command:
            continue
        conditions = list(filters(command))
        if not conditions or not all(map(names_a_tenant, conditions)):
            nameless.append((collection, operation, {
                name: command[name] for name in list(command)[:3]}))
    assert not nameless, nameless[:5]


def test_the_life_reached_the_collections(commands):
    """Otherwise the test above proves nothing."""
    reached = {collection for collection, _, _ in commands}
    assert {"tokens", "sessions", "audit_logs", "access_keys", "login_attempts", "revocations",
            "signing_keys", "data_keys"} <= reached
    assert any(name.startswith("users_") for name in reached)
    assert len(commands) > 100


def test_every_read_and_write_has_a_time_limit(commands):
    """OP-10: a slow database is given up in time."""
    unlimited = [(collection, operation) for collection, operation, command in commands
                 if operation in ("query", "command") and "maxTimeMS" not in command
                 and ("find" in command or "aggregate" in command or "findAndModify" in command)]
    assert not unlimited, unlimited[:5]


@pytest.mark.parametrize("condition, good", [
    ({"tenant_id": uuid.UUID(int=1), "x": 1}, True), ({"_id": "0" * 32 + ":grant:x"}, True),
    ({"_id": uuid.UUID(int=1)}, False), ({}, False), ({"tenant_id": {"$exists": True}}, False),
    ({"_id": {"$in": ["0" * 32 + ":a", "other"]}}, False)])
def test_the_check_can_tell(condition, good):
    assert names_a_tenant(condition) is good


def test_every_look_at_tenants_data_is_served_by_an_index(profiled):
    """What one tenant asks for never costs a walk over the documents of all, or of all its users."""
    plans = {}
    for entry in profiled:
        collection = entry["ns"].partition(".")[2].split("_")[0]
        if "planSummary" in entry:
            plans.setdefault((collection, entry["planSummary"].split(" ")[0]), entry)
    assert ("users", "IXSCAN") in plans and ("sessions", "IXSCAN") in plans
    scans = {key: entry["command"] for key, entry in plans.items()
             if key[1] == "COLLSCAN" and key[0] in ("users", "sessions", "tokens", "audit", "access")}
    assert not scans, scans
