"""Refresh tokens: rotation, reuse, lifetimes, and what is no refresh token (proof E4 in detail)."""
import re
import time
import uuid

import pytest

from support.check import ok, refused, until
from support.spans import seen_alive

UUID_DOT_SECRET = re.compile(r"^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}\.[A-Za-z0-9_-]{43,}$")
SENTENCE = "Invalid or expired refresh token"


def refresh(api, token, **options):
    return api.post("/auth/refresh", json={"refresh_token": token}, **options)


def as_uuid(text):
    return uuid.UUID(text)


def settings(api, owner, **values):
    return ok(api.put("/tenants/settings", token=owner.token, json={"settings": values}))


@pytest.fixture(scope="module")
def short(world):
    """A tenant whose settings the tests here change."""
    tenant = world.tenant()
    world.login(tenant.owner)
    return tenant


def test_the_wire_form(world, acme):
    """R001-06: a UUID and a secret."""
    assert UUID_DOT_SECRET.match(world.user(acme).refresh_token)


def test_refresh_gives_a_new_pair(api, anna, world):
    """R001-08, R001-09: a new refresh token, the same shape as a login."""
    pair = world.login(anna)
    body = ok(refresh(api, pair["refresh_token"]))
    assert set(body) >= {"access_token", "refresh_token", "token_type", "expires_in"}
    assert body["token_type"] == "bearer"
    assert body["refresh_token"] != pair["refresh_token"]
    assert body["access_token"] != pair["access_token"]
    ok(api.get("/users/me", token=body["access_token"]))


def test_ten_rotations_in_a_row(api, world, anna):
    token = world.login(anna)["refresh_token"]
    seen = {token}
    for _ in range(10):
        token = ok(refresh(api, token))["refresh_token"]
        assert token not in seen
        seen.add(token)


def test_reuse_kills_the_family(api, service, world, acme):
    """TS-11, R001-08: the old token is refused, the new one dies with it, a row says so."""
    user = world.user(acme)
    successor = ok(refresh(api, user.refresh_token))
    assert refused(refresh(api, user.refresh_token), 401)["detail"] == SENTENCE
    assert refused(refresh(api, successor["refresh_token"]), 401)["detail"] == SENTENCE
    until(lambda: api.get("/users/me", token=successor["access_token"]).status_code == 401, 1.0)
    rows = list(service.db.audit_logs.find({"user_id": as_uuid(user.id), "action": "token.reuse"}))
    assert rows, "no audit row tells of the reuse"


def test_reuse_leaves_other_logins_alone(api, world, acme):
    user = world.user(acme)
    stolen, elsewhere = user.tokens, world.login(user)
    ok(refresh(api, stolen["refresh_token"]))
    refused(refresh(api, stolen["refresh_token"]), 401)
    ok(refresh(api, elsewhere["refresh_token"]))


@pytest.mark.parametrize("make", [
    lambda pair: "garbage",
    lambda pair: "x" * 5000,
    lambda pair: pair["access_token"],
    lambda pair: pair["refresh_token"] + "A",
    lambda pair: pair["refresh_token"] + "=",
    lambda pair: pair["refresh_token"][:-1],
    lambda pair: pair["refresh_token"].upper(),
    lambda pair: pair["refresh_token"].split(".")[0],
    lambda pair: "." + pair["refresh_token"].split(".")[1],
    lambda pair: "00000000-0000-0000-0000-000000000000." + pair["refresh_token"].split(".")[1],
    lambda pair: pair["refresh_token"].split(".")[0] + "." + "A" * 64,
])
def test_what_is_no_refresh_token_is_401_with_one_text(api, world, anna, make):
    """E4: wrong, forged, an access token: all the same sentence, and the real one lives on."""
    pair = world.login(anna)
    body = refused(refresh(api, make(pair), tenant="acme"), 401, "invalid_refresh_token")
    assert body["detail"] == SENTENCE
    ok(refresh(api, pair["refresh_token"]))


def test_each_edited_character_is_refused(api, world, anna):
    """TS-6: one character changed anywhere in the secret; the last one in every way."""
    pair = world.login(anna)
    ident, secret = pair["refresh_token"].split(".")
    for place in range(0, len(secret), 3):
        letter = "A" if secret[place] != "A" else "B"
        edited = secret[:place] + letter + secret[place + 1:]
        refused(refresh(api, f"{ident}.{edited}", tenant="acme"), 401)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for letter in alphabet:
        if letter != secret[-1]:
            refused(refresh(api, f"{ident}.{secret[:-1]}{letter}", tenant="acme"), 401)
    ok(refresh(api, pair["refresh_token"]))


def test_a_refresh_token_is_no_access_token(api, world, anna):
    """R001-06, TS-3: it only mints access tokens."""
    pair = world.login(anna)
    for path in ("/users/me", "/api/whoami", "/api/protected"):
        refused(api.get(path, token=pair["refresh_token"]), 401, "invalid_token")


