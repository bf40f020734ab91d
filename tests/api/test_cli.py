"""The subcommands as scripts and people use them: exit codes, --json, sentences that help.

Design §9: every subcommand has --help with examples and --json; 0 fine, 1 failed, 2 wrong use, 75 try
again later. Issue 3: serve migrate check-config print-config openapi seed tenant user version.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess

import pytest

from support.check import ok, refused
from support.cli import Cli
from support.instance import Instance, program, run
from support.ports import free_port
from support.world import unique

COMMANDS = ["audit", "bench-hash", "check-config", "cleanup", "client", "doctor", "key", "keys", "migrate", "openapi",
            "print-config", "seed", "selftest", "serve", "tenant", "token", "user", "version"]
PASSWORD = "correct horse 9"


@pytest.fixture
def empty(mongo):
    """Nothing in the database yet, and nothing is migrated by itself."""
    instance = Instance(mongo, unique("test_cli_"), {
        "database": {"migrate_on_start": False}, "server": {"public_url": "http://localhost:8080"}})
    yield Cli(instance)
    mongo.drop(instance.database_name)
    instance.close()


@pytest.fixture(scope="module")
def acme(cli):
    return cli.json("tenant", "create", "--name", "Acme", "--slug", "acme", "--plan", "basic",
                    "--owner-username", "ada", "--owner-email", "ada@acme.example",
                    "--owner-password-file", "-", stdin=PASSWORD + "\n")


# -- help and wrong use ------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command):
    status, out, err = run([command, "--help"])
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: tenantd {command}")
    assert "\nExamples:\n  tenantd " in out or "\nExamples:\n  " in out


def test_usage_lists_all_commands():
    status, out, err = run(["--help"])
    assert status == 0 and err == ""
    for command in COMMANDS:
        assert re.search(rf"^  {command}\s+\w", out, re.M), command
    assert run([])[0] == 2


@pytest.mark.parametrize("arguments, says", [
    (["sevre"], 'there is no command "sevre"; did you mean "serve"?'),
    (["migrat", "up"], 'did you mean "migrate"?'),
    (["frobnicate"], '"tenantd --help" lists all'),
    (["migrate"], "say what to do"),
    (["migrate", "pu"], 'did you mean "up"?'),
    (["migrate", "down"], "--to NUMBER is missing"),
    (["migrate", "down", "--to", "x"], "--to takes the number of a step"),
    (["migrate", "up", "now"], '"now" is one argument too many'),
    (["tenant", "show"], "the slug is missing"),
    (["tenant", "create"], "--name is missing"),
    (["tenant", "create", "--name", "A"], "nobody could use this tenant"),
    (["tenant", "create", "--name", "A", "--owner-username", "a"], "--owner-password-file"),
    (["user", "create", "--tenant", "a"], "--username or --email"),
    (["user", "create", "--tenant", "a", "--username", "b"], "--password-stdin"),
    (["user", "list"], "--tenant is missing"),
    (["user", "list", "--tenant", "a", "--tenant", "b"], "--tenant is given twice"),
    (["user", "role", "ada", "--tenant", "a"], "the role is missing"),
    (["user", "delete", "ada", "--tenant", "a", "--confirm", "bob"], "say it twice"),
    (["tenant", "set", "a"], "say what to change"),
    (["tenant", "delete", "a"], "--confirm a"),
    (["key", "list"], "--tenant or --platform is missing"),
    (["key", "create", "--platform", "--scope", "auth"], "a platform key has no scopes"),
    (["key", "rotate", "12", "--platform"], '"12" is not the id of a key'),
    (["client", "list"], "--tenant is missing"),
    (["client", "create", "--tenant", "a"], "--tenant and --name are needed"),
    (["client", "create", "--tenant", "a", "--name", "b", "--public", "--auth", "none"],
     "--public or has an --auth"),
    (["client", "show", "--tenant", "a"], "the id of the client is missing"),
    (["client", "delete", "x", "--tenant", "a", "--overlap", "1d"], 'there is no option "--overlap"'),
    (["token", "acme"], "--user or --client is missing"),
    (["token", "--user", "admin"], "the slug of the tenant is missing"),
    (["serve", "--prot", "80"], 'there is no option "--prot"'),
    (["print-config", "--jsn"], 'did you mean "--json"?'),
    (["check-config", "--config"], "--config needs a value"),
    (["version", "-x"], 'there is no option "-x"'),
])
def test_wrong_use_is_status_2_and_one_sentence(arguments, says):
    status, out, err = run(arguments)
    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_passwords_have_no_place_on_the_command_line():
    """SK-2: what stands in argv can be read by every process of the machine."""
    status, _, err = run(["user", "create", "--tenant", "a", "--username", "b", "--password", "x"])
    assert status == 2
    assert 'there is no option "--password"' in err or "ambiguous" in err


def test_version():
    status, out, _ = run(["version", "--json"])
    version = json.loads(out)
    assert status == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+", version["version"])
    for library in ("libmongoc", "civetweb", "openssl", "libsodium", "jansson", "libyaml"):
        assert re.match(r"\d+\.\d+", version["libraries"][library]), library
    assert run(["--version"])[1].startswith(f"tenantd {version['version']}\n")


def test_openapi_is_what_the_service_answers(api):
    status, out, _ = run(["openapi"])
    assert status == 0
    assert json.loads(out) == api.get("/openapi.json").json()


def test_a_result_that_cannot_be_written_is_a_failure():
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([program(), "openapi"], stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=180, check=False)
    assert done.returncode == 1
    assert "could not be written" in done.stderr


# -- configuration -----------------------------------------------------------------------------


def test_check_config(cli, tmp_path):
    assert "is fine: development" in cli("check-config")
    assert cli.json("check-config") == {"ok": True}
    bad = tmp_path / "bad.yaml"
    bad.write_text("environment: development\nserver:\n  prot: 1\n  port: x\nmaster_key: c2hvcnQ=\n",
                   encoding="utf-8")
    status, out, err = run(["check-config", "--json", "--config", str(bad)])
    assert (status, json.loads(out)) == (1, {"ok": False})
    lines = err.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f'{bad}:3: there is no key "server.prot"; did you mean "server.port"?')
    assert lines[1].startswith(f"{bad}:4: server.port: ")
    assert lines[2].startswith(f"{bad}:5: the master key has 5 bytes, which is too short")


def test_config_is_searched(tmp_path, cli):
    """--config, $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml."""
    environment = {"PATH": os.environ["PATH"], "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")}
    if not pathlib.Path("/etc/tenantd/config.yaml").exists():
        status, _, err = run(["check-config"], cwd=tmp_path, env=environment)
        assert status == 1
        assert "there is no configuration" in err and "--config FILE" in err
    named = dict(environment, TENANTD_CONFIG=cli.config)
    assert run(["check-config"], cwd=tmp_path, env=named)[1].startswith(cli.config)
    (tmp_path / "config.yaml").write_text("environment: nowhere\n", encoding="utf-8")
    assert run(["check-config"], cwd=tmp_path, env=environment)[2].startswith("config.yaml:1: ")


def test_print_config_masks_secrets(cli):
    text = cli("print-config")
    settings = cli.instance.settings()
    assert f"port: {settings['server']['port']}" in text
    assert "master_key: \"********\"" in text and "uri: \"********\"" in text
    for secret in (settings["master_key"], settings["database"]["uri"]):
        assert secret not in text
        assert secret not in cli("print-config", "--json")
    assert cli.json("print-config")["database"]["name"] == cli.instance.database_name


# -- migrations --------------------------------------------------------------------------------


def test_migrate_up_and_down(empty):
    """Design §9: status exits 0 with pending steps too; --check exits 1. Up twice changes nothing."""
    before = empty.json("migrate", "status")
    assert before["pending"] == len(before["migrations"]) > 0
    assert {step["state"] for step in before["migrations"]} == {"pending"}
    empty("migrate", "status", "--check", status=1)
    empty("migrate", "up")
    assert "nothing is pending" in empty.stdout
    first = empty.json("migrate", "status")
    assert empty.json("migrate", "up") == first
    empty("migrate", "status", "--check")
    assert "tenants" in empty.instance.db.list_collection_names()

    after = empty.json("migrate", "down", "--to", "0")
    assert after["pending"] == len(after["migrations"])
    empty("migrate", "up")


def test_commands_need_no_server_but_mongodb(empty):
    instance = Instance(empty.instance.mongo, "unused", {"database": {"start_timeout_ms": 300}},
                        uri=f"mongodb://name:secret-word@127.0.0.1:{free_port()}/?replicaSet=rs0")
    cli = Cli(instance)
    try:
        cli("migrate", "status", status=75)
        assert cli.stdout == ""
        assert "did not answer within 1 s; start it, or set database.uri" in cli.stderr
        assert "secret-word" not in cli.stderr
    finally:
        instance.close()


# -- tenants and users -------------------------------------------------------------------------


def test_tenant_create_list_show(cli, acme):
    assert acme["slug"] == "acme" and acme["plan"] == "basic" and acme["owner_id"]
    assert acme["access_key"] is None
    shown = cli.json("tenant", "show", "acme")
    assert shown["id"] == acme["id"] and shown["users"] >= 1 and shown["max_users"] == 50
    assert shown["issuer"].endswith("/t/acme")
    assert "acme" in [tenant["slug"] for tenant in cli.json("tenant", "list")["tenants"]]
    assert re.search(r"^acme +basic +active ", cli("tenant", "list"), re.M)
    assert acme["id"] in cli("tenant", "show", "acme")


def test_tenant_errors(cli, acme):
    owner = ["--owner-username", "x", "--owner-password-file", "-"]
    cases = [
        (["--name", "A", "--slug", "acme", *owner], 'The slug "acme" is taken'),
        (["--name", "A", "--slug", "A b", *owner], "slug must "),
        (["--name", "A", "--slug", "admin", *owner], '"admin" is reserved'),
        (["--name", "A", "--plan", "gold", *owner], "--plan: must be free, basic"),
        (["--name", "A", "--owner-username", "a@b", "--owner-password-file", "-"],
         "owner_username must "),
        (["--name", "A", "--owner-email", "nobody", "--owner-password-file", "-"],
         "owner_email must "),
    ]
    for arguments, says in cases:
        cli("tenant", "create", *arguments, stdin=PASSWORD + "\n", status=1)
        assert says in cli.stderr, cli.stderr
        assert cli.stdout == ""
    cli("tenant", "create", "--name", "A", *owner, stdin="short\n", status=1)
    assert "8" in cli.stderr
    cli("tenant", "show", "nosuch", status=1)
    assert 'There is no tenant "nosuch"' in cli.stderr
    assert [t["slug"] for t in cli.json("tenant", "list")["tenants"]].count("acme") == 1


def test_tenant_with_a_key_only(cli, start_instance, connect):
    made = cli.json("tenant", "create", "--name", "AI Platform", "--with-key")
    assert made["slug"] == "ai-platform" and made["owner_id"] is None
    key = made["access_key"]
    assert key.startswith("ak_")
    assert key not in cli("tenant", "show", "ai-platform", "--json")
    api = connect(start_instance(database=cli.instance.database_name))
    assert ok(api.get("/api/v1/clients/me", token=key))


def test_users_sign_in_with_what_the_command_was_given(cli, acme, start_instance, connect, tmp_path):
    secret = tmp_path / "password"
    secret.write_text("from a file 1\nsecond line\n", encoding="utf-8")
    made = cli.json("user", "create", "--tenant", "acme", "--username", "Grace", "--role", "admin",
                    "--email", "grace@acme.example", "--password-file", str(secret),
                    "--custom-fields", '{"department": "ML", "level": 9007199254740993}')
    assert made["role"] == "admin"
    assert made["custom_fields"] == {"department": "ML", "level": 9007199254740993}
    cli("user", "create", "--tenant", "acme", "--username", "bob", "--password-stdin",
        stdin=PASSWORD + "\r\n")
    users = cli.json("user", "list", "--tenant", "acme")["users"]
    assert [user["username"] for user in users] == ["ada", "Grace", "bob"]
    assert "Grace" in cli("user", "list", "--tenant", "acme")

    api = connect(start_instance(database=cli.instance.database_name))
    for name, password in (("grace", "from a file 1"), ("bob", PASSWORD), ("ada", PASSWORD)):
        ok(api.post("/api/login", tenant="acme", json={"username": name, "password": password}))
    refused(api.post("/api/login", tenant="acme", json={"username": "grace",
                                                        "password": "second line"}), 401)


def test_user_errors(cli, acme):
    cases = [
        (["--tenant", "nosuch", "--username", "x"], PASSWORD, 'There is no tenant "nosuch"'),
        (["--tenant", "acme", "--username", "ADA"], PASSWORD, "taken"),
        (["--tenant", "acme", "--email", "Ada@ACME.example"], PASSWORD, "taken"),
        (["--tenant", "acme", "--username", "x"], "short", "8"),
        (["--tenant", "acme", "--username", "x"], "", "holds no password"),
        (["--tenant", "acme", "--username", "x", "--role", "king"], PASSWORD, "--role: must be"),
        (["--tenant", "acme", "--username", "x", "--custom-fields", "{"], PASSWORD, ""),
        (["--tenant", "acme", "--username", "x", "--custom-fields", '{"$a": 1}'], PASSWORD, "$a"),
    ]
    before = cli.json("user", "list", "--tenant", "acme")
    for arguments, password, says in cases:
        cli("user", "create", *arguments, "--password-stdin", stdin=password + "\n", status=1)
        assert says in cli.stderr, cli.stderr
        assert cli.stderr.startswith("tenantd: ") and cli.stderr.count("\n") == 1, cli.stderr
        assert PASSWORD not in cli.stderr
    cli("user", "create", "--tenant", "acme", "--username", "x", "--password-file", "/nonexistent",
        status=1)
    assert "Cannot read a password from /nonexistent" in cli.stderr
    assert cli.json("user", "list", "--tenant", "acme") == before


def test_the_plan_limit_holds_for_commands_too(cli):
    cli("tenant", "create", "--name", "Small", "--slug", "small", "--owner-username", "o",
        "--owner-password-file", "-", stdin=PASSWORD + "\n")

    def create(number):
        return subprocess.run([program(), "user", "create", "--tenant", "small", "--username",
                               f"u{number}", "--password-stdin", "--config", cli.config],
                              input=PASSWORD + "\n", capture_output=True, text=True, timeout=180,
                              check=False)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        done = list(pool.map(create, range(12)))
    assert sorted(one.returncode for one in done) == [0] * 9 + [1] * 3
    assert all("allows 10 users" in one.stderr for one in done if one.returncode == 1)
    assert cli.json("tenant", "show", "small")["users"] == 10


# -- seed --------------------------------------------------------------------------------------


def test_seed_demo_is_idempotent(cli, start_instance, connect):
    first = cli.json("seed", "demo")
    assert [tenant["slug"] for tenant in first["tenants"]] == ["client1", "client2", "default"]
    assert cli.json("seed", "demo") == first
    assert cli.stderr.count("is there already") == 3
    assert "demo-client1-password" in cli("seed", "demo")
    api = connect(start_instance(database=cli.instance.database_name))
    for tenant in first["tenants"]:
        port = cli.instance.settings()["server"]["port"]
        assert tenant["url"] == f"http://{tenant['slug']}.localhost:{port}/"
        ok(api.post("/api/login", tenant=tenant["slug"],
                    json={"username": tenant["username"], "password": tenant["password"]}))
        ok(api.post("/api/login", tenant=tenant["slug"],
                    json={"username": f"demo@{tenant['slug']}.example",
                          "password": tenant["password"]}))


def test_seeding_twice_at_the_same_time(empty):
    empty("migrate", "up")
    arguments = [program(), "seed", "demo", "--json", "--config", empty.config]
    both = [subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2)]
    outputs = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0]
    assert len(empty.json("tenant", "list")["tenants"]) == 3
    for slug in ("client1", "client2", "default"):
        (made,) = empty.json("client", "list", "--tenant", slug)["clients"]
        assert made["client_name"] == "Playground"
        assert made["redirect_uris"] == [f"http://localhost:8080/t/{slug}/playground"]


def test_demo_tenants_exist_only_in_development(mongo):
    instance = Instance(mongo, unique("test_cli_"), {
        "environment": "production",
        "server": {"public_url": "https://login.example.com"},
        "tenants": {"base_domains": ["login.example.com"]},
    })
    cli = Cli(instance)
    try:
        cli("migrate", "up")
        cli("seed", "demo", status=1)
        assert "only with environment: development" in cli.stderr
        assert cli.json("tenant", "list") == {"tenants": []}
    finally:
        mongo.drop(instance.database_name)
        instance.close()
