"""ID tokens of the code flow, read by another library (OA-17, OA-18; C31, R004-19).

What the certification's modules check is in test_conformance_basic.py.
"""
import json

from joserfc import jwt
from joserfc.jwk import KeySet

from support.authorize import code_client, code_of, exchange
from support.check import ok


def keys_of(api, tenant):
    return KeySet.import_key_set(ok(api.get(f"/t/{tenant.slug}/.well-known/jwks.json")))


def read(api, tenant, text, algorithm="RS256"):
    """Header and claims, after joserfc has verified the signature with the published keys."""
    found = jwt.decode(text, keys_of(api, tenant), algorithms=[algorithm])
    return found.header, found.claims


def signed_in(api, tenant, made, **changes):
    """Tokens of the owner by a code."""
    return ok(exchange(api, made, code_of(api, tenant.owner, made, **changes)))


def test_without_openid(api, tenant, own):
    """OAuth alone gets no ID token."""
    assert "id_token" not in signed_in(api, tenant, own, scope="read")


def test_an_id_token_is_no_access_token(api, tenant, own):
    """TS-3, OA-16: of neither algorithm."""
    made = code_client(api, tenant, id_token_signed_response_alg="ES256")
    for client in (own, made):
        text = signed_in(api, tenant, client)["id_token"]
        assert api.get("/api/protected", token=text).status_code == 401
        assert api.get("/oauth/userinfo", token=text).status_code == 401


def test_claims_that_were_asked_for(api, tenant, own):
    """OIDC Core §5.5: the claims parameter's names come in the ID token."""
    pair = signed_in(api, tenant, own, scope="openid", claims=json.dumps(
        {"id_token": {"email": {"essential": True}, "preferred_username": None}}))
    claims = read(api, tenant, pair["id_token"])[1]
    assert claims["email"] == tenant.owner.email
    assert claims["preferred_username"] == tenant.owner.username
