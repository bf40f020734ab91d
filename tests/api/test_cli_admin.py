"""tenantd tenant, user and key: what administrators do, from the command line.

Design §9: the same rules as the API's, because the same models decide. An instance runs beside, and what
a command changes holds there within a second.
"""
import uuid

import pytest
from bson.int64 import Int64

from support.check import ok, refused, until
from support.instance import Instance
from support.user_search import fill, random_users
from support.world import Tenant, unique

PASSWORD = "correct horse 9"
OTHER = "another battery 7"


@pytest.fixture(scope="module")
def service(cli):
    instance = Instance(cli.instance.mongo, cli.instance.database_name).start()
    yield instance
    assert instance.stop() == []
    instance.close()


def make_acme(cli):
    slug = unique("acme-").lower().replace("_", "-")
    made = cli.json("tenant", "create", "--name", "Acme " + slug, "--slug", slug, "--plan", "basic",
                    "--owner-username", "ada", "--owner-password-file", "-", stdin=PASSWORD + "\n")
    for name in ("bob", "eve"):
        cli("user", "create", "--tenant", slug, "--username", name, "--email",
            f"{name}@{slug}.example", "--password-stdin", stdin=PASSWORD + "\n")
    return made


@pytest.fixture
def acme(cli):
    return make_acme(cli)


@pytest.fixture(scope="module")
def unchanged(cli):
    """For tests in which nothing happens to it."""
    return make_acme(cli)


def rows(cli, slug, action):
    """Rows of the audit log; all of a command tell that it was one."""
    found = cli.json("audit", "list", "--tenant", slug, "--action", action)["events"]
    assert all("command line" in row["user_agent"] for row in found), found
    return found


def sign_in(api, slug, name, password=PASSWORD):
    return api.post("/api/login", tenant=slug, json={"username": name, "password": password})


# -- tenants -----------------------------------------------------------------------------------


def test_a_tenant_is_changed_within_the_rules_of_the_api(cli, acme):
    slug = acme["slug"]
    after = cli.json("tenant", "set", slug, "--plan", "premium", "--name", "New name", "--limit",
                     "users=3,access_keys=7", "--industry", "shoes", "--discoverable", "no")
    assert (after["plan"], after["name"], after["industry"]) == ("premium", "New name", "shoes")
    assert after["limits"] == {"users": 3, "access_keys": 7}
    after = cli.json("tenant", "set", slug, "--limit", "users=plan", "--industry", "")
    assert after["limits"] == {"access_keys": 7} and after["industry"] is None
    assert len(rows(cli, slug, "tenant.changed")) == 2
    for words, says in ((["--limit", "users"], "NAME=NUMBER"), (["--limit", "users=x"], "users"),
                        (["--limit", "users=-1"], "users"), (["--limit", "seats=1"], "seats"),
                        (["--limit", "users=1,users=2"], "twice"), (["--plan", "gold"], "premium"),
                        (["--name", "x" * 201], "name"), (["--discoverable", "maybe"], "no or yes")):
        cli("tenant", "set", slug, *words, status=1)
        assert says in cli.stderr and cli.stderr.count("\n") == 1, cli.stderr
    assert cli.json("tenant", "show", slug)["name"] == "New name"


