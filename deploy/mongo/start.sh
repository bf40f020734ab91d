#!/bin/bash
# Entry point of the mongo container. Members of a replica set prove themselves to each other by a key
# file: the first start makes a random one in a volume of its own. Then the image's own script runs,
# which drops root. Users are made by health.js: init scripts run before there is a replica set.
set -euo pipefail

keyfile=${MONGO_KEYFILE:-/data/configdb/keyfile}
if [[ ! -s $keyfile ]]; then
    (umask 077 && head -c 512 /dev/urandom | base64 -w 0 >"$keyfile.new" && mv "$keyfile.new" "$keyfile")
fi
chmod 400 "$keyfile"
if ((EUID == 0)) && id -u mongodb >/dev/null 2>&1; then
    chown mongodb "$keyfile"
fi
exec docker-entrypoint.sh "$@"
