"""tenantd client and tenantd token: OAuth clients and tokens from the command line.

Design §9: the same rules as the API's, because the same models decide. An instance runs beside.
"""
import contextlib
import subprocess

import pytest

from support.check import ok, refused, until
from support.cli import Cli
from support.instance import Instance, program
from support.oauth import client as register
from support.oauth import token
from support.world import World, unique

REDIRECT = "https://app.example/callback"


@pytest.fixture(scope="module")
def service(mongo):
    instance = Instance(mongo, unique("test_cli_"), {"password": {"scheme": "argon2id"}}).start()
    yield instance
    problems = instance.stop()
    mongo.drop(instance.database_name)
    instance.close()
    assert problems == []


@pytest.fixture(scope="module")
def cli(service):
    """With the configuration of the instance: its tokens name the same issuer."""
    return Cli(service)


@pytest.fixture
def world(connect, service):
    return World(connect(service))


@pytest.fixture
def acme(world):
    tenant = world.tenant()
    world.login(tenant.owner)
    return tenant


def rows(cli, tenant, action):
    found = cli.json("audit", "list", "--tenant", tenant.slug, "--action", action)["events"]
    assert all("command line" in row["user_agent"] for row in found), found
    return found


def test_the_life_of_a_client(cli, world, acme):
    """R004-28, R004-58: made, shown, rotated with an overlap and without, deleted; an instance
    follows, every step has its row."""
    api, of = world.api, ("--tenant", acme.slug)
    made = cli.json("client", "create", *of, "--name", "Nightly", "--grants",
                    "client_credentials", "--scope", "read orders:read")
    assert len(made["client_id"]) == 24 and len(made["client_secret"]) == 48
    pair = ok(token(api, made, grant_type="client_credentials"))
    assert pair["scope"] == "read orders:read"
    shown = ok(api.get(f"/oauth/client/{made['client_id']}", token=acme.owner.token))
    assert shown["client_name"] == "Nightly"
    assert cli.json("client", "show", made["client_id"], *of)["client_name"] == "Nightly"
    told = cli("client", "show", made["client_id"], *of)
    assert "confidential" in told and "orders:read" in told and made["client_secret"] not in told
    (listed,) = cli.json("client", "list", *of)["clients"]
    assert listed["client_id"] == made["client_id"] and "hash" not in str(listed)
    assert made["client_id"] in cli("client", "list", *of)

    second = cli.json("client", "rotate-secret", made["client_id"], *of, "--overlap", "1h")
    assert second["old_secret_ends_at"]
    until(lambda: token(api, second, grant_type="client_credentials").status_code == 200)
    ok(token(api, made, grant_type="client_credentials"))
    third = cli.json("client", "rotate-secret", made["client_id"], *of)
    until(lambda: token(api, third, grant_type="client_credentials").status_code == 200)
    refused(token(api, made, grant_type="client_credentials"), 401, "invalid_client")
    until(lambda: api.get("/api/protected", token=pair["access_token"]).status_code == 401)
    refused(api.get("/api/protected", token=pair["access_token"]), 401, "invalid_token")

    cli("client", "delete", made["client_id"], *of)
    until(lambda: token(api, third, grant_type="client_credentials").status_code == 401)
    cli("client", "show", made["client_id"], *of, status=1)
    assert "has no client" in cli.stderr
    for action, count in (("client.created", 1), ("client.secret_rotated", 2),
                          ("client.deleted", 1)):
        found = rows(cli, acme, action)
        assert [row["oauth_client_id"] for row in found] == [made["client_id"]] * count


def test_a_public_client(cli, world, acme):
    """No secret to show or to rotate."""
    of = ("--tenant", acme.slug)
    text = cli("client", "create", *of, "--name", "Page", "--public", "--native",
               "--redirect-uris", f"{REDIRECT} http://127.0.0.1/cb com.example.app:/cb",
               "--logout-uris", "https://app.example/bye",
               "--backchannel-logout-uri", "https://app.example/told")
    assert "client_secret" not in text and "PKCE" in text
    client_id = text.split()[1]
    assert "told at" in cli("client", "show", client_id, *of)
    shown = ok(world.api.get(f"/oauth/client/{client_id}", token=acme.owner.token))
    assert shown["redirect_uris"] == [REDIRECT, "http://127.0.0.1/cb", "com.example.app:/cb"]
    assert shown["token_endpoint_auth_method"] == "none"
    assert shown["post_logout_redirect_uris"] == ["https://app.example/bye"]
    assert shown["backchannel_logout_uri"] == "https://app.example/told"
    kept = cli.json("client", "update", client_id, *of, "--name", "Other")
    assert kept["backchannel_logout_uri"] == "https://app.example/told"
    gone = cli.json("client", "update", client_id, *of, "--backchannel-logout-uri", "")
    assert "backchannel_logout_uri" not in gone
    cli("client", "rotate-secret", client_id, *of, status=1)
    assert "no secret" in cli.stderr


