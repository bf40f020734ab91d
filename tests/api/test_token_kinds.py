"""TS-3: every kind of token at every endpoint that takes one of another kind: never accepted, never
a 500, and the good one still works afterwards."""
import urllib.parse

import pytest

from support.authorize import authorize, back, browser_of, code_client, exchange, field, params_of
from support.check import ok
from support.instance import PLATFORM_KEY
from support.oauth import ask, basic, token

FORM = {"Accept": "text/html"}


class Kinds:
    """One of each, all of one tenant and one person."""

    def __init__(self, api, tenant):
        self.api, self.tenant = api, tenant
        owner = tenant.owner
        self.client = code_client(api, tenant, grant_types=[
            "authorization_code", "refresh_token", "password", "client_credentials"])
        es256 = code_client(api, tenant, id_token_signed_response_alg="ES256")
        pair = ok(exchange(api, self.client, self.code(scope="openid offline_access read")))
        start = authorize(api, tenant, params_of(self.client))
        page = api.get(start.headers["Location"], cookie=browser_of(start), headers=FORM)
        self.all = {
            "session_access": owner.token,
            "session_refresh": owner.refresh_token,
            "client_access": pair["access_token"],
            "client_refresh": pair["refresh_token"],
            "machine_access": ok(token(api, self.client, grant_type="client_credentials"))[
                "access_token"],
            "id_token": pair["id_token"],
            "id_token_es256": ok(exchange(api, es256, self.code(es256)))["id_token"],
            "code": self.code(),
            "client_secret": self.client["client_secret"],
            "client_id": self.client["client_id"],
            "session": next(iter(owner.session.values())),
            "ticket": field(page.text, "ticket"),
            "form_token": field(page.text, "form_token"),
            "access_key": ok(api.post("/tenants/access-keys", token=owner.token,
                                      json={"label": "kinds"}), 201)["access_key"],
            "platform_key": PLATFORM_KEY,
        }

    def code(self, made=None, **changes):
        made = made or self.client
        return back(authorize(self.api, self.tenant, params_of(made, **changes),
                              self.tenant.owner.session))["code"]


@pytest.fixture(scope="module")
def kinds(api, tenant):
    return Kinds(api, tenant)


# -- where each belongs: what is sent there, and which kinds are taken ---------------------------

ENDPOINTS = {}


def takes(*names, refusals=(401, 403)):
    def note(send):
        ENDPOINTS[send.__name__] = (send, set(names), refusals)
        return send
    return note


@takes("session_access")
def bearer(kinds, text):
    return kinds.api.get("/users/me/sessions", tenant=kinds.tenant.slug, token=text)


@takes("session_access", "client_access", "machine_access")
def route_of_clients(kinds, text):
    return kinds.api.get("/api/protected", tenant=kinds.tenant.slug, token=text)


@takes("session_access", "client_access")
def userinfo(kinds, text):
    return kinds.api.post("/oauth/userinfo", tenant=kinds.tenant.slug, form={"access_token": text})


@takes("access_key")
def route_of_keys(kinds, text):
    return kinds.api.get("/api/v1/clients/me", token=text)


@takes("platform_key", refusals=(401, 403, 404))
def route_of_the_platform(kinds, text):
    return kinds.api.get("/admin/stats", token=text)


@takes("session")
def cookie(kinds, text):
    return kinds.api.get("/users/me", tenant=kinds.tenant.slug,
                         cookie={f"session-{kinds.tenant.slug}": text})


@takes("client_secret")
def secret_of_a_client(kinds, text):
    return kinds.api.post("/oauth/token", headers=basic(kinds.client["client_id"], text),
                          form={"grant_type": "client_credentials"})


@takes("session_refresh")
def refresh(kinds, text):
    return kinds.api.post("/auth/refresh", tenant=kinds.tenant.slug, json={"refresh_token": text})


@takes("client_refresh", refusals=(400,))
def refresh_of_a_client(kinds, text):
    return token(kinds.api, kinds.client, grant_type="refresh_token", refresh_token=text)


@takes("code", refusals=(400,))
def exchange_of_a_code(kinds, text):
    return exchange(kinds.api, kinds.client, text)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_only_its_own_kind_is_taken(kinds, endpoint):
    """The wrong ones first: none of them may use up, or end, the right one."""
    send, taken, refusals = ENDPOINTS[endpoint]
    assert taken <= set(kinds.all)
    for name, text in kinds.all.items():
        if name not in taken:
            answer = send(kinds, text)
            assert answer.status_code in refusals, f"{name}: {answer.status_code} {answer.text}"
    for name in sorted(taken):
        ok(send(kinds, kinds.all[name]))


def test_only_its_own_id_token_is_a_hint(kinds):
    """OA-18, OA-21: at authorize and at end-session; nobody is signed out by another kind."""
    prefix = f"/t/{kinds.tenant.slug}/oauth/end-session?"
    for name, text in kinds.all.items():
        answer = authorize(kinds.api, kinds.tenant, params_of(
            kinds.client, prompt="none", id_token_hint=text), kinds.tenant.owner.session)
        assert back(answer).get("error") == (None if name == "id_token" else "invalid_request"), name
        if not name.startswith("id_token"):
            page = kinds.api.get(prefix + urllib.parse.urlencode({"id_token_hint": text}),
                                 headers=FORM, cookie=kinds.tenant.owner.session)
            assert page.status_code == 400, name
    ok(cookie(kinds, kinds.all["session"]))


def test_introspection_and_revocation_know_access_and_refresh_tokens_alone(api, world):
    """OA-13, OA-14: everything else is inactive, and revoking it ends nothing."""
    tenant = world.tenant()
    world.login(tenant.owner)
    world.sign_in(tenant.owner)
    kinds = Kinds(api, tenant)
    known = {"session_access", "client_access", "machine_access", "client_refresh"}
    for name, text in kinds.all.items():
        told = ok(ask(api, "/oauth/introspect", kinds.client, token=text))
        assert told["active"] is (name in known), name
        if name not in known:
            assert told == {"active": False}, name
            assert ok(ask(api, "/oauth/revoke", kinds.client, token=text)) == {}
    for endpoint in ("cookie", "secret_of_a_client", "exchange_of_a_code", "refresh", "userinfo"):
        send, taken, _ = ENDPOINTS[endpoint]
        for name in sorted(taken):
            ok(send(kinds, kinds.all[name]))
