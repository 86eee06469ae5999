"""Random learnable programs: valid, learnable, varied; and every learnable program can come out."""

import itertools

import numpy as np
import pytest

from azero_jax.analysis.learnable import learnable
from azero_jax.analysis.pruning import prune
from azero_jax.config.presets import PRESETS
from azero_jax.language import ops
from azero_jax.language.library import parse_known
from azero_jax.language.program import IN1, IN2, OUT, Programs, check_programs, empty_programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace, make_space
from azero_jax.mutate.learnable import random_learnable
from tests.support.spaces import DEMO, full_space, same

SPACES = [
    ("demo", DEMO, Metric.RMS_ERROR),
    ("affine", PRESETS["affine"].space.build(4), Metric.RMS_ERROR),
    ("teacher", PRESETS["teacher"].space.build(8), Metric.RMS_ERROR),
    ("cifar10", PRESETS["cifar10"].space.build(16), Metric.ACCURACY),
    ("multiclass", PRESETS["multiclass"].space.build(16), Metric.MULTICLASS_ACCURACY),
    ("all ops", full_space(), Metric.RMS_ERROR),
]


def draw(space: SearchSpace, metric: Metric, count: int, seed: int = 0) -> Programs:
    return random_learnable(space, metric, count, np.random.default_rng(seed))


@pytest.mark.parametrize(("name", "space", "metric"), SPACES, ids=[name for name, _, _ in SPACES])
def test_they_are_learnable_programs_of_their_space(name: str, space: SearchSpace, metric: Metric) -> None:
    programs = draw(space, metric, 500)
    check_programs(programs, space)
    assert learnable(programs, space, metric).all()
    for index, function in enumerate(space.functions):
        assert programs.sizes[:, index].min() >= function.min_size
        if function.min_size == function.max_size:
            assert (programs.sizes[:, index] == function.initial_size).all()


def test_the_same_generator_state_gives_the_same_programs() -> None:
    assert same(draw(DEMO, Metric.RMS_ERROR, 50, seed=3), draw(DEMO, Metric.RMS_ERROR, 50, seed=3))
    assert not same(draw(DEMO, Metric.RMS_ERROR, 50, seed=3), draw(DEMO, Metric.RMS_ERROR, 50, seed=4))


def test_they_differ_from_one_another() -> None:
    pruned = prune(draw(DEMO, Metric.RMS_ERROR, 1000), DEMO, Metric.RMS_ERROR)
    texts = {pruned[n : n + 1].addresses.tobytes() + pruned[n : n + 1].opcodes.tobytes() for n in range(1000)}
    assert len(texts) > 900
    assert len(np.unique(pruned.sizes.sum(axis=1))) > 5  # short and long ones


@pytest.mark.parametrize("kinds", ["s", "v", "m", "vm"])
def test_they_learn_the_kinds_that_are_asked_for(kinds: str) -> None:
    space = PRESETS["teacher"].space.build(8)
    programs = random_learnable(space, Metric.RMS_ERROR, 100, np.random.default_rng(0), kinds)
    assert learnable(programs, space, Metric.RMS_ERROR, kinds=kinds).all()
    for kind in set("svm") - set(kinds):
        assert not learnable(programs, space, Metric.RMS_ERROR, kinds=kind).all()


@pytest.mark.parametrize("is_frozen", [(True, True, False), (False, True, False), (False, False, True)])
def test_frozen_functions_are_kept(is_frozen: tuple[bool, ...]) -> None:
    space, known = parse_known("two_layer_net", 4)
    given = known[np.zeros(50, np.int64)]
    programs = random_learnable(space, Metric.RMS_ERROR, 50, np.random.default_rng(0), "", given, is_frozen)
    check_programs(programs, space)
    assert learnable(programs, space, Metric.RMS_ERROR).all()
    for function, frozen in enumerate(is_frozen):
        slots = slice(space.offsets[function], space.offsets[function] + space.max_sizes[function])
        kept = (programs.opcodes[:, slots] == given.opcodes[:, slots]).all()
        assert kept == frozen


def test_every_learnable_program_of_a_space_can_come_out() -> None:
    space = make_space(
        features=2,
        scalars=3,
        vectors=1,
        matrices=0,
        setup=0,
        predict=2,
        learn=2,
        allowed=("SCALAR_DIFF_OP", "VECTOR_NORM_OP"),
    )
    programs = enumerate_programs(space)
    wanted = programs[learnable(programs, space, Metric.RMS_ERROR)]
    assert 10 < len(wanted) < 2000
    drawn = draw(space, Metric.RMS_ERROR, 100 * len(wanted))
    assert keys(drawn) == keys(wanted)


def test_a_space_without_any_is_given_up() -> None:
    space = make_space(
        features=2, scalars=3, vectors=1, matrices=0, setup=0, predict=1, learn=1, allowed=("SCALAR_CONST_SET_OP",)
    )
    with pytest.raises(ValueError, match="no learnable program was found in 100,000 attempts"):
        draw(space, Metric.RMS_ERROR, 1)


def enumerate_programs(space: SearchSpace) -> Programs:
    """All programs of a space without constants, whose functions have one size each."""
    slots = [instructions(space, function) for function in space.functions for _ in range(function.max_size)]
    chosen = np.indices([len(each) for each in slots]).reshape(len(slots), -1)
    programs = empty_programs(chosen.shape[1], space)
    programs.sizes[:] = space.max_sizes
    for slot, each in enumerate(slots):
        fields = np.array(each)[chosen[slot]]
        programs.opcodes[:, slot] = fields[:, 0]
        programs.addresses[:, slot, [IN1, IN2, OUT]] = fields[:, 1:]
    return programs


def instructions(space: SearchSpace, function) -> list[tuple[int, int, int, int]]:
    found = []
    for number in function.ops:
        op = ops.OPS[number]
        inputs = [range(space.addresses(kind)) for kind in op.inputs] + [range(1)] * (2 - len(op.inputs))
        outputs = range(ops.FIRST_OUTPUT_ADDRESS[op.output], space.addresses(op.output))
        found += [(number, *operands) for operands in itertools.product(*inputs, outputs)]
    return found


def keys(programs: Programs) -> set[bytes]:
    return {programs.opcodes[n].tobytes() + programs.addresses[n].tobytes() for n in range(len(programs))}
