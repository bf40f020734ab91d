"""The authorization endpoint: what is asked for, who is asked, what goes back (R004-15, R004-46;
OA-1, OA-2, OA-5, OA-7, OA-18, OA-20, OA-22)."""
import urllib.parse

import pytest

from support.authorize import (REDIRECT, ask_consent, authorize, back, browser_of, code_client,
                               decide, exchange, field, params_of, pkce, sign_in_with_ticket)
from support.check import ok, refused


# -- the client and its redirect URI: pages, never redirects ------------------------------------


def mutants():
    """120 redirect URIs that differ from the registered one (OA-1)."""
    host = "app.example"
    made = [
        "", " ", REDIRECT + "/", REDIRECT + "?", REDIRECT + "#", REDIRECT + "#x", REDIRECT + "?a=b",
        REDIRECT + "%20", REDIRECT + " ", " " + REDIRECT, REDIRECT + "%00", REDIRECT + "%0d%0aX: y",
        REDIRECT.upper(), REDIRECT.title(), "HTTPS://app.example/callback",
        "https://APP.example/callback", "https://app.example/Callback", "http://app.example/callback",
        "https:/app.example/callback", "https:app.example/callback", "//app.example/callback",
        "/callback", "callback", "https://app.example", "https://app.example/",
        "https://app.example:443/callback", "https://app.example:8443/callback",
        "https://app.example./callback", "https://app.example../callback",
        "https://.app.example/callback", "https://www.app.example/callback",
        "https://app.example.evil.example/callback", "https://evil.example/app.example/callback",
        "https://evil.example?app.example/callback", "https://evil.example#app.example/callback",
        "https://evil.example\\@app.example/callback", "https://app.example@evil.example/callback",
        "https://app.example%40evil.example/callback", "https://user@app.example/callback",
        "https://user:pass@app.example/callback", "https://app.example:@evil.example/callback",
        "https://a@b@app.example/callback", "https://evil.example%2f@app.example/callback",
        "https://app.example%2eevil.example/callback", "https://app.example%00.evil.example/callback",
        "https://app.example%09.evil.example/callback", "https://appXexample/callback",
        "https://app-example/callback", "https://app.exampl/callback", "https://app.examplee/callback",
        "https://xn--app-.example/callback", "https://app。example/callback",
        "https://аpp.example/callback", "https://app.example/callback/..", "https://app.example/./callback",
        "https://app.example/x/../callback", "https://app.example/..;/callback",
        "https://app.example/callback/..;/x", "https://app.example//callback",
        "https://app.example/callback//", "https://app.example/%63allback",
        "https://app.example/callback%2f", "https://app.example/callback%2F..%2Fx",
        "https://app.example/callback%252f", "https://app.example/callback;x=y",
        "https://app.example/callback&x=y", "https://app.example/callback.evil",
        "https://app.example/callbackx", "https://app.example/callbac", "https://app.example\\callback",
        "https:\\\\app.example\\callback", "https:///app.example/callback", "https://*.example/callback",
        "https://*/callback", "https://app.example/*", "*", "javascript:alert(1)",
        "javascript://app.example/callback", "data:text/html,x", "vbscript:x", "file:///callback",
        "blob:https://app.example/callback", "about:blank", "ftp://app.example/callback",
        "ws://app.example/callback", "com.example.app:/callback", "urn:ietf:wg:oauth:2.0:oob",
        "http://localhost/callback", "http://127.0.0.1/callback", "http://[::1]/callback",
        "https://[::ffff:127.0.0.1]/callback", "https://2130706433/callback", "https://0/callback",
        "https://app.example/callback\t", "https://app.example/call\tback", "https://app.example/call\nback",
        "https://app.example/callback\r\n", "\thttps://app.example/callback", "https://app.example/callback\u00a0",
        "https://app.example/callback\u200b", "https://app.example/callback\u202e", "\ufeff" + REDIRECT,
        "https://app.example/ｃallback", "https://app.example/callback%C0%AF", "https://app.example/callback%",
        REDIRECT + REDIRECT, REDIRECT + "," + REDIRECT, REDIRECT + " https://evil.example",
        f"https://{host}:0443/callback", f"https://{host}:/callback", f"https://{host}:443443/callback",
        f"https://{host}?/callback", f"https://{host}#/callback", f"https://{host}//evil.example/callback",
        f"https://evil.example//{host}/callback", f"https://{host}/callback?redirect_uri={REDIRECT}",
        "null", "undefined", "x" * 3000, "https://app.example/" + "a" * 1900, "%68ttps://app.example/callback",
    ]
    return made


