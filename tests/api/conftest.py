"""Fixtures of the black-box tests: one MongoDB and the instances that share it per worker.

`service` is the instance that most tests share; a test that needs other settings, or that breaks
things, starts its own with `start_instance`. When the run ends, every instance must end with 0 and
without a sanitizer's report, and when the whole suite ran, every row of the API description must
have been answered with success at least once.
"""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# pylint: disable=wrong-import-position
from support.api import Api  # noqa: E402
from support.authorize import code_client, public_client  # noqa: E402
from support.cli import Cli  # noqa: E402
from support.contract import Contract  # noqa: E402
from support.instance import Instance, merged  # noqa: E402
from support.mongo import Mongo, OwnMongo  # noqa: E402
from support.racers import ROUNDS  # noqa: E402
from support.world import World, unique  # noqa: E402

#: Files that take long, the longest first: what begins last must be short, or a worker has none.
LONG_FIRST = ("failover", "faults", "proofs", "deploy", "operation", "login_paths", "tenant_life",
              "migrations", "cli_admin", "cli", "isolation_matrix", "bad_input", "races",
              "idempotency", "platform", "rate_limits", "malformed", "audit_read", "users_filter",
              "users_list", "backchannel_logout", "cli_doctor", "cli_client", "audit_routes",
              "slow_clients", "access_keys", "audit", "audit_verify", "known_devices",
              "users_import", "sessions", "http_edge", "hardening", "audit_refusals", "nosql",
              "framing", "oauth_tokens", "examples", "docs", "gateway", "tokens", "publication",
              "users_import_crash", "tenant_users", "framing_proxies", "account_deletion")

#: Cheap to compute, for instances whose subject is not the hash.
FAST_HASH = {"password": {"scheme": "argon2id"}}


# -- the run -----------------------------------------------------------------------------------


def is_worker(config):
    return hasattr(config, "workerinput")


def pytest_configure(config):
    """Each worker has a MongoDB of its own: every write there wakes the change streams of all instances.
    The first takes that of the run."""
    config.addinivalue_line("markers", "race: 32 at once; ./dev soak runs many rounds of each")
    config.rows_hit = {}
    config.rows_known = set()
    config.own_mongo = None
    if brings_mongo(config):
        config.own_mongo = OwnMongo()
        os.environ["TEST_MONGODB_URI"] = config.own_mongo.uri


def brings_mongo(config):
    if is_worker(config):
        return config.workerinput["workerid"] != "gw0"
    return not config.option.collectonly and not os.environ.get("TEST_MONGODB_URI")


