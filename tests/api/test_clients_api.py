"""The client API of document 003: a client is a tenant with an access key (proof E6 in detail)."""
import re
import uuid

import pytest

from support.check import ok, refused, until
from support.world import unique

KEY_FORM = re.compile(r"^ak_[0-9a-f]{32}_[A-Za-z0-9_-]{43,}$")
USER_PASSWORD = "password123"


def signup(api, tenant, email=None, key=None, **members):
    return api.post(f"/api/v1/{tenant.id}/signup", token=key or tenant.key, json={
        "email": email or f"{unique('s')}@example.com", "password": USER_PASSWORD, **members})


def login(api, tenant, email, password=USER_PASSWORD):
    return api.post(f"/api/v1/{tenant.id}/login", token=tenant.key,
                    json={"email": email, "password": password})


# -- registering a client ----------------------------------------------------------------------


def test_registration_answers_what_003_shows(api, service):
    """R003-13, R003-16, R003-18: client_id, access_key, documentation_url; slug besides."""
    name = f"AI Platform {unique()}"
    body = ok(api.post("/api/v1/clients/register", json={"client_name": name,
                                                         "industry": "AI/ML"}), 201)
    uuid.UUID(body["client_id"])
    assert KEY_FORM.match(body["access_key"])
    assert body["documentation_url"].endswith(f"/docs/{body['client_id']}")
    assert body["slug"].startswith("ai-platform-")
    document = service.db.tenants.find_one({"_id": uuid.UUID(body["client_id"])})
    assert (document["name"], document["industry"]) == (name, "AI/ML")


def test_no_email_makes_a_tenant_with_only_a_key(api, service, world):
    tenant = world.key_tenant(with_owner=False)
    assert service.db[tenant.collection].count_documents({}) == 0
    ok(signup(api, tenant), 201)


def test_email_and_password_make_an_owner(api, keyed):
    assert ok(api.get("/users/me", token=keyed.owner.token))["role"] == "owner"


def test_a_taken_name_gets_a_number(api):
    """api.md §6: slug derived from the name, with a number where it is taken."""
    name = f"Twin {unique()}"
    slugs = [ok(api.post("/api/v1/clients/register",
                         json={"client_name": name, "industry": "SaaS"}), 201)["slug"]
             for _ in range(3)]
    assert len(set(slugs)) == 3
    assert all(slug.startswith(slugs[0]) for slug in slugs)
    assert re.search(r"\d+$", slugs[1])


@pytest.mark.parametrize("name", ["日本語の会社", "***", "Admin", "www", "a" * 100, "Ünï Çödé GmbH"])
def test_any_name_gives_a_legal_slug(api, name):
    """api.md §2.7, C21."""
    body = ok(api.post("/api/v1/clients/register", json={"client_name": name,
                                                         "industry": "E-commerce"}), 201)
    assert re.match(r"^[a-z0-9](-?[a-z0-9])*$", body["slug"]) and len(body["slug"]) <= 63
    assert body["slug"] not in ("admin", "www")
    assert ok(api.get("/tenants/info", tenant=body["slug"]))["name"] == name


@pytest.mark.parametrize("change", [{"client_name": None}, {"industry": None},
                                    {"industry": "x" * 65}, {"client_name": ""},
                                    {"client_name": 5}, {"email": "none", "password": "password1"},
                                    {"password": "short", "email": "a@example.com"}])
def test_bad_registrations_are_400(api, change):
    """R003-06: the industry is free text of at most 64 characters."""
    body = {"client_name": unique("c"), "industry": "SaaS"} | change
    body = {name: value for name, value in body.items() if value is not None}
    refused(api.post("/api/v1/clients/register", json=body), 400, field=next(iter(change)))


def test_the_key_is_stored_as_a_hash(api, service, keyed):
    """R003-07, TS-13."""
    secret = keyed.key.split("_", 2)[2]
    (document,) = service.db.access_keys.find({"tenant_id": uuid.UUID(keyed.id)})
    assert secret not in repr(document) and len(document["hash"]) == 32


def test_five_effects_of_the_workflow(api, service, world):
    """R003-12, R003-08, R003-03: register, user table, signup, token and audit rows, custom fields."""
    tenant = world.key_tenant(with_owner=False)
    tenant_id = uuid.UUID(tenant.id)
    assert tenant.collection in service.db.list_collection_names()
    body = ok(signup(api, tenant, custom_fields={"department": "ML", "level": 3}), 201)
    user_id = uuid.UUID(body["user_id"])
    user = service.db[tenant.collection].find_one({"_id": user_id})
    assert user["custom_fields"] == {"department": "ML", "level": 3}
    assert user["password_hash"].startswith("$2b$")
    grant = service.db.tokens.find_one({"user_id": user_id})
    assert grant["tenant_id"] == tenant_id
    row = service.db.audit_logs.find_one({"user_id": user_id, "action": "signup"})
    assert row["tenant_id"] == tenant_id and row["status"] == "success"


