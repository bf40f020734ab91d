"""docs/REQUIREMENTS.md is complete: every row once, every state honest, every named test there."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TESTS = os.path.join(ROOT, "tests")
ROW = re.compile(r"^\| ((?:R\d{3}-\d{2}|C\d{1,2})) \| ([^|]+) \| (done|partly|open) \| ([^|]+) \|$")
SOURCE = os.path.join(ROOT, "..", "shared", "spec", "requirements.md")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def rows():
    """[(id, promise, state, [test names])] of the document."""
    found = []
    for line in read(os.path.join(ROOT, "docs", "REQUIREMENTS.md")).splitlines():
        match = ROW.match(line)
        if match:
            name, promise, state, tests = match.groups()
            found.append((name, promise, state, re.findall(r"`([^`]+)`", tests)))
    return found


def known_ids():
    return read(os.path.join(TESTS, "support", "requirement_ids.txt")).split()


def source_ids(text):
    """The ids of the first column: "R000-07, R000-08" names two, "R004-30..32" three."""
    for line in text.splitlines():
        cell = re.match(r"^\| ((?:R\d{3}-\d{2}|C\d{1,2})[^|]*)\|", line)
        for part in cell.group(1).split(",") if cell else ():
            first, _, last = part.strip().partition("..")
            if not last:
                yield first
                continue
            stem, number = first.rsplit("-", 1)
            for one in range(int(number), int(last) + 1):
                yield f"{stem}-{one:02d}"


def exists(test):
    """Whether tests/<file> is there, with the function named after "::"."""
    path, _, function = test.partition("::")
    path = os.path.join(TESTS, path)
    return os.path.exists(path) and (not function or f"def {function}(" in read(path))


def test_every_row_is_there_once():
    ids = [name for name, *_ in rows()]
    assert sorted(ids) == sorted(known_ids())
    assert len(ids) == len(set(ids))


def test_every_named_test_exists():
    missing = [(name, test) for name, _, _, tests in rows() for test in tests if not exists(test)]
    assert not missing


def test_states_and_tests_agree():
    """What is done or partly done is shown by a test; what is open names none."""
    wrong = [name for name, _, state, tests in rows() if (state == "open") == bool(tests)]
    assert not wrong


def test_the_summary_counts_right():
    text = read(os.path.join(ROOT, "docs", "REQUIREMENTS.md"))
    for state in ("done", "partly", "open"):
        count = sum(1 for _, _, found, _ in rows() if found == state)
        assert f"| {state} | {count} |" in text


def test_the_rows_are_those_of_the_source():
    """The source of the rows is not part of a clone: the list of ids stands in for it there."""
    if os.path.exists(SOURCE):
        assert sorted(source_ids(read(SOURCE))) == sorted(known_ids())
    assert len(set(known_ids())) == len(known_ids()) > 150


def test_the_check_sees_a_gap():
    """The check itself: a test that is not there is noticed, ranges are counted out."""
    assert not exists("api/test_requirements_map.py::test_nothing")
    assert not exists("api/test_no_such_file.py")
    assert list(source_ids("| R004-30..32 | x |\n| R000-07, R000-08 | y |\n| C1 | z |")) == \
        ["R004-30", "R004-31", "R004-32", "R000-07", "R000-08", "C1"]
