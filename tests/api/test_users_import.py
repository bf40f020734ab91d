"""Users brought in as NDJSON: streamed, in the background, told line by line (issue 6.6).

MIGRATION, api.md §7, §10 (Schema and import); IN-1, PW-8.
"""
import datetime
import gzip
import json
import os
import random
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor

import bcrypt
import pytest

from support.check import ok, refused, until
from support.world import USER_PASSWORD, key_of, unique

#: More rounds, longer lines: ./dev soak.
LONG = os.environ.get("TENANTD_LONG")
HASH = bcrypt.hashpw(USER_PASSWORD.encode(), bcrypt.gensalt(4)).decode()


def text_of(lines):
    return b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
                    for line in lines)


def send(api, tenant, lines, token=None, **parameters):
    return api.post("/users/import", token=token or tenant.owner.token, params=parameters,
                    content=text_of(lines) if not isinstance(lines, bytes) else lines,
                    headers={"Content-Type": "application/x-ndjson"})


def ended(api, tenant, answer, seconds=60, token=None):
    """The import when it is over."""
    made = ok(answer, 202)
    path = answer.headers["location"]
    assert path == f"/users/import/{made['id']}" and made["state"] in ("queued", "running", "done")

    def over():
        shown = ok(api.get(path, token=token or tenant.owner.token))
        return shown if shown["state"] not in ("queued", "running") else None
    return until(over, seconds=seconds, pause=0.05)[0]


def bring(api, tenant, lines, token=None, state="done", **parameters):
    result = ended(api, tenant, send(api, tenant, lines, token, **parameters), token=token)
    assert result["state"] == state, (result.get("error"), result.get("message"))
    return result


def counts(result):
    return tuple(result[name] for name in ("created", "updated", "skipped", "failed"))


def errors(result):
    return [(entry["line"], entry["error"], entry["pointer"]) for entry in result["errors"]]


def sign_in(api, tenant, name, password=USER_PASSWORD):
    return api.post("/auth/login", tenant=tenant.slug, json={"email": name, "password": password})


@pytest.fixture(scope="module")
def place(world):
    tenant = world.tenant()
    world.login(tenant.owner)
    return tenant


@pytest.fixture
def clean(api, place, service):
    """The tenant without the users and jobs of tests before."""
    yield place
    assert service.db.import_chunks.count_documents({"tenant_id": uuid.UUID(place.id)}) == 0
    users = service.db[place.collection]
    gone = users.delete_many({"role": {"$ne": "owner"}}).deleted_count
    usage = service.db.tenant_usage.find_one({"_id": uuid.UUID(place.id)})
    assert usage["users"] - gone == 1 and usage.get("owners") == 1, (usage, gone)
    service.db.tenant_usage.update_one({"_id": usage["_id"]},
                                       {"$set": {"users": 1, "inactive_users": 0}})


def test_lines_become_users(api, clean, service):
    """All members of a line are kept, and everybody signs in."""
    one = {"id": str(uuid.uuid4()), "username": "Änne", "email": "Anne@X.example", "name": "Anne",
           "password_hash": HASH, "role": "admin", "is_active": True, "is_email_verified": True,
           "custom_fields": {"age": 2**62, "tags": ["a", {"b": None}]},
           "created_at": "2001-02-03T04:05:06.789Z", "updated_at": "2002-02-03T04:05:06Z",
           "last_login_at": "2003-02-03T04:05:06Z"}
    result = bring(api, clean, [
        one, {"username": "plain", "password": "a plain 1 password"}, b"\r\n",
        {"email": "none@x.example", "is_active": False, "version": 7, "unknown": {}}])
    assert counts(result) == (3, 0, 0, 0) and result["errors"] == []
    assert (result["processed"], result["total"], result["mode"], result["dry_run"]) == \
        (4, 4, "insert", False)
    shown = ok(api.get(f"/tenants/users/{one['id']}", token=clean.owner.token))
    assert shown == {**{name: value for name, value in one.items() if name != "password_hash"},
                     "version": 1, "updated_at": "2002-02-03T04:05:06.000Z",
                     "last_login_at": "2003-02-03T04:05:06.000Z"}
    ok(sign_in(api, clean, "anne@x.example"))
    ok(sign_in(api, clean, "änne"))
    ok(sign_in(api, clean, "plain", "a plain 1 password"))
    refused(sign_in(api, clean, "none@x.example"), 401)
    usage = service.db.tenant_usage.find_one({"_id": uuid.UUID(clean.id)})
    assert (usage["users"], usage["inactive_users"]) == (4, 1)


