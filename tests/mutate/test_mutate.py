from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from azero_jax.language import ops
from azero_jax.language.program import OUT, Programs, check_programs, field_ranges
from azero_jax.language.space import FunctionSpace, SearchSpace, make_space
from azero_jax.language.text import parse_program
from azero_jax.mutate.drawing import no_op_programs, random_programs, randomize
from azero_jax.mutate.policy import Mutation, MutationPolicy
from tests.support.mutants import mutate
from tests.support.spaces import DEMO, full_space, same, seeds, some_programs

SPACE = full_space()
OF_ANY_CODE = [mutation for mutation in Mutation if not mutation.is_of_live_code]


def apply(programs: Programs, mutation: Mutation, *, seed: int = 0, space: SearchSpace = SPACE) -> Programs:
    policy = MutationPolicy(1.0, ((mutation.name.lower(), 1.0),))
    children, applied = mutate(programs, space, policy, np.random.default_rng(seed))
    assert np.isin(applied, (mutation, -1)).all()
    copies = applied == -1
    assert same(children[copies], programs[copies])
    return children


def changed_slots(parents: Programs, children: Programs) -> np.ndarray:
    """`[N, L]` whether an instruction differs."""
    return (
        (parents.opcodes != children.opcodes)
        | (parents.addresses != children.addresses).any(-1)
        | (parents.constants != children.constants).any(-1)
    )


@pytest.mark.parametrize("mutation", OF_ANY_CODE)
@given(seed=seeds, size=st.integers(2, 10))
def test_every_mutation_stays_in_its_space(mutation: Mutation, seed: int, size: int) -> None:
    space = full_space(sizes=(2, size, 10))
    programs = some_programs(space, 50, seed)
    for step in range(3):
        programs = apply(programs, mutation, seed=seed + step, space=space)
        check_programs(programs, space)


@pytest.mark.parametrize("mutation", [Mutation.INSERT_INSTRUCTION, Mutation.REMOVE_INSTRUCTION])
def test_sizes_go_to_their_limits_and_no_further(mutation: Mutation) -> None:
    programs = some_programs(SPACE, 100, seed=1)
    for step in range(60):
        programs = apply(programs, mutation, seed=step)
    inserts = mutation is Mutation.INSERT_INSTRUCTION
    assert (programs.sizes == (10 if inserts else 2)).all()


def test_alter_param_changes_one_instruction_and_never_its_op() -> None:
    parents = some_programs(SPACE, 2000, seed=2)
    children = apply(parents, Mutation.ALTER_PARAM)
    assert (parents.opcodes == children.opcodes).all()
    assert (changed_slots(parents, children).sum(axis=1) <= 1).all()
    assert changed_slots(parents, children).sum() > 1000


def test_randomize_instruction_changes_one_instruction() -> None:
    parents = some_programs(SPACE, 2000, seed=3)
    changed = changed_slots(parents, apply(parents, Mutation.RANDOMIZE_INSTRUCTION))
    assert (changed.sum(axis=1) <= 1).all()
    assert changed.sum() > 1900


def test_randomize_component_function_changes_one_function() -> None:
    parents = some_programs(SPACE, 500, seed=4)
    children = apply(parents, Mutation.RANDOMIZE_COMPONENT_FUNCTION)
    functions = changed_slots(parents, children).reshape(500, 3, 10).any(-1)
    assert (functions.sum(axis=1) == 1).all()
    assert 120 < functions[:, 0].sum() < 220  # each in a third of the cases


def test_randomize_algorithm_changes_every_function() -> None:
    parents = some_programs(SPACE, 100, seed=5)
    children = apply(parents, Mutation.RANDOMIZE_ALGORITHM)
    assert changed_slots(parents, children).reshape(100, 3, 10).any(-1).all()
    assert (parents.sizes == children.sizes).all()