def test_a_redirect_uri_is_equal_or_it_is_a_page(api, tenant, owner, own):
    """OA-1, oidcc-ensure-registered-redirect-uri: 400, HTML, no Location, whoever is signed in."""
    tried = mutants()
    assert len(set(tried)) >= 120
    for uri in tried:
        answer = authorize(api, tenant, params_of(own, redirect_uri=uri), owner.session)
        assert answer.status_code == 400, (uri, answer.status_code)
        assert "Location" not in answer.headers and "Refresh" not in answer.headers, uri
        assert answer.headers["Content-Type"].startswith("text/html"), uri


@pytest.mark.parametrize("changes", [
    {"client_id": None}, {"client_id": "nobody"}, {"client_id": "x" * 64}, {"redirect_uri": None},
    {"client_id": ""}])
def test_without_a_client_nobody_is_sent_anywhere(api, tenant, owner, own, changes):
    answer = authorize(api, tenant, params_of(own, **changes), owner.session)
    assert answer.status_code == 400 and "Location" not in answer.headers
    json = authorize(api, tenant, params_of(own, **changes), owner.session,
                     headers={"Accept": "application/json"})
    refused(json, 400, "invalid_request")


def test_doubled_client_or_redirect_uri_is_a_page(api, tenant, owner, own):
    for name in ("client_id", "redirect_uri"):
        query = urllib.parse.urlencode(list(params_of(own).items()) + [(name, params_of(own)[name])])
        answer = authorize(api, tenant, query, owner.session)
        assert answer.status_code == 400 and "Location" not in answer.headers


def test_a_client_of_another_tenant_is_unknown(api, world, tenant, own):
    """E7: by path, by header; without a hint the client leads to its own tenant."""
    other = world.tenant()
    assert authorize(api, other, params_of(own)).status_code == 400
    query = urllib.parse.urlencode(params_of(own))
    answer = api.get(f"/oauth/authorize?{query}", tenant=other.slug, headers={"Accept": "text/html"})
    assert answer.status_code == 400
    answer = api.get(f"/oauth/authorize?{query}", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"/t/{tenant.slug}/oauth/authorize?")


def test_development_shows_what_differs(api, tenant, own):
    """R004-46: received and registered, the difference marked, and what adds it."""
    page = authorize(api, tenant, params_of(own, redirect_uri=REDIRECT + "/<b>'x'")).text
    assert f"{REDIRECT}<mark>/&lt;b&gt;" in page
    assert f"{REDIRECT}<mark></mark>" in page
    assert "cannot be registered" in page and "client update" not in page  # "<" is no URI's
    assert "<b>" not in page
    page = authorize(api, tenant, params_of(own, redirect_uri=REDIRECT + "/'x'")).text
    assert f"tenantd client update {own['client_id']} --tenant {tenant.slug}" in page
    assert f"--add-redirect-uris &#39;{REDIRECT}/&#39;\\&#39;&#39;x&#39;\\&#39;&#39;&#39;" in page


# -- errors that go back ------------------------------------------------------------------------


ERRORS = [
    ({"response_type": None}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": "code id_token"}, "unsupported_response_type"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"scope": "unknown"}, "invalid_scope"),
    ({"scope": 'a"b'}, "invalid_scope"),
    ({"request": "a.b.c"}, "request_not_supported"),
    ({"request_uri": "https://app.example/r"}, "request_uri_not_supported"),
    ({"registration": "{}"}, "registration_not_supported"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"prompt": "dance"}, "invalid_request"),
    ({"max_age": "-1"}, "invalid_request"),
    ({"max_age": "soon"}, "invalid_request"),
    ({"claims": "[]"}, "invalid_request"),
    ({"claims": "{"}, "invalid_request"),
    ({"nonce": "n" * 2049}, "invalid_request"),
    ({"code_challenge": "x" * 43}, "invalid_request"),
    ({"code_challenge": "A" * 43, "code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge": "A" * 42, "code_challenge_method": "S256"}, "invalid_request"),
    ({"code_challenge": "A" * 44, "code_challenge_method": "S256"}, "invalid_request"),
    ({"code_challenge_method": "S256"}, "invalid_request"),
]


