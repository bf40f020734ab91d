"""Schemas of custom fields without the service around them: the compiler and the validator in C
against the Python package jsonschema, and what is refused (issue 6.1; R003-05, IN-7, IN-11).
"""
import json
import os
import pathlib
import subprocess
import time

import jsonschema
import pytest

from support.check import in_time
from support.instance import program
from support.shapes import Maker

PROGRAM = pathlib.Path(program()).parent / "tests" / "differential_shapes"
PAIRS = 2000 if os.environ.get("TENANTD_LONG") else 400
ROOM = 100  # failures that are told of one document


def ask(pairs):
    """What the program in C says to each (schema, document)."""
    lines = "".join(json.dumps({"schema": schema, "document": document}) + "\n"
                    for schema, document in pairs)
    done = subprocess.run([PROGRAM], input=lines, capture_output=True, text=True, check=False,
                          timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


# -- the same as jsonschema ----------------------------------------------------------------------


def escape(key):
    return str(key).replace("~", "~0").replace("/", "~1")


def pointer(path):
    return "".join("/" + escape(key) for key in path)


def places(error):
    """A missing or surplus member is told at the member, not at the object around it."""
    base = pointer(error.absolute_path)
    if error.validator == "required":
        return [(base + "/" + escape(name), "required") for name in error.validator_value
                if name not in error.instance and f"'{name}'" in error.message]
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        return [(base + "/" + escape(name), "additionalProperties")
                for name in error.instance if name not in known]
    return [(base, error.validator)]


def expected(schema, document):
    validator = jsonschema.Draft202012Validator(schema)
    return {place for error in validator.iter_errors(document) for place in places(error)}


def test_verdicts_and_pointers_are_those_of_jsonschema():
    """issue 6, proof 1: the same verdict and the same pointers over generated pairs."""
    maker = Maker(20260)
    pairs = [maker.pair() for _ in range(PAIRS)]
    answers = ask(pairs)
    failing = 0
    for (schema, document), answer in zip(pairs, answers, strict=True):
        told = {(place, keyword) for place, keyword in answer["failures"]}
        wanted = expected(schema, document)
        assert told == wanted, (schema, document, told ^ wanted)
        failing += bool(wanted)
    assert PAIRS / 10 < failing < PAIRS * 9 / 10 or failing > PAIRS / 4, failing


# -- what is no schema -----------------------------------------------------------------------------


def deep(levels):
    schema = {"type": "string"}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


@pytest.mark.parametrize("schema, place", [
    ({"$ref": "#"}, "/$ref"), ({"$schema": "x"}, "/$schema"), ({"oneOf": []}, "/oneOf"),
    ({"$defs": {}}, "/$defs"), ({"not": {}}, "/not"), ({"if": {}}, "/if"),
    ({"properties": {"a": {"patternProperties": {}}}}, "/properties/a/patternProperties"),
    ({"properties": {"a/b": {"nonsense": 1}}}, "/properties/a~1b/nonsense"),
    ({"type": "text"}, "/type"), ({"type": []}, "/type"), ({"type": ["string", "string"]}, "/type"),
    ({"type": "string"}, "/type"), ({"type": 5}, "/type"),
    ({"properties": []}, "/properties"), ({"properties": {"a": 1}}, "/properties/a"),
    ({"properties": {"a": True}}, "/properties/a"),
    ({"properties": {"$a": {}}}, "/properties/$a"), ({"properties": {"a.b": {}}}, "/properties/a.b"),
    ({"properties": {"": {}}}, "/properties/"),
    ({"properties": {"__proto__": {}}}, "/properties/__proto__"),
    ({"required": "a"}, "/required"), ({"required": [1]}, "/required"),
    ({"required": ["a", "a"]}, "/required"),
    ({"required": ["a"], "additionalProperties": False}, "/required"),
    ({"additionalProperties": 1}, "/additionalProperties"),
    ({"properties": {"a": {"minimum": "1"}}}, "/properties/a/minimum"),
    ({"properties": {"a": {"minimum": 2, "maximum": 1}}}, "/properties/a/minimum"),
    ({"properties": {"a": {"exclusiveMinimum": 1, "maximum": 1}}}, "/properties/a/exclusiveMinimum"),
    ({"properties": {"a": {"multipleOf": 0}}}, "/properties/a/multipleOf"),
    ({"properties": {"a": {"multipleOf": -1}}}, "/properties/a/multipleOf"),
    ({"properties": {"a": {"minLength": -1}}}, "/properties/a/minLength"),
    ({"properties": {"a": {"minLength": 1.5}}}, "/properties/a/minLength"),
    ({"properties": {"a": {"minLength": 3, "maxLength": 2}}}, "/properties/a/minLength"),
    ({"properties": {"a": {"minItems": 3, "maxItems": 2}}}, "/properties/a/minItems"),
    ({"properties": {"a": {"enum": []}}}, "/properties/a/enum"),
    ({"properties": {"a": {"enum": [{"$x": 1}]}}}, "/properties/a/enum"),
    ({"properties": {"a": {"type": "string", "const": 1}}}, "/properties/a/const"),
    ({"properties": {"a": {"maximum": 1, "default": 2}}}, "/properties/a/default"),
    ({"properties": {"a": {"pattern": "("}}}, "/properties/a/pattern"),
    ({"properties": {"a": {"pattern": 1}}}, "/properties/a/pattern"),
    ({"properties": {"a": {"pattern": "a" * 300}}}, "/properties/a/pattern"),
    ({"properties": {"a": {"pattern": "(a)\\1"}}}, "/properties/a/pattern"),
    ({"properties": {"a": {"pattern": "(?R)"}}}, "/properties/a/pattern"),
    ({"properties": {"a": {"pattern": "(*LIMIT_MATCH=9)a"}}}, "/properties/a/pattern"),
    ({"properties": {"a": {"pattern": "a{5000}"}}}, "/properties/a/pattern"),
    ({"properties": {"a": {"pattern": "((((((((((((((((((((((((a))))))))))))))))))))))))"}}},
     "/properties/a/pattern"),
    ({"properties": {"a": {"pattern": "(((a{999}){999}){999}){999}"}}}, "/properties/a/pattern"),
    *(({"properties": {"a": {"pattern": pattern}}}, "/properties/a/pattern") for pattern in (
        # What a bracket seems to hide from the look at a pattern.
        "\\c[(?R)?x]", "\\c[(?<n>a+)\\k<n>]", "\\c[(?<=a)]", "[\\c](?R)]", "[\\Q](?R)]\\E]", "\\Q[\\E(?R)]")),
    ({"properties": {"n" * 256: {}}}, "/properties"),
    ({"properties": {"a": {"format": "ipv4"}}}, "/properties/a/format"),
    ({"properties": {"a": {"uniqueItems": 1}}}, "/properties/a/uniqueItems"),
    ({"properties": {"a": {"items": [{}]}}}, "/properties/a/items"),
    ({"properties": {"a": {"title": 1}}}, "/properties/a/title"),
    ({"properties": {"a": {"x-read": "owner"}}}, "/properties/a/x-read"),
    ({"properties": {"a": {"x-write": 1}}}, "/properties/a/x-write"),
    ({"properties": {"a": {"x-unique": 1}}}, "/properties/a/x-unique"),
    ({"properties": {"a": {"x-unique": True}}}, "/properties/a/x-unique"),
    ({"properties": {"a": {"type": "array", "x-index": True}}}, "/properties/a/x-index"),
    ({"properties": {"a": {"type": "integer", "x-index": "ci"}}}, "/properties/a/x-index"),
    ({"properties": {"a": {"type": "string", "x-index": "cs"}}}, "/properties/a/x-index"),
    ({"properties": {"a": {"type": "string", "x-unique": True, "x-encrypt": True}}},
     "/properties/a/x-unique"),
    ({"x-unique": True}, "/x-unique"), ({"x-write": "admin"}, "/x-write"),
    ({"properties": {"a": {"items": {"x-encrypt": True}}}}, "/properties/a/items/x-encrypt"),
    ({"properties": {f"p{i}": {} for i in range(201)}}, "/properties"),
    ({"properties": {f"p{i}": {"pattern": "a"} for i in range(33)}}, "/properties/p32/pattern"),
    ({"properties": {"a": {"enum": list(range(201))}}}, "/properties/a/enum"),
], ids=lambda value: value if isinstance(value, str) else json.dumps(value)[:40])
def test_what_is_no_schema_is_refused_at_its_place(schema, place):
    """api.md §7: any other keyword, and every mistake, with its JSON pointer and a sentence."""
    answer = ask([(schema, {})])[0]
    assert answer.get("refused") == place, answer
    assert answer["sentence"].startswith(place) and len(answer["sentence"]) > len(place) + 10


def test_ten_thousand_properties_and_great_depth_end_in_a_sentence():
    wide = {"properties": {f"p{i}": {} for i in range(10000)}}
    for answer in ask([(wide, {}), (deep(200), {}), (deep(14), {})]):
        assert answer.get("sentence") or answer["failures"] == []


# -- formats and numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize("word, good, bad", [
    ("email", ["a@example.com", "ä.b+c@sub.example.org"], ["", "a", "a@b@c", "a b@example.com"]),
    ("date", ["2024-02-29", "1999-12-31"], ["2023-02-29", "2024-2-9", "2024-01-01T00:00:00Z", "x"]),
    ("date-time", ["2024-02-29T12:00:00Z", "2024-02-29T12:00:00.5+02:00"],
     ["2024-02-29", "2024-02-29 12:00:00Z", "2024-02-29T25:00:00Z", "2024-02-29T12:00:00"]),
    ("uri", ["https://example.com/a?b=c#d", "urn:isbn:0", "mailto:a@b.c"],
     ["example.com", "//x", "http:", "http://a b", "http://a/%zz", "1a:b"]),
    ("uuid", ["0190a5b4-5b1c-7c3e-8a41-0123456789AB"], ["0190a5b45b1c7c3e8a410123456789ab", "x", ""]),
])
def test_formats(word, good, bad):
    schema = {"properties": {"v": {"format": word}}}
    for text, answer in zip(good, ask([(schema, {"v": text}) for text in good]), strict=True):
        assert answer["failures"] == [], text
    for text, answer in zip(bad, ask([(schema, {"v": text}) for text in bad]), strict=True):
        assert answer["failures"] == [["/v", "format"]], text


