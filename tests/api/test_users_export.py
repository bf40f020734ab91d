"""All users of a tenant as NDJSON, by the API and by the command (issue 6.6).

R003-05 (no lock-in), api.md §7, §10 (scope users:hashes). That an import reads it back:
test_users_import.py.
"""
import json
import stat
import uuid

import httpx
import pytest

from support.check import ok, refused
from support.world import USER_PASSWORD, key_of


def lines_of(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    text = answer.content.decode()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def crowd(api, world, service):
    """A tenant of 130 users: more than two parts."""
    tenant = world.tenant()
    world.login(tenant.owner)
    world.user(tenant, login=False, custom_fields={"big": 2**63 - 1, "ü<>": ["𝄞", {"a": None}]})
    users = service.db[tenant.collection]
    model = users.find_one({"role": "user"})
    users.insert_many([{**model, "_id": uuid.uuid4(), "email": f"c{n}@x.example",
                        "email_typed": f"C{n}@x.example"} for n in range(128)])
    return tenant


def test_every_user_is_a_line(api, crowd, service):
    """By ascending id, each once, with all that the user document tells; nothing of secrets."""
    lines = lines_of(api.get("/users/export", token=crowd.owner.token))
    stored = list(service.db[crowd.collection].find(sort=[("_id", 1)]))
    assert [line["id"] for line in lines] == [str(user["_id"]) for user in stored]
    assert len(lines) >= 130 and not any("password" in name for line in lines for name in line)
    for line in (lines[0], lines[-1]):
        shown = ok(api.get(f"/tenants/users/{line['id']}", token=crowd.owner.token))
        del shown["version"]
        assert line == shown
    big = next(line for line in lines if line["custom_fields"])
    assert big["custom_fields"] == {"big": 2**63 - 1, "ü<>": ["𝄞", {"a": None}]}


def test_it_goes_on_where_it_was_cut(api, crowd):
    lines = lines_of(api.get("/users/export", token=crowd.owner.token))
    rest = lines_of(api.get("/users/export", token=crowd.owner.token,
                            params={"after": lines[70]["id"]}))
    assert rest == lines[71:]
    assert lines_of(api.get("/users/export", token=crowd.owner.token,
                            params={"after": lines[-1]["id"]})) == []


def test_hashes_only_for_keys_that_may(api, crowd, service):
    """api.md §7: hashes only with scope users:hashes; and the log tells which it was."""
    plain = key_of(api, crowd, "users:read")
    trusted = key_of(api, crowd, "users:read", "users:hashes")
    assert not any("password_hash" in line for line in lines_of(api.get("/users/export", token=plain)))
    hashes = {line["id"]: line["password_hash"]
              for line in lines_of(api.get("/users/export", token=trusted))}
    assert hashes == {str(user["_id"]): user["password_hash"]
                      for user in service.db[crowd.collection].find()}
    rows = list(service.db.audit_logs.find({"tenant_id": uuid.UUID(crowd.id),
                                            "action": "users.exported"}, sort=[("_id", 1)]))
    assert [row.get("reason") for row in rows[-2:]] == [None, "with_hashes"]
    refused(api.get("/users/export", token=key_of(api, crowd, "users:write", "users:hashes")), 403,
            "insufficient_scope")


def test_a_filter_chooses(api, crowd):
    """By GET /users' own rules; a bad one is told before anything is written, and not audited."""
    lines = lines_of(api.get("/users/export", token=crowd.owner.token))
    some = lines_of(api.get("/users/export", token=crowd.owner.token,
                            params={"filter": 'email sw "c1"'}))
    chosen = {line["id"] for line in lines if line["email"].lower().startswith("c1")}
    assert {line["id"] for line in some} == chosen and len(some) == len(chosen) > 8
    before = api.instance.db.audit_logs.count_documents({"action": "users.exported"})
    refused(api.get("/users/export", token=crowd.owner.token, params={"filter": "email xx 1"}), 400,
            "invalid_filter")
    refused(api.get("/users/export", token=crowd.owner.token, params={
        "filter": "email pr", "after": lines[0]["id"]}), 400, field="after")
    assert api.instance.db.audit_logs.count_documents({"action": "users.exported"}) == before


def test_a_long_export_ends_with_its_rights(api, world, service):
    """TS-13, TS-14: what a key or an owner began is cut when they may no more, however much of it
    is still to come."""
    tenant = world.tenant()
    world.login(tenant.owner)
    users = service.db[tenant.collection]
    model = users.find_one()
    users.insert_many([{**model, "_id": uuid.uuid4(), "role": "user", "email": f"l{n}@x.example",
                        "username": f"l{n}", "custom_fields": {"long": "x" * 15000}}
                       for n in range(1500)])
    made = ok(api.post("/tenants/access-keys", token=tenant.owner.token, json={
        "label": "long", "scopes": ["users:read"]}), 201)
    second = world.user(tenant)
    ok(api.put(f"/tenants/users/{second.id}/role", token=tenant.owner.token, json={"role": "owner"}))
    world.login(second)
    for token, end in (
            (made["access_key"], lambda: ok(api.delete(
                f"/tenants/access-keys/{made['id']}", token=tenant.owner.token), 204)),
            (second.token, lambda: ok(api.put(f"/tenants/users/{second.id}/role",
                                              token=tenant.owner.token, json={"role": "admin"})))):
        with httpx.stream("GET", f"{service.url}/users/export", timeout=120, trust_env=False,
                          headers={"Authorization": f"Bearer {token}"}) as answer:
            parts = answer.iter_bytes()
            size = len(next(parts))
            end()
            with pytest.raises(httpx.RemoteProtocolError):
                size += sum(len(part) for part in parts)
        assert answer.status_code == 200 and size < 1500 * 15000


def test_it_is_for_owners(api, world, crowd):
    """Not for those below them; a parameter that it does not know is refused."""
    user = world.user(crowd)
    refused(api.get("/users/export", token=user.token), 403)
    ok(api.put(f"/tenants/users/{user.id}/role", token=crowd.owner.token, json={"role": "admin"}))
    world.login(user)
    refused(api.get("/users/export", token=user.token), 403, "insufficient_role")
    refused(api.get("/users/export", token=crowd.owner.token, params={"after": "x"}), 400,
            field="after")
    refused(api.get("/users/export", token=crowd.owner.token, params={"hashes": "1"}), 400)


def test_the_command_writes_the_same(cli, tmp_path):
    """A file that is whole or not there, for its owner's eyes."""
    cli("tenant", "create", "--slug", "exp", "--name", "Exp", "--with-key")
    for name in ("one", "two"):
        cli("user", "create", "--tenant", "exp", "--email", f"{name}@x.example",
            "--password-stdin", stdin=USER_PASSWORD)
    printed = [json.loads(line) for line in cli("export", "--tenant", "exp").splitlines()]
    assert cli.stderr == "exported 2 users\n"
    assert [line["email"] for line in printed] == ["one@x.example", "two@x.example"]
    path = tmp_path / "users.ndjson"
    assert cli("export", "--tenant", "exp", "--with-hashes", "--output", str(path)) == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and list(tmp_path.iterdir()) == [path]
    written = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert all(line.pop("password_hash").startswith("$2b$") for line in written)
    assert written == printed
    cli("export", "--tenant", "exp", "--output", str(tmp_path / "no" / "x"), status=1)
    cli("export", "--tenant", "nobody", status=1)
    cli("export", status=2)
