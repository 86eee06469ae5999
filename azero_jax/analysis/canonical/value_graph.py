"""The live instructions of a program as a graph of values: who reads whose result, coloured and put in a fixed order.

For the compiled loop of `form`: one program at a time, in scratch tables with named columns. Registers are numbered as
in `SpaceTables`. A *web* is what has to share one register: a value, and the values that partial writes make of it.
Webs are numbered: 0 to R - 1 is what a function finds in that register, R + kind the zeros of a kind, R + 3 "no input",
and R + 4 + k the value that live instruction k computes.
"""

from typing import Final, NamedTuple

import numpy as np

from azero_jax.analysis.liveness import AFTER, Liveness, is_in
from azero_jax.compiled.hashing import GOLDEN, MULTIPLIERS, mix_colour
from azero_jax.compiled.inline import allocating, called
from azero_jax.compiled.tables import (
    COMMUTATIVE,
    CONSTANTS,
    FEATURES,
    FIXED,
    KEEPS,
    KIND,
    LABEL,
    LEARN,
    PREDICT,
    SET_OUTSIDE,
    SETUP,
    TOTAL,
    SpaceTables,
    Table,
    find_register,
)
from azero_jax.language.program import IN1, IN2, OUT, ProgramArrays
from azero_jax.language.roles import SCALAR_LABEL

_LABEL_ADDRESS: Final = SCALAR_LABEL.address

MOST_SCHEDULED: Final = 64  # instructions of one function, a bit of a word each; longer functions keep their order
NOWHERE: Final = -1

# Columns of a `code` table, a row a live instruction, beside IN1, IN2 and OUT: its slot and opcode; whether it is a
# partial write, and commutative; hash of op, constants and indices, of how its result is computed, and the latter as it
# was before twins were told apart; the webs that it reads and writes; bits of the instructions of its function that it
# waits for; the instruction at this place of the order; and the registers that `allocation` gives it.
SLOT, OP, PARTIAL, SWAPS, SEED, COLOUR, PLAIN, WEB1, WEB2, WEB, WAITS, ORDER, NEW_IN1, NEW_IN2, NEW_OUT = range(3, 18)
# Columns of a `webs` table: bits of the instructions that use the web; register whose value it is after the function,
# or R + 3; whether a partial write starts it from zeros; and, for `allocation`, the register that it gets
# and the last place in the order where it is used.
USERS, EXIT, FROM_ZERO, PLACE, LAST_USE = range(5)
# Columns of a `state` table, a row a register: the web in it, bit of the last instruction that wrote it, whether any
# function writes it, its colour now, after Setup and after Predict; and, for `allocation`, the place until
# which it is taken, the place from which it holds what leaves the function, and whether it still holds initial zeros;
# and, for `use_colours`, how its value is used from here on, from Predict on and from Learn on, and the hash
# of what it carries between functions.
CURRENT, WRITER, WRITTEN, HUE, AFTER_SETUP, AFTER_PREDICT, BUSY_UNTIL, CLAIMED_AT, CLEAN = range(9)
USE, PREDICT_USE, LEARN_USE, KEY = range(9, 13)

_GOLDEN: Final = GOLDEN - 2**64  # signed, as colours are
_SEED: Final = MULTIPLIERS[1] - 2**64

# What comes from outside; zeros have the colour 1 + kind, but those of a register that has to keep its name their own.
_FEATURES_HUE, _LABEL_HUE, _NAMED_ZEROS_HUE = 4, 5, 6


class ValueGraph(NamedTuple):
    """Scratch memory for one program; columns as above.

    Attributes:
      begin: `[4]` where the instructions of the functions begin, and how many there are.
      live: `[L + 1]` live slots.
      live_sets: `[8, words]`, see `Liveness`.
      code: `[L + 1, 18]`, a row an instruction.
      webs: `[R + 4 + L, 5]`, a row a web.
      state: `[R + 2, 13]`, a row a register.
    """

    begin: Table
    live: Table
    live_sets: Table
    code: Table
    webs: Table
    state: Table


@allocating
def make_value_graph(length: int, space: SpaceTables, liveness: Liveness) -> ValueGraph:
    """A graph for programs of `length` slots, which shares the memory of the first row of `liveness`."""
    total = space.facts[TOTAL]
    return ValueGraph(
        liveness.begin[0],
        liveness.live[0],
        liveness.live_sets,
        np.zeros((length + 1, 18), np.int64),
        np.zeros((total + 4 + length, 5), np.int64),
        np.zeros((total + 2, 13), np.int64),
    )


