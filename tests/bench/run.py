"""Benchmarks of a release build: every figure beside the physical limit measured in the same run.

    ./dev bench [--seconds 4] [--rounds 3] [--connections 8,64] [--tenants 1000] [--users 100000] [--only PARTS]

PARTS: health 404 discovery jwks token cold whoami refresh credentials introspect introspect_user
introspect_cold exchange signup create login flood tenants transfer search, separated by commas.

Service and floor (tests/bench/bench_floor.c) take turns, so that a machine whose speed drifts does not
decide. CPU comes from the operating system's account of each process; medians of the rounds are printed.
"""
import argparse
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

# pylint: disable=wrong-import-position
from tests.bench import oauth, search  # noqa: E402
from tests.bench.transfer import transfer  # noqa: E402
from tests.bench.wire import post, put, whole  # noqa: E402
from tests.support import ports  # noqa: E402
from tests.support.instance import Instance  # noqa: E402
from tests.support.mongo import Mongo  # noqa: E402

BUILD = pathlib.Path(os.environ.get("TENANTD_BENCH_DIR", ROOT / "build" / "release" / "tests"))
PASSWORD = "a long passphrase"
HASH = "$2b$10$" + 53 * "a"  # of no password: it only has to be stored
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


def generate(port, connections, seconds, mode, path, **variables):
    """One run of the load generator, started and to be waited for."""
    return subprocess.Popen(
        [program("bench_load"), str(port), str(connections), str(seconds), mode, path],
        env=dict(os.environ, **variables), stdout=subprocess.PIPE, text=True)


def result_of(process):
    text, _ = process.communicate()
    if process.returncode != 0:
        raise SystemExit("bench: the load generator failed")
    return json.loads(text)


