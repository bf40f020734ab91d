"""What pages must not do: run what users typed, take what other sites send, trust another's form."""
import html
import re
import urllib.parse

import httpx
import pytest
from playwright.sync_api import expect

from conftest import PASSWORD, log_in, message, press, register, whoami
from support.check import PATIENCE
from support.world import unique

#: HT-11: each of these stays text, wherever it is stored.
PAYLOADS = [
    "<script>alert(1)</script>", "<ScRiPt>alert(1)</sCrIpT>", "<script src=//127.0.0.1/x.js></script>",
    "\"><script>alert(1)</script>", "'><script>alert(1)</script>", "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>", "<img src=x onerror=\"alert(1)\">", "\"><img src=x onerror=alert(1)>",
    "'><img src=x onerror=alert(1)>", "<img/src=x/onerror=alert(1)>", "<image src=x onerror=alert(1)>",
    "<svg onload=alert(1)>", "<svg/onload=alert(1)>", "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>", "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)>", "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data=javascript:alert(1)>", "<embed src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>", "<a href='&#106;avascript:alert(1)'>x</a>",
    "<form action=javascript:alert(1)><button>x</button></form>", "<button formaction=javascript:alert(1)>x",
    "<input autofocus onfocus=alert(1)>", "\" autofocus onfocus=alert(1) x=\"",
    "' autofocus onfocus=alert(1) x='", "\" onmouseover=alert(1) \"", "<select autofocus onfocus=alert(1)>",
    "<textarea autofocus onfocus=alert(1)>", "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>", "</style><script>alert(1)</script>",
    "</pre><script>alert(1)</script>", "</option></select><script>alert(1)</script>",
    "<details open ontoggle=alert(1)>", "<video><source onerror=alert(1)>", "<audio src=x onerror=alert(1)>",
    "<marquee onstart=alert(1)>", "<math><mi//xlink:href=\"data:x,<script>alert(1)</script>\">",
    "<link rel=stylesheet href=//127.0.0.1/x.css>", "<style>@import '//127.0.0.1/x.css'</style>",
    "<base href=//127.0.0.1/>", "<meta http-equiv=refresh content=0;url=//127.0.0.1/>",
    "<!--><script>alert(1)</script>", "<![CDATA[<script>alert(1)</script>]]>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">", "<template><script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;", "&#60;script&#62;alert(1)&#60;/script&#62;",
    "%3Cscript%3Ealert(1)%3C/script%3E", "\\u003cscript\\u003ealert(1)", "javascript:alert(1)",
    "{{7*7}}", "{{#message}}x{{/message}}", "{{&json}}", "{{>head}}", "${alert(1)}", "`${alert(1)}`",
    "]]>", "--><b>x</b>", "\u2028alert(1)\u2029", "<b>bold</b>&amp;",
]


def markup(page):
    """Elements that only a payload could have brought."""
    return page.locator("main :is(script, img, svg, iframe, object, embed, video, audio, math, marquee,"
                        " style, link, meta, base, body, b, template, noscript)").count()


def test_payloads_stay_text_on_the_dashboard(site, page):
    """HT-11, HT-15: as name, as values and as names of custom fields, in rows, inputs and JSON."""
    fields = {f"p{n}": text for n, text in enumerate(PAYLOADS)}
    named = {text.replace(".", "·").lstrip("$"): "value" for text in PAYLOADS[:20]}
    user = site.user("client1", name="<script>alert(1)</script>", custom_fields=fields | {"k": named})
    log_in(page, site.path("client1"), user)
    page.wait_for_url("**/dashboard")
    assert "<script>alert(1)</script>" in page.locator("h1").inner_text()
    shown = page.locator("#custom-fields dd bdi").all_text_contents()
    for text in PAYLOADS:
        assert text in shown, text
    names = page.locator("#custom-fields dt bdi").all_text_contents()
    for text in named:
        assert text in names, text
    for n, text in enumerate(PAYLOADS[:60]):
        assert page.locator(f"[name='field:p{n}']").input_value() == text
    assert markup(page) == 0


