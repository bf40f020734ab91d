"""R004-45: the examples in Python protect an endpoint with tenantd's tokens by unmodified libraries.

The other stacks need packages of their own: ./dev test examples.
"""
import os
import re
import sys

import pytest

from support.check import ok, until
from support.examples import (EXAMPLES, ROOT, Example, check_answers, make_tokens, run_readme_call,
                              sign_in_through)
from support.ports import free_port
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
    running = {name: Example(name, service, logs, environment=PATH) for name in PYTHON}
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


def test_five_minutes_of_the_readme(service, world, tokens, tmp_path):
    """Issue 5: with issuer, client id, secret and redirect URI a stock library protects an endpoint and
    signs a user in, by the README's commands; the packages are those of this environment."""
    user = world.named_user(tokens.first)
    world.sign_in(user)
    api_port = free_port()
    lines = [line.replace("9001", str(api_port)) for line in section(ROOT / "README.md", "Protect an endpoint")
             if not line.startswith("python3 -m venv")]
    shop = Example("flask", service, tmp_path, lines=lines, home=ROOT, environment=PATH)
    try:
        shop.wait("/")
        assert '"data":["yours"]' in shop.output()
        shown = ok(sign_in_through(shop, world.api, user))
    finally:
        shop.close()
    assert shown["signed_in"]["sub"] == user.id
    assert shown["signed_in"]["email"] == user.email


def section(path, title):
    """The commands under a heading."""
    text = path.read_text(encoding="utf-8").split(f"\n## {title}", 1)[1].split("\n## ", 1)[0]
    return "".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)).splitlines()


def test_the_recipe_for_a_handler_is_the_code():
    """R004-45: what docs/DEVELOPING.md shows of GET /api/data stands in the sources, letter by letter."""
    recipe = (ROOT / "docs/DEVELOPING.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```c\n(.*?)^```", recipe, re.MULTILINE | re.DOTALL)
    sources = [(ROOT / name).read_text(encoding="utf-8")
               for name in ("app/routes.c", "handlers/identity_answers.c", "handlers/me.h")]
    assert len(shown) == 6
    for piece in shown:
        assert any(piece.rstrip("\n") in source for source in sources), piece


@pytest.mark.parametrize("name", PYTHON)
def test_the_test_venv_has_what_the_example_pins(name):
    """Else the tests would prove other versions than a reader installs."""
    known = (ROOT / "deploy/python-requirements.txt").read_text().splitlines()
    for line in (EXAMPLES / name / "requirements.txt").read_text().splitlines():
        assert line.replace("[crypto]", "") in known
