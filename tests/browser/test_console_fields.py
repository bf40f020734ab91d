"""The console's page of custom fields: the schema without JSON, tried, published, refused (issue 6.5).

R003-05: what the API publishes by PUT /tenants/schema, for people.
"""
import datetime
import json
import uuid

import bson
import pytest
from playwright.sync_api import expect

from conftest import log_in, message, moves, press
from support.world import unique

PAGE = "/dashboard/admin/fields"


@pytest.fixture(scope="module")
def slug(site):
    return site.tenant("Schema & Söhne")


@pytest.fixture
def owner(site, page, slug):
    return enter(site, page, slug)


def enter(site, page, slug, name="owner"):
    log_in(page, site.path(slug), name)
    page.wait_for_url("**/dashboard")
    page.goto(site.path(slug) + PAGE)
    return page


def put_field(page, name, **settings):
    page.fill("#field-name", name)
    for setting, value in settings.items():
        control = page.locator(f"#field-{setting}")
        if value is True:
            control.check()
        elif control.evaluate("one => one.tagName") == "SELECT":
            control.select_option(value)
        else:
            control.fill(value)
    press(page, "#field-put")


def publish(page):
    """The draft, until it is in force: what takes long shows how far it is, and comes anew by itself."""
    with moves(page):
        press(page, "#schema-publish")
        if page.locator("#schema-publish").count() == 0:
            page.wait_for_selector("#schema-publish")
            page.wait_for_load_state()
        else:
            assert "The schema is published." in message(page)


def draft(page):
    return json.loads(page.input_value("#schema"))


def test_a_field_without_json(site, page):
    """Put together by a form, tried on the users, published; then the table, and the field again."""
    slug = site.tenant()
    for n in range(3):
        site.user(slug, f"user{n}", custom_fields={"department": "sales", "age": n})
    owner = enter(site, page, slug)
    assert "No schema yet" in owner.locator("main").inner_text()
    put_field(owner, "department", title="Department", kind="choice", values="sales\n support \n",
              required=True, index="yes")
    assert "stands in the schema below" in owner.locator("#done").inner_text()
    wanted = {"type": "object", "required": ["department"], "properties": {"department": {
        "type": "string", "enum": ["sales", "support"], "title": "Department", "x-index": True}}}
    assert draft(owner) == wanted
    # The owner has no department: nothing is published, and a link leads to the user.
    press(owner, "#schema-publish")
    assert "not all users fit" in message(owner)
    assert owner.locator("#trial").inner_text() == "1 of 4 users does not fit this schema."
    assert owner.locator("#sample tbody tr").all_inner_texts()[0].split("\t")[-1].endswith(
        "/custom_fields/department is required")
    assert draft(owner) == wanted
    theirs = owner.context.new_page()
    theirs.goto(site.front + owner.locator("#sample a").get_attribute("href"))
    theirs.get_by_text("Edit custom fields as JSON").click()
    theirs.fill("#user-json", '{"department": "support"}')
    press(theirs, "#user-json-save")
    theirs.wait_for_url("**notice=user-saved")
    press(owner, "#schema-try")
    assert owner.locator("#trial").inner_text() == "All of 4 users fit this schema. It can be published."
    publish(owner)
    assert owner.locator("#schema-version").inner_text() == "1"
    assert owner.locator("#fields tbody tr").inner_text().split() == [
        "department", "Department", "one", "of", "some", "values", "yes", "no", "yes", "users", "users"]
    assert draft(owner) == wanted

    press(owner.locator("#fields").get_by_role("link", name="department"))
    assert owner.input_value("#field-kind") == "choice" and owner.locator("#field-required").is_checked()
    owner.locator("#field-required").uncheck()
    owner.fill("#field-values", "")
    press(owner, "#field-put")
    assert "Give the values" in owner.locator("#field-values-error").inner_text()
    owner.select_option("#field-kind", "text")
    owner.select_option("#field-write", "admin")
    press(owner, "#field-put")
    assert draft(owner) == {"type": "object", "properties": {"department": {
        "type": "string", "title": "Department", "x-index": True, "x-write": "admin"}}}
    put_field(owner, "age", kind="integer")
    owner.fill("#field-name", "department")
    press(owner, "#field-remove")
    assert list(draft(owner)["properties"]) == ["age"]
    press(owner, "#field-remove")
    assert "no field of that name" in owner.locator("#field-name-error").inner_text()


