"""HAProxy before the instances of a test, as an operator would put it there."""
import os
import shutil
import socket
import subprocess
import tempfile
import time

from . import ports

CONFIG = """
global
    maxconn 500
    stats socket {socket} mode 600
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    timeout check 2s
    retries 3
    option redispatch
frontend front
    bind 127.0.0.1:{port}
    default_backend instances
backend instances
    balance roundrobin
    option httpchk GET /ready
    default-server check inter 200ms fall 2 rise 2
{servers}
"""


class Balancer:
    """Started with the instances' ports; ended by its process id."""

    def __init__(self, instances):
        program = shutil.which("haproxy") or "/usr/sbin/haproxy"
        self.port = ports.free_port()
        self.directory = tempfile.mkdtemp(prefix="tenantd-balancer-")
        servers = "\n".join(f"    server i{number} 127.0.0.1:{instance.port}"
                            for number, instance in enumerate(instances))
        path = os.path.join(self.directory, "haproxy.cfg")
        self._stats = os.path.join(self.directory, "stats")
        with open(path, "w", encoding="ascii") as file:
            file.write(CONFIG.format(port=self.port, servers=servers, socket=self._stats))
        self.process = subprocess.Popen([program, "-db", "-f", path], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True)
        self._wait()

    def _wait(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1):
                    break
            except OSError:
                time.sleep(0.02)
        self.wait_all_up()

    def states(self):
        """What the balancer thinks of each instance: {name: "UP" or another word}."""
        with socket.socket(socket.AF_UNIX) as stats:
            stats.connect(self._stats)
            stats.sendall(b"show stat\n")
            text = b""
            while piece := stats.recv(65536):
                text += piece
        rows = [line.split(",") for line in text.decode().splitlines()]
        return {row[1]: row[17] for row in rows if row[0] == "instances" and row[1] != "BACKEND"}

    def wait_all_up(self, limit=90):
        deadline = time.monotonic() + limit
        while set(self.states().values()) != {"UP"}:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the balancer sees {self.states()}")
            time.sleep(0.05)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        shutil.rmtree(self.directory, ignore_errors=True)
