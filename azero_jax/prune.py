"""Liveness: which instructions of a program can ever change a prediction.

A program runs as Setup, then (Predict, Learn) for each training example, then Predict for each validation example, then
the next epoch, if any, with the memory as it is. Between the functions some registers are set from outside: `s0` and
`v0` before Predict and before Learn (for MULTICLASS_ACCURACY also `v1`), so what they held dies there. The prediction
is looked at after every Predict; it alone decides errors, stops and fitness, so it alone is what keeps code alive.

Everything here works on whole batches in one compiled pass. Inside it, the registers of all kinds are numbered through:
scalars, then vectors, then matrices, then one that stands for "no input" and one for "no output".
"""

from __future__ import annotations

import functools
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from azero_jax import ops
from azero_jax.program import IN1, IN2, OUT, Programs, empty_programs
from azero_jax.space import SearchSpace
from azero_jax.tasks import Metric

SETUP: Final = 0
PREDICT: Final = 1
LEARN: Final = 2


def prune(programs: Programs, space: SearchSpace, metric: Metric) -> Programs:
    """The same programs without their dead instructions and without NO_OPs; nothing else changes.

    Args:
      programs: N programs of `space`.
      space: the search space.
      metric: how predictions are judged: it decides which registers are set and read from outside.

    Raises:
      ValueError: the metric needs registers that the space does not have.
    """
    pruned = empty_programs(len(programs), space)
    _prune_batch(
        programs.opcodes,
        programs.addresses,
        programs.constants,
        programs.sizes,
        np.array(space.offsets, np.int64),
        register_file(space, metric),
        pruned.opcodes,
        pruned.addresses,
        pruned.constants,
        pruned.sizes,
    )
    return pruned


class RegisterFile(NamedTuple):
    """The registers of a search space, numbered through, and what the ops do with them.

    Attributes:
      total: R, the number of registers; R is "no input", R + 1 "no output".
      prediction: the register that is looked at after Predict.
      label: the register that holds the label in Learn.
      features: v0.
      first: `[4]` int64, first register of each kind, and R.
      first_output: `[3]` int64, first register of each kind that an instruction may write.
      kind: `[R + 2]` int64, position in `ops.KINDS` of each register's kind.
      set_outside: `[R + 2]` uint8, 1 for registers that are set before Predict and before Learn.
      fixed: `[R + 2]` uint8, 1 for registers that play a role outside of the program.
      operands: `[65, 6]` int64, (first register, 1 if the address field counts from it) of each op's in1, in2 and out.
      keeps: `[65]` uint8, 1 for ops whose output keeps elements that it had.
    """

    total: int
    prediction: int
    label: int
    features: int
    first: NDArray[np.int64]
    first_output: NDArray[np.int64]
    kind: NDArray[np.int64]
    set_outside: NDArray[np.uint8]
    fixed: NDArray[np.uint8]
    operands: NDArray[np.int64]
    keeps: NDArray[np.uint8]


def register_file(space: SearchSpace, metric: Metric) -> RegisterFile:
    """The registers of `space` with the roles that `metric` gives them.

    Raises:
      ValueError: the metric needs registers that the space does not have.
    """
    return _register_file(space.scalars, space.vectors, space.matrices, Metric(metric) is Metric.MULTICLASS_ACCURACY)


@functools.lru_cache
def _register_file(scalars: int, vectors: int, matrices: int, multiclass: bool) -> RegisterFile:
    counts = (scalars, vectors, matrices)
    first = np.cumsum((0, *counts), dtype=np.int64)
    total = int(first[-1])
    features = scalars + ops.FEATURES_ADDRESS
    outside = [ops.LABEL_ADDRESS, features]
    label, prediction = ops.LABEL_ADDRESS, ops.PREDICTION_ADDRESS
    if multiclass:
        if vectors < 3:
            raise ValueError(f"vectors is {vectors}; the metric {Metric.MULTICLASS_ACCURACY} needs v0, v1 and v2")
        label, prediction = scalars + 1, scalars + 2
        outside.append(label)
    set_outside, fixed = np.zeros((2, total + 2), np.uint8)
    set_outside[outside] = 1
    fixed[[*outside, prediction]] = 1
    operands = np.zeros((len(ops.OPS), 6), np.int64)
    operands[:, ::2] = total, total, total + 1
    for op in ops.OPS:
        for field, kind in (*enumerate(op.inputs), *((OUT, kind) for kind in op.output)):
            operands[op.number, 2 * field : 2 * field + 2] = first[ops.KINDS.index(kind)], 1
    return RegisterFile(
        total=total,
        prediction=prediction,
        label=label,
        features=features,
        first=first,
        first_output=first[:3] + np.array([ops.FIRST_OUTPUT_ADDRESS[kind] for kind in ops.KINDS]),
        kind=np.concatenate([np.repeat(np.arange(3), counts), [0, 0]]),
        set_outside=set_outside,
        fixed=fixed,
        operands=operands,
        keeps=np.array([op.partial_write for op in ops.OPS], np.uint8),
    )


