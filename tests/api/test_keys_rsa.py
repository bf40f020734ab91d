"""RS256 keys beside the ES256 ones: made when first asked for, once, and never mixed up.

OA-19, SK-6, TS-1, R004-19.
"""
import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import RSAKey

from support.check import ok, refused, until
from support.cli import Cli
from support.racers import Racers, race
from support.world import World

JWKS = "/.well-known/jwks.json"


@pytest.fixture(scope="module")
def place(pair):
    return pair[0], World(pair[0])


@pytest.fixture(scope="module")
def racers(pair):
    made = Racers(pair)
    yield made
    made.close()


def keys_of(api, tenant, alg=None):
    found = ok(api.get(JWKS, tenant=tenant.slug))["keys"]
    return [key for key in found if alg in (None, key["alg"])]


def kids(keys):
    return {key["kid"] for key in keys}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@race
def test_many_first_askers_make_one_key(racers, place, mongo):
    """OA-19: 32 at once on two instances see one complete set, the same, from its first answer."""
    api, world = place
    tenant = world.tenant()
    stored = mongo.client[api.instance.database_name]["signing_keys"]
    of_tenant = {"tenant_id": _binary(tenant.id)}
    assert [key["alg"] for key in stored.find(of_tenant)] == ["ES256"], "made when first asked for"
    sets = {json.dumps(ok(answer), sort_keys=True) for answer in racers.race(
        lambda racer, _: racer.get(JWKS, tenant=tenant.slug))}
    assert len(sets) == 1
    (keys,) = [json.loads(one)["keys"] for one in sets]
    assert sorted(key["alg"] for key in keys) == ["ES256", "RS256"]
    assert stored.count_documents(of_tenant) == 2


def _binary(text):
    from bson.binary import Binary, UUID_SUBTYPE  # pylint: disable=import-outside-toplevel
    return Binary(bytes.fromhex(text.replace("-", "")), UUID_SUBTYPE)


def test_only_public_parts_of_2048_bits(place):
    """OA-19: no private member, 2048 bits, an exponent that is not tiny; kid is the thumbprint."""
    api, world = place
    (key,) = keys_of(api, world.tenant(), "RS256")
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
    made = RSAKey.import_key(key)
    assert made.raw_value.key_size >= 2048 and made.raw_value.public_numbers().e == 65537
    assert key["kid"] == made.thumbprint() and key["use"] == "sig"


def test_each_tenant_has_its_own(place):
    """TI-6."""
    api, world = place
    assert not kids(keys_of(api, world.tenant())) & kids(keys_of(api, world.tenant()))


def test_rotation_and_revocation_by_algorithm(pair, place):
    """SK-6: RS256 is replaced and revoked for itself; a set never lacks a key of either kind."""
    api, world = place
    cli, tenant = Cli(api.instance), world.tenant()
    (old,), (es256,) = keys_of(api, tenant, "RS256"), keys_of(api, tenant, "ES256")
    made = cli.json("keys", "rotate", tenant.slug, "--alg", "RS256", "--after", "30d")
    assert made["alg"] == "RS256"
    for one in pair:
        until(lambda one=one: kids(keys_of(one, tenant)) == {
            old["kid"], es256["kid"], made["kid"]})
    states = {key["kid"]: key["state"] for key in cli.json("keys", "list", tenant.slug)["keys"]}
    assert states == {old["kid"]: "current", es256["kid"]: "current", made["kid"]: "next"}
    cli("keys", "rotate", tenant.slug, "--alg", "RS256", status=1)
    assert "waits already" in cli.stderr
    cli.json("keys", "rotate", tenant.slug, "--alg", "ES256", "--after", "30d")
    assert cli.json("keys", "revoke", tenant.slug, "--", old["kid"])["signs_now"] == made["kid"]
    fresh = cli.json("keys", "revoke", tenant.slug, "--", made["kid"])["signs_now"]
    for one in pair:
        until(lambda one=one: kids(keys_of(one, tenant, "RS256")) == {fresh})
    assert es256["kid"] in kids(keys_of(api, tenant))


def test_an_rsa_key_verifies_no_access_token(place):
    """TS-1: the algorithm is the key's, whatever a token says."""
    api, world = place
    tenant = world.tenant()
    user = world.user(tenant)
    (key,) = keys_of(api, tenant, "RS256")
    head, body, signature = user.token.split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    ok(api.get("/users/me", token=user.token))
    public = RSAKey.import_key(key).raw_value
    pem = public.public_bytes(serialization.Encoding.PEM,
                              serialization.PublicFormat.SubjectPublicKeyInfo)
    stranger = rsa.generate_private_key(65537, 2048)

    def text(**changes):
        return f"{b64(json.dumps(header | changes).encode())}.{body}"

    def mac(**changes):
        signed = text(**changes)
        return f"{signed}.{b64(hmac.digest(pem, signed.encode(), hashlib.sha256))}"

    def signed_by_a_stranger(**changes):
        from cryptography.hazmat.primitives import hashes  # pylint: disable=import-outside-toplevel
        from cryptography.hazmat.primitives.asymmetric import padding  # pylint: disable=import-outside-toplevel
        signed = text(**changes)
        return f"{signed}.{b64(stranger.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    for token in (f"{text(kid=key['kid'])}.{signature}",
                  f"{text(alg='RS256')}.{signature}",
                  f"{text(alg='RS256', kid=key['kid'])}.{signature}",
                  mac(alg="HS256", kid=key["kid"]), mac(alg="RS256", kid=key["kid"]),
                  signed_by_a_stranger(alg="RS256", kid=key["kid"]),
                  signed_by_a_stranger(alg="RS256"),
                  signed_by_a_stranger(alg="PS256", kid=key["kid"])):
        refused(api.get("/users/me", token=token), 401, "invalid_token")
