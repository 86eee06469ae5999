"""How long somebody waits for slow work: until a moment that may come at any time, such as a Ctrl-C."""

import contextlib
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final, NoReturn

_POLL_SECONDS: Final = 0.05
_abandoned: list[threading.Thread] = []  # whose work nobody waits for any more


class Patience:
    """Says when work is to be given up.

    Attributes:
      gave_up: whether work has been given up since `until` was called last.

    >>> patience = Patience()
    >>> patience.is_over(), patience.call(lambda: 3)
    (False, (True, 3))
    """

    def __init__(self) -> None:
        """Patience without an end."""
        self.gave_up = False
        self._end: Callable[[], float] = lambda: math.inf

    def until(self, end: Callable[[], float]) -> None:
        """Ends it at the moment of `time.monotonic` that `end` says, which is asked again and again."""
        self._end, self.gave_up = end, False

    def for_seconds(self, seconds: float) -> None:
        """Ends it in so many seconds from now."""
        moment = time.monotonic() + seconds
        self.until(lambda: moment)

    def is_over(self) -> bool:
        """Whether to give up; whoever asks does so then."""
        self.gave_up = self.gave_up or time.monotonic() >= self._end()
        return self.gave_up

    def call(self, function: Callable[[], Any]) -> tuple[bool, Any]:
        """Calls a function in a thread of its own: (whether it came back in time, what it gave, or None).

        Compiled code hears of nothing; so one that does not come back in time is left behind.
        """
        result: list[Any] = []
        error: list[BaseException] = []

        def work() -> None:
            try:
                result.append(function())
            except BaseException as raised:  # the caller is to see everything
                error.append(raised)

        thread = threading.Thread(target=work, name="patience", daemon=True)
        thread.start()
        try:
            while thread.is_alive() and not self.is_over():
                thread.join(_POLL_SECONDS)
        finally:
            if thread.is_alive():
                _abandoned.append(thread)
        if error:
            raise error[0]
        return (True, result[0]) if result else (False, None)


def leave(code: int) -> NoReturn:
    """Ends the process; at once if work was abandoned, which an orderly end would wait for, or stumble over."""
    if _abandoned:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code)
    sys.exit(code)
