"""Every route that changes something is audited, and refuses to act when it cannot be.

Generated from /openapi.json: a route that is not GET stands in CASES with the rows that it writes, or
in EXCEPTIONS with the reason why it writes none (AL-1, R003-21). Each case is tried first with an
audit log that takes no row: 503, and nothing is changed (AL-2).
"""
import datetime
import re
import uuid
from pathlib import Path

import bson
import pytest

from support.check import ok, until
from support.authorize import code_client, code_of, decide, exchange, params_of
from support.oauth import ask, client, token
from support.world import OWNER_PASSWORD, USER_PASSWORD, World, unique

ROOT = Path(__file__).resolve().parents[2]
FAST = {"password": {"scheme": "argon2id"}, "limits": {"development_factor": 10000}}

EXCEPTIONS = {
    "POST /tenants/info": "reads",
    "POST /oauth/introspect": "reads",
    "POST /oauth/userinfo": "reads",
    "PATCH /users/me": "own name and custom fields: nothing that protects",
    "PATCH /api/v1/{cid}/me": "own name and custom fields: nothing that protects",
    "POST /login": "the form of POST /oauth/login: one path (models/sign_in.c)",
    "POST /register": "the form of POST /oauth/register: one path (models/sign_up.c)",
    "POST /logout": "the form of POST /oauth/logout: one path (models/session.c)",
    "POST /dashboard/profile": "the form of PATCH /users/me",
    "POST /dashboard/password": "the form of POST /auth/password/change",
    "POST /dashboard/close": "the form of DELETE /users/me",
    "POST /dashboard/consents/end": "the form of DELETE /users/me/consents/{client_id}",
    "POST /dashboard/sessions/end": "the form of DELETE /users/me/sessions/{id}",
    "POST /dashboard/sessions/end-others": "the form of POST /auth/logout-all",
}
#: Forms of the console for owners: each is the page of the route under /tenants/ of the same name.
#: What the platform's administrators do is asserted where their routes are tested.
EXCEPTION_PREFIXES = ("/dashboard/admin/", "/admin/")

#: What a refused action may leave behind: counts of tries and limits, and the service's own.
NOT_STATE = ("audit_logs", "login_attempts", "rate_limits", "leases", "idempotency_keys", "devices",
             "schema_migrations", "system.", "tenant_usage", "platform_counters", "access_key_uses")


#: That somebody proved who they are stays true without a token; a rotation whose answer was lost is
#: answered again (models/grant_memory.h), which the second call of the case shows.
NOT_STATE_MEMBERS = {"last_login_at", "strange_login_at", "generation", "rotated_at", "expires_at",
                     "retry_generation"}


class Env:
    """One instance on a mongod that can be made to refuse audit rows."""

    def __init__(self, instance, client, mongo):
        self.instance, self.api, self.mongo = instance, client, mongo
        self.world = World(client)
        self.tenant = self.world.key_tenant()
        instance.db.tenants.update_one({"slug": self.tenant.slug}, {"$set": {"plan": "enterprise"}})
        self.owner = self.tenant.owner
        self.key = {"token": self.tenant.key}

    def user(self):
        return self.world.user(self.tenant)

    def login_body(self, user):
        return {"email": user.email, "password": user.password}

    def no_audit(self):
        return self.mongo.failpoint(["insert"], errorCode=50, appName="tenantd",
                                    namespace=f"{self.instance.database_name}.audit_logs")

    def works(self):
        """Whether a job is under way: what a request began may go on behind its answer."""
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
        return self.instance.db.jobs.count_documents(
            {"state": {"$in": ["queued", "running"]}, "due_at": {"$lt": soon}})

    def state(self):
        """All documents that an action may change. A tenant that is being created is a place with an
        expiry."""
        found = {}
        for name in self.instance.db.list_collection_names():
            if not name.startswith(NOT_STATE):
                found[name] = {repr(row["_id"]): {member: value for member, value in row.items()
                                                 if member not in NOT_STATE_MEMBERS}
                               for row in self.instance.db[name].find()
                               if row.get("status") != "creating"}
        return found


