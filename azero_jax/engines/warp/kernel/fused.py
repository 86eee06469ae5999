"""Fused instructions as Warp functions: `o = second(o, first(a, b))`, see `azero_jax.analysis.fusion`."""

from typing import Any

import warp as wp

from azero_jax.analysis.fusion import Fusion
from azero_jax.engines.warp.kernel.draws import Draw
from azero_jax.engines.warp.kernel.lanes import ELEMENTWISE
from azero_jax.engines.warp.kernel.storage import Storage, unrolled
from azero_jax.language import ops
from azero_jax.language.families import Family


def make_fused_function(fusion: Fusion, s: Storage) -> Any:
    """The Warp function of a fused instruction; its signature is that of `functions`."""
    second = ELEMENTWISE[fusion.second.family]
    if fusion.first.family is Family.OUTER_PRODUCT:
        return _columns(s, second)
    first = ELEMENTWISE[fusion.first.family]
    make = _with_scalar if fusion.first.inputs[0] == ops.SCALAR else _unary
    return make(fusion, s, first, second)


def _columns(s: Storage, second: Any) -> Any:
    r, spread, count = s.registers, s.spread, s.registers.blocks(ops.VECTOR)
    vectors, numbers, matrices = r.first_block(ops.VECTOR), r.start(ops.VECTOR), r.first_block(ops.MATRIX)
    features = r.features
    step = unrolled(count)

    @wp.func(inline=True)
    def columns(registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = vectors + a * count
        j = numbers + b * features
        k = matrices + o * features * count
        column = int(0)
        while column < features:
            y = spread(registers[j + column])
            e = int(0)
            while e < count:
                for u in range(step):
                    blocks[k + e + u] = second(blocks[k + e + u], wp.cw_mul(blocks[i + e + u], y))
                e += step
            k += count
            column += 1

    return columns


def _with_scalar(fusion: Fusion, s: Storage, first: Any, second: Any) -> Any:
    start, count, spread = (
        s.registers.first_block(fusion.second.output),
        s.registers.blocks(fusion.second.output),
        s.spread,
    )
    step = unrolled(count)

    @wp.func(inline=True)
    def with_scalar(registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        x = spread(registers[a])
        j = start + b * count
        k = start + o * count
        e = int(0)
        while e < count:
            for u in range(step):
                blocks[k + e + u] = second(blocks[k + e + u], first(x, blocks[j + e + u]))
            e += step

    return with_scalar


def _unary(fusion: Fusion, s: Storage, first: Any, second: Any) -> Any:
    kind = fusion.second.output
    start, count = s.registers.first_block(kind), s.registers.blocks(kind)
    step = unrolled(count)

    @wp.func(inline=True)
    def unary(registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = start + a * count
        k = start + o * count
        e = int(0)
        while e < count:
            for u in range(step):
                blocks[k + e + u] = second(blocks[k + e + u], first(blocks[i + e + u]))
            e += step

    return unary
