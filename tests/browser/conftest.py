"""Fixtures of the browser tests: one real service, one Chromium, a fresh profile for each test.

Every page that a test opens is watched: a script error, a dialog, a violation of the content security
policy or a request to another origin fails the test, whatever it was about. So does a page that goes
elsewhere while nobody waits for it (`press`): what is looked at next would at times be the old page.
"""
import contextlib
import dataclasses
import http.server
import os
import subprocess
import sys
import threading

import httpx
import pytest
from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# pylint: disable=wrong-import-position
import slow  # noqa: E402
from support.check import PATIENCE, until  # noqa: E402
from support.instance import Instance, program  # noqa: E402
from support.mongo import Mongo, OwnMongo  # noqa: E402
from support.world import unique  # noqa: E402

#: Without windows it draws half as long as the whole program.
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium-headless-shell")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--no-first-run",
             "--disable-dev-shm-usage"]
PASSWORD = "battery staple 2"
#: What Chromium says of pages that are errors on purpose.
EXPECTED = "Failed to load resource: the server responded with a status of"

expect.set_options(timeout=PATIENCE * 1000)


# -- the service -------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def mongo():
    uri = os.environ.get("TEST_MONGODB_URI")
    server = Mongo(uri) if uri else OwnMongo()
    yield server
    server.close()