@pytest.mark.parametrize("changes,error", ERRORS, ids=[str(changes)[:60] for changes, _ in ERRORS])
def test_errors_go_back_as_the_rfc_names_them(api, tenant, owner, own, changes, error):
    """RFC 6749 §4.1.2.1, RFC 9207: error, fixed ASCII, state, iss; nothing of ours besides."""
    answer = authorize(api, tenant, params_of(own, **changes), owner.session)
    found = back(answer)
    assert found["error"] == error and found["state"] == "s-1"
    assert set(found) == {"error", "error_description", "state", "iss"}
    assert found["iss"].endswith(f"/t/{tenant.slug}")
    assert found["error_description"].isascii() and not set(found["error_description"]) & set('"\\')
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert not answer.content


def test_doubled_parameters_go_back(api, tenant, owner, own):
    """OA-22: every parameter once, but resource; unknown ones are ignored, empty ones absent."""
    for name in ("scope", "state", "nonce", "response_type", "whatever"):
        query = urllib.parse.urlencode(list(params_of(own, whatever="x").items()) + [(name, "y")])
        found = back(authorize(api, tenant, query, owner.session))
        assert found["error"] == "invalid_request", name
        assert ("state" in found) is (name != "state")
    query = urllib.parse.urlencode(
        list(params_of(own, prompt="", max_age="", claims="", code_challenge="").items())
        + [("resource", "https://a.example"), ("resource", "https://b.example"), ("foo", "bar")])
    assert back(authorize(api, tenant, query, owner.session))["error"] == "invalid_target"
    query = query.replace("resource", "other").replace("other=", "first=", 1)
    assert "code" in back(authorize(api, tenant, query, owner.session))


def test_state_comes_back_unchanged_up_to_4_kb(api, tenant, owner, own):
    """OA-22: HTML, blanks, quotes, any UTF-8; one byte more is refused without it."""
    for state in ("<script>alert(1)</script>", "a b+c&d=e%20/?#'\"\\", "ü☃\U0001f600", "\r\nX: y",
                  "x" * 4096):
        assert back(authorize(api, tenant, params_of(own, state=state), owner.session))["state"] == state
        assert back(authorize(api, tenant, params_of(own, state=state, scope="unknown"),
                              owner.session))["state"] == state
    found = back(authorize(api, tenant, params_of(own, state="x" * 4097), owner.session))
    assert found["error"] == "invalid_request" and "state" not in found
    assert "state" not in back(authorize(api, tenant, params_of(own, state=None), owner.session))


def test_public_clients_must_send_a_challenge(api, world, tenant, owner, own, public):
    """OA-2: PKCE for public clients always, for all where the tenant says so."""
    assert back(authorize(api, tenant, params_of(public), owner.session))["error"] == "invalid_request"
    assert "code" in back(authorize(api, tenant, params_of(public, pkce()[1]), owner.session))
    assert "code" in back(authorize(api, tenant, params_of(own), owner.session))
    strict = world.tenant()
    world.login(strict.owner)
    world.sign_in(strict.owner)
    ok(api.put("/tenants/settings", token=strict.owner.token,
               json={"settings": {"require_pkce": True}}))
    made = code_client(api, strict)
    assert back(authorize(api, strict, params_of(made), strict.owner.session))["error"] == "invalid_request"
    assert "code" in back(authorize(api, strict, params_of(made, pkce()[1]), strict.owner.session))


def test_scope_is_cut_to_client_and_person(api, world, tenant, own):
    """api.md: what the client did not register and the person may not have is left out."""
    user = world.user(tenant)
    world.sign_in(user)
    made = code_client(api, tenant, scope="read admin users:read")
    shown = ask_consent(api, user, params_of(made, scope="read write admin"))
    assert shown["scope"] == "read"
    assert back(authorize(api, tenant, params_of(made, scope="admin"), user.session))["error"] == "invalid_scope"


# -- prompt and login ---------------------------------------------------------------------------


def test_prompt_none_never_renders(api, tenant, owner):
    """OA-18: where the user would have to be asked, an error goes back."""
    asks = code_client(api, tenant, first_party=False)
    found = back(authorize(api, tenant, params_of(asks, prompt="none"), owner.session))
    assert found["error"] == "consent_required"


