"""When a search ends, and what is due at which number of candidates."""

import math
import time
from typing import Final

import numpy as np

from azero_jax.config.tree import BudgetConfig
from azero_jax.process.state import State

_REPORT_SHARE: Final = 1000  # lines of metrics come at most this often: once in a thousandth of the candidates so far


class Budget:
    """What has been spent of a budget."""

    def __init__(self, settings: BudgetConfig, report_every: int, state: State | None = None) -> None:
        """Starts the clock; `report_every` is the candidates between two lines of metrics.

        Nothing is spent yet, or what an earlier session had spent when its `state()` was taken.
        """
        self._settings, self._report_every = settings, report_every
        self._next_check, self._next_report = settings.check_every, report_every
        self._last_gain = 0  # candidates when the best select fitness last grew
        self._seconds_before = 0.0  # of earlier sessions
        if state is not None:
            self._next_check, self._next_report, self._last_gain = state["candidates"].tolist()
            self._seconds_before = float(state["seconds"])
        self._start = time.perf_counter()

    def seconds(self) -> float:
        """Seconds of search so far, over all sessions."""
        return self._seconds_before + time.perf_counter() - self._start

    def seconds_left(self) -> float:
        """Until the limit on seconds, if there is one; negative after it."""
        limit = self._settings.max_seconds
        return math.inf if limit is None else limit - self.seconds()

    def check_is_due(self, candidates: int) -> bool:
        """Whether the islands' best programs are to be tried on the select tasks; if so, not again for a while."""
        is_due = candidates >= self._next_check
        if is_due:
            self._next_check = candidates + self._settings.check_every
        return is_due

    def report_is_due(self, candidates: int) -> bool:
        """Whether a line of metrics is to be written; if so, not again for a while."""
        is_due = candidates >= self._next_report
        if is_due:
            self._next_report = candidates + max(self._report_every, candidates // _REPORT_SHARE)
        return is_due

    def note_gain(self, candidates: int) -> None:
        """Takes note that the best select fitness has grown."""
        self._last_gain = candidates

    def is_sufficient(self, select_fitness: float) -> bool:
        """Whether a program so fit ends the search."""
        return select_fitness > self._settings.sufficient_fitness

    def reason_to_stop(self, candidates: int, train_steps: int, select_fitness: float) -> str:
        """Why the search is over, or ""; `select_fitness` is the best so far, NaN if there is none."""
        limits = self._settings
        reached = {
            "sufficient_fitness": self.is_sufficient(select_fitness),
            "max_candidates": _reached(candidates, limits.max_candidates),
            "max_train_steps": _reached(train_steps, limits.max_train_steps),
            "max_seconds": _reached(self.seconds(), limits.max_seconds),
            "no_improvement": _reached(candidates - self._last_gain, limits.no_improvement_candidates),
        }
        return next((reason for reason, holds in reached.items() if holds), "")

    def state(self) -> State:
        """What has been spent, and what is due next."""
        due = [self._next_check, self._next_report, self._last_gain]
        return {"candidates": np.array(due, np.int64), "seconds": np.array(self.seconds())}


def _reached(value: float, limit: float | None) -> bool:
    return limit is not None and value >= limit
