"""The commands of tenantd as a script would call them."""
import json
import subprocess

from .instance import program


def with_options(arguments, *options):
    """Options go before "--", behind which nothing is one."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return [*arguments[:at], *options, *arguments[at:]]


class Cli:
    """Commands against a database of their own."""

    def __init__(self, instance):
        self.instance = instance
        self.config = instance.write_config()

    def __call__(self, *arguments, stdin=None, status=0):
        words = with_options(arguments, "--config", self.config)
        done = subprocess.run([program(), *words], input=stdin,
                              capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == status, (arguments, done.returncode, done.stdout, done.stderr)
        assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
        self.stdout, self.stderr = done.stdout, done.stderr
        return done.stdout

    def json(self, *arguments, **options):
        return json.loads(self(*with_options(arguments, "--json"), **options))