class Site:
    """A running instance and its addresses, as a browser and as a program see them."""

    def __init__(self, instance):
        self.instance = instance
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{instance.port}", timeout=PATIENCE,
                                 trust_env=False)

    def host(self, slug):
        return f"http://{slug}.localhost:{self.instance.port}"

    def path(self, slug):
        return f"http://localhost:{self.instance.port}/t/{slug}"

    @property
    def front(self):
        return f"http://localhost:{self.instance.port}"

    def post(self, slug, path, body, **headers):
        answer = self.http.post(path, json=body, headers={"X-Tenant-Slug": slug, **headers})
        self.http.cookies.clear()
        return answer

    def tenant(self, name=None):
        """A new tenant's slug."""
        slug = unique("b")
        answer = self.http.post("/tenants/register", json={
            "tenant_name": name or f"Tenant {slug}", "tenant_slug": slug, "admin_username": "owner",
            "admin_email": f"owner@{slug}.example", "admin_password": PASSWORD})
        assert answer.status_code == 201, answer.text
        return slug

    def user(self, slug, username=None, password=PASSWORD, **members):
        """A new user's name, registered through the API."""
        username = username or unique("u")
        answer = self.post(slug, "/oauth/register", {
            "username": username, "email": f"{unique('m')}@example.com", "password": password,
            **members})
        assert answer.status_code == 201, answer.text
        return username

    def user_id(self, slug, username="owner", password=PASSWORD):
        """The id of a user, as the user is told."""
        token = self.token(slug, username, password)
        answer = self.http.get("/users/me", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def publish(self, token, schema):
        """A schema of custom fields, until it is in force: what takes long is answered 202 first."""
        headers = {"Authorization": f"Bearer {token}"}
        answer = self.http.put("/tenants/schema", json=schema, headers=headers)
        assert answer.status_code in (200, 202), answer.text

        def is_in_force():
            found = self.http.get("/tenants/schema", headers=headers).json()
            return found.get("version") == answer.json()["version"] and "publication" not in found

        until(is_in_force, 10.0)

    def token(self, slug, username, password=PASSWORD):
        answer = self.post(slug, "/auth/login", {"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]


@pytest.fixture(scope="session")
def start_site(mongo):
    """start_site(overrides) -> Site on a database of its own."""
    started = []

    def start(overrides=None):
        instance = Instance(mongo, unique("test_browser_"), overrides)
        started.append(instance)
        instance.start()
        return Site(instance)

    yield start
    problems = []
    for instance in started:
        try:
            instance.close()
        except AssertionError as error:
            problems.append(str(error))
        mongo.drop(instance.database_name)
    assert not problems, "\n\n".join(problems)


@pytest.fixture(scope="session")
def site(start_site):
    """The instance that the tests share, with the demo tenants of a development start."""
    started = start_site({"password": {"scheme": "argon2id"}, "limits": {"lock_seconds": 600},
                          "plans": {"free": {"users": 0, "requests_per_minute": 0}}})
    config = os.path.join(started.instance.directory, "config.yaml")
    subprocess.run([program(), "seed", "demo", "--config", config], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=5 * PATIENCE)
    return started


# -- the browser -------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def chromium():
    with slow.network() as network, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS + network)
        yield browser
        browser.close()


@dataclasses.dataclass
class Watch:
    """What went wrong on the pages of one test."""
    problems: list = dataclasses.field(default_factory=list)
    moving: list = dataclasses.field(default_factory=list)  # pages that somebody waits for

    def console(self, message):
        if message.type in ("error", "warning") and not message.text.startswith(EXPECTED):
            self.problems.append(f"console: {message.text}")

    def dialog(self, dialog):
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def request(self, request):
        host = request.url.split("/")[2].split(":")[0]
        if not (host == "localhost" or host.endswith(".localhost") or host == "127.0.0.1"):
            self.problems.append(f"request to another origin: {request.url}")
        if request.is_navigation_request() and request.redirected_from is None \
                and request.frame.page not in self.moving:
            self.problems.append(f"nobody waits for the page {request.url}: use press() or moves()")

    def page(self, page):
        """goto and reload wait by themselves."""
        page.watch = self
        page.goto, page.reload = self.waiting(page, page.goto), self.waiting(page, page.reload)

    def waiting(self, page, go):
        def waited(*args, **options):
            with self.moves(page):
                return go(*args, **options)
        return waited

    @contextlib.contextmanager
    def moves(self, page):
        self.moving.append(page)
        try:
            yield
        finally:
            self.moving.remove(page)

    def attach(self, context):
        context.on("page", self.page)
        context.on("console", self.console)
        context.on("dialog", self.dialog)
        context.on("request", self.request)
        context.on("weberror", lambda error: self.problems.append(f"script: {error.error}"))


@pytest.fixture
def watch():
    watching = Watch()
    yield watching
    assert not watching.problems, watching.problems


@pytest.fixture
def profile(chromium, watch):
    """profile(**options) -> a browser context like a browser of somebody else's."""
    opened = []

    def make(**options):
        context = chromium.new_context(**options)
        context.set_default_timeout(PATIENCE * 1000)
        watch.attach(context)
        if slow.DELAY:
            context.add_init_script(slow.HESITATE)
        opened.append(context)
        return context

    yield make
    for context in opened:
        context.close()


@pytest.fixture
def page(profile):
    return profile().new_page()


# -- what people do ----------------------------------------------------------------------------


def moves(page):
    """Within it the page may go elsewhere by itself, or by what is done to it: who writes this waits
    for where that ends."""
    return page.watch.moves(page)


@contextlib.contextmanager
def arrives(page):
    """What is done within it leads to another page, or to the same one anew: until that has loaded."""
    with moves(page), page.expect_navigation() as moved:
        yield moved


def press(where, selector=None):
    """press(page, selector) or press(locator): clicks a link, or what sends a form, and waits for the
    page that answers. What is looked at or asked for afterwards is what came of it.

    A plain click() is for what stays on its page; where a script changes that, `expect` waits.
    """
    target = where.locator(selector) if selector else where
    with arrives(target.page) as moved:
        target.click()
    return moved.value


def press_enter(page):
    """The same with the Enter key, on what has the focus."""
    with arrives(page) as moved:
        page.keyboard.press("Enter")
    return moved.value


def register(page, base, username, password=PASSWORD, email=""):
    page.goto(base + "/")
    page.fill("#register-username", username)
    page.fill("#register-email", email)
    page.fill("#register-password", password)
    return press(page, "#register-submit")


def log_in(page, base, username, password=PASSWORD):
    page.goto(base + "/login")
    page.fill("#username", username)
    page.fill("#password", password)
    return press(page, "#login-submit")


def whoami(page):
    return page.locator("#whoami").inner_text()


def message(page):
    return page.locator("#message").inner_text()


# -- another site ------------------------------------------------------------------------------


class Attacker(http.server.BaseHTTPRequestHandler):
    """Serves whatever page the test put on the server, from an origin of its own."""

    def do_GET(self):  # pylint: disable=invalid-name
        body = self.server.page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):  # pylint: disable=invalid-name
        self.server.received.append(
            self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.do_GET()

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


@pytest.fixture
def attacker():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Attacker)
    server.page = "<!doctype html><link rel=icon href='data:,'>"
    server.received = []
    server.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
