"""What one core can do at most, and what programs ask of it: numbers read and written, and arithmetic on them.

The limits are measured where the benchmark runs: a copy between two arrays that lie in the first-level cache, and
multiplications and additions of numbers in registers. They are not fused, as the engines may not fuse them either.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from azero_jax.language import ops
from azero_jax.language.families import Family
from azero_jax.language.program import Programs
from azero_jax.language.space import SearchSpace

ELEMENTS: Final = 2048  # of an array of the loops: two of them are half of a first-level cache of 32 KiB
STEPS: Final = 32  # of a multiplication and an addition each, on a number that is in a register
_FOLDS: Final = {Family.INNER_PRODUCT: 2, Family.NORM: 2, Family.ST_DEV: 3, Family.MEAN: 1}  # on each number read


class Work(NamedTuple):
    """Bytes read and written, and operations on numbers; of a core, in a second."""

    moved: float
    operations: float


@njit
def _copy(source: NDArray[np.float32], target: NDArray[np.float32], times: int) -> None:
    for turn in range(times):
        for n in range(len(source)):
            target[n] = source[n] + np.float32(turn)


@njit
def _multiply_and_add(values: NDArray[np.float32], times: int) -> None:
    scale, step, quarter = np.float32(0.999), np.float32(0.001), len(values) // 4
    for _ in range(times):
        for n in range(quarter):  # four chains side by side: a core begins one operation before another has ended
            a, b, c, d = values[n], values[quarter + n], values[2 * quarter + n], values[3 * quarter + n]
            for _ in range(STEPS):
                a, b, c, d = a * scale + step, b * scale + step, c * scale + step, d * scale + step
            values[n], values[quarter + n], values[2 * quarter + n], values[3 * quarter + n] = a, b, c, d


def measure_limits() -> Work:
    """The limits of the core that this runs on, for float32: the best of several runs."""
    source, target = np.ones(ELEMENTS, np.float32), np.ones(ELEMENTS, np.float32)
    turns = 20_000
    copying = _best(lambda: _copy(source, target, turns)) / turns
    counting = _best(lambda: _multiply_and_add(source, turns // STEPS)) / (turns // STEPS)
    return Work(2 * source.nbytes / copying, 2 * STEPS * ELEMENTS / counting)


def _best(run: Callable[[], None]) -> float:
    run()  # compiles
    times = []
    for _ in range(7):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def work_of(programs: Programs, space: SearchSpace, train_examples: int, valid_examples: int) -> Work:
    """What the average program asks for on one task in float32, instruction by instruction.

    Functions of a number, such as a sine, count as one operation, and random numbers as one each.
    """
    kinds = {ops.SCALAR: 1, ops.VECTOR: space.features, ops.MATRIX: space.features**2}
    moved = np.array([4 * sum(kinds[kind] for kind in op.inputs + op.output) for op in ops.OPS])
    operations = np.array([_operations(op, kinds) for op in ops.OPS])
    total = np.zeros(2)
    for function, repeats in enumerate((1, train_examples + valid_examples, train_examples)):
        first, most = space.offsets[function], space.max_sizes[function]
        is_used = np.arange(most) < programs.sizes[:, function, None]
        opcodes = programs.opcodes[:, first : first + most]
        total += [repeats * (each[opcodes] * is_used).sum() for each in (moved, operations)]
    return Work(*(total / len(programs)).tolist())


def _operations(op: ops.Op, kinds: dict[str, int]) -> int:
    """Operations of one instruction."""
    if op.family in (Family.MATVEC, Family.MATMUL):
        return 2 * kinds[ops.MATRIX] * (kinds[ops.VECTOR] if op.family is Family.MATMUL else 1)
    if op.family in _FOLDS:
        return _FOLDS[op.family] * kinds[op.inputs[0]]
    return kinds[op.output] if op.output else 0
