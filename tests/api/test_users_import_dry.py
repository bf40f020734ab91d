"""A dry run and the unique custom fields: the same verdict on every line as the import itself.

api.md §7, issue 6 "Import and export": dry run, per-line errors.
"""
import json
import os
import random
import re

import pytest

from support.check import ok, until
from support.world import USER_PASSWORD

LONG = "TENANTD_LONG" in os.environ
SCHEMA = {"type": "object", "properties": {
    "badge": {"type": "string", "x-unique": True, "x-index": "ci"},
    "code": {"type": "string", "x-unique": True},
    "desk": {"type": "object", "properties": {"number": {"type": "number", "x-unique": True}}},
    "since": {"type": "string", "format": "date-time", "x-unique": True},
    "first": {"type": "boolean", "x-unique": True}}}


@pytest.fixture
def place(world, api):
    """A tenant with a schema and a user who has one value of each field."""
    tenant = world.tenant()
    world.login(tenant.owner)
    ok(api.put("/tenants/schema", token=tenant.owner.token, json=SCHEMA))
    ok(api.post("/users", token=tenant.owner.token, json={
        "email": "there@x.example", "password": USER_PASSWORD, "custom_fields": {
            "badge": "Élan", "code": "Élan", "desk": {"number": 5},
            "since": "2026-01-01T00:00:00Z", "first": False}}), 201)
    return tenant


def bring(api, tenant, lines, **parameters):
    text = "".join(json.dumps(line) + "\n" for line in lines)
    answer = api.post("/users/import", token=tenant.owner.token, params=parameters, content=text,
                      headers={"Content-Type": "application/x-ndjson"})
    made = ok(answer, 202)

    def over():
        shown = ok(api.get(f"/users/import/{made['id']}", token=tenant.owner.token))
        return shown if shown["state"] not in ("queued", "running") else None
    result = until(over, 20, 0.05)[0]
    assert result["state"] == "done", result
    counts = tuple(result[name] for name in ("created", "updated", "skipped", "failed"))
    return counts, [(one["line"], one["error"], one["pointer"]) for one in result["errors"]], result


def both(api, tenant, lines, **parameters):
    """What the dry run told and what came of the lines."""
    dry = bring(api, tenant, lines, dry_run="true", **parameters)
    made = bring(api, tenant, lines, **parameters)
    assert dry[0] == made[0]
    # Of two unique values of a line that are taken, either may be told.
    assert [error[:2] for error in dry[1]] == [error[:2] for error in made[1]]
    return dry


def line(name, **fields):
    return {"email": f"{name}@x.example", "custom_fields": fields}


def test_values_that_somebody_has(api, place):
    """Each kind of value, as the field's index compares them."""
    counts, errors, result = both(api, place, [
        line("a", badge="éLAN"), line("b", code="éLAN"), line("c", code="Élan"),
        line("d", desk={"number": 5.0}), line("e", desk={"number": 5.5}), line("f", desk={}),
        line("g", since="2026-01-01T01:00:00+01:00"), line("h", first=False), line("i", first=True),
        line("j"), line("k", badge="elan"), line("l", badge="ÉLA\u0143")])
    assert counts == (7, 0, 0, 5)
    assert errors == [(number, "value_taken", f"/custom_fields/{path}") for number, path in [
        (1, "badge"), (3, "code"), (4, "desk/number"), (7, "since"), (8, "first")]]
    assert result["errors"][0]["message"] == \
        "This value is taken: another user has it in /custom_fields/badge."


def test_values_that_another_line_has(api, place):
    """In the same batch and hundreds of lines before; of a line that failed nothing is remembered."""
    lines = [line(f"u{n}", badge=f"B{n % 590}", desk={"number": n}) for n in range(610)]
    lines[3]["role"] = "emperor"
    lines += [line("v", badge="b3"), line("w", badge="B3"), line("x", desk={"number": 604})]
    counts, errors, result = both(api, place, lines)
    assert counts[0] == 590 + 1 - 1 + 1 and counts[3] == len(lines) - counts[0]
    told = {one["line"]: one["message"] for one in result["errors"]}
    assert re.search(r"line 1 has it in /custom_fields/badge", told[591])
    assert re.search(r"line 594 has it", told[611]), told[611]
    assert 613 not in told  # line 605 had lost its number together with its badge


