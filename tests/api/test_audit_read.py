"""Reading the audit log: filters, pages, and the export as a stream (R003-28, AL-1)."""
import concurrent.futures
import datetime
import itertools
import json
import os
import secrets
import socket
import uuid

import httpx
import pytest

from support.check import ok, refused, until
from support.world import World, unique

NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
FAST = {"password": {"scheme": "argon2id"}}
PAGES = "/tenants/audit"
EXPORT = "/tenants/audit/export"


def text(moment):
    return moment.isoformat().replace("+00:00", "Z")


def uuid7(moment, number):
    """An id like the service's: rows sort alike by id and by time."""
    ms = int(moment.timestamp() * 1000)
    return uuid.UUID(int=ms << 80 | 7 << 76 | 2 << 62 | number)


def fill(service, tenant, count, every=1, agent="filler/1.0"):
    """Rows that the service did not write: one per `every` seconds, the newest an hour old."""
    users = [uuid.uuid4() for _ in range(3)]
    salt = secrets.randbits(40) << 20
    rows = []
    for number in range(count):
        moment = NOW - datetime.timedelta(hours=1, seconds=(count - number) * every)
        rows.append({
            "_id": uuid7(moment, salt + number), "tenant_id": uuid.UUID(tenant.id),
            "user_id": users[number % 3], "action": ("login", "logout", "signup")[number % 5 % 3],
            "status": "failed" if number % 4 == 0 else "success", "ip_address": "192.0.2.1",
            "user_agent": agent, "timestamp": moment, "writer": uuid.UUID(int=1), "n": number + 1,
            "mac": b"0" * 32})
    for start in range(0, count, 5000):
        service.db.audit_logs.insert_many(rows[start:start + 5000])
    return users


@pytest.fixture(scope="module")
def admin(service, world):
    """An owner with a session, a key, and a log of 400 rows."""
    tenant = world.key_tenant()
    service.db.tenants.update_one({"slug": tenant.slug}, {"$set": {"plan": "enterprise"}})
    world.sign_in(tenant.owner)
    tenant.owner.filled = fill(service, tenant, 400)
    return tenant.owner


def read_all(api, admin, where=PAGES, token=None, **query):
    """All pages of a filter."""
    events, cursor = [], None
    for _ in range(100):
        page = ok(api.get(where, token=token or admin.token,
                          params=query | ({"cursor": cursor} if cursor else {})))
        events += page["events"]
        cursor = page["next"]
        if cursor is None:
            return events
    raise AssertionError("the pages have no end")


# -- who may read ------------------------------------------------------------------------------


def test_admins_read_by_token_and_by_session(api, admin):
    by_token = ok(api.get(PAGES, token=admin.token))
    by_session = ok(api.get(PAGES, cookie=admin.session))
    assert len(by_token["events"]) == len(by_session["events"]) == 50


def test_users_do_not(api, world, admin):
    user = world.user(admin.tenant)
    refused(api.get(PAGES, token=user.token), 403, "insufficient_scope")
    refused(api.get(EXPORT, token=user.token), 403, "insufficient_scope")
    refused(api.get(PAGES), 401)
    refused(api.get(PAGES, token=admin.tenant.key), 401)


def test_a_key_needs_its_scope(api, service, admin):
    where = f"/api/v1/{admin.tenant.id}/audit"
    assert ok(api.get(where, token=admin.tenant.key, params={"limit": 1}))["events"]
    keys = service.db.access_keys
    mine = {"tenant_id": uuid.UUID(admin.tenant.id)}
    before = keys.find_one(mine)["scopes"]
    keys.update_one(mine, {"$set": {"scopes": ["auth", "users:read"]}})
    try:
        until(lambda: api.get(where, token=admin.tenant.key).status_code == 403)
    finally:
        keys.update_one(mine, {"$set": {"scopes": before}})
    until(lambda: api.get(where, token=admin.tenant.key).status_code == 200)


# -- filters -----------------------------------------------------------------------------------

WAYS = ("action", "status", "user_id", "from", "to")


