"""Imports of instances that are killed: no line is lost, none is taken twice (issue 6, proof).

At moments that nobody chose, twenty times: ./dev soak --only imports.
"""
import datetime
import os
import random

from support.check import until
from support.imports import Crashing
from support.world import key_of


def test_killed_in_the_middle(instances, connect):
    """ADR 0023: the place is in the transaction of the lines before it."""
    crashing = Crashing(instances, connect, lines=2000)
    crashing.begin()
    crashing.kill_at(0.4)
    crashing.finish()


def test_what_a_key_began_ends_with_it(instances, connect):
    """A revoked key writes nobody any more, whichever instance goes on with its import."""
    crashing = Crashing(instances, connect, lines=3000)
    crashing.world.login(crashing.tenant.owner)
    key = key_of(crashing.world.api, crashing.tenant, "users:write")

    def revoke():
        crashing.db.access_keys.update_one({"label": {"$regex": "^key"}}, {"$set": {
            "revoked_at": datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=1)}})

    crashing.begin(key)
    crashing.kill_at(0.1, revoke)
    until(lambda: crashing.job()["state"] not in ("queued", "running"), seconds=60)
    job = crashing.job()
    assert (job["state"], job["error"]) == ("failed", "invalid_access_key"), job
    assert "mode=skip" in job["message"]
    assert crashing.db[crashing.tenant.collection].count_documents({"role": "user"}) < 3000 * 6 // 7


def test_killed_at_any_moment(instances, connect):
    """Only the long run: rounds with a seed that it prints."""
    rounds = int(os.environ.get("TENANTD_IMPORT_ROUNDS", "0"))
    if rounds == 0:
        return
    seed = int(os.environ.get("TENANTD_SEED", random.randrange(10**9)))
    print(f"TENANTD_SEED={seed}")
    rng = random.Random(seed)
    crashing = Crashing(instances, connect, lines=3000)
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        crashing.round(rng)
