"""Slow clients (HT-4, G15): a thousand that drip heads, bodies or reads, and good ones among them.

No time is asserted beyond generous bounds: what counts is that every good client is answered.
"""
import socket
import threading
import time
from contextlib import closing, suppress

import pytest

from support.check import in_time

LIMIT = 90
HOST = b"Host: localhost\r\n"
PING = b"GET /api/ping HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
BODY = (b"POST /auth/login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
        b"Content-Length: 50000\r\n\r\n")
BIG = b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n"


def connect(instance, source="127.0.0.1", receive_buffer=None):
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(LIMIT)
    connection.bind((source, 0))
    connection.connect(("127.0.0.1", instance.port))
    return connection


def ping(instance, source="127.0.0.1"):
    """One good request on a connection of its own: its status, None when it was not answered."""
    with closing(connect(instance, source)) as connection:
        connection.sendall(PING)
        answer = b""
        while part := connection.recv(4096):
            answer += part
    return int(answer.split(b" ", 2)[1]) if answer else None


class Drippers:
    """Connections that send a byte now and then; whoever is closed connects again."""

    def __init__(self, instance, count, sources):
        self.instance, self.count, self.sources = instance, count, sources
        self.open, self.made, self.stop = [], 0, threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.started = threading.Event()

    def make(self):
        kind = self.made % 3
        source = self.sources[self.made % len(self.sources)]
        self.made += 1
        try:
            connection = connect(self.instance, source, 2048 if kind == 2 else None)
            connection.settimeout(0)
            connection.send([b"GET / HTTP/1.1\r\nX: ", BODY, BIG * 8][kind])
        except OSError:
            return
        self.open.append((connection, kind))

    def drip(self):
        kept = []
        for connection, kind in self.open:
            try:
                if kind < 2:
                    connection.send(b"x")
                kept.append((connection, kind))
            except OSError:
                connection.close()
        self.open = kept

    def run(self):
        while not self.stop.is_set():
            for _ in range(self.count - len(self.open)):
                if self.stop.is_set():
                    break
                self.make()
            self.started.set()
            self.drip()
            self.stop.wait(0.3)
        for connection, _ in self.open:
            connection.close()

    def __enter__(self):
        self.thread.start()
        assert self.started.wait(LIMIT)
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


@pytest.fixture
def guarded(start_instance):
    return start_instance({"server": {"connections_per_address": 16, "threads": 64, "keep_alive_ms": 120000}})


def test_silent_connections_of_one_address_delay_nobody(start_instance):
    """140 that say nothing from one address, more than there are threads; their own time is long."""
    guarded = start_instance({"server": {"connections_per_address": 16, "threads": 64,
                                         "header_timeout_ms": 120000}})
    silent = [connect(guarded, "127.0.0.9") for _ in range(140)]
    start = time.monotonic()
    for _ in range(10):
        assert ping(guarded) == 200
    in_time(time.monotonic() - start, 8)  # and not for the silent ones' time-out
    for connection in silent:
        connection.close()


@pytest.mark.parametrize("sources", [["127.0.0.9"], [f"127.0.1.{n}" for n in range(1, 4)]],
                         ids=["one address", "three addresses"])
def test_a_thousand_drips(guarded, sources):
    with Drippers(guarded, 1000, sources):
        assert [ping(guarded) for _ in range(8)] == [200] * 8
    assert ping(guarded, sources[0]) == 200


def test_a_share_is_for_everybody(guarded):
    """Within its share an address keeps its connections, also beside others'."""
    mine = [connect(guarded) for _ in range(12)]
    for connection in mine:
        connection.sendall(PING.replace(b"Connection: close\r\n", b""))
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    others = [connect(guarded, "127.0.0.9") for _ in range(30)]
    time.sleep(1)
    for connection in mine:
        connection.sendall(PING)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        connection.close()
    for connection in others:
        connection.close()


def test_trusted_proxies_have_no_share(start_instance):
    instance = start_instance({"server": {"connections_per_address": 4, "threads": 64, "keep_alive_ms": 120000,
                                          "trusted_proxies": ["127.0.0.7"]}})
    mine = [connect(instance, "127.0.0.7") for _ in range(20)]
    for connection in mine:
        connection.sendall(PING.replace(b"Connection: close\r\n", b""))
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    time.sleep(0.8)
    for connection in mine:
        connection.sendall(PING)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        connection.close()


def test_a_first_head_ends_with_its_time_out(start_instance):
    """A byte shortly before the time-out buys no second one, however often."""
    instance = start_instance({"server": {"header_timeout_ms": 2000}})
    with closing(connect(instance)) as connection, suppress(ConnectionError):
        start = time.monotonic()
        connection.sendall(b"GET /api/ping HTTP/1.1\r\nX: ")
        connection.settimeout(0.5)
        while time.monotonic() - start < LIMIT:
            try:
                if not connection.recv(4096):
                    break
            except TimeoutError:
                connection.sendall(b"T")
    in_time(time.monotonic() - start, 3.6)
