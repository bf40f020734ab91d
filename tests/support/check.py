"""Short words for what tests say most: this answer was refused so; this becomes true soon.

How fast something is depends on what else the machine does, so no test fails because of it: a
promise that was kept late is a warning in the summary of the run, and `./dev bench` measures. What
fails is that something never comes, or hangs.
"""
import time
import warnings

#: Seconds after which nothing comes any more, on the busiest machine.
PATIENCE = 60.0
#: Seconds within which what has a limit of its own (2, 5 s) has ended, on the busiest machine: less
#: than the half minute or more of those who have none.
HANGS = 20.0


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


class Late(UserWarning):
    """Something came, later than it is promised on a machine with nothing else to do."""


def until(check, seconds=2.0, pause=0.01):
    """Calls check until it is true; returns what it gave and how long it took.

    seconds is what is promised: later is a warning. Only what does not come at all fails.
    """
    start = time.monotonic()
    while True:
        result = check()
        took = time.monotonic() - start
        if result:
            if took > seconds:
                warnings.warn(Late(f"true after {took:.1f} s, promised within {seconds} s"), stacklevel=2)
            return result, took
        assert took < max(seconds, PATIENCE), f"did not become true within {took:.0f} s"
        time.sleep(pause)


def in_time(took, seconds):
    """What has a limit of its own ended by it: later than seconds is a warning, a hang fails."""
    assert took < max(seconds, HANGS), f"hung for {took:.1f} s instead of {seconds} s"
    if took > seconds:
        warnings.warn(Late(f"took {took:.1f} s, promised within {seconds} s"), stacklevel=2)


def without_ids(answer):
    """Status and body of an answer without what differs in every answer: the request id."""
    body = dict(answer.json())
    body.pop("request_id", None)
    headers = {name: value for name, value in answer.headers.items()
               if name not in ("date", "x-request-id", "ratelimit-remaining", "ratelimit-reset",
                               "content-length")}
    return answer.status_code, body, headers
