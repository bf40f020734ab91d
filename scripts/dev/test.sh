# ./dev test: the suites, each with one closing line, against a database of its own.
# shellcheck shell=bash

SUITES=(lint unit fuzz api browser)
MORE_SUITES=(examples) # only when they are named: they install a lot
TEST_PRESET=dev # ./dev coverage takes another

cmd_test() {
    local suites=() failed=() suite
    while (($# > 0)) && is_suite "$1"; do
        suites+=("$1")
        shift
    done
    if ((${#suites[@]} == 0)); then
        (($# == 0)) || die "'$1' is no suite: the suites are ${SUITES[*]} ${MORE_SUITES[*]}"
        suites=("${SUITES[@]}")
    fi

    [[ "${suites[*]} ${1:-}" != examples\ --help ]] || {
        examples_usage
        return
    }
    [[ " ${suites[*]} " != *" examples "* ]] || dev_setup tests examples
    dev_setup tests
    test_setup "${suites[@]}"
    for suite in "${suites[@]}"; do
        say "$suite"
        "test_$suite" "$@" || failed+=("$suite")
    done
    ((${#failed[@]} == 0)) || die "failed: ${failed[*]}"
}

is_suite() {
    [[ " ${SUITES[*]} ${MORE_SUITES[*]} " == *" $1 "* ]]
}

# Takes away what config.yaml reads from the environment: tests begin with its defaults, whatever
# the caller has set for ./dev run.
forget_settings() {
    local name
    while read -r name; do
        unset "$name"
    done < <(settings_of_environment)
}

# What the suites share. Sanitizers stop at the first finding, so that no test can pass over one.
test_setup() {
    forget_settings
    export TENANTD_ROOT=$ROOT TENANTD_BIN=$ROOT/build/$TEST_PRESET/tenantd
    export ASAN_OPTIONS=detect_leaks=1:halt_on_error=1:abort_on_error=1
    export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

    test_scratch
    local targets=() suite
    for suite in "$@"; do
        case $suite in
        unit) targets+=(unit_tests) ;;
        fuzz) targets+=(fuzz_targets) ;;
        api) targets+=(tenantd differential_programs) ;;
        browser | examples) targets+=(tenantd) ;;
        esac
        [[ $suite == lint || $suite == fuzz ]] || test_mongo_launch
    done
    ((${#targets[@]} == 0)) || build "$TEST_PRESET" "${targets[@]}"
    test_mongo_wait
}

# Sets TEST_DIR and TEST_DATA_DIR, which go at the end together with the databases in them.
test_scratch() {
    test_sweep
    TEST_MONGO_PORT=""
    TEST_DIR=$(mktemp -d "$DEV_DIR/test-XXXXXX")
    echo $$ >"$TEST_DIR/owner.pid"
    TEST_DATA_DIR=$(mktemp -d "$(test_data_parent)/tenantd-data-XXXXXX")
    export TEST_DATA_DIR # for the databases that single tests start
    ln -s "$TEST_DATA_DIR" "$TEST_DIR/data"
    mkdir "$TEST_DIR/mongo" "$TEST_DATA_DIR/mongo"
    ln -s "$TEST_DATA_DIR/mongo" "$TEST_DIR/mongo/data"
    trap test_stop EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# In memory where there is plenty: a new database is a hundred files, each synced to the disk.
test_data_parent() {
    local memory shared
    memory=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
    shared=$(df --output=avail /dev/shm 2>/dev/null | tail -n 1)
    if ((${memory:-0} > 8000000 && ${shared:-0} > 4000000)) && [[ -w /dev/shm ]]; then
        echo /dev/shm
    else
        echo "$DEV_DIR"
    fi
}

test_stop() {
    trap '' INT TERM
    mongo_stop "$TEST_DIR/mongo"
    stop_mongods_of "$TEST_DATA_DIR"
    rm -rf "$TEST_DATA_DIR" "$TEST_DIR"
}

# stop_mongods_of DIRECTORY: those that tests started below it and had no time to end.
stop_mongods_of() {
    local file
    for file in /proc/[0-9]*/cmdline; do
        if tr '\0' ' ' 2>/dev/null <"$file" | grep -qF -- "--dbpath $1/"; then
            kill -KILL "$(basename "$(dirname "$file")")" 2>/dev/null || true
        fi
    done
}

# Removes what an earlier run left that was killed before its trap could.
test_sweep() {
    local left
    for left in "$DEV_DIR"/test-*/; do
        [[ -f $left/owner.pid ]] || continue
        ! pid_of "$left/owner.pid" >/dev/null || continue
        mongo_stop "${left}mongo"
        [[ ! -L ${left}data ]] || stop_mongods_of "$(readlink "${left}data")"
        [[ ! -L ${left}data ]] || rm -rf "$(readlink "${left}data")"
        rm -rf "$left"
    done
}

# ---- the database ----------------------------------------------------------------------------

test_mongo_launch() {
    [[ -z ${TEST_MONGODB_URI:-}$TEST_MONGO_PORT ]] || return 0
    find_mongod
    TEST_MONGO_PORT=$(free_port)
    mongo_launch "$TEST_DIR/mongo" "$TEST_MONGO_PORT" --setParameter enableTestCommands=1
}

# Another process may take the port between our look and mongod's bind: then once more.
test_mongo_wait() {
    [[ -n $TEST_MONGO_PORT ]] || return 0
    if ! mongo_wait "$TEST_DIR/mongo" "$TEST_MONGO_PORT"; then
        mongo_stop "$TEST_DIR/mongo"
        TEST_MONGO_PORT=""
        test_mongo_launch
        mongo_wait "$TEST_DIR/mongo" "$TEST_MONGO_PORT" || {
            tail -n 5 "$TEST_DIR/mongo/mongod.log" >&2
            die "MongoDB did not start"
        }
    fi
    export DATABASE_CALL_TIMEOUT_MS=20000 # for whoever reads config.yaml: a stall is no failure
    export TEST_MONGODB_URI="mongodb://127.0.0.1:$TEST_MONGO_PORT/?replicaSet=rs0"
}

# ---- the suites ------------------------------------------------------------------------------

test_lint() {
    lint "$@"
}

test_unit() {
    run_ctest unit unit "$@"
}

test_fuzz() {
    run_ctest fuzz fuzz-regress "$@"
}

test_api() {
    # Four at a time, for two cores: many tests wait. Unless the caller wants something special.
    (($# > 0)) || set -- -n 4
    run_pytest api "$@"
}

test_browser() {
    # Three at a time, for two cores: each waits for its browser as long as for itself.
    (($# > 0)) || set -- -n 3 --dist loadfile
    run_pytest browser "$@"
}

# run_ctest SUITE LABEL [ARGS]: -k, as for pytest, selects by name.
run_ctest() {
    local suite=$1 label=$2 report=$TEST_DIR/$1.xml args=()
    shift 2
    for arg in "$@"; do
        [[ $arg != -k ]] || arg=-R
        args+=("$arg")
    done
    ctest --test-dir "build/$TEST_PRESET" --label-regex "^$label\$" --parallel 4 --output-on-failure \
        --output-junit "$report" --test-output-size-passed 1000000 "${args[@]}" || true
    closing_line "$suite" "$report"
}

run_pytest() {
    local suite=$1 report=$TEST_DIR/$1.xml where=("tests/$1") arg
    shift
    for arg in "$@"; do
        # A file or file::test among the arguments replaces the whole directory.
        [[ $arg != tests/* || ! -e ${arg%%::*} ]] || where=()
    done
    if [[ -d tests/$suite ]]; then
        "$VENV/bin/python" -m pytest "${where[@]}" --junitxml "$report" --quiet "$@" || true
    fi
    closing_line "$suite" "$report"
}

# closing_line SUITE REPORT: "SUITE: N passed, N failed"; false when one failed or none ran.
closing_line() {
    "$PYTHON" scripts/dev/closing_line.py "$1" "$2"
}
