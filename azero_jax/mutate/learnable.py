"""Random programs that are learnable (`azero_jax.analysis.learnable`), whole batches at once in compiled loops.

They are made by `building`, and what still is not learnable is made again. Now and then a program is uniformly random
throughout, so that every learnable program can come out, apart from those with an empty Setup where it may be longer.
"""

from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from azero_jax.analysis.learnable import FlowRules, flow_rules, is_learnable, kind_bits
from azero_jax.compiled.inline import compiled_loop, inlined
from azero_jax.compiled.tables import INITIAL_SIZE, MAX_SIZE, MIN_SIZE, OFFSET, OP_COUNT, SpaceTables, space_tables
from azero_jax.language import ops
from azero_jax.language.program import ProgramArrays, Programs, empty_programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace
from azero_jax.mutate.building import Builder, build, make_builder
from azero_jax.mutate.drawing import below, randomize_function

MOST_ATTEMPTS: Final = 100_000  # at one program
_UNIFORM: Final = 0.02  # share of attempts that are uniformly random


def random_learnable(
    space: SearchSpace,
    metric: Metric,
    count: int,
    generator: Generator,
    kinds: str = "",
    given: Programs | None = None,
    is_frozen: tuple[bool, ...] = (False, False, False),
) -> Programs:
    """`count` random learnable programs of a space.

    A function has its initial size where it can have no other, else a random one, from one instruction on.

    Args:
      space: what programs may look like.
      metric: how predictions are judged.
      count: how many.
      generator: source of randomness.
      kinds: letters of the kinds of which each must learn a register that the features go through, such as `sv`.
      given: `[count]` programs, whose frozen functions are kept.
      is_frozen: of Setup, Predict and Learn, whether it is frozen.

    Raises:
      ValueError: none was found in many attempts at one.
    """
    programs = empty_programs(count, space) if given is None else given.copy()
    tables, rules = space_tables(space, metric), flow_rules(space)
    made = _make_all(programs.arrays(), tables, rules, kind_bits(kinds), np.array(is_frozen), generator)
    if made < count:
        wanted = "".join(f" that learns a {ops.KIND_NAMES[kind]}" for kind in kinds[:1])
        raise ValueError(
            f"no learnable program{wanted} was found in {MOST_ATTEMPTS:,} attempts at one; give the search space more"
            " instructions, addresses or ops, or say --candidates any"
        )
    return programs


@compiled_loop
def _make_all(
    programs: ProgramArrays,
    space: SpaceTables,
    rules: FlowRules,
    kinds: int,
    frozen: NDArray[np.bool_],
    generator: Generator,
) -> int:
    """How many programs could be made."""
    builder = make_builder(programs.opcodes.shape[1], space, rules)
    for n in range(len(programs.opcodes)):
        for attempt in range(MOST_ATTEMPTS):
            _draw_sizes(programs, n, frozen, space, generator)
            if generator.random() < _UNIFORM:
                for function in range(3):
                    if not frozen[function]:
                        randomize_function(programs, n, function, space, generator)
            else:
                build(programs, n, frozen, space, generator, builder)
            if learns(programs, n, space, kinds, builder):
                break
            if attempt == MOST_ATTEMPTS - 1:
                return n
    return len(programs.opcodes)


@inlined
def learns(programs: ProgramArrays, n: int, space: SpaceTables, kinds: int, builder: Builder) -> bool:
    """Whether program `n` is learnable, with registers of all `kinds` learned, which are bits."""
    return is_learnable(programs, n, space, kinds, builder.flow)


@inlined
def _draw_sizes(
    programs: ProgramArrays, n: int, frozen: NDArray[np.bool_], space: SpaceTables, generator: Generator
) -> None:
    """The initial size of each function that is not frozen; where it may have several a random one, but never 0."""
    for function in range(3):
        if frozen[function]:
            continue
        least, most = space.functions[function, MIN_SIZE], space.functions[function, MAX_SIZE]
        size = space.functions[function, INITIAL_SIZE]
        if least < most and space.functions[function, OP_COUNT] > 0:
            size = max(least, 1) + below(most - max(least, 1) + 1, generator)
        _clear(programs, n, function, size, space)
        programs.sizes[n, function] = size


@inlined
def _clear(programs: ProgramArrays, n: int, function: int, size: int, space: SpaceTables) -> None:
    """Empties the slots from `size` on."""
    first = space.functions[function, OFFSET]
    for slot in range(first + size, first + programs.sizes[n, function]):
        programs.opcodes[n, slot] = 0
        for field in range(3):
            programs.addresses[n, slot, field] = 0
        for number in range(2):
            programs.constants[n, slot, number] = 0.0
