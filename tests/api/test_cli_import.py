"""tenantd import: the same job without a service, from files of other systems too (issue 6.6).

MIGRATION (R004-59): each system's form is read, and every imported password signs in.
"""
import gzip
import json
import os
import signal
import subprocess

import pytest

from support.check import ok, until
from support.cli import Cli
from support.exports import (HASH_CONFIG, MONGODB_ID, MONGODB_MAP, PASSWORD, SHOWN_CONFIG,
                             SYSTEMS)
from support.instance import Instance, program
from support.world import World, unique


@pytest.fixture(scope="module")
def place(instances, connect):
    """A service and the command on one database."""
    instance = instances()
    api = connect(instance)
    return api, World(api), Cli(instance)


def options_of(system, tmp_path):
    if system == "firebase":
        (tmp_path / "config").write_text(json.dumps(HASH_CONFIG), encoding="utf-8")
        return ["--hash-config", str(tmp_path / "config")]
    return ["--map", MONGODB_MAP] if system == "mongodb" else []


@pytest.mark.parametrize("system", SYSTEMS)
def test_users_of_other_systems(place, tmp_path, system):
    """Told beforehand, brought in by one command, and all of them sign in with what they knew."""
    api, world, cli = place
    tenant = world.tenant()
    text, names, users, refused = SYSTEMS[system]()
    path, errors = tmp_path / "export", tmp_path / "errors"
    path.write_text(text, encoding="utf-8")
    words = ["import", str(path), "--tenant", tenant.slug, "--from", system, "--errors",
             str(errors), *options_of(system, tmp_path)]
    status = 3 if refused else 0
    if system == "keycloak":
        told = cli(*words, "--dry-run", status=status)
        assert f"keycloak: {users + refused} records, {users} users" in told
        assert "1 with argon2, 2 with pbkdf2, 2 without a password" in told
        assert "1: the e-mail address is none and was left away" in told
        assert api.instance.db[tenant.collection].count_documents({}) == 1
    made = cli.json(*words, status=status)
    assert (made["import"]["state"], made["import"]["created"]) == ("done", users), made
    assert (made["conversion"]["users"], made["conversion"]["refused"]) == (users, refused)
    for name in names:
        ok(api.post("/auth/login", tenant=tenant.slug, json={"email": name, "password": PASSWORD}))
    told = [json.loads(line) for line in errors.read_text("utf-8").splitlines()]
    assert sum(entry["error"] == "refused" for entry in told) == refused
    check(api, world, tenant, system)


def check(api, world, tenant, system):
    """What became of members that each system has in its own place."""
    world.login(tenant.owner)
    lines = {line.get("username") or line["email"]: line for line in map(json.loads, api.get(
        "/users/export", token=tenant.owner.token).text.splitlines())}
    if system == "keycloak":
        assert lines["k1"]["custom_fields"] == {"department": "sales", "tags": ["a", "b"], "a_b": "x"}
        assert (lines["k1"]["name"], lines["k1"]["is_email_verified"]) == ("Key Cloak", True)
        assert lines["k1"]["created_at"] == "2023-11-14T22:13:20.123Z"
        assert lines["plain"]["is_active"] is False and "email" not in lines["plain"]
        assert lines["plain"]["is_email_verified"] is False
    elif system == "auth0":
        assert lines["a2"]["custom_fields"] == {"old_id": "auth0|2", "color": "red",
                                                "app_metadata": {"plan": "gold"}}
        assert lines["a1@auth0.example"]["custom_fields"] == {"old_id": "60425dc43519d90068f82973"}
    elif system == "firebase":
        assert lines["f1@fb.example"]["custom_fields"] == {"old_id": "f1", "claims": {"vip": True}}
    elif system == "supabase":
        assert lines["s1@sb.example"]["name"] == 'S, "One"'
        assert lines["s1@sb.example"]["created_at"] == "2023-01-02T03:04:05.123Z"
        assert lines["s1@sb.example"]["is_active"] and not lines["s2@sb.example"]["is_active"]
    elif system == "django":
        assert lines["d1"]["custom_fields"] == {"old_id": "1", "is_staff": True, "is_superuser": False}
    else:
        assert lines["m1"]["custom_fields"] == {
            "old_id": "5f43a1b2c3d4e5f6a7b8c9d0", "age": 41, "born": "1980-01-01T00:00:00Z",
            "seen": "1969-12-31T23:59:59.999Z"}
        assert lines["m1"]["id"] == str(MONGODB_ID)
        assert lines["m1"]["created_at"] == "2017-07-14T02:40:00.000Z"


