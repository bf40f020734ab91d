"""Known devices (RL-4, api.md §11): who signed in here before is not locked out by strangers.

The cookie counts on the paths that set cookies, and buys nothing but a count of tries of its own.
"""
import base64
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection

import pytest

from support.api import set_cookies
from support.check import ok, refused, until
from support.world import World

PATHS = ["/oauth/login", "/auth/login?cookies=true"]
WRONG = "wrong password"


def login(api, user, password=None, device=None, path=PATHS[0], **options):
    cookie = {f"device-{user.tenant.slug}": device} if device else None
    return api.post(path, tenant=user.tenant.slug, cookie=cookie, json={
        "username": user.username, "password": password or user.password}, **options)


def device_of(answer, user):
    return set_cookies(answer)[f"device-{user.tenant.slug}"][0]


def lock(api, user, device=None):
    """Ten wrong tries, and a refused one: the count that they belong to is locked."""
    for _ in range(10):
        refused(login(api, user, WRONG, device), 401, "invalid_credentials")
    refused(login(api, user, WRONG, device), 429, "too_many_attempts")


def last(api):
    """As if the locks that there are had been doubled often: more than a test takes."""
    api.instance.db.login_attempts.update_many({}, [{"$set": {"locked_until": {"$cond": [
        {"$gt": ["$locked_until", "$$NOW"]}, {"$add": ["$locked_until", 3600000]}, "$locked_until"]}}}])


@pytest.fixture(scope="module")
def place(pair):
    """Two instances that hash fast, and a tenant of them."""
    home = World(pair[0])
    return pair[0], home, home.tenant()


@pytest.fixture
def api(place):
    return place[0]


@pytest.fixture
def user(place):
    return place[1].named_user(place[2])


@pytest.mark.parametrize("path", PATHS)
def test_the_cookie(api, user, path):
    """Long-lived, HttpOnly, renewed by each sign-in for the same device."""
    first = login(api, user, path=path)
    ok(first)
    value, attributes = set_cookies(first)[f"device-{user.tenant.slug}"]
    assert attributes["max-age"] == str(400 * 24 * 3600) and attributes["path"] == "/"
    assert "httponly" in attributes and attributes["samesite"].lower() == "lax"
    again = device_of(login(api, user, device=value, path=path), user)
    stranger = device_of(login(api, user, path=path), user)
    parts = [base64.urlsafe_b64decode(text)[38:54] for text in (value, again, stranger)]
    assert again != value and parts[0] == parts[1] != parts[2]


def test_over_https_it_is_bound_to_the_host(start_instance, connect):
    instance = start_instance({"server": {"trusted_proxies": ["127.0.0.1"]}})
    api = connect(instance)
    tenant = World(api).tenant()
    answer = api.post("/oauth/login", tenant=tenant.slug, headers={"X-Forwarded-Proto": "https"},
                      json={"username": "owner", "password": tenant.owner.password})
    ok(answer)
    assert "secure" in set_cookies(answer)[f"__Host-device-{tenant.slug}"][1]


@pytest.mark.parametrize("path", ["/api/login", "/auth/login"])
def test_no_cookie_where_none_is_asked_for(api, user, path):
    """Logins for tokens alone neither set nor count it: what a program keeps is no browser."""
    answer = login(api, user, path=path)
    ok(answer)
    assert f"device-{user.tenant.slug}" not in set_cookies(answer)
    device = device_of(login(api, user), user)
    lock(api, user)
    refused(login(api, user, device=device, path=path), 429, "too_many_attempts")


@pytest.mark.parametrize("path", PATHS)
def test_a_stranger_locks_and_the_owner_comes_in(api, user, path):
    device = device_of(login(api, user), user)
    lock(api, user)
    refused(login(api, user), 429, "too_many_attempts")
    ok(login(api, user, device=device, path=path))
    # … and that success opens nothing for the stranger: each wipes its own count only (RL-3).
    refused(login(api, user), 429, "too_many_attempts")


def test_a_stolen_cookie_locks_after_ten(api, user):
    """It gives ten guesses and nothing to anybody else; the account itself is not locked by it."""
    device = device_of(login(api, user), user)
    lock(api, user, device)
    refused(login(api, user, device=device), 429, "too_many_attempts")
    renewed = device_of(login(api, user), user)
    ok(login(api, user, device=renewed))


def test_a_success_wipes_the_devices_count(api, user):
    device = device_of(login(api, user), user)
    for _ in range(3):
        for _ in range(9):
            refused(login(api, user, WRONG, device), 401)
        device = device_of(login(api, user, device=device), user)


def test_forged_and_foreign_cookies_count_as_none(api, place, user):
    """Every byte is under the MAC; another user's, another tenant's, garbage."""
    device = device_of(login(api, user), user)
    raw = base64.urlsafe_b64decode(device)
    cookies = [base64.urlsafe_b64encode(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1:]).decode()
               for at in range(0, len(raw))]
    cookies += ["A", "A" * len(device), device + "A", device[:-1], "A" * 4000]
    other = place[1].tenant().owner
    cookies.append(device_of(login(api, place[1].named_user(place[2])), user))
    cookies.append(device_of(login(api, other), other))
    lock(api, user)
    last(api)
    for cookie in cookies:
        refused(login(api, user, device=cookie), 429, "too_many_attempts")
    ok(login(api, user, device=device))


def test_a_device_of_one_user_is_none_of_an_unknown_one(api, user):
    device = device_of(login(api, user), user)
    ghost = type(user)(id="", tenant=user.tenant, password="x", username=user.username + "ghost")
    lock(api, ghost, device)
    ok(login(api, user, device=device))


@pytest.mark.parametrize("how", ["password", "logout-all"])
def test_devices_end_with_the_epoch(api, user, how):
    device = device_of(login(api, user), user)
    token = ok(login(api, user, path="/auth/login"))["access_token"]
    if how == "password":
        ok(api.post("/auth/password/change", tenant=user.tenant.slug, token=token, json={
            "current_password": user.password, "new_password": "another battery 3"}), 204)
        user.password = "another battery 3"
    else:
        ok(api.post("/auth/logout-all", tenant=user.tenant.slug, token=token), 204)
    lock(api, user)
    refused(login(api, user, device=device), 429, "too_many_attempts")


def test_logout_leaves_it(api, place, user):
    """api.md §11."""
    answer = api.post("/oauth/logout", tenant=user.tenant.slug, cookie=place[1].sign_in(user))
    ok(answer, 204)
    assert f"device-{user.tenant.slug}" not in set_cookies(answer)


@pytest.mark.parametrize("known", [True, False], ids=["device", "stranger"])
def test_wrong_tries_at_once_on_two_instances(pair, user, known):
    """RL-2, G6: 64 on each of two instances: never more than ten are evaluated."""
    device = device_of(login(pair[0], user), user) if known else None
    body = json.dumps({"username": user.username, "password": WRONG})
    headers = {"Content-Type": "application/json", "X-Tenant-Slug": user.tenant.slug}
    if known:
        headers["Cookie"] = f"device-{user.tenant.slug}={device}"

    def guess(number):
        with closing(HTTPConnection("127.0.0.1", pair[number % 2].instance.port)) as connection:
            connection.request("POST", PATHS[0], body, headers)
            return connection.getresponse().status

    with ThreadPoolExecutor(128) as pool:
        found = list(pool.map(guess, range(128)))
    assert set(found) <= {401, 429, 503} and 1 <= found.count(401) <= 10, found
    if known:
        ok(login(pair[1], user))
    elif 503 not in found:  # whoever was told that was not counted
        until(lambda: login(pair[0], user).status_code == 429, 1.0)
