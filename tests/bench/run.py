"""Benchmarks of a release build: every figure beside the physical limit measured in the same run.

    ./dev bench [--seconds 4] [--rounds 3] [--connections 8] [--only health,whoami,refresh,login]

Service and floor (tests/bench/bench_floor.c) take turns, so that a machine whose speed drifts does not
decide. CPU comes from the operating system's account of each process; medians of the rounds are printed.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

# pylint: disable=wrong-import-position
from tests.support import ports  # noqa: E402
from tests.support.instance import Instance  # noqa: E402
from tests.support.mongo import Mongo  # noqa: E402

BUILD = pathlib.Path(os.environ.get("TENANTD_BENCH_DIR", ROOT / "build" / "release" / "tests"))
PASSWORD = "a long passphrase"
TICK = os.sysconf("SC_CLK_TCK")


def program(name):
    for folder in (BUILD, BUILD.parent, BUILD / "bench"):
        if (folder / name).exists():
            return str(folder / name)
    raise SystemExit(f"bench: {name} is not built; run ./dev bench")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return 0.0


def post(url, body, headers=None):
    request = urllib.request.Request(url, json.dumps(body).encode(), {
        "Content-Type": "application/json", **(headers or {})})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


class Bench:
    """Service, floor and MongoDB of one run."""

    def __init__(self, options, mongo, service, folder):
        self.options, self.mongo, self.service, self.folder = options, mongo, service, folder
        self.slug = "bench"
        self.floor_port = ports.free_port()
        self.users = max(options.connections, 16)
        self.tokens = []
        self.floor = self._start_floor()
        self._prepare()

    def _start_floor(self):
        self.mongo.client.drop_database("bench_floor")
        floor = subprocess.Popen([program("bench_floor"), str(self.floor_port), self.mongo.uri,
                                  str(self.users)], stdout=subprocess.PIPE, text=True)
        lines = [floor.stdout.readline().strip() for _ in range(self.users)]
        self._write("floor-refresh", "\n".join(lines))
        return floor

    def _write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def _prepare(self):
        url = self.service.url
        post(url + "/tenants/register", {
            "tenant_name": "Bench", "tenant_slug": self.slug, "admin_username": "owner",
            "admin_email": "owner@bench.example", "admin_password": PASSWORD,
            "plan": "enterprise"})
        tenant = {"X-Tenant-Slug": self.slug}
        logins, floor_logins = [], []
        for number in range(self.users):
            post(url + "/api/register", {"username": f"user{number}", "password": PASSWORD}, tenant)
            login = {"username": f"user{number}", "password": PASSWORD}
            self.tokens.append(post(url + "/auth/login", login, tenant))
            logins.append(json.dumps(login))
            floor_logins.append(json.dumps(login))
        self._write("service-login", "\n".join(logins))
        self._write("floor-login", "\n".join(floor_logins))
        head = "Host: localhost\r\n"
        bearer = f"Authorization: Bearer {self.tokens[0]['access_token']}\r\n"
        for who, path, extra in (
                ("service-health", "/health", ""), ("floor-health", "/health", ""),
                ("service-404", "/nothing", ""), ("floor-404", "/nothing", ""),
                ("service-whoami", "/api/whoami", bearer),
                ("floor-whoami", "/whoami", "Authorization: Bearer user0\r\n")):
            self._write(who, f"GET {path} HTTP/1.1\r\n{head}{extra}\r\n")

    def fresh_refresh_tokens(self):
        tenant = {"X-Tenant-Slug": self.slug}
        lines = [post(self.service.url + "/auth/login",
                      {"username": f"user{number % self.users}", "password": PASSWORD},
                      tenant)["refresh_token"] for number in range(self.options.connections)]
        self._write("service-refresh", "\n".join(lines))

    def load(self, side, operation):
        """One round of one side: requests, failures, latency, CPU of the side and of MongoDB."""
        port = self.service.port if side == "service" else self.floor_port
        pid = self.service.process.pid if side == "service" else self.floor.pid
        mode = {"refresh": "refresh", "login": "users"}.get(operation, "fixed")
        path = {("service", "refresh"): "/auth/refresh", ("service", "login"): "/auth/login",
                ("floor", "refresh"): "/refresh", ("floor", "login"): "/login"}.get(
                    (side, operation), "/")
        environment = dict(os.environ, BENCH_PATH=path, BENCH_HEADERS=(
            f"X-Tenant-Slug: {self.slug}\r\n" if side == "service" else ""))
        connections = min(self.options.connections, 8) if operation == "login" \
            else self.options.connections
        before, before_mongo = cpu_seconds(pid), cpu_seconds(self.mongo.pid)
        done = subprocess.run(
            [program("bench_load"), str(port), str(connections), str(self.options.seconds), mode,
             os.path.join(self.folder, f"{side}-{operation}")],
            env=environment, capture_output=True, text=True, check=True)
        result = json.loads(done.stdout)
        count = max(result["requests"] + (result["failures"] if operation == "404" else 0), 1)
        result["rate"] = count / result["seconds"]
        result["cpu_us"] = (cpu_seconds(pid) - before) * 1e6 / count
        result["mongo_us"] = (cpu_seconds(self.mongo.pid) - before_mongo) * 1e6 / count
        return result

    def refresh_floor_tokens(self, rounds_done):
        """The floor's grants stand wherever the last round left them: start its process anew."""
        if rounds_done:
            self.floor.kill()
            self.floor.wait()
            self.floor = self._start_floor()
            time.sleep(0.3)


