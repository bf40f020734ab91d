"""Audit rows: exact names and values for the events of document 003 (R003-11, R003-21)."""
import datetime
import json
import re
import uuid

import pytest

from support.check import ok, refused, until
from support.world import USER_PASSWORD, unique


def rows(service, tenant, **query):
    return list(service.db.audit_logs.find({"tenant_id": uuid.UUID(tenant.id)} | query)
                .sort([("timestamp", 1), ("n", 1)]))


def events(service, tenant, **query):
    return [(row["action"], row["status"]) for row in rows(service, tenant, **query)]


@pytest.fixture
def tenant(service, world):
    made = world.key_tenant(with_owner=False)
    service.db.tenants.update_one({"slug": made.slug}, {"$set": {"plan": "enterprise"}})
    return made


def call(api, tenant, path, **body):
    return api.post(f"/api/v1/{tenant.id}/{path}", token=tenant.key, json=body,
                    headers={"User-Agent": "audit-test/1.0"})


def test_the_four_rows_of_the_proof(api, service, tenant):
    """E6: signup, failed login, login, logout: action, status, address, agent, both ids."""
    email = f"{unique('a')}@example.com"
    began = datetime.datetime.now(datetime.timezone.utc)
    made = ok(call(api, tenant, "signup", email=email, password=USER_PASSWORD), 201)
    refused(call(api, tenant, "login", email=email, password="wrong password"), 401)
    pair = ok(call(api, tenant, "login", email=email, password=USER_PASSWORD))
    assert call(api, tenant, "logout", refresh_token=pair["refresh_token"]).status_code == 204
    found = rows(service, tenant, action={"$in": ["signup", "login", "logout"]})
    assert [(row["action"], row["status"]) for row in found] == [
        ("signup", "success"), ("login", "failed"), ("login", "success"), ("logout", "success")]
    for row in found:
        assert row["user_id"] == uuid.UUID(made["user_id"])
        assert row["ip_address"] == "127.0.0.1"
        assert row["user_agent"] == "audit-test/1.0"
        assert began - datetime.timedelta(seconds=1) < row["timestamp"] \
            <= datetime.datetime.now(datetime.timezone.utc)


def test_the_members_that_003_names(api, service, tenant):
    """R003-11, read through the API: audit_id, user_id, client_id, action, status, ip_address,
    user_agent, timestamp."""
    made = ok(call(api, tenant, "signup", email=f"{unique('a')}@example.com",
                   password=USER_PASSWORD), 201)
    event = ok(api.get(f"/api/v1/{tenant.id}/audit", token=tenant.key))["events"][0]
    assert set(event) >= {"audit_id", "user_id", "client_id", "action", "status", "ip_address",
                          "user_agent", "timestamp"}
    assert event["client_id"] == tenant.id and event["user_id"] == made["user_id"]
    assert re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$", event["timestamp"])
    uuid.UUID(event["audit_id"])


def test_the_key_is_recorded(api, service, tenant):
    """R003-16: the key id, never the key."""
    ok(call(api, tenant, "signup", email=f"{unique('a')}@example.com", password=USER_PASSWORD), 201)
    key = service.db.access_keys.find_one({"tenant_id": uuid.UUID(tenant.id)})
    (row,) = rows(service, tenant, action="signup")
    assert row["key_id"] == key["_id"]


LOGINS = {
    "/api/login": "username", "/auth/login": "email", "/oauth/login": "username",
}


@pytest.mark.parametrize("path", LOGINS)
def test_every_login_path_writes_its_row(api, service, world, tenant, path):
    """AU-3: success and failure, one row each."""
    user = world.named_user(tenant)
    for password in ("wrong password", USER_PASSWORD):
        api.post(path, tenant=tenant.slug, json={LOGINS[path]: user.email, "password": password})
    assert events(service, tenant, user_id=uuid.UUID(user.id), action="login") == \
        [("login", "failed"), ("login", "success")]


