"""The fault schedule: clients on two instances and three mongod while one thing after another breaks.

    ./dev soak --only chaos [--minutes 10]          as part of the long tests

Run by itself, --only names the faults; fill_disk needs root, restart_in_turn excludes the others.
"""
import argparse
import itertools
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

# pylint: disable=wrong-import-position
from support.chaos import Stage  # noqa: E402
from support.replica_set import ReplicaSet  # noqa: E402

#: A killed instance may take an answer with it, which without a grace period looks like theft.
GRACE = {"refresh_grace": 10}
FAULTS = ["kill_primary", "cut_streams", "step_down", "fail_commands", "freeze_primary",
          "block_commands", "kill_instance", "freeze_secondaries"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--pause", type=float, default=5, help="seconds between two faults")
    parser.add_argument("--only", default=",".join(FAULTS))
    parser.add_argument("--election-timeout-ms", type=int, default=2000)
    options = parser.parse_args()
    names = options.only.split(",")
    replica_set = ReplicaSet(options.election_timeout_ms,
                             disk_mb=600 if "fill_disk" in names else None)
    stage = None
    try:
        stage = Stage(replica_set, settings=GRACE if "kill_instance" in names else None,
                      balanced="restart_in_turn" in names)
        stage.start()
        end = time.monotonic() + options.minutes * 60
        for name in itertools.cycle(names):
            time.sleep(options.pause)
            if time.monotonic() > end:
                break
            began = time.monotonic()
            getattr(stage, name)()
            print(f"    {name}: whole after {time.monotonic() - began:.1f} s, "
                  f"{len(stage.record.violations)} violations so far", flush=True)
        violations = stage.verdict()
        print("\n".join("    " + line for line in stage.record.summary()))
        took, what = stage.record.slowest
        print(f"    slowest answer {took:.2f} s ({what}), "
              f"{len(stage.record.acknowledged)} acknowledged acts compared")
        for text in violations[:40]:
            print("    violation: " + text)
        print(f"chaos: {'1 passed, 0 failed' if not violations else '0 passed, 1 failed'}")
        return 1 if violations else 0
    finally:
        if stage is not None:
            stage.close()
        replica_set.close()


if __name__ == "__main__":
    os.environ.setdefault("MONGOC_DISABLE_SHM", "1")
    raise SystemExit(main())
