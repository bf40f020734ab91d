"""The dashboard's list of sign-ins: what it shows, ending one, ending all others (R001-07, AU-17)."""
import httpx
from playwright.sync_api import expect

from conftest import PASSWORD, log_in, message, press, whoami
from support.check import PATIENCE
from support.world import unique

IPHONE = ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
          "Gecko) Version/17.5 Mobile/15E148 Safari/604.1")


def signed_in(site, page, name=None):
    name = name or site.user("client1")
    log_in(page, site.path("client1"), name)
    page.wait_for_url("**/dashboard")
    return name


def devices(page):
    return page.locator("#sessions .device").evaluate_all(
        "all => all.map(one => one.querySelector('p').innerText.trim())")


def test_devices_are_named_and_ended_one_by_one(site, profile):
    """The phone is signed out; this browser and the program stay."""
    page, phone = profile().new_page(), profile(user_agent=IPHONE).new_page()
    name = signed_in(site, page)
    signed_in(site, phone, name)
    answer = httpx.post(f"{site.front}/auth/login", headers={
        "X-Tenant-Slug": "client1", "User-Agent": "curl/8.5.0"},
        json={"username": name, "password": PASSWORD}, trust_env=False, timeout=PATIENCE)
    token = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    page.reload()
    assert devices(page) == ["Chrome on Linux This device", "curl App", "Safari on iPhone"]
    press(page.get_by_role("button", name="Sign out Safari on iPhone"))
    assert message(page) == "That device is signed out."
    assert devices(page) == ["Chrome on Linux This device", "curl App"]
    phone.reload()
    assert phone.url == site.path("client1") + "/login"
    assert site.http.get("/users/me", headers=token).status_code == 200
    press(page.get_by_role("button", name="Sign out curl"))
    assert site.http.get("/users/me", headers=token).status_code == 401
    assert devices(page) == ["Chrome on Linux This device"]
    assert page.locator("#sessions-end-others").count() == 0


def test_signing_out_everywhere_else_keeps_this_browser(site, profile):
    """Without script: a new session here, everything else is out."""
    page, other = profile(java_script_enabled=False).new_page(), profile().new_page()
    name = signed_in(site, page)
    signed_in(site, other, name)
    token = {"Authorization": f"Bearer {site.token('client1', name)}"}
    page.reload()
    press(page, "#sessions-end-others")
    assert message(page) == "Every other device is signed out."
    assert whoami(page) == name
    assert page.locator("#sessions .device").count() == 1
    other.reload()
    assert other.url == site.path("client1") + "/login"
    assert site.http.get("/users/me", headers=token).status_code == 401
    page.reload()
    assert whoami(page) == name


def test_a_long_list_is_folded(site, page):
    name = site.user("client1", username=unique("many"))
    for _ in range(7):
        site.token("client1", name)
    signed_in(site, page, name)
    assert page.locator("#sessions .device").count() == 5
    page.get_by_text("3 more devices").click()
    expect(page.get_by_role("button", name="Sign out Python")).to_have_count(7)


def test_an_expired_form_ends_nothing(site, profile):
    """HT-9: a form of another session of the same user is refused and says so."""
    page, other = profile().new_page(), profile().new_page()
    name = signed_in(site, page)
    signed_in(site, other, name)
    page.reload()
    token = other.locator("form[action$='/sessions/end-others'] [name=form_token]").first
    page.locator("form[action$='/sessions/end-others'] [name=form_token]").evaluate(
        "(field, value) => field.value = value", token.input_value())
    press(page, "#sessions-end-others")
    assert "expired" in message(page)
    other.reload()
    assert whoami(other) == name
