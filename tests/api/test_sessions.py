"""The list of a user's sign-ins and the end of one of them (R001-07, AU-17, ASVS 7.5.2)."""
import concurrent.futures
import datetime
import re
import uuid

import pytest

from support.check import ok, refused, until, without_ids
from support.world import World, unique

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
IPHONE = ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
          "Gecko) Version/17.5 Mobile/15E148 Safari/604.1")


@pytest.fixture
def user(world, acme):
    return world.user(acme, login=False)


def log_in(api, user, agent=None):
    """A pair of tokens for a login from that device."""
    return ok(api.post("/auth/login", tenant=user.tenant.slug,
                       json={"email": user.email, "password": user.password},
                       headers={"User-Agent": agent} if agent else None))


def open_session(api, user, agent=None):
    answer = api.post("/oauth/login", tenant=user.tenant.slug,
                      json={"username": user.email, "password": user.password},
                      headers={"User-Agent": agent} if agent else None)
    name = f"session-{user.tenant.slug}"
    return {name: ok(answer) and answer.cookies[name]}


def sessions(api, token=None, cookie=None, tenant="acme"):
    return ok(api.get("/users/me/sessions", token=token, cookie=cookie, tenant=tenant))["sessions"]


def test_all_sign_ins_with_their_devices(api, user):
    """Both kinds, the newest first, each with device, address and times; the asking one is marked."""
    first = log_in(api, user, "python-httpx/0.27")
    cookie = open_session(api, user, FIREFOX)
    last = log_in(api, user, IPHONE)
    found = sessions(api, token=last["access_token"])
    assert [(one["kind"], one["device"], one["current"]) for one in found] == [
        ("token", "Safari on iPhone", True), ("browser", "Firefox on Windows", False),
        ("token", "Python", False)]
    for one in found:
        assert one["ip"] == "127.0.0.1"
        assert one["created_at"] <= one["last_seen_at"] < one["expires_at"]
    assert [one["current"] for one in sessions(api, cookie=cookie)] == [False, True, False]
    assert [one["current"] for one in sessions(api, token=first["access_token"])] == \
        [False, False, True]


def test_only_what_is_alive(api, user, service):
    """Expired ones, ended ones and those of OAuth clients are not sign-ins that could be ended."""
    pairs = [log_in(api, user) for _ in range(4)]
    cookie = open_session(api, user)
    past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1)
    tokens = service.db.tokens
    grants = [uuid.UUID(pair["refresh_token"].split(".")[0]) for pair in pairs]
    assert api.post("/auth/logout", json={"refresh_token": pairs[1]["refresh_token"]}).is_success
    tokens.update_one({"_id": grants[2]}, {"$set": {"expires_at": past}})
    tokens.update_one({"_id": grants[3]}, {"$set": {"oauth_client_id": "someone"}})
    token = pairs[0]["access_token"]
    found = sessions(api, token=token)
    assert [one["kind"] for one in found] == ["browser", "token"]
    assert found[1]["id"] == str(grants[0])
    for gone in grants[1:]:
        refused(api.delete(f"/users/me/sessions/{gone}", token=token), 404, "not_found")
    service.db.sessions.update_one({"_id": uuid.UUID(found[0]["id"])}, {"$set": {"expires_at": past}})
    assert len(sessions(api, token=token)) == 1
    refused(api.delete(f"/users/me/sessions/{found[0]['id']}", token=token), 404)
    refused(api.get("/users/me", tenant="acme", cookie=cookie), 401)


def test_ending_a_session(api, user, service):
    """204; its cookie and its page are out, the others stay; one row in the audit log."""
    cookie, other = open_session(api, user), open_session(api, user)
    mine = log_in(api, user)["access_token"]
    newest = next(one for one in sessions(api, cookie=cookie) if one["current"])
    assert api.delete(f"/users/me/sessions/{newest['id']}", token=mine).status_code == 204
    refused(api.get("/users/me", tenant="acme", cookie=cookie), 401)
    ok(api.get("/users/me", tenant="acme", cookie=other))
    ok(api.get("/users/me", token=mine))
    rows = list(service.db.audit_logs.find({"user_id": uuid.UUID(user.id),
                                            "action": "session.revoked"}))
    assert [row["status"] for row in rows] == ["success"]
    refused(api.delete(f"/users/me/sessions/{newest['id']}", token=mine), 404)
    assert service.db.audit_logs.count_documents({"action": "session.revoked",
                                                  "user_id": uuid.UUID(user.id)}) == 1


