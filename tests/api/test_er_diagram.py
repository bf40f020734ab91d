"""docs/ER_DIAGRAM.md shows the database as it is (R003-27)."""
import pytest

from support import er_diagram

KINDS = {"uuid": "binData", "bytes": "binData", "string": "string", "object": "object", "list": "array",
         "date": "date", "bool": "bool", "long": "long", "enum": None}
MARKS = {"PK", "FK", "UK", ""}


@pytest.fixture(scope="module")
def collections(service, world):
    """{name: its validator}; the tenants' own under "users"."""
    users = world.tenant().collection
    return {"users" if entry["name"] == users else entry["name"]: entry["options"]["validator"]["$jsonSchema"]
            for entry in service.db.list_collections()
            if "validator" in entry["options"] and (entry["name"] == users or "users_" not in entry["name"])}


def test_entities_are_collections_and_their_members(collections):
    """What is drawn exists with that type, and what every document has is drawn."""
    for name, members in er_diagram.entities().items():
        shape = collections[name]
        for kind, member, mark in members:
            known = shape["properties"][member]
            assert mark in MARKS, (name, member)
            if kind == "enum":
                assert "enum" in known, (name, member)
            else:
                assert KINDS[kind] in known["bsonType"], (name, member)
        drawn = {member for _, member, _ in members}
        assert set(shape["required"]) <= drawn, name


def test_no_collection_is_left_out(collections):
    text = (er_diagram.DOCS / "ER_DIAGRAM.md").read_text(encoding="utf-8")
    missing = [name for name in collections if name not in text]
    assert not missing


def test_relations_are_references():
    """The end of each line has the other's id, or its own is the other's."""
    by_name = {"tenants": "tenant_id", "users": "user_id", "sessions": "session_id",
               "oauth_clients": "oauth_client_id"}
    otherwise = {("tenants", "tenant_usage"): "_id",
                 ("oauth_clients", "outbox"): "target"}
    for one, other, _ in er_diagram.relations():
        members = {member for _, member, _ in er_diagram.entities()[other]}
        assert otherwise.get((one, other), by_name[one]) in members, (one, other)


def test_the_picture_is_drawn_from_the_text():
    """Else: python3 tests/support/er_diagram.py"""
    assert (er_diagram.DOCS / "er-diagram.svg").read_text(encoding="utf-8") == er_diagram.draw()