def test_login_brings_the_browser_back(api, world, tenant, own):
    """§11: the ticket is bound to browser, tenant and client, and works once."""
    user = world.named_user(tenant)
    start = authorize(api, tenant, params_of(own, state="a&b"))
    assert start.status_code == 303
    assert start.headers["Location"].startswith(f"/t/{tenant.slug}/login?ticket=")
    browser = browser_of(start)
    answer, cookies, form = sign_in_with_ticket(api, user, start.headers["Location"], browser)
    assert answer.status_code == 303
    location = answer.headers["Location"]
    assert location.startswith(f"/t/{tenant.slug}/oauth/authorize?")
    found = back(api.get(location, cookie=cookies, headers={"Accept": "text/html"}))
    assert found["state"] == "a&b" and "code" in found
    again = api.post(f"/t/{tenant.slug}/login", cookie=browser, headers={"Accept": "text/html"},
                     form=form)
    assert again.headers["Location"] == f"/t/{tenant.slug}/dashboard"


def test_a_ticket_is_of_one_browser(api, world, tenant, own):
    user = world.named_user(tenant)
    first, second = (authorize(api, tenant, params_of(own)) for _ in range(2))
    stolen = api.get(first.headers["Location"], cookie=browser_of(second),
                     headers={"Accept": "text/html"})
    assert 'name="ticket"' not in stolen.text
    other = world.tenant()
    elsewhere = api.get(first.headers["Location"].replace(tenant.slug, other.slug),
                        cookie=browser_of(first), headers={"Accept": "text/html"})
    assert 'name="ticket"' not in elsewhere.text
    assert user.username


def test_form_post_is_a_page_that_posts(api, tenant, owner, own):
    """response_mode=form_post: code and error, state HTML-safe, the policy names the target."""
    answer = authorize(api, tenant, params_of(own, response_mode="form_post", state='"><b>'),
                       owner.session)
    assert answer.status_code == 200 and "Location" not in answer.headers
    assert f'action="{REDIRECT}"' in answer.text and '"><b>' not in answer.text
    assert field(answer.text, "state") == "&quot;&gt;&lt;b&gt;"
    assert "form-action 'self' https://app.example;" in answer.headers["Content-Security-Policy"] + ";"
    assert "script-src 'sha256-" in answer.headers["Content-Security-Policy"]
    ok(exchange(api, own, field(answer.text, "code")))
    wrong = authorize(api, tenant, params_of(own, response_mode="form_post", scope="unknown"),
                      owner.session)
    assert field(wrong.text, "error") == "invalid_scope"


# -- consent ------------------------------------------------------------------------------------


def test_the_consent_page_says_who_asks_for_what(api, tenant, user):
    """OA-8: client, host, scopes in words, who is signed in; no script, unframeable."""
    made = code_client(api, tenant, first_party=False, client_name="Shop <1>")
    answer = authorize(api, tenant, params_of(made, scope="openid email", state="<s>"), user.session)
    assert answer.status_code == 200
    page = answer.text
    assert "Shop &lt;1&gt;" in page and "app.example" in page and user.username in page
    assert "see your e-mail address" in page and 'id="consent-allow"' in page
    assert 'id="consent-deny"' in page and "<script" not in page and "<s>" not in page
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy and "form-action 'self' https://app.example" in policy
    assert "script-src" not in policy and answer.headers["Cache-Control"] == "no-store"


def test_allowing_gives_a_code_and_is_remembered(api, tenant, user):
    """R004-46: 303 with code, state, iss; asked again only for more, or when the client wants it."""
    made = code_client(api, tenant, first_party=False)
    params = params_of(made, scope="openid read", state="4 2")
    shown = ask_consent(api, user, params)
    assert shown["client_name"] == made["client_name"] and shown["scope"] == "openid read"
    assert shown["redirect_uri"] == REDIRECT and shown["state"] == "4 2"
    found = back(decide(api, user, params))
    assert set(found) == {"code", "state", "iss"} and found["state"] == "4 2"
    ok(exchange(api, made, found["code"]))
    assert "code" in back(authorize(api, tenant, params_of(made, scope="read"), user.session))
    assert authorize(api, tenant, params_of(made, scope="read write"), user.session).status_code == 200
    assert authorize(api, tenant, params | {"prompt": "consent"}, user.session).status_code == 200
    assert "code" in back(decide(api, user, params_of(made, scope="write")))
    assert "code" in back(authorize(api, tenant, params_of(made, scope="read write"), user.session))