def test_ending_the_own_session_takes_the_cookie(api, user):
    cookie = open_session(api, user)
    own = sessions(api, cookie=cookie)[0]["id"]
    answer = api.delete(f"/users/me/sessions/{own}", tenant="acme", cookie=cookie)
    assert answer.status_code == 204
    assert "session-acme=;" in answer.headers["set-cookie"]
    assert "Max-Age=0" in answer.headers["set-cookie"]


def test_a_session_list_needs_no_other_site(api, user):
    """HT-9, api.md §11: a write by cookie from another origin is refused and ends nothing."""
    cookie = open_session(api, user)
    own = sessions(api, cookie=cookie)[0]["id"]
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        refused(api.delete(f"/users/me/sessions/{own}", tenant="acme", cookie=cookie,
                           headers=headers), 403, "cross_site_request")
    ok(api.get("/users/me", tenant="acme", cookie=cookie))


def test_revoked_everywhere_within_a_second(pair):
    """TS-7, TS-14: access and refresh tokens of an ended grant, on the instance that did not do it."""
    first, second = pair
    world = World(first)
    tenant = world.tenant()
    user = world.user(tenant)
    keeper = dict(user.tokens)
    victim = dict(world.login(user))
    cookie = world.sign_in(user)
    token = keeper["access_token"]
    ok(second.get("/users/me", token=victim["access_token"]))
    ok(second.get("/users/me", tenant=tenant.slug, cookie=cookie))
    for one in sessions(first, token=token, tenant=tenant.slug):
        if not one["current"]:
            assert first.delete(f"/users/me/sessions/{one['id']}", token=token).status_code == 204
    until(lambda: second.get("/users/me", token=victim["access_token"]).status_code == 401, 1.0)
    until(lambda: second.get("/users/me", tenant=tenant.slug, cookie=cookie).status_code == 401, 1.0)
    refused(second.post("/auth/refresh", json={"refresh_token": victim["refresh_token"]}), 401)
    ok(second.get("/users/me", token=token))
    ok(second.post("/auth/refresh", json={"refresh_token": keeper["refresh_token"]}))


def test_ids_of_others_are_unknown(api, world, acme, user):
    """TI-4: another user's id, another tenant's and one that never was read the same, and live on."""
    neighbour, stranger = world.user(acme), world.user(world.tenant())
    cookie = open_session(api, neighbour)
    mine = log_in(api, user)["access_token"]
    theirs = sessions(api, token=neighbour.token)
    foreign = sessions(api, token=stranger.token, tenant=stranger.tenant.slug)
    assert {one["kind"] for one in theirs} == {"token", "browser"} and len(foreign) == 1
    answers = [without_ids(api.delete(f"/users/me/sessions/{id}", token=mine)) for id in
               [str(uuid.uuid4()), *(one["id"] for one in theirs + foreign), "nothing", "0" * 32,
                str(uuid.UUID(int=0))]]
    assert answers[0][0] == 404
    assert all(answer == answers[0] for answer in answers)
    ok(api.get("/users/me", token=neighbour.token))
    ok(api.get("/users/me", tenant="acme", cookie=cookie))
    ok(api.get("/users/me", token=stranger.token))


def test_ended_once(pair):
    """32 at once on two instances: one ends it, the others find nothing, one audit row."""
    first, second = pair
    world = World(first)
    user = world.user(world.tenant())
    victim = world.login(user)["refresh_token"].split(".")[0]
    path = f"/users/me/sessions/{victim}"
    token = world.login(user)["access_token"]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        statuses = list(pool.map(
            lambda n: (first, second)[n % 2].delete(path, token=token).status_code, range(32)))
    assert sorted(statuses) == [204] + [404] * 31
    assert first.instance.db.audit_logs.count_documents(
        {"user_id": uuid.UUID(user.id), "action": "session.revoked"}) == 1


