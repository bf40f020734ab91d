"""Stock clients that nobody here wrote, through the real pages: Authlib's Flask client and Apache
with mod_auth_openidc (issue 5; R004-19, R004-46, OA-4, OA-17, TI-6, TI-7).

Each is given the issuer, a client id, a secret and its registered redirect URI, and nothing else. The
applications run on localhost as tenantd does, so that all cookies meet; one of them names its own
"session".
"""
import urllib.parse

import httpx
import pytest

from conftest import PASSWORD, press, whoami
from support.check import PATIENCE, until
from support.relying_parties import CLAIMS, Apache, Flask, Registered

TENANTS = ("first", "second")


@pytest.fixture(scope="module")
def tenants(site):
    """{name: (slug, the name of a user)}"""
    slugs = {name: site.tenant(f"The {name} tenant") for name in TENANTS}
    return {name: (slug, site.user(slug)) for name, slug in slugs.items()}


def register(site, slug, party, name):
    answer = site.post(slug, "/oauth/client/register", {
        "client_name": "Orders", "redirect_uris": [party.redirect_uri(name)],
        "post_logout_redirect_uris": [party.signed_out_uri(name)],
        "grant_types": ["authorization_code"], "scope": "openid profile email",
        **party.backchannel(name)},
        Authorization=f"Bearer {site.token(slug, 'owner')}")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    return Registered(site.path(slug), made["client_id"], made["client_secret"])


@pytest.fixture(scope="module", params=[Flask, Apache])
def party(request, site, tenants):
    made = request.param(TENANTS)
    for name, (slug, _) in tenants.items():
        made.register(name, register(site, slug, made, name))
    made.start()
    yield made
    made.close()


def sign_in(page, user):
    """The login page as a person fills it, and the consent page."""
    page.fill("#username", user)
    page.fill("#password", PASSWORD)
    press(page, "#login-submit")
    press(page, "#consent-allow")


def shown(page):
    """What the application says of the person."""
    return {claim: page.locator("#" + claim).inner_text() for claim in CLAIMS}


def parameters(url):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))


def changed(url, name, change):
    """The address with another value of one parameter."""
    parts = urllib.parse.urlsplit(url)
    query = parameters(url)
    query[name] = change(query[name])
    return parts._replace(query=urllib.parse.urlencode(query)).geturl()


def test_two_tenants_side_by_side(site, tenants, party, page):
    """Login, consent, callback, claims, at two tenants in one browser: neither enters the other, the
    first stays signed in, and nobody is asked twice."""
    tenants = {name: (slug, site.user(slug)) for name, (slug, _) in tenants.items()}
    for name, (slug, user) in tenants.items():
        page.goto(party.url(name))
        page.wait_for_url(site.path(slug) + "/login?ticket=*")
        sign_in(page, user)
        page.wait_for_url(party.url(name))
        claims = shown(page)
        assert claims["iss"] == site.path(slug) and claims["preferred_username"] == user
        assert claims["sub"] == site.user_id(slug, user) and "@example.com" in claims["email"]
    for name, (slug, user) in tenants.items():
        page.goto(party.url(name))
        assert shown(page)["iss"] == site.path(slug)
        page.goto(site.path(slug) + "/dashboard")
        assert whoami(page) == user
    for cookie in page.context.cookies():
        if not cookie["name"].startswith(("session-", "device-")):
            page.context.clear_cookies(name=cookie["name"])
    for name, (_, user) in tenants.items():
        page.goto(party.url(name))
        assert shown(page)["preferred_username"] == user
    sign_out(site, tenants, party, page)


def sign_out(site, tenants, party, page):
    """By the application's own way: it and its tenant forget the person, the other tenant does not."""
    page.goto(party.logout_url("first"))
    page.wait_for_url(party.signed_out_uri("first"))
    page.goto(party.url("first"))
    page.wait_for_url(site.path(tenants["first"][0]) + "/login?ticket=*")
    page.goto(site.path(tenants["second"][0]) + "/dashboard")
    assert whoami(page) == tenants["second"][1]


@pytest.mark.parametrize("party", [Apache], indirect=True)
def test_an_application_is_told_that_a_session_ended(site, tenants, party, page):
    """Back-channel logout: mod_auth_openidc takes our logout token. Signed out on the tenant's own
    page, the person is out of the application too."""
    slug = tenants["second"][0]
    page.goto(party.url("second"))
    sign_in(page, site.user(slug))
    page.wait_for_url(party.url("second"))
    page.goto(site.path(slug) + "/dashboard")
    press(page, "#logout-submit")
    page.wait_for_url(site.path(slug) + "/login*")
    asks = page.context.request
    until(lambda: "/login?ticket=" in asks.get(party.url("second")).url, 5.0)


class Browser:
    """Somebody who is signed in at both tenants and lets the application have what it asks for. Holds
    every redirect up, to look at it or to change it."""

    def __init__(self, site, tenants, party):
        self.party = party
        self.http = httpx.Client(timeout=PATIENCE, trust_env=False)
        for name, (slug, user) in tenants.items():
            answer = self.http.post(site.path(slug) + "/oauth/login",
                                    json={"username": user, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            self.allow(self.request(name))

    def allow(self, request):
        asked = self.http.get(request, headers={"Accept": "application/json"})
        assert asked.status_code == 200, asked.text
        form = parameters(request) | {"confirm": "yes", "form_token": asked.json()["form_token"]}
        assert self.http.post(request.partition("?")[0], data=form).status_code == 303

    def hop(self, url):
        answer = self.http.get(url, headers={"Accept": "text/html"})
        assert answer.status_code in (302, 303), answer.text
        return urllib.parse.urljoin(url, answer.headers["Location"])

    def request(self, name):
        """The authorization request of the application, at one of its tenants."""
        return self.hop(self.party.url(name))

    def enters(self, name, callback):
        """Whether the application signs somebody in after this callback."""
        self.http.get(callback, headers={"Accept": "text/html"})
        return self.http.get(self.party.url(name)).status_code == 200


def test_what_was_tampered_with_is_refused(site, tenants, party):
    """Another state, another nonce, another tenant's code, a denial: the application signs nobody in;
    then the same way untouched: it does."""
    browser = Browser(site, tenants, party)
    foreign = parameters(browser.hop(browser.request("second")))["code"]
    wrong = [
        changed(browser.hop(browser.request("first")), "state", lambda state: state[::-1]),
        browser.hop(changed(browser.request("first"), "nonce", lambda nonce: nonce[::-1])),
        changed(browser.hop(browser.request("first")), "code", lambda _: foreign),
        browser.hop(changed(browser.request("first"), "scope", lambda _: "unknown")),
    ]
    for callback in wrong:
        assert not browser.enters("first", callback), callback
    assert browser.enters("first", browser.hop(browser.request("first")))
