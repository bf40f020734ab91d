"""The console's search by any field: rows and the filter text, order, columns, refusals (issue 6.5).

R003-05. What filters mean and cost: tests/api/test_users_filter.py.
"""
import urllib.parse
import uuid

import bson
import pytest
from playwright.sync_api import expect

from conftest import log_in, message, moves, press

USERS = "/dashboard/admin/users"
#: Nobody signs in by it; a hash takes its time to make.
READY = "pbkdf2_sha256$1000$saltsalt$c9XmasoN+MLCoAwdF4uPdG4UGTV7Ac573ej0xHD63a8="
SCHEMA = {"properties": {
    "department": {"type": "string", "enum": ["sales", "R & <D>"], "title": "Department", "x-index": True},
    "age": {"type": "integer", "title": "Age"},
    "vip": {"type": "boolean"},
    "born": {"type": "string", "format": "date"},
    "tags": {"type": "array", "items": {"type": "string"}},
    "home": {"type": "object", "properties": {"city": {"type": "string", "title": "City"}}},
    "sealed": {"type": "string", "x-encrypt": True},
    "key": {"type": "string", "x-read": "server", "x-write": "server"}}}


@pytest.fixture(scope="module")
def slug(site):
    return filled(site, "Search & Söhne", 28)


def filled(site, name, users):
    """A tenant with so many users beside its owner."""
    made = site.tenant(name)
    token = site.token(made, "owner")
    headers = {"Authorization": f"Bearer {token}"}
    for n in range(users):
        answer = site.http.post("/users", headers=headers, json={
            "username": f"user{n:02}", "password_hash": READY, "custom_fields": {
                "department": ("sales", "R & <D>")[n % 2], "age": n, "vip": n % 3 == 0,
                "tags": ["a", "b"], "born": f"2000-01-{n + 1:02}", "home": {"city": "Ulm"}}})
        assert answer.status_code == 201, answer.text
    site.publish(token, SCHEMA)
    return made


@pytest.fixture
def owner(site, page, slug):
    return enter(site, page, slug)


def enter(site, page, slug):
    log_in(page, site.path(slug), "owner")
    page.wait_for_url("**/dashboard")
    page.goto(site.path(slug) + USERS)
    return page


def row(page, number, field, operator=None, value=None):
    page.select_option(f"#search-field-{number}", field)
    if operator is not None:
        page.select_option(f"#search-op-{number}", operator)
    if value is not None:
        page.fill(f"#search-value-{number}", value)


def names(page):
    return page.locator("#users tbody .table-main a").all_inner_texts()


def columns(page):
    return [text.rstrip(" ↑↓") for text in page.locator("#users th").all_inner_texts()]


def test_rows_become_a_filter_and_back(site, owner, slug):
    """By field, operator and value; what the API takes stands below; another row is always ready."""
    owner.get_by_text("Search by any field").click()
    offered = owner.locator("#search-field-1 option").all_inner_texts()
    assert offered[:3] == ["–", "User name", "E-mail"] and "Department" in offered and "City" in offered
    assert "Sealed" not in offered and "Key" not in offered
    row(owner, 1, "custom_fields.age", "ge", "20")
    press(owner, "#search-rows")
    assert owner.input_value("#filter") == "custom_fields.age ge 20"
    assert names(owner) == [f"user{n}" for n in range(20, 28)]
    row(owner, 2, "custom_fields.department", "eq", "R & <D>")
    press(owner, "#search-rows")
    wanted = 'custom_fields.age ge 20 and custom_fields.department eq "R & <D>"'
    assert owner.input_value("#filter").replace("\\u0026", "&").replace("\\u003c", "<").replace(
        "\\u003e", ">") == wanted
    assert names(owner) == ["user21", "user23", "user25", "user27"]
    assert owner.locator("#search-value-2").evaluate("one => one.tagName") == "SELECT"
    assert owner.input_value("#search-op-1") == "ge" and owner.input_value("#search-value-1") == "20"
    # The text is what the API takes.
    headers = {"Authorization": f"Bearer {site.token(slug, 'owner')}"}
    answer = site.http.get("/users", headers=headers, params={"filter": owner.input_value("#filter")})
    assert [user["username"] for user in answer.json()["users"]] == names(owner)

    owner.select_option("#search-field-1", "")
    row(owner, 3, "custom_fields.vip", "eq", "true")
    owner.select_option("#search-match", "any")
    press(owner, "#search-rows")
    assert owner.locator("#search-value-2").input_value() == "true"
    assert owner.input_value("#filter").endswith(" or custom_fields.vip eq true")
    assert len(names(owner)) == 19 and owner.input_value("#search-match") == "any"

    owner.fill("#filter", 'not (username sw "user" or custom_fields.home.city eq "Ulm")')
    press(owner, "#search-filter")
    assert names(owner) == ["owner"]
    assert "Rows cannot say" in owner.locator("main").inner_text()
    owner.fill("#filter", 'username eq "nobody"')
    press(owner, "#search-filter")
    assert "No user meets this filter" in owner.locator("main").inner_text()


