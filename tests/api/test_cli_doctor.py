"""tenantd doctor: each thing broken on purpose is named, mended, and then gone (R003-25, OP-4)."""
import json
import subprocess

import pytest

from support.check import refused
from support.instance import program
from support.world import USER_PASSWORD, World


@pytest.fixture(scope="module")
def place(instances, connect):
    instance = instances({"password": {"scheme": "argon2id"}})
    world = World(connect(instance))
    return instance, world, instance.write_config()


def doctor(config, *arguments, status=0):
    """The findings, after a run that ends with this status."""
    done = subprocess.run([program(), "doctor", "--json", "--config", config, *arguments],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return {(entry["check"], entry["tenant"]): entry for entry in json.loads(done.stdout)["findings"]}


def breaks(instance, tenant):
    """{(check, tenant): how to break it}"""
    users = instance.db[tenant.collection]
    return {
        ("user collection", tenant.slug): lambda: users.drop_index("email_1"),
        ("counters", tenant.slug): lambda: instance.db.tenant_usage.update_one(
            {"_id": users.find_one()["tenant_id"]},
            {"$set": {"users": 7}, "$unset": {"reserved_at": 1}}),
        ("central collections", None): lambda: instance.db.tokens.drop_index(
            "tenant_id_1_user_id_1_state_1"),
    }


def test_what_is_broken_is_named_and_mended(place):
    instance, world, config = place
    tenant = world.tenant()
    assert not doctor(config)
    for key, destroy in breaks(instance, tenant).items():
        destroy()
        open_findings = doctor(config, status=1)
        assert key in open_findings and open_findings[key]["remedy"], (key, open_findings)
        assert doctor(config, "--fix")[key]["mended"]
        assert not doctor(config), key
    refused(world.api.post("/auth/register", tenant=tenant.slug, json={
        "email": tenant.owner.email, "password": USER_PASSWORD}), 409, "email_taken")


def test_lost_keys_stay_open(place):
    """Nothing can be made up for them: the finding says where to look."""
    instance, world, config = place
    tenant, whole = world.tenant(), world.tenant()
    instance.db.signing_keys.delete_many(
        {"tenant_id": instance.db.tenants.find_one({"slug": tenant.slug})["_id"]})
    assert set(doctor(config, "--fix", status=1)) == {("keys", tenant.slug)}
    assert not doctor(config, "--tenant", whole.slug)
    done = subprocess.run([program(), "doctor", "--tenant", "nobody", "--config", config],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "nobody" in done.stderr
