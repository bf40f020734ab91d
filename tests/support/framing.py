"""Requests that two parsers in a row might cut differently (HT-1, F8–F10), and a client for them.

A case is what one client sends on one connection. Behind most of them stands MARK, a request of its own:
"body" says that somebody could take it for a body or a part of the head, so nobody may ever answer it;
"next" says that the request before it is odd or refused, but its end is not in doubt: a lenient proxy
may rightly see two requests, and LENIENT names proxies that do so where stricter readers cannot.
"""
import contextlib
import dataclasses
import re
import socket

HOST = b"Host: localhost\r\n"
#: Seconds of silence behind a whole answer after which nothing more is expected.
QUIET = 0.6
#: Seconds in which an answer begins, and goes on once it has begun, on the busiest machine.
PATIENCE = 60


@dataclasses.dataclass
class Case:
    """name, bytes (MARK and PATH still to be filled in), how they may end, what the service answers."""
    name: str
    raw: bytes
    kind: str = "body"
    statuses: tuple = (400,)

    def bytes(self, number):
        """The case with its own paths, so that logs tell it from others."""
        mark = b"GET /smuggled/%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % number
        return self.raw.replace(b"{PATH}", b"/f/%d" % number).replace(b"{MARK}", mark) \
            .replace(b"{MARKSIZE}", b"%d" % len(mark))


def post(*lines, rest=b"{MARK}", version=b"1.1", host=HOST):
    return (b"POST {PATH} HTTP/" + version + b"\r\n" + host
            + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + rest)


def get(*lines, start=b"GET {PATH} HTTP/1.1\r\n", host=HOST, rest=b"{MARK}"):
    return start + host + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + rest


def chunks(data, rest=b"{MARK}"):
    """To a route that reads bodies."""
    return (b"POST /tenants/register HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n" + data + rest)


ANY = (400, 404, 405, 408, 411, 413, 414, 417, 431)
TE = b"Transfer-Encoding: chunked"
END = b"0\r\n\r\n{MARK}"


def lengths():
    """Content-Length that is not one number."""
    yield Case("two lengths", post(b"Content-Length: 0", b"Content-Length: {MARKSIZE}"))
    yield Case("two lengths, other way", post(b"Content-Length: {MARKSIZE}", b"Content-Length: 0"))
    yield Case("two equal lengths", post(b"Content-Length: 0", b"Content-Length: 0"), kind="next")
    yield Case("lengths in other case", post(b"Content-Length: 0", b"content-length: {MARKSIZE}"))
    values = {
        "list": b"0, 0", "list of two": b"0, {MARKSIZE}", "plus": b"+0", "minus": b"-1",
        "hex": b"0x0", "text behind": b"0abc", "empty": b"", "blank inside": b"0 0",
        "semicolon": b"0;", "quotes": b'"0"', "fraction": b"0.0", "exponent": b"1e1",
        "2^63": b"9223372036854775808", "2^64": b"18446744073709551616",
        "2^64+5": b"18446744073709551621", "25 zeros": b"0" * 25, "underscore": b"1_0",
        "wide digit": "０".encode(), "vertical tab": b"\x0b0", "form feed behind": b"0\x0c",
    }
    for name, value in values.items():
        yield Case(f"length {name}", post(b"Content-Length: " + value),
                   kind="next" if name in ("list", "25 zeros") else "body")
    yield Case("length, blank before colon", post(b"Content-Length : {MARKSIZE}"))
    yield Case("length, tab before colon", post(b"Content-Length\t: {MARKSIZE}"))
    yield Case("length, NUL before colon", post(b"Content-Length\0: {MARKSIZE}"))
    yield Case("length folded", post(b"Content-Length:\r\n {MARKSIZE}"))
    yield Case("length behind a folded line", post(b"X: a\r\n b", b"Content-Length: {MARKSIZE}"))
    yield Case("length in a folded line", post(b"X: a\r\n Content-Length: {MARKSIZE}"),
               kind="next")
    yield Case("length as header 66", post(*[b"X-%d: y" % i for i in range(64)],
                                           b"Content-Length: {MARKSIZE}"), statuses=(400, 431))
    yield Case("length behind a bare CR", post(b"X: a\rContent-Length: {MARKSIZE}"))
    yield Case("length behind a NUL", post(b"X: a\0", b"Content-Length: {MARKSIZE}"))
    yield Case("length behind a line without colon", post(b"X", b"Content-Length: {MARKSIZE}"))
    yield Case("length behind an empty name", post(b": x", b"Content-Length: {MARKSIZE}"))


