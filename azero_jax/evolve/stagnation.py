"""Which islands are stuck: whose best fitness has not gained for a while."""

import numpy as np
from numpy.typing import NDArray

from azero_jax.evolve.settings import EvolutionSettings
from azero_jax.process.state import State


class Stagnation:
    """What each island has to better, and since when it has not.

    Attributes:
      best: `[I]` fitness that each island has to better by `restart_gain`.
    """

    def __init__(self, settings: EvolutionSettings, best: NDArray[np.float64], state: State | None = None) -> None:
        """Islands with the best fitness `[I]`, or what `state()` gave."""
        self._settings = settings
        self.best = best if state is None else state["best"].copy()
        self._since_gain = np.zeros(len(best), np.int64) if state is None else state["since_gain"].copy()

    def note(self, islands: slice, newest: NDArray[np.float64], candidates: int) -> None:
        """Takes note of the best fitness `[i]` among so many newest programs of some islands."""
        best = self.best[islands]
        gained = newest > best + (1 - best) * self._settings.restart_gain
        self.best[islands] = np.where(gained, newest, best)
        self._since_gain[islands] = np.where(gained, 0, self._since_gain[islands] + candidates)

    def stuck(self, islands: slice) -> list[int]:
        """Those of some islands that are to start again; the best of all is spared."""
        stuck = self._since_gain >= self._settings.restart_after
        stuck[self.best.argmax()] = False
        return [island for island in range(islands.start, islands.stop) if stuck[island]]

    def begin(self, island: int, best: float) -> None:
        """Takes note of an island that has started again."""
        self.best[island] = best
        self._since_gain[island] = 0

    def state(self) -> State:
        """Everything, as arrays."""
        return {"best": self.best, "since_gain": self._since_gain}
