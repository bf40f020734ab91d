"""ID tokens of the code flow, read by another library (OA-17, OA-18; C31, R004-19).

Named after the modules of the OpenID Basic plan where they prove the same.
"""
import base64
import hashlib
import json
import time

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from support.authorize import code_client, code_of, exchange
from support.check import ok
from support.oauth import token


@pytest.fixture(scope="module")
def own(api, tenant):
    return code_client(api, tenant)


def keys_of(api, tenant):
    return KeySet.import_key_set(ok(api.get(f"/t/{tenant.slug}/.well-known/jwks.json")))


def read(api, tenant, text, algorithm="RS256"):
    """Header and claims, after joserfc has verified the signature with the published keys."""
    found = jwt.decode(text, keys_of(api, tenant), algorithms=[algorithm])
    return found.header, found.claims


def signed_in(api, tenant, made, **changes):
    """Tokens of the owner by a code."""
    return ok(exchange(api, made, code_of(api, tenant.owner, made, **changes)))


def test_idtoken_signature(api, tenant, own):
    """oidcc-idtoken-signature, oidcc-server: RS256 with a kid, and every claim that Core requires."""
    before = int(time.time())
    pair = signed_in(api, tenant, own, scope="openid email", nonce="n-0S6")
    header, claims = read(api, tenant, pair["id_token"])
    metadata = ok(api.get(f"/t/{tenant.slug}/.well-known/openid-configuration"))
    assert header["alg"] == "RS256" and header["kid"]
    assert claims["iss"] == metadata["issuer"] and claims["aud"] in (own["client_id"],
                                                                     [own["client_id"]])
    assert claims["sub"] == tenant.owner.id and claims["nonce"] == "n-0S6"
    assert before - 5 <= claims["iat"] <= claims["exp"] - 60
    assert claims["exp"] - claims["iat"] <= 3600
    assert claims["auth_time"] <= claims["iat"]
    assert claims["acr"] == "aal1" and claims["amr"] == ["pwd"]
    digest = hashlib.sha256(pair["access_token"].encode()).digest()[:16]
    assert claims["at_hash"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert "email" not in claims, "scope claims go to UserInfo"
    assert ok(api.get("/oauth/userinfo", token=pair["access_token"])) == {
        "sub": tenant.owner.id, "email": tenant.owner.email, "email_verified": False}


def test_without_nonce_and_without_openid(api, tenant, own):
    """oidcc-ensure-request-without-nonce-succeeds-for-code-flow; OAuth alone gets no ID token."""
    pair = signed_in(api, tenant, own, nonce=None)
    assert "nonce" not in read(api, tenant, pair["id_token"])[1]
    assert "id_token" not in signed_in(api, tenant, own, scope="read")


def test_an_es256_client_gets_es256(api, tenant):
    """id_token_signed_response_alg; an ID token is no access token."""
    made = code_client(api, tenant, id_token_signed_response_alg="ES256")
    pair = signed_in(api, tenant, made)
    header, _ = read(api, tenant, pair["id_token"], "ES256")
    assert header["alg"] == "ES256"
    for text in (pair["id_token"], signed_in(api, tenant, code_client(api, tenant))["id_token"]):
        assert api.get("/api/protected", token=text).status_code == 401
        assert api.get("/oauth/userinfo", token=text).status_code == 401


def test_claims_that_were_asked_for(api, tenant, own):
    """oidcc-claims-essential: the claims parameter's names come in the ID token."""
    pair = signed_in(api, tenant, own, scope="openid", claims=json.dumps(
        {"id_token": {"email": {"essential": True}, "preferred_username": None}}))
    claims = read(api, tenant, pair["id_token"])[1]
    assert claims["email"] == tenant.owner.email
    assert claims["preferred_username"] == tenant.owner.username


def test_refresh_token(api, tenant, own):
    """oidcc-refresh-token, api.md §11: iss sub aud auth_time stay, iat is new, no nonce."""
    first = signed_in(api, tenant, own, scope="openid offline_access", nonce="once")
    second = ok(token(api, own, grant_type="refresh_token",
                      refresh_token=first["refresh_token"]))
    old, new = (read(api, tenant, pair["id_token"])[1] for pair in (first, second))
    for name in ("iss", "sub", "aud", "auth_time", "sid"):
        assert old[name] == new[name]
    assert new["iat"] >= old["iat"] and "nonce" not in new and new["at_hash"] != old["at_hash"]
    narrow = ok(token(api, own, grant_type="refresh_token", scope="offline_access",
                      refresh_token=second["refresh_token"]))
    assert "id_token" not in narrow