@pytest.mark.parametrize("names", [names for size in range(len(WAYS) + 1)
                                   for names in itertools.combinations(WAYS, size)], ids="+".join)
def test_every_combination_of_filters(api, service, admin, names):
    """Each gives what a plain walk over all rows gives, newest first."""
    values = {"action": "login", "status": "failed", "user_id": str(admin.filled[1]),
              "from": text(NOW - datetime.timedelta(hours=1, seconds=300)),
              "to": text(NOW - datetime.timedelta(hours=1, seconds=100))}
    query = {name: values[name] for name in names}
    checks = {"action": lambda row: row["action"] == "login",
              "status": lambda row: row["status"] == "failed",
              "user_id": lambda row: row.get("user_id") == admin.filled[1],
              "from": lambda row: text(row["timestamp"]) >= values["from"],
              "to": lambda row: text(row["timestamp"]) < values["to"]}
    def stored():
        everything = list(service.db.audit_logs.find(
            {"tenant_id": uuid.UUID(admin.tenant.id)}).sort([("timestamp", -1), ("_id", -1)]))
        return [str(row["_id"]) for row in everything if all(checks[name](row) for name in names)]

    def read():
        """While the service wrote nothing by itself: it tells of repeated refusals a minute later."""
        before = stored()
        found = [event["audit_id"] for event in read_all(api, admin, limit=150, **query)]
        return before == stored() and (before, found)

    expected, found = until(read)[0]
    assert found == expected


def test_a_key_filters_alike(api, admin):
    where = f"/api/v1/{admin.tenant.id}/audit"
    query = {"action": "logout", "status": "success", "user_id": str(admin.filled[2])}
    assert [event["audit_id"] for event in read_all(api, admin, where, admin.tenant.key, **query)] \
        == [event["audit_id"] for event in read_all(api, admin, **query)] != []


