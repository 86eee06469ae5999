"""What holds of every engine: batches, compilations, example counts, early stops, metrics."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from azero_jax.engines.outcome import Outcome, Stop, StopReason, fitness_of_loss
from azero_jax.engines.settings import RunSettings
from azero_jax.language import ops
from azero_jax.language.program import Programs, concatenate, empty_programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import FunctionSpace, make_space
from azero_jax.language.text import parse_program
from azero_jax.tasks import linear_tasks, make_tasks
from tests.support.engines import ENGINES, FAST_ENGINES, SLOW_ENGINES
from tests.support.spaces import some_programs

SIZES = {"features": 4, "scalars": 5, "vectors": 5, "matrices": 2, "setup": 3, "predict": 4, "learn": 5}
FEW_OPS = (
    "SCALAR_CONST_SET",
    "SCALAR_DIFF",
    "SCALAR_PRODUCT",
    "SCALAR_LOG",
    "SCALAR_BROADCAST",
    "SCALAR_VECTOR_PRODUCT",
    "VECTOR_SUM",
    "VECTOR_DIFF",
    "VECTOR_DIVISION",
    "VECTOR_INNER_PRODUCT",
    "VECTOR_OUTER_PRODUCT",
    "MATRIX_VECTOR_PRODUCT",
    "MATRIX_SUM",
)
# With those, every way in which an engine walks through registers; what each of all ops computes is for golden vectors.
OPS = (
    *FEW_OPS,
    "SCALAR_MIN",
    "VECTOR_HEAVYSIDE",
    "VECTOR_ST_DEV",
    "VECTOR_CONST_SET",
    "MATRIX_CONST_SET",
    "MATRIX_TRANSPOSE",
    "MATRIX_MATRIX_PRODUCT",
    "MATRIX_COLUMN_NORM",
    "MATRIX_ROW_MEAN",
    "MATRIX_NORM",
    "SCALAR_GAUSSIAN_SET",
    "VECTOR_UNIFORM_SET",
    "MATRIX_GAUSSIAN_SET",
)
SPACE = make_space(**SIZES, allowed=OPS)
SMALL_SPACE = make_space(**SIZES, allowed=FEW_OPS)
TASKS = linear_tasks(tasks=5, features=4, train_examples=20, valid_examples=7, seed=0)
LINEAR = """
def Setup():
  s2 = 0.05
def Predict():
  s1 = dot(v0, v1)
def Learn():
  s3 = s0 - s1
  s3 = s2 * s3
  v2 = s3 * v0
  v1 = v1 + v2
