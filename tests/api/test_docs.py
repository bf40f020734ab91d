"""What the guides point to exists, and they say what the requirements ask of them."""
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from support.check import ok
from support.guides import PROLOGUE, Guide
from support.world import key_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUIDES = sorted(path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"),
                                  *ROOT.glob("examples/*.md"), *ROOT.glob("examples/*/*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(guide):
    for target, _ in LINK.findall(guide.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            assert (guide.parent / target).exists(), f"{guide.name} points to {target}"


def test_the_sources_are_credited():
    """R000-22: each of the five documents, and from the README a way there."""
    text = (ROOT / "docs/CREDITS.md").read_text(encoding="utf-8")
    for number in ("000", "001", "002", "003", "004"):
        assert f"| {number} |" in text
    assert "docs/CREDITS.md" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_phases_end_with_a_green_run():
    """R001-02: every phase has a state, and the gate is named."""
    text = (ROOT / "docs/ROADMAP.md").read_text(encoding="utf-8")
    phases = re.findall(r"^\| (\d)\. [^|]+\|[^|]+\| (done|open)", text, re.MULTILINE)
    assert [number for number, _ in phases] == [str(number) for number in range(1, 8)]
    assert ".ci/run" in text
    assert (ROOT / ".ci/run").stat().st_mode & 0o100


def test_every_task_of_the_teams_has_a_phase():
    """R003-29: each line of document 003's table of tasks stands at a phase of the roadmap."""
    text = (ROOT / "docs/ROADMAP.md").read_text(encoding="utf-8")
    phases = set(re.findall(r"^\| (\d)\. ", text, re.MULTILINE))
    table = text.split("## The tasks of document 003", 1)[1]
    tasks = re.findall(r"^\| ([^|]+) \| (Backend|DB Admin|Tech Writer) \| ([^|]+) \|$", table, re.MULTILINE)
    assert len(tasks) == 9, tasks
    for task, _, where in tasks:
        assert set(re.findall(r"\b(\d)\b", where)) & phases, task


# -- commands -----------------------------------------------------------------------------------


@pytest.mark.parametrize("guide, shown", [
    ("README.md", ['"level":9007199254740993', '"city":"Praia"', '"index":"cf_ici_city"']),
    ("docs/OAUTH2.md", ['"active":true', '"department":"Engines"', '"token_type":"Bearer"']),
    ("docs/MULTI_TENANT.md", ['"tenant":"south"',
                              "Access-Control-Allow-Origin: https://app.north.example"]),
    ("docs/MIGRATION.md", ['"username":"lin","tenant":"legacy"', '"grant_types":["authorization_code"']),
])
def test_every_command_works(service, tmp_path, guide, shown):
    """R002-23, R004-59: a guide's blocks in their order, as a reader would run them."""
    output = Guide(guide, service, tmp_path).run()
    for words in shown:
        assert words in output


def test_custom_fields_from_the_first_schema_on(service, api, world, tmp_path):
    """Issue 6: the guide's schema and its searches as printed, one after the other, on a tenant that
    somebody just registered."""
    tenant = world.tenant()
    world.login(tenant.owner)
    guide = Guide("docs/CUSTOM_FIELDS.md", service, tmp_path)
    blocks = [guide.blocks("sh")[0], *(block for block in guide.blocks("") if "curl " in block)]
    done = subprocess.run(
        ["bash", "-c", "\n".join([PROLOGUE, *blocks])], cwd=tmp_path, text=True, capture_output=True,
        env=guide.environment | {"TOKEN": tenant.owner.token, "KEY": key_of(api, tenant, "users:read")},
        timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert '"state":"active"' in done.stdout and '"query":' in done.stdout
    assert done.stdout.count(tenant.owner.id) >= 2, done.stdout


EACH = """
import sys
from tokens import claims_of
for token in sys.argv[1:]:
    try:
        print(claims_of(token))
    except Exception:
        print("refused")
"""


def test_old_and_new_tokens_side_by_side(service, tmp_path, acme, other, world):
    """R004-59, MIGRATION step 2: the function as printed takes each kind with its own key alone."""
    guide = Guide("docs/MIGRATION.md", service, tmp_path)
    guide.write_files()
    issuer, secret = f"{service.public_url}/t/{acme.slug}", "the old secret of every service here"
    keys = json.dumps(ok(world.api.get(f"/t/{acme.slug}/.well-known/jwks.json")))
    now = int(time.time())

    def old(key, **claims):
        return jwt.encode({"alg": "HS256"}, {"user_id": 7, "exp": now + 3600} | claims, OctKey.import_key(key))

    good = {"old": old(secret), "new": world.user(acme).token}
    bad = {"expired": old(secret, exp=now - 60), "secret": old("x" * 32), "confused": old(keys, iss=issuer),
           "foreign": world.user(other).token, "none": "eyJhbGciOiJub25lIn0.e30."}
    done = subprocess.run([sys.executable, "-c", EACH, *(good | bad).values()], cwd=tmp_path, text=True,
                          capture_output=True, timeout=180, check=True,
                          env=os.environ | {"ISSUER": issuer, "OLD_SECRET": secret})
    seen = dict(zip(good | bad, done.stdout.splitlines()))
    assert "user_id" in seen.pop("old") and issuer in seen.pop("new"), done.stdout
    assert set(seen) == set(bad) and set(seen.values()) == {"refused"}, done.stdout
