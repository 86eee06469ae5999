"""How the best fitness of a search grew."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.protocol.finalist import Finalist


class CurvePoint(NamedTuple):
    """The best fitness so far.

    Attributes:
      candidates: programs evaluated, over all experiments.
      search_fitness: the best on search tasks, of all experiments.
      select_fitness: that of the best program on select tasks; None before the first trial.

    >>> CurvePoint(1000, 0.9, 0.8).candidates
    1000
    """

    candidates: int
    search_fitness: float
    select_fitness: float | None


class Curve:
    """Points, one whenever the best fitness has grown."""

    def __init__(self, rows: NDArray[np.float64] | None = None) -> None:
        """No points yet, or what `rows()` gave."""
        self._points = [
            CurvePoint(int(candidates), search, None if np.isnan(select) else select)
            for candidates, search, select in ([] if rows is None else rows.tolist())
        ]

    def note(self, candidates: int, search_fitness: float, best: Finalist | None) -> None:
        """Takes down the best search fitness and the best finalist, if one of them has grown."""
        now = CurvePoint(candidates, float(search_fitness), best.select_fitness if best else None)
        if np.isfinite(now.search_fitness) and (not self._points or self._points[-1][1:] != now[1:]):
            self._points.append(now)

    @property
    def points(self) -> tuple[CurvePoint, ...]:
        """All so far."""
        return tuple(self._points)

    def rows(self) -> NDArray[np.float64]:
        """`[K, 3]` the points as an array; NaN stands for None."""
        return np.array(self._points, np.float64).reshape(-1, len(CurvePoint._fields))
