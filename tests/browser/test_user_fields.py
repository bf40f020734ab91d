"""Forms made from a tenant's schema of custom fields (issue 6.5): registration and profile."""
import json

import pytest
from playwright.sync_api import expect

from conftest import PASSWORD, log_in, message, press, press_enter
from support.world import unique

SCHEMA = {
    "type": "object",
    "required": ["department", "terms", "member_no", "plan", "address", "meta"],
    "properties": {
        "department": {"type": "string", "enum": ["sales", "support", "research", "legal", "R & <D>"],
                       "description": "Where you work."},
        "plan": {"type": "string", "enum": ["basic", "plus"]},
        "member_no": {"type": "integer", "minimum": 1, "maximum": 9223372036854775807,
                      "title": "Member number", "x-unique": True},
        "height": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.01},
        "bio": {"type": "string", "maxLength": 500, "title": "About you"},
        "zip_code": {"type": "string", "pattern": "^[0-9]{5}$", "description": "Five digits."},
        "website": {"type": "string", "format": "uri"},
        "birthday": {"type": "string", "format": "date"},
        "seen": {"type": "string", "format": "date-time", "title": "Appointment"},
        "newsletter": {"type": "boolean", "default": True},
        "terms": {"type": "boolean", "const": True, "title": "I accept the terms"},
        "colors": {"type": "array", "uniqueItems": True, "items": {"enum": ["red", "green", "blue"]}},
        "phones": {"type": "array", "items": {"type": "string", "minLength": 3}},
        "address": {"type": "object", "required": ["city"], "properties": {
            "street": {"type": "string"}, "city": {"type": "string"},
            "country": {"type": "string", "default": "CH"}}},
        "employer": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string"}, "since": {"type": "integer"}}},
        "meta": {"type": "object", "title": "Anything else"},
        "badge": {"type": "string", "x-write": "admin"},
        "free": {"type": "object"},
    },
}
#: What the owner has before the schema comes.
OWNER = {"department": "sales", "terms": True, "member_no": 1, "plan": "basic",
         "address": {"city": "Bern"}, "meta": {}}


TOKENS = {}


def token_of(site, slug, name="owner"):
    """A sign-in costs a hash: one for each user is enough."""
    if (slug, name) not in TOKENS:
        TOKENS[slug, name] = site.token(slug, name)
    return TOKENS[slug, name]


def publish(site, slug, schema, **options):
    """The answer to a schema that is only tried, or refused."""
    token = token_of(site, slug)
    return site.http.put("/tenants/schema", json=schema, headers={"Authorization": f"Bearer {token}"},
                         **options)


@pytest.fixture(scope="module")
def slug(site):
    """A tenant whose users need custom fields."""
    made = site.tenant("Fields & Co")
    token = token_of(site, made)
    assert site.http.patch("/users/me", json={"custom_fields": OWNER},
                           headers={"Authorization": f"Bearer {token}"}).status_code == 200
    site.publish(token, SCHEMA)
    return made


def named(page, name):
    return page.locator(f"[name='custom_fields/{name}']")


def stored(site, slug, name):
    token = token_of(site, slug, name)
    return site.http.get("/users/me", headers={"Authorization": f"Bearer {token}"}).json()["custom_fields"]


def fill_required(page, name):
    page.fill("#register-username", name)
    page.fill("#register-password", PASSWORD)
    named(page, "department").select_option("R & <D>")
    page.get_by_label("plus").check()
    named(page, "member_no").fill("9007199254740993")
    page.get_by_label("I accept the terms").check()
    named(page, "address/city").fill("Zürich")
    named(page, "meta").fill('{"a": [1, 2.5]}')


