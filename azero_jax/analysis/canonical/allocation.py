"""Hands out registers to the values of a program whose instructions are in canonical order.

For the compiled loop of `form`, one program at a time; webs, registers and tables are those of
`value_graph`. Registers with a role keep it. A register that carries a value from one function to another
gets one address for the whole program, in the order in which the program first mentions them. Every other web takes the
lowest address that is free from its first write to its last use. Zeros are read where nothing is ever written: `s0` in
Setup and Predict, `v0` in Setup, else one register of the kind that the program leaves alone.
"""

from typing import Final

from azero_jax.analysis.canonical.value_graph import (
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
    ValueGraph,
)
from azero_jax.analysis.liveness import AFTER, is_in
from azero_jax.compiled.inline import called
from azero_jax.compiled.tables import END, FEATURES, FIRST, FIRST_OUTPUT, FIXED, LEARN, SETUP, TOTAL, SpaceTables
from azero_jax.language.program import OUT
from azero_jax.language.roles import SCALAR_LABEL

_LABEL_ADDRESS: Final = SCALAR_LABEL.address

_ALWAYS: Final = 1 << 30  # a place after every instruction


@called
def allocate(space: SpaceTables, graph: ValueGraph) -> bool:
    """Gives every web a register; False if there are too few for this order of instructions.

    What carries a value between functions has its place under the number of its old register, a web of its own.
    """
    facts, begin, webs, state = space.facts, graph.begin, graph.webs, graph.state
    _name_carriers(space, graph)
    total = facts[TOTAL]
    named1, named2, named3 = webs[total, PLACE], webs[total + 1, PLACE], webs[total + 2, PLACE]
    for function in range(3):
        if begin[function] < begin[function + 1]:
            _occupy(function, space, graph)
            for zeros in (named1, named2, named3):
                if zeros != NOWHERE:
                    state[zeros, BUSY_UNTIL] = _ALWAYS
            webs[total, PLACE] = named1 if function == LEARN else _LABEL_ADDRESS
            webs[total + 1, PLACE] = facts[FEATURES] if function == SETUP else named2
            webs[total + 2, PLACE] = NOWHERE if function == SETUP else named3
            if not _allocate_function(function, space, graph):
                return False
    return True


@called
def rename_by_first_use(space: SpaceTables, graph: ValueGraph) -> None:
    """Only renames whole registers; this fits where registers keep the order in which they are read and written."""
    registers, facts = space.registers, space.facts
    begin, code, webs = graph.begin, graph.code, graph.webs
    _reset_places(space, graph)
    for position in range(begin[3]):
        k = code[position, ORDER]
        for field in range(3):
            register = code[k, field]
            if register < facts[TOTAL]:
                _name(register, registers[register, FIRST], graph)
            code[k, NEW_IN1 + field] = webs[register, PLACE]


_NEXT: Final = CLAIMED_AT  # of a kind's first register, while naming: the next free register of that kind


@called
def _reset_places(space: SpaceTables, graph: ValueGraph) -> None:
    registers, facts = space.registers, space.facts
    webs, state = graph.webs, graph.state
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


@called
def _name(carrier: int, first: int, graph: ValueGraph) -> None:
    """Gives a web the next free register of the kind whose first register is `first`, unless it has one."""
    webs, state = graph.webs, graph.state
    if webs[carrier, PLACE] == NOWHERE:
        webs[carrier, PLACE] = state[first, _NEXT]
        state[first, _NEXT] += 1


@called
def _name_carriers(space: SpaceTables, graph: ValueGraph) -> None:
    """Places of the webs that carry values between functions, and of the zeros that Predict and Learn read."""
    registers, facts = space.registers, space.facts
    begin, code, webs = graph.begin, graph.code, graph.webs
    total = facts[TOTAL]
    no_web = total + 3
    _reset_places(space, graph)
    webs[no_web, EXIT] = no_web
    for function in range(3):
        webs[total, EXIT] = total if function == LEARN else no_web
        webs[total + 1, EXIT] = no_web if function == SETUP else total + 1
        webs[total + 2, EXIT] = no_web if function == SETUP else total + 2
        for position in range(begin[function], begin[function + 1]):
            k = code[position, ORDER]
            for operand in range(3):
                carrier = webs[code[k, WEB1 + operand], EXIT]
                _name(carrier, registers[code[k, operand], FIRST], graph)
            web = code[k, WEB]
            webs[web, PLACE] = NOWHERE if webs[web, EXIT] == no_web else webs[webs[web, EXIT], PLACE]


@called
def _occupy(function: int, space: SpaceTables, graph: ValueGraph) -> None:
    """Finds out when the registers that carry values into and out of a function are taken in it.

    Without branches, which could not be predicted; row R of `state` takes what concerns no register.
    """
    total = space.facts[TOTAL]
    live_sets, begin, code, webs, state = graph.live_sets, graph.begin, graph.code, graph.webs, graph.state
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
        target = total if webs[web, EXIT] == total + 3 else webs[web, PLACE]
        claim = NOWHERE if webs[web, FROM_ZERO] else position
        claim = _ALWAYS if web < total else claim
        state[target, CLAIMED_AT] = min(state[target, CLAIMED_AT], claim)
    for register in range(total):
        target = webs[register, PLACE]
        target = total if target == NOWHERE else target
        passes = is_in(live_sets, AFTER + function, register) & (state[target, CLAIMED_AT] == _ALWAYS)
        state[target, BUSY_UNTIL] = _ALWAYS if passes else webs[register, LAST_USE]


@called
def _allocate_function(function: int, space: SpaceTables, graph: ValueGraph) -> bool:
    begin, code, webs, state = graph.begin, graph.code, graph.webs, graph.state
    no_web = space.facts[TOTAL] + 3
    for position in range(begin[function], begin[function + 1]):
        k = code[position, ORDER]
        for operand in range(2):
            source = webs[code[k, WEB1 + operand], PLACE]
            if source == NOWHERE:  # zeros in Setup that no fixed register holds
                source = _lowest_clean(code[k, operand], space, graph)
                if source == NOWHERE:
                    return False
            code[k, NEW_IN1 + operand] = source
        web = code[k, WEB]
        if webs[web, PLACE] == NOWHERE:
            webs[web, PLACE] = _lowest_free(web, position, code[k, OUT], space, graph)
            if webs[web, PLACE] == NOWHERE:
                return False
        out = webs[web, PLACE]
        code[k, NEW_OUT] = out
        state[out, CLEAN] = 0
        if web > no_web:
            state[out, BUSY_UNTIL] = state[out, BUSY_UNTIL] if webs[web, EXIT] == no_web else _ALWAYS
    return True


@called
def _lowest_clean(old: int, space: SpaceTables, graph: ValueGraph) -> int:
    for register in range(space.registers[old, FIRST], space.registers[old, END]):
        if graph.state[register, CLEAN]:
            return register
    return NOWHERE


@called
def _lowest_free(web: int, position: int, old: int, space: SpaceTables, graph: ValueGraph) -> int:
    webs, state = graph.webs, graph.state
    for register in range(space.registers[old, FIRST_OUTPUT], space.registers[old, END]):
        is_free = state[register, BUSY_UNTIL] <= position
        stays_free = webs[web, LAST_USE] <= state[register, CLAIMED_AT]
        if is_free and stays_free and (state[register, CLEAN] or not webs[web, FROM_ZERO]):
            state[register, BUSY_UNTIL] = webs[web, LAST_USE]
            return register
    return NOWHERE
