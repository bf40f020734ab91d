"""The console's applications: what its forms do, refuse and keep (R004-28, R004-58, R000-20)."""
import html
import re
import uuid

import pytest

from support.authorize import field
from support.check import ok, refused
from support.oauth import client, token
from support.world import unique

ROOT = "/dashboard/admin/clients"
REDIRECT = "https://app.example/callback"
PAGE = {"Accept": "text/html"}


class Console:
    """The pages as the browser of one user sees them."""

    def __init__(self, api, user):
        self.api, self.user = api, user

    def get(self, path="", **options):
        return self.api.get(ROOT + path, tenant=self.user.tenant.slug, cookie=self.user.session,
                            headers=PAGE, **options)

    def send(self, path, form):
        return self.api.post(ROOT + path, tenant=self.user.tenant.slug, cookie=self.user.session,
                             headers=PAGE, form=form)

    def new_form(self, **members):
        """The form of a new application with what was typed into it."""
        page = self.get("/new").text
        return {"form_token": field(page[page.index(f'action="{ROOT}"'):], "form_token"),
                "once": field(page, "once"), "client_name": unique("App "), "kind": "web",
                "redirect_uris": REDIRECT} | members

    def form(self, client_id, action=""):
        """One of the forms of an application's page, as it is when nothing was typed."""
        page = self.get(f"/{client_id}").text
        part = page[page.index(f'action="{ROOT}/{client_id}{action}"'):]
        part = part[:part.index("</form>")]
        found = dict(re.findall(r'<input id="[^"]*" name="([^"]*)" type="text" value="([^"]*)"', part))
        found |= dict(re.findall(r'<textarea id="[^"]*" name="([^"]*)"[^>]*>\n(.*?)</textarea>', part,
                                 re.DOTALL))
        found |= dict(re.findall(r'name="(form_token|version)" value="([^"]*)"', part))
        if 'type="checkbox" value="on" checked' in part:
            found["first_party"] = "on"
        return {name: html.unescape(value) for name, value in found.items()}


def lines(page):
    """{name: value} of what a developer copies."""
    text = re.search(r'<code id="client-lines"[^>]*>(.*?)</code>', page, re.DOTALL).group(1)
    return dict(line.split("=", 1) for line in html.unescape(text).splitlines())


def error_of(answer, name):
    """What stands beside an input, and what the input holds."""
    page = html.unescape(answer.text)
    found = re.search(rf'<(?:input|textarea|select) id="([^"]*)" name="{name}"', page).group(1)
    assert re.search(rf'name="{name}"[^>]* aria-invalid="true"', page), name
    return re.search(rf'id="{found}-error" class="field-error">(.*?)</p>', page, re.DOTALL).group(1)


@pytest.fixture(scope="module")
def place(world):
    made = world.tenant()
    world.login(made.owner)
    made.owner.session = world.sign_in(made.owner)
    return made


@pytest.fixture(scope="module")
def console(api, place):
    return Console(api, place.owner)


def stored(api, place, client_id):
    return ok(api.get(f"/oauth/client/{client_id}", token=place.owner.token))


