"""What the guides point to exists, and they say what the requirements ask of them."""
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUIDES = sorted(path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
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


def shell_blocks(text):
    return [block for block in re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
            if "curl" in block]


def test_every_command_of_the_readme_works(service, tmp_path):
    """R002-23: the blocks in their order, as printed; only the address is the test's."""
    (tmp_path / ".dev").mkdir()
    (tmp_path / ".dev/platform-key").write_text(service.settings()["platform_key"])
    script = ["set -eu", 'curl() { command curl -sS --fail-with-body "$@"; echo; }']
    for line in "\n".join(shell_blocks((ROOT / "README.md").read_text(encoding="utf-8"))).splitlines():
        line = line.replace("http://localhost:8080", service.url)
        if "/clients/register" in line:
            line = f'OUT=$({line}); C=$(jq -r .client_id <<<"$OUT"); AK=$(jq -r .access_key <<<"$OUT")'
        script.append(line)
    done = subprocess.run(["bash", "-c", "\n".join(script)], cwd=tmp_path, capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert '"level":9007199254740993' in done.stdout and '"city":"Praia"' in done.stdout