def test_refresh_needs_no_hint(api, world, anna):
    """api.md §10: the token names its tenant."""
    ok(refresh(api, world.login(anna)["refresh_token"]))


def test_refresh_of_another_tenant_is_refused_and_untouched(api, world, anna, other):
    """api.md §2.4, TS-12: 403 beside a foreign hint; it stays as it was."""
    pair = world.login(anna)
    refused(refresh(api, pair["refresh_token"], tenant="other"), 403, "tenant_mismatch")
    refused(api.post("/auth/logout", tenant="other",
                     json={"refresh_token": pair["refresh_token"]}), 403, "tenant_mismatch")
    ok(refresh(api, pair["refresh_token"]))


def test_an_idle_token_expires(api, world, short):
    """R001-07, TS-9: after the idle lifetime the query finds it no more, TTL or not."""
    user = world.user(short)

    def in_time(seconds):
        settings(api, short.owner, refresh_token_ttl=seconds)
        world.login(user)
        answer = refresh(api, user.refresh_token)
        return seconds if answer.status_code == 200 else refused(answer, 401) and None

    seconds = seen_alive(in_time)
    world.login(user)
    time.sleep(seconds + 0.2)
    assert refused(refresh(api, user.refresh_token), 401)["detail"] == SENTENCE
    settings(api, short.owner, refresh_token_ttl=604800)


def test_an_access_token_expires(api, world, short):
    """E4, TS-2: no leeway; times in tokens are whole seconds, so one second may be over at once."""
    user = world.user(short)

    def in_time(seconds):
        settings(api, short.owner, access_token_ttl=seconds)
        assert world.login(user)["expires_in"] == seconds
        answer = api.get("/users/me", token=user.token)
        return user if answer.status_code == 200 else refused(answer, 401) and None

    seen_alive(in_time, (2, 8, 30))
    until(lambda: api.get("/users/me", token=user.token).status_code == 401, 2.5)
    refused(api.get("/users/me", token=user.token), 401, "invalid_token")
    settings(api, short.owner, access_token_ttl=900)


def test_absolute_lifetime_cannot_be_extended(api, world, short):
    """TS-12: refreshing does not move the absolute end."""
    settings(api, short.owner, refresh_token_max_ttl=2)
    user = world.user(short)
    token, deadline = user.refresh_token, 4.0

    def ended():
        nonlocal token
        answer = refresh(api, token)
        if answer.status_code == 200:
            token = answer.json()["refresh_token"]
            return False
        return refused(answer, 401)

    until(ended, deadline, pause=0.2)
    settings(api, short.owner, refresh_token_max_ttl=2592000)


def test_grace_answers_one_retry_with_the_same_successor(api, world, short):
    """TS-11, design §7: within the grace the loser gets the very same successor."""
    settings(api, short.owner, refresh_grace=30)
    user = world.user(short)
    first = ok(refresh(api, user.refresh_token))
    retry = ok(refresh(api, user.refresh_token))
    assert retry["refresh_token"] == first["refresh_token"]
    ok(refresh(api, first["refresh_token"]))
    settings(api, short.owner, refresh_grace=0)


def test_an_older_generation_is_reuse_in_spite_of_grace(api, world, short):
    settings(api, short.owner, refresh_grace=30)
    user = world.user(short)
    second = ok(refresh(api, user.refresh_token))["refresh_token"]
    third = ok(refresh(api, second))["refresh_token"]
    refused(refresh(api, user.refresh_token), 401)
    refused(refresh(api, third), 401)
    settings(api, short.owner, refresh_grace=0)


def test_inactive_users_cannot_refresh(api, service, world, acme):
    """TS-7: the state of the user is looked at whenever something is issued."""
    user = world.user(acme)
    service.db[acme.collection].update_one({"_id": as_uuid(user.id)},
                                           {"$set": {"is_active": False}})
    assert refused(refresh(api, user.refresh_token), 401)["detail"] == SENTENCE


def test_a_grant_of_an_older_epoch_is_over(api, service, world, acme):
    """TS-7: what a login in flight opened with the epoch it had read, when that has risen meanwhile."""
    user, bystander = world.user(acme), world.user(acme)
    service.db[acme.collection].update_one({"_id": as_uuid(user.id)},
                                           {"$inc": {"security_epoch": 1}})
    assert refused(refresh(api, user.refresh_token), 401)["detail"] == SENTENCE
    ok(refresh(api, bystander.refresh_token))


def test_nothing_of_the_secret_is_stored(service, world, acme):
    """R001-06, R003-10, TS-5: one document with state and generation; no secret, no hash of it."""
    user = world.user(acme)
    ident, secret = user.refresh_token.split(".")
    document = service.db.tokens.find_one({"_id": as_uuid(ident)})
    assert document["tenant_id"] == as_uuid(acme.id)
    assert document["user_id"] == as_uuid(user.id)
    assert document["state"] == "active"
    assert secret not in repr(document)
    assert not any("hash" in name or "secret" in name for name in document)
