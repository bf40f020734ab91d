"""32 at once on two instances of one installation: what may happen once happens once.

TS-4, TS-11, RL-2, G5, G6, design §8. All requests of a round wait at one barrier.
"""
import hashlib
import json
import re
import uuid

import pytest

from support.check import ok, refused, until
from support.oauth import client, token
from support.racers import PARALLEL, Racers, race, statuses
from support.world import OWNER_PASSWORD, USER_PASSWORD, User, World, unique

@pytest.fixture(scope="module")
def racers(pair):
    made = Racers(pair)
    yield made
    made.close()


@pytest.fixture(scope="module")
def place(pair):
    """The first instance, its world, and a tenant."""
    world = World(pair[0])
    return pair[0], world, world.tenant()


@race(short=3)
def test_refresh(racers, place):
    """api.md §10: with grace 0 exactly one success, and the grant ends revoked."""
    api, world, tenant = place
    user = world.user(tenant)
    answers = racers.race(lambda racer, _: racer.post(
        "/auth/refresh", json={"refresh_token": user.refresh_token}))
    assert statuses(answers) == {200: 1, 401: PARALLEL - 1}
    (winner,) = [answer.json() for answer in answers if answer.status_code == 200]
    refused(api.post("/auth/refresh", json={"refresh_token": winner["refresh_token"]}), 401)
    until(lambda: api.get("/users/me", token=winner["access_token"]).status_code == 401, 1.0)


@pytest.fixture(scope="module")
def badges(place):
    """A tenant whose users have a unique badge, and a nick that is unique without case."""
    _, world, _ = place
    tenant = world.tenant()
    world.login(tenant.owner)
    ok(world.api.put("/tenants/schema", token=tenant.owner.token, json={"properties": {
        "badge": {"type": "string", "x-unique": True},
        "nick": {"type": "string", "x-unique": True, "x-index": "ci"}}}))
    return tenant


@race(short=2)
def test_a_unique_custom_field(racers, place, badges):
    """R003-05, issue 6: of 32 writers of one value exactly one has it, by whatever path; 409 names it."""
    _, world, _ = place
    value, users = unique("Badge"), [world.user(badges) for _ in range(4)]
    spelled = (value, value.upper(), value.lower())

    def write(racer, number):
        fields = {"badge": value} if number % 2 else {"nick": spelled[number % 3]}
        if number < 28:
            return racer.post("/auth/register", tenant=badges.slug, json={
                "email": f"{unique('b')}@example.com", "password": USER_PASSWORD,
                "custom_fields": fields})
        user = users[number - 28]
        return racer.patch("/users/me", token=user.token, json={"custom_fields": fields})

    answers = racers.race(write)
    won = [answer for answer in answers if answer.status_code in (200, 201)]
    assert len(won) == 2, statuses(answers)
    lost = [refused(answer, 409, "value_taken") for answer in answers if answer not in won]
    assert {body["field"] for body in lost} == {"/custom_fields/badge", "/custom_fields/nick"}
    found = list(place[0].instance.db[badges.collection].find(
        {"$or": [{"custom_fields.badge": value}, {"custom_fields.nick": {"$in": spelled}}]}))
    assert len(found) in (1, 2)


@race
def test_a_clients_refresh(racers, place):
    """G5: a confidential client's refresh token is good once, and then its grant is dead."""
    api, world, _ = place
    tenant = world.tenant()
    world.login(tenant.owner)
    made = client(api, tenant, grant_types=["password", "refresh_token"])
    text = ok(token(api, made, grant_type="password", username="owner",
                    password=tenant.owner.password))["refresh_token"]
    answers = racers.race(lambda racer, _: token(racer, made, grant_type="refresh_token",
                                                 refresh_token=text))
    assert statuses(answers) == {200: 1, 400: PARALLEL - 1}
    (winner,) = [answer.json() for answer in answers if answer.status_code == 200]
    refused(token(api, made, grant_type="refresh_token", refresh_token=winner["refresh_token"]),
            400, "invalid_grant")
    until(lambda: api.get("/api/protected", token=winner["access_token"]).status_code == 401, 1.0)