# -- users of a client -------------------------------------------------------------------------


def test_signup_gives_tokens(api, keyed):
    """C1, R003-15: 201 {user_id, access_token, refresh_token}."""
    body = ok(signup(api, keyed, name="Ada"), 201)
    assert set(body) >= {"user_id", "access_token", "refresh_token"}
    me = ok(api.get(f"/api/v1/{keyed.id}/me", token=body["access_token"]))
    assert me["id"] == body["user_id"] and me["name"] == "Ada"


def test_login_gives_what_003_shows(api, keyed):
    """R003-14."""
    email = f"{unique('l')}@example.com"
    made = ok(signup(api, keyed, email), 201)
    body = ok(login(api, keyed, email))
    assert body["user_id"] == made["user_id"]
    assert set(body) >= {"user_id", "access_token", "refresh_token"}


def test_login_never_creates(api, keyed):
    """C1."""
    email = f"{unique('typo')}@example.com"
    refused(login(api, keyed, email), 401, "invalid_credentials")
    refused(login(api, keyed, email), 401, "invalid_credentials")
    ok(signup(api, keyed, email), 201)


def test_duplicate_signup_is_409(api, world):
    tenant = world.key_tenant(with_owner=False)
    email = f"{unique('d')}@example.com"
    ok(signup(api, tenant, email), 201)
    refused(signup(api, tenant, email), 409, "email_taken")
    refused(signup(api, tenant, " " + email.upper()), 409, "email_taken")


def test_raw_line_breaks_in_json_are_refused(api, keyed):
    """C2: a layout artefact of the document; strict JSON."""
    refused(api.post(f"/api/v1/{keyed.id}/signup", token=keyed.key, content=(
        b'{"email":"user@exam\nple.com","password":"password123"}'),
        headers={"Content-Type": "application/json"}), 400, "invalid_json")


def test_refresh_and_logout(api, keyed):
    """R003-20, R003-21: the key and the refresh token."""
    pair = ok(signup(api, keyed), 201)
    new = ok(api.post(f"/api/v1/{keyed.id}/refresh", token=keyed.key,
                      json={"refresh_token": pair["refresh_token"]}))
    assert new["refresh_token"] != pair["refresh_token"]
    answer = api.post(f"/api/v1/{keyed.id}/logout", token=keyed.key,
                      json={"refresh_token": new["refresh_token"]})
    assert answer.status_code == 204
    refused(api.post(f"/api/v1/{keyed.id}/refresh", token=keyed.key,
                     json={"refresh_token": new["refresh_token"]}), 401)
    until(lambda: api.get(f"/api/v1/{keyed.id}/me", token=new["access_token"]).status_code == 401, 1)


def test_me_is_patched_there_too(api, world):
    tenant = world.key_tenant(with_owner=False)
    pair = ok(signup(api, tenant, custom_fields={"a": 1, "b": 2}), 201)
    body = ok(api.patch(f"/api/v1/{tenant.id}/me", token=pair["access_token"],
                        json={"custom_fields": {"a": None, "c": 3}}))
    assert body["custom_fields"] == {"b": 2, "c": 3}


# -- the key -----------------------------------------------------------------------------------


ROUTES = [("POST", "signup"), ("POST", "login"), ("POST", "refresh"), ("POST", "logout"),
          ("GET", "users"), ("GET", "audit")]


@pytest.mark.parametrize("method, path", ROUTES)
def test_no_key_is_401(api, keyed, anna, method, path):
    """R003-17: Authorization: Bearer <access key>; a user's token is none."""
    where = f"/api/v1/{keyed.id}/{path}"
    body = {} if method == "POST" else None
    refused(api.request(method, where, json=body), 401)
    refused(api.request(method, where, json=body, headers={"Authorization": "Bearer"}), 401)
    for token in ("ak_", "ak_" + "0" * 32 + "_" + "A" * 64, keyed.key + "A", keyed.key[:-1],
                  keyed.key.replace("ak_", "AK_")):
        refused(api.request(method, where, token=token, json=body), 401)


@pytest.mark.parametrize("method, path", ROUTES)
def test_the_key_of_another_client_is_403(api, keyed, keyed_other, method, path):
    """E6, TI-2."""
    refused(api.request(method, f"/api/v1/{keyed.id}/{path}", token=keyed_other.key,
                        json={} if method == "POST" else None), 403, "tenant_mismatch")