def test_every_mistake_is_told_by_its_line(api, clean):
    """api.md §10: {line, error, pointer}; the good lines are taken all the same."""
    lines = [
        {"email": "good@x.example"},
        b"{\"email\": \"half",
        b"\n", b"\xff\n", b"[1]\n", b"{}\n",
        {"email": "no address"}, {"email": "r@x.example", "role": "king"},
        {"email": "o@x.example", "role": "owner"}, {"email": 7},
        {"email": "p@x.example", "password": "short"},
        {"email": "h@x.example", "password_hash": "$1$abc$def"},
        {"email": "b@x.example", "password": USER_PASSWORD, "password_hash": HASH},
        {"email": "good@X.example"}, {"id": "nope", "email": "i@x.example"},
        {"email": "c@x.example", "custom_fields": {"$where": 1}},
        b'{"email":"d@x.example","email":"e@x.example"}\n',
        b"x" * 70000 + b"\n",
        {"email": "d@x.example", "deletion_at": "2030-01-01T00:00:00Z"},
        b'{"email": "last@x.example"}']
    result = bring(api, clean, lines)
    assert errors(result) == [
        (2, "invalid_json", None), (3, "invalid_line", None), (4, "invalid_json", None),
        (5, "validation_failed", "/email"), (6, "validation_failed", "/email"),
        (7, "validation_failed", "/role"), (8, "role_not_allowed", "/role"),
        (9, "validation_failed", "/email"), (10, "validation_failed", "/password"),
        (11, "validation_failed", "/password_hash"), (12, "validation_failed", "/password_hash"),
        (13, "email_taken", "/email"), (14, "validation_failed", "/id"),
        (15, "invalid_custom_fields", "/custom_fields/$where"), (16, "invalid_json", None),
        (17, "invalid_line", None), (18, "validation_failed", "/deletion_at")], result["errors"]
    assert counts(result) == (2, 0, 0, 17)
    assert all(entry["message"] for entry in result["errors"])
    assert "line 1" in result["errors"][11]["message"], result["errors"][11]
    assert result["errors"][2]["message"].startswith("The line must be a JSON object")


def test_modes(api, clean):
    """Who is there: an error, changed, or left as they are."""
    bring(api, clean, [{"email": "m@x.example", "username": "m", "name": "Old",
                        "password_hash": HASH, "custom_fields": {"a": 1, "b": 2}}])
    line = {"email": "M@x.example", "name": "New", "custom_fields": {"a": None, "c": 3}}
    assert errors(bring(api, clean, [line])) == [(1, "email_taken", "/email")]
    assert counts(bring(api, clean, [line, line], mode="skip")) == (0, 0, 2, 0)
    before = ok(sign_in(api, clean, "m@x.example"))["access_token"]
    assert counts(bring(api, clean, [line, {**line, "name": "Newer"}], mode="upsert")) == (0, 2, 0, 0)
    shown = ok(api.get("/users/me", token=before))
    assert (shown["name"], shown["custom_fields"]) == ("Newer", {"b": 2, "c": 3})
    bring(api, clean, [{"username": "other"}])
    assert errors(bring(api, clean, [{"username": "other", "email": "m@x.example"},
                                     {"id": str(uuid.uuid4()), "username": "m"}],
                        mode="upsert")) == [(1, "email_taken", "/email"),
                                            (2, "username_taken", "/username")]


def test_another_hash_ends_what_was_issued(api, clean, service):
    """Upsert changes the security epoch when the hash, the role or the activity changes."""
    bring(api, clean, [{"email": "e@x.example", "password_hash": HASH}])
    for line, action in (({"password": "another 1 password"}, "user.password_set"),
                         ({"role": "admin"}, "user.role_changed"),
                         ({"is_active": False}, "user.deactivated")):
        token = ok(sign_in(api, clean, "e@x.example", "another 1 password" if action !=
                           "user.password_set" else USER_PASSWORD))["access_token"]
        told = {"tenant_id": uuid.UUID(clean.id), "action": action}
        before = service.db.audit_logs.count_documents(told)
        assert counts(bring(api, clean, [{"email": "e@x.example", **line}], mode="upsert")) == \
            (0, 1, 0, 0)
        until(lambda token=token: api.get("/users/me", token=token).status_code == 401, 1.0)
        assert service.db.audit_logs.count_documents(told) == before + 1