def test_last_seen_is_written_once_a_minute(api, user, service):
    """A request costs no write; after a minute one of many does."""
    cookie = open_session(api, user)
    stored = service.db.sessions.find_one({"user_id": uuid.UUID(user.id)})
    ok(api.get("/users/me", tenant="acme", cookie=cookie))
    key = {"_id": stored["_id"]}
    assert service.db.sessions.find_one(key) == stored
    service.db.sessions.update_one(key, {"$set": {
        "last_seen_at": stored["last_seen_at"] - datetime.timedelta(seconds=61)}})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ok(api.get("/users/me", tenant="acme", cookie=cookie)), range(8)))
    seen = service.db.sessions.find_one(key)["last_seen_at"]
    assert seen >= stored["last_seen_at"]
    ok(api.get("/users/me", tenant="acme", cookie=cookie))
    assert service.db.sessions.find_one(key)["last_seen_at"] == seen


@pytest.mark.parametrize("agent", [b"\xff\xfe\xfdFirefox/1 Windows", b"x" * 2000,
                                   "Firefox/1 ".encode() + "ü".encode() * 300,
                                   b"<script>alert(1)</script>", b""])
def test_odd_user_agents(api, user, agent):
    """IN-2: whatever the header holds, the login works and the list is plain."""
    for path, member in (("/auth/login", "email"), ("/oauth/login", "username")):
        answer = api.post(path, tenant="acme", json={member: user.email, "password": user.password},
                          headers=[(b"User-Agent", agent)])
        body = ok(answer)
    token = log_in(api, user)["access_token"]
    found = sessions(api, token=token)
    assert len(found) == 3 and body
    assert all("script" not in one["device"] and one["device"].isascii() for one in found)


def test_a_login_in_flight_is_not_listed(api, user, service):
    """design §7: what was made from a user as read before everything ended opens nothing."""
    open_session(api, user)
    stored = service.db.sessions.find_one({"user_id": uuid.UUID(user.id)})
    token = log_in(api, user)["access_token"]
    assert api.post("/auth/logout-all", token=token).status_code == 204
    service.db.sessions.insert_one(stored)
    token = log_in(api, user)["access_token"]
    assert [one["kind"] for one in sessions(api, token=token)] == ["token"]


def test_many_sign_ins_are_bounded(api, world, acme, service):
    """The newest hundred of each kind."""
    user = world.user(acme, email=f"{unique('many')}@example.com")
    open_session(api, user)
    stored = service.db.sessions.find_one({"user_id": uuid.UUID(user.id)})
    service.db.sessions.insert_many([stored | {"_id": uuid.uuid4(), "hash": uuid.uuid4().bytes * 2}
                                     for _ in range(150)])
    found = sessions(api, token=user.token)
    assert len(found) == 101


@pytest.mark.parametrize("fresh", [True, False])
def test_a_session_that_goes_on_is_no_fresher_login(api, service, world, fresh):
    """AU-5: "sign out everywhere else" opens a new session without a password: the login behind it
    stays as old as it was, for steps that ask for a fresh one."""
    tenant = world.tenant()
    world.login(tenant.owner)
    user = world.user(tenant, login=False)
    cookie = open_session(api, user)
    log_in(api, user)
    name, = cookie
    if not fresh:
        hour = datetime.timedelta(hours=1)
        one = service.db.sessions.find_one({"user_id": uuid.UUID(user.id)})
        service.db.sessions.update_one({"_id": one["_id"]},
                                       {"$set": {"created_at": one["created_at"] - hour}})
    html = {"Accept": "text/html"}
    page = api.get("/dashboard", cookie=cookie, tenant=tenant.slug, headers=html).text
    form = page[page.index("sessions/end-others"):]
    token = re.search(r'name="form_token" value="([^"]*)"', form).group(1)
    answer = api.post("/dashboard/sessions/end-others", cookie=cookie, tenant=tenant.slug,
                      headers=html, form={"form_token": token})
    assert answer.status_code == 303 and answer.headers["Location"].endswith("notice=sessions-ended")
    again = {name: answer.cookies[name]}
    refused(api.get("/users/me", cookie=cookie, tenant=tenant.slug), 401)
    ok(api.get("/users/me", cookie=again, tenant=tenant.slug))
    closed = api.delete("/users/me", cookie=again, tenant=tenant.slug)
    if fresh:
        assert closed.status_code in (202, 204), closed.text
    else:
        refused(closed, 401, "login_required")
