"""Three mongod on this machine as one replica set whose nodes can be killed, paused and demoted."""
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time

import pymongo
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from . import ports
from .mongo import Mongo, start_mongod

START_LIMIT = 120


class Node:
    """One member: its port, its directory and, while it lives, its process."""

    def __init__(self, directory):
        self.port = ports.free_port()
        self.directory = directory
        self.process = None
        os.makedirs(directory, exist_ok=True)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def start(self):
        self.process = start_mongod(self.directory, self.port)

    def signal(self, number):
        if self.alive:
            self.process.send_signal(number)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @contextlib.contextmanager
    def admin(self):
        """The admin database of this node alone, whatever its state."""
        client = pymongo.MongoClient("127.0.0.1", self.port, directConnection=True,
                                     serverSelectionTimeoutMS=500, socketTimeoutMS=5000)
        try:
            yield client.admin
        finally:
            client.close()


class ReplicaSet(Mongo):
    """The set as a server that a test owns whole."""

    def __init__(self, election_timeout_ms=2000, disk_mb=None):
        """disk_mb: each node on a disk of its own of that size, which can be filled; needs root."""
        self.directory = tempfile.mkdtemp(prefix="tenantd-set-",
                                          dir=os.environ.get("TEST_DATA_DIR"))
        self.nodes = [Node(os.path.join(self.directory, str(number))) for number in range(3)]
        self.mounted = disk_mb is not None
        for node in self.nodes if self.mounted else []:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={disk_mb}m", "tmpfs",
                            node.directory], check=True)
        hosts = ",".join(node.address for node in self.nodes)
        super().__init__(f"mongodb://{hosts}/?replicaSet=rs0")
        for node in self.nodes:
            node.start()
        self._initiate(election_timeout_ms)
        self.wait_primary()

    def _initiate(self, election_timeout_ms):
        members = [{"_id": number, "host": node.address} for number, node in enumerate(self.nodes)]
        config = {"_id": "rs0", "members": members, "settings": {
            "electionTimeoutMillis": election_timeout_ms, "heartbeatIntervalMillis": 500}}
        deadline = time.monotonic() + START_LIMIT
        while True:
            try:
                with self.nodes[0].admin() as admin:
                    admin.command("replSetInitiate", config)
                return
            except (ConnectionFailure, OperationFailure):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def primary(self):
        """The member that says it is one and can prove it to a majority, or None."""
        for node in self.nodes:
            if not node.alive:
                continue
            try:
                with node.admin() as admin:
                    if admin.command("hello")["isWritablePrimary"]:
                        return node
            except PyMongoError:
                pass
        return None

    def wait_primary(self, limit=START_LIMIT):
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            node = self.primary()
            if node is not None:
                return node
            time.sleep(0.05)
        raise AssertionError("the replica set has no primary")

    def wait_whole(self, limit=180):
        """Until one primary and two secondaries are there."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            node = self.primary()
            if node is not None:
                try:
                    with node.admin() as admin:
                        members = admin.command("replSetGetStatus")["members"]
                    if sorted(member["state"] for member in members) == [1, 2, 2]:
                        return
                except PyMongoError:
                    pass
            time.sleep(0.1)
        raise AssertionError("the replica set did not become whole again")

    # -- faults ---------------------------------------------------------------------------------

    def kill_primary(self):
        node = self.wait_primary()
        node.kill()
        return node

    def step_down(self, seconds=10):
        node = self.wait_primary()
        with node.admin() as admin, contextlib.suppress(ConnectionFailure):
            admin.command({"replSetStepDown": seconds, "secondaryCatchUpPeriodSecs": 2,
                           "force": True})

    def pause_primary(self):
        node = self.wait_primary()
        node.signal(signal.SIGSTOP)
        return node

    @contextlib.contextmanager
    def failing(self, commands, **data):
        """The failpoint of Mongo, set on every node: the primary may change meanwhile."""
        point = {"configureFailPoint": "failCommand", "mode": data.pop("mode", "alwaysOn"),
                 "data": {"failCommands": commands, **data}}
        self._everywhere(point)
        try:
            yield
        finally:
            self._everywhere({"configureFailPoint": "failCommand", "mode": "off"})

    def _everywhere(self, command):
        for node in self.nodes:
            with contextlib.suppress(PyMongoError):
                with node.admin() as admin:
                    admin.command(command)

    @contextlib.contextmanager
    def full_disk(self, node):
        """Nothing more fits on this node's disk."""
        path = os.path.join(node.directory, "filler")
        block = b"x" * 65536
        try:
            with open(path, "wb", buffering=0) as filler:
                with contextlib.suppress(OSError):
                    while filler.write(block) == len(block):
                        pass
            yield
        finally:
            os.unlink(path)

    def heal(self):
        """Everything runs again, nothing is made to fail."""
        for node in self.nodes:
            node.signal(signal.SIGCONT)
            if not node.alive:
                node.start()
        self.wait_primary()
        self._everywhere({"configureFailPoint": "failCommand", "mode": "off"})

    def close(self):
        super().close()
        for node in self.nodes:
            node.signal(signal.SIGCONT)
            node.kill()
            if self.mounted:
                subprocess.run(["umount", node.directory], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)
