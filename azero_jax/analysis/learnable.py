"""Learnable programs: those whose predictions can come to depend on the labels that they were shown.

Data flow through Predict, then Learn, then the next Predict. A program is learnable if its prediction depends on the
features of the example, and on at least one *learned* register: one that depends, through any number of instructions,
registers and rounds of the loop, on its own past, on the label and on the prediction. In Learn the prediction is a
source of its own, whatever it was made of: a register has a past only if it is kept, not because an error was made with
it.

A dependence through something that is provably zero is none: a product with zero, a dot product with a vector that
nothing fills, x - x. Numbers are taken for real ones, so zero times anything is zero.

A niche of a search can demand that some kinds of registers are learned. For that the features have to go through them:
an instruction of Predict puts together what depends on the features and something of that kind that depends on the
register as Predict finds it. A matrix that only multiplies a constant vector is a learned vector in disguise.

The idea is that of Mishima and Ono, "valid algorithm graphs" (Institute of Science Tokyo, 2024 and 2025).
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.analysis.bit_flow import MOST_REGISTERS, BitFlow, can_learn, make_bit_flow, step_table
from azero_jax.analysis.set_flow import SetFlow, can_learn_in_sets, make_set_flow
from azero_jax.compiled.inline import allocating, compiled_loop, inlined
from azero_jax.compiled.tables import SpaceTables, space_tables
from azero_jax.language import ops, roles
from azero_jax.language.program import ProgramArrays, Programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace


class FlowRules(NamedTuple):
    """How data flow through the programs of a space is followed, from `flow_rules`.

    Attributes:
      steps: `[65]` from `step_table`.
      several_words: True where sets of registers take several words; None, not False, where they are single ones: so
        loops are compiled without what only the others need, in a seventh less time.
    """

    steps: NDArray[np.int64]
    several_words: Literal[True] | None


class Flow(NamedTuple):
    """Scratch memory for one program at a time.

    Attributes:
      bits: for sets that are single words.
      sets: for others.
      several_words: as in `FlowRules`.
    """

    bits: BitFlow
    sets: SetFlow
    several_words: Literal[True] | None


def flow_rules(space: SearchSpace) -> FlowRules:
    """How data flow through the programs of a space is followed."""
    registers = sum(space.addresses(kind) for kind in ops.KINDS)
    return FlowRules(step_table(space), True if registers > MOST_REGISTERS else None)


def learnable(programs: Programs, space: SearchSpace, metric: Metric, *, kinds: str = "") -> NDArray[np.bool_]:
    """`[N]` bool: whether each program is learnable.

    Args:
      programs: N programs of `space`.
      space: the search space.
      metric: decides where label and prediction are.
      kinds: letters of the kinds of which it must learn a register each that the features go through, such as `vm` for
        a vector and a matrix.

    Raises:
      ValueError: the metric needs registers that the space does not have.
    """
    found = np.empty(len(programs), np.bool_)
    _test_all(programs.arrays(), space_tables(space, metric), flow_rules(space), kind_bits(kinds), found)
    return found


def kind_bits(kinds: str) -> int:
    """Kinds of registers, by their letters, as bits: `v` is 2."""
    return sum(1 << place for place, kind in enumerate(ops.KINDS) if kind in kinds)


def check_can_learn(space: SearchSpace, metric: Metric, kinds: str = "") -> None:
    """Checks that a space may have learnable programs, as far as its sizes and kinds of registers tell.

    `kinds` are letters of the kinds of which they must learn a register each that the features go through.

    Raises:
      ValueError: Predict or Learn has no room or ops, or lacks ops that read or write what it needs to.
    """
    functions = {"Predict": space.predict, "Learn": space.learn}
    for name, function in functions.items():
        if function.max_size == 0 or not function.ops:
            lacking = "ops" if function.max_size else "instructions"
            raise ValueError(f"no program of this space can learn: {name} has no {lacking}; take candidates any")
    for name, needs, register in (
        ("Predict", "writes", metric.prediction),
        ("Predict", "reads", roles.FEATURES),
        ("Learn", "reads", metric.label),
        ("Learn", "reads", metric.prediction),
    ):
        allowed = [ops.OPS[op] for op in functions[name].ops]
        if not any(register.kind in (op.output if needs == "writes" else op.inputs) for op in allowed):
            what = f"no op of {name} {needs} a {ops.KIND_NAMES[register.kind]}, such as {register}"
            raise ValueError(f"no program of this space can learn: {what}; allow one, or take candidates any")
    for letter in kinds:
        writes = any(ops.OPS[op].output == letter for op in (*space.predict.ops, *space.learn.ops))
        meets = any(letter in ops.OPS[op].inputs and len(ops.OPS[op].inputs) == 2 for op in space.predict.ops)
        if not writes or not meets:
            lacking = "Predict reads one beside something else" if writes else "Predict or Learn writes one"
            what = f"no program of this space can learn a {ops.KIND_NAMES[letter]}: no op of {lacking}"
            raise ValueError(f"{what}; allow one, or change learned")


@allocating
def make_flow(length: int, space: SpaceTables, rules: FlowRules) -> Flow:
    """Scratch memory for programs of a space, of `length` slots."""
    return Flow(make_bit_flow(length, space, rules.steps), make_set_flow(space, rules.steps), rules.several_words)


@compiled_loop
def _test_all(
    programs: ProgramArrays, space: SpaceTables, rules: FlowRules, kinds: int, found: NDArray[np.bool_]
) -> None:
    flow = make_flow(programs.opcodes.shape[1], space, rules)
    for n in range(len(found)):
        found[n] = is_learnable(programs, n, space, kinds, flow)


@inlined
def is_learnable(programs: ProgramArrays, n: int, space: SpaceTables, kinds: int, flow: Flow) -> bool:
    """Whether program `n` is learnable; `kinds` are bits."""
    return _is_learnable(programs, n, space, kinds, flow, flow.several_words)


@inlined
def _is_learnable(
    programs: ProgramArrays, n: int, space: SpaceTables, kinds: int, flow: Flow, several_words: Literal[True] | None
) -> bool:
    if several_words is None:  # of arguments, not of fields, Numba knows that they are None, and leaves out the rest
        return can_learn(programs, n, space, kinds, flow.bits)
    return can_learn_in_sets(programs, n, space, kinds, flow.sets)