@race
def test_rotations_of_a_secret(racers, place):
    """R004-58: a rotation wins as a whole or is told that it came too late; the secret of the last
    one works on both instances, no other does."""
    api, world, _ = place
    tenant = world.tenant()
    world.login(tenant.owner)
    made = client(api, tenant, grant_types=["client_credentials"])
    answers = racers.race(lambda racer, _: racer.post(
        f"/oauth/client/{made['client_id']}/rotate-secret", token=tenant.owner.token, json={}))
    found = statuses(answers)
    assert set(found) <= {200, 409} and found[200] >= 1, found
    secrets = [made["client_secret"]] + [answer.json()["client_secret"] for answer in answers
                                         if answer.status_code == 200]
    stored = api.instance.db.oauth_clients.find_one({"_id": made["client_id"]})
    assert stored["version"] == len(secrets) and "old_secret_hash" not in stored
    last = [text for text in secrets
            if hashlib.sha256(text.encode()).digest() == stored["secret_hash"]]
    assert len(last) == 1 and last != secrets[:1]

    def works(racer):
        return [text for text in secrets if token(
            racer, made | {"client_secret": text}, grant_type="client_credentials"
        ).status_code == 200]
    for racer in racers.apis[:2]:
        until(lambda racer=racer: works(racer) == last, 2.0)


def console_form(api, user, path, action):
    """Token, once and version of a form on a page of the console."""
    page = api.get(path, tenant=user.tenant.slug, cookie=user.session,
                   headers={"Accept": "text/html"}).text
    part = page[page.index(f'action="{action}"'):]
    return dict(re.findall(r'name="(form_token|once|version)" value="([^"]*)"',
                           part[:part.index("</form>")]))


@race
def test_forms_of_an_application(racers, place):
    """R004-28, R004-58: a form that is sent 32 times registers one application, another replaces its
    secret once; the others are told, and no secret but the last one works."""
    api, world, _ = place
    owner = world.tenant().owner
    owner.session = world.sign_in(owner)
    root = "/dashboard/admin/clients"

    def send(racer, path, form):
        return racer.post(path, tenant=owner.tenant.slug, cookie=owner.session, form=form,
                          headers={"Accept": "text/html"})

    form = console_form(api, owner, root + "/new", root) | {"client_name": "N", "kind": "machine"}
    answers = racers.race(lambda racer, _: send(racer, root, form))
    assert statuses(answers) == {201: 1, 303: PARALLEL - 1}
    page = f"{root}/{form['once']}"
    form = console_form(api, owner, page, page + "/rotate") | {"overlap": "0"}
    replaced = racers.race(lambda racer, _: send(racer, page + "/rotate", form))
    found = statuses(replaced)
    assert found[200] == 1 and set(found) <= {200, 409, 412}, found
    shown = [secret for answer in answers + replaced
             for secret in re.findall(r"CLIENT_SECRET=([\w-]+)", answer.text)]
    assert len(shown) == 2
    stored = api.instance.db.oauth_clients.find_one({"tenant_id": uuid.UUID(owner.tenant.id)})
    assert page.endswith(stored["_id"]) and stored["version"] == 2
    assert stored["secret_hash"] == hashlib.sha256(shown[1].encode()).digest()


@race
def test_the_client_limit_of_the_plan(racers, place):
    """R004-12: free has 10; never an 11th, and every place is used."""
    api, world, _ = place
    tenant = world.tenant(plan="free")
    world.login(tenant.owner)
    answers = racers.race(lambda racer, _: racer.post(
        "/oauth/client/register", token=tenant.owner.token, json={
            "client_name": "Racer", "grant_types": ["client_credentials"]}))
    assert statuses(answers) == {201: 10, 403: PARALLEL - 10}
    assert {answer.json()["error"] for answer in answers if answer.status_code == 403} == \
        {"plan_limit"}
    assert api.instance.db.oauth_clients.count_documents({"tenant_id": uuid.UUID(tenant.id)}) == 10


@race
def test_refresh_with_grace(racers, place):
    """With a grace the losers get the same successor, and the grant lives."""
    api, world, _ = place
    tenant = world.tenant()
    world.login(tenant.owner)
    ok(api.put("/tenants/settings", token=tenant.owner.token,
               json={"settings": {"refresh_grace": 30}}))
    user = world.user(tenant)
    until(lambda: all(racer.get("/tenants/settings", token=tenant.owner.token)
                      .json()["settings"].get("refresh_grace") == 30
                      for racer in racers.apis[:2]), 2.0)
    answers = racers.race(lambda racer, _: racer.post(
        "/auth/refresh", json={"refresh_token": user.refresh_token}))
    successors = {answer.json()["refresh_token"] for answer in answers
                  if answer.status_code == 200}
    assert len(successors) == 1
    if set(statuses(answers)) == {200}:
        ok(api.post("/auth/refresh", json={"refresh_token": successors.pop()}))


