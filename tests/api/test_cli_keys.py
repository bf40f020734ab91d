"""tenantd keys: signing keys are replaced and revoked while two instances serve (SK-6)."""
import base64
import json
import threading
import time

import pytest

from support.check import ok, until
from support.cli import Cli
from support.instance import Instance
from support.world import unique

PASSWORD = "correct horse 9"


@pytest.fixture(scope="module")
def pair(mongo):
    """Two instances of one installation, and its commands."""
    name = unique("test_cli_")
    settings = {"server": {"public_url": "http://localhost:8080"}, "password": {"scheme": "argon2id"},
                "limits": {"development_factor": 10000}}
    instances = [Instance(mongo, name, settings) for _ in range(2)]
    instances[0].start()
    instances[1].start()
    yield instances
    problems = [problem for instance in instances for problem in instance.stop()]
    mongo.drop(name)
    for instance in instances:
        instance.close()
    assert problems == []


@pytest.fixture
def setup(pair, connect):
    cli = Cli(pair[0])
    slug = unique("keys-").lower().replace("_", "-")
    cli("tenant", "create", "--name", slug, "--slug", slug, "--plan", "enterprise", "--owner-username", "ada",
        "--owner-password-file", "-", stdin=PASSWORD + "\n")
    return cli, slug, [connect(instance) for instance in pair]


def kid_of(token):
    head = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


def sign_in(api, slug):
    return ok(api.post("/auth/login", tenant=slug, json={"username": "ada", "password": PASSWORD}))


def refresh(api, slug, pair):
    return ok(api.post("/auth/refresh", tenant=slug, json={"refresh_token": pair["refresh_token"]}))


def published(api, slug):
    """The keys that sign access tokens; RS256 ones have tests of their own."""
    return {key["kid"] for key in ok(api.get("/.well-known/jwks.json", tenant=slug))["keys"]
            if key["alg"] == "ES256"}


def accepted(api, token):
    return api.get("/users/me", token=token).status_code


class Load:
    """Sign-ins and refreshes on both instances, and a poller of the published set; what went wrong."""

    def __init__(self, apis, slug):
        self.apis, self.slug = apis, slug
        self.sets = [(time.monotonic(), published(api, slug)) for api in apis]
        self.failures, self.seen, self.stop = [], set(), threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(self.work, number % 2)) for number in range(4)]
        self.threads.append(threading.Thread(target=self.run, args=(self.poll,)))

    def run(self, job, *args):
        try:
            job(*args)
        except Exception as problem:  # pylint: disable=broad-except
            self.failures.append(problem)

    def poll(self):
        while not self.stop.wait(0.2):
            for i, api in enumerate(self.apis):
                began = time.monotonic()
                self.sets[i] = began, published(api, self.slug)

    def work(self, number):
        tokens = sign_in(self.apis[number], self.slug)
        while not self.stop.is_set():
            known = list(self.sets)
            tokens = refresh(self.apis[number], self.slug, tokens)
            now, kid = time.monotonic(), kid_of(tokens["access_token"])
            self.seen.add(kid)
            # Of a poller that had no turn for most of the time nobody can ask more.
            if not all(kid in one for asked, one in known if now - asked < 2):
                self.failures.append(("not published", kid))
            for api in self.apis:
                if accepted(api, tokens["access_token"]) != 200:
                    self.failures.append(("refused", kid))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def test_a_new_key_signs_only_when_everybody_has_it(setup):
    """SK-6: under load no instance signs with a key that the other one, or a poller of the published set
    that never asks again, does not know; nobody is logged out; the old key stays."""
    cli, slug, apis = setup
    (old,) = published(apis[0], slug)
    assert published(apis[1], slug) == {old}
    first = sign_in(apis[0], slug)["access_token"]
    with Load(apis, slug) as load:
        until(lambda: load.seen == {old})
        new = cli.json("keys", "rotate", slug, "--after", "5s")["kid"]
        for api in apis:
            until(lambda api=api: published(api, slug) == {old, new})
        until(lambda: new in load.seen, seconds=10)
        time.sleep(0.3)  # a little more load behind the change
    assert load.failures == []
    assert [accepted(api, first) for api in apis] == [200, 200]
    keys = listed(cli, slug)
    assert keys[new]["state"] == "current" and keys[new]["expires_at"] is None
    assert keys[old]["state"] == "previous"
    assert [row["reason"] for row in cli.json("audit", "list", "--tenant", slug, "--action",
                                              "signing_key.rotated")["events"]] == [new]


def listed(cli, slug):
    """{key id: key} of those that sign access tokens."""
    return {key["kid"]: key for key in cli.json("keys", "list", slug)["keys"] if key["alg"] == "ES256"}


def test_a_revoked_key_ends_everywhere_within_a_second(setup):
    """SK-6: also tokens that were verified before; sessions go on with the key that signs now."""
    cli, slug, apis = setup
    tokens = sign_in(apis[0], slug)
    token = tokens["access_token"]
    kid = kid_of(token)
    assert [accepted(api, token) for api in apis] == [200, 200]
    new = cli.json("keys", "revoke", slug, "--", kid)["signs_now"]
    for api in apis:
        until(lambda api=api: accepted(api, token) == 401, seconds=1)
    tokens = refresh(apis[1], slug, tokens)
    assert kid_of(tokens["access_token"]) == new
    assert [accepted(api, tokens["access_token"]) for api in apis] == [200, 200]
    until(lambda: published(apis[0], slug) == {new})
    assert kid not in cli("keys", "list", slug)


def test_revoking_brings_the_next_key_forward(setup):
    cli, slug, apis = setup
    current = kid_of(sign_in(apis[0], slug)["access_token"])
    new = cli.json("keys", "rotate", slug, "--after", "30d")["kid"]
    assert {kid: key["state"] for kid, key in listed(cli, slug).items()} == {new: "next", current: "current"}
    cli("keys", "rotate", slug, status=1)
    assert "waits already" in cli.stderr
    until(lambda: published(apis[1], slug) == {current, new})
    assert kid_of(sign_in(apis[1], slug)["access_token"]) == current
    assert cli.json("keys", "revoke", slug, "--", current)["signs_now"] == new
    until(lambda: kid_of(sign_in(apis[1], slug)["access_token"]) == new)
    cli("keys", "revoke", slug, "--", current, status=1)
    assert "has no key" in cli.stderr


@pytest.mark.parametrize("words, status, says", [
    (["rotate", "acme", "--alg", "none"], 2, "--alg is ES256"),
    (["rotate", "acme", "--alg", "PS256"], 2, "--alg is ES256"),
    (["rotate", "acme", "--after", "1s"], 1, "from 5s"),
    (["rotate", "nosuch"], 1, "There is no tenant"),
    (["revoke", "nosuch"], 2, "is missing"),
])
def test_keys_that_may_not_be(pair, words, status, says):
    cli = Cli(pair[0])
    cli("keys", *words, status=status)
    assert says in cli.stderr
