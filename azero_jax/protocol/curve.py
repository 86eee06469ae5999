"""How the best fitness of a search grew."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


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
    """The points at which it grew.

    >>> curve = Curve()
    >>> curve.note(100, 0.5, None)
    >>> curve.note(200, 0.5, None)
    >>> len(Curve(curve.array()).points)
    1
    """

    def __init__(self, points: NDArray[np.float64] | None = None) -> None:
        """No point yet, or what `array()` gave."""
        self._points: list[CurvePoint] = []
        if points is not None:
            self._points = [
                CurvePoint(int(candidates), search, None if np.isnan(select) else select)
                for candidates, search, select in points.tolist()
            ]

    def note(self, candidates: int, search_fitness: float, select_fitness: float | None) -> None:
        """Takes down the best fitness, if it has grown."""
        now = CurvePoint(candidates, search_fitness, select_fitness)
        if not self._points or self._points[-1][1:] != now[1:]:
            self._points.append(now)

    @property
    def points(self) -> tuple[CurvePoint, ...]:
        """All of them, but for those from before the first program ran."""
        return tuple(point for point in self._points if np.isfinite(point.search_fitness))

    def array(self) -> NDArray[np.float64]:
        """`[points, 3]`, NaN for None."""
        return np.array(self._points, np.float64).reshape(-1, len(CurvePoint._fields))