def test_parameters_of_firebase_as_the_console_shows_them(place, tmp_path):
    """The text that its dialog has to copy; what lacks one of them is refused."""
    api, world, cli = place
    tenant = world.tenant()
    path, config = tmp_path / "export", tmp_path / "config"
    text, (name,), _, _ = SYSTEMS["firebase"]()
    path.write_text(text, encoding="utf-8")
    words = ["import", str(path), "--tenant", tenant.slug, "--from", "firebase", "--hash-config"]
    config.write_text(SHOWN_CONFIG.replace("rounds", "laps"), encoding="utf-8")
    cli(*words, str(config), status=1)
    assert "does not say all of" in cli.stderr
    config.write_text(SHOWN_CONFIG, encoding="utf-8")
    assert "1 with firebase-scrypt" in cli(*words, str(config), status=3)
    ok(api.post("/auth/login", tenant=tenant.slug, json={"email": name, "password": PASSWORD}))


def test_bad_files_change_nothing(place, tmp_path):
    """Cut, of another kind, not there: one sentence, nothing imported."""
    api, world, cli = place
    tenant = world.tenant()
    cut = tmp_path / "cut"
    cut.write_text(SYSTEMS["keycloak"]()[0][:-40], encoding="utf-8")
    large = tmp_path / "large"
    large.touch()
    os.truncate(large, 2 ** 30 + 1)  # takes no room
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(cut.read_bytes()))
    for words, says in (([str(cut), "--from", "keycloak"], "ends in the middle"),
                        ([str(tmp_path / "none")], "No such file"),
                        ([str(packed), "--from", "keycloak"], "packed with gzip"),
                        ([str(large)], "at most 1 GiB"),
                        (["/dev/null", "--from", "auth0"], "holds no users"),
                        ([str(cut), "--from", "mongodb"], "--map says"),
                        ([str(cut), "--from", "auth0", "--map", "mail=x"], "--map: must be"),
                        ([str(cut), "--errors", str(cut)], "--errors: "),
                        ([str(cut), "--mode", "replace"], "--mode")):
        cli("import", *words, "--tenant", tenant.slug, status=1)
        assert says in cli.stderr and "on our side" not in cli.stderr, (words, cli.stderr)
    cli("import", "--tenant", tenant.slug, status=2)
    for words in (["--follow", "x", "--cancel", "x"], ["--follow", "x", "--dry-run"],
                  ["--cancel", "x", "--mode", "skip"], ["--cancel", "x", "--errors", str(cut)]):
        cli("import", *words, "--tenant", tenant.slug, status=2)
    assert cut.stat().st_size > 0
    assert api.instance.db[tenant.collection].count_documents({}) == 1
    assert api.instance.db.import_chunks.count_documents({}) == 0


def test_one_record_harms_no_other_and_no_terminal(place, tmp_path):
    """What grows too large when it is written out is a mistake of that record alone, numbers stay
    as they were, and names that hold escape sequences are told without them."""
    api, world, cli = place
    tenant = world.tenant()
    path = tmp_path / "realm"
    secret = {"type": "password", "secretData": json.dumps({"value": "eA==", "salt": "eA=="}),
              "credentialData": json.dumps({"hashIterations": 1, "algorithm": "\x1b[31mmd5"})}
    users = [json.dumps(user) for user in (
        {"username": "small", "attributes": {"x": [0.1]}, "credentials": [secret]},
        {"username": "odd", "attributes": {"\x1b[31m": [{"a": {"b": {"c": {"d": {}}}}}]}})]
    users.insert(0, '{"username":"big","attributes":{"x":[' + "1e9," * 60000 + "1]}}")
    path.write_text('{"users":[' + ",".join(users) + "]}", encoding="utf-8")
    told = cli("import", str(path), "--tenant", tenant.slug, "--from", "keycloak", status=3)
    assert "?[31mmd5" in told and "/?[31m/a/b" in told and "\x1b" not in told + cli.stderr
    made = list(api.instance.db[tenant.collection].find({"role": "user"}))
    assert [(user["username"], user["custom_fields"]) for user in made] == [("small", {"x": 0.1})]


def test_an_owner_stays(place):
    """The line that would take the last one away is refused, in a dry run too, and the others are
    taken; among the same lines one owner may follow another."""
    _, world, cli = place
    tenant = world.tenant()
    words = ["import", "-", "--tenant", tenant.slug, "--mode", "upsert"]
    gone = {"email": tenant.owner.email, "role": "user"}
    off = {"email": tenant.owner.email, "is_active": False}

    def bring(*lines, options=(), status=0):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        return cli.json(*words, *options, stdin=text, status=status)["import"]
    for options in (["--dry-run"], []):
        for line, pointer in ((gone, "/role"), (off, "/is_active")):
            told = bring(line, {"username": "other"}, options=options, status=3)
            assert (told["state"], told["created"] + told["updated"]) == ("done", 1)
            assert [(error["line"], error["error"], error["pointer"])
                    for error in told["errors"]] == [(1, "last_owner", pointer)]
    assert bring(gone, {"username": "heir", "role": "owner"})["failed"] == 0
    assert bring({"username": "heir", "role": "user"}, status=3)["errors"][0]["error"] == "last_owner"


