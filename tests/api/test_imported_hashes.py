"""Users who come with the password hash of another system: they sign in as before, and the first
time they do the service makes a hash of its own.

MIGRATION, PW-1, PW-6, PW-8, PW-9; api.md §7, §10 (scope users:hashes).
"""
import uuid
from concurrent.futures import ThreadPoolExecutor

import argon2
import pytest

from support.check import ok, refused
from support.hashes import FORMS
from support.world import USER_PASSWORD, World, key_of, unique

PASSWORD = "grün ist 3 mal besser"


#: What the instances of `pair` make (Argon2id), and those of `service` (bcrypt).
OURS, OUR_BCRYPT = "$argon2id$v=19$m=19456,t=2,p=1$", "$2b$10$"


def place_on(api):
    """A tenant, and a key that may bring users."""
    world = World(api)
    tenant = world.tenant()
    world.login(tenant.owner)
    return api, tenant, key_of(api, tenant, "users:write", "users:hashes")


@pytest.fixture(scope="module")
def place(pair):
    return place_on(pair[0])


def bring(place, stored, **members):
    api, _, key = place
    return api.post("/users", token=key, json={
        "email": f"{unique('old')}@example.com", "password_hash": stored, **members})


def sign_in(place, email, password):
    api, tenant, _ = place
    return api.post("/auth/login", tenant=tenant.slug, json={"email": email, "password": password})


def stored_of(place, user):
    api, tenant, _ = place
    return api.instance.db[tenant.collection].find_one({"_id": uuid.UUID(user["id"])})[
        "password_hash"]


@pytest.mark.parametrize("form", FORMS)
def test_every_form(place, form):
    """The hash is kept as it came; a wrong password is wrong; the right one signs in, once with the
    old hash and then with one of the configured scheme."""
    foreign = FORMS[form](PASSWORD)
    user = ok(bring(place, foreign), 201)
    assert "password_hash" not in user and stored_of(place, user) == foreign
    refused(sign_in(place, user["email"], PASSWORD[:-1]), 401, "invalid_credentials")
    assert stored_of(place, user) == foreign
    ok(sign_in(place, user["email"], PASSWORD))
    renewed = stored_of(place, user)
    assert renewed.startswith(OURS) and argon2.PasswordHasher().verify(renewed, PASSWORD)


def test_after_the_renewal(place):
    """The old hash is gone for good: the right password goes on, a wrong one stays wrong."""
    user = ok(bring(place, FORMS["Werkzeug scrypt"](PASSWORD)), 201)
    for _ in range(2):
        ok(sign_in(place, user["email"], PASSWORD))
        refused(sign_in(place, user["email"], PASSWORD + "x"), 401)


def test_bcrypt_of_a_long_password(api):
    """PW-1: what bcrypt cut at 72 bytes elsewhere is not cut here, so it is no proof here; a form
    that reads all of a password takes 200 bytes, and keeps its hash, since bcrypt could not."""
    place, long = place_on(api), "a" * 73
    user = ok(bring(place, FORMS["bcrypt 2y (PHP)"](long[:72])), 201)
    refused(sign_in(place, user["email"], long), 401)
    ok(sign_in(place, user["email"], long[:72]))
    assert stored_of(place, user).startswith(OUR_BCRYPT)
    foreign = FORMS["Django pbkdf2_sha256"]("b" * 200)
    user = ok(bring(place, foreign), 201)
    refused(sign_in(place, user["email"], "b" * 199), 401)
    refused(sign_in(place, user["email"], "b" * 72), 401)
    ok(sign_in(place, user["email"], "b" * 200))
    assert stored_of(place, user) == foreign


def test_letters_as_they_were_typed(place):
    """Other systems hashed what was typed, of two code points too; renewed, both spellings work."""
    typed = "cafe\u0301 au lait"
    user = ok(bring(place, FORMS["SHA-crypt 6"](typed)), 201)
    refused(sign_in(place, user["email"], "caf\u00e9 au lait"), 401)
    ok(sign_in(place, user["email"], typed))
    ok(sign_in(place, user["email"], "caf\u00e9 au lait"))