def codings():
    """Transfer-Encoding that is not exactly chunked, or stands beside a length."""
    yield Case("length and chunks", post(b"Content-Length: 4", TE, rest=END))
    yield Case("chunks and length", post(TE, b"Content-Length: 4", rest=END))
    yield Case("chunks and length of all", post(TE, b"Content-Length: {MARKSIZE}", rest=END))
    yield Case("length and coding identity", post(b"Content-Length: {MARKSIZE}",
                                                  b"Transfer-Encoding: identity"))
    values = {
        "identity": b"identity", "gzip, chunked": b"gzip, chunked", "chunked, gzip": b"chunked, gzip",
        "chunked, identity": b"chunked, identity", "chunked, chunked": b"chunked, chunked",
        "parameter": b"chunked;q=1", "xchunked": b"xchunked", "chunkedx": b"chunkedx",
        "comma before": b", chunked", "comma behind": b"chunked,", "quotes": b'"chunked"',
        "vertical tab": b"\x0bchunked", "NUL behind": b"chunked\0", "empty": b"", "cow": b"cow",
        "control behind": b"chunked\x01",
    }
    for name, value in values.items():
        yield Case(f"coding {name}", post(b"Transfer-Encoding: " + value, rest=END))
    yield Case("two codings", post(b"Transfer-Encoding: identity", TE, rest=END))
    yield Case("two codings, other way", post(TE, b"Transfer-Encoding: identity", rest=END))
    yield Case("chunked twice", post(TE, TE, rest=END))
    yield Case("coding, blank before colon", post(b"Transfer-Encoding : chunked", rest=END))
    yield Case("coding folded", post(b"Transfer-Encoding:\r\n chunked", rest=END), kind="next")
    yield Case("coding and length, blank before colon",
               post(b"Content-Length: {MARKSIZE}", b"Transfer-Encoding : chunked", rest=END))
    yield Case("coding behind a bare LF", post(b"X: a\nTransfer-Encoding: chunked",
                                               b"Content-Length: 4", rest=END))
    yield Case("chunks in 1.0", post(TE, rest=END, version=b"1.0"))
    yield Case("chunks in 1.0, kept alive", post(TE, b"Connection: keep-alive", rest=END,
                                                 version=b"1.0"))


def bad_chunks():
    """Bodies whose chunks are not what RFC 9112 section 7.1 says."""
    bodies = {
        "size zz": b"zz\r\nhello\r\n0\r\n\r\n", "no line end behind data": b"5\r\nhello0\r\n\r\n",
        "too much data": b"5\r\nhelloXX0\r\n\r\n", "size -1": b"-1\r\n\r\n",
        "size 0x5": b"0x5\r\nhello\r\n0\r\n\r\n", "extension": b"5;a=b\r\nhello\r\n0\r\n\r\n",
        "bare LF": b"5\nhello\n0\n\n", "2^64": b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "2^64 + 5": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
        "blank before": b" 5\r\nhello\r\n0\r\n\r\n", "empty size": b"\r\nhello\r\n0\r\n\r\n",
        "quote in extension": b'5;a="\r\n\r\n0\r\n\r\n', "NUL": b"5\0\r\nhello\r\n0\r\n\r\n",
        "bare CR": b"5\rhello\r0\r\r", "size +5": b"+5\r\nhello\r\n0\r\n\r\n",
        "LF in extension": b"5;\nxx\r\nhello\r\n0\r\n\r\n",
    }
    for name, body in bodies.items():
        yield Case(f"chunk {name}", chunks(body), statuses=(400, 413),
                   kind="next" if name in ("extension", "bare LF") else "body")
    yield Case("request as trailer", chunks(b"0\r\n", rest=b"{MARK}"), statuses=(400, 413))


