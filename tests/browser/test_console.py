"""The first owner's console: users, settings, keys, audit, usage (R000-20, AU-17, HT-9, HT-11)."""
import re

import pytest

from conftest import PASSWORD, log_in, message, moves, press, press_enter
from support.world import unique

ADMIN = "/dashboard/admin"


@pytest.fixture(scope="module")
def slug(site):
    """A tenant whose owner these tests are."""
    return site.tenant("Console & Söhne")


@pytest.fixture
def owner(site, page, slug):
    """The owner's browser, at the overview."""
    enter(site, page, slug)
    return page


def enter(site, page, slug, name="owner"):
    log_in(page, site.path(slug), name)
    page.wait_for_url("**/dashboard")
    page.goto(site.path(slug) + ADMIN)


def go(page, label):
    press(page.get_by_role("navigation", name="Console").get_by_role("link", name=label))


def open_user(page, name):
    go(page, "Users")
    page.fill("#search", name)
    press(page.get_by_role("button", name="Find"))
    press(page.locator("#users").get_by_role("link", name=name))


def facts(page):
    """{term: text} of the account's facts."""
    return dict(page.locator("main .facts > div").evaluate_all(
        "all => all.map(one => [one.querySelector('dt').innerText.trim(),"
        " one.querySelector('dd').innerText.trim()])"))


def test_life_of_a_user(site, owner, slug, profile):
    """Create, find, change, give a role, sign out, deactivate, delete: each seen from outside."""
    name = unique("made")
    go(owner, "Users")
    press(owner, "#user-new")
    owner.fill("#new-username", name)
    owner.fill("#new-password", PASSWORD)
    press(owner, "#user-create")
    assert message(owner) == "The user was created."
    assert facts(owner)["Role"] == "user"
    # The page counts what the plan counts.
    go(owner, "Overview")
    assert "unlimited" in owner.locator(".bars").inner_text()
    # The new user signs in, and is no administrator.
    theirs = profile().new_page()
    log_in(theirs, site.path(slug), name)
    theirs.wait_for_url("**/dashboard")
    assert theirs.locator("#console-link").count() == 0
    assert theirs.goto(site.path(slug) + ADMIN).status == 403
    theirs.goto(site.path(slug) + "/dashboard")

    open_user(owner, name)
    owner.fill("#edit-email", f"{name}@example.com")
    owner.fill("#edit-name", "Ada Lovelace")
    press(owner, "#user-save")
    assert message(owner) == "The user is saved."
    assert facts(owner)["E-mail"] == f"{name}@example.com not verified"
    owner.select_option("#edit-role", "admin")
    press(owner, "#user-role")
    assert message(owner) == "The role is changed. The user has to sign in again."
    theirs.reload()
    assert theirs.url == site.path(slug) + "/login"
    enter(site, theirs, slug, name)
    assert theirs.locator("h1").inner_text() == "Overview"
    # An administrator sees no keys and changes no settings, owners or roles.
    links = theirs.get_by_role("navigation", name="Console").get_by_role("link").all_inner_texts()
    assert links == ["Overview", "Users", "User fields", "Applications", "Settings", "Audit log"]
    for path in ("/keys",):
        assert theirs.goto(site.path(slug) + ADMIN + path).status == 403
    theirs.goto(site.path(slug) + ADMIN + "/settings")
    assert theirs.locator("form input:not([type=hidden])").count() == 0
    open_user(theirs, "owner")
    assert "Only owners change owners." in theirs.locator("main").inner_text()
    assert theirs.locator("main form").count() == 0

    owner.reload()
    assert owner.locator("#devices .device").count() == 1
    press(owner, "#user-sign-out")
    assert message(owner) == "The user was signed out everywhere."
    theirs.reload()
    assert theirs.url == site.path(slug) + "/login"
    press(owner, "#user-active")
    assert facts(owner)["Status"] == "inactive"
    log_in(theirs, site.path(slug), name)
    assert "Invalid credentials" in message(theirs)
    press(owner, "#user-active")
    assert message(owner) == "The user is active and can sign in."

    owner.get_by_text("Delete this user").click()
    owner.fill("#delete-confirm", "somebody else")
    press(owner, "#user-delete")
    assert "type the name exactly" in owner.locator("#delete-confirm-error").inner_text()
    owner.fill("#delete-confirm", name)
    press(owner, "#user-delete")
    assert message(owner) == "The user was deleted."
    owner.fill("#search", name)
    press(owner.get_by_role("button", name="Find"))
    assert "Nobody's user name" in owner.locator("main").inner_text()


