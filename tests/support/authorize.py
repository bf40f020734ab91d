"""What tests of the authorization endpoint share: PKCE, requests, the way from login to code."""
import base64
import hashlib
import re
import secrets
import urllib.parse

from .api import set_cookies
from .check import ok
from .oauth import client, token

REDIRECT = "https://app.example/callback"


def pkce():
    """(verifier, challenge)"""
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def code_client(api, tenant, **metadata):
    """A confidential first-party client of the code grant unless told otherwise."""
    return client(api, tenant, **({
        "redirect_uris": [REDIRECT], "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile email read write offline_access", "first_party": True} | metadata))


def public_client(api, tenant, **metadata):
    return code_client(api, tenant, token_endpoint_auth_method="none", **metadata)


def params_of(made, challenge=None, **changes):
    """Parameters of an authorization request; a value of None leaves one out."""
    params = {"response_type": "code", "client_id": made["client_id"], "redirect_uri": REDIRECT,
              "scope": "openid", "state": "s-1", "nonce": "n-1"}
    if challenge is not None:
        params |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    return {name: value for name, value in (params | changes).items() if value is not None}


def authorize(api, tenant, params, session=None, **options):
    """GET /oauth/authorize as a browser asks; params: a mapping or a finished query."""
    query = params if isinstance(params, str) else urllib.parse.urlencode(params)
    return api.get(f"/t/{tenant.slug}/oauth/authorize?{query}", cookie=session,
                   **({"headers": {"Accept": "text/html"}} | options))


def back(answer, redirect=REDIRECT):
    """The parameters that a redirect to the client carries, each once."""
    assert answer.status_code == 303, answer.text
    location = answer.headers["Location"]
    assert location.startswith(redirect + ("&" if "?" in redirect else "?")), location
    pairs = urllib.parse.parse_qsl(location[len(redirect) + 1:], keep_blank_values=True,
                                   strict_parsing=True)
    assert len(dict(pairs)) == len(pairs), location
    return dict(pairs)


def code_of(api, user, made, challenge=None, **changes):
    """A code for a user who is signed in, of a first-party client or one with consent."""
    found = back(authorize(api, user.tenant, params_of(made, challenge, **changes), user.session),
                 changes.get("redirect_uri", REDIRECT))
    assert "error" not in found, found
    return found["code"]


def exchange(api, made, code, verifier=None, **changes):
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
    if verifier is not None:
        fields["code_verifier"] = verifier
    return token(api, made, **{name: value for name, value in (fields | changes).items()
                               if value is not None})


def ask_consent(api, user, params):
    """The JSON form of the consent page."""
    return ok(authorize(api, user.tenant, params, user.session,
                        headers={"Accept": "application/json"}))


def decide(api, user, params, confirm="yes", **changes):
    """Asks, and answers as the page's form does."""
    shown = ask_consent(api, user, params)
    return api.post(f"/t/{user.tenant.slug}/oauth/authorize", cookie=user.session,
                    headers={"Accept": "text/html"},
                    form=params | {"confirm": confirm, "form_token": shown["form_token"]} | changes)


def field(html, name):
    """The value of a hidden input."""
    return re.search(rf'name="{name}" value="([^"]*)"', html).group(1)


def sign_in_with_ticket(api, user, location, browser=None):
    """Follows a redirect to the login page and sends its form: (answer, cookies)."""
    page = api.get(location, cookie=(user.session or {}) | (browser or {}),
                   headers={"Accept": "text/html"})
    assert page.status_code == 200, page.text
    form = {"form_token": field(page.text, "form_token"), "ticket": field(page.text, "ticket"),
            "username": user.username or user.email, "password": user.password}
    answer = api.post(f"/t/{user.tenant.slug}/login", cookie=browser,
                      headers={"Accept": "text/html"}, form=form)
    cookies = {name: value for name, (value, _) in set_cookies(answer).items()}
    return answer, cookies, form


def browser_of(answer):
    return {name: value for name, (value, _) in set_cookies(answer).items()}
