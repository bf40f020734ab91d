"""A real MongoDB for the tests: the server that TEST_MONGODB_URI names, or a mongod of our own.

A mongod of our own is a replica set of one node with test commands enabled, so that failpoints can
make its faults. It is started from the program that MONGOD names, or the first in PATH.
"""
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time

import pymongo
from pymongo.errors import ConnectionFailure, OperationFailure

from . import ports

START_LIMIT = 120
NOT_YET_INITIALIZED = 94


def log_path(directory):
    return os.path.join(directory, "mongod.log")


def start_mongod(directory, port):
    """A member of the set rs0, which nobody has to have initiated yet."""
    program = os.environ.get("MONGOD") or shutil.which("mongod")
    if program is None:
        raise RuntimeError("no mongod: put it into PATH, or name it in MONGOD")
    return subprocess.Popen(
        [program, "--dbpath", directory, "--logpath", log_path(directory), "--logappend",
         "--bind_ip", "127.0.0.1", "--port", str(port), "--nounixsocket",
         "--replSet", "rs0", "--oplogSize", "64", "--wiredTigerCacheSizeGB", "0.25", "--quiet",
         "--setParameter", "enableTestCommands=1",
         "--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100",
         # As shipped (deploy/mongo/mongod.conf): what a killed instance had begun is not in the way for long.
         "--setParameter", "transactionLifetimeLimitSeconds=10",
         "--setParameter", "diagnosticDataCollectionEnabled=false"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True)


class Mongo:
    """A server that somebody else owns: only its address is known."""

    def __init__(self, uri):
        self.uri = uri
        self._client = None

    @property
    def client(self):
        if self._client is None:
            self._client = pymongo.MongoClient(self.uri, uuidRepresentation="standard",
                                               tz_aware=True, serverSelectionTimeoutMS=10000)
        return self._client

    def database(self, name):
        return self.client[name]

    def drop(self, name):
        self.client.drop_database(name)

    @contextlib.contextmanager
    def failpoint(self, commands, namespace=None, times=None, skip=None, **data):
        """Makes the named commands fail: error code, closed connection or delay, as data says.

        Only for a mongod of one's own: there is one such failpoint in a server.
        """
        data["failCommands"] = commands
        if namespace is not None:
            data["namespace"] = namespace
        mode = "alwaysOn" if times is None else {"times": times}
        if skip is not None:
            mode = {"skip": skip}
        self.client.admin.command({"configureFailPoint": "failCommand", "mode": mode, "data": data})
        try:
            yield
        finally:
            self.client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})

    def close(self):
        if self._client is not None:
            self._client.close()
            self._client = None


class OwnMongo(Mongo):
    """A mongod that this process starts, may stop, and ends."""

    def __init__(self):
        self.port = ports.free_port()
        super().__init__(f"mongodb://127.0.0.1:{self.port}/?replicaSet=rs0")
        self.directory = tempfile.mkdtemp(prefix="tenantd-mongo-",
                                          dir=os.environ.get("TEST_DATA_DIR"))
        self.process = None
        self.start()

    def start(self):
        """Starts mongod on its directory; a second time after kill() or shut_down()."""
        self.process = start_mongod(self.directory, self.port)
        self._wait_primary()

    def _wait_primary(self):
        deadline = time.monotonic() + START_LIMIT
        direct = pymongo.MongoClient("127.0.0.1", self.port, directConnection=True,
                                     serverSelectionTimeoutMS=200)
        try:
            while time.monotonic() < deadline and self.process.poll() is None:
                try:
                    self._initiate(direct.admin)
                    if direct.admin.command("hello")["isWritablePrimary"]:
                        return
                except ConnectionFailure:
                    pass  # still starting
                time.sleep(0.02)
        finally:
            direct.close()
        with open(log_path(self.directory), encoding="utf-8", errors="replace") as lines:
            raise RuntimeError("mongod did not start: " + "".join(lines.readlines()[-5:]))

    def _initiate(self, admin):
        try:
            admin.command("replSetGetStatus")
        except OperationFailure as error:
            if error.code == NOT_YET_INITIALIZED:
                member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
                admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})

    @contextlib.contextmanager
    def paused(self):
        """Every request to the server hangs, as behind a dead network."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def shut_down(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def close(self):
        """Its data goes with it, so it need not be put in order first."""
        super().close()
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
