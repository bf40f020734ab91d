"""Prints the closing line of a test suite from its JUnit report.

usage: closing_line.py SUITE REPORT

A program of cmocka cases counts as its cases, not as one. Ends with 1 when a test failed, when
none ran, or when there is no report.
"""
import re
import sys
import xml.etree.ElementTree as xml

CMOCKA = re.compile(r"^\[  (PASSED |FAILED |SKIPPED) \] (\d+) test\(s\)", re.MULTILINE)


def outcome(case):
    """Whether one <testcase> is "passed", "failed" or "skipped"."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    # ctest calls a test whose program is missing "notrun": that is no test left out on purpose.
    if case.get("status") in ("notrun", "fail"):
        return "failed"
    return "skipped" if case.find("skipped") is not None else "passed"


def count(case):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    result = outcome(case)
    for name, number in CMOCKA.findall(case.findtext("system-out") or ""):
        counts[name.strip().lower()] += int(number)
    # A crash ends the output before its summary.
    if sum(counts.values()) == 0 or (result == "failed" and counts["failed"] == 0):
        counts[result] += 1
    return counts


def main():
    suite, report = sys.argv[1:3]
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    try:
        cases = xml.parse(report).iter("testcase")
        for case in cases:
            for name, number in count(case).items():
                totals[name] += number
    except FileNotFoundError:
        print(f"{suite}: there is no such test", file=sys.stderr)
    line = f"{suite}: {totals['passed']} passed, {totals['failed']} failed"
    if totals["skipped"]:
        line += f", {totals['skipped']} skipped"
    print(line, flush=True)
    return 0 if totals["passed"] > 0 and totals["failed"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