class Bench:
    """Service, floor and MongoDB of one run."""

    def __init__(self, options, mongo, service, folder):
        self.options, self.mongo, self.service, self.folder = options, mongo, service, folder
        self.slug = "bench"
        self.floor_port = ports.free_port()
        self.users = max(options.connection_counts + [16])
        self.names = itertools.count(1)
        self.tokens = []
        self.owner = None  # who creates users with custom fields
        self.floor = self._start_floor()
        self._prepare()
        self.oauth = oauth.OAuthLoad(self, PASSWORD)

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
                *[(f"floor-{what}", "/health", "") for what in ("discovery", "jwks")],
                ("service-discovery", f"/t/{self.slug}/.well-known/openid-configuration", ""),
                ("service-jwks", f"/t/{self.slug}/.well-known/jwks.json", ""),
                ("service-whoami", "/api/whoami", bearer),
                ("floor-whoami", "/whoami", "Authorization: Bearer user0\r\n")):
            self._write(who, f"GET {path} HTTP/1.1\r\n{head}{extra}\r\n")

        plain = f"Authorization: Bearer {self.tokens[1]['access_token']}"
        self.write_list("service-token", [whole("GET", "/tenants/stats", [plain])])
        self.write_list("floor-token", [whole("GET", "/health")])
        self.write_list("floor-cold", [whole("GET", "/health")] * 40000)

    def write_list(self, name, requests):
        return self._write(name, "".join(f"{len(text)}\n{text}" for text in requests))

    def fresh_sign_ups(self, side):
        """Requests of people that nobody knows yet."""
        path = "/auth/register" if side == "service" else "/signup"
        self.write_list(f"{side}-signup", [
            whole("POST", path, [f"X-Tenant-Slug: {self.slug}"], {
                "email": f"new{next(self.names)}@bench.example", "password": PASSWORD})
            for _ in range(int(self.options.seconds * 40 * os.cpu_count()))])

    def publish(self):
        """Twenty fields that each say something, for create."""
        owner = post(self.service.url + "/auth/login", {"username": "owner", "password": PASSWORD},
                     {"X-Tenant-Slug": self.slug})["access_token"]
        properties = {}
        for number in range(5):
            properties |= {f"name{number}": {"type": "string", "minLength": 1, "maxLength": 40},
                           f"count{number}": {"type": "integer", "minimum": 0, "maximum": 1000},
                           f"kind{number}": {"enum": ["red", "green", "blue"]},
                           f"code{number}": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"}}
        put(self.service.url + "/tenants/schema", {
            "type": "object", "additionalProperties": False,
            "properties": properties}, {"Authorization": f"Bearer {owner}"})
        return owner

    def fresh_creates(self, side):
        """Users with a ready hash and twenty custom fields; for the floor as documents."""
        if self.owner is None:
            self.owner = self.publish()
        head = [f"Authorization: Bearer {self.owner}"] if side == "service" else []
        fields = {}
        for number in range(5):
            fields |= {f"name{number}": "Grace Hopper", f"count{number}": number,
                       f"kind{number}": "green", f"code{number}": "AB-123"}
        requests = []
        for number in itertools.islice(self.names, int(self.options.seconds * 3000)):
            user = {"email": f"made{number}@bench.example", "name": "Grace Hopper",
                    "password_hash": HASH, "custom_fields": fields}
            if side == "floor":
                user |= {"_id": f"made{number}", "username": f"made{number}"}
            requests.append(whole("POST", "/users" if side == "service" else "/create", head, user))
        self.write_list(f"{side}-create", requests)

    def fresh_tokens(self, count=1500):
        """Access tokens that no instance has seen yet."""
        pair, requests = self.tokens[1], []
        for _ in range(count):
            pair = post(self.service.url + "/auth/refresh", {"refresh_token": pair["refresh_token"]})
            requests.append(whole("GET", "/tenants/stats",
                                  [f"Authorization: Bearer {pair['access_token']}"]))
        self.tokens[1] = pair
        self.write_list("service-cold", requests)

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
        if side == "floor":
            operation = oauth.OPERATIONS.get(operation, operation)
        renews = operation in ("refresh", "exchange") and (side, operation) != ("service", "exchange")
        mode = {"login": "users", "token": "list", "cold": "list",
                "signup": "list", "create": "list"}.get(operation, "list" if operation in oauth.OPERATIONS else "fixed")
        mode, name = ("refresh", "refresh") if renews else (mode, operation)
        path = {("service", "refresh"): "/auth/refresh", ("service", "login"): "/auth/login",
                ("floor", "refresh"): "/refresh", ("floor", "login"): "/login",
                ("floor", "exchange"): "/exchange"}.get(
                    (side, operation), "/")
        variables = {"BENCH_PATH": path, "BENCH_HEADERS": (
            f"X-Tenant-Slug: {self.slug}\r\n" if side == "service" else "")}
        if operation in ("token", "cold") and side == "service":
            variables["BENCH_STATUS"] = "403"
        if side == "service" and operation in oauth.ONCE or operation in ("cold", "signup", "create"):
            variables["BENCH_ONCE"] = "1"
        connections = min(self.options.connections, 8) if operation in ("login", "signup") \
            else self.options.connections
        before, before_mongo = cpu_seconds(pid), cpu_seconds(self.mongo.pid)
        result = result_of(generate(port, connections, self.options.seconds, mode,
                                    os.path.join(self.folder, f"{side}-{name}"), **variables))
        count = max(result["requests"] + (result["failures"] if operation == "404" else 0), 1)
        result["rate"] = count / result["seconds"]
        result["cpu_us"] = (cpu_seconds(pid) - before) * 1e6 / count
        result["mongo_us"] = (cpu_seconds(self.mongo.pid) - before_mongo) * 1e6 / count
        return result

    def refresh_floor_tokens(self):
        """The floor's grants stand wherever the last round left them: start its process anew."""
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
            if operation in oauth.OPERATIONS and side == "service":
                bench.oauth.fresh(operation)
            if operation in ("refresh", "exchange") and side == "floor":
                bench.refresh_floor_tokens()
            if operation == "signup":
                bench.fresh_sign_ups(side)
            if operation == "create":
                bench.fresh_creates(side)
            if operation == "cold" and side == "service":
                bench.fresh_tokens()
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


def flood(bench):
    """Reads with a token while every hashing thread is busy and more logins wait."""
    token, login = (os.path.join(bench.folder, name) for name in ("service-whoami", "service-login"))
    seconds, port = bench.options.seconds, bench.service.port
    quiet, under, logins = [], [], []
    for _ in range(bench.options.rounds):
        quiet.append(result_of(generate(port, 1, seconds, "fixed", token)))
        storm = generate(port, 64, seconds + 1, "users", login, BENCH_HEADERS=(
            f"X-Tenant-Slug: {bench.slug}\r\n"))
        time.sleep(0.5)
        under.append(result_of(generate(port, 1, seconds, "fixed", token)))
        logins.append(result_of(storm))
    rate = statistics.median(storm["requests"] / storm["seconds"] for storm in logins)
    print(f"flood    whoami p50 {middle(quiet, 'p50_us')} us, p99 {middle(quiet, 'p99_us')} us "
          f"unloaded; p50 {middle(under, 'p50_us')} us, p99 {middle(under, 'p99_us')} us with 64 "
          f"connections logging in ({rate:.1f} logins/s, "
          f"{sum(storm['failures'] for storm in logins)} refused, "
          f"{sum(reads['failures'] for reads in under)} reads failed)", flush=True)


def drought(bench):
    """Logins while reads keep all cores busy: they give way, but must not starve."""
    token, login = (os.path.join(bench.folder, name) for name in ("service-whoami", "service-login"))
    seconds, port = bench.options.seconds, bench.service.port
    headers = {"BENCH_HEADERS": f"X-Tenant-Slug: {bench.slug}\r\n", "BENCH_PATH": "/auth/login"}
    quiet = result_of(generate(port, 2, seconds, "users", login, **headers))
    reads = generate(port, 64, seconds + 1, "fixed", token)
    time.sleep(0.5)
    under = result_of(generate(port, 2, seconds, "users", login, **headers))
    result_of(reads)
    print(f"drought  login p50 {quiet['p50_us'] / 1000:.0f} ms, p99 {quiet['p99_us'] / 1000:.0f} ms "
          f"unloaded; p50 {under['p50_us'] / 1000:.0f} ms, p99 {under['p99_us'] / 1000:.0f} ms while "
          f"64 connections read ({under['failures']} failed)", flush=True)


def make_tenants(instance, count):
    """[(slug, access token)] of tenants registered like anybody's, eight at a time."""
    def one(number):
        slug = f"tenant{number}"
        post(instance.url + "/tenants/register", {
            "tenant_name": f"Tenant {number}", "tenant_slug": slug, "admin_username": "owner",
            "admin_email": "owner@bench.example", "admin_password": PASSWORD,
            "plan": "enterprise"})
        pair = post(instance.url + "/auth/login", {"username": "owner", "password": PASSWORD},
                    {"X-Tenant-Slug": slug})
        return slug, pair["access_token"]

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, range(count)))


