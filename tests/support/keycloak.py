"""A real Keycloak: its distribution from the Maven registry, on the JDK 17 that the machine has."""
import glob
import json
import os
import pathlib
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile

from .ports import free_port

VERSION = "26.0.7"
ARTIFACT = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
START_LIMIT = 300


def distribution():
    """The path of the zip; Maven keeps it for the next time."""
    subprocess.run(["mvn", "-q", "dependency:get", f"-Dartifact={ARTIFACT}", "-Dtransitive=false"],
                   check=True, timeout=900)
    found = glob.glob(str(pathlib.Path.home() / ".m2/repository/org/keycloak/keycloak-quarkus-dist" /
                          VERSION / "*.zip"))
    assert len(found) == 1, found
    return found[0]


def java_home():
    homes = glob.glob("/usr/lib/jvm/java-17-openjdk-*") + glob.glob("/usr/lib/jvm/java-1.17*")
    assert homes, "JDK 17 is needed: openjdk-17-jre-headless"
    return homes[0]


class Keycloak:
    """One unpacked distribution with an own database of files."""

    def __init__(self, directory):
        with zipfile.ZipFile(distribution()) as archive:
            archive.extractall(directory)
        self.home = pathlib.Path(directory) / f"keycloak-{VERSION}"
        self.program = self.home / "bin" / "kc.sh"
        self.program.chmod(0o755)
        self.environment = {**os.environ, "JAVA_HOME": java_home(),
                            "JAVA_OPTS_APPEND": "-Xmx1g -XX:ActiveProcessorCount=2"}

    def run(self, *words):
        done = subprocess.run([str(self.program), *words], env=self.environment, text=True,
                              capture_output=True, timeout=1200, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    def start_with(self, realms):
        """start-dev imports the realms; ends when each answers by its discovery."""
        folder = self.home / "data" / "import"
        folder.mkdir(parents=True)
        for realm in realms:
            (folder / f"{realm['realm']}-realm.json").write_text(json.dumps(realm), encoding="utf-8")
        self.port = free_port()
        with open(self.home / "serve.log", "wb") as log:
            self.process = subprocess.Popen(
                [str(self.program), "start-dev", "--import-realm", f"--http-port={self.port}"],
                env=self.environment, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_LIMIT
        for realm in realms:
            url = f"http://127.0.0.1:{self.port}/realms/{realm['realm']}"
            while not answers(url):
                assert self.process.poll() is None and time.monotonic() < deadline, self.tail()
                time.sleep(0.5)

    def tail(self):
        return (self.home / "serve.log").read_text("utf-8", "replace")[-3000:]

    def signs_in(self, realm, username, password):
        """By Keycloak's own token endpoint."""
        form = {"grant_type": "password", "client_id": "admin-cli", "username": username,
                "password": password}
        url = f"http://127.0.0.1:{self.port}/realms/{realm}/protocol/openid-connect/token"
        try:
            with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), timeout=30) as got:
                return "access_token" in json.load(got)
        except urllib.error.HTTPError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    def export(self, realm, path):
        self.run("export", "--realm", realm, "--file", str(path))

    def remove(self):
        shutil.rmtree(self.home, ignore_errors=True)


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False