def test_the_hash_of_nothing(place):
    """An account whose hash is that of the empty password opens to nobody."""
    user = ok(bring(place, FORMS["SHA-crypt 5"]("")), 201)
    assert sign_in(place, user["email"], "").status_code in (400, 401)
    refused(sign_in(place, user["email"], " "), 401)


def test_what_is_refused(place):
    """400 with the field and what is allowed; nothing is made. (All bad settings:
    unit/app/test_stored_hash.c.)"""
    api, tenant, key = place
    users = api.instance.db[tenant.collection]
    before = users.count_documents({})
    for bad, words in (("plaintext", "no known form"), ("*0", "no known form"),
                       ("$1$salt$AAAAAAAAAAAAAAAAAAAAAA", "no known form"),
                       ("$2b$15$" + "a" * 53, "04 to 14"),
                       ("$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHRzb21l$" + "A" * 43, "131072"),
                       ("pbkdf2_sha256$999999999$ordinarysalt$" + "A" * 43 + "=", "2000000"),
                       ("a" * 256, "255"), (7, "password_hash"), ({"$ne": ""}, "password_hash")):
        assert words in str(refused(bring(place, bad), 400, "validation_failed", "password_hash"))
    refused(bring(place, FORMS["Firebase"](PASSWORD), password=PASSWORD), 400,
            field="password_hash")
    for nothing in ({}, {"password_hash": ""}, {"password_hash": None}):
        refused(api.post("/users", token=key, json={"email": "nobody@example.com", **nothing}),
                400, field="password")
    assert users.count_documents({}) == before


def test_who_may(place):
    """A key needs a scope of its own for hashes and gives no role; administrators may at both
    paths, users may not."""
    api, tenant, _ = place
    body = {"password_hash": FORMS["Werkzeug sha256"](PASSWORD)}

    def make(path, token, **members):
        return api.post(path, token=token, json={"email": f"{unique('who')}@example.com",
                                                 **body, **members})

    writer = key_of(api, tenant, "users:write")
    answer = refused(make("/users", writer), 403, "insufficient_scope")
    assert "users:hashes" in str(answer)
    ok(api.post("/users", token=writer, json={"email": f"{unique('who')}@example.com",
                                              "password": USER_PASSWORD}), 201)
    refused(make("/users", key_of(api, tenant, "users:hashes")), 403, "insufficient_scope")
    refused(make("/users", place[2], role="admin"), 403, "role_not_allowed")
    for path in ("/users", "/tenants/users"):
        made = ok(make(path, tenant.owner.token), 201)
        user = made.get("user", made)
        ok(sign_in(place, user["email"], PASSWORD))
    user = World(api).user(tenant)
    refused(make("/users", user.token), 403)


def test_a_change_wins_over_the_renewal(place, pair):
    """PW-8: sign-ins that renew the old password's hash run beside a change of the password on two
    instances: the change is never lost, refused or undone."""
    api, tenant, _ = place
    users = api.instance.db[tenant.collection]
    with ThreadPoolExecutor(6) as pool:
        for number in range(2):
            user = World(api).user(tenant)
            where = {"_id": uuid.UUID(user.id)}
            users.update_one(where, {"$set": {
                "password_hash": FORMS["Keycloak pbkdf2-sha512"](USER_PASSWORD)}})
            new = f"an altogether new one {number}"
            logins = [pool.submit(pair[i % 2].post, "/auth/login", tenant=tenant.slug, json={
                "email": user.email, "password": USER_PASSWORD}) for i in range(4)]
            ok(api.post("/auth/password/change", token=user.token, json={
                "current_password": USER_PASSWORD, "new_password": new}), 204)
            assert {login.result().status_code for login in logins} <= {200, 401}
            assert argon2.PasswordHasher().verify(users.find_one(where)["password_hash"], new)
            refused(sign_in(place, user.email, USER_PASSWORD), 401)
            ok(sign_in(place, user.email, new))
