"""Free TCP ports below the range from which the kernel takes ports for outgoing connections.

A port that is free when it is drawn may be taken before the server that it is for listens. So no two
processes draw from the same ports: each has a block of its own, kept for it by a UDP socket on the
block's first port that lives as long as the process, and goes through the block in turn.
"""
import itertools
import random
import socket

FIRST, LAST = 20000, 31999
BLOCK = 250

_guard = None  # the UDP socket that keeps this process's block
_ports = None  # goes round the block


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _take_block():
    # Not from `random` as the tests seed it: workers that begin together look at different blocks.
    blocks = list(range(FIRST, LAST + 1, BLOCK))
    random.SystemRandom().shuffle(blocks)
    for first in blocks:
        guard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            guard.bind(("127.0.0.1", first))
            return guard
        except OSError:
            guard.close()
    raise RuntimeError(f"each block of ports between {FIRST} and {LAST} has its process")


def free_port():
    """A port of this process's block that nobody listens on; the same one again only BLOCK later."""
    global _guard, _ports
    if _guard is None:
        _guard = _take_block()
        first = _guard.getsockname()[1]
        _ports = itertools.cycle(range(first, first + BLOCK))
    for port in itertools.islice(_ports, BLOCK):
        if is_free(port):
            return port
    raise RuntimeError(f"found no free port in the block of {_guard.getsockname()[1]}")
