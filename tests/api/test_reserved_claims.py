"""Custom fields and the setting "claims" never speak for the protocol or the service (TI-15).

Each reserved name is refused as a mapping; and where a mapping stands in the database nevertheless,
and the user has fields of all these names, no token and no answer carries what they say.
"""
import base64
import json
import uuid

from support.authorize import code_client, code_of, exchange
from support.check import ok, refused, until
from support.oauth import ask

#: Of JWT, OpenID Connect, OAuth and this service's own tokens; what tells a user's power; what the
#: service knows itself.
RESERVED = """
iss sub aud exp nbf iat jti auth_time nonce acr amr azp sid at_hash c_hash s_hash tid gid ep cl scope
scopes client_id cnf act may_act events typ role roles groups entitlements permissions
authorization_details sub_id active token_type tenant_id _claim_names _claim_sources email
email_verified phone_number_verified preferred_username username updated_at created_at
anything_verified
""".split()
FORGED = "forged-value"


def test_no_mapping(api, tenant):
    for name in RESERVED:
        answer = api.put("/tenants/settings", token=tenant.owner.token, json={"settings": {
            "claims": {name: "custom_fields.x", "fine": "custom_fields.x"}}})
        refused(answer, 400, field="claims")
        assert name in answer.json()["error_description"]


def payload(text):
    part = text.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_no_forged_field_is_believed(api, service, tenant):
    """Fields and mappings of every reserved name, past the service: tokens, introspection and
    UserInfo say what they would say without them."""
    owner = tenant.owner
    made = code_client(api, tenant)
    ok(api.patch("/users/me", token=owner.token, json={
        "custom_fields": {**{name: FORGED for name in RESERVED}, "told": "t"}}))
    service.db.tenants.update_one({"_id": uuid.UUID(tenant.id)}, {"$set": {"settings.claims": {
        **{name: f"custom_fields.{name}" for name in RESERVED}, "told": "custom_fields.told"}}})
    until(lambda: "told" in api.get("/oauth/userinfo", token=owner.token).json(), 2.0)
    asked = {name: None for name in [*RESERVED, "told"]}
    pair = ok(exchange(api, made, code_of(
        api, owner, made, scope="openid profile email read offline_access",
        claims=json.dumps({"id_token": asked, "userinfo": asked}))))
    told = [payload(pair["access_token"]), payload(pair["id_token"]),
            ok(api.get("/oauth/userinfo", token=pair["access_token"])),
            ok(ask(api, "/oauth/introspect", made, token=pair["access_token"])),
            ok(api.get("/oauth/userinfo", token=owner.token))]
    assert told[1]["told"] == told[2]["told"] == "t"
    for claims in told:
        assert FORGED not in json.dumps(claims)
        assert claims["sub"] == owner.id
    verify = api.get("/auth/verify", token=owner.token)
    assert verify.status_code == 204 and FORGED not in str(verify.headers)
