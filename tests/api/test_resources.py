"""Resource indicators (RFC 8707): whom a token is for, and who takes it."""
import base64
import json
import urllib.parse

import pytest

from support.authorize import (ask_consent, authorize, back, code_client, code_of, decide,
                               exchange, params_of)
from support.check import ok, refused
from support.oauth import ask, client, token

ORDERS, BILLS = "https://orders.example/api", "urn:example:bills"


@pytest.fixture(scope="module", autouse=True)
def resources(api, tenant):
    ok(api.put("/tenants/settings", token=tenant.owner.token,
               json={"settings": {"resources": [ORDERS, BILLS]}}))
    return [ORDERS, BILLS]


@pytest.fixture(scope="module")
def machine(api, tenant):
    return client(api, tenant, grant_types=["client_credentials", "password"],
                  scope="openid read")


def audience(text):
    part = text.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["aud"]


def issuer(api, tenant):
    return ok(api.get(f"/t/{tenant.slug}/.well-known/openid-configuration"))["issuer"]


def inspect(api, made, text):
    return ok(ask(api, "/oauth/introspect", made, token=text))


def test_a_token_for_another_service_is_none_here(api, tenant, machine):
    """Its aud is the resource, so no route of ours takes it; introspection and revocation do."""
    text = ok(token(api, machine, grant_type="client_credentials", scope="read",
                    resource=ORDERS))["access_token"]
    assert audience(text) == ORDERS
    refused(api.get("/api/protected", token=text), 401)
    for _ in range(2):  # read, and then known
        told = inspect(api, machine, text)
        assert told["active"] and told["aud"] == [ORDERS] and told["iss"] == issuer(api, tenant)
        refused(api.get("/api/protected", token=text), 401)
    ok(ask(api, "/oauth/revoke", machine, token=text))
    assert inspect(api, machine, text) == {"active": False}


def test_without_one_a_token_is_for_the_issuer(api, tenant, machine):
    text = ok(token(api, machine, grant_type="client_credentials"))["access_token"]
    assert audience(text) == issuer(api, tenant)
    assert inspect(api, machine, text)["aud"] == [issuer(api, tenant)]
    same = ok(token(api, machine, grant_type="client_credentials", resource=issuer(api, tenant)))
    assert audience(same["access_token"]) == issuer(api, tenant)
    ok(api.get("/api/protected", token=same["access_token"]))


def test_with_openid_user_info_stays_open(api, tenant, machine):
    text = ok(token(api, machine, grant_type="password", username=tenant.owner.username,
                    password=tenant.owner.password, scope="openid read",
                    resource=BILLS))["access_token"]
    assert audience(text) == [BILLS, issuer(api, tenant)]
    assert ok(api.get("/oauth/userinfo", token=text))["sub"] == tenant.owner.id
    assert inspect(api, machine, text)["aud"] == [BILLS, issuer(api, tenant)]


@pytest.mark.parametrize("sent", [
    "https://orders.example/API", ORDERS + "/", ORDERS + "#x", "https://evil.example", "orders", "x" * 3000])
def test_only_what_the_tenant_names(api, tenant, own, machine, sent):
    """RFC 8707 §2: invalid_target, and nothing is consumed."""
    refused(token(api, machine, grant_type="client_credentials", resource=sent), 400, "invalid_target")
    found = back(authorize(api, tenant, params_of(own, resource=sent), tenant.owner.session))
    assert found["error"] == "invalid_target" and found["state"] == "s-1"
    code = code_of(api, tenant.owner, own)
    refused(exchange(api, own, code, resource=sent), 400, "invalid_target")
    ok(exchange(api, own, code))


def test_another_tenants_resource_is_none_here(api, world, machine):
    there = world.tenant()
    world.login(there.owner)
    made = client(api, there, grant_types=["client_credentials"], scope="read")
    refused(token(api, made, grant_type="client_credentials", resource=ORDERS), 400, "invalid_target")


def test_a_code_carries_it_and_refreshes_narrow_it(api, tenant, own):
    """RFC 8707 §2.2: a token for one of those that were granted; the grant keeps both."""
    params = urllib.parse.urlencode(
        list(params_of(own, scope="read").items()) + [("resource", ORDERS), ("resource", BILLS)])
    code = back(authorize(api, tenant, params, tenant.owner.session))["code"]
    first = ok(exchange(api, own, code, resource=BILLS))
    assert audience(first["access_token"]) == BILLS
    second = ok(token(api, own, grant_type="refresh_token", refresh_token=first["refresh_token"]))
    assert audience(second["access_token"]) == [ORDERS, BILLS]
    refused(token(api, own, grant_type="refresh_token", refresh_token=second["refresh_token"],
                  resource=issuer(api, tenant)), 400, "invalid_target")
    third = ok(token(api, own, grant_type="refresh_token", refresh_token=second["refresh_token"],
                     resource=ORDERS))
    assert audience(third["access_token"]) == ORDERS
    code = back(authorize(api, tenant, params, tenant.owner.session))["code"]
    refused(exchange(api, own, code, resource=issuer(api, tenant)), 400, "invalid_target")
    ok(exchange(api, own, code))


def test_consent_is_for_the_service(api, world, tenant):
    """What was allowed here was not allowed there."""
    user = world.named_user(tenant)
    world.sign_in(user)
    made = code_client(api, tenant, first_party=False)
    here, there = params_of(made, scope="read"), params_of(made, scope="read", resource=ORDERS)
    assert "code" in back(decide(api, user, here))
    page = authorize(api, tenant, there, user.session)
    assert page.status_code == 200 and ORDERS in page.text
    token_of_here = ask_consent(api, user, here)["form_token"]
    answer = api.post(f"/t/{tenant.slug}/oauth/authorize", cookie=user.session,
                      headers={"Accept": "text/html"},
                      form=there | {"confirm": "yes", "form_token": token_of_here})
    assert answer.status_code == 403, "the page for one service decides for no other"
    assert "code" in back(decide(api, user, there))
    for params in (here, there):
        assert "code" in back(authorize(api, tenant, params, user.session))
    more = params_of(made, scope="read", resource=BILLS)
    assert authorize(api, tenant, more, user.session).status_code == 200


@pytest.mark.parametrize("bad", ["orders", "/api", "https://a.example/#x", "https://a b", "",
                                 "://a", "1a:b", "a\u00e4:b", "x" * 300])
def test_a_resource_is_an_absolute_uri(api, tenant, bad):
    """RFC 8707 §2; the answer names the element, and the list stays."""
    answer = refused(api.put("/tenants/settings", token=tenant.owner.token,
                             json={"settings": {"resources": [ORDERS, bad]}}), 400)
    assert "resources" in answer["field"]
    kept = ok(api.get("/tenants/settings", token=tenant.owner.token))["settings"]["resources"]
    assert kept == [ORDERS, BILLS]
