"""Other words for the same algorithm, and near misses: rewrites of one program for the tests of the canonical form."""

from __future__ import annotations

import numpy as np

from azero_jax.language import ops
from azero_jax.language.program import IN1, IN2, OUT, Programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace

ROLES = {
    Metric.RMS_ERROR: {"s": 2, "v": 1, "m": 0},  # addresses below these have a role outside of the program
    Metric.ACCURACY: {"s": 2, "v": 1, "m": 0},
    Metric.MULTICLASS_ACCURACY: {"s": 1, "v": 3, "m": 0},
}


def copy(programs: Programs) -> Programs:
    return Programs(
        programs.opcodes.copy(), programs.addresses.copy(), programs.constants.copy(), programs.sizes.copy()
    )


def instructions(programs: Programs, index: int, space: SearchSpace):
    """(function, slot, op) of every instruction of one program."""
    for function, offset in enumerate(space.offsets):
        for slot in range(offset, offset + int(programs.sizes[index, function])):
            yield function, slot, ops.OPS[programs.opcodes[index, slot]]


def rename_registers(programs: Programs, space: SearchSpace, metric: Metric, rng: np.random.Generator) -> Programs:
    """Every register without a role gets another name, a different permutation for each program."""
    renamed = copy(programs)
    for index in range(len(programs)):
        names = {}
        for kind in ops.KINDS:
            fixed, count = min(ROLES[metric][kind], space.addresses(kind)), space.addresses(kind)
            names[kind] = [*range(fixed), *rng.permutation(np.arange(fixed, count))]
        for _, slot, op in instructions(programs, index, space):
            for field, kind in (*enumerate(op.inputs), *((OUT, kind) for kind in op.output)):
                renamed.addresses[index, slot, field] = names[kind][programs.addresses[index, slot, field]]
    return renamed


def swap_operands(programs: Programs, space: SearchSpace, *, commutative: bool, rng: np.random.Generator) -> Programs:
    """Operands swapped of about half of the binary ops of one kind that do, or do not, commute."""
    swapped = copy(programs)
    for index in range(len(programs)):
        for _, slot, op in instructions(programs, index, space):
            if op.commutative == commutative and op.inputs in ("ss", "vv", "mm") and rng.random() < 0.5:
                swapped.addresses[index, slot, [IN1, IN2]] = programs.addresses[index, slot, [IN2, IN1]]
    return swapped


def shuffle_independent(programs: Programs, space: SearchSpace, rng: np.random.Generator) -> Programs:
    """Neighbours that do not touch each other's registers change places, many times over."""
    shuffled = copy(programs)
    for index in range(len(programs)):
        for _ in range(4):
            for function, slot, _ in list(instructions(shuffled, index, space)):
                is_last = slot + 1 == space.offsets[function] + shuffled.sizes[index, function]
                if not is_last and _independent(shuffled, index, slot, slot + 1) and rng.random() < 0.7:
                    for array in (shuffled.opcodes, shuffled.addresses, shuffled.constants):
                        array[index, [slot, slot + 1]] = array[index, [slot + 1, slot]]
    return shuffled


def _independent(programs: Programs, index: int, first: int, second: int) -> bool:
    reads, writes = zip(*(_touches(programs, index, slot) for slot in (first, second)), strict=True)
    return not (writes[0] & (reads[1] | writes[1]) or writes[1] & reads[0])


def _touches(programs: Programs, index: int, slot: int) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    op, addresses = ops.OPS[programs.opcodes[index, slot]], programs.addresses[index, slot]
    reads = {(kind, int(address)) for kind, address in zip(op.inputs, addresses, strict=False)}
    writes = {(op.output, int(addresses[OUT]))} if op.output else set()
    return reads | (writes if op.partial_write else set()), writes


def insert_instructions(programs: Programs, fresh: Programs, space: SearchSpace, rng: np.random.Generator) -> Programs:
    """One instruction of `fresh` inserted into each program that has room."""
    grown = copy(programs)
    for index in range(len(programs)):
        function = int(rng.integers(3))
        offset, size = space.offsets[function], int(programs.sizes[index, function])
        if size == space.max_sizes[function] or fresh.sizes[index, function] == 0:
            continue
        slot = offset + int(rng.integers(size + 1))
        for name in ("opcodes", "addresses", "constants"):
            new, old = getattr(grown, name), getattr(programs, name)
            new[index, slot + 1 : offset + size + 1] = old[index, slot : offset + size]
            new[index, slot] = getattr(fresh, name)[index, offset]
        grown.sizes[index, function] += 1
    return grown