@pytest.mark.parametrize("words, value, fine", [
    ({"maximum": 2 ** 53}, 2 ** 53 + 1, False), ({"maximum": float(2 ** 53)}, 2 ** 53 + 1, False),
    ({"minimum": 2 ** 63 - 1}, 2 ** 63 - 1, True), ({"maximum": 9.3e18}, 2 ** 63 - 1, True),
    ({"minimum": -9.3e18}, -2 ** 63, True), ({"exclusiveMaximum": 0.5}, 0, True),
    ({"multipleOf": 0.01}, 4.02, True), ({"multipleOf": 0.01}, 4.021, False),
    ({"multipleOf": 0.1}, 1.1, True), ({"multipleOf": 3}, 2 ** 63 - 1, False),
    ({"multipleOf": 0.01}, 10 ** 15, True), ({"multipleOf": 0.01}, 1e300, True),
    ({"multipleOf": 1e-7}, 2 ** 63 - 1, True), ({"multipleOf": 0.3}, 1234567890123456, True),
    ({"multipleOf": 0.3}, 1234567890123457, False), ({"multipleOf": 0.07}, 123456789012345, False),
    ({"multipleOf": 2.5}, -2 ** 63, False), ({"multipleOf": 1 / 3}, 1, True),
    ({"type": "integer"}, 1.0, True), ({"type": "integer"}, 1.5, False),
    ({"const": 1}, 1.0, True), ({"const": True}, 1, False), ({"enum": [0]}, False, False),
    ({"const": 2 ** 53 + 1}, float(2 ** 53), False),
])
def test_numbers_are_exact(words, value, fine):
    """IN-7: an int64 against a double without rounding; decimals as people mean them."""
    answer = ask([({"properties": {"v": words}}, {"v": value})])[0]
    assert (answer["failures"] == []) is fine, answer


