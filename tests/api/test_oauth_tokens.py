"""The token endpoint, revocation and introspection (R004-15, R004-36, R004-37, R004-56, C7, C17)."""
import concurrent.futures

import pytest

from support.check import ok, refused, until
from support.oauth import ask, client, token
from support.world import World


@pytest.fixture
def tenant(world):
    made = world.tenant()
    world.login(made.owner)
    return made


def inspect(api, made, text):
    return ok(ask(api, "/oauth/introspect", made, token=text))


def revoke(api, made, text, **fields):
    return ask(api, "/oauth/revoke", made, token=text, **fields)


def password(api, made, user, **fields):
    return token(api, made, grant_type="password", username=user.username or user.email,
                 password=user.password, **fields)


# -- password ----------------------------------------------------------------------------------


def test_the_password_grant_gives_what_client_and_role_allow(api, world, tenant):
    """R004-36, C15: the scope is cut to the client's and the role's; nothing left is an error."""
    made = client(api, tenant, grant_types=["password", "refresh_token"],
                  scope="read write profile admin orders:read")
    user = world.user(tenant)
    whole = ok(password(api, made, user))
    assert whole["scope"] == "read write profile orders:read"
    assert whole["token_type"] == "Bearer" and whole["expires_in"] == 3600
    assert ok(password(api, made, tenant.owner))["scope"].split()[3] == "admin"
    part = ok(password(api, made, user, scope="write  read"))
    assert part["scope"] == "write read"
    refused(password(api, made, user, scope="admin"), 400, "invalid_scope")
    refused(password(api, made, user, scope="read users:read"), 400, "invalid_scope")
    ok(api.get("/api/protected", token=part["access_token"]))
    refused(api.get("/api/users/me", token=part["access_token"]), 403, "insufficient_scope")
    ok(api.get("/api/users/me", token=whole["access_token"]))


def test_the_password_grant_needs_its_registration(api, tenant):
    """C17: confidential clients that list it only."""
    machine = client(api, tenant, grant_types=["client_credentials"])
    refused(password(api, machine, tenant.owner), 400, "unauthorized_client")
    public = client(api, tenant, grant_types=["authorization_code"],
                    redirect_uris=["https://app.example/cb"], token_endpoint_auth_method="none")
    refused(password(api, public, tenant.owner), 400, "unauthorized_client")


def test_wrong_passwords_are_invalid_grant_and_lock(api, world, tenant):
    """AU: the password grant counts tries like every other login, and tells no more."""
    made = client(api, tenant, grant_types=["password"])
    user = world.user(tenant, login=False)
    wrong = refused(token(api, made, grant_type="password", username=user.email,
                          password="no"), 400, "invalid_grant")
    nobody = refused(token(api, made, grant_type="password", username="nobody@example.com",
                           password="no"), 400, "invalid_grant")
    assert wrong["error_description"] == nobody["error_description"] == "Invalid credentials"
    for _ in range(9):
        refused(token(api, made, grant_type="password", username=user.email, password="no"), 400)
    locked = token(api, made, grant_type="password", username=user.email, password=user.password)
    refused(locked, 429, "too_many_attempts")
    assert int(locked.headers["Retry-After"]) >= 1


def test_session_less_routes_for_people_refuse_clients_tokens(api, tenant):
    """api.md §11: password, sessions, keys and logout-all are not for tokens of OAuth clients."""
    made = client(api, tenant, grant_types=["password"], scope="read write admin profile")
    access = ok(password(api, made, tenant.owner))["access_token"]
    for method, path in (("GET", "/users/me/sessions"), ("POST", "/auth/logout-all"),
                         ("GET", "/tenants/access-keys"), ("GET", "/oauth/client/list")):
        refused(api.request(method, path, token=access), 403, "insufficient_scope")


# -- client credentials ------------------------------------------------------------------------


