"""GET /users: pages, cursors, orders, readers, refusals, what it costs (R003-05, R001-15, IN-4, IN-6).

What filters mean: test_users_filter.py.
"""
import datetime
import http.client
import json
import threading
import urllib.parse
import uuid

import pytest

from support.check import ok, refused, without_ids
from support.guides import Guide
from support.user_search import EPOCH, SCHEMA, fill, random_users
from support.world import unique

LARGE = 2400
ALL = "created_at ge \"1970-01-01T00:00:00Z\""


class Searched:
    """A tenant with LARGE users and a schema."""

    def __init__(self, api, world):
        self.api, self.tenant = api, world.key_tenant()
        api.instance.db.tenants.update_one({"slug": self.tenant.slug}, {"$set": {"plan": "enterprise"}})
        world.login(self.tenant.owner)
        ok(api.put("/tenants/schema", token=self.tenant.owner.token, json=SCHEMA))
        self.users = random_users(self.tenant.id, LARGE, seed=2)
        fill(api.instance.db, self.tenant, self.users)

    def ask(self, token=None, **parameters):
        return self.api.get("/users", token=token or self.tenant.owner.token, params=parameters)

    def pages(self, **parameters):
        cursor = {}
        while True:
            body = ok(self.ask(**parameters, **cursor))
            yield body["users"]
            if body["next"] is None:
                return
            cursor = {"cursor": body["next"]}

    def all(self, **parameters):
        return [user for page in self.pages(**parameters) for user in page]


@pytest.fixture(scope="module")
def place(api, world):
    return Searched(api, world)


def field(user, path):
    for name in path.split("."):
        if not isinstance(user, dict) or name not in user:
            return None
        user = user[name]
    return user


# -- pages ---------------------------------------------------------------------------------------


def test_large_users_make_short_pages(api, world):
    """Whatever users keep in their fields, a page ends before it is too large for an answer or for
    memory, and its cursor goes on; so does an export that searches."""
    tenant = world.key_tenant()
    world.login(tenant.owner)
    users = [user | {"custom_fields": {"text": "<" * 16370}}
             for user in random_users(tenant.id, 45, seed=3)]
    fill(api.instance.db, tenant, users)
    everybody = sorted([tenant.owner.id, *(str(user["_id"]) for user in users)])
    for path, token, parameters in (("/users", tenant.owner.token, {"sort": "name,-email"}),
                                    ("/users", tenant.key, {}),
                                    (f"/api/v1/{tenant.id}/users", tenant.key, {})):
        found, cursor = [], {}
        while cursor is not None:
            body = ok(api.get(path, token=token, params={"limit": 200, **parameters, **cursor}))
            found += [user["id"] for user in body["users"]]
            cursor = {"cursor": body["next"]} if body["next"] else None
        assert sorted(found) == everybody
    lines = api.get("/users/export", token=tenant.owner.token, params={"filter": ALL}).text.splitlines()
    assert sorted(json.loads(line)["id"] for line in lines) == everybody


def test_without_parameters_all_users_come_by_id(api, place):
    users = place.all(limit=200)
    assert len(users) == api.instance.db[place.tenant.collection].count_documents({}) > LARGE
    assert [user["id"] for user in users] == sorted({user["id"] for user in users})
    assert len(ok(place.ask())["users"]) == 50
    assert "query" not in ok(place.ask())


ORDERS = [
    ("-id", [("id", True)]),
    ("-created_at", [("created_at", True)]),
    ("custom_fields.age", [("custom_fields.age", False)]),
    ("-custom_fields.started", [("custom_fields.started", True)]),
    ("custom_fields.home.city,-custom_fields.age",
     [("custom_fields.home.city", False), ("custom_fields.age", True)]),
    ("-role,name,custom_fields.score", [("role", True), ("name", False), ("custom_fields.score", False)]),
    ("custom_fields.note,-last_login_at", [("custom_fields.note", False), ("last_login_at", True)]),
    ("custom_fields.badge,id", [("custom_fields.badge", False)]),
]


