"""Back-channel logout (OpenID Connect Back-Channel Logout 1.0; OA-21, TI-14, R003-21, R004-19).

A sink of the test's own receives what applications are told; tokens are read by PyJWT.
"""
import datetime
import ssl
import subprocess
import threading
import uuid

import jwt
import pytest

from support.api import Api
from support.authorize import authorize, back, code_client, code_of, exchange, params_of
from support.check import ok, refused, until
from support.oauth import ask
from support.racers import PARALLEL, Racers, race
from support.sink import Sink
from support.world import USER_PASSWORD, World, unique

EVENT = "http://schemas.openid.net/event/backchannel-logout"
#: An application that stalls is not asked again.
SOON = {"outbox": {"retry_first_ms": 20}, "fetch": {"timeout_ms": 30000}}


@pytest.fixture(scope="module")
def sink():
    made = Sink()
    yield made
    made.close()


@pytest.fixture(scope="module")
def here(instances):
    return instances(SOON)


@pytest.fixture(scope="module")
def there(instances, here):
    """A second instance of the same installation: issuers are the first one's."""
    return instances(SOON | {"server": {"public_url": here.public_url}},
                     database=here.database_name)


@pytest.fixture(scope="module")
def api(here, connect):
    return connect(here)


@pytest.fixture(scope="module")
def world(api):
    return World(api)


@pytest.fixture
def user(world, tenant):
    """Somebody with a session and session-less tokens."""
    made = world.user(tenant)
    world.sign_in(made)
    return made


def app(api, tenant, sink, path=None, **metadata):
    """A client that wants to be told; its path of the sink."""
    path = path or f"/{unique('app')}"
    made = code_client(api, tenant, backchannel_logout_uri=sink.url(path), **metadata)
    made["path"] = path
    return made


def enter(api, user, made, **changes):
    """The user goes to the application: its tokens."""
    return ok(exchange(api, made, code_of(api, user, made, **({"scope": "openid"} | changes))))


def told(sink, made, count=1):
    """The logout tokens that reached a client, once there are as many."""
    until(lambda: len(sink.of(made["path"])) >= count, 8)
    forms = sink.of(made["path"])
    assert all(set(form) == {"logout_token"} for form in forms)
    return [form["logout_token"][0] for form in forms]


def read(api, tenant, made, text, algorithm="RS256"):
    """Header and claims, after PyJWT has verified signature, issuer, audience and times."""
    metadata = ok(api.get(f"/t/{tenant.slug}/.well-known/openid-configuration"))
    head = jwt.get_unverified_header(text)
    keys = jwt.PyJWKSet.from_dict(ok(api.get(f"/t/{tenant.slug}/.well-known/jwks.json")))
    return head, jwt.decode(text, keys[head["kid"]], algorithms=[algorithm],
                            issuer=metadata["issuer"], audience=made["client_id"])


def rows(instance, made):
    return list(instance.db.outbox.find({"target": made["client_id"]}))


def audited(instance, made):
    """(status, reason) of the rows about deliveries to a client."""
    return [(row["status"], row.get("reason")) for row in instance.db.audit_logs.find(
        {"action": "logout.delivery", "oauth_client_id": made["client_id"]})]


def sign_out(api, user):
    assert api.post("/oauth/logout", tenant=user.tenant.slug, cookie=user.session).status_code == 204


# -- the token -----------------------------------------------------------------------------------


def test_the_token(api, here, tenant, sink, user):
    """§2.4: typ, alg and key of ID tokens; sid and sub as theirs; short; no nonce."""
    made = app(api, tenant, sink, backchannel_logout_session_required=True)
    pair = enter(api, user, made, nonce="n-1")
    sign_out(api, user)
    text, = told(sink, made)
    head, claims = read(api, tenant, made, text)
    identity = jwt.decode(pair["id_token"], options={"verify_signature": False})
    assert head["typ"] == "logout+jwt" and head["alg"] == "RS256"
    assert set(claims) == {"iss", "aud", "sub", "sid", "jti", "iat", "exp", "events"}
    assert claims["sub"] == user.id == identity["sub"] and claims["sid"] == identity["sid"]
    assert claims["events"] == {EVENT: {}} and 0 < claims["exp"] - claims["iat"] <= 120
    until(lambda: audited(here, made) == [("success", None)])
    until(lambda: rows(here, made) == [])
    row = here.db.audit_logs.find_one({"action": "logout.delivery",
                                       "oauth_client_id": made["client_id"]})
    assert row["user_id"] == uuid.UUID(user.id) and row["tenant_id"] == uuid.UUID(tenant.id)
    metadata = ok(api.get(f"/t/{tenant.slug}/.well-known/openid-configuration"))
    assert metadata["backchannel_logout_supported"] is True
    assert metadata["backchannel_logout_session_supported"] is True


