"""Honest and dishonest clients on two instances while a three-node replica set breaks.

Stage prepares instances, tenant and actors; its faults are methods, so that a short test and a long
run differ in their schedule only. verdict() waits until everything is whole and compares what was
acknowledged with what is there.
"""
import collections
import contextlib
import os
import signal
import time

from . import actors
from .balancer import Balancer
from .history import Caller, Record
from .instance import SHIPPED_LIMITS, Instance, merged
from .mongo import Mongo

SETTINGS = {
    "password": {"scheme": "argon2id"},
    "server": {"public_url": "http://localhost:8080", "notice_ms": 1000},
    "tenants": {"self_service_plans": ["free", "enterprise"]},
    # A run of an hour is one address's work.
    "limits": {"requests_per_minute": 10000000, "sign_ins_per_minute": 1000000,
               "registrations_per_hour": 1000000, "tenants_per_day": 1000000,
               "tenants_per_hour": 1000000},
}
CAST = [(actors.Registrar, 2), (actors.Refresher, 4), (actors.Revoker, 2), (actors.Patcher, 2),
        (actors.Guesser, 1), (actors.TenantMaker, 1)]
#: "service whole <= 15 s at default election timeout (<= 5 s with 2 s)": G10, with the machine's share.
WHOLE_WITHIN = 20


