"""32 at once on two instances of one installation, again and again.

    @race                      # evaluated once in ./dev test, TENANTD_ROUNDS times in ./dev soak
    def test_refresh(racers, place):
        answers = racers.race(lambda api, number: api.post(…))

A round in which an instance said 503 decides nothing: it is run again, with objects of its own.
"""
import functools
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from .api import Api

PARALLEL = 32
ROUNDS = int(os.environ.get("TENANTD_ROUNDS", "1"))
#: How many rounds in a row may decide nothing.
PATIENCE = 8


class Busy(Exception):
    """An instance said 503: honest on a crowded machine, but then the round decides nothing."""


def until_decided(test, *args, **options):
    """Runs the test until a round was evaluated as a whole; how many were not."""
    for undecided in range(PATIENCE):
        try:
            test(*args, **options)
            return undecided
        except Busy:
            pass
    raise AssertionError(f"the instances were too busy {PATIENCE} times in a row")


def race(test=None, *, short=1):
    """A test of one round; short: how many ./dev test runs."""
    if test is None:
        return functools.partial(race, short=short)
    rounds = max(ROUNDS, short)

    @functools.wraps(test)
    def again(*args, **options):
        undecided = sum(until_decided(test, *args, **options) for _ in range(rounds))
        print(f"{test.__name__}: {rounds} rounds of {PARALLEL} held, {undecided} undecided")
    return pytest.mark.race(again)


class Racers:
    """Threads with a connection each, alternating between two instances."""

    def __init__(self, pair):
        self.apis = [Api(pair[number % 2].instance, pair[number % 2].contract)
                     for number in range(PARALLEL)]
        self.pool = ThreadPoolExecutor(PARALLEL)
        for api in self.apis:  # connected before the start
            api.get("/health")

    def race(self, request):
        """request(api, number) for all at once; the answers."""
        barrier = threading.Barrier(PARALLEL)

        def run(number):
            barrier.wait()
            return request(self.apis[number], number)

        answers = list(self.pool.map(run, range(PARALLEL)))
        if any(answer.status_code == 503 for answer in answers):
            raise Busy
        return answers

    def close(self):
        self.pool.shutdown()
        for api in self.apis:
            api.close()


def statuses(answers):
    """{status: how many}"""
    found = {}
    for answer in answers:
        found[answer.status_code] = found.get(answer.status_code, 0) + 1
    return found