def test_the_token_is_good_for_nothing_else(api, tenant, sink, user, world):
    """TS-3: no hint, no access token, no refresh token."""
    made = app(api, tenant, sink)
    enter(api, user, made)
    sign_out(api, user)
    text, = told(sink, made)
    world.sign_in(user)
    assert api.get(f"/t/{tenant.slug}/oauth/end-session?id_token_hint={text}", cookie=user.session,
                   headers={"Accept": "text/html"}).status_code == 400
    assert api.get("/api/protected", token=text).status_code == 401
    refused(ask(api, "/oauth/token", made, grant_type="refresh_token", refresh_token=text), 400,
            "invalid_grant")
    assert ok(ask(api, "/oauth/introspect", made, token=text)) == {"active": False}


def test_a_client_with_es256_gets_es256(api, tenant, sink, user):
    made = app(api, tenant, sink, id_token_signed_response_alg="ES256")
    enter(api, user, made)
    sign_out(api, user)
    text, = told(sink, made)
    assert read(api, tenant, made, text, "ES256")[1]["sub"] == user.id


# -- who is told, and when -----------------------------------------------------------------------


def page(api, user, path):
    return api.get(f"/t/{user.tenant.slug}{path}", cookie=user.session,
                   headers={"Accept": "text/html"}).text


def by_page(api, user, **_):
    html = page(api, user, "/dashboard")
    form = html[html.index("/logout\""):]
    token = form[form.index('value="') + 7:]
    return api.post(f"/t/{user.tenant.slug}/logout", cookie=user.session,
                    headers={"Accept": "text/html"}, form={"form_token": token[:token.index('"')]})


def by_hint(api, user, pair, **_):
    return api.get(f"/t/{user.tenant.slug}/oauth/end-session?id_token_hint={pair['id_token']}",
                   cookie=user.session, headers={"Accept": "text/html"})


def from_the_list(api, user, **_):
    listed = ok(api.get("/users/me/sessions", token=user.token))["sessions"]
    session, = [entry["id"] for entry in listed if entry["kind"] == "browser"]
    return api.delete(f"/users/me/sessions/{session}", token=user.token)


def by_owner(method, path, **options):
    def act(api, user, **_):
        return api.request(method, path.replace("{id}", user.id), token=user.tenant.owner.token,
                           **options)
    return act


WAYS = {
    "POST /oauth/logout": lambda api, user, **_: api.post(
        "/oauth/logout", tenant=user.tenant.slug, cookie=user.session),
    "page": by_page,
    "end-session": by_hint,
    "list of sessions": from_the_list,
    "everywhere": lambda api, user, **_: api.post("/auth/logout-all", token=user.token),
    "revoke-sessions": by_owner("POST", "/tenants/users/{id}/revoke-sessions"),
    "deactivated": by_owner("PATCH", "/tenants/users/{id}", json={"is_active": False}),
    "role": by_owner("PUT", "/tenants/users/{id}/role", json={"role": "admin"}),
    "deleted": by_owner("DELETE", "/tenants/users/{id}"),
    "password": lambda api, user, **_: api.post(
        "/auth/password/change", token=user.token,
        json={"current_password": USER_PASSWORD, "new_password": "another one 44"}),
    "account closed": lambda api, user, **_: api.request("DELETE", "/users/me", token=user.token),
}


@pytest.fixture(scope="module")
def common(api, tenant, sink):
    return app(api, tenant, sink)


