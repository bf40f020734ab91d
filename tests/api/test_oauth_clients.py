"""OAuth clients: registering, changing, secrets, ending (R004-28, R004-58, C14, C15; OA-1, OA-9)."""
import pytest

from support.check import ok, refused, until
from support.oauth import basic, client, token

REDIRECT = "https://app.example/callback"


@pytest.fixture
def tenant(world):
    made = world.tenant()
    world.login(made.owner)
    return made


def test_a_secret_is_shown_once_and_kept_as_a_hash(api, tenant, service):
    """R004-28: id of 24, secret of 48 characters, members of RFC 7591; nothing of it is stored."""
    made = client(api, tenant, client_name="Shop", redirect_uris=[REDIRECT],
                  grant_types=["authorization_code", "refresh_token"])
    assert len(made["client_id"]) == 24 and len(made["client_secret"]) == 48
    assert made["tenant_id"] == tenant.id and made["tenant_slug"] == tenant.slug
    assert made["client_secret_expires_at"] == 0 and made["client_id_issued_at"] > 0
    assert made["redirect_uris"] == [REDIRECT] and made["response_types"] == ["code"]
    assert made["token_endpoint_auth_method"] == "client_secret_basic"
    stored = service.db.oauth_clients.find_one({"_id": made["client_id"]})
    assert made["client_secret"] not in str(stored)
    shown = ok(api.get(f"/oauth/client/{made['client_id']}", token=tenant.owner.token))
    assert "client_secret" not in shown
    assert shown["secret_age_seconds"] >= 0
    listed = ok(api.get("/oauth/client/list", token=tenant.owner.token))["clients"]
    assert [entry["client_id"] for entry in listed].count(made["client_id"]) == 1


def test_large_clients_make_short_pages(api, tenant):
    """Whatever users register, where they may, the list of all can be read to its end."""
    uris = [f"https://a{number}.example/?" + "&" * 1900 for number in range(20)]
    made = {client(api, tenant, redirect_uris=uris, grant_types=["authorization_code"])["client_id"]
            for _ in range(20)}
    found, cursor = [], {}
    while cursor is not None:
        body = ok(api.get("/oauth/client/list", token=tenant.owner.token, params={"limit": 200, **cursor}))
        found += [entry["client_id"] for entry in body["clients"]]
        cursor = {"cursor": body["next"]} if body["next"] else None
    assert sorted(found) == sorted(made)


