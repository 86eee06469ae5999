"""What all experiments of a search amount to."""

import numpy as np

from azero_jax.fitness.counters import Counters
from azero_jax.process.state import State, with_prefix, without_prefix
from azero_jax.protocol.curve import Curve
from azero_jax.protocol.experiment import Experiment
from azero_jax.protocol.hall_of_fame import HallOfFame


class Totals:
    """Sums over the experiments so far, the best programs, and the best fitness.

    Attributes:
      hall: the best distinct algorithms by select fitness.
      curve: how the best fitness grew.
    """

    def __init__(self, hall_size: int, state: State | None = None) -> None:
        """Nothing yet, or what `state()` gave; `hall_size` is how many algorithms the hall of fame holds."""
        self.hall = HallOfFame(hall_size)
        self._finished = Counters()  # of the experiments before
        self._finished_candidates = 0
        self._record = -np.inf  # best search fitness of all experiments
        self.curve = Curve()
        if state is not None:
            self.hall.restore(without_prefix("hall", state))
            self._finished.restore(without_prefix("finished", state))
            self._finished_candidates = int(state["finished_candidates"])
            self._record = float(state["record"])
            self.curve = Curve(state["curve"])

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
        self.curve.note(candidates, self._record, self.hall.best)

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
            "curve": self.curve.rows(),
        }
