# Shared by all parts of ./dev: messages, processes by id, ports.
# shellcheck shell=bash

DEV_DIR=${DEV_DIR:-$ROOT/.dev}
[[ $DEV_DIR == /* ]] || DEV_DIR=$ROOT/$DEV_DIR
export DEV_DIR
# The driver keeps counters in /dev/shm by process id: what a killed process left there makes the next one
# with its id write a plain line before its own log begins.
export MONGOC_DISABLE_SHM=1
LOG_DIR=$DEV_DIR/log
# shellcheck disable=SC2034
VENV=$DEV_DIR/venv

# Debian's python3 has Debian's modules; another python3 that comes first in PATH has not.
PYTHON=/usr/bin/python3
[[ -x $PYTHON ]] || PYTHON=python3

say() { printf '==> %s\n' "$*"; }
warn() { printf 'dev: %s\n' "$*" >&2; }
die() {
    warn "$*"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Leaves DEV_DIR only when something is written to it.
make_dev_dir() { mkdir -p "$LOG_DIR"; }

# The names that config.yaml reads from the environment.
settings_of_environment() { grep -oE '\$\{[A-Z_]+' config.yaml | cut -c 3- | sort -u; }

# ---- processes -------------------------------------------------------------------------------

# pid_of FILE: the process id stored in FILE, when that process lives.
pid_of() {
    local pid
    [[ -s $1 ]] || return 1
    read -r pid <"$1" || true
    [[ $pid =~ ^[0-9]+$ ]] && kill -0 "$pid" 2>/dev/null && printf '%s' "$pid"
}

# stop_pid PID SECONDS: asks a process to end, insists after SECONDS.
stop_pid() {
    local pid=$1 tries=$(($2 * 20))
    kill -TERM "$pid" 2>/dev/null || return 0
    while kill -0 "$pid" 2>/dev/null; do
        if ((tries-- == 0)); then
            warn "process $pid does not end: killing it"
            kill -KILL "$pid" 2>/dev/null || true
            return 0
        fi
        # A child of ours stays as a zombie until it is waited for.
        [[ $(process_state "$pid") == Z ]] && return 0
        sleep 0.05
    done
}

process_state() {
    local stat
    read -r stat 2>/dev/null <"/proc/$1/stat" || return 0
    stat=${stat##*) }
    printf '%s' "${stat%% *}"
}

# ---- ports -----------------------------------------------------------------------------------

port_taken() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null || (exec 3<>"/dev/tcp/::1/$1") 2>/dev/null
}

# A free port below the range from which the kernel takes ports for outgoing connections.
free_port() {
    local port
    for _ in {1..200}; do
        port=$((20000 + RANDOM % 12000))
        if ! port_taken "$port"; then
            printf '%s' "$port"
            return
        fi
    done
    die "found no free port between 20000 and 31999"
}

# need_port VARIABLE: stops with one sentence when its port cannot be had.
need_port() {
    local name=$1 port=${!1}
    [[ $port =~ ^[0-9]{1,5}$ ]] || die "$name=$port is not a port"
    [[ $port != 0 ]] || return 0
    ! port_taken "$port" ||
        die "port $port is taken: set $name to another one, as in '$name=$((port + 1)) ./dev run'"
}