@pytest.mark.parametrize("way", WAYS)
def test_every_end_of_a_session_tells(api, tenant, sink, user, common, way):
    """However it ends, each application of it is told once, of this session."""
    before = len(sink.of(common["path"]))
    pair = enter(api, user, common)
    enter(api, user, common)
    answer = WAYS[way](api, user, pair=pair)
    assert answer.status_code < 400, answer.text
    texts = told(sink, common, before + 1)[before:]
    assert len(texts) == 1
    claims = read(api, tenant, common, texts[0])[1]
    sid = jwt.decode(pair["id_token"], options={"verify_signature": False})["sid"]
    assert (claims["sub"], claims["sid"]) == (user.id, sid)


def test_each_client_of_the_session_and_no_other(api, world, here, tenant, sink, user):
    """With a live grant or a past one; not without an address, nor of another session or tenant."""
    live, past, unused, other = (app(api, tenant, sink) for _ in range(4))
    silent = code_client(api, tenant)
    foreign = world.tenant()
    world.login(foreign.owner)
    world.sign_in(foreign.owner)
    elsewhere = app(api, foreign, sink)
    enter(api, user, live)
    pair = enter(api, user, past, scope="openid offline_access")
    assert ask(api, "/oauth/revoke", past, token=pair["refresh_token"]).status_code == 200
    enter(api, user, silent)
    enter(api, foreign.owner, elsewhere)
    stays = world.user(tenant)
    world.sign_in(stays)
    enter(api, stays, other)
    sign_out(api, user)
    for made in (live, past):
        text, = told(sink, made)
        assert read(api, tenant, made, text)[1]["sub"] == user.id
    until(lambda: here.db.outbox.count_documents({}) == 0)
    assert not any(sink.of(made["path"]) for made in (unused, other, elsewhere))


def test_all_sessions_at_once(api, world, tenant, sink, user):
    """Signed out everywhere: a token for each session, each with its own sid."""
    made = app(api, tenant, sink)
    sids = set()
    for _ in range(3):
        world.sign_in(user)
        pair = enter(api, user, made)
        sids.add(jwt.decode(pair["id_token"], options={"verify_signature": False})["sid"])
    assert api.post("/auth/logout-all", token=user.token).status_code == 204
    found = [read(api, tenant, made, text)[1] for text in told(sink, made, 3)]
    assert {claims["sid"] for claims in found} == sids and len(sids) == len(found) == 3


def sign_in_again(api, user, session):
    """By a browser that has a session already."""
    answer = api.post("/oauth/login", tenant=user.tenant.slug, cookie=session, json={
        "username": user.email, "password": user.password})
    assert answer.status_code == 200, answer.text
    name = f"session-{user.tenant.slug}"
    return {name: answer.cookies[name]}


def test_signing_in_again_is_the_same_session(api, tenant, sink, user):
    """TS-8: the old cookie is dead; the sid stays, so that whoever came before is told, too."""
    before, after = (app(api, tenant, sink) for _ in range(2))
    first = enter(api, user, before)
    old = user.session
    user.session = sign_in_again(api, user, old)
    assert user.session != old
    assert api.get("/api/whoami", cookie=old).status_code == 401
    second = enter(api, user, after)
    one, two = (jwt.decode(pair["id_token"], options={"verify_signature": False})
                for pair in (first, second))
    assert one["sid"] == two["sid"] and one["auth_time"] <= two["auth_time"]
    assert not sink.of(before["path"])
    assert api.get("/oauth/userinfo", token=first["access_token"]).status_code == 200
    sign_out(api, user)
    for made in (before, after):
        text, = told(sink, made)
        assert read(api, tenant, made, text)[1]["sid"] == one["sid"]


def test_signing_in_as_another_ends_the_session(api, world, tenant, sink, user):
    """Nobody can come back to it."""
    made, other = app(api, tenant, sink), world.user(tenant)
    pair = enter(api, user, made)
    sign_in_again(api, other, user.session)
    text, = told(sink, made)
    assert read(api, tenant, made, text)[1]["sub"] == user.id
    assert api.get("/api/whoami", cookie=user.session).status_code == 401
    assert api.get("/oauth/userinfo", token=pair["access_token"]).status_code == 401


