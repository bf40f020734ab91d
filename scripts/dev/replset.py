"""Waits until a fresh or restarted mongod is the primary of its own replica set rs0.

usage: replset.py HOST:PORT PID

Initiates the set when there is none yet, and corrects the address when the port has changed.
Ends with 1 when the process PID ends or 30 seconds have passed.
"""
import os
import sys
import time

from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

NOT_YET_INITIALIZED = 94
TIME_LIMIT = 30


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"


def configure(admin, address):
    """Gives the set this one member. Does nothing when it is so already."""
    try:
        config = admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            raise
        config = {"_id": "rs0", "members": [{"_id": 0, "host": address}]}
        admin.command("replSetInitiate", config)
        return
    if config["members"][0]["host"] != address:
        config["members"][0]["host"] = address
        config["version"] += 1
        admin.command("replSetReconfig", config, force=True)


def main():
    address, pid = sys.argv[1], int(sys.argv[2])
    host, port = address.split(":")
    admin = MongoClient(host, int(port), directConnection=True,
                        serverSelectionTimeoutMS=100, connectTimeoutMS=2000).admin
    configured = False
    deadline = time.monotonic() + TIME_LIMIT
    while time.monotonic() < deadline and alive(pid):
        try:
            if not configured:
                configure(admin, address)
                configured = True
            if admin.command("isMaster")["ismaster"]:
                return 0
        except (ConnectionFailure, OperationFailure):
            pass  # still starting
        time.sleep(0.02)
    return 1


if __name__ == "__main__":
    sys.exit(main())
