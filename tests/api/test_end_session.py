"""The logout endpoint (RP-Initiated Logout 1.0; OA-21, TS-10, TI-7, R003-21, R004-19).

The eleven modules of the OpenID suite's rp-initiated-logout plan under their own names, then what
the suite does not ask: other users, other tenants, forms, and which cookies go.
"""
import base64
import dataclasses
import json
import re
import time
import urllib.parse
import uuid

import pytest

from support.api import set_cookies
from support.authorize import code_client, code_of, exchange
from support.check import ok, until
from support.cli import Cli
from support.oauth import token

AFTER = "https://app.example/signed-out"
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def tenant(world):
    made = world.tenant()
    world.login(made.owner)
    return made


@pytest.fixture(scope="module")
def app(api, tenant):
    return code_client(api, tenant, post_logout_redirect_uris=[AFTER, AFTER + "?kept=1"])


@pytest.fixture(scope="module")
def person(world, tenant):
    return world.user(tenant, login=False)


@pytest.fixture
def user(world, person):
    """Somebody with a new session."""
    world.sign_in(person)
    return dataclasses.replace(person)


@pytest.fixture
def pair(api, app, user):
    """What the application got for that user."""
    return ok(exchange(api, app, code_of(api, user, app, scope="openid offline_access")))


def end(api, tenant, session, method="GET", prefix=None, **params):
    prefix = f"/t/{tenant.slug}" if prefix is None else prefix
    if method == "GET":
        query = urllib.parse.urlencode(params)
        return api.get(f"{prefix}/oauth/end-session?{query}", cookie=session, headers=HTML)
    return api.post(f"{prefix}/oauth/end-session", cookie=session, headers=HTML, form=params)


def is_signed_in(api, user):
    return api.get("/api/whoami", cookie=user.session).status_code == 200


def is_last_page(answer):
    return answer.status_code == 200 and "<h1>Signed out</h1>" in answer.text


