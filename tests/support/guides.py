"""Runs what guides show. Plain blocks of a guide are commands that follow one another; blocks named
python or html are the file that the line before them names; blocks named sh start something.
"""
import os
import pathlib
import re
import subprocess

from .instance import program

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROLOGUE = r"""
set -eu
curl() { command curl -sS --fail-with-body "$@"; case " $* " in *" -o "*) ;; *) echo ;; esac; }
refused() { # refused STATUS WORD ARGUMENTS...: what a guide shows as "curl ... # 401 invalid_token"
    local status=$1 word=$2 answer
    shift 2
    answer=$(command curl -sS -w '\n%{http_code}' "$@")
    echo "$answer"
    [[ $answer == *"$word"*$'\n'"$status" ]]
}
printf '%s\n' '#!/bin/sh' 'shift; exec tenantd "$@"' >dev && chmod +x dev # ./dev tenantd
trap 'echo "in line: $BASH_COMMAND" >&2' ERR
"""
REFUSED = re.compile(r"^curl (.*?)\s+# (\d{3}) (\w+)$")


class Guide:
    """One guide, run against a service in a directory of its own.

    changes: further texts to replace, such as ports.
    """

    def __init__(self, path, service, directory, changes=None):
        replaced = {"http://localhost:8080": service.public_url} | (changes or {})
        # All at once: a port of the service may hold the digits of one that is to be replaced.
        self.text = re.sub("|".join(map(re.escape, replaced)), lambda found: str(replaced[found[0]]),
                           (ROOT / path).read_text(encoding="utf-8"))
        self.service = service
        self.directory = directory
        self.environment = os.environ | {
            "TENANTD_CONFIG": service.write_config(),
            "PATH": f"{os.path.dirname(program())}:{os.environ['PATH']}"}

    def blocks(self, kind):
        fenced = re.findall(r"^```(\w*)\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)
        return [body for name, body in fenced if name == kind]

    def commands(self):
        """Plain blocks that set a variable, or run curl or ./dev tenantd."""
        return [block for block in self.blocks("")
                if re.search(r"^(curl |./dev tenantd |\w+=)", block, re.MULTILINE)]

    def run(self):
        """Runs the commands as printed, with what a reader would copy from an answer; keeps what
        they export. The output."""
        (self.directory / ".dev").mkdir()
        (self.directory / ".dev/platform-key").write_text(self.service.settings()["platform_key"])
        lines = [PROLOGUE]
        for line in "".join(self.commands()).splitlines():
            if "/clients/register" in line:
                line = f'OUT=$({line}); C=$(jq -r .client_id <<<"$OUT"); AK=$(jq -r .access_key <<<"$OUT")'
            lines.append(REFUSED.sub(r"refused \2 \3 \1", line))
        lines.append("env -0 > environment")
        done = subprocess.run(["bash", "-c", "\n".join(lines)], cwd=self.directory, text=True,
                              env=self.environment, capture_output=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        exported = (self.directory / "environment").read_text(encoding="utf-8").split("\0")
        self.environment = dict(entry.split("=", 1) for entry in exported if entry)
        return done.stdout

    def write_files(self):
        """The files that the guide shows: a line that begins with `name`, then the block."""
        for name, body in re.findall(r"^`([\w.-]+)`[^\n]*:\n\n```(?:python|html)\n(.*?)^```", self.text,
                                     re.MULTILINE | re.DOTALL):
            (self.directory / name).write_text(body, encoding="utf-8")

    def start(self, path=None, **options):
        """The process that the first block named sh starts. path: searched first for programs."""
        environment = self.environment | {"PATH": f"{path}:{self.environment['PATH']}"} \
            if path else self.environment
        return subprocess.Popen(["bash", "-c", "exec " + self.blocks("sh")[0]], cwd=self.directory,
                                env=environment, stdin=subprocess.DEVNULL, **options)
