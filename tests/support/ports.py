"""Free TCP ports below the range from which the kernel takes ports for outgoing connections."""
import random
import socket

FIRST, LAST = 20000, 31999


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port():
    # Not from `random` as the tests seed it: two workers must not draw the same row of ports.
    draw = random.SystemRandom()
    for _ in range(200):
        port = draw.randint(FIRST, LAST)
        if is_free(port):
            return port
    raise RuntimeError(f"found no free port between {FIRST} and {LAST}")