def pytest_unconfigure(config):
    if getattr(config, "own_mongo", None) is not None:
        config.own_mongo.close()
        del os.environ["TEST_MONGODB_URI"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file stays on one worker: what its tests share is made once."""
    from xdist.scheduler import LoadFileScheduling
    config.option.loadscopereorder = False  # the order is ours
    return LoadFileScheduling(config, log)


def pytest_collection_modifyitems(items):
    places = {f"test_{name}.py": place for place, name in enumerate(LONG_FIRST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    output = getattr(node, "workeroutput", {})
    node.config.rows_known |= set(output.get("rows_known", ()))
    for name, count in output.get("rows_hit", {}).items():
        node.config.rows_hit[name] = node.config.rows_hit.get(name, 0) + count


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    config = session.config
    if is_worker(config):
        config.workeroutput["rows_known"] = sorted(config.rows_known)
        config.workeroutput["rows_hit"] = config.rows_hit
        return
    if not whole_suite(config) or not config.rows_known:
        return
    missed = sorted(config.rows_known - set(config.rows_hit))
    report_rows(config, missed)
    if missed:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def whole_suite(config):
    """Whether nothing was selected: only then can a row that nobody hit be held against the run."""
    here = os.path.dirname(os.path.abspath(__file__))
    asked = [os.path.abspath(argument) for argument in config.args]
    return asked == [here] and not config.option.keyword and not config.option.markexpr \
        and not getattr(config.option, "lf", False)


def report_rows(config, missed):
    """One more result of the run, in every report of it: were all rows hit?"""
    text = "no test got a successful answer from: " + ", ".join(missed) if missed else None
    nodeid = "tests/api/test_answers.py::test_every_row_was_answered_with_success"
    config.hook.pytest_runtest_logreport(report=pytest.TestReport(
        nodeid=nodeid, location=("tests/api/test_answers.py", 0, "test_every_row"), keywords={},
        outcome="failed" if missed else "passed", longrepr=text, when="call"))


# -- MongoDB and instances ---------------------------------------------------------------------


@pytest.fixture(scope="session")
def mongo():
    server = Mongo(os.environ["TEST_MONGODB_URI"])
    yield server
    server.close()


class Fleet:
    """Starts instances and, at the end, stops and checks them and drops their databases.

    What is left running slows the rest down: each instance reads the oplog, each database keeps a
    hundred files open.
    """

    def __init__(self, mongo):
        self.mongo = mongo
        self.running, self.databases = [], set()

    def start(self, overrides=None, database=None, server=None, wait=True, **options):
        """On a new database, which goes at the end, or on one that somebody else brings; with the
        hash that is cheap to compute unless another one is asked for."""
        server = server or self.mongo
        if database is None:
            database = unique("test_api_")
            self.databases.add((server, database))
        instance = Instance(server, database, merged(FAST_HASH, overrides), **options)
        self.running.append(instance)
        instance.start(wait)
        return instance

    def end(self):
        problems = []
        for instance in self.running:
            instance.ask_to_stop()  # all at once: each takes a moment
        for instance in self.running:
            try:
                instance.close()
            except AssertionError as error:
                problems.append(str(error))
        for server, database in self.databases:
            if server is self.mongo:
                server.drop(database)
        assert not problems, "\n\n".join(problems)


@pytest.fixture(scope="session")
def common_instances(mongo):
    """start(overrides, database=None, …) -> Instance of the whole run, stopped when that ends."""
    fleet = Fleet(mongo)
    yield fleet.start
    fleet.end()


@pytest.fixture(scope="module")
def instances(mongo):
    """The same for the tests of one file."""
    fleet = Fleet(mongo)
    yield fleet.start
    fleet.end()


@pytest.fixture
def start_instance(mongo):
    """The same for one test."""
    fleet = Fleet(mongo)
    yield fleet.start
    fleet.end()


@pytest.fixture(scope="session")
def connect(request):
    """connect(instance) -> Api whose answers are all checked and counted."""
    opened, contracts = [], {}

    def make(instance, **options):
        key = id(instance)
        if key not in contracts:
            plain = Api(instance)
            contracts[key] = Contract(plain.get("/openapi.json").json())
            plain.close()
        opened.append(Api(instance, contracts[key], **options))
        return opened[-1]

    yield make
    for api in opened:
        api.close()
    config = request.config
    for contract in contracts.values():
        config.rows_known |= {row.name for row in contract.rows if countable(row)}
        for name, count in contract.hits.items():
            config.rows_hit[name] = config.rows_hit.get(name, 0) + count


def countable(row):
    """Pages are the browser suite's; /metrics has its own listener."""
    return not row.hidden


# -- what most tests share ---------------------------------------------------------------------


@pytest.fixture(scope="session")
def service(common_instances):
    """With the hash that is the default."""
    return common_instances({"password": {"scheme": "bcrypt"}})


@pytest.fixture(scope="session")
def api(service, connect):
    return connect(service)


@pytest.fixture(scope="session")
def contract(api):
    return api.contract


@pytest.fixture(scope="session")
def world(api):
    return World(api)


@pytest.fixture(scope="session")
def acme(world):
    return world.tenant(slug="acme", name="Acme Corporation")


@pytest.fixture(scope="session")
def other(world):
    return world.tenant(slug="other", name="Other & Söhne")


@pytest.fixture(scope="module")
def tenant(world):
    """A tenant of this file, whose owner has tokens and a browser session."""
    made = world.tenant()
    world.login(made.owner)
    world.sign_in(made.owner)
    return made


@pytest.fixture(scope="module")
def owner(tenant):
    return tenant.owner


@pytest.fixture(scope="module")
def own(api, tenant):
    """A confidential first-party OAuth client of that tenant."""
    return code_client(api, tenant)


@pytest.fixture(scope="module")
def public(api, tenant):
    return public_client(api, tenant)


@pytest.fixture
def user(world, tenant):
    """Somebody of that tenant, with all names and a new browser session."""
    made = world.named_user(tenant)
    world.sign_in(made)
    return made


@pytest.fixture(scope="session")
def keyed(world):
    """A tenant with an access key and an owner."""
    return world.key_tenant()


@pytest.fixture(scope="session")
def keyed_other(world):
    return world.key_tenant()


@pytest.fixture(scope="session")
def anna(world, acme):
    """A user of acme for tests that only read, or change what no other test looks at."""
    return world.user(acme, name="Anna")


@pytest.fixture(scope="session")
def pair(common_instances, connect):
    """Two instances of one installation: (first Api, second Api)."""
    # Rounds without end come from one address.
    shared = FAST_HASH | {"server": {"public_url": "http://localhost:8080"},
                          "limits": {"development_factor": 100 * ROUNDS}}
    first = common_instances(shared)
    second = common_instances(shared, database=first.database_name)
    return connect(first), connect(second)


@pytest.fixture(scope="session")
def own_mongo():
    """A mongod that a test may pause, kill and make fail."""
    server = OwnMongo()
    yield server
    server.close()


@pytest.fixture(scope="module")
def cli(mongo):
    """The commands, against a migrated database of their own."""
    instance = Instance(mongo, unique("test_cli_"))
    command = Cli(instance)
    command("migrate", "up")
    yield command
    mongo.drop(instance.database_name)
    instance.close()
