"""What ends within seconds, and must be seen alive before that."""
import time


def seen_alive(make, lives=(1, 4, 15, 60)):
    """make(seconds) makes what lives so long, looks at it and gives it, or None where the look came
    too late: then all of it is made again with a longer life. The first is for a machine with time."""
    for life in lives:
        began = time.monotonic()
        made = make(life)
        if made is not None:
            return made
        took = time.monotonic() - began
        assert took > life / 2, f"it was over after {took:.1f} s of {life} s"
    raise AssertionError(f"nothing of a life of {lives[-1]} s was seen")