@pytest.mark.parametrize("sort, fields", ORDERS, ids=lambda value: value if isinstance(value, str) else "")
def test_orders(place, sort, fields):
    """At most three fields, each up or down; absent values before all others, or behind them; pages
    of any size come to the same. A filter keeps the set small enough to be sorted."""
    filters = 'custom_fields.department eq "lab" and custom_fields.age pr and custom_fields.started pr'
    users = place.all(filter=filters, sort=sort, limit=60)
    wanted = place.all(filter=filters, limit=200)
    assert len(users) == len(wanted) > 300

    def key(user):
        """As the order wants it: bigger is later; a descending field counts backwards."""
        values = []
        for path, down in fields:
            value = field(user, path)
            values.append(Key((value is not None, value), down))
        return values + [Key((True, user["id"]), fields[0][1])]

    keys = [key(user) for user in users]
    assert all(one < other for one, other in zip(keys, keys[1:]))
    assert {user["id"] for user in users} == {user["id"] for user in wanted}


class Key:
    """Values of one field in its direction."""

    def __init__(self, value, down):
        self.value, self.down = value, down

    def __eq__(self, other):
        return self.value == other.value

    def __lt__(self, other):
        if self.value[0] != other.value[0] or not self.value[0]:
            less = self.value[0] < other.value[0]
            return less != self.down if self.value[0] != other.value[0] else False
        return self.value[1] < other.value[1] if not self.down else self.value[1] > other.value[1]


def test_an_order_without_case(place):
    """Names that differ in case alone stand together; every user once."""
    users = place.all(filter="custom_fields.nick pr", sort="custom_fields.nick", limit=70)
    nicks = [user["custom_fields"]["nick"] for user in users]
    folded = [nick.lower() for nick in nicks]
    assert folded == sorted(folded) and len(set(nicks)) > len(set(folded))
    assert len({user["id"] for user in users}) == len(users)


def test_a_page_and_its_neighbours_while_users_come(api, place):
    """Nobody twice, and nobody missed who was there all along, whatever is inserted and deleted."""
    collection = api.instance.db[place.tenant.collection]
    stop = threading.Event()
    mine = {"custom_fields.badge": {"$regex": "^X"}}

    def write():
        number = 0
        while not stop.is_set():
            users = random_users(place.tenant.id, 20, seed=1000 + number)
            for user in users:
                user["custom_fields"]["badge"] = f"X{uuid.uuid4().hex}"
                user["username"] = f"x{uuid.uuid4().hex}"
                user.pop("email", None)
            collection.insert_many(users)
            if number % 3 == 2:
                collection.delete_many(mine)
            number += 1

    before = {str(user["_id"]) for user in place.users if "age" in user["custom_fields"]}
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for sort in ("custom_fields.age", "-created_at"):
            found = [user["id"] for user in place.all(filter="custom_fields.age ge -100", sort=sort, limit=90)]
            assert len(found) == len(set(found))
            assert before <= set(found)
    finally:
        stop.set()
        writer.join()
        collection.delete_many(mine)


def test_fields_cut_every_user_down(place):
    """What is left out may still be what is asked for and sorted by."""
    body = ok(place.ask(fields="email,custom_fields.age", filter="custom_fields.age gt 17",
                        sort="-custom_fields.age", limit=7))
    assert len(body["users"]) == 7
    for user in body["users"]:
        assert set(user) <= {"id", "email", "custom_fields"} and set(user["custom_fields"]) == {"age"}
    again = ok(place.ask(fields="id", filter="custom_fields.age gt 17", sort="-custom_fields.age",
                         limit=7, cursor=body["next"]))
    assert {user["id"] for user in again["users"]}.isdisjoint(user["id"] for user in body["users"])
    refused(place.ask(fields="password_hash"), 400, field="fields")


# -- cursors -------------------------------------------------------------------------------------