def test_a_change_keeps_what_its_user_has(api, place):
    """An upsert that gives somebody the value they have is no double; another's value is."""
    users = [line("m", badge="m", code="m"), line("n", badge="n")]
    bring(api, place, users)
    counts, errors, _ = both(api, place, [
        line("m", badge="M", code="m"), line("n", badge="m"), line("o", badge="n")], mode="upsert")
    assert counts == (0, 1, 0, 2)
    assert errors == [(2, "value_taken", "/custom_fields/badge"), (3, "value_taken", "/custom_fields/badge")]


def test_places_of_refused_lines_are_free(api, world):
    """The plan's limit counts who would be made, not who would be tried."""
    tenant = world.tenant(plan="free")
    world.login(tenant.owner)
    ok(api.put("/tenants/schema", token=tenant.owner.token, json={
        "type": "object", "properties": {"badge": {"type": "string", "x-unique": True}}}))
    counts, errors, _ = both(api, tenant, [line(f"p{n}", badge=str(n // 2)) for n in range(20)])
    assert counts == (9, 0, 0, 11)
    assert errors == [(n, "value_taken", "/custom_fields/badge") for n in range(2, 18, 2)] + [
        (n, "plan_limit", None) for n in range(18, 21)]


def random_lines(rng, count):
    """Few names and values, so that most lines meet another one."""
    for _ in range(count):
        fields = {}
        if rng.random() < 0.6:
            fields["badge"] = rng.choice("aAbBcCdDéÉ")
        if rng.random() < 0.4:
            fields["desk"] = {"number": rng.choice([1, 1.0, 2, 2.5, 3, 4, 5])}
        if rng.random() < 0.3:
            fields["code"] = rng.choice("aAbBcC")
        yield line(rng.choice("abcdefghijklmnop") + rng.choice("123"), **fields)


@pytest.mark.parametrize("mode", ["insert", "skip"])
@pytest.mark.parametrize("seed", range(20) if LONG else [1])
def test_any_lines(api, world, seed, mode):
    """Generated lines, most of which meet another one: the same verdict on each."""
    tenant = world.tenant()
    world.login(tenant.owner)
    ok(api.put("/tenants/schema", token=tenant.owner.token, json=SCHEMA))
    rng = random.Random(f"{seed} {mode}")
    bring(api, tenant, random_lines(rng, 5))
    counts, errors, _ = both(api, tenant, list(random_lines(rng, 60)), mode=mode)
    assert counts[0] > 3 and {"value_taken"} <= {error for _, error, _ in errors}


def test_texts_without_case_are_those_of_the_index(api, place):
    """Which texts are one and which are not, is the database's rule."""
    pairs = ["a A", "é e", "ß SS", "ß ẞ", "１ 1", "² 2", "ﬁ fi", "é e\u0301", "ΑΣ ας", "ασ ΑΣ", "K k",
             "Ａb aB", "i İ", "ı I", "Ж ж", "가 가", "a-b a_b", "ab a", "Å å", "æ ae", "ø o"]
    lines = [line(f"t{n}{side}", badge=f"{n} {text}")
             for n, pair in enumerate(pairs) for side, text in enumerate(pair.split())]
    lines += [line(f"long{n}", badge="\ufdfa" * 5000 + f" {n // 2}") for n in range(4)]
    counts, errors, _ = both(api, place, lines)
    assert counts[0] + len(errors) == len(lines) and 8 < len(errors) < 18


def test_fields_whose_names_look_like_values(api, world):
    """What is remembered of one field is never taken for another one's: names may hold anything."""
    tenant = world.tenant()
    world.login(tenant.owner)
    names = ["a", *(f"a {kind}" for kind in range(2, 8))]
    ok(api.put("/tenants/schema", token=tenant.owner.token, json={
        "type": "object", "properties": {name: {"type": "string", "x-unique": True} for name in names}}))
    lines = [line(f"a{kind}", **{"a": f"{kind} x"}) for kind in range(2, 8)]
    lines += [line(f"filler{n}") for n in range(500)]  # another batch
    lines += [line(f"b{kind}", **{f"a {kind}": "x"}) for kind in range(2, 8)]
    counts, errors, _ = both(api, tenant, lines)
    assert (counts, errors) == ((len(lines), 0, 0, 0), [])