def test_every_character_of_a_key_counts(api, keyed):
    kind, identifier, secret = keyed.key.split("_", 2)
    prefix = f"{kind}_{identifier}"
    for place in range(0, len(secret), 5):
        letter = "A" if secret[place] != "A" else "B"
        refused(api.get("/api/v1/clients/me",
                        token=f"{prefix}_{secret[:place]}{letter}{secret[place + 1:]}"), 401)


def test_the_key_may_come_in_its_own_header(api, keyed):
    """C6: X-Access-Key, where Authorization carries a user's token or nothing."""
    body = ok(api.get("/api/v1/clients/me", headers={"X-Access-Key": keyed.key}))
    assert body["client_id"] == keyed.id


def test_a_user_token_is_for_me_only(api, keyed):
    """C6."""
    pair = ok(signup(api, keyed), 201)
    ok(api.get(f"/api/v1/{keyed.id}/me", token=pair["access_token"]))
    assert api.get(f"/api/v1/{keyed.id}/users", token=pair["access_token"]).status_code in (401, 403)
    assert api.post(f"/api/v1/{keyed.id}/login", token=pair["access_token"],
                    json={}).status_code in (401, 403)
    assert api.get(f"/api/v1/{keyed.id}/me", token=keyed.key).status_code in (401, 403)


def test_me_of_another_client_is_403(api, keyed, keyed_other):
    pair = ok(signup(api, keyed), 201)
    refused(api.get(f"/api/v1/{keyed_other.id}/me", token=pair["access_token"]), 403,
            "tenant_mismatch")


def test_clients_me(api, keyed):
    """api.md §6: the client; never the key."""
    body = ok(api.get("/api/v1/clients/me", token=keyed.key))
    assert body["client_id"] == keyed.id
    assert keyed.key.split("_", 2)[2] not in str(body)


def test_rotation_ends_the_old_key(api, world):
    """R003-07, TS-13: shown once; the old one ends."""
    tenant = world.key_tenant(with_owner=False)
    body = ok(api.post("/api/v1/clients/me/rotate-key", token=tenant.key))
    assert KEY_FORM.match(body["access_key"]) and body["access_key"] != tenant.key
    until(lambda: api.get("/api/v1/clients/me", token=tenant.key).status_code == 401, 1.0)
    ok(api.get("/api/v1/clients/me", token=body["access_key"]))
    ok(signup(api, tenant, key=body["access_key"]), 201)


# -- lists -------------------------------------------------------------------------------------


def test_users_are_listed_by_pages(api, world):
    """api.md §6, §10: {users[], next}, user documents."""
    tenant = world.key_tenant(with_owner=False)
    made = {ok(signup(api, tenant), 201)["user_id"] for _ in range(5)}
    seen, cursor = [], None
    while True:
        body = ok(api.get(f"/api/v1/{tenant.id}/users", token=tenant.key,
                          params={"limit": 2} | ({"cursor": cursor} if cursor else {})))
        seen += [user["id"] for user in body["users"]]
        cursor = body.get("next")
        if not cursor:
            break
    assert set(seen) == made and len(seen) == 5


def test_audit_is_readable_with_the_key(api, world):
    """R003-28: newest first, pages, only this client's rows."""
    tenant = world.key_tenant(with_owner=False)
    email = f"{unique('a')}@example.com"
    ok(signup(api, tenant, email), 201)
    refused(login(api, tenant, email, "not-the-password"), 401)
    ok(login(api, tenant, email))
    body = ok(api.get(f"/api/v1/{tenant.id}/audit", token=tenant.key))
    assert [(row["action"], row["status"]) for row in body["events"][:3]] == \
        [("login", "success"), ("login", "failed"), ("signup", "success")]
    assert all(row["client_id"] == tenant.id for row in body["events"])
    page = ok(api.get(f"/api/v1/{tenant.id}/audit", token=tenant.key, params={"limit": 1}))
    assert len(page["events"]) == 1 and page["next"]
    rest = ok(api.get(f"/api/v1/{tenant.id}/audit", token=tenant.key,
                      params={"cursor": page["next"], "limit": 1}))
    assert rest["events"] == body["events"][1:2]


def test_the_documentation_page(api, keyed):
    """R003-18, E6: 200, with this client's ids, without its key."""
    for cid in (keyed.id, keyed.slug):
        answer = api.get(f"/docs/{cid}", headers={"Accept": "text/html"})
        assert answer.status_code == 200
        assert "text/html" in answer.headers["content-type"]
        assert keyed.id in answer.text
        assert keyed.key not in answer.text
    assert api.get(f"/docs/{uuid.uuid4()}").status_code == 404
    assert api.get("/docs/no-such-client").status_code == 404