def lines():
    """Heads whose lines somebody may cut elsewhere; where the request ends is not in doubt."""
    heads = {
        "bare line feeds": b"GET {PATH} HTTP/1.1\nHost: localhost\n\n{MARK}",
        "one bare line feed": b"GET {PATH} HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n{MARK}",
        "bare line feed at the end": b"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n\n{MARK}",
        "CR CR LF": b"GET {PATH} HTTP/1.1\r\nHost: localhost\r\r\nX: y\r\n\r\n{MARK}",
        "folded line": get(b"X: a\r\n b"), "folded by a tab": get(b"X: a\r\n\tb"),
        "blank before colon": get(b"X : y"), "line without colon": get(b"X"),
        "empty name": get(b": y"), "blank in a name": get(b"X Y: z"), "NUL in a name": get(b"X\0Y: z"),
        "NUL in a value": get(b"X: a\0b"), "control byte": get(b"X: a\x01b"), "DEL": get(b"X: a\x7f"),
        "UTF-8 in a name": get("ü: x".encode()), "parenthesis in a name": get(b"X(y): z"),
        "NUL in the target": get(start=b"GET {PATH}\0b HTTP/1.1\r\n"),
        "64 headers": get(*[b"X: y"] * 63), "200 headers": get(*[b"X: y"] * 199),
        "two empty lines before": b"\r\n\r\n" + get(), "LF before": b"\n" + get(),
        "blank before": b" " + get(), "two blanks": get(start=b"GET  {PATH} HTTP/1.1\r\n"),
        "tabs": get(start=b"GET\t{PATH}\tHTTP/1.1\r\n"),
        "blank behind the version": get(start=b"GET {PATH} HTTP/1.1 \r\n"),
        "blank in the target": get(start=b"GET {PATH} b HTTP/1.1\r\n"),
        "no version": b"GET {PATH}\r\n\r\n{MARK}", "version 1.2": get(start=b"GET {PATH} HTTP/1.2\r\n"),
        "version 2.0": get(start=b"GET {PATH} HTTP/2.0\r\n"),
        "version 1.1x": get(start=b"GET {PATH} HTTP/1.1x\r\n"),
        "lower-case version": get(start=b"GET {PATH} http/1.1\r\n"),
        "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{MARK}",
        "no Host": get(host=b""), "two Hosts": get(b"Host: other"), "two equal Hosts": get(HOST[:-2]),
        "empty Host": get(host=b"Host:\r\n"), "Host of dots": get(host=b"Host: a..b\r\n"),
        "bad Host": get(host=b"Host: a/b@c\r\n"), "list of Hosts": get(host=b"Host: a, b\r\n"),
        "blank in Host": get(host=b"Host: a b\r\n"), "Host with a bad port": get(host=b"Host: a:b\r\n"),
        "Host, blank before colon": get(host=b"Host : localhost\r\n"),
        "target without slash": get(start=b"GET f/x HTTP/1.1\r\n"),
        "no HTTP": b"\x80\x81\x82 hello\r\n\r\n", "TLS": bytes.fromhex("16030100c8010000c40303")
        + b"\x55" * 200,
    }
    for name, raw in heads.items():
        yield Case(name, raw, kind="next", statuses=(405,) if raw[:3] == b"PRI" else (400,))