def test_registration_asks_for_the_fields(site, page, slug):
    """What a user must have stands under a label, in the order of the schema, and is stored typed."""
    page.goto(site.path(slug) + "/register")
    labels = page.locator("#register label:not(.radio), #register legend").all_inner_texts()
    assert labels[3:9] == ["Department", "Plan", "Member number", "Height optional",
                           "About you optional", "Zip code optional"]
    assert named(page, "badge").count() == named(page, "free").count() == 0
    assert named(page, "newsletter").is_checked() and named(page, "address/country").input_value() == "CH"
    described = named(page, "department").get_attribute("aria-describedby")
    assert page.locator(f"#{described}").inner_text() == "Where you work."
    # The browser holds back what cannot be right.
    page.click("#register-submit")
    page.wait_for_function("document.activeElement.validity?.valid === false")
    name = unique("f")
    fill_required(page, name)
    for field, text in (("zip_code", "1234"), ("member_no", "0"), ("website", "nowhere")):
        before = named(page, field).input_value()
        named(page, field).fill(text)
        assert not named(page, field).evaluate("one => one.checkValidity()"), field
        named(page, field).fill(before)
    named(page, "height").fill("1.75")
    named(page, "bio").fill("one\ntwo")
    named(page, "birthday").fill("1990-02-28")
    named(page, "seen").fill("2026-03-01T09:30")
    named(page, "seen~offset").select_option("+05:45")
    page.get_by_label("green").check()
    page.get_by_label("blue").check()
    named(page, "phones").fill(" 123 \n\n4567")
    named(page, "newsletter").uncheck()
    press(page, "#register-submit")
    assert message(page) == "Your account is ready. Sign in with it."
    fields = stored(site, slug, name)
    seen = fields.pop("seen")
    assert seen in ("2026-03-01T09:30:00+05:45", "2026-03-01T03:45:00Z", "2026-03-01T03:45:00.000Z")
    assert fields == {
        "department": "R & <D>", "plan": "plus", "member_no": 9007199254740993, "height": 1.75,
        "bio": "one\ntwo", "birthday": "1990-02-28", "newsletter": False, "terms": True,
        "colors": ["green", "blue"], "phones": ["123", "4567"],
        "address": {"city": "Zürich", "country": "CH"}, "meta": {"a": [1, 2.5]}}
    # What somebody else has is told at its field.
    page.goto(site.path(slug) + "/register")
    fill_required(page, unique("f"))
    press(page, "#register-submit")
    assert message(page) == "Nothing was saved. Please look at: Member number."
    assert named(page, "member_no").get_attribute("aria-invalid") == "true"
    expect(named(page, "member_no")).to_be_focused()


def test_what_is_wrong_stands_beside_its_field(site, page, slug):
    """Everything at once, with what was typed; the first of them has the focus; no password comes back."""
    page.goto(site.path(slug) + "/register")
    page.evaluate("document.querySelectorAll('form').forEach(one => one.noValidate = true)")
    page.fill("#register-username", unique("f"))
    page.fill("#register-password", PASSWORD)
    typed = {"member_no": "0", "zip_code": "12", "phones": "1234\n5", "meta": "{oops",
             "employer/since": "1999", "bio": "<b>"}
    for name, text in typed.items():
        named(page, name).fill(text)
    press(page, "#register-submit")
    assert message(page) == ("Nothing was saved. Please look at: Department, Plan, Member number, Zip code, "
                             "I accept the terms, Phones, City, Name, Anything else.")
    assert page.locator(".field-error").all_inner_texts() == [
        "Department is required.", "Plan is required.", "Member number must be at least 1.",
        "Zip code must match the pattern ^[0-9]{5}$.", "I accept the terms must be ticked.",
        "Phones: line 2 is too short; least number of characters: 3.", "City is required.",
        "Name is required.", "Anything else must be an object."]
    expect(named(page, "department")).to_be_focused()
    assert {name: named(page, name).input_value() for name in typed} == typed
    assert page.input_value("#register-password") == ""
    for wrong in page.locator("#register [aria-invalid]").all():
        assert page.locator("#" + wrong.get_attribute("aria-errormessage")).count() == 1
        assert wrong.get_attribute("aria-errormessage") in wrong.get_attribute("aria-describedby")


def test_a_form_of_another_schema_saves_nothing(site, profile):
    """The page says so and has the new form; by keyboard and without scripts."""
    slug = site.tenant()
    site.publish(token_of(site, slug), {"properties": {"team": {"type": "string"}}})
    page = profile(java_script_enabled=False, viewport={"width": 360, "height": 740}).new_page()
    page.goto(site.path(slug) + "/register")
    site.publish(token_of(site, slug), {"properties": {"team": {"type": "string"},
                                                       "nick": {"type": "string"}}})
    name = unique("f")
    page.locator("#register-username").press_sequentially(name)
    for text in ("", PASSWORD, "red"):
        page.keyboard.press("Tab")
        page.keyboard.type(text)
    press_enter(page)
    assert "has changed meanwhile" in message(page)
    assert named(page, "team").input_value() == "red" and named(page, "nick").is_visible()
    page.fill("#register-password", PASSWORD)
    press(page, "#register-submit")
    assert stored(site, slug, name) == {"team": "red"}
    log_in(page, site.path(slug), name)
    page.wait_for_url("**/dashboard")


