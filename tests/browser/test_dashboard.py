"""The dashboard: profile, custom fields, password."""
import json

from conftest import PASSWORD, log_in, message, press, whoami
from support.world import unique

FIELDS = {"department": "Research & <Development>", "level": 9007199254740993, "ratio": 1.0,
          "remote": True, "nothing": None, "note": "first line\nsecond line", "größe": "ß 日本語 🎈",
          "address": {"city": "Zürich", "geo": {"lat": 47.37, "tags": ["a", "b"]}},
          "phones": [{"kind": "home"}, {"kind": "work"}], "empty": {}, "list": []}


def signed_in(site, page, **members):
    slug = "client1"
    name = site.user(slug, **members)
    log_in(page, site.path(slug), name)
    page.wait_for_url("**/dashboard")
    return name


def stored(site, name, password=PASSWORD):
    token = site.token("client1", name, password)
    answer = site.http.get("/users/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    return answer


def rows(page):
    """[(name, text, level)] of the custom fields as they are read."""
    return page.locator("#custom-fields > div").evaluate_all(
        "all => all.map(row => [row.querySelector('dt').innerText.trim(),"
        " row.querySelector('dd').innerText, +row.className.match(/level-(.)/)[1]])")


def test_fields_stored_by_the_api_are_shown(site, page):
    signed_in(site, page, custom_fields=FIELDS, name="Ada Lovelace")
    assert "Ada Lovelace" in page.locator("h1").inner_text()
    shown = rows(page)
    for row in (["department", FIELDS["department"], 0], ["level", "9007199254740993", 0],
                ["ratio", "1.0", 0], ["remote", "true", 0], ["note", FIELDS["note"], 0],
                ["größe", FIELDS["größe"], 0], ["address", "", 0], ["city", "Zürich", 1],
                ["geo", "", 1], ["lat", "47.37", 2], ["tags", "a, b", 2], ["phones", "", 0],
                ["1", "", 1], ["kind", "home", 2], ["kind", "work", 2], ["nothing", "null", 0]):
        assert row in shown, (row, shown)


def test_saving_without_a_change_changes_nothing(site, page):
    """Values survive the way through a form byte for byte: line ends, numbers, Unicode."""
    name = signed_in(site, page, custom_fields=FIELDS, name="Ada")
    before = stored(site, name)
    press(page, "#profile-submit")
    assert message(page) == "Nothing was changed."
    assert stored(site, name).json()["version"] == before.json()["version"]
    assert '"level":9007199254740993' in stored(site, name).text.replace(" ", "")


def test_simple_fields_keep_their_types(site, page):
    name = signed_in(site, page, custom_fields=FIELDS)
    page.fill("#profile-name", "Grace Hopper")
    page.get_by_label("department").fill("Navy")
    page.get_by_label("level").fill("-3")
    page.get_by_label("ratio").fill("2.5")
    page.get_by_label("remote").select_option("false")
    press(page, "#profile-submit")
    assert message(page) == "Your changes are saved."
    user = stored(site, name).json()
    assert user["name"] == "Grace Hopper"
    assert user["custom_fields"] == FIELDS | {"department": "Navy", "level": -3, "ratio": 2.5,
                                              "remote": False}
    assert "Grace Hopper" in page.locator("h1").inner_text()
    page.fill("#profile-name", "")
    press(page, "#profile-submit")
    assert stored(site, name).json().get("name") is None


def test_a_number_must_be_one(site, page):
    name = signed_in(site, page, custom_fields=FIELDS)
    for text in ("three", "1,\"x\":2", "0x10", "NaN", "1e999", ""):
        page.get_by_label("level").fill(text)
        press(page, "#profile-submit")
        assert page.locator("#message").get_attribute("role") == "alert", text
        assert page.get_by_label("level").input_value() == text
    assert stored(site, name).json()["custom_fields"] == FIELDS


def test_all_fields_as_json(site, page):
    name = signed_in(site, page, custom_fields=FIELDS)
    page.click("details summary")
    text = page.input_value("#profile-json")
    assert json.loads(text) == FIELDS
    assert "Research & <Development>" in text and "9007199254740993" in text
    wanted = {"a": {"b": [1, 2.5, None, "x"]}, "big": 9223372036854775807}
    page.fill("#profile-json", json.dumps(wanted))
    press(page, "#profile-json-submit")
    assert message(page) == "Your changes are saved."
    assert stored(site, name).json()["custom_fields"] == wanted


def test_bad_json_is_kept_and_explained(site, page):
    name = signed_in(site, page, custom_fields={"a": 1})
    for text in ('{"a": 1', '[1]', '{"a":1,"a":2}', '{"$where":"1"}', '{"a.b":1}', '{"a":NaN}'):
        if not page.locator("#profile-json").is_visible():
            page.click("details summary")
        page.fill("#profile-json", text)
        press(page, "#profile-json-submit")
        assert page.locator("#message").get_attribute("role") == "alert", text
        assert page.locator("#profile-json").is_visible()
        assert page.input_value("#profile-json") == text
    assert stored(site, name).json()["custom_fields"] == {"a": 1}


def test_json_does_not_overwrite_what_it_has_not_seen(site, page):
    name = signed_in(site, page, custom_fields={"a": 1})
    token = site.token("client1", name)
    answer = site.http.patch("/users/me", json={"custom_fields": {"b": 2}},
                             headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    page.click("details summary")
    page.fill("#profile-json", '{"a":9}')
    press(page, "#profile-json-submit")
    assert "changed elsewhere" in message(page)
    assert stored(site, name).json()["custom_fields"] == {"a": 1, "b": 2}


def test_simple_fields_merge_with_another_writer(site, page):
    name = signed_in(site, page, custom_fields={"a": "x"})
    token = site.token("client1", name)
    site.http.patch("/users/me", json={"custom_fields": {"b": 2}},
                    headers={"Authorization": f"Bearer {token}"})
    page.fill("[name='field:a']", "y")
    press(page, "#profile-submit")
    assert stored(site, name).json()["custom_fields"] == {"a": "y", "b": 2}


def session_cookie(page):
    return next(cookie for cookie in page.context.cookies() if cookie["name"] == "session-client1")


def change_password(page, current, new):
    page.fill("#current-password", current)
    page.fill("#new-password", new)
    press(page, "#password-submit")


def test_password_change(site, profile):
    """This browser goes on with a new session; every other one is out."""
    page, elsewhere = profile().new_page(), profile().new_page()
    name = signed_in(site, page)
    log_in(elsewhere, site.path("client1"), name)
    elsewhere.wait_for_url("**/dashboard")
    before = session_cookie(page)["value"]

    change_password(page, "not it at all", "a brand new one 3")
    assert message(page) == "The current password is wrong."
    assert session_cookie(page)["value"] == before

    change_password(page, PASSWORD, "a brand new one 3")
    page.wait_for_url("**/dashboard?notice=password-changed")
    assert whoami(page) == name
    assert session_cookie(page)["value"] != before

    elsewhere.reload()
    assert elsewhere.url == site.path("client1") + "/login"
    log_in(elsewhere, site.path("client1"), name)
    assert "Invalid credentials" in message(elsewhere)
    log_in(elsewhere, site.path("client1"), name, "a brand new one 3")
    elsewhere.wait_for_url("**/dashboard")
    page.reload()
    assert whoami(page) == name


def test_new_password_must_be_allowed(site, page):
    signed_in(site, page)
    page.fill("#current-password", PASSWORD)
    page.locator("#new-password").evaluate("field => field.removeAttribute('minlength')")
    page.fill("#new-password", "short")
    press(page, "#password-submit")
    assert page.locator("#message").get_attribute("role") == "alert"
    assert "8" in message(page)


def test_session_that_ended_elsewhere(site, page):
    name = signed_in(site, page)
    token = site.token("client1", name)
    answer = site.http.post("/auth/logout-all", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 204
    page.fill("#profile-name", unique("x"))
    press(page, "#profile-submit")
    assert page.url == site.path("client1") + "/login?notice=ended"
    assert "nothing was done" in message(page)


def test_closing_the_account(site, profile):
    """R001-15: by password; out everywhere at once, and an administrator can take it back."""
    page, elsewhere = profile().new_page(), profile().new_page()
    slug = site.tenant()
    name = site.user(slug)
    for one in (page, elsewhere):
        log_in(one, site.path(slug), name)
        one.wait_for_url("**/dashboard")

    def close(password):
        if not page.locator("#close-password").is_visible():
            page.locator("summary", has_text="What happens then").click()
        page.fill("#close-password", password)
        press(page, "#close-submit")

    close("not it at all")
    assert message(page) == "The current password is wrong."
    assert page.locator("#close-password").is_visible()
    close(PASSWORD)
    page.wait_for_url("**/login?notice=account-closed")
    assert "seven days" in message(page)
    elsewhere.reload()
    assert elsewhere.url == site.path(slug) + "/login"
    log_in(page, site.path(slug), name)
    assert "Invalid credentials" in message(page)

    log_in(page, site.path(slug), "owner")
    page.wait_for_url("**/dashboard")
    close(PASSWORD)
    assert "at least one active owner" in message(page)
    page.goto(site.path(slug) + "/dashboard/admin/users?q=" + name)
    press(page.locator("#users").get_by_role("link", name=name))
    assert "closed this account" in page.locator("main").inner_text()
    press(page, "#user-active")
    log_in(elsewhere, site.path(slug), name)
    elsewhere.wait_for_url("**/dashboard")
    assert whoami(elsewhere) == name