@pytest.fixture(scope="module")
def env(instances, connect, own_mongo):
    instance = instances(FAST, server=own_mongo)
    # What has expired stays: the database removes it at a moment of its own.
    own_mongo.client.admin.command({"setParameter": 1, "ttlMonitorEnabled": False})
    yield Env(instance, connect(instance), own_mongo)
    own_mongo.client.admin.command({"setParameter": 1, "ttlMonitorEnabled": True})


# -- what each route does: () -> a call that may be made twice ----------------------------------


def register_tenant(env):
    """With another slug each time: one that could not be made is reserved until its place expires."""
    return lambda: env.api.post("/tenants/register", json={
        "tenant_name": "Audited", "tenant_slug": unique("audited"), "admin_username": "owner",
        "admin_email": f"{unique('owner')}@example.com", "admin_password": OWNER_PASSWORD})


def register_client(env):
    name = unique("Audited ")
    return lambda: env.api.post("/api/v1/clients/register",
                                json={"client_name": name, "industry": "SaaS"})


def register(path, **options):
    def prepare(env):
        name = unique("reg")
        body = {"username": name, "email": f"{name}@example.com", "password": USER_PASSWORD}
        if "{cid}" in path:
            return lambda: env.api.post(path.replace("{cid}", env.tenant.id), json=body, **env.key)
        return lambda: env.api.post(path, tenant=env.tenant.slug, json=body, **options)
    return prepare


def login(path):
    def prepare(env):
        user = env.world.named_user(env.tenant)
        body = {"email": user.email, "username": user.username, "password": user.password}
        body.pop("username" if path in ("/auth/login", "/api/v1/{cid}/login") else "email")
        if "{cid}" in path:
            return lambda: env.api.post(path.replace("{cid}", env.tenant.id), json=body, **env.key)
        return lambda: env.api.post(path, tenant=env.tenant.slug, json=body)
    return prepare


def with_refresh_token(path):
    def prepare(env):
        user = env.user()
        options = dict(env.key) if "{cid}" in path else {"tenant": env.tenant.slug}
        return lambda: env.api.post(path.replace("{cid}", env.tenant.id), **options,
                                    json={"refresh_token": user.refresh_token})
    return prepare


def session_logout(env):
    user = env.world.named_user(env.tenant)
    session = env.world.sign_in(user)
    return lambda: env.api.post("/oauth/logout", tenant=env.tenant.slug, cookie=session)


def as_user(method, path, **options):
    def prepare(env):
        user = env.user()
        return lambda: env.api.request(method, path, token=user.token, **options)
    return prepare


def as_owner(method, path, **options):
    """{id} is a user of the tenant."""
    def prepare(env):
        user = env.user() if "{id}" in path else None
        where = path.replace("{id}", user.id) if user else path
        return lambda: env.api.request(method, where, token=env.owner.token, **options)
    return prepare


def import_users(env):
    """What it begins ends before anybody looks at what is stored."""
    def call():
        answer = env.api.post("/users/import", token=env.owner.token, content=b"{}\n",
                              headers={"Content-Type": "application/x-ndjson"})
        if answer.status_code == 202:
            until(lambda: env.api.get(answer.headers["location"], token=env.owner.token)
                  .json()["state"] == "done", seconds=10)
        return answer
    return call


def cancel_import(env):
    """One that no worker takes before a year is over."""
    made = uuid.uuid4()
    now = datetime.datetime.now(datetime.timezone.utc)
    env.instance.db.jobs.insert_one({
        "_id": made, "tenant_id": uuid.UUID(env.tenant.id), "kind": "import", "state": "queued",
        "input": {"mode": "insert", "dry_run": False}, "created_at": now,
        "due_at": now + datetime.timedelta(days=365)})
    return lambda: env.api.delete(f"/users/import/{made}", token=env.owner.token)