def middle(rounds, name):
    return statistics.median(entry[name] for entry in rounds)


def bare_bcrypt(seconds):
    done = subprocess.run([program("bench_floor"), "bcrypt", "10", str(seconds),
                           str(os.cpu_count())], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def measure(bench, operation, rounds):
    sides = {"floor": [], "service": []}
    for number in range(rounds):
        for side in sides:
            if operation == "refresh" and side == "service":
                bench.fresh_refresh_tokens()
            if operation == "refresh" and side == "floor":
                bench.refresh_floor_tokens(number)
            sides[side].append(bench.load(side, operation))
    return sides


def show(operation, sides):
    floor, service = sides["floor"], sides["service"]
    for side, rounds in sides.items():
        print(f"{operation:8} {side:8} {middle(rounds, 'rate'):9.0f}/s  cpu {middle(rounds, 'cpu_us'):8.1f} us"
              f"  mongod {middle(rounds, 'mongo_us'):7.1f} us  p50 {middle(rounds, 'p50_us'):7.0f} us"
              f"  p99 {middle(rounds, 'p99_us'):7.0f} us"
              f"  failed {sum(r['failures'] for r in rounds)}", flush=True)
    ratio = middle(service, "cpu_us") / max(middle(floor, "cpu_us"), 0.01)
    print(f"{operation:8} ratio    CPU of the service / CPU of the floor = {ratio:.2f}", flush=True)
    return ratio


def show_login(sides, bare):
    """Logins a second against bare bcrypt: what the hash leaves of the CPU is what the rest may take."""
    rate = middle(sides["service"], "rate")
    limit = bare["hashes"] / bare["seconds"]
    print(f"login    ratio    logins/s {rate:.1f} of bare bcrypt's {limit:.1f} hashes/s = {rate / limit:.2f}"
          f" (floor {middle(sides['floor'], 'rate') / limit:.2f})", flush=True)


def start_figures(options, mongo):
    """Milliseconds from exec to ready with a warm database, and resident memory idle."""
    with_data = Instance(mongo, "bench_start", {"log_level": "warn"})
    with_data.start()
    with_data.stop()
    times, sizes = [], []
    for _ in range(options.rounds):
        started = time.monotonic()
        with_data.start(wait=False)
        while True:
            try:
                with urllib.request.urlopen(with_data.url + "/ready", timeout=1) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                time.sleep(0.002)
        times.append((time.monotonic() - started) * 1000)
        time.sleep(1)
        sizes.append(resident_mb(with_data.process.pid))
        with_data.stop()
    mongo.client.drop_database("bench_start")
    print(f"start    ready after {statistics.median(times):.0f} ms with a warm database, "
          f"{statistics.median(sizes):.1f} MB resident idle", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--only", default="health,404,whoami,refresh,login")
    options = parser.parse_args()
    mongo = Mongo(os.environ["TEST_MONGODB_URI"])
    mongo.pid = mongo.client.admin.command("serverStatus")["pid"]
    service = Instance(mongo, "bench_service", {
        "log_level": "warn", "limits": {"requests_per_minute": 100000000,
                                        "sign_ins_per_minute": 1000000,
                                        "registrations_per_hour": 1000000}})
    print(f"{os.cpu_count()} cores; {options.connections} connections, {options.rounds} rounds of "
          f"{options.seconds} s, service and floor in turn; medians", flush=True)
    start_figures(options, mongo)
    service.start()
    with tempfile.TemporaryDirectory(prefix="tenantd-bench-") as folder:
        bench = Bench(options, mongo, service, folder)
        try:
            for operation in options.only.split(","):
                sides = measure(bench, operation, options.rounds)
                show(operation, sides)
                if operation == "login":
                    show_login(sides, bare_bcrypt(options.seconds))
            print(f"memory   {resident_mb(service.process.pid):.1f} MB resident after the load", flush=True)
        finally:
            bench.floor.kill()
            bench.floor.wait()
            service.close()
            for name in ("bench_floor", "bench_service"):
                mongo.client.drop_database(name)


if __name__ == "__main__":
    main()
