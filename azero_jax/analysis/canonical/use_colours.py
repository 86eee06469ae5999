"""Tells twins apart, instructions of a function that compute the same in the same way, by how their results are used.

For the compiled loop of `form`, after `colour_code` has found twins. Colours are refined: a walk from
the end of a function to its start finds for every instruction what its result becomes, the walk of `colour_code` what
its operands are, in turns, until nothing more is told apart. Twins that are left can be exchanged for one another
without changing the program, so it does not matter that the first of them in the original program is marked as the
first, whereupon what depends on it is told apart, and so on. (There are graphs whose nodes cannot be told apart in this
way though they differ, such as a ring of six and two rings of three. There, the original order decides.)

Once allocation failed, registers stay as they are, and are told apart by all that is done with them: there, what a
register held before and holds after belongs to the colour of every write, as it does for a partial one elsewhere.
"""

from azero_jax.analysis.canonical.value_graph import (
    AFTER_PREDICT,
    AFTER_SETUP,
    COLOUR,
    HUE,
    KEY,
    LEARN_USE,
    MOST_SCHEDULED,
    NOWHERE,
    PARTIAL,
    PLAIN,
    PREDICT_USE,
    SEED,
    SWAPS,
    USE,
    WRITTEN,
    ValueGraph,
    colour_function,
    colour_loop,
)
from azero_jax.analysis.liveness import AFTER, BEFORE, is_in
from azero_jax.compiled.hashing import mix_colour
from azero_jax.compiled.inline import called
from azero_jax.compiled.tables import KIND, LEARN, PREDICT, PREDICTION, SETUP, TOTAL, SpaceTables
from azero_jax.language.program import IN1, IN2, OUT

_PREDICTED, _MARK = 7, 8  # the use of the prediction; what marks the first of several twins
_FIRST_OPERAND, _SECOND_OPERAND, _KEPT = 1, 2, 3  # roles of the registers of an instruction


@called
def tell_apart(space: SpaceTables, graph: ValueGraph) -> None:
    """Refines colours, with operands of commutative ops in their order, until there are no twins.

    Args:
      space: the search space.
      graph: from `colour_code`; PLAIN becomes the COLOUR that an instruction had.
    """
    for k in range(graph.begin[3]):
        graph.code[k, PLAIN] = graph.code[k, COLOUR]
    _settle(False, space, graph)


@called
def tell_apart_by_name(has_twins: bool, space: SpaceTables, graph: ValueGraph) -> None:
    """The same for a program whose registers stay as they are, whether or not it has twins.

    Arguments are those of `tell_apart`, and whether that has run: its marks do not count here, where instructions that
    could be exchanged may differ in their registers. The graph loses PARTIAL and WRITTEN.
    """
    begin, code, state = graph.begin, graph.code, graph.state
    for k in range(begin[3]):
        code[k, PARTIAL] = 1
        code[k, COLOUR] = code[k, PLAIN] if has_twins else code[k, COLOUR]
    for register in range(space.facts[TOTAL]):
        state[register, WRITTEN] = 1
        for column in (HUE, AFTER_SETUP, AFTER_PREDICT):
            state[register, column] = 1 + space.registers[register, KIND]
    _settle(True, space, graph)


@called
def _settle(by_name: bool, space: SpaceTables, graph: ValueGraph) -> None:
    code, state = graph.code, graph.state
    for register in range(space.facts[TOTAL]):
        state[register, KEY] = 0
    pairs, twin = _find_twins(graph)
    is_open = by_name  # the order of operands
    idle = 0
    while pairs or is_open:
        if idle == 2:  # what tells registers apart takes one round more to tell apart the instructions that write them
            code[twin, COLOUR] = mix_colour(code[twin, COLOUR], _MARK)
        before = pairs
        is_open = _refine(by_name, space, graph)
        pairs, twin = _find_twins(graph)
        is_open = is_open and before > 0
        idle = idle + 1 if pairs == before else 0


@called
def _find_twins(graph: ValueGraph) -> tuple[int, int]:
    """How many pairs of twins there are, and the first of those of the smallest colour in the first function."""
    begin, code = graph.begin, graph.code
    pairs = 0
    twin = NOWHERE
    for function in range(3):
        first, end = begin[function], begin[function + 1]
        if end - first <= MOST_SCHEDULED:
            for k in range(first, end):
                for other in range(first, k):
                    if code[k, COLOUR] == code[other, COLOUR]:
                        pairs += 1
                        if twin == NOWHERE or (twin >= first and code[other, COLOUR] < code[twin, COLOUR]):
                            twin = other
    return pairs, twin


@called
def _refine(by_name: bool, space: SpaceTables, graph: ValueGraph) -> bool:
    """Colours every instruction by its colour, the uses of its result, and then by its operands.

    A register that carries a value from one function to another has for its key what each function leaves in it, and
    how each uses what it finds there. Returns whether an order of operands is open.
    """
    registers, total = space.registers, space.facts[TOTAL]
    live_sets, state = graph.live_sets, graph.state
    _walk_back(LEARN, by_name, space, graph)
    for register in range(total):
        state[register, LEARN_USE] = state[register, USE]
    _walk_back(PREDICT, by_name, space, graph)
    for register in range(total):
        state[register, PREDICT_USE] = state[register, USE]
    _walk_back(SETUP, by_name, space, graph)
    for register in range(total):
        key = mix_colour(mix_colour(0, state[register, PREDICT_USE]), state[register, LEARN_USE])
        if by_name or is_in(live_sets, BEFORE + PREDICT, register):
            key = mix_colour(
                mix_colour(mix_colour(key, state[register, AFTER_SETUP]), state[register, AFTER_PREDICT]),
                state[register, HUE],
            )
        if by_name:
            key = mix_colour(key, state[register, USE])
        state[register, KEY] = key
        state[register, HUE] = key if by_name else 1 + registers[register, KIND]
    is_open = by_name & colour_function(SETUP, graph)
    for register in range(total):
        state[register, AFTER_SETUP] = state[register, HUE]
        state[register, HUE] = state[register, KEY] if state[register, WRITTEN] else 1 + registers[register, KIND]
    return is_open | colour_loop(space, graph)


@called
def _walk_back(function: int, by_name: bool, space: SpaceTables, graph: ValueGraph) -> None:
    """Finds how results are used: SEED becomes the hash of an instruction's colour and of that.

    Uses are added up, so it matters neither in which order they come, nor what registers are called.
    """
    facts = space.facts
    live_sets, begin, code, state = graph.live_sets, graph.begin, graph.code, graph.state
    for register in range(facts[TOTAL]):
        is_live = by_name or is_in(live_sets, AFTER + function, register)
        state[register, USE] = state[register, KEY] if is_live else 0
    if function == PREDICT:
        state[facts[PREDICTION], USE] = mix_colour(state[facts[PREDICTION], USE], _PREDICTED)
    for k in range(begin[function + 1] - 1, begin[function] - 1, -1):
        out = code[k, OUT]
        seed = mix_colour(code[k, COLOUR], state[out, USE])
        code[k, SEED] = seed
        state[out, USE] = mix_colour(seed, _KEPT) if code[k, PARTIAL] else 0
        state[code[k, IN1], USE] += mix_colour(seed, _FIRST_OPERAND)
        state[code[k, IN2], USE] += mix_colour(seed, _FIRST_OPERAND if code[k, SWAPS] else _SECOND_OPERAND)
