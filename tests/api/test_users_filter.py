"""What a filter means and what it costs: GET /users against an evaluation of its own (R003-05, G9).

5,000 random users of a tenant with a schema; random filters of which a part is served by an index;
all pages of each must be those users that api.md §10 means, in order, and the database must have
looked at few. With TENANTD_LONG=1 (./dev soak) thousands of filters.
"""
import os
import random

import pytest

from support.check import ok
from support.user_search import EPOCH, SCHEMA, TEXTS, Filters, Meaning, fill, random_users, text_of

LONG = os.environ.get("TENANTD_LONG")
FILTERS = int(os.environ.get("TENANTD_FILTERS", 3000 if LONG else 120))
USERS = 5000
#: Longer lists say little more and cost most of the time.
MOST = USERS if LONG else 300


class Place:
    """A tenant with many users, and a way to ask for them."""

    def __init__(self, api, world, count, schema):
        self.api = api
        self.tenant = world.tenant()
        world.login(self.tenant.owner)
        ok(api.put("/tenants/settings", token=self.tenant.owner.token,
                   json={"settings": {"access_token_ttl": 86400}}))  # for the long run
        world.login(self.tenant.owner)
        if schema is not None:
            ok(api.put("/tenants/schema", token=self.tenant.owner.token, json=schema))
        self.users = random_users(self.tenant.id, count)
        fill(api.instance.db, self.tenant, self.users)
        owner = api.instance.db[self.tenant.collection].find_one({"username": "owner"})
        self.users.append(owner | {
            name: owner[name].replace(tzinfo=EPOCH.tzinfo)
            for name in ("created_at", "updated_at", "last_login_at")})
        self.meaning = Meaning(self.users)

    def ask(self, **parameters):
        return self.api.get("/users", token=self.tenant.owner.token, params=parameters)

    def all_pages(self, **parameters):
        """The users of all pages, and how many there were."""
        users, pages, cursor = [], 0, {}
        while True:
            body = ok(self.ask(**parameters, **cursor))
            users += body["users"]
            pages += 1
            if body["next"] is None:
                return users, pages
            assert body["users"], "an empty page has no next one"
            cursor = {"cursor": body["next"]}


@pytest.fixture(scope="module")
def place(api, world):
    return Place(api, world, USERS, SCHEMA)


@pytest.fixture(scope="module")
def small(api, world):
    """Without a schema: any path, any value; small enough for any filter."""
    return Place(api, world, 600, None)


def check(place, tree, text, **parameters):
    wanted = place.meaning.ids(tree)
    if len(wanted) > MOST:
        return False
    found, _ = place.all_pages(filter=text, limit=200, **parameters)
    ids = [user["id"] for user in found]
    assert len(ids) == len(set(ids)), f"{text}: a user twice"
    assert set(ids) == wanted, (text, len(wanted), len(ids), sorted(set(ids) ^ wanted)[:3])
    return True


def test_filters_mean_what_they_say(place):
    """Each filter with a random order; a third of them ignore case."""
    rng = random.Random(7 if not LONG else None)
    number = 0
    while number < FILTERS:
        filters = Filters(rng, place.users, ignores_case=number % 3 == 0)
        tree = filters.indexed()
        number += check(place, tree, text_of(tree, rng))


def test_filters_of_a_tenant_without_a_schema(small):
    """The value's own type decides; dates of custom fields are not asked for: they have no schema."""
    rng = random.Random(8 if not LONG else None)
    filters = Filters(rng, small.users, ignores_case=False)
    for _ in range(FILTERS // 3):
        tree = filters.tree(3)
        if any(name in str(tree) for name in ("started", "seen")):
            continue
        check(small, tree, text_of(tree, rng))


def test_letters_that_mean_something_to_patterns(place, small):
    """Each stands for itself: where it is looked for, and where a query without case compares exactly."""
    rng = random.Random(9)
    for text in TEXTS:
        for tree in (("co", "custom_fields.home.zip", text), ("ew", "custom_fields.home.zip", text),
                     ("sw", "custom_fields.tags", text)):
            check(small, tree, text_of(tree, rng))
        for operator in rng.sample(["eq", "ne", "sw"], 3 if LONG or text == "ab" else 1):
            tree = ("and", ("eq", "custom_fields.nick", rng.choice(["ann", "BOB2", "cyd"])),
                    (operator, "custom_fields.home.zip", text), ("sw", "custom_fields.badge", "B0"))
            check(place, tree, text_of(tree, rng))


def test_orders_of_whatever_is_there(small):
    """Without a schema a field may be anything: lists and objects count as absent, types stand in the
    database's order, and every user is there once."""
    wanted = {str(user["_id"]) for user in small.users}
    for sort in ("custom_fields.home", "-custom_fields.tags,custom_fields.score", "custom_fields.note,-name",
                 "-custom_fields.phones.kind"):
        found, pages = small.all_pages(sort=sort, limit=70)
        assert pages > 8
        assert len(found) == len(wanted) and {user["id"] for user in found} == wanted, sort