def test_a_key_takes_over_nobody(api, clean):
    """TS-13: PATCH sets no password, so an import does it only for a key that is trusted with
    hashes; users of its own have one all the same."""
    bring(api, clean, [{"email": "victim@x.example", "password_hash": HASH}])
    lines = [{"email": "victim@x.example", "password": "quite another 1"},
             {"email": "fresh@x.example", "password": "quite another 1"}]
    key = key_of(api, clean, "users:write")
    for dry_run in ("true", "false"):
        result = bring(api, clean, lines, token=key, mode="upsert", dry_run=dry_run)
        assert (counts(result), errors(result)) == ((1, 0, 0, 1), [(1, "insufficient_scope", "/password")])
    ok(sign_in(api, clean, "victim@x.example"))
    ok(sign_in(api, clean, "fresh@x.example", "quite another 1"))
    trusted = key_of(api, clean, "users:write", "users:hashes")
    assert counts(bring(api, clean, lines[:1], token=trusted, mode="upsert")) == (0, 1, 0, 0)
    ok(sign_in(api, clean, "victim@x.example", "quite another 1"))


def test_nobody_harms_themselves_or_owners(api, clean):
    own = clean.owner.email
    assert errors(bring(api, clean, [{"email": own, "is_active": False},
                                     {"email": own, "role": "user"}], mode="upsert")) == [
        (1, "forbidden", "/is_active"), (2, "forbidden", "/role")]
    key = key_of(api, clean, "users:write")
    result = bring(api, clean, [{"email": own, "name": "X"}, {"email": "k@x.example", "role": "admin"},
                                {"email": "l@x.example", "password_hash": HASH}],
                   token=key, mode="upsert")
    assert errors(result) == [(1, "insufficient_role", None), (2, "role_not_allowed", "/role"),
                              (3, "insufficient_scope", "/password_hash")]


def test_what_a_key_began_ends_with_it(api, clean, service):
    """A key that is revoked while its lines still come in writes nobody any more."""
    made = ok(api.post("/tenants/access-keys", token=clean.owner.token, json={
        "label": unique("key"), "scopes": ["users:write"]}), 201)

    def lines():
        yield b'{"email": "e@x.example"}\n'
        ok(api.delete(f"/tenants/access-keys/{made['id']}", token=clean.owner.token), 204)
        yield b'{"email": "f@x.example"}\n'

    job = ok(api.post("/users/import", token=made["access_key"], content=lines(),
                      headers={"Content-Type": "application/x-ndjson"}), 202)
    path = f"/users/import/{job['id']}"
    until(lambda: ok(api.get(path, token=clean.owner.token))["state"] not in ("queued", "running"))
    stored = service.db.jobs.find_one({"_id": uuid.UUID(job["id"])})
    assert (stored["state"], stored["error"]) == ("failed", "invalid_access_key"), stored
    assert "mode=skip" in stored["message"]
    assert service.db[clean.collection].count_documents({"role": "user"}) == 0


def test_a_dry_run_changes_nothing(api, clean, service):
    before = list(service.db[clean.collection].find())
    result = bring(api, clean, [{"email": "d@x.example", "password": USER_PASSWORD}, {},
                                {"email": clean.owner.email}], dry_run="true")
    assert counts(result) == (1, 0, 0, 2) and result["dry_run"] is True
    assert list(service.db[clean.collection].find()) == before
    for parameters in ({"dry_run": ""}, {"dryrun": "true"}):  # meant to be one
        answer = send(api, clean, [{"email": "d@x.example"}], **parameters)
        refused(answer, 400, field=next(iter(parameters)))


