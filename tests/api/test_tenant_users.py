"""A tenant's administrators and its users: who may do what to whom, and what ends at once.

R004-10, R004-14, R004-43, R000-19, R001-19, proof E8 (without invitations and OAuth clients).
"""
import uuid

import pytest

from support.check import ok, refused, until
from support.team import Team, is_out, nothing_left, path
from support.world import USER_PASSWORD, User, World, unique


@pytest.fixture(scope="module")
def team(pair):
    return Team(World(pair[0]))


def test_create(pair, team):
    """R004-43: 201 {message, user}, Location, ETag; the user signs in; audited."""
    username = unique("Grace")
    answer = pair[0].post("/tenants/users", token=team.admin.token, json={
        "username": username, "email": f"{username}@example.com", "password": "secure123",
        "name": "Grace", "custom_fields": {"team": "ML"}, "role": "admin"})
    made = ok(answer, 201)
    assert made["message"] and made["user"]["role"] == "admin" and made["user"]["is_active"]
    assert made["user"]["custom_fields"] == {"team": "ML"}
    assert answer.headers["location"] == f"/tenants/users/{made['user']['id']}"
    assert answer.headers["etag"] == '"1"'
    user = User(id=made["user"]["id"], tenant=team.tenant, password="secure123",
                email=f"{username}@example.com", username=username)
    team.world.login(user)
    assert ok(pair[1].get(path(user), token=team.admin.token)) == \
        ok(pair[1].get("/users/me", token=user.token))
    assert team.audited("user.created", user) == 1
    refused(pair[0].post("/tenants/users", token=team.admin.token, json={
        "username": username.upper(), "password": "secure123"}), 409, "username_taken")
    refused(pair[0].post("/tenants/users", token=team.admin.token, json={
        "email": user.email, "password": "secure123"}), 409, "email_taken")
    team.counters()


def test_no_role_above_ones_own(pair, team):
    """E8: an admin cannot create an owner; an owner can; role names are a closed list."""
    def create(by, role):
        return pair[0].post("/tenants/users", token=by.token, json={
            "email": f"{unique('r')}@example.com", "password": USER_PASSWORD, "role": role})

    refused(create(team.admin, "owner"), 403, "role_not_allowed")
    refused(create(team.user, "user"), 403, ("insufficient_scope", "insufficient_role"))
    refused(create(team.owner, "root"), 400, field="role")
    ok(create(team.owner, "owner"), 201)
    refused(pair[0].post("/oauth/register", tenant=team.tenant.slug, json={
        "username": unique("x"), "email": f"{unique('x')}@example.com", "password": "secure123",
        "role": "owner"}), 403)
    refused(pair[0].post("/tenants/users", token=team.owner.token, json={
        "password": USER_PASSWORD}), 400)
    team.counters()


def test_the_plan_limits_administrators_too(pair):
    """E8, R004-12: the 11th user on free is 403 plan_limit, with the place to upgrade."""
    world = World(pair[0])
    team = Team(world, plan="free")
    for _ in range(7):
        ok(pair[0].post("/tenants/users", token=team.admin.token, json={
            "email": f"{unique('f')}@example.com", "password": USER_PASSWORD}), 201)
    body = refused(pair[0].post("/tenants/users", token=team.admin.token, json={
        "email": f"{unique('f')}@example.com", "password": USER_PASSWORD}), 403, "plan_limit")
    assert (body["limit"], body["usage"]) == (10, 10) and "upgrade_url" in body
    assert pair[0].delete(path(team.user), token=team.admin.token).status_code == 204
    ok(pair[0].post("/tenants/users", token=team.admin.token, json={
        "email": f"{unique('f')}@example.com", "password": USER_PASSWORD}), 201)
    assert team.counters() == (10, 0, 1)