def latencies(instance, mongo, folder, tenants, seconds):
    """whoami and login, spread over these tenants; warm. CPU in microseconds a request."""
    found = {}
    for name, requests in (
            ("whoami", [whole("GET", "/api/whoami", [f"Authorization: Bearer {token}"])
                        for _, token in tenants]),
            ("login", [whole("POST", "/auth/login", [f"X-Tenant-Slug: {slug}"], {
                "username": "owner", "password": PASSWORD}) for slug, _ in tenants])):
        path = os.path.join(folder, f"tenants-{name}")
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join(f"{len(text)}\n{text}" for text in requests))
        if name == "whoami":
            result_of(generate(instance.port, 2, 60, "list", path, BENCH_ONCE="1"))
        before = cpu_seconds(instance.process.pid), cpu_seconds(mongo.pid)
        result = result_of(generate(instance.port, 2, seconds, "list", path))
        for who, pid, spent in (("service", instance.process.pid, before[0]),
                                ("mongod", mongo.pid, before[1])):
            result[who] = (cpu_seconds(pid) - spent) * 1e6 / max(result["requests"], 1)
        found[name] = result
    return found


def many_tenants(options, mongo):
    """What more tenants cost: the start, and one request of anybody."""
    service = Instance(mongo, "bench_tenants", {
        "log_level": "warn", "password": {"scheme": "argon2id"},
        "tenants": {"max_collections": 100000, "self_service_plans": ["free", "enterprise"]},
        "limits": {"requests_per_minute": 100000000, "sign_ins_per_minute": 1000000,
                   "tenants_per_day": 1000000, "tenants_per_hour": 1000000}})
    mongo.client.drop_database("bench_tenants")
    try:
        service.start()
        started = time.monotonic()
        tenants = make_tenants(service, options.tenants)
        each = (time.monotonic() - started) / options.tenants * 1000
        with tempfile.TemporaryDirectory(prefix="tenantd-bench-") as folder:
            few = latencies(service, mongo, folder, tenants[:10], options.seconds)
            many = latencies(service, mongo, folder, tenants, options.seconds)
        resident = resident_mb(service.process.pid)
        service.stop()
        ready = ready_after(service)
        print(f"tenants  {options.tenants}: {each:.0f} ms to make one and log in, ready after "
              f"{ready:.0f} ms, {resident:.1f} MB resident with all in use", flush=True)
        for name, result in many.items():
            one, all_of = few[name], result
            print(f"tenants  {name} p50 {one['p50_us']} us with 10, {all_of['p50_us']} us with "
                  f"{options.tenants} = {all_of['p50_us'] / one['p50_us']:.2f}; CPU of the service "
                  f"{one['service']:.0f} and {all_of['service']:.0f} us, of mongod "
                  f"{one['mongod']:.0f} and {all_of['mongod']:.0f} us", flush=True)
    finally:
        service.close()
        mongo.client.drop_database("bench_tenants")


