"""What an operator runs beside the service: cleanup, selftest, bench-hash, migrate new."""
import datetime
import json
import pathlib
import re
import shutil
import subprocess
import uuid

import pytest

from support.instance import run

ROOT = pathlib.Path(__file__).resolve().parents[2]


# -- cleanup -----------------------------------------------------------------------------------


def test_cleanup_removes_what_has_expired_of_any_tenant(cli):
    """R004-53, E9: more than one batch; what has not expired stays; --dry-run only counts."""
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    future = datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)
    database = cli.instance.db
    # What other collections lack is not what this is about: their validators are off.
    for name, field, count in (("tokens", "purge_at", 1200), ("sessions", "expires_at", 3),
                               ("audit_logs", "purge_at", 2)):
        collection = database[name]
        index = next(one for one in collection.list_indexes() if list(one["key"]) == [field])
        collection.drop_index(index["name"])  # MongoDB's own thread would be first
        collection.create_index([(field, 1)])
        rows = [{"_id": uuid.uuid4(), "tenant_id": uuid.uuid4(), field: past,
                 "hash": i.to_bytes(2, "big")} for i in range(count)]
        rows.append({"_id": uuid.uuid4(), "tenant_id": uuid.uuid4(), field: future, "hash": b"x"})
        collection.insert_many(rows, bypass_document_validation=True)

    dry = {one["kind"]: one["count"] for one in cli.json("cleanup", "--dry-run")["kinds"]}
    assert (dry["tokens"], dry["sessions"], dry["audit_logs"]) == (1200, 3, 2)
    assert database["tokens"].count_documents({}) == 1201
    done = cli.json("cleanup")
    assert {one["kind"]: one["count"] for one in done["kinds"]} == dry
    assert done["removed"] == sum(dry.values())
    assert (database["tokens"].count_documents({}), database["sessions"].count_documents({})) == (1, 1)
    assert "removed               0" in cli("cleanup")


def test_compose_runs_the_command_that_there_is():
    """R004-53: the cron service."""
    assert "tenantd cleanup" in (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert run(["cleanup", "--help"])[0] == 0


# -- selftest ----------------------------------------------------------------------------------


def test_selftest_knows_the_answers(cli):
    done = cli.json("selftest", "--database")
    assert done["ok"] is True
    names = [one["test"] for one in done["tests"]]
    for name in ("SHA-256", "HMAC-SHA-256", "XChaCha20-Poly1305", "ES256", "bcrypt", "Argon2id", "UUIDv7",
                 "base64url", "random source", "database: transaction", "database: change stream"):
        assert name in names
    assert cli.instance.db["leases"].count_documents({"_id": re.compile("^selftest")}) == 0


# -- bench-hash --------------------------------------------------------------------------------


def test_bench_hash_advises_a_cost():
    """PW-10: never below 10, with figures for one thread and for all; needs no configuration."""
    status, out, _ = run(["bench-hash", "--seconds", "0.01", "--json"])
    told = json.loads(out)
    assert status == 0
    found = [(one["scheme"], one.get("cost")) for one in told["measured"]]
    costs = [cost for scheme, cost in found if scheme == "bcrypt"]
    assert costs == list(range(10, 15))[:len(costs)] and costs and found[-1] == ("argon2id", None)
    assert all(one["logins_per_second"] > 0 and one["milliseconds"] > 0 for one in told["measured"])
    assert 10 <= told["advice"]["cost"] <= 14
    assert run(["bench-hash", "--seconds", "0"])[0] == 2


# -- migrate new -------------------------------------------------------------------------------


def test_migrate_new_writes_a_step_that_compiles(tmp_path):
    """R004-24: the next number, declared and listed; the files compile."""
    steps = tmp_path / "models" / "migrations"
    shutil.copytree(ROOT / "models" / "migrations", steps)
    last = max(int(path.name[:4]) for path in steps.glob("[0-9]*.c"))
    status, out, err = run(["migrate", "new", "add_colours", "--source", str(tmp_path), "--json"])
    assert status == 0, err
    assert json.loads(out) == {"number": last + 1, "name": "add_colours",
                               "file": f"models/migrations/{last + 1:04}_add_colours.c"}
    assert f"&migration_{last + 1:04}," in (steps / "list.c").read_text(encoding="utf-8")
    for name in (f"{last + 1:04}_add_colours.c", "list.c"):
        subprocess.run(["cc", "-std=c17", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-fsyntax-only",
                        f"-I{tmp_path}", f"-I{ROOT}", "-isystem", "/usr/include/libbson-1.0", steps / name],
                       check=True, timeout=300)


@pytest.mark.parametrize("arguments, status, says", [
    (["add_colours"], 1, "is no source tree of tenantd"),
    (["Add Colours"], 2, "a-z, 0-9 and _"),
    ([], 2, "the name of the migration is missing"),
])
def test_migrate_new_refuses(tmp_path, arguments, status, says):
    done = run(["migrate", "new", *arguments], cwd=tmp_path)
    assert done[0] == status and says in done[2], done
