"""Migrations killed in the middle, run at the same time, and run again (OP-15, R001-01, proof E9).

A mongod of its own: the failpoint that holds a command back belongs to the whole server.
"""
import contextlib
import os
import subprocess

import pytest
from pymongo.errors import ExecutionTimeout

from support.check import until
from support.instance import Instance, program
from support.mongo import OwnMongo
from support.world import unique

COMMANDS = ["create", "createIndexes", "collMod", "insert", "update", "findAndModify", "delete"]
#: At how many of its commands a migration is killed in ./dev test; with TENANTD_LONG at each.
POINTS = 3


@pytest.fixture(scope="module")
def server():
    made = OwnMongo()
    yield made
    made.close()


@pytest.fixture
def place(server):
    """Databases of this server; each with a configuration that migrates only when told."""
    made = []

    def make():
        instance = Instance(server, unique("test_migrate_"),
                            {"database": {"migrate_on_start": False}})
        made.append(instance)
        return instance, instance.write_config()

    yield make
    for instance in made:
        server.drop(instance.database_name)
        instance.close()


def migrate(config, *arguments):
    return subprocess.run([program(), "migrate", *arguments, "--config", config],
                          capture_output=True, text=True, timeout=180, check=False)


def structure(instance):
    """Collections with their indexes and validators."""
    found = {}
    for info in instance.db.list_collections():
        indexes = instance.db[info["name"]].index_information()
        found[info["name"]] = (str(info["options"].get("validator")), {
            name: str({key: value for key, value in index.items() if key != "v"})
            for name, index in indexes.items()})
    return found


@contextlib.contextmanager
def held_back(server, number):
    """The command after this number of others does not end; gives how often one was held before."""
    admin = server.client.admin
    told = admin.command({"configureFailPoint": "failCommand", "mode": {"skip": number}, "data": {
        "failCommands": COMMANDS, "blockConnection": True, "blockTimeMS": 4000}})
    try:
        yield told["count"]
    finally:
        admin.command({"configureFailPoint": "failCommand", "mode": "off"})


def is_held(server, before):
    """Whether the failpoint has taken a command since, or does so in a moment."""
    try:
        server.client.admin.command({"waitForFailPoint": "failCommand", "timesEntered": before + 1,
                                     "maxTimeMS": 200})
    except ExecutionTimeout:
        return False
    return True


def commands_of_a_migration(server, place):
    """How many of these commands one whole migration sends."""
    instance, config = place()
    before = server.client.admin.command("serverStatus")["metrics"]["commands"]
    assert migrate(config, "up").returncode == 0
    after = server.client.admin.command("serverStatus")["metrics"]["commands"]
    return sum(after[name]["total"] - before[name]["total"] for name in COMMANDS), \
        structure(instance)


def test_killed_at_any_command(server, place):
    """kill -9 while any of its commands is under way: run again, it ends with the same structure."""
    total, whole = commands_of_a_migration(server, place)
    assert total > 30
    step = 1 if os.environ.get("TENANTD_LONG") else total // POINTS
    killed = 0
    for number in range(step // 2, total, step):
        instance, config = place()
        with held_back(server, number) as before:
            process = subprocess.Popen([program(), "migrate", "up", "--config", config],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            until(lambda: process.poll() is not None or is_held(server, before), 10, 0)
            killed += process.poll() is None
            process.kill()
            process.wait()
        if number + step < total:  # as if its time had passed; the last one waits for that
            instance.db.leases.delete_many({})
        again = migrate(config, "up")
        assert again.returncode == 0, again.stderr
        assert migrate(config, "status", "--check").returncode == 0
        assert structure(instance) == whole, f"after a kill at command {number}"
    assert killed > 2


def test_several_at_once(place):
    """Four processes: each step is applied once, all end well."""
    instance, config = place()
    processes = [subprocess.Popen([program(), "migrate", "up", "--config", config],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                 for _ in range(4)]
    errors = [process.communicate(timeout=180)[1] for process in processes]
    assert {process.returncode for process in processes} == {0}, errors
    numbers = [row["_id"] for row in instance.db.schema_migrations.find().sort("_id")]
    assert numbers == list(range(1, len(numbers) + 1))


def test_up_twice_and_down(place):
    """E9: idempotent; and back to an empty installation."""
    instance, config = place()
    assert migrate(config, "up").returncode == 0
    first = structure(instance)
    assert migrate(config, "up").returncode == 0
    assert structure(instance) == first
    down = migrate(config, "down", "--to", "0")
    assert down.returncode == 0, down.stderr
    assert migrate(config, "status", "--check").returncode == 1
    assert migrate(config, "up").returncode == 0
    assert structure(instance) == first


def test_pending_steps_refuse_the_start(place):
    """E9: the sentence says what to do."""
    _, config = place()
    done = subprocess.run([program(), "serve", "--config", config], capture_output=True, text=True,
                          timeout=180, check=False)
    assert done.returncode == 1
    assert "tenantd migrate up" in done.stdout + done.stderr