@pytest.mark.parametrize("query, field", [
    ({"colour": "red"}, "colour"), ({"Action": "login"}, "Action"), ({"action": "log in"}, "action"),
    ({"action": "x" * 65}, "action"), ({"status": "maybe"}, "status"), ({"user_id": "me"}, "user_id"),
    ({"from": "yesterday"}, "from"), ({"from": "2026-13-01T00:00:00Z"}, "from"),
    ({"to": "2026-01-01"}, "to"), ({"to": "1767225600"}, "to"),
    ({"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
    ({"limit": "0"}, "limit"), ({"limit": "201"}, "limit"), ({"limit": "-1"}, "limit"),
    ({"limit": "1.5"}, "limit"), ({"limit": "ten"}, "limit"), ({"action[$ne]": "x"}, "action[$ne]"),
])
def test_bad_parameters_say_what_is_allowed(api, admin, query, field):
    for where, token in ((PAGES, admin.token), (f"/api/v1/{admin.tenant.id}/audit",
                                                admin.tenant.key)):
        body = refused(api.get(where, token=token, params=query), 400)
        assert body["field"] == field and len(body["error_description"]) > len(field) + 10, body


def test_allowed_values_are_named(api, admin):
    body = refused(api.get(PAGES, token=admin.token, params={"status": "maybe"}), 400)
    assert "success" in body["error_description"] and "failed" in body["error_description"]
    body = refused(api.get(PAGES, token=admin.token, params={"colour": "red"}), 400)
    assert "user_id" in body["error_description"], body
    refused(api.get(EXPORT, token=admin.token, params={"action": "login"}), 400, field="action")


def test_the_same_name_twice_is_refused(api, admin):
    refused(api.get(PAGES + "?status=failed&status=success", token=admin.token), 400)


def test_empty_parameters_count_as_absent(api, admin):
    """A form with empty fields."""
    assert len(ok(api.get(PAGES + "?action=&status=&from=&to=&user_id=&cursor=&limit=7",
                          token=admin.token))["events"]) == 7


@pytest.mark.parametrize("offset", ["Z", "+00:00", "-00:00"])
def test_times_with_offsets(api, admin, offset):
    moment = (NOW - datetime.timedelta(hours=1, seconds=100)).strftime("%Y-%m-%dT%H:%M:%S")
    found = ok(api.get(PAGES, token=admin.token, params={"to": moment + offset, "limit": 1}))
    assert found["events"][0]["timestamp"] == text(
        NOW - datetime.timedelta(hours=1, seconds=101)).replace("Z", ".000Z")


# -- pages -------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 7, 200])
def test_pages_show_each_row_once(api, admin, limit):
    query = {"status": "failed", "to": text(NOW - datetime.timedelta(minutes=30))}
    whole = [event["audit_id"] for event in read_all(api, admin, limit=200, **query)]
    assert len(whole) == 100
    if limit == 1:
        query["from"] = text(NOW - datetime.timedelta(hours=1, seconds=60))
        whole = [event["audit_id"] for event in read_all(api, admin, **query)]
    assert [event["audit_id"] for event in read_all(api, admin, limit=limit, **query)] == whole


def test_rows_of_one_millisecond_are_told_apart(api, service, world):
    """A page may end between two of them."""
    tenant = world.key_tenant()
    fill(service, tenant, 30, every=0)
    found = [event["audit_id"] for event in read_all(
        api, tenant.owner, limit=4, to=text(NOW - datetime.timedelta(minutes=30)))]
    assert len(found) == len(set(found)) == 30
    lines = [json.loads(line)["audit_id"] for line in api.get(EXPORT, token=tenant.owner.token, params={
        "to": text(NOW - datetime.timedelta(minutes=30))}).text.splitlines()]
    assert lines == found[::-1]


def test_new_rows_do_not_shift_pages(api, world, admin):
    first = ok(api.get(PAGES, token=admin.token, params={"limit": 5}))
    world.login(admin)
    second = ok(api.get(PAGES, token=admin.token, params={"limit": 5, "cursor": first["next"]}))
    seen = [event["audit_id"] for event in first["events"] + second["events"]]
    assert len(set(seen)) == 10 and seen == sorted(seen, reverse=True)


def test_a_cursor_is_good_for_its_filter_and_tenant_alone(api, world, admin, keyed):
    cursor = ok(api.get(PAGES, token=admin.token, params={"status": "failed", "limit": 3}))["next"]
    ok(api.get(PAGES, token=admin.token, params={"status": "failed", "cursor": cursor}))
    for query in ({}, {"status": "success"}, {"status": "failed", "action": "login"}):
        refused(api.get(PAGES, token=admin.token, params=query | {"cursor": cursor}), 400,
                "invalid_cursor")
    refused(api.get(PAGES, token=keyed.owner.token,
                    params={"status": "failed", "cursor": cursor}), 400, "invalid_cursor")
    changed = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    for text_ in (changed, "junk", "A" * 1024):
        refused(api.get(PAGES, token=admin.token, params={"status": "failed", "cursor": text_}),
                400, "invalid_cursor")


def test_a_cursor_of_one_instance_is_good_on_the_other(pair):
    first, second = pair
    tenant = World(first).tenant(slug=unique("pair"))
    owner = World(first).login(tenant.owner)
    for _ in range(3):
        World(first).login(tenant.owner)
    page = ok(first.get(PAGES, token=owner["access_token"], params={"limit": 1}))
    other = ok(second.get(PAGES, token=owner["access_token"],
                          params={"limit": 1, "cursor": page["next"]}))
    assert other["events"][0]["audit_id"] < page["events"][0]["audit_id"]


# -- indexes -----------------------------------------------------------------------------------


def stages(plan):
    yield plan
    for key in ("inputStage", "queryPlan", "outerStage", "innerStage"):
        if key in plan:
            yield from stages(plan[key])
    for inner in plan.get("inputStages", []):
        yield from stages(inner)


@pytest.mark.parametrize("names", [names for size in range(4)
                                   for names in itertools.combinations(WAYS[:3], size)],
                         ids=lambda names: "+".join(names) or "none")
def test_every_filter_has_an_index(api, service, world, names):
    """No filter sorts in memory or walks other tenants' rows: the database is asked how it found
    what the service asked for. What it looked at is at most the rows of one of the filters."""
    tenant = world.key_tenant()
    users = fill(service, tenant, 300)
    fill(service, world.key_tenant(with_owner=False), 300)
    values = {"action": "signup", "status": "failed", "user_id": str(users[0])}
    service.db.command("profile", 2, filter={"ns": f"{service.database_name}.audit_logs"})
    try:
        api.get(PAGES, token=tenant.owner.token, headers={"User-Agent": "plan"},
                params={name: values[name] for name in names} | {"limit": 200})
    finally:
        service.db.command("profile", 0)
    asked = [entry for entry in service.db["system.profile"].find({"op": "query"})
             if entry["command"].get("find") == "audit_logs"
             and entry["command"]["filter"]["tenant_id"] == uuid.UUID(tenant.id)]
    assert asked
    command = asked[-1]["command"]
    told = service.db.command("explain", {name: command[name] for name in
                                          ("find", "filter", "sort", "limit")},
                              verbosity="executionStats", codec_options=service.db.codec_options)
    used = list(stages(told["queryPlanner"]["winningPlan"]))
    kinds = {stage["stage"] for stage in used}
    assert not kinds & {"COLLSCAN", "SORT"}, kinds
    for stage in used:
        if stage["stage"] == "IXSCAN":
            assert next(iter(stage["keyPattern"])) == "tenant_id", stage["keyPattern"]
    rows_of = {"action": 60, "status": 75, "user_id": 100}
    bound = max([rows_of[name] for name in names], default=201)
    assert told["executionStats"]["totalDocsExamined"] <= bound + 5


# -- export ------------------------------------------------------------------------------------


def lines_of(answer):
    return [json.loads(line) for line in answer.text.splitlines()]


def test_export_tells_all_rows_in_order(api, service, admin):
    answer = api.get(EXPORT, token=admin.token)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert "no-store" in answer.headers["cache-control"]
    assert f"audit-{admin.tenant.slug}" in answer.headers["content-disposition"]
    rows = lines_of(answer)
    stored = list(service.db.audit_logs.find({"tenant_id": uuid.UUID(admin.tenant.id)})
                  .sort([("timestamp", 1), ("_id", 1)]))
    found = [row["audit_id"] for row in rows]
    assert found == [str(row["_id"]) for row in stored][:len(found)]
    assert {row["action"] for row in rows} >= {"login", "logout", "signup"}
    assert set(rows[0]) >= {"audit_id", "user_id", "client_id", "action", "status", "ip_address",
                            "user_agent", "timestamp"}


def test_export_between_two_moments(api, admin):
    rows = lines_of(api.get(EXPORT, token=admin.token, params={
        "from": text(NOW - datetime.timedelta(hours=1, seconds=20)),
        "to": text(NOW - datetime.timedelta(hours=1, seconds=10))}))
    assert len(rows) == 10
    assert lines_of(api.get(EXPORT, token=admin.token, params={
        "from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"})) == []


def test_export_by_session(api, admin):
    assert len(lines_of(api.get(EXPORT, cookie=admin.session))) >= 400


def test_the_export_is_audited(api, service, admin):
    """AL-1: who took the log, and when; before anything left."""
    mine = {"tenant_id": uuid.UUID(admin.tenant.id), "action": "audit.exported"}
    before = service.db.audit_logs.count_documents(mine)
    api.get(EXPORT, token=admin.token)
    assert service.db.audit_logs.count_documents(mine) == before + 1
    assert service.db.audit_logs.find_one(mine)["user_id"] == uuid.UUID(admin.id)


#: That of the shipped configuration is 30 s; here nobody is cut who only stalls for a while.
PATIENT = FAST | {"server": {"body_timeout_ms": 120000, "threads": 16}}


@pytest.fixture(scope="module")
def long_log(instances, connect):
    """(instance, api, owner) with 20,000 rows."""
    with pytest.MonkeyPatch.context() as patch:  # the sanitizer must not keep what was freed
        patch.setenv("ASAN_OPTIONS", "detect_leaks=1:halt_on_error=1:abort_on_error=1:"
                                     "quarantine_size_mb=1:thread_local_quarantine_size_kb=64")
        instance = instances(PATIENT)
    client = connect(instance)
    tenant = World(client).key_tenant()
    fill(instance, tenant, 20000, agent="a long user agent " * 12)
    instance.db.tenants.update_one({"slug": tenant.slug}, {"$set": {"plan": "enterprise"}})
    return instance, client, tenant.owner


def resident(instance):
    with open(f"/proc/{instance.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_long_export_needs_little_memory(long_log):
    """20,000 rows, 8 MB: each once, in order, while the service keeps its size."""
    instance, client, owner = long_log
    until_ = text(NOW - datetime.timedelta(minutes=1))
    assert len(lines_of(client.get(EXPORT, token=owner.token, params={"to": until_}))) == 20000
    before, most = resident(instance), 0
    with client._http.stream("GET", EXPORT, params={"to": until_},
                             headers={"Authorization": f"Bearer {owner.token}"}) as answer:
        assert answer.headers["transfer-encoding"] == "chunked"
        assert "content-length" not in answer.headers
        numbers, size = [], 0
        for line in answer.iter_lines():
            numbers.append(json.loads(line)["audit_id"])
            size += len(line)
            if len(numbers) % 2000 == 0:
                most = max(most, resident(instance))
    assert len(numbers) == 20000 and numbers == sorted(set(numbers))
    assert size > 8_000_000
    assert most - before < 4_000_000, f"{(most - before) / 1e6:.1f} MB more for {size / 1e6:.1f} MB"


def test_a_long_export_ends_with_its_rights(long_log):
    """TS-13: an administrator who is demoted meanwhile reads no more of it."""
    instance, client, owner = long_log
    before = len(cut_lines(instance))
    world = World(client)
    admin = world.user(owner.tenant)
    role = f"/tenants/users/{admin.id}/role"
    ok(client.put(role, token=owner.token, json={"role": "admin"}))
    world.login(admin)
    with client._http.stream("GET", EXPORT, headers={"Authorization": f"Bearer {admin.token}"}) as answer:
        parts = answer.iter_bytes()
        size = len(next(parts))
        ok(client.put(role, token=owner.token, json={"role": "user"}))
        with pytest.raises(httpx.RemoteProtocolError):
            size += sum(len(part) for part in parts)
    assert answer.status_code == 200 and size < 8_000_000
    until(lambda: cut_lines(instance)[before:])


def request_bytes(instance, owner, version="1.1", method="GET"):
    return (f"{method} {EXPORT} HTTP/{version}\r\nHost: 127.0.0.1:{instance.port}\r\n"
            f"Authorization: Bearer {owner.token}\r\n\r\n").encode()


def connect_slow(instance):
    """A reader whose buffers hold little."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", instance.port))
    client.settimeout(90)
    return client


def read_to_end(client):
    received = b""
    while True:
        try:
            piece = client.recv(65536)
        except ConnectionResetError:
            return received
        if not piece:
            return received
        received += piece


def test_a_reader_that_stops_is_cut(long_log, start_instance, connect):
    """HT-9: it holds its thread for the time of one part, no longer; the answer has no end."""
    patient, _, owner = long_log
    instance = start_instance(FAST | {"server": {"body_timeout_ms": 1500, "threads": 16,
                                                 "public_url": patient.public_url}},
                              database=patient.database_name)
    with connect_slow(instance) as slow:
        slow.sendall(request_bytes(instance, owner))
        assert slow.recv(1024).startswith(b"HTTP/1.1 200")
        until(lambda: cut_lines(instance), seconds=15, pause=0.1)
        rest = read_to_end(slow)
    assert not rest.endswith(b"0\r\n\r\n")
    assert cut_lines(instance)[-1]["route"] == EXPORT
    assert connect(instance).get("/health").status_code == 200


def cut_lines(instance):
    return [line for line in instance.log_lines() if line.get("cut")]


def test_stopped_readers_do_not_take_all_threads(long_log):
    """An eighth of the threads may stream: the third of two is told to come again."""
    instance, client, owner = long_log
    slow = [connect_slow(instance) for _ in range(2)]
    try:
        for reader in slow:
            reader.sendall(request_bytes(instance, owner))
            assert reader.recv(1024).startswith(b"HTTP/1.1 200")
        answer = client.get(EXPORT, token=owner.token)
        refused(answer, 503, "busy")
        assert int(answer.headers["retry-after"]) >= 1
        ok(client.get(PAGES, token=owner.token))
    finally:
        for reader in slow:
            reader.close()
    until(lambda: client.get(EXPORT, token=owner.token).status_code == 200, seconds=10, pause=0.2)


def test_a_client_that_goes_ends_the_work(long_log):
    instance, client, owner = long_log
    before = len(cut_lines(instance))
    with connect_slow(instance) as gone:
        gone.sendall(request_bytes(instance, owner))
        assert gone.recv(1024).startswith(b"HTTP/1.1 200")
    until(lambda: len(cut_lines(instance)) > before, seconds=10, pause=0.05)
    assert client.get(EXPORT, token=owner.token).status_code == 200


def test_http_1_0_reads_to_the_end_of_the_connection(long_log):
    instance, _, owner = long_log
    with socket.create_connection(("127.0.0.1", instance.port), timeout=90) as old:
        old.sendall(request_bytes(instance, owner, version="1.0"))
        head, _, body = read_to_end(old).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and b"chunked" not in head.lower()
    assert b"content-length" not in head.lower() and b"connection: close" in head.lower()
    assert len(body.splitlines()) >= 20000 and json.loads(body.splitlines()[-1])


def test_head_has_no_body_and_the_connection_goes_on(long_log):
    instance, _, owner = long_log
    with socket.create_connection(("127.0.0.1", instance.port), timeout=90) as client:
        client.sendall(request_bytes(instance, owner, method="HEAD")
                       + f"GET /health HTTP/1.1\r\nHost: localhost:{instance.port}\r\n"
                         f"Connection: close\r\n\r\n".encode())
        received = read_to_end(client)
    first, _, rest = received.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200") and b"transfer-encoding: chunked" in first.lower()
    assert rest.startswith(b"HTTP/1.1 200") and b'"healthy"' in rest


def test_the_connection_serves_the_next_request(long_log):
    """After the last chunk."""
    _, client, owner = long_log
    for _ in range(2):
        assert len(client.get(EXPORT, token=owner.token).text) > 8_000_000
        ok(client.get("/health"))


def test_streams_side_by_side(long_log):
    _, client, owner = long_log
    until_ = text(NOW - datetime.timedelta(minutes=1))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        texts = list(pool.map(lambda _: client.get(EXPORT, token=owner.token,
                                                   params={"to": until_}).text, range(2)))
    assert texts[0] == texts[1] and texts[0].count("\n") == 20000


def test_a_database_that_fails_in_the_middle_cuts_the_answer(start_instance, connect, own_mongo):
    """Never a short file that looks whole."""
    instance = start_instance(FAST, server=own_mongo)
    client = connect(instance)
    tenant = World(client).key_tenant()
    fill(instance, tenant, 6000, agent="a long user agent " * 12)
    with connect_slow(instance) as reader:
        reader.sendall(request_bytes(instance, tenant.owner))
        received = reader.recv(1024)
        with own_mongo.failpoint(["find"], errorCode=8000, appName="tenantd"):
            received += read_to_end(reader)
    assert received.startswith(b"HTTP/1.1 200")
    assert not received.endswith(b"0\r\n\r\n")
    until(lambda: cut_lines(instance), seconds=10, pause=0.05)  # logged after the end was seen
    line = cut_lines(instance)[-1]
    assert line["route"] == EXPORT and line["error"]


def test_a_database_that_fails_at_once_is_503(start_instance, connect, own_mongo):
    instance = start_instance(FAST, server=own_mongo)
    client = connect(instance)
    tenant = World(client).key_tenant()
    with own_mongo.failpoint(["insert"], errorCode=189, appName="tenantd"):
        refused(client.get(EXPORT, token=tenant.owner.token), 503)
    assert client.get(EXPORT, token=tenant.owner.token).status_code == 200
