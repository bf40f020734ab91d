"""Searches of users over HTTP against the bare find of libmongoc: the same query, in the same run."""
import datetime
import json
import os
import random
import statistics
import subprocess
import time
import urllib.parse
import urllib.request
import uuid

from bson import json_util
from bson.binary import UuidRepresentation
from bson.int64 import Int64

from tests.bench.wire import post, whole
from tests.support import ports

SCHEMA = {"type": "object", "properties": {
    "badge": {"type": "string", "x-unique": True},
    "age": {"type": "integer", "x-index": True},
    "city": {"type": "string", "x-index": True},
    "department": {"type": "string"},
    "bio": {"type": "string"},
}}
QUERIES = 300
OPTIONS = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL,
                                uuid_representation=UuidRepresentation.STANDARD)
LIMIT = 50
EPOCH = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)


def user(tenant_id, number, rng, count):
    created = EPOCH + datetime.timedelta(seconds=number)
    return {
        "_id": uuid.UUID(int=(number << 64) | rng.getrandbits(62)), "tenant_id": tenant_id,
        "email_typed": f"user{number:08}@bench.example", "email": f"user{number:08}@bench.example",
        "name": f"User {number}", "role": "user", "is_active": number % 10 != 0,
        "is_email_verified": number % 2 == 0, "security_epoch": Int64(1), "created_at": created,
        "updated_at": created, "version": Int64(1),
        "custom_fields": {"badge": f"B{number:08}", "age": Int64(rng.randrange(18, 90)),
                          "city": f"city{rng.randrange(max(count // 1000, 10))}",
                          "department": rng.choice(["sales", "support", "lab"]), "bio": "x" * 100}}


class Search:
    """A tenant with many users, and the queries of both sides."""

    def __init__(self, bench, count):
        self.bench, self.count = bench, count
        self.rng = random.Random(1)
        url = bench.service.url
        made = post(url + "/tenants/register", {
            "tenant_name": "Search", "tenant_slug": "search", "admin_username": "owner",
            "admin_email": "owner@search.example", "admin_password": "a long passphrase",
            "plan": "enterprise"})
        self.tenant_id = uuid.UUID(made["tenant"]["id"])
        pair = post(url + "/auth/login", {"username": "owner", "password": "a long passphrase"},
                    {"X-Tenant-Slug": "search"})
        self.head = [f"Authorization: Bearer {pair['access_token']}"]
        self._publish(url, pair["access_token"])
        self._load()

    @property
    def database(self):
        return self.bench.mongo.client[self.bench.service.database_name]

    def _publish(self, url, token):
        request = urllib.request.Request(url + "/tenants/schema", json.dumps(SCHEMA).encode(), {
            "Authorization": f"Bearer {token}", "Content-Type": "application/json"}, method="PUT")
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status in (200, 202)
        while self.database.tenants.find_one({"_id": self.tenant_id}).get("schema_version", 0) == 0:
            time.sleep(0.1)

    def _load(self):
        collection = self.database["users_" + self.tenant_id.hex]
        started = time.monotonic()
        for begin in range(0, self.count, 5000):
            collection.insert_many([
                user(self.tenant_id, number, self.rng, self.count)
                for number in range(begin, min(begin + 5000, self.count))], ordered=False)
        self.database.tenant_usage.update_one({"_id": self.tenant_id},
                                              {"$inc": {"users": Int64(self.count)}})
        print(f"search   {self.count} users put in within {time.monotonic() - started:.0f} s", flush=True)

    def queries(self, operation):
        """[(parameters of the service, find of the floor)]"""
        for _ in range(QUERIES):
            number = self.rng.randrange(self.count)
            age = self.rng.randrange(20, 80)
            city = f"city{self.rng.randrange(max(self.count // 1000, 10))}"
            if operation == "equality":
                yield ({"filter": f'custom_fields.badge eq "B{number:08}"'},
                       {"filter": {"custom_fields.badge": f"B{number:08}"}, "hint": "cf_u_badge"})
            elif operation == "range":
                yield ({"filter": f"custom_fields.age ge {age} and custom_fields.age lt {age + 3}"},
                       {"filter": {"custom_fields.age": {"$gte": Int64(age), "$lt": Int64(age + 3)}},
                        "sort": {"custom_fields.age": 1, "_id": 1}, "hint": "cf_i_age"})
            elif operation == "prefix":
                prefix = f"user{number // 100:06}"
                yield ({"filter": f'email sw "{prefix}"'},
                       {"filter": {"email": {"$gte": prefix, "$lt": prefix + "\U0010ffff"}},
                        "sort": {"email": 1}, "hint": "email_1"})
            elif operation == "two":
                yield ({"filter": f'custom_fields.city eq "{city}" and custom_fields.age gt {age}'},
                       {"filter": {"custom_fields.city": city, "custom_fields.age": {"$gt": Int64(age)}},
                        "sort": {"_id": 1}, "hint": "cf_i_city"})
            else:
                moment = EPOCH + datetime.timedelta(seconds=number)
                yield ({"filter": f'created_at le "{moment:%Y-%m-%dT%H:%M:%SZ}"', "sort": "-created_at"},
                       {"filter": {"created_at": {"$lte": moment}},
                        "sort": {"created_at": -1, "_id": -1}, "hint": "created_at_1"})

    def write(self, operation):
        """Both sides' files."""
        asked = list(self.queries(operation))
        service = self.bench.write_list(f"search-{operation}", [
            whole("GET", "/users?" + urllib.parse.urlencode(parameters | {"limit": LIMIT}), self.head)
            for parameters, _ in asked])
        path = os.path.join(self.bench.folder, f"raw-{operation}")
        with open(path, "w", encoding="utf-8") as file:
            for _, find in asked:
                command = {"find": "users_" + self.tenant_id.hex,
                           "filter": {"tenant_id": self.tenant_id} | find["filter"],
                           **{name: find[name] for name in ("sort", "hint") if name in find},
                           "limit": LIMIT + 1, "batchSize": LIMIT + 1}
                file.write(json_util.dumps(command, json_options=OPTIONS) + "\n")
        return service, path


