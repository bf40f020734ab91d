"""Starting, stopping and reloading the service (OP-8, OP-18, SK-1, SK-2, PW-10; issue 3 "Bad input").

MongoDB absent at start: one sentence and a retry until a deadline. A taken port, a short secret, an
unknown key: one sentence with what to do. SIGTERM lets running requests end; SIGHUP is all or nothing.
"""
import collections
import concurrent.futures
import os
import signal
import socket
import subprocess
import threading
import time

import httpx
import pytest

from support.check import in_time, ok, until
from support.instance import SHIPPED_LIMITS, Instance, merged, program, run
from support.mongo import OwnMongo
from support.ports import free_port
from support.world import World, unique

FAST = {"password": {"scheme": "argon2id"}}
#: Nothing ends half a request but its other half.
PATIENT = merged(FAST, {"server": {"drain_ms": 120000, "body_timeout_ms": 120000, "body_min_rate": 0}})


def ended(instance, limit=90):
    """(status, standard error) of an instance that ends by itself or by a signal."""
    status = instance.process.wait(limit)
    assert not instance.sanitizer_reports(), instance.tail()
    with open(instance.stderr_path, encoding="utf-8") as file:
        return status, file.read()


def stderr_of(instance):
    with open(instance.stderr_path, encoding="utf-8") as file:
        return file.read()


def events(instance, name):
    return [line for line in instance.log_lines() if line.get("event") == name]


@pytest.fixture
def lonely(mongo):
    """make(overrides, **options) -> Instance that is not started; its end is the test's business."""
    made = []

    def make(overrides=None, server=None, **options):
        instance = Instance(server or mongo, unique("test_op_"), overrides, **options)
        made.append(instance)
        return instance

    yield make
    for instance in made:
        if instance.process is not None and instance.process.poll() is None:
            instance.kill()
        instance.process = None
        if instance.mongo is mongo:
            mongo.drop(instance.database_name)
        instance.close()


# -- starting ----------------------------------------------------------------------------------


def test_ready_line_tells_what_is_served(service):
    """PW-10: the cost that passwords are hashed with is in the log, and how long the start took."""
    ready = until(lambda: events(service, "ready"))[0][0]
    settings = service.settings()["server"]
    assert ready["url"] == settings["public_url"]
    assert ready["port"] == str(settings["port"])
    assert (ready["password_scheme"], ready["password_cost"]) == ("bcrypt", "10")
    assert ready["environment"] == "development"
    assert int(ready["start_ms"]) >= 0


def test_a_taken_port_is_one_sentence(lonely, service):
    instance = lonely()
    instance.port, instance.extra_port, instance.metrics_port = service.port, 0, 0
    status, err = ended(instance.start(wait=False))
    assert status == 1
    assert str(service.port) in err and "server.port" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("overrides, says", [
    ({"master_key": "c2hvcnQ="}, ["too short", "head -c 32 /dev/urandom | base64"]),
    ({"server": {"prot": 1}}, ['there is no key "server.prot"; did you mean "server.port"?']),
    ({"server": {"threads": 1}}, ["server.threads", "4096"]),
])
def test_a_bad_configuration_is_one_sentence(lonely, overrides, says):
    status, err = ended(lonely(overrides).start(wait=False))
    assert status == 1
    assert all(words in err for words in says), err
    assert err.count("\n") == 1


def test_pending_migrations_stop_the_start(lonely, mongo):
    instance = lonely({"database": {"migrate_on_start": False}})
    status, err = ended(instance.start(wait=False))
    assert status == 1
    assert 'run "tenantd migrate up"' in err
    assert err.count("\n") == 1
    assert mongo.database(instance.database_name).list_collection_names() == []


def test_a_dropped_index_stops_the_start(lonely, mongo):
    """OP-4: uniqueness exists only as an index, so nothing is served without it; migrate repairs."""
    instance = lonely(FAST).start()
    assert instance.stop() == []
    mongo.database(instance.database_name).tenants.drop_index("slug_1")
    status, err = ended(instance.start(wait=False))
    assert status == 1
    assert "slug_1 of tenants is missing" in err
    assert err.count("\n") == 1
    status, _, err = run(["migrate", "up", "--config", instance.write_config()])
    assert status == 0 and "repair: " in err
    assert "slug_1" in mongo.database(instance.database_name).tenants.index_information()
    instance.start()
    assert instance.stop() == []


