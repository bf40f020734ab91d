"""Authorization codes: what they are bound to, their one use, and what they give (OA-2, OA-4; R004-36)."""
import pytest

from support.authorize import (REDIRECT, authorize, back, code_client, code_of, decide, exchange,
                               params_of, pkce)
from support.check import ok, refused
from support.oauth import token
from support.racers import Racers, race
from support.world import World


def test_a_wrong_proof_consumes_nothing(api, tenant, owner, own, public):
    """OA-2, OA-4: verifier, redirect URI, client; PKCE downgrade both ways; then the right one works."""
    verifier, challenge = pkce()
    other = code_client(api, tenant)
    code = code_of(api, owner, own, challenge)
    for changes in ({"code_verifier": None}, {"code_verifier": pkce()[0]},
                    {"code_verifier": challenge}, {"code_verifier": "x"},
                    {"code_verifier": verifier + "!"}, {"redirect_uri": REDIRECT + "/"},
                    {"redirect_uri": REDIRECT.upper()}):
        refused(exchange(api, own, code, **({"verifier": verifier} | changes)), 400, "invalid_grant")
    refused(exchange(api, own, code, verifier, redirect_uri=None), 400, "invalid_request")
    refused(exchange(api, other, code, verifier), 400, "invalid_grant")
    refused(exchange(api, public, code, verifier), 400, "invalid_grant")
    ok(exchange(api, own, code, verifier))
    plain = code_of(api, owner, own)
    refused(exchange(api, own, plain, verifier), 400, "invalid_grant")
    ok(exchange(api, own, plain))


def test_codes_of_another_tenant_and_forged_ones(api, world, owner, own):
    """TI: bound to its tenant; a code is no refresh token, nor the other way round."""
    other = world.tenant()
    world.login(other.owner)
    foreign = code_client(api, other)
    code = code_of(api, owner, own, scope="read")
    refused(exchange(api, foreign, code), 400, "invalid_grant")
    refused(token(api, own, grant_type="refresh_token", refresh_token=code), 400, "invalid_grant")
    flipped = code[:-1] + ("A" if code[-1] != "A" else "E")
    for text in ("x", "x.y", flipped, code + "A", code.upper()):
        refused(exchange(api, own, text), 400, "invalid_grant")
    pair = ok(exchange(api, own, code))
    refused(exchange(api, own, pair["refresh_token"]), 400, "invalid_grant")
    ok(token(api, own, grant_type="refresh_token", refresh_token=pair["refresh_token"]))


def test_reuse_is_audited_and_leaves_the_consent(api, tenant, user):
    """api.md §10: a replayed code revokes what it gave and leaves the consent alone."""
    made = code_client(api, tenant, first_party=False)
    code = back(decide(api, user, params_of(made, scope="read")))["code"]
    ok(exchange(api, made, code))
    refused(exchange(api, made, code), 400, "invalid_grant")
    rows = ok(api.get("/tenants/audit?action=code.reuse", token=tenant.owner.token))["events"]
    mine = [row for row in rows if row["user_id"] == user.id]
    assert len(mine) == 1 and mine[0]["oauth_client_id"] == made["client_id"]
    assert "code" in back(authorize(api, tenant, params_of(made, scope="read"), user.session))


def test_an_expired_code_is_refused(api, owner, own, service):
    """OA-4: a minute."""
    code = code_of(api, owner, own)
    stored = service.db.tokens.find_one({"state": "code", "oauth_client_id": own["client_id"]},
                                        sort=[("_id", -1)])
    assert 55 <= (stored["expires_at"] - stored["created_at"]).total_seconds() <= 60
    assert code.partition(".")[2] not in str(stored)
    service.db.tokens.update_one({"_id": stored["_id"]},
                                 {"$set": {"expires_at": stored["created_at"]}})
    refused(exchange(api, own, code), 400, "invalid_grant")


def test_a_changed_subject_gets_nothing(api, world, tenant, own, user):
    """TS-7: role changed, everything ended, or client changed between code and exchange."""
    code = code_of(api, user, own)
    ok(api.put(f"/tenants/users/{user.id}/role", token=tenant.owner.token, json={"role": "admin"}))
    refused(exchange(api, own, code), 400, "invalid_grant")
    world.sign_in(user)
    made = code_client(api, tenant)
    code = code_of(api, user, made)
    ok(api.post(f"/oauth/client/{made['client_id']}/rotate-secret", token=tenant.owner.token,
                json={"overlap_seconds": 60}))
    ok(exchange(api, made, code_of(api, user, made)))
    world.sign_in(user)
    code = code_of(api, user, own)
    assert api.post("/oauth/logout", tenant=tenant.slug, cookie=user.session).status_code == 204
    refused(exchange(api, own, code), 400, "invalid_grant")


def test_offline_access_decides_on_refresh_tokens(api, world, tenant, user, own):
    """api.md §11: with openid only with offline_access; without it the session's end is theirs."""
    assert "refresh_token" not in ok(exchange(api, own, code_of(api, user, own, scope="openid read")))
    bound = ok(exchange(api, own, code_of(api, user, own, scope="read")))
    free = ok(exchange(api, own, code_of(api, user, own, scope="openid offline_access read")))
    never = code_client(api, tenant, grant_types=["authorization_code"])
    assert "refresh_token" not in ok(exchange(api, never, code_of(api, user, never, scope="read")))
    bound = ok(token(api, own, grant_type="refresh_token", refresh_token=bound["refresh_token"]))
    assert api.post("/oauth/logout", tenant=tenant.slug, cookie=user.session).status_code == 204
    refused(token(api, own, grant_type="refresh_token", refresh_token=bound["refresh_token"]), 400,
            "invalid_grant")
    ok(token(api, own, grant_type="refresh_token", refresh_token=free["refresh_token"]))


@pytest.fixture(scope="module")
def crowd(pair):
    """32 connections to two instances, a client, and the owner whose codes it exchanges."""
    world, racers = World(pair[0]), Racers(pair)
    made = world.tenant()
    world.login(made.owner)
    world.sign_in(made.owner)
    yield racers, code_client(pair[0], made), made.owner
    racers.close()


@race(short=3)
def test_32_exchanges_on_two_instances_have_one_success(pair, crowd):
    """G5: one conditional update; the others are told invalid_grant."""
    racers, client, owner = crowd
    code = code_of(pair[0], owner, client)
    answers = racers.race(lambda api, _: exchange(api, client, code))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 31
