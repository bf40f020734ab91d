"""HT-1, G3: what framing could hide, alone and behind the shipped nginx and HAProxy configurations.

One answer for one request, on the wire and in the logs: what a proxy did not take for a request the
service must not see either, and nobody's answer goes to somebody else.
"""
import collections
import concurrent.futures
import json
import re

import httpx
import pytest

from support import framing
from support.check import until
from support.framing import CASES
from support.proxies import HAProxy, Nginx

HONEST = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def target(instances):
    return instances({"server": {"trusted_proxies": ["127.0.0.1"], "keep_alive_ms": 15000}})


@pytest.fixture(scope="module")
def proxies(target):
    running = {"nginx": Nginx(target.port), "haproxy": HAProxy(target.port)}
    until(lambda: httpx.get(f"http://127.0.0.1:{running['haproxy'].port}/health",
                            timeout=60).status_code == 200, 10, 0.1)
    yield running
    for proxy in running.values():
        proxy.close()


def test_there_are_enough_cases():
    assert len(CASES) >= 60 and len({case.name for case in CASES}) == len(CASES)
    assert len({case.raw for case in CASES}) == len(CASES)


def send_all(port, first=b"", **waits):
    """{number of case: (answers, ended)}, many at a time."""
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        waiting = {number: pool.submit(framing.send, port, case.bytes(number), first, **waits)
                   for number, case in enumerate(CASES)}
        return {number: future.result() for number, future in waiting.items()}


def marks(lines):
    """How often each marked path was logged as a request."""
    text = "\n".join(lines)
    return collections.Counter(int(number) for number in
                               re.findall(r'"path":"/smuggled/(\d+)"', text))


def service_marks(instance):
    """The log is written in order: once a last request is there, all before it are."""
    last = httpx.get(instance.url + "/last", timeout=60).headers["x-request-id"]
    until(lambda: any(line.get("request_id") == last for line in instance.log_lines()))
    return marks(json.dumps({"path": line.get("path")}, separators=(",", ":"))
                 for line in instance.log_lines())


@pytest.mark.parametrize("first", [b"", HONEST], ids=["first", "later"])
def test_direct(target, first):
    """Each is refused once, as the first request of a connection and as a later one."""
    seen = service_marks(target)
    problems = []
    for number, (raw, ended) in send_all(target.port, first, quiet=framing.PATIENCE).items():
        case = CASES[number]
        heads = (0,) if case.raw.startswith(b"HEAD") else ()
        answers = framing.statuses_of(raw, heads)
        if len(answers) != 1 or answers[0] not in case.statuses:
            problems.append(f"{case.name}: answers {answers} instead of one of {case.statuses}")
        elif not ended:
            problems.append(f"{case.name}: the connection stayed open")
    assert not problems, "\n".join(problems)
    assert service_marks(target) == seen, "a hidden request was served"


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
def test_behind(target, proxies, name):
    """A proxy may understand more; then it must be what the service understands."""
    proxy = proxies[name]
    before = service_marks(target)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        # Honest clients share the proxy's connections to the service meanwhile.
        watch = pool.submit(honest_clients, proxy.port, 150)
        # Its connections stay open, and it may wait for more of a request without a word.
        answers = send_all(proxy.port, patience=1.5)
        watch.result()
    problems = []

    def fine():
        """A proxy logs a request when it is over, which may be after the service did."""
        problems[:] = find_problems(name, answers, marks(proxy.lines()), service_marks(target) - before)
        return not problems
    try:
        until(fine, 2, 0.2)
    except AssertionError as error:
        raise AssertionError("\n".join(problems)) from error


def find_problems(name, answers, counted, served):
    """What is wrong with the answers, where the proxy counted and the service served so many."""
    problems = []
    for number, (raw, _) in answers.items():
        case = CASES[number]
        found = framing.statuses_of(raw, (0,) if case.raw.startswith(b"HEAD") else ())
        may_follow = case.kind == "next" or case.name in framing.LENIENT[name]
        if len(found) > 1 + (counted[number] if may_follow else 0):
            problems.append(f"{case.name}: {found}")
        if served[number] > (counted[number] if may_follow else 0):
            problems.append(f"{case.name}: served {served[number]}, {name} saw {counted[number]}")
        if {500, 502, 503, 504} & set(found):
            problems.append(f"{case.name}: {found}")
        if any(200 <= status < 300 and status != 204 for status in found):
            problems.append(f"{case.name}: succeeded: {found}")
    return problems


def honest_clients(port, count):
    """Requests whose answers tell them apart: none may get another's."""
    shapes = {"/health": "service", "/api/ping": "message", "/api/status": "auth_type"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        for number in range(count):
            path = list(shapes)[number % len(shapes)]
            answer = http.get(path)
            assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
            assert shapes[path] in answer.json(), f"{path} got {answer.text}"
