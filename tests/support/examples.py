"""The applications of examples/: started and called as their READMEs say, and what each must answer.

An example is one directory whose README has two blocks of commands: the first ends with the line
that starts it, the second makes a client and calls it.
"""
import base64
import dataclasses
import html
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.parse

import httpx

from .authorize import code_client, code_of, decide, exchange
from .check import ok
from .instance import program
from .oauth import client, token
from .ports import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
#: A service of the tenant client1 that is not tenantd itself.
AUDIENCE = "https://orders.example/api"
#: Addresses as the READMEs print them.
PRINTED, PRINTED_PORT = "http://localhost:8080", "9000"
START_LIMIT = 180


def blocks(name):
    """The command blocks of an example's README, as lists of lines."""
    text = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    return [block.splitlines() for block in
            re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]


class Example:
    """A running example, by lines of a README; else by the one that starts its API."""

    # pylint: disable-next=too-many-arguments
    def __init__(self, name, instance, directory, *, lines=None, home=None, environment=None):
        self.name, self.instance, self.port = name, instance, free_port()
        self.url = f"http://localhost:{self.port}"
        self.log = directory / f"{name}-{self.port}.log"
        self.script = self.as_here(lines or ["exec " + blocks(name)[0][-1]])
        issuers = (f"{instance.public_url}/t/{slug}" for slug in ("client1", "client2"))
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(
                ["bash", "-c", self.script], cwd=home or EXAMPLES / name, stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
                env=os.environ | {
                    "PORT": str(self.port), "ISSUERS": " ".join(issuers),
                    "TENANTD_CONFIG": instance.write_config(), "PYTHONDONTWRITEBYTECODE": "1",
                } | (environment or {}))

    def as_here(self, lines):
        """Commands as printed, with the addresses and the program of this run."""
        text = "\n".join(["set -eu", *lines]).replace(PRINTED, self.instance.public_url)
        text = re.sub(r"(\.\./\.\.|\.)/dev tenantd", program(), text)
        return text.replace(f":{PRINTED_PORT}/", f":{self.port}/")

    def wait(self, path="/data"):
        """Until it answers anything."""
        deadline = time.monotonic() + START_LIMIT
        while True:
            assert self.process.poll() is None, f"{self.script} ended:\n{self.output()}"
            try:
                return httpx.get(self.url + path, timeout=120, trust_env=False)
            except httpx.TransportError:
                assert time.monotonic() < deadline, f"{self.script} does not answer:\n{self.output()}"
            time.sleep(0.05)

    def get(self, bearer=None, path="/data"):
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        return httpx.get(self.url + path, headers=headers, timeout=120, trust_env=False)

    def output(self):
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:]

    def close(self):
        """Its process and the children of that: a session of its own."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


# -- tokens ------------------------------------------------------------------------------------


@dataclasses.dataclass
class Tokens:
    """Of the tenants client1 and client2, which are served, and of one that is not."""
    first: object  # the tenant client1
    issuers: dict
    subject: str  # of `good`
    good: str
    second: str
    unscoped: str
    expired: str
    elsewhere: str  # for AUDIENCE
    refused: dict  # what for: token


def machine(api, tenant, scope):
    made = client(api, tenant, grant_types=["client_credentials"], scope=scope)
    return made, ok(token(api, made, grant_type="client_credentials"))["access_token"]


def make_tokens(world):
    """Every kind that an example meets, from a tenantd that is asked for each as anybody asks."""
    api = world.api
    first, second, strange = (world.tenant(slug=slug) for slug in ("client1", "client2", "client3"))
    for tenant in (first, second, strange):
        world.login(tenant.owner)
    made, good = machine(api, first, "read write")
    settings = {"settings": {"access_token_ttl": 1}}
    ok(api.put("/tenants/settings", token=second.owner.token, json=settings))
    _, expired = machine(api, second, "read")
    ok(api.put("/tenants/settings", token=second.owner.token,
               json={"settings": {"access_token_ttl": None}}))
    foreign = machine(api, strange, "read")[1]
    ok(api.put("/tenants/settings", token=first.owner.token,
               json={"settings": {"resources": [AUDIENCE]}}))
    elsewhere = ok(token(api, made, grant_type="client_credentials", resource=AUDIENCE))["access_token"]
    return Tokens(
        first=first,
        issuers={tenant.slug: f"{api.instance.public_url}/t/{tenant.slug}"
                 for tenant in (first, second, strange)},
        subject=made["client_id"], good=good, second=machine(api, second, "read")[1],
        unscoped=machine(api, first, "write")[1], expired=expired, elsewhere=elsewhere,
        refused={
            "for another service": elsewhere,
            "another tenant's": foreign,
            "an ID token": id_token(world, first),
            "an ID token by ES256": id_token(world, first, id_token_signed_response_alg="ES256"),
            "of a session": first.owner.token,
            "no token at all": "x",
        } | forged(good, foreign))


def id_token(world, tenant, **metadata):
    world.sign_in(tenant.owner)
    made = code_client(world.api, tenant, **metadata)
    code = code_of(world.api, tenant.owner, made, scope="openid read")
    return ok(exchange(world.api, made, code))["id_token"]


def forged(good, foreign):
    """Tokens that nobody issued, made from two that somebody did."""
    head, body, signature = good.split(".")
    claims = decoded(body)
    return {
        "without signature": f"{encoded(decoded(head) | {'alg': 'none'})}.{body}.",
        "with claims of another": f"{head}.{encoded(claims | {'sub': 'root'})}.{signature}",
        "with another's signature": f"{head}.{body}.{foreign.split('.')[2]}",
        "by a key of another tenant": f"{foreign.split('.')[0]}.{body}.{foreign.split('.')[2]}",
        "with an unknown key": f"{encoded(decoded(head) | {'kid': 'x'})}.{body}.{signature}",
        "with a list of issuers": f"{head}.{encoded(claims | {'iss': [claims['iss']]})}.{signature}",
        "with claims that are none": f"{head}.{encoded('x')}.{signature}",
        "without claims": f"{head}..{signature}",
    }


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def encoded(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


# -- what every example promises ---------------------------------------------------------------


def check_answers(example, tokens):
    """200, 401 and 403, each for its own reason."""
    for bearer, issuer in ((tokens.good, tokens.issuers["client1"]),
                           (tokens.second, tokens.issuers["client2"])):
        body = ok(example.get(bearer))
        assert body["tenant"] == issuer, example.output()
    assert ok(example.get(tokens.good))["user"] == tokens.subject
    for reason, bearer in ({"none": None} | tokens.refused).items():
        answer = example.get(bearer)
        assert answer.status_code == 401, f"{reason}: {answer.status_code}\n{example.output()}"
        # Authlib's protector says nothing where nothing was sent.
        assert bearer is None or answer.headers["WWW-Authenticate"].startswith("Bearer"), reason
        assert "yours" not in answer.text
    answer = example.get(tokens.unscoped)
    assert answer.status_code == 403 and "yours" not in answer.text, example.output()


def run_readme_call(example):
    """The README's second block."""
    done = subprocess.run(["bash", "-c", example.as_here(blocks(example.name)[1])], text=True,
                          cwd=EXAMPLES / example.name, capture_output=True, timeout=180, check=False,
                          env=os.environ | {"TENANTD_CONFIG": example.instance.write_config()})
    assert done.returncode == 0 and '"yours"' in done.stdout, done.stdout + done.stderr


def sign_in_through(example, api, user, start="/"):
    """What a browser does: to the application, to the tenant and its consent, and back."""
    with httpx.Client(base_url=example.url, trust_env=False, timeout=120) as browser:
        asked = away(example, press(browser, browser.get(start)), browser)
        assert asked.startswith(f"{example.instance.public_url}/t/{user.tenant.slug}/oauth/authorize?")
        params = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(asked).query))
        allowed = decide(api, user, params)
        assert allowed.status_code == 303, allowed.text
        return browser.get(allowed.headers["Location"], follow_redirects=True)


def press(browser, answer):
    """Sends the form of a page that asks before it goes to the tenant."""
    form = re.search(r'<form action="([^"]*)"', answer.text)
    if form is None:
        return answer
    hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', answer.text)
    return browser.post(html.unescape(form.group(1)), data=dict(hidden))


def away(example, answer, browser):
    """Follows redirects within the example; where they lead out of it."""
    while True:
        location = urllib.parse.urljoin(str(answer.url), answer.headers["Location"])
        if not location.startswith(example.url + "/"):
            return location
        answer = browser.get(location)