def bodies():
    """Well-formed, with the mark inside the body: it must stay there."""
    size = b"Content-Length: {MARKSIZE}"
    for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"PUT", b"TRACE", b"BREW"):
        yield Case(f"body of {method.decode()}", method + b" {PATH} HTTP/1.1\r\n" + HOST + size
                   + b"\r\n\r\n{MARK}", statuses=ANY + (204,))
    for name in (b"Content-Length", b"close, Content-Length", b"Host", b"Transfer-Encoding"):
        yield Case(f"Connection names {name.decode()}", post(size, b"Connection: " + name),
                   statuses=ANY)
    yield Case("upgrade to h2c", post(size, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c",
                                      b"HTTP2-Settings: AAMAAABkAAQAAP__"), statuses=ANY)
    yield Case("upgrade to websocket", post(size, b"Connection: Upgrade", b"Upgrade: websocket",
                                            b"Sec-WebSocket-Version: 13",
                                            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
               statuses=ANY)
    yield Case("unknown expectation", post(size, b"Expect: 200-maybe"), statuses=(417,))
    yield Case("other method by header", post(size, b"X-HTTP-Method-Override: GET"), statuses=ANY)
    yield Case("underscored length", post(b"Content_Length: 0", size), statuses=ANY)
    yield Case("body in 1.0", post(size, b"Connection: keep-alive", version=b"1.0"), statuses=ANY)


#: Measured: HAProxy 2.6 takes 2^64 for 0 and an empty last coding for none. The service refuses both
#: and closes, so nothing of them is ever taken for a request but by HAProxy itself.
LENIENT = {"nginx": (), "haproxy": ("length 2^64", "coding comma behind")}

CASES = [*lengths(), *codings(), *bad_chunks(), *lines(), *bodies()]


# -- the client --------------------------------------------------------------------------------


def read_answers(connection, quiet=QUIET, heads=(), patience=PATIENCE):
    """Everything that comes until the end of the connection, or a silence behind whole answers:
    (bytes, ended). heads: as for statuses_of; patience: seconds for the first byte."""
    raw = b""
    while True:
        connection.settimeout(quiet if is_whole(raw, heads) else PATIENCE if raw else patience)
        try:
            chunk = connection.recv(65536)
        except TimeoutError:
            return raw, False
        except ConnectionError:
            return raw, True
        if not chunk:
            return raw, True
        raw += chunk


def is_whole(raw, heads):
    """Whether these bytes are answers from the first to the last."""
    try:
        return raw != b"" and statuses_of(raw, heads, to_end=False) != []
    except (AssertionError, IndexError):
        return False


def send(port, raw, first=b"", quiet=QUIET, patience=PATIENCE):
    """(answers, ended) of one connection; first is sent and answered before."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        if first:
            connection.sendall(first)
            head, _ = read_answers(connection, quiet=0.15)
            assert len(statuses_of(head)) == 1, head
        with contextlib.suppress(ConnectionError):
            connection.sendall(raw)
        heads = (0,) if raw.startswith(b"HEAD") else ()
        return read_answers(connection, quiet, heads, patience)


def statuses_of(raw, heads=(), to_end=True):
    """The final status codes in a stream of answers; heads: indices of answers without bodies;
    to_end: whether the connection has ended, as it must behind an answer that tells no length."""
    found = []
    if raw.startswith((b'{"error"', b"<html>\r\n<head><title>400 ")):
        return [400]  # to HTTP/0.9, whose answers have no head
    while raw:
        head, end, rest = raw.partition(b"\r\n\r\n")
        match = re.match(rb"HTTP/1\.[01] (\d{3})", head)
        assert match and end, f"no answer begins here: {raw[:200]!r}"
        status = int(match[1])
        raw = rest
        if 100 <= status < 200:
            continue
        if status not in (204, 304) and len(found) not in heads:
            raw = _without_body(head, rest, to_end)
        found.append(status)
    return found


def _without_body(head, rest, to_end):
    length = re.search(rb"^content-length: *(\d+)", head, re.I | re.M)
    if length:
        assert len(rest) >= int(length[1]), f"an answer was cut short: {rest[-100:]!r}"
        return rest[int(length[1]):]
    if re.search(rb"^transfer-encoding: *chunked", head, re.I | re.M):
        return rest.split(b"0\r\n\r\n", 1)[1]
    assert to_end, "it goes on until the end of the connection"
    return b""