def test_a_tenant_is_suspended_restored_and_deleted_with_its_grace(cli, acme, service, connect):
    slug = acme["slug"]
    api = connect(service)
    token = ok(sign_in(api, slug, "ada"))["access_token"]
    assert cli.json("tenant", "suspend", slug)["status"] == "suspended"
    until(lambda: api.get("/users/me", token=token).status_code == 401)
    assert cli.json("tenant", "show", slug)["status"] == "suspended"
    cli("export", "--tenant", slug, status=1)
    assert f'The tenant "{slug}" is suspended' in cli.stderr
    assert slug in [one["slug"] for one in
                    cli.json("tenant", "list", "--status", "suspended")["tenants"]]
    assert cli.json("tenant", "restore", slug)["status"] == "active"
    until(lambda: sign_in(api, slug, "ada").status_code == 200)

    gone = cli.json("tenant", "delete", slug, "--confirm", slug)
    assert gone["status"] == "deleting" and gone["purge_at"]
    assert "tenant restore " + slug in cli("tenant", "delete", slug, "--confirm", slug)
    cli("user", "list", "--tenant", slug, status=1)
    assert cli.json("tenant", "restore", slug)["purge_at"] is None
    for action in ("tenant.suspended", "tenant.deletion_scheduled"):
        assert len(rows(cli, slug, action)) == 1, action
    cli("tenant", "suspend", "nosuch", status=1)
    assert 'There is no tenant "nosuch"' in cli.stderr


def test_tenants_are_found_by_how_slug_or_name_begins(cli, acme):
    slug = acme["slug"]
    for words in (["--search", slug[:9]], ["--search", "acme " + slug[:9]], ["--plan", "basic"], []):
        assert slug in [one["slug"] for one in cli.json("tenant", "list", *words)["tenants"]], words
    assert cli.json("tenant", "list", "--search", "nosuch")["tenants"] == []
    cli("tenant", "list", "--status", "nowhere", status=1)
    assert "--status: must be creating, active, suspended" in cli.stderr


def test_lists_have_no_bound(cli):
    """More than one page of 200, each once, with memory for one page."""
    collection = cli.instance.db["tenants"]
    model = collection.find_one()
    if model is None:
        cli("tenant", "create", "--name", "Model", "--with-key")
        model = collection.find_one()
    slugs = [f"many-{number:04}" for number in range(450)]
    collection.insert_many([{**model, "_id": uuid.UUID(int=number), "slug": slug} for number, slug in enumerate(slugs, 1)])
    try:
        found = cli.json("tenant", "list", "--search", "many-")["tenants"]
        assert [one["slug"] for one in found] == slugs
    finally:
        collection.delete_many({"slug": {"$in": slugs}})


LONG = {"name": "n" * 201, "slug": "s" * 64, "username": "u" * 65, "label": "l" * 101,
        "email": "e" * 250 + "@x.example"}