def test_list_in_pages(pair):
    """R004-43: {users, next}; every user once, in pages; a cursor is of its tenant only."""
    team = Team(World(pair[0]))
    seen, cursor = [], ""
    for _ in range(9):
        page = ok(pair[0].get(f"/tenants/users?limit=2{cursor}", token=team.admin.token))
        seen += [user["id"] for user in page["users"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert sorted(seen) == sorted([team.owner.id, team.admin.id, team.user.id])
    stranger = Team(World(pair[0]))
    first = ok(pair[0].get("/tenants/users?limit=1", token=team.admin.token))["next"]
    refused(pair[0].get(f"/tenants/users?cursor={first}", token=stranger.admin.token), 400,
            "invalid_cursor")
    refused(pair[0].get(path(team.user), token=stranger.owner.token), 404)
    refused(pair[0].patch(path(team.user), token=stranger.owner.token, json={"name": "x"}), 404)
    refused(pair[0].delete(path(team.user), token=stranger.owner.token), 404)
    refused(pair[0].put(path(team.user, "/role"), token=stranger.owner.token,
                        json={"role": "admin"}), 404)
    refused(pair[0].get("/tenants/users/no-id", token=team.owner.token), 404)


def test_patch(pair, team):
    """R004-10: merge patch; what nobody may change is 400 with its name."""
    user = team.make(name="Before", custom_fields={"a": 1, "b": {"c": 2}})
    answer = pair[0].patch(path(user), token=team.admin.token, json={
        "name": "After", "custom_fields": {"a": None, "b": {"d": 3}}})
    changed = ok(answer)
    assert changed["name"] == "After" and changed["custom_fields"] == {"b": {"c": 2, "d": 3}}
    assert answer.headers["etag"] == f'"{changed["version"]}"'
    ok(pair[1].get("/users/me", token=user.token))  # no security change: still signed in
    for member, value in (("id", user.id), ("version", 9), ("created_at", "2026-01-01T00:00:00Z"),
                          ("role", "owner"), ("is_email_verified", True)):
        refused(pair[0].patch(path(user), token=team.owner.token, json={member: value}), 400,
                "field_read_only", member)
    refused(pair[0].patch(path(user), token=team.owner.token, json={"nonsense": 1}), 400,
            "unknown_field", "nonsense")
    refused(pair[0].patch(path(user), token=team.owner.token, json={"is_active": None}), 400)
    refused(pair[0].patch(path(user), token=team.owner.token, json={"email": None}), 400)
    refused(pair[0].patch(path(user), token=team.owner.token, json={"email": team.admin.email}),
            409, "email_taken")
    refused(pair[0].patch(path(user), token=team.owner.token,
                          json={"custom_fields": {"$set": 1}}), 400, "invalid_custom_fields")
    assert ok(pair[0].get(path(user), token=team.admin.token)) == changed
    cleared = ok(pair[0].patch(path(user), token=team.admin.token,
                               json={"name": None, "custom_fields": None}))
    assert "name" not in cleared and cleared["custom_fields"] == {}
    assert ok(pair[0].patch(path(user), token=team.admin.token, json={})) == cleared
    assert team.audited("user.updated", user) == 2


def test_if_match(pair, team):
    """api.md §7: 412 for a version that is gone; lists and * as RFC 9110 says."""
    user = team.make()
    tag = pair[0].get(path(user), token=team.admin.token).headers["etag"]

    def patch(match, name):
        return pair[0].patch(path(user), token=team.admin.token, json={"name": name},
                             headers={"If-Match": match})

    changed = patch(f'"77", {tag}', "one")
    ok(changed)
    for old in (tag, f"W/{changed.headers['etag']}", '"x"', "nothing"):
        refused(patch(old, "two"), 412, "precondition_failed")
        refused(pair[0].delete(path(user), token=team.admin.token, headers={"If-Match": old}), 412)
        refused(pair[0].put(path(user, "/role"), token=team.owner.token, json={"role": "admin"},
                            headers={"If-Match": old}), 412)
    ok(patch("*", "three"))
    assert team.stored(user)["name"] == "three"


def test_a_tenant_may_demand_if_match(pair):
    """api.md §10 require_if_match: 428 for every change without it."""
    team = Team(World(pair[0]))
    answer = pair[0].put("/tenants/settings", token=team.owner.token,
                         json={"settings": {"require_if_match": True}})
    ok(answer)
    until(lambda: pair[0].patch(path(team.user), token=team.admin.token,
                                json={"name": "x"}).status_code == 428, 1.0)
    refused(pair[0].delete(path(team.user), token=team.admin.token), 428, "precondition_required")
    refused(pair[0].put(path(team.user, "/role"), token=team.owner.token, json={"role": "admin"}),
            428)
    refused(pair[0].patch("/users/me", token=team.user.token, json={"name": "x"}), 428)
    tag = pair[0].get(path(team.user), token=team.admin.token).headers["etag"]
    ok(pair[0].patch(path(team.user), token=team.admin.token, json={"name": "x"},
                     headers={"If-Match": tag}))


def test_an_address_set_by_an_administrator_is_not_verified(pair, team):
    """api.md §11: the flag is cleared and everything that was signed in ends, at once."""
    user = team.make()
    pair[0].instance.db[team.tenant.collection].update_one(
        {"_id": uuid.UUID(user.id)}, {"$set": {"is_email_verified": True}})
    same = ok(pair[0].patch(path(user), token=team.admin.token,
                            json={"email": user.email.upper()}))
    assert same["is_email_verified"] and same["email"] == user.email.upper()
    ok(pair[1].get("/users/me", token=user.token))
    session = team.world.sign_in(user)
    fresh = f"{unique('new')}@example.com"
    changed = ok(pair[0].patch(path(user), token=team.admin.token, json={"email": fresh}))
    assert changed["email"] == fresh and not changed["is_email_verified"]
    is_out(pair, user, session)
    refused(pair[0].post("/auth/login", tenant=team.tenant.slug,
                         json={"email": user.email, "password": user.password}), 401)
    user.email = fresh
    team.world.login(user)


def test_a_new_role_is_in_force_at_once(pair, team):
    """E8, R004-14: a demoted admin's old token loses admin at once on both instances."""
    admin = team.make("admin")
    session = team.world.sign_in(admin)
    ok(pair[1].get("/tenants/users", token=admin.token))
    body = ok(pair[0].put(path(admin, "/role"), token=team.owner.token, json={"role": "user"}))
    assert body["message"] and body["user"]["role"] == "user"
    for api in pair:
        until(lambda api=api: api.get("/tenants/users", token=admin.token).status_code == 401, 1.0)
    is_out(pair, admin, session)
    team.world.login(admin)
    refused(pair[1].get("/tenants/users", token=admin.token), 403)
    assert team.audited("user.role_changed", admin) == 1
    row = pair[0].instance.db.audit_logs.find_one(
        {"action": "user.role_changed", "user_id": uuid.UUID(admin.id)})
    assert row["actor_id"] == uuid.UUID(team.owner.id) and row["reason"] == "user"
    ok(pair[0].put(path(admin, "/role"), token=team.owner.token, json={"role": "user"}))
    ok(pair[1].get("/users/me", token=admin.token))  # the role it has: nothing ends
    refused(pair[0].put(path(admin, "/role"), token=team.admin.token, json={"role": "user"}), 403,
            "insufficient_role")
    for bad in ({}, {"role": "king"}, {"role": 3}, {"role": None}):
        refused(pair[0].put(path(admin, "/role"), token=team.owner.token, json=bad), 400)


def test_the_stored_role_decides_over_an_older_credential(pair, team):
    """E8: a token that has not heard of its user's new role gives and takes nothing with the old one."""
    admin, user = team.make("admin"), team.make()
    session = team.world.sign_in(admin)
    users = pair[0].instance.db[team.tenant.collection]
    for proof in ({"token": admin.token}, {"cookie": session}):
        ok(pair[0].patch(path(user), json={"name": "Before"}, **proof))
    users.update_one({"_id": uuid.UUID(admin.id)}, {"$set": {"role": "user"}})
    for proof in ({"token": admin.token}, {"cookie": session}):
        refused(pair[0].patch(path(user), json={"name": "After"}, **proof), 403, "insufficient_role")
        refused(pair[1].put(path(user, "/role"), json={"role": "admin"}, **proof), 403)
        refused(pair[1].delete(path(user), **proof), 403)
        refused(pair[0].post("/tenants/users", json={"username": unique("late"), "password":
                                                     USER_PASSWORD}, **proof), 403)
    assert team.stored(user)["name"] == "Before" and team.stored(user)["role"] == "user"


def test_deactivate_and_activate(pair, team):
    """TS-7: out at once everywhere, login like a wrong password; back with the old one."""
    user = team.make()
    session = team.world.sign_in(user)
    before = team.counters()
    changed = ok(pair[0].patch(path(user), token=team.admin.token, json={"is_active": False}))
    assert changed["is_active"] is False
    is_out(pair, user, session)
    assert team.counters() == (before[0], before[1] + 1, before[2])
    refused(pair[1].post("/auth/login", tenant=team.tenant.slug,
                         json={"email": user.email, "password": user.password}), 401,
            "invalid_credentials")
    stats = ok(pair[1].get("/tenants/stats", token=team.admin.token))
    assert stats["active_users"] == stats["total_users"] - before[1] - 1
    ok(pair[0].patch(path(user), token=team.admin.token, json={"is_active": False}))
    ok(pair[0].patch(path(user), token=team.admin.token, json={"is_active": True}))
    assert team.counters() == before
    team.world.login(user)
    assert (team.audited("user.deactivated", user), team.audited("user.activated", user)) == (1, 1)


def test_revoke_sessions(pair, team):
    """R004-17: all that is signed in ends; the account stays as it is."""
    user = team.make()
    session = team.world.sign_in(user)
    tag = pair[0].get(path(user), token=team.admin.token).headers["etag"]
    answer = pair[0].post(path(user, "/revoke-sessions"), token=team.admin.token)
    assert answer.status_code == 204
    is_out(pair, user, session)
    team.world.login(user)
    assert pair[0].get(path(user), token=team.admin.token).headers["etag"].strip('"') == \
        tag.strip('"')
    assert team.audited("user.sessions_revoked", user) == 1
    nobody = User(id=str(uuid.uuid4()), tenant=team.tenant, password="")
    refused(pair[0].post(path(nobody, "/revoke-sessions"), token=team.admin.token), 404)


def test_delete(pair, team):
    """R004-10: gone with grants, sessions and attempts; name and address are free again."""
    user = team.make()
    session = team.world.sign_in(user)
    pair[0].post("/auth/login", tenant=team.tenant.slug,
                 json={"email": user.email, "password": "wrong password"})
    assert pair[0].delete(path(user), token=team.admin.token).status_code == 204
    is_out(pair, user, session)
    refused(pair[1].get(path(user), token=team.admin.token), 404)
    refused(pair[1].delete(path(user), token=team.admin.token), 404)
    nothing_left(pair[0].instance.db, team.tenant, user)
    assert team.audited("user.deleted", user) == 1
    ok(pair[0].post("/tenants/users", token=team.admin.token, json={
        "email": user.email, "password": USER_PASSWORD}), 201)
    team.counters()


def test_administrators_do_not_touch_owners(pair, team):
    """R004-14: 403 and nothing changed."""
    before = team.stored(team.owner)
    for answer in (
            pair[0].patch(path(team.owner), token=team.admin.token, json={"name": "x"}),
            pair[0].patch(path(team.owner), token=team.admin.token, json={"is_active": False}),
            pair[0].patch(path(team.owner), token=team.admin.token, json={"email": "a@b.example"}),
            pair[0].delete(path(team.owner), token=team.admin.token),
            pair[0].put(path(team.owner, "/role"), token=team.admin.token, json={"role": "user"}),
            pair[0].post(path(team.owner, "/revoke-sessions"), token=team.admin.token)):
        refused(answer, 403, "insufficient_role")
    after = team.stored(team.owner)
    assert after == before
    ok(pair[0].get(path(team.owner), token=team.admin.token))


def test_nobody_ends_or_raises_themselves_here(pair, team):
    """Own role, own activity, own account: 403 with what to do instead."""
    for person in (team.owner, team.admin):
        for answer in (
                pair[0].patch(path(person), token=person.token, json={"is_active": False}),
                pair[0].delete(path(person), token=person.token)):
            assert "DELETE /users/me" in refused(answer, 403, "forbidden")["error_description"]
    second = team.make("owner")
    refused(pair[0].put(path(second, "/role"), token=second.token, json={"role": "user"}), 403,
            "forbidden")
    ok(pair[0].patch(path(team.admin), token=team.admin.token, json={"name": "Own name"}))


def test_the_last_owner(pair):
    """E8, R004-14: 403 last_owner; with a second active owner it works."""
    team = Team(World(pair[0]))
    refused(pair[0].put(path(team.owner, "/role"), token=team.owner.token, json={"role": "user"}),
            403, "last_owner")
    refused(pair[0].delete("/users/me", token=team.owner.token), 403, "last_owner")
    second = team.make("owner")
    ok(pair[0].patch(path(second), token=team.owner.token, json={"is_active": False}))
    refused(pair[0].delete("/users/me", token=team.owner.token), 403, "last_owner")
    ok(pair[0].patch(path(second), token=team.owner.token, json={"is_active": True}))
    team.world.login(second)
    ok(pair[0].put(path(team.owner, "/role"), token=second.token, json={"role": "user"}))
    assert team.counters()[2] == 1


def test_owners_of_an_older_installation_are_counted(pair):
    """A tenant from before owners were counted is as safe: the first change counts them."""
    team = Team(World(pair[0]))
    second = team.make("owner")
    usage = pair[0].instance.db.tenant_usage
    usage.update_one({"_id": uuid.UUID(team.tenant.id)}, {"$unset": {"owners": 1}})
    ok(pair[0].put(path(second, "/role"), token=team.owner.token, json={"role": "admin"}))
    assert team.counters()[2] == 1
    usage.update_one({"_id": uuid.UUID(team.tenant.id)}, {"$unset": {"owners": 1}})
    refused(pair[0].delete("/users/me", token=team.owner.token), 403, "last_owner")
    team.make("owner")
    assert team.counters()[2] == 2


def test_a_session_administers_too(pair, team):
    """The console's way: the session cookie of an admin, also under the tenant's path."""
    session = team.world.sign_in(team.admin)
    listed = ok(pair[0].get(f"/t/{team.tenant.slug}/tenants/users", cookie=session))
    assert any(user["id"] == team.user.id for user in listed["users"])
    ok(pair[0].patch(path(team.user), tenant=team.tenant.slug, cookie=session,
                     json={"name": "By session"}))
    refused(pair[0].patch(path(team.user), tenant=team.tenant.slug, cookie=session,
                          json={"name": "x"}, headers={"Origin": "https://evil.example"}), 403,
            "cross_site_request")
