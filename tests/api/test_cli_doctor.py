"""tenantd doctor: each thing broken on purpose is named, mended, and then gone (R003-25, OP-4)."""
import json
import os
import subprocess
import uuid

import pytest
from bson import Binary

from support.check import refused, until
from support.instance import program
from support.world import USER_PASSWORD, World


@pytest.fixture(scope="module")
def place(instances, connect):
    instance = instances({"password": {"scheme": "argon2id"}})
    world = World(connect(instance))
    return instance, world, instance.write_config()


def doctor(config, *arguments, status=0, environment=None):
    """The findings, after a run that ends with this status; open ones and warnings are told apart."""
    done = subprocess.run([program(), "doctor", "--json", "--config", config, *arguments],
                          capture_output=True, text=True, timeout=180, check=False,
                          env={**os.environ, **(environment or {})})
    assert done.returncode == status, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["open"] == sum(not entry["mended"] and not entry["warning"] for entry in told["findings"])
    assert (told["open"] > 0) == (status == 1)
    assert all(entry["problem"].endswith(".") and entry["remedy"] for entry in told["findings"]), told
    return told["findings"]


def validator_of(database, name):
    return database.command("listCollections", filter={"name": name})["cursor"]["firstBatch"][0] \
        ["options"]["validator"]


def without_a_field(database, name):
    """The collection's validator as a version would have it that does not know one of the fields."""
    validator = validator_of(database, name)
    validator["$jsonSchema"]["properties"].popitem()
    database.command("collMod", name, validator=validator)


def other_index(collection, name, keys, **options):
    """An index of that name which is another one; not unique."""
    collection.drop_index(name)
    collection.create_index(keys, name=name, **options)


def breaks(instance, tenant):
    """Two rounds of {(check, tenant, words of the finding): how to break it}; all is mended."""
    database = instance.db
    users, tokens = database[tenant.collection], database.tokens
    tenant_id = users.find_one()["tenant_id"]
    central, own, counters = ("central collections", None), ("user collection", tenant.slug), \
        ("counters", tenant.slug)
    return {
        (*own, "index email_1 of"): lambda: users.drop_index("email_1"),
        (*own, "has no validator"): lambda: database.command("collMod", tenant.collection, validator={}),
        (*counters, "users 7, not 1; inactive users 3, not 0; owners 2, not 1; access keys 5, not 0; "
                    "OAuth clients 4, not 0"):
            lambda: database.tenant_usage.update_one({"_id": tenant_id}, {
                "$set": {"users": 7, "inactive_users": 3, "owners": 2, "access_keys": 5,
                         "clients": 4},
                "$unset": {"reserved_at": 1}}),
        (*central, "tenant_id_1_user_id_1_state_1 of tokens is missing"):
            lambda: tokens.drop_index("tenant_id_1_user_id_1_state_1"),
        (*central, "sessions has no validator"):
            lambda: database.command("collMod", "sessions", validator={}),
        (*central, "tenants has not the validator"): lambda: without_a_field(database, "tenants"),
        (*central, "rate_limits is missing"): database.rate_limits.drop,
    }, {
        (*own, "index email_1 of"): lambda: other_index(users, "email_1", "email"),
        (*own, "has not the validator"): lambda: without_a_field(database, tenant.collection),
        (*counters, "nothing is counted"): lambda: database.tenant_usage.delete_one({"_id": tenant_id}),
        (*central, "purge_at_1 of tokens is not as"):
            lambda: other_index(tokens, "purge_at_1", "purge_at", expireAfterSeconds=60),
        (*central, "tenant_usage has not the validator"):
            lambda: database.command("collMod", "tenant_usage", validationLevel="moderate"),
    }


def test_what_is_broken_is_named_and_mended(place):
    instance, world, config = place
    tenant = world.tenant()
    assert not doctor(config)
    for broken in breaks(instance, tenant):
        for destroy in broken.values():
            destroy()
        found, mended = doctor(config, status=1), doctor(config, "--fix")
        for check, slug, words in broken:
            (one,) = [entry for entry in found
                      if (entry["check"], entry["tenant"]) == (check, slug) and words in entry["problem"]]
            assert not one["mended"]
        assert len(found) == len(broken)
        assert mended == [{**entry, "mended": True} for entry in found]
        assert not doctor(config)
    refused(world.api.post("/auth/register", tenant=tenant.slug, json={
        "email": tenant.owner.email, "password": USER_PASSWORD}), 409, "email_taken")