def test_very_many_sessions_are_one_token(api, here, tenant, sink, user):
    """A client that can do without sid is told of the user; the end of everything stays small."""
    made = app(api, tenant, sink)
    enter(api, user, made)
    session = here.db.sessions.find_one({"user_id": uuid.UUID(user.id)})
    here.db.sessions.insert_many([session | {"_id": uuid.uuid4(), "hash": uuid.uuid4().bytes * 2}
                                  for _ in range(500)])
    assert api.post("/auth/logout-all", token=user.token).status_code == 204
    text, = told(sink, made)
    claims = read(api, tenant, made, text)[1]
    assert claims["sub"] == user.id and "sid" not in claims
    assert here.db.sessions.count_documents({"user_id": uuid.UUID(user.id)}) == 0


# -- the outbox ----------------------------------------------------------------------------------


def test_failures_are_tried_again(api, here, tenant, sink, user):
    """An error and a redirect are failures; the same jti comes until one is taken."""
    made = app(api, tenant, sink)
    sink.answers[made["path"]] = [500, 302]
    enter(api, user, made)
    sign_out(api, user)
    texts = told(sink, made, 3)
    found = [read(api, tenant, made, text)[1] for text in texts]
    assert len({claims["jti"] for claims in found}) == 1
    until(lambda: audited(here, made) == [("success", None)])
    until(lambda: rows(here, made) == [])
    assert len(sink.of(made["path"])) == 3


