"""Which form and block of programs suit a device, its memory and a search space."""

import math
from typing import Any, Final

import jax

from azero_jax.engines.xla.forms import COLUMNS, Branch, Form, Grouped, Select
from azero_jax.engines.xla.schedule import schedule_offsets
from azero_jax.language import ops
from azero_jax.language.space import SearchSpace

# CPU: the select step shares one instruction loop among this many lanes (programs x tasks). More lanes spread the
# loop's overhead over more work until the registers leave the cache.
TARGET_LANES: Final = 1280
# CPU: the select step runs every op, the branch step only one, at a higher fixed cost. Measured on one core with 10
# tasks, programs per second select / branch, by the elements that the ops together touch: 51: 1206 / 557, 77: 942 /
# 478, 245: 293 / 444.
SELECT_ELEMENTS: Final = 128
LANES_MULTIPLE: Final = 64  # no vector loop has a remainder, so a program's result cannot depend on its lanes' places

# Accelerators: every operation costs about a microsecond (TPU) or several (GPU) however little it does, so a block
# takes the whole batch, as long as the time to move its registers does not outweigh that: predicted for a TPU v5e, a
# two-layer net with 10 tasks, programs a second by the megabytes of a block's registers: 7: 590, 14: 890, 27: 1090,
# 54: 1220 (experiments/accelerator_model.py).
REGISTER_BYTES: Final = 64 << 20
ACCELERATOR_PROGRAMS: Final = 1024  # a block is a multiple of this, if it is as large: whole tiles of 8 x 128
MEMORY: Final = 8 << 30  # of a device that does not tell its own
COPIES: Final = 8  # of the registers that a block may have at a time: before, after, operands, results


def choose_form(space: SearchSpace, tasks: int, batch: int, device: jax.Device, itemsize: int) -> Form:
    """The form for programs of `space` on `device`.

    Args:
      space: the search space.
      tasks: T.
      batch: most programs of a call on that device; a larger block would be empty.
      device: what runs them.
      itemsize: bytes of a number.
    """
    if device.platform == "cpu":
        return _choose_on_cpu(space, tasks, batch)
    return Grouped(grouped_block(space, tasks, batch, itemsize, device_memory(device)))


def device_memory(device: Any) -> int:
    """Bytes of a device's memory that JAX may use; `MEMORY` where it does not say."""
    try:
        stats = device.memory_stats() or {}
    except (jax.errors.JaxRuntimeError, NotImplementedError, AttributeError):  # a device that is only described
        stats = {}
    return int(stats.get("bytes_limit", MEMORY))


def grouped_block(space: SearchSpace, tasks: int, batch: int, itemsize: int, memory_bytes: int) -> int:
    """Programs of a block in the grouped form.

    Args:
      space: the search space.
      tasks: T.
      batch: most programs of a call.
      itemsize: bytes of a number.
      memory_bytes: of the device; half of it holds the block's registers, their copies and its code.
    """
    f = space.features
    lane = (space.scalars + space.vectors * f + space.matrices * f * f) * itemsize
    code = schedule_offsets(space)[3] * (4 * 4 + 2 * itemsize)
    program = tasks * max(lane, 1)
    whole_batch = -(-batch // COLUMNS) * COLUMNS
    fitting = min(REGISTER_BYTES // program, memory_bytes // 2 // (COPIES * program + code), whole_batch)
    for multiple in (ACCELERATOR_PROGRAMS, COLUMNS):
        if fitting >= multiple:
            return fitting // multiple * multiple
    return max(1, fitting)


def _choose_on_cpu(space: SearchSpace, tasks: int, batch: int) -> Form:
    """One program at a time where running every op would cost too much, else as many as fit the caches or there are."""
    kinds = (ops.OPS[number].inputs + ops.OPS[number].output for number in space.ops)
    if sum(space.features ** max(ops.RANKS[kind] for kind in touched) for touched in kinds) > SELECT_ELEMENTS:
        return Branch()
    multiple = LANES_MULTIPLE // math.gcd(LANES_MULTIPLE, tasks)
    if batch < multiple:  # which would run for nothing
        return Branch()
    return Select(multiple * max(1, min(TARGET_LANES // (tasks * multiple), -(-batch // multiple))))
