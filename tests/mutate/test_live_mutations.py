"""Mutations of live code: children are valid, learnable, and compute something else than their parents."""

import dataclasses
import re

import numpy as np
import pytest

from azero_jax.analysis.learnable import flow_rules, learnable
from azero_jax.analysis.pruning import prune
from azero_jax.compiled.tables import space_tables
from azero_jax.config.presets import PRESETS, load_preset
from azero_jax.evolve.breeding import breed_learnable
from azero_jax.language.program import Programs, check_programs, empty_programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace, make_space
from azero_jax.language.text import format_program, parse_program
from azero_jax.mutate.learnable import random_learnable
from azero_jax.mutate.policy import Mutation, MutationPolicy
from tests.mutate.test_learnable import SPACES
from tests.support.spaces import same

LIVE = [mutation for mutation in Mutation if mutation.is_of_live_code]
AFFINE = PRESETS["affine"].space.build(features=4)
LINEAR = """
def Setup():
  s2 = 0.1
def Predict():
  s1 = dot(v0, v1)
def Learn():
  s3 = s0 - s1
  s3 = s2 * s3
  v2 = s3 * v0
  v1 = v1 + v2
"""


def children_of(
    parents: Programs,
    space: SearchSpace,
    metric: Metric,
    mutations: list[Mutation],
    seed: int = 0,
    frozen: tuple[bool, bool, bool] = (False, False, False),
) -> tuple[Programs, np.ndarray, np.ndarray]:
    """A child of each of N parents; its parent's place, and what made it (-1: nothing fits, it is a copy)."""
    count = len(parents)
    odds = MutationPolicy(1.0, tuple((mutation.name.lower(), 1.0) for mutation in mutations)).odds()
    children, origins = empty_programs(count, space), np.zeros((count, 2), np.int64)
    fitness, generator = np.zeros((count, 1)), np.random.default_rng(seed)  # islands of one program
    tables, rules = space_tables(space, metric), flow_rules(space)
    is_frozen, kinds = np.array(frozen), np.zeros(count, np.int64)
    arrays = parents.arrays(), children.arrays()
    breed_learnable(arrays[0], fitness, 1, tables, odds, is_frozen, rules, kinds, generator, arrays[1], origins)
    assert (origins[:, 0] == np.arange(count)).all()
    return children, origins[:, 1], origins[:, 0]


@pytest.mark.parametrize("mutation", LIVE)
@pytest.mark.parametrize(("name", "space", "metric"), SPACES, ids=[name for name, _, _ in SPACES])
def test_children_are_valid_learnable_and_others(
    name: str, space: SearchSpace, metric: Metric, mutation: Mutation
) -> None:
    parents = random_learnable(space, metric, 300, np.random.default_rng(1))
    children, applied, _ = children_of(parents, space, metric, [mutation])
    check_programs(children, space)
    assert learnable(children, space, metric).all()
    assert np.isin(applied, (mutation, -1)).all()
    before, after = prune(parents, space, metric), prune(children, space, metric)
    for n in range(len(parents)):
        is_copy = same(parents[n : n + 1], children[n : n + 1])
        has_same_code = same(before[n : n + 1], after[n : n + 1])
        assert has_same_code == is_copy == (applied[n] == -1)


@pytest.mark.parametrize(("name", "space", "metric"), SPACES, ids=[name for name, _, _ in SPACES])
def test_all_together_hardly_ever_fail(name: str, space: SearchSpace, metric: Metric) -> None:
    parents = random_learnable(space, metric, 1000, np.random.default_rng(2))
    _, applied, _ = children_of(parents, space, metric, LIVE)
    assert (applied == -1).mean() < 0.15
    assert set(applied.tolist()) >= {mutation.value for mutation in LIVE[:5]}


def test_generations_stay_in_their_space() -> None:
    for name, space, metric in SPACES:
        programs = random_learnable(space, metric, 100, np.random.default_rng(3))
        for generation in range(20):
            programs, _, _ = children_of(programs, space, metric, LIVE, seed=generation)
        check_programs(programs, space)
        assert learnable(programs, space, metric).all(), name


def linear_children(mutation: Mutation, count: int = 400) -> list[str]:
    """Pruned texts of children of the linear model."""
    parents = parse_program(LINEAR, AFFINE)[np.zeros(count, np.int64)]
    children, applied, _ = children_of(parents, AFFINE, Metric.RMS_ERROR, [mutation])
    pruned = prune(children, AFFINE, Metric.RMS_ERROR)
    return [format_program(pruned, n, AFFINE) for n in np.flatnonzero(applied != -1)]


def instructions(text: str) -> list[str]:
    return [line for line in text.splitlines() if " = " in line]


def test_a_constant_changes_and_nothing_else() -> None:
    texts = linear_children(Mutation.CHANGE_CONSTANT)
    own = instructions(LINEAR)
    assert len(texts) > 300
    assert all(instructions(text)[1:] == own[1:] and instructions(text)[0] != own[0] for text in texts)


def test_one_connection_changes() -> None:
    own = instructions(LINEAR)
    for text in linear_children(Mutation.CHANGE_CONNECTION):
        here = instructions(text)
        assert len(here) <= len(own)  # what was read before may be dead now
        assert len(set(here) - set(own)) <= 1


def test_an_insertion_is_read() -> None:
    texts = linear_children(Mutation.INSERT_CONNECTED)
    assert max(len(instructions(text)) for text in texts) == len(instructions(LINEAR)) + 1


def test_an_added_register_is_read_in_predict_and_written_in_learn() -> None:
    texts = linear_children(Mutation.ADD_LEARNED)
    assert len(texts) > 300
    for text in texts:
        _, predict, learn = text.split("def ")[1:]
        written = {line.split()[0] for line in instructions(learn)}
        read = set(re.findall(r"\b[svm]\d", " ".join(line.split("=")[1] for line in instructions(predict))))
        assert (written & read) - {"v1"}