def test_payload_as_user_name(site, page):
    name = "<img/src=x/onerror=alert(1)>" + unique()
    register(page, site.path("client1"), name)
    log_in(page, site.path("client1"), name)
    page.wait_for_url("**/dashboard")
    assert whoami(page) == name
    assert markup(page) == 0


def bare(text):
    """A payload as a user name may hold it: no blanks, no "@", no controls, at most 64."""
    return re.sub(r"[\s@\x00-\x1f\u2028\u2029]", "/", text)[:50]


def fill_tenant(site, slug):
    """A user for each payload: as name, agent, custom field and, as far as allowed, user name."""
    names = []
    for n, text in enumerate(PAYLOADS[:60]):
        names.append(f"{n}{bare(text)}" if n % 2 else f"u{n}")
        answer = site.post(slug, "/oauth/register", {
            "username": names[-1], "email": f"{unique('m')}@example.com", "password": PASSWORD,
            "name": text,
            "custom_fields": {"f": text, text.replace(".", "·").lstrip("$"): "v"}},
            **{"User-Agent": text.encode("ascii", "ignore").decode()})
        assert answer.status_code == 201, (text, answer.text)
    return names


def test_payloads_stay_text_in_the_console(site, profile):
    """HT-11, HT-15: as names of users, of the tenant and of keys, in custom fields, agents of the
    audit log, filters, searches, and what a refused form shows again."""
    slug = site.tenant(PAYLOADS[0])
    names = fill_tenant(site, slug)
    page = profile(user_agent=PAYLOADS[0]).new_page()
    log_in(page, site.path(slug), "owner")
    page.wait_for_url("**/dashboard")
    console = site.path(slug) + "/dashboard/admin"

    def visit(path):
        page.goto(console + path)
        assert markup(page) == 0, path
        return page.locator("body").inner_text()

    for path in ("", "/keys", "/clients", "/clients/new", "/settings", "/users/new"):
        assert PAYLOADS[0] in visit(path)
    shown = visit("/users")
    while page.get_by_role("link", name="Next page").count():
        press(page.get_by_role("link", name="Next page"))
        assert markup(page) == 0
        shown += page.locator("main").inner_text()
    assert all(name in shown for name in names)
    for n in range(0, 60, 6):
        visit("/users?q=" + urllib.parse.quote(names[n]))
        press(page.locator("#users a").first)
        assert markup(page) == 0
        assert PAYLOADS[n] in page.locator("#custom-fields").text_content()
        page.locator("#edit-email").evaluate("field => field.form.noValidate = true")
        page.fill("#edit-email", PAYLOADS[n])
        press(page, "#user-save")
        assert page.input_value("#edit-email") == PAYLOADS[n] and markup(page) == 0
    for n in range(1, 60, 8):
        text = urllib.parse.quote(PAYLOADS[n])
        visit(f"/audit?action={text}&user={text}&status={text}")
    visit("/audit")
    for n in range(2, 60, 12):
        visit("/keys")
        page.fill("#key-label", PAYLOADS[n])
        press(page, "#key-create")
        assert markup(page) == 0
    visit("/clients/new")
    page.fill("#client-name", PAYLOADS[0])
    page.fill("#client-redirects", PAYLOADS[0])
    press(page, "#client-create")
    assert markup(page) == 0 and page.input_value("#client-redirects") == PAYLOADS[0]
    page.fill("#client-redirects", "https://app.example/cb")
    press(page, "#client-create")
    assert markup(page) == 0 and PAYLOADS[0] in page.locator("main").inner_text()
    assert PAYLOADS[0] in visit("/clients")
    press(page.locator("#clients a").first)
    assert markup(page) == 0 and PAYLOADS[0] in page.locator("main").inner_text()
    assert PAYLOADS[2] in visit("/keys")
    visit("/settings")
    page.fill("#setting-allowed_origins", "\n".join(PAYLOADS[:9]))
    press(page, "#settings-save")
    assert markup(page) == 0
    expect(page.locator("#setting-allowed_origins-error")).to_be_visible()


