"""Checks of what a caller gives an engine; the same for every engine."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from azero_jax.language import ops
from azero_jax.language.program import Programs
from azero_jax.language.space import FUNCTION_NAMES, SearchSpace
from azero_jax.tasks import Tasks


def check_tasks(space: SearchSpace, tasks: Tasks) -> None:
    """Checks that programs of `space` can run on `tasks`.

    Raises:
      ValueError: different numbers of features, or too few vector addresses for the metric.
    """
    if tasks.features != space.features:
        raise ValueError(f"the tasks have {tasks.features} features, the search space {space.features}")
    tasks.metric.check_vectors(space.vectors)


def check_order(order: ArrayLike, epochs: int, train_examples: int) -> NDArray[np.int32]:
    """`order` as `[epochs, N]` int32.

    Raises:
      ValueError: the shape is wrong, or a number is not that of an example.
    """
    order = np.asarray(order, np.int32)
    if order.shape != (epochs, train_examples):
        raise ValueError(
            f"order has shape {order.shape}; it must be (epochs, training examples), {(epochs, train_examples)}"
        )
    if order.min() < 0 or order.max() >= train_examples:
        raise ValueError(f"order must hold example numbers from 0 to {train_examples - 1}")
    return order


def check_examples(examples: tuple[int, int] | None, tasks: Tasks, epochs: int) -> tuple[int, int]:
    """(training, validation) examples to use: `examples`, or all.

    Raises:
      ValueError: there are not so many.
    """
    most = (tasks.train_examples * epochs, tasks.valid_examples)
    train, valid = most if examples is None else examples
    if not 0 <= train <= most[0]:
        raise ValueError(f"examples: {train} training examples; allowed: 0 to {most[0]} (over all epochs)")
    if not 1 <= valid <= most[1]:
        raise ValueError(f"examples: {valid} validation examples; allowed: 1 to {most[1]}")
    return train, valid


def check_ops(programs: Programs, space: SearchSpace) -> None:
    """Checks that each function of the programs uses only its ops of the space.

    Raises:
      ValueError: an op that the space does not allow there.
    """
    for function, name, offset in zip(space.functions, FUNCTION_NAMES, space.offsets, strict=True):
        allowed = np.zeros(256, bool)
        allowed[[ops.NO_OP.number, *function.ops]] = True
        opcodes = programs.opcodes[:, offset : offset + function.max_size]
        fits = allowed.take(opcodes)
        if not fits.all():
            program, slot = np.argwhere(~fits)[0]
            number = opcodes[program, slot]
            op = ops.OPS[number].name if number < len(ops.OPS) else f"op {number}"
            raise ValueError(
                f"program {program}, slot {offset + slot}: the search space does not allow {op} there, in {name}"
            )