def test_indexes_of_custom_fields_belong_to_the_collection(place):
    """R003-05: what the schema in force asks for is built again; what none asks for is dropped."""
    instance, world, config = place
    tenant = world.tenant()
    world.login(tenant.owner)
    assert world.api.put("/tenants/schema", token=tenant.owner.token, json={"properties": {
        "badge": {"type": "string", "x-unique": True},
        "city": {"type": "string", "x-index": "ci"}}}).status_code == 200
    users = instance.db[tenant.collection]
    assert not doctor(config)
    users.drop_index("cf_u_badge")
    other_index(users, "cf_ici_city", [("custom_fields.city", 1), ("_id", 1)],
                partialFilterExpression={"custom_fields.city": {"$exists": True}})
    users.create_index("custom_fields.gone", name="cf_u_gone", unique=True,
                       partialFilterExpression={"custom_fields.gone": {"$exists": True}})
    words = ["cf_u_badge of", "cf_ici_city of", "cf_u_gone of"]
    found, mended = doctor(config, status=1), doctor(config, "--fix")
    assert sorted(word for one in found for word in words if word in one["problem"]) == sorted(words)
    assert len(found) == 3 and mended == [{**one, "mended": True} for one in found]
    assert not doctor(config)
    assert users.index_information()["cf_ici_city"]["collation"]["strength"] == 2


def test_a_lost_schema_takes_nothing_with_it(place):
    """Mending loses nothing: unique values stay unique, and what does not fit stays out."""
    instance, world, config = place
    tenant = world.tenant()
    world.login(tenant.owner)
    assert world.api.put("/tenants/schema", token=tenant.owner.token, json={"properties": {
        "badge": {"type": "string", "x-unique": True}}}).status_code == 200
    users, schemas = instance.db[tenant.collection], instance.db.custom_schemas
    before = users.index_information(), validator_of(instance.db, tenant.collection)
    lost = schemas.find_one_and_delete({"tenant_id": users.find_one()["tenant_id"]})
    (found,) = doctor(config, "--fix", status=1)
    assert (found["check"], found["tenant"], found["mended"]) == ("custom fields", tenant.slug, False)
    assert (users.index_information(), validator_of(instance.db, tenant.collection)) == before
    schemas.insert_one(lost)
    assert not doctor(config)


def test_a_schema_published_under_its_eyes_stays(start_instance, connect, own_mongo):
    """Between what it wants and what it sees a schema may come in force: mending undoes nothing."""
    instance = start_instance({"password": {"scheme": "argon2id"}}, server=own_mongo)
    world, config = World(connect(instance)), instance.write_config()
    tenant = world.tenant()
    world.login(tenant.owner)
    users = instance.db[tenant.collection]
    looking = [{"$currentOp": {"allUsers": True}}, {"$match": {"command.listIndexes": tenant.collection}}]

    def seen_looking():
        """The validator that came in force while it looked; None where it had looked before."""
        with own_mongo.failpoint(["listIndexes"], namespace=f"{instance.database_name}.{tenant.collection}",
                                 times=1, blockConnection=True, blockTimeMS=800), \
                subprocess.Popen([program(), "doctor", "--fix", "--config", config],
                                 stdout=subprocess.PIPE) as doing:
            until(lambda: list(own_mongo.client.admin.aggregate(looking)) or doing.poll() is not None, 10)
            validator = None
            if doing.poll() is None:
                assert world.api.put("/tenants/schema", token=tenant.owner.token, json={"properties": {
                    "badge": {"type": "string", "x-unique": True}}}).status_code == 200
                validator = validator_of(instance.db, tenant.collection)
            told = doing.communicate(timeout=180)[0].decode()
        assert doing.returncode == 0, told
        return validator

    validator, _ = until(seen_looking, 20)
    assert "cf_u_badge" in users.index_information()
    assert validator_of(instance.db, tenant.collection) == validator
    assert not doctor(config)


def test_a_sign_up_under_way_is_no_finding(place):
    """The place that it reserved counts before the user is there; other counters still do not lie."""
    instance, world, config = place
    usage = instance.db.tenant_usage
    own = {"_id": instance.db[world.tenant().collection].find_one()["tenant_id"]}
    usage.update_one(own, {"$inc": {"users": 1}, "$currentDate": {"reserved_at": True}})
    assert not doctor(config) and not doctor(config, "--fix")
    assert usage.find_one(own)["users"] == 2
    usage.update_one(own, {"$set": {"access_keys": 4}})
    (found,) = doctor(config, status=1)
    assert "access keys 4, not 0" in found["problem"] and "users" not in found["problem"]
    usage.update_one(own, {"$unset": {"reserved_at": 1}})
    (mended,) = doctor(config, "--fix")
    assert mended["mended"] and "users 2, not 1; access keys 4, not 0" in mended["problem"]
    assert not doctor(config)


def test_an_index_that_nobody_wants_is_a_warning(place):
    """It may have been made on purpose, so it is not dropped and does not fail the command."""
    instance, world, config = place
    users = instance.db[world.tenant().collection]
    users.create_index("name")
    for arguments in ([], ["--fix"]):
        (found,) = doctor(config, *arguments)
        assert found["warning"] and not found["mended"] and "index name_1 of" in found["problem"]
    said = subprocess.run([program(), "doctor", "--config", config], capture_output=True, text=True,
                          timeout=180, check=True).stdout.splitlines()
    assert said[0].startswith("warning  user collection of ") and len(said) == 3
    assert said[2] == "    what helps: " + found["remedy"]
    users.drop_index("name_1")  # as the remedy says
    assert f'db.{users.name}.dropIndex("name_1")' in found["remedy"]
    assert not doctor(config)


