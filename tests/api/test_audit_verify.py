"""tenantd audit verify: rows that were altered, inserted or taken away are found (AL-3, AL-5, AL-9,
R001-22). What stands in a row's HMAC is made here once more, independently of the service."""
import datetime
import hashlib
import hmac
import json
import os
import random
import struct
import uuid

import pytest

from support import oauth
from support.instance import MASTER_KEY, run
from support.world import USER_PASSWORD, World

FAST = {"password": {"scheme": "argon2id"}}
SEED = 20260131


def audit_key():
    import base64
    return hmac.digest(base64.b64decode(MASTER_KEY), b"audit", "sha256")


def length_text(value):
    if value is None:
        return b"\xff\xff\xff\xff"
    return struct.pack(">I", len(value.encode())) + value.encode()


def to_ms(moment):
    return (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) \
        // datetime.timedelta(milliseconds=1) if moment else 0


def mac_of(row):
    """HMAC-SHA-256 of the canonical bytes (docs/AUDIT.md)."""
    none = uuid.UUID(int=0)
    parts = [b"tenantd audit 1"]
    if "oauth_client_id" in row:
        parts = [b"tenantd audit 2", length_text(row["oauth_client_id"])]
    parts += [row["_id"].bytes, row["tenant_id"].bytes,
             row.get("user_id", none).bytes, row.get("key_id", none).bytes]
    parts += [length_text(row.get(name)) for name in
              ("action", "status", "reason", "ip_address", "user_agent", "request_id")]
    parts += [struct.pack(">q", to_ms(row["timestamp"])), row["writer"].bytes,
              struct.pack(">q", row["n"]), struct.pack(">q", to_ms(row.get("purge_at")))]
    if "count" in row:
        parts.append(struct.pack(">q", row["count"]))
    if "actor_id" in row:
        parts.append(row["actor_id"].bytes)
    return hmac.digest(audit_key(), b"".join(parts), hashlib.sha256)


def uuid7(moment, number):
    return uuid.UUID(int=to_ms(moment) << 80 | 7 << 76 | 2 << 62 | number)


def make_rows(count, *, tenants, start, step=1.0, first=1):
    """Genuine rows of one writer."""
    writer, rows = uuid.uuid4(), []
    salt = random.getrandbits(40) << 20
    for number in range(first, first + count):
        moment = start + datetime.timedelta(seconds=int((number - first) * step))
        row = {"_id": uuid7(moment, salt + number), "tenant_id": tenants[number % len(tenants)],
               "user_id": uuid.uuid4(), "action": "login", "status": "success",
               "ip_address": "192.0.2.7", "timestamp": moment, "writer": writer, "n": number,
               "request_id": f"r{number}"}
        row["mac"] = mac_of(row)
        rows.append(row)
    return rows


@pytest.fixture(scope="module")
def installation(instances, connect):
    """Two instances of one database that have written rows for two tenants."""
    shared = FAST | {"server": {"public_url": "http://localhost:8080"}}
    first = instances(shared)
    second = instances(shared, database=first.database_name)
    tenants = []
    for instance in (first, second):
        client = connect(instance)
        tenants.append(World(client).tenant())
        for _ in range(6):
            World(client).login(tenants[-1].owner)
            client.get("/tenants/audit", tenant=tenants[-1].slug)
        client.post("/tenants/users", token=tenants[-1].owner.token,
                    json={"username": "made", "password": USER_PASSWORD})
        made = oauth.client(client, tenants[-1], grant_types=["client_credentials"])
        oauth.token(client, made, grant_type="client_credentials")
    for instance in (first, second):
        assert instance.stop() == []  # then it writes what it has counted, and nothing from then on
    return first, [uuid.UUID(tenant.id) for tenant in tenants]


def verify(instance, *options, status=None):
    """(verdict with findings) of the command."""
    code, out, err = run(["audit", "verify", "--json", "--config",
                          os.path.join(instance.directory, "config.yaml"), *options])
    verdict = json.loads(out)
    assert code == (0 if verdict["intact"] else 1), err
    if status is not None:
        assert code == status, out[:1000]
    return verdict


def ago(**parts):
    return (datetime.datetime.now(datetime.timezone.utc)
            - datetime.timedelta(**parts)).replace(microsecond=0)


@pytest.fixture
def logs(installation):
    """The collection; put back as it was."""
    instance, _ = installation
    collection = instance.db.audit_logs
    before = list(collection.find())
    yield collection
    collection.delete_many({})
    collection.insert_many(before)


def found(verdict, flaw):
    return [finding for finding in verdict["findings"] if finding["flaw"] == flaw]


def covered(verdict):
    """(writer, n) that a finding names."""
    return {(finding["writer"], number) for finding in verdict["findings"]
            for number in range(finding["first"], finding["last"] + 1)}