def test_a_dry_run_tells_what_the_run_would(api, clean, service):
    """The same verdict on each line, also on those that repeat one of another batch; and what it
    remembered for that goes bit by bit, whatever there is of it."""
    lines = [{"email": f"u{n % 1190}@x.example", "username": None if n % 2 else f"n{n % 1190}"}
             for n in range(1205)]
    keys = f"{service.database_name}.import_keys"
    service.db.system.profile.drop()
    service.db.command("profile", 2, filter={"ns": keys})
    for mode in ("insert", "skip", "upsert") if LONG else ("insert", "upsert"):
        dry = bring(api, clean, lines, dry_run="true", mode=mode)
        made = bring(api, clean, lines, mode=mode)
        assert counts(dry) == counts(made), mode
        assert counts(made)[0] == 1190
        assert [entry[:2] for entry in errors(dry)] == [entry[:2] for entry in errors(made)]
        service.db[clean.collection].delete_many({"role": "user"})
        service.db.tenant_usage.update_one({"_id": uuid.UUID(clean.id)}, {"$set": {"users": 1}})
    service.db.command("profile", 0)
    gone = [row["ndeleted"] for row in service.db.system.profile.find({"ns": keys, "op": "remove"})]
    assert sum(gone) > 1190 and max(gone) <= 1000, gone
    assert service.db.import_keys.count_documents({}) == 0


def test_the_plan_bounds_it(api, world):
    """One atomic reservation; lines beyond it are plan_limit, and signing up goes on being bounded."""
    tenant = world.tenant(plan="free")
    world.login(tenant.owner)
    result = bring(api, tenant, [{"email": f"p{n}@x.example"} for n in range(15)])
    assert counts(result) == (9, 0, 0, 6)
    assert errors(result) == [(n, "plan_limit", None) for n in range(10, 16)]
    refused(api.post("/auth/register", tenant=tenant.slug, json={
        "email": "more@x.example", "password": USER_PASSWORD}), 403, "plan_limit")


def test_a_dry_run_counts_places_of_all_its_batches(api, world):
    """What the lines before would have made takes places, too, however many batches ago."""
    tenant = world.tenant(plan="free")
    world.login(tenant.owner)
    dry = bring(api, tenant, [{"email": f"p{n}@x.example"} for n in range(600)], dry_run="true")
    assert counts(dry) == (9, 0, 0, 591)


def test_the_plan_holds_while_others_sign_up(api, world, service):
    """One transaction looks at the limit and takes the places: never one user more, none lost."""
    for _ in range(10 if LONG else 1):
        tenant = world.tenant(plan="free")
        world.login(tenant.owner)
        with ThreadPoolExecutor(9) as pool:
            sent = pool.submit(send, api, tenant, [{"username": f"i{n}"} for n in range(15)])
            others = [pool.submit(api.post, "/auth/register", tenant=tenant.slug, json={
                "email": f"{unique('r')}@x.example", "password": USER_PASSWORD}) for _ in range(8)]
            registered = sum(other.result().status_code == 201 for other in others)
        result = ended(api, tenant, sent.result())
        assert result["created"] + registered == 9 and result["failed"] == 15 - result["created"]
        assert service.db[tenant.collection].count_documents({}) == 10
        assert service.db.tenant_usage.find_one({"_id": uuid.UUID(tenant.id)})["users"] == 10


def test_one_at_a_time(api, clean, service):
    """A second import of the tenant is 409, before its body is read; another tenant's is not."""
    waiting = uuid.uuid4()
    now = datetime.datetime.now(datetime.timezone.utc)
    service.db.jobs.insert_one({
        "_id": waiting, "tenant_id": uuid.UUID(clean.id), "kind": "import", "alone": "import",
        "state": "queued", "input": {"mode": "insert"}, "created_at": now,
        "due_at": now + datetime.timedelta(days=1)})
    told = refused(send(api, clean, [{"username": "second"}]), 409, "conflict")
    assert str(waiting) in told["error_description"]
    cancelled = ok(api.delete(f"/users/import/{waiting}", token=clean.owner.token), 202)
    assert cancelled["state"] == "cancelled"
    assert counts(bring(api, clean, [{"username": "second"}])) == (1, 0, 0, 0)


def test_many_lines_with_duplicates_of_a_unique_field(api, clean, service):
    """What the database alone refuses is told by its line, and nobody else is lost."""
    users = service.db[clean.collection]
    users.create_index("custom_fields.badge", unique=True, name="test_badge",
                       partialFilterExpression={"custom_fields.badge": {"$exists": True}})
    try:
        lines = [{"email": f"u{n}@x.example", "custom_fields": {"badge": n % 1150}}
                 for n in range(1200)]
        result = bring(api, clean, lines)
    finally:
        users.drop_index("test_badge")
    assert counts(result) == (1150, 0, 0, 50)
    assert [entry["line"] for entry in result["errors"]] == list(range(1151, 1201))
    assert {entry["error"] for entry in result["errors"]} == {"value_taken"}
    assert users.count_documents({"role": "user"}) == 1150