def test_failures_of_unknown_names_are_rows_without_a_user(api, service, tenant):
    """R004-57: failed authentication can be watched; the row holds no address or name."""
    name = unique("ghost")
    refused(call(api, tenant, "login", email=f"{name}@example.com", password="x" * 9), 401)
    (row,) = rows(service, tenant, action="login", status="failed")
    assert not row.get("user_id") or row["user_id"].int == 0
    assert name not in repr(row)


def test_refresh_logout_all_and_password_change(api, service, world, tenant):
    user = world.user(tenant)
    pair = ok(api.post("/auth/refresh", json={"refresh_token": user.refresh_token}))
    assert api.post("/auth/password/change", token=pair["access_token"], json={
        "current_password": USER_PASSWORD, "new_password": "another one 4"}).status_code == 204
    user.password = "another one 4"
    world.login(user)
    assert api.post("/auth/logout-all", token=user.token).status_code == 204
    found = events(service, tenant, user_id=uuid.UUID(user.id))
    assert ("token.refresh", "success") in found
    assert ("user.password_changed", "success") in found
    assert found[-1][1] == "success" and "logout" in found[-1][0]


def test_session_logins_and_logouts(api, service, world, tenant):
    user = world.named_user(tenant)
    session = world.sign_in(user)
    assert api.post("/oauth/logout", tenant=tenant.slug, cookie=session).status_code == 204
    assert events(service, tenant, user_id=uuid.UUID(user.id)) == [
        ("signup", "success"), ("login", "success"), ("logout", "success")]


def test_each_evaluated_guess_is_a_row(api, service, world, tenant):
    """R004-57: what led to a lock can be read."""
    user = world.named_user(tenant)
    for _ in range(11):
        call(api, tenant, "login", email=user.email, password="wrong password")
    found = rows(service, tenant, user_id=uuid.UUID(user.id), action="login", status="failed")
    assert len(found) >= 10
    assert "bad_password" in {row.get("reason") for row in found}


def test_tenant_and_key_events(api, service, world):
    tenant = world.key_tenant()
    ok(api.post("/api/v1/clients/me/rotate-key", token=tenant.key))
    actions = {action for action, _ in events(service, tenant)}
    assert any("tenant" in action or "client" in action for action in actions), actions
    assert any("key" in action for action in actions), actions


def test_rows_are_dense_and_authenticated(service, tenant, api):
    """design §8: (writer, n) dense per process, a MAC over each row."""
    for _ in range(5):
        ok(call(api, tenant, "signup", email=f"{unique('n')}@example.com",
                password=USER_PASSWORD), 201)

    def are_dense():
        """Rows that the service writes by itself may be on their way."""
        numbers = {}
        for row in service.db.audit_logs.find():
            numbers.setdefault(row["writer"], set()).add(row["n"])
            assert len(row["mac"]) == 32
        return all(seen == set(range(min(seen), max(seen) + 1)) for seen in numbers.values())

    until(are_dense)


def test_rows_hold_no_personal_data(api, service, tenant):
    """R003-02: ids, never an address or a password."""
    email = f"{unique('private')}@example.com"
    ok(call(api, tenant, "signup", email=email, password="only-here-93", name="Private Person"),
       201)
    ok(call(api, tenant, "login", email=email, password="only-here-93"))
    text = repr(rows(service, tenant))
    for secret in (email, "only-here-93", "Private Person"):
        assert secret not in text


@pytest.mark.parametrize("agent", ["x" * 5000, "<b>", "日本"])
def test_any_user_agent_can_be_recorded(api, service, tenant, agent):
    """AL-6: bounded, escaped at the sink, never a reason to fail."""
    answer = api.post(f"/api/v1/{tenant.id}/signup", token=tenant.key,
                      json={"email": f"{unique('ua')}@example.com", "password": USER_PASSWORD},
                      headers=[("User-Agent", agent.encode())])
    ok(answer, 201)
    (row,) = rows(service, tenant, action="signup")
    assert len(row["user_agent"]) <= 1024


