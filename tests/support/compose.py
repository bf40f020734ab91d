"""docker-compose.yml without Docker: its services as plain processes on this machine.

What a service runs is read from the shipped files: command, entrypoint, environment, configuration.
Only what a container would map is replaced: host names, ports and directories.
"""
import json
import os
import pathlib
import re
import subprocess

import bson.json_util
import pymongo
import yaml
from pymongo.errors import OperationFailure

ROOT = pathlib.Path(__file__).resolve().parents[2]
VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?::([-?])([^}]*))?\})")


def read_env(path):
    """The assignments of an .env file."""
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def variables(text):
    """Names of the variables that a compose file takes from its environment."""
    return {match[1] for match in VARIABLE.finditer(text) if match[1]}


def interpolate(value, env):
    """Replaces ${NAME}, ${NAME:-default} and ${NAME:?message} as docker compose does."""
    def replace(match):
        name, kind, word = match.groups()
        if name is None:
            return "$"
        found = env.get(name, "")
        if found or kind is None:
            return found
        if kind == "?":
            raise KeyError(f"{name}: {word}")
        return word

    if isinstance(value, str):
        return VARIABLE.sub(replace, value)
    if isinstance(value, list):
        return [interpolate(item, env) for item in value]
    if isinstance(value, dict):
        return {key: interpolate(item, env) for key, item in value.items()}
    return value


def load(env, name="docker-compose.yml"):
    return interpolate(yaml.safe_load((ROOT / name).read_text(encoding="utf-8")), env)


def image_environment():
    """What deploy/Dockerfile sets by ENV."""
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    return dict(re.findall(r"(\w+)=(\S+)", " ".join(re.findall(r"^ENV (.*)$", text, re.M))))


class Shell:
    """Runs a script of mongosh (see mongosh.js) against one mongod, as on that machine itself."""

    def __init__(self, node, port):
        self.node = node
        self.port = port

    def _client(self, **login):
        return pymongo.MongoClient("127.0.0.1", self.port, directConnection=True,
                                   serverSelectionTimeoutMS=30000, **login)

    def run(self, script, env):
        """The exit status of the script."""
        to_us, to_script = os.pipe(), os.pipe()
        # The script finds its pipes as 3 and 4, whatever their numbers are here.
        command = f'exec "$@" 3>&{to_us[1]} 4<&{to_script[0]}'
        process = subprocess.Popen(
            ["bash", "-c", command, "bash", self.node,
             str(ROOT / "tests" / "support" / "mongosh.js"), str(script)],
            env=env, pass_fds=(to_us[1], to_script[0]), stdin=subprocess.DEVNULL)
        os.close(to_us[1])
        os.close(to_script[0])
        with os.fdopen(to_us[0]) as calls, os.fdopen(to_script[1], "w") as answers:
            self._serve(calls, answers)
        return process.wait(120)

    def _serve(self, calls, answers):
        client = self._client()
        try:
            for line in calls:
                message = json.loads(line)
                try:
                    if "user" in message:
                        changed = self._client(username=message["user"],
                                               password=message["password"])
                        changed.admin.command("ping")
                        client.close()
                        client, reply = changed, {"ok": 1}
                    else:
                        reply = client[message["database"]].command(message["command"])
                    answer = {"reply": json.loads(bson.json_util.dumps(reply))}
                except OperationFailure as error:
                    answer = {"error": str(error), "code": error.code}
                answers.write(json.dumps(answer) + "\n")
                answers.flush()
        finally:
            client.close()