def cancel_publication(env):
    """Likewise."""
    now = datetime.datetime.now(datetime.timezone.utc)
    env.instance.db.jobs.insert_one({
        "_id": uuid.uuid4(), "tenant_id": uuid.UUID(env.tenant.id), "kind": "publication",
        "alone": "publication", "state": "queued", "created_at": now,
        "input": {"schema": {}, "version": bson.Int64(99)}, "due_at": now + datetime.timedelta(days=365)})
    return lambda: env.api.delete("/tenants/schema/publication", token=env.owner.token)


def create_user(env):
    body = {"email": f"{unique('made')}@example.com", "password": USER_PASSWORD}
    return lambda: env.api.post("/tenants/users", token=env.owner.token, json=body)


def create_user_by_key(env):
    key = ok(env.api.post("/tenants/access-keys", token=env.owner.token, json={
        "label": "import", "scopes": ["users:write"]}), 201)["access_key"]
    body = {"email": f"{unique('made')}@example.com", "password": USER_PASSWORD}
    return lambda: env.api.post("/users", token=key, json=body)


def create_key(env):
    return lambda: env.api.post("/tenants/access-keys", token=env.owner.token,
                                json={"label": unique("key")})


def with_key(method, path):
    def prepare(env):
        answer = create_key(env)()
        assert answer.status_code == 201, answer.text
        where = path.replace("{id}", answer.json()["id"])
        return lambda: env.api.request(method, where, token=env.owner.token)
    return prepare


def rotate_own_key(env):
    tenant = env.world.key_tenant(with_owner=False)
    return lambda: env.api.post("/api/v1/clients/me/rotate-key", token=tenant.key)


def end_session(env):
    user = env.user()
    env.world.login(user)
    sessions = env.api.get("/users/me/sessions", token=user.token).json()["sessions"]
    other = next(entry for entry in sessions if not entry.get("current"))
    return lambda: env.api.delete(f"/users/me/sessions/{other['id']}", token=user.token)


def delete_me(env):
    user = env.user()
    return lambda: env.api.request("DELETE", "/users/me", token=user.token)


def with_client(method, path, **options):
    """{id} is a client of the tenant."""
    def prepare(env):
        made = client(env.api, env.tenant, grant_types=["client_credentials"])
        where = path.replace("{id}", made["client_id"])
        return lambda: env.api.request(method, where, token=env.owner.token, **options)
    return prepare


ALL_GRANTS = {"scope": "read", "grant_types": ["client_credentials", "password", "refresh_token"]}


def by_client(grant):
    """A token for a client; the refresh token is one that it just got."""
    def prepare(env):
        made, user = client(env.api, env.tenant, **ALL_GRANTS), env.user()
        by_password = {"grant_type": "password", "username": user.email, "password": user.password}
        fields = {"grant_type": grant}
        if grant == "password":
            fields = by_password
        if grant == "refresh_token":
            fields["refresh_token"] = token(env.api, made, **by_password).json()["refresh_token"]
        return lambda: token(env.api, made, **fields)
    return prepare


def revoke(kind):
    def prepare(env):
        made, user = client(env.api, env.tenant, **ALL_GRANTS), env.user()
        pair = token(env.api, made, grant_type="password", username=user.email,
                     password=user.password).json()
        return lambda: ask(env.api, "/oauth/revoke", made, token=pair[kind])
    return prepare


def signed_in(env):
    user = env.user()
    env.world.sign_in(user)
    return user


def consent(env):
    made, user = code_client(env.api, env.tenant, first_party=False), signed_in(env)
    return lambda: decide(env.api, user, params_of(made, scope="read"))


def by_code(env):
    made, user = code_client(env.api, env.tenant), signed_in(env)
    code = code_of(env.api, user, made, scope="read")
    return lambda: exchange(env.api, made, code)