def test_mistakes_are_shown_with_their_line(site, owner, slug):
    """JSON and schema: what was written stays, and the line stands beside what is wrong with it."""
    text = '{\n  "properties": {\n    "age": {\n      "type": "integer",\n      "minimum": "x"\n    }\n  }\n}'
    owner.fill("#schema", text)
    press(owner, "#schema-try")
    assert message(owner) == "Nothing was done: the schema below has a mistake."
    wrong = owner.locator("#schema-error").inner_text()
    assert wrong.startswith("Line 5: /properties/age/minimum") and '>   5        "minimum": "x"' in wrong
    assert owner.input_value("#schema") == text
    expect(owner.locator("#schema")).to_be_focused()  # autofocus comes after load
    for button in ("#schema-publish", "#field-put"):
        owner.fill("#schema", '{\n "a": 1,\n oops <b>')
        press(owner, button)
        assert "Line 3, column" in owner.locator("#schema-error").inner_text()
        assert ">   3   oops <b>" in owner.locator("#schema-error").inner_text()
        assert owner.input_value("#schema") == '{\n "a": 1,\n oops <b>'
    owner.fill("#schema", "")
    press(owner, "#schema-publish")
    assert owner.locator("#schema-error").is_visible()


def test_a_mistake_in_a_long_line_cuts_nothing_off(site, owner, slug):
    """The excerpt scrolls by itself: editor and message stay within their card."""
    owner.fill("#schema", '{"properties": {"a": {"title": "' + "é" * 300 + '", "type": "strin"}}}')
    press(owner, "#schema-try")
    assert "…" in owner.locator("#schema-error pre").inner_text()
    assert "\ufffd" not in owner.content()
    outside = owner.evaluate("""() => [...document.querySelectorAll('.card')].flatMap(card =>
        [...card.querySelectorAll('textarea, input, p, pre, div')].filter(one => one.checkVisibility()
            && one.getBoundingClientRect().right > card.getBoundingClientRect().right)
        .map(one => one.id || one.className || one.tagName))""")
    assert outside == []


def test_what_was_published_meanwhile_is_not_overwritten(site, owner, slug):
    """If-Match, and older versions as drafts; without scripts in the way of anything."""
    token = site.token(slug, "owner")
    headers = {"Authorization": f"Bearer {token}"}

    def version():
        answer = site.http.get("/tenants/schema", headers=headers)
        return answer.json()["version"] if answer.status_code == 200 else 0

    before = version()
    site.publish(token, {"properties": {"big": {"type": "integer", "maximum": 9223372036854775807}}})
    assert version() == before + 1
    owner.fill("#schema", '{"properties": {"mine": {"type": "string"}}}')
    press(owner, "#schema-publish")
    assert "Another version was published meanwhile" in message(owner)
    assert "mine" in owner.input_value("#schema") and version() == before + 1
    publish(owner)
    press(owner.get_by_role("link", name=f"Version {before + 1}"))
    assert draft(owner) == {"properties": {"big": {"type": "integer", "maximum": 9223372036854775807}}}
    assert "9223372036854775807" in owner.input_value("#schema")
    assert version() == before + 2


