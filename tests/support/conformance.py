"""A client as strict as the certification suite's: it reads everything from discovery, checks every
answer against the standards, and verifies ID tokens with a library of others.
"""
import base64
import collections
import hashlib
import math
import re
import time
import urllib.parse

from joserfc import jwt
from joserfc.jwk import KeySet

from .authorize import REDIRECT, back, browser_of, code_client, sign_in_with_ticket
from .check import ok
from .oauth import ask

SCOPE = "openid profile email address phone offline_access read"


def entropy(text):
    """Bits, as the suite estimates them: Shannon's of the characters that are there."""
    shares = [count / len(text) for count in collections.Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares) * len(text)


def check_secret_text(text, bits=96):
    """RFC 6749 §A.12, §10.10: visible ASCII, and not to be guessed."""
    assert re.fullmatch(r"[\x21-\x7e]+", text), text
    assert entropy(text) >= bits, (entropy(text), text)


def half_hash(text):
    """at_hash of RS256 and ES256 (OIDC Core §3.1.3.6)."""
    digest = hashlib.sha256(text.encode()).digest()[:16]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class ConformanceClient:
    """One registered client of a tenant, for one person's browser at a time."""

    def __init__(self, api, tenant, way="client_secret_basic", **metadata):
        self.api = api
        self.tenant = tenant
        self.way = way
        self.made = code_client(api, tenant, scope=SCOPE, token_endpoint_auth_method=way, **metadata)
        self.provider = ok(api.get(f"/t/{tenant.slug}/.well-known/openid-configuration"))

    def path(self, endpoint):
        """Of an endpoint that discovery names."""
        return urllib.parse.urlsplit(self.provider[endpoint]).path

    def keys(self):
        answer = self.api.get(self.path("jwks_uri"))
        kids = [key["kid"] for key in ok(answer)["keys"]]
        assert kids and len(set(kids)) == len(kids), kids
        assert all("d" not in key for key in answer.json()["keys"])
        return KeySet.import_key_set(answer.json())

    # -- the authorization request --------------------------------------------------------------

    def params(self, **changes):
        params = {"response_type": "code", "client_id": self.made["client_id"], "scope": "openid",
                  "redirect_uri": REDIRECT, "state": "s-7Yz", "nonce": "n-0S6"}
        return {name: value for name, value in (params | changes).items() if value is not None}

    def ask(self, cookies=None, **changes):
        """What the browser is answered; changes of the request, None leaves a parameter out."""
        query = urllib.parse.urlencode(self.params(**changes))
        return self.api.get(f"{self.path('authorization_endpoint')}?{query}", cookie=cookies,
                            headers={"Accept": "text/html"})

    def follow(self, location, cookies):
        return self.api.get(location, cookie=cookies, headers={"Accept": "text/html"})

    def log_in_again(self, user, answer):
        """Through the login page that the browser was sent to: (answer, the new session)."""
        login = f"/t/{self.tenant.slug}/login?ticket="
        assert answer.status_code == 303 and answer.headers["Location"].startswith(login), answer.headers
        done, cookies, _ = sign_in_with_ticket(self.api, user, answer.headers["Location"],
                                               browser_of(answer))
        return self.follow(done.headers["Location"], cookies), cookies

    def code(self, answer, state="s-7Yz"):
        """Of a redirect with success: state unchanged, this issuer, nothing else."""
        found = back(answer)
        assert found.get("state") == state and found["iss"] == self.provider["issuer"]
        assert set(found) == {"code", "state", "iss"}, found
        check_secret_text(found["code"])
        return found["code"]

    def error(self, answer):
        """Of a redirect with an error."""
        found = back(answer)
        assert found["state"] == "s-7Yz" and found["iss"] == self.provider["issuer"]
        assert "code" not in found
        return found["error"]

    # -- tokens ---------------------------------------------------------------------------------

    def token(self, **fields):
        return ask(self.api, self.path("token_endpoint"), self.made, self.way, **fields)

    def exchange(self, code, **fields):
        return self.token(grant_type="authorization_code", code=code, redirect_uri=REDIRECT, **fields)

    def check_pair(self, answer):
        """RFC 6749 §5.1, RFC 6750."""
        pair = ok(answer)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Type"].startswith("application/json")
        assert pair["token_type"] == "Bearer" and 0 < pair["expires_in"] <= 86400
        for name in {"access_token", "refresh_token"} & set(pair):
            check_secret_text(pair[name], 128)
        return pair

    def claims(self, pair, nonce="n-0S6"):
        """Of the ID token, as OIDC Core §3.1.3.7 has it checked; nonce None: there is none."""
        now = int(time.time())
        token = jwt.decode(pair["id_token"], self.keys(), algorithms=["RS256"])
        claims = token.claims
        assert token.header["alg"] == "RS256" and token.header["kid"]
        assert claims["iss"] == self.provider["issuer"] and claims["sub"]
        assert claims["aud"] in (self.made["client_id"], [self.made["client_id"]])
        assert now - 60 <= claims["iat"] <= now + 1 and now < claims["exp"] <= claims["iat"] + 3600
        assert claims["auth_time"] <= claims["iat"]
        assert claims.get("nonce") == nonce
        assert claims["at_hash"] == half_hash(pair["access_token"])
        return claims

    def finish(self, answer, nonce="n-0S6", **fields):
        """From the redirect to the end: (tokens, claims of the ID token)."""
        pair = self.check_pair(self.exchange(self.code(answer), **fields))
        return pair, self.claims(pair, nonce)

    def sign_in(self, cookies, **changes):
        return self.finish(self.ask(cookies, **changes), changes.get("nonce", "n-0S6"))

    def userinfo(self, pair, claims):
        """By GET, and about the person of the ID token."""
        told = ok(self.api.get(self.path("userinfo_endpoint"), token=pair["access_token"]))
        assert told["sub"] == claims["sub"]
        return told

    def person(self, cookies, scope):
        """Claims of UserInfo for a scope."""
        pair, claims = self.sign_in(cookies, scope=scope)
        assert pair["scope"] == scope
        return self.userinfo(pair, claims)