def ready_after(instance):
    """Milliseconds from exec to the first good /ready."""
    started = time.monotonic()
    instance.start(wait=False)
    while True:
        try:
            with urllib.request.urlopen(instance.url + "/ready", timeout=1) as answer:
                if answer.status == 200:
                    return (time.monotonic() - started) * 1000
        except OSError:
            time.sleep(0.002)


def start_figures(options, mongo):
    """Milliseconds from exec to ready with a warm database, and resident memory idle."""
    with_data = Instance(mongo, "bench_start", {"log_level": "warn"})
    with_data.start()
    with_data.stop()
    times, sizes = [], []
    for _ in range(options.rounds):
        times.append(ready_after(with_data))
        time.sleep(1)
        sizes.append(resident_mb(with_data.process.pid))
        with_data.stop()
    mongo.client.drop_database("bench_start")
    print(f"start    ready after {statistics.median(times):.0f} ms with a warm database, "
          f"{statistics.median(sizes):.1f} MB resident idle", flush=True)


def measure_all(bench, options):
    """All operations with the present number of connections; those that hash once only."""
    for operation in options.parts:
        hashes = operation in ("login", "signup")
        if operation in ("flood", "tenants", "transfer", "search") or \
                hashes and options.connections != options.connection_counts[0]:
            continue
        sides = measure(bench, operation, options.rounds)
        show(operation, sides)
        if operation == "login":
            show_login(sides, bare_bcrypt(options.seconds))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", default="8,64")
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--only",
                        default="health,404,discovery,jwks,token,cold,whoami,refresh,"
                        "credentials,introspect,introspect_user,introspect_cold,exchange,"
                        "signup,create,login,flood,tenants,transfer,search")
    parser.add_argument("--users", type=int, default=100000, help="that are imported, exported and searched")
    options = parser.parse_args()
    options.connection_counts = [int(text) for text in options.connections.split(",")]
    options.parts = options.only.split(",")
    mongo = Mongo(os.environ["TEST_MONGODB_URI"])
    mongo.pid = mongo.client.admin.command("serverStatus")["pid"]
    service = Instance(mongo, "bench_service", {
        "log_level": "warn", "limits": {"requests_per_minute": 100000000,
                                        "sign_ins_per_minute": 1000000,
                                        "registrations_per_hour": 1000000}})
    print(f"{os.cpu_count()} cores; {options.rounds} rounds of "
          f"{options.seconds} s, service and floor in turn; medians", flush=True)
    start_figures(options, mongo)
    service.start()
    with tempfile.TemporaryDirectory(prefix="tenantd-bench-") as folder:
        bench = Bench(options, mongo, service, folder)
        try:
            for options.connections in options.connection_counts:
                print(f"--- {options.connections} connections", flush=True)
                measure_all(bench, options)
            if "search" in options.parts:
                search.measure(bench, options, program, generate, result_of)
            if "flood" in options.parts:
                flood(bench)
                drought(bench)
            print(f"memory   {resident_mb(service.process.pid):.1f} MB resident after the load", flush=True)
        finally:
            bench.floor.kill()
            bench.floor.wait()
            service.close()
            for name in ("bench_floor", "bench_service"):
                mongo.client.drop_database(name)
    if "tenants" in options.parts:
        many_tenants(options, mongo)
    if "transfer" in options.parts:
        with tempfile.TemporaryDirectory(prefix="tenantd-bench-") as folder:
            transfer(mongo, folder, options.users)


if __name__ == "__main__":
    main()
