"""Every answer that any test sees is checked against its row (support/contract.py).

Here is what checks the checker: it must fail when an answer breaks its promise. That every row was
answered with success at least once is reported when the run ends (conftest.py), as
test_every_row_was_answered_with_success of this file.
"""
import copy

import httpx
import pytest

from support.check import ok
from support.contract import Contract


def answer(method, path, status, body=None, **headers):
    made = httpx.Response(status, json=body, headers=headers, request=httpx.Request(
        method, f"http://127.0.0.1:1{path}"))
    if body is None:
        made.headers.pop("content-type", None)
    return made


ERROR = {"error": "x", "error_description": "A sentence.", "request_id": "r-1"}


@pytest.fixture
def checker(contract):
    return Contract(copy.deepcopy(contract.document))


def test_good_answers_pass(checker, api, anna):
    me = ok(api.get("/users/me", token=anna.token))
    checker.check(answer("GET", "/users/me", 200, me))
    checker.check(answer("GET", "/t/acme/users/me", 200, me))
    checker.check(answer("GET", "/api/v1/users/me", 200, me))
    assert checker.hits["GET /users/me"] == 3


@pytest.mark.parametrize("break_it", [
    lambda me: me.pop("role"), lambda me: me.pop("id"),
    lambda me: me.update(password_hash="$2b$"), lambda me: me.update(security_epoch=1),
    lambda me: me.update(surprise=1), lambda me: me.update(is_active="yes"),
    lambda me: me.update(version="1"), lambda me: me.update(custom_fields=[]),
])
def test_broken_answers_fail(checker, api, anna, break_it):
    me = ok(api.get("/users/me", token=anna.token))
    break_it(me)
    with pytest.raises(AssertionError):
        checker.check(answer("GET", "/users/me", 200, me))


@pytest.mark.parametrize("made", [
    answer("GET", "/users/me", 500, ERROR),
    answer("GET", "/users/me", 418, ERROR),
    answer("GET", "/users/me", 202, {}),
    answer("GET", "/users/me", 200),
    answer("GET", "/tenants/info", 400, ERROR),  # no message
    answer("POST", "/auth/login", 400, ERROR),  # no detail
    answer("GET", "/api/ping", 400, {"error": "x", "error_description": "y"}),
    answer("GET", "/api/ping", 405, ERROR),  # no Allow
    answer("GET", "/api/ping", 429, ERROR),  # no Retry-After
    answer("GET", "/users/me", 401, ERROR | {"detail": "x"}),  # no challenge
    answer("POST", "/auth/login", 200, {"access_token": "a", "refresh_token": "b",
                                        "token_type": "bearer", "expires_in": 900}),  # cacheable
], ids=lambda made: f"{made.request.url.path}-{made.status_code}")
def test_broken_promises_fail(checker, made):
    with pytest.raises(AssertionError):
        checker.check(made)


def test_rows_are_found_as_paths_are_rewritten(checker):
    """api.md §2.8, §10: prefixes, and the versioned paths."""
    for path, row in {
            "/users/me": "/users/me", "/t/acme/users/me": "/users/me",
            "/tenants/acme/users/me": "/users/me", "/api/v1/users/me": "/users/me",
            "/tenants/acme/info": "/tenants/info", "/tenants/info": "/tenants/info",
            "/api/v1/tenants/info": "/tenants/info", "/api/v1/clients/me": "/api/v1/clients/me",
            "/api/v1/abc/me": "/api/v1/{cid}/me"}.items():
        assert checker.find("GET", path).path == row, path
    assert checker.find("GET", "/nothing") is None
