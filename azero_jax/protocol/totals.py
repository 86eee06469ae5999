"""What all experiments of a search amount to."""

from typing import NamedTuple

import numpy as np

from azero_jax.fitness.counters import Counters
from azero_jax.process.state import State, with_prefix, without_prefix
from azero_jax.protocol.experiment import Experiment
from azero_jax.protocol.hall_of_fame import HallOfFame


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


class Totals:
    """Sums over the experiments so far, the best programs, and the best fitness.

    Attributes:
      hall: the best distinct algorithms by select fitness.
    """

    def __init__(self, hall_size: int, state: State | None = None) -> None:
        """Nothing yet, or what `state()` gave; `hall_size` is how many algorithms the hall of fame holds."""
        self.hall = HallOfFame(hall_size)
        self._finished = Counters()  # of the experiments before
        self._finished_candidates = 0
        self._record = -np.inf  # best search fitness of all experiments
        self._curve: list[CurvePoint] = []
        if state is not None:
            self.hall.restore(without_prefix("hall", state))
            self._finished.restore(without_prefix("finished", state))
            self._finished_candidates = int(state["finished_candidates"])
            self._record = float(state["record"])
            self._curve = [
                CurvePoint(int(candidates), search, None if np.isnan(select) else select)
                for candidates, search, select in state["curve"].tolist()
            ]

    def candidates(self, experiment: Experiment) -> int:
        """Candidates of all experiments, of the one that is running too."""
        return self._finished_candidates + experiment.algorithm.candidates

    def counters(self, experiment: Experiment) -> Counters:
        """What happened to the candidates of all experiments."""
        total = Counters()
        total.add(self._finished)
        total.add(experiment.arena.evaluator.counters)
        return total

    def finish(self, experiment: Experiment) -> None:
        """Adds an experiment that is over."""
        self._finished.add(experiment.arena.evaluator.counters)
        self._finished_candidates += experiment.algorithm.candidates

    def is_record(self, fitness: float) -> bool:
        """Whether a search fitness is the best of all experiments; if so, it is the one to beat from now on."""
        is_record = fitness > self._record
        if is_record:
            self._record = fitness
        return is_record

    def note(self, candidates: int) -> None:
        """Takes down the best fitness, if it has grown."""
        select = self.hall.best.select_fitness if self.hall.best else None
        now = CurvePoint(candidates, float(self._record), select)
        if not self._curve or self._curve[-1][1:] != now[1:]:
            self._curve.append(now)

    @property
    def curve(self) -> tuple[CurvePoint, ...]:
        """How the best fitness grew; nothing from before the first program ran."""
        return tuple(point for point in self._curve if np.isfinite(point.search_fitness))

    @property
    def best_select_fitness(self) -> float:
        """Of the hall of fame; NaN before the first trial."""
        return self.hall.best.select_fitness if self.hall.best else float("nan")

    def state(self) -> State:
        """Everything, as arrays."""
        return {
            **with_prefix("hall", self.hall.state()),
            **with_prefix("finished", self._finished.state()),
            "finished_candidates": np.array(self._finished_candidates),
            "record": np.array(self._record),
            "curve": np.array(self._curve, np.float64).reshape(-1, len(CurvePoint._fields)),
        }