def test_trade_inserts_and_removes_one_instruction() -> None:
    parents = some_programs(DEMO, 300, seed=6)  # every function is at its largest size
    children = apply(parents, Mutation.TRADE_INSTRUCTION, space=DEMO)
    assert (parents.sizes == children.sizes).all()
    missing = [
        sum(line not in child for line in parent)
        for parent, child in zip(_lines(parents), _lines(children), strict=True)
    ]
    assert max(missing) == 1
    assert np.mean(missing) > 0.5  # the others removed what they inserted, or a twin of it


def _lines(programs: Programs) -> list[list[bytes]]:
    parts = np.concatenate([programs.opcodes[..., None], programs.addresses.astype(float), programs.constants], axis=2)
    return [[slot.tobytes() for slot in program] for program in parts]


def test_identity_changes_nothing() -> None:
    parents = some_programs(SPACE, 20, seed=7)
    assert same(parents, apply(parents, Mutation.IDENTITY))


def test_a_tenth_of_the_children_are_copies() -> None:
    parents = some_programs(SPACE, 20_000, seed=8)
    policy = MutationPolicy(0.9, (("randomize_instruction", 1.0),))
    _, applied = mutate(parents, SPACE, policy, np.random.default_rng(0))
    assert np.isclose((applied == -1).mean(), 0.1, atol=0.01)


def test_weights_are_relative_frequencies() -> None:
    parents = some_programs(SPACE, 20_000, seed=9)
    policy = MutationPolicy(1.0, (("randomize_instruction", 3.0), ("identity", 1.0)))
    _, applied = mutate(parents, SPACE, policy, np.random.default_rng(0))
    assert np.isclose((applied == Mutation.RANDOMIZE_INSTRUCTION).mean(), 0.75, atol=0.01)
    assert np.isclose((applied == -1).mean(), 0.25, atol=0.01)


@pytest.mark.parametrize(
    ("weights", "places"),
    [
        ((0.1, 0.1, 0.3, 0.1), (0, 1, 3, 8)),  # add up to less than 1 by rounding
        ((0.1, 0.2, 0.0), (0, 1, 2)),
        ((3.0,), (7,)),
        (tuple(np.linspace(0.1, 0.77, 20)), range(20)),  # to more
    ],
)
def test_every_draw_below_one_is_some_mutation(weights: Sequence[float], places: Sequence[int]) -> None:
    named = tuple((Mutation(place).name.lower(), weight) for place, weight in zip(places, weights, strict=True))
    values = np.zeros(len(Mutation))
    values[[*places]] = weights
    cumulative = MutationPolicy(1.0, named).odds().cumulative
    last = values.nonzero()[0].max()
    assert (cumulative[last:] == 1.0).all()
    assert (cumulative[:last] == (values.cumsum() / values.sum())[:last]).all()


def test_the_paper_removes_twice_as_often_as_it_inserts() -> None:
    parents = some_programs(SPACE, 30_000, seed=10)  # of size 6, away from the limits
    change = apply(parents, Mutation.INSERT_OR_REMOVE_INSTRUCTION).sizes.sum(1) - parents.sizes.sum(1)
    assert set(np.unique(change)) == {-1, 1}
    assert np.isclose((change == -1).mean(), 2 / 3, atol=0.01)


def alter_constant(line: str, mutation: Mutation, count: int = 20_000) -> np.ndarray:
    """Constants `[count, 2]` of children whose data was altered; parents have the one instruction of `line`."""
    space = make_space(features=4, scalars=4, vectors=3, matrices=1, setup=1, predict=0, learn=0)
    space = SearchSpace(4, 4, 3, 1, space.setup, FunctionSpace((), 0, 0, 0), FunctionSpace((), 0, 0, 0))
    parent = parse_program(f"def Setup():\n  {line}\n", space)
    parents = parent[np.zeros(count, int)]
    constants = apply(parents, mutation, space=space).constants[:, 0]
    return constants[(constants != parent.constants[0, 0]).any(axis=1)]


