"""Stopping on request: the first Ctrl-C or SIGTERM asks the search to stop, the second stops it at once."""

import math
import signal
import threading
import time
from types import FrameType
from typing import Any, Final, Self

STOP_SIGNALS: Final = {signal.SIGINT: "interrupt", signal.SIGTERM: "terminate"}
EXIT_CODES: Final = {name: 128 + number for number, name in STOP_SIGNALS.items()}  # the shell's convention


class StoppedAtOnceError(KeyboardInterrupt):
    """A second signal came; `exit_code` is what the process should return."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


class StopSignals:
    """Takes over the two signals inside a `with` block in the main thread; elsewhere it does nothing.

    Attributes:
      reason: "" until a signal came, then "interrupt" or "terminate".
      moment: of `time.monotonic` when it came; infinite until then.
    """

    def __init__(self) -> None:
        self.reason = ""
        self.moment = math.inf
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._receive) for number in STOP_SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            if handler is not None:  # None: it was not set from Python, and cannot be set again
                signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.reason:
            raise StoppedAtOnceError(number)
        self.ask(STOP_SIGNALS[signal.Signals(number)])

    def ask(self, reason: str) -> None:
        """Asks the search to stop, if nobody has yet."""
        if not self.reason:
            self.reason, self.moment = reason, time.monotonic()
