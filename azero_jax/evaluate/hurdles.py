"""Progressive dynamic hurdles (So, Liang, Le 2019, "The Evolved Transformer"; AutoML-Zero paper, appendix).

A candidate is first run on part of the work. It goes on only if its fitness there reaches a percentile of the unique
fitnesses that earlier candidates had at the same stage; otherwise the fitness of that stage is its fitness.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from azero_jax.state import State


class Hurdle:
    """One stage's rolling threshold.

    Attributes:
      threshold: fitness that a candidate must reach; 0 until the first batch has been seen.
    """

    def __init__(self, percentile: float, window: int) -> None:
        """A hurdle that everything passes until fitnesses have been seen.

        Args:
          percentile: of the unique fitnesses, 0 to 100 (the paper's: 75).
          window: how many of the latest fitnesses count.
        """
        self._percentile = percentile
        self._recent = np.empty(window)
        self._seen = 0
        self.threshold = 0.0

    def passes(self, fitness: NDArray[np.float64]) -> NDArray[np.bool_]:
        """`[N]` who goes on, by the threshold before this batch; then the batch's fitnesses `[N]` update it."""
        passed = fitness >= self.threshold
        window = len(self._recent)
        latest = fitness[-window:]
        places = (self._seen + np.arange(len(latest))) % window
        self._recent[places] = latest
        self._seen += len(latest)
        seen = self._recent[: min(self._seen, window)]
        if len(seen):
            self.threshold = percentile(np.unique(seen), self._percentile)
        return passed

    def state(self) -> State:
        """The fitnesses that count, how many there were, and the threshold."""
        recent = self._recent[: min(self._seen, len(self._recent))]
        return {"recent": recent, "seen": np.array(self._seen), "threshold": np.array(self.threshold)}

    def restore(self, state: State) -> None:
        """Goes on from what `state()` gave."""
        self._recent[: len(state["recent"])] = state["recent"]
        self._seen, self.threshold = int(state["seen"]), float(state["threshold"])


def percentile(ascending: NDArray[np.float64], percent: float) -> float:
    """`numpy.percentile` of numbers in ascending order, to the last bit, in 1 microsecond instead of 50.

    Args:
      ascending: `[K]`, at least one.
      percent: 0 to 100.
    """
    position = (len(ascending) - 1) * (percent / 100)
    below = int(position)
    low, high = float(ascending[below]), float(ascending[min(below + 1, len(ascending) - 1)])
    share = position - below
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)