"""


@pytest.fixture(scope="module", params=list(ENGINES))
def engine(request: pytest.FixtureRequest):
    space = SMALL_SPACE if request.param in SLOW_ENGINES else SPACE
    return ENGINES[request.param](space, TASKS, RunSettings(batch_size=128))


def assert_same(actual: Outcome, expected: Outcome) -> None:
    for name, first, second in zip(Outcome._fields, actual, expected, strict=True):
        assert_array_equal(first, second, err_msg=name)


def test_a_batch_gives_what_batches_of_one_give_bit_for_bit(engine) -> None:
    programs = some_programs(engine.space, 40, seed=1)
    whole = engine.evaluate(programs, record=True)
    assert np.isfinite(whole.fitness).all()
    assert len(np.unique(whole.fitness)) > 20
    for n in range(len(programs)):
        one = engine.evaluate(programs[n : n + 1], record=True)
        assert_same(one, Outcome(*(field[n : n + 1] for field in whole)))


def test_larger_batches_are_split_and_order_is_kept(engine) -> None:
    programs = some_programs(engine.space, 300, seed=2)
    whole = engine.evaluate(programs)
    assert_same(engine.evaluate(programs[::-1]), Outcome(*(f if f is None else f[::-1] for f in whole)))
    assert_same(engine.evaluate(programs[200:]), Outcome(*(f if f is None else f[200:] for f in whole)))


def test_a_constant_beyond_float32_is_infinite(engine) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outcome = engine.evaluate(parse_program("def Predict():\n s1 = 1e39", engine.space))
    assert_array_equal(outcome.stop_reason, StopReason.MAX_ABS_ERROR)


def test_an_empty_batch_gives_empty_outcomes(engine) -> None:
    outcome = engine.evaluate(empty_programs(0, engine.space))
    assert outcome.fitness.shape == outcome.stop.shape == (0, 5)
    after_setup, after_training = engine.trace(empty_programs(0, engine.space))
    assert after_setup.matrices.shape == after_training.matrices.shape == (0, 5, 2, 4, 4)


def test_later_calls_leave_an_outcome_as_it_was(engine) -> None:
    outcome = engine.evaluate(some_programs(engine.space, 100, seed=5), record=True)
    copy = Outcome(*(field.copy() for field in outcome))
    others = some_programs(engine.space, 128, seed=6)
    engine.evaluate(others, record=True)
    engine.trace(others[:2])
    engine.evaluate(others)
    assert_same(outcome, copy)


def test_numbers_of_programs_and_examples_need_no_new_compilation(engine) -> None:
    engine.evaluate(some_programs(engine.space, 3, seed=3))
    before = engine.compilations
    assert before >= (engine.name != "warp")  # whose kernel a CPU runs without JAX
    for count, examples in ((1, None), (100, (10, 3)), (300, (20, 7)), (2, (1, 1))):
        engine.evaluate(some_programs(engine.space, count, seed=4), examples=examples)
    assert engine.compilations == before


def test_denormal_numbers_count_as_zero_on_a_cpu(engine) -> None:
    program = parse_program("def Setup():\n  s2 = 1e-20\n  s2 = s2 * s2\ndef Predict():\ndef Learn():\n", engine.space)
    after_setup, _ = engine.trace(program)
    assert not after_setup.scalars[..., 2].any()


def test_fewer_examples_are_the_first_ones(engine) -> None:
    program = parse_program(LINEAR, engine.space)
    whole = engine.evaluate(program, record=True).errors
    part = engine.evaluate(program, examples=(12, 3), record=True).errors
    assert part.shape == (1, 15, 5)
    assert_array_equal(part[:, :12], whole[:, :12])


def test_the_divisor_is_the_number_of_validation_examples_unless_given(engine) -> None:
    program = parse_program(LINEAR, engine.space)
    outcome = engine.evaluate(program, examples=(20, 3), record=True)
    loss = (outcome.errors[0, 20:].astype(float) ** 2).sum(axis=0)
    assert_allclose(outcome.fitness[0], 1 - 2 / np.pi * np.arctan(np.sqrt(loss / 3)), rtol=1e-5)
    given = engine.evaluate(program, examples=(20, 3), divisor=7)
    assert_allclose(given.fitness[0], 1 - 2 / np.pi * np.arctan(np.sqrt(loss / 7)), rtol=1e-5)


def test_no_training_examples_give_fitness_zero(engine) -> None:
    outcome = engine.evaluate(parse_program(LINEAR, engine.space), examples=(0, 3))
    assert_array_equal(outcome.fitness, 0)
    assert_array_equal(outcome.train_steps, 0)


def test_more_examples_than_there_are_is_refused(engine) -> None:
    for examples in ((21, 7), (20, 8), (20, 0), (-1, 7)):
        with pytest.raises(ValueError, match=r"allowed: \d to \d+"):
            engine.evaluate(parse_program(LINEAR, engine.space), examples=examples)


def test_a_program_that_fails_harms_no_neighbour(engine) -> None:
    good = parse_program(LINEAR, engine.space)
    bad = parse_program("def Predict():\n s1 = log(s2)\n s1 = s1 - s1", engine.space)
    outcome = engine.evaluate(concatenate([bad, good, bad]))
    assert_array_equal(outcome.stop[[0, 2]], Stop.TRAIN)
    assert_array_equal(outcome.stop_reason[[0, 2]], StopReason.NAN)
    assert_array_equal(outcome.train_steps[[0, 2]], 1)
    assert_array_equal(outcome.fitness[[0, 2]], 0)
    assert_array_equal(outcome.fitness[1], engine.evaluate(good).fitness[0])


@pytest.mark.parametrize("engine_name", ENGINES)
def test_a_partial_epoch_is_followed_by_its_validation(engine_name: str) -> None:
    program = parse_program(LINEAR, SMALL_SPACE)
    settings = RunSettings(precision="float64", epochs=3)
    engine = ENGINES[engine_name](SMALL_SPACE, TASKS, settings, order=np.tile(np.arange(20), (3, 1)))
    steps = {n: engine.evaluate(program, examples=(n, 7)) for n in (20, 25, 40, 60)}
    for n, outcome in steps.items():
        assert_array_equal(outcome.train_steps, n)
    # The best epoch counts, and a linear regressor only gets better here.
    fitness = [steps[n].fitness.mean() for n in (20, 25, 40, 60)]
    assert fitness == sorted(fitness)
    assert len(set(fitness)) == 4


CLASSES = """
def Setup():
  s2 = 0.5
