"""G2: malformed requests among good ones. No good one is lost, nothing grows, nothing breaks.

Five hundred in ./dev test; ./dev soak --only malformed sends twenty thousand (MALFORMED_REQUESTS).
"""
import concurrent.futures
import contextlib
import os
import random
import re
import socket
import threading

import httpx

from support.check import until
from support.framing import CASES

COUNT = int(os.environ.get("MALFORMED_REQUESTS", "500"))
CLIENTS = 12
MAX_GROWTH_KB = 4096
PIECES = (b"\0", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b":", b"%00", b"%2f..", b"\xff\xfe",
          b"Content-Length: 7\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: x\r\n", b"{", b"[" * 40,
          b"HTTP/1.1", b"Expect: 100-continue\r\n", b"Connection: keep-alive\r\n", b"0\r\n\r\n",
          b"Authorization: Bearer eyJ.eyJ.x\r\n", b"Cookie: session-a=" + b"b" * 300 + b"\r\n")
STARTS = (b"POST /auth/login HTTP/1.1\r\nHost: localhost\r\nX-Tenant-Slug: acme\r\nContent-Type: "
          b"application/json\r\nContent-Length: 60\r\n\r\n{\"email\": \"ada@example.com\", \"password\": "
          b"\"battery staple\"}    ",
          b"GET /t/acme/users/me?a=b&c=%20 HTTP/1.1\r\nHost: acme.localhost\r\nAuthorization: Bearer "
          b"eyJhbGciOiJFUzI1NiJ9.e30.AAAA\r\nCookie: a=b; c=d\r\n\r\n",
          b"POST /tenants/register HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
          b"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n3\r\n1}\n\r\n0\r\n\r\n")


def malformed(draw, number):
    """One request, or what is left of one after some damage."""
    if draw.random() < 0.3:
        raw = bytearray(draw.choice(CASES).bytes(number))
    else:
        raw = bytearray(draw.choice(STARTS))
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(raw) + 1)
        match draw.randrange(5):
            case 0:
                raw[at:at + draw.randint(1, 8)] = b""
            case 1:
                raw[at:at] = draw.choice(PIECES)
            case 2:
                raw[at:at + 1] = bytes([draw.randrange(256)])
            case 3:
                raw[at:at] = raw[at:at + draw.randint(1, 40)] * draw.randint(1, 30)
            case 4:
                raw = raw[:at] or raw
    return bytes(raw)


def status_after(port, raw):
    """The statuses of what comes back when the client has said all it will."""
    answers = b""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        with contextlib.suppress(OSError):  # it may be closed already: ENOTCONN
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(65536):
                answers += chunk
    return [int(status) for status in re.findall(rb"^HTTP/1\.1 (\d{3}) ", answers, re.M)]


class Good(threading.Thread):
    """An honest client that goes on until it is told to stop."""

    def __init__(self, url, token):
        super().__init__(daemon=True)
        self.url, self.token = url, token
        self.stopping = threading.Event()
        self.served, self.lost = 0, []
        self.start()

    def run(self):
        calls = (("/health", "status", {}), ("/api/ping", "message", {}),
                 ("/users/me", "email", {"Authorization": f"Bearer {self.token}"}))
        with httpx.Client(base_url=self.url, timeout=120) as http:
            while not self.stopping.is_set():
                path, member, headers = calls[self.served % len(calls)]
                try:
                    answer = http.get(path, headers=headers)
                    if answer.status_code != 200 or member not in answer.json():
                        self.lost.append(f"{path}: {answer.status_code} {answer.text}")
                except httpx.HTTPError as error:
                    self.lost.append(f"{path}: {error!r}")
                self.served += 1

    def end(self):
        self.stopping.set()
        self.join(150)


def resources(instance):
    """(resident KiB, open descriptors, threads) of the process."""
    pid = instance.process.pid
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        status = file.read()
    numbers = [int(re.search(rf"^{name}:\s+(\d+)", status, re.M)[1]) for name in ("VmRSS", "Threads")]
    return numbers[0], descriptors(instance), numbers[1]


def to_mongod(instance):
    """Inodes of the sockets to the database: their number follows the load of the moment."""
    port = int(re.search(r":(\d+)/", instance.mongo.uri)[1])
    with open(f"/proc/{instance.process.pid}/net/tcp", encoding="utf-8") as file:
        rows = [line.split() for line in file][1:]
    return {f"socket:[{row[9]}]" for row in rows if int(row[2].split(":")[1], 16) == port}


def descriptors(instance):
    where = f"/proc/{instance.process.pid}/fd"
    found = []
    for name in os.listdir(where):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"{where}/{name}"))
    return len([target for target in found if target not in to_mongod(instance)])


def warm_up(pool, instance):
    """Every thread was used, and the database's pool has as many clients as it will ever need."""
    def look_up(number):
        return httpx.get(f"{instance.url}/tenants/info", headers={"X-Tenant-Slug": f"none-{number}"},
                         timeout=120, verify=False)  # plain HTTP: without reading the authorities 400 times

    list(pool.map(look_up, range(400)))


def is_sanitized(instance):
    with open(f"/proc/{instance.process.pid}/maps", encoding="utf-8") as file:
        return "libasan" in file.read()


def bombard(pool, instance, draw, count):
    statuses = {}
    for found in pool.map(lambda raw: status_after(instance.port, raw),
                          [malformed(draw, number) for number in range(count)]):
        for status in found:
            statuses[status] = statuses.get(status, 0) + 1
    return statuses


def test_no_good_request_is_lost(start_instance, connect, request):
    instance = start_instance()
    world = request.getfixturevalue("world").__class__(connect(instance))
    user = world.user(world.tenant(slug="acme"))
    seed = random.SystemRandom().randrange(1 << 32)
    draw = random.Random(seed)
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        warm_up(pool, instance)
        bombard(pool, instance, draw, min(COUNT // 2, 4000))
        before = resources(instance)
        good = Good(instance.url, user.token)
        until(lambda: good.served, 20)
        statuses = bombard(pool, instance, draw, COUNT)
        # On a crowded machine the honest client may have had no turn yet.
        for _ in range(20):
            if good.served <= COUNT // 50:
                bombard(pool, instance, draw, COUNT // 10)
        good.end()
    assert not good.lost and good.served > COUNT // 50, f"seed {seed}: {good.lost[:5]}"
    assert not [status for status in statuses if status >= 500 and status != 503], \
        f"seed {seed}: {statuses}"
    assert sum(statuses.values()) > COUNT / 2, statuses
    until(lambda: resources(instance)[1] <= before[1] and resources(instance)[2] == before[2], 10, 0.1)
    after = resources(instance)
    if not is_sanitized(instance):
        assert after[0] - before[0] < MAX_GROWTH_KB, f"{before[0]} KiB, then {after[0]}"
    print(f"{COUNT} malformed, {good.served} good; resident {before[0]} KiB, then {after[0]}; {statuses}")
