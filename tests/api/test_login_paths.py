"""One login behind four paths: every outcome looks the same on each of them (AU-1, AU-3, PW-9)."""
import time
import urllib.request
import uuid

import pytest

from support.check import ok, refused, without_ids
from support.spans import seen_alive
from support.world import USER_PASSWORD, World, unique

#: path, how the login is called there, whether a key is needed, whether form-encoded
PATHS = {
    "000": ("/api/login", "username", False, False),
    "001-json": ("/auth/login", "email", False, False),
    "001-form": ("/auth/login", "username", False, True),
    "004": ("/oauth/login", "username", False, False),
    "003": ("/api/v1/{cid}/login", "email", True, False),
}
every_path = pytest.mark.parametrize("which", PATHS)


def attempt(api, tenant, which, login, password, **options):
    path, member, key, form = PATHS[which]
    body = {member: login, "password": password}
    options |= {"form": body} if form else {"json": body}
    if key:
        return api.post(path.format(cid=tenant.id), token=tenant.key, **options)
    return api.post(path, tenant=tenant.slug, **options)


@pytest.fixture(scope="module")
def place(service, world):
    """A tenant with a key, and its users of each state; another with a user of its own."""
    tenant, stranger = world.key_tenant(), world.tenant()
    service.db.tenants.update_one({"slug": tenant.slug}, {"$set": {"plan": "enterprise"}})
    active = world.named_user(tenant)
    inactive = world.named_user(tenant)
    service.db[tenant.collection].update_one({"_id": uuid.UUID(inactive.id)},
                                             {"$set": {"is_active": False}})
    without = world.named_user(tenant)
    service.db[tenant.collection].update_one({"_id": uuid.UUID(without.id)},
                                             {"$unset": {"password_hash": ""}})
    foreign = world.named_user(stranger)
    return tenant, active, inactive, without, foreign


@every_path
def test_right_password(api, place, which):
    """R000-08, R001-03, R003-14, R004-27: by address and, where it makes sense, by name."""
    tenant, active, *_ = place
    ok(attempt(api, tenant, which, active.email, USER_PASSWORD))
    ok(attempt(api, tenant, which, active.username, USER_PASSWORD))


@every_path
def test_failures_are_indistinguishable(api, place, which):
    """api.md §1, AU-1: unknown, bad password, inactive, other tenant, no password: one answer."""
    tenant, active, inactive, without, foreign = place
    outcomes = {
        "bad password": (active.email, "wrong password"),
        "empty password": (active.email, "x"),
        "too long": (active.email, "p" * 200),
        "unknown address": (f"{unique('no')}@example.com", USER_PASSWORD),
        "unknown name": (unique("no"), USER_PASSWORD),
        "inactive": (inactive.email, USER_PASSWORD),
        "inactive, wrong": (inactive.email, "wrong password"),
        "other tenant": (foreign.email, USER_PASSWORD),
        "no password set": (without.email, USER_PASSWORD),
    }
    seen = {}
    for name, (login, password) in outcomes.items():
        answer = attempt(api, tenant, which, login, password)
        refused(answer, 401, "invalid_credentials")
        assert "set-cookie" not in answer.headers
        seen[name] = without_ids(answer)
    first = seen["bad password"]
    different = {name: value for name, value in seen.items() if value != first}
    assert not different, (first, different)


def test_failures_say_the_same_on_every_path(api, place):
    """AU-3: the sentence is the same, whatever the path adds."""
    tenant = place[0]
    sentences = {attempt(api, tenant, which, unique("no"), "x" * 9).json()["error_description"]
                 for which in PATHS}
    assert len(sentences) == 1


def test_answers_of_each_document(api, place):
    """api.md §8."""
    tenant, active, *_ = place
    body = ok(attempt(api, tenant, "000", active.username, USER_PASSWORD))
    assert set(body) >= {"access_token", "refresh_token"}
    body = ok(attempt(api, tenant, "001-json", active.email, USER_PASSWORD))
    assert set(body) >= {"access_token", "refresh_token", "token_type", "expires_in"}
    body = ok(attempt(api, tenant, "004", active.username, USER_PASSWORD))
    assert body | {"message": 0} == {
        "message": 0, "user_id": active.id, "username": active.username, "tenant_id": tenant.id,
        "tenant_slug": tenant.slug, "role": "user"}
    body = ok(attempt(api, tenant, "003", active.email, USER_PASSWORD))
    assert body["user_id"] == active.id and set(body) >= {"access_token", "refresh_token"}


@every_path
def test_ten_failures_lock_on_every_path(connect, locking, which):
    """api.md §10, RL-2: ten in a row, over any mixture of paths; then 429 without a hash, with the
    right password too, for existing and unknown names alike."""
    api, world, tenant = locking
    user = world.named_user(tenant)
    unknown = f"{unique('no')}@example.com"
    others = list(PATHS)
    for number in range(10):
        path = others[number % len(others)]
        refused(attempt(api, tenant, path, user.email, "wrong password"), 401)
        refused(attempt(api, tenant, path, unknown, "wrong password"), 401)
    right = attempt(api, tenant, which, user.email, USER_PASSWORD)
    wrong = attempt(api, tenant, which, user.email, "wrong password")
    absent = attempt(api, tenant, which, unknown, "wrong password")
    for answer in (right, wrong, absent):
        refused(answer, 429, "too_many_attempts")
        assert 1 <= int(answer.headers["retry-after"]) <= 30
    assert right.json()["error_description"] == absent.json()["error_description"]
    assert set(right.json()) == set(absent.json())
    # By name or by address: one account, one lock.
    refused(attempt(api, tenant, which, user.username, USER_PASSWORD), 429)