def test_a_cursor_is_good_for_its_list_alone(api, world, place):
    """IN-6: authenticated, bound to tenant, filter, order and eyes; it tells nothing."""
    query = {"filter": "custom_fields.age gt 1", "sort": "-custom_fields.age", "limit": 5}
    cursor = ok(place.ask(**query))["next"]
    assert ok(place.ask(**query, cursor=cursor))["users"]
    assert len(ok(place.ask(**query | {"limit": 2}, cursor=cursor))["users"]) == 2
    for other in ({"filter": "custom_fields.age gt 2"}, {"sort": "custom_fields.age"},
                  {"sort": "-custom_fields.age,name"}):
        refused(place.ask(**query | other, cursor=cursor), 400, "invalid_cursor")
    refused(place.ask(cursor=cursor), 400, "invalid_cursor")
    refused(place.ask(place.tenant.key, **query, cursor=cursor), 400, "invalid_cursor")
    stranger = world.tenant()
    world.login(stranger.owner)
    refused(api.get("/users", token=stranger.owner.token, params={"cursor": ok(place.ask(limit=1))["next"]}),
            400, "invalid_cursor")
    foreign = ok(api.get("/tenants/users?limit=1", token=place.tenant.owner.token))["next"]
    refused(place.ask(cursor=foreign), 400, "invalid_cursor")
    for place_ in range(0, len(cursor), 7):
        changed = cursor[:place_] + ("A" if cursor[place_] != "A" else "B") + cursor[place_ + 1:]
        refused(place.ask(**query, cursor=changed), 400, "invalid_cursor")
    for forged in ("x", "e30", "A" * 200, "A" * 4000, "..", "%00", "é"):
        refused(place.ask(**query, cursor=forged), 400)


def test_texts_too_long_to_go_on_from_are_said_to_be(api, world):
    tenant = world.tenant()
    world.login(tenant.owner)
    for letter in "ab":
        world.user(tenant, login=False, custom_fields={"bio": letter * 4000})
    answer = api.get("/users", token=tenant.owner.token, params={"sort": "-custom_fields.bio", "limit": 1})
    refused(answer, 400, "validation_failed", field="sort")


# -- who may see what ----------------------------------------------------------------------------


def test_what_a_party_may_not_read_is_as_if_it_were_not(place):
    """§7 x-read, PS GHSA-2m6g: owners do not see wages, so they cannot guess them by asking."""
    def same(answer, name):
        status, body, headers = without_ids(answer)
        return status, str(body).replace(name, "NAME"), headers

    for what in ({"filter": "custom_fields.{} gt 1"}, {"sort": "custom_fields.{}"}, {"filter": "custom_fields.{} pr"}):
        answers = [same(place.ask(**{key: value.format(name) for key, value in what.items()}), name)
                   for name in ("wage", "none")]
        assert answers[0] == answers[1] and answers[0][0] == 400
    server = ok(place.ask(place.tenant.key, filter="custom_fields.age eq 99 and custom_fields.wage ge 4000",
                          limit=200))["users"]
    assert server and all(user["custom_fields"]["wage"] >= 4000 for user in server)
    assert all("wage" not in user["custom_fields"] for user in place.all(limit=200))


def test_who_may_ask(api, world, place):
    """T SB K [admin] with users:read."""
    user = world.user(place.tenant)
    refused(place.ask(user.token), 403)
    refused(api.get("/users", tenant=place.tenant.slug), 401)
    assert ok(place.ask(place.tenant.key))["users"]
    key = ok(api.post("/tenants/access-keys", token=place.tenant.owner.token,
                      json={"label": unique("k"), "scopes": ["auth"]}), 201)["access_key"]
    refused(place.ask(key), 403, "insufficient_scope")


# -- what it costs -------------------------------------------------------------------------------