@pytest.mark.parametrize("known", [True, False], ids=["existing", "unknown"])
@race
def test_login_attempts(racers, place, known):
    """RL-2, G6: never more than ten evaluated, for existing and unknown names alike."""
    api, world, tenant = place
    login = world.named_user(tenant).username if known else unique("nobody")
    answers = racers.race(lambda racer, _: racer.post(
        "/api/login", tenant=tenant.slug, json={"username": login, "password": "wrong password"}))
    found = statuses(answers)
    assert set(found) <= {401, 429}, found
    assert found[401] <= 10, found
    assert found[401] >= 1 and found[429] >= PARALLEL - 10
    refused(api.post("/api/login", tenant=tenant.slug,
                     json={"username": login, "password": USER_PASSWORD}), 429)


@race
def test_the_right_password_in_a_burst_of_wrong_ones(racers, place):
    """A flood of guesses evaluates at most ten in a row, whatever is among them."""
    api, world, tenant = place
    user = world.named_user(tenant)
    answers = racers.race(lambda racer, number: racer.post(
        "/api/login", tenant=tenant.slug, json={
            "username": user.username,
            "password": USER_PASSWORD if number == 5 else "wrong password"}))
    assert set(statuses(answers)) <= {200, 401, 429}
    assert statuses(answers).get(401, 0) <= 20  # the success may fall between two rows of ten


@race
def test_the_user_limit_of_the_plan(racers, place):
    """R004-11: free has 10; never an 11th, and every place is used."""
    api, world, _ = place
    tenant = world.tenant(plan="free")
    answers = racers.race(lambda racer, _: racer.post("/auth/register", tenant=tenant.slug, json={
        "email": f"{unique('lim')}@example.com", "password": USER_PASSWORD}))
    assert statuses(answers) == {201: 9, 403: PARALLEL - 9}
    assert {answer.json()["error"] for answer in answers if answer.status_code == 403} == \
        {"plan_limit"}
    assert api.instance.db[tenant.collection].count_documents({}) == 10


@race
def test_unique_email(racers, place):
    """AU-4: one of 32 spellings of one address gets in."""
    api, _, tenant = place
    stem = unique("race")
    answers = racers.race(lambda racer, number: racer.post(
        "/auth/register", tenant=tenant.slug, json={
            "email": spelling(stem, number) + "@Example.com", "password": USER_PASSWORD}))
    assert statuses(answers) == {201: 1, 409: PARALLEL - 1}
    assert {answer.json()["error"] for answer in answers if answer.status_code == 409} == \
        {"email_taken"}
    assert api.instance.db[tenant.collection].count_documents(
        {"email": {"$regex": f"^{stem}@", "$options": "i"}}) == 1


@race
def test_unique_username(racers, place):
    _, _, tenant = place
    stem = unique("race")
    answers = racers.race(lambda racer, number: racer.post(
        "/api/register", tenant=tenant.slug, json={
            "username": spelling(stem, number), "password": USER_PASSWORD}))
    assert statuses(answers) == {201: 1, 409: PARALLEL - 1}


def spelling(stem, number):
    """The stem with other letters in capitals for every number."""
    return "".join(letter.upper() if number >> (place % 5) & 1 else letter
                   for place, letter in enumerate(stem))


@race
def test_losers_give_their_place_back(racers, place):
    """design §8: 31 refused duplicates do not eat the plan."""
    api, world, _ = place
    tenant = world.tenant(plan="free")
    email = f"{unique('dup')}@example.com"
    answers = racers.race(lambda racer, _: racer.post(
        "/auth/register", tenant=tenant.slug, json={"email": email, "password": USER_PASSWORD}))
    assert statuses(answers)[201] == 1
    assert set(statuses(answers)) <= {201, 409, 403}
    for _ in range(8):
        ok(api.post("/auth/register", tenant=tenant.slug, json={
            "email": f"{unique('fill')}@example.com", "password": USER_PASSWORD}), 201)
    refused(api.post("/auth/register", tenant=tenant.slug, json={
        "email": f"{unique('fill')}@example.com", "password": USER_PASSWORD}), 403, "plan_limit")


