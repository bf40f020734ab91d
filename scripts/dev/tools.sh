# The smaller commands: bench, soak, coverage, fmt, lint, clean.
# shellcheck shell=bash

cmd_bench() {
    dev_setup tests bench
    run_long bench "$@"
}

cmd_soak() {
    dev_setup tests fuzz
    run_long soak "$@"
}

# Which lines the suites reach. The floors are the issue tracker's: 85 % of our code, 95 % of what
# guards tokens, tenants and passwords.
cmd_coverage() {
    local suites=("$@") data=build/coverage
    ((${#suites[@]} > 0)) || suites=(unit api browser)
    TEST_PRESET=coverage
    dev_setup tests analyze
    find build/coverage -name '*.gcda' -delete 2>/dev/null || true
    (cmd_test "${suites[@]}") || warn "a suite failed: the figures below are lower than they could be"
    gcovr --root . --object-directory "$data" --exclude 'tests/' --exclude 'build/' --json-summary \
        "$data/summary.json" --html-details "$data/report.html" "$data" >"$LOG_DIR/gcovr.log" 2>&1 || {
        tail -n 5 "$LOG_DIR/gcovr.log" >&2
        die "gcovr failed"
    }
    "$PYTHON" scripts/dev/coverage.py "$data/summary.json"
    say "line by line: $data/report.html"
}

# run_long KIND [ARGS]: tests/KIND/run.py against a release build, with a database of its own.
run_long() {
    local kind=$1
    shift
    [[ -f tests/$kind/run.py ]] || die "there is no tests/$kind/run.py"
    test_scratch
    test_mongo_launch
    build release
    test_mongo_wait
    export TENANTD_ROOT=$ROOT TENANTD_BIN=$ROOT/build/release/tenantd
    [[ $kind != soak ]] || build fuzz
    "$VENV/bin/python" "tests/$kind/run.py" "$@"
}

c_files() {
    git ls-files --cached --others --exclude-standard -z -- '*.c' '*.h'
}

cmd_fmt() {
    dev_setup tests
    c_files | xargs -0 --no-run-if-empty clang-format -i
}

cmd_lint() {
    dev_setup tests
    lint "$@"
}

# lint [CHECK...]: the build directory is for the check that compiles each header.
lint() {
    configure dev
    "$PYTHON" tests/lint/lint.py --build build/dev "$@"
}

# Never touches what a running ./dev run or ./dev test uses.
cmd_clean() {
    case ${1:-} in
    "") ;;
    --all)
        if [[ -d $DEV_DIR ]]; then
            exec 9>"$DEV_DIR/run.lock"
            flock --nonblock 9 || die "a ./dev run is using $DEV_DIR: stop it first"
            test_sweep
            mongo_stop "$DEV_DIR/mongo"
            rm -rf "$DEV_DIR"
        fi
        ;;
    *) die "clean knows only --all" ;;
    esac
    rm -rf build
}