@pytest.mark.parametrize("filters, index", [
    ('custom_fields.department eq "lab"', "cf_i_department"),
    ("custom_fields.age gt 17 and custom_fields.age le 40", "cf_i_age"),
    ('custom_fields.nick eq "ANN"', "cf_ici_nick"),
    ('custom_fields.nick sw "An"', "cf_ici_nick"),
    ('custom_fields.badge eq "B00017"', "cf_u_badge"),
    ('custom_fields.badge sw "B0001"', "cf_u_badge"),
    ('custom_fields.started lt "2020-01-09"', "cf_i_started"),
    ('custom_fields.home.city eq "Ulm" or custom_fields.home.city eq "Bern"', "cf_i_home.city"),
    ('created_at gt "2020-02-05T00:00:00Z"', "created_at_1"),
    ('email sw "ann1"', "email_1"),
    ('username eq "owner"', "username_1"),
    ('role eq "admin"', "is_active_1_role_1"),
    ('role eq "owner" or role eq "admin"', "is_active_1_role_1"),
    ("is_active eq false", "is_active_1_role_1"),
    ('is_active eq false and role eq "admin"', "is_active_1_role_1"),
    (None, "_id_"),
])
def test_what_is_looked_at_is_what_is_shown(place, filters, index):
    """explain tells the database's own figures: each user that is looked at is in the page, or is
    the one behind it."""
    query = {"explain": "true", "limit": 20} | ({"filter": filters} if filters else {})
    for _ in range(2):
        body = ok(place.ask(**query))
        cost = body["query"]
        assert (cost["access"], cost["index"], cost["returned"]) == ("index", index, len(body["users"]))
        assert cost["examined"] <= len(body["users"]) + 2, cost
        if body["next"] is None:
            break
        query["cursor"] = body["next"]


def test_a_way_for_every_branch(place):
    answer = ok(place.ask(filter='custom_fields.badge eq "B00003" or (email sw "bob7" and name pr)',
                          explain="true"))
    assert answer["query"]["index"] == "cf_u_badge, email_1"
    assert answer["query"]["examined"] < 40


@pytest.mark.parametrize("query, words", [
    ({"filter": "custom_fields.score gt 1"}, "custom_fields.score"),
    ({"filter": "custom_fields.score gt 1 or custom_fields.age eq 1"}, "custom_fields.score"),
    ({"filter": 'not (custom_fields.age eq 1) and name pr'}, "created_at"),
    ({"filter": 'custom_fields.department co "a"'}, "eq, sw, gt, ge, lt, le and pr"),
    ({"filter": 'role eq "user"'}, "no index serves"),
    ({"filter": 'role ne "user"'}, "no index serves"),
    ({"filter": 'role eq "admin" or role eq "user"'}, "no index serves"),
    ({"filter": 'role eq "admin" or name pr'}, "no index serves"),
    ({"sort": "role"}, "no index gives this order"),
    ({"filter": "is_active eq true", "sort": "-created_at"}, "no index serves"),
    ({"filter": 'custom_fields.nick eq "ann" or email eq "a@b.example"'}, "no index serves"),
    ({"sort": "name"}, "sort by one field"),
    ({"sort": "custom_fields.age"}, "custom_fields.age pr"),
    ({"sort": "custom_fields.department,custom_fields.age"}, "sort by one field"),
])
def test_what_would_scan_is_refused_with_the_way_out(place, query, words):
    """More than 2,000 users: 400 filter_not_indexed, naming what to index."""
    body = refused(place.ask(**query), 400, "filter_not_indexed")
    assert words in body["error_description"], body


