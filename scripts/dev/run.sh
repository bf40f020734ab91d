# ./dev run: from a clean clone to a served demo, and all of it stopped again on Ctrl-C.
# shellcheck shell=bash

cmd_run() {
    (($# == 0)) || die "run takes no arguments; ports come from the environment (./dev help)"
    export PORT=${PORT:-8080} EXTRA_PORT=${EXTRA_PORT:-5000} METRICS_PORT=${METRICS_PORT:-9464}
    SERVICE_PID=""

    make_dev_dir
    run_lock
    run_sweep
    need_port PORT
    need_port EXTRA_PORT
    need_port METRICS_PORT
    dev_setup
    run_master_key
    run_platform_key

    trap run_stop EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    run_mongo_launch # starts up while we build
    build dev-fast
    run_mongo_wait
    run_seed
    run_serve
}

# One ./dev run per DEV_DIR: a second one would stop the first one's database.
run_lock() {
    exec 9>"$DEV_DIR/run.lock"
    flock --nonblock 9 ||
        die "another ./dev run is using $DEV_DIR: stop it, or set DEV_DIR to another directory"
}

# We hold the lock, so a service that still runs is what a killed ./dev run left behind.
run_sweep() {
    local pid
    if pid=$(pid_of "$DEV_DIR/tenantd.pid") && grep -qzF "$ROOT" "/proc/$pid/cmdline"; then
        say "stopping the tenantd that an earlier ./dev run left (process $pid)"
        stop_pid "$pid" 15
    fi
    rm -f "$DEV_DIR/tenantd.pid"
}

run_master_key() {
    export MASTER_KEY_FILE=${MASTER_KEY_FILE:-$DEV_DIR/master.key}
    [[ ! -s $MASTER_KEY_FILE ]] || return 0
    say "making a master key: $MASTER_KEY_FILE"
    (umask 077 && head -c 32 /dev/urandom | base64 >"$MASTER_KEY_FILE")
}

# The first start writes it; a database that is made anew gets the old one.
run_platform_key() {
    export PLATFORM_KEY_FILE=${PLATFORM_KEY_FILE:-$DEV_DIR/platform-key}
    [[ -z ${PLATFORM_KEY:-} ]] || unset PLATFORM_KEY_FILE
}

run_seed() {
    TENANTD=$ROOT/build/dev-fast/tenantd
    "$TENANTD" migrate up >"$LOG_DIR/migrate.log" 2>&1 || {
        tail -n 20 "$LOG_DIR/migrate.log" >&2
        die "tenantd migrate up failed"
    }
    "$TENANTD" seed demo --json >"$DEV_DIR/demo.json" 2>"$LOG_DIR/seed.log" || {
        tail -n 20 "$LOG_DIR/seed.log" >&2
        die "tenantd seed demo failed"
    }
}

run_serve() {
    local log=$LOG_DIR/tenantd.log status=0
    run_remember
    # A session of its own: Ctrl-C reaches us alone, and we stop the service before its database.
    setsid "$TENANTD" serve </dev/null >"$log" 2>&1 9>&- &
    SERVICE_PID=$!
    echo "$SERVICE_PID" >"$DEV_DIR/tenantd.pid"
    run_until_ready "$log"
    "$PYTHON" scripts/dev/welcome.py "$DEV_DIR/demo.json" "$log"
    wait "$SERVICE_PID" || status=$?
    SERVICE_PID=""
    tail -n 5 "$log" >&2
    die "tenantd ended by itself (status $status); its log is $log"
}

# What config.yaml reads from the environment, for ./dev tenantd in another terminal.
run_remember() {
    local name
    settings_of_environment | while read -r name; do
        [[ ! -v $name ]] || printf 'export %s=%q\n' "$name" "${!name}"
    done | (umask 077 && cat >"$DEV_DIR/run.env")
}

# ./dev tenantd COMMAND: a command of tenantd on what ./dev run serves.
cmd_tenantd() {
    pid_of "$DEV_DIR/tenantd.pid" >/dev/null || die "nothing is served: start ./dev run first"
    # shellcheck source=/dev/null
    source "$DEV_DIR/run.env"
    exec build/dev-fast/tenantd "$@"
}

run_until_ready() {
    local log=$1 tries=1200
    until curl -fsS -o /dev/null --max-time 2 "http://127.0.0.1:$PORT/ready" 2>/dev/null; do
        if ! kill -0 "$SERVICE_PID" 2>/dev/null || ((tries-- == 0)); then
            tail -n 20 "$log" >&2
            die "tenantd did not get ready; its log is $log"
        fi
        sleep 0.05
    done
}

# In this order: a service without its database would only log errors.
run_stop() {
    trap '' INT TERM
    if [[ -n $SERVICE_PID ]]; then
        say "stopping tenantd"
        stop_pid "$SERVICE_PID" 15
        rm -f "$DEV_DIR/tenantd.pid"
    fi
    run_mongo_stop
}
