"""The shipped nginx and HAProxy configurations as plain processes before a running service.

What changes against the shipped text: addresses, ports and directories, by `replaced`, which fails
when the text to replace is not there, so that the tests notice a configuration that moved on.
"""
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

from . import ports

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
MAIN = """
daemon off;
user root;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    include /etc/nginx/mime.types;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    {includes}
}}
"""


def replaced(text, changes):
    for old, new in changes.items():
        assert old in text, f"{old!r} is not in the shipped configuration"
        text = text.replace(old, str(new))
    return text


def wait_for_port(port, process, seconds=90):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, f"ended with {process.returncode}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=10).close()
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError(f"nothing listens on {port}")


class Proxy:
    """A process in front of the service, with a log of what it understood."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="tenantd-proxy-")
        self.port = ports.free_port()
        self.log = os.path.join(self.directory, "access.log")
        self.process = None

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        pathlib.Path(self.path(name)).write_text(text, encoding="utf-8")
        return self.path(name)

    def run(self, command, **options):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
        wait_for_port(self.port, self.process)

    def lines(self):
        if not os.path.exists(self.log):
            return []
        return pathlib.Path(self.log).read_text(encoding="utf-8", errors="replace").splitlines()

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class Nginx(Proxy):
    """The gateway, on 8080 of the containers. With a certificate also on 443."""

    def __init__(self, service_port, certificate=None):
        super().__init__()
        self.tls_port = self.redirect_port = None
        inc = self.write("proxy.inc", self._proxy_inc())
        files = [self.write("api.conf", replaced(
            (DEPLOY / "nginx/api/api.conf").read_text(encoding="utf-8"),
            {"server api:8080": f"server 127.0.0.1:{service_port}",
             "listen 8080": f"listen 127.0.0.1:{self.port}",
             "/etc/nginx/proxy.inc": inc,
             "/var/cache/nginx/tenantd": self.path("cache")}))]
        if certificate is not None:
            files.append(self._tls(certificate, inc))
        self._start(files)

    def _proxy_inc(self):
        return replaced((DEPLOY / "nginx/api/proxy.inc").read_text(encoding="utf-8"),
                        {"/dev/stdout": self.log, "/dev/stderr": self.path("error.log")})

    def _tls(self, certificate, inc):
        self.tls_port, self.redirect_port = ports.free_port(), ports.free_port()
        return self.write("tls.conf", replaced(
            (DEPLOY / "nginx/api/tls.conf").read_text(encoding="utf-8"),
            {"listen 443": f"listen 127.0.0.1:{self.tls_port}",
             "listen 80 ": f"listen 127.0.0.1:{self.redirect_port} ",
             "/etc/letsencrypt/live/tenantd": certificate,
             "/etc/nginx/proxy.inc": inc}))

    def _start(self, files):
        includes = "\n    ".join(f"include {name};" for name in files)
        main = self.write("nginx.conf", MAIN.format(directory=self.directory, includes=includes))
        self.run(["nginx", "-c", main, "-p", self.directory, "-e", self.path("error.log")])


class VerifyNginx(Nginx):
    """The gateway with an application behind it, on 8082 of the containers."""

    def __init__(self, service_port, application_port):  # pylint: disable=super-init-not-called
        Proxy.__init__(self)
        self.gateway_port = ports.free_port()
        parts = {"/etc/nginx/proxy.inc": self.write("proxy.inc", self._proxy_inc())}
        for name in ("verify", "ask", "identity"):
            text = (DEPLOY / f"nginx/verify/{name}.inc").read_text(encoding="utf-8")
            parts[f"/etc/nginx/{name}.inc"] = self.write(f"{name}.inc", text)
        gateway = replaced((DEPLOY / "nginx/api/api.conf").read_text(encoding="utf-8"), {
            "server api:8080": f"server 127.0.0.1:{service_port}",
            "listen 8080": f"listen 127.0.0.1:{self.gateway_port}",
            "/etc/nginx/proxy.inc": parts["/etc/nginx/proxy.inc"],
            "/var/cache/nginx/tenantd": self.path("cache")})
        application = replaced((DEPLOY / "nginx/verify/verify.conf").read_text(encoding="utf-8"), parts | {
            "server app:3000": f"server 127.0.0.1:{application_port}",
            "listen 8082": f"listen 127.0.0.1:{self.port}"})
        self._start([self.write("api.conf", gateway), self.write("verify.conf", application)])


class FrontNginx(Nginx):
    """The front page, on 8000 of the containers."""

    def __init__(self, service_port, environment):  # pylint: disable=super-init-not-called
        Proxy.__init__(self)
        changes = {"server api:8080": f"server 127.0.0.1:{service_port}",
                   "listen 8000": f"listen 127.0.0.1:{self.port}",
                   "/dev/stdout": self.log, "/dev/stderr": self.path("error.log"),
                   "/usr/share/nginx/html": DEPLOY / "nginx/frontend/html"}
        changes |= {"${%s}" % name: value for name, value in environment.items()}
        self._start([self.write("frontend.conf", replaced(
            (DEPLOY / "nginx/frontend/frontend.conf").read_text(encoding="utf-8"), changes))])


class HAProxy(Proxy):
    """The shipped example of HAProxy."""

    def __init__(self, service_port):
        super().__init__()
        config = self.write("haproxy.cfg", replaced(
            (DEPLOY / "haproxy/haproxy.cfg").read_text(encoding="utf-8"),
            {"bind :8080": f"bind 127.0.0.1:{self.port}",
             "server api1 api:8080": f"server api1 127.0.0.1:{service_port}"}))
        with open(self.log, "ab") as log:
            self.run(["haproxy", "-db", "-f", config], stdout=log, stderr=subprocess.STDOUT)
