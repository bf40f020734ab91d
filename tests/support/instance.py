"""One running tenantd: its own configuration, ports, database and logs; ended by its process id.

Ending is a check too: the process must leave with 0 on SIGTERM, and a report of a sanitizer (a leak
is found at the end) fails the test run.
"""
import base64
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from . import ports
from .check import until

#: The driver's counters in /dev/shm outlive killed processes; the next one with that id warns of them.
os.environ.setdefault("MONGOC_DISABLE_SHM", "1")

READY_LIMIT = 120
STOP_LIMIT = 120
SANITIZER_MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:",
                   "WARNING: ThreadSanitizer", "AddressSanitizer:DEADLYSIGNAL",
                   "detected memory leaks", "stack smashing detected", "Assertion ")

#: Secrets that appear in configurations; test_secrets_scan looks for them in logs.
MASTER_KEY = base64.b64encode(secrets.token_bytes(32)).decode()

#: The platform key of every instance that is not told otherwise.
PLATFORM_KEY = f"pk_{secrets.token_hex(16)}_{secrets.token_urlsafe(32)}"


def program():
    named = os.environ.get("TENANTD_BIN")
    if named:
        return named
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return os.path.join(root, "build", "dev", "tenantd")


def merged(base, changes):
    """A copy of nested dictionaries with changes laid over."""
    result = dict(base)
    for key, value in (changes or {}).items():
        inner = result.get(key)
        result[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) \
            else value
    return result


#: The limits as they are shipped: where they are the subject. Other tests have patience, so that a
#: machine that stalls for a second fails none of them.
SHIPPED_LIMITS = {"server": {"request_timeout_ms": 5000}, "database": {"call_timeout_ms": 1000}}


class Instance:
    """A tenantd process. Two with the same database are two instances of one installation."""

    def __init__(self, mongo, database, overrides=None, master_key=MASTER_KEY, uri=None):
        self.mongo = mongo
        self.database_name = database
        self.directory = tempfile.mkdtemp(prefix="tenantd-test-")
        self.port = self.extra_port = self.metrics_port = 0
        self.process = None
        self._asked = False  # to stop
        self._overrides = overrides or {}
        self._master_key = master_key
        self._uri = uri or mongo.uri

    # -- configuration --------------------------------------------------------------------------

    def settings(self):
        base = {
            "environment": "development",
            "log_level": "info",
            "master_key": self._master_key,
            "platform_key": PLATFORM_KEY,
            "server": {
                "bind": "127.0.0.1", "port": self.port, "extra_port": self.extra_port,
                "metrics_port": self.metrics_port, "drain_ms": 3000, "request_timeout_ms": 60000,
                "public_url": f"http://localhost:{self.port}",
            },
            "database": {
                "uri": self._uri, "name": self.database_name, "migrate_on_start": True,
                "call_timeout_ms": 20000,
            },
            # Tests hash in bursts; that the queue is bounded is the subject of one test alone.
            "password": {"queue": 256},
            "tenants": {"self_service_plans": ["free", "enterprise"]},
        }
        return merged(base, self._overrides)

    def write_config(self):
        path = os.path.join(self.directory, "config.yaml")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.settings(), file, indent=2)  # JSON is YAML too
        os.chmod(path, 0o600)
        return path

    def reconfigure(self, overrides):
        """New settings for the next start() or reload()."""
        self._overrides = merged(self._overrides, overrides)

    # -- life -----------------------------------------------------------------------------------

    def start(self, wait=True):
        if self.port == 0:
            self.port, self.extra_port, self.metrics_port = (ports.free_port() for _ in range(3))
        self._asked = False
        config = self.write_config()
        with open(self.stdout_path, "ab") as out, open(self.stderr_path, "ab") as err:
            self.process = subprocess.Popen(
                [program(), "serve", "--config", config], stdin=subprocess.DEVNULL, stdout=out,
                stderr=err, cwd=self.directory, env=self._environment(), start_new_session=True)
        if wait:
            self.wait_ready()
        return self

    @staticmethod
    def _environment():
        environment = dict(os.environ)
        environment.setdefault("ASAN_OPTIONS",
                               "detect_leaks=1:halt_on_error=1:abort_on_error=1")
        environment.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1")
        return environment

    def wait_ready(self, limit=READY_LIMIT):
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"tenantd ended with {self.process.returncode} instead of "
                                     f"serving:\n{self.tail()}")
            try:
                with urllib.request.urlopen(self.url + "/ready", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass  # not listening or not ready yet
            time.sleep(0.02)
        raise AssertionError(f"tenantd was not ready within {limit} s:\n{self.tail()}")

    def reload(self):
        self.write_config()
        self.process.send_signal(signal.SIGHUP)

    def reload_as(self, overrides):
        """New settings, and waits until they are in force."""
        seen = self.output().count('"config.reloaded"')
        self.reconfigure(overrides)
        self.reload()
        until(lambda: self.output().count('"config.reloaded"') > seen, 5)

    def kill(self):
        """As a machine that loses power: no drain, no checks."""
        self.process.kill()
        self.process.wait()

    def ask_to_stop(self):
        """SIGTERM, without waiting. Once: a second one would cut the drain short."""
        if not self._asked and self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self._asked = True

    def stop(self):
        """Ends the process and says what was wrong with its life, as a list of sentences."""
        problems = []
        if self.process is not None and self.process.poll() is None:
            self.ask_to_stop()
            try:
                self.process.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                self.kill()
                problems.append(f"tenantd did not end within {STOP_LIMIT} s after SIGTERM")
            if self.process.returncode not in (0, -signal.SIGKILL):
                problems.append(f"tenantd ended with {self.process.returncode} on SIGTERM")
        elif self.process is not None and self.process.returncode not in (0, -signal.SIGKILL):
            problems.append(f"tenantd died with {self.process.returncode}")
        problems += self.sanitizer_reports()
        if problems:
            problems.append(self.tail())
        return problems

    def close(self):
        """stop(), and the test fails when something was wrong. Removes the logs."""
        problems = self.stop()
        keep = os.environ.get("TENANTD_KEEP_LOGS")
        if not keep:
            shutil.rmtree(self.directory, ignore_errors=True)
        assert not problems, "\n".join(problems)

    # -- what it said ---------------------------------------------------------------------------

    @property
    def stdout_path(self):
        return os.path.join(self.directory, "stdout.log")

    @property
    def stderr_path(self):
        return os.path.join(self.directory, "stderr.log")

    def output(self):
        text = ""
        for path in (self.stdout_path, self.stderr_path):
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    text += file.read()
        return text

    def log_lines(self):
        """The JSON lines of the log, but for one that is being written."""
        with open(self.stdout_path, encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.strip() and line.endswith("\n")]

    def sanitizer_reports(self):
        if not os.path.exists(self.stderr_path):
            return []
        with open(self.stderr_path, encoding="utf-8", errors="replace") as file:
            text = file.read()
        return [f"{mark!r} on standard error" for mark in SANITIZER_MARKS if mark in text]

    def tail(self, lines=60):
        return "\n".join(self.output().splitlines()[-lines:])

    # -- where it is ----------------------------------------------------------------------------

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def public_url(self):
        return self.settings()["server"]["public_url"]

    @property
    def db(self):
        """The database behind it, read and written past the service."""
        return self.mongo.database(self.database_name)


def run(arguments, timeout=180, **options):
    """One tenantd command to its end: (status, standard output, standard error)."""
    done = subprocess.run([program(), *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=timeout, check=False, **options)
    return done.returncode, done.stdout, done.stderr