def test_a_schema_that_closes_registration_is_refused(site):
    """R003-05: nobody could give a field that only administrators write; neither way round."""
    slug = site.tenant()
    schema = {"required": ["badge"], "properties": {"badge": {"type": "string", "x-write": "admin"}}}
    answer = publish(site, slug, schema)
    assert (answer.status_code, answer.json()["field"]) == (400, "/properties/badge"), answer.text
    assert "nobody could register" in answer.text
    assert publish(site, slug, schema, params={"dry_run": "true"}).status_code == 400
    within = {"required": ["a"], "properties": {"a": {"type": "object", **schema}}}
    assert publish(site, slug, within).json()["field"] == "/properties/a/properties/badge"
    with_default = {"required": ["badge"],
                    "properties": {"badge": schema["properties"]["badge"] | {"default": "x"}}}
    headers = {"Authorization": f"Bearer {token_of(site, slug)}"}
    assert publish(site, slug, with_default, params={"dry_run": "true"}).status_code == 200

    assert site.http.put("/tenants/settings", json={"settings": {"self_registration": False}},
                         headers=headers).status_code == 200
    assert site.http.patch("/users/me", json={"custom_fields": {"badge": "A"}},
                           headers=headers).status_code == 200
    site.publish(token_of(site, slug), schema)
    for setting in (True, None):
        answer = site.http.put("/tenants/settings", json={"settings": {"self_registration": setting}},
                               headers=headers)
        assert answer.status_code == 400 and answer.json()["field"] == "self_registration", answer.text


def save(page):
    press(page, "#profile-submit")
    return message(page)


def test_the_profile_writes_what_was_changed(site, page, slug):
    """A merge patch: emptied is removed, what is not shown stays, what only others write is read only."""
    me = {"Authorization": f"Bearer {token_of(site, slug)}"}
    site.http.patch("/users/me", headers=me, json={"custom_fields": {
        "seen": "2026-03-01T09:30:00Z", "bio": "a\nb", "phones": ["12345", "67890"], "height": 1.5,
        "newsletter": True, "employer": {"name": "ACME", "since": 1999}, "free": {"x": [1]},
        "colors": ["red"], "extra": 9007199254740993}})
    before = stored(site, slug, "owner")
    log_in(page, site.path(slug), "owner")
    page.wait_for_url("**/dashboard")
    assert save(page) == "Nothing was changed."
    assert named(page, "free").count() == named(page, "extra").count() == 0
    assert page.locator("#profile-json").count() == 1
    named(page, "bio").fill("")
    named(page, "height").fill("1.75")
    named(page, "newsletter").uncheck()
    named(page, "employer/name").fill("")
    named(page, "employer/since").fill("")
    page.get_by_label("red").uncheck()
    page.get_by_label("blue").check()
    named(page, "seen~offset").select_option("+01:00")
    assert save(page) == "Your changes are saved."
    shown = page.locator("#custom-fields").inner_text().split("\n")
    assert (shown[shown.index("Newsletter") + 1], shown[shown.index("I accept the terms") + 1]) == \
        ("no", "yes")
    wanted = before | {"height": 1.75, "newsletter": False, "colors": ["blue"],
                       "seen": "2026-03-01T08:30:00Z"}
    del wanted["bio"], wanted["employer"]
    assert stored(site, slug, "owner") == wanted

    page.evaluate("document.querySelectorAll('form').forEach(one => one.noValidate = true)")
    named(page, "member_no").fill("0")
    named(page, "address/city").fill("")
    assert save(page) == "Nothing was saved. Please look at: Member number, City."
    expect(named(page, "member_no")).to_be_focused()
    named(page, "member_no").fill("2")
    named(page, "address/city").fill("Basel")
    # Somebody else changes what the form shows: it says so, keeps what was typed, and asks again.
    site.http.patch("/users/me", headers=me, json={"custom_fields": {"height": 2}})
    assert "has changed meanwhile" in save(page)
    assert named(page, "address/city").input_value() == "Basel"
    assert stored(site, slug, "owner")["address"] == {"city": "Bern"}
    assert save(page) == "Your changes are saved."
    assert stored(site, slug, "owner")["address"] == {"city": "Basel"}


