"""The long runs: every fuzz target for a while, the races and faults again and again, the long versions
of tests that ./dev test runs in part, malformed requests among good ones, then chaos.

    ./dev soak [--fuzz-seconds 60] [--targets cookie,host] [--rounds 50] [--malformed 20000]
               [--minutes 10] [--only fuzz,races,faults,long,malformed,torture,programs,imports,keycloak,
               memcheck,chaos]

A crash is written below tests/fuzz/regression/<target>/, where ./dev test replays it from then on.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(os.environ.get("TENANTD_ROOT", pathlib.Path(__file__).resolve().parents[2]))
FUZZ = ROOT / "tests" / "fuzz"


BUILD = ROOT / "build" / "fuzz"
#: Tests that ./dev test runs in part: all of it with TENANTD_LONG, or with more rounds.
LONG_API = ["tests/api/test_nosql.py", "tests/api/test_users_filter.py", "tests/api/test_shapes.py", "tests/api/test_migrations.py",
            "tests/api/test_isolation_matrix.py", "tests/api/test_audit_verify.py",
            "tests/api/test_users_import.py", "tests/api/test_custom_validator.py"]
#: What goes through most of the data layer and of the libraries behind it.
MEMCHECK = [f"tests/api/test_{name}.py" for name in (
    "auth_flow", "backchannel_logout", "cli_doctor", "cli_keys", "custom_indexes", "custom_validator",
    "encrypted_fields", "end_session", "idempotency", "oauth_tokens", "platform", "profiles",
    "publication", "tenant_life", "tenant_users", "users_export", "users_import", "users_list")]
LONG_UNIT = ["unit_app_test_jws_forged"]
#: As docs/recipes/oauth2-proxy.md says that it was checked.
OAUTH2_PROXY = "github.com/oauth2-proxy/oauth2-proxy/v7@v7.8.1"


def targets(names):
    """The programs of all targets, or of those that were named."""
    found = {path.name.removeprefix("fuzz_"): path for path in sorted(BUILD.rglob("fuzz_*"))
             if path.is_file() and os.access(path, os.X_OK)}
    unknown = set(names) - set(found)
    assert not unknown, f"no such fuzz targets: {sorted(unknown)}"
    return [found[name] for name in names or found]


def fuzz(options):
    """True when no target found anything."""
    failed = []
    programs = targets([name for name in options.targets.split(",") if name])
    for program in programs:
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
    print(f"fuzz: {len(programs) - len(failed)} passed, {len(failed)} failed", flush=True)
    return not failed


def again(files, rounds):
    """Runs test files so many times; stops at the first failure."""
    for number in range(rounds):
        print(f"==> round {number + 1} of {rounds}: {' '.join(files)}", flush=True)
        done = subprocess.run([sys.executable, "-m", "pytest", "-q", *files], cwd=ROOT, check=False)
        if done.returncode != 0:
            return False
    return True


def pytest(arguments, limit=None, **variables):
    """limit: seconds after which it is ended."""
    try:
        done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-rP", *arguments], cwd=ROOT,
                              check=False, env=os.environ | variables, timeout=limit)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def races(options):
    """Every race so many rounds on two instances, which are started once; then news of revocations."""
    print(f"==> {options.rounds} rounds of each race", flush=True)
    good = pytest(["-m", "race", "tests/api"], TENANTD_ROUNDS=str(options.rounds))
    return again(["tests/api/test_revocation.py"], max(1, options.rounds // 10)) and good


def long(_):
    """What takes too long for ./dev test."""
    print(f"==> whole: {' '.join(LONG_API + LONG_UNIT)}", flush=True)
    good = pytest(LONG_API, TENANTD_LONG="1")
    good = pytest(["tests/api/test_idempotency.py"], TENANTD_ROUNDS="5") and good
    good = pytest(["tests/api/test_publication.py"], TENANTD_LONG="1", TENANTD_ROUNDS="20") and good
    for name in LONG_UNIT:
        done = subprocess.run([BUILD / "tests" / name], check=False,
                              env=os.environ | {"TENANTD_LONG": "1"})
        good = good and done.returncode == 0
    return good


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
    return pytest(["tests/api/test_malformed.py"], MALFORMED_REQUESTS=str(options.malformed))


def faults(options):
    return again(["tests/api/test_faults.py"], options.rounds)


def torture(options):
    """Every database call and allocation of every route fails, or its answer is lost."""
    del options
    print("==> every failing call and allocation of every route", flush=True)
    done = subprocess.run([str(ROOT / "dev"), "test", "unit", "-k", "torture"], cwd=ROOT, check=False,
                          env=dict(os.environ, TENANTD_LONG="1"))
    return done.returncode == 0


def programs(options):
    """The recipe of oauth2-proxy with the program itself, which go builds into .dev/."""
    del options
    print(f"==> {OAUTH2_PROXY}", flush=True)
    tools = ROOT / ".dev" / "tools"
    if not (tools / "oauth2-proxy").exists():
        module = subprocess.run(["go", "mod", "download", "-json", OAUTH2_PROXY], check=True,
                                capture_output=True, text=True).stdout
        subprocess.run(["go", "build", "-C", json.loads(module)["Dir"], "-o", tools / "oauth2-proxy", "."],
                       check=True)
    return pytest(["tests/browser/test_recipes.py"], PATH=f"{tools}:{os.environ['PATH']}")


def imports(options):
    """Imports whose instances are killed at moments that nobody chose."""
    return pytest(["tests/api/test_users_import_crash.py"],
                  TENANTD_IMPORT_ROUNDS=str(min(options.rounds, 20)))


def keycloak(_):
    """A realm that Keycloak itself exports; needs mvn and JDK 17."""
    return pytest(["tests/api/test_users_import_keycloak.py"], TENANTD_KEYCLOAK="1")


def findings(folder):
    """What valgrind says, but for the one byte before a buffer that find_start looks at on purpose."""
    for path in sorted(folder.glob("*.log")):
        for block in re.split(r"\n==\d+== \n", path.read_text(errors="replace")):
            if re.search(r"==\d+== +at ", block) and "find_start" not in block:
                yield block


def memcheck(_):
    """The release build under valgrind: libraries are not built with sanitizers, so only this sees them
    use memory of ours that is gone. Tests fail of its slowness; what it finds decides."""
    if shutil.which("valgrind") is None:
        print("memcheck: needs valgrind: apt-get install valgrind", flush=True)
        return False
    with tempfile.TemporaryDirectory(prefix="tenantd-memcheck-") as name:
        folder = pathlib.Path(name)
        wrapper = folder / "tenantd"
        wrapper.write_text("#!/bin/sh\nexec valgrind -q --num-callers=20 --log-file="
                           f'"{folder}/%p.log" "{ROOT}/build/release/tenantd" "$@"\n')
        wrapper.chmod(0o755)
        pytest(["--no-header", "--tb=no", *MEMCHECK], limit=5400, TENANTD_BIN=str(wrapper))
        found, runs = list(findings(folder)), len(list(folder.glob("*.log")))
    print("\n\n".join(found[:10]) + f"\nmemcheck: {runs} processes, {len(found)} findings", flush=True)
    return runs > 0 and not found


PARTS = {"fuzz": fuzz, "races": races, "faults": faults, "long": long, "malformed": malformed,
         "torture": torture, "programs": programs, "imports": imports, "keycloak": keycloak,
         "memcheck": memcheck, "chaos": chaos}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fuzz-seconds", type=int, default=60)
    parser.add_argument("--targets", default="", help="fuzz targets, all when not given")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--malformed", type=int, default=20000, help="requests among good ones")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--only", default=",".join(PARTS))
    options = parser.parse_args()
    wanted = options.only.split(",")
    unknown = set(wanted) - set(PARTS)
    if unknown:
        parser.error(f"no such parts: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    good = [part(options) for name, part in PARTS.items() if name in wanted]
    return 0 if all(good) else 1


if __name__ == "__main__":
    raise SystemExit(main())