def test_a_machine_has_no_user_and_no_scope_of_people(api, tenant):
    """E10, api.md §11: user null, /api/users/me refused; openid, profile, admin left out."""
    made = client(api, tenant, grant_types=["client_credentials", "refresh_token"],
                  scope="openid profile admin read users:read")
    pair = ok(token(api, made, grant_type="client_credentials"))
    assert pair["scope"] == "read users:read" and "refresh_token" not in pair
    shown = ok(api.get("/api/protected", token=pair["access_token"]))
    assert shown["user"] is None and shown["client_id"] == made["client_id"]
    refused(api.get("/users/me", token=pair["access_token"]), 403)
    refused(api.get("/api/users/me", token=pair["access_token"]), 403)
    refused(token(api, made, grant_type="client_credentials", scope="profile"), 400,
            "invalid_scope")


def test_the_longest_scope_is_as_good_as_a_short_one(api, tenant):
    """A token carries all that its client may register, and is accepted with it."""
    scope = "read " + " ".join(f"orders:{number:03}" for number in range(22)) + " abcdefgh"
    assert len(scope) <= 255
    made = client(api, tenant, grant_types=["client_credentials"], scope=scope)
    pair = ok(token(api, made, grant_type="client_credentials"))
    assert pair["scope"] == scope
    ok(api.get("/api/protected", token=pair["access_token"]))
    assert inspect(api, made, pair["access_token"])["scope"] == scope
    refused(api.post("/oauth/client/register", token=tenant.owner.token, json={
        "client_name": "Long", "grant_types": ["client_credentials"],
        "scope": scope + " " + "x" * 255}), 400)


# -- refresh -----------------------------------------------------------------------------------


def test_refresh_rotates_and_reuse_ends_the_grant(api, service, tenant):
    """RFC 9700 §4.14.2: the family dies when a spent refresh token comes back."""
    made = client(api, tenant, grant_types=["password", "refresh_token"], scope="read write")
    first = ok(password(api, made, tenant.owner))
    second = ok(token(api, made, grant_type="refresh_token",
                      refresh_token=first["refresh_token"]))
    assert second["scope"] == "read write"
    narrow = ok(token(api, made, grant_type="refresh_token", scope="read",
                      refresh_token=second["refresh_token"]))
    assert narrow["scope"] == "read"
    refused(token(api, made, grant_type="refresh_token", scope="read admin",
                  refresh_token=narrow["refresh_token"]), 400, "invalid_scope")
    third = ok(token(api, made, grant_type="refresh_token",
                     refresh_token=narrow["refresh_token"]))
    assert third["scope"] == "read write"
    refused(token(api, made, grant_type="refresh_token", refresh_token=first["refresh_token"]),
            400, "invalid_grant")
    refused(token(api, made, grant_type="refresh_token", refresh_token=third["refresh_token"]),
            400, "invalid_grant")
    refused(api.get("/api/protected", token=third["access_token"]), 401, "invalid_token")
    assert service.db.audit_logs.count_documents(
        {"action": "token.reuse", "oauth_client_id": made["client_id"]}) == 1


def test_a_refresh_token_is_its_clients_alone(api, world, tenant):
    """OA-4: another client, another tenant's, and session-less routes get nothing and end nothing."""
    made, other = (client(api, tenant, grant_types=["password", "refresh_token"])
                   for _ in range(2))
    pair = ok(password(api, made, tenant.owner))
    refused(token(api, other, grant_type="refresh_token", refresh_token=pair["refresh_token"]),
            400, "invalid_grant")
    refused(api.post("/auth/refresh", json={"refresh_token": pair["refresh_token"]}), 401)
    refused(token(api, made, grant_type="refresh_token",
                  refresh_token=tenant.owner.refresh_token), 400, "invalid_grant")
    elsewhere = world.tenant()
    world.login(elsewhere.owner)
    foreign = client(api, elsewhere, grant_types=["refresh_token"])
    refused(token(api, foreign, grant_type="refresh_token", refresh_token=pair["refresh_token"]),
            400, "invalid_grant")
    ok(token(api, made, grant_type="refresh_token", refresh_token=pair["refresh_token"]))


