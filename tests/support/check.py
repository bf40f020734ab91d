"""Short words for what tests say most: this answer was refused so; this becomes true soon."""
import time


def refused(answer, status, error=None, field=None):
    """The answer has this status and code; returns its body."""
    assert answer.status_code == status, f"{answer.request.url}: {answer.status_code} {answer.text}"
    body = answer.json()
    if error is not None:
        codes = (error,) if isinstance(error, str) else error
        assert body["error"] in codes, body
    if field is not None:
        assert field in answer.text, body
    return body


def ok(answer, status=200):
    """The answer succeeded with this status; returns its body."""
    assert answer.status_code == status, f"{answer.request.url}: {answer.status_code} {answer.text}"
    return answer.json() if answer.content else None


def until(check, seconds=2.0, pause=0.01):
    """Calls check until it is true; returns what it gave and how long it took."""
    start = time.monotonic()
    while True:
        result = check()
        took = time.monotonic() - start
        if result:
            return result, took
        assert took < seconds, f"did not become true within {seconds} s"
        time.sleep(pause)


def without_ids(answer):
    """Status and body of an answer without what differs in every answer: the request id."""
    body = dict(answer.json())
    body.pop("request_id", None)
    headers = {name: value for name, value in answer.headers.items()
               if name not in ("date", "x-request-id", "ratelimit-remaining", "ratelimit-reset",
                               "content-length")}
    return answer.status_code, body, headers
