"""What every engine takes and gives, and what all engines do alike: this makes them interchangeable."""

import abc
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, ClassVar, Final, cast

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from azero_jax.engines.checks import check_examples, check_ops, check_order, check_tasks
from azero_jax.engines.outcome import NO_ERROR, NOT_RUN, Memory, Outcome, RawOutcome, fitness_of_loss, zero_memory
from azero_jax.engines.settings import RunSettings
from azero_jax.language.program import Programs
from azero_jax.language.space import SearchSpace
from azero_jax.process.jax_settings import jax_settings
from azero_jax.process.patience import Patience
from azero_jax.tasks import Tasks

_PIECE_SECONDS: Final = 0.25  # of one call, where somebody may lose patience
_SECONDS_A_NUMBER: Final = 1e-9  # of a feature, or an entry of a matrix, of one example


class EngineUnavailableError(ValueError):
    """This machine cannot run the engine; the message is one line that says why."""


class Engine(abc.ABC):
    """Runs batches of programs of one search space on one set of tasks.

    It puts the tasks on the device once, and compiles at most once for each (examples, record) that it is asked for,
    whatever the number of programs. A random op's first address field says which stream it draws from.

    A subclass sets `name`, `device` and `capacity`, and has `_run_piece`, `_trace_program` and `compilations`.

    Attributes:
      name: of the engine.
      device: what it runs on.
      space: the search space; only its ops, addresses and lengths are compiled.
      tasks: the tasks.
      settings: how programs are run.
      capacity: most programs of one call; larger batches are split.
      patience: when it is over, programs that have not run yet are left out; None waits for everything.
      small_calls: whether a call takes as long as its programs, so that small ones cost nothing.
      idle_tasks: how many more tasks would cost nothing, because what would run them idles.
    """

    patience: Patience | None = None
    small_calls: bool = False
    idle_tasks: int = 0
    name: ClassVar[str]
    device: str
    capacity: int

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

        The fitness of what patience did not last for is `NOT_RUN`.

        Args:
          programs: N programs of the space, valid for it.
          examples: (training, validation) examples to use of each task; training examples are counted over all epochs.
            None means all.
          divisor: by what the summed validation loss is divided; None means the validation examples used.
          record: also return the absolute errors.

        Raises:
          ValueError: more examples asked for than there are, or an op that the space does not allow where it is.
        """
        train, valid = self._check(programs, examples)
        size = self._piece_size(train + valid)
        starts = range(0, max(len(programs), 1), size)
        pieces = [self._run_in_time(programs[start : start + size], train, valid, record) for start in starts]
        raw = RawOutcome(*(_join(field) for field in zip(*pieces, strict=True)))
        fitness = fitness_of_loss(raw.loss, valid if divisor is None else divisor, self.tasks.metric)
        if self.patience is not None and self.patience.gave_up:
            fitness[np.isnan(raw.loss)] = NOT_RUN
        return Outcome(
            fitness=fitness,
            stop=raw.stop,
            stop_reason=raw.stop_reason,
            train_steps=raw.train_steps,
            errors=raw.errors if record else None,
        )

    def trace(
        self, programs: Programs, memory: Memory | None = None, *, examples: tuple[int, int] | None = None
    ) -> tuple[Memory, Memory]:
        """Memory after Setup, and when training ended or stopped, starting from `memory` (default: zeros).

        `examples` is that of `evaluate`. With several epochs the second memory is that after the last epoch's training,
        so after the earlier validations; the last epoch's validation is left out.

        For tests and explanations; not tuned for speed.
        """
        train, valid = self._check(programs, examples)
        lanes = (len(programs), len(self.tasks))
        after_setup, after_training = (zero_memory(self.space, lanes, self._dtype) for _ in range(2))
        if memory is None:
            memory = zero_memory(self.space, lanes, self._dtype)
        before_setup = Memory(*(np.asarray(array, self._dtype) for array in memory))
        for n in range(len(programs)):
            start = Memory(*(array[n] for array in before_setup))
            traced = self._trace_program(programs[n : n + 1], start, train, valid)
            for whole, part in zip((after_setup, after_training), traced, strict=True):
                for array, values in zip(whole, part, strict=True):
                    array[n] = values
        return after_setup, after_training

    def close(self) -> None:  # noqa: B027
        """Gives back at once what was compiled for this engine alone; it runs nothing any more."""

    @property
    @abc.abstractmethod
    def compilations(self) -> int:
        """How many times a jitted function of this engine has been compiled so far."""

    @abc.abstractmethod
    def _run_piece(self, programs: Programs, train: int, valid: int, record: bool) -> RawOutcome:
        """Runs at most `capacity` programs on so many examples; errors are `[N, 0, T]` if they are not recorded."""

    @abc.abstractmethod
    def _trace_program(self, program: Programs, memory: Memory, train: int, valid: int) -> tuple[Memory, Memory]:
        """`trace` of one program; memory without the axis of programs, `[T, ...]`."""

    @property
    def is_slow(self) -> bool:
        """Whether a single program may take so long that nobody should have to wait for it."""
        return (
            self._slowest(self.tasks.train_examples * self.settings.epochs + self.tasks.valid_examples) > _PIECE_SECONDS
        )

    def _slowest(self, examples: int) -> float:
        """About the most seconds that a program takes on so many examples of every task, on a slow core."""
        space = self.space
        return len(self.tasks) * examples * space.features ** (2 if space.matrices else 1) * _SECONDS_A_NUMBER

    def _piece_size(self, examples: int) -> int:
        """Programs of one call: with patience, so few that it returns soon."""
        if self.patience is None or not self.small_calls:
            return self.capacity
        return max(1, min(self.capacity, int(_PIECE_SECONDS / self._slowest(examples))))

    def _run_in_time(self, programs: Programs, train: int, valid: int, record: bool) -> RawOutcome:
        """`_run_piece`, unless patience is over, or ends meanwhile; a loss of NaN is that of a program not run."""
        run = partial(self._run_piece, programs, train, valid, record)
        if self.patience is None or len(programs) == 0:
            return run()
        if not self.patience.is_over():
            if self._slowest(train + valid) * len(programs) <= _PIECE_SECONDS:
                return run()
            in_time, outcome = self.patience.call(run)
            if in_time:
                return cast(RawOutcome, outcome)
        shape = (len(programs), len(self.tasks))
        recorded = (min(train, self.tasks.train_examples) + valid) * record
        nothing, no_steps = np.zeros(shape, np.int8), np.zeros(shape, np.int32)
        errors = np.full((shape[0], recorded, shape[1]), NO_ERROR, self._dtype)
        return RawOutcome(np.full(shape, np.nan, self._dtype), nothing, nothing, no_steps, errors)

    def _check(self, programs: Programs, examples: tuple[int, int] | None) -> tuple[int, int]:
        """The (training, validation) examples to use, after a check that the programs can run."""
        check_ops(programs, self.space)
        return check_examples(examples, self.tasks, self.settings.epochs)

    def _x64(self) -> AbstractContextManager[object]:
        """Where JAX has the precision of the settings."""
        return jax_settings(x64=self.settings.precision == "float64")


def _join(pieces: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def count_compilations(jitted: Any) -> int:
    """How many times a jitted function has been compiled, which JAX tells in this way only."""
    return int(jitted._cache_size())


def make_order(train_examples: int, epochs: int, seed: int) -> NDArray[np.int32]:
    """`[epochs, N]` training example numbers: the natural order first, then cumulative shuffles, as in the original."""
    generator = np.random.default_rng(seed)
    order = np.tile(np.arange(train_examples, dtype=np.int32), (epochs, 1))
    for epoch in range(1, epochs):
        order[epoch] = generator.permutation(order[epoch - 1])
    return order
