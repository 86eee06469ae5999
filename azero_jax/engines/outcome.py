"""What comes of running programs on tasks, and how good it is."""

import enum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace

NOT_RUN: Final = -2.0  # fitness of a program that was not run, because patience was over
NO_ERROR: Final = -1.0  # an absolute error that a run did not come to
Reals = NDArray[np.float32 | np.float64]  # in the precision of the settings


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


class Outcome(NamedTuple):
    """What became of N programs on T tasks; NumPy arrays, some of them views that cannot be written to.

    Attributes:
      fitness: `[N, T]`, 0 (worst) to 1.
      stop: `[N, T]` int8, a `Stop`.
      stop_reason: `[N, T]` int8, a `StopReason`.
      train_steps: `[N, T]` int32, training examples attempted, the one that stopped included.
      errors: `[N, n + v, T]` absolute errors of the first epoch, n training then v validation examples, -1 where the
        run had stopped (the error that stopped it is not kept, as in the original); None unless asked for.
    """

    fitness: Reals
    stop: NDArray[np.int8]
    stop_reason: NDArray[np.int8]
    train_steps: NDArray[np.int32]
    errors: Reals | None = None

    def count_steps(self, programs: slice) -> int:
        """Training examples attempted by some of the programs on all tasks."""
        return int(np.asarray(self.train_steps)[programs].sum(dtype=np.int64))


class Memory(NamedTuple):
    """Register contents of N programs on T tasks.

    Attributes:
      scalars: `[N, T, NS]`.
      vectors: `[N, T, NV, F]`.
      matrices: `[N, T, NM, F, F]`.
    """

    scalars: Reals
    vectors: Reals
    matrices: Reals


def zero_memory(space: SearchSpace, lanes: tuple[int, ...], dtype: DTypeLike) -> Memory:
    """Memory before Setup of `lanes`, such as (N, T), programs and tasks."""
    f = space.features
    shapes = ((space.scalars,), (space.vectors, f), (space.matrices, f, f))
    return Memory(*(np.zeros((*lanes, *shape), dtype) for shape in shapes))


class RawOutcome(NamedTuple):
    """What a device makes of N programs on T tasks, in NumPy arrays. `Outcome` says what the other fields are.

    Attributes:
      loss: `[N, T]` summed validation loss of the best epoch; infinite if no epoch was finished.
    """

    loss: Reals
    stop: NDArray[np.int8]
    stop_reason: NDArray[np.int8]
    train_steps: NDArray[np.int32]
    errors: Reals


def fitness_of_loss(loss: Reals, divisor: int, metric: Metric) -> Reals:
    """Fitness, 0 to 1, of summed validation losses; 0 where they are infinite or NaN.

    1 - (2 / pi) arctan(root mean squared error), or the share of examples that were classified right, as in the
    original.
    """
    mean = loss / loss.dtype.type(divisor)
    is_finite = np.isfinite(mean)
    if not metric.is_classification:
        np.arctan(np.sqrt(mean, out=mean), out=mean)
        mean *= loss.dtype.type(2 / np.pi)
    fitness = np.maximum(1 - mean, 0)
    fitness[~is_finite] = 0
    return fitness


def combine_tasks(fitness: Reals, how: str) -> NDArray[np.float64]:
    """`[N]` mean, or upper median, of `[N, T]` task fitnesses."""
    if how == "mean":
        # NumPy adds up fewer than 8 numbers one by one, so that the layout makes no difference but in time.
        return fitness.astype(np.float64, order="F" if fitness.shape[1] < 8 else "C").mean(axis=1)
    values = fitness.astype(np.float64)
    middle = values.shape[1] // 2
    return np.partition(values, middle, axis=1)[:, middle]
