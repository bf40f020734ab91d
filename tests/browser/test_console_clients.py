"""The console's applications as an administrator uses them (R004-28, R004-58, R000-20)."""
import httpx
import pytest
from playwright.sync_api import expect

from conftest import log_in, message, press, press_enter
from support.check import PATIENCE

ADMIN = "/dashboard/admin"
REDIRECT = "https://app.example/callback"


@pytest.fixture
def slug(site):
    return site.tenant("Söhne & Co")


def lines(page):
    """{name: value} of what a developer copies."""
    return dict(line.split("=", 1) for line in page.locator("#client-lines").inner_text().splitlines())


def token_status(made):
    """Of the token endpoint, as the application that was given these lines."""
    return httpx.post(made["ISSUER"] + "/oauth/token", data={"grant_type": "client_credentials"},
                      auth=(made["CLIENT_ID"], made["CLIENT_SECRET"]), trust_env=False,
                      timeout=PATIENCE).status_code


def steps_to(page, selector):
    """Tab until it has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("'#' + document.activeElement.id") == selector:
            return
    raise AssertionError(f"{selector} is not reached by the keyboard")


def nothing_beyond_the_edge(page):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url


def test_life_of_an_application_on_a_phone(site, profile, slug):
    """Registered, copied, used, changed, its secret replaced, deleted: each seen from outside."""
    page = profile(viewport={"width": 360, "height": 740}, is_mobile=True,
                   color_scheme="dark").new_page()
    log_in(page, site.path(slug), "owner")
    page.wait_for_url("**/dashboard")
    page.goto(site.path(slug) + ADMIN)
    press(page.get_by_role("navigation", name="Console").get_by_role("link", name="Applications"))
    nothing_beyond_the_edge(page)
    press(page, "#client-new")
    page.fill("#client-name", "Nightly <b>import</b>")
    page.select_option("#client-kind", "machine")
    page.fill("#client-redirects", "not a URI")
    press(page, "#client-create")
    assert "Number 1" in page.locator("#client-redirects-error").inner_text()
    expect(page.locator("#client-redirects")).to_be_focused()  # autofocus comes after load
    assert page.input_value("#client-name") == "Nightly <b>import</b>"
    assert page.input_value("#client-kind") == "machine"
    nothing_beyond_the_edge(page)
    page.fill("#client-redirects", "")
    press(page, "#client-create")
    first = lines(page)
    assert first["ISSUER"] == site.path(slug) and token_status(first) == 200
    nothing_beyond_the_edge(page)
    page.reload()  # sends the form again, and makes no other one
    assert message(page).startswith("This application was registered before")
    assert page.locator("#clients tbody tr").count() == 1
    assert first["CLIENT_SECRET"] not in page.content()
    press(page.get_by_role("link", name="Nightly <b>import</b>"))
    assert lines(page) == {"ISSUER": first["ISSUER"], "CLIENT_ID": first["CLIENT_ID"]}
    nothing_beyond_the_edge(page)
    page.fill("#client-name", "Nightly import")
    page.fill("#client-scope", "read orders:read")
    press(page, "#client-save")
    assert message(page).startswith("The application is saved.")
    assert page.locator("h1").inner_text() == "Nightly import"
    page.select_option("#rotate-overlap", "3600")
    press(page, "#client-rotate")
    second = lines(page)
    assert token_status(first) == token_status(second) == 200
    page.reload()
    assert "replaced before" in message(page) and token_status(second) == 200
    page.get_by_text("Delete this application").click()
    page.fill("#delete-confirm", "Nightly")
    press(page, "#client-delete")
    assert "exactly" in page.locator("#delete-confirm-error").inner_text()
    page.fill("#delete-confirm", "Nightly import")
    press(page, "#client-delete")
    assert message(page).startswith("The application is deleted.") and token_status(second) == 401
    assert "No applications yet" in page.locator("main").inner_text()


def test_by_keyboard_without_script(site, profile, slug):
    """A single-page application by Tab and Enter alone; it has no secret."""
    page = profile(java_script_enabled=False).new_page()
    log_in(page, site.path(slug), "owner")
    page.wait_for_url("**/dashboard")
    page.goto(site.path(slug) + ADMIN + "/clients/new")
    steps_to(page, "#client-name")
    page.keyboard.type("Board")
    steps_to(page, "#client-kind")
    page.keyboard.type("S")  # more letters count as one word only while they come fast
    steps_to(page, "#client-redirects")
    page.keyboard.type(REDIRECT)
    steps_to(page, "#client-create")
    press_enter(page)
    assert "no secret" in message(page) and set(lines(page)) == {"ISSUER", "CLIENT_ID"}
    steps_to(page, "#client-stored")
    press_enter(page)
    assert page.locator("#client-rotate").count() == 0
    assert page.input_value("#client-redirects") == REDIRECT
