"""Users in and out as lines: how many a second, what they cost, and what memory they need."""
import json
import os
import time
import urllib.request

from tests.support.instance import Instance

TICK = os.sysconf("SC_CLK_TCK")
#: A form that may be stored; nobody signs in with it here.
HASH = "$2b$10$dOM0IiOeGsyt/F69tFs7YOCjgwlqWLXMyxDaqr2bpZqtAGd6fNJP."


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_mb(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(name))


def write_lines(path, count):
    with open(path, "w", encoding="utf-8") as file:
        for number in range(count):
            file.write(json.dumps({
                "email": f"user{number}@transfer.example", "username": f"user{number}",
                "name": f"User {number}", "password_hash": HASH, "is_email_verified": True,
                "custom_fields": {"department": "sales", "number": number, "vip": False,
                                  "tags": ["a", "b"], "city": "Berlin"}}) + "\n")


def call(service, method, path, body=None, **headers):
    request = urllib.request.Request(service.url + path, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.load(answer)


def owner_of(service):
    words = {"tenant_name": "Transfer", "tenant_slug": "transfer", "admin_username": "owner",
             "admin_email": "owner@transfer.example", "admin_password": "correct horse 1",
             "plan": "enterprise"}
    call(service, "POST", "/tenants/register", json.dumps(words).encode(),
         **{"Content-Type": "application/json"})
    pair = call(service, "POST", "/auth/login", json.dumps({
        "username": "owner", "password": "correct horse 1"}).encode(),
        **{"Content-Type": "application/json", "X-Tenant-Slug": "transfer"})
    return {"Authorization": "Bearer " + pair["access_token"]}


class Meter:
    """Time, and CPU of both processes, between two moments."""

    def __init__(self, service, mongo):
        self.pids = {"service": service.process.pid, "mongod": mongo.pid}
        self.began = time.monotonic()
        self.cpu = {name: cpu_seconds(pid) for name, pid in self.pids.items()}

    def show(self, what, count):
        took = time.monotonic() - self.began
        spent = {name: (cpu_seconds(pid) - self.cpu[name]) / count * 1e6
                 for name, pid in self.pids.items()}
        memory = memory_mb(self.pids["service"], "VmHWM")
        print(f"{what:8} {count} users in {took:.1f} s = {count / took:.0f}/s; CPU of the service "
              f"{spent['service']:.0f} us a user = {1e6 / max(spent['service'], 0.001):.0f}/s per core, "
              f"of mongod {spent['mongod']:.0f} us; {memory:.1f} MB resident at most", flush=True)


def bring_in(service, mongo, path, owner, count):
    with open(path, "rb") as file:
        meter = Meter(service, mongo)
        request = urllib.request.Request(service.url + "/users/import", file, {
            **owner, "Content-Type": "application/x-ndjson",
            "Content-Length": str(os.path.getsize(path))}, method="POST")
        with urllib.request.urlopen(request, timeout=600) as answer:
            job = json.load(answer)["id"]
    meter.show("upload", count)
    while True:
        shown = call(service, "GET", f"/users/import/{job}", **owner)
        if shown["state"] not in ("queued", "running"):
            break
        time.sleep(0.1)
    assert (shown["state"], shown["created"]) == ("done", count), shown
    meter.show("import", count)


def take_out(service, mongo, owner, count):
    meter, lines = Meter(service, mongo), 0
    request = urllib.request.Request(service.url + "/users/export", headers=owner)
    with urllib.request.urlopen(request, timeout=600) as answer:
        while part := answer.read(1 << 20):
            lines += part.count(b"\n")
    assert lines == count + 1, lines
    meter.show("export", count)


def transfer(mongo, folder, count):
    """In, then out."""
    mongo.client.drop_database("bench_transfer")
    service = Instance(mongo, "bench_transfer", {
        "log_level": "warn", "tenants": {"self_service_plans": ["free", "enterprise"]}})
    path = os.path.join(folder, "users.ndjson")
    write_lines(path, count)
    try:
        service.start()
        owner = owner_of(service)
        bring_in(service, mongo, path, owner, count)
        take_out(service, mongo, owner, count)
    finally:
        service.close()
        mongo.client.drop_database("bench_transfer")
