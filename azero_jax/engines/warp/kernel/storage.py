"""Types of the compiled code."""

import math
from typing import Any, Final, NamedTuple

import warp as wp

from azero_jax.engines.warp.spec import KernelSpec, Registers


def real_type(spec: KernelSpec) -> Any:
    """Warp's type of a number."""
    return wp.float64 if spec.precision == "float64" else wp.float32


def value_type(spec: KernelSpec) -> Any:
    """Warp's type of a value: one number a lane."""
    return wp.types.vector(length=spec.lanes, dtype=real_type(spec))


def block_type(spec: KernelSpec) -> Any:
    """Warp's type of a block: the values of a few elements, side by side; a value if a block is one element."""
    return wp.types.vector(length=spec.lanes * spec.registers.block, dtype=real_type(spec))


def count_type(spec: KernelSpec) -> Any:
    """Warp's type of a whole number a lane."""
    return wp.types.vector(length=spec.lanes, dtype=wp.int32)


def code_type(spec: KernelSpec) -> Any:
    """Warp's type of a small whole number a lane."""
    return wp.types.vector(length=spec.lanes, dtype=wp.int8)


class Storage(NamedTuple):
    """The register file as op functions see it.

    It is one array, seen in two ways: as `registers`, an element a value; and as `blocks`, which are the same where a
    block is one element.

    Attributes:
      registers: where the registers lie.
      real: Warp's type of one number.
      value: type of an element of `registers`.
      block: type of an element of `blocks`.
      spread: Warp function that makes a block of one value.
      add_up: Warp function that adds up the elements of a block to one value.
    """

    registers: Registers
    real: Any
    value: Any
    block: Any
    spread: Any
    add_up: Any


def make_storage(spec: KernelSpec) -> Storage:
    """The register file of a kernel."""
    real, value, block = real_type(spec), value_type(spec), block_type(spec)
    if spec.registers.block == 1:
        return Storage(spec.registers, real, value, block, same, not_added_up)

    @wp.func(inline=True)
    def spread(x: Any):
        return block(x[0])

    return Storage(spec.registers, real, value, block, spread, _make_add_up(spec.registers))


@wp.func(inline=True)
def same(x: Any):
    """`x` itself."""
    return x


@wp.func(inline=True)
def not_added_up(registers: Any, blocks: Any, x: Any):
    """`x` itself: `Storage.add_up` of a block that is one element."""
    return x


def _make_add_up(r: Registers) -> Any:
    """Halves a block until one element is left.

    Every half is stored, in a place of its own: the compiler makes SIMD code of what is stored side by side, and of
    little else.
    """
    first_block = r.spare // r.block

    @wp.func(inline=True)
    def store(registers: Any, blocks: Any, x: Any):
        blocks[first_block] = x

    halve, place, half = store, r.spare, r.block // 2
    while half:
        halve, place, half = _make_halve(halve, place, half), place + 2 * half, half // 2
    last = place

    @wp.func(inline=True)
    def add_up(registers: Any, blocks: Any, x: Any):
        halve(registers, blocks, x)
        return registers[last]

    return add_up


def _make_halve(before: Any, source: int, half: int) -> Any:
    target = source + 2 * half

    @wp.func(inline=True)
    def halve(registers: Any, blocks: Any, x: Any):
        before(registers, blocks, x)
        for n in range(half):
            registers[target + n] = registers[source + n] + registers[source + half + n]

    return halve


# How the loops are written, which the speed hangs on. Warp turns `for` over a constant range of at most 16 turns into
# straight code, which is right for the lanes and for `unrolled` elements at a time. A longer `for` becomes an iterator
# object that the compiler does not see through, hence `while` for the rest. Out-of-line calls copy array descriptors,
# hence `inline`.
UNROLLED: Final = 4


def unrolled(count: int) -> int:
    """Blocks that one turn of a loop over `count` blocks works on."""
    return math.gcd(count, UNROLLED)


@wp.struct
class Lot:
    """Which runs a thread works on: those of one program on the tasks of one group."""

    program: int
    group: int
    number: int  # of the lot: its place in the outputs
    tasks: int
    examples: int  # recorded errors of a run


@wp.func
def run_index(lot: Lot, width: int, lane: int):
    """Index of a lane's run in `[N * T]`."""
    return lot.program * lot.tasks + lot.group * width + lane
