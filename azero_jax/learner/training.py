"""A learner's compiled functions: train on rows, and predict rows; straight-line code, one task.

They are compiled for the code of a program without its constants, and for numbers of rows that are powers of two.
"""

import functools
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from azero_jax.engines.outcome import StopReason
from azero_jax.engines.xla.run import absolute_error, squash
from azero_jax.engines.xla.step import Draw
from azero_jax.engines.xla.straight_line import Memory, StraightLine
from azero_jax.language.roles import FEATURES, Metric

TASK: Final = np.zeros(1, np.uint32)  # number of the only task
PREDICTING_STEP: Final = 2  # of random ops while rows are predicted, after the last of training and that of `settle`


class Training(NamedTuple):
    """Where a training stands.

    Attributes:
      memory: registers by name, `[1]`, `[F, 1]` or `[F, F, 1]`.
      steps: uint32, rows that were trained on, the one that stopped it included.
      stop: int8, why it was stopped, a `StopReason`.
    """

    memory: Memory
    steps: jax.Array
    stop: jax.Array


class Functions(NamedTuple):
    """The three compiled functions; constants are `[lines, 2]`, `always` is True, `seed` uint32.

    Attributes:
      start: (constants, seed, always) -> `Training` after Setup.
      train: (training, features `[R, F]`, labels `[R]` or `[R, F]`, rows, constants, seed, max_abs_error, always) ->
        `Training` after the first `rows` of the rows.
      settle: (training, constants, seed, always) -> registers that Predict finds at every row: as one Predict after the
        training leaves them, on the last features.
      predict: (training, features `[R, F]`, constants, seed, always) -> `[R]` or `[R, F]`, each row by itself.
      predict_in_order: the same, of rows one after the other.
    """

    start: Callable[..., Training]
    train: Callable[..., Training]
    settle: Callable[..., Memory]
    predict: Callable[..., jax.Array]
    predict_in_order: Callable[..., jax.Array]


@functools.lru_cache(maxsize=256)
def compiled_functions(code: StraightLine, metric: Metric, precision: str) -> Functions:
    """The functions of one program."""
    machine = _Machine(code, metric, jnp.dtype(precision))
    made = machine.start, machine.train, machine.settle, machine.predict, machine.predict_in_order
    return Functions(*(jax.jit(function) for function in made))


def pad_rows(array: NDArray[Any]) -> NDArray[Any]:
    """Rows of zeros added up to the next power of two, so that few numbers of rows are compiled for."""
    missing = (1 << max(len(array) - 1, 0).bit_length()) - len(array)
    return np.pad(array, ((0, missing), *((0, 0) for _ in array.shape[1:])))


class _Machine(NamedTuple):
    """What is compiled."""

    code: StraightLine
    metric: Metric
    dtype: jnp.dtype

    def start(self, constants: jax.Array, seed: jax.Array, always: jax.Array) -> Training:
        memory = self.code.execute(0, self.code.zeros(1, self.dtype), constants, self._draw(seed, 0), always)
        return Training(memory, jnp.uint32(0), jnp.int8(0))

    def train(
        self,
        training: Training,
        features: jax.Array,
        labels: jax.Array,
        rows: jax.Array,
        constants: jax.Array,
        seed: jax.Array,
        max_abs_error: jax.Array,
        always: jax.Array,
    ) -> Training:
        def more(carry: tuple[jax.Array, Training]) -> jax.Array:
            return (carry[0] < rows) & (carry[1].stop == 0)

        def one(carry: tuple[jax.Array, Training]) -> tuple[jax.Array, Training]:
            row, training = carry
            steps = training.steps + 1
            draw = self._draw(seed, steps)
            memory = self._predicted(training.memory, features[row], constants, draw, always)
            label = labels[row][..., None]  # lanes last
            name = str(self.metric.prediction)
            memory[name] = squash(self.metric, memory[name])
            error = absolute_error(self.metric, memory[name], label)[0]
            too_large = jnp.where(error <= max_abs_error, StopReason.NONE, StopReason.MAX_ABS_ERROR)
            stop = jnp.where(jnp.isnan(error), StopReason.NAN, too_large).astype(jnp.int8)

            def learn(memory: Memory) -> Memory:
                labelled = {**memory, str(self.metric.label): label}
                return self.code.execute(2, labelled, constants, draw, always)

            memory = lax.cond(stop == 0, learn, lambda memory: memory, memory)
            return row + 1, Training(memory, steps, stop)

        return lax.while_loop(more, one, (jnp.int32(0), training))[1]

    def settle(self, training: Training, constants: jax.Array, seed: jax.Array, always: jax.Array) -> Memory:
        last = training.memory[str(FEATURES)][:, 0]
        return self._predicted(training.memory, last, constants, self._draw(seed, training.steps + 1), always)

    def predict(
        self, training: Training, features: jax.Array, constants: jax.Array, seed: jax.Array, always: jax.Array
    ) -> jax.Array:
        memory = self.settle(training, constants, seed, always)
        draw = self._draw(seed, training.steps + PREDICTING_STEP)

        def one(row: jax.Array) -> jax.Array:
            return self._read(self._predicted(memory, row, constants, draw, always))

        return jax.vmap(one)(features)

    def predict_in_order(
        self, training: Training, features: jax.Array, constants: jax.Array, seed: jax.Array, always: jax.Array
    ) -> jax.Array:
        def one(carry: tuple[Memory, jax.Array], row: jax.Array) -> tuple[tuple[Memory, jax.Array], jax.Array]:
            memory, steps = carry
            memory = self._predicted(memory, row, constants, self._draw(seed, steps + 1), always)
            return (memory, steps + 1), self._read(memory)

        return lax.scan(one, (training.memory, training.steps), features)[1]

    def _predicted(self, memory: Memory, row: jax.Array, constants: jax.Array, draw: Draw, always: jax.Array) -> Memory:
        """Memory after Predict on a row, `[F]`."""
        given = {str(name): jnp.zeros_like(memory[str(name)]) for name in self.metric.given}
        given[str(FEATURES)] = row[:, None]
        return self.code.execute(1, {**memory, **given}, constants, draw, always)

    def _read(self, memory: Memory) -> jax.Array:
        return memory[str(self.metric.prediction)][..., 0]

    def _draw(self, seed: jax.Array, step: jax.Array | int) -> Draw:
        return Draw(seed, jnp.asarray(TASK), jnp.asarray(step, jnp.uint32))
