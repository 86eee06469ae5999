"""Hands out registers to the values of a program whose instructions are in canonical order.

For the compiled loops of `azero_jax.canonical`, one program at a time; webs and registers are numbered as in
`azero_jax.value_graph`. Registers with a role keep it. A register that carries a value from one function to another
gets one address for the whole program, in the order in which the program first mentions them. Every other web takes the
lowest address that is free from its first write to its last use. Zeros are read where nothing is ever written: `s0` in
Setup and Predict, `v0` in Setup, else one register of the kind that the program leaves alone.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

from azero_jax.prune import PREDICT, SETUP, Liveness, RegisterFile
from azero_jax.value_graph import NOWHERE, Graph

_ALWAYS: Final = 1 << 30  # a place after every instruction


class Allocation(NamedTuple):
    """Scratch memory for one program, and the answer.

    Attributes:
      in1: `[L]` int64, register that live instruction k reads now.
      in2: `[L]` int64, the second one.
      out: `[L]` int64, register that it writes now.
      place: `[W]` int64, register of each web, or NOWHERE; what carries a value between functions is found under the
        number of its old register.
      last_use: `[W]` int64, last place in the order where the web is used.
      busy_until: `[R]` int64, place until which each register is taken.
      claimed_at: `[R]` int64, place at which a value that leaves the function needs the register.
      clean: `[R]` uint8, 1 while the register still holds its initial zeros.
      next: `[3]` int64, next free register of each kind for values between functions.
    """

    in1: Any
    in2: Any
    out: Any
    place: Any
    last_use: Any
    busy_until: Any
    claimed_at: Any
    clean: Any
    next: Any


@njit(cache=True, nogil=True)
def make_allocation(length: int, count: int) -> Allocation:
    """Scratch memory for programs of `length` slots and `count` registers."""
    webs = count + 4 + length
    return Allocation(
        np.zeros(length, np.int64),
        np.zeros(length, np.int64),
        np.zeros(length, np.int64),
        np.zeros(webs, np.int64),
        np.zeros(webs, np.int64),
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        np.zeros(count, np.uint8),
        np.zeros(3, np.int64),
    )


@njit(cache=True, nogil=True)
def allocate(registers: RegisterFile, liveness: Liveness, graph: Graph, allocation: Allocation) -> bool:
    """Gives every web a register; False if there are too few for this order of instructions."""
    _name_carriers(registers, graph, allocation)
    for function in range(3):
        if graph.begin[function] < graph.begin[function + 1]:
            _occupy(function, registers, liveness, graph, allocation)
            if not _allocate_function(function, registers, graph, allocation):
                return False
    return True


@njit(cache=True, nogil=True)
def rename_by_first_use(registers: RegisterFile, graph: Graph, allocation: Allocation) -> None:
    """Keeps the original order and only renames whole registers; this always fits."""
    place = allocation.place
    _reset_places(registers, allocation)
    for k in range(graph.begin[3]):
        graph.order[k] = k
        for register in (graph.in1[k], graph.in2[k], graph.out[k]):
            if register < registers.total:
                _name(register, registers.kind[register], allocation)
        allocation.in1[k] = place[graph.in1[k]]
        allocation.in2[k] = place[graph.in2[k]]
        allocation.out[k] = place[graph.out[k]]


@njit(cache=True, nogil=True)
def _reset_places(registers: RegisterFile, allocation: Allocation) -> None:
    for kind in range(3):
        allocation.next[kind] = registers.first_output[kind]
        allocation.place[registers.total + kind] = NOWHERE
    for register in range(registers.total):
        allocation.place[register] = NOWHERE
        if registers.fixed[register]:
            allocation.place[register] = register
            kind = registers.kind[register]
            allocation.next[kind] = max(allocation.next[kind], register + 1)
    allocation.place[registers.total + 3] = registers.total


@njit(cache=True, nogil=True)
def _name(carrier: int, kind: int, allocation: Allocation) -> None:
    if allocation.place[carrier] == NOWHERE:
        allocation.place[carrier] = allocation.next[kind]
        allocation.next[kind] += 1


@njit(cache=True, nogil=True)
def _name_carriers(registers: RegisterFile, graph: Graph, allocation: Allocation) -> None:
    """Places of the webs that carry values between functions, and of the zeros that Predict and Learn read."""
    count = registers.total
    _reset_places(registers, allocation)
    for function in range(3):
        for position in range(graph.begin[function], graph.begin[function + 1]):
            k = graph.order[position]
            for web in (graph.web1[k], graph.web2[k], graph.web[k]):
                if web < count:
                    _name(web, registers.kind[web], allocation)
                elif web >= count + 4:
                    carrier = graph.exit_register[web]
                    if carrier != NOWHERE:
                        _name(carrier, registers.kind[carrier], allocation)
                        allocation.place[web] = allocation.place[carrier]
                    else:
                        allocation.place[web] = NOWHERE
                elif web < count + 3 and function != SETUP and not (function == PREDICT and web == count):
                    _name(web, web - count, allocation)


@njit(cache=True, nogil=True)
def _occupy(function: int, registers: RegisterFile, liveness: Liveness, graph: Graph, allocation: Allocation) -> None:
    """Finds out when the registers that carry values into and out of a function are taken in it."""
    count, place = registers.total, allocation.place
    busy_until, claimed_at, last_use = allocation.busy_until, allocation.claimed_at, allocation.last_use
    for register in range(count):
        busy_until[register] = NOWHERE
        claimed_at[register] = _ALWAYS
        last_use[register] = NOWHERE
        allocation.clean[register] = function == SETUP
    for position in range(graph.begin[function], graph.begin[function + 1]):
        k = graph.order[position]
        last_use[graph.web1[k]] = position
        last_use[graph.web2[k]] = position
        last_use[graph.web[k]] = position
        carrier = graph.exit_register[graph.web[k]] if graph.web[k] >= count + 4 else NOWHERE
        if carrier != NOWHERE:
            head = graph.web[k]
            claimed_at[place[carrier]] = min(claimed_at[place[carrier]], NOWHERE if graph.from_zero[head] else position)
    for register in range(count):
        target = place[register]
        if target == NOWHERE:
            continue
        if liveness.before[function, register] and function != SETUP:
            busy_until[target] = max(busy_until[target], last_use[register])
        if liveness.after[function, register] and claimed_at[target] == _ALWAYS:
            busy_until[target] = _ALWAYS
    for kind in range(3):
        if place[count + kind] != NOWHERE:
            busy_until[place[count + kind]] = _ALWAYS


@njit(cache=True, nogil=True)
def _allocate_function(function: int, registers: RegisterFile, graph: Graph, allocation: Allocation) -> bool:
    count, place = registers.total, allocation.place
    for position in range(graph.begin[function], graph.begin[function + 1]):
        k = graph.order[position]
        web = graph.web[k]
        allocation.in1[k] = _source(graph.web1[k], function, registers, allocation)
        allocation.in2[k] = _source(graph.web2[k], function, registers, allocation)
        if place[web] == NOWHERE:
            place[web] = _lowest_free(web, position, registers.kind[graph.out[k]], registers, graph, allocation)
        if allocation.in1[k] == NOWHERE or allocation.in2[k] == NOWHERE or place[web] == NOWHERE:
            return False
        allocation.out[k] = place[web]
        allocation.clean[place[web]] = 0
        if web >= count + 4 and graph.exit_register[web] != NOWHERE:
            allocation.busy_until[place[web]] = _ALWAYS
    return True


@njit(cache=True, nogil=True)
def _source(web: int, function: int, registers: RegisterFile, allocation: Allocation) -> int:
    """Register in which a web is read; NOWHERE if Setup has written all registers of a kind whose zeros it needs."""
    kind = web - registers.total
    if not 0 <= kind < 3:
        return allocation.place[web]
    if function == SETUP:
        for register in range(registers.first[kind], registers.first[kind + 1]):
            if allocation.clean[register]:
                return register
        return NOWHERE
    if function == PREDICT and kind == 0:
        return 0
    return allocation.place[web]


@njit(cache=True, nogil=True)
def _lowest_free(
    web: int, position: int, kind: int, registers: RegisterFile, graph: Graph, allocation: Allocation
) -> int:
    for register in range(registers.first_output[kind], registers.first[kind + 1]):
        is_free = allocation.busy_until[register] <= position
        stays_free = allocation.last_use[web] <= allocation.claimed_at[register]
        if is_free and stays_free and (allocation.clean[register] or not graph.from_zero[web]):
            allocation.busy_until[register] = allocation.last_use[web]
            return register
    return NOWHERE