def test_refusals_stand_beside_their_field(site, owner, slug):
    """What was typed stays, except passwords; nothing is made."""
    taken = site.user(slug)
    go(owner, "Users")
    press(owner, "#user-new")
    for username, email, field, sentence in (
            (taken, "", "new-username", "taken"), ("with space", "", "new-username", "blank"),
            (unique("ok"), "nobody@nowhere", "new-email", "")):
        owner.fill("#new-username", username)
        owner.locator("#new-email").evaluate("(field, value) => {field.type = 'text';"
                                             " field.value = value}", email)
        owner.fill("#new-password", PASSWORD)
        owner.select_option("#new-role", "admin")
        press(owner, "#user-create")
        if owner.locator("#user-create").count() == 0:
            owner.goto(site.path(slug) + ADMIN + "/users/new")
            continue
        assert sentence in owner.locator(f"#{field}-error").inner_text()
        assert owner.locator(f"#{field}").get_attribute("aria-invalid") == "true"
        assert owner.locator("#message").get_attribute("role") == "alert"
        assert owner.input_value("#new-username") == username
        assert owner.input_value("#new-role") == "admin"
        assert owner.input_value("#new-password") == ""
    owner.fill("#new-username", unique("short"))
    owner.fill("#new-password", "short")
    press(owner, "#user-create")
    assert "8" in owner.locator("#new-password-error").inner_text()


def test_a_stale_form_overwrites_nothing(site, profile, slug):
    """Two people change one user: the second is told."""
    name = site.user(slug)
    first, second = profile().new_page(), profile().new_page()
    for page in (first, second):
        enter(site, page, slug)
        open_user(page, name)
    first.fill("#edit-name", "First")
    press(first, "#user-save")
    second.fill("#edit-name", "Second")
    press(second, "#user-save")
    assert "changed elsewhere" in message(second)
    first.reload()
    assert facts(first)["Name"] == "First"


def test_settings_take_effect_and_go_back(site, owner, slug):
    """A shorter life of access tokens is in force at once; the default comes back."""
    go(owner, "Settings")
    assert "15 minutes" in owner.locator("#setting-access_token_ttl-hint").inner_text()
    owner.fill("#setting-access_token_ttl", "77")
    owner.select_option("#setting-self_registration", "false")
    owner.fill("#setting-allowed_origins", "https://app.example.com\nhttp://localhost:3000")
    press(owner, "#settings-save")
    assert message(owner).startswith("The settings are saved.")
    answer = site.post(slug, "/auth/login", {"username": "owner", "password": PASSWORD})
    assert answer.json()["expires_in"] == 77
    answer = site.post(slug, "/auth/register", {"email": f"{unique()}@example.com",
                                                "password": PASSWORD})
    assert answer.status_code == 403
    assert owner.input_value("#setting-access_token_ttl") == "77"
    assert owner.input_value("#setting-allowed_origins").splitlines() == [
        "https://app.example.com", "http://localhost:3000"]
    press(owner, "#settings-save")
    assert message(owner) == "Nothing was changed."
    owner.fill("#setting-access_token_ttl", "0")
    owner.fill("#setting-session_ttl", "7200")
    press(owner, "#settings-save")
    assert owner.locator("#setting-access_token_ttl-error").is_visible()
    assert owner.input_value("#setting-session_ttl") == "7200"
    owner.fill("#setting-access_token_ttl", "")
    owner.fill("#setting-session_ttl", "")
    owner.fill("#setting-allowed_origins", "")
    owner.select_option("#setting-self_registration", "")
    press(owner, "#settings-save")
    answer = site.post(slug, "/auth/login", {"username": "owner", "password": PASSWORD})
    assert answer.json()["expires_in"] == 900


