"""The owner's tenant: read, change, delete with days of grace; If-Match where the tenant asks for it.

R004-10, R004-12, IN-7 of settings.
"""
import datetime
import uuid

import pytest

from support.check import ok, refused, until
from support.world import World, unique

PATH = "/tenants/current"


@pytest.fixture(name="mine")
def fixture_mine(world):
    tenant = world.tenant()
    world.login(tenant.owner)
    return tenant


def current(api, tenant):
    return ok(api.get(PATH, token=tenant.owner.token))


def test_read_and_change(api, service, mine):
    """R004-10: name, industry and discoverable are the owner's; each change is audited."""
    before = current(api, mine)
    assert (before["id"], before["slug"], before["plan"]) == (mine.id, mine.slug, "enterprise")
    name = unique("New Name ")
    after = ok(api.patch(PATH, token=mine.owner.token, json={
        "name": f"  {name} ", "industry": "Rail", "discoverable": False}))
    assert after == before | {"name": name, "industry": "Rail", "discoverable": False,
                              "version": before["version"] + 1}
    assert current(api, mine) == after
    assert ok(api.get("/tenants/info", tenant=mine.slug))["name"] == name
    assert ok(api.patch(PATH, token=mine.owner.token,
                        json={"industry": None}))["industry"] is None
    stored = service.db.tenants.find_one({"slug": mine.slug})
    assert stored["name_key"] == name.lower() and "industry" not in stored
    assert service.db.audit_logs.count_documents(
        {"tenant_id": uuid.UUID(mine.id), "action": "tenant.changed"}) == 2
    ok(api.patch(PATH, token=mine.owner.token, json={}))
    assert current(api, mine)["version"] == after["version"] + 1


@pytest.mark.parametrize("body, field", [
    ({"name": None}, "name"), ({"name": ""}, "name"), ({"name": "x" * 201}, "name"),
    ({"name": 5}, "name"), ({"name": "a\u0000b"}, None), ({"name": "a\u0007b"}, "name"),
    ({"industry": "x" * 65}, "industry"), ({"industry": []}, "industry"),
    ({"discoverable": "yes"}, "discoverable"), ({"discoverable": None}, "discoverable"),
    ({"slug": "other"}, "slug"), ({"plan": "enterprise"}, "plan"), ({"id": "x"}, "id"),
    ({"no_such_member": 1}, "no_such_member"), ({"settings": {"refresh_grace": 9}}, "settings"),
])
def test_bad_changes_are_refused(api, mine, body, field):
    before = current(api, mine)
    refused(api.patch(PATH, token=mine.owner.token, json=body), 400, field=field)
    assert current(api, mine) == before


def test_who_may(api, service, world, mine):
    """api.md §4: administrators read, the owner changes and deletes."""
    user = world.user(mine)
    refused(api.get(PATH, token=user.token), 403)
    service.db[mine.collection].update_one({"_id": uuid.UUID(user.id)}, {"$set": {"role": "admin"}})
    world.login(user)
    ok(api.get(PATH, token=user.token))
    refused(api.patch(PATH, token=user.token, json={"name": "x"}), 403, "insufficient_role")
    refused(api.delete(PATH, token=user.token), 403, "insufficient_role")


# -- If-Match ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path, method, change", [
    ("/tenants/settings", "PUT", {"settings": {"refresh_grace": 3}}),
    (PATH, "PATCH", {"industry": "Rail"}),
])
def test_a_change_can_be_bound_to_what_was_read(pair, path, method, change):
    """412 for a version that has moved, on every instance at once; 428 where the tenant asks."""
    one, two = pair
    world = World(one)
    mine = world.tenant()
    world.login(mine.owner)
    token = mine.owner.token

    def send(api, etag=None):
        return api.request(method, path, token=token, json=change,
                           headers={"If-Match": etag} if etag else {})

    first = one.get(path, token=token).headers["etag"]
    ok(two.get(path, token=token))  # the second instance has it in its cache
    second = send(one, first).headers["etag"]
    assert second != first and one.get(path, token=token).headers["etag"] == second
    refused(send(one, first), 412, "precondition_failed")
    assert send(two, second).status_code == 200
    refused(send(two, second), 412)
    ok(send(one, "*"))
    ok(send(one))
    ok(one.put("/tenants/settings", token=token, json={"settings": {"require_if_match": True}}))
    refused(send(one), 428, "precondition_required")
    until(lambda: send(two).status_code == 428, 1.0)
    ok(send(one, one.get(path, token=token).headers["etag"]))
    refused(one.patch("/users/me", token=token, json={"name": "x"}), 428)
    me = one.get("/users/me", token=token)
    ok(one.patch("/users/me", token=token, json={"name": "x"},
                 headers={"If-Match": me.headers["etag"]}))


# -- deletion ------------------------------------------------------------------------------------


def test_deletion_asks_for_the_slug_and_a_fresh_login(api, service, mine):
    """R004-10: nothing happens without both."""
    token = mine.owner.token
    for body in ({}, {"confirm": "other"}, {"confirm": ""}, {"confirm": 5}, {"confirm": mine.id}):
        refused(api.request("DELETE", PATH, token=token, json=body), 400, field="confirm")
    old = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=301)
    service.db.tokens.update_many({"tenant_id": uuid.UUID(mine.id)}, {"$set": {"created_at": old}})
    refused(api.request("DELETE", PATH, token=token, json={"confirm": mine.slug}), 401,
            "login_required")
    ok(api.get("/tenants/info", tenant=mine.slug))


def test_a_deleted_tenant_is_an_unknown_one(pair):
    """R004-10, TS-14: at once here, within a second elsewhere, for everybody."""
    one, two = pair
    world = World(one)
    mine = world.key_tenant()
    user = world.user(mine)
    ok(two.get("/users/me", token=user.token))
    body = ok(one.request("DELETE", PATH, token=mine.owner.token,
                          json={"confirm": mine.slug}), 202)
    left = datetime.datetime.fromisoformat(body["deletion_at"].replace("Z", "+00:00")) \
        - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(days=6, hours=23) < left <= datetime.timedelta(days=7, minutes=1)
    for api in pair:
        until(lambda here=api: here.get("/tenants/info", tenant=mine.slug).status_code == 404, 1.0)
        for path, token in (("/users/me", user.token), ("/api/v1/clients/me", mine.key)):
            until(lambda here=api, path=path, token=token: here.get(path, token=token).status_code in (401, 404), 1.0)
        refresh = api.post("/auth/refresh", json={"refresh_token": user.refresh_token})
        assert refresh.status_code in (401, 404)
        refused(api.post("/auth/login", tenant=mine.slug, json={
            "email": user.email, "password": user.password}), 404, "tenant_not_found")
    taken = one.post("/tenants/register", json={
        "tenant_name": "x", "tenant_slug": mine.slug, "admin_username": "a",
        "admin_email": "a@example.com", "admin_password": "correct horse 1"})
    refused(taken, 409, "slug_taken")
