"""Hands out registers to the values of a program whose instructions are in canonical order.

For the compiled loops of `azero_jax.canonical`, one program at a time; webs, registers and tables are those of
`azero_jax.value_graph`. Registers with a role keep it. A register that carries a value from one function to another
gets one address for the whole program, in the order in which the program first mentions them. Every other web takes the
lowest address that is free from its first write to its last use. Zeros are read where nothing is ever written: `s0` in
Setup and Predict, `v0` in Setup, else one register of the kind that the program leaves alone.
"""

from __future__ import annotations

from typing import Final

from numba import njit

from azero_jax.program import OUT
from azero_jax.prune import (
    AFTER,
    BEFORE,
    END,
    FIRST,
    FIRST_OUTPUT,
    FIXED,
    KIND,
    PREDICT,
    SETUP,
    TOTAL,
    Table,
    is_in,
)
from azero_jax.value_graph import (
    BUSY_UNTIL,
    CLAIMED_AT,
    CLEAN,
    EXIT,
    FROM_ZERO,
    LAST_USE,
    NEW_IN1,
    NEW_OUT,
    NOWHERE,
    ORDER,
    PLACE,
    WEB,
    WEB1,
)

_ALWAYS: Final = 1 << 30  # a place after every instruction


@njit(nogil=True)
def allocate(
    registers: Table, facts: Table, live_sets: Table, begin: Table, code: Table, webs: Table, state: Table
) -> bool:
    """Gives every web a register; False if there are too few for this order of instructions.

    What carries a value between functions has its place under the number of its old register, a web of its own.
    """
    _name_carriers(registers, facts, begin, code, webs, state)
    for function in range(3):
        if begin[function] < begin[function + 1]:
            _occupy(function, facts, live_sets, begin, code, webs, state)
            if not _allocate_function(function, registers, facts, begin, code, webs, state):
                return False
    return True


@njit(nogil=True)
def rename_by_first_use(registers: Table, facts: Table, begin: Table, code: Table, webs: Table, state: Table) -> None:
    """Keeps the original order and only renames whole registers; this always fits."""
    _reset_places(registers, facts, webs, state)
    for k in range(begin[3]):
        code[k, ORDER] = k
        for field in range(3):
            register = code[k, field]
            if register < facts[TOTAL]:
                _name(register, registers[register, FIRST], webs, state)
            code[k, NEW_IN1 + field] = webs[register, PLACE]


_NEXT: Final = CLAIMED_AT  # of a kind's first register, while naming: the next free register of that kind


@njit(nogil=True)
def _reset_places(registers: Table, facts: Table, webs: Table, state: Table) -> None:
    total = facts[TOTAL]
    for web in range(total, total + 4):
        webs[web, PLACE] = NOWHERE
    webs[total + 3, PLACE] = total
    for register in range(total):
        first = registers[register, FIRST]
        if register == first:
            state[first, _NEXT] = registers[first, FIRST_OUTPUT]
        webs[register, PLACE] = NOWHERE
        if registers[register, FIXED]:
            webs[register, PLACE] = register
            state[first, _NEXT] = max(state[first, _NEXT], register + 1)


@njit(nogil=True)
def _name(carrier: int, first: int, webs: Table, state: Table) -> None:
    """Gives a web the next free register of the kind whose first register is `first`, unless it has one."""
    if webs[carrier, PLACE] == NOWHERE:
        webs[carrier, PLACE] = state[first, _NEXT]
        state[first, _NEXT] += 1


@njit(nogil=True)
def _name_carriers(registers: Table, facts: Table, begin: Table, code: Table, webs: Table, state: Table) -> None:
    """Places of the webs that carry values between functions, and of the zeros that Predict and Learn read."""
    total = facts[TOTAL]
    _reset_places(registers, facts, webs, state)
    for function in range(3):
        for position in range(begin[function], begin[function + 1]):
            k = code[position, ORDER]
            for operand in range(3):
                web = code[k, WEB1 + operand]
                if web < total:
                    _name(web, registers[web, FIRST], webs, state)
                elif web >= total + 4:
                    carrier = webs[web, EXIT]
                    if carrier == NOWHERE:
                        webs[web, PLACE] = NOWHERE
                    else:
                        _name(carrier, registers[carrier, FIRST], webs, state)
                        webs[web, PLACE] = webs[carrier, PLACE]
                elif web < total + 3 and function != SETUP and not (function == PREDICT and web == total):
                    _name(web, registers[code[k, operand], FIRST], webs, state)