ODD = {"name": "two\nlines", "slug": "a_b", "username": "a@b", "email": "nobody", "label": "two\nlines"}
KINDS = {
    "tenant": ("/admin/tenants", ["tenant", "create", "--with-key"],
               {"name": "name", "slug": "slug", "owner_username": "username", "owner_email": "email"},
               {"name": "Fine", "owner_password": PASSWORD}),
    "user": ("/tenants/users", ["user", "create", "--password-stdin"],
             {"username": "username", "email": "email", "name": "name"},
             {"username": "fine", "password": PASSWORD}),
    "key": ("/tenants/access-keys", ["key", "create"], {"label": "label"}, {}),
    "platform key": ("/admin/keys", ["key", "create", "--platform"], {"label": "label"}, {}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", [LONG, ODD], ids=["long", "odd"])
def test_what_the_api_refuses_is_refused_with_its_sentence(cli, unchanged, service, connect, kind, bad):
    """R003-25: length and characters of every word that makes something."""
    path, command, members, fine = KINDS[kind]
    api = connect(service)
    token = cli.json("key", "create", "--platform")["key"] if path.startswith("/admin") \
        else ok(sign_in(api, unchanged["slug"], "ada"))["access_token"]
    before = cli.json("tenant", "list"), cli.json("user", "list", "--tenant", unchanged["slug"])
    for member, rule in members.items():
        said = refused(api.post(path, token=token, json={**fine, member: bad[rule]}), 400)
        options = {option: text for option, text in {**fine, member: bad[rule]}.items()
                   if not option.endswith("password")}
        words = [word for option, text in options.items()
                 for word in ("--" + option.replace("_", "-"), text)]
        if member.startswith("owner"):
            words += ["--owner-password-file", "-"]
        if kind in ("user", "key"):
            words += ["--tenant", unchanged["slug"]]
        cli(*command, *words, stdin=PASSWORD + "\n", status=1)
        assert said["message"] in cli.stderr and cli.stdout == "", (said, cli.stderr)
    assert (cli.json("tenant", "list"), cli.json("user", "list", "--tenant", unchanged["slug"])) == before


# -- users -------------------------------------------------------------------------------------


def test_a_user_is_shown_by_id_name_and_address(cli, acme, service, connect):
    slug = acme["slug"]
    ok(sign_in(connect(service), slug, "bob"))
    bob = cli.json("user", "show", "bob", "--tenant", slug)
    assert bob["role"] == "user" and len(bob["sessions"]) == 1 and bob["last_login_at"]
    for name in (bob["id"], "BOB", f"bob@{slug}.example"):
        assert cli.json("user", "show", name, "--tenant", slug)["id"] == bob["id"]
    assert "last login" in cli("user", "show", "bob", "--tenant", slug)
    assert [one["username"] for one in
            cli.json("user", "list", "--tenant", slug, "--search", "bo")["users"]] == ["bob"]
    cli("user", "show", "nobody", "--tenant", slug, status=1)
    assert 'There is no user "nobody"' in cli.stderr


def test_all_users_are_listed_however_large(cli, acme, service):
    """A part of the list ends before memory does; a search shows as many as fit."""
    tenant = Tenant(acme["id"], acme["slug"], acme["slug"])
    users = [user | {"custom_fields": {"list": [Int64(1)] * 8000}}
             for user in random_users(tenant.id, 199)]
    fill(service.db, tenant, users)
    listed = cli.json("user", "list", "--tenant", tenant.slug)["users"]
    assert len({one["id"] for one in listed}) == len(listed) == 202
    assert len(cli.json("user", "list", "--tenant", tenant.slug, "--search", "bo")["users"]) > 9


def test_role_activity_and_sessions_end_what_was_issued(cli, acme, service, connect):
    """Security state changes hold on the running instance within a second."""
    slug = acme["slug"]
    api = connect(service)
    for words, action in ((["role", "bob", "admin"], "user.role_changed"),
                          (["revoke-sessions", "bob"], "user.sessions_revoked"),
                          (["deactivate", "bob"], "user.deactivated")):
        token = ok(sign_in(api, slug, "bob"))["access_token"]
        ok(api.get("/users/me", token=token))
        cli("user", *words, "--tenant", slug)
        until(lambda token=token: api.get("/users/me", token=token).status_code == 401)
        assert len(rows(cli, slug, action)) == 1, action
    refused(sign_in(api, slug, "bob"), 401)
    assert cli.json("user", "activate", "bob", "--tenant", slug)["is_active"] is True
    ok(sign_in(api, slug, "bob"))


def test_the_last_owner_stays(cli, acme):
    slug = acme["slug"]
    for words in (["role", "ada", "user"], ["deactivate", "ada"],
                  ["delete", "ada", "--confirm", "ada"]):
        cli("user", *words, "--tenant", slug, status=1)
        assert "owner" in cli.stderr, cli.stderr
    cli("user", "role", "bob", "owner", "--tenant", slug)
    cli("user", "delete", "ada", "--tenant", slug, "--confirm", "ada")
    assert sorted(one["username"] for one in cli.json("user", "list", "--tenant", slug)["users"]) \
        == ["bob", "eve"]
    assert cli.json("tenant", "show", slug)["users"] == 2


def test_a_password_is_set_by_the_operator(cli, acme, service, connect):
    """The old one, the sessions and a lock end with it; weak ones are refused as everywhere."""
    slug = acme["slug"]
    api = connect(service)
    token = ok(sign_in(api, slug, "eve"))["access_token"]
    while sign_in(api, slug, "eve", "wrong guess 1").status_code != 429:
        pass
    refused(sign_in(api, slug, "eve"), 429)
    cli("user", "set-password", "eve", "--tenant", slug, "--password-stdin", stdin="short\n", status=1)
    assert "password" in cli.stderr
    cli("user", "set-password", "eve", "--tenant", slug, stdin=OTHER + "\n", status=2)
    assert "nobody can be asked" in cli.stderr
    cli("user", "set-password", "eve", "--tenant", slug, "--password-stdin", stdin=OTHER + "\n")
    assert OTHER not in cli.stdout + cli.stderr
    ok(sign_in(api, slug, "eve", OTHER))
    refused(sign_in(api, slug, "eve"), 401)
    until(lambda: api.get("/users/me", token=token).status_code == 401)
    assert len(rows(cli, slug, "user.password_set")) == 1


# -- keys --------------------------------------------------------------------------------------


def test_access_keys_of_a_tenant(cli, acme, service, connect):
    slug = acme["slug"]
    api = connect(service)
    made = cli.json("key", "create", "--tenant", slug, "--label", "billing", "--scope",
                    "auth,users:read", "--expires", "30d")
    assert made["key"].startswith("ak_") and made["expires_at"]
    ok(api.get("/api/v1/clients/me", token=made["key"]))
    listed = cli.json("key", "list", "--tenant", slug)["keys"]
    assert [(one["label"], one["scopes"]) for one in listed] == [("billing", ["auth", "users:read"])]
    assert made["key"] not in cli("key", "list", "--tenant", slug)
    assert "billing  (auth users:read)" in cli.stdout

    rotated = cli.json("key", "rotate", made["id"], "--tenant", slug)
    assert rotated["key"] != made["key"] and rotated["label"] == "billing"
    until(lambda: api.get("/api/v1/clients/me", token=made["key"]).status_code == 401)
    ok(api.get("/api/v1/clients/me", token=rotated["key"]))
    cli("key", "rotate", made["id"], "--tenant", slug, status=1)
    cli("key", "delete", rotated["id"], "--tenant", slug)
    until(lambda: api.get("/api/v1/clients/me", token=rotated["key"]).status_code == 401)
    cli("key", "delete", rotated["id"], "--tenant", slug, status=1)
    assert "no such key" in cli.stderr
    assert cli.json("key", "list", "--tenant", slug) == {"keys": []}
    for action in ("key.created", "key.rotated", "key.deleted"):
        assert len(rows(cli, slug, action)) == 1, action


@pytest.mark.parametrize("words, says", [
    (["--scope", "everything"], "scopes must be among auth"),
    (["--scope", "auth auth"], "twice"),
    (["--scope", ","], "at least one scope"),
    (["--expires", "2020-01-01T00:00:00Z"], "a moment to come"),
    (["--expires", "soon"], "30d"),
    (["--label", ""], "label must have 1 to 100 characters"),
])
def test_access_keys_that_may_not_be(cli, acme, words, says):
    cli("key", "create", "--tenant", acme["slug"], *words, status=1)
    assert says in cli.stderr and cli.stdout == "", cli.stderr
    assert cli.json("key", "list", "--tenant", acme["slug"]) == {"keys": []}


def test_platform_keys(cli, service, connect):
    api = connect(service)
    made = cli.json("key", "create", "--platform", "--label", "deployment")
    assert made["key"].startswith("pk_")
    ok(api.get("/admin/stats", token=made["key"]))
    rotated = cli.json("key", "rotate", made["id"], "--platform", "--overlap", "1h")
    ok(api.get("/admin/stats", token=made["key"]))
    ok(api.get("/admin/stats", token=rotated["key"]))
    cli("key", "delete", rotated["id"], "--platform")
    until(lambda: api.get("/admin/stats", token=rotated["key"]).status_code == 401)
    labels = [(one["label"]) for one in cli.json("key", "list", "--platform")["keys"]]
    assert labels.count("deployment") == 2
    assert "ended" in cli("key", "list", "--platform") and made["key"] not in cli.stdout
