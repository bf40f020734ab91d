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


def test_a_new_key_signs_only_when_everybody_has_it(setup):
    """SK-6: under load no instance signs with a key that the other one, or a poller of the published set
    that never asks again, does not know; nobody is logged out; the old key stays."""
    cli, slug, apis = setup
    sets = [published(api, slug) for api in apis]
    old = sets[0]
    assert len(old) == 1 and sets[1] == old
    failures, seen, stop = [], set(), threading.Event()

    def poll():
        while not stop.wait(0.2):
            for i, api in enumerate(apis):
                sets[i] = published(api, slug)

    def work(number):
        tokens = sign_in(apis[number], slug)
        while not stop.is_set():
            known = [set(one) for one in sets]
            tokens = refresh(apis[number], slug, tokens)
            kid = kid_of(tokens["access_token"])
            seen.add(kid)
            if not all(kid in one for one in known):
                failures.append(("not published", kid))
            for api in apis:
                if accepted(api, tokens["access_token"]) != 200:
                    failures.append(("refused", kid))

    first = sign_in(apis[0], slug)["access_token"]
    def run(job, *args):
        try:
            job(*args)
        except Exception as problem:  # pylint: disable=broad-except
            failures.append(problem)

    threads = [threading.Thread(target=run, args=(work, number % 2)) for number in range(4)]
    threads.append(threading.Thread(target=run, args=(poll,)))
    for thread in threads:
        thread.start()
    try:
        until(lambda: seen == old)
        new = cli.json("keys", "rotate", slug, "--after", "5s")["kid"]
        for api in apis:
            until(lambda api=api: published(api, slug) == old | {new})
        assert seen == old
        states = {key["kid"]: key["state"] for key in cli.json("keys", "list", slug)["keys"]
                  if key["alg"] == "ES256"}
        assert states == {new: "next", **{kid: "current" for kid in old}}
        cli("keys", "rotate", slug, status=1)
        assert "waits already" in cli.stderr
        until(lambda: new in seen, seconds=10)
        time.sleep(0.3)  # a little more load behind the change
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert [accepted(api, first) for api in apis] == [200, 200]
    keys = {key["kid"]: key for key in cli.json("keys", "list")["keys"] if key["tenant"] == slug}
    assert keys[new]["state"] == "current" and keys[new]["expires_at"] is None
    assert keys[old.pop()]["state"] == "previous"
    assert [row["reason"] for row in cli.json("audit", "list", "--tenant", slug, "--action",
                                              "signing_key.rotated")["events"]] == [new]


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
    assert published(apis[0], slug) == {new}
    assert kid not in cli("keys", "list", slug)


def test_revoking_brings_the_next_key_forward(setup):
    cli, slug, apis = setup
    current = kid_of(sign_in(apis[0], slug)["access_token"])
    new = cli.json("keys", "rotate", slug, "--after", "30d")["kid"]
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
