"""Registering, logging in and out, at tenants by host name and by path (R000-09, TI-7)."""
import re

import pytest
from playwright.sync_api import expect

from conftest import PASSWORD, log_in, message, press, press_enter, register, whoami
from support.world import unique

BY = ["host", "path"]


def base_of(site, by, slug):
    return site.host(slug) if by == "host" else site.path(slug)


@pytest.mark.parametrize("by", BY)
def test_same_name_in_two_tenants(site, profile, by):
    """E3 in a browser: one name, two passwords, and neither opens the other's door."""
    name = unique("john")
    bases = {slug: base_of(site, by, slug) for slug in ("client1", "client2")}
    page = profile().new_page()
    for slug, base in bases.items():
        register(page, base, name, f"pass-{slug}-1")
        assert "account is ready" in message(page)
        assert page.url.startswith(base + "/login")
    texts = set()
    for slug, other in (("client1", "client2"), ("client2", "client1")):
        log_in(page, bases[slug], name, f"pass-{other}-1")
        texts.add(message(page).replace("Client One", "…").replace("Client Two", "…"))
        assert page.locator("#whoami").count() == 0
    assert len(texts) == 1
    for slug, base in bases.items():
        log_in(page, base, name, f"pass-{slug}-1")
        page.wait_for_url(base + "/dashboard")
        assert whoami(page) == name


@pytest.mark.parametrize("by", BY)
def test_two_tenants_side_by_side(site, profile, by):
    """TI-7: one browser stays signed in at both; signing out of one leaves the other."""
    names = {slug: site.user(slug) for slug in ("client1", "client2")}
    bases = {slug: base_of(site, by, slug) for slug in names}
    page = profile().new_page()
    for slug, name in names.items():
        log_in(page, bases[slug], name)
        page.wait_for_url(bases[slug] + "/dashboard")
    for slug, name in names.items():
        page.goto(bases[slug] + "/dashboard")
        assert whoami(page) == name
    page.goto(bases["client1"] + "/dashboard")
    press(page, "#logout-submit")
    page.wait_for_url(bases["client1"] + "/login?notice=signed-out")
    page.goto(bases["client1"] + "/dashboard")
    assert page.url == bases["client1"] + "/login"
    page.goto(bases["client2"] + "/dashboard")
    assert whoami(page) == names["client2"]


def test_front_page_stays_open_to_who_is_signed_in(site, page):
    for slug in ("client1", "client2"):
        log_in(page, site.path(slug), site.user(slug))
        page.wait_for_url("**/dashboard")
        page.goto(site.front + "/")
        assert page.locator("#tenants-title").is_visible()


@pytest.mark.parametrize("by", BY)
def test_links_and_forms_keep_the_way_in(site, page, by):
    base = base_of(site, by, "client1")
    prefix = "" if by == "host" else "/t/client1"
    log_in(page, base, site.user("client1"))
    page.wait_for_url(base + "/dashboard")
    for form in page.locator("form").all():
        assert form.get_attribute("action").startswith(prefix + "/")
    page.goto(base + "/")
    assert page.url == base + "/dashboard"
    page.goto(base + "/register")
    assert page.url == base + "/dashboard"


def test_each_page_shows_its_tenant(site, page):
    for slug, title in (("client1", "Client One"), ("client2", "Client Two")):
        page.goto(site.host(slug) + "/")
        assert title in page.title()
        assert title in page.locator("h1").inner_text()
        assert page.locator("body").get_attribute("class").startswith("accent-")


def test_every_failed_login_reads_the_same(site, page):
    name = site.user("client1")
    seen = set()
    for username, password in ((name, "not-the-password"), (unique("nobody"), "not-the-password"),
                               (f"{unique('no')}@example.com", "x")):
        log_in(page, site.path("client1"), username, password)
        seen.add(message(page))
        assert page.locator("#message").get_attribute("role") == "alert"
        assert page.input_value("#username") == username
        assert page.input_value("#password") == ""
    assert len(seen) == 1


def test_lock_tells_how_long(site, page):
    name = site.user("client1")
    for _ in range(10):
        answer = site.post("client1", "/auth/login", {"username": name, "password": "wrong"})
        assert answer.status_code == 401
    assert log_in(page, site.path("client1"), name).status == 429
    assert re.search(r"Try again in \d+ seconds", message(page))
    assert page.locator("#whoami").count() == 0


def test_registration_says_what_is_wrong(site, page):
    base = site.path("client1")
    name = site.user("client1")
    register(page, base, name)
    assert "taken" in message(page)
    assert page.input_value("#register-username") == name
    assert page.input_value("#register-password") == ""
    assert page.locator("#register-username").get_attribute("aria-invalid") == "true"
    expect(page.locator("#register-username")).to_be_focused()  # autofocus comes after load

    register(page, base, unique("with@sign"))
    assert page.locator("#message").get_attribute("role") == "alert"

    email = f"{unique('m')}@example.com"
    register(page, base, "", email=email)
    assert "account is ready" in message(page)
    register(page, base, unique("x"), email=email)
    expect(page.locator("#register-email")).to_be_focused()
    log_in(page, base, email)
    page.wait_for_url("**/dashboard")
    assert whoami(page) == email


def test_registration_needs_a_name(site, page):
    register(page, site.path("client1"), "")
    assert "user name, an e-mail address, or both" in message(page)


def test_keyboard_alone(site, page):
    """Log in, reach every control in order, sign out: without a pointer."""
    base = site.path("client2")
    name = site.user("client2")
    page.goto(base + "/")
    expect(page.locator("#username")).to_be_focused()  # autofocus comes after load
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    press_enter(page)
    page.wait_for_url("**/dashboard")
    assert whoami(page) == name
    seen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
        if seen[-1] == "logout-submit":
            break
    assert seen[0] == "skip", seen
    assert seen[-1] == "logout-submit", seen
    ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert ring == "solid"
    press_enter(page)
    page.wait_for_url("**/login?notice=signed-out")
    assert message(page) == "You are signed out."


def test_dashboard_without_a_session(site, page):
    page.goto(site.path("client1") + "/dashboard")
    assert page.url == site.path("client1") + "/login"
    answer = site.http.get("/dashboard")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


def test_password_managers_find_the_fields(site, page):
    page.goto(site.path("client1") + "/")
    wanted = {"username": "username", "password": "current-password",
              "register-username": "username", "register-email": "email",
              "register-password": "new-password"}
    for element, word in wanted.items():
        assert page.locator(f"#{element}").get_attribute("autocomplete") == word
        assert page.locator(f"label[for={element}]").count() == 1
