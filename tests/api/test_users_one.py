"""GET, PATCH and DELETE /users/{id} for administrators and access keys, and what "fields" cuts answers
down to (issue 6.3; api.md §7, R004-10, R001-15). The same code as /tenants/users/{id}: test_tenant_users.py.
"""
import uuid

import pytest

from support.check import ok, refused
from support.oauth import client, token
from support.world import USER_PASSWORD, User, key_of, unique

FIELDS = {"city": "Bern", "home": {"zip": 3000, "geo": {"lat": 46.9, "lon": 7.4}}, "tags": ["a", "b"]}


@pytest.fixture(scope="module")
def place(api, world):
    """A tenant with an owner who is signed in, an administrator, and keys."""
    tenant = world.tenant()
    world.login(tenant.owner)
    tenant.owner.session = world.sign_in(tenant.owner)
    return tenant


@pytest.fixture(scope="module")
def key(api, place):
    return key_of(api, place, "users:read", "users:write")


def make(api, place, key):
    """By a key."""
    email = f"{unique('ada')}@example.com"
    answer = api.post("/users", token=key, json={
        "email": email, "password": USER_PASSWORD, "name": "Ada", "custom_fields": FIELDS})
    made = ok(answer, 201)
    assert answer.headers["Location"] == f"/users/{made['id']}"
    return User(id=made["id"], tenant=place, email=email, password=USER_PASSWORD)


@pytest.fixture
def ada(api, place, key):
    return make(api, place, key)


@pytest.fixture(scope="module")
def eve(api, place, key):
    """Whom nobody changes."""
    return make(api, place, key)


def path(user):
    return f"/users/{user.id}"


def test_the_same_document_for_everybody_who_may(api, world, place, key, ada):
    """api.md §7, §11: sessions, tokens with users:read and the role, keys with users:read."""
    document = ok(api.get(path(ada), token=key))
    assert document["custom_fields"] == FIELDS and document["email"] == ada.email
    for options in ({"cookie": place.owner.session}, {"token": place.owner.token}):
        assert ok(api.get(path(ada), **options)) == document
        assert ok(api.get(f"/tenants/users/{ada.id}", **options)) == document
    assert ok(api.get(f"/api/v1{path(ada)}", token=key)) == document
    world.login(ada)
    assert ok(api.get("/users/me", token=ada.token)) == \
        {**document, "last_login_at": ok(api.get(path(ada), token=key))["last_login_at"]}
    for options in ({"token": key_of(api, place, "auth", "schema")}, {"token": ada.token}):
        for method in ("GET", "PATCH", "DELETE"):
            refused(api.request(method, path(ada), json={}, **options), 403)
    refused(api.patch(path(ada), token=key_of(api, place, "users:read"), json={"name": "x"}), 403,
            "insufficient_scope")
    refused(api.get(path(ada), tenant=place.slug), 401)
    for other in (uuid.uuid4(), "none"):
        refused(api.get(f"/users/{other}", token=key), 404)
        refused(api.delete(f"/users/{other}", token=key), 404)


def test_tokens_of_clients_need_the_scope_and_the_users_role(api, place, ada):
    """api.md §11: users:read and users:write *and* the role; a client for itself has no role."""
    made = client(api, place, grant_types=["password", "client_credentials"],
                  scope="read users:read users:write admin")

    def of_owner(scope):
        return ok(token(api, made, grant_type="password", username=place.owner.email,
                        password=place.owner.password, scope=scope))["access_token"]

    assert ok(api.get(path(ada), token=of_owner("users:read")))["id"] == ada.id
    assert ok(api.patch(path(ada), token=of_owner("users:write"), json={"name": "B"}))["name"] == "B"
    refused(api.get(path(ada), token=of_owner("users:write")), 403, "insufficient_scope")
    refused(api.patch(path(ada), token=of_owner("users:read admin"), json={"name": "C"}), 403,
            "insufficient_scope")
    own = ok(token(api, made, grant_type="client_credentials", scope="users:read"))["access_token"]
    refused(api.get(path(ada), token=own), 403)


def test_keys_change_users_and_nobody_above(api, place, key, ada):
    """A key neither changes nor removes administrators and owners."""
    answer = api.patch(path(ada), token=key, json={"name": None, "custom_fields": {"tags": None}})
    changed = ok(answer)
    assert "name" not in changed and "tags" not in changed["custom_fields"]
    assert answer.headers["ETag"] == f'"{changed["version"]}"'
    for member in ("id", "version", "created_at"):
        refused(api.patch(path(ada), token=key, json={member: changed[member]}), 400, field=member)
    refused(api.patch(path(ada), token=key, json={"stored_fields": {}}), 400)
    refused(api.patch(path(ada), token=key, json={"role": "admin"}), 403)
    ok(api.patch(path(ada), token=place.owner.token, json={"role": "admin"}))
    for target in (ada, place.owner):
        refused(api.patch(path(target), token=key, json={"name": "x"}), 403)
        refused(api.delete(path(target), token=key), 403)
    ok(api.patch(path(ada), token=place.owner.token, json={"role": "user"}))
    ok(api.delete(path(ada), token=key), 204)
    refused(api.get(path(ada), token=key), 404)


