"""What forms made from a schema do with input that no browser would send (issue 6.5, IN-11).

The pages in a browser: tests/browser/test_user_fields.py, test_console_fields.py.
"""
import html
import html.parser
import json
import re

import pytest

from support.authorize import browser_of, field
from support.check import ok
from support.world import USER_PASSWORD, unique

PAGE = {"Accept": "text/html"}
SCHEMA = {
    "type": "object", "additionalProperties": False, "required": ["color", "born"],
    "properties": {
        "color": {"enum": ["red", "green", 1, "1", True, None, ""], "default": "red"},
        "born": {"type": "string", "format": "date", "default": "2000-01-01"},
        "seen": {"type": "string", "format": "date-time"},
        "count": {"type": "integer"},
        "share": {"type": ["number", "null"]},
        "sizes": {"type": "array", "items": {"type": "integer"}, "maxItems": 3},
        "tags": {"type": "array", "uniqueItems": True, "items": {"enum": ["a", "b"]}},
        "a/b~c": {"type": "string"},
        "home": {"type": "object", "properties": {"city": {"type": "string"},
                                                  "rank": {"type": "string", "x-write": "admin"}}},
        "pass": {"type": "string", "x-read": "admin", "x-write": "admin"},
        "free": {"type": "object"},
    },
}


@pytest.fixture(scope="module")
def place(api, world):
    made = world.tenant()
    world.login(made.owner)
    fits = {"custom_fields": {"color": "red", "born": "1990-01-01"}}
    ok(api.patch("/users/me", token=made.owner.token, json=fits))
    made.owner.session = world.sign_in(made.owner)
    ok(api.put("/tenants/schema", token=made.owner.token, json=SCHEMA))
    return made


class Registration:
    """The registration form as a program fills it in."""

    def __init__(self, api, slug):
        self.api, self.slug = api, slug
        page = api.get("/register", tenant=slug, headers=PAGE)
        self.cookies = browser_of(page)
        part = page.text[page.text.index('id="register"'):]
        self.hidden = {name: field(part, name) for name in ("form_token", "fields_state")}

    def send(self, fields, **members):
        """(answer, custom fields of the user that was made, or None)"""
        name = unique("f")
        form = {f"custom_fields/{key}": value for key, value in fields.items()}
        answer = self.api.post("/register", tenant=self.slug, cookie=self.cookies, headers=PAGE, form={
            **self.hidden, "username": name, "password": USER_PASSWORD, **form, **members})
        if answer.status_code != 303:
            return answer, None
        login = ok(self.api.post("/auth/login", tenant=self.slug,
                                 json={"username": name, "password": USER_PASSWORD}))
        return answer, ok(self.api.get("/users/me", token=login["access_token"]))["custom_fields"]


@pytest.fixture(scope="module")
def registration(api, place):
    return Registration(api, place.slug)


@pytest.mark.parametrize("fields,wanted", [
    ({"color": '"red"', "born": "2000-01-01"}, {"color": "red", "born": "2000-01-01"}),
    ({"color": "1", "born": "2000-01-01"}, {"color": 1, "born": "2000-01-01"}),
    ({"color": '"1"', "born": "2000-01-01"}, {"color": "1", "born": "2000-01-01"}),
    ({"color": "true", "born": "2000-01-01"}, {"color": True, "born": "2000-01-01"}),
    ({"color": '""', "count": "-9223372036854775808"},
     {"color": "", "count": -9223372036854775808, "born": "2000-01-01"}),
    ({"seen": "2026-01-31T23:30", "seen~offset": "-12:00"},
     {"seen": "2026-02-01T11:30:00Z", "color": "red", "born": "2000-01-01"}),
    ({"share": "1e2", "sizes": "1\r\n2", "tags~1": "on", "a~1b~0c": "x", "home/city": "Ulm"},
     {"share": 100.0, "sizes": [1, 2], "tags": ["b"], "a/b~c": "x", "home": {"city": "Ulm"},
      "color": "red", "born": "2000-01-01"}),
    ({"share": "", "home/city": "", "sizes": " \r\n "}, {"color": "red", "born": "2000-01-01"}),
])
def test_texts_become_values(registration, fields, wanted):
    answer, stored = registration.send(fields)
    assert answer.status_code == 303, answer.text
    assert stored == wanted