def test_mongodb_that_never_comes(lonely):
    """75 (EX_TEMPFAIL) after the deadline; the password of the URI stays a secret."""
    instance = lonely(merged(SHIPPED_LIMITS, {"database": {"start_timeout_ms": 1200}}),
                      uri=f"mongodb://name:secret-word@127.0.0.1:{free_port()}/?replicaSet=rs0")
    start = time.monotonic()
    status, err = ended(instance.start(wait=False))
    assert status == 75
    assert time.monotonic() - start > 1.0
    in_time(time.monotonic() - start, 8)
    first, second = err.splitlines()
    assert "does not answer yet; trying for up to 2 s" in first
    assert "did not answer within 2 s; start it, or set database.uri" in second
    assert "secret-word" not in err


def test_mongodb_that_comes_later(lonely):
    server = OwnMongo()
    try:
        server.kill()
        instance = lonely(FAST | SHIPPED_LIMITS, server=server).start(wait=False)
        until(lambda: "does not answer yet" in stderr_of(instance), 10)
        server.start()
        instance.wait_ready()
        assert instance.stop() == []
        assert stderr_of(instance).count("\n") == 1
    finally:
        server.close()


def test_a_stop_while_waiting_for_mongodb(lonely):
    instance = lonely(SHIPPED_LIMITS, uri=f"mongodb://127.0.0.1:{free_port()}/?replicaSet=rs0").start(wait=False)
    until(lambda: "does not answer yet" in stderr_of(instance), 10)
    instance.process.terminate()
    start = time.monotonic()
    status, _ = ended(instance)
    assert status == 0
    in_time(time.monotonic() - start, 4)


# -- stopping ----------------------------------------------------------------------------------