def test_columns_order_and_pages(owner):
    """Chosen columns and the order go along from page to page."""
    assert columns(owner) == ["User", "Role", "Active", "Last sign-in"]
    owner.get_by_text("Search by any field").click()
    owner.get_by_text("Columns of the list").click()
    for label in ("Role", "Active", "Last sign-in"):
        owner.get_by_label(label, exact=True).uncheck()
    for label in ("Age", "City", "Tags"):
        owner.get_by_label(label, exact=True).check()
    press(owner, "#search-rows")
    assert columns(owner) == ["User", "Age", "Tags", "City"]
    press(owner.locator("#users th").get_by_role("link", name="Age"))
    press(owner.locator("#users th").get_by_role("link", name="Age"))
    assert owner.locator("#users th[aria-sort=descending]").inner_text().startswith("Age")
    assert owner.locator("#users th").get_by_role("link", name="Tags").count() == 0
    first = owner.locator("#users tbody tr").first.locator("td").all_inner_texts()
    assert first[1:] == ["27", "a, b", "Ulm"]
    seen = names(owner)
    press(owner.get_by_role("link", name="Next page"))
    seen += names(owner)
    assert seen == [f"user{n:02}" for n in range(27, -1, -1)] + ["owner"]
    assert columns(owner) == ["User", "Age", "Tags", "City"]
    press(owner.locator("#users th").get_by_role("link", name="Age"))
    assert "sort=" not in owner.url


def test_refusals_stand_at_the_filter(site, owner, slug):
    """invalid_filter with its place, an order that is none; the text stays, nothing is listed."""
    base = site.path(slug) + USERS
    for text, sentence in (("custom_fields.age gg 7", "At character 19"),
                           ('custom_fields.age eq "x"', "number"), ("custom_fields.sealed eq \"x\"", ""),
                           ("custom_fields.key pr", ""), ("(" * 100, ""), ("<script>", "At character 9")):
        answer = owner.goto(base + "?" + urllib.parse.urlencode({"filter": text}))
        assert answer.status == 400, text
        assert sentence in owner.locator("#filter-error").inner_text()
        assert owner.input_value("#filter") == text and owner.locator("#users").count() == 0
        assert "refused" in message(owner)
        expect(owner.locator("#filter")).to_be_focused()  # autofocus comes after load
    answer = owner.goto(base + "?sort=nothing")
    assert answer.status == 400 and owner.locator("#filter-error").is_visible()
    for query in ("cursor=x", "q=a&q=b", "filter=%ff", "filter=" + "x" * 5000, "columns=" + "y," * 900):
        assert owner.goto(base + "?" + query).status in (200, 400), query
    for query in ("build=1&f1=custom_fields.age&o1=drop&v1=1", "build=1&f1=%22&o1=eq", "build=1&f9=x"):
        assert owner.goto(base + "?" + query).status in (200, 400), query
    assert owner.goto(base + "?build=1&" + urllib.parse.urlencode(
        {"f1": "name", "o1": "eq", "v1": '" or username pr or name eq "'})).status == 200
    assert names(owner) == []


def test_what_no_index_serves_leads_to_the_index(site, page, mongo):
    """filter_not_indexed: beside the filter with what to do, and the field is opened to be indexed."""
    slug = filled(site, "Search among many", 1)
    owner = enter(site, page, slug)
    database = mongo.database(site.instance.database_name)
    tenant = database["tenants"].find_one({"slug": slug})["_id"]
    users = database["users_" + tenant.hex]
    one = users.find_one({"username": "user00"})
    users.insert_many([one | {"_id": uuid.uuid4(), "username": f"more{n}", "username_typed": f"more{n}"}
                       for n in range(2001)])
    database["tenant_usage"].update_one({"_id": tenant}, {"$inc": {"users": bson.Int64(2001)}})
    query = urllib.parse.urlencode({"filter": "is_active eq true and custom_fields.age eq 0"})
    answer = owner.goto(f"{site.path(slug)}{USERS}?{query}")
    assert answer.status == 400
    assert "custom_fields.age" in owner.locator("#filter-error").inner_text()
    press(owner.get_by_role("link", name="Add the index under User fields"))
    assert owner.input_value("#field-name") == "age" and owner.input_value("#field-kind") == "integer"
    owner.select_option("#field-index", "yes")
    press(owner, "#field-put")
    with moves(owner):
        press(owner, "#schema-publish")
        owner.wait_for_selector("#schema-publish")  # it may still be under way
        owner.wait_for_load_state()
    owner.goto(f"{site.path(slug)}{USERS}?{query}")
    assert len(names(owner)) == 25