def end_by_hint(env):
    made, user = code_client(env.api, env.tenant), signed_in(env)
    pair = exchange(env.api, made, code_of(env.api, user, made, scope="openid")).json()
    return lambda: env.api.post("/oauth/end-session", tenant=env.tenant.slug, cookie=user.session,
                                form={"id_token_hint": pair["id_token"]})


def revoke_consent(env):
    made, user = code_client(env.api, env.tenant, first_party=False), signed_in(env)
    assert decide(env.api, user, params_of(made, scope="read")).status_code == 303
    return lambda: env.api.delete(f"/users/me/consents/{made['client_id']}", token=user.token)


def schedule_deletion(env):
    tenant = env.world.tenant()
    env.world.login(tenant.owner)
    return lambda: env.api.request("DELETE", "/tenants/current", token=tenant.owner.token,
                                   json={"confirm": tenant.slug})


CASES = {
    "DELETE /tenants/current": (schedule_deletion, "tenant.deletion_scheduled"),
    "PATCH /tenants/current": (as_owner("PATCH", "/tenants/current", json={"industry": "Space"}),
                               "tenant.changed"),
    "POST /tenants/register": (register_tenant, "tenant.created"),
    "POST /api/v1/clients/register": (register_client, "tenant.created"),
    "POST /api/register": (register("/api/register"), "signup"),
    "POST /oauth/register": (register("/oauth/register"), "signup"),
    "POST /auth/register": (register("/auth/register"), "signup"),
    "POST /api/v1/{cid}/signup": (register("/api/v1/{cid}/signup"), "signup"),
    "POST /api/login": (login("/api/login"), "login"),
    "POST /oauth/login": (login("/oauth/login"), "login"),
    "POST /auth/login": (login("/auth/login"), "login"),
    "POST /api/v1/{cid}/login": (login("/api/v1/{cid}/login"), "login"),
    "POST /auth/refresh": (with_refresh_token("/auth/refresh"), "token.refresh"),
    "POST /api/v1/{cid}/refresh": (with_refresh_token("/api/v1/{cid}/refresh"), "token.refresh"),
    "POST /auth/logout": (with_refresh_token("/auth/logout"), "logout"),
    "POST /api/v1/{cid}/logout": (with_refresh_token("/api/v1/{cid}/logout"), "logout"),
    "POST /oauth/logout": (session_logout, "logout"),
    "POST /auth/logout-all": (as_user("POST", "/auth/logout-all"), "logout"),
    "POST /auth/password/change": (as_user("POST", "/auth/password/change", json={
        "current_password": USER_PASSWORD, "new_password": "another one 44"}),
                                   "user.password_changed"),
    "DELETE /users/me": (delete_me, "user.deletion_requested"),
    "DELETE /users/me/sessions/{id}": (end_session, "session.revoked"),
    "POST /tenants/users": (create_user, "user.created"),
    "POST /users": (create_user_by_key, "user.created"),
    "PATCH /tenants/users/{id}": (as_owner("PATCH", "/tenants/users/{id}",
                                           json={"is_active": False}), "user.deactivated"),
    "PATCH /users/{id}": (as_owner("PATCH", "/users/{id}", json={"name": "Audited"}), "user.updated"),
    "DELETE /users/{id}": (as_owner("DELETE", "/users/{id}"), "user.deleted"),
    "DELETE /tenants/users/{id}": (as_owner("DELETE", "/tenants/users/{id}"), "user.deleted"),
    "PUT /tenants/users/{id}/role": (as_owner("PUT", "/tenants/users/{id}/role",
                                              json={"role": "admin"}), "user.role_changed"),
    "POST /tenants/users/{id}/revoke-sessions": (
        as_owner("POST", "/tenants/users/{id}/revoke-sessions"), "user.sessions_revoked"),
    "PUT /tenants/settings": (as_owner("PUT", "/tenants/settings",
                                       json={"settings": {"password_min_length": 9}}),
                              "tenant.settings_changed"),
    "PUT /tenants/schema": (as_owner("PUT", "/tenants/schema", json={"title": "Fields"}),
                            "schema.published"),
    "DELETE /tenants/schema/publication": (cancel_publication, "schema.cancelled"),
    "POST /users/import": (import_users, "import.started"),
    "DELETE /users/import/{id}": (cancel_import, "import.cancelled"),
    "POST /tenants/access-keys": (create_key, "key.created"),
    "POST /tenants/access-keys/{id}/rotate": (with_key("POST", "/tenants/access-keys/{id}/rotate"),
                                              "key.rotated"),
    "DELETE /tenants/access-keys/{id}": (with_key("DELETE", "/tenants/access-keys/{id}"),
                                         "key.deleted"),
    "POST /api/v1/clients/me/rotate-key": (rotate_own_key, "key.rotated"),
    "POST /oauth/client/register": (as_owner("POST", "/oauth/client/register", json={
        "client_name": "Audited", "grant_types": ["client_credentials"]}), "client.created"),
    "PUT /oauth/client/{id}": (with_client("PUT", "/oauth/client/{id}", json={
        "client_name": "Changed", "grant_types": ["client_credentials"]}), "client.updated"),
    "DELETE /oauth/client/{id}": (with_client("DELETE", "/oauth/client/{id}"), "client.deleted"),
    "POST /oauth/client/{id}/rotate-secret": (
        with_client("POST", "/oauth/client/{id}/rotate-secret", json={}), "client.secret_rotated"),
    "POST /oauth/token by credentials": (by_client("client_credentials"), "token.issued"),
    "POST /oauth/token by password": (by_client("password"), "login"),
    "POST /oauth/token by refresh": (by_client("refresh_token"), "token.refresh"),
    "POST /oauth/token by code": (by_code, "code.exchange"),
    "POST /oauth/authorize": (consent, "consent.given"),
    "POST /oauth/end-session": (end_by_hint, "logout"),
    "DELETE /users/me/consents/{client_id}": (revoke_consent, "consent.revoked"),
    "POST /oauth/revoke of an access token": (revoke("access_token"), "token.revoked"),
    "POST /oauth/revoke of a refresh token": (revoke("refresh_token"), "token.revoked"),
    "GET /tenants/audit/export": (as_owner("GET", "/tenants/audit/export"), "audit.exported"),
    "GET /users/export": (as_owner("GET", "/users/export"), "users.exported"),
}