class Liveness(NamedTuple):
    """Scratch memory of `find_live`, and its answer.

    Attributes:
      in1: `[L]` int64, register that each slot's instruction reads.
      in2: `[L]` int64, the second one.
      out: `[L]` int64, register that it writes.
      keeps: `[L]` uint8, 1 for a partial write.
      live: `[L]` uint8, 1 where the slot's instruction is live.
      before: `[3, R + 2]` uint8, 1 for registers that are live before each function.
      after: `[3, R + 2]` uint8, 1 for registers that are live after each function.
    """

    in1: Any
    in2: Any
    out: Any
    keeps: Any
    live: Any
    before: Any
    after: Any


@njit(cache=True, nogil=True)
def make_liveness(length: int, count: int) -> Liveness:
    """Scratch memory for programs of `length` slots and `count` registers."""
    return Liveness(
        np.zeros(length, np.int64),
        np.zeros(length, np.int64),
        np.zeros(length, np.int64),
        np.zeros(length, np.uint8),
        np.zeros(length, np.uint8),
        np.zeros((3, count + 2), np.uint8),
        np.zeros((3, count + 2), np.uint8),
    )


@njit(cache=True, nogil=True)
def find_live(
    program: int,
    opcodes: NDArray[np.uint8],
    addresses: NDArray[np.uint16],
    sizes: NDArray[np.int32],
    offsets: NDArray[np.int64],
    registers: RegisterFile,
    liveness: Liveness,
) -> None:
    """Decodes one program of a batch and finds its live instructions: the least fixpoint over the loop."""
    before, after = liveness.before, liveness.after
    for function in range(3):
        for slot in range(offsets[function], offsets[function] + sizes[program, function]):
            op = opcodes[program, slot]
            row = registers.operands[op]
            liveness.in1[slot] = row[0] + row[1] * addresses[program, slot, IN1]
            liveness.in2[slot] = row[2] + row[3] * addresses[program, slot, IN2]
            liveness.out[slot] = row[4] + row[5] * addresses[program, slot, OUT]
            liveness.keeps[slot] = registers.keeps[op]
    end = registers.total + 2
    for register in range(end):
        before[PREDICT, register] = 0
    changed = True
    while changed:
        # What Predict reads is live after Learn, but also after Predict: validation has no Learn between its examples.
        for register in range(end):
            carried = before[PREDICT, register] & ~registers.set_outside[register]
            after[LEARN, register] = carried
            before[LEARN, register] = carried
        _walk_back(LEARN, program, sizes, offsets, liveness)
        for register in range(end):
            carried = (before[PREDICT, register] | before[LEARN, register]) & ~registers.set_outside[register]
            after[PREDICT, register] = carried
        after[PREDICT, registers.prediction] = 1
        for register in range(end):
            before[SETUP, register] = before[PREDICT, register]
            before[PREDICT, register] = after[PREDICT, register]
        _walk_back(PREDICT, program, sizes, offsets, liveness)
        changed = False
        for register in range(end):
            changed |= before[SETUP, register] != before[PREDICT, register]
    for register in range(end):
        carried = before[PREDICT, register] & ~registers.set_outside[register]
        after[SETUP, register] = carried
        before[SETUP, register] = carried
    _walk_back(SETUP, program, sizes, offsets, liveness)


@njit(cache=True, nogil=True)
def _walk_back(
    function: int, program: int, sizes: NDArray[np.int32], offsets: NDArray[np.int64], liveness: Liveness
) -> None:
    """Walks one function from its end to its start; `before` holds what is live after it, then before it."""
    first = offsets[function]
    for slot in range(first + sizes[program, function] - 1, first - 1, -1):
        out = liveness.out[slot]
        is_live = liveness.before[function, out]
        liveness.live[slot] = is_live
        liveness.before[function, out] = is_live & liveness.keeps[slot]
        liveness.before[function, liveness.in1[slot]] |= is_live
        liveness.before[function, liveness.in2[slot]] |= is_live


@njit(cache=True, nogil=True)
def _prune_batch(
    opcodes: NDArray[np.uint8],
    addresses: NDArray[np.uint16],
    constants: NDArray[np.float64],
    sizes: NDArray[np.int32],
    offsets: NDArray[np.int64],
    registers: RegisterFile,
    new_opcodes: NDArray[np.uint8],
    new_addresses: NDArray[np.uint16],
    new_constants: NDArray[np.float64],
    new_sizes: NDArray[np.int32],
) -> None:
    liveness = make_liveness(opcodes.shape[1], registers.total)
    for program in range(len(opcodes)):
        find_live(program, opcodes, addresses, sizes, offsets, registers, liveness)
        for function in range(3):
            place = offsets[function]
            for slot in range(offsets[function], offsets[function] + sizes[program, function]):
                if liveness.live[slot]:
                    new_opcodes[program, place] = opcodes[program, slot]
                    new_addresses[program, place] = addresses[program, slot]
                    new_constants[program, place] = constants[program, slot]
                    place += 1
            new_sizes[program, function] = place - offsets[function]