def test_who_a_line_names_is_known_when_those_before_it_are_written(api, clean, service):
    """A name that one line gives away is free for the next, wherever batches end: nobody becomes
    somebody else. (Once, the second line here changed the user of the first.)"""
    ids = [str(uuid.uuid4()) for _ in range(3)]
    bring(api, clean, [{"id": ids[n], "username": f"user{n}", "email": f"u{n}@x.example"}
                       for n in range(3)])
    result = bring(api, clean, [
        {"id": ids[0], "username": "renamed"},
        {"username": "user0", "email": "new@x.example", "name": "New"},
        {"id": ids[1], "username": "between"}, {"id": ids[2], "username": "user1"},
        {"id": ids[1], "username": "user2"}], mode="upsert")
    assert counts(result) == (1, 4, 0, 0), result["errors"]
    users = {user["username"]: user for user in service.db[clean.collection].find({"role": "user"})}
    assert {name: user["email"] for name, user in users.items()} == {
        "renamed": "u0@x.example", "user0": "new@x.example", "user2": "u1@x.example",
        "user1": "u2@x.example"}
    assert users["user0"]["name"] == "New" and "name" not in users["renamed"]


def test_unique_values_go_to_the_line_that_comes_first(api, clean, service):
    """Also between new users and changes, which are not written in the order of their lines."""
    users = service.db[clean.collection]
    users.create_index("custom_fields.badge", unique=True, name="test_badge",
                       partialFilterExpression={"custom_fields.badge": {"$exists": True}})
    try:
        bring(api, clean, [{"email": f"u{n}@x.example", "custom_fields": {"badge": n}}
                           for n in range(2)])
        result = bring(api, clean, [
            {"email": "u0@x.example", "custom_fields": {"badge": 7}},
            {"email": "free@x.example", "custom_fields": {"badge": 0}},
            {"email": "u1@x.example", "custom_fields": {"badge": 8}},
            {"email": "late@x.example", "custom_fields": {"badge": 8}},
            {"email": "last@x.example", "custom_fields": {"badge": 9}}], mode="upsert")
    finally:
        users.drop_index("test_badge")
    assert counts(result) == (2, 2, 0, 1)
    assert errors(result) == [(4, "value_taken", "/custom_fields/badge")]
    assert {user["email"]: user["custom_fields"]["badge"] for user in users.find({"role": "user"})} \
        == {"u0@x.example": 7, "free@x.example": 0, "u1@x.example": 8, "last@x.example": 9}


def random_lines(rng, count):
    """Few ids, names, addresses and badges, so that most lines are about somebody of another one."""
    ids = [str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(4)]
    for number in range(count):
        line = {"name": f"n{number}"}
        if rng.random() < 0.4:
            line["id"] = rng.choice(ids)
        if rng.random() < 0.6:
            line["username"] = f"u{rng.randrange(5)}"
        if "username" not in line or rng.random() < 0.4:
            line["email"] = f"e{rng.randrange(5)}@x.example"
        if rng.random() < 0.5:
            line["custom_fields"] = {"badge": rng.randrange(4)}
        yield line


@pytest.mark.parametrize("seed", range(20) if LONG else [4])
def test_batches_are_lines_one_after_the_other(api, world, service, seed):
    """What comes of a file is what comes of its lines, each imported by itself."""
    lines = list(random_lines(random.Random(seed), 24))
    outcomes = []
    for parts in ([lines], [[line] for line in lines]):
        tenant = world.tenant()
        world.login(tenant.owner)
        ok(api.put("/tenants/schema", token=tenant.owner.token, json={
            "type": "object", "properties": {"badge": {"type": "integer", "x-unique": True}}}))
        made = [bring(api, tenant, part, mode="upsert") for part in parts]
        users = {user["name"]: (user.get("username"), user.get("email"), user.get("custom_fields"))
                 for user in service.db[tenant.collection].find({"role": "user"})}
        outcomes.append(([sum(column) for column in zip(*map(counts, made))], users))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0][1] > 0 and outcomes[0][0][3] > 0