@race
def test_tenant_slug(racers, place):
    """One tenant, one collection; the losers leave nothing."""
    api, _, _ = place
    slug = unique("race")
    before = set(api.instance.db.list_collection_names())
    answers = racers.race(lambda racer, number: racer.post("/tenants/register", json={
        "tenant_name": f"Racer {number}", "tenant_slug": slug, "admin_username": "admin",
        "admin_email": f"a{number}@{slug}.example", "admin_password": OWNER_PASSWORD}))
    assert statuses(answers) == {201: 1, 409: PARALLEL - 1}
    assert api.instance.db.tenants.count_documents({"slug": slug}) == 1
    made = set(api.instance.db.list_collection_names()) - before
    assert len([name for name in made if name.startswith("users_")]) == 1


@race
def test_numbered_slugs(racers, place):
    """api.md §6: the same name 32 times gives 32 slugs."""
    name = unique("Same Name ")
    answers = racers.race(lambda racer, _: racer.post(
        "/api/v1/clients/register", json={"client_name": name, "industry": "SaaS"}))
    assert statuses(answers) == {201: PARALLEL}
    assert len({answer.json()["slug"] for answer in answers}) == PARALLEL


@race
def test_key_rotation(racers, place):
    """TS-4: of 32 rotations with one key, those that succeed leave one live key."""
    api, world, _ = place
    tenant = world.key_tenant(with_owner=False)
    answers = racers.race(lambda racer, _: racer.post("/api/v1/clients/me/rotate-key",
                                                      token=tenant.key))
    assert set(statuses(answers)) <= {200, 401, 409}, statuses(answers)
    assert statuses(answers)[200] == 1
    live = [answer.json()["access_key"] for answer in answers if answer.status_code == 200]
    ok(api.get("/api/v1/clients/me", token=live[0]))
    until(lambda: api.get("/api/v1/clients/me", token=tenant.key).status_code == 401, 1.0)


@race
def test_profile_patches(racers, place):
    """No lost update: 32 patches of different members all arrive, or are told of the conflict."""
    api, world, tenant = place
    user = world.user(tenant)
    answers = racers.race(lambda racer, number: racer.patch(
        "/users/me", token=user.token, json={"custom_fields": {f"m{number}": number}}))
    assert set(statuses(answers)) <= {200, 409}, statuses(answers)
    kept = ok(api.get("/users/me", token=user.token))["custom_fields"]
    done = {f"m{number}" for number, answer in enumerate(answers) if answer.status_code == 200}
    assert set(kept) == done and done


@pytest.mark.parametrize("method, path, change", [
    ("PATCH", "/users/me", {"name": "Name {}"}),
    ("PATCH", "/tenants/users/{user}", {"name": "Name {}"}),
    ("PATCH", "/tenants/current", {"industry": "Industry {}"}),
    ("PUT", "/tenants/settings", {"settings": {"allowed_origins": ["https://{}.example"]}}),
], ids=["me", "user", "tenant", "settings"])
@race
def test_one_version_is_changed_once(racers, place, method, path, change):
    """api.md §1: of 32 changes bound to one version by If-Match one is made, the others are told."""
    api, world, _ = place
    owner = world.tenant().owner
    world.login(owner)
    path = path.format(user=owner.id)
    etag = api.get(path, token=owner.token).headers["etag"]
    answers = racers.race(lambda racer, number: racer.request(
        method, path, token=owner.token, headers={"If-Match": etag},
        json=json.loads(json.dumps(change).replace("{}", f"of{number}x"))))
    assert statuses(answers) == {200: 1, 412: PARALLEL - 1}
    (winner,) = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    assert f"of{winner}x" in api.get(path, token=owner.token).text
    assert api.get(path, token=owner.token).headers["etag"] == answers[winner].headers["etag"]


@race
def test_password_changes(racers, place):
    """PW-8: one of 32 wins; its password is the one that works."""
    api, world, tenant = place
    user = world.user(tenant)
    answers = racers.race(lambda racer, number: racer.post(
        "/auth/password/change", token=user.token, json={
            "current_password": user.password, "new_password": f"new password {number}"}))
    assert set(statuses(answers)) <= {204, 401, 409, 429}, statuses(answers)
    winners = [number for number, answer in enumerate(answers) if answer.status_code == 204]
    assert len(winners) == 1
    api.instance.db.login_attempts.delete_many({})  # failed guesses of the losers
    ok(api.post("/auth/login", tenant=tenant.slug, json={
        "email": user.email, "password": f"new password {winners[0]}"}))


