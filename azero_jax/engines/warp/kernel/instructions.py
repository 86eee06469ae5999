"""Executing the instructions of a function one after the other, in Warp: from an opcode to the function of its op."""

from typing import Any, Final

import warp as wp

from azero_jax.engines.warp.kernel.draws import Draw
from azero_jax.engines.warp.kernel.functions import make_fused_function, make_op_function
from azero_jax.engines.warp.kernel.storage import block_type, make_storage, real_type, value_type
from azero_jax.engines.warp.spec import KernelSpec
from azero_jax.language import ops
from azero_jax.language.program import IN1, IN2, OUT

LONGEST_CHAIN: Final = 16  # comparisons of opcodes, one nested in the other


def make_dispatch(functions: dict[int, Any]) -> Any:
    """A Warp function that calls the function of an opcode.

    The compiler makes jump tables of chains of comparisons. Long tables are halved first: Warp compiles a chain
    recursively, and the recursion must stay far from Python's limit. (Comparisons one after the other, not nested,
    would not need that, but they keep the compiler busy for minutes.)
    """
    numbers = sorted(functions)
    if len(numbers) > LONGEST_CHAIN:
        half = len(numbers) // 2
        low, high = ({number: functions[number] for number in part} for part in (numbers[:half], numbers[half:]))
        return _make_split(numbers[half], make_dispatch(low), make_dispatch(high))

    @wp.func(inline=True)
    def dispatch(op: int, registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        pass

    for number in reversed(numbers):
        dispatch = _make_link(number, functions[number], dispatch)
    return dispatch


def _make_split(middle: int, low: Any, high: Any) -> Any:
    @wp.func(inline=True)
    def split(op: int, registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        if op < middle:
            low(op, registers, blocks, constants, slot, a, b, o, draw)
        else:
            high(op, registers, blocks, constants, slot, a, b, o, draw)

    return split


def _make_link(number: int, function: Any, otherwise: Any) -> Any:
    @wp.func(inline=True)
    def link(op: int, registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        if op == number:
            function(registers, blocks, constants, slot, a, b, o, draw)
        else:
            otherwise(op, registers, blocks, constants, slot, a, b, o, draw)

    return link


def make_loop(spec: KernelSpec) -> Any:
    """A Warp function that executes the instructions in `[first, first + size)`, one after the other."""
    storage = make_storage(spec)
    functions = {number: make_op_function(ops.OPS[number], storage) for number in spec.ops}
    functions |= {one.number: make_fused_function(one, storage) for one in spec.fusions}
    dispatch = make_dispatch(functions)

    @wp.func(inline=True)
    def loop(
        registers: Any, blocks: Any, opcodes: Any, addresses: Any, constants: Any, first: int, size: int, draw: Draw
    ):
        slot = int(first)
        while slot < first + size:
            a = int(addresses[3 * slot + IN1])
            b = int(addresses[3 * slot + IN2])
            o = int(addresses[3 * slot + OUT])
            dispatch(int(opcodes[slot]), registers, blocks, constants, slot, a, b, o, draw)
            slot += 1

    return loop


def make_run_function(spec: KernelSpec, loop: Any) -> Any:
    """A Warp function that runs `loop` on memory that begins where its pointers say."""
    real, value, block = real_type(spec), value_type(spec), block_type(spec)

    # Out of line: one copy for Setup, Predict and Learn. Arrays that are made from pointers have strides that the
    # compiler knows. It adds the length to a negative index; none is, and a length of 0 makes that vanish.
    @wp.func(inline=False)
    def run(
        registers_at: wp.uint64,
        opcodes_at: wp.uint64,
        addresses_at: wp.uint64,
        constants_at: wp.uint64,
        first: int,
        size: int,
        draw: Draw,
    ):
        registers = wp.array(ptr=registers_at, shape=(0,), dtype=value)
        blocks = wp.array(ptr=registers_at, shape=(0,), dtype=block)
        opcodes = wp.array(ptr=opcodes_at, shape=(0,), dtype=wp.uint8)
        addresses = wp.array(ptr=addresses_at, shape=(0,), dtype=wp.uint16)
        constants = wp.array(ptr=constants_at, shape=(0,), dtype=real)
        loop(registers, blocks, opcodes, addresses, constants, first, size, draw)

    return run
