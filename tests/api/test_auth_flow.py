"""A session-less login from its first to its last request, on the paths of document 001."""
from support.check import ok, refused, until
from support.world import USER_PASSWORD, unique


def test_register_login_use_refresh_logout(api, acme):
    """R001-16, R001-07: the whole life of a login, end to end."""
    email = f"{unique('flow')}@example.com"
    made = ok(api.post("/auth/register", tenant="acme",
                       json={"email": email, "password": USER_PASSWORD}), 201)
    first = ok(api.post("/auth/login", tenant="acme",
                        json={"email": email, "password": USER_PASSWORD}))
    assert ok(api.get("/users/me", token=first["access_token"]))["id"] == made["id"]

    second = ok(api.post("/auth/refresh", json={"refresh_token": first["refresh_token"]}))
    assert second["refresh_token"] != first["refresh_token"]
    assert ok(api.get("/users/me", token=second["access_token"]))["id"] == made["id"]

    assert api.post("/auth/logout",
                    json={"refresh_token": second["refresh_token"]}).status_code == 204
    refused(api.post("/auth/refresh", json={"refresh_token": second["refresh_token"]}), 401)
    for token in (first["access_token"], second["access_token"]):
        until(lambda t=token: api.get("/users/me", token=t).status_code == 401, 1.0)


def test_logout_ends_one_login_only(api, world, acme):
    """R001-07: another device stays signed in."""
    user = world.user(acme)
    phone = user.tokens
    laptop = world.login(user)
    assert api.post("/auth/logout",
                    json={"refresh_token": phone["refresh_token"]}).status_code == 204
    ok(api.get("/users/me", token=laptop["access_token"]))
    ok(api.post("/auth/refresh", json={"refresh_token": laptop["refresh_token"]}))


def test_logout_needs_a_refresh_token(api, acme):
    refused(api.post("/auth/logout", tenant="acme", json={"refresh_token": "nonsense"}), 401)
    assert api.post("/auth/logout", tenant="acme", json={}).status_code in (400, 401)


def test_logout_all_ends_every_login_and_session(api, world, acme):
    """R001-07, TS-14."""
    user = world.user(acme)
    one, two = user.tokens, world.login(user)
    session = world.sign_in(user)
    assert api.post("/auth/logout-all", token=one["access_token"]).status_code == 204
    for pair in (one, two):
        refused(api.post("/auth/refresh", json={"refresh_token": pair["refresh_token"]}), 401)
        until(lambda p=pair: api.get("/users/me", token=p["access_token"]).status_code == 401, 1.0)
    until(lambda: api.get("/users/me", tenant="acme", cookie=session).status_code == 401, 1.0)
    ok(api.get("/users/me", token=world.login(user)["access_token"]))


def test_logout_all_by_session(api, world, acme):
    user = world.user(acme)
    session = world.sign_in(user)
    assert api.post("/auth/logout-all", tenant="acme", cookie=session).status_code == 204
    until(lambda: api.get("/users/me", token=user.token).status_code == 401, 1.0)


def test_password_change_ends_every_login(api, world, acme):
    """AU-5, TS-14: needs the current password; everything issued before is dead."""
    user = world.user(acme)
    refused(api.post("/auth/password/change", token=user.token, json={
        "current_password": "not this one", "new_password": "new password 9"}),
        401, "invalid_credentials")
    ok(api.get("/users/me", token=user.token))
    answer = api.post("/auth/password/change", token=user.token, json={
        "current_password": user.password, "new_password": "new password 9"})
    assert answer.status_code == 204, answer.text
    until(lambda: api.get("/users/me", token=user.token).status_code == 401, 1.0)
    refused(api.post("/auth/refresh", json={"refresh_token": user.refresh_token}), 401)
    refused(api.post("/auth/login", tenant="acme",
                     json={"email": user.email, "password": user.password}), 401)
    user.password = "new password 9"
    ok(api.get("/users/me", token=world.login(user)["access_token"]))


def test_password_change_keeps_the_rules(api, world, acme):
    """PW-1, PW-3 hold where a password is changed, too."""
    user = world.user(acme)
    for password in ("short", "x" * 73, ""):
        refused(api.post("/auth/password/change", token=user.token, json={
            "current_password": user.password, "new_password": password}), 400,
            field="new_password")
    ok(api.get("/users/me", token=user.token))


def test_password_change_by_session(api, world, acme):
    user = world.user(acme)
    session = world.sign_in(user)
    answer = api.post("/auth/password/change", tenant="acme", cookie=session, json={
        "current_password": user.password, "new_password": "by the session 1"})
    assert answer.status_code == 204, answer.text
    until(lambda: api.get("/users/me", tenant="acme", cookie=session).status_code == 401, 1.0)


def test_api_admin_is_for_admins(api, keyed, anna):
    """R004-40: scope admin and a role to match."""
    body = ok(api.get("/api/admin", token=keyed.owner.token))
    assert "admin" in body["scope"].split()
    refused(api.get("/api/admin", token=anna.token), 403, "insufficient_scope")


def test_every_path_reads_the_same_token(api, world, acme):
    """R000-20, R004-39, R004-41, R004-45: the paths of all five documents take one token."""
    user = world.user(acme)
    assert ok(api.get("/api/ping")) == {"message": "pong"}
    whoami = ok(api.get("/api/whoami", token=user.token))
    assert whoami["tenant"] == "acme"
    protected = ok(api.get("/api/protected", token=user.token))
    assert set(protected) >= {"message", "user", "client_id", "scope"}
    mine = ok(api.get("/api/users/me", token=user.token))
    assert mine["email"] == user.email and mine["id"] == user.id and mine["is_active"] is True
    assert "data" in ok(api.get("/api/data", token=user.token))
    assert isinstance(ok(api.get("/api/dashboard", token=user.token))["message"], str)