@race
def test_logout_in_a_burst(racers, place):
    api, world, tenant = place
    user = world.user(tenant)
    answers = racers.race(lambda racer, number: racer.post(
        "/auth/logout" if number % 2 else "/auth/refresh",
        json={"refresh_token": user.refresh_token}))
    assert set(statuses(answers)) <= {200, 204, 401}
    for answer in answers:
        if answer.status_code == 200:
            refused(api.post("/auth/refresh",
                             json={"refresh_token": answer.json()["refresh_token"]}), 401)


def make_owners(api, world, tenant, count):
    """Further owners of the tenant; all of them, logged in."""
    world.login(tenant.owner)
    owners = [tenant.owner]
    for _ in range(count - 1):
        email = f"{unique('own')}@example.com"
        made = ok(api.post("/tenants/users", token=tenant.owner.token, json={
            "email": email, "password": USER_PASSWORD, "role": "owner"}), 201)["user"]
        owner = User(id=made["id"], tenant=tenant, email=email, password=USER_PASSWORD)
        world.login(owner)
        owners.append(owner)
    return owners


def owners_left(api, tenant):
    """How many there are, and how many the tenant's counter says."""
    db = api.instance.db
    counters = db.tenant_usage.find_one({"_id": uuid.UUID(tenant.id)})
    users = db[tenant.collection]
    assert counters["users"] == users.count_documents({})
    assert counters["inactive_users"] == users.count_documents({"is_active": False})
    return users.count_documents({"role": "owner", "is_active": True}), counters["owners"]


@race(short=3)
def test_two_owners_demote_each_other(racers, place):
    """R004-14: 32 demotions of each other on two instances: one owner stays, always."""
    api, world, _ = place
    tenant = world.tenant()
    owners = make_owners(api, world, tenant, 2)
    answers = racers.race(lambda racer, number: racer.put(
        f"/tenants/users/{owners[1 - number // 2 % 2].id}/role",
        token=owners[number // 2 % 2].token, json={"role": "user"}))
    assert set(statuses(answers)) <= {200, 401, 403}, statuses(answers)
    winners = {number // 2 % 2 for number, answer in enumerate(answers)
               if answer.status_code == 200}  # whose further demotions change nothing
    assert len(winners) == 1
    assert owners_left(api, tenant) == (1, 1)


def end_neighbour(racer, owners, number):
    """One of the ways in which a tenant loses an owner."""
    me = owners[number % len(owners)]
    neighbour = owners[(number + 1) % len(owners)].id
    return (lambda: racer.put(f"/tenants/users/{neighbour}/role", token=me.token,
                              json={"role": "user"}),
            lambda: racer.patch(f"/tenants/users/{neighbour}", token=me.token,
                                json={"is_active": False}),
            lambda: racer.delete(f"/tenants/users/{neighbour}", token=me.token),
            lambda: racer.delete("/users/me", token=me.token))[number // 2 % 4]()


@race
def test_the_last_owner_stays_whatever_ends_the_others(racers, place):
    """R004-14, R001-15: owners demote, deactivate and delete each other and themselves."""
    api, world, _ = place
    tenant = world.tenant()
    owners = make_owners(api, world, tenant, 8)
    answers = racers.race(lambda racer, number: end_neighbour(racer, owners, number))
    assert set(statuses(answers)) <= {200, 202, 204, 401, 403, 404}, statuses(answers)
    left, counted = owners_left(api, tenant)
    assert left == counted and 1 <= left < 8, (left, counted)


@race
def test_all_owners_close_their_accounts(racers, place):
    """R004-14: of 32 owners who leave at once exactly one has to stay."""
    api, world, _ = place
    tenant = world.tenant()
    owners = make_owners(api, world, tenant, PARALLEL)
    answers = racers.race(lambda racer, number: racer.delete("/users/me",
                                                             token=owners[number].token))
    assert statuses(answers) == {202: PARALLEL - 1, 403: 1}
    assert {answer.json()["error"] for answer in answers if answer.status_code == 403} == \
        {"last_owner"}
    assert owners_left(api, tenant) == (1, 1)
