"""A real fail-over: three mongod, two instances, clients that notice every broken promise.

G10, G12, G13, OP-5, OP-6, OP-8 in small; `./dev soak` runs the whole schedule for as long as wanted.
"""
import time

import pytest

from support import actors
from support.chaos import Stage
from support.replica_set import ReplicaSet

SMALL_CAST = [(actors.Registrar, 1), (actors.Refresher, 2), (actors.Revoker, 1), (actors.Patcher, 1)]


@pytest.fixture(scope="module")
def replica_set():
    made = ReplicaSet()
    yield made
    made.close()


#: Times what `./dev soak` demands: other tests run meanwhile.
PATIENCE = 10


def play(stage, faults):
    """Clients run, each fault comes and goes; whatever a client was told must have been true."""
    try:
        stage.start()
        for fault in faults:
            time.sleep(1)
            getattr(stage, fault)()
        assert not stage.verdict(), "\n".join(stage.record.violations[:20] + stage.record.summary())
        assert stage.record.acknowledged
    finally:
        stage.close()


def test_a_new_primary(replica_set):
    """kill -9 of the primary, an election by order, broken streams: only 503s, nothing lost or doubled,
    nobody logged out, no revocation late, whole without a restart."""
    play(Stage(replica_set, SMALL_CAST, patience=PATIENCE),
         ["kill_primary", "cut_streams", "step_down"])


def test_instances_are_restarted_in_turn(replica_set):
    """Behind a balancer not one request fails; a stall of the machine is no part of it."""
    play(Stage(replica_set, SMALL_CAST, balanced=True, patience=PATIENCE, limits={}),
         ["restart_in_turn"])
