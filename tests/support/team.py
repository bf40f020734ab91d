"""A tenant with people of every role, and what their administration must leave behind."""
import datetime
import uuid

from support.check import ok, refused, until
from support.world import USER_PASSWORD, User, unique


class Team:
    """A tenant with an owner, an admin and a plain user, all logged in."""

    def __init__(self, world, **options):
        self.world, self.api = world, world.api
        self.tenant = world.tenant(**options)
        world.login(self.tenant.owner)
        self.owner = self.tenant.owner
        self.admin = self.make("admin")
        self.user = self.make("user")

    def make(self, role="user", by=None, **members):
        email = f"{unique(role)}@example.com"
        made = ok(self.api.post("/tenants/users", token=(by or self.owner).token, json={
            "email": email, "password": USER_PASSWORD, "role": role, **members}), 201)["user"]
        user = User(id=made["id"], tenant=self.tenant, email=email, password=USER_PASSWORD)
        self.world.login(user)
        return user

    def stored(self, user):
        return self.api.instance.db[self.tenant.collection].find_one({"_id": uuid.UUID(user.id)})

    def counters(self):
        """(users, inactive, owners), which must be what is there."""
        db = self.api.instance.db
        kept = db.tenant_usage.find_one({"_id": uuid.UUID(self.tenant.id)})
        users = db[self.tenant.collection]
        found = (users.count_documents({}), users.count_documents({"is_active": False}),
                 users.count_documents({"role": "owner", "is_active": True}))
        assert (kept["users"], kept["inactive_users"], kept["owners"]) == found
        return found

    def audited(self, action, user):
        return self.api.instance.db.audit_logs.count_documents(
            {"tenant_id": uuid.UUID(self.tenant.id), "action": action,
             "user_id": uuid.UUID(user.id), "status": "success"})


def path(user, rest=""):
    return f"/tenants/users/{user.id}{rest}"


def is_out(apis, user, session=None):
    """Token and session are refused on every instance within a second."""
    for api in apis:
        until(lambda api=api: api.get("/users/me", token=user.token).status_code == 401, 1.0)
        if session:
            until(lambda api=api: api.get("/users/me", tenant=user.tenant.slug, cookie=session)
                  .status_code == 401, 1.0)
    refused(apis[0].post("/auth/refresh", json={"refresh_token": user.refresh_token}), 401)


def nothing_left(db, tenant, user):
    """No document names the user, but for audit rows and what keeps old tokens out."""
    identity = uuid.UUID(user.id)
    assert db[tenant.collection].count_documents({"_id": identity}) == 0
    for name in ("tokens", "sessions"):
        assert db[name].count_documents({"user_id": identity}) == 0, name
    assert db.user_removals.count_documents({"user_id": identity}) == 0
    assert db.login_attempts.count_documents({"_id": {"$regex": f"u:{identity.hex}"}}) == 0


def make_due(db, *users):
    """As if the grace had ended."""
    past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1)
    for user in users:
        db.user_removals.update_one({"user_id": uuid.UUID(user.id)}, {"$set": {"due_at": past}})
