# A private MongoDB: one mongod, a replica set of one node, on 127.0.0.1.
# shellcheck shell=bash

# mongo_launch DIRECTORY PORT [MONGOD OPTION...]: starts mongod without waiting for it.
# DIRECTORY gets data/, mongod.log and mongod.pid; an older log is kept as mongod.log.old.
mongo_launch() {
    local directory=$1 port=$2 options
    shift 2
    mkdir -p "$directory/data"
    [[ ! -f $directory/mongod.log ]] || mv "$directory/mongod.log" "$directory/mongod.log.old"
    options=(
        --dbpath "$directory/data" --logpath "$directory/mongod.log"
        --bind_ip 127.0.0.1 --port "$port" --nounixsocket
        --replSet rs0 --oplogSize 128 --wiredTigerCacheSizeGB 0.25 --quiet
        # The default holds a stop for 15 s, for clients that would move to another node.
        --setParameter shutdownTimeoutMillisForSignaledShutdown=100
        --setParameter transactionLifetimeLimitSeconds=10
        --setParameter diagnosticDataCollectionEnabled=false
    )
    # A session of its own: Ctrl-C is for us, and we stop mongod after the service.
    setsid "$MONGOD" "${options[@]}" "$@" </dev/null >/dev/null 2>&1 8>&- 9>&- &
    echo $! >"$directory/mongod.pid"
}

# mongo_wait DIRECTORY PORT: until that mongod is the primary of its replica set.
mongo_wait() {
    "$PYTHON" scripts/dev/replset.py "127.0.0.1:$2" "$(<"$1/mongod.pid")"
}

mongo_stop() {
    local pid
    if pid=$(mongo_pid "$1"); then
        stop_pid "$pid" 30
    fi
    rm -f "$1/mongod.pid"
}

# mongo_pid DIRECTORY: the id of the mongod that serves DIRECTORY; never that of a process
# which merely got the same number later.
mongo_pid() {
    local pid
    pid=$(pid_of "$1/mongod.pid") || return 1
    grep -qzF -- "$1/data" "/proc/$pid/cmdline" 2>/dev/null && printf '%s' "$pid"
}

# ---- the database of ./dev run ---------------------------------------------------------------

# Sets MONGODB_URI, starting mongod when it is not given and not running.
run_mongo_launch() {
    [[ -z ${MONGODB_URI:-} ]] || return 0
    RUN_MONGO=$DEV_DIR/mongo
    find_mongod
    local remembered=""
    [[ ! -f $DEV_DIR/mongo.port ]] || remembered=$(<"$DEV_DIR/mongo.port")
    if mongo_pid "$RUN_MONGO" >/dev/null; then
        MONGO_PORT=$remembered
    else
        if [[ -n ${MONGO_PORT:-} ]]; then
            need_port MONGO_PORT
        elif [[ -n $remembered ]] && ! port_taken "$remembered"; then
            MONGO_PORT=$remembered
        else
            MONGO_PORT=$(free_port)
        fi
        echo "$MONGO_PORT" >"$DEV_DIR/mongo.port"
        mongo_launch "$RUN_MONGO" "$MONGO_PORT"
    fi
    export MONGODB_URI="mongodb://127.0.0.1:$MONGO_PORT/tenantd?replicaSet=rs0"
}

run_mongo_wait() {
    [[ -z ${RUN_MONGO:-} ]] || mongo_wait "$RUN_MONGO" "$MONGO_PORT" ||
        die "MongoDB did not start; its log is $RUN_MONGO/mongod.log"
}

run_mongo_stop() {
    [[ -z ${RUN_MONGO:-} ]] || mongo_stop "$RUN_MONGO"
}