@pytest.mark.parametrize("words, says", [
    (["--grants", "implicit"], "grant_types must be among"),
    (["--grants", "password", "--public"], "without a secret"),
    (["--redirect-uris", "https://app.example/#x"], "must not have a fragment"),
    (["--redirect-uris", "javascript:alert(1)"], "must begin with https://"),
    ([], "needs at least one redirect URI"),
    (["--grants", "password", "--scope", "users:hashes"], "of access keys only"),
    (["--grants", "password", "--auth", "private_key_jwt"], "token_endpoint_auth_method"),
    (["--redirect-uris", " ".join(f"https://a{n}.example/" for n in range(21))], "redirect_uris"),
])
def test_the_rules_are_the_apis(cli, service, acme, words, says):
    """Refused with the API's sentence; nothing is stored."""
    cli("client", "create", "--tenant", acme.slug, "--name", "Bad", *words, status=1)
    assert says in cli.stderr, cli.stderr
    assert list(service.db.oauth_clients.find({"client_name": "Bad"})) == []


def test_a_client_is_changed_in_part(cli, world, acme):
    """R004-28: what is named changes, everything else stays as it was; an instance follows, and
    each change has its row."""
    api, of = world.api, ("--tenant", acme.slug)
    made = register(api, acme, redirect_uris=[REDIRECT], scope="openid profile read write",
                    application_type="native", id_token_signed_response_alg="ES256",
                    post_logout_redirect_uris=["https://app.example/bye"], default_max_age=60,
                    token_endpoint_auth_method="client_secret_post", first_party=True,
                    require_auth_time=True)
    path = f"/oauth/client/{made['client_id']}"

    def stored():
        shown = ok(api.get(path, token=acme.owner.token))
        return {name: value for name, value in shown.items() if name not in ("request_id", "secret_age_seconds")}

    def change(*words):
        return cli("client", "update", made["client_id"], *of, *words)

    def comes(expected):
        with contextlib.suppress(AssertionError):
            until(lambda: stored() == expected)
        assert stored() == expected

    before = stored()
    more = f"https://app.example/a com.example.app:/cb {REDIRECT}"  # the last is there already
    assert "com.example.app:/cb" in change("--add-redirect-uris", more)
    expected = before | {"redirect_uris": [REDIRECT, *more.split()[:2]]}
    comes(expected)
    change("--remove-redirect-uris", REDIRECT, "--add-redirect-uris", "https://app.example/b",
           "--name", "-changed-")
    expected |= {"redirect_uris": [*more.split()[:2], "https://app.example/b"],
                 "client_name": "-changed-"}
    comes(expected)
    shown = cli.json("client", "update", made["client_id"], *of, "--redirect-uris", REDIRECT,
                     "--first-party", "no", "--scope", "read", "--grants", "authorization_code",
                     "--logout-uris", "")
    assert shown["client_id"] == made["client_id"]
    expected |= {"redirect_uris": [REDIRECT], "first_party": False, "scope": "read",
                 "grant_types": ["authorization_code"]}
    expected.pop("post_logout_redirect_uris")
    comes(expected)
    found = rows(cli, acme, "client.updated")
    assert [row["oauth_client_id"] for row in found] == [made["client_id"]] * 3


REFUSED = [
    (["--add-redirect-uris", "https://app.example/#x"], 1, "must not have a fragment"),
    (["--add-redirect-uris", " ".join(f"https://a{n}.example/" for n in range(20))], 1,
     "redirect_uris"),
    (["--remove-redirect-uris", "https://app.example/other"], 1, "is not registered"),
    (["--remove-redirect-uris", REDIRECT], 1, "needs at least one redirect URI"),
    (["--name", "x" * 101], 1, "client_name"),
    (["--scope", "users:hashes"], 1, "of access keys only"),
    ([], 2, "say what to change"), (["--first-party", "maybe"], 2, "yes or no"),
    (["--redirect-uris", REDIRECT, "--add-redirect-uris", REDIRECT], 2, "replaces all of them"),
]


def test_changes_that_are_refused(cli, service, world, acme):
    """As the API refuses them; nothing of it is stored."""
    made = register(world.api, acme, redirect_uris=[REDIRECT])
    before = service.db.oauth_clients.find_one({"_id": made["client_id"]})
    for words, status, says in REFUSED:
        cli("client", "update", made["client_id"], "--tenant", acme.slug, *words, status=status)
        assert says in cli.stderr, f"{words}: {cli.stderr}"
        assert service.db.oauth_clients.find_one({"_id": made["client_id"]}) == before, words
    assert rows(cli, acme, "client.updated") == []


