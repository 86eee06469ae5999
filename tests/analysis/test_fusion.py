"""Which two instructions become one, spelled out."""

import numpy as np
import pytest

from azero_jax.analysis.fusion import FUSIONS, fuse
from azero_jax.language import ops
from azero_jax.language.program import check_programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import make_space
from azero_jax.language.text import parse_program
from tests.support.spaces import full_space, some_programs

SPACE = make_space(features=4, scalars=6, vectors=5, matrices=3, setup=6, predict=6, learn=8)
WIDE = make_space(features=4, scalars=64, vectors=64, matrices=64, setup=6, predict=6, learn=8)
NET = "def Predict():\n v3 = dot(m0, v0)\n s1 = dot(v3, v1)\ndef Learn():\n s2 = s0 - s1\n v2 = s2 * v1\n"

FUSED = {
    "a gradient step": "m1 = outer(v2, v0)\n m0 = m0 + m1",
    "a sum the other way round": "m1 = outer(v2, v0)\n m0 = m1 + m0",
    "a step of the weights": "v4 = s2 * v0\n v1 = v1 + v4",
    "a mask": "v4 = heaviside(v3, 1.0)\n v2 = v4 * v2\n v1 = v1 + v2",
    "with something in between that has nothing to do with it": "m1 = outer(v2, v0)\n s3 = s0 + s1\n m0 = m0 + m1",
    "what lies between is overwritten before it is read": (
        "m1 = outer(v2, v0)\n m0 = m0 + m1\n m1 = outer(v0, v0)\n v1 = dot(m1, v0)"
    ),
    "what adds to the register that the first one reads": "v1 = s2 * v1\n v1 = v1 + v1\n v4 = s2 * v1\n v1 = v1 + v4",
}
APART = {
    "what lies between is read later": "m1 = outer(v2, v0)\n m0 = m0 + m1\n v1 = dot(m1, v0)",
    "what lies between is read before": "m1 = outer(v2, v0)\n v1 = dot(m1, v0)\n m0 = m0 + m1",
    "what lies between is read in the next round": (
        "v2 = dot(m1, v2)\n v1 = v1 + v2\n m1 = outer(v2, v0)\n m0 = m0 + m1"
    ),
    "the sum goes elsewhere": "m1 = outer(v2, v0)\n m2 = m0 + m1\n m0 = m2 + m0",
    "it is added to itself": "m0 = outer(v2, v0)\n m0 = m0 + m0",
    "what the first one reads changes in between": (
        "m1 = outer(v2, v0)\n v2 = s0 * v2\n m0 = m0 + m1\n v1 = dot(m0, v2)"
    ),
    "there is no such fusion": "m1 = outer(v2, v0)\n m0 = m0 - m1",
}


def learned_ops(text: str, space=SPACE) -> list[tuple[str, ...]]:
    """The ops of Learn after fusion."""
    fused = fuse(parse_program(NET + " " + text, space), space, Metric.RMS_ERROR)
    names = {op.number: (op.name,) for op in ops.OPS}
    names |= {one.number: (one.first.name, one.second.name) for one in FUSIONS}
    first, size = space.offsets[2], fused.sizes[0, 2]
    return [names[number] for number in fused.opcodes[0, first : first + size]]


@pytest.mark.parametrize("space", [SPACE, WIDE], ids=["one word", "several words"])
@pytest.mark.parametrize("text", FUSED.values(), ids=FUSED)
def test_become_one(text: str, space) -> None:
    assert any(len(names) == 2 for names in learned_ops(text, space))


@pytest.mark.parametrize("space", [SPACE, WIDE], ids=["one word", "several words"])
@pytest.mark.parametrize("text", APART.values(), ids=APART)
def test_stay_two(text: str, space) -> None:
    assert all(len(names) == 1 for names in learned_ops(text, space)[1:])


def test_fused_instruction_has_the_inputs_of_the_first_and_the_output_of_the_second() -> None:
    fused = fuse(parse_program(NET + " m1 = outer(v2, v0)\n m0 = m0 + m1", SPACE), SPACE, Metric.RMS_ERROR)
    last = SPACE.offsets[2] + fused.sizes[0, 2] - 1
    assert fused.opcodes[0, last] == FUSIONS[0].number
    assert fused.addresses[0, last].tolist() == [2, 0, 0]


@pytest.mark.parametrize("metric", Metric)
def test_programs_with_nothing_to_fuse_stay_as_they_are(metric: Metric) -> None:
    space = make_space(
        features=4, scalars=6, vectors=5, matrices=3, setup=4, predict=4, learn=6, allowed=("SCALAR_SUM",)
    )
    programs = some_programs(space, 20, 0)
    fused = fuse(programs, space, metric)
    for before, after in zip(programs.arrays(), fused.arrays(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_given_programs_are_not_touched() -> None:
    space = full_space()
    programs = some_programs(space, 50, 0)
    before = programs.copy()
    fuse(programs, space, Metric.RMS_ERROR)
    check_programs(programs, space)
    for one, other in zip(before.arrays(), programs.arrays(), strict=True):
        np.testing.assert_array_equal(one, other)