KINDS = {
    "web": (["authorization_code", "refresh_token"], "client_secret_basic", "web",
            "openid profile email offline_access"),
    "spa": (["authorization_code", "refresh_token"], "none", "web",
            "openid profile email offline_access"),
    "native": (["authorization_code", "refresh_token"], "none", "native",
               "openid profile email offline_access"),
    "machine": (["client_credentials"], "client_secret_basic", "web", "read write"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_registered_as_the_api_would(api, console, place, service, kind):
    """R004-28: grants, authentication and type follow the kind; the secret is on that answer alone."""
    grants, method, application_type, scope = KINDS[kind]
    answer = console.send("", console.new_form(
        kind=kind, client_name="Shop & Söhne", first_party="on",
        redirect_uris="" if kind == "machine" else f"{REDIRECT}\r\n\r\n  https://b.example/cb \r\n",
        post_logout_redirect_uris="https://app.example/bye",
        backchannel_logout_uri="https://app.example/out"))
    assert answer.status_code == 201, answer.text
    given = lines(answer.text)
    found = stored(api, place, given["CLIENT_ID"])
    assert found["client_name"] == "Shop & Söhne" and found["first_party"] is True
    assert found["grant_types"] == grants and found["scope"] == scope
    assert found["token_endpoint_auth_method"] == method
    assert found["application_type"] == application_type
    assert found["redirect_uris"] == (
        [] if kind == "machine" else [REDIRECT, "https://b.example/cb"])
    assert found["post_logout_redirect_uris"] == ["https://app.example/bye"]
    assert found["backchannel_logout_uri"] == "https://app.example/out"
    discovery = ok(api.get("/.well-known/openid-configuration", tenant=place.slug))
    assert given["ISSUER"] == discovery["issuer"]
    assert ("CLIENT_SECRET" in given) == (method != "none")
    assert service.db.audit_logs.count_documents(
        {"action": "client.created", "oauth_client_id": given["CLIENT_ID"]}) == 1
    listed, shown = console.get().text, console.get(f"/{given['CLIENT_ID']}").text
    for page in (listed, shown):
        assert given["CLIENT_ID"] in page and "Shop &amp; Söhne" in page and "owner" in page
        assert ("public" in page if method == "none" else "confidential" in page)
        assert given.get("CLIENT_SECRET", "never shown") not in page
    if kind == "machine":
        ok(token(api, {"client_id": given["CLIENT_ID"], "client_secret": given["CLIENT_SECRET"]},
                 grant_type="client_credentials"))


REFUSED = [
    ("client_name", {"client_name": ""}, "name"),
    ("client_name", {"client_name": "x" * 101}, "100"),
    ("kind", {"kind": "implicit"}, "machine"),
    ("redirect_uris", {"redirect_uris": " \r\n"}, "at least one"),
    ("redirect_uris", {"redirect_uris": f"{REDIRECT}\r\nhttps://*.example/"}, "Number 2"),
    ("redirect_uris", {"redirect_uris": "com.example.app:/cb"}, "https://"),
    ("redirect_uris", {"redirect_uris": "\n".join(f"https://a.example/{n}" for n in range(21))},
     "at most 20"),
    ("redirect_uris", {"redirect_uris": "javascript:alert(1)", "kind": "native"}, "domain"),
    ("post_logout_redirect_uris", {"post_logout_redirect_uris": "https://a.example/#x"}, "fragment"),
    ("backchannel_logout_uri", {"backchannel_logout_uri": "com.example.app:/out"}, "https://"),
    ("scope", {"scope": 'a"b'}, "quotes"),
    ("scope", {"scope": "read users:hashes"}, "access keys"),
]


@pytest.mark.parametrize("name,typed,words", REFUSED, ids=[f"{n} {w}" for n, _, w in REFUSED])
def test_a_refusal_stands_at_its_field(console, place, service, name, typed, words):
    """OA-1: what is allowed, beside the input; what was typed is still there; nothing is stored."""
    mine = {"tenant_id": uuid.UUID(place.id)}
    before = service.db.oauth_clients.count_documents(mine)
    sent = console.new_form(client_name="Kept <name>", scope="read keep:me") | typed
    answer = console.send("", sent)
    assert answer.status_code == 400, answer.text
    assert words in error_of(answer, name)
    page = html.unescape(answer.text)
    for member in ("client_name", "redirect_uris", "scope"):
        assert sent[member].strip() in page.replace("\r", "") or "\r" in sent[member], member
    assert f'<option value="{sent["kind"]}" selected>' in page or name == "kind"
    assert service.db.oauth_clients.count_documents(mine) == before
    again = console.send("", sent | {
        "client_name": "Mended", "kind": "web", "redirect_uris": REDIRECT, "scope": "read",
        "post_logout_redirect_uris": "", "backchannel_logout_uri": "", "once": field(page, "once"),
        "form_token": field(page[page.index(f'action="{ROOT}"'):], "form_token")})
    assert again.status_code == 201, again.text


def test_a_form_that_is_sent_again_makes_nothing(api, console, place, service):
    """The form names the client id, its token vouches for it: also when that client is gone again."""
    sent = console.new_form()
    made = lines(console.send("", sent).text)
    assert made["CLIENT_ID"] == sent["once"]
    for changed in ({}, {"client_name": "Another", "kind": "machine"}):
        again = console.send("", sent | changed)
        assert again.status_code == 303 and again.headers["Location"].endswith("notice=client-made")
    assert api.delete(f"/oauth/client/{made['CLIENT_ID']}",
                      token=place.owner.token).status_code == 204
    again = console.send("", sent)
    assert again.status_code == 303 and again.headers["Location"].endswith("notice=client-made")
    assert service.db.oauth_clients.find_one({"_id": made["CLIENT_ID"]}) is None
    assert "shown only once" in console.get("?notice=client-made").text
    other = console.new_form()
    for forged in (sent | {"once": other["once"]}, sent | {"once": "x" * 63}, sent | {"once": ""},
                   sent | {"once": "x" * 9000}, sent | {"form_token": "x"}):
        answer = console.send("", forged)
        assert answer.status_code == 403, answer.text
        assert "CLIENT_SECRET" not in answer.text


def test_the_plans_limit_is_said_in_the_form(api, world):
    """R004-12: free has 10 applications; the overview shows them."""
    tenant = world.tenant(plan="free")
    world.login(tenant.owner)
    tenant.owner.session = world.sign_in(tenant.owner)
    console = Console(api, tenant.owner)
    first = console.new_form(kind="machine")
    assert console.send("", first).status_code == 201
    for _ in range(9):
        client(api, tenant, grant_types=["client_credentials"])
    answer = console.send("", console.new_form(client_name="Eleventh"))
    assert answer.status_code == 403 and 'value="Eleventh"' in answer.text
    assert console.send("", first).status_code == 303  # was made: no question of the plan
    overview = api.get("/dashboard/admin", tenant=tenant.slug, cookie=tenant.owner.session,
                       headers=PAGE).text
    assert re.search(r'id="usage-clients"[^>]*value="10" max="10"', overview)


def test_the_list_has_pages(api, world, service):
    """25 a page, each once, by a cursor that only its tenant reads."""
    tenant = world.tenant()
    world.login(tenant.owner)
    tenant.owner.session = world.sign_in(tenant.owner)
    console = Console(api, tenant.owner)
    assert "No applications yet" in console.get().text
    one = service.db.oauth_clients.find_one(
        {"_id": client(api, tenant, grant_types=["client_credentials"])["client_id"]})
    service.db.oauth_clients.insert_many(
        [one | {"_id": unique("copied"), "owner_id": uuid.uuid4()} for _ in range(29)])
    first = console.get().text
    address = html.unescape(re.search(r'href="([^"]*cursor=[^"]*)"', first).group(1))
    second = api.get(address, tenant=tenant.slug, cookie=tenant.owner.session, headers=PAGE).text
    found = [re.findall(ROOT + r'/([a-z0-9]{4,})"', page.replace("/new", "")) for page in
             (first, second)]
    assert [len(ids) for ids in found] == [25, 5] and len({*found[0], *found[1]}) == 30
    assert "a former user" in first and "cursor=" not in second
    assert console.get("?cursor=forged").status_code == 400


# -- one application ---------------------------------------------------------------------------


@pytest.fixture
def made(api, place):
    """One with members that the console's form does not show."""
    return client(api, place, client_name="Before", redirect_uris=[REDIRECT], scope="read write",
                  grant_types=["authorization_code", "refresh_token", "password"],
                  default_max_age=60, id_token_signed_response_alg="ES256",
                  token_endpoint_auth_method="client_secret_post")


def test_a_change_keeps_what_the_form_does_not_show(api, console, place, made):
    """R004-58: name, URIs and scopes are changed; grants, methods and the secret stay."""
    path = f"/{made['client_id']}"
    before = stored(api, place, made["client_id"])
    issued = ok(token(api, made, way="client_secret_post", grant_type="password", username="owner",
                      password=place.owner.password))
    form = console.form(made["client_id"])
    assert form["client_name"] == "Before" and form["redirect_uris"] == REDIRECT
    answer = console.send(path, form | {
        "client_name": "After", "scope": "read write orders:read", "first_party": "on",
        "redirect_uris": f"https://new.example/cb\r\n{REDIRECT}"})
    assert answer.status_code == 303 and answer.headers["Location"].endswith("client-saved")
    after = stored(api, place, made["client_id"])
    changed = {"client_name": "After", "scope": "read write orders:read", "first_party": True,
               "redirect_uris": ["https://new.example/cb", REDIRECT]}
    seconds = {"secret_age_seconds": after["secret_age_seconds"]}
    assert after == before | changed | seconds
    ok(api.get("/api/protected", token=issued["access_token"]))
    # A scope that is taken away ends what was issued, as by the API.
    form = console.form(made["client_id"])
    assert form["first_party"] == "on"
    assert console.send(path, form | {"scope": "read"}).status_code == 303
    refused(api.get("/api/protected", token=issued["access_token"]), 401, "invalid_token")


def test_a_bad_change_changes_nothing(api, console, place, made):
    """Beside its field, with what was typed; a form of an older state saves nothing and says so."""
    path = f"/{made['client_id']}"
    before = stored(api, place, made["client_id"])
    form = console.form(made["client_id"])
    for name, value in (("client_name", ""), ("redirect_uris", ""), ("redirect_uris", "/cb"),
                        ("scope", "a\\b"), ("backchannel_logout_uri", "nowhere")):
        answer = console.send(path, form | {"client_name": "Typed"} | {name: value})
        assert answer.status_code == 400 and error_of(answer, name)
        assert 'value="Typed"' in answer.text or name == "client_name"
    assert console.send(path, form | {"form_token": "x"}).status_code == 403
    seconds = {"secret_age_seconds": before["secret_age_seconds"]}
    assert stored(api, place, made["client_id"]) | seconds == before
    assert console.send(path, form | {"client_name": "First"}).status_code == 303
    for stale in (form, form | {"version": ""}, form | {"version": "x"}):
        answer = console.send(path, stale | {"client_name": "Second"})
        assert answer.status_code == 412 and "changed elsewhere" in answer.text
        assert 'value="Second"' in answer.text
    assert stored(api, place, made["client_id"])["client_name"] == "First"


def works(api, made, secret):
    answer = token(api, made | {"client_secret": secret}, grant_type="client_credentials")
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


@pytest.mark.parametrize("overlap", ["0", "3600", "86400", "604800"])
def test_a_secret_is_replaced_once(api, console, place, service, overlap):
    """R004-58: the old one works on for as long as was chosen; the form replaces no second one."""
    made = client(api, place, grant_types=["client_credentials"])
    path = f"/{made['client_id']}/rotate"
    form = console.form(made["client_id"], "/rotate") | {"overlap": overlap}
    answer = console.send(path, form)
    assert answer.status_code == 200, answer.text
    secret = lines(answer.text)["CLIENT_SECRET"]
    assert works(api, made, secret) and works(api, made, made["client_secret"]) == (overlap != "0")
    shown = console.get(f"/{made['client_id']}").text
    assert ("works until" in shown) == (overlap != "0") and secret not in shown
    again = console.send(path, form)
    assert again.status_code == 412 and "replaced before" in again.text
    assert "CLIENT_SECRET" not in again.text and works(api, made, secret)
    assert service.db.audit_logs.count_documents(
        {"action": "client.secret_rotated", "oauth_client_id": made["client_id"]}) == 1


def test_what_cannot_be_replaced(api, console, place):
    """A longer overlap, no version, and the secret of a client that has none."""
    made = client(api, place, grant_types=["client_credentials"])
    form = console.form(made["client_id"], "/rotate")
    path = f"/{made['client_id']}/rotate"
    for overlap in ("604801", "-1", "9" * 10):
        answer = console.send(path, form | {"overlap": overlap})
        assert answer.status_code == 400 and "7 days" in error_of(answer, "overlap")
    assert console.send(path, form | {"version": ""}).status_code == 412
    assert works(api, made, made["client_secret"])
    public = client(api, place, token_endpoint_auth_method="none", redirect_uris=[REDIRECT])
    page = console.get(f"/{public['client_id']}").text
    assert "client-rotate" not in page
    edit = console.form(public["client_id"])
    answer = console.send(f"/{public['client_id']}/rotate", edit)
    assert answer.status_code == 400 and "no secret" in answer.text
    assert console.send(f"/{public['client_id']}",
                        edit | {"client_name": "Public still"}).status_code == 303
    assert stored(api, place, public["client_id"])["token_endpoint_auth_method"] == "none"


def test_an_end_wants_the_name(api, console, place, service, made):
    """TS-7: what it was issued ends with it; the name is typed as it stands there."""
    path = f"/{made['client_id']}/delete"
    issued = ok(token(api, made, way="client_secret_post", grant_type="password", username="owner",
                      password=place.owner.password))
    form = console.form(made["client_id"], "/delete")
    for typed in ("", "before", "Before.", "x" * 101):
        answer = console.send(path, form | {"confirm": typed})
        assert answer.status_code == 400 and error_of(answer, "confirm")
    ok(api.get("/api/protected", token=issued["access_token"]))
    answer = console.send(path, form | {"confirm": "Before"})
    assert answer.status_code == 303 and answer.headers["Location"].endswith("client-deleted")
    refused(api.get("/api/protected", token=issued["access_token"]), 401, "invalid_token")
    assert console.send(path, form | {"confirm": "Before"}).status_code == 404
    assert console.get(f"/{made['client_id']}").status_code == 404
    assert service.db.audit_logs.count_documents(
        {"action": "client.deleted", "oauth_client_id": made["client_id"]}) == 1


def test_who_enters(api, world, console, place, made):
    """R004-08: administrators of the tenant; for others it is not there, or not for them."""
    stranger = world.tenant()
    stranger.owner.session = world.sign_in(stranger.owner)
    theirs = Console(api, stranger.owner)
    user = world.user(place, login=False)
    user.session = world.sign_in(user)
    forms = {action: console.form(made["client_id"], action) | {"confirm": "Before"}
             for action in ("", "/rotate", "/delete")}
    new = console.new_form()
    before = stored(api, place, made["client_id"])
    for action, form in forms.items():
        path = f"/{made['client_id']}{action}"
        assert theirs.send(path, form).status_code == 404
        assert Console(api, user).send(path, form).status_code == 403
        answer = api.post(ROOT + path, tenant=place.slug, headers=PAGE, form=form)
        assert answer.status_code == 303 and answer.headers["Location"].endswith("/login?notice=ended")
    for path in ("", "/new", f"/{made['client_id']}"):
        assert Console(api, user).get(path).status_code == 403
    assert theirs.get(f"/{made['client_id']}").status_code == 404
    assert made["client_id"] not in theirs.get().text
    assert theirs.send("", new).status_code == 403  # the token is of another session
    assert Console(api, user).send("", new).status_code == 403
    for odd in ("x", "%00", "a" * 500, "%2e%2e", str(uuid.uuid4())):
        assert console.get(f"/{odd}").status_code in (400, 404)
    after = stored(api, place, made["client_id"])
    assert after == before | {"secret_age_seconds": after["secret_age_seconds"]}