def test_names_that_begin_with_a_hyphen(cli, acme):
    """What looks like an option is explained, and understood behind "--"."""
    cli("client", "show", "-abc", "--tenant", acme.slug, status=2)
    assert 'stands behind "--"' in cli.stderr
    cli("client", "show", "--tenant", acme.slug, "--", "-abc", status=1)
    assert 'no client "-abc"' in cli.stderr


def test_another_tenants_client_is_not_there(cli, world, acme):
    other = world.tenant()
    world.login(other.owner)
    foreign = register(world.api, other, grant_types=["client_credentials"])
    for words in (["show"], ["rotate-secret"], ["delete"], ["update", "--name", "x"]):
        cli("client", *words, foreign["client_id"], "--tenant", acme.slug, status=1)
        assert "has no client" in cli.stderr
    cli("token", acme.slug, "--client", foreign["client_id"], status=1)
    assert "has no client" in cli.stderr
    ok(token(world.api, foreign, grant_type="client_credentials"))


def test_a_token_for_curl(cli, world, acme):
    """Alone on standard output, so that $(…) can stand in a header; as a login would give it."""
    done = subprocess.run(
        ["bash", "-c", 'curl -fsS -H "Authorization: Bearer '
         '$("$0" token "$1" --user owner --ttl 60s --config "$2")" "$3/api/users/me"',
         program(), acme.slug, cli.config, world.api.instance.url],
        capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert acme.owner.id in done.stdout
    made = cli.json("token", acme.slug, "--user", acme.owner.email, "--ttl", "600s")
    assert made["token_type"] == "Bearer" and made["expires_in"] == 600
    assert "admin" in made["scope"].split()
    ok(world.api.get("/api/admin", token=made["access_token"]))
    part = cli("token", acme.slug, "--user", "owner", "--scope", "profile").strip()
    ok(world.api.get("/api/users/me", token=part))
    refused(world.api.get("/api/admin", token=part), 403)
    assert len(rows(cli, acme, "token.issued")) == 3
    ok(world.api.post("/auth/logout-all", token=made["access_token"]), 204)
    for text in (made["access_token"], part):
        until(lambda text=text: world.api.get("/api/users/me", token=text).status_code == 401)


def test_a_token_of_a_client(cli, world, acme):
    """For itself without a user and without what needs one; for a user within both."""
    api = world.api
    made = register(api, acme, grant_types=["client_credentials"], scope="read profile admin")
    alone = cli.json("token", acme.slug, "--client", made["client_id"])
    assert alone["scope"] == "read" and alone["expires_in"] == 3600
    seen = ok(api.get("/api/protected", token=alone["access_token"]))
    assert seen["user"] is None and seen["client_id"] == made["client_id"]
    user = world.user(acme)
    both = cli.json("token", acme.slug, "--client", made["client_id"], "--user", user.email)
    assert both["scope"] == "read profile"
    ok(api.get("/api/users/me", token=both["access_token"]))
    refused(api.get("/users/me/sessions", token=both["access_token"]), 403)
    assert [row["oauth_client_id"] for row in rows(cli, acme, "token.issued")] == \
        [made["client_id"]] * 2
    assert api.delete(f"/oauth/client/{made['client_id']}",
                      token=acme.owner.token).status_code == 204
    refused(api.get("/api/protected", token=alone["access_token"]), 401, "invalid_token")


@pytest.mark.parametrize("words, says", [
    (["--user", "nobody"], "has no user"),
    (["--client", "nobody"], "has no client"),
    (["--user", "owner", "--scope", "users:hashes"], "is not among"),
    (["--user", "owner", "--scope", 'a"b'], "visible ASCII"),
    (["--user", "owner", "--ttl", "901s"], "must be from 1s to 900s"),
    (["--user", "owner", "--ttl", "soon"], "--ttl"),
])
def test_tokens_that_may_not_be(cli, acme, words, says):
    cli("token", acme.slug, *words, status=1)
    assert says in cli.stderr and cli.stdout == ""
    assert rows(cli, acme, "token.issued") == []


def test_nobody_acts_for_a_user_who_is_locked_out(cli, world, acme):
    user = world.user(acme)
    ok(world.api.patch(f"/tenants/users/{user.id}", token=acme.owner.token,
                       json={"is_active": False}))
    cli("token", acme.slug, "--user", user.email, status=1)
    assert "not active" in cli.stderr and cli.stdout == ""