def test_stale_settings_overwrite_nothing(site, profile):
    """Two owners' browsers, one form each: the second is told."""
    slug = site.tenant()
    first, second = profile().new_page(), profile().new_page()
    for one in (first, second):
        enter(site, one, slug)
        go(one, "Settings")
    first.fill("#setting-session_ttl", "7200")
    press(first, "#settings-save")
    second.fill("#setting-session_ttl", "3600")
    press(second, "#settings-save")
    assert "meanwhile" in message(second)
    first.reload()
    assert first.input_value("#setting-session_ttl") == "7200"


def test_a_key_is_shown_once_and_works(site, owner, slug):
    """Created, used by a program, replaced with an overlap, deleted."""
    go(owner, "Access keys")
    owner.fill("#key-label", "Billing service")
    press(owner, "#key-create")
    key = owner.locator("#access-key").inner_text()
    assert re.fullmatch(r"ak_[0-9a-f]{32}_[\w-]+", key)

    def status(text):
        return site.http.get("/api/v1/clients/me",
                             headers={"Authorization": f"Bearer {text}"}).status_code

    assert status(key) == 200
    owner.reload()  # sends the form again, and makes no other key
    assert message(owner).startswith("This key was made before")
    assert owner.url.endswith("/keys?notice=key-made") and key not in owner.content()
    assert owner.locator("#keys > li").count() == 1
    assert status(key) == 200
    assert "Billing service" in owner.locator("#keys").inner_text()
    assert key not in owner.content()
    owner.get_by_text("Replace or delete").click()
    owner.get_by_label("The old key works on for").select_option("3600")
    press(owner.get_by_role("button", name="Replace by a new key: Billing service"))
    successor = owner.locator("#access-key").inner_text()
    assert successor != key and status(key) == status(successor) == 200
    owner.reload()
    assert message(owner) == "This key was replaced already."
    go(owner, "Access keys")
    assert "works until" in owner.locator("#keys").inner_text()
    for _ in range(2):
        owner.get_by_text("Replace or delete").first.click()
        press(owner.get_by_role("button", name="Delete the key: Billing service").first)
        assert message(owner) == "The key is deleted. It does not work any more."
    assert status(key) == status(successor) == 401
    assert "There are no keys." in owner.locator("main").inner_text()
    # The form's token is for the id that the form came with.
    owner.fill("#key-label", "Forged")
    owner.locator("[name=once]").evaluate("one => one.value = one.value.replace(/.$/, c => c === '0' ? '1' : '0')")
    press(owner, "#key-create")
    assert owner.locator("#access-key").count() == 0
    go(owner, "Access keys")
    assert "There are no keys." in owner.locator("main").inner_text()
    for box in owner.get_by_role("checkbox").all():
        box.uncheck()
    owner.fill("#key-label", "Nothing")
    press(owner, "#key-create")
    assert "at least one" in message(owner)


def test_a_key_is_replaced_once(site, owner, slug):
    """A reload of the answer sends the form again; the old key has ended, and nothing more happens."""
    go(owner, "Access keys")
    owner.fill("#key-label", "Replaced")
    press(owner, "#key-create")
    go(owner, "Access keys")
    owner.get_by_text("Replace or delete").click()
    press(owner.get_by_role("button", name="Replace by a new key: Replaced"))
    key = owner.locator("#access-key").inner_text()
    owner.reload()
    assert message(owner) == "That key was replaced or deleted before."
    assert owner.locator("#keys > li").count() == 1
    assert site.http.get("/api/v1/clients/me",
                         headers={"Authorization": f"Bearer {key}"}).status_code == 200
    owner.get_by_text("Replace or delete").click()
    press(owner.get_by_role("button", name="Delete the key: Replaced"))
    assert message(owner) == "The key is deleted. It does not work any more."


