"""Tenants and users for tests, made through the public API like anybody's."""
import dataclasses
import itertools
import os

from .check import ok
from .instance import PLATFORM_KEY

OWNER_PASSWORD = "correct horse 1"
USER_PASSWORD = "battery staple 2"

_numbers = itertools.count(1)


def unique(word="x"):
    """A name that no other test, worker or run of this database has used."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return f"{word}{os.getpid()}w{worker}n{next(_numbers)}"


@dataclasses.dataclass
class User:
    """A user of a tenant, with what is needed to act as that user."""
    id: str
    tenant: "Tenant"
    password: str
    email: str | None = None
    username: str | None = None
    tokens: dict | None = None
    session: dict | None = None

    @property
    def token(self):
        return self.tokens["access_token"]

    @property
    def refresh_token(self):
        return self.tokens["refresh_token"]


@dataclasses.dataclass
class Tenant:
    """A registered tenant with its owner."""
    id: str
    slug: str
    name: str
    owner: User | None = None
    key: str | None = None
    client: dict | None = None  # an OAuth client as it was registered, with its secret

    @property
    def collection(self):
        return "users_" + self.id.replace("-", "")


class World:
    """Makes tenants and users on one instance."""

    def __init__(self, api):
        self.api = api

    def tenant(self, plan="enterprise", slug=None, name=None, **members):
        """By POST /tenants/register: an owner, no access key."""
        slug = slug or unique("t")
        owner = User(id="", tenant=None, password=OWNER_PASSWORD, username="owner",
                     email=f"owner@{slug}.example")
        answer = self.api.post("/tenants/register", json={
            "tenant_name": name or f"Tenant {slug}", "tenant_slug": slug,
            "admin_username": owner.username, "admin_email": owner.email,
            "admin_password": owner.password, "plan": plan, **members})
        assert answer.status_code == 201, answer.text
        body = answer.json()
        owner.id = body["admin"]["id"]
        owner.tenant = Tenant(id=body["tenant"]["id"], slug=slug, name=body["tenant"]["name"],
                              owner=owner)
        return owner.tenant

    def admin(self, method, path, key=None, **options):
        """A request under /admin with the platform key, or another one."""
        return self.api.request(method, "/admin" + path, token=key or PLATFORM_KEY, **options)

    def key_tenant(self, name=None, with_owner=True, industry="SaaS"):
        """By POST /api/v1/clients/register: an access key, and an owner when asked for."""
        name = name or f"Client {unique()}"
        body = {"client_name": name, "industry": industry}
        owner = None
        if with_owner:
            owner = User(id="", tenant=None, password=OWNER_PASSWORD,
                         email=f"{unique('owner')}@example.com")
            body |= {"email": owner.email, "password": owner.password}
        answer = self.api.post("/api/v1/clients/register", json=body)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        tenant = Tenant(id=made["client_id"], slug=made["slug"], name=name, owner=owner,
                        key=made["access_key"])
        if owner is not None:
            owner.tenant = tenant
            self.login(owner)
            owner.id = self.api.get("/users/me", token=owner.token).json()["id"]
        return tenant

    def user(self, tenant, email=None, password=USER_PASSWORD, login=True, **members):
        """By POST /auth/register; logged in unless told otherwise."""
        email = email or f"{unique('u')}@example.com"
        answer = self.api.post("/auth/register", tenant=tenant.slug,
                               json={"email": email, "password": password, **members})
        assert answer.status_code == 201, answer.text
        user = User(id=answer.json()["id"], tenant=tenant, email=email, password=password)
        if login:
            self.login(user)
        return user

    def named_user(self, tenant, username=None, password=USER_PASSWORD):
        """By POST /oauth/register: a user with a name, too."""
        username = username or unique("name")
        email = f"{username}@example.com"
        answer = self.api.post("/oauth/register", tenant=tenant.slug, json={
            "username": username, "email": email, "password": password})
        assert answer.status_code == 201, answer.text
        return User(id=answer.json()["user_id"], tenant=tenant, email=email, username=username,
                    password=password)

    def login(self, user):
        """Fresh tokens by POST /auth/login."""
        answer = self.api.post("/auth/login", tenant=user.tenant.slug,
                               json={"email": user.email, "password": user.password})
        assert answer.status_code == 200, answer.text
        user.tokens = answer.json()
        return user.tokens

    def sign_in(self, user):
        """A session by POST /oauth/login: {cookie name: value}."""
        answer = self.api.post("/oauth/login", tenant=user.tenant.slug, json={
            "username": user.username or user.email, "password": user.password})
        assert answer.status_code == 200, answer.text
        name = f"session-{user.tenant.slug}"
        user.session = {name: answer.cookies[name]}
        return user.session


def key_of(api, tenant, *scopes):
    """The text of a new access key; the owner must be logged in."""
    return ok(api.post("/tenants/access-keys", token=tenant.owner.token, json={
        "label": unique("key"), "scopes": scopes}), 201)["access_key"]