@njit(nogil=True)
def _occupy(
    function: int, facts: Table, live_sets: Table, begin: Table, code: Table, webs: Table, state: Table
) -> None:
    """Finds out when the registers that carry values into and out of a function are taken in it."""
    total = facts[TOTAL]
    for register in range(total):
        state[register, BUSY_UNTIL] = NOWHERE
        state[register, CLAIMED_AT] = _ALWAYS
        state[register, CLEAN] = function == SETUP
        webs[register, LAST_USE] = NOWHERE
    for position in range(begin[function], begin[function + 1]):
        k = code[position, ORDER]
        for operand in range(3):
            webs[code[k, WEB1 + operand], LAST_USE] = position
        web = code[k, WEB]
        if web >= total + 4 and webs[web, EXIT] != NOWHERE:
            target = webs[web, PLACE]
            since = NOWHERE if webs[web, FROM_ZERO] else position
            state[target, CLAIMED_AT] = min(state[target, CLAIMED_AT], since)
    for register in range(total):
        target = webs[register, PLACE]
        if target != NOWHERE:
            if function != SETUP and is_in(live_sets, BEFORE + function, register):
                state[target, BUSY_UNTIL] = webs[register, LAST_USE]
            if state[target, CLAIMED_AT] == _ALWAYS and is_in(live_sets, AFTER + function, register):
                state[target, BUSY_UNTIL] = _ALWAYS
    for web in range(total, total + 3):
        if webs[web, PLACE] != NOWHERE:
            state[webs[web, PLACE], BUSY_UNTIL] = _ALWAYS


@njit(nogil=True)
def _allocate_function(
    function: int, registers: Table, facts: Table, begin: Table, code: Table, webs: Table, state: Table
) -> bool:
    for position in range(begin[function], begin[function + 1]):
        k = code[position, ORDER]
        web = code[k, WEB]
        for operand in range(2):
            source = _source(code[k, WEB1 + operand], code[k, operand], function, registers, facts, webs, state)
            if source == NOWHERE:
                return False
            code[k, NEW_IN1 + operand] = source
        if webs[web, PLACE] == NOWHERE:
            webs[web, PLACE] = _lowest_free(web, position, code[k, OUT], registers, webs, state)
            if webs[web, PLACE] == NOWHERE:
                return False
        out = webs[web, PLACE]
        code[k, NEW_OUT] = out
        state[out, CLEAN] = 0
        if web >= facts[TOTAL] + 4 and webs[web, EXIT] != NOWHERE:
            state[out, BUSY_UNTIL] = _ALWAYS
    return True


@njit(nogil=True)
def _source(web: int, old: int, function: int, registers: Table, facts: Table, webs: Table, state: Table) -> int:
    """Register in which a web, once in register `old`, is read; NOWHERE if Setup has no zeros of its kind left."""
    is_zero = facts[TOTAL] <= web < facts[TOTAL] + 3
    if is_zero and function == SETUP:
        for register in range(registers[old, FIRST], registers[old, END]):
            if state[register, CLEAN]:
                return register
        return NOWHERE
    if is_zero and function == PREDICT and registers[old, KIND] == 0:
        return 0
    return webs[web, PLACE]


@njit(nogil=True)
def _lowest_free(web: int, position: int, old: int, registers: Table, webs: Table, state: Table) -> int:
    for register in range(registers[old, FIRST_OUTPUT], registers[old, END]):
        is_free = state[register, BUSY_UNTIL] <= position
        stays_free = webs[web, LAST_USE] <= state[register, CLAIMED_AT]
        if is_free and stays_free and (state[register, CLEAN] or not webs[web, FROM_ZERO]):
            state[register, BUSY_UNTIL] = webs[web, LAST_USE]
            return register
    return NOWHERE
