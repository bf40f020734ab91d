"""Searching users: random users, random filters, and what api.md §10 says that a filter means.

Written from the specification alone: nothing here knows how the service asks its database.
"""
import datetime
import json
import random
import unicodedata
import uuid

from bson.int64 import Int64

SCHEMA = {
    "type": "object",
    "properties": {
        "department": {"type": "string", "enum": ["sales", "support", "lab"], "x-index": True},
        "age": {"type": "integer", "x-index": True},
        "nick": {"type": "string", "x-index": "ci"},
        "badge": {"type": "string", "x-unique": True},
        "started": {"type": "string", "format": "date", "x-index": True},
        "seen": {"type": "string", "format": "date-time"},
        "score": {"type": "number"},
        "vip": {"type": "boolean"},
        "note": {"type": ["string", "null"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "marks": {"type": "array", "items": {"type": "integer"}},
        "home": {"type": "object", "properties": {"city": {"type": "string", "x-index": True},
                                                  "zip": {"type": "string"}}},
        "phones": {"type": "array", "items": {"type": "object", "properties": {
            "kind": {"type": "string"}, "number": {"type": "string"}}}},
        "wage": {"type": "integer", "x-read": "server"},
    },
}
INDEXED = ["department", "age", "nick", "badge", "started", "home.city"]
#: Letters that mean something to patterns, to JSON, to collations.
TEXTS = ["", "a", "ab", "abc", "abcd", "b", "Ab", "AB", "a.c", "a*c", "^a", "a$", "(a)", "[a]", "a\\b",
         "a\nb", "ab\n", "\"q\"", "$where", "é", "éa", "e\u0301", "ß", "ss", "日本", "😀", "ab.", "a b",
         "ab\uffff", "a\U0010ffff", "\\z", "\\Qa\\E", "null", "true", "1"]
NICKS = ["ann", "Ann", "ANN", "anna", "Anna1", "bob", "BOB2", "bOb", "Cy", "cyd", "d1", "D10"]
CITIES = ["Berlin", "berlin", "Bern", "Ulm", "Köln", "Essen"]
EPOCH = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
MEMBERS = ["id", "username", "email", "name", "role", "is_active", "is_email_verified", "created_at",
           "updated_at", "last_login_at"]


def moment(random_):
    return EPOCH + datetime.timedelta(milliseconds=random_.randrange(40) * 86_400_000
                                      + random_.choice([0, 0, 1, 43_200_000]))


def random_fields(rng, number):
    """custom_fields as the database has them: dates are dates."""
    fields = {}
    makers = {
        "department": lambda: rng.choice(["sales", "support", "lab"]),
        "age": lambda: Int64(rng.choice([0, 1, 17, 18, 40, 99, -5, 2**53 + 1, 2**63 - 1])),
        "nick": lambda: rng.choice(NICKS),
        "badge": lambda: f"B{number:05}",
        "started": lambda: moment(rng).replace(hour=0, minute=0, second=0, microsecond=0),
        "seen": lambda: moment(rng),
        "score": lambda: rng.choice([0.5, 1.0, -2.25, Int64(1), Int64(7), 1e300]),
        "vip": lambda: rng.random() < 0.5,
        "note": lambda: rng.choice([None, "", "x", "ab"]),
        "tags": lambda: [rng.choice(TEXTS) for _ in range(rng.randrange(4))],
        "marks": lambda: [Int64(rng.randrange(6)) for _ in range(rng.randrange(4))],
        "home": lambda: {name: rng.choice(values) for name, values in (
            ("city", CITIES), ("zip", TEXTS)) if rng.random() < 0.7},
        "phones": lambda: [{name: rng.choice(values) for name, values in (
            ("kind", ["home", "work"]), ("number", TEXTS)) if rng.random() < 0.8}
            for _ in range(rng.randrange(3))],
        "wage": lambda: Int64(rng.randrange(9) * 1000),
    }
    for name, make in makers.items():
        if rng.random() < 0.75:
            fields[name] = make()
    return fields


def random_user(rng, tenant_id, number):
    """A whole user as the database has one."""
    created = moment(rng)
    user = {"_id": uuid.UUID(int=rng.getrandbits(128)), "tenant_id": uuid.UUID(tenant_id),
            "role": rng.choice(["user"] * 8 + ["admin"]), "is_active": rng.random() < 0.8,
            "is_email_verified": rng.random() < 0.5, "security_epoch": Int64(1),
            "created_at": created, "updated_at": created + datetime.timedelta(days=rng.randrange(3)),
            "version": Int64(1), "custom_fields": random_fields(rng, number)}
    if rng.random() < 0.8:
        typed = f"{rng.choice(['Ann', 'bob', 'C.d', 'É'])}{number}@{rng.choice(['x', 'Y'])}.example"
        user |= {"email_typed": typed, "email": typed.lower()}
    if "email" not in user or rng.random() < 0.5:
        typed = f"{rng.choice(['ann', 'BOB', 'c_d', 'ö'])}{number}"
        user |= {"username_typed": typed, "username": typed.lower()}
    if rng.random() < 0.7:
        user["name"] = rng.choice([text for text in TEXTS if text])
    if rng.random() < 0.6:
        user["last_login_at"] = moment(rng)
    return user


def fill(db, tenant, users):
    """Puts users past the service, as they would be."""
    collection = db[tenant.collection]
    for start in range(0, len(users), 2500):
        collection.insert_many(users[start:start + 2500], ordered=False)
    db.tenant_usage.update_one({"_id": uuid.UUID(tenant.id)}, {"$inc": {"users": Int64(len(users))}})


# -- what a filter means -------------------------------------------------------------------------


def leaves(document, path):
    """What stands at a path: of a list of objects, in each."""
    found = [document]
    for name in path.split("."):
        found = [inner[name] for outer in found
                 for inner in (outer if isinstance(outer, list) else [outer])
                 if isinstance(inner, dict) and name in inner]
    return found


def stored(document, path):
    return leaves(document, {"id": "_id"}.get(path, path))


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def same_kind(value, other):
    return is_number(value) and is_number(other) or type(value) is type(other)


def equals(value, other):
    return same_kind(value, other) and value == other


COMPARE = {
    "eq": equals,
    "ne": lambda value, other: not equals(value, other),
    "co": lambda value, other: isinstance(value, str) and other in value,
    "sw": lambda value, other: isinstance(value, str) and value.startswith(other),
    "ew": lambda value, other: isinstance(value, str) and value.endswith(other),
    "gt": lambda value, other: same_kind(value, other) and value > other,
    "ge": lambda value, other: same_kind(value, other) and value >= other,
    "lt": lambda value, other: same_kind(value, other) and value < other,
    "le": lambda value, other: same_kind(value, other) and value <= other,
}


def holds(operator, path, found, other):
    """Whether what stands at the path meets the comparison: absent meets none, of a list any."""
    if operator == "pr":
        return any(value not in (None, "", []) for value in found)
    values = [inner for value in found for inner in (value if isinstance(value, list) else [value])
              if not isinstance(inner, list)]
    if path in ("username", "email"):
        other = unicodedata.normalize("NFC", other.strip()).lower()
    if path == "custom_fields.nick" and operator in ("eq", "ne", "sw", "ew"):
        values, other = [value.lower() for value in values], other.lower()
    return any(COMPARE[operator](value, other) for value in values)


class Meaning:
    """Who of some users meets a filter, by api.md §10. Equal values are looked at once."""

    def __init__(self, users):
        self.users, self.columns = users, {}
        self.everybody = frozenset(range(len(users)))

    def column(self, path):
        if path not in self.columns:
            groups = {}
            for number, user in enumerate(self.users):
                found = stored(user, path)
                groups.setdefault(repr(found), (found, set()))[1].add(number)
            self.columns[path] = list(groups.values())
        return self.columns[path]

    def numbers(self, tree):
        operator, *rest = tree
        if operator == "and":
            return frozenset.intersection(*map(self.numbers, rest))
        if operator == "or":
            return frozenset.union(*map(self.numbers, rest))
        if operator == "not":
            return self.everybody - self.numbers(rest[0])
        path, other = rest[0], rest[-1]
        return frozenset().union(*(numbers for found, numbers in self.column(path)
                                   if holds(operator, path, found, other)))

    def ids(self, tree):
        return {str(self.users[number]["_id"]) for number in self.numbers(tree)}


# -- filters -------------------------------------------------------------------------------------


def literal(path, value):
    if isinstance(value, uuid.UUID):
        return json.dumps(str(value))
    if isinstance(value, datetime.datetime):
        if path == "custom_fields.started":
            return json.dumps(value.strftime("%Y-%m-%d"))
        return json.dumps(value.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
    return json.dumps(value, ensure_ascii=len(str(value)) % 2 == 0)


def text_of(tree, rng):
    """The words of a filter, with the freedom that the language leaves."""
    operator, *rest = tree
    word = rng.choice([operator, operator.upper(), operator.capitalize()])
    if operator in ("and", "or"):
        return f" {word} ".join(
            f"({text_of(part, rng)})" if part[0] in ("and", "or") else text_of(part, rng)
            for part in rest)
    if operator == "not":
        return f"{word} ({text_of(rest[0], rng)})"
    if operator == "pr":
        return f"{rest[0]} {word}"
    return f"{rest[0]} {word} {literal(*rest)}"


ORDERED = ["eq", "ne", "gt", "ge", "lt", "le", "pr"]
EVERY = ORDERED + ["co", "sw", "ew"]
FIELDS = {
    "id": ORDERED, "username": EVERY, "email": EVERY, "name": EVERY, "role": ["eq", "ne", "pr"],
    "is_active": ["eq", "ne", "pr"], "is_email_verified": ["eq", "ne", "pr"], "created_at": ORDERED,
    "updated_at": ORDERED, "last_login_at": ORDERED, "custom_fields.department": EVERY,
    "custom_fields.age": ORDERED, "custom_fields.nick": ["eq", "ne", "co", "sw", "ew", "pr"],
    "custom_fields.badge": EVERY, "custom_fields.started": ORDERED, "custom_fields.seen": ORDERED,
    "custom_fields.score": ORDERED, "custom_fields.vip": ["eq", "ne", "pr"],
    "custom_fields.note": EVERY, "custom_fields.tags": EVERY, "custom_fields.marks": ORDERED,
    "custom_fields.home": ["pr"], "custom_fields.home.city": EVERY, "custom_fields.home.zip": EVERY,
    "custom_fields.phones": ["pr"], "custom_fields.phones.kind": EVERY,
    "custom_fields.phones.number": EVERY,
}
#: Comparisons of texts by their order: not beside a field that is compared without case.
EXACT_ORDER = ("gt", "ge", "lt", "le")


class Filters:
    """Random filters over some users: values that are there, nearly there, and not."""

    def __init__(self, rng, users, ignores_case):
        self.rng, self.users, self.ignores_case = rng, users, ignores_case

    def value(self, path, operator):
        found = []
        while not found:
            found = [inner for value in stored(self.rng.choice(self.users), path)
                     for inner in (value if isinstance(value, list) else [value])]
        value = self.rng.choice(found)
        if isinstance(value, str) and path != "role":
            if operator in ("co", "sw", "ew") and value and self.rng.random() < 0.7:
                begin = self.rng.randrange(len(value))
                value = value[:begin + 1] if operator == "sw" else value[begin:]
            elif self.rng.random() < 0.2:
                value = self.rng.choice(TEXTS)
            if self.rng.random() < 0.2 and path != "custom_fields.badge":
                value = value.swapcase()
        if is_number(value) and self.rng.random() < 0.3:
            value = self.rng.choice([value, 1, 1.0, 0.5, 17.5, -1])
        return value

    def comparison(self, paths=None, operators=None):
        while True:
            path = self.rng.choice(paths or list(FIELDS))
            operator = self.rng.choice(operators or FIELDS[path])
            if operator not in FIELDS[path]:
                continue
            if path == "custom_fields.nick" and not self.ignores_case:
                continue
            if operator == "pr":
                return ("pr", path)
            value = self.value(path, operator)
            if value is None and operator not in ("eq", "ne"):
                continue
            if self.ignores_case and operator in EXACT_ORDER and isinstance(value, str):
                continue
            if path == "custom_fields.nick" and not value.isascii():
                continue
            return (operator, path, value)

    def tree(self, depth):
        kind = self.rng.random()
        if depth == 0 or kind < 0.35:
            return self.comparison()
        if kind < 0.5:
            return ("not", self.tree(depth - 1))
        return (self.rng.choice(["and", "or"]),
                *(self.tree(depth - 1) for _ in range(self.rng.randrange(2, 4))))

    def served(self):
        """A comparison that an index serves."""
        paths = ["id", "created_at", "custom_fields.age", "custom_fields.started"]
        paths += ["custom_fields.nick"] if self.ignores_case else [
            "username", "email", "custom_fields.department", "custom_fields.badge",
            "custom_fields.home.city"]
        return self.comparison(paths, ["eq", "sw", "gt", "ge", "lt", "le"])

    def indexed(self, depth=3):
        """A tree of which a part is served, in one of the ways that count."""
        kind = self.rng.random()
        if kind < 0.15:
            return self.served()
        if kind < 0.75:
            parts = [self.served(), self.tree(depth - 1)]
            self.rng.shuffle(parts)
            return ("and", *parts)
        return ("or", *(self.rng.choice([self.served(), ("and", self.served(), self.tree(1))])
                        for _ in range(self.rng.randrange(2, 4))))


def random_users(tenant_id, count, seed=1):
    rng = random.Random(seed)
    return [random_user(rng, tenant_id, number) for number in range(count)]