# -- catastrophic patterns ----------------------------------------------------------------------------


REDOS = ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(a*)*b", "([a-zA-Z]+)*$", "^(([a-z])+.)+[A-Z]([a-z])+$",
         "(.*a){20}", "(x+x+)+y", "a*a*a*a*a*a*[bc]", "(?:a*)*[bc]", "[ab]{1000}c", "(a?){30}a{30}",
         "^(?:(?:a{900}b)?a)*$", "(?=(a+))a*b", "(\\w+\\s?)*$", "^(.+)+@", ".*.*.*=.*"]
ROUNDS = 20


@pytest.mark.parametrize("pattern", REDOS)
def test_no_text_makes_a_pattern_slow(pattern):
    """IN-11: the list of patterns that other services were stopped with; an answer, not a wait. The
    time is that of an unoptimised build with sanitizers, the program's start included."""
    schema = {"properties": {"v": {"pattern": pattern}}}
    texts = ["a" * 40 + "!", "a" * 4000 + "!", "ab" * 2000 + "!", "x" * 4000, "a" * 16000]
    pairs = [(schema, {"v": text}) for text in texts]
    began = time.monotonic()
    answers = ask(pairs)
    spent = time.monotonic() - began
    assert all("failures" in answer for answer in answers)
    in_time(spent, 5)
