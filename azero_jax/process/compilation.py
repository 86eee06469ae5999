"""Who wants to know what is being compiled is told; that takes seconds where nothing was kept on disk."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

_SAY_SECONDS: Final = 1.0  # at least, between two lines
_listeners: list[Callable[[str], None]] = []


def announce(what: str) -> None:
    """Tells who listens what is compiled from now on."""
    for listener in _listeners:
        listener(what)


@contextlib.contextmanager
def compilation_told(say: Callable[[str], None]) -> Iterator[None]:
    """Meanwhile `say` is told, in single lines, what is compiled; of several in a second only the first.

    >>> with compilation_told(print):
    ...     announce("breed")
    compiling breed
    """
    last_time = -_SAY_SECONDS

    def listen(what: str) -> None:
        nonlocal last_time
        if time.monotonic() - last_time >= _SAY_SECONDS:
            say(f"compiling {what}")
            last_time = time.monotonic()

    _listeners.append(listen)
    try:
        yield
    finally:
        _listeners.remove(listen)