def test_a_certificate_that_nobody_vouches_for(api, here, tenant, user, tmp_path):
    """The application's own, signed by itself: it is told nothing, and the row says why."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True, timeout=180)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    sink = Sink(context)
    made = app(api, tenant, sink)
    enter(api, user, made)
    sign_out(api, user)
    until(lambda: any("certificate" in row.get("last_error", "") for row in rows(here, made)), 4)
    here.db.outbox.delete_many({"target": made["client_id"]})
    sink.close()
    assert sink.received == []


def test_it_is_given_up_in_the_end(api, here, tenant, sink, user):
    """outbox.give_up_hours after the end of the session; the audit log tells."""
    made = app(api, tenant, sink)
    gate = sink.gates[made["path"]] = threading.Event()
    sink.answers[made["path"]] = [503] * 100
    enter(api, user, made)
    sign_out(api, user)
    told(sink, made)
    long_ago = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=25)
    here.db.outbox.update_one({"target": made["client_id"]}, {"$set": {"created_at": long_ago}})
    gate.set()
    until(lambda: audited(here, made) == [("failed", "given_up")], 4)
    until(lambda: rows(here, made) == [])


def test_what_a_newer_version_put_there_waits_for_it(api, here, tenant, sink, user):
    """OP-16: two versions on one database."""
    now = datetime.datetime.now(datetime.timezone.utc)
    row = {"_id": uuid.uuid4(), "tenant_id": uuid.UUID(tenant.id), "kind": "later", "target": "x",
           "due_at": now - datetime.timedelta(hours=1), "created_at": now,
           "expires_at": now + datetime.timedelta(days=1)}
    here.db.outbox.insert_one(row, bypass_document_validation=True)
    made = app(api, tenant, sink)
    enter(api, user, made)
    sign_out(api, user)
    told(sink, made)
    assert "attempts" not in here.db.outbox.find_one_and_delete({"_id": row["_id"]})


def test_nobody_waits_for_an_application(api, world, here, tenant, sink, user):
    """A user's request does not, and neither does another tenant's delivery."""
    slow = app(api, tenant, sink)
    gate = sink.gates[slow["path"]] = threading.Event()
    foreign = world.tenant()
    world.login(foreign.owner)
    world.sign_in(foreign.owner)
    quick = app(api, foreign, sink)
    for _ in range(6):
        world.sign_in(user)
        enter(api, user, slow)
    assert api.post("/auth/logout-all", token=user.token).status_code == 204
    until(lambda: len(sink.of(slow["path"])) == 2)
    enter(api, foreign.owner, quick)
    sign_out(api, foreign.owner)
    told(sink, quick)
    assert len(sink.of(slow["path"])) == 2, "half of the workers, and no more"
    gate.set()
    assert len(told(sink, slow, 6)) == 6
    until(lambda: rows(here, slow) == [])


def test_two_instances_deliver_once(api, world, here, there, tenant, sink, user):
    """A row is claimed by one update: every token comes once, whoever delivers it."""
    made = app(api, tenant, sink)
    sink.answers[made["path"]] = [503] * 10  # so that both have some to do
    sessions = 20
    for _ in range(sessions):
        world.sign_in(user)
        enter(api, user, made)
    assert api.post("/auth/logout-all", token=user.token).status_code == 204
    until(lambda: len(audited(here, made)) == sessions, 8)
    until(lambda: rows(here, made) == [])
    ids = [read(api, tenant, made, text)[1]["jti"] for text in told(sink, made)]
    assert len(set(ids)) == sessions and len(ids) == sessions + 10
    assert there.db.outbox.count_documents({}) == 0


@pytest.fixture(scope="module")
def racers(api, connect, there):
    made = Racers((api, connect(there)))
    yield made
    made.close()


@race
def test_codes_against_the_end_of_their_session(racers, api, world, here, tenant, sink, user, crowd):
    """Whoever got a code by the session is told of its end, or got none; nothing of it lives on."""
    world.sign_in(user)

    def act(racer, number):
        if number == PARALLEL // 2:
            return racer.post("/oauth/logout", tenant=tenant.slug, cookie=user.session)
        return authorize(racer, tenant, params_of(crowd[number % len(crowd)], scope="openid offline_access"),
                         user.session)

    before = [len(sink.of(made["path"])) for made in crowd]
    answers = racers.race(act)
    assert answers[PARALLEL // 2].status_code == 204
    got = {number % len(crowd) for number, answer in enumerate(answers)
           if "code=" in answer.headers.get("location", "")}
    for number in got:
        told(sink, crowd[number], before[number] + 1)
    until(lambda: here.db.outbox.count_documents({"user_id": uuid.UUID(user.id)}) == 0)
    assert {number for number, made in enumerate(crowd)
            if len(sink.of(made["path"])) > before[number]} >= got
    for answer in answers:
        if "code=" in answer.headers.get("location", ""):
            made = next(entry for entry in crowd if entry["client_id"] in str(answer.request.url))
            refused(exchange(api, made, back(answer)["code"]), 400, "invalid_grant")
    assert here.db.tokens.count_documents({"user_id": uuid.UUID(user.id), "state": {"$ne": "revoked"},
                                           "oauth_client_id": {"$exists": True}}) == 0


@pytest.fixture(scope="module")
def crowd(api, tenant, sink):
    return [app(api, tenant, sink) for _ in range(4)]


def test_the_row_survives_the_process(start_instance, sink):
    """kill -9 while it is being sent: whoever comes next sends it, with the same jti (OP-7)."""
    instance = start_instance(SOON)
    api = Api(instance)
    world = World(api)
    tenant = world.tenant()
    world.login(tenant.owner)
    world.sign_in(tenant.owner)
    made = app(api, tenant, sink)
    gate = sink.gates[made["path"]] = threading.Event()
    enter(api, tenant.owner, made)
    sign_out(api, tenant.owner)
    told(sink, made)
    instance.kill()
    row, = rows(instance, made)
    assert row["attempts"] == 1 and row["due_at"] > row["created_at"]
    gate.set()
    instance.db.outbox.update_one({"_id": row["_id"]}, {"$currentDate": {"due_at": True}})
    instance.start()
    first, second = (read(api, tenant, made, text)[1] for text in told(sink, made, 2))
    assert first["jti"] == second["jti"] == str(row["_id"])
    until(lambda: audited(instance, made) == [("success", None)])
    until(lambda: rows(instance, made) == [])


def test_inner_addresses_are_refused(api, here, there, tenant, sink, user):
    """TI-14: without fetch.allow, as in production, loopback is not sent to, and the log says so."""
    made = [app(api, tenant, sink),
            code_client(api, tenant, backchannel_logout_uri=f"http://localhost:{sink.port}/inner")]
    for instance in (here, there):
        instance.reload_as({"fetch": {"allow": []}})
    try:
        for entry in made:
            enter(api, user, entry)
        sign_out(api, user)
        for entry in made:
            until(lambda entry=entry: audited(here, entry) == [("failed", "address_refused")])
            until(lambda entry=entry: rows(here, entry) == [])
        assert sink.of(made[0]["path"]) == sink.of("/inner") == []
    finally:
        for instance in (here, there):
            instance.reload_as({"fetch": {"allow": ["127.0.0.0/8", "::1"]}})
