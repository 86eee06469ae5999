"""The live instructions of a program as a graph of values: who reads whose result, coloured and put in a fixed order.

For the compiled loops of `azero_jax.canonical`, one program at a time in scratch memory. Registers are numbered through
as in `azero_jax.prune`. A *web* is what has to share one register: a value, and the values that partial writes make of
it. Webs are numbered: 0 to R - 1 is what a function finds in that register, R + kind the zeros of a kind, R + 3 "no
input", and R + 4 + k the value that live instruction k computes.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from azero_jax.program import IN1, IN2
from azero_jax.prune import LEARN, PREDICT, SETUP, Liveness, RegisterFile

MOST_SCHEDULED: Final = 64  # instructions of one function, a bit of a word each; longer functions keep their order
NOWHERE: Final = -1

_ONE: Final = np.uint64(1)
_NONE: Final = np.uint64(0)
# Odd multipliers: 2**64 over the golden ratio, and the two of the splitmix64 finaliser (Steele, Lea, Flood 2014).
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX2: Final = np.uint64(0x94D049BB133111EB)
_HALF: Final = np.uint64(32)
_THIRD: Final = np.uint64(29)
_BYTE: Final = np.uint64(8)
_WORD: Final = np.uint64(16)


class Graph(NamedTuple):
    """Scratch memory for one program.

    Attributes:
      begin: `[4]` int64, number of the first live instruction of each function, and K, how many there are.
      slot: `[L]` int64, slot of live instruction k; so are all that follow, but for the last three.
      op: its opcode.
      in1: register that it reads.
      in2: the second one.
      out: register that it writes.
      keeps: 1 for a partial write.
      swaps: 1 for a commutative op.
      seed: uint64, hash of op, constants and indices.
      colour: uint64, hash of how its result is computed.
      web1: web that it reads.
      web2: the second one.
      web: web that it writes.
      waits: uint64, bits of the instructions of its function that must come before it.
      order: instruction at each place.
      readers: `[W]` uint64, bits of the instructions that use each web.
      exit_register: `[W]` int64, register that takes the web's last value out of the function, or NOWHERE.
      from_zero: `[W]` uint8, 1 where a partial write starts the web from zeros.
      current: `[R + 2]` int64, web in each register now.
      writer: `[R + 2]` uint64, bit of the instruction that wrote each register last.
      written: `[R + 2]` uint8, 1 for registers that any live instruction writes.
      colours: `[4, R + 2]` uint64, colours of the registers now, and after each function.
    """

    begin: Any
    slot: Any
    op: Any
    in1: Any
    in2: Any
    out: Any
    keeps: Any
    swaps: Any
    seed: Any
    colour: Any
    web1: Any
    web2: Any
    web: Any
    waits: Any
    order: Any
    readers: Any
    exit_register: Any
    from_zero: Any
    current: Any
    writer: Any
    written: Any
    colours: Any


@njit(cache=True, nogil=True)
def make_graph(length: int, count: int) -> Graph:
    """Scratch memory for programs of `length` slots and `count` registers."""
    webs = count + 4 + length
    return Graph(
        np.zeros(4, np.int64),
        np.zeros(length, np.int64),
        np.zeros(length, np.int64),
        np.zeros(length, np.int64),
        np.zeros(length, np.int64),
        np.zeros(length, np.int64),
        np.zeros(length, np.uint8),
        np.zeros(length, np.uint8),
        np.zeros(length, np.uint64),
        np.zeros(length, np.uint64),
        np.zeros(length, np.int64),
        np.zeros(length, np.int64),
        np.zeros(length, np.int64),
        np.zeros(length, np.uint64),
        np.zeros(length, np.int64),
        np.zeros(webs, np.uint64),
        np.zeros(webs, np.int64),
        np.zeros(webs, np.uint8),
        np.zeros(count + 2, np.int64),
        np.zeros(count + 2, np.uint64),
        np.zeros(count + 2, np.uint8),
        np.zeros((4, count + 2), np.uint64),
    )


@njit(cache=True, nogil=True)
def mix(state: np.uint64, word: np.uint64) -> np.uint64:
    """A hash of `state` and `word`, one-to-one in each of them."""
    state = (state ^ word) * _MIX1
    state = (state ^ (state >> _HALF)) * _MIX2
    return state ^ (state >> _THIRD)


@njit(cache=True, nogil=True)
def collect_live(
    program: int,
    opcodes: NDArray[np.uint8],
    addresses: NDArray[np.uint16],
    constant_bits: NDArray[np.uint64],
    sizes: NDArray[np.int32],
    offsets: NDArray[np.int64],
    traits: NDArray[np.uint8],
    registers: RegisterFile,
    liveness: Liveness,
    graph: Graph,
) -> None:
    """Gathers the live instructions of one program; `traits` is `azero_jax.canonical.op_traits()`."""
    for register in range(registers.total):
        graph.written[register] = 0
    k = 0
    for function in range(3):
        graph.begin[function] = k
        for slot in range(offsets[function], offsets[function] + sizes[program, function]):
            if not liveness.live[slot]:
                continue
            op = opcodes[program, slot]
            graph.slot[k] = slot
            graph.op[k] = op
            graph.in1[k] = liveness.in1[slot]
            graph.in2[k] = liveness.in2[slot]
            graph.out[k] = liveness.out[slot]
            graph.keeps[k] = liveness.keeps[slot]
            graph.swaps[k] = traits[op, 0]
            graph.written[liveness.out[slot]] = 1
            seed = mix(_GOLDEN, np.uint64(op))
            if liveness.keeps[slot]:
                indices = np.uint64(addresses[program, slot, IN1]) << _WORD | np.uint64(addresses[program, slot, IN2])
                seed = mix(seed, indices)
            for constant in range(traits[op, 2]):
                seed = mix(seed, constant_bits[program, slot, constant])
            graph.seed[k] = seed
            k += 1
    graph.begin[3] = k


@njit(cache=True, nogil=True)
def colour_graph(registers: RegisterFile, graph: Graph) -> None:
    """Colours every instruction by how it is computed; again, and deeper, where two of a function look the same.

    The first colours are those of the first training example. The second look of a register is what Setup left in it,
    and what the first Predict and the first Learn did.
    """
    colours = graph.colours
    for register in range(registers.total):
        colours[0, register] = np.uint64(registers.kind[register] + 1)
    _colour_function(SETUP, graph)
    for register in range(registers.total):
        colours[1, register] = colours[0, register]
    _colour_loop(registers, graph)
    if _has_twins(graph):
        for register in range(registers.total):
            if graph.written[register]:
                step = mix(colours[1, register] * _GOLDEN, colours[2, register])
                colours[0, register] = mix(step, colours[0, register])
            else:
                colours[0, register] = colours[1, register]
        _colour_loop(registers, graph)


@njit(cache=True, nogil=True)
def _colour_loop(registers: RegisterFile, graph: Graph) -> None:
    colours = graph.colours
    for register in range(registers.total):
        if registers.set_outside[register]:
            colours[0, register] = np.uint64(registers.kind[register] + 1)
    colours[0, registers.features] = np.uint64(4)
    _colour_function(PREDICT, graph)
    for register in range(registers.total):
        colours[2, register] = colours[0, register]
    colours[0, registers.label] = np.uint64(5)
    colours[0, registers.features] = np.uint64(4)
    _colour_function(LEARN, graph)


@njit(cache=True, nogil=True)
def _colour_function(function: int, graph: Graph) -> None:
    """Runs a function on colours; operands of commutative ops are swapped into the order of their colours."""
    colours = graph.colours
    for k in range(graph.begin[function], graph.begin[function + 1]):
        first, second = graph.in1[k], graph.in2[k]
        if graph.swaps[k] and colours[0, second] < colours[0, first]:
            first, second = second, first
            graph.in1[k] = first
            graph.in2[k] = second
        colour = graph.seed[k] + colours[0, first] * _GOLDEN
        colour = mix(colour, colours[0, second])
        if graph.keeps[k]:
            colour = mix(colour, colours[0, graph.out[k]])
        graph.colour[k] = colour
        colours[0, graph.out[k]] = colour


@njit(cache=True, nogil=True)
def _has_twins(graph: Graph) -> bool:
    for function in range(3):
        begin, end = graph.begin[function], graph.begin[function + 1]
        if end - begin > MOST_SCHEDULED:
            continue
        for k in range(begin, end):
            for other in range(begin, k):
                if graph.colour[k] == graph.colour[other]:
                    return True
    return False


@njit(cache=True, nogil=True)
def link_values(function: int, registers: RegisterFile, liveness: Liveness, graph: Graph) -> None:
    """Finds which web each instruction of a function reads and writes, and which instructions it has to wait for.

    It waits for those that compute what it reads. A partial write also waits for everyone who wants the value as it
    was. What replaces a register that carries a value in and another out waits for all who use the old one.
    """
    count = registers.total
    for register in range(count):
        graph.readers[register] = _NONE
        graph.writer[register] = _NONE
        is_zero = function == SETUP or (function == PREDICT and register == 0)  # register 0 is s0
        is_zero |= not graph.written[register] and not registers.fixed[register]
        graph.current[register] = count + registers.kind[register] if is_zero else register
    for kind in range(4):
        graph.readers[count + kind] = _NONE
    graph.current[count] = count + 3
    graph.writer[count] = _NONE
    begin, end = graph.begin[function], graph.begin[function + 1]
    bit = _ONE
    for k in range(begin, end):
        first, second, out = graph.in1[k], graph.in2[k], graph.out[k]
        web1, web2, web = graph.current[first], graph.current[second], count + 4 + k
        waits = graph.writer[first] | graph.writer[second]
        graph.readers[web1] |= bit
        graph.readers[web2] |= bit
        graph.readers[web] = _NONE
        graph.exit_register[web] = NOWHERE
        graph.from_zero[web] = 0
        if graph.keeps[k]:
            old = graph.current[out]
            if count <= old < count + 3:
                graph.from_zero[web] = 1
            else:
                web = old
                waits |= graph.writer[out] | (graph.readers[web] & ~bit)
                graph.readers[web] |= bit
        graph.current[out] = web
        graph.writer[out] = bit
        graph.web1[k] = web1
        graph.web2[k] = web2
        graph.web[k] = web
        graph.waits[k] = waits
        bit <<= _ONE
    for register in range(count):
        web = graph.current[register]
        if web >= count + 4 and liveness.after[function, register]:
            graph.exit_register[web] = register
            head = web - count - 4
            graph.waits[head] |= graph.readers[register] & ~(_ONE << np.uint64(head - begin))


@njit(cache=True, nogil=True)
def schedule(function: int, graph: Graph) -> None:
    """Orders a function: again and again, of the instructions that wait for nobody, the one of the smallest colour."""
    begin, end = graph.begin[function], graph.begin[function + 1]
    for k in range(begin, end):
        graph.order[k] = k
    if end - begin < 2 or end - begin > MOST_SCHEDULED:
        return
    order = graph.order
    pending = ~_NONE >> np.uint64(64 - (end - begin))
    for place in range(begin, end):
        best = NOWHERE
        for candidate in range(place, end):  # those from `place` on are pending, in their original order
            k = order[candidate]
            if graph.waits[k] & pending == _NONE and (best < 0 or graph.colour[k] < graph.colour[order[best]]):
                best = candidate
        chosen = order[best]
        pending &= ~(_ONE << np.uint64(chosen - begin))
        for candidate in range(best, place, -1):
            order[candidate] = order[candidate - 1]
        order[place] = chosen
