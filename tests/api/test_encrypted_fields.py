"""x-encrypt: what the database has of a field is ciphertext bound to its place (issue 6.1, ADR 21)."""
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from bson import Binary
from bson.raw_bson import RawBSONDocument

from support.check import ok, refused, until
from support.cli import Cli
from support.world import USER_PASSWORD, World, unique

MARK = "Pl4inT3xt"
SCHEMA = {"properties": {
    "plain": {"type": "string"},
    "iban": {"type": "string", "x-encrypt": True, "maxLength": 16000},
    "any": {"x-encrypt": True},
    "born": {"type": "string", "format": "date", "x-encrypt": True},
    "health": {"type": "object", "x-encrypt": True, "x-read": "server", "properties": {
        "seen": {"type": "string", "format": "date-time"}}},
    "home": {"type": "object", "properties": {"pin": {"type": "integer", "x-encrypt": True}}},
    **{f"any{number}": {"x-encrypt": True} for number in range(20)},
}}


@pytest.fixture(scope="module")
def vault(api, world):
    """A tenant with SCHEMA and a key."""
    tenant = world.tenant()
    world.login(tenant.owner)
    ok(api.put("/tenants/schema", token=tenant.owner.token, json=SCHEMA))
    tenant.key = ok(api.post("/tenants/access-keys", token=tenant.owner.token, json={
        "label": "all", "scopes": ["auth", "users:read", "users:write"]}), 201)["access_key"]
    return tenant


def patch(api, user, value):
    return api.patch("/users/me", token=user.token, json={"custom_fields": value})


def shown(api, user):
    return ok(api.get("/users/me", token=user.token))["custom_fields"]


def stored(service, user):
    return service.db[user.tenant.collection].find_one({"_id": uuid.UUID(user.id)})["custom_fields"]


def overwrite(service, user, fields):
    service.db[user.tenant.collection].update_one(
        {"_id": uuid.UUID(user.id)}, {"$set": {f"custom_fields.{name}": value
                                               for name, value in fields.items()}},
        bypass_document_validation=True)


def test_the_database_never_has_the_plaintext(api, service, vault):
    """Every collection is searched for it, kept answers too; limits are those of the JSON text."""
    health = {"seen": "2026-01-31T10:00:00+01:00", "notes": [MARK, {MARK: 1}]}
    value = {"plain": "visible", "iban": MARK + "x" * 15000, "born": "1999-12-31",
             "any": [MARK], "home": {"pin": 1234567890123}, "health": health}
    made = ok(api.post("/users", token=vault.key, headers={"Idempotency-Key": unique("once")}, json={
        "email": f"{unique('v')}@example.com", "password": USER_PASSWORD, "custom_fields": value}), 201)
    assert made["custom_fields"] == {**value, "health": {**health, "seen": "2026-01-31T09:00:00Z"}}
    found = service.db[vault.collection].find_one({"_id": uuid.UUID(made["id"])})["custom_fields"]
    assert found["plain"] == "visible"
    sealed = [found["iban"], found["any"], found["born"], found["home"]["pin"], found["health"]]
    assert all(isinstance(one, bytes) and one.subtype == 0x80 and one[:5] == b"\1\0\0\0\1"
               for one in sealed)
    raw = service.db.with_options(
        codec_options=service.db.codec_options.with_options(document_class=RawBSONDocument))
    names = [name for name in service.db.list_collection_names()
             if not name.startswith(("users_", "system.")) or name == vault.collection]
    assert {vault.collection, "data_keys"} <= set(names)
    for name in names:
        for document in raw[name].find():
            assert MARK.encode() not in document.raw, name


VALUES = [2 ** 63 - 1, -2 ** 63, 0.1, -0.0, 1e308, True, None, "", "ä\U0001f600", [], {},
          [[1, {"a": None}]], "2026-01-31T09:30:00+01:00"]


def test_any_value_comes_back_as_it_was(api, vault):
    """IN-3, IN-7: types and text unchanged."""
    value = {f"any{number}": value for number, value in enumerate(VALUES)}
    made = ok(api.post("/users", token=vault.key, json={
        "email": f"{unique('v')}@example.com", "password": USER_PASSWORD, "custom_fields": value}),
        201)["custom_fields"]
    assert made == value
    assert [type(one) for one in made.values()] == [type(one) for one in VALUES]
    assert str(made["any3"]) == "-0.0"


@pytest.fixture(scope="module")
def two(api, world, vault):
    users = [world.user(vault), world.user(vault)]
    for user in users:
        ok(patch(api, user, {"iban": "same", "any": "same", "plain": "p"}))
    return users


