"""How slow functions tell how far they have come."""

import time
from collections.abc import Callable
from typing import Final

Progress = Callable[[str, int, int], None]
"""What slow functions call as they go on: (what is done, steps done, steps in all)."""

_SAY_SECONDS: Final = 2.0  # between two lines of progress


def no_progress(what: str, done: int, total: int) -> None:
    """A `Progress` that shows nothing.

    >>> no_progress("decoding", 1, 10)
    """


def spoken(say: Callable[[str], None]) -> Progress:
    """A `Progress` that says a line now and then, and at once what has not begun (0 done)."""
    last_time = time.monotonic()

    def progress(what: str, done: int, total: int) -> None:
        nonlocal last_time
        if done == 0:
            say(what)
        elif time.monotonic() - last_time >= _SAY_SECONDS:
            last_time = time.monotonic()
            say(f"{what}: {done:,} of {total:,}")

    return progress