def form_of(page):
    """The hidden fields of the confirmation page, and what its button adds."""
    assert page.status_code == 200 and 'id="logout-confirm"' in page.text, page.text
    return dict(re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', page.text)) | \
        {"confirm": "yes"}


def refused(api, user, answer):
    """A page with 400 that ends nothing and leads nowhere."""
    assert answer.status_code == 400 and answer.headers["content-type"].startswith("text/html")
    assert "location" not in answer.headers and not set_cookies(answer)
    assert is_signed_in(api, user)


# -- the plan of the suite -----------------------------------------------------------------------


def test_oidcc_rp_initiated_logout_discovery_endpoint_verification(api, tenant):
    metadata = ok(api.get(f"/t/{tenant.slug}/.well-known/openid-configuration"))
    assert metadata["end_session_endpoint"] == metadata["issuer"] + "/oauth/end-session"


def test_oidcc_rp_initiated_logout(api, tenant, user, pair):
    answer = end(api, tenant, user.session, id_token_hint=pair["id_token"],
                 post_logout_redirect_uri=AFTER, state="a&b <c>")
    assert answer.status_code == 303
    assert answer.headers["location"] == AFTER + "?state=a%26b%20%3Cc%3E"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert not is_signed_in(api, user)


def test_oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(api, tenant, user, pair):
    """Byte for byte: what only looks alike is another one."""
    for uri in (AFTER + "/", AFTER.upper(), "https://app.example", "https://evil.example/",
                AFTER + "#", "https://app.example:443/signed-out", "javascript:alert(1)",
                AFTER + "?kept=1&more=2", "//app.example/signed-out", "x" * 3000):
        answer = end(api, tenant, user.session, id_token_hint=pair["id_token"],
                     post_logout_redirect_uri=uri, state="s")
        refused(api, user, answer)
    assert "tenantd client update" in answer.text, "in development it says what would help"


def test_oidcc_rp_initiated_logout_modified_id_token_hint(api, tenant, user, pair):
    head, claims, signature = pair["id_token"].split(".")
    for text in (f"{head}.{claims[:-2]}{'A' if claims[-2] != 'A' else 'B'}{claims[-1]}.{signature}",
                 f"{head}.{claims}.{signature[:-2]}{'A' if signature[-2] != 'A' else 'B'}A",
                 f"{head}.{claims}.", f"eyJhbGciOiJub25lIn0.{claims}."):
        refused(api, user, end(api, tenant, user.session, id_token_hint=text,
                               post_logout_redirect_uri=AFTER, state="s"))


def test_oidcc_rp_initiated_logout_no_id_token_hint(api, tenant, user):
    """Nobody proved who asks: the person is asked, and there is no way back."""
    page = end(api, tenant, user.session, post_logout_redirect_uri=AFTER, state="s")
    form = form_of(page)
    assert is_signed_in(api, user)
    assert page.headers["content-security-policy"].endswith("form-action 'self'")
    assert is_last_page(end(api, tenant, user.session, "POST", **form))
    assert not is_signed_in(api, user)


def test_oidcc_rp_initiated_logout_bad_id_token_hint(api, tenant, user, pair):
    for text in ("bad", "a.b.c", pair["access_token"], pair["refresh_token"], "x" * 9000):
        refused(api, user, end(api, tenant, user.session, id_token_hint=text,
                               post_logout_redirect_uri=AFTER, state="s"))


def test_oidcc_rp_initiated_logout_no_params(api, tenant, user):
    form = form_of(end(api, tenant, user.session))
    assert is_signed_in(api, user)
    assert is_last_page(end(api, tenant, user.session, "POST", **form))
    assert not is_signed_in(api, user)


def test_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(api, tenant, user, pair):
    answer = end(api, tenant, user.session, id_token_hint=pair["id_token"], state="s")
    assert is_last_page(answer) and "location" not in answer.headers
    assert not is_signed_in(api, user)


def test_oidcc_rp_initiated_logout_no_state(api, tenant, user, pair):
    answer = end(api, tenant, user.session, id_token_hint=pair["id_token"],
                 post_logout_redirect_uri=AFTER)
    assert (answer.status_code, answer.headers["location"]) == (303, AFTER)
    assert not is_signed_in(api, user)


def test_oidcc_rp_initiated_logout_only_state(api, tenant, user):
    form = form_of(end(api, tenant, user.session, state="s"))
    assert is_signed_in(api, user)
    assert is_last_page(end(api, tenant, user.session, "POST", **form))
    assert not is_signed_in(api, user)


def test_oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(api, tenant, user, pair):
    refused(api, user, end(api, tenant, user.session, id_token_hint=pair["id_token"],
                           post_logout_redirect_uri=AFTER + "?extra=1", state="s"))
    answer = end(api, tenant, user.session, id_token_hint=pair["id_token"],
                 post_logout_redirect_uri=AFTER + "?kept=1", state="s")
    assert answer.headers["location"] == AFTER + "?kept=1&state=s", "a registered query stays"


# -- and beyond it -------------------------------------------------------------------------------


def test_a_post_of_another_site_goes_on_as_a_get(api, tenant, user, pair):
    """SameSite=Lax keeps the cookie out of such a form; the GET that it becomes carries it."""
    sent = {"id_token_hint": pair["id_token"], "post_logout_redirect_uri": AFTER, "state": "ü &"}
    answer = api.post(f"/t/{tenant.slug}/oauth/end-session", form=sent,
                      headers=HTML | {"Origin": "https://app.example"})
    assert answer.status_code == 303
    where = urllib.parse.urlsplit(answer.headers["location"])
    assert where.path == f"/t/{tenant.slug}/oauth/end-session"
    assert dict(urllib.parse.parse_qsl(where.query)) == sent
    assert is_signed_in(api, user)
    answer = end(api, tenant, user.session, "POST", **sent)
    assert answer.headers["location"] == AFTER + "?state=%C3%BC%20%26"
    assert not is_signed_in(api, user)


def test_an_expired_hint_is_fine(api, user, app, tenant):
    """§11: the ID token says who it was for; that it ended says nothing."""
    ok(api.put("/tenants/settings", token=tenant.owner.token, json={"settings": {"id_token_ttl": 1}}))
    hint = ok(exchange(api, app, code_of(api, user, app, scope="openid")))["id_token"]
    ok(api.put("/tenants/settings", token=tenant.owner.token,
               json={"settings": {"id_token_ttl": 3600}}))
    claims = json.loads(base64.urlsafe_b64decode(hint.split(".")[1] + "=="))
    while time.time() <= claims["exp"]:
        time.sleep(0.05)
    answer = end(api, tenant, user.session, id_token_hint=hint, post_logout_redirect_uri=AFTER)
    assert answer.headers["location"] == AFTER and not is_signed_in(api, user)


def test_a_hint_of_a_previous_key_is_fine(api, service, tenant, app, user, pair):
    """A rotation leaves the ID tokens that are out good as hints."""
    new = Cli(service).json("keys", "rotate", tenant.slug, "--alg", "RS256", "--after", "5s")["kid"]
    service.db.signing_keys.update_one({"kid": new}, {"$currentDate": {"signs_from": True}})

    def kid():
        head = ok(exchange(api, app, code_of(api, user, app)))["id_token"].split(".")[0]
        return json.loads(base64.urlsafe_b64decode(head + "=="))["kid"]

    until(lambda: kid() == new, 10)  # until the key set has come round
    answer = end(api, tenant, user.session, id_token_hint=pair["id_token"],
                 post_logout_redirect_uri=AFTER)
    assert answer.headers["location"] == AFTER and not is_signed_in(api, user)


def test_the_hint_of_another_user_asks(api, world, tenant, app, user, pair):
    """§11: whoever shows another user's token cannot sign this one out; the person can."""
    other = world.user(tenant, login=False)
    world.sign_in(other)
    page = end(api, tenant, other.session, id_token_hint=pair["id_token"],
               post_logout_redirect_uri=AFTER, state="s")
    form = form_of(page)
    assert "another account" in page.text and other.email in page.text
    assert page.headers["content-security-policy"].endswith(
        "form-action 'self' https://app.example")
    assert is_signed_in(api, other)
    for name, value in (("form_token", "x"), ("form_token", ""), ("confirm", "no")):
        answer = end(api, tenant, other.session, "POST", **form | {name: value})
        assert answer.status_code in (400, 403) and is_signed_in(api, other)
    assert end(api, tenant, user.session, "POST", **form | {"id_token_hint": ""}).status_code == 403
    assert api.post(f"/t/{tenant.slug}/oauth/end-session", cookie=other.session, form=form,
                    headers=HTML | {"Origin": "https://evil.example"}).status_code == 403
    assert is_signed_in(api, other) and is_signed_in(api, user)
    answer = end(api, tenant, other.session, "POST", **form)
    assert answer.headers["location"] == AFTER + "?state=s"
    assert not is_signed_in(api, other) and is_signed_in(api, user)


def test_nothing_of_another_tenant_works(api, world, tenant, app, user, pair):
    """TI-6, TI-7: hint, client and cookie of another tenant; two tenants in one browser."""
    foreign = world.tenant()
    world.sign_in(foreign.owner)
    both = user.session | foreign.owner.session
    refused(api, user, end(api, foreign, both, id_token_hint=pair["id_token"]))
    refused(api, user, end(api, foreign, both, client_id=app["client_id"]))
    assert is_signed_in(api, foreign.owner)
    assert is_last_page(end(api, foreign, user.session)), "another tenant's session is none here"
    answer = end(api, tenant, both, id_token_hint=pair["id_token"])
    assert is_last_page(answer)
    assert set(set_cookies(answer)) == {f"{kind}-{tenant.slug}"
                                        for kind in ("session", "access", "refresh")}
    assert not is_signed_in(api, user) and is_signed_in(api, foreign.owner)


@pytest.mark.parametrize("params", [
    {"client_id": "unknown"}, {"client_id": "x" * 200}, {"client_id": "$ne", "state": "s"},
    {"state": "x" * 4097}, {"confirm": "maybe"}, "state=1&state=2", "id_token_hint=%zz", "state=%00"])
def test_bad_parameters_are_a_page(api, tenant, user, params):
    query = params if isinstance(params, str) else urllib.parse.urlencode(params)
    refused(api, user, api.get(f"/t/{tenant.slug}/oauth/end-session?{query}", cookie=user.session,
                               headers=HTML))
    refused(api, user, api.post(f"/t/{tenant.slug}/oauth/end-session", cookie=user.session,
                                content=query, headers=HTML | {
                                    "Content-Type": "application/x-www-form-urlencoded"}))


def test_client_id_beside_the_hint_and_alone(api, world, tenant, app, user, pair):
    """With a hint it must be its aud; alone it names who asks, and leads nowhere."""
    other = code_client(api, tenant, post_logout_redirect_uris=[AFTER])
    refused(api, user, end(api, tenant, user.session, id_token_hint=pair["id_token"],
                           client_id=other["client_id"], post_logout_redirect_uri=AFTER))
    refused(api, user, end(api, tenant, user.session, client_id=app["client_id"],
                           post_logout_redirect_uri="https://evil.example/"))
    page = end(api, tenant, user.session, client_id=app["client_id"],
               post_logout_redirect_uri=AFTER, logout_hint="x", ui_locales="de")
    assert app["client_name"] in page.text
    answer = end(api, tenant, user.session, "POST", **form_of(page))
    assert is_last_page(answer) and app["client_name"] in answer.text


def test_without_a_session_there_is_nothing_to_ask(api, tenant, user, pair):
    assert is_last_page(end(api, tenant, None))
    answer = end(api, tenant, None, id_token_hint=pair["id_token"], post_logout_redirect_uri=AFTER)
    assert answer.headers["location"] == AFTER
    assert is_signed_in(api, user), "a hint is no credential: only the browser's own session ends"
    assert end(api, None, None, prefix="").status_code == 400, "no tenant"


def test_ends_what_the_session_gave(api, service, tenant, app, user, pair):
    """TS-10: access and refresh tokens bound to the session die; offline access goes on."""
    bound = ok(exchange(api, app, code_of(api, user, app, scope="openid read")))
    code = code_of(api, user, app, scope="openid read offline_access")
    cookies = set_cookies(api.post("/auth/login?cookies=true", tenant=tenant.slug, json={
        "email": user.email, "password": user.password}))
    access = {name: value for name, (value, _) in cookies.items() if name.startswith("access")}
    assert api.get("/api/protected", token=bound["access_token"]).status_code == 200
    answer = end(api, tenant, user.session | access, id_token_hint=pair["id_token"])
    assert is_last_page(answer)
    assert all(value == "" and attributes["max-age"] == "0"
               for value, attributes in set_cookies(answer).values())
    assert api.get("/api/protected", token=bound["access_token"]).status_code == 401
    assert api.get("/api/protected", token=list(access.values())[0]).status_code == 401
    assert exchange(api, app, code).json()["error"] == "invalid_grant"
    ok(token(api, app, grant_type="refresh_token", refresh_token=pair["refresh_token"]))
    row = service.db.audit_logs.find_one(
        {"user_id": uuid.UUID(user.id), "action": "logout"}, sort=[("timestamp", -1)])
    assert row["status"] == "success" and row["oauth_client_id"] == app["client_id"]


def test_the_form_of_the_pages_agrees(api, tenant, app, user):
    """POST /logout ends the same and expires the same cookies."""
    bound = ok(exchange(api, app, code_of(api, user, app, scope="openid read")))
    page = api.get(f"/t/{tenant.slug}/dashboard", cookie=user.session, headers=HTML)
    form_token = re.search(r'action="[^"]*/logout"[^>]*>\s*<input[^>]*value="([^"]*)"', page.text)[1]
    answer = api.post(f"/t/{tenant.slug}/logout", cookie=user.session, headers=HTML,
                      form={"form_token": form_token})
    assert answer.status_code == 303
    assert set(set_cookies(answer)) == {f"{kind}-{tenant.slug}"
                                        for kind in ("session", "access", "refresh")}
    assert not is_signed_in(api, user)
    assert api.get("/api/protected", token=bound["access_token"]).status_code == 401