@pytest.mark.parametrize("filters, meets", [
    ('role eq "admin"', lambda user: user["role"] == "admin"),
    ('role eq "admin" or role eq "owner"', lambda user: user["role"] != "user"),
    ("is_active eq false", lambda user: not user["is_active"]),
    ('is_active eq false and role eq "user"',
     lambda user: not user["is_active"] and user["role"] == "user"),
    ('is_active eq false or role eq "admin" or email eq "nobody@x.example"',
     lambda user: not user["is_active"] or user["role"] == "admin"),
    ('role eq "admin" and custom_fields.nick eq "ANN"',
     lambda user: user["role"] == "admin" and user["custom_fields"].get("nick", "").lower() == "ann"),
])
def test_who_may_more_and_who_may_nothing_is_found(api, place, filters, meets):
    """R001-10, R003-05: administrators and deactivated users among any number, by ids or in an
    order, page by page; a role that is taken counts at once."""
    stored = list(api.instance.db["users_" + place.tenant.id.replace("-", "")].find())
    wanted = sorted(str(user["_id"]) for user in stored if meets(user))
    assert wanted and len(wanted) < LARGE
    assert [user["id"] for user in place.all(filter=filters, limit=50)] == wanted
    for sort in ("-role,id", "is_active", "-created_at"):
        assert sorted(user["id"] for user in place.all(filter=filters, sort=sort, limit=150)) == wanted


def test_presence_of_a_field_without_case(place):
    """Its index serves pr by itself, too; texts whose order is exact keep theirs."""
    body = ok(place.ask(filter="custom_fields.nick pr", explain="true", limit=5))
    assert body["query"]["index"] == "cf_ici_nick" and body["query"]["examined"] < 20
    there = {str(user["_id"]) for user in place.users if user["custom_fields"].get("nick")}
    assert {user["id"] for user in place.all(filter="custom_fields.nick pr", limit=200)} == there
    body = ok(place.ask(filter=f"custom_fields.nick pr and {ALL}", explain="true", limit=5))
    assert body["query"]["index"] == "created_at_1"
    refused(place.ask(filter="custom_fields.nick pr", sort="name"), 400, "filter_not_indexed")
    mixed = refused(place.ask(filter='custom_fields.nick eq "a" or email eq "b@x.example"'), 400,
                    "filter_not_indexed")
    assert "the index of email is of no use here" in mixed["error_description"]


def test_the_way_out_is_one(place):
    """What the refusals advise is taken."""
    ok(place.ask(filter="custom_fields.age pr", sort="custom_fields.age"))
    ok(place.ask(filter=f"{ALL} and custom_fields.score gt 1"))
    owners = ok(place.ask(filter=f'{ALL} and role eq "owner"'))["users"]
    assert [user["email"] for user in owners] == [place.tenant.owner.email]


# -- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("query, error, words", [
    ({"filter": "(" * 1000 + "name pr"}, "invalid_filter", "32 deep"),
    ({"filter": "x" * 5000}, "invalid_filter", "4096"),
    ({"filter": " or ".join(["name pr"] * 101)}, "invalid_filter", "100 comparisons"),
    ({"filter": 'password_hash sw "$2b"'}, "invalid_filter", "no field password_hash"),
    ({"filter": "tenant_id pr"}, "invalid_filter", "no field"),
    ({"filter": "security_epoch gt 0"}, "invalid_filter", "no field"),
    ({"filter": "_id pr"}, "invalid_filter", "no field"),
    ({"filter": "custom_fields pr"}, "invalid_filter", "no field"),
    ({"filter": "custom_fields. pr"}, "invalid_filter", "no field"),
    ({"filter": "custom_fields.$where pr"}, "invalid_filter", "no field"),
    ({"filter": "custom_fields.home.$gt pr"}, "invalid_filter", "no field"),
    ({"filter": "custom_fields.tags.0 pr"}, "invalid_filter", "no field"),
    ({"filter": "custom_fields.none eq 1"}, "invalid_filter", "no field"),
    ({"filter": 'custom_fields.age eq "1"'}, "invalid_filter", "takes a number"),
    ({"filter": "custom_fields.age eq null"}, "invalid_filter", "takes a number"),
    ({"filter": 'custom_fields.age co "1"'}, "invalid_filter", "takes a number"),
    ({"filter": "custom_fields.vip gt true"}, "invalid_filter", "needs an order"),
    ({"filter": 'custom_fields.started eq "2020-02-30"'}, "invalid_filter", "2026-01-31"),
    ({"filter": 'custom_fields.started sw "2020"'}, "invalid_filter", "date"),
    ({"filter": 'custom_fields.seen eq "2020-01-01"'}, "invalid_filter", "RFC 3339"),
    ({"filter": 'created_at gt "yesterday"'}, "invalid_filter", "RFC 3339"),
    ({"filter": 'id eq "1"'}, "invalid_filter", "UUID"),
    ({"filter": 'role gt "admin"'}, "invalid_filter", "needs an order"),
    ({"filter": 'custom_fields.nick gt "a"'}, "invalid_filter", "without case"),
    ({"filter": 'custom_fields.nick eq "a" and name gt "b"'}, "invalid_filter", "one order of texts"),
    ({"filter": "custom_fields.home eq 1"}, "invalid_filter", "takes no value"),
    ({"filter": "name eq 99999999999999999999"}, "invalid_filter", "64 bits"),
    ({"sort": "name,role,id,email"}, "validation_failed", "at most 3"),
    ({"sort": "name,,role"}, "validation_failed", "no field"),
    ({"sort": "--name"}, "validation_failed", "no field"),
    ({"sort": "name,-name"}, "validation_failed", "twice"),
    ({"sort": "password_hash"}, "validation_failed", "no field"),
    ({"limit": "201"}, "validation_failed", "limit"),
    ({"limit": "0"}, "validation_failed", "limit"),
    ({"explain": "perhaps"}, "validation_failed", "explain"),
    ({"filters": "name pr"}, "unknown_field", "filters"),
    ({"filter[$ne]": "x"}, "unknown_field", "filter"),
], ids=lambda value: str(value)[:60])
def test_bad_input(place, query, error, words):
    body = refused(place.ask(**query), 400, error)
    assert words in body["error_description"], body


