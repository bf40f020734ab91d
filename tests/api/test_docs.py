"""What the guides point to exists, and they say what the requirements ask of them."""
import pathlib
import re

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