def test_export_import_export_is_equal(api, clean, world):
    """api.md §7, "no lock-in": byte for byte, password hashes included."""
    bring(api, clean, [
        {"email": f"x{n}@x.example", "username": f"Üser{n}" if n % 2 else None,
         "password_hash": HASH, "is_active": n % 3 > 0, "is_email_verified": n % 2 == 0,
         "custom_fields": {"n": n, "<&>": "\u2028"}, "role": "admin" if n == 4 else "user",
         "created_at": f"20{n:02}-01-01T00:00:00Z",
         **({"deletion_at": "2090-01-01T00:00:00Z"} if n == 3 else {})} for n in range(20)])
    key = key_of(api, clean, "users:read", "users:hashes")
    exported = api.get("/users/export", token=key).content
    target = world.tenant()
    world.login(target.owner)
    target_key = key_of(api, target, "users:read", "users:hashes")
    lines = [line for line in exported.splitlines(keepends=True) if b'"role":"owner"' not in line]
    assert counts(bring(api, target, b"".join(lines))) == (20, 0, 0, 0)
    again = [line for line in api.get("/users/export", token=target_key).content.splitlines(
        keepends=True) if b'"role":"owner"' not in line]
    assert again == lines
    assert counts(bring(api, target, b"".join(lines), mode="upsert"))[3] == 0
    ok(sign_in(api, target, "x4@x.example"))


def test_a_line_of_many_megabytes(api, clean):
    """IN-1: it is told by its number, and the lines around it are taken; a step may use 64 MB."""
    size = 100 if LONG else 10
    def body():
        yield b'{"username":"before"}\n{"username":"'
        for _ in range(size):
            yield b"x" * 1000000
        yield b'"}\n{"username":"behind"}'
    answer = api.post("/users/import", token=clean.owner.token, content=body(),
                      headers={"Content-Type": "application/x-ndjson"})
    result = ended(api, clean, answer)
    assert counts(result) == (2, 0, 0, 1) and errors(result) == [(2, "invalid_line", None)]