@pytest.mark.parametrize("fields,where,sentence", [
    ({"color": '"blue"'}, "color", "must be one of"),
    ({"born": "31.12.1999"}, "born", "date"),
    ({"born": "2000-02-30"}, "born", "date"),
    ({"seen": "yesterday"}, "seen", ""),
    ({"seen": "2026-01-31T23:30", "seen~offset": "Z; DROP"}, "seen", ""),
    ({"count": "1.5"}, "count", "must be an integer"),
    ({"count": '1,"x":2'}, "count", "must be an integer"),
    ({"count": "{}"}, "count", "must be an integer"),
    ({"count": "true"}, "count", "must be an integer"),
    ({"count": "null"}, "count", "must be an integer"),
    ({"count": "99999999999999999999"}, "count", "must be an integer"),
    ({"count": "0x10"}, "count", "must be an integer"),
    ({"share": "NaN"}, "share", "must be a number"),
    ({"sizes": "1\n2\n3\n4"}, "sizes", ""),
    ({"sizes": "1\nx"}, "sizes", "line 2 must be an integer"),
])
def test_what_is_no_value_of_its_type_stands_beside_its_input(registration, fields, where, sentence):
    answer, stored = registration.send(fields)
    assert answer.status_code == 400 and stored is None
    page = html.unescape(answer.text)
    found = re.search(rf'id="([^"]*)" name="custom_fields/{where}"', page).group(1)
    error = re.search(rf'id="{found}-error" class="field-error">(.*?)</p>', page, re.DOTALL)
    assert error and sentence in error.group(1), page
    assert where in ("color", "seen") or fields[where] in page
    assert USER_PASSWORD not in page


@pytest.mark.parametrize("fields", [
    {"pass": "x"}, {"home/rank": "x"}, {"free": '{"a":1}'}, {"nothing": "x"}, {"": "x"}, {"/": "x"},
    {"__proto__": "x"}, {"$where": "1"}, {"color/0": "x"}, {"tags~7": "on"}, {"tags~99999999999": "on"},
    {"home": "x"}, {"count~offset": "Z"},
])
def test_members_that_the_form_has_not_change_nothing(registration, fields):
    """A form that says more than it was made for: the rest is not looked at (IN-7)."""
    answer, stored = registration.send(fields)
    assert answer.status_code == 303, answer.text
    assert stored == {"color": "red", "born": "2000-01-01"}


@pytest.mark.parametrize("state,status", [
    ("0", 409), ("1-0", 409), ("x" * 5000, 409), ("1-ffffffffffffffff", 409), ("", 303)])
def test_a_forged_state_saves_nothing(registration, state, status):
    answer, stored = registration.send({"count": "5"}, fields_state=state)
    assert answer.status_code == status, answer.text
    assert status == 409 or "count" not in stored


def test_too_much_is_refused(registration):
    answer, _ = registration.send({"a~1b~0c": "x" * 17000})
    assert answer.status_code == 400 and "16 KiB" in answer.text.replace("16,384 bytes", "16 KiB")
    answer, _ = registration.send({f"x{n}": "1" for n in range(600)})
    assert answer.status_code == 400
    answer, _ = registration.send({"a~1b~0c": "x" * 70000})
    assert answer.status_code == 413


# -- what stands in a form comes back as it is ------------------------------------------------------