def test_32_refreshes_at_once_have_one_winner(api, tenant):
    """Races: exactly one success for a confidential client, whose grant then is dead."""
    made = client(api, tenant, grant_types=["password", "refresh_token"])
    text = ok(password(api, made, tenant.owner))["refresh_token"]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: token(api, made, grant_type="refresh_token",
                                                refresh_token=text), range(32)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] + [400] * 31


# -- the endpoint ------------------------------------------------------------------------------


BAD = [
    ({}, "invalid_request"), ({"grant_type": "implicit"}, "unsupported_grant_type"),
    ({"grant_type": ""}, "invalid_request"),
    ({"grant_type": "password"}, "invalid_request"),
    ({"grant_type": "password", "username": "owner"}, "invalid_request"),
    ({"grant_type": "refresh_token"}, "invalid_request"),
    ({"grant_type": "refresh_token", "refresh_token": "x.y"}, "invalid_grant"),
    ({"grant_type": "client_credentials", "scope": 'a"b'}, "invalid_scope"),
]


@pytest.mark.parametrize("fields,error", BAD, ids=[str(fields) for fields, _ in BAD])
def test_bad_requests_have_the_error_of_the_rfc(api, tenant, fields, error):
    """RFC 6749 §5.2: the code, a sentence, no-store."""
    made = client(api, tenant, grant_types=["password", "refresh_token", "client_credentials"])
    answer = token(api, made, **fields)
    refused(answer, 400, error)
    assert answer.headers["Cache-Control"] == "no-store"


def test_forms_only_and_each_field_once(api, tenant):
    """OA-22, api.md §1."""
    made = client(api, tenant, grant_types=["client_credentials"])
    fields = {"client_id": made["client_id"], "client_secret": made["client_secret"],
              "grant_type": "client_credentials"}
    refused(api.post("/oauth/token", json=fields), 415)
    twice = "&".join(f"{name}={value}" for name, value in fields.items()) + "&scope=read&scope=read"
    refused(api.post("/oauth/token", content=twice, headers={
        "Content-Type": "application/x-www-form-urlencoded"}), 400, "invalid_request")
    raw = "&".join(f"{name}={value}" for name, value in fields.items()) + "&scope=read write"
    ok(api.post("/oauth/token", content=raw, headers={
        "Content-Type": "application/x-www-form-urlencoded"}))


def test_a_client_of_another_tenant_is_unknown_there(api, world, tenant):
    """E7: 401 invalid_client, by header and by path; the same words as for a wrong secret."""
    made = client(api, tenant, grant_types=["client_credentials"])
    elsewhere = world.tenant()
    grant = {"grant_type": "client_credentials"}
    by_header = refused(ask(api, "/oauth/token", made, tenant=elsewhere.slug, **grant), 401,
                        "invalid_client")
    by_path = refused(ask(api, f"/t/{elsewhere.slug}/oauth/token", made, **grant), 401,
                      "invalid_client")
    wrong = refused(token(api, made | {"client_secret": "x" * 48}, **grant), 401,
                    "invalid_client")
    assert by_header["error_description"] == by_path["error_description"] == \
        wrong["error_description"]
    ok(ask(api, f"/t/{tenant.slug}/oauth/token", made, **grant))
    ok(ask(api, "/oauth/token", made, tenant=tenant.slug, **grant))


# -- revocation and introspection --------------------------------------------------------------


