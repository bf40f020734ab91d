"""Requests of the benchmarks: as text for the load generator, or sent at once."""
import json
import urllib.parse
import urllib.request


def whole(method, path, headers=(), body=None):
    """A request as it goes over the wire; body: text of a form, or anything else as JSON."""
    text = body if body is None or isinstance(body, str) else json.dumps(body)
    kind = "application/x-www-form-urlencoded" if isinstance(body, str) else "application/json"
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if text is not None:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(text)}"]
    return "\r\n".join(lines) + "\r\n\r\n" + (text or "")


def form(path, headers=(), **fields):
    return whole("POST", path, headers, urllib.parse.urlencode(fields))


def put(url, body, headers=None):
    """The JSON answer; body: a dict as JSON."""
    return post(url, body, headers, method="PUT")


def post(url, body, headers=None, method="POST"):
    """The JSON answer; body: a dict as JSON, or the text of a form."""
    kind = "application/x-www-form-urlencoded" if isinstance(body, str) else "application/json"
    data = body if isinstance(body, str) else json.dumps(body)
    request = urllib.request.Request(url, data.encode(), {"Content-Type": kind, **(headers or {})},
                                     method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)
