"""Imports of instances that are killed: no line is lost, none is taken twice (issue 6, proof).

At moments that nobody chose, twenty times: ./dev soak --only imports.
"""
import os
import random

from support.imports import Crashing


def test_killed_in_the_middle(instances, connect):
    """ADR 0023: the place is in the transaction of the lines before it."""
    crashing = Crashing(instances, connect, lines=2000)
    crashing.begin()
    crashing.kill_at(0.4)
    crashing.finish()


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