@called
def collect_live(programs: ProgramArrays, n: int, space: SpaceTables, graph: ValueGraph) -> None:
    """Gathers the live instructions of program `n`, numbered in their order.

    Of the graph, `code` gets the columns up to SEED, and `state` WRITTEN.
    """
    op_table, facts = space.ops, space.facts
    begin, code, state = graph.begin, graph.code, graph.state
    for register in range(facts[TOTAL]):
        state[register, WRITTEN] = 0
    for k in range(begin[3]):
        slot = graph.live[k]
        code[k, SLOT] = slot
        op = programs.opcodes[n, slot]
        code[k, OP] = op
        for field in range(3):
            code[k, field] = find_register(field, programs, n, slot, op, space)
        code[k, PARTIAL] = op_table[op, KEEPS]
        code[k, SWAPS] = op_table[op, COMMUTATIVE]
        state[code[k, OUT], WRITTEN] = 1
        seed = (op + 1) * _SEED  # not of _GOLDEN, by which colours are multiplied: small ones would add up to other ops
        if op_table[op, KEEPS]:
            seed = mix_colour(seed, np.int64(programs.addresses[n, slot, IN1]) << 16 | programs.addresses[n, slot, IN2])
        for constant in range(op_table[op, CONSTANTS]):
            seed = mix_colour(seed, np.int64(programs.constants[n, slot, constant]))
        code[k, SEED] = seed
    for function in range(3):
        if begin[function + 1] - begin[function] > MOST_SCHEDULED:  # its place is part of what an instruction is
            for k in range(begin[function], begin[function + 1]):
                code[k, SEED] = mix_colour(code[k, SEED], k)


@called
def colour_code(space: SpaceTables, graph: ValueGraph) -> bool:
    """Colours every instruction by how it is computed; again, and deeper, where colours leave an order open.

    The first colours are those of the first training example. At the second look a register that any function writes
    has the colour of what Setup, the first Predict and the first Learn left in it.

    Returns whether twins are left: instructions of one colour in one function.
    """
    registers, state, total = space.registers, graph.state, space.facts[TOTAL]
    for register in range(total):
        state[register, HUE] = 1 + registers[register, KIND]
    state[total, HUE] = 0
    colour_function(SETUP, graph)
    for register in range(total):
        state[register, AFTER_SETUP] = state[register, HUE]
    is_open = colour_loop(space, graph)
    if not (is_open or _has_twins(graph)):
        return False
    for register in range(total):
        hue = state[register, AFTER_SETUP]
        if state[register, WRITTEN]:
            hue = mix_colour(mix_colour(hue * _GOLDEN, state[register, AFTER_PREDICT]), state[register, HUE])
        state[register, HUE] = hue
    colour_loop(space, graph)
    return _has_twins(graph)


@called
def colour_loop(space: SpaceTables, graph: ValueGraph) -> bool:
    """Runs Predict and Learn on colours, as `colour_function` does."""
    registers, facts = space.registers, space.facts
    state = graph.state
    for register in range(facts[TOTAL]):
        if registers[register, SET_OUTSIDE]:
            state[register, HUE] = _NAMED_ZEROS_HUE
    state[_LABEL_ADDRESS, HUE] = 1  # s0 is where Predict reads zeros
    state[facts[FEATURES], HUE] = _FEATURES_HUE
    is_open = colour_function(PREDICT, graph)
    for register in range(facts[TOTAL]):
        state[register, AFTER_PREDICT] = state[register, HUE]
    state[_LABEL_ADDRESS, HUE] = _NAMED_ZEROS_HUE
    state[facts[LABEL], HUE] = _LABEL_HUE
    is_open |= colour_function(LEARN, graph)
    return is_open


@called
def colour_function(function: int, graph: ValueGraph) -> bool:
    """Runs a function on colours; operands of commutative ops are swapped into the order of their colours.

    Returns whether that order is open: operands of one colour, but not for sure of one value.
    """
    begin, code, state = graph.begin, graph.code, graph.state
    is_open = False
    for k in range(begin[function], begin[function + 1]):
        first, second, out = code[k, IN1], code[k, IN2], code[k, OUT]
        if code[k, SWAPS] and state[second, HUE] < state[first, HUE]:
            first, second = second, first
            code[k, IN1] = first
            code[k, IN2] = second
        is_tie = code[k, SWAPS] & (state[first, HUE] == state[second, HUE]) & (first != second)
        is_open |= is_tie & (state[first, WRITTEN] | state[second, WRITTEN]) != 0
        colour = mix_colour(code[k, SEED] + state[first, HUE] * _GOLDEN, state[second, HUE])
        if code[k, PARTIAL]:
            colour = mix_colour(colour, state[out, HUE])
        code[k, COLOUR] = colour
        state[out, HUE] = colour
    return is_open