def test_payload_typed_into_a_form_that_is_refused(site, page):
    for payload in ("\"><script>alert(1)</script>", "' autofocus onfocus=alert(1) x='"):
        log_in(page, site.path("client1"), payload, "wrong password")
        assert page.input_value("#username") == payload
        page.fill("#register-username", payload + "@")
        page.fill("#register-password", PASSWORD)
        press(page, "#register-submit")
        assert page.input_value("#register-username") == payload + "@"
        assert markup(page) == 0


def test_payload_as_name_of_a_tenant(site, page):
    name = "<script>alert(1)</script> & \"Söhne\""
    slug = site.tenant(name)
    for url in (site.path(slug) + "/", site.front + "/", f"{site.front}/docs/{slug}"):
        page.goto(url)
        assert name in page.locator("body").inner_text(), url
        assert markup(page) == 0


@pytest.mark.parametrize("path", ["/<script>alert(1)<%2fscript>", "/login?notice=<script>alert(1)</script>",
                                  "/docs/<img src=x onerror=alert(1)>", "/static/<svg onload=alert(1)>"])
def test_payload_in_an_address(site, page, path):
    page.goto(site.path("client1") + path)
    assert markup(page) == 0
    assert "alert(1)" not in page.content()


def test_the_policy_stops_script(site, profile, watch):
    """The watch of these tests would see a violation: here is one."""
    page = profile().new_page()
    page.goto(site.path("client1") + "/")
    page.evaluate("""() => {
        const script = document.createElement('script');
        script.textContent = 'window.ran = true';
        document.body.append(script);
        document.body.setAttribute('style', 'color: red');
    }""")
    assert page.evaluate("window.ran") is None
    for kind in ("script", "style"):
        while not any(f"inline {kind}" in problem for problem in watch.problems):
            page.wait_for_timeout(10)  # the console is told of a little later
    watch.problems.clear()


def test_every_page_has_the_strict_policy(site):
    """HT-11, HT-12."""
    for path in ("/", "/login", "/register", "/docs", "/docs/client1", "/nothing-here"):
        answer = site.http.get("/t/client1" + path if "docs" not in path else path,
                               headers={"Accept": "text/html"})
        policy = answer.headers["content-security-policy"]
        for part in ("default-src 'none'", "form-action 'self'", "base-uri 'none'",
                     "frame-ancestors 'none'"):
            assert part in policy, path
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"<script|style=|\son\w+=", answer.text), path


# -- forms of other sites ------------------------------------------------------------------------


def fields_of(text, action):
    """{name: value} of the hidden fields of the form with that action."""
    form = re.search(rf'<form method="post" action="[^"]*{action}".*?</form>', text, re.DOTALL)
    return {name: html.unescape(value) for name, value in
            re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form.group(0))}


def attack(attacker, page, action, fields):
    inputs = "".join(f'<input name="{name}" value="{html.escape(value)}">'
                     for name, value in fields.items())
    attacker.page = (f"<!doctype html><link rel=icon href='data:,'><form method=post action='{action}'>"
                     f"{inputs}<button id=go>go</button></form>")
    page.goto(attacker.url)
    return press(page, "#go")


