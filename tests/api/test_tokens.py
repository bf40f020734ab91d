"""Access tokens: claims, key sets, an independent reader, everything forged (TS-1..3, TS-6, TI-6)."""
import base64
import hashlib
import hmac
import json
import time
import uuid

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from joserfc import jwt
from joserfc.jwk import KeySet

from support.check import ok, refused
from support.oauth import client
from support.world import World, unique


def b64(data):
    if isinstance(data, (dict, list)):
        data = json.dumps(data, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def header_of(token):
    return json.loads(unb64(token.split(".")[0]))


def claims_of(token):
    return json.loads(unb64(token.split(".")[1]))


def jwks(api, slug):
    return ok(api.get(f"/t/{slug}/.well-known/jwks.json"))


def es256(key, header, claims):
    """A token signed with our own key: what an attacker can make."""
    text = f"{b64(header)}.{b64(claims)}"
    r, s = utils.decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{text}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@pytest.fixture(scope="module")
def user(world, acme):
    return world.user(acme)


# -- what a good one is ------------------------------------------------------------------------


def test_claims(api, service, user, acme):
    """R000-03, R001-05, design §7: iss sub aud exp iat nbf jti tid scope role gid ep."""
    header, claims = header_of(user.token), claims_of(user.token)
    assert set(header) == {"alg", "typ", "kid"}
    assert (header["alg"], header["typ"]) == ("ES256", "session+jwt")
    issuer = f"http://localhost:{service.port}/t/acme"
    assert claims["iss"] == issuer
    assert claims["aud"] == issuer or claims["aud"] == [issuer]
    assert claims["sub"] == user.id and claims["tid"] == acme.id
    assert claims["role"] == "user"
    assert set(claims["scope"].split()) == {"openid", "profile", "email", "read", "write"}
    assert claims["exp"] - claims["iat"] == 900
    assert time.time() - 900 < claims["iat"] <= time.time() and claims["nbf"] <= claims["iat"]
    assert uuid.UUID(claims["jti"]).version == 7
    assert uuid.UUID(claims["gid"]) == uuid.UUID(user.refresh_token.split(".")[0])
    assert "client_id" not in claims, "session-less tokens have none (api.md §11)"
    assert user.email not in str(claims)


def test_scopes_of_an_owner(keyed):
    """api.md §11."""
    scopes = set(claims_of(keyed.owner.token)["scope"].split())
    assert scopes == {"openid", "profile", "email", "read", "write", "admin", "users:read",
                      "users:write"}


def test_every_token_is_another(api, world, user):
    one, two = world.login(user), world.login(user)
    assert claims_of(one["access_token"])["jti"] != claims_of(two["access_token"])["jti"]
    assert claims_of(one["access_token"])["gid"] != claims_of(two["access_token"])["gid"]


def test_an_independent_library_verifies_it(api, user):
    """R004-19: the JOSE part of Authlib, with the published key set."""
    keys = KeySet.import_key_set(jwks(api, "acme"))
    claims = jwt.decode(user.token, keys, algorithms=["ES256"]).claims
    jwt.JWTClaimsRegistry(iss={"essential": True}, exp={"essential": True}).validate(claims)
    assert claims["sub"] == user.id


def test_the_key_set_is_public_and_per_tenant(api, user, acme, other):
    """OA-19, TI-6: public parts only, kid unique, another tenant has other keys."""
    mine, theirs = jwks(api, "acme")["keys"], jwks(api, "other")["keys"]
    for key in mine + theirs:
        assert not set(key) & {"d", "p", "q", "dp", "dq", "qi", "k"}
        assert key["kid"] and key["alg"] in ("ES256", "RS256") and key["use"] == "sig"
    assert ok(api.get("/oauth/jwks", tenant="acme"))["keys"] == mine
    kids = [key["kid"] for key in mine]
    assert len(kids) == len(set(kids)) and header_of(user.token)["kid"] in kids
    assert not set(kids) & {key["kid"] for key in theirs}


def test_key_sets_may_be_cached_and_read_from_anywhere(api, acme):
    """C20, api.md §11: discovery and keys answer any origin; credentials are ignored there."""
    answer = api.get("/t/acme/.well-known/jwks.json", headers={"Origin": "https://app.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "max-age" in answer.headers["cache-control"]
    ok(api.get("/t/acme/.well-known/jwks.json", token="garbage"))
    refused(api.get("/t/nobody/.well-known/jwks.json"), 404, "tenant_not_found")


# -- what is none ------------------------------------------------------------------------------


def forged(token, other_token):
    """Names and texts of tokens that must all be refused."""
    head, body, signature = token.split(".")
    header, claims = header_of(token), claims_of(token)
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.public_key().public_bytes(serialization.Encoding.PEM,
                                        serialization.PublicFormat.SubjectPublicKeyInfo)

    def with_header(**changes):
        changed = {name: value for name, value in (header | changes).items() if value is not None}
        return f"{b64(changed)}.{body}.{signature}"

    def with_claims(**changes):
        return f"{head}.{b64(claims | changes)}.{signature}"

    yield "empty parts", ".."
    yield "two parts", f"{head}.{body}"
    yield "four parts", f"{token}.{signature}"
    yield "no signature", f"{head}.{body}."
    yield "no header", f".{body}.{signature}"
    yield "no body", f"{head}..{signature}"
    for alg in ("none", "None", "NONE", "nOnE", "", "HS256", "hs256", "es256", "ES384", "RS256",
                "PS256", "EdDSA", "ES256K"):
        yield f"alg {alg!r}", with_header(alg=alg)
        yield f"alg {alg!r} unsigned", with_header(alg=alg).rsplit(".", 1)[0] + "."
    yield "no alg", with_header(alg=None)
    yield "alg is a list", with_header(alg=["ES256"])
    for typ in ("at+jwt", "JWT", "jwt", "refresh+jwt", "logout+jwt", "", None, "SESSION+JWT"):
        yield f"typ {typ!r}", with_header(typ=typ)
        yield f"typ {typ!r}, own key", es256(key, {"alg": "ES256", "typ": typ or "",
                                                   "kid": header["kid"]}, claims)
    for kid in (None, "", "unknown", "../../etc/passwd", "'; drop", 5, {"$ne": ""},
                header_of(other_token)["kid"], "x" * 5000):
        yield f"kid {str(kid)[:20]!r}", with_header(kid=kid)
    for name, value in (("jku", "http://127.0.0.1/keys"), ("x5u", "http://127.0.0.1/x"),
                        ("jwk", {"kty": "EC"}), ("crit", ["exp"]), ("b64", False), ("zip", "DEF"),
                        ("x5c", ["x"]), ("cty", "JWT")):
        yield f"header {name}", with_header(**{name: value})
    yield "own key", es256(key, header, claims)
    hs_text = f"{b64({'alg': 'HS256', 'typ': 'session+jwt', 'kid': header['kid']})}.{body}"
    mac = hmac.new(pem, hs_text.encode(), hashlib.sha256).digest()
    yield "HS256 with the public key", f"{hs_text}.{b64(mac)}"
    empty = hmac.new(b"", hs_text.encode(), hashlib.sha256).digest()
    yield "HS256 with an empty key", f"{hs_text}.{b64(empty)}"
    yield "zero r and s", f"{head}.{body}.{b64(bytes(64))}"
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    raw = unb64(signature)
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    yield "r and s of the group's order", f"{head}.{body}.{b64(order.to_bytes(32, 'big') * 2)}"
    yield "DER signature", f"{head}.{body}.{b64(utils.encode_dss_signature(r, s))}"
    yield "short signature", f"{head}.{body}.{b64(raw[:63])}"
    yield "long signature", f"{head}.{body}.{b64(raw + bytes(1))}"
    for name, value in (("tid", str(uuid.uuid4())), ("sub", str(uuid.uuid4())), ("role", "owner"),
                        ("scope", "admin"), ("exp", 99999999999), ("ep", 0), ("gid", "x")):
        yield f"edited {name}", with_claims(**{name: value})
    yield "another token's signature", f"{head}.{body}.{other_token.rsplit('.', 1)[1]}"
    yield "another token's header", f"{other_token.split('.')[0]}.{body}.{signature}"
    for extra in ("=", "==", "====", "A", ".", "%00", "\\n", ", "):
        yield f"{extra!r} at the end", token + extra + ("x" if extra.endswith(" ") else "")
        yield f"{extra!r} at the front", extra + token
    yield "padding inside", f"{head}=.{body}.{signature}"
    yield "other alphabet", token.replace("-", "+").replace("_", "/") + "+"
    yield "9 KB", token + "A" * 9000
    yield "too large a body", f"{head}.{b64({'x': 'y' * 8000})}.{signature}"
    twice = b"{" + unb64(body)[1:-1] + b',"role":"owner"}'
    yield "duplicate claims", f"{head}.{b64(twice)}.{signature}"
    yield "a body that is no object", f"{head}.{b64(b'[]')}.{signature}"
    yield "a header that is no object", f"{b64(b'[]')}.{body}.{signature}"


def test_forged_tokens_are_refused(api, user, other, world):
    """TS-1, TS-6, F1-F6: more than 60 classes; each 401 with the same code and sentence."""
    world.login(other.owner)
    classes = list(forged(user.token, other.owner.token))
    assert len(classes) >= 60
    sentences = set()
    for name, text in classes:
        answer = api.get("/users/me", token=text)
        assert answer.status_code == 401, f"{name}: {answer.status_code} {answer.text}"
        sentences.add(answer.json()["error_description"])
    assert len(sentences) == 1
    ok(api.get("/users/me", token=user.token))


def test_every_single_byte_matters(api, user):
    """TS-6: each character of a good token changed once; none is accepted."""
    token = user.token
    for place in range(0, len(token), 2):
        letter = "A" if token[place] not in "A." else "B"
        edited = token[:place] + letter + token[place + 1:]
        assert api.get("/api/whoami", token=edited).status_code == 401, place
    # The last character of the signature has bits that a lenient decoder would not look at.
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        if letter != token[-1]:
            assert api.get("/api/whoami", token=token[:-1] + letter).status_code == 401, letter


def test_a_token_is_good_only_in_its_own_scheme(api, user):
    """RFC 6750: Bearer, in any case; nothing else, and no second one."""
    for scheme in ("Bearer", "bearer", "BEARER"):
        ok(api.get("/users/me", headers={"Authorization": f"{scheme} {user.token}"}))
    for value in (user.token, f"Token {user.token}", f"Basic {user.token}", f"Bearer{user.token}",
                  "Bearer", f"Bearer {user.token} {user.token}",
                  f"Bearer {user.token},Bearer {user.token}"):
        assert api.get("/users/me", tenant="acme",
                       headers={"Authorization": value}).status_code in (400, 401), value
    twice = [("Authorization", f"Bearer {user.token}")] * 2
    assert api.get("/users/me", headers=twice).status_code in (400, 401)


def test_tokens_do_not_travel_in_urls(api, user):
    refused(api.get(f"/users/me?access_token={user.token}", tenant="acme"), 401)


def test_kinds_are_disjoint(api, world, user, keyed):
    """TS-3: tokens, sessions and access keys: each is refused where another belongs."""
    (session,) = world.sign_in(user).values()
    kinds = {"refresh": user.refresh_token, "session": session, "key": keyed.key}
    for text in kinds.values():
        assert api.get("/users/me", tenant="acme", token=text).status_code in (401, 403)
    for text in (user.token, session, keyed.key):
        refused(api.post("/auth/refresh", tenant="acme", json={"refresh_token": text}), 401)
    for text in (user.token, user.refresh_token, keyed.key):
        refused(api.get("/users/me", tenant="acme", cookie={"session-acme": text}), 401)
    for text in (user.token, user.refresh_token, session):
        assert api.get("/api/v1/clients/me", token=text).status_code in (401, 403)


def test_a_token_of_a_recreated_world_is_refused(api, start_instance, connect):
    """TI-6: same slug, same name, same issuer text, but keys of another installation."""
    twin = start_instance({"password": {"scheme": "argon2id"},
                           "server": {"public_url": api.instance.public_url}})
    there = connect(twin)
    world = World(there)
    tenant = world.tenant(slug="acme", name="Acme Corporation")
    world.login(tenant.owner)
    refused(api.get("/users/me", token=tenant.owner.token), 401)
    refused(api.get("/users/me", tenant="acme", token=tenant.owner.token), 401)
    refused(api.post("/auth/refresh", tenant="acme",
                     json={"refresh_token": tenant.owner.refresh_token}), 401)


def test_a_subject_is_stable_and_given_once(api, world, tenant):
    """TS-15: the same after another name and address, another one for whoever takes the name later;
    neither an address nor in the form of a client's id."""
    name = unique("sub")
    user = world.named_user(tenant, name)
    subject = claims_of(world.login(user)["access_token"])["sub"]
    assert subject == user.id and str(uuid.UUID(subject)) == subject
    user.email = f"{name}@new.example"
    ok(api.patch("/tenants/users/" + user.id, token=tenant.owner.token,
                 json={"username": unique("sub"), "email": user.email}))
    assert claims_of(world.login(user)["access_token"])["sub"] == subject
    ok(api.delete("/tenants/users/" + user.id, token=tenant.owner.token), 204)
    heir = world.named_user(tenant, name)
    assert claims_of(world.login(heir)["access_token"])["sub"] != subject
    with pytest.raises(ValueError):
        uuid.UUID(client(api, tenant, grant_types=["client_credentials"])["client_id"])
