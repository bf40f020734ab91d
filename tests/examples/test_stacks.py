"""R004-45: applications in seven stacks take tenantd's tokens by unmodified libraries."""
import os

import pytest

from support.check import ok, until
from support.cli import Cli
from support.examples import AUDIENCE, blocks, check_answers, decoded, machine, run_readme_call, sign_in_through

CHOSEN = os.environ["EXAMPLES_CHOSEN"].split()
#: Seconds for which a library takes a token after its end, and a few for us.
LEEWAY = {"express": 5, "spring": 60}
#: Seconds after which an example knows the key that took the place of a revoked one.
KEPT = {"flask": 60, "go": 0, "spring": 0}
KEPT_BY_DEFAULT = 30  # PyJWT and jose ask for keys they do not know so often
#: Which examples sign users in, from where.
LOGINS = {"flask": "/", "nextjs": "/api/auth/signin"}


@pytest.mark.parametrize("name", CHOSEN)
def test_answers(start, tokens, name):
    """200 for both tenants, 401 for everything else, 403 without the scope; called as the README says."""
    example = start(name)
    example.wait()
    check_answers(example, tokens)
    run_readme_call(example)
    until(lambda: example.get(tokens.expired).status_code == 401, LEEWAY.get(name, 0) + 60, pause=0.5)


@pytest.mark.parametrize("name", CHOSEN)
def test_audience(start, tokens, name):
    """RFC 8707: an API with a name of its own takes the tokens that were asked for it, and no other."""
    example = start(name, environment={"AUDIENCE": AUDIENCE})
    example.wait()
    assert ok(example.get(tokens.elsewhere))["user"] == tokens.subject
    assert example.get(tokens.good).status_code == 401


@pytest.mark.parametrize("name", LOGINS)
def test_login(start, tokens, world, name):
    """With issuer, client id, secret and redirect URI, over plain http."""
    if name not in CHOSEN:
        pytest.skip(f"{name} was not chosen")
    user = world.named_user(tokens.first)
    world.sign_in(user)
    example = start(name, blocks(name)[2])
    example.wait("/")
    shown = sign_in_through(example, world.api, user, LOGINS[name])
    assert shown.status_code == 200 and user.email in shown.text, example.output()


def test_a_revoked_key(start, world, service, tokens):
    """What examples/README.md says of keys: each follows a revocation by itself, all at once here."""
    running = {name: start(name) for name in CHOSEN if name in os.environ["EXAMPLES_READY"].split()}
    _, old = machine(world.api, tokens.first, "read")
    for example in running.values():
        example.wait()
        ok(example.get(old))
    Cli(service)("keys", "revoke", tokens.first.slug, decoded(old.split(".")[0])["kid"])
    until(lambda: world.api.get("/api/protected", token=old).status_code == 401)
    world.login(tokens.first.owner)  # whose token was by that key
    _, new = machine(world.api, tokens.first, "read")
    for name in sorted(running, key=lambda name: KEPT.get(name, KEPT_BY_DEFAULT)):
        limit = KEPT.get(name, KEPT_BY_DEFAULT) + 60
        until(lambda example=running[name]: example.get(new).status_code == 200, limit, pause=0.2)
        assert running[name].get(old).status_code == 401, name
