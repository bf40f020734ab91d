# The smaller commands: bench, soak, fmt, lint, clean.
# shellcheck shell=bash

cmd_bench() {
    dev_setup tests bench
    run_long bench "$@"
}

cmd_soak() {
    dev_setup tests fuzz
    run_long soak "$@"
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