def test_consents_are_listed_and_taken_back(api, world, tenant, user):
    """R004-46, api.md §6: by API and on the dashboard; what was issued ends, the rest stays."""
    world.login(user)
    made, kept = (code_client(api, tenant, first_party=False) for _ in range(2))
    pairs = [ok(exchange(api, one, back(decide(api, user, params_of(one, scope="read")))["code"]))
             for one in (made, kept)]
    waiting = back(authorize(api, tenant, params_of(made, scope="read"), user.session))["code"]
    listed = ok(api.get("/users/me/consents", token=user.token))["consents"]
    assert {entry["client_id"]: entry["scope"] for entry in listed} == {
        made["client_id"]: "read", kept["client_id"]: "read"}
    page = api.get(f"/t/{tenant.slug}/dashboard", cookie=user.session).text
    assert made["client_name"] in page and kept["client_name"] in page
    assert api.delete(f"/users/me/consents/{made['client_id']}", token=user.token).status_code == 204
    refused(api.delete(f"/users/me/consents/{made['client_id']}", token=user.token), 404, "not_found")
    refused(api.get("/api/protected", token=pairs[0]["access_token"]), 401, "invalid_token")
    refused(exchange(api, made, waiting), 400, "invalid_grant")
    ok(api.get("/api/protected", token=pairs[1]["access_token"]))
    assert authorize(api, tenant, params_of(made, scope="read"), user.session).status_code == 200
    section = page.partition('id="consents"')[2]
    form = {"form_token": field(section, "form_token"), "client": kept["client_id"]}
    ended = api.post(f"/t/{tenant.slug}/dashboard/consents/end", cookie=user.session, form=form)
    assert ended.headers["Location"].endswith("/dashboard?notice=consent-ended")
    refused(api.get("/api/protected", token=pairs[1]["access_token"]), 401, "invalid_token")
    assert ok(api.get("/users/me/consents", token=user.token))["consents"] == []


def test_denying_goes_back(api, tenant, user):
    """api.md §5: access_denied as a redirect, and nothing is remembered."""
    made = code_client(api, tenant, first_party=False)
    found = back(decide(api, user, params_of(made), confirm="no"))
    assert found["error"] == "access_denied" and found["state"] == "s-1" and "iss" in found
    assert authorize(api, tenant, params_of(made), user.session).status_code == 200


def test_only_our_page_decides(api, world, tenant, user):
    """CSRF: the token is of this session and of this very request; other origins are refused."""
    made = code_client(api, tenant, first_party=False)
    path, params = f"/t/{tenant.slug}/oauth/authorize", params_of(made, scope="read")
    shown = ask_consent(api, user, params)
    other = world.named_user(tenant)
    world.sign_in(other)

    def post(session=user.session, headers=None, **changes):
        form = params | {"confirm": "yes", "form_token": shown["form_token"]} | changes
        return api.post(path, cookie=session, headers=headers, form={
            name: value for name, value in form.items() if value is not None})

    refused(post(form_token=None), 403, "form_expired")
    refused(post(form_token="x.y.z"), 403, "form_expired")
    refused(post(scope="read write"), 403, "form_expired")
    refused(post(state="other"), 403, "form_expired")
    refused(post(session=other.session), 403, "form_expired")
    refused(post(session=None), 401, "authentication_required")
    refused(post(confirm="maybe"), 400, "invalid_request")
    refused(post(headers={"Origin": "https://app.example"}), 403, "cross_site_request")
    hidden = urllib.parse.urlencode(params | {"form_token": shown["form_token"]}) + "&confir%6d=yes"
    refused(api.post(path, cookie=user.session, content=hidden, headers={
        "Origin": "https://app.example", "Content-Type": "application/x-www-form-urlencoded"}),
        403, "cross_site_request")
    assert post(redirect_uri=REDIRECT + "x").status_code == 400
    assert "code" in back(post())


def test_nobody_signed_in_is_401_as_json(api, tenant, own):
    refused(authorize(api, tenant, params_of(own), headers={"Accept": "application/json"}), 401,
            "authentication_required")


def test_a_consent_remembers_what_its_client_may_still_ask_for(api, tenant, user, service):
    """A scope that the client gave up is forgotten: what is remembered has the bound of a scope."""
    made = code_client(api, tenant, first_party=False)
    kept = None
    for number in range(3):
        scope = "openid " + " ".join(f"part-{number}-{word:03}" for word in range(19))
        ok(api.put(f"/oauth/client/{made['client_id']}", token=tenant.owner.token, json={
            "client_name": made["client_name"], "redirect_uris": made["redirect_uris"],
            "scope": scope}))
        assert "code" in back(decide(api, user, params_of(made, scope=scope)))
        kept = service.db.consents.find_one({"oauth_client_id": made["client_id"]})["scope"]
    assert set(kept.split()) == set(scope.split())
