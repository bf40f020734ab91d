"""An application's way through the real pages: login, consent, callback (R004-46, OA-8, TI-7)."""
import http.cookies
import http.server
import os
import shlex
import threading
import urllib.parse

import pytest

from conftest import PASSWORD, log_in, moves, press, whoami
from support.authorize import pkce
from support.world import unique

SHOTS = os.environ.get("TENANTD_SHOTS")


@pytest.fixture
def app(site, attacker):
    """(slug, client, challenge pair, address of its authorization request) of an application on an
    origin of its own, which also keeps a cookie named "session"."""
    slug = site.tenant("Shop and Sons")
    owner = site.post(slug, "/auth/login", {"username": "owner", "password": PASSWORD}).json()

    def register(**metadata):
        answer = site.post(slug, "/oauth/client/register", {
            "client_name": "Orders", "redirect_uris": [attacker.url + "cb"],
            "grant_types": ["authorization_code", "refresh_token"], "scope": "openid email read",
            **metadata}, Authorization=f"Bearer {owner['access_token']}")
        assert answer.status_code == 201, answer.text
        return answer.json()

    def address(client, base=None, **changes):
        params = {"response_type": "code", "client_id": client["client_id"], "scope": "openid email",
                  "redirect_uri": attacker.url + "cb", "state": "a&b <c>", **changes}
        return f"{base or site.path(slug)}/oauth/authorize?" + urllib.parse.urlencode(params)

    return slug, register, address


def parameters(page):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.url).query))


def exchange(site, slug, client, code, redirect, **fields):
    answer = site.http.post(f"/t/{slug}/oauth/token", data={
        "grant_type": "authorization_code", "code": code, "redirect_uri": redirect, **fields},
        auth=(client["client_id"], client["client_secret"]))
    return answer


def shoot(page, name):
    """Pictures for people to look at, where TENANTD_SHOTS names a directory."""
    if not SHOTS:
        return
    for scheme, width in (("light", 1200), ("dark", 1200), ("light", 360), ("dark", 360)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 740})
        page.screenshot(path=os.path.join(SHOTS, f"{name}-{scheme}-{width}.png"), full_page=True,
                        animations="disabled")
    page.set_viewport_size({"width": 1200, "height": 740})


@pytest.mark.parametrize("by", ["host", "path"])
def test_login_consent_callback(site, app, attacker, page, by):
    """Not signed in: login, consent, callback with code and state; the second time nothing is asked."""
    slug, register, address = app
    client, (verifier, challenge) = register(), pkce()
    user = site.user(slug)
    base = site.host(slug) if by == "host" else site.path(slug)
    request = address(client, base, code_challenge=challenge, code_challenge_method="S256")
    page.goto(request)
    page.wait_for_url(base + "/login?ticket=*")
    page.fill("#username", user)
    page.fill("#password", "wrong password")
    press(page, "#login-submit")
    assert page.locator("#message").count() == 1
    page.fill("#password", PASSWORD)
    press(page, "#login-submit")
    page.wait_for_selector("#consent-allow")
    shoot(page, "consent-" + by)
    assert "Orders" in page.locator("h1").inner_text() and whoami(page) == user
    assert "see your e-mail address" in page.locator("#consent-scopes").inner_text()
    assert page.locator("#consent-host").inner_text() == attacker.url.split("/")[2]
    press(page, "#consent-allow")
    page.wait_for_url(attacker.url + "cb?*")
    found = parameters(page)
    assert found["state"] == "a&b <c>" and found["iss"].endswith(slug)
    answer = exchange(site, slug, client, found["code"], attacker.url + "cb", code_verifier=verifier)
    assert answer.status_code == 200, answer.text
    page.goto(request)
    page.wait_for_url(attacker.url + "cb?*")
    assert parameters(page)["code"] != found["code"]


def test_registering_on_the_way(site, app, attacker, page):
    """§11: the ticket survives a registration."""
    slug, register, address = app
    client, name = register(), unique("fresh")
    page.goto(address(client))
    page.fill("#register-username", name)
    page.fill("#register-password", PASSWORD)
    press(page, "#register-submit")
    page.wait_for_url("**/login?notice=registered&ticket=*")
    page.fill("#username", name)
    page.fill("#password", PASSWORD)
    press(page, "#login-submit")
    press(page, "#consent-deny")
    page.wait_for_url(attacker.url + "cb?*")
    assert parameters(page)["error"] == "access_denied"
    assert slug in parameters(page)["iss"]


