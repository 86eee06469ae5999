"""How programs are run."""

import dataclasses
from typing import Final

import numpy as np

AUTOMATIC: Final = ("warp", "xla")  # in the order in which "auto" tries them
ENGINES: Final = (*AUTOMATIC, "pallas", "reference")


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """How programs are run on tasks.

    Attributes:
      precision: "float32" or "float64".
      epochs: passes over the training examples, each followed by a validation.
      max_abs_error: an absolute error above this stops the run (the original's default is 100).
      seed: of the random ops and of the order of examples in later epochs; 0 to 2**32 - 1.
      batch_size: most programs that one call evaluates; larger batches are split.
    """

    precision: str = "float32"
    epochs: int = 1
    max_abs_error: float = 100.0
    seed: int = 0
    batch_size: int = 4096

    def __post_init__(self) -> None:
        if self.precision not in ("float32", "float64"):
            raise ValueError(f"precision is {self.precision!r}; allowed: float32, float64")
        if self.epochs < 1:
            raise ValueError(f"epochs is {self.epochs}; it must be at least 1")
        if not self.max_abs_error > 0:
            raise ValueError(f"max_abs_error is {self.max_abs_error}; it must be above 0")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed is {self.seed}; it must be from 0 to {2**32 - 1}")
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}; it must be at least 1")

    @property
    def error_limit(self) -> np.floating:
        """`max_abs_error` in the precision of the run; infinite beyond its range."""
        with np.errstate(over="ignore"):
            return np.dtype(self.precision).type(self.max_abs_error)


@dataclasses.dataclass(frozen=True)
class EngineConfig:
    """What runs the programs.

    Attributes:
      engine: "warp" (CPU and CUDA, fast), "xla" (any platform), or "auto", the first of these that works here; or
        "pallas" (TPUs, in float32; compiled for them, but not yet run on one), or "reference" (any platform), which is
        there to be read and to compare with, and slow.
      precision: "float32" or "float64".
      max_abs_error: an absolute error above this ends a program's run on a task.
      batch_size: most programs in one call; larger batches are split.

    >>> EngineConfig(precision="float64").run_settings(epochs=3)
    RunSettings(precision='float64', epochs=3, max_abs_error=100.0, seed=0, batch_size=4096)
    """

    engine: str = "auto"
    precision: str = RunSettings.precision
    max_abs_error: float = RunSettings.max_abs_error
    batch_size: int = RunSettings.batch_size

    def __post_init__(self) -> None:
        if self.engine not in ("auto", *ENGINES):
            raise ValueError(f"engine is {self.engine!r}; allowed: auto, {', '.join(ENGINES)}")
        self.run_settings()

    def run_settings(self, *, epochs: int = 1, seed: int = 0, batch_size: int | None = None) -> RunSettings:
        """How engines run programs for so many epochs, with this seed; `batch_size` None takes the one here."""
        return RunSettings(
            self.precision, epochs, self.max_abs_error, seed, self.batch_size if batch_size is None else batch_size
        )
