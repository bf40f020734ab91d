"""Bytes on the wire: HT-1, HT-4, HT-5, HT-12 and issue 3 "Bad input", with sockets of our own.

Whatever a client sends, there is one answer of api.md §1 in JSON, and after a doubtful one the
connection ends: a second answer would mean that part of a request was read as another.
"""
import concurrent.futures
import contextlib
import json
import re
import socket
import threading
import time

import pytest

from support.check import in_time, until
from support.framing import CASES

LIMIT = 90  # seconds until a test gives up on an answer
GUARDS = {
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}


class Answer:
    def __init__(self, raw):
        head, _, rest = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers.setdefault(name.lower(), value.strip())
        self.length = int(self.headers.get("content-length", 0))
        self.body = rest[:self.length]
        self.rest = rest[self.length:]

    def json(self):
        return json.loads(self.body)


def connect(service):
    return socket.create_connection(("127.0.0.1", service.port), timeout=LIMIT)


def read_to_end(connection):
    raw = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            raw += chunk
    return raw


def read_answer(connection, head_only=False):
    """One answer of a connection that stays open."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        chunk = connection.recv(65536)
        assert chunk, f"the connection ended after {raw!r}"
        raw += chunk
    answer = Answer(raw)
    while not head_only and len(answer.body) < answer.length:
        raw += connection.recv(65536)
        answer = Answer(raw)
    return answer


def send_all(service, data):
    """Everything that comes back until the server ends the connection."""
    with connect(service) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
        return read_to_end(connection)


def refused(raw, *statuses):
    """Exactly one answer, in our JSON, guarded like all others, and goodbye."""
    assert raw, "the connection ended without an answer"
    answer = Answer(raw)
    assert answer.status in statuses, raw
    assert answer.rest == b"", "two answers: " + repr(raw)
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"] == "application/json"
    for name, value in GUARDS.items():
        assert answer.headers[name] == value
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers and b"civetweb" not in raw.lower()
    body = answer.json()
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["error"] and body["error_description"] and "message" in body
    return body


def alive(service, within=1.0):
    """Another client is served, and quickly."""
    start = time.monotonic()
    with connect(service) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_answer(connection).status == 200
    in_time(time.monotonic() - start, within)


# -- the gate ----------------------------------------------------------------------------------

HOST = b"Host: localhost\r\n"
SMUGGLED = b"GET /health HTTP/1.1\r\nHost: smuggled\r\n\r\n"
DOUBTFUL = {case.name: case.bytes(0) for case in CASES if case.statuses == (400,)}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_doubtful_framing_is_refused_once(service, name):
    """The cases of support/framing.py; behind proxies they run in test_framing_proxies.py."""
    refused(send_all(service, DOUBTFUL[name]), 400)


@pytest.mark.parametrize("byte", [b" ", b"\n", b"\r\n"])
def test_white_space_before_the_method(service, byte):
    """CivetWeb takes as much of this request for the next one, wherever in its memory that is."""
    line = b"GET /api/ping HTTP/1.1\r\n" + HOST + b"\r\n"
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for raw in pool.map(lambda size: send_all(service, byte * (size // len(byte)) + line),
                            [4, 6, *range(16, 4113, 16)]):
            refused(raw, 400)


@pytest.mark.parametrize("target", [b"http://localhost/health", b"http://localhost:%d/health", b"*"])
def test_other_forms_of_target_are_never_served(service, target):
    """What CivetWeb takes for a proxy's business it drops without a word; the rest is refused."""
    target = target.replace(b"%d", str(service.port).encode())
    raw = send_all(service, b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n" + SMUGGLED)
    assert raw == b"" or refused(raw, 400)


def test_short_body_is_refused(service):
    with connect(service) as connection:
        connection.sendall(b"POST /auth/login HTTP/1.1\r\n" + HOST +
                           b"Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{}")
        connection.shutdown(socket.SHUT_WR)
        answer = Answer(read_to_end(connection))
    assert answer.status == 400 and answer.headers["connection"] == "close"


# -- what is honest works ----------------------------------------------------------------------


def test_keep_alive_pipelining_and_bodies(service):
    body = b'{"tenant_name": "x"}'
    chunked = b"".join(b"%x\r\n%s\r\n" % (1, body[i:i + 1]) for i in range(len(body))) + b"0\r\n\r\n"
    post = b"POST /tenants/register HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    with connect(service) as connection:
        connection.sendall(b"\r\nGET /health HTTP/1.1\r\n" + HOST + b"\r\n"
                           + post + b"Content-Length: %d\r\n\r\n" % len(body) + body
                           + post + b"Transfer-Encoding: chunked\r\n\r\n" + chunked
                           + b"GET /api/ping HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        raw = read_to_end(connection)
    statuses = re.findall(rb"HTTP/1\.1 (\d+)", raw)
    assert statuses == [b"200", b"400", b"400", b"200"], raw
    assert raw.count(b'"required"') == 2


def test_http_1_0(service):
    raw = send_all(service, b"GET /health HTTP/1.0\r\n\r\n")
    assert Answer(raw).status == 200 and Answer(raw).headers["connection"] == "close"


def test_head_has_the_length_and_no_body(service):
    with connect(service) as connection:
        connection.sendall(b"HEAD /health HTTP/1.1\r\n" + HOST + b"\r\n")
        answer = read_answer(connection, head_only=True)
        assert answer.status == 200 and answer.length > 0 and answer.body == b""
        connection.sendall(b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n")
        assert read_answer(connection).length == answer.length


def test_expect_100_continue(service):
    with connect(service) as connection:
        connection.sendall(b"POST /tenants/register HTTP/1.1\r\n" + HOST + b"Content-Type: "
                           b"application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert read_answer(connection).json()["required"]


def test_expect_is_answered_finally_when_refused(service):
    raw = send_all(service, b"POST /tenants/register HTTP/1.1\r\n" + HOST + b"Content-Length: "
                   b"70000\r\nExpect: 100-continue\r\n\r\n")
    assert b"100 Continue" not in raw and Answer(raw).status == 413


@pytest.mark.parametrize("method", [b"TRACE", b"CONNECT", b"PROPFIND", b"MKCOL", b"BREW", b"get"])
def test_strange_methods(service, method):
    raw = send_all(service, method + b" /health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    answer = Answer(raw)
    assert answer.status == 405 and "GET" in answer.headers["allow"]
    assert answer.json()["error"] == "method_not_allowed"


@pytest.mark.parametrize("path", [
    b"/%00", b"/a%00b", b"/a%2fb", b"/a%5cb", b"/../x", b"/%2e%2e/x", b"/a/./b", b"//health",
    b"/%0d%0aX-Injected:1", b"/%ff", b"/%c0%af", b"/%zz", b"/a\\b",
])
def test_dangerous_paths(service, path):
    raw = send_all(service, b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert Answer(raw).status == 400 and Answer(raw).json()["error"] == "invalid_request"
    assert b"x-injected" not in raw.lower()


# -- sizes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", [
    b"X-Large: " + b"a" * 100_000 + b"\r\n",
    b"Authorization: Bearer " + b"a" * 100_000 + b"\r\n",
    b"Cookie: session-acme=" + b"a" * 17_000 + b"\r\n",
    b"".join(b"X-%d: %s\r\n" % (i, b"a" * 1000) for i in range(50)),
], ids=["header", "token", "cookie", "many"])
def test_large_heads(service, head):
    body = refused(send_all(service, b"GET /users/me HTTP/1.1\r\n" + HOST + head + b"\r\n"), 431)
    assert body["error"] == "headers_too_large"


def test_long_targets(service):
    raw = send_all(service, b"GET /" + b"a" * 12_287 + b" HTTP/1.1\r\n" + HOST
                   + b"Connection: close\r\n\r\n")
    assert Answer(raw).status == 404
    body = refused(send_all(service, b"GET /?" + b"a" * 12_300 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
                   414)
    assert body["error"] == "target_too_long"


@pytest.mark.parametrize("size", [65_537, 1_000_000])
def test_large_bodies_get_a_clean_413(service, size):
    """Also when the client reads only after it has sent everything."""
    for framing in (b"Content-Length: %d\r\n\r\n" % size + b" " * size,
                    b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % size + b" " * size
                    + b"\r\n0\r\n\r\n"):
        raw = send_all(service, b"POST /tenants/register HTTP/1.1\r\n" + HOST
                       + b"Content-Type: application/json\r\n" + framing)
        assert refused(raw, 413)["error"] == "body_too_large"


def test_a_body_of_the_cap_is_read(service):
    raw = send_all(service, b"POST /tenants/register HTTP/1.1\r\n" + HOST + b"Connection: close\r\n"
                   b"Content-Type: application/json\r\nContent-Length: 65536\r\n\r\n{}"
                   + b" " * 65534)
    assert Answer(raw).json()["error"] == "validation_failed"


# -- slow clients ------------------------------------------------------------------------------


class Dripper(threading.Thread):
    """Sends one byte each interval until the server has had enough."""

    def __init__(self, service, head, interval=0.2):
        super().__init__(daemon=True)
        self.connection = connect(service)
        self.connection.sendall(head)
        self.interval = interval
        self.started_at = time.monotonic()
        self.took = None
        self.raw = b""
        self.start()

    def run(self):
        self.connection.settimeout(self.interval)
        while self.took is None:
            try:
                chunk = self.connection.recv(65536)
                self.raw += chunk
                if not chunk:
                    self.took = time.monotonic() - self.started_at
                else:
                    continue
            except TimeoutError:
                with contextlib.suppress(ConnectionError):
                    self.connection.send(b"a")
            except ConnectionError:
                self.took = time.monotonic() - self.started_at
        self.connection.close()


@pytest.fixture
def impatient(start_instance):
    """A body that comes too slowly is refused long before its time is over."""
    return start_instance({"server": {"header_timeout_ms": 2000, "body_timeout_ms": 120000,
                                      "threads": 64}})


def test_dripping_clients_delay_nobody_and_end(impatient):
    """HT-4, F11: heads end by their time-out, bodies by the least rate after 5 s."""
    heads = [Dripper(impatient, b"GET / HTTP/1.1\r\nX: ") for _ in range(15)]
    bodies = [Dripper(impatient, b"POST /auth/login HTTP/1.1\r\n" + HOST + b"Content-Type: "
                      b"application/json\r\nContent-Length: 5000\r\n\r\n") for _ in range(15)]
    for _ in range(10):
        alive(impatient)
        time.sleep(0.1)
    for dripper in heads:
        dripper.join(LIMIT)
        assert dripper.took is not None
        in_time(dripper.took, 5)
        assert Answer(dripper.raw).status == 408
        assert Answer(dripper.raw).json()["error"] == "request_timeout"
    for dripper in bodies:
        dripper.join(LIMIT)
        assert dripper.took is not None and dripper.took > 4, dripper.took
        in_time(dripper.took, 9)
        assert Answer(dripper.raw).status == 408
        assert Answer(dripper.raw).json()["error_description"] == "The body came too slowly."
    alive(impatient)


def test_a_slow_but_honest_body_is_read(start_instance):
    body = b'{"tenant_name": "slow"}'
    with connect(start_instance({"server": {"body_min_rate": 1}})) as connection:
        connection.sendall(b"POST /tenants/register HTTP/1.1\r\n" + HOST + b"Content-Type: "
                           b"application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
        for i in range(len(body)):
            time.sleep(0.05)
            connection.sendall(body[i:i + 1])
        assert read_answer(connection).json()["required"]


def test_a_client_that_does_not_read_loses_its_connection(start_instance):
    instance = start_instance({"server": {"body_timeout_ms": 5000, "threads": 16}})
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.settimeout(LIMIT)
        connection.connect(("127.0.0.1", instance.port))
        request = b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n"
        with contextlib.suppress(ConnectionError, TimeoutError):
            for _ in range(200):
                connection.sendall(request)
        until(lambda: open_connections(instance) == 0, 12, 0.2)
    alive(instance)


def open_connections(instance):
    with socket.create_connection(("127.0.0.1", instance.metrics_port), timeout=LIMIT) as probe:
        probe.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = read_to_end(probe).decode()
    return int(re.search(r"^tenantd_connections (\d+)$", text, re.MULTILINE)[1])


# -- threads -----------------------------------------------------------------------------------


def test_idle_connections_do_not_starve_others(start_instance):
    """More kept-alive clients than threads: idle ones give way, and answers close."""
    instance = start_instance({"server": {"threads": 16, "keep_alive_ms": 120000}})
    idle = [connect(instance) for _ in range(16)]
    try:
        closing = 0
        for connection in idle:
            connection.sendall(b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n")
            closing += read_answer(connection).headers["connection"] == "close"
        assert closing >= 1
        for _ in range(20):
            alive(instance, within=3)
    finally:
        for connection in idle:
            connection.close()


def test_internal_listener_never_starves(start_instance):
    instance = start_instance({"server": {"threads": 8}})
    busy = [connect(instance) for _ in range(40)]
    try:
        for connection in busy:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: ")
        until(lambda: open_connections(instance) >= 8, seconds=5)
    finally:
        for connection in busy:
            connection.close()


def test_stopping_answers_what_is_in_flight(start_instance):
    """SIGTERM: a request whose body is still arriving is answered, with close; then the end."""
    instance = start_instance({"server": {"drain_ms": 120000, "body_min_rate": 0, "body_timeout_ms": 120000}})
    with connect(instance) as idle, connect(instance) as slow:
        idle.sendall(b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n")
        assert read_answer(idle).status == 200
        slow.sendall(b"POST /tenants/register HTTP/1.1\r\n" + HOST + b"Content-Type: "
                     b"application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert slow.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"  # its body is read now
        instance.process.terminate()
        until(lambda: any(line.get("event") == "stopping" for line in instance.log_lines()))
        slow.sendall(b"{}")
        answer = Answer(read_to_end(slow))
        assert answer.status == 400 and answer.headers["connection"] == "close"
        assert read_to_end(idle) == b""
    assert instance.process.wait(LIMIT) == 0


def test_a_taken_port_says_what_to_change(service, instances):
    other = instances(wait=False)
    other.kill()
    for key, variable in (("port", "PORT"), ("extra_port", "EXTRA_PORT"),
                          ("metrics_port", "METRICS_PORT")):
        other.reconfigure({"server": {"port": other.port, "extra_port": other.extra_port,
                                      "metrics_port": other.metrics_port, key: service.port}})
        other.start(wait=False)
        assert other.process.wait(LIMIT) == 1
        assert f"Port {service.port} on 127.0.0.1 is taken" in other.output()
        assert f"server.{key}" in other.output() and variable in other.output()
    other.process = None