#: Cases whose row names the OAuth client that acted or was acted upon.
OF_CLIENTS = re.compile(r" /oauth/(client/|token|revoke|authorize|end-session)|/consents")


def test_every_route_that_changes_something_is_named(contract):
    changing = {row.name for row in contract.rows if row.method != "GET"
                and "internal" not in row.flags and not row.path.startswith(EXCEPTION_PREFIXES)}
    named = {" ".join(name.split()[:2]) for name in (*CASES, *EXCEPTIONS)}
    assert changing - named == set(), "say in CASES what they write, or in EXCEPTIONS why nothing"
    assert {name for name in named if not name.startswith("GET ")} - changing == set()


@pytest.mark.parametrize("name", CASES)
def test_no_audit_no_action_and_then_its_row(env, name):
    """AL-2, then AL-1: who, what, when, where, result, tenant, request id."""
    prepare, action = CASES[name]
    call = prepare(env)
    until(lambda: not env.works())
    before = env.state()
    rows = env.instance.db.audit_logs
    with env.no_audit():
        answer = call()
        assert answer.status_code == 503, f"{answer.status_code} {answer.text[:300]}"
        assert not re.search(r"(access|refresh)_(token|key)|ak_|client_secret", answer.text), \
            answer.text
        assert "set-cookie" not in answer.headers
    assert changes(before, env.state()) == []
    mark = rows.find_one(sort=[("_id", -1)])["_id"]
    answer = call()
    assert answer.status_code < 300 or "code=" in answer.headers.get("location", ""), \
        f"{answer.status_code} {answer.text[:300]}"
    until(lambda: not env.works())
    row = rows.find_one({"_id": {"$gt": mark}, "action": action, "status": "success"})
    assert row is not None, [entry["action"] for entry in rows.find({"_id": {"$gt": mark}})]
    assert row["request_id"] == answer.headers["x-request-id"]
    assert row["ip_address"] == "127.0.0.1" and row["user_agent"].startswith("python-httpx")
    assert row["tenant_id"].int != 0 and row["timestamp"]
    assert ("oauth_client_id" in row) == bool(OF_CLIENTS.search(name))