def test_a_filter_of_100_kilobytes(place):
    url = urllib.parse.urlsplit(str(place.api.instance.url))
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    connection.request("GET", f"/users?filter=name%20eq%20%22{'x' * 100_000}%22",
                       headers={"Authorization": f"Bearer {place.tenant.owner.token}"})
    assert connection.getresponse().status in (414, 431)
    connection.close()


def test_the_guide(api, place, tmp_path):
    """docs/CUSTOM_FIELDS.md "Searching users": each command as printed finds somebody."""
    guide = Guide("docs/CUSTOM_FIELDS.md", api.instance, tmp_path)
    guide.text = guide.text.partition("## Searching users")[2].partition("\n## ")[0]
    guide.environment["KEY"] = place.tenant.key
    answers = [json.loads(line) for line in guide.run().splitlines() if line.startswith("{")]
    assert len(answers) == 4 and all(answer["users"] for answer in answers)
    assert answers[2]["query"]["index"] == "email_1, cf_u_badge"


def test_days_and_moments(place):
    """Dates are compared as dates, however they are written."""
    day = EPOCH + datetime.timedelta(days=5)
    wanted = {str(user["_id"]) for user in place.users if user["custom_fields"].get("started") == day}
    found = place.all(filter=f'custom_fields.started eq "{day:%Y-%m-%d}"', limit=200)
    assert {user["id"] for user in found} == wanted and wanted
    one, other = (place.all(filter=f'created_at lt "{text}"', limit=200)
                  for text in ("2020-01-02T00:00:00Z", "2020-01-02T05:30:00+05:30"))
    assert one == other and one


def test_an_index_that_is_gone_is_no_fault_of_ours(api, place):
    """As for a moment on an instance that plans by the schema of before: try again (503)."""
    users = api.instance.db[place.tenant.collection]
    name = "cf_i_age"
    index = users.index_information()[name]
    users.drop_index(name)
    try:
        answer = place.ask(filter="custom_fields.age eq 18")
        refused(answer, 503, "schema_changing")
        assert int(answer.headers["retry-after"]) >= 1
    finally:
        users.create_index(index["key"], name=name,
                           partialFilterExpression=index["partialFilterExpression"])
    assert ok(place.ask(filter="custom_fields.age eq 18"))["users"]
