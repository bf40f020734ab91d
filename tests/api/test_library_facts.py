"""docs/LIBRARY_FACTS.md: what the libraries do wrong (F1–F20), and that it cannot be reached here."""
import json
import os
import pathlib
import re
import socket
import subprocess

import pytest

from support.check import ok, refused
from support.framing import read_answers
from support.world import unique
from test_requirements_map import exists

ROOT = pathlib.Path(__file__).resolve().parents[2]
FACTS = ROOT / "docs" / "LIBRARY_FACTS.md"


def rows():
    text = FACTS.read_text(encoding="utf-8")
    return dict(re.findall(r"^\| (F\d+) \|(.*)\|$", text, re.M))


def test_every_fact_has_its_test():
    assert sorted(rows(), key=lambda name: int(name[1:])) == [f"F{n}" for n in range(1, 21)]
    for fact, row in rows().items():
        tests = re.findall(r"`((?:api|unit|browser|bench)/[^`]+)`", row)
        assert tests, f"{fact} names no test"
        for test in tests:
            assert exists(test), f"{fact}: there is no {test}"


def test_the_table_tells_what_is_missing():
    assert not exists("api/test_library_facts.py::test_nothing")


# -- CivetWeb ----------------------------------------------------------------------------------


@pytest.fixture
def register(service, api):
    """register(chunks) -> (status, whether the tenant is there), for a body sent in raw chunks."""
    def send(slug, chunks):
        with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
            connection.sendall(b"POST /tenants/register HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                               b"application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
            connection.shutdown(socket.SHUT_WR)
            raw = read_answers(connection)[0]
        there = api.get("/tenants/info", tenant=slug).status_code == 200
        return int(raw.split()[1]), there

    return send


def test_a_body_with_bad_chunks_is_never_used(register):
    """F10: CivetWeb calls the handler all the same; what came before the bad chunk must not count."""
    for end, good in ((b"0\r\n\r\n", True), (b"zz\r\n", False), (b"-1\r\n\r\n", False),
                      (b"5\r\nab", False)):
        slug = unique("chunks")
        body = json.dumps({"tenant_name": slug, "tenant_slug": slug, "admin_username": "admin",
                           "admin_email": f"a@{slug}.example", "admin_password": "secure123"}).encode()
        status, there = register(slug, b"%x\r\n%s\r\n" % (len(body), body) + end)
        assert there == good and (status == 201) == good, f"{end}: {status}"


def test_no_part_of_civetweb_but_its_parser(service, api, acme):
    """F13: no files, ranges, uploads, websockets, scripts, login of its own or directory listing."""
    whole = api.get("/static/style.css")
    part = api.get("/static/style.css", headers={"Range": "bytes=0-3"})
    assert part.status_code == 200 and part.content == whole.content
    assert "accept-ranges" not in part.headers
    for path in ("/static/", "/static", "/config.yaml", "/index.html", "/index.cgi", "/.htpasswd",
                 "/static/style.css/", "/tests"):
        assert api.get(path).status_code == 404, path
    for kind in ("multipart/form-data; boundary=x", "multipart/form-data", "multipart/form-data;boundary="):
        body = b"--x\r\nContent-Disposition: form-data; name=\"a\0b\"\r\n\r\n\0\r\n--x--\r\n" * 50
        refused(api.post("/auth/login", tenant=acme.slug, content=body,
                         headers={"Content-Type": kind}), 415)
    answer = api.get("/health", headers={
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=99"})
    assert answer.status_code == 200 and "upgrade" not in answer.headers
    assert "www-authenticate" not in api.get("/health", headers={"Authorization": "Digest x"}).headers
    for method in ("PUT", "DELETE", "MKCOL", "PROPFIND", "PATCH"):
        assert api.request(method, "/static/x.txt").status_code in (404, 405)
    assert not os.path.exists(os.path.join(service.directory, "x.txt"))


# -- libbson and jansson -----------------------------------------------------------------------


@pytest.mark.parametrize("value", [
    b'{"$oid": "5f2d1c3e9b1e8a0017e0a1b2"}', b'{"$date": 0}', b'{"$regex": "^."}', b'{"$code": "1"}',
    b'{"$minKey": 1}', b'{"$undefined": true}', b'{"$numberLong": "1"}', b'{"$binary": "AA=="}',
    b"NaN", b"Infinity", b"-Infinity", b'"\\u0000"', b'"a\\u0000b"', b'"\xc0\x80"', b'"\xed\xa0\x80"',
])
def test_extended_json_means_nothing(api, world, acme, value):
    """F14, F15, F16: as a credential it is refused, and as a custom field it is never a type."""
    for body in (b'{"email": ' + value + b', "password": "x"}', b'{"email": "a@b.example", "password": '
                 + value + b"}"):
        answer = api.post("/auth/login", tenant=acme.slug, content=body,
                          headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, answer.text
    answer = api.post("/auth/register", tenant=acme.slug, content=b'{"email": "' +
                      f"{unique('f')}@example.com".encode() + b'", "password": "password123", '
                      b'"custom_fields": {"a": ' + value + b"}}",
                      headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("body", [b'{"email":"a@b.example"}{"password":"x"}', b'[{"email":"a"}]',
                                  b'{"email":"a@b.example","email":"c@d.example","password":"x"}'])
def test_one_object_with_each_member_once(api, acme, body):
    """F14: libbson drops the second document in silence and keeps both of two members."""
    refused(api.post("/auth/login", tenant=acme.slug, content=body,
                     headers={"Content-Type": "application/json"}), 400, "invalid_json")


# -- tokens ------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["..", "...", ".", "a..b", "." * 8000, "a" * 8000,
                                   "e30." + "A" * 7000 + ".AAAA"])
def test_texts_that_broke_a_library(api, token):
    """F6: a write past an empty block, and a stack as large as the token."""
    answer = api.get("/users/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401, answer.text
    ok(api.get("/health"))


# -- versions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("package, least", [("libmongoc-1.0-0", "1.23.1-1+deb12u3"),
                                            ("libjwt0", "1.10.2-1+deb12u1")])
def test_debian_s_patches_are_in(package, least):
    """F19: the versions with Debian's fixes of its known CVEs."""
    version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True,
                             text=True, check=True).stdout
    assert subprocess.run(["dpkg", "--compare-versions", version, "ge", least],
                          check=False).returncode == 0, f"{package} {version}"