def Predict():
  v2 = dot(m0, v0)
def Learn():
  v3 = v1 - v2
  v3 = s2 * v3
  m1 = outer(v3, v0)
  m0 = m0 + m1
"""


def classes_reference(x, y, xv, yv) -> tuple[float, list[float], list[float]]:
    """Softmax regression written out in NumPy: fitness, training errors, validation errors."""
    weights, errors, wrong = np.zeros((4, 4)), [], []
    for features, label in zip(x, y, strict=True):
        logits = weights @ features
        p = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        errors.append(np.abs(np.eye(4)[label] - p).max())
        weights += np.outer(0.5 * (np.eye(4)[label] - p), features)
    for features, label in zip(xv, yv, strict=True):
        wrong.append(float(np.argmax(weights @ features) != label))
    return 1 - float(np.mean(wrong)), errors, wrong


@pytest.mark.parametrize("engine_name", ENGINES)
def test_many_classes_are_learnt_by_softmax(engine_name: str) -> None:
    generator = np.random.default_rng(0)
    x, teacher = generator.standard_normal((2, 60, 4)), generator.standard_normal((2, 4, 4))
    y = np.argmax(np.einsum("tij,tnj->tni", teacher, x), axis=2)
    tasks = make_tasks(x[:, :40], y[:, :40], x[:, 40:], y[:, 40:], Metric.MULTICLASS_ACCURACY)
    engine = ENGINES[engine_name](SMALL_SPACE, tasks, RunSettings(precision="float64"))
    outcome = engine.evaluate(parse_program(CLASSES, SMALL_SPACE), record=True)
    for t in range(2):
        fitness, errors, wrong = classes_reference(x[t, :40], y[t, :40], x[t, 40:], y[t, 40:])
        assert fitness > 0.5
        assert_allclose(outcome.fitness[0, t], fitness, rtol=1e-9)
        assert_allclose(outcome.errors[0, :, t], [*errors, *wrong], rtol=1e-9)


@pytest.mark.parametrize("engine_name", ENGINES)
def test_nan_logits_stop_training_and_count_as_the_first_class_in_validation(engine_name: str) -> None:
    x = np.ones((20, 4))
    tasks = make_tasks(x, np.zeros(20), x, np.arange(20) % 4, Metric.MULTICLASS_ACCURACY)
    engine = ENGINES[engine_name](SMALL_SPACE, tasks)
    bad = parse_program("def Predict():\n v2 = v3 / v3", SMALL_SPACE)
    assert engine.evaluate(bad).stop_reason[0, 0] == StopReason.NAN
    # log(s2) is NaN once s2 has fallen below zero, which the 20th and last Learn brings about.
    later = parse_program(
        "def Setup():\n s2 = 19.5\n s3 = 1.0\ndef Predict():\n s4 = log(s2)\n v2 = bcast(s4)\n"
        "def Learn():\n s2 = s2 - s3",
        SMALL_SPACE,
    )
    outcome = engine.evaluate(later)
    assert outcome.stop[0, 0] == Stop.NONE
    assert_allclose(outcome.fitness[0, 0], 0.25)  # one label in four is the first class


@pytest.mark.parametrize("engine_name", FAST_ENGINES)
def test_a_stopped_run_leaves_its_memory_as_it_was(engine_name: str) -> None:
    generator = np.random.default_rng(1)
    x, y = generator.standard_normal((4, 40, 4)), generator.integers(4, size=(4, 40))
    tasks = make_tasks(x[:, :30], y[:, :30], x[:, 30:], y[:, 30:], Metric.MULTICLASS_ACCURACY)
    engine = ENGINES[engine_name](SMALL_SPACE, tasks, RunSettings(max_abs_error=0.9))
    program = parse_program(CLASSES, SMALL_SPACE)
    outcome, (_, whole) = engine.evaluate(program), engine.trace(program)
    steps = outcome.train_steps[0]
    assert ((outcome.stop[0] == Stop.TRAIN) & (steps < 29)).any()
    for task in np.flatnonzero(outcome.stop[0] == Stop.TRAIN):
        _, cut = engine.trace(program, examples=(int(steps[task]), 10))
        for actual, expected in zip(whole, cut, strict=True):
            assert_array_equal(actual[0, task], expected[0, task])


@pytest.mark.parametrize("engine_name", ENGINES)
def test_a_space_may_have_no_room_for_instructions(engine_name: str) -> None:
    space = make_space(**SIZES | {"setup": 0, "predict": 0, "learn": 0}, allowed=FEW_OPS)
    outcome = ENGINES[engine_name](space, TASKS).evaluate(empty_programs(2, space))
    expected = 1 - 2 / np.pi * np.arctan(np.sqrt((TASKS.valid_labels**2).mean(axis=1)))
    assert_allclose(outcome.fitness, np.stack([expected, expected]), rtol=1e-5)


def test_an_error_limit_beyond_float32_is_none() -> None:
    with warnings.catch_warnings(action="error"):
        assert RunSettings(max_abs_error=1e300).error_limit == np.inf
        assert RunSettings(max_abs_error=1e300, precision="float64").error_limit == 1e300


def test_wrong_sizes_are_refused_in_one_line() -> None:
    other = linear_tasks(tasks=1, features=8, train_examples=10, valid_examples=5, seed=0)
    for make_engine in ENGINES.values():
        with pytest.raises(ValueError, match="features"):
            make_engine(SPACE, other)


@pytest.mark.parametrize("metric", [Metric.RMS_ERROR, Metric.ACCURACY])
def test_the_fitness_of_a_loss_that_is_not_finite_is_zero(metric: Metric) -> None:
    fitness = fitness_of_loss(np.array([np.inf, np.nan, 0.0], np.float32), 10, metric)
    assert fitness.dtype == np.float32
    assert_array_equal(fitness, [0.0, 0.0, 1.0])


def test_fitness_is_never_negative() -> None:
    assert_array_equal(fitness_of_loss(np.array([6.0, 3.0]), 4, Metric.ACCURACY), [0.0, 0.25])


def test_an_op_in_the_wrong_function_is_refused_by_its_place_in_the_whole_batch() -> None:
    learn = FunctionSpace((ops.op_number("SCALAR_SUM"),), 5, 5, 5)
    space = dataclasses.replace(SMALL_SPACE, learn=learn)
    programs = empty_programs(200, space)
    programs.opcodes[150, 8] = ops.op_number("SCALAR_DIFF")
    programs.sizes[150, 2] = 2
    for make_engine in ENGINES.values():
        with pytest.raises(ValueError, match=r"program 150, slot 8: .* does not allow SCALAR_DIFF_OP there, in learn"):
            make_engine(space, TASKS, RunSettings(batch_size=64)).evaluate(programs)


def test_an_op_outside_the_space_is_refused() -> None:
    space = make_space(**SIZES, allowed=("SCALAR_SUM",))
    programs: Programs = parse_program("def Predict():\n s1 = s2 - s3", SPACE)
    for make_engine in ENGINES.values():
        with pytest.raises(ValueError, match="SCALAR_DIFF_OP"):
            make_engine(space, TASKS).evaluate(programs)