def test_the_rows_of_two_instances_are_intact(installation, logs):
    """And their MACs are what the document says."""
    instance, _ = installation
    members = set()
    for row in logs.find():
        assert row["mac"] == mac_of(row), row
        members |= set(row)
    assert {"user_id", "actor_id", "count", "reason", "oauth_client_id"} <= members
    verdict = verify(instance, status=0)
    assert verdict["rows"] == logs.count_documents({})
    assert verdict["writers"] >= 2 and verdict["findings"] == []


def test_a_thousand_random_tampers_are_found(installation, logs):
    """Edits of each field, deletions, swaps and insertions, in one log: each is named."""
    instance, tenants = installation
    dice = random.Random(SEED)
    rows = [row for _ in range(2) for row in make_rows(4000, tenants=tenants, start=ago(hours=3))]
    logs.insert_many(rows)
    verify(instance, status=0)
    newest = {(row["writer"], row["n"]) for row in (rows[3999], rows[7999])}
    pool = [row for row in rows if (row["writer"], row["n"]) not in newest]
    dice.shuffle(pool)
    expected, fake_ids = set(), set()
    for number in range(1000):
        kind = ("edit", "delete", "swap", "insert")[number % 4]
        row = pool.pop()
        if kind == "edit":
            edit(dice, logs, row)
        elif kind == "delete":
            logs.delete_one({"_id": row["_id"]})
        elif kind == "swap":
            other = pool.pop()
            swap(dice, logs, row, other)
            expected.add((str(other["writer"]), other["n"]))
        else:
            fake_ids.add(insert_fake(dice, logs, row))
            continue
        expected.add((str(row["writer"]), row["n"]))
    verdict = verify(instance, status=1)
    assert expected <= covered(verdict), sorted(expected - covered(verdict))[:5]
    named = {finding.get("audit_id") for finding in verdict["findings"]}
    assert {str(fake) for fake in fake_ids} <= named
    assert verdict["missing"] >= 250


def edit(dice, logs, row):
    """One field becomes another value, is lost, or changes its type; the number stays."""
    field, value = dice.choice([
        ("user_id", uuid.uuid4()), ("tenant_id", uuid.uuid4()), ("action", "logout"),
        ("status", "failed"), ("ip_address", "192.0.2.8"), ("user_agent", "nobody"),
        ("reason", "none"), ("request_id", "other"), ("key_id", uuid.uuid4()), ("count", 5), ("actor_id", uuid.uuid4()),
        ("oauth_client_id", "other"),
        ("timestamp", row["timestamp"] + datetime.timedelta(milliseconds=1)),
        ("purge_at", ago(days=-1)), ("mac", bytes(32)), ("mac", row["mac"][:31]), ("mac", "text"),
        ("action", 7), ("status", None), ("timestamp", "now"), ("user_id", "me")])
    change = {"$unset": {field: ""}} if value is None else {"$set": {field: value}}
    logs.database.command("update", "audit_logs", bypassDocumentValidation=True, updates=[
        {"q": {"_id": row["_id"]}, "u": change}], codec_options=logs.codec_options)


def swap(dice, logs, one, two):
    """Two rows change what they say, or their places."""
    names = dice.choice([("action", "user_id", "timestamp", "request_id"), ("writer", "n"),
                         ("n",), ("mac",)])
    if names == ("n",) and one["n"] == two["n"]:
        names = ("mac",)
    for row, other in ((one, two), (two, one)):
        logs.update_one({"_id": row["_id"]}, {"$set": {name: other[name] for name in names}})


def insert_fake(dice, logs, like):
    """A copy under another id, with the number of a row that is there, or of none."""
    fake = dict(like, _id=uuid7(like["timestamp"], dice.getrandbits(60)))
    fake["n"] = dice.choice([like["n"], like["n"], 1_000_000 + dice.getrandbits(20)])
    fake["writer"] = dice.choice([like["writer"], uuid.uuid4()])
    if dice.random() < 0.5:
        fake["mac"] = dice.randbytes(32)
    logs.insert_one(fake)
    return fake["_id"]


def test_a_gap_says_where_and_when(installation, logs):
    instance, tenants = installation
    rows = make_rows(50, tenants=tenants, start=ago(hours=2))
    logs.insert_many(rows[:9] + rows[12:])
    (gap,) = verify(instance, status=1)["findings"]
    assert gap["flaw"] == "missing" and (gap["first"], gap["last"]) == (10, 12)
    assert gap["writer"] == str(rows[0]["writer"])
    assert gap["before"].startswith(rows[12]["timestamp"].strftime("%Y-%m-%dT%H:%M:%S"))


def test_the_first_rows_are_missed_too(installation, logs):
    instance, tenants = installation
    logs.insert_many(make_rows(20, tenants=tenants, start=ago(hours=2))[3:])
    (gap,) = verify(instance, status=1)["findings"]
    assert (gap["first"], gap["last"]) == (1, 3)