def test_what_was_exported_changes_nobody(place, tmp_path):
    """Upserting a tenant's own export is harmless, also for those without custom fields."""
    api, world, cli = place
    tenant = world.tenant()
    path, users = tmp_path / "users", api.instance.db[tenant.collection]
    cli("import", "-", "--tenant", tenant.slug,
        stdin='{"username":"bare"}\n{"username":"full","custom_fields":{"a":{"b":[1.5]}}}\n')
    cli("export", "--tenant", tenant.slug, "--with-hashes", "--output", str(path))
    before = list(users.find())
    cli("import", str(path), "--tenant", tenant.slug, "--mode", "upsert")
    assert list(users.find()) == before


def test_interrupted_it_goes_on_elsewhere(cli, tmp_path):
    """Ctrl-C leaves what can be gone on with, and says how; nobody is there twice."""
    cli("tenant", "create", "--slug", "ctrl", "--name", "C", "--plan", "enterprise", "--with-key")
    path = tmp_path / "users"
    path.write_text("\n".join(json.dumps({"username": f"{unique('c')}"}) for _ in range(4000)),
                    encoding="utf-8")
    words = [program(), "import", str(path), "--tenant", "ctrl", "--config", cli.config]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        until(lambda: cli.instance.db.jobs.count_documents({"done": {"$gt": 0}}) == 1, seconds=20)
        first.send_signal(signal.SIGINT)
        _, told = first.communicate(timeout=180)
    if first.returncode == 0:  # it was quicker
        return
    assert first.returncode == 75 and "--follow" in told, told
    identity = told.split("--follow ")[1].split()[0]
    made = cli.json("import", "--tenant", "ctrl", "--follow", identity)
    assert made["import"]["created"] == 4000
    cli("import", "--tenant", "ctrl", "--cancel", identity, status=1)
    assert "over already" in cli.stderr


def lines(name, count):
    return "".join(json.dumps({"username": f"{name}{n}"}) + "\n" for n in range(count))


@pytest.fixture(scope="module")
def shaky(own_mongo):
    """Commands on a database that can be made to fail."""
    instance = Instance(own_mongo, unique("test_shaky_"))
    command = Cli(instance)
    command("migrate", "up")
    command("tenant", "create", "--slug", "shaky", "--name", "S", "--plan", "enterprise",
            "--with-key")
    command("import", "-", "--tenant", "shaky", stdin=lines("s", 1200))
    yield command
    instance.close()


def started(cli, *words):
    return subprocess.Popen([program(), *words, "--tenant", "shaky", "--config", cli.config],
                            stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_database_that_comes_back_is_waited_for(shaky, own_mongo, tmp_path):
    """Whoever follows an import while the database is restarted hears of its end."""
    path = tmp_path / "users"
    path.write_text(lines("r", 1500), encoding="utf-8")
    database = shaky.instance.db
    with started(shaky, "import", str(path)) as command:
        until(lambda: database.jobs.count_documents({}) == 2, seconds=20)
        with own_mongo.failpoint(["find"], namespace=f"{database.name}.jobs", times=6, errorCode=91,
                                 appName="tenantd"):
            told, said = command.communicate(timeout=180)
    assert command.returncode == 0 and "1500 created" in told, (told, said)


def test_an_interrupted_export_leaves_no_draft(shaky, own_mongo, tmp_path):
    """Ctrl-C in the middle: the file is not there, and nothing of it under another name."""
    database = shaky.instance.db
    users = next(name for name in database.list_collection_names() if name.startswith("users_"))

    def interrupted():
        """What it said; None where it had written all before the signal came."""
        with own_mongo.failpoint(["find"], namespace=f"{database.name}.{users}", blockConnection=True,
                                 blockTimeMS=250, appName="tenantd"):
            with started(shaky, "export", "--with-hashes", "--output", str(tmp_path / "all")) as command:
                until(lambda: list(tmp_path.iterdir()), seconds=20)
                command.send_signal(signal.SIGINT)
                _, said = command.communicate(timeout=180)
        if command.returncode == 0:
            (tmp_path / "all").unlink()
            return None
        assert command.returncode == 75, said
        return said

    assert "nothing was written" in until(interrupted, 20)[0]
    assert not list(tmp_path.iterdir())


def test_an_export_takes_the_place_of_files_alone(place, tmp_path):
    """A device or a pipe under the name stays what it is; "-" is standard output."""
    _, world, cli = place
    tenant = world.tenant()
    os.mkfifo(tmp_path / "pipe")
    cli("export", "--tenant", tenant.slug, "--output", str(tmp_path / "pipe"), status=1)
    assert "no ordinary file" in cli.stderr
    assert (tmp_path / "pipe").is_fifo() and len(list(tmp_path.iterdir())) == 1
    assert cli("export", "--tenant", tenant.slug, "--output", "-").count("\n") == 1
