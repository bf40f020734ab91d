"""No secret of a whole life of users ends in the log or, in readable form, in the database.

R002-06, PW-13, TS-5, G23: an instance of its own at the most talkative level; every way to hand a
secret in, good and bad; then a search through all it wrote.
"""
import base64
import subprocess

import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from support.check import ok
from support.instance import program
from support.world import World, unique

RAW = CodecOptions(document_class=RawBSONDocument)
PASSWORDS = ["canary-password-one-1", "canary-password-two-2", "canary-wrong-password-3"]


@pytest.fixture(scope="module")
def scanned(instances, connect):
    """(instance, {what: secret text}) after a life in which each secret was used."""
    instance = instances({"log_level": "debug"})
    api = connect(instance)
    world = World(api)
    tenant = world.key_tenant()
    email = f"{unique('canary')}@example.com"
    secrets = {f"password {number}": text for number, text in enumerate(PASSWORDS)}
    secrets["access key"] = tenant.key.split("_", 2)[2]
    secrets["master key"] = instance.settings()["master_key"]

    def pair_of(answer, name):
        body = ok(answer, answer.status_code)
        secrets[f"{name} access token"] = body["access_token"]
        secrets[f"{name} signature"] = body["access_token"].rsplit(".", 1)[1]
        secrets[f"{name} refresh token"] = body["refresh_token"].split(".")[1]
        return body

    made = pair_of(api.post(f"/api/v1/{tenant.id}/signup", token=tenant.key, json={
        "email": email, "password": PASSWORDS[0]}), "signup")
    for path, member in (("/api/login", "username"), ("/auth/login", "email"),
                         ("/oauth/login", "username")):
        api.post(path, tenant=tenant.slug, json={member: email, "password": PASSWORDS[2]})
        answer = api.post(path, tenant=tenant.slug, json={member: email, "password": PASSWORDS[0]})
        if path == "/oauth/login":
            secrets["session"] = answer.cookies[f"session-{tenant.slug}"]
        else:
            made = pair_of(answer, path)
    cookie = {f"session-{tenant.slug}": secrets["session"]}
    ok(api.get("/users/me", tenant=tenant.slug, cookie=cookie))
    made = pair_of(api.post("/auth/refresh", json={"refresh_token": made["refresh_token"]}), "next")
    # Where secrets do not belong: in URLs, names, wrong headers, broken bodies.
    api.get(f"/users/me?access_token={made['access_token']}&password={PASSWORDS[0]}",
            tenant=tenant.slug)
    api.post("/api/login", tenant=tenant.slug, content=f'{{"password":"{PASSWORDS[0]}",'.encode(),
             headers={"Content-Type": "application/json"})
    api.post("/api/login", tenant=tenant.slug, json={"username": email, "password": [PASSWORDS[0]]})
    api.post("/api/login", tenant=tenant.slug, json={"username": email, PASSWORDS[0]: 1})
    api.get("/users/me", headers={"Authorization": f"Basic {made['access_token']}"})
    api.post("/auth/refresh", json={"refresh_token": made["refresh_token"] + "x"})
    # What is refused is audited: no word of the request, nor of the credential, goes with it (AL-7).
    api.get(f"/tenants/audit?action={PASSWORDS[0]}&cursor={made['access_token']}",
            tenant=tenant.slug, token=made["access_token"])
    api.get("/tenants/audit", tenant=tenant.slug, token=made["refresh_token"])
    api.get("/tenants/audit", tenant=tenant.slug, cookie={f"session-{tenant.slug}": PASSWORDS[1]})
    api.post(f"/api/v1/{tenant.id}/login", token=made["access_token"], json={})
    assert api.post("/auth/password/change", token=made["access_token"], json={
        "current_password": PASSWORDS[0], "new_password": PASSWORDS[1]}).status_code == 204
    rotated = ok(api.post("/api/v1/clients/me/rotate-key", token=tenant.key))["access_key"]
    secrets["rotated key"] = rotated.split("_", 2)[2]
    return instance, secrets


def variants(text):
    """A secret as it is, and as some layer may have rewritten it."""
    raw = text.encode()
    return {text, base64.b64encode(raw).decode().rstrip("="), raw.hex()}


def test_logs(scanned):
    """What the service wrote on both outputs."""
    instance, secrets = scanned
    text = instance.output()
    assert len(instance.log_lines()) > 20
    for name, secret in secrets.items():
        for form in variants(secret):
            assert form not in text, f"{name} is in the log"


def test_database(scanned):
    """Every document of every collection, binary parts included."""
    instance, secrets = scanned
    for collection in instance.db.list_collection_names():
        for document in instance.db.get_collection(collection, RAW).find():
            stored = document.raw
            for name, secret in secrets.items():
                assert secret.encode() not in stored, f"{name} is in {collection}"
                decoded = decode(secret)
                assert decoded is None or decoded not in stored, f"{name} is in {collection}"


def decode(text):
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return raw if len(raw) >= 16 else None


def test_private_keys_are_sealed(scanned):
    """SK: DER of a private key begins with a sequence that is not in the database."""
    instance, _ = scanned
    marks = [bytes.fromhex("06082a8648ce3d030107"), b"PRIVATE KEY"]
    for document in instance.db.signing_keys.find():
        sealed = document["private_sealed"]
        assert all(mark not in sealed for mark in marks)


def test_answers_of_commands_mask_secrets(scanned):
    """R001-25: print-config shows what is in force, secrets masked."""
    instance, secrets = scanned
    done = subprocess.run([program(), "print-config", "--config", instance.write_config()],
                          capture_output=True, text=True, timeout=180, check=True)
    assert secrets["master key"] not in done.stdout + done.stderr
    assert "********" in done.stdout


def test_log_lines_are_json_with_an_id(scanned):
    """R004-51: one line per request, with the request id that the answer carried."""
    instance, _ = scanned
    requests = [line for line in instance.log_lines() if line.get("request_id")]
    assert len(requests) > 10
    assert all({"ts", "level", "event"} <= set(line) for line in instance.log_lines())
