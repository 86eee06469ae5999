"""Predict and Learn made from nothing, so that many of the programs are learnable; for compiled loops.

Of uniformly random programs hardly any can learn. So each function is made from its end to its start: an instruction
writes a register that is needed further on, and needs its own inputs in turn, which are drawn with a preference for
what makes a program learn: the features, the register that is to be learned, the label and the prediction.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from azero_jax.analysis.learnable import Flow, FlowRules, make_flow
from azero_jax.compiled.inline import allocating, called, inlined
from azero_jax.compiled.tables import (
    ANY_INPUT,
    END,
    FEATURES,
    FIRST_OP,
    FIRST_OUTPUT,
    INPUTS,
    KEEPS,
    KIND,
    LABEL,
    LEARN,
    OFFSET,
    OP_COUNT,
    PREDICT,
    PREDICTION,
    SET_OUTSIDE,
    SETUP,
    TOTAL,
    SpaceTables,
    find_register,
)
from azero_jax.language.program import OUT, ProgramArrays
from azero_jax.mutate.drawing import below, draw_field, draw_op, randomize_function, write_instruction

_LIVE: Final = 0.8  # of the slots that could write something needed, this share does
_PREFERRED: Final = 0.6  # of their inputs, this share is what makes a program learn
_TRIES: Final = 200  # at one function
_DRAWS: Final = 64  # for an output that is not needed
_FREE, _OPEN, _CLOSED = range(3)  # of a register: not needed, needed and to be written, needed as the function finds it


class Builder(NamedTuple):
    """Scratch memory of one program at a time.

    Attributes:
      needs: `[R + 2]` whether each register is needed further on.
      preferred: `[R + 2]` whether each register is a preferred input.
      choices: `[R + 2]` registers to draw from.
      flow: of the test whether a program is learnable.
    """

    needs: NDArray[np.int64]
    preferred: NDArray[np.bool_]
    choices: NDArray[np.int64]
    flow: Flow


@allocating
def make_builder(length: int, space: SpaceTables, rules: FlowRules) -> Builder:
    """Scratch memory for programs of a space, of `length` slots; `rules` from `flow_rules`."""
    rows = space.facts[TOTAL] + 2
    needs, preferred, choices = np.zeros(rows, np.int64), np.zeros(rows, np.bool_), np.zeros(rows, np.int64)
    return Builder(needs, preferred, choices, make_flow(length, space, rules))


@inlined
def build(
    programs: ProgramArrays,
    n: int,
    frozen: NDArray[np.bool_],
    space: SpaceTables,
    generator: Generator,
    builder: Builder,
) -> None:
    """Makes what is not frozen of program `n`, whose sizes are set; many of the results are learnable."""
    if frozen[PREDICT]:
        find_needs(programs, n, space, builder)
    else:
        build_predict(programs, n, space, generator, builder)
    if not frozen[LEARN]:
        build_learn(draw_needed(space, generator, builder), programs, n, space, generator, builder)
    if not frozen[SETUP]:
        randomize_function(programs, n, SETUP, space, generator)


@called
def find_needs(programs: ProgramArrays, n: int, space: SpaceTables, builder: Builder) -> None:
    """Finds the registers that Predict needs as it finds them."""
    needs, total, first = builder.needs, space.facts[TOTAL], space.functions[PREDICT, OFFSET]
    for register in range(total + 2):
        needs[register] = _FREE
    needs[space.facts[PREDICTION]] = _OPEN
    for slot in range(first + programs.sizes[n, PREDICT] - 1, first - 1, -1):
        op = programs.opcodes[n, slot]
        out = find_register(OUT, programs, n, slot, op, space)
        if needs[out] != _FREE:
            needs[out] = needs[out] if space.ops[op, KEEPS] else _FREE
            for field in range(2):
                register = find_register(field, programs, n, slot, op, space)
                if register < total:
                    needs[register] = _OPEN


@called
def build_predict(programs: ProgramArrays, n: int, space: SpaceTables, generator: Generator, builder: Builder) -> None:
    """Makes a Predict that needs the features, and some register that may be learned, if it can."""
    facts, tries, fits = space.facts, 0, False
    while not fits and tries < _TRIES:
        build_function(PREDICT, facts[PREDICTION], -1, programs, n, space, generator, builder)
        fits = builder.needs[facts[FEATURES]] != _FREE and draw_needed(space, generator, builder) >= 0
        tries += 1


@called
def build_learn(
    learned: int, programs: ProgramArrays, n: int, space: SpaceTables, generator: Generator, builder: Builder
) -> None:
    """Makes a Learn in which a register depends on its own past, the label and the prediction, if it can."""
    facts, tries, fits = space.facts, 0, learned < 0
    while not fits and tries < _TRIES:
        build_function(LEARN, learned, learned, programs, n, space, generator, builder)
        needs = builder.needs
        fits = needs[learned] != _FREE and needs[facts[LABEL]] != _FREE and needs[facts[PREDICTION]] != _FREE
        tries += 1


@called
def draw_needed(space: SpaceTables, generator: Generator, builder: Builder) -> int:
    """Of a random kind, one of the registers that Predict needs as it finds them, and Learn may write; -1: none."""
    choices, needs = builder.choices, builder.needs
    chosen, kinds = -1, 0
    for kind in range(3):
        count = 0
        for register in range(space.facts[TOTAL]):
            may_learn = not space.registers[register, SET_OUTSIDE] and register != space.facts[PREDICTION]
            if needs[register] != _FREE and may_learn and space.registers[register, KIND] == kind:
                choices[count] = register
                count += 1
        if count > 0:
            kinds += 1
            if kinds == 1 or generator.random() * kinds < 1:
                chosen = choices[below(count, generator)]
    return chosen


@called
def build_function(
    function: int,
    goal: int,
    learned: int,
    programs: ProgramArrays,
    n: int,
    space: SpaceTables,
    generator: Generator,
    builder: Builder,
) -> None:
    """Makes all instructions of Predict or Learn, from the last to the first.

    Args:
      function: which.
      goal: the register that it is to write.
      learned: the register that Learn is to learn; -1 of Predict.
      programs: the batch.
      n: which program of it.
      space: the search space.
      generator: source of randomness.
      builder: scratch memory.
    """
    needs, preferred, facts = builder.needs, builder.preferred, space.facts
    for register in range(facts[TOTAL] + 2):
        needs[register], preferred[register] = _FREE, False
    needs[goal] = _OPEN
    preferred[facts[FEATURES]] = True
    if function == LEARN:
        preferred[learned] = preferred[facts[LABEL]] = preferred[facts[PREDICTION]] = True
    first = space.functions[function, OFFSET]
    for place in range(programs.sizes[n, function] - 1, -1, -1):
        target = _draw_target(space, generator, builder)
        is_first = needs[goal] == _OPEN and target == goal
        is_live = target >= 0 and (generator.random() < _LIVE or (is_first and place == 0))
        _make_instruction(first + place, function, target if is_live else -1, programs, n, space, generator, builder)


@inlined
def _draw_target(space: SpaceTables, generator: Generator, builder: Builder) -> int:
    """A register that is needed and still to be written; -1 if there is none."""
    choices, count = builder.choices, 0
    for register in range(space.facts[TOTAL]):
        if builder.needs[register] == _OPEN and register >= space.registers[register, FIRST_OUTPUT]:
            choices[count] = register
            count += 1
    return choices[below(count, generator)] if count > 0 else -1


@inlined
def _draw_preferred(first: int, space: SpaceTables, generator: Generator, builder: Builder) -> int:
    """A preferred input of the kind whose first register is given; -1 if there is none."""
    choices, count = builder.choices, 0
    for register in range(first, space.registers[first, END]):
        if builder.preferred[register]:
            choices[count] = register
            count += 1
    return choices[below(count, generator)] if count > 0 else -1


@called
def _make_instruction(
    slot: int,
    function: int,
    target: int,
    programs: ProgramArrays,
    n: int,
    space: SpaceTables,
    generator: Generator,
    builder: Builder,
) -> None:
    """Makes an instruction that writes `target`, or, if that is -1 or no op can, one that writes nothing needed."""
    needs, fits, draws = builder.needs, False, 0
    op, base, out = 0, 0, target
    if target >= 0:
        op = draw_op(function, space.registers[target, KIND], ANY_INPUT, space, generator)
        fits, base = op >= 0, space.ops[op, OUT]
        draws = _DRAWS - 1  # no op writes that kind: any other one
    while not fits and draws < _DRAWS:
        op = space.functions[function, FIRST_OP + below(space.functions[function, OP_COUNT], generator)]
        base = space.ops[op, OUT]
        out = base + draw_field(op, OUT, space, generator)
        fits = needs[out] == _FREE
        draws += 1
    write_instruction(programs, n, slot, op, space, generator)
    if fits:
        programs.addresses[n, slot, OUT] = out - base
    out = base + programs.addresses[n, slot, OUT]
    if needs[out] == _FREE:
        return
    if not space.ops[op, KEEPS]:
        needs[out] = _FREE
    for field in range(space.ops[op, INPUTS]):
        first = space.ops[op, field]
        if generator.random() < _PREFERRED:
            chosen = _draw_preferred(first, space, generator, builder)
            if chosen >= 0:
                programs.addresses[n, slot, field] = chosen - first
                needs[chosen] = _CLOSED
                builder.preferred[chosen] = chosen == space.facts[FEATURES]
        register = first + programs.addresses[n, slot, field]
        if needs[register] == _FREE:
            needs[register] = _OPEN
