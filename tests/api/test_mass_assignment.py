"""TI-11: every writable document × every member that only the server writes: refused or ignored,
never stored.

Generated from /openapi.json: each route with a JSON body is sent a body that it accepts, with one
more member that its table does not take, alone and inside its objects; afterwards nothing of what
only the server decides may have moved.
"""
import uuid

import pytest

from support.check import ok
from support.oauth import client
from support.world import USER_PASSWORD, unique

#: What no body decides. Values that would be a gain, in the type in which they are stored.
SERVER_ONLY = {
    "plan": "enterprise", "limits": {"users": 0}, "status": "active", "slug": "taken-over",
    "id": "11111111-1111-4111-8111-111111111111", "_id": "11111111-1111-4111-8111-111111111111",
    "tenant_id": "11111111-1111-4111-8111-111111111111", "epoch": 99, "security_epoch": 99,
    "version": 99, "role": "owner", "is_active": False, "is_email_verified": True,
    "password_hash": "$2b$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234",
    "created_at": "2001-01-01T00:00:00Z", "expires_at_internal": "2099-01-01T00:00:00Z",
    "purge_at": "2099-01-01T00:00:00Z", "domain": "evil.example", "name_key": "zzz",
    "verified_domain": "evil.example", "hash": "00", "revoked_at": "2099-01-01T00:00:00Z",
    "owners": 0, "users": 0, "inactive_users": 0, "access_keys": 0, "clients": 0, "settings.access_token_ttl": 1,
    "$set": {"plan": "enterprise"}, "template_path": "../../etc/passwd", "platform": True,
    "client_id": "taken-over", "client_secret": "chosen", "secret_hash": "00", "by_owner": True,
    "owner_id": "11111111-1111-4111-8111-111111111111", "secret_created_at": 1, "old_secret_hash": "00",
}
#: Members of the documents that a test may not see changed: whatever was sent.
GUARDED = {
    "tenants": ("_id", "slug", "plan", "limits", "status", "epoch", "created_at", "domain",
                "purge_at", "expires_at"),
    "tenant_usage": None,
    "access_keys": None,
    "tenant_domains": None,
}


class Side:
    """A tenant with an owner, a plain user and a key; what is sent comes from here."""

    def __init__(self, service, world):
        self.service = service
        self.tenant = world.key_tenant()
        service.db.tenants.update_one({"slug": self.tenant.slug}, {"$set": {"plan": "enterprise"}})
        self.user = world.user(self.tenant)
        self.extra = world.user(self.tenant)
        world.sign_in(self.tenant.owner)
        self.world = world
        self.client = None

    def body(self, path):
        """A body that the route accepts."""
        name = unique("mass")
        email = f"{name}@example.com"
        bodies = {
            "/api/register": {"username": name, "password": USER_PASSWORD},
            "/oauth/register": {"username": name, "email": email, "password": USER_PASSWORD},
            "/auth/register": {"email": email, "password": USER_PASSWORD},
            "/api/v1/{cid}/signup": {"email": email, "password": USER_PASSWORD},
            "/tenants/users": {"username": name, "email": email, "password": USER_PASSWORD},
            "/users": {"username": name, "email": email, "password": USER_PASSWORD},
            "/tenants/register": {"tenant_name": name, "tenant_slug": name, "admin_username": name,
                                  "admin_email": email, "admin_password": USER_PASSWORD},
            "/api/v1/clients/register": {"client_name": name, "industry": "SaaS"},
            "/users/me": {"name": name}, "/api/v1/{cid}/me": {"name": name},
            "/tenants/users/{id}": {"name": name}, "/users/{id}": {"name": name},
            "/tenants/current": {"industry": name}, "/api/v1/clients/me": {"client_name": name},
            "/oauth/client/register": {"client_name": name, "grant_types": ["client_credentials"]},
            "/oauth/client/{id}": {"client_name": name, "grant_types": ["client_credentials"]},
            "/tenants/settings": {"settings": {"refresh_grace": 3}},
            "/tenants/schema": {"title": name},
        }
        return bodies.get(path)

    def state(self):
        """What the server alone decides about this tenant and those of its users."""
        tenant_id = uuid.UUID(self.tenant.id)
        found = {}
        for collection, members in GUARDED.items():
            key = "_id" if collection.startswith("tenant") and collection != "tenant_domains" \
                else "tenant_id"
            found[collection] = [
                document if members is None else {name: document.get(name) for name in members}
                for document in self.service.db[collection].find({key: tenant_id}).sort("_id")]
        users = self.service.db[self.tenant.collection]
        found["users"] = [{name: user.get(name) for name in (
            "_id", "tenant_id", "role", "is_active", "is_email_verified", "password_hash",
            "security_epoch", "created_at")} for user in users.find(
                {"_id": {"$in": [uuid.UUID(one.id) for one in self.known()]}}).sort("_id")]
        return found

    def known(self):
        return self.tenant.owner, self.user, self.extra

    def send(self, api, row, body):
        of_client = row.path.startswith("/oauth/client/")
        path = row.path.replace("{cid}", self.tenant.id).replace(
            "{id}", self.client if of_client else self.extra.id)
        if "key" in row.auth and "bearer" not in row.auth:
            options = {"token": self.tenant.key}
        elif "bearer" in row.auth and "public" not in row.auth:
            plain = row.facts["role"] == "user" and not of_client
            options = {"token": (self.user if plain else self.tenant.owner).token}
        elif row.facts["tenant"] == "ignored":
            options = {}
        else:
            options = {"tenant": self.tenant.slug}
        return api.request(row.method, path, json=body, **options)


