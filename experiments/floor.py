# mypy: ignore-errors
"""The floor under an interpreter: a few programs as straight-line compiled code, without opcodes and addresses.

It is the Warp engine's own kernel, with its interpreting loop replaced by the instructions of some fixed programs,
compiled for the registers that each uses. What is left of interpreting is one jump for each of Setup, Predict and
Learn.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import warp as wp

from azero_jax.engines.settings import RunSettings
from azero_jax.engines.warp.device import compile_kernel
from azero_jax.engines.warp.engine import WarpEngine
from azero_jax.engines.warp.kernel.draws import Draw
from azero_jax.engines.warp.kernel.functions import make_op_function
from azero_jax.engines.warp.kernel.instructions import make_dispatch
from azero_jax.engines.warp.kernel.interpreter import make_kernel
from azero_jax.engines.warp.kernel.storage import make_storage
from azero_jax.engines.warp.spec import KernelSpec, has_matrix_ops
from azero_jax.language import ops
from azero_jax.language.program import IN1, IN2, OUT, Programs
from azero_jax.language.space import SearchSpace
from azero_jax.tasks import Tasks


def floor_engine(space: SearchSpace, tasks: Tasks, settings: RunSettings, *, programs: Programs) -> WarpEngine:
    """An engine that runs copies of `programs`, in their order and repeated as often as need be, and no others."""

    def load(spec: KernelSpec) -> Callable[..., Any]:
        return compile_kernel(make_kernel(spec, make_straight_loop(spec, programs)))

    return WarpEngine(space, tasks, settings, load=load)


def make_straight_loop(spec: KernelSpec, programs: Programs) -> Any:
    """A Warp function that does what the interpreter's loop does, for the given programs only."""
    storage = make_storage(spec)
    functions = {
        number: make_op_function(ops.OPS[number], storage) for number in np.unique(programs.opcodes).tolist() if number
    }
    parts = {}
    for number in range(len(programs)):
        for offset, size in zip(spec.offsets, programs.sizes[number].tolist(), strict=True):
            first = number * spec.slots + offset
            if size:  # an empty function may begin where the next one does
                parts[first] = _make_sequence(programs, number, range(offset, offset + size), first, functions)
    dispatch = make_dispatch(parts)
    # Where the compiler knows the places of matrices, it sees that the loops over them are independent, and vectorises
    # them across elements, which is five times slower than across lanes. Zeros that it does not know prevent that.
    known_places = not has_matrix_ops(spec.ops)
    period = len(programs) * spec.slots

    @wp.func(inline=True)
    def loop(
        registers: Any, blocks: Any, opcodes: Any, addresses: Any, constants: Any, first: int, size: int, draw: Draw
    ):
        if size > 0:
            if wp.static(known_places):
                dispatch(first % period, registers, blocks, constants, first, 0, 0, 0, draw)
            else:
                dispatch(first % period, registers, blocks, constants, first, size >> 16, size >> 17, size >> 18, draw)

    return loop


def _make_sequence(programs: Programs, number: int, slots: range, first: int, functions: dict[int, Any]) -> Any:
    """The instructions of one function, one after the other."""

    @wp.func(inline=True)
    def nothing(registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        pass

    sequence = nothing
    for slot in reversed(slots):
        opcode = int(programs.opcodes[number, slot])
        if opcode:
            addresses = programs.addresses[number, slot].tolist()
            place = number * programs.opcodes.shape[1] + slot - first
            sequence = _make_step(functions[opcode], addresses, place, sequence)
    return sequence


def _make_step(function: Any, addresses: list[int], place: int, rest: Any) -> Any:
    in1, in2, out = addresses[IN1], addresses[IN2], addresses[OUT]

    @wp.func(inline=True)
    def step(registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        function(registers, blocks, constants, slot + place, in1 + a, in2 + b, out + o, draw)
        rest(registers, blocks, constants, slot, a, b, o, draw)

    return step
