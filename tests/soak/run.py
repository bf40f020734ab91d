"""The long runs: every fuzz target for a while, the races and faults again and again, malformed requests
among good ones, then chaos.

    ./dev soak [--fuzz-seconds 60] [--rounds 50] [--malformed 20000] [--minutes 10]
               [--only fuzz,races,faults,malformed,chaos]

A crash is written below tests/fuzz/regression/<target>/, where ./dev test replays it from then on.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(os.environ.get("TENANTD_ROOT", pathlib.Path(__file__).resolve().parents[2]))
FUZZ = ROOT / "tests" / "fuzz"


def targets():
    build = ROOT / "build" / "fuzz"
    return sorted(path for path in build.rglob("fuzz_*") if path.is_file() and os.access(path, os.X_OK))


def fuzz(options):
    """True when no target found anything."""
    failed = []
    for program in targets():
        name = program.name.removeprefix("fuzz_")
        regression = FUZZ / "regression" / name
        regression.mkdir(parents=True, exist_ok=True)
        dictionary = FUZZ / "dictionaries" / f"{name}.dict"
        with tempfile.TemporaryDirectory(prefix="tenantd-fuzz-") as found:
            command = [str(program), f"-max_total_time={options.fuzz_seconds}", "-rss_limit_mb=2048",
                       "-timeout=10", f"-artifact_prefix={regression}/", "-print_final_stats=1", found,
                       str(FUZZ / "corpus" / name)]
            if dictionary.exists():
                command.insert(1, f"-dict={dictionary}")
            print(f"==> fuzz {name} for {options.fuzz_seconds} s", flush=True)
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        runs = [line for line in done.stderr.splitlines() if "number_of_executed_units" in line]
        print("    " + (runs[0].split(":", 1)[1].strip() + " runs" if runs else done.stderr[-2000:]))
        if done.returncode != 0:
            failed.append(name)
            print(done.stderr[-4000:])
        if not any(regression.iterdir()):
            regression.rmdir()
    print(f"fuzz: {len(targets()) - len(failed)} passed, {len(failed)} failed", flush=True)
    return not failed


def again(files, options):
    """Runs test files options.rounds times; stops at the first failure."""
    for number in range(options.rounds):
        print(f"==> round {number + 1} of {options.rounds}: {' '.join(files)}", flush=True)
        done = subprocess.run([sys.executable, "-m", "pytest", "-q", *files], cwd=ROOT, check=False)
        if done.returncode != 0:
            return False
    return True


def chaos(options):
    """The schedule of faults, a rolling restart, and a full disk where this user may mount one."""
    share = {"kill_primary,cut_streams,step_down,fail_commands,freeze_primary,block_commands,"
             "freeze_secondaries": 0.5, "kill_instance": 0.2, "restart_in_turn": 0.2}
    if os.geteuid() == 0:
        share["fill_disk"] = 0.1
    good = True
    for faults, part in share.items():
        print(f"==> chaos for {options.minutes * part:.1f} minutes: {faults}", flush=True)
        command = [sys.executable, str(ROOT / "tests/soak/chaos.py"), "--only", faults,
                   "--minutes", str(options.minutes * part)]
        good = subprocess.run(command, cwd=ROOT, check=False).returncode == 0 and good
    return good


def malformed(options):
    print(f"==> {options.malformed} malformed requests among good ones", flush=True)
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-rP", "tests/api/test_malformed.py"],
                          cwd=ROOT, check=False,
                          env=dict(os.environ, MALFORMED_REQUESTS=str(options.malformed)))
    return done.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fuzz-seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--malformed", type=int, default=20000, help="requests among good ones")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--only", default="fuzz,races,faults,malformed,chaos")
    options = parser.parse_args()
    wanted = options.only.split(",")
    good = fuzz(options) if "fuzz" in wanted else True
    if "races" in wanted:
        good = again(["tests/api/test_races.py", "tests/api/test_revocation.py"], options) and good
    if "faults" in wanted:
        good = again(["tests/api/test_faults.py"], options) and good
    if "malformed" in wanted:
        good = malformed(options) and good
    if "chaos" in wanted:
        good = chaos(options) and good
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
