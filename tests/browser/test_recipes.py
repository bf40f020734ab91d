"""The recipes of docs/recipes as a reader follows them: their commands, their files, their program,
and a person in Chromium (R004-59, issue 5). Only ports are the test's.
"""
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading

import pytest

from conftest import press, whoami
from support import ports
from support.check import PATIENCE
from support.guides import Guide
from support.proxies import wait_for_port

PASSWORD = "correct horse"  # as the recipes print it


@pytest.fixture
def recipe(site, tmp_path):
    """recipe(name) -> the guide after its commands. 3000 and 4180 are free ports: guide.ports."""
    def follow(name):
        own = {str(port): ports.free_port() for port in (3000, 4180)}
        guide = Guide(f"docs/recipes/{name}.md", site.instance, tmp_path, own)
        guide.ports = {int(port): free for port, free in own.items()}
        guide.run()
        guide.write_files()
        return guide

    return follow


@pytest.fixture
def started(recipe):
    """started(name, port=3000) -> the guide, with the address of what it starts as guide.url."""
    running = []

    def start(name, port=3000):
        guide = recipe(name)
        guide.url = f"http://localhost:{guide.ports[port]}/"
        with open(guide.directory / "log", "wb") as log:
            running.append(guide.start(os.path.dirname(sys.executable), stdout=log, stderr=log))
        wait_for_port(guide.ports[port], running[-1])
        return guide

    yield start
    for process in running:
        process.terminate()
        process.wait(PATIENCE)


def sign_in(page):
    page.fill("#username", "ada")
    page.fill("#password", PASSWORD)
    press(page, "#login-submit")
    assert whoami(page) == "ada"
    press(page, "#consent-allow")


def test_web_application(started, page):
    url = started("web-application").url
    page.goto(url)
    sign_in(page)
    page.wait_for_url(url)
    assert "Signed in as ada." in page.content()
    page.goto(url + "logout")
    page.wait_for_url(url + "signed-out")
    page.goto(url)
    page.wait_for_selector("#username")


def test_single_page_application(started, page):
    """Tokens reach the page across origins, by CORS for its redirect URI; a callback that the page
    did not ask for gives nothing."""
    url = started("single-page-application").url
    page.goto(url)
    press(page, "#sign-in")
    sign_in(page)
    page.wait_for_url(url)
    page.wait_for_function("document.querySelector('#user').textContent === 'ada'")
    page.goto(url + "?code=x&state=y")
    page.wait_for_function("document.querySelector('#user').textContent.startsWith('Not signed in')")


def test_command_line_tool(recipe, page):
    """Any free port of loopback comes back, and the printed token is good in the next command."""
    guide = recipe("command-line-tool")
    environment = guide.environment | {"BROWSER": "true"}  # the person's browser is Chromium
    tool = subprocess.Popen(["bash", "-ec", guide.blocks("sh")[0]], cwd=guide.directory, env=environment,
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            start_new_session=True)
    try:
        page.goto(re.match(r"Opening (\S+)", tool.stderr.readline()).group(1))
        sign_in(page)
        page.wait_for_url("http://127.0.0.1:*/callback?*")
        assert "close this window" in page.content()
        output = tool.communicate(timeout=PATIENCE)[0]
    finally:
        if tool.poll() is None:
            os.killpg(tool.pid, signal.SIGKILL)
            tool.wait()
    assert tool.returncode == 0 and json.loads(output)["username"] == "ada"


class Told(http.server.BaseHTTPRequestHandler):
    """An application that says what its proxy told of the person."""

    def do_GET(self):  # pylint: disable=invalid-name
        names = ("X-Forwarded-User", "X-Forwarded-Preferred-Username", "X-Forwarded-Email")
        body = json.dumps({name: self.headers[name] for name in names}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


@pytest.mark.skipif(shutil.which("oauth2-proxy") is None, reason="./dev soak --only programs builds it")
def test_oauth2_proxy(started, site, page):
    """The application behind it is told who it is; without signing in nothing gets through."""
    guide = started("oauth2-proxy", 4180)
    with http.server.ThreadingHTTPServer(("127.0.0.1", guide.ports[3000]), Told) as application:
        threading.Thread(target=application.serve_forever, daemon=True).start()
        assert site.http.get(guide.url).status_code == 403
        page.goto(guide.url)
        press(page, "button[type=submit]")
        sign_in(page)
        page.wait_for_url(guide.url)
        told = json.loads(page.locator("body").inner_text())
        application.shutdown()
    assert told == {"X-Forwarded-User": site.user_id("wiki", "ada", PASSWORD),
                    "X-Forwarded-Preferred-Username": "ada", "X-Forwarded-Email": "ada@wiki.example"}