def test_the_audit_log_is_read_and_filtered(site, owner, slug):
    site.post(slug, "/auth/login", {"username": "owner", "password": "not it at all"})
    go(owner, "Audit log")
    first = owner.locator("#events tbody tr").first.inner_text()
    assert "login" in first and "failed" in first and "bad_password" in first and "owner" in first
    owner.select_option("#audit-status", "success")
    owner.fill("#audit-action", "login")
    owner.fill("#audit-user", "owner")
    owner.fill("#audit-from", "2020-01-01")
    owner.fill("#audit-to", "2099-01-01")
    press(owner, "#audit-filter")
    rows = owner.locator("#events tbody tr").all_inner_texts()
    assert rows and all("failed" not in row and row.startswith("login") for row in rows)
    assert owner.input_value("#audit-user") == "owner"
    owner.fill("#audit-user", "nobody at all")
    press(owner, "#audit-filter")
    assert "Nothing matches" in owner.locator("main").inner_text()
    press(owner.get_by_role("link", name="Show all"))
    assert any("failed" in row for row in owner.locator("#events tbody tr").all_inner_texts())
    with moves(owner), owner.expect_download() as download:
        owner.click("#audit-export")
    assert download.value.suggested_filename == f"audit-{slug}.ndjson"


def test_long_lists_have_pages(site, profile):
    """25 users a page, by a cursor that only its tenant reads."""
    slug, other = site.tenant(), site.tenant()
    for _ in range(27):
        site.user(slug)
    page = profile().new_page()
    enter(site, page, slug)
    go(page, "Users")
    seen = page.locator("#users tbody a").all_inner_texts()
    press(page.get_by_role("link", name="Next page"))
    address = page.url
    seen += page.locator("#users tbody a").all_inner_texts()
    assert len(seen) == len(set(seen)) == 28
    assert page.get_by_role("link", name="Next page").count() == 0
    enter(site, page, other)
    assert page.goto(address.replace(slug, other)).status == 400


def test_keyboard_and_no_script(site, profile, slug):
    """Every step by Tab and Enter, with scripts turned off."""
    page = profile(java_script_enabled=False).new_page()
    enter(site, page, slug)
    page.goto(site.path(slug) + ADMIN + "/users/new")
    name = unique("keys")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.locator("#new-username:focus").count():
            break
    page.keyboard.type(name)
    for text in ("", "", PASSWORD):
        page.keyboard.press("Tab")
        page.keyboard.type(text)
    press_enter(page)
    page.wait_for_url("**/users/*?notice=user-created")
    assert page.locator("h1").inner_text() == name


def test_nobody_else_enters(site, page, slug):
    """Without a session to the login page; a plain user, and another tenant's owner, get nothing."""
    for path in ("", "/users", "/users/new", "/fields", "/clients", "/clients/new", "/settings",
                 "/keys", "/audit"):
        page.goto(site.path(slug) + ADMIN + path)
        assert page.url == site.path(slug) + "/login"
    stranger = site.tenant()
    enter(site, page, stranger)
    page.goto(site.path(slug) + ADMIN)
    assert page.url == site.path(slug) + "/login"
    theirs = site.user_id(slug)
    assert page.goto(f"{site.path(stranger)}{ADMIN}/users/{theirs}").status == 404
    plain = site.user(stranger)
    page.context.clear_cookies()
    log_in(page, site.path(stranger), plain)
    page.wait_for_url("**/dashboard")
    for path in ("", "/users", "/users/new", f"/users/{theirs}", "/fields", "/clients",
                 "/clients/new", "/settings", "/keys", "/audit"):
        assert page.goto(site.path(stranger) + ADMIN + path).status == 403
        assert page.locator("#message").is_visible()
