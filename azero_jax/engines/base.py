"""What every engine takes and gives, and what all engines do alike: this makes them interchangeable."""

from __future__ import annotations

import abc
import dataclasses
import enum
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, NamedTuple

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from azero_jax.engines.checks import check_examples, check_ops, check_order, check_tasks
from azero_jax.program import Programs
from azero_jax.space import SearchSpace
from azero_jax.tasks import Metric, Tasks


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


class Runs(NamedTuple):
    """What a device makes of N programs on T tasks; NumPy or JAX arrays. `Outcome` says what the other fields are.

    Attributes:
      loss: `[N, T]` summed validation loss of the best epoch; infinite if no epoch was finished.
    """

    loss: Any
    stop: Any
    stop_reason: Any
    train_steps: Any
    errors: Any


class Engine(abc.ABC):
    """Runs batches of programs of one search space on one set of tasks.

    It puts the tasks on the device once, and compiles at most once for each (examples, record) that it is asked for,
    whatever the number of programs. A random op's first address field says which stream it draws from.

    Attributes:
      name: of the engine.
      device: what it runs on.
      space: the search space; only its ops, addresses and lengths are compiled.
      tasks: the tasks.
      settings: how programs are run.
    """

    name: ClassVar[str]
    device: str
    _capacity: int  # most programs of one jitted call

    def __init__(
        self, space: SearchSpace, tasks: Tasks, settings: RunSettings | None = None, *, order: ArrayLike | None = None
    ) -> None:
        """Checks that everything fits together; the engine itself puts the tasks on the device.

        Args:
          space: see the class.
          tasks: see the class.
          settings: see the class; None means the defaults.
          order: `[epochs, N]` training example numbers of each epoch; None means `make_order` with the settings' seed.

        Raises:
          EngineUnavailableError: this machine cannot run the engine.
          ValueError: tasks, order and space do not fit one another.
        """
        check_tasks(space, tasks)
        self.space, self.tasks, self.settings = space, tasks, settings or RunSettings()
        epochs = self.settings.epochs
        if order is None:
            self._order = make_order(tasks.train_examples, epochs, self.settings.seed)
        else:
            self._order = check_order(order, epochs, tasks.train_examples)
        self._dtype = np.dtype(self.settings.precision)
        self._devices = tuple(jax.local_devices())

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

        Raises:
          ValueError: more examples asked for than there are, or an op that the space does not have.
        """
        train, valid = self._check(programs, examples)
        starts = range(0, max(len(programs), 1), self._capacity)
        pieces = [self._run(programs[start : start + self._capacity], train, valid, record) for start in starts]
        runs = Runs(*(_join(field) for field in zip(*pieces, strict=True)))
        return Outcome(
            fitness=fitness_of_loss(runs.loss, valid if divisor is None else divisor, self.tasks.metric),
            stop=runs.stop,
            stop_reason=runs.stop_reason,
            train_steps=runs.train_steps,
            errors=runs.errors if record else None,
        )

    @abc.abstractmethod
    def trace(
        self, programs: Programs, memory: Memory | None = None, *, examples: tuple[int, int] | None = None
    ) -> tuple[Memory, Memory]:
        """Memory after Setup, and when training ended or stopped, starting from `memory` (default: zeros).

        `examples` is that of `evaluate`. With several epochs the second memory is that after the last epoch's training,
        so after the earlier validations; the last epoch's validation is left out.

        For tests and explanations; not tuned for speed.
        """

    @property
    @abc.abstractmethod
    def compilations(self) -> int:
        """How many times a jitted function of this engine has been compiled so far."""

    @abc.abstractmethod
    def _run(self, programs: Programs, train: int, valid: int, record: bool) -> Runs:
        """Runs at most `_capacity` programs on so many examples; errors are `[N, 0, T]` if they are not recorded."""

    def _check(self, programs: Programs, examples: tuple[int, int] | None) -> tuple[int, int]:
        """The (training, validation) examples to use, after a check that the programs can run."""
        check_ops(programs, self.space)
        return check_examples(examples, self.tasks, self.settings.epochs)

    def _x64(self) -> AbstractContextManager[Any]:
        """Where JAX has the precision of the settings."""
        return jax.enable_x64(self.settings.precision == "float64")


def _join(pieces: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def fitness_of_loss(loss: NDArray[Any], divisor: int, metric: Metric) -> NDArray[Any]:
    """Fitness, 0 to 1, of summed validation losses; 0 where they are infinite or NaN.

    1 - (2 / pi) arctan(root mean squared error), or the share of examples that were classified right, as in the
    original.
    """
    mean = loss / loss.dtype.type(divisor)
    is_finite = np.isfinite(mean)
    if metric is Metric.RMS_ERROR:
        np.arctan(np.sqrt(mean, out=mean), out=mean)
        mean *= loss.dtype.type(2 / np.pi)
    fitness = np.maximum(1 - mean, 0)
    fitness[~is_finite] = 0
    return fitness


def make_order(train_examples: int, epochs: int, seed: int) -> NDArray[np.int32]:
    """`[epochs, N]` training example numbers: the natural order first, then cumulative shuffles, as in the original."""
    generator = np.random.default_rng(seed)
    order = np.tile(np.arange(train_examples, dtype=np.int32), (epochs, 1))
    for epoch in range(1, epochs):
        order[epoch] = generator.permutation(order[epoch - 1])
    return order
