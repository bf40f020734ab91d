"""What clients saw while things broke, and whether the service may have answered that.

Each call ends as an answer or, when the connection broke or nothing came in time, as unknown: it
may have happened. The record keeps counts and every violation; it stays small however long the run.
"""
import collections
import http.client
import json
import select
import threading
import time

#: A slow database is 503 within 2 s (OP-10); the rest is the scheduler of a crowded machine.
ANSWER_LIMIT = 10.0


class Record:
    """Counts and violations of all clients."""

    def __init__(self, patience=1.0):
        self._lock = threading.Lock()
        self.patience = patience  # times what is promised on a machine with nothing else to do
        self.statuses = collections.Counter()
        self.violations = []
        self.strict = False  # nothing is broken now: 503 is a failure too
        self.slowest = (0.0, "none")  # seconds, which call
        self.acknowledged = []  # (request id, audit action) of what was told to have happened

    def answer(self, what, status, took):
        with self._lock:
            self.statuses[(what, status)] += 1
            if took > self.slowest[0]:
                self.slowest = (took, f"{what} {status} at {time.strftime('%H:%M:%S')}")

    def violation(self, text):
        with self._lock:
            self.violations.append(f"{time.strftime('%H:%M:%S')} {text}")

    def happened(self, request_id, action):
        with self._lock:
            self.acknowledged.append((request_id, action))

    def summary(self):
        """One line per kind of call: how often which status."""
        kinds = collections.defaultdict(dict)
        for (what, status), count in sorted(self.statuses.items(), key=str):
            kinds[what]["none" if status is None else status] = count
        return [f"{what}: " + ", ".join(f"{status} × {count}" for status, count in found.items())
                for what, found in kinds.items()]


class Answer:
    """status is None when it is unknown what happened."""

    def __init__(self, status, text, request_id, started, connected):
        self.status = status
        self.text = text
        self.request_id = request_id
        self.started = started
        self.connected = connected

    def json(self):
        return json.loads(self.text)


def is_closed(sock):
    """The other side has closed an idle connection: what is sent there now is lost."""
    return bool(select.select([sock], [], [], 0)[0])


class Caller:
    """A client of several instances: the next call goes to the next one, as behind a balancer.

    may_break tells whether a broken connection is allowed now (an instance is being killed).
    """

    def __init__(self, addresses, record, may_break=lambda: False):
        self.addresses = addresses
        self.record = record
        self.may_break = may_break
        self._connections = {}
        self._next = 0

    def __call__(self, what, method, path, allowed, *, body=None, token=None, tenant=None,
                 instance=None):
        """One request; a status outside allowed and 503 is a violation."""
        if instance is None:
            self._next += 1
            instance = self._next % len(self.addresses)
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if tenant is not None:
            headers["X-Tenant-Slug"] = tenant
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        answer = self._exchange(instance, method, path, body, headers)
        took = time.monotonic() - answer.started
        self.record.answer(what, answer.status, took)
        if answer.status is None:
            if not self.may_break():
                self.record.violation(f"{what}: no answer: {answer.text}")
        elif answer.status not in allowed and (answer.status != 503 or self.record.strict):
            self.record.violation(f"{what}: {answer.status} {answer.text[:900]}")
        if took > ANSWER_LIMIT * self.record.patience:
            self.record.violation(f"{what}: took {took:.1f} s")
        return answer

    def _exchange(self, instance, method, path, body, headers):
        started = time.monotonic()
        connection = self._connections.pop(instance, None)
        if connection is not None and is_closed(connection.sock):
            connection.close()
            connection = None
        reused = connection is not None
        if connection is None:
            host, port = self.addresses[instance]
            connection = http.client.HTTPConnection(host, port,
                                                    timeout=ANSWER_LIMIT * self.record.patience + 5)
        connected = reused
        try:
            if not reused:
                connection.connect()
                connected = True
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if reused and isinstance(error, (http.client.RemoteDisconnected, BrokenPipeError,
                                             ConnectionResetError)) and method == "GET":
                # An idle connection that the server closed: a client opens another.
                return self._exchange(instance, method, path, body, headers)
            return Answer(None, f"{type(error).__name__}: {error}", None, started, connected)
        if answer.will_close:
            connection.close()
        else:
            self._connections[instance] = connection
        return Answer(answer.status, text, answer.headers.get("X-Request-Id"), started, True)
