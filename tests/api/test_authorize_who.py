"""Who has to be signed in, how, and what is told of them: id_token_hint, the claims parameter and
acr (OIDC Core §3.1.2.1, §5.5; OA-18)."""
import json

import jwt
import pytest

from support.authorize import (ask_consent, authorize, back, browser_of, code_client, code_of, decide,
                               exchange, params_of, sign_in_with_ticket)
from support.check import ok


def id_token(api, user, made, **changes):
    return ok(exchange(api, made, code_of(api, user, made, **changes)))["id_token"]


def silent(api, user, made, **changes):
    return back(authorize(api, user.tenant, params_of(made, prompt="none", **changes), user.session))


def test_a_hint_asks_for_that_person(api, world, tenant, user, own):
    """Somebody else is signed in: the login page; whoever then signs in must be the one."""
    hint = id_token(api, user, own)
    for person, outcome in ((user, "code"), (world.named_user(tenant), "error")):
        start = authorize(api, tenant, params_of(own, id_token_hint=hint), tenant.owner.session)
        assert start.headers["Location"].startswith(f"/t/{tenant.slug}/login?ticket="), start.headers
        answer, cookies, _ = sign_in_with_ticket(api, person, start.headers["Location"],
                                                 browser_of(start))
        found = back(api.get(answer.headers["Location"], cookie=cookies,
                             headers={"Accept": "text/html"}))
        assert outcome in found and found.get("error") in (None, "login_required"), found


def test_hints_that_are_none(api, world, tenant, user, own):
    """Of another client, of another tenant, changed, no JWT, an access token: invalid_request."""
    genuine = id_token(api, user, own)
    other = code_client(api, tenant)
    elsewhere = world.tenant()
    world.login(elsewhere.owner)
    world.sign_in(elsewhere.owner)
    head, body, signature = genuine.split(".")
    access = ok(exchange(api, own, code_of(api, user, own)))["access_token"]
    for bad in (id_token(api, user, other),
                id_token(api, elsewhere.owner, code_client(api, elsewhere)),
                f"{head}.{body}.{'A' + signature[1:] if signature[0] != 'A' else 'B' + signature[1:]}",
                f"{head}.{body}.", "x", access):
        assert silent(api, user, own, id_token_hint=bad)["error"] == "invalid_request", bad
    assert "code" in silent(api, user, own, id_token_hint=genuine)


def test_a_sub_that_is_asked_for(api, tenant, user, own):
    """OIDC Core §5.5.1: the answer is about that user or it is an error."""
    def asked(sub, place="id_token"):
        return json.dumps({place: {"sub": {"value": sub}}})

    for place in ("id_token", "userinfo"):
        assert "code" in silent(api, user, own, claims=asked(user.id, place))
        assert silent(api, tenant.owner, own, claims=asked(user.id, place))["error"] == "login_required"
    assert silent(api, user, own, claims=asked("nobody"))["error"] == "login_required"
    assert silent(api, user, own, claims=asked(tenant.owner.id),
                  id_token_hint=id_token(api, user, own))["error"] == "login_required"


@pytest.mark.parametrize("acr, error", [
    ({"essential": True, "values": ["aal2"]}, "unmet_authentication_requirements"),
    ({"essential": True, "value": "aal3"}, "unmet_authentication_requirements"),
    ({"essential": True, "values": ["aal2", "aal1"]}, None), ({"essential": True}, None),
    ({"values": ["aal2"]}, None), (None, None)], ids=str)
def test_an_essential_acr(api, user, own, acr, error):
    """OIDC Core §5.5.1.1: met, or the authentication has failed."""
    found = silent(api, user, own, claims=json.dumps({"id_token": {"acr": acr}}))
    assert found.get("error") == error and ("code" in found) is (error is None)


def test_claims_of_user_info(api, tenant, own):
    """oidcc-claims-essential: what userinfo asks for by name comes there, and only there."""
    pair = ok(exchange(api, own, code_of(api, tenant.owner, own, scope="openid offline_access",
                                         claims=json.dumps({"userinfo": {
                                             "email": {"essential": True}, "name": None,
                                             "address": None, "unknown": None}}))))
    told = ok(api.get("/oauth/userinfo", token=pair["access_token"]))
    assert told["email"] == tenant.owner.email and "username" not in told
    assert set(told) <= {"sub", "email", "name"}, "the client is registered for no address"
    plain = ok(exchange(api, own, code_of(api, tenant.owner, own, scope="openid")))
    assert set(ok(api.get("/oauth/userinfo", token=plain["access_token"]))) == {"sub"}


def test_claims_by_name_are_asked_for_in_words(api, tenant, user):
    """OA-8: consent shows what stands for them, and is not there before it was given."""
    made = code_client(api, tenant, first_party=False, scope="openid email")
    beyond = {"email": None, "preferred_username": None}  # the client is registered for no profile
    wanted = json.dumps({"userinfo": beyond, "id_token": beyond})
    assert "code" in back(decide(api, user, params_of(made, scope="openid")))
    assert "code" in silent(api, user, made, scope="openid")
    assert silent(api, user, made, scope="openid", claims=wanted)["error"] == "consent_required"
    page = authorize(api, tenant, params_of(made, scope="openid", claims=wanted), user.session)
    assert "see your e-mail address" in page.text and "profile" not in page.text
    assert ask_consent(api, user, params_of(made, scope="openid", claims=wanted))["scope"] == "openid email"
    found = back(decide(api, user, params_of(made, scope="openid", claims=wanted)))
    pair = ok(exchange(api, made, found["code"]))
    assert pair["scope"] == "openid"
    told = ok(api.get("/oauth/userinfo", token=pair["access_token"]))
    assert told == {"sub": user.id, "email": user.email}
    signed = jwt.decode(pair["id_token"], options={"verify_signature": False})
    assert signed["email"] == user.email and "preferred_username" not in signed
