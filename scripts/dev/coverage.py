"""Prints what share of our lines ran, by folder, and ends with 1 below the floors.

usage: coverage.py SUMMARY.json    as gcovr writes it
"""
import json
import re
import sys

FLOOR = 85.0
#: What guards tokens, tenants and passwords.
GUARDS = re.compile(r"(app/(jws|keys|secret|password|hash_pool|ticket|token_cache|revocation\w*|"
                    r"tenant_hints)|middleware/(tenant|authenticate|authorize)|"
                    r"models/(access_token|access_key\w*|platform_key\w*|grant\w*|session\w*|tenant\w*|"
                    r"sign_in|login_attempt|device|fresh_login|password_policy|"
                    r"user_(admin|authority|removal|security|sessions)))\.c$")
GUARD_FLOOR = 95.0


def share(files):
    total = sum(entry["line_total"] for entry in files)
    return 100.0 * sum(entry["line_covered"] for entry in files) / max(total, 1), total


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        files = [entry for entry in json.load(file)["files"] if entry["filename"].endswith(".c")]
    folders = {}
    for entry in files:
        folders.setdefault(entry["filename"].rpartition("/")[0], []).append(entry)
    for folder, inside in sorted(folders.items()):
        print(f"{share(inside)[0]:6.1f} % of {share(inside)[1]:6} lines  {folder}")
    guards = [entry for entry in files if GUARDS.search(entry["filename"])]
    for entry in sorted(files, key=lambda one: one["line_percent"] or 0):
        floor = GUARD_FLOOR if entry in guards else FLOOR
        if entry["line_total"] and entry["line_percent"] < floor:
            print(f"{entry['line_percent']:6.1f} % of {entry['line_total']:6} lines  {entry['filename']}")
    everything, guarded = share(files)[0], share(guards)[0]
    print(f"coverage: {everything:.1f} % of all lines (floor {FLOOR:.0f}), "
          f"{guarded:.1f} % of tokens, tenants and passwords (floor {GUARD_FLOOR:.0f})")
    return 0 if everything >= FLOOR and guarded >= GUARD_FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