def test_what_only_others_write_is_read_only(site, page):
    slug = site.tenant()
    me = {"Authorization": f"Bearer {token_of(site, slug)}"}
    site.http.patch("/users/me", headers=me, json={"custom_fields": {"badge": "AB-1", "note": "x",
                                                                     "secret": "veiled"}})
    site.publish(token_of(site, slug), {"additionalProperties": False, "properties": {
        "badge": {"type": "string", "x-write": "admin", "title": "Badge"},
        "secret": {"type": "string", "x-read": "admin", "x-write": "admin"},
        "note": {"type": "string"}}})
    log_in(page, site.path(slug), "owner")
    page.wait_for_url("**/dashboard")
    assert page.get_by_label("Badge").input_value() == "AB-1"
    assert page.get_by_label("Badge").get_attribute("readonly") is not None
    assert "veiled" not in page.content() and page.locator("#profile-json").count() == 0
    named(page, "note").fill("y")
    assert save(page) == "Your changes are saved."
    assert stored(site, slug, "owner") == {"badge": "AB-1", "note": "y"}
    # A form that says more than it was made for is held to what users may write.
    page.get_by_label("Badge").evaluate("one => one.name = 'custom_fields/badge'")
    page.locator("#profile-name").evaluate("one => one.name = 'custom_fields/secret'")
    assert save(page) == "Nothing was changed."
    assert stored(site, slug, "owner") == {"badge": "AB-1", "note": "y"}


def test_administrators_write_what_users_may_not(site, page, slug):
    """The console's forms: a new user with what the schema requires, one changed, and all as JSON."""
    log_in(page, site.path(slug), "owner")
    page.wait_for_url("**/dashboard")
    page.goto(site.path(slug) + "/dashboard/admin/users/new")
    name = unique("f")
    page.fill("#new-username", name)
    page.fill("#new-password", PASSWORD)
    named(page, "department").select_option("legal")
    page.get_by_label("basic").check()
    named(page, "member_no").fill("7")
    page.get_by_label("I accept the terms").check()
    named(page, "address/city").fill("Bern")
    named(page, "meta").fill("{}")
    named(page, "badge").fill("AB-7")
    page.evaluate("document.querySelectorAll('form').forEach(one => one.noValidate = true)")
    named(page, "zip_code").fill("x")
    press(page, "#user-create")
    assert message(page) == "Nothing was saved. Please look at: Zip code."
    named(page, "zip_code").fill("")
    page.fill("#new-password", PASSWORD)
    press(page, "#user-create")
    assert message(page) == "The user was created."
    made = stored(site, slug, name)
    assert (made["badge"], made["department"], made["newsletter"]) == ("AB-7", "legal", True)

    named(page, "badge").fill("AB-8")
    named(page, "zip_code").fill("8000")
    page.evaluate("document.querySelectorAll('form').forEach(one => one.noValidate = true)")
    press(page, "#user-save")
    assert message(page) == "Nothing was saved. Please look at: Zip code."
    named(page, "zip_code").fill("80000")
    press(page, "#user-save")
    assert message(page) == "The user is saved."
    assert stored(site, slug, name) == made | {"badge": "AB-8", "zip_code": "80000"}

    page.get_by_text("Edit custom fields as JSON").click()
    page.fill("#user-json", '{"department": "legal"}')
    press(page, "#user-json-save")
    assert "/custom_fields/plan is required" in message(page)
    assert page.input_value("#user-json") == '{"department": "legal"}'
    wanted = OWNER | {"member_no": 8, "free": {"a": 9007199254740993}}
    page.fill("#user-json", json.dumps(wanted))
    press(page, "#user-json-save")
    assert message(page) == "The user is saved."
    assert stored(site, slug, name) == wanted