@pytest.fixture(name="side", scope="module")
def fixture_side(api, service, world):
    made = Side(service, world)
    made.client = client(api, made.tenant, grant_types=["client_credentials"])["client_id"]
    return made


def writable(contract, side):
    return [row for row in contract.rows if side.body(row.path) is not None
            and row.method != "DELETE" and row.facts["body"] in ("json", "json_or_form", "merge_patch")]


def created(side, answer, row):
    """The user that the answer tells of, as it is stored."""
    body = answer.json()
    body = body.get("user", body)
    user_id = body.get("user_id") or body.get("id")
    if answer.status_code != 201 or user_id is None or "register" in row.path \
            and row.path.startswith(("/tenants/", "/api/v1/clients")):
        return None
    return side.service.db[side.tenant.collection].find_one({"_id": uuid.UUID(user_id)})


def registered_tenant(side, answer):
    body = answer.json()
    tenant_id = body.get("client_id") or body.get("tenant", {}).get("id")
    return side.service.db.tenants.find_one({"_id": uuid.UUID(tenant_id)})


def check_user(user, where):
    assert user["role"] == "user" and user["is_email_verified"] is False, where
    assert user["security_epoch"] == 1 and user["version"] == 1, where
    assert user["is_active"] is True, where
    assert str(user["_id"]) != SERVER_ONLY["id"] and str(user["tenant_id"]) != SERVER_ONLY["id"], \
        where
    assert user["created_at"].year > 2001 and "limits" not in user and "plan" not in user, where
    assert user["password_hash"] != SERVER_ONLY["password_hash"], where


def check_tenant(tenant, where):
    assert tenant["plan"] == "free" and "limits" not in tenant and tenant["status"] == "active", \
        where
    assert tenant["epoch"] == 1 and tenant["version"] == 1 and "purge_at" not in tenant, where
    assert tenant["slug"] != SERVER_ONLY["slug"] and str(tenant["_id"]) != SERVER_ONLY["id"], where
    assert not tenant.get("settings") and tenant.get("domain") is None, where


def check_client(side, answer, where):
    made = side.service.db.oauth_clients.find_one({"_id": answer.json()["client_id"]})
    assert made is not None and made["_id"] != SERVER_ONLY["client_id"], where
    assert made["tenant_id"] == uuid.UUID(side.tenant.id), where
    assert made["owner_id"] == uuid.UUID(side.tenant.owner.id), where
    assert made["created_at"].year > 2001 and made.get("epoch", 0) < 99, where
    assert made["version"] < 99 and "plan" not in made and "old_secret_hash" not in made, where
    assert len(made["secret_hash"]) == 32, where


