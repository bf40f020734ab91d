"""Fixtures of the tests of examples/: one tenantd, and the applications as ./dev installed them."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# pylint: disable=wrong-import-position
from support.api import Api  # noqa: E402
from support.examples import Example, make_tokens  # noqa: E402
from support.instance import Instance  # noqa: E402
from support.mongo import Mongo  # noqa: E402
from support.world import World, unique  # noqa: E402


@pytest.fixture(scope="session")
def service():
    mongo, database = Mongo(os.environ["TEST_MONGODB_URI"]), unique("test_examples_")
    instance = Instance(mongo, database, {"password": {"scheme": "argon2id"}}).start()
    yield instance
    problems = instance.stop()
    mongo.drop(database)
    mongo.close()
    instance.close()
    assert problems == []


@pytest.fixture(scope="session")
def world(service):
    api = Api(service)
    yield World(api)
    api.close()


@pytest.fixture(scope="session")
def tokens(world):
    return make_tokens(world)


@pytest.fixture
def start(service, tmp_path):
    """start(name, lines=None, environment=None) -> Example, from where it was installed."""
    running = []

    def begin(name, lines=None, environment=None):
        if name not in os.environ["EXAMPLES_READY"].split():
            pytest.skip(f"{name}: a tool that it needs is not installed")
        home = pathlib.Path(os.environ["EXAMPLES_HOME"]) / name
        environment = {"PATH": f"{home}/.venv/bin{os.pathsep}{os.environ['PATH']}",
                       "NEXT_TELEMETRY_DISABLED": "1"} | (environment or {})
        running.append(Example(name, service, tmp_path, lines=lines, home=home,
                               environment=environment))
        return running[-1]

    yield begin
    for example in running:
        example.close()
