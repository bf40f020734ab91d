"""Whatever the service accepts the collection's validator accepts, and it refuses what it can (issue
6, proof 1; api.md §10). Evaluated by the database itself, over generated schemas and documents.
"""
import json
import os
import pathlib
import subprocess

import pytest
from bson import json_util

from support.instance import program
from support.shapes import Maker

PROGRAM = pathlib.Path(program()).parent / "tests" / "differential_validators"
PAIRS = 2000 if os.environ.get("TENANTD_LONG") else 500
FORMATS = {
    "date": ["2026-01-31", "2024-02-29", "2026-02-29", "0000-01-01", "9999-12-31", "x"],
    "date-time": ["2026-01-31T09:30:00Z", "2026-01-31t09:30:00.1234+02:00", "2026-01-31T25:00:00Z"],
    "email": ["a@example.com", "a", "@", "name+tag@sub.example.com"],
    "uri": ["https://example.com/a?b#c", "mailto:x", "x", "a:b c"],
    "uuid": ["0190a5b4-5b1c-7c3e-8a41-0123456789ab", "0190A5B4-5B1C-7C3E-8A41-0123456789AB", "1"],
}
WORDS = ["^[a-z]+(-[a-z]+)*$", "^(?:a|bc)+$", "^\\d{1,3}\\.\\d$", "^\\u00e9$", "[^]", "^(?!x)", "é|ß"]


class Formats(Maker):
    """With formats, patterns of all kinds, and numbers that are no neat ones."""

    NUMBERS = Maker.NUMBERS + [0.1, 0.3, 4.02, 1e15, 123456789012345.6, 1e-7, 0.07, 12345678901234.56,
                               1234567890123457, 123456789012345, 2 ** 63 - 1]

    def schema(self, depth):
        schema = super().schema(depth)
        if self.chance(0.15):
            schema["format"] = self.pick(list(FORMATS))
        if self.chance(0.1):
            schema["pattern"] = self.pick(WORDS)
        if self.chance(0.1):
            schema["multipleOf"] = self.pick([0.01, 0.07, 0.3, 7, 1e-7, 1e300, 3.0])
        return schema

    def value(self, depth):
        if self.chance(0.2):
            return self.pick(self.pick(list(FORMATS.values())))
        return super().value(depth)


def ask(pairs):
    lines = "".join(json.dumps({"schema": schema, "document": document}) + "\n"
                    for schema, document in pairs)
    done = subprocess.run([PROGRAM], input=lines, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    answers = [json_util.loads(line, json_options=json_util.CANONICAL_JSON_OPTIONS)
               for line in done.stdout.splitlines()]
    return [(*pair, answer) for pair, answer in zip(pairs, answers, strict=True) if answer]


@pytest.fixture(scope="module")
def accepts(mongo):
    """Whether a validator takes a document."""
    database = mongo.client.validators

    def run(validator, document):
        return bool(list(database.aggregate([{"$documents": [document]}, {"$match": validator}])))
    yield run
    mongo.client.drop_database("validators")


@pytest.mark.parametrize("maker", [Maker(20260), Formats(7)], ids=["plain", "formats"])
def test_what_the_service_accepts_the_database_accepts(accepts, maker):
    told = {True: [0, 0], False: [0, 0]}
    for schema, document, answer in ask([maker.pair() for _ in range(PAIRS)]):
        taken = accepts(answer["validator"], answer["user"])
        told[answer["fits"]][taken] += 1
        assert taken or not answer["fits"], (schema, answer)
    loose, strict = told[False][True], told[False][False]
    print(f"accepted {told[True][True]}; refused by both {strict}, by the service alone {loose}")
    assert told[True][True] > PAIRS / 20 and loose < strict / 20, told