def test_form_post_sends_itself(site, app, attacker, page):
    """response_mode=form_post of a first-party client: no page that anybody has to click."""
    slug, register, address = app
    user = site.user(slug)
    log_in(page, site.path(slug), user)
    page.wait_for_url("**/dashboard")
    with moves(page):
        page.goto(address(register(first_party=True), response_mode="form_post"))
        page.wait_for_url(attacker.url + "cb")
    sent = dict(urllib.parse.parse_qsl(attacker.received[-1]))
    assert sent["state"] == "a&b <c>" and "code" in sent


class Foreign(http.server.BaseHTTPRequestHandler):
    """An application that nobody here wrote, with a login of its own: its cookie is named session."""

    def do_GET(self):  # pylint: disable=invalid-name
        cookies = http.cookies.SimpleCookie(self.headers.get("Cookie", ""))
        signed_in = "session" in cookies and cookies["session"].value == self.server.secret
        place = urllib.parse.urlsplit(self.path).path
        body = f"<!doctype html><link rel=icon href='data:,'><p id=who>{signed_in}</p>".encode()
        self.send_response(200)
        if place == "/login":
            self.send_header("Set-Cookie", f"session={self.server.secret}; Path=/; HttpOnly")
        if place == "/logout":
            self.send_header("Set-Cookie", "session=; Path=/; Max-Age=0")
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


@pytest.fixture
def foreign():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Foreign)
    server.daemon_threads = True
    server.secret = unique("of-the-application")
    server.url = f"http://localhost:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_everybody_stays_signed_in(site, app, foreign, page):
    """TI-7: two tenants and a foreign application with a cookie named session, all on one host
    (ports share cookies): all stay signed in, through code flows and when one of them signs out."""
    slug, register, address = app
    users = {"client1": site.user("client1"), slug: site.user(slug)}

    def sees(*tenants, application=True):
        for place, user in users.items():
            page.goto(site.path(place) + "/dashboard")
            if place in tenants:
                assert whoami(page) == user
            else:
                page.wait_for_url("**/login")
        page.goto(foreign.url)
        assert page.locator("#who").inner_text() == str(application)

    def sign_in(place):
        log_in(page, site.path(place), users[place])
        page.wait_for_url("**/dashboard")

    sign_in("client1")
    page.goto(foreign.url + "login")
    sign_in(slug)
    sees("client1", slug)
    # The foreign application is a client of one tenant, too: there and back on the same host.
    callback = foreign.url + "callback"
    page.goto(address(register(first_party=True, redirect_uris=[callback]), redirect_uri=callback))
    page.wait_for_url(callback + "?*")
    assert "code" in parameters(page) and page.locator("#who").inner_text() == "True"
    sees("client1", slug)
    page.goto(site.path("client1") + "/dashboard")
    press(page, "#logout-submit")
    page.wait_for_url("**/login?notice=signed-out")
    sees(slug)
    sign_in("client1")
    page.goto(foreign.url + "logout")
    sees("client1", slug, application=False)


def test_a_wrong_redirect_uri_is_explained(site, app, attacker, page):
    """Development: received and registered with the difference marked, and what would add it."""
    _, register, address = app
    client = register()
    page.goto(address(client, redirect_uri=attacker.url + "callback"))
    shoot(page, "redirect-error")
    assert page.locator("#redirect-received mark").inner_text() == "allback"
    command = shlex.split(page.locator("#redirect-command").inner_text().replace("\\\n", ""))
    assert command[:4] == ["tenantd", "client", "update", client["client_id"]]
    assert command[4:] == ["--tenant", app[0], "--add-redirect-uris", attacker.url + "callback"]
    odd = attacker.url + "c';touch%20x;'d"
    page.goto(address(client, redirect_uri=odd))
    words = shlex.split(page.locator("#redirect-command").inner_text().replace("\\\n", ""))
    assert words[-1] == odd
    page.goto(address(client, redirect_uri=attacker.url + "cb#x"))
    assert "fragment" in page.locator("#redirect-mistake").inner_text()
    assert page.locator("#redirect-command").count() == 0