def test_cross_site_forms_are_refused(site, profile, attacker):
    """HT-9: login, registration, logout, profile and password, sent by another site's page."""
    page = profile().new_page()
    base = site.path("client1")
    name = site.user("client1")
    page.goto(base + "/")
    login_token = page.locator("form[action$='/login'] [name=form_token]").input_value()
    log_in(page, base, name)
    page.wait_for_url("**/dashboard")
    token = page.locator("form[action$='/logout'] [name=form_token]").input_value()
    forms = {"/login": {"username": name, "password": PASSWORD, "form_token": login_token},
             "/register": {"username": unique("x"), "password": PASSWORD, "form_token": login_token},
             "/logout": {"form_token": token},
             "/dashboard/profile": {"form_token": token, "part": "profile", "name": "Mallory"},
             "/dashboard/password": {"form_token": token, "current_password": PASSWORD,
                                     "new_password": "taken over 4"},
             "/dashboard/sessions/end-others": {"form_token": token},
             "/dashboard/close": {"form_token": token, "current_password": PASSWORD},
             "/dashboard/admin/users": {"form_token": token, "username": unique("x"),
                                        "password": PASSWORD, "role": "owner"},
             "/dashboard/admin/settings": {"form_token": token, "access_token_ttl": "1"},
             "/dashboard/admin/keys": {"form_token": token, "label": "x", "scope:auth": "on"},
             "/dashboard/admin/clients": {"form_token": token, "client_name": "x",
                                          "kind": "machine"}}
    for action, fields in forms.items():
        answer = attack(attacker, page, base + action, fields)
        assert answer.status == 403, action
        assert "another site" in message(page) or action == "/register", action
    page.goto(base + "/dashboard")
    assert whoami(page) == name
    assert page.locator("h1").inner_text() == f"Hello, {name}"


def same_site_cookies(client, base):
    """A page opened by a program that keeps its cookies, and the page's text."""
    return client.get(base + "/login", headers={"Accept": "text/html"}).text


@pytest.fixture
def browserlike(site):
    """browserlike() -> a client that keeps cookies, as a browser would, at tenant client1."""
    opened = []

    def make():
        opened.append(httpx.Client(base_url=f"http://localhost:{site.instance.port}", timeout=PATIENCE,
                                   trust_env=False))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