def changes(before, after):
    """What differs, in words."""
    found = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, {}), after.get(name, {})
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                was, now = old.get(key) or {}, new.get(key) or {}
                found.append((name, sorted(member for member in was.keys() | now.keys()
                                           if was.get(member) != now.get(member))))
    return found


def test_administrators_are_the_actors(env):
    """AL-1: who did it to whom."""
    user = env.user()
    assert env.api.put(f"/tenants/users/{user.id}/role", token=env.owner.token,
                       json={"role": "admin"}).status_code == 200
    row = env.instance.db.audit_logs.find_one({"action": "user.role_changed",
                                               "user_id": uuid.UUID(user.id)})
    assert row["actor_id"] == uuid.UUID(env.owner.id) and row["reason"] == "admin"
    event = env.api.get("/tenants/audit", token=env.owner.token,
                        params={"user_id": user.id, "action": "user.role_changed"}).json()["events"]
    assert event[0]["actor_id"] == env.owner.id


def test_the_log_works_again_at_once(env):
    """After the last refusal, without a restart."""
    user = env.user()
    with env.no_audit():
        assert env.api.post("/auth/login", tenant=env.tenant.slug,
                            json=env.login_body(user)).status_code == 503
    until(lambda: env.api.post("/auth/login", tenant=env.tenant.slug,
                               json=env.login_body(user)).status_code == 200, seconds=3)


# -- the list of actions -----------------------------------------------------------------------

#: Literals of that form that are no action: names of log events, lists, files, fields.
NO_ACTIONS = {"settings.allowed_origins", "console.users", "console.audit", "config.yaml",
              "custom_password_hash.algorithm"}
NOT_AUDITED = re.compile(r"log_event|log_lines|log_message|FIELD_|\.name = |#include|template")


def literals():
    found = set()
    for folder in ("models", "handlers", "middleware", "commands"):
        for path in (ROOT / folder).rglob("*.c"):
            code = path.read_text(encoding="utf-8")
            for statement in re.split(r"[;{}]", code):
                if not NOT_AUDITED.search(statement):
                    found |= set(re.findall(r'"([a-z_]+\.(?![ch]")[a-z_]+)"', statement))
                if re.search(r"audit|sign_in|sign_up|session_open|grant_open|refuse|\.action",
                             statement):
                    found |= set(re.findall(r'"(login|logout|signup)"', statement))
    return found - NO_ACTIONS


def documented():
    """The first column of the table under "Actions"."""
    text = (ROOT / "docs" / "AUDIT.md").read_text(encoding="utf-8")
    table = text.split("## Actions")[1].split("## Reading")[0]
    return {name for line in table.splitlines() if line.startswith("| `")
            for name in re.findall(r"`([a-z_.]+)`", line.split("|")[1])}


def test_the_document_lists_all_actions():
    """AL-1: every action in the code is in docs/AUDIT.md, and the other way round."""
    assert literals() - documented() == set(), "docs/AUDIT.md lacks them"
    assert documented() - literals() == set(), "docs/AUDIT.md has what the code does not write"