BAD = [
    ({"client_name": ""}, "invalid_client_metadata"),
    ({"redirect_uris": []}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://app.example/#x"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://*.example/"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://user@app.example/"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["/callback"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["com.example.app:/cb"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://app.example/a/../b"]}, "invalid_redirect_uri"),
    ({"post_logout_redirect_uris": ["data:text/html,x"]}, "invalid_redirect_uri"),
    ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
    ({"grant_types": []}, "invalid_client_metadata"),
    ({"response_types": ["token"]}, "invalid_client_metadata"),
    ({"token_endpoint_auth_method": "none", "grant_types": ["client_credentials"]},
     "invalid_client_metadata"),
    ({"jwks_uri": "https://app.example/jwks"}, "invalid_client_metadata"),
    ({"sector_identifier_uri": "https://app.example/s"}, "invalid_client_metadata"),
    ({"scope": 'a"b'}, "invalid_client_metadata"),
    ({"scope": "users:hashes"}, "invalid_client_metadata"),
    ({"backchannel_logout_uri": "com.example.app:/out"}, "invalid_client_metadata"),
]


@pytest.mark.parametrize("members,error", BAD, ids=[str(members) for members, _ in BAD])
def test_metadata_is_checked(api, tenant, service, members, error):
    """OA-1, RFC 7591 §3.2.2: the member and what is allowed; nothing is stored."""
    before = service.db.oauth_clients.count_documents({})
    answer = api.post("/oauth/client/register", token=tenant.owner.token, json={
        "client_name": "Bad", "redirect_uris": [REDIRECT]} | members)
    assert answer.status_code == 400 and answer.json()["error"] == error, answer.text
    assert len(answer.json()["error_description"]) > 10
    assert service.db.oauth_clients.count_documents({}) == before


def test_a_put_replaces_all_metadata(api, tenant):
    """RFC 7592 §2.2: what is not sent has its default; the secret stays."""
    made = client(api, tenant, grant_types=["client_credentials"], scope="read orders:read",
                  default_max_age=60)
    path = f"/oauth/client/{made['client_id']}"
    changed = ok(api.put(path, token=tenant.owner.token, json={
        "client_name": "Renamed", "grant_types": ["client_credentials"], "scope": "read"}))
    assert changed["client_name"] == "Renamed" and changed["scope"] == "read"
    assert "default_max_age" not in changed and "client_secret" not in changed
    assert ok(token(api, made, grant_type="client_credentials"))["scope"] == "read"
    refused(api.put(path, token=tenant.owner.token, json={
        "client_name": "Public", "grant_types": ["refresh_token"],
        "token_endpoint_auth_method": "none"}), 400, "invalid_client_metadata")


def test_a_scope_taken_away_ends_what_was_issued(api, tenant):
    """Epochs: tokens with the old scope are dead on this instance at once."""
    made = client(api, tenant, grant_types=["client_credentials"], scope="read write")
    pair = ok(token(api, made, grant_type="client_credentials"))
    ok(api.get("/api/protected", token=pair["access_token"]))
    ok(api.put(f"/oauth/client/{made['client_id']}", token=tenant.owner.token, json={
        "client_name": "Less", "grant_types": ["client_credentials"], "scope": "read"}))
    refused(api.get("/api/protected", token=pair["access_token"]), 401, "invalid_token")


def test_secrets_rotate_with_an_overlap(api, tenant):
    """R004-58: both secrets work inside the overlap; without one the old ends with its tokens."""
    made = client(api, tenant, grant_types=["client_credentials"], scope="read")
    path = f"/oauth/client/{made['client_id']}/rotate-secret"
    issued = ok(token(api, made, grant_type="client_credentials"))
    second = ok(api.post(path, token=tenant.owner.token, json={"overlap_seconds": 60}))
    assert second["client_secret"] != made["client_secret"]
    assert "old_secret_ends_at" in second
    for secret in (made["client_secret"], second["client_secret"]):
        ok(token(api, made | {"client_secret": secret}, grant_type="client_credentials"))
    ok(api.get("/api/protected", token=issued["access_token"]))
    third = ok(api.post(path, token=tenant.owner.token, json={}))
    for secret in (made["client_secret"], second["client_secret"]):
        refused(token(api, made | {"client_secret": secret}, grant_type="client_credentials"), 401,
                "invalid_client")
    ok(token(api, made | {"client_secret": third["client_secret"]},
             grant_type="client_credentials"))
    refused(api.get("/api/protected", token=issued["access_token"]), 401, "invalid_token")


def test_deleting_a_client_ends_its_tokens(api, tenant):
    """TS-7: access and refresh tokens of a client that is gone."""
    made = client(api, tenant, grant_types=["password", "refresh_token"], scope="read")
    pair = ok(token(api, made, grant_type="password", username="owner",
                    password=tenant.owner.password))
    assert api.delete(f"/oauth/client/{made['client_id']}",
                      token=tenant.owner.token).status_code == 204
    refused(api.get("/api/protected", token=pair["access_token"]), 401, "invalid_token")
    refused(token(api, made, grant_type="refresh_token", refresh_token=pair["refresh_token"]), 401,
            "invalid_client")
    refused(api.get(f"/oauth/client/{made['client_id']}", token=tenant.owner.token), 404,
            "not_found")


def test_users_register_within_their_role_where_the_tenant_lets_them(api, world):
    """api.md §5 and §11: users_may_register_clients; each sees only what is theirs."""
    tenant = world.tenant()
    world.login(tenant.owner)
    user, other = world.user(tenant), world.user(tenant)
    body = {"client_name": "Mine", "grant_types": ["client_credentials"], "scope": "read"}
    refused(api.post("/oauth/client/register", token=user.token, json=body), 403,
            "insufficient_role")
    ok(api.put("/tenants/settings", token=tenant.owner.token,
               json={"settings": {"users_may_register_clients": True}}))
    refused(api.post("/oauth/client/register", token=user.token,
                     json=body | {"scope": "read admin"}), 400, "invalid_client_metadata")
    refused(api.post("/oauth/client/register", token=user.token,
                     json=body | {"first_party": True}), 400, "invalid_client_metadata")
    made = ok(api.post("/oauth/client/register", token=user.token, json=body), 201)
    path = f"/oauth/client/{made['client_id']}"
    refused(api.get(path, token=other.token), 404, "not_found")
    assert ok(api.get("/oauth/client/list", token=other.token))["clients"] == []
    assert len(ok(api.get("/oauth/client/list", token=user.token))["clients"]) == 1
    assert ok(api.get(path, token=tenant.owner.token))["client_id"] == made["client_id"]


def test_the_plan_limits_clients(api, world):
    """R004-12: exactly as many as the platform allows; deleting one makes room."""
    tenant = world.tenant()
    world.login(tenant.owner)
    ok(world.admin("PATCH", f"/tenants/{tenant.id}", json={"limits": {"clients": 2}}))
    until(lambda: ok(api.get("/tenants/stats", token=tenant.owner.token)
                     )["usage"]["clients"]["limit"] == 2)
    made = [client(api, tenant, grant_types=["client_credentials"]) for _ in range(2)]
    full = refused(api.post("/oauth/client/register", token=tenant.owner.token, json={
        "client_name": "Third", "grant_types": ["client_credentials"]}), 403, "plan_limit")
    assert (full["limit"], full["usage"]) == (2, 2)
    assert api.delete(f"/oauth/client/{made[0]['client_id']}",
                      token=tenant.owner.token).status_code == 204
    client(api, tenant, grant_types=["client_credentials"])
    stats = ok(api.get("/tenants/stats", token=tenant.owner.token))
    assert stats["total_clients"] == 2 and stats["usage"]["clients"] == {"used": 2, "limit": 2}


WAYS = ["client_secret_basic", "client_secret_post"]


@pytest.mark.parametrize("way", WAYS)
def test_a_client_may_pin_its_way_of_authentication(api, tenant, way):
    """OA-9: the other way is refused; without a registered one both work (C14)."""
    made = client(api, tenant, grant_types=["client_credentials"], token_endpoint_auth_method=way)
    for sent in WAYS:
        answer = token(api, made, way=sent, grant_type="client_credentials")
        if sent == way:
            ok(answer)
        else:
            refused(answer, 401, "invalid_client")
    free = client(api, tenant, grant_types=["client_credentials"])
    for sent in WAYS:
        ok(token(api, free, way=sent, grant_type="client_credentials"))


def test_exactly_one_authentication(api, tenant):
    """OA-9: Basic and body together, another client_id, a bad Basic, none at all."""
    made = client(api, tenant, grant_types=["client_credentials"])
    grant = {"grant_type": "client_credentials"}
    header = basic(made["client_id"], made["client_secret"])
    refused(api.post("/oauth/token", headers=header, form=grant | {
        "client_id": made["client_id"], "client_secret": made["client_secret"]}), 400,
        "invalid_request")
    refused(api.post("/oauth/token", headers=header, form=grant | {"client_id": "x"}), 400,
            "invalid_request")
    ok(api.post("/oauth/token", headers=header, form=grant | {"client_id": made["client_id"]}))
    for bad in ("Basic", "Basic !", "Basic " + "QQ==", "Bearer abc", "Basic QTpC=", "Digest x"):
        answer = refused(api.post("/oauth/token", headers={"Authorization": bad}, form=grant), 401,
                         "invalid_client")
        assert answer
    alone = api.post("/oauth/token", form=grant)
    refused(alone, 401, "invalid_client")
    assert alone.headers["WWW-Authenticate"].startswith("Basic realm=")
    refused(api.post("/oauth/token", form=grant | {"client_id": made["client_id"]}), 401,
            "invalid_client")
