"""Signing out through an application and on the service's own pages (OA-21, TS-10, R003-21)."""
import html
import urllib.parse

import pytest

from conftest import PASSWORD, log_in, press, whoami
from support.check import until
from test_authorize import app, exchange, parameters, shoot  # noqa: F401  pylint: disable=unused-import


@pytest.fixture
def shop(site, app, attacker):  # noqa: F811  pylint: disable=redefined-outer-name
    """(slug, client, sign_in): an application of another site that is told of logouts, too."""
    slug, register, address = app
    client = register(first_party=True, post_logout_redirect_uris=[attacker.url + "bye"],
                      backchannel_logout_uri=attacker.url + "told")

    def enter(page, user):
        """The user signs in on the way to the application: its ID token."""
        page.goto(address(client))
        page.fill("#username", user)
        page.fill("#password", PASSWORD)
        press(page, "#login-submit")
        page.wait_for_url(attacker.url + "cb?*")
        answer = exchange(site, slug, client, parameters(page)["code"], attacker.url + "cb")
        assert answer.status_code == 200, answer.text
        return answer.json()["id_token"]

    return slug, client, enter


def is_signed_out(page, base):
    page.goto(base + "/dashboard")
    page.wait_for_url("**/login")


def told(attacker):
    """Until the application has its logout token; which user it names is the API tests' matter."""
    until(lambda: any(body.startswith("logout_token=") for body in attacker.received), 5.0)


def test_an_application_signs_out(site, shop, attacker, page):
    """By a form of another site, to which the browser gives no cookies, and by a link: back again,
    signed out here, and told behind the scenes."""
    slug, client, enter = shop
    user = site.user(slug)
    fields = {"id_token_hint": enter(page, user), "state": "a&b <c>",
              "post_logout_redirect_uri": attacker.url + "bye"}
    attacker.page = "<!doctype html><link rel=icon href='data:,'>" + \
        f"<form method=post action='{site.path(slug)}/oauth/end-session'>" + \
        "".join(f"<input name={name} value='{html.escape(value)}'>"
                for name, value in fields.items()) + "<button id=out>Out</button></form>"
    page.goto(attacker.url)
    press(page, "#out")
    page.wait_for_url(attacker.url + "bye?*")
    assert parameters(page) == {"state": "a&b <c>"}
    told(attacker)
    is_signed_out(page, site.path(slug))
    fields["id_token_hint"] = enter(page, user)
    page.goto(f"{site.path(slug)}/oauth/end-session?" + urllib.parse.urlencode(fields))
    page.wait_for_url(attacker.url + "bye?*")
    is_signed_out(page, site.path(slug))


def test_the_person_is_asked(site, shop, attacker, page):
    """Without a hint, and with another user's: who is signed in, who asks, and two ways out."""
    slug, client, enter = shop
    hint, other = enter(page, site.user(slug)), site.user(slug)
    end = site.path(slug) + "/oauth/end-session"
    page.goto(end)
    press(page, "#logout-confirm")
    page.wait_for_selector("#login-again")
    assert page.locator("h1").inner_text() == "Signed out" and page.title().startswith("Signed out")
    shoot(page, "signed-out")
    press(page, "#login-again")
    log_in(page, site.path(slug), other)
    page.wait_for_url("**/dashboard")
    page.goto(end)
    shoot(page, "logout-confirm")
    assert whoami(page) == other
    press(page, "#logout-stay")
    page.wait_for_url("**/dashboard")
    page.goto(end + "?" + urllib.parse.urlencode({
        "id_token_hint": hint, "post_logout_redirect_uri": attacker.url + "bye", "state": "s"}))
    shoot(page, "logout-confirm-other")
    assert client["client_name"] in page.locator(".lead").inner_text()
    press(page, "#logout-confirm")
    page.wait_for_url(attacker.url + "bye?state=s")
    is_signed_out(page, site.path(slug))


def test_a_wrong_address_is_an_error_page(site, shop, attacker, page):
    """It leads nowhere and ends nothing."""
    slug, _, enter = shop
    user = site.user(slug)
    hint = enter(page, user)
    page.goto(f"{site.path(slug)}/oauth/end-session?" + urllib.parse.urlencode({
        "id_token_hint": hint, "post_logout_redirect_uri": attacker.url + "bye/"}))
    assert "post_logout_redirect_uri" in page.locator("#message").inner_text()
    shoot(page, "logout-error")
    page.goto(site.path(slug) + "/dashboard")
    assert whoami(page) == user