def test_a_unique_index_is_never_dropped(place):
    """Another unique index under a wanted name stays until a person has dropped it."""
    instance, _, config = place
    sessions = instance.db.sessions
    other_index(sessions, "tenant_id_1_hash_1", [("tenant_id", 1), ("hash", 1), ("_id", 1)], unique=True)
    (found,) = doctor(config, "--fix", status=1)
    assert not found["mended"] and "stop the instances" in found["remedy"]
    sessions.drop_index("tenant_id_1_hash_1")
    (mended,) = doctor(config, "--fix")
    assert mended["mended"] and not doctor(config)


def test_duplicates_keep_a_unique_index_open(place):
    """It cannot be built over them: still open after --fix, and what else is missing is built."""
    instance, world, config = place
    users = instance.db[world.tenant().collection]
    for index in ("email_1", "username_1"):
        users.drop_index(index)
    first = users.find_one()
    twin = {**first, "_id": Binary(uuid.uuid4().bytes, 4), "username": "twin", "role": "user"}
    users.insert_one(twin)
    instance.db.tenant_usage.update_one({"_id": first["tenant_id"]}, {"$inc": {"users": 1}})
    found = {entry["problem"].split()[2]: entry["mended"] for entry in doctor(config, "--fix", status=1)}
    assert found == {"email_1": False, "username_1": True}
    users.delete_one({"_id": twin["_id"]})
    assert {entry["check"] for entry in doctor(config, "--fix")} == {"user collection", "counters"}
    assert not doctor(config)


def test_users_without_a_tenant_are_named_and_kept(place):
    instance, world, config = place
    lost, gone = uuid.uuid4(), world.tenant()
    orphan = instance.db[f"users_{lost.hex}"]
    orphan.insert_many([{"n": number} for number in range(3)])
    (found,) = doctor(config, "--fix", status=1)
    assert (found["check"], found["mended"]) == ("orphans", False)
    assert orphan.name in found["problem"] and "3 documents" in found["problem"] and \
        str(lost) in found["problem"]
    assert orphan.count_documents({}) == 3
    assert f"db.{orphan.name}.drop()" in found["remedy"]
    assert not doctor(config, "--tenant", gone.slug)  # looks at that one only
    orphan.drop()
    # A tombstone has no users either.
    tenants = instance.db.tenants
    tenants.update_one({"slug": gone.slug}, {"$set": {"status": "deleted"}})
    (found,) = doctor(config, status=1)
    assert "users_" + instance.db[gone.collection].name[6:] in found["problem"]
    tenants.update_one({"slug": gone.slug}, {"$set": {"status": "active"}})
    assert not doctor(config)


@pytest.fixture(scope="module")
def other_clock(tmp_path_factory):
    """A library that lets a process live CLOCK_AHEAD seconds in the future."""
    folder = tmp_path_factory.mktemp("clock")
    source = folder / "clock.c"
    source.write_text("""
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *time)
{
    const long failed = syscall(SYS_clock_gettime, clock, time);
    const char *ahead = getenv("CLOCK_AHEAD");
    if (failed == 0 && clock == CLOCK_REALTIME && ahead != NULL)
        time->tv_sec += atol(ahead);
    return (int)failed;
}
""")
    library = folder / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    options = os.environ.get("ASAN_OPTIONS", "")
    return lambda seconds: {"LD_PRELOAD": str(library), "CLOCK_AHEAD": str(seconds),
                            "ASAN_OPTIONS": options + ":verify_asan_link_order=0"}


@pytest.mark.parametrize("seconds, words, status", [
    (0, None, 0), (3, "ahead of", 0), (-20, "behind", 1)])
def test_clocks_apart(place, other_clock, seconds, words, status):
    """A warning from 1 s, open from 5 s; --fix leaves clocks alone."""
    _, _, config = place
    found = doctor(config, "--fix", status=status, environment=other_clock(seconds))
    assert [entry["check"] for entry in found] == (["clock"] if words else [])
    for entry in found:
        assert words in entry["problem"] and entry["warning"] == (status == 0) and not entry["mended"]
        apart = int(entry["problem"].split(" clock is ")[1].split()[0])
        assert abs(apart - abs(seconds) * 1000) < 1000


def test_lost_keys_stay_open(place):
    """Nothing can be made up for them: the finding says where to look."""
    instance, world, config = place
    tenant, whole = world.tenant(), world.tenant()
    mine = {"tenant_id": instance.db.tenants.find_one({"slug": tenant.slug})["_id"]}
    lost = list(instance.db.signing_keys.find(mine))
    instance.db.signing_keys.delete_many(mine)
    (found,) = doctor(config, "--fix", status=1)
    assert (found["check"], found["tenant"]) == ("keys", tenant.slug)
    assert not doctor(config, "--tenant", whole.slug)
    done = subprocess.run([program(), "doctor", "--tenant", "nobody", "--config", config],
                          capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 1 and "nobody" in done.stderr
    instance.db.signing_keys.insert_many(lost)
    assert not doctor(config)