def test_introspection_tells_the_tenants_tokens(api, world, tenant):
    """C7, OA-13: any confidential client of the tenant; others' refresh tokens are inactive."""
    made = client(api, tenant, grant_types=["password", "refresh_token"], scope="read profile")
    reader = client(api, tenant, grant_types=["client_credentials"])
    pair = ok(password(api, made, tenant.owner))
    for who in (made, reader):
        seen = inspect(api, who, pair["access_token"])
        assert seen["active"] and seen["username"] == "owner" and seen["tid"] == tenant.id
        assert seen["client_id"] == made["client_id"] and seen["sub"] == tenant.owner.id
        assert seen["scope"] == "read profile" and seen["exp"] - seen["iat"] == 3600
        assert seen["token_type"] == "Bearer" and seen["iss"].endswith(tenant.slug)
    assert inspect(api, made, pair["refresh_token"])["active"] is True
    assert inspect(api, reader, pair["refresh_token"]) == {"active": False}
    for text in ("x", "a.b.c", pair["access_token"][:-6] + "AAAAAA"):
        assert inspect(api, made, text) == {"active": False}
    elsewhere = world.tenant()
    world.login(elsewhere.owner)
    foreign = client(api, elsewhere, grant_types=["client_credentials"])
    assert inspect(api, foreign, pair["access_token"]) == {"active": False}
    public = client(api, tenant, grant_types=["authorization_code"],
                    redirect_uris=["https://app.example/cb"], token_endpoint_auth_method="none")
    refused(ask(api, "/oauth/introspect", public, token=pair["access_token"]), 401,
            "invalid_client")


def test_revoked_tokens_are_dead(api, tenant):
    """R004-37, RFC 7009: an access token alone, a refresh token with its family; unknown is 200."""
    made = client(api, tenant, grant_types=["password", "refresh_token"])
    other = client(api, tenant, grant_types=["password"])
    pair = ok(password(api, made, tenant.owner))
    answer = revoke(api, other, pair["access_token"])
    assert (answer.status_code, answer.text) == (200, "{}")
    assert inspect(api, made, pair["access_token"])["active"] is True
    answer = revoke(api, made, pair["access_token"], token_type_hint="refresh_token")
    assert (answer.status_code, answer.text) == (200, "{}")
    refused(api.get("/api/protected", token=pair["access_token"]), 401, "invalid_token")
    assert inspect(api, made, pair["access_token"]) == {"active": False}
    fresh = ok(token(api, made, grant_type="refresh_token", refresh_token=pair["refresh_token"]))
    assert revoke(api, made, fresh["refresh_token"]).text == "{}"
    refused(api.get("/api/protected", token=fresh["access_token"]), 401, "invalid_token")
    refused(token(api, made, grant_type="refresh_token", refresh_token=fresh["refresh_token"]),
            400, "invalid_grant")
    for text in ("nothing", fresh["refresh_token"], pair["access_token"]):
        assert revoke(api, made, text).text == "{}"


def test_a_demoted_admins_client_token_loses_its_power(api, world, tenant):
    """R004-14: the role's epoch ends tokens of clients as those of logins."""
    made = client(api, tenant, grant_types=["password", "refresh_token"], scope="read admin")
    user = world.user(tenant)
    ok(api.put(f"/tenants/users/{user.id}/role", token=tenant.owner.token,
               json={"role": "admin"}))
    pair = ok(password(api, made, user))
    ok(api.get("/api/admin", token=pair["access_token"]))
    ok(api.put(f"/tenants/users/{user.id}/role", token=tenant.owner.token, json={"role": "user"}))
    until(lambda: api.get("/api/admin", token=pair["access_token"]).status_code == 401)
    refused(token(api, made, grant_type="refresh_token", refresh_token=pair["refresh_token"]),
            400, "invalid_grant")


def test_the_password_grant_can_be_turned_off(start_instance, connect):
    """C17: tokens.password_grant: false; clients that listed it are told, other grants go on."""
    api = connect(start_instance({"tokens": {"password_grant": False}}))
    world = World(api)
    tenant = world.tenant()
    world.login(tenant.owner)
    made = client(api, tenant, grant_types=["password", "client_credentials"])
    refused(password(api, made, tenant.owner), 400, "unsupported_grant_type")
    ok(token(api, made, grant_type="client_credentials"))