def test_administrators_look_and_do_not_touch(site, profile, page, slug):
    name = unique("admin")
    site.user(slug, name, custom_fields={"department": "sales"})
    headers = {"Authorization": f"Bearer {site.token(slug, 'owner')}"}
    tenant = site.http.get("/tenants/current", headers=headers).json()["id"]
    assert site.http.put(f"/tenants/{tenant}/users/{site.user_id(slug, name)}/role", headers=headers,
                         json={"role": "admin"}).status_code == 200
    enter(site, page, slug, name)
    assert page.locator("main form").count() == 0 and page.locator("main pre").is_visible()
    owner = enter(site, profile().new_page(), slug)
    cookies = [one for one in page.context.cookies() if one["name"].startswith("session-")]
    owner.context.add_cookies(cookies)
    press(owner, "#schema-try")
    assert owner.locator("#message").is_visible() and owner.locator("#trial").count() == 0


def test_the_page_follows_a_publication(site, page, mongo):
    """While one is under way the page comes anew by itself, without an editor; then what came of it."""
    slug = site.tenant()
    schema = {"properties": {"team": {"type": "string", "x-index": True},
                             "a&b #%<c>": {"type": "string", "title": "<img src=x onerror=alert(1)>"}}}
    site.publish(site.token(slug, "owner"), schema)
    database = mongo.database(site.instance.database_name)
    tenant = database["tenants"].find_one({"slug": slug})["_id"]
    job = database["jobs"].find_one({"tenant_id": tenant})
    owner = site.user_id(slug)

    def now(state, phase, unset=(), found=None, **fields):
        """The job as it would be in that state, all at once: the page may ask at any moment. A
        version in force, as the first is, has not failed."""
        result = job["result"] | {
            "version": 2, "phase": phase, "checked": 1200, "total": 5000} | (found or {})
        database["jobs"].update_one({"_id": job["_id"]}, {
            "$set": {"state": state, "due_at": later, "result": result} | fields,
            "$unset": dict.fromkeys((*unset, "expires_at"), 1)})

    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    log_in(page, site.path(slug), "owner")
    page.wait_for_url("**/dashboard")
    now("running", "indexing", ("ended_at",))
    refreshes = []

    def stand_still(route):
        answer = route.fetch()
        refreshes.append(answer.headers["refresh"])
        headers = {name: value for name, value in answer.headers.items() if name != "refresh"}
        route.fulfill(response=answer, headers=headers)

    # As the page comes, but it stays until the test has looked at it.
    page.route(site.path(slug) + PAGE + "**", stand_still)
    page.goto(site.path(slug) + PAGE + "?notice=schema-publishing")
    assert "is being published" in message(page)
    assert page.locator("#publication").inner_text() == (
        "Publishing version 2: building indexes. 1,200 of 5,000 users looked at so far.")
    assert page.locator("#schema").count() == 0 and page.locator("#publication-title").is_visible()
    press(page, "#publication-cancel")
    assert message(page) == "It is cancelled. What was done of it is being taken back."
    assert "Publishing version 2: being cancelled." in page.locator("#publication").inner_text()
    assert page.locator("#publication-cancel").count() == 0
    assert refreshes == [f"5;url=/t/{slug}{PAGE}"] * 2
    page.unroute_all()
    sample = {"user_id": bson.Binary.from_uuid(uuid.UUID(owner)), "pointer": "/custom_fields/team",
              "keyword": "type", "message": "must be a string"}
    with moves(page):
        page.goto(site.path(slug) + PAGE)
        now("failed", "checking", found={"failing": 2, "sample": [sample]}, ended_at=later,
            error="documents_fail", message="Two do not fit.")
        page.wait_for_selector("#publication-sample")  # by itself
        page.wait_for_load_state()
    assert page.locator("#message").count() == 0
    assert page.locator("#publication").inner_text() == (
        "Version 2 was not published. 2 of 1,200 users do not fit this schema.")
    assert page.locator("#publication-sample").get_by_role("link", name="owner").is_visible()
    assert page.locator("#schema").is_visible()
    press(page.locator("#fields").get_by_role("link", name="a&b"))
    assert page.input_value("#field-name") == "a&b #%<c>"
    assert page.input_value("#field-title") == schema["properties"]["a&b #%<c>"]["title"]