def test_release_constants_flip_their_sign_or_scale_log_normally() -> None:
    values = alter_constant("s1 = 0.5", Mutation.ALTER_PARAM)[:, 0]
    flipped = values == -0.5
    assert np.isclose(flipped.mean(), 0.1, atol=0.01)
    logs = np.log(values[~flipped] / 0.5)
    assert np.isclose(logs.mean(), 0.0, atol=0.03)
    assert np.isclose(logs.std(), 1.0, atol=0.03)


def test_paper_constants_scale_by_a_half_to_two() -> None:
    values = alter_constant("s1 = 0.5", Mutation.ALTER_ARGUMENT)[:, 0]
    factors = values[values != -0.5] / 0.5
    assert 0.5 <= factors.min() < 0.51
    assert 1.99 < factors.max() <= 2.0
    assert np.isclose(factors.mean(), 1.25, atol=0.01)


def test_a_standard_deviation_never_changes_its_sign() -> None:
    constants = alter_constant("v1 = gaussian(0.3, 0.7)", Mutation.ALTER_PARAM)
    assert (constants[:, 1] > 0).all()
    assert (constants[:, 0] == -0.3).any()


def test_an_altered_interval_is_put_the_right_way_round() -> None:
    constants = alter_constant("v1 = uniform(0.9, -0.9)", Mutation.ALTER_PARAM)
    assert (constants[:, 0] <= constants[:, 1]).all()


def test_zero_becomes_minus_zero() -> None:
    space = make_space(features=4, scalars=4, vectors=3, matrices=1, setup=1, predict=0, learn=0)
    parents = parse_program("def Setup():\n  s1 = 0.0\n", space)[np.zeros(200, int)]
    children = apply(parents, Mutation.ALTER_PARAM, space=space)
    assert (children.constants == 0).all()
    assert np.signbit(children.constants[:, 0, 0]).any()


def randomized_programs(space: SearchSpace, count: int, seed: int) -> Programs:
    """Random programs as random search draws them."""
    programs = no_op_programs(space, count)
    randomize(programs, space, np.random.default_rng(seed))
    return programs


both_ways_to_draw = pytest.mark.parametrize("draw", [some_programs, randomized_programs])
Draw = Callable[[SearchSpace, int, int], Programs]


@both_ways_to_draw
def test_random_programs_draw_ops_and_addresses_uniformly(draw: Draw) -> None:
    programs = draw(DEMO, 20_000, 11)
    counts = np.bincount(programs.opcodes.ravel(), minlength=65)[list(DEMO.ops)]
    assert np.allclose(counts / counts.sum(), 1 / len(DEMO.ops), atol=0.005)
    sums = programs.opcodes == ops.op_number("VECTOR_SUM")
    outputs = np.bincount(programs.addresses[sums][:, OUT], minlength=3)
    assert outputs[0] == 0  # the features are read-only
    assert np.allclose(outputs[1:] / outputs.sum(), 0.5, atol=0.01)
    inputs = np.bincount(programs.addresses[sums][:, 0], minlength=3)
    assert np.allclose(inputs / inputs.sum(), 1 / 3, atol=0.01)


@both_ways_to_draw
def test_every_instruction_is_as_likely_as_it_should_be(draw: Draw) -> None:
    programs = draw(DEMO, 50_000, 14)
    lowest, counts = field_ranges(DEMO)
    cells = len(programs) * DEMO.length / (len(DEMO.ops) * counts[list(DEMO.ops)].prod(axis=1))  # of each op, expected
    chi_square, freedom = 0.0, -1
    for op, expected in zip(DEMO.ops, cells, strict=True):
        digits = programs.addresses[programs.opcodes == op] - lowest[op]
        observed = np.bincount(np.ravel_multi_index(digits.T, counts[op]), minlength=counts[op].prod())
        chi_square += ((observed - expected) ** 2 / expected).sum()
        freedom += len(observed)
    assert abs(chi_square - freedom) < 5 * np.sqrt(2 * freedom)  # five standard deviations