def test_what_retention_removed_is_not_missing(installation, logs):
    """The shortest audit_days of a plan is 30: older gaps may be by right, younger ones may not."""
    instance, tenants = installation
    old = make_rows(60, tenants=tenants, start=ago(days=60), step=86400)
    logs.insert_many(old[20:25] + old[27:40] + old[44:])
    verdict = verify(instance, status=1)
    assert verdict["expired"] == 20 + 2
    assert [(gap["first"], gap["last"]) for gap in found(verdict, "missing")] == [(41, 44)]
    assert verify(instance, "--retention-days", "5", status=0)["expired"] == 26
    assert verify(instance, "--retention-days", "365", status=1)["missing"] == 26


def test_rows_on_their_way_are_not_missing(installation, logs):
    """A transaction that took a number may commit after the next one."""
    instance, tenants = installation
    logs.insert_many([row for row in make_rows(5, tenants=tenants, start=ago(seconds=5))
                      if row["n"] != 3])
    assert verify(instance, status=0)["pending"] == 1


def test_the_limit_that_the_document_names(installation, logs):
    """The newest rows of a writer leave no gap: only sealed blocks will show them."""
    instance, tenants = installation
    rows = make_rows(30, tenants=tenants, start=ago(hours=1))
    logs.insert_many(rows[:25])
    assert verify(instance, status=0)["missing"] == 0
    with open(os.path.join(os.path.dirname(__file__), "../../docs/AUDIT.md"),
              encoding="utf-8") as file:
        assert "newest rows" in file.read()


def test_memory_does_not_grow_with_the_log(installation, logs):
    """The peak may not tell that there are more: not by 300 bytes for each."""
    instance, tenants = installation
    few, many = (40000, 60000) if os.environ.get("TENANTD_LONG") else (8000, 16000)
    rows = make_rows(many, tenants=tenants, start=ago(hours=4), step=0.1)
    logs.insert_many(rows[:few], ordered=False)
    before = peak(instance)
    logs.insert_many(rows[few:], ordered=False)
    assert peak(instance) - before < (many - few) * 300 // 1000, "kB"


def peak(instance):
    """kB at most."""
    import resource
    import subprocess
    from support.instance import program
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:quarantine_size_mb=1")
    child = subprocess.Popen([program(), "audit", "verify", "--config",
                              os.path.join(instance.directory, "config.yaml")], env=environment,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0 and isinstance(usage, resource.struct_rusage)
    return usage.ru_maxrss


# -- the other actions -------------------------------------------------------------------------


def command(instance, *words):
    return run(["audit", *words, "--config", os.path.join(instance.directory, "config.yaml")])


@pytest.fixture(scope="module")
def slug(installation):
    instance, tenants = installation
    return instance.db.tenants.find_one({"_id": tenants[0]})["slug"]


def test_list_by_command(installation, slug):
    instance, _ = installation
    status, out, _ = command(instance, "list", "--tenant", slug, "--action", "login", "--json",
                             "--limit", "3")
    events = json.loads(out)["events"]
    assert status == 0 and len(events) == 3 and {event["action"] for event in events} == {"login"}
    status, out, _ = command(instance, "list", "--tenant", slug, "--status", "failed")
    assert status == 0 and "access.denied" in out and "login" not in out


def test_export_by_command(installation, slug):
    """The same lines as by HTTP, and a row of its own."""
    instance, tenants = installation
    status, out, err = command(instance, "export", "--tenant", slug)
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and f"exported {len(rows)} rows" in err
    assert [row["audit_id"] for row in rows] == sorted(row["audit_id"] for row in rows)
    assert {row["client_id"] for row in rows} == {str(tenants[0])}
    assert instance.db.audit_logs.count_documents(
        {"tenant_id": tenants[0], "action": "audit.exported"}) >= 1


@pytest.mark.parametrize("words, sentence", [
    (["list"], "--tenant SLUG is missing"), (["export"], "--tenant SLUG is missing"),
    (["list", "--tenant", "a", "--status", "odd"], "success or failed"),
    (["list", "--tenant", "a", "--limit", "0"], "1 to 1000"),
    (["list", "--tenant", "a", "--from", "today"], "--from takes a time"),
    (["export", "--tenant", "a", "--from", "2026-02-01T00:00:00Z", "--to", "2026-01-01T00:00:00Z"],
     "later than"),
    (["verify", "--retention-days", "x"], "1 to 36600"), (["verify", "now"], "too many"),
    (["verfy"], 'did you mean "verify"'),
])
def test_wrong_use_is_2_with_a_sentence(installation, words, sentence):
    instance, _ = installation
    status, _, err = command(instance, *words)
    assert status == 2 and sentence in err, err


def test_an_unknown_tenant_is_1(installation):
    instance, _ = installation
    status, _, err = command(instance, "list", "--tenant", "nobody-here")
    assert status == 1 and "nobody-here" in err


def test_help_has_examples():
    status, out, _ = run(["audit", "--help"])
    assert status == 0 and "Examples:" in out and "verify" in out