#: Where a member of this name is the caller's to choose: it is tested with that route.
CHOSEN = {
    "/tenants/register": {"plan", "domain"},
    "/tenants/users": {"role", "is_active", "is_email_verified", "password_hash"},
    "/users": {"role", "is_active", "is_email_verified", "password_hash"},
    "/tenants/users/{id}": {"is_active"}, "/users/{id}": {"is_active", "role", "is_email_verified"},
}


def attempts(row):
    """Patches name what they do not take, so each member is sent alone; what creates ignores it,
    so all go together, but for the role, which is refused by name."""
    extra = {name: value for name, value in SERVER_ONLY.items()
             if name not in CHOSEN.get(row.path, ())}
    if row.method == "PATCH":
        return [{name: value} for name, value in extra.items()]
    role = extra.pop("role", None)
    return [extra] + ([{"role": role}] if role else [])


def check_ignored(side, row, answer, extra, where):
    assert row.method != "PATCH", f"a patch must name what it does not take: {where}"
    if row.facts["rate"] == "tenant_create":
        check_tenant(registered_tenant(side, answer), where)
    elif row.path.startswith("/oauth/client/"):
        check_client(side, answer, where)
    elif answer.status_code == 201:
        user = created(side, answer, row)
        assert user is not None, where
        check_user(user, where)


def test_no_body_decides_what_the_server_decides(api, contract, side):
    """TI-11: refused with the name of the member, or ignored; a 500 or a change never."""
    rows = writable(contract, side)
    assert len(rows) >= 10, [row.name for row in rows]
    before = side.state()
    refused = 0
    for row in rows:
        for extra in attempts(row):
            answer = side.send(api, row, side.body(row.path) | extra)
            where = f"{row} with {sorted(extra)}: {answer.status_code} {answer.text}"
            if answer.status_code in (400, 403):
                assert any(name in answer.text for name in extra), where
                refused += 1
            else:
                assert answer.status_code < 300, where
                check_ignored(side, row, answer, extra, where)
    assert refused > 20, refused
    after = side.state()
    for usage in (before["tenant_usage"][0], after["tenant_usage"][0]):
        for name in ("users", "reserved_at", "clients"):  # sign-ups and registrations count
            usage.pop(name, None)
    assert after == before


def test_settings_take_nothing_but_settings(api, service, side):
    """The inner object of PUT /tenants/settings refuses every member that is no setting."""
    before = service.db.tenants.find_one({"slug": side.tenant.slug})
    for name, value in SERVER_ONLY.items():
        answer = api.put("/tenants/settings", token=side.tenant.owner.token,
                         json={"settings": {name: value}})
        assert answer.status_code == 400 and name in answer.text, f"{name}: {answer.text}"
    assert service.db.tenants.find_one({"slug": side.tenant.slug}) == before


def test_a_new_access_key_is_what_the_server_makes_it(api, service, side):
    """id, hash, tenant, times and successor of a key are the server's."""
    extra = {name: SERVER_ONLY[name] for name in
             ("id", "_id", "tenant_id", "hash", "created_at", "revoked_at", "purge_at")}
    made = ok(api.post("/tenants/access-keys", token=side.tenant.owner.token, json={
        "label": "mass", "successor_id": SERVER_ONLY["id"], "access_key": "ak_mine",
        "ends_at": "2099-01-01T00:00:00Z", "last_used_at": "2099-01-01T00:00:00Z", **extra}), 201)
    stored = service.db.access_keys.find_one({"_id": uuid.UUID(made["id"])})
    assert made["id"] != SERVER_ONLY["id"] and made["access_key"].startswith("ak_")
    assert set(stored) == {"_id", "tenant_id", "hash", "label", "scopes", "created_at"}
    assert str(stored["tenant_id"]) == side.tenant.id and stored["created_at"].year > 2001
    ok(api.delete(f"/tenants/access-keys/{made['id']}", token=side.tenant.owner.token), 204)


def test_tenants_choose_only_plans_that_are_theirs_to_choose(api):
    """R004-11: a plan beyond self-service is refused at registration, not granted."""
    name = unique("mass")
    answer = api.post("/tenants/register", json={
        "tenant_name": name, "tenant_slug": name, "admin_username": "a",
        "admin_email": "a@example.com", "admin_password": "correct horse 1", "plan": "platinum"})
    assert answer.status_code in (400, 403), answer.text