class Sent(html.parser.HTMLParser):
    """What a browser sends of the form with that action when nobody touches it, and what of it the
    browser would hold back because it is required and empty."""

    def __init__(self, page, action):
        super().__init__()
        self.action, self.inside, self.open = action, False, None
        self.values, self.missing = {}, []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            self.inside = attrs["action"].endswith(self.action)
        elif self.inside and tag == "option" and (self.open[1] is None or "selected" in attrs):
            self.open[1] = attrs["value"]
        elif self.inside and tag in ("select", "textarea"):
            self.open = [attrs, None if tag == "select" else ""]
        elif self.inside and tag == "input":
            ticks = attrs["type"] in ("checkbox", "radio")
            if "name" in attrs and (not ticks or "checked" in attrs):
                self.keep(attrs, attrs.get("value") or "")

    def handle_data(self, data):
        if self.open is not None and self.open[1] is not None and "rows" in self.open[0]:
            self.open[1] += data

    def handle_endtag(self, tag):
        if tag in ("select", "textarea") and self.open is not None:
            self.keep(self.open[0], self.open[1].removeprefix("\n"))
            self.open = None
        elif tag == "form":
            self.inside = False

    def keep(self, attrs, value):
        if "name" in attrs:
            self.values[attrs["name"]] = value
        if "required" in attrs and value == "" and attrs["name"] != "password":
            self.missing.append(attrs["name"])


TOWN = {"type": "object", "required": ["city"], "default": {"city": "Bern", "country": "CH"},
        "properties": {"city": {"type": "string"}, "country": {"type": "string"}}}
ODD = {"required": ["tags", "colors", "note", "home"], "properties": {
    "mixed": {"type": "array", "uniqueItems": True, "items": {"enum": ["a", 1, "1", None, " b", "c\r\nd"]}},
    "lines": {"type": "array", "items": {"enum": ["a", 1, "1"]}},
    "day": {"type": "string", "format": "date"}, "moment": {"type": "string", "format": "date-time"},
    "tags": {"type": "array", "items": {"type": "string"}},
    "colors": {"type": "array", "uniqueItems": True, "items": {"enum": ["red", "blue"]}},
    "note": {"type": "string"}, "home": TOWN, "work": TOWN,
    "letter": {"enum": ["daily", "weekly"], "default": "weekly"},
    "language": {"type": "string", "default": "de"},
    "topics": {"type": "array", "uniqueItems": True, "items": {"enum": ["x", "y"]}, "default": ["y"]}}}
OLD = {"mixed": ["a", "1", " b", "c\r\nd"], "lines": ["1", "a"], "day": "0000-01-01",
       "moment": "0000-02-29T09:30:00Z", "tags": [], "colors": [], "note": "", "home": {"city": "Ulm"}}


@pytest.fixture(scope="module")
def odd(api, world):
    made = world.tenant()
    world.login(made.owner)
    ok(api.patch("/users/me", token=made.owner.token, json={"custom_fields": OLD}))
    ok(api.put("/tenants/schema", token=made.owner.token, json=ODD))
    made.owner.session = world.sign_in(made.owner)
    return made


def test_a_profile_that_nobody_touched_changes_nothing(api, odd):
    """Values that inputs hold badly, and those that are empty though they are required."""
    page = api.get("/dashboard", tenant=odd.slug, cookie=odd.owner.session, headers=PAGE)
    form = Sent(page.text, "/dashboard/profile")
    assert not form.missing
    answer = api.post("/dashboard/profile", tenant=odd.slug, cookie=odd.owner.session, headers=PAGE,
                      form=form.values | {"part": "profile"})
    assert answer.headers["Location"].endswith("/dashboard?notice=unchanged"), answer.text
    assert ok(api.get("/users/me", token=odd.owner.token))["custom_fields"] == OLD


def test_defaults_stand_in_the_form_and_can_be_taken_back(api, odd):
    """What is shown is what is stored: an object whole, and an emptied field not at all."""
    registration = Registration(api, odd.slug)
    page = api.get("/register", tenant=odd.slug, headers=PAGE).text
    form = Sent(page, "/register")
    assert form.missing == ["custom_fields/note"]
    shown = {name.removeprefix("custom_fields/"): value for name, value in form.values.items()
             if name.startswith("custom_fields/")} | {"note": "n", "home/city": "Genf"}
    wanted = {"tags": [], "colors": [], "note": "n", "home": {"city": "Genf", "country": "CH"},
              "work": TOWN["default"], "letter": "weekly", "language": "de", "topics": ["y"]}
    assert registration.send(shown)[1] == wanted
    emptied = shown | {"letter": "", "language": "", "topics~1": "", "work/city": "", "work/country": "",
                       "home/country": ""}
    assert registration.send(emptied)[1] == {
        "tags": [], "colors": [], "note": "n", "home": {"city": "Genf"}}