class Stage:
    """Two instances on a replica set, and the clients."""

    def __init__(self, replica_set, cast=None, settings=None, balanced=False, patience=1.0,
                 limits=SHIPPED_LIMITS):
        self.set = replica_set
        self.balancer = None
        self.database = f"test_chaos_{os.getpid()}"
        self.record = Record(patience)
        self.instances_die = False
        self.instances = [Instance(replica_set, self.database, merged(SETTINGS, limits))
                          for _ in range(2)]
        for instance in self.instances:
            instance.start()
        if balanced:
            self.balancer = Balancer(self.instances)
        self.cast = []
        self.slug = "chaos"
        self._make_tenant(self.slug, settings)
        for kind, count in cast or CAST:
            self.cast += [kind(self.caller(), self.slug) for _ in range(count)]
        self.processes = [instance.process.pid for instance in self.instances]

    def caller(self):
        addresses = [("127.0.0.1", instance.port) for instance in self.instances]
        if self.balancer is not None:
            addresses = [("127.0.0.1", self.balancer.port)]
        return Caller(addresses, self.record, lambda: self.instances_die)

    def _make_tenant(self, slug, settings):
        call = self.caller()
        answer = call("setup", "POST", "/tenants/register", {201}, body={
            "tenant_name": "Chaos", "tenant_slug": slug, "admin_username": "owner",
            "admin_email": "owner@chaos.example", "admin_password": actors.PASSWORD,
            "plan": "enterprise"})
        assert answer.status == 201, answer.text
        if settings is None:
            return
        answer = call("setup", "POST", "/auth/login", {200}, tenant=slug, body={
            "email": "owner@chaos.example", "password": actors.PASSWORD})
        answer = call("setup", "PUT", "/tenants/settings", {200}, body={"settings": settings},
                      token=answer.json()["access_token"])
        assert answer.status == 200, answer.text

    def start(self):
        for actor in self.cast:
            actor.start()

    # -- faults ---------------------------------------------------------------------------------

    def kill_primary(self):
        """kill -9; it comes back after the others have elected."""
        node = self.set.kill_primary()
        self.wait_served()
        node.start()
        self.set.wait_whole()

    def step_down(self):
        self.set.step_down()
        self.wait_served()
        self.set.wait_whole()

    def freeze_primary(self, seconds=6):
        """SIGSTOP: to the others it is gone, to its clients it hangs."""
        node = self.set.pause_primary()
        time.sleep(seconds)
        node.signal(signal.SIGCONT)
        self.wait_served()
        self.set.wait_whole()

    def freeze_secondaries(self, seconds=4):
        """No majority: nothing may be acknowledged."""
        primary = self.set.wait_primary()
        others = [node for node in self.set.nodes if node is not primary]
        for node in others:
            node.signal(signal.SIGSTOP)
        time.sleep(seconds)
        for node in others:
            node.signal(signal.SIGCONT)
        self.wait_served()
        self.set.wait_whole()

    def fail_commands(self, seconds=4):
        """Errors of an election and broken connections, one after another."""
        commands = ["insert", "update", "find", "findAndModify", "commitTransaction", "aggregate"]
        for data in ({"errorCode": 11600}, {"errorCode": 189}, {"errorCode": 10107},
                     {"closeConnection": True}):
            with self.set.failing(commands, mode={"times": 40}, **data):
                time.sleep(seconds / 4)
        self.wait_served()

    def block_commands(self, seconds=5):
        with self.set.failing(["update", "insert", "findAndModify"], blockConnection=True,
                              blockTimeMS=3000):
            time.sleep(seconds)
        self.wait_served()

    def cut_streams(self, seconds=3):
        """The change streams of all instances end again and again."""
        with self.set.failing(["getMore"], closeConnection=True):
            time.sleep(seconds)
        self.wait_served()

    def fill_disk(self, seconds=6):
        """The primary's disk is full: mongod gives up there, and another takes over."""
        node = self.set.wait_primary()
        with self.set.full_disk(node):
            time.sleep(seconds)
        if not node.alive:
            node.start()
        self.wait_served()
        self.set.wait_whole()

    def kill_instance(self, number=None):
        """kill -9 of one instance; the other goes on, and it comes back."""
        number = int(time.monotonic() * 10) % 2 if number is None else number
        self.instances_die = True
        instance = self.instances[number]
        instance.kill()
        time.sleep(1)
        instance.start()
        self.processes[number] = instance.process.pid
        time.sleep(0.5)
        self.instances_die = False

    def restart_in_turn(self):
        """A rolling restart behind a balancer: no request fails, not even with 503."""
        self.record.strict = True
        for number, instance in enumerate(self.instances):
            instance.process.terminate()
            if instance.process.wait(30) != 0:
                self.record.violation("an instance did not end with 0")
            instance.start()
            self.processes[number] = instance.process.pid
            self.balancer.wait_all_up()
        self.record.strict = False

    # -- the end --------------------------------------------------------------------------------

    def wait_served(self):
        """Every instance answers ready again by itself."""
        limit = WHOLE_WITHIN * self.record.patience
        deadline = time.monotonic() + limit
        call = self.caller()
        for number in range(len(call.addresses)):
            while call("ready", "GET", "/ready", {200}, instance=number).status != 200:
                if time.monotonic() > deadline:
                    self.record.violation(f"instance {number} not ready {limit:.0f} s later")
                    return
                time.sleep(0.1)

    def verdict(self):
        """Ends the clients and returns all violations."""
        self.set.heal()
        self.set.wait_whole()
        self.wait_served()
        time.sleep(1)
        for actor in self.cast:
            actor.stop()
        for actor in self.cast:
            actor.join(30 * self.record.patience)
            if actor.is_alive():
                self.record.violation(f"{type(actor).__name__} hangs")
        self._check_database()
        for instance, pid in zip(self.instances, self.processes):
            if instance.process.poll() is not None or instance.process.pid != pid:
                self.record.violation("an instance ended by itself")
        return self.record.violations

    def _check_database(self):
        database = self.set.client.get_database(self.database)
        tenant = database.tenants.find_one({"slug": self.slug})
        users = database["users_" + tenant["_id"].hex]
        for actor in self.cast:
            if isinstance(actor, (actors.Registrar, actors.Patcher)):
                actor.check(users)
            elif isinstance(actor, actors.TenantMaker):
                actor.check(database)
        self._check_audit(database, tenant)

    def _check_audit(self, database, tenant):
        """Each acknowledged act has its one row (AL-2)."""
        rows = collections.Counter(
            (row["request_id"], row["action"]) for row in database.audit_logs.find(
                {"tenant_id": tenant["_id"], "status": "success"}, {"request_id": 1, "action": 1})
            if "request_id" in row)
        for act in self.record.acknowledged:
            if rows[act] != 1:
                self.record.violation(f"acknowledged {act[1]} has {rows[act]} audit rows")

    def close(self):
        for actor in self.cast:
            actor.stop()
        problems = []
        if self.balancer is not None:
            self.balancer.close()
        for instance in self.instances:
            try:
                instance.close()
            except AssertionError as error:
                problems.append(str(error))
        with contextlib.suppress(Exception):
            Mongo.drop(self.set, self.database)
        assert not problems, "\n".join(problems)
