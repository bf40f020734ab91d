"""Dependencies stand in one manifest and are checked when the build is configured (R000-12)."""
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def packages():
    text = (ROOT / "deploy" / "packages.txt").read_text(encoding="utf-8")
    return {line.split("#")[0].strip() for line in text.splitlines()} - {""}


def test_every_library_has_a_least_version_and_a_package():
    needs = re.findall(r'^need\((\w+) "([^"]+)"\)',
                       (ROOT / "cmake" / "Dependencies.cmake").read_text(encoding="utf-8"), re.M)
    assert len(needs) >= 8
    assert all(">=" in module for _, module in needs), needs
    assert sum(name.endswith("-dev") for name in packages()) >= len(needs)


def test_a_missing_library_is_named_before_anything_is_built(tmp_path):
    done = subprocess.run(
        ["cmake", "-S", str(ROOT), "-B", str(tmp_path), "-G", "Ninja"], capture_output=True,
        text=True, check=False, timeout=300, env=dict(os.environ, PKG_CONFIG_LIBDIR="/nonexistent",
                                                     PKG_CONFIG_PATH=""))
    assert done.returncode != 0
    assert "deploy/packages.txt" in done.stderr and "libmongoc-1.0>=1.23" in done.stderr
