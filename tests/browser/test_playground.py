"""/playground: the code flow step by step, against each tenant's own issuer (api.md §9)."""
import json
import os
import shlex
import subprocess

import pytest
from playwright.sync_api import expect

from conftest import PASSWORD, press, press_enter
from support.check import PATIENCE

SHOTS = os.environ.get("TENANTD_SHOTS")


def shoot(page, name):
    """Pictures for people to look at, where TENANTD_SHOTS names a directory."""
    if not SHOTS:
        return
    for scheme, width in (("light", 1200), ("dark", 1200), ("light", 360), ("dark", 360)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.screenshot(path=os.path.join(SHOTS, f"{name}-{scheme}-{width}.png"), full_page=True)
    page.set_viewport_size({"width": 1200, "height": 740})


def answer(page, step):
    """Status and body of what a step was answered."""
    page.wait_for_selector(f"#{step}-out pre")
    status = page.locator(f"#{step}-out > p").first.inner_text()
    return int(status.split()[1]), json.loads(page.locator(f"#{step}-out > pre").inner_text())


def run(page, step):
    """The step's line for curl, as it stands there."""
    words = shlex.split(page.locator(f"#{step}-curl").inner_text().replace("\\\n", " "))
    assert words[:2] == ["curl", "-s"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return json.loads(done.stdout)


def facts(page, where):
    """{name: value} of a list."""
    rows = page.locator(f"{where} > div")
    return {rows.nth(n).locator("dt").inner_text(): rows.nth(n).locator("dd code").inner_text()
            for n in range(rows.count())}


@pytest.mark.parametrize("slug", ["client1", "client2"])
def test_the_whole_walk(site, page, slug):
    """From the front page to a revoked token, by keyboard where there is something to press."""
    user = site.user(slug)
    page.goto(site.front + "/")
    press(page, f'a[href="/t/{slug}/playground"]')
    page.wait_for_selector("#ask-params > div")
    sent = facts(page, "#ask-params")
    assert sent["redirect_uri"] == site.path(slug) + "/playground"
    assert sent["code_challenge_method"] == "S256" and sent["nonce"] and sent["state"]
    assert page.locator("#ask-client option:checked").inner_text().startswith("Playground (")
    page.select_option("#ask-prompt", "login")
    page.wait_for_function("document.getElementById('ask-url').textContent.includes('prompt=login')")
    shoot(page, f"playground-{slug}-1")
    page.focus("#ask-go")
    press_enter(page)
    page.fill("#username", user)
    page.fill("#password", PASSWORD)
    press(page, "#login-submit")
    press(page, "#consent-allow")
    page.wait_for_selector("#code-params > div")
    expect(page).to_have_url(site.path(slug) + "/playground")  # the code is not left in the address
    came = facts(page, "#code-params")
    assert came["iss"] == site.path(slug) and came["state"] == sent["state"]
    assert "code=" + came["code"] in page.locator("#token-curl").inner_text()
    expect(page.locator("#token-send")).to_be_focused()
    page.keyboard.press("Enter")
    status, pair = answer(page, "token")
    assert status == 200 and pair["token_type"] == "Bearer" and pair["refresh_token"]
    checks = page.locator("#token-out .play-checks li").all_inner_texts()
    assert len(checks) == 10 and all(text.startswith("✓") for text in checks), checks
    claims = facts(page, '#token-out [data-kind="ID token"] details:last-of-type dl')
    assert claims["iss"] == site.path(slug) and claims["nonce"] == sent["nonce"]
    assert claims["sub"] == site.user_id(slug, user)
    page.click("#userinfo-send")
    status, seen = answer(page, "userinfo")
    assert status == 200 and seen["sub"] == claims["sub"] and seen["preferred_username"] == user
    assert run(page, "userinfo") == seen
    page.click("#refresh-send")
    status, next_pair = answer(page, "refresh")
    assert status == 200 and next_pair["refresh_token"] != pair["refresh_token"]
    texts = page.locator("#refresh-out .play-checks li").all_inner_texts()
    assert all(text.startswith("✓") for text in texts), texts
    shoot(page, f"playground-{slug}-2")
    page.click("#revoke-send")
    page.wait_for_selector("#revoke-proof")
    assert "401 invalid_token" in page.locator("#revoke-proof").inner_text()
    assert answer(page, "revoke") == (200, {}) and run(page, "userinfo")["error"] == "invalid_token"
    assert page.locator("button:not([disabled])").count() == 0


def test_what_comes_from_elsewhere_is_not_used(site, page):
    """An answer that this page did not ask for, and an error, lead nowhere."""
    base = site.path("client1") + "/playground"
    page.goto(f"{base}?code=forged&state=forged&iss={site.path('client1')}")
    page.wait_for_selector("#code-params > div")
    assert "not asked for by this page" in page.locator("#play-status").inner_text()
    assert page.locator("#token-send").is_disabled()
    page.goto(base)
    page.wait_for_selector("#ask-params > div")
    page.select_option("#ask-prompt", "none")
    page.wait_for_function("document.getElementById('ask-go').href.includes('prompt=none')")
    press(page, "#ask-go")
    page.wait_for_selector("#code-params > div")
    assert facts(page, "#code-params")["error"] == "login_required"
    assert page.locator("#token-send").is_disabled()


def test_where_the_page_is(site):
    """It stands where the issuer is; nothing but its own script runs; a tenant without a client is
    told the command that makes one."""
    there = site.http.get("/playground", headers={"Host": f"client1.localhost:{site.instance.port}"})
    assert there.status_code == 303
    assert there.headers["location"] == site.path("client1") + "/playground"
    assert site.http.get("/playground").headers["location"] == "/#tenants-title"
    front = {"Host": f"localhost:{site.instance.port}"}
    slug = site.tenant()
    found = site.http.get(f"/t/{slug}/playground", headers=front)
    assert found.status_code == 200 and found.headers["cache-control"] == "no-store"
    policy = dict(part.split(" ", 1) for part in found.headers["content-security-policy"].split("; "))
    nonce = policy["script-src"].removeprefix("'nonce-").removesuffix("'")
    assert policy["default-src"] == "'none'" and policy["connect-src"] == "'self'"
    assert found.text.count("<script") == 1 and f'nonce="{nonce}" defer></script>' in found.text
    again = site.http.get(f"/t/{slug}/playground", headers=front)
    assert nonce not in again.headers["content-security-policy"]
    assert f"tenantd client create --tenant {slug} --name Playground --public" in found.text