def half_a_request(instance, body=b'{"tenant_name": "x"}'):
    """A connection whose body is only half there: a request that is running."""
    connection = socket.create_connection(("127.0.0.1", instance.port), 90)
    head = (f"POST /tenants/register HTTP/1.1\r\nHost: localhost:{instance.port}\r\n"
            "Content-Type: application/json\r\nExpect: 100-continue\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()
    connection.sendall(head)
    assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(body[:10])
    return connection, body[10:]


def answer_of(connection):
    data = b""
    while part := connection.recv(65536):
        data += part
    return data


def asked(instance, path):
    return httpx.get(instance.url + path, trust_env=False, timeout=60)


def test_a_stop_lets_running_requests_end(start_instance):
    """OP-8: not ready first, live all the while, and what runs is answered before the exit."""
    instance = start_instance(PATIENT)
    connection, rest = half_a_request(instance)
    instance.process.terminate()
    until(lambda: events(instance, "stopping"), 5)
    ready = asked(instance, "/ready")
    assert ready.status_code == 503
    assert ready.headers["connection"] == "close"
    assert asked(instance, "/health").status_code == 200
    assert instance.process.poll() is None
    connection.sendall(rest)
    answer = answer_of(connection)
    assert answer.startswith(b"HTTP/1.1 4"), answer
    assert b"connection: close" in answer.lower()
    assert ended(instance)[0] == 0


def test_a_stop_under_load_fails_nothing(start_instance, connect):
    """OP-8: every request whose connection was taken has its answer."""
    instance = start_instance({**FAST, "limits": {"development_factor": 100000}})
    world = World(connect(instance))
    tenant = world.tenant()
    stopping, all_answered = threading.Event(), []

    def hammer(number):
        answered = 0
        with httpx.Client(base_url=instance.url, timeout=120, trust_env=False, verify=False) as client:
            while True:
                try:
                    answer = client.post("/api/login", headers={"X-Tenant-Slug": tenant.slug}, json={
                        "username": "owner", "password": tenant.owner.password})
                except httpx.TransportError as error:
                    # Refused, or closed before a request on it was begun: never half an answer.
                    assert stopping.is_set(), error
                    assert isinstance(error, (httpx.ConnectError, httpx.ReadError,
                                              httpx.RemoteProtocolError, httpx.WriteError)), error
                    assert "incomplete" not in str(error), error
                    return answered
                assert answer.status_code == 200 or \
                    (answer.status_code == 503 and stopping.is_set()), answer.text
                answered += 1
                all_answered.append(number)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        work = [pool.submit(hammer, number) for number in range(8)]
        until(lambda: set(all_answered) == set(range(8)) or any(one.done() for one in work), 20)
        time.sleep(0.5)
        stopping.set()
        instance.process.terminate()
        assert sum(one.result(150) for one in work) >= 8
    assert ended(instance)[0] == 0


def test_a_second_signal_does_not_wait(lonely):
    instance = lonely(PATIENT).start()
    connection, _ = half_a_request(instance)
    instance.process.terminate()
    until(lambda: events(instance, "stopping"), 5)
    time.sleep(0.3)
    assert instance.process.poll() is None
    start = time.monotonic()
    instance.process.terminate()
    assert instance.process.wait(90) == 1
    in_time(time.monotonic() - start, 3)
    connection.close()


def test_ctrl_c_is_a_stop(lonely):
    instance = lonely(FAST).start()
    instance.process.send_signal(signal.SIGINT)
    status, err = ended(instance)
    assert (status, err) == (0, "")


def test_clients_that_go_away_do_no_harm(service):
    """An answer to nobody ends one connection, not the process."""
    for _ in range(20):
        connection = socket.create_connection(("127.0.0.1", service.port), 60)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
        connection.close()  # with a reset
    assert asked(service, "/health").status_code == 200


def test_a_log_that_nobody_reads_does_no_harm(lonely):
    """SIGPIPE is ignored: the service outlives the program that its log was piped to."""
    instance = lonely(FAST)
    instance.port, instance.extra_port, instance.metrics_port = free_port(), 0, 0
    reader, writer = os.pipe()
    with open(instance.stdout_path, "wb"), open(instance.stderr_path, "wb") as err:
        instance.process = subprocess.Popen(
            [program(), "serve", "--config", instance.write_config()], stdout=writer, stderr=err)
    os.close(writer)
    instance.wait_ready()
    os.close(reader)
    for _ in range(3):
        assert asked(instance, "/health").status_code == 200
        time.sleep(0.1)  # the log is written by a thread of its own
    instance.process.terminate()
    assert ended(instance)[0] == 0


# -- reloading ---------------------------------------------------------------------------------


def reload(instance, overrides, event):
    seen = len(events(instance, event))
    instance.reconfigure(overrides)
    instance.reload()
    until(lambda: len(events(instance, event)) > seen, 5)


def test_a_reload_takes_effect_as_a_whole(start_instance, connect):
    instance = start_instance(FAST)
    api = connect(instance)
    tenant = World(api).tenant()

    def lifetime():
        return ok(api.post("/auth/login", tenant=tenant.slug, json={
            "email": tenant.owner.email, "password": tenant.owner.password}))["expires_in"]

    assert lifetime() == 900
    reload(instance, {"tokens": {"access_ttl": 123}, "log_level": "debug"}, "config.reloaded")
    assert lifetime() == 123

    # OP-18: one wrong key, and nothing of the file counts.
    reload(instance, {"tokens": {"access_ttl": 456, "refresh_ttl": "soon"}}, "config.kept")
    problem = events(instance, "config.invalid")[-1]["message"]
    assert "config.yaml:" in problem and "tokens.refresh_ttl" in problem
    assert lifetime() == 123


def test_a_reload_says_what_needs_a_restart(start_instance, connect):
    instance = start_instance(FAST)
    port = instance.port
    other = "U29tZSBvdGhlciBrZXkgb2YgdGhpcnR5IHR3byBieXRlcw=="
    instance.reconfigure({"server": {"port": free_port(), "threads": 64}, "master_key": other,
                          "database": {"pool_size": 7}, "tokens": {"access_ttl": 77}})
    instance.reload()
    until(lambda: events(instance, "config.reloaded"), 5)
    kept = {(line.get("section"), line["key"]) for line in events(instance, "config.needs_restart")}
    assert kept == {("server", "port"), ("server", "threads"), (None, "master_key"),
                    ("database", "pool_size")}
    assert all(other not in str(line) for line in instance.log_lines())
    assert httpx.get(f"http://127.0.0.1:{port}/ready", trust_env=False, timeout=60).status_code == 200
    # The keys of tenants are still opened with the old master key.
    tenant = World(connect(instance)).tenant()
    assert ok(connect(instance).post("/auth/login", tenant=tenant.slug, json={
        "email": tenant.owner.email, "password": tenant.owner.password}))["expires_in"] == 77


def test_reloads_under_load(start_instance, connect):
    """OP-18: no request fails or waits while configurations come and go."""
    instance = start_instance({**FAST, "limits": {"development_factor": 100000}})
    world = World(connect(instance))
    tenant = world.tenant()
    user = world.user(tenant)
    done = threading.Event()
    answered = []

    def hammer(number):
        with httpx.Client(base_url=instance.url, timeout=120, trust_env=False, verify=False) as client:
            while not done.is_set():
                answer = client.get("/users/me", headers={"Authorization": f"Bearer {user.token}"})
                assert answer.status_code == 200, answer.text
                answered.append(number)

    def all_go_on():
        """Each was answered once more."""
        before = collections.Counter(answered)
        until(lambda: all(collections.Counter(answered)[number] > before[number] or work[number].done()
                          for number in range(4)), 20)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        work = [pool.submit(hammer, number) for number in range(4)]
        try:
            for round_ in range(20):
                all_go_on()
                reload(instance, {"tokens": {"access_ttl": 900 + round_}}, "config.reloaded")
            all_go_on()
        finally:
            done.set()
        for one in work:
            one.result(150)
    assert len(answered) > 20


# -- secrets -----------------------------------------------------------------------------------


def test_secrets_leave_the_environment(lonely, mongo, monkeypatch):
    """SK-2: neither /proc/<pid>/environ nor the command line shows them; a reload still knows them."""
    instance = lonely(FAST)
    settings = instance.settings()
    key, uri = settings["master_key"], settings["database"]["uri"] + "&appName=hidden-word"
    instance.reconfigure({"master_key": "${TEST_MASTER_KEY}",
                          "database": {"uri": "${TEST_DATABASE_URI:-none}"}})
    monkeypatch.setenv("TEST_MASTER_KEY", key)
    monkeypatch.setenv("TEST_DATABASE_URI", uri)
    instance.start()
    for name in ("environ", "cmdline"):
        with open(f"/proc/{instance.process.pid}/{name}", "rb") as file:
            shown = file.read()
        assert key.encode() not in shown and uri.encode() not in shown, name
    reload(instance, {"tokens": {"access_ttl": 99}}, "config.reloaded")
    assert events(instance, "config.needs_restart") == []
    assert instance.stop() == []


def test_production_leaves_no_core_files(lonely):
    instance = lonely({
        "environment": "production",
        "server": {"public_url": "https://login.example.com"},
        "tenants": {"base_domains": ["login.example.com"]},
    }).start()
    with open(f"/proc/{instance.process.pid}/limits", encoding="utf-8") as file:
        core = [line for line in file if line.startswith("Max core file size")][0]
    assert core.split()[4:6] == ["0", "0"]
    assert until(lambda: events(instance, "ready"))[0][0]["environment"] == "production"
    assert instance.stop() == []


def test_a_service_manager_is_told(lonely, tmp_path):
    """sd_notify(3): ready, reloading, watchdog, stopping."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(90)

        def next_but_watchdog():
            said = manager.recv(200)
            while said == b"WATCHDOG=1":
                said = manager.recv(200)
            return said

        instance = lonely(FAST)
        instance.port, instance.extra_port, instance.metrics_port = free_port(), 0, 0
        environment = dict(os.environ, NOTIFY_SOCKET=path, WATCHDOG_USEC="2000000")
        with open(instance.stdout_path, "wb") as out, open(instance.stderr_path, "wb") as err:
            instance.process = subprocess.Popen(
                [program(), "serve", "--config", instance.write_config()], stdout=out, stderr=err,
                env=environment)
        assert manager.recv(200) == b"READY=1"
        assert manager.recv(200) == b"WATCHDOG=1"
        instance.process.send_signal(signal.SIGHUP)
        assert next_but_watchdog().startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert next_but_watchdog() == b"READY=1"
        instance.process.terminate()
        assert next_but_watchdog() == b"STOPPING=1"
        assert ended(instance)[0] == 0


def test_a_missing_index_of_a_user_collection_is_built_again(start_instance, connect):
    """OP-4, R003-25: uniqueness is the index; a process looks before it first uses a tenant."""
    first = start_instance()
    tenant = World(connect(first)).tenant()
    users = first.db["users_" + tenant.id.replace("-", "")]
    users.drop_index("email_1")
    second = start_instance(database=first.database_name)
    ok(connect(second).get("/tenants/info", tenant=tenant.slug))
    assert users.index_information()["email_1"]["unique"]
    until(lambda: events(second, "user_index_missing"))