def test_a_form_without_its_session_says_so(api, odd):
    """Nothing was saved, and who sent it hears that; a page that was only looked at needs no words."""
    answer = api.post("/dashboard/profile", tenant=odd.slug, headers=PAGE, form={"part": "profile"})
    assert answer.status_code == 303 and answer.headers["Location"].endswith("/login?notice=ended")
    page = api.get("/login?notice=ended", tenant=odd.slug, headers=PAGE).text
    assert "You were not signed in any more, so nothing was done." in page
    answer = api.get("/dashboard", tenant=odd.slug, headers=PAGE)
    assert answer.headers["Location"].endswith("/login")


def test_a_form_older_than_the_schema_shows_what_is_stored(api, world):
    """What the old form had is as it was typed, what it did not have as it is stored: sent again, it
    takes nothing away. So with the form of a tenant without a schema."""
    place = world.tenant()
    world.login(place.owner)
    stored = {"team": "a", "nick": "bob", "n": 5, "list": ["p"], "kind": "x", "when": "2026-01-31T09:30:00Z"}
    ok(api.patch("/users/me", token=place.owner.token, json={"custom_fields": stored}))
    session = world.sign_in(place.owner)

    def publish(**properties):
        ok(api.put("/tenants/schema", token=place.owner.token, json={"properties": properties}))

    def send(page, **typed):
        form = Sent(page, "/dashboard/profile").values | {"part": "profile"} | typed
        return api.post("/dashboard/profile", tenant=place.slug, cookie=session, headers=PAGE, form=form)

    look = {"tenant": place.slug, "cookie": session, "headers": PAGE}
    free = api.get("/dashboard", **look).text
    publish(team={"type": "string"})
    answer = send(free, **{"field:team": "b"})
    assert answer.status_code == 409 and "has changed meanwhile" in answer.text
    old = api.get("/dashboard", **look).text
    publish(team={"type": "string"}, nick={"type": "string"}, n={"type": "integer"}, kind={"enum": ["x", "y"]},
            list={"type": "array", "items": {"type": "string"}}, when={"type": "string", "format": "date-time"})
    answer = send(old, **{"custom_fields/team": "b"})
    assert answer.status_code == 409 and "has changed meanwhile" in answer.text
    answer = send(answer.text)
    assert answer.headers["Location"].endswith("notice=saved")
    assert ok(api.get("/users/me", token=place.owner.token))["custom_fields"] == stored | {"team": "b"}


def test_the_search_tells_fields_of_one_title_apart(api, odd):
    """And keeps what was typed where a day belongs."""
    def search(**query):
        return api.get("/dashboard/admin/users", tenant=odd.slug, cookie=odd.owner.session, headers=PAGE,
                       params=query).text

    labels = re.findall(r'<option value="(custom_fields\.(?:home|work)\.city|custom_fields\.day)"[^>]*>'
                        r'([^<]*)<', search())
    assert labels == [("custom_fields.day", "Day"),
                      *((name, f"City ({name})") for name in ("custom_fields.home.city",
                                                              "custom_fields.work.city"))]
    assert 'name="v1" type="text" value="1.2.2026"' in search(
        filter='custom_fields.day ge "1.2.2026"')


# -- the console ---------------------------------------------------------------------------------


class Fields:
    """The page of the schema as the owner's browser sends it."""

    def __init__(self, api, place):
        self.api, self.place = api, place

    def send(self, **members):
        page = self.api.get("/dashboard/admin/fields", tenant=self.place.slug,
                            cookie=self.place.owner.session, headers=PAGE).text
        part = page[page.index('action="/dashboard/admin/fields"'):]
        return self.api.post("/dashboard/admin/fields", tenant=self.place.slug,
                             cookie=self.place.owner.session, headers=PAGE, form={
                                 "form_token": field(part, "form_token"),
                                 "version": field(part, "version"), "schema": "{}"} | members)