OPERATIONS = ("equality", "range", "prefix", "two", "sort")


class Floor:
    """The same finds behind HTTP, their documents as JSON; gone when the block ends."""

    def __init__(self, search, program, commands):
        self.port = ports.free_port()
        self.process = subprocess.Popen([program("bench_search"), search.bench.mongo.uri, search.database.name,
                                         commands, "serve", str(self.port)])
        self.file = search.bench.write_list("search-floor", [whole("GET", "/")])

    def __enter__(self):
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5):
                    return self
            except OSError:
                time.sleep(0.02)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def measure(bench, options, program, generate, result_of):
    """Medians of all sides in turn, p50 and p99 against the floor's."""
    search = Search(bench, options.users)
    for operation in OPERATIONS:
        requests, commands = search.write(operation)
        sides = {"raw": [], "floor": [], "service": []}
        with Floor(search, program, commands) as floor:
            for number in range(options.rounds + 1):
                raw = subprocess.run([program("bench_search"), bench.mongo.uri, search.database.name, commands,
                                      "1", str(options.seconds)], capture_output=True, text=True, check=True)
                found = {"raw": json.loads(raw.stdout),
                         "floor": result_of(generate(floor.port, 1, options.seconds, "list", floor.file)),
                         "service": result_of(generate(bench.service.port, 1, options.seconds, "list", requests))}
                for side, result in found.items():
                    if number > 0:  # the first warms the caches
                        sides[side].append(result)
        show(operation, sides)


def show(operation, sides):
    figures = {side: {figure: statistics.median(entry[figure] for entry in rounds)
                      for figure in ("p50_us", "p99_us")} for side, rounds in sides.items()}
    documents = statistics.median(entry["documents"] / entry["requests"] for entry in sides["raw"])
    for side, figure in figures.items():
        print(f"search   {operation:8} {side:8} p50 {figure['p50_us']:6.0f} us  p99 {figure['p99_us']:6.0f} us  "
              f"{documents:3.0f} users  failed {sum(entry['failures'] for entry in sides[side])}", flush=True)
    print(f"search   {operation:8} ratio    p50 {figures['service']['p50_us'] / figures['floor']['p50_us']:.2f}  p99 "
          f"{figures['service']['p99_us'] / figures['floor']['p99_us']:.2f}", flush=True)
