"""MS-6, MS-8: what the compiler and the linker put around our code, read from a linked program.

The release build itself is looked at when it is there (./dev bench and soak make it). Otherwise a small
program is compiled and linked with exactly the commands of that build: they are what decides.
"""
import pathlib
import re
import shlex
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = ROOT / "build" / "release" / "tenantd"
PROBE = """
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{
    char text[64];
    char large[20000];
    (void)argc;
    strcpy(text, argv[0]);
    memcpy(large, text, sizeof text);
    printf("%s %d\\n", text, large[3]);
    return 0;
}
"""


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """(compile a file of the library, link) of the release preset's program, as lists of words."""
    build = tmp_path_factory.mktemp("release")
    subprocess.run(["cmake", "-S", ROOT, "-B", build, "-G", "Ninja", "--preset", "release",
                    "-DTENANTD_BENCH=OFF", "-DCMAKE_C_COMPILER_LAUNCHER="],
                   check=True, capture_output=True, timeout=600)
    listed = subprocess.run(["ninja", "-C", build, "-t", "commands", "tenantd"], check=True,
                            capture_output=True, text=True, timeout=300).stdout.splitlines()
    compiling = next(line for line in listed if line.endswith("app/gate.c"))
    link = next(line for line in reversed(listed) if re.search(r" -o tenantd ", line))
    return shlex.split(compiling), shlex.split(link.split("&&")[1])


@pytest.fixture(scope="module")
def binary(commands, tmp_path_factory):
    if RELEASE.exists():
        return RELEASE
    where = tmp_path_factory.mktemp("probe")
    (where / "probe.c").write_text(PROBE, encoding="utf-8")
    flags = [[word for word in words[1:] if word.startswith("-") and word not in ("-o", "-c", "-MD",
              "-MT", "-MF") and not word.startswith(("-l", "-I", "-isystem", "-W", "-D"))]
             + [word for word in words if word.startswith(("-Wl,", "-D_FORTIFY"))]
             for words in commands]
    subprocess.run(["gcc", *flags[0], "-c", "probe.c", "-o", "probe.o"], cwd=where, check=True)
    subprocess.run(["gcc", *flags[1], "probe.o", "-o", "probe"], cwd=where, check=True)
    return where / "probe"


def readelf(*arguments):
    return subprocess.run(["readelf", "-W", *arguments], capture_output=True, text=True,
                          check=True).stdout


def test_flags_of_the_release(commands):
    """MS-6: each flag that the checklist names."""
    compiling, linking = commands
    for flag in ("-O2", "-D_FORTIFY_SOURCE=3", "-fstack-protector-strong", "-fstack-clash-protection",
                 "-fcf-protection", "-ftrivial-auto-var-init=zero", "-fPIE"):
        assert flag in compiling, flag
    for flag in ("-pie", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack", "-Wl,-z,separate-code"):
        assert flag in linking, flag
    # MS-8: no frame that a connection thread's 100 KiB could not hold many times over.
    assert "-Werror=frame-larger-than=8192" in compiling


def test_position_independent(binary):
    assert "Type:                              DYN" in readelf("-h", str(binary))
    assert "PIE" in readelf("-d", str(binary))


def test_relocations_are_read_only_and_bound_at_start(binary):
    dynamic = readelf("-d", str(binary))
    assert "BIND_NOW" in dynamic and re.search(r"FLAGS_1.*NOW", dynamic)
    assert "GNU_RELRO" in readelf("-l", str(binary))
    # Nothing is left to bind later.
    assert ".got.plt" not in readelf("-S", str(binary))


def test_no_memory_that_is_written_and_run(binary):
    """No RWX segment, no executable stack; code in segments of its own (separate-code)."""
    segments = re.findall(r"^  (\w+) +(?:0x\w+ +){5}([R ][W ][E ])", readelf("-l", str(binary)), re.M)
    assert segments
    assert not [name for name, flags in segments if "W" in flags and "E" in flags], segments
    assert dict(segments)["GNU_STACK"].strip() == "RW"
    executable = [flags for name, flags in segments if name == "LOAD" and "E" in flags]
    assert len(executable) == 1
    sections = re.findall(r"Segment Sections\.\.\.(.*)", readelf("-l", str(binary)), re.S)[0]
    code = next(line for line in sections.splitlines() if " .text " in f"{line} ")
    assert ".rodata" not in code and ".data" not in code, code


def test_canaries_and_checked_functions(binary):
    symbols = readelf("--dyn-syms", str(binary))
    assert "__stack_chk_fail" in symbols
    assert len(re.findall(r"__\w+_chk\b", symbols)) >= 1


def test_branches_have_marked_targets(binary, commands):
    """-fcf-protection: our code has landing pads and says so in its objects. The program as a whole does
    not say so, because Debian 12's start files (crt1.o) are built without."""
    if binary == RELEASE:
        objects = list((RELEASE.parent / "CMakeFiles" / "tenantd.dir").rglob("main.c.o"))
    else:
        objects = list(binary.parent.glob("*.o"))
    notes = readelf("-n", str(objects[0]))
    assert "IBT" in notes and "SHSTK" in notes, notes
    functions = readelf("-s", str(binary)).count(" FUNC ") if binary == RELEASE else 1
    assert binary.read_bytes().count(b"\xf3\x0f\x1e\xfa") >= max(1, functions // 8)


def test_no_search_path_of_libraries(binary):
    assert not re.search(r"\((RPATH|RUNPATH)\)", readelf("-d", str(binary)))
