"""R004-45: the examples in Python protect an endpoint with tenantd's tokens by unmodified libraries.

The other stacks need packages of their own: ./dev test examples.
"""
import os
import sys

import pytest

from support.check import ok, until
from support.examples import (EXAMPLES, ROOT, Example, check_answers, make_tokens, run_readme_call,
                              sign_in_through)
from support.world import World

PYTHON = ("django", "fastapi", "flask")
#: As an activated environment has it.
PATH = {"PATH": os.path.join(sys.prefix, "bin") + os.pathsep + os.environ["PATH"]}


@pytest.fixture(scope="module")
def service(instances):
    return instances()


@pytest.fixture(scope="module")
def world(connect, service):
    return World(connect(service))


@pytest.fixture(scope="module")
def started(service, tmp_path_factory):
    """All at once, while the tokens are made."""
    logs = tmp_path_factory.mktemp("examples")
    running = {name: Example(name, service, logs, PATH) for name in PYTHON}
    yield running
    for example in running.values():
        example.close()


@pytest.fixture(scope="module")
def tokens(started, world):
    return make_tokens(world)


@pytest.mark.parametrize("name", PYTHON)
def test_answers(started, tokens, name):
    """200 for both tenants, 401 for everything else, 403 without the scope."""
    example = started[name]
    example.wait()
    check_answers(example, tokens)
    until(lambda: example.get(tokens.expired).status_code == 401, 5)


def test_the_readmes_call(started, tokens):
    run_readme_call(started["flask"])


def test_flask_login(service, world, tokens, tmp_path):
    """Authlib with issuer, client id, secret and redirect URI signs a user in over plain http."""
    user = world.named_user(tokens.first)
    world.sign_in(user)
    login = Example("flask", service, tmp_path, PATH, block=2)
    try:
        login.wait("/")
        shown = ok(sign_in_through(login, world.api, user))
    finally:
        login.close()
    assert shown["signed_in"]["sub"] == user.id
    assert shown["signed_in"]["email"] == user.email


@pytest.mark.parametrize("name", PYTHON)
def test_the_test_venv_has_what_the_example_pins(name):
    """Else the tests would prove other versions than a reader installs."""
    known = (ROOT / "deploy/python-requirements.txt").read_text().splitlines()
    for line in (EXAMPLES / name / "requirements.txt").read_text().splitlines():
        assert line.replace("[crypto]", "") in known