def test_half_an_upload_leaves_nothing(api, clean, service):
    """A client that goes away in the middle: no job, no chunk, and the next import is welcome."""
    head = (f"POST /users/import HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
            f"{clean.owner.token}\r\nContent-Type: application/x-ndjson\r\n"
            "Content-Length: 9000000\r\n\r\n")
    jobs = service.db.jobs.count_documents({})
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as raw:
        raw.sendall(head.encode() + b'{"username":"half"}\n' * 40000)
        until(lambda: service.db.import_chunks.count_documents({}) > 0, seconds=10)
    until(lambda: service.db.import_chunks.count_documents({}) == 0, seconds=10)
    assert service.db.jobs.count_documents({}) == jobs
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as raw:
        raw.sendall(head.replace("9000000", str(2 << 30)).encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 413")
    assert counts(bring(api, clean, [{"username": "whole"}])) == (1, 0, 0, 0)


SCHEMA = {"type": "object", "additionalProperties": False, "required": ["department"], "properties": {
    "department": {"type": "string", "enum": ["sales", "support"], "default": "sales"},
    "born": {"type": "string", "format": "date"}, "seen": {"type": "string", "format": "date-time"},
    "badge": {"type": "string", "x-unique": True, "x-index": "ci"},
    "tax": {"type": "string", "x-encrypt": True, "x-read": "server", "x-write": "server"}}}


def with_schema(api, world):
    tenant = world.tenant()
    world.login(tenant.owner)
    ok(api.patch("/users/me", token=tenant.owner.token,
                 json={"custom_fields": {"department": "support"}}))
    api.put("/tenants/schema", token=tenant.owner.token, json=SCHEMA)
    until(lambda: api.get("/tenants/schema", token=tenant.owner.token).status_code == 200, 10, 0.1)
    return tenant, key_of(api, tenant, "users:read", "users:write", "users:hashes")


def test_a_schema_is_obeyed_on_the_way_in_and_out(api, world, service):
    """Defaults, types, rights and uniqueness as at ordinary creation; a server moves everything."""
    tenant, key = with_schema(api, world)
    users = [{"username": "s0", "custom_fields": {
        "born": "2000-02-29", "seen": "2024-01-02T03:04:05Z", "badge": "AB-1", "tax": "canary 12"}},
        {"username": "s1"}, {"username": "s2", "custom_fields": {"born": "2001-02-29"}},
        {"username": "s3", "custom_fields": {"badge": "ab-1"}},
        {"username": "s4", "custom_fields": {"unknown": 1}}]
    result = bring(api, tenant, users, token=key)
    assert errors(result) == [
        (3, "invalid_custom_fields", "/custom_fields/born"),
        (4, "value_taken", "/custom_fields/badge"),
        (5, "invalid_custom_fields", "/custom_fields/unknown")], result["errors"]
    stored = service.db[tenant.collection].find_one({"username": "s0"})["custom_fields"]
    assert isinstance(stored["born"], datetime.datetime) and isinstance(stored["tax"], bytes)
    assert errors(bring(api, tenant, [{"username": "s5", "custom_fields": {"tax": "x"}}])) == [
        (1, "field_not_writable", "/custom_fields/tax")]
    text = api.get("/users/export", token=key).text
    assert "canary 12" in text
    assert "canary" not in api.get("/users/export", token=tenant.owner.token).text
    lines = [line for line in text.encode().splitlines(keepends=True) if b'"owner"' not in line]
    target, target_key = with_schema(api, world)
    assert counts(bring(api, target, b"".join(lines), token=target_key)) == (2, 0, 0, 0)
    again = api.get("/users/export", token=target_key).content.splitlines(keepends=True)
    assert [line for line in again if b'"owner"' not in line] == lines
    # By whoever cannot see a field it stays.
    bring(api, target, [{"username": "s0", "custom_fields": {"department": "support"}}],
          mode="upsert")
    assert "canary 12" in api.get("/users/export", token=target_key).text


@pytest.mark.parametrize("body, says", [
    (b"", "no line"), (gzip.compress(b"{}"), "gzip"), (b"PK\x03\x04", "zip"),
    ("{}".encode("utf-16"), "UTF-16")], ids=["empty", "gzip", "zip", "utf-16"])
def test_what_is_no_text_is_refused_at_once(api, clean, body, says):
    assert says in refused(send(api, clean, body), 400)["error_description"]


def test_refusals(api, world, clean):
    """Other content types, unknown modes, those who are no owners, another's import."""
    refused(api.post("/users/import", token=clean.owner.token, json={}), 415)
    refused(send(api, clean, [{}], mode="replace"), 400, field="mode")
    refused(send(api, clean, [{}], moda="insert"), 400)
    user = world.user(clean)
    refused(send(api, clean, [{}], token=user.token), 403)
    result = bring(api, clean, [{"username": "mine"}])
    other = world.tenant()
    world.login(other.owner)
    for call in (api.get, api.delete):
        refused(call(f"/users/import/{result['id']}", token=other.owner.token), 404)
        refused(call("/users/import/x", token=clean.owner.token), 404)
    answer = api.delete(f"/users/import/{result['id']}", token=clean.owner.token)
    assert "or it is over" in refused(answer, 404)["error_description"]


def test_the_log_tells_of_it(api, clean, service):
    """Start, end, how many; and by name who got more rights than a user has."""
    mark = service.db.audit_logs.find_one(sort=[("_id", -1)])["_id"]
    bring(api, clean, [{"username": f"a{n}", "role": "admin" if n == 1 else "user"}
                       for n in range(5)])
    rows = list(service.db.audit_logs.find({"_id": {"$gt": mark}, "tenant_id": uuid.UUID(clean.id)},
                                           sort=[("_id", 1)]))
    admin = service.db[clean.collection].find_one({"username": "a1"})
    assert [(row["action"], row.get("count"), row.get("user_id")) for row in rows] == [
        ("import.started", None, None), ("user.created", None, admin["_id"]),
        ("users.imported", 5, None), ("import.ended", None, None)]
    assert {row["actor_id"] for row in rows} == {uuid.UUID(clean.owner.id)}


def test_lines_are_not_readable_at_rest(api, clean, service):
    """SK-4: they may hold passwords; none is left when the import is over (clean asserts that)."""
    with service.db.import_chunks.watch(full_document="updateLookup", max_await_time_ms=200) as news:
        bring(api, clean, [{"username": "secret", "password": "canary 1 password"}])
        (seen,), _ = until(lambda: [change["fullDocument"] for change in [news.try_next()]
                                    if change is not None and change["operationType"] == "insert"])
    assert b"canary" not in seen["sealed"] and b"secret" not in seen["sealed"]
