"""tenantd profiles: the operator's own code joins a tenant's users. Its rights: test_deploy.py."""
import datetime
import json
import pathlib
import re

import bson
import pytest
from pymongo.errors import OperationFailure

from support.check import ok
from support.cli import Cli
from support.instance import Instance
from support.world import unique

SHOWN = {"_id", "username", "username_typed", "email", "email_typed", "name", "role", "is_active",
         "is_email_verified", "custom_fields", "created_at", "updated_at", "last_login_at", "version",
         "profile_version"}
PASSWORD = "correct horse 9"


@pytest.fixture(scope="module")
def installation(mongo):
    name = unique("test_profiles_")
    instance = Instance(mongo, name, {"password": {"scheme": "argon2id"}})
    instance.start()
    yield instance, mongo.client[name]
    problems = instance.stop()
    mongo.drop(name)
    instance.close()
    assert problems == []


@pytest.fixture
def setup(installation, connect):
    """Commands, the database, a tenant with a user of many members, and its view."""
    instance, database = installation
    cli, slug = Cli(instance), unique("p-").lower().replace("_", "-")
    cli("tenant", "create", "--name", slug, "--slug", slug, "--plan", "enterprise", "--owner-username", "Ada",
        "--owner-password-file", "-", stdin=PASSWORD + "\n")
    api = connect(instance)
    ok(api.post("/auth/register", tenant=slug, json={
        "username": "Grace", "email": "Grace@Example.com", "password": PASSWORD, "name": "Grace H",
        "custom_fields": {"city": "Arlington", "tags": ["a", "b"]}}), 201)
    ok(api.post("/auth/login", tenant=slug, json={"username": "grace", "password": PASSWORD}))
    return cli, database, slug, cli.json("profiles", "make", slug)["view"]


def test_a_view_without_secrets(setup):
    """Issue 6: members are a promise; hashes, epochs and the tenant's id stay out."""
    cli, database, slug, view = setup
    grace = database[view].find_one({"username": "grace"})
    assert set(grace) == SHOWN and grace["profile_version"] == 1
    assert grace["email"] == "grace@example.com" and grace["email_typed"] == "Grace@Example.com"
    assert grace["custom_fields"] == {"city": "Arlington", "tags": ["a", "b"]}
    with pytest.raises(OperationFailure):
        database[view].update_one({}, {"$set": {"name": "x"}})
    assert cli.json("profiles", "show", slug) == {
        "tenant": slug, "view": view, "state": "current", "profile_version": 1}
    actions = [row["action"] for row in database.audit_logs.find({"action": {"$regex": "^profiles"}})]
    assert "profiles.made" in actions


def test_own_collections_join_users_by_an_index(setup):
    """Issue 6: one aggregation, and a search in the view uses the indexes of users."""
    _, database, _, view = setup
    grace = database[view].find_one({"email": "grace@example.com"})["_id"]
    database.orders.insert_one({"_id": unique(), "user_id": grace, "total": bson.Int64(7)})
    joined = list(database.orders.aggregate([
        {"$lookup": {"from": view, "localField": "user_id", "foreignField": "_id", "as": "user"}},
        {"$match": {"user._id": grace}}]))
    assert [order["user"][0]["username"] for order in joined] == ["grace"]
    plan = str(database.command("explain", {"find": view, "filter": {"email": "grace@example.com"}}))
    assert "email_1" in plan and "COLLSCAN" not in plan


def test_the_doctor_brings_a_view_up_to_date(setup):
    cli, database, slug, view = setup
    database.command("collMod", view, viewOn=view.replace("profiles_", "users_"), pipeline=[])
    cli("profiles", "show", slug)
    assert "another shape" in cli.stdout
    found = cli.json("doctor", "--tenant", slug, status=1)["findings"]
    assert ["profiles"] == [one["check"] for one in found]
    cli("doctor", "--tenant", slug, "--fix")
    assert set(database[view].find_one({"username": "grace"})) == SHOWN


def test_the_query_of_who_is_logged_in(setup, installation, connect):
    """DATABASE.md: browsers' sessions with their users, by the index of sessions."""
    _, database, slug, view = setup
    api = connect(installation[0])
    ok(api.post("/oauth/login", tenant=slug, json={"username": "grace", "password": PASSWORD}))
    tenant = database.tenants.find_one({"slug": slug})["_id"]
    found = {"tenant_id": tenant, "expires_at": {"$gt": datetime.datetime.now(datetime.UTC)}}
    rows = list(database.sessions.aggregate([
        {"$match": found},
        {"$group": {"_id": "$user_id", "sessions": {"$sum": 1}}},
        {"$lookup": {"from": view, "localField": "_id", "foreignField": "_id", "as": "user"}},
        {"$project": {"sessions": 1, "username": {"$first": "$user.username"}}}]))
    assert [(row["username"], row["sessions"]) for row in rows] == [("grace", 1)]
    plan = str(database.command("explain", {"find": "sessions", "filter": found},
                                codec_options=database.codec_options))
    assert "IXSCAN" in plan and "COLLSCAN" not in plan


def test_who_follows_changes_need_not_see_hashes(setup):
    """DATABASE.md: its pipeline leaves them out of new and of changed documents."""
    _, database, slug, view = setup
    guide = (pathlib.Path(__file__).parents[2] / "docs" / "DATABASE.md").read_text("utf-8")
    pipeline = json.loads(re.search(r"\.watch\((.+)\)", guide)[1].replace("$project", '"$project"'))
    users = database[view.replace("profiles_", "users_")]
    user = users.find_one({"password_hash": {"$exists": True}})
    with users.watch(pipeline, full_document="updateLookup") as events:
        users.update_one({"_id": user["_id"]}, {"$set": {"password_hash": user["password_hash"][:-1] + "x",
                                                         "name": "Followed"}})
        event = events.next()
    assert event["updateDescription"]["updatedFields"] == {"name": "Followed"}
    assert "password_hash" not in event["fullDocument"] and event["fullDocument"]["name"] == "Followed"


def test_drop_and_bad_use(setup):
    cli, database, slug, view = setup
    cli("profiles", "drop", slug)
    assert view not in database.list_collection_names()
    assert cli.json("profiles", "show", slug)["state"] == "absent"
    for arguments in (["drop", slug], ["role", slug]):
        cli("profiles", *arguments, status=1)
        assert "has no view" in cli.stderr
    cli("profiles", "make", status=2)
    cli("profiles", "make", "nobody-there", status=1)
    cli("profiles", "make", slug)
    cli("profiles", "make", slug)
    printed = cli("profiles", "role", slug)
    assert printed.startswith(f'db.getSiblingDB("{database.name}").runCommand({{ "createRole" : ')
    name = cli.json("profiles", "role", slug, "--apply")["role"]
    cli("profiles", "role", slug, "--apply", "--watch")
    assert "password hashes" in cli.stderr
    rights = database.command("rolesInfo", name, showPrivileges=True)["roles"][0]["privileges"]
    database.command("dropRole", name)
    assert [right["actions"] for right in rights] == [["find"], ["changeStream", "find"]]
    assert view in database.list_collection_names()


def test_a_removed_tenant_leaves_no_view(setup):
    """TI-10."""
    cli, database, slug, view = setup
    cli("tenant", "delete", slug, "--confirm", slug)
    database.tenants.update_one({"slug": slug}, {"$set": {
        "purge_at": datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)}})
    cli("cleanup")
    assert view not in database.list_collection_names()
