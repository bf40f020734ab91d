"""Closing one's own account, taking it back, and its removal when the days of grace are over.

R001-15, R004-10, AU-5, TS-7.
"""
import datetime
import uuid

import pytest

from support.api import set_cookies
from support.check import ok, refused, until
from support.team import Team, is_out, make_due, nothing_left, path
from support.world import USER_PASSWORD, World

GRACE = datetime.timedelta(days=7)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


@pytest.fixture(scope="module")
def team(pair):
    return Team(World(pair[0]))


def age_login(db, user, minutes):
    """As if everything of the user had been signed in that long ago."""
    long_ago = now() - datetime.timedelta(minutes=minutes)
    for name in ("tokens", "sessions"):
        db[name].update_many({"user_id": uuid.UUID(user.id)}, {"$set": {"created_at": long_ago}})


def test_closing_by_token(pair, team):
    """202 with the time; out at once on both instances; a login fails like a wrong password."""
    user = team.make()
    session = team.world.sign_in(user)
    before = team.counters()
    body = ok(pair[0].delete("/users/me", token=user.token), 202)
    at = datetime.datetime.fromisoformat(body["deletion_at"])
    assert abs(at - now() - GRACE) < datetime.timedelta(minutes=1)
    assert team.tenant.name in body["message"] and body["deletion_at"] in body["message"]
    is_out(pair, user, session)
    refused(pair[1].post("/auth/login", tenant=team.tenant.slug,
                         json={"email": user.email, "password": user.password}), 401,
            "invalid_credentials")
    assert team.counters() == (before[0], before[1] + 1, before[2])
    assert team.audited("user.deletion_requested", user) == 1
    shown = ok(pair[1].get(path(user), token=team.admin.token))
    assert shown["is_active"] is False and shown["deletion_at"] == body["deletion_at"]
    refused(pair[0].post("/auth/register", tenant=team.tenant.slug,
                         json={"email": user.email, "password": USER_PASSWORD}), 409)


def test_closing_by_session_and_cookies(pair, team):
    """The browser's cookie is expired with the answer; a foreign origin is refused."""
    user = team.make()
    session = team.world.sign_in(user)
    refused(pair[0].delete("/users/me", tenant=team.tenant.slug, cookie=session,
                           headers={"Origin": "https://evil.example"}), 403, "cross_site_request")
    answer = pair[0].delete("/users/me", tenant=team.tenant.slug, cookie=session)
    ok(answer, 202)
    value, attributes = set_cookies(answer)[f"session-{team.tenant.slug}"]
    assert value == "" and attributes["max-age"] == "0"
    is_out(pair, user, session)


def test_it_needs_a_fresh_login(pair, team):
    """AU-5: five minutes; refreshing a token makes its login no younger."""
    user = team.make()
    session = team.world.sign_in(user)
    age_login(pair[0].instance.db, user, 6)
    for options in ({"token": user.token}, {"tenant": team.tenant.slug, "cookie": session}):
        body = refused(pair[0].delete("/users/me", **options), 401, "login_required")
        assert "sign in again" in body["error_description"]
    renewed = ok(pair[0].post("/auth/refresh", json={"refresh_token": user.refresh_token}))
    refused(pair[1].delete("/users/me", token=renewed["access_token"]), 401, "login_required")
    assert team.stored(user)["is_active"] is True
    age_login(pair[0].instance.db, user, 4)
    ok(pair[0].delete("/users/me", token=renewed["access_token"]), 202)


def test_an_administrator_takes_it_back(pair, team):
    """is_active: true within the grace; then nothing is removed, and the old password works."""
    user = team.make()
    ok(pair[0].delete("/users/me", token=user.token), 202)
    db = pair[0].instance.db
    restored = ok(pair[1].patch(path(user), token=team.admin.token, json={"is_active": True}))
    assert restored["is_active"] and "deletion_at" not in restored
    assert db.user_removals.count_documents({"user_id": uuid.UUID(user.id)}) == 0
    team.world.login(user)
    team.counters()
    ok(pair[0].delete("/users/me", token=user.token), 202)  # and it can be closed again
    assert pair[0].delete(path(user), token=team.admin.token).status_code == 204  # or removed now
    nothing_left(db, team.tenant, user)
    team.counters()


def test_an_owner_takes_back_an_owner(pair):
    team = Team(World(pair[0]))
    second = team.make("owner")
    ok(pair[0].delete("/users/me", token=second.token), 202)
    assert team.counters()[2] == 1
    refused(pair[0].patch(path(second), token=team.admin.token, json={"is_active": True}), 403,
            "insufficient_role")
    ok(pair[0].patch(path(second), token=team.owner.token, json={"is_active": True}))
    assert team.counters()[2] == 2


def test_removal_when_the_grace_is_over(pair, team):
    """Everything that is theirs goes, the counters stay exact, name and address are free."""
    user, kept, earlier = team.make(), team.make(), team.make()
    for person in (user, kept, earlier):
        ok(pair[0].delete("/users/me", token=person.token), 202)
    db = pair[0].instance.db
    make_due(db, user, earlier)
    # As a version before wrote it: found by the user's id alone.
    row = db.user_removals.find_one_and_delete({"user_id": uuid.UUID(earlier.id)})
    db.user_removals.insert_one({"_id": row.pop("user_id"), "tenant_id": row["tenant_id"],
                                 "due_at": row["due_at"]})
    until(lambda: team.stored(user) is None and team.stored(earlier) is None, 20.0, 0.1)
    for person in (user, earlier):
        nothing_left(db, team.tenant, person)
    assert db.user_removals.count_documents({"_id": uuid.UUID(earlier.id)}) == 0
    assert team.stored(kept) is not None
    assert team.audited("user.deleted", user) == 1
    team.counters()
    ok(pair[0].post("/auth/register", tenant=team.tenant.slug,
                    json={"email": user.email, "password": USER_PASSWORD}), 201)
    assert {"due_at_1", "tenant_id_1"} <= set(db.user_removals.index_information())