def test_owners_patch_roles(api, service, world, place, ada):
    """As PUT …/role does: by owners, not their own, at once for all sign-ins; owners stay counted."""
    def owners():
        return service.db.tenant_usage.find_one({"_id": uuid.UUID(place.id)})["owners"]

    def patched(changes, token=place.owner.token):
        return api.patch(path(ada), token=token, json=changes)

    before = owners()
    world.login(ada)
    assert ok(patched({"role": "user", "name": "E"}))["role"] == "user"
    assert ok(api.get("/users/me", token=ada.token))["name"] == "E"
    assert ok(patched({"role": "admin"}))["role"] == "admin"
    refused(api.get("/users/me", token=ada.token), 401)
    world.login(ada)
    for role in ("owner", "user"):
        refused(api.patch(path(ada), token=ada.token, json={"role": role}), 403)
    assert ok(api.patch(path(ada), token=ada.token, json={"role": "admin", "name": "F"}))["name"] == "F"
    refused(api.patch(path(place.owner), token=place.owner.token, json={"role": "user"}), 403)
    refused(patched({"role": None}), 400)
    refused(patched({"role": "king"}), 400, field="role")
    for changes, counted in (({"role": "owner"}, 1), ({"role": "user", "is_active": False}, 0),
                             ({"role": "owner"}, 0), ({"is_active": True}, 1),
                             ({"role": "admin", "is_active": False}, 0),
                             ({"role": "owner", "is_active": True}, 1), ({"role": "user"}, 0)):
        ok(patched(changes))
        assert owners() == before + counted, changes


def test_what_is_known_of_an_address(api, place, key, ada):
    """is_email_verified is said by who administers; a new address is unproven unless it is said."""
    def patched(changes):
        return ok(api.patch(path(ada), token=key, json=changes))

    assert patched({"is_email_verified": True})["is_email_verified"] is True
    assert patched({"name": "G"})["is_email_verified"] is True
    assert patched({"email": f"{unique('n')}@example.com"})["is_email_verified"] is False
    assert patched({"email": f"{unique('n')}@example.com",
                    "is_email_verified": True})["is_email_verified"] is True
    assert patched({"is_email_verified": False})["is_email_verified"] is False
    patched({"username": unique("ada"), "email": None})
    refused(api.patch(path(ada), token=key, json={"is_email_verified": True}), 400,
            field="is_email_verified")
    refused(api.patch(f"/tenants/users/{ada.id}", token=place.owner.token,
                      json={"is_email_verified": True}), 400, field="is_email_verified")


def test_versions(api, place, key, ada):
    """If-None-Match, If-Match, and 428 where the tenant demands it."""
    answer = api.get(path(ada), token=key)
    tag = answer.headers["ETag"]
    for known in (tag, f"W/{tag}", f'"0", {tag}', "*"):
        same = api.get(path(ada), token=key, headers={"If-None-Match": known})
        assert same.status_code == 304 and same.content == b"" and same.headers["ETag"] == tag
    for unknown in ('"0"', "", "x", tag.strip('"')):
        assert ok(api.get(path(ada), token=key, headers={"If-None-Match": unknown}))
    ok(api.patch(path(ada), token=key, json={"name": "C"}, headers={"If-Match": tag}))
    refused(api.patch(path(ada), token=key, json={"name": "D"}, headers={"If-Match": tag}), 412)
    refused(api.delete(path(ada), token=key, headers={"If-Match": tag}), 412)
    assert ok(api.get(path(ada), token=key, headers={"If-None-Match": tag}))["name"] == "C"
    own = api.get("/users/me", token=place.owner.token)
    assert api.get("/users/me", token=place.owner.token,
                   headers={"If-None-Match": own.headers["ETag"]}).status_code == 304
    settings = "/tenants/settings"
    ok(api.put(settings, token=place.owner.token, json={"settings": {"require_if_match": True}}))
    try:
        refused(api.patch(path(ada), token=key, json={"name": "D"}), 428)
        refused(api.delete(path(ada), token=key), 428)
    finally:
        ok(api.put(settings, token=place.owner.token, headers={"If-Match": "*"},
                   json={"settings": {"require_if_match": None}}))


@pytest.mark.parametrize("fields, shown", [
    ("email", {"email"}), ("id", set()), ("name,role", {"name", "role"}),
    ("custom_fields", {"custom_fields": FIELDS}),
    ("custom_fields.city", {"custom_fields": {"city": "Bern"}}),
    ("version,custom_fields.home.geo.lat,custom_fields.tags,custom_fields.none",
     {"version": 1, "custom_fields": {"home": {"geo": {"lat": 46.9}}, "tags": ["a", "b"]}}),
    ("custom_fields.home,custom_fields.home.zip", {"custom_fields": {"home": FIELDS["home"]}}),
    ("custom_fields.city.none,custom_fields.cit,custom_fields.hom.zip", {"custom_fields": {}}),
    ("custom_fields.tags.0", {"custom_fields": {}}),
])
def test_fields_cut_the_answer_down(api, key, eve, fields, shown):
    """api.md §7 "fields": members by name, custom fields by path, id always."""
    whole = ok(api.get(path(eve), token=key))
    if isinstance(shown, set):
        shown = {name: whole[name] for name in shown}
    assert ok(api.get(path(eve), token=key, params={"fields": fields})) == {"id": eve.id, **shown}


@pytest.mark.parametrize("fields", [
    "password_hash", "stored_fields", "security_epoch", "tenant_id", "shown", "_id", "email,", ",",
    "Email", "email name", "$where", "custom_fields.", "custom_fields..a", "custom_fields.a.",
    "custom_fieldsx.a", "username_canonical", ",".join(["id"] * 51), "x" * 5000])
def test_fields_that_are_none(api, place, key, eve, fields):
    """IN-4: an allow-list; the sentence names it."""
    for where, credential in ((path(eve), key), ("/users/me", place.owner.token)):
        answer = api.get(where, token=credential, params={"fields": fields})
        refused(answer, 400, field="fields")
    assert "password" not in answer.json()["error_description"].replace(fields[:60], "")