def test_ciphertext_cannot_be_moved(api, service, two):
    """To another user or field: it does not open, is not shown, is not lost, and can be replaced."""
    first, second = two
    mine, theirs = stored(service, first), stored(service, second)
    assert len({bytes(one) for one in (mine["iban"], mine["any"], theirs["iban"])}) == 3
    broken = bytes(mine["iban"][:-1]) + bytes([mine["iban"][-1] ^ 1])
    for wrong in (theirs["iban"], mine["any"], Binary(broken, 0x80), Binary(b"\1\0\0\0\1", 0x80),
                  Binary(b"\1\0\0\0\2" + mine["iban"][5:], 0x80), Binary(b"xyz")):
        overwrite(service, first, {"iban": wrong})
        assert shown(api, first) == {"any": "same", "plain": "p"}
        refused(patch(api, first, {"plain": "q"}), 400, "invalid_custom_fields",
                field="/custom_fields/iban")
        assert bytes(stored(service, first)["iban"]) == bytes(wrong)
    assert ok(patch(api, first, {"iban": "same"}))["custom_fields"]["iban"] == "same"
    assert shown(api, second) == {"any": "same", "plain": "p", "iban": "same"}


def test_the_ciphertext_of_what_did_not_change_stays(api, service, two):
    user = two[1]
    before = stored(service, user)
    ok(patch(api, user, {"plain": "other", "iban": "same"}))
    after = stored(service, user)
    assert after["iban"] == before["iban"] and after["any"] == before["any"]
    ok(patch(api, user, {"iban": "new"}))
    assert stored(service, user)["iban"] != before["iban"]


def test_a_new_key_seals_and_the_old_one_goes_on_opening(api, service, world, vault):
    """tenantd keys rotate --fields: also while another write is sealed by the key before."""
    user = world.user(vault)
    ok(patch(api, user, {"iban": "old", "any": 1}))
    cli = Cli(service)
    number = cli.json("keys", "rotate", vault.slug, "--fields")["key"]
    mark = b"\1" + number.to_bytes(4, "big")
    assert number > 1 and shown(api, user) == {"iban": "old", "any": 1}
    writer = world.user(vault)
    until(lambda: patch(api, writer, {"iban": unique("i")}).status_code == 200
          and stored(service, writer)["iban"][:5] == mark, 2.0)
    ok(patch(api, user, {"plain": "p"}))
    assert [stored(service, user)[name][:5] for name in ("iban", "any")] == [mark, mark]
    assert shown(api, user) == {"iban": "old", "any": 1, "plain": "p"}
    assert [row["reason"] for row in cli.json("audit", "list", "--tenant", vault.slug, "--action",
                                              "field_key.rotated")["events"]] == [f"field:{number}"]
    cli("keys", "rotate", vault.slug, "--fields", "--alg", "RS256", status=2)


def test_the_first_key_is_made_once(pair):
    """By whichever of two instances is first; what all others seal meanwhile opens everywhere."""
    world = World(pair[0])
    tenant = world.tenant()
    world.login(tenant.owner)
    users = [world.user(tenant) for _ in range(8)]
    ok(pair[0].put("/tenants/schema", token=tenant.owner.token, json=SCHEMA))
    until(lambda: pair[1].get("/tenants/schema", token=tenant.owner.token).status_code == 200, 5.0)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(
            lambda at: patch(pair[at % 2], users[at // 2],
                             {"iban": f"i{at // 2}"} if at % 2 else {"any": at // 2}), range(16)))
    assert {answer.status_code for answer in answers} == {200}
    for api in pair:
        assert [shown(api, user) for user in users] == [
            {"iban": f"i{at}", "any": at} for at in range(8)]
    keys = pair[0].instance.db.data_keys.find({"tenant_id": uuid.UUID(tenant.id)})
    assert sorted(key["kid"] for key in keys) == ["data", "field:1", "mac:1"]


def test_who_sees_it_is_x_read_alone(api, service, vault, world):
    """Users see theirs in plain text, also as a claim; servers what is theirs."""
    user = world.user(vault)
    ok(patch(api, user, {"iban": "mine"}))
    refused(patch(api, user, {"health": {}}), 403, "field_not_writable")
    ok(api.put("/tenants/settings", token=vault.owner.token,
               json={"settings": {"claims": {"iban": "custom_fields.iban"}}}))
    assert ok(api.get("/oauth/userinfo", token=user.token))["iban"] == "mine"
    listed = ok(api.get(f"/api/v1/{vault.id}/users", token=vault.key))["users"]
    assert any(one["custom_fields"].get("health") for one in listed)
    listed = ok(api.get("/tenants/users", token=vault.owner.token))["users"]
    assert not any(one["custom_fields"].get("health") for one in listed)
    listed = Cli(service).json("user", "list", "--tenant", vault.slug)["users"]
    assert any(one["custom_fields"].get("health") for one in listed)


@pytest.mark.parametrize("fields, place", [
    ({"a": {"type": "string", "x-encrypt": True, "x-unique": True}}, "/properties/a/x-unique"),
    ({"a": {"type": "string", "x-encrypt": True, "x-index": True}}, "/properties/a/x-index"),
    ({"a": {"type": "object", "x-encrypt": True, "properties": {
        "b": {"type": "string", "x-index": True}}}}, "/properties/a/x-encrypt"),
    ({"a": {"type": "array", "items": {"x-encrypt": True}}}, "/properties/a/items/x-encrypt"),
])
def test_what_is_encrypted_cannot_be_indexed(api, vault, fields, place):
    refused(api.put("/tenants/schema", token=vault.owner.token, json={"properties": fields}), 400,
            "invalid_schema", field=place)