def test_filters_and_scope_of_the_list(api, world, tenant):
    email = f"{unique('f')}@example.com"
    ok(call(api, tenant, "signup", email=email, password=USER_PASSWORD), 201)
    refused(call(api, tenant, "login", email=email, password="wrong password"), 401)
    where = f"/api/v1/{tenant.id}/audit"
    only = ok(api.get(where, token=tenant.key, params={"status": "failed"}))["events"]
    assert {row["status"] for row in only} == {"failed"}
    only = ok(api.get(where, token=tenant.key, params={"action": "signup"}))["events"]
    assert {row["action"] for row in only} == {"signup"}
    refused(api.get(where, token=tenant.key, params={"cursor": "junk"}), 400)


def test_a_lock_has_a_row_of_its_own(api, service, tenant):
    """Design §8: who watches the log sees the lock, once, not only the failures before it."""
    email = f"{unique('a')}@example.com"
    ok(call(api, tenant, "signup", email=email, password=USER_PASSWORD), 201)
    for _ in range(10):
        refused(call(api, tenant, "login", email=email, password="wrong password"), 401)
    refused(call(api, tenant, "login", email=email, password=USER_PASSWORD), 429)
    assert events(service, tenant, action="login.locked") == [("login.locked", "success")]


AGENTS = {
    "escape": b"x\x1b[31mred\x1b[0m", "bell": b"x\x07y", "delete": b"x\x7fy", "tab": b"x\ty",
    "bidi": "x\u202egnp.exe\u202cy".encode(), "zero width": "a\u200bb\ufeffc".encode(),
    "line separators": "a\u2028b\u2029c\u0085d".encode(), "quotes": b'x","action":"forged',
    "backslashes": b"\\r\\n\\u0000\\", "markup": b"<script>alert(1)</script>", "template": b"{{7*7}}${x}",
    "latin-1": b"caf\xe9", "overlong": b"\xc0\xaf", "surrogate": b"\xed\xa0\x80", "cut": b"\xf0\x9f\x98",
    "emoji at the cut": b"x" * 254 + "\U0001f511".encode(), "long": b"y" * 12000,
}


@pytest.mark.parametrize("name", AGENTS)
def test_what_clients_say_stays_one_row_and_one_line(api, service, world, name):
    """AL-6, LG: no byte of a client ends a line, forges a member or steers a terminal, in the
    database, in the list, in the export and in the log."""
    tenant = world.key_tenant()
    api.post("/auth/login", tenant=tenant.slug, json={"email": "a@b.example", "password": "wrong 1234"},
             headers=[("User-Agent", AGENTS[name])])
    if name in ("escape", "bell", "delete", "tab") and not rows(service, tenant, action="login",
                                                                status="failed"):
        return  # refused as a head before it is anybody's
    (row,) = rows(service, tenant, action="login", status="failed")
    assert len(row["user_agent"].encode()) <= 256
    listed = api.get("/tenants/audit", token=tenant.owner.token, params={"status": "failed"})
    exported = api.get("/tenants/audit/export", token=tenant.owner.token)
    assert ok(listed)["events"][0]["user_agent"] == row["user_agent"]
    for raw in (listed.content, exported.content.replace(b"\n", b"")):
        assert not re.search(rb"[\x00-\x1f<>&]", raw)
        assert not any(mark.encode() in raw for mark in "\x85\u2028\u2029\u202e")
    lines = [json.loads(line) for line in exported.content.split(b"\n") if line]
    assert [line["action"] for line in lines].count("forged") == 0
    assert row["user_agent"] in {line["user_agent"] for line in lines}
    assert all(isinstance(line, dict) for line in service.log_lines())


def test_a_head_that_is_too_large_is_no_row(api, service, world):
    """64 KB of user agent do not get that far."""
    tenant = world.key_tenant()
    before = len(rows(service, tenant))
    answer = api.post("/auth/login", tenant=tenant.slug, json={},
                      headers=[("User-Agent", b"z" * 65536)])
    assert answer.status_code in (400, 413, 431)
    assert len(rows(service, tenant)) == before