def test_the_weights_may_get_another_update() -> None:
    texts = linear_children(Mutation.REBUILD_UPDATE)
    assert len(texts) > 100
    assert all("v1 = " in text.split("def Learn")[1] for text in texts)


def test_an_update_may_get_a_learning_rate_of_its_own() -> None:
    rates = []
    for text in linear_children(Mutation.REBUILD_UPDATE, count=2000):
        setup, _, learn = text.split("def ")[1:]
        constants = dict(re.findall(r"(s\d) = (-?[\d.e-]+)\n", setup))
        used = [name for name in constants if re.search(rf"= {name} \* |\* {name}\n", learn)]
        rates += [abs(float(constants[name])) for name in used if constants[name] != "0.1"]
    assert len(rates) > 50
    assert min(rates) < 0.003
    assert 0.003 < np.median(rates) < 0.3
    assert max(rates) <= 1


def test_an_update_gets_none_where_setup_is_frozen() -> None:
    with_bias = LINEAR.replace("dot(v0, v1)", "dot(v0, v1)\n  s1 = s1 + s4") + "  s4 = s4 + s3\n"
    space = dataclasses.replace(PRESETS["affine"].space, scalars=9).build(features=4)
    parents = parse_program(with_bias, space)[np.zeros(2000, np.int64)]
    mutations, frozen = [Mutation.REBUILD_UPDATE], (True, True, False)
    children, applied, _ = children_of(parents, space, Metric.RMS_ERROR, mutations, frozen=frozen)
    texts = [format_program(children, n, space) for n in np.flatnonzero(applied != -1)]
    assert len(texts) > 100
    empty = 0  # products in Learn with a scalar that nothing writes
    for text in texts:
        written = {"s0", "s1", *re.findall(r"(s\d) = ", text)}
        factors = re.findall(r"= (s\d) \* ", text.split("def Learn")[1])
        empty += any(factor not in written for factor in factors)
    assert empty < 0.01 * len(texts)


SEVERAL_CLASSES_THAT_WRITE_THE_LABEL = """
def Predict():
  v2 = dot(m0, v0)
  v4 = abs(v1)
  v2 = v2 + v4
def Learn():
  v3 = v1 - v2
  v1 = abs(v3)
  v3 = v3 + v1
  m1 = outer(v3, v0)
  m0 = m0 + m1
"""


@pytest.mark.parametrize("mutation", [Mutation.REBUILD_UPDATE, Mutation.DROP_LEARNED])
def test_the_label_is_no_learned_register_though_learn_writes_and_predict_reads_it(mutation: Mutation) -> None:
    space = make_space(features=4, scalars=5, vectors=6, matrices=3, setup=(0, 2, 3), predict=(1, 4, 6), learn=5)
    parents = parse_program(SEVERAL_CLASSES_THAT_WRITE_THE_LABEL, space)[np.zeros(400, np.int64)]
    children, applied, _ = children_of(parents, space, Metric.MULTICLASS_ACCURACY, [mutation])
    texts = [format_program(children, n, space) for n in np.flatnonzero(applied != -1)]
    keep_the_weights = sum("m1 = outer(v3, v0)\n  m0 = m0 + m1\n" in text for text in texts)
    if mutation is Mutation.DROP_LEARNED:
        assert texts == []  # the weights are all that it learns
    else:
        assert len(texts) > 100
        assert keep_the_weights < 0.1 * len(texts)


FIXED_SECOND_LAYER = """
def Setup():
  m0 = gaussian(0.0, 1.0)
  v2 = gaussian(0.0, 0.1)
def Predict():
  v1 = dot(m0, v0)
  v1 = maximum(v1, v5)
  s1 = dot(v1, v2)
def Learn():
  s3 = s0 - s1
  v3 = s3 * v2
  v4 = heaviside(v1, 1.0)
  v3 = v3 * v4
  m1 = outer(v3, v0)
  m0 = m0 + m1
"""


def test_one_mutation_makes_a_net_whose_second_layer_is_fixed_learn_it_at_a_rate_of_its_own() -> None:
    config = load_preset("teacher")
    space = dataclasses.replace(config.space, setup=(6,), predict=(4,), learn=(11,)).build(features=4)
    parents = parse_program(FIXED_SECOND_LAYER, space)[np.zeros(200_000, np.int64)]
    children, _, _ = children_of(parents, space, Metric.RMS_ERROR, [Mutation.ADD_LEARNED])
    texts = (format_program(children, n, space) for n in range(len(children)))
    rate_step_sum = (
        r"(?s)(s\d) = [\de.-]+\n.*def Learn.*(s3|s2) = \1 \* s3\n.*(v\d) = \2 \* v1\n.*v2 = (v2 \+ \3|\3 \+ v2)\n"
    )
    assert any(re.search(rate_step_sum, text) for text in texts)


def test_constants_are_of_any_order_of_size() -> None:
    programs = random_learnable(AFFINE, Metric.RMS_ERROR, 2000, np.random.default_rng(0))
    first = AFFINE.offsets[1]
    children, _, _ = children_of(programs, AFFINE, Metric.RMS_ERROR, [Mutation.CHANGE_OP, Mutation.INSERT_CONNECTED])
    changed = children.constants[:, :first, 0] != programs.constants[:, :first, 0]
    sizes = np.abs(children.constants[:, :first, 0][changed])
    sizes = sizes[sizes > 0]
    assert len(sizes) > 50
    assert 0.1 < (sizes < 0.03).mean() < 0.5
