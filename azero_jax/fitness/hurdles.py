"""Progressive dynamic hurdles (So, Liang, Le 2019, "The Evolved Transformer"; AutoML-Zero paper, appendix).

A candidate is first run on part of the work. It goes on only if its fitness there reaches a percentile of the unique
fitnesses that earlier candidates had at the same stage; otherwise the fitness of that stage is its fitness.
"""

import numpy as np
from numpy.typing import NDArray

from azero_jax.compiled.inline import compiled_loop
from azero_jax.process.state import State


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
        self._ascending = np.empty(0)  # the same in order, up to date without sorting all of them again
        self._seen = 0
        self.threshold = 0.0

    def passes(self, fitness: NDArray[np.float64]) -> NDArray[np.bool_]:
        """`[N]` who goes on, by the threshold before this batch; then the batch's fitnesses `[N]` update it."""
        passed = fitness >= self.threshold
        window = len(self._recent)
        latest = fitness[-window:]
        places = (self._seen + np.arange(len(latest))) % window
        replaced = self._recent[places[places < self._seen]]
        self._recent[places] = latest
        self._seen += len(latest)
        if len(latest):
            self._ascending = _replace(self._ascending, np.sort(replaced), np.sort(latest))
            self.threshold = unique_percentile(self._ascending, self._percentile)
        return passed

    def state(self) -> State:
        """The fitnesses that count, how many there were, and the threshold."""
        recent = self._recent[: min(self._seen, len(self._recent))]
        return {"recent": recent, "seen": np.array(self._seen), "threshold": np.array(self.threshold)}

    def restore(self, state: State) -> None:
        """Goes on from what `state()` gave."""
        self._recent[: len(state["recent"])] = state["recent"]
        self._ascending = np.sort(state["recent"])
        self._seen, self.threshold = int(state["seen"]), float(state["threshold"])


@compiled_loop
def _replace(
    ascending: NDArray[np.float64], removed: NDArray[np.float64], added: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Ascending numbers without some of them and with others, all ascending."""
    result = np.empty(len(ascending) - len(removed) + len(added))
    kept = gone = new = 0
    for place in range(len(result)):
        while gone < len(removed) and ascending[kept] == removed[gone]:
            kept += 1
            gone += 1
        if new < len(added) and (kept == len(ascending) or added[new] <= ascending[kept]):
            result[place] = added[new]
            new += 1
        else:
            result[place] = ascending[kept]
            kept += 1
    return result


@compiled_loop
def unique_percentile(ascending: NDArray[np.float64], percent: float) -> float:
    """`numpy.percentile(numpy.unique(ascending), percent)`, to the last bit, several times as fast.

    Args:
      ascending: `[K]`, at least one.
      percent: 0 to 100.
    """
    count = 1
    for place in range(1, len(ascending)):
        count += ascending[place] != ascending[place - 1]
    position = (count - 1) * (percent / 100)
    below = int(position)
    number = 0  # of the unique numbers before this place
    low = high = ascending[0]
    for place in range(1, len(ascending)):
        if ascending[place] != ascending[place - 1]:
            number += 1
            if number == below:
                low = high = ascending[place]
            elif number == below + 1:
                high = ascending[place]
                break
    share = position - below
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)