@pytest.fixture(autouse=True)
def unlocked(service):
    """Failures of one test do not lock the next one out."""
    yield
    service.db.login_attempts.delete_many({})


@pytest.fixture(scope="module")
def locking(instances, connect):
    """An instance with the cheap hash, for tests that fail on purpose many times."""
    instance = instances({"password": {"scheme": "argon2id"}})
    api = connect(instance)
    world = World(api)
    tenant = world.key_tenant()
    instance.db.tenants.update_one({"slug": tenant.slug}, {"$set": {"plan": "enterprise"}})
    return api, world, tenant


def test_success_resets_the_count(locking):
    """api.md §10."""
    api, world, tenant = locking
    user = world.named_user(tenant)
    for _ in range(3):
        for _ in range(9):
            refused(attempt(api, tenant, "000", user.username, "wrong password"), 401)
        ok(attempt(api, tenant, "000", user.username, USER_PASSWORD))


def test_a_lock_is_the_tenants_own(locking):
    """E10: the same name in another tenant is not affected."""
    api, world, tenant = locking
    twin = world.tenant()
    name = unique("twin")
    world.named_user(tenant, name), world.named_user(twin, name)
    for _ in range(10):
        refused(attempt(api, tenant, "000", name, "wrong password"), 401)
    refused(attempt(api, tenant, "000", name, USER_PASSWORD), 429)
    ok(attempt(api, twin, "000", name, USER_PASSWORD))


def metrics(instance):
    """{name: value} of the counters without labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{instance.metrics_port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in
            (line.partition(" ") for line in lines if not line.startswith("#"))}


def test_failures_are_counted(locking):
    """R004-57: what the alert rules look at: failed sign-ins and accounts that were locked."""
    api, world, tenant = locking
    user = world.named_user(tenant)
    before = metrics(api.instance)
    for _ in range(10):
        refused(attempt(api, tenant, "000", user.username, "wrong password"), 401)
    refused(attempt(api, tenant, "000", user.username, USER_PASSWORD), 429)
    after = metrics(api.instance)
    for name, count in (("tenantd_login_failures_total", 10), ("tenantd_lockouts_total", 1)):
        assert after[name] - before[name] == count, name


def test_a_locked_user_stays_signed_in(locking):
    """api.md §11: refresh is unaffected."""
    api, world, tenant = locking
    user = world.user(tenant)
    for _ in range(10):
        refused(attempt(api, tenant, "000", user.email, "wrong password"), 401)
    refused(attempt(api, tenant, "000", user.email, user.password), 429)
    ok(api.post("/auth/refresh", json={"refresh_token": user.refresh_token}))
    ok(api.get("/users/me", token=user.token))


def test_a_lock_ends_and_comes_back_doubled(start_instance, connect):
    """api.md §10: 30 s, here a few; the first failure after a lock locks again, doubled."""
    def locks(seconds):
        api = connect(start_instance({"password": {"scheme": "argon2id"},
                                      "limits": {"lock_after": 3, "lock_seconds": seconds,
                                                 "lock_max_seconds": 3 * seconds}}))
        world = World(api)
        tenant = world.key_tenant(with_owner=False)
        user = world.named_user(tenant)

        def login(password):
            return attempt(api, tenant, "000", user.username, password)

        began = time.monotonic()
        for _ in range(3):
            refused(login("wrong password"), 401)
        for times in (1, 2, 3):
            told = wait_of(login(USER_PASSWORD))
            took = time.monotonic() - began
            if told is None or told <= (times - 1) * seconds:
                return None  # too late to tell this lock from the one before
            assert times * seconds - took <= told <= times * seconds
            time.sleep(told + 0.05)  # as it is told: that is its promise
            began = time.monotonic()
            refused(login("wrong password"), 401)
        told = wait_of(login("x"))
        if told is None:
            return None
        time.sleep(told + 0.05)
        return ok(login(USER_PASSWORD))

    seen_alive(locks, (1, 4, 15))


def wait_of(answer):
    """Seconds that a lock lasts on; None when it was over."""
    if answer.status_code != 429:
        return None
    return int(answer.headers["retry-after"])


def test_guesses_at_a_password_change_count(locking):
    """AU-5, RL-2: one counter under all ways to try a password."""
    api, world, tenant = locking
    user = world.user(tenant)
    for _ in range(10):
        refused(api.post("/auth/password/change", token=user.token, json={
            "current_password": "wrong password", "new_password": "new password 1"}), 401)
    refused(api.post("/auth/password/change", token=user.token, json={
        "current_password": user.password, "new_password": "new password 1"}), 429)
    refused(attempt(api, tenant, "000", user.email, user.password), 429)


def test_a_password_that_only_resembles_is_wrong(api, place):
    tenant, active, *_ = place
    for wrong in (USER_PASSWORD + " ", " " + USER_PASSWORD, USER_PASSWORD.upper(),
                  USER_PASSWORD[:-1], USER_PASSWORD + "\u200b"):
        refused(attempt(api, tenant, "000", active.username, wrong), 401)
    ok(attempt(api, tenant, "000", active.username, USER_PASSWORD))