def sign_in(site, client, name):
    fields = fields_of(same_site_cookies(client, "/t/client1"), "/login")
    answer = client.post("/t/client1/login", data=fields | {"username": name, "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/t/client1/dashboard")
    return client.get("/t/client1/dashboard").text


def test_form_token_of_another_session(site, browserlike):
    """HT-9: tokens are bound to session, tenant and use; each wrong one is 403 and changes nothing."""
    mine, theirs = browserlike(), browserlike()
    names = [site.user("client1") for _ in range(2)]
    pages = [sign_in(site, client, name) for client, name in zip((mine, theirs), names)]
    own = fields_of(pages[0], "/dashboard/profile")
    other_end = "BB" if own["form_token"].endswith("AA") else "AA"
    change = {"part": "profile", "name": "Mallory"}
    for token in (fields_of(pages[1], "/dashboard/profile")["form_token"],
                  fields_of(pages[0], "/logout")["form_token"], own["form_token"][:-2] + other_end, "", "x"):
        answer = mine.post("/t/client1/dashboard/profile", data=change | {"form_token": token})
        assert answer.status_code == 403
        assert 'id="message"' in answer.text and "expired" in answer.text
        assert "<bdi>Mallory</bdi>" not in mine.get("/t/client1/dashboard").text
    answer = mine.post("/t/client1/dashboard/profile", data=change | {"form_token": own["form_token"]})
    assert answer.status_code == 303
    assert "<bdi>Mallory</bdi>" in mine.get("/t/client1/dashboard").text
    # A new session of the same user has tokens of its own.
    again = browserlike()
    sign_in(site, again, names[0])
    answer = again.post("/t/client1/dashboard/profile",
                       data={"part": "profile", "name": "x", "form_token": own["form_token"]})
    assert answer.status_code == 403


def test_login_form_of_another_browser(site, browserlike):
    """HT-9: before a login the token is bound to this browser's nonce, to the tenant, and to the use."""
    mine, theirs = browserlike(), browserlike()
    name = site.user("client1")
    login = {"username": name, "password": PASSWORD}
    page = same_site_cookies(mine, "/t/client1")
    same_site_cookies(mine, "/t/client2")
    own = fields_of(page, "/login")
    foreign = fields_of(same_site_cookies(theirs, "/t/client1"), "/login")
    for fields in (foreign, fields_of(page, "/register"), {},
                   fields_of(same_site_cookies(mine, "/t/client2"), "/login")):
        answer = mine.post("/t/client1/login", data=login | fields)
        assert answer.status_code == 403
        assert "session-client1" not in answer.headers.get("set-cookie", "")
    answer = httpx.post(f"http://localhost:{site.instance.port}/t/client1/login", data=login | own,
                        trust_env=False, timeout=PATIENCE)
    assert answer.status_code == 403  # no cookie at all
    assert mine.post("/t/client1/login", data=login | own).status_code == 303


def test_origin_of_a_form(site, browserlike):
    """api.md §11: Origin, and without it Sec-Fetch-Site, must be our own."""
    client = browserlike()
    name = site.user("client1")
    fields = fields_of(same_site_cookies(client, "/t/client1"), "/login")
    login = fields | {"username": name, "password": PASSWORD}
    own = f"http://localhost:{site.instance.port}"
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"},
                    {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://localhost.evil.example"}):
        assert client.post("/t/client1/login", data=login, headers=headers).status_code == 403, headers
    answer = client.post("/t/client1/login", data=login,
                         headers={"Origin": own, "Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 303


def test_cookies(site, page):
    """api.md §11, HT-10: host-only, HttpOnly, Lax, Path=/, a name per tenant."""
    log_in(page, site.path("client1"), site.user("client1"))
    page.wait_for_url("**/dashboard")
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert set(cookies) == {"session-client1", "form-client1", "device-client1"}
    for cookie in cookies.values():
        assert cookie["httpOnly"] and cookie["sameSite"] == "Lax" and cookie["path"] == "/"
        assert cookie["domain"] == "localhost" and not cookie["secure"]
    assert page.evaluate("document.cookie") == ""
    assert page.evaluate("Object.keys(localStorage).length") == 0


@pytest.mark.parametrize("where", ["//evil.example", "/\\evil.example", "https://evil.example",
                                   "%2f%2fevil.example", "/%09/evil.example", "javascript:alert(1)"])
def test_no_open_redirect(site, browserlike, where):
    """HT-14: nothing in a request decides where a page leads."""
    client = browserlike()
    name = site.user("client1")
    fields = fields_of(same_site_cookies(client, "/t/client1"), "/login")
    answer = client.post("/t/client1/login", params={"next": where, "return": where, "redirect": where},
                         data=fields | {"username": name, "password": PASSWORD, "next": where})
    assert answer.headers["location"] == "/t/client1/dashboard"
    for path in ("/t/client1/", "/t/client1/dashboard", "/t/client1/login"):
        answer = client.get(path, params={"next": where})
        assert "evil.example" not in answer.headers.get("location", "")
        assert "evil.example" not in answer.text


def test_host_never_reaches_a_page(site):
    """HT-6, HT-7: a Host that is nobody's appears in no output."""
    for headers in ({"Host": "canary.example"}, {"X-Forwarded-Host": "canary.example"},
                    {"Forwarded": "host=canary.example"}):
        for path in ("/", "/docs", "/docs/client1", "/t/client1/", "/nothing-here"):
            answer = site.http.get(path, headers={"Accept": "text/html", **headers})
            assert "canary" not in answer.text + str(answer.headers), (path, headers)


def test_passwords_never_come_back(site, browserlike):
    client = browserlike()
    fields = fields_of(same_site_cookies(client, "/t/client1"), "/login")
    answer = client.post("/t/client1/login",
                         data=fields | {"username": "x", "password": "canary-password-1"})
    assert answer.status_code == 401
    assert "canary-password" not in answer.text + str(answer.headers)


def test_page_of_a_locked_name_keeps_retry_after(site, browserlike):
    client = browserlike()
    name = unique("nobody")
    for _ in range(11):
        fields = fields_of(same_site_cookies(client, "/t/client1"), "/login")
        answer = client.post("/t/client1/login", data=fields | {"username": name, "password": "wrong"})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_notice_is_from_a_closed_list(site, page):
    page.goto(site.path("client1") + "/login?notice=Send+your+password+to+evil.example")
    assert page.locator("#message").count() == 0
    page.goto(site.path("client1") + "/login?notice=signed-out")
    assert message(page) == "You are signed out."
