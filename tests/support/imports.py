"""An import whose instances are killed, and what must be true when it is over all the same."""
import json
import random
import time
import uuid

from .check import until
from .world import World, unique

#: So that the next instance does not wait long for the lease of the one that died; and an upload may
#: take longer than a request.
QUICK = {"jobs": {"lease_ms": 500}}
SHORT = {"server": {"request_timeout_ms": 1000}}


def lines_of(count):
    """One user a line; every seventh line is a mistake, and every eleventh repeats an address."""
    lines = []
    for number in range(count):
        user = {"email": f"crash{number}@x.example", "username": f"crash{number}",
                "custom_fields": {"number": number}}
        if number % 7 == 6:
            user["role"] = "king"
        elif number % 11 == 10:
            user["email"] = "crash0@x.example"
        lines.append(json.dumps(user))
    return "\n".join(lines).encode()


def expected(count):
    """(created, failed)"""
    failed = sum(1 for number in range(count) if number % 7 == 6 or number % 11 == 10)
    return count - failed, failed


class Crashing:
    """One tenant on one database; each round imports into it, and removes what it brought."""

    def __init__(self, instances, connect, lines):
        # A killed instance leaves its transaction on the server for a while, and until then nobody
        # can drop the database: it goes with the server.
        self.instance = instances(QUICK, database=unique("test_crash_"))
        self.connect, self.lines = connect, lines
        self.world = World(connect(self.instance))
        self.tenant = self.world.tenant()
        self.db = self.instance.db
        self.world.login(self.tenant.owner)
        self.instance.reload_as(SHORT)

    def job(self):
        return self.db.jobs.find_one({"tenant_id": uuid.UUID(self.tenant.id)},
                                     sort=[("created_at", -1)])

    def slowly(self):
        text = lines_of(self.lines)
        yield text[:1000]
        time.sleep(1.3)
        yield text[1000:]

    def begin(self):
        """Again where the machine was too slow for a request of that time."""
        known = self.job()

        def begun():
            answer = self.world.api.post(
                "/users/import", token=self.tenant.owner.token, content=self.slowly(),
                headers={"Content-Type": "application/x-ndjson"})
            assert answer.status_code in (202, 503), answer.text
            return self.job() != known
        until(begun, 20)

    def kill_when(self, check):
        until(check, seconds=30, pause=0.002)
        self.instance.kill()
        self.instance.start()

    def kill_at(self, share):
        """When so much of it is done, or it is over."""
        self.kill_when(lambda: self.job()["state"] != "queued" and
                       (self.job().get("done", 0) >= share * self.lines or
                        self.job()["state"] == "done"))

    def kill_after(self, seconds):
        began = time.monotonic()
        self.kill_when(lambda: time.monotonic() - began >= seconds)

    def finish(self):
        """Everything is there once, and what counts it agrees."""
        until(lambda: self.job()["state"] not in ("queued", "running"), seconds=60)
        job, (created, failed) = self.job(), expected(self.lines)
        assert job["state"] == "done", job
        assert (job["result"]["created"], job["result"]["failed"]) == (created, failed)
        assert job["done"] == self.lines
        users = self.db[self.tenant.collection]
        numbers = [user["custom_fields"]["number"] for user in users.find({"role": "user"})]
        assert sorted(numbers) == [number for number in range(self.lines)
                                   if number % 7 != 6 and number % 11 != 10]
        told = [entry["line"] for entry in job["result"]["errors"]]
        assert told == [number + 1 for number in range(self.lines)
                        if number % 7 == 6 or number % 11 == 10][:1000]
        tenant = uuid.UUID(self.tenant.id)
        usage = self.db.tenant_usage.find_one({"_id": tenant})
        assert usage["users"] == created + 1, usage
        rows = {}
        for row in self.db.audit_logs.find({"tenant_id": tenant, "timestamp":
                                            {"$gte": job["created_at"]}}):
            rows[row["action"]] = rows.get(row["action"], 0) + row.get("count", 1)
        assert rows["users.imported"] == created
        assert rows["import.started"] == rows["import.ended"] == 1
        until(lambda: self.db.import_chunks.count_documents({}) == 0)

    def clear(self):
        users = self.db[self.tenant.collection]
        gone = users.delete_many({"role": "user"}).deleted_count
        self.db.tenant_usage.update_one({"_id": uuid.UUID(self.tenant.id)},
                                        {"$inc": {"users": -gone}})

    def round(self, rng=random):
        """One import, killed up to three times at moments that nobody chose."""
        self.begin()
        for _ in range(rng.randint(1, 3)):
            self.kill_after(rng.uniform(0, 0.6))
        self.finish()
        self.clear()