@called
def _has_twins(graph: ValueGraph) -> bool:
    begin, code = graph.begin, graph.code
    for function in range(3):
        if begin[function + 1] - begin[function] <= MOST_SCHEDULED:
            for k in range(begin[function], begin[function + 1]):
                for other in range(begin[function], k):
                    if code[k, COLOUR] == code[other, COLOUR]:
                        return True
    return False


@called
def link_values(function: int, space: SpaceTables, graph: ValueGraph) -> None:
    """Finds which web each instruction of a function reads and writes, and which instructions it has to wait for.

    It waits for those that compute what it reads. A partial write also waits for everyone who wants the value as it
    was. What replaces a register that carries a value in and another out waits for all who use the old one.
    """
    registers, facts = space.registers, space.facts
    live_sets, begin, code, webs, state = graph.live_sets, graph.begin, graph.code, graph.webs, graph.state
    total = facts[TOTAL]
    for register in range(total):
        webs[register, USERS] = 0
        webs[register, EXIT] = register
        state[register, WRITER] = 0
        is_zero = function == SETUP or (function == PREDICT and register == 0)  # register 0 is s0
        is_zero |= not (state[register, WRITTEN] or registers[register, FIXED])
        state[register, CURRENT] = total + registers[register, KIND] if is_zero else register
    for web in range(total, total + 4):
        webs[web, USERS] = 0
    no_web = total + 3
    state[total, CURRENT] = no_web
    state[total, WRITER] = 0
    first_web = total + 4
    bit = 1
    for k in range(begin[function], begin[function + 1]):
        first, second, out = code[k, IN1], code[k, IN2], code[k, OUT]
        web1, web2, web = state[first, CURRENT], state[second, CURRENT], first_web + k
        waits = state[first, WRITER] | state[second, WRITER]
        webs[web1, USERS] |= bit
        webs[web2, USERS] |= bit
        webs[web, USERS] = 0
        webs[web, EXIT] = no_web
        webs[web, FROM_ZERO] = 0
        if code[k, PARTIAL]:
            old = state[out, CURRENT]
            if total <= old < first_web:
                webs[web, FROM_ZERO] = 1
            else:
                web = old
                waits |= state[out, WRITER] | webs[web, USERS]
                webs[web, USERS] |= bit
        state[out, CURRENT] = web
        state[out, WRITER] = bit
        code[k, WEB1] = web1
        code[k, WEB2] = web2
        code[k, WEB] = web
        code[k, WAITS] = waits & ~bit
        bit <<= 1
    for register in range(total):
        web = state[register, CURRENT]
        if web >= first_web and is_in(live_sets, AFTER + function, register):
            webs[web, EXIT] = register
            head = web - first_web
            code[head, WAITS] |= webs[register, USERS] & ~(1 << (head - begin[function]))


@called
def wait_for_registers(function: int, graph: ValueGraph) -> None:
    """Makes each instruction of a function wait as if every register stayed as it is named, once allocation failed."""
    begin, code = graph.begin, graph.code
    for k in range(begin[function], begin[function + 1]):
        waits = 0
        for other in range(begin[function], k):
            touches = code[other, OUT] == code[k, IN1] or code[other, OUT] == code[k, IN2]
            overwrites = code[k, OUT] == code[other, IN1] or code[k, OUT] == code[other, IN2]
            if touches or overwrites or code[k, OUT] == code[other, OUT]:
                waits |= 1 << (other - begin[function])
        code[k, WAITS] = waits


@called
def schedule(function: int, graph: ValueGraph) -> None:
    """Orders a function: again and again, of the instructions that wait for nobody, the one of the smallest colour."""
    begin, code = graph.begin, graph.code
    first, end = begin[function], begin[function + 1]
    for k in range(first, end):
        code[k, ORDER] = k
    if end - first < 2 or end - first > MOST_SCHEDULED:
        return
    pending = -1 if end - first == 64 else (1 << (end - first)) - 1
    for place in range(first, end - 1):
        best = NOWHERE
        smallest = 0
        for candidate in range(place, end):  # those from `place` on are pending, in their original order
            k = code[candidate, ORDER]
            if not code[k, WAITS] & pending and (best < 0 or code[k, COLOUR] < smallest):
                best = candidate
                smallest = code[k, COLOUR]
        chosen = code[best, ORDER]
        pending &= ~(1 << (chosen - first))
        for candidate in range(best, place, -1):
            code[candidate, ORDER] = code[candidate - 1, ORDER]
        code[place, ORDER] = chosen