@both_ways_to_draw
def test_neighbouring_instructions_are_independent(draw: Draw) -> None:
    opcodes = np.searchsorted(DEMO.ops, draw(DEMO, 50_000, 15).opcodes)
    pairs = np.bincount((opcodes[:, :-1] * len(DEMO.ops) + opcodes[:, 1:]).ravel())
    expected = pairs.sum() / len(DEMO.ops) ** 2
    chi_square, freedom = ((pairs - expected) ** 2 / expected).sum(), len(pairs) - 1
    assert abs(chi_square - freedom) < 5 * np.sqrt(2 * freedom)


@both_ways_to_draw
def test_random_constants_are_uniform(draw: Draw) -> None:
    programs = draw(DEMO, 50_000, 16)
    constants = programs.constants[programs.opcodes == ops.op_number("SCALAR_CONST_SET")]
    assert (constants[:, 1] == 0).all()
    bins, _ = np.histogram(constants[:, 0], bins=50, range=(-1, 1))
    assert bins.sum() == len(constants)
    expected = len(constants) / 50
    assert abs(((bins - expected) ** 2 / expected).sum() - 49) < 5 * np.sqrt(2 * 49)
    assert (programs.constants[programs.opcodes != ops.op_number("SCALAR_CONST_SET")] == 0).all()


@both_ways_to_draw
def test_random_programs_are_valid(draw: Draw) -> None:
    check_programs(draw(SPACE, 2000, 17), SPACE)


@both_ways_to_draw
def test_the_same_seed_draws_the_same_programs(draw: Draw) -> None:
    assert same(draw(SPACE, 50, 18), draw(SPACE, 50, 18))
    assert not same(draw(SPACE, 50, 18), draw(SPACE, 50, 19))


def test_every_batch_of_random_search_is_another_one() -> None:
    generator = np.random.default_rng(20)
    programs = no_op_programs(SPACE, 50)
    randomize(programs, SPACE, generator)
    first = programs.copy()
    randomize(programs, SPACE, generator)
    assert changed_slots(first, programs).sum() > 0.9 * first.sizes.sum()


@both_ways_to_draw
def test_random_constants_have_their_ranges(draw: Draw) -> None:
    programs = draw(full_space(), 5000, 12)
    uniform = programs.constants[programs.opcodes == ops.op_number("VECTOR_UNIFORM_SET")]
    assert -1 <= uniform.min() < -0.99
    assert 0.99 < uniform.max() < 1
    assert 0.45 < (uniform[:, 0] > uniform[:, 1]).mean() < 0.55  # not ordered
    gaussian = programs.constants[programs.opcodes == ops.op_number("VECTOR_GAUSSIAN_SET")]
    assert 0 <= gaussian[:, 1].min() < 0.01


def test_empty_programs_are_no_ops_of_the_initial_sizes() -> None:
    programs = no_op_programs(DEMO, 3)
    assert (programs.opcodes == 0).all()
    assert programs.sizes.tolist() == [[10, 2, 8]] * 3


def test_functions_without_ops_are_left_alone() -> None:
    space = SearchSpace(4, 4, 3, 1, FunctionSpace((), 2, 2, 2), DEMO.predict, DEMO.learn)
    programs = random_programs(space, 10, np.random.default_rng(0))
    randomize(programs, space, np.random.default_rng(1))
    for mutation in (Mutation.RANDOMIZE_ALGORITHM, Mutation.RANDOMIZE_COMPONENT_FUNCTION):
        programs = apply(programs, mutation, space=space)
    assert (programs.opcodes[:, :2] == 0).all()


def test_the_same_generator_state_gives_the_same_children() -> None:
    parents = some_programs(SPACE, 50, seed=13)
    policy = MutationPolicy()
    first, _ = mutate(parents, SPACE, policy, np.random.default_rng(5))
    second, _ = mutate(parents, SPACE, policy, np.random.default_rng(5))
    assert same(first, second)
