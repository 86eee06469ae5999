"""Counts of everything that happens to candidates on their way to a fitness."""

from __future__ import annotations

import dataclasses

import numpy as np

from azero_jax.process.state import State


@dataclasses.dataclass
class Counters:
    """Running totals of one evaluator.

    Attributes:
      candidates: programs whose fitness was asked for.
      instructions: instructions of those among them that are no copies, can learn and are within the train budget.
      pruned_instructions: how many of these were dead.
      not_learnable: candidates refused because they cannot learn.
      over_budget: candidates refused by the train budget.
      constant_predictors: candidates that predict one constant, zero mostly, and are not run for that reason.
      known_canonical: copies of their parent, and candidates whose canonical form (pruned form, where the canonical one
        is switched off) was known, or being run already.
      probed: candidates run on the few examples of functional equivalence checking (FEC).
      known_fec: of these, how many behaved like a known program.
      stopped_at_hurdle: candidates stopped at each hurdle.
      run_in_full: candidates run on all examples of all tasks.
      train_steps: training examples attempted, over all tasks, probes and hurdles included.
    """

    candidates: int = 0
    instructions: int = 0
    pruned_instructions: int = 0
    not_learnable: int = 0
    over_budget: int = 0
    constant_predictors: int = 0
    known_canonical: int = 0
    probed: int = 0
    known_fec: int = 0
    stopped_at_hurdle: list[int] = dataclasses.field(default_factory=list)
    run_in_full: int = 0
    train_steps: int = 0

    def state(self) -> State:
        """The totals as arrays, by name."""
        return {field.name: np.array(getattr(self, field.name), np.int64) for field in dataclasses.fields(self)}

    def restore(self, state: State) -> None:
        """Sets the totals to what `state()` gave."""
        for name, value in state.items():
            setattr(self, name, value.tolist())

    def subtract(self, other: Counters) -> None:
        """Takes away totals that were added before."""
        self._add(other, -1)

    def add(self, other: Counters) -> None:
        """Adds the totals of a batch, or of another evaluator."""
        self._add(other, 1)

    def _add(self, other: Counters, sign: int) -> None:
        hurdles = max(len(self.stopped_at_hurdle), len(other.stopped_at_hurdle))
        self.stopped_at_hurdle += [0] * (hurdles - len(self.stopped_at_hurdle))
        for hurdle, count in enumerate(other.stopped_at_hurdle):
            self.stopped_at_hurdle[hurdle] += sign * count
        for field in dataclasses.fields(self):
            if field.name != "stopped_at_hurdle":
                setattr(self, field.name, getattr(self, field.name) + sign * getattr(other, field.name))