@pytest.fixture(scope="module")
def fields(api, place):
    return Fields(api, place)


@pytest.mark.parametrize("version", ["99", "0", "-1", "x", "99999999999999999999"])
def test_a_version_that_never_was_is_not_found(api, place, version):
    answer = api.get("/dashboard/admin/fields", tenant=place.slug, params={"version": version},
                     cookie=place.owner.session, headers=PAGE)
    assert answer.status_code == 404 and 'id="schema"' not in answer.text


def draft_text(answer):
    return html.unescape(re.search(r'<textarea id="schema"[^>]*>\n(.*?)</textarea>', answer.text,
                                   re.DOTALL).group(1))


def draft(answer):
    return json.loads(draft_text(answer))


@pytest.mark.parametrize("members,status", [
    ({"form_token": "x"}, 403), ({"form_token": ""}, 403),
    ({"step": "put"}, 400), ({"step": "put", "name": "a.b"}, 400), ({"step": "put", "name": "$a"}, 400),
    ({"step": "put", "name": "x" * 201}, 400), ({"step": "put", "name": "a", "kind": "nonsense"}, 400),
    ({"step": "put", "name": "a", "kind": "choice"}, 400),
    ({"step": "put", "name": "a", "kind": "text", "read": "god"}, 400),
    ({"step": "put", "name": "a", "kind": "list", "unique": "on"}, 400),
    ({"step": "remove", "name": "a"}, 400), ({"step": "try", "schema": "[]"}, 400),
    ({"step": "try", "schema": "{" * 100}, 400), ({"step": "publish", "schema": '{"type": "array"}'}, 400),
    ({"step": "publish", "version": "77"}, 412), ({"step": "publish", "version": "x"}, 412),
    ({"step": "try", "schema": '{"properties": {"a": ' + "[" * 1000 + "]" * 1000 + "}}"}, 400),
    ({"step": "sell"}, 200),
])
def test_what_the_page_of_the_schema_refuses(api, place, fields, members, status):
    """Nothing is published; the answer is the page with what was wrong, never a 500."""
    answer = fields.send(**members)
    assert answer.status_code == status, answer.text
    assert ok(api.get("/tenants/schema", token=place.owner.token))["version"] == 1


def test_other_keywords_stay(fields):
    """The form of a field changes what it knows and keeps the rest, in its order."""
    schema = {
        "title": "T", "required": ["x", "a"], "properties": {
            "x": {"type": "string", "minLength": 2, "pattern": "^a", "x-index": "ci"},
            "a": {"type": "object", "properties": {"b": {"type": "null"}}, "x-read": "admin"}}}
    answer = fields.send(step="put", schema=json.dumps(schema), name="x", title="X <b>", required="on",
                         kind="", index="ci", write="server")
    wanted = json.loads(json.dumps(schema))
    wanted["properties"]["x"] |= {"title": "X <b>", "x-write": "server"}
    wanted["required"] = ["a", "x"]
    assert draft(answer) == wanted and list(draft(answer)["properties"]) == ["x", "a"]
    # The form is empty for the next field, and nothing near it leads away from the draft.
    assert "X &lt;b" not in answer.text.split('id="schema"')[0] and "?field=" not in answer.text
    answer = fields.send(step="show", schema=draft_text(answer), name="x")
    shown = Sent(answer.text, "/fields").values
    assert draft(answer) == wanted and {name: shown.get(name) for name in (
        "name", "title", "kind", "index", "required", "write")} == {
            "name": "x", "title": "X <b>", "kind": "text", "index": "ci", "required": "on", "write": "server"}
    assert fields.send(step="show", schema="{}", name="x").status_code == 400
    # Cancelling a dry run leaves the draft alone.
    answer = fields.send(step="cancel", schema=json.dumps(schema))
    assert draft(answer) == schema and "There was nothing left to cancel." in answer.text
    answer = fields.send(step="put", schema=json.dumps(schema), name="a", kind="date", title="")
    assert draft(answer)["required"] == ["x"]
    assert draft(answer)["properties"]["a"] == {"type": "string", "format": "date",
                                                "properties": {"b": {"type": "null"}}}
