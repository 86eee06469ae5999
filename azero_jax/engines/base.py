"""What every engine takes and gives: the contract that makes engines interchangeable."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from azero_jax.program import Programs
from azero_jax.space import SearchSpace
from azero_jax.tasks import Tasks


class EngineUnavailableError(ValueError):
    """This machine cannot run the engine; the message is one line that says why."""


class Stop(enum.IntEnum):
    """What ended the run of a program on a task early (the first such event)."""

    NONE = 0
    TRAIN = 1  # in the first epoch's training: fitness 0
    VALID = 2  # in validation: that epoch counts as fitness 0
    LATER_TRAIN = 3  # in a later epoch's training: the best epoch so far counts


class StopReason(enum.IntEnum):
    """Why a run was ended early."""

    NONE = 0
    NAN = 1
    MAX_ABS_ERROR = 2


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """How programs are run on tasks.

    Attributes:
      precision: "float32" or "float64".
      epochs: passes over the training examples, each followed by a validation.
      max_abs_error: an absolute error above this stops the run (the original's default is 100).
      seed: of the random ops and of the order of examples in later epochs; 0 to 2**32 - 1.
      batch_size: most programs that one jitted call evaluates; larger batches are split.
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


class Outcome(NamedTuple):
    """What became of N programs on T tasks; NumPy or JAX arrays.

    Attributes:
      fitness: `[N, T]`, 0 (worst) to 1.
      stop: `[N, T]` int8, a `Stop`.
      stop_reason: `[N, T]` int8, a `StopReason`.
      train_steps: `[N, T]` int32, training examples attempted, the one that stopped included.
      errors: `[N, n + v, T]` absolute errors of the first epoch, n training then v validation examples, -1 where the
        run had stopped (the error that stopped it is not kept, as in the original); None unless asked for.
    """

    fitness: Any
    stop: Any
    stop_reason: Any
    train_steps: Any
    errors: Any = None


class Memory(NamedTuple):
    """Register contents of N programs on T tasks.

    Attributes:
      scalars: `[N, T, NS]`.
      vectors: `[N, T, NV, F]`.
      matrices: `[N, T, NM, F, F]`.
    """

    scalars: Any
    vectors: Any
    matrices: Any


class Engine(Protocol):
    """Runs batches of programs of one search space on one set of tasks.

    An engine is built as `EngineClass(space, tasks, settings, order=None)`; it puts the tasks on the device once, and
    compiles at most once for each (examples, record) that it is asked for, whatever the number of programs.
    A random op's first address field says which stream it draws from.
    """

    name: str
    device: str
    space: SearchSpace
    tasks: Tasks
    settings: RunSettings

    def evaluate(
        self,
        programs: Programs,
        *,
        examples: tuple[int, int] | None = None,
        divisor: int | None = None,
        record: bool = False,
    ) -> Outcome:
        """Runs every program on every task from zeroed memory.

        Args:
          programs: N programs of the space, valid for it.
          examples: (training, validation) examples to use of each task; training examples are counted over all epochs.
            None means all.
          divisor: by what the summed validation loss is divided; None means the validation examples used.
          record: also return the absolute errors.
        """

    def trace(
        self, programs: Programs, memory: Memory | None = None, *, examples: tuple[int, int] | None = None
    ) -> tuple[Memory, Memory]:
        """Memory after Setup, and when training ended or stopped, starting from `memory` (default: zeros).

        `examples` is that of `evaluate`. With several epochs the second memory is that after the last epoch's training,
        so after the earlier validations; the last epoch's validation is left out.

        For tests and explanations; not tuned for speed.
        """

    @property
    def compilations(self) -> int:
        """How many times a jitted function of this engine has been compiled so far."""


def make_order(train_examples: int, epochs: int, seed: int) -> NDArray[np.int32]:
    """`[epochs, N]` training example numbers: the natural order first, then cumulative shuffles, as in the original."""
    generator = np.random.default_rng(seed)
    order = np.tile(np.arange(train_examples, dtype=np.int32), (epochs, 1))
    for epoch in range(1, epochs):
        order[epoch] = generator.permutation(order[epoch - 1])
    return order
