"""What an evaluator does to avoid running candidates, as plain data."""

import dataclasses
import itertools
from typing import Final

MAX_DECIMALS: Final = 100  # errors have no more in any precision
MAX_PROBE_EXAMPLES: Final = 100  # the original records the errors of at most 100 examples


@dataclasses.dataclass(frozen=True)
class EvaluatorSettings:
    """What the evaluator does to avoid running a candidate in full; each part can be switched off.

    Attributes:
      cache_size: programs, in canonical form or pruned, whose fitness is remembered; 0 switches the cache off.
      canonical: bring candidates into canonical form; if not, they are only pruned, which is quicker, but fewer are
        known. Where a run takes microseconds this pays. With random ops the canonical form is always made, because it
        numbers the streams that they draw from.
      fec_size: behaviours that functional equivalence checking remembers; 0 switches it off.
      fec_train_examples: training examples of its probe.
      fec_valid_examples: validation examples of its probe.
      fec_decimals: decimals to which the probe's errors are rounded before they are compared; None compares exactly.
      fec_forget_every: a behaviour is evaluated anew at every n-th sighting; 0 never, and 1 is like 2.
      hurdle_examples: share of the examples at each hurdle, ascending, in (0, 1]; empty switches hurdles off.
      hurdle_tasks: share of the tasks at each hurdle, not descending, in (0, 1]; empty means all tasks at each.
      hurdle_percentile: of the unique fitnesses seen at a hurdle, which a candidate must reach.
      hurdle_window: how many of the latest fitnesses count for it.
      train_budget: most training cost, as a multiple of the reference neural net's; 0 sets no limit.
      constants: score constant predictors without running them, and take all that provably predict zero for one;
        there are none among learnable candidates.
      combine: "mean" or "median" (the upper one) of the tasks' fitnesses.

    Raises:
      ValueError: a number is out of range.

    >>> EvaluatorSettings(hurdle_examples=(0.5, 0.1))
    Traceback (most recent call last):
    ValueError: hurdle_examples is (0.5, 0.1); they must be ascending, each above 0 and at most 1
    """

    cache_size: int = 200_000
    canonical: bool = True
    fec_size: int = 100_000
    fec_train_examples: int = 10
    fec_valid_examples: int = 10
    fec_decimals: int | None = None
    fec_forget_every: int = 0
    hurdle_examples: tuple[float, ...] = ()
    hurdle_tasks: tuple[float, ...] = ()
    hurdle_percentile: float = 75.0
    hurdle_window: int = 2000
    train_budget: float = 0.0
    constants: bool = True
    combine: str = "mean"

    def __post_init__(self) -> None:
        for name in ("cache_size", "fec_size", "fec_forget_every", "train_budget"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more")
        for name in ("fec_train_examples", "fec_valid_examples"):
            if not 1 <= getattr(self, name) <= MAX_PROBE_EXAMPLES:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be from 1 to {MAX_PROBE_EXAMPLES}")
        if self.fec_decimals is not None and not 0 <= self.fec_decimals <= MAX_DECIMALS:
            allowed = f"it must be from 0 to {MAX_DECIMALS}, or none"
            raise ValueError(f"fec_decimals is {self.fec_decimals}; {allowed}")
        if not 0 <= self.hurdle_percentile <= 100:
            raise ValueError(f"hurdle_percentile is {self.hurdle_percentile}; it must be from 0 to 100")
        if self.hurdle_window < 1:
            raise ValueError(f"hurdle_window is {self.hurdle_window}; it must be at least 1")
        if self.combine not in ("mean", "median"):
            raise ValueError(f"combine is {self.combine!r}; allowed: mean, median")
        _check_shares("hurdle_examples", self.hurdle_examples, strictly=True)
        _check_shares("hurdle_tasks", self.hurdle_tasks, strictly=False)
        if self.hurdle_tasks and len(self.hurdle_tasks) != len(self.hurdle_examples):
            raise ValueError(
                f"hurdle_tasks has {len(self.hurdle_tasks)} stages and hurdle_examples {len(self.hurdle_examples)};"
                " they must be as many, or hurdle_tasks empty"
            )


def _check_shares(name: str, shares: tuple[float, ...], *, strictly: bool) -> None:
    ascending = all(a < b or (a == b and not strictly) for a, b in itertools.pairwise(shares))
    if not ascending or not all(0 < share <= 1 for share in shares):
        order = "ascending" if strictly else "not descending"
        raise ValueError(f"{name} is {shares}; they must be {order}, each above 0 and at most 1")
