"""What is recognised as a zero predictor predicts zero, in every engine; and most that do are recognised."""

from __future__ import annotations

import dataclasses
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from azero_jax.analysis.constant_predictors import NOT_CONSTANT, ZERO
from azero_jax.analysis.levels import (
    MOST,
    NO_BOUNDS,
    ONE_LEVEL,
    SAME,
    UNBOUNDED,
    ZERO_LEVEL,
    DataBounds,
    data_bounds,
    transfer_table,
)
from azero_jax.config.presets import PRESETS
from azero_jax.engines.settings import RunSettings
from azero_jax.engines.xla.engine import XlaEngine
from azero_jax.fitness.constant_fitness import ConstantFitness
from azero_jax.fitness.evaluator import Evaluator
from azero_jax.fitness.program_cache import ProgramCache
from azero_jax.fitness.settings import EvaluatorSettings
from azero_jax.language import ops
from azero_jax.language.compute import RandomWords
from azero_jax.language.program import Programs, concatenate
from azero_jax.language.roles import Metric
from azero_jax.language.space import MAX_FEATURES, SearchSpace, make_space
from azero_jax.language.text import parse_program
from azero_jax.mutate.policy import MutationPolicy
from azero_jax.tasks import Tasks, make_tasks
from tests.support.engines import ENGINES, FAST_ENGINES
from tests.support.mutants import mutate
from tests.support.spaces import DEMO, full_space, some_programs

TRAIN, VALID, FEATURES = 10, 6, 4
FULL = full_space(FEATURES, sizes=(3, 3, 5))
AFFINE = PRESETS["affine"].space.build(features=FEATURES)
WIDE = make_space(
    features=FEATURES,
    scalars=40,
    vectors=30,
    matrices=0,
    setup=5,
    predict=2,
    learn=5,
    allowed=tuple(ops.OPS[op].name for op in DEMO.ops),
)
SPACES: Final = {"full": FULL, "demo": DEMO, "affine": AFFINE, "wide": WIDE}
BOUNDS = DataBounds(features=4, label=4)  # up to 8


def random_tasks(metric: Metric = Metric.RMS_ERROR, scale: float = 1.0, label_scale: float = 1.0) -> Tasks:
    """Two tasks; a feature is zero now and then."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((2, TRAIN + VALID, FEATURES)) * (generator.random((2, TRAIN + VALID, FEATURES)) < 0.9)
    labels = (x[..., 0] > 0) if metric is Metric.ACCURACY else x.sum(axis=2)
    x, labels = x * scale, labels * label_scale
    return make_tasks(x[:, :TRAIN], labels[:, :TRAIN], x[:, TRAIN:], labels[:, TRAIN:], metric)


def is_zero(
    programs: Programs, space: SearchSpace, bounds: DataBounds = BOUNDS, metric: Metric = Metric.RMS_ERROR
) -> NDArray[np.bool_]:
    """`[N]`: whether each program is recognised."""
    cache = ProgramCache(0, space, metric, bounds=bounds)
    return cache.screen(programs, np.full(len(programs), np.nan)).constant_slots == ZERO


def zero_predictors(space: SearchSpace, tasks: Tasks, candidates: int = 6000) -> Programs:
    """Random programs and mutants of recognised ones, that are recognised."""
    programs = some_programs(space, candidates, seed=1)
    found = programs[is_zero(programs, space, data_bounds(tasks), tasks.metric)]
    children, _ = mutate(found, space, MutationPolicy(), np.random.default_rng(2))
    children = children[is_zero(children, space, data_bounds(tasks), tasks.metric)]
    return concatenate([found[:150], children[:150]])


def assert_they_predict_zero(engine, programs: Programs) -> None:
    """Every error is that of zero, and the fitness is that of the constant zero."""
    tasks, settings = engine.tasks, engine.settings
    outcome = engine.evaluate(programs, record=True)
    train, valid = (labels.T.astype(settings.precision) for labels in (tasks.train_labels, tasks.valid_labels))
    if tasks.metric is Metric.ACCURACY:
        train = train - 0.5  # the probability; the class is 0
    errors = np.abs(np.concatenate([train, valid]))
    assert_array_equal(outcome.errors, np.broadcast_to(errors, outcome.errors.shape))
    expected = ConstantFitness(tasks, settings.precision, settings.max_abs_error)(np.zeros(1))
    tolerance = 1e-6 if settings.precision == "float32" else 1e-12
    assert_allclose(outcome.fitness, np.broadcast_to(expected, outcome.fitness.shape), rtol=tolerance)


class TestWhatIsRecognisedPredictsZero:
    @pytest.mark.parametrize("engine", FAST_ENGINES)
    @pytest.mark.parametrize(
        ("metric", "epochs", "precision"), [(Metric.RMS_ERROR, 2, "float32"), (Metric.ACCURACY, 1, "float64")]
    )
    def test_of_the_whole_op_table(self, engine: str, metric: Metric, epochs: int, precision: str) -> None:
        tasks = random_tasks(metric)
        programs = zero_predictors(FULL, tasks)
        assert len(programs) > 200
        assert_they_predict_zero(
            ENGINES[engine](FULL, tasks, RunSettings(precision=precision, epochs=epochs, batch_size=512)), programs
        )

    @pytest.mark.parametrize("engine", FAST_ENGINES)
    @pytest.mark.parametrize("space", ["demo", "affine"])
    @pytest.mark.parametrize(("epochs", "precision"), [(2, "float32"), (1, "float64")])
    def test_of_the_presets(self, engine: str, space: str, epochs: int, precision: str) -> None:
        tasks = random_tasks()
        programs = zero_predictors(SPACES[space], tasks)
        assert len(programs) > 200
        assert_they_predict_zero(
            ENGINES[engine](SPACES[space], tasks, RunSettings(precision=precision, epochs=epochs, batch_size=512)),
            programs,
        )

    @pytest.mark.parametrize("engine", [name for name in ENGINES if name in ("xla", "warp_lanes")])
    @pytest.mark.parametrize("scale", [1e30, 1e13, 1e-13, 1e-30, 1e-40, 0.0])
    def test_whatever_the_size_of_the_features(self, engine: str, scale: float) -> None:
        tasks = random_tasks(scale=scale)
        programs = zero_predictors(FULL, tasks)
        assert len(programs) > 100
        assert_they_predict_zero(ENGINES[engine](FULL, tasks, RunSettings(epochs=2, batch_size=512)), programs)

    @pytest.mark.parametrize("engine", [name for name in ENGINES if name in ("xla", "warp_lanes")])
    @pytest.mark.parametrize("scale", [1e12, 1e-30, 0.0])
    def test_whatever_the_size_of_the_labels(self, engine: str, scale: float) -> None:
        tasks = random_tasks(label_scale=scale)
        settings = RunSettings(epochs=2, batch_size=512, max_abs_error=1e30)
        assert_they_predict_zero(ENGINES[engine](FULL, tasks, settings), zero_predictors(FULL, tasks))

    def test_with_more_registers_than_a_word_has_bits(self) -> None:
        tasks = random_tasks()
        programs = zero_predictors(WIDE, tasks)
        assert len(programs) > 200
        assert_they_predict_zero(XlaEngine(WIDE, tasks, RunSettings(batch_size=512)), programs)

    @pytest.mark.parametrize("metric", [Metric.RMS_ERROR, Metric.ACCURACY])
    @pytest.mark.parametrize("largest", [0.25, 0.75])  # in classification, of training and of validation
    @pytest.mark.parametrize("value", ["s2 * s3", "0.1"])
    def test_labels_beyond_the_largest_error_give_fitness_0_all_the_same(
        self, metric: Metric, largest: float, value: str
    ) -> None:
        tasks = random_tasks(metric)
        engine = XlaEngine(DEMO, tasks, RunSettings(max_abs_error=largest))
        program = parse_program(f"def Predict():\n s1 = {value}\n", DEMO)
        fitness = Evaluator(engine, EvaluatorSettings(fec_size=0, cache_size=0)).evaluate(program)
        assert fitness == engine.evaluate(program).fitness.max() == 0


def test_all_zero_predictors_of_a_search_are_one_program_to_its_cache() -> None:
    evaluator = Evaluator(
        XlaEngine(DEMO, random_tasks()), EvaluatorSettings(fec_train_examples=5, fec_valid_examples=5)
    )
    texts = ("s1 = s2 * s3", "s1 = s2 - s2", "s1 = dot(v0, v1)", "s2 = s2 * s2", "s1 = s0 - s3")
    programs = concatenate([parse_program(f"def Predict():\n {text}\n", DEMO) for text in texts])
    fitness = evaluator.evaluate(programs)
    assert len(set(fitness)) == 1
    assert (evaluator.counters.probed, evaluator.counters.constant_predictors) == (1, 4)


class TestNamedCases:
    def recognised(self, text: str, metric: Metric = Metric.RMS_ERROR, bounds: DataBounds = BOUNDS) -> bool:
        return bool(is_zero(parse_program(text, FULL), FULL, bounds, metric)[0])

    @pytest.mark.parametrize(
        "text",
        [
            "def Predict():\n s1 = dot(v0, v1)\n",  # a register that nothing writes
            "def Predict():\n s1 = s2 * s3\n",
            "def Setup():\n s2 = 0.5\ndef Predict():\n s1 = s0 * s2\n",  # the label is hidden in Predict
            "def Setup():\n v1 = v0 + v0\n s1 = norm(v1)\n",  # there are no features in Setup
            "def Setup():\n s2 = 0.0\ndef Predict():\n s1 = sin(s2)\n",
            "def Setup():\n s2 = -0.0\ndef Predict():\n s1 = abs(s2)\n",
            "def Setup():\n v1[2] = 0.0\n m0[1, 2] = 0.0\ndef Predict():\n v2 = dot(m0, v1)\n s1 = std(v2)\n",
            "def Predict():\n s2 = dot(v0, v0)\n s1 = s2 - s2\n",  # whatever it is, if it is a number
            "def Predict():\n v1 = v0 - v0\n s1 = mean(v1)\n",
            "def Predict():\n v1 = heaviside(v2, 1.0)\n s1 = dot(v0, v1)\n",
            "def Predict():\n s1 = s2 * s3\ndef Learn():\n v1 = v0 + v1\n s2 = dot(v1, v1)\n s2 = cos(s3)\n",
            "def Setup():\n s2 = 0.1\ndef Predict():\n s1 = dot(v0, v1)\ndef Learn():\n v2 = s1 * v0\n v1 = v1 + v2\n",
            "def Predict():\n s1 = s2 * s3\ndef Learn():\n s2 = abs(s0)\n",  # zero times a number
            "def Predict():\n s1 = s1 * s2\ndef Learn():\n s1 = s0 - s3\n",  # the label times zero, for ever
            "def Predict():\n s1 = s2 - s2\ndef Learn():\n s2 = minimum(s2, s0)\n",  # grows no further
            "def Setup():\n s2 = uniform(0.0, 0.0)\n s3 = gaussian(0.0, 0.0)\ndef Predict():\n s1 = s2 + s3\n",
            "def Setup():\n s2 = gaussian(1.0, 1.0)\n v1 = uniform(-1.0, 1.0)\ndef Predict():\n"
            " s1 = s2 * s3\n v2 = s1 * v1\n s1 = norm(v2)\n",
        ],
    )
    def test_a_zero_predictor_is_recognised(self, text: str) -> None:
        assert self.recognised(text)

    @pytest.mark.parametrize(
        "text",
        [
            "def Predict():\n s1 = dot(v0, v0)\n",
            "def Predict():\n s1 = dot(v0, v1)\ndef Learn():\n v1 = v0 + v1\n",  # only the first prediction is zero
            "def Learn():\n s1 = abs(s0)\n",  # only the first prediction is zero
            "def Predict():\n s1 = s2 / s3\n",  # 0 / 0
            "def Predict():\n s2 = 1 / s3\n s1 = s3 * s2\n",  # 0 times infinity
            "def Predict():\n s2 = log(s3)\n s1 = s2 - s2\n",  # infinity less infinity
            "def Predict():\n s1 = s2 * s3\ndef Learn():\n s2 = s0 + s2\n s2 = s2 * s2\n",  # overflows
            "def Predict():\n s1 = s2 - s2\ndef Learn():\n s2 = s2 + s0\n",  # who knows for how many examples
            "def Setup():\n v1[2] = 0.5\ndef Predict():\n s1 = dot(v0, v1)\n",
            "def Setup():\n v1[2] = 0.5\n v1[1] = 0.0\ndef Predict():\n s1 = dot(v0, v1)\n",  # it keeps the other
            "def Setup():\n m0[0, 1] = 5e-324\ndef Predict():\n s1 = norm(m0)\n",
            "def Setup():\n s2 = 1e39\ndef Predict():\n s1 = s2 * s3\n",  # infinite in float32
            "def Setup():\n s2 = inf\ndef Predict():\n s1 = s2 * s3\n",
            "def Setup():\n s2 = nan\ndef Predict():\n s1 = s2 * s3\n",
            "def Predict():\n s1 = cos(s2)\n",
            "def Predict():\n s1 = exp(s2)\n",
            "def Predict():\n s1 = arccos(s2)\n",
            "def Predict():\n s1 = heaviside(s2, 1.0)\n",  # of a scalar zero it is one
            "def Predict():\n s1 = uniform(0.0, 1.0)\n",
            "def Predict():\n s1 = gaussian(0.0, 1.0)\n",
            "def Predict():\n s1 = arcsin(s2)\ndef Learn():\n s2 = abs(s0)\n",
            "def Setup():\n s1 = 0.5\ndef Predict():\n s2 = s1 + s1\ndef Learn():\n s1 = s2 * s0\n",
        ],
    )
    def test_anything_else_is_not(self, text: str) -> None:
        assert not self.recognised(text)

    def test_a_chain_of_registers_is_followed_to_its_end(self) -> None:
        learn = "def Learn():\n s4 = sin(s3)\n s3 = sin(s2)\n s2 = sin(s0)\n"  # s4 is written for the third example
        assert not self.recognised(f"def Predict():\n s1 = abs(s4)\n{learn}")
        assert self.recognised(f"def Predict():\n s1 = s4 - s4\n{learn}")

    def test_a_prediction_that_predict_does_not_write_is_squashed_in_classification(self) -> None:
        assert self.recognised("def Setup():\n s1 = s2 * s3\n")
        assert not self.recognised("def Setup():\n s1 = s2 * s3\n", Metric.ACCURACY)
        assert not self.recognised("", Metric.ACCURACY)
        assert not self.recognised("def Predict():\n s1 = s1 * s2\ndef Learn():\n s2 = abs(s1)\n", Metric.ACCURACY)
        assert self.recognised("def Predict():\n s1 = s1 * s2\n", Metric.ACCURACY)

    def test_data_without_bounds_may_overflow(self) -> None:
        product = "def Predict():\n s1 = dot(v0, v1)\n"
        sums = "def Predict():\n v1 = v0 + v0\n v2 = v1 - v1\n s1 = norm(v2)\n"
        for text in (product, sums):
            assert self.recognised(text)
            assert not self.recognised(text, bounds=NO_BOUNDS)
            assert not self.recognised(text, bounds=DataBounds(UNBOUNDED, ZERO_LEVEL))
        assert self.recognised("def Predict():\n s1 = s2 * s3\n", bounds=NO_BOUNDS)

    def test_the_evaluator_scores_them_without_running_and_can_be_told_not_to(self) -> None:
        tasks = random_tasks()
        program = parse_program("def Predict():\n s1 = dot(v0, v1)\n", DEMO)
        settings = EvaluatorSettings(fec_size=0, cache_size=0)
        on, off = (
            Evaluator(XlaEngine(DEMO, tasks), dataclasses.replace(settings, constants=value)) for value in (True, False)
        )
        assert_allclose(on.evaluate(program), off.evaluate(program), rtol=1e-6)
        assert (on.counters.constant_predictors, on.counters.run_in_full) == (1, 0)
        assert (off.counters.constant_predictors, off.counters.run_in_full) == (0, 1)


class TestDataBounds:
    def test_they_are_of_the_largest_number_of_all_examples(self) -> None:
        tasks = random_tasks(scale=0.0, label_scale=0.0)
        assert data_bounds(tasks) == DataBounds(ZERO_LEVEL, ZERO_LEVEL)
        tasks.valid_features[1, 2, 3] = -100.0
        tasks.train_labels[0, 1] = 3.0
        assert data_bounds(tasks) == DataBounds(1 + 7, 1 + 2)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39, 1e300, 2.0 ** (MOST + 1)])
    def test_what_is_no_number_or_too_large_has_none(self, value: float) -> None:
        tasks = random_tasks()
        tasks.train_features[0, 0, 0] = tasks.valid_labels[0, 0] = value
        assert data_bounds(tasks) == NO_BOUNDS


class TestTransferTable:
    """What an op makes of numbers within bounds is within the bound that the table gives."""

    FEATURES = 5
    LANES = 64

    @pytest.mark.parametrize("op", [op for op in ops.OPS[1:] if op.inputs], ids=lambda op: op.name)
    def test_of_ops_with_inputs(self, op: ops.Op) -> None:
        generator = np.random.default_rng(op.number)
        table = transfer_table(self.FEATURES)[op.number]
        levels = (ZERO_LEVEL, ONE_LEVEL, ONE_LEVEL + 3, ONE_LEVEL + MOST // 2, ONE_LEVEL + MOST, UNBOUNDED)
        for first in levels:
            a = self.numbers(op.inputs[0], first, generator)
            if len(op.inputs) == 1:
                self.check(op.compute(a), table[first, ZERO_LEVEL])
                continue
            if op.inputs[0] == op.inputs[1]:
                self.check(op.compute(a, a), table[first, SAME])
            for second in levels:
                self.check(op.compute(a, self.numbers(op.inputs[1], second, generator)), table[first, second])

    @pytest.mark.parametrize("name", ["SCALAR_UNIFORM_SET_OP", "SCALAR_GAUSSIAN_SET_OP"])
    def test_of_random_ops(self, name: str) -> None:
        op = ops.OP_BY_NAME[name]
        generator = np.random.default_rng(op.number)
        words = generator.integers(0, 2**32, (3, self.LANES), dtype=np.uint32)  # own, radius, angle
        words[:, :4] = [[0, 0, 2**32 - 1, 2**32 - 1], [0, 0, 2**32 - 1, 2**32 - 1], [0, 2**31, 0, 2**31]]
        table = transfer_table(self.FEATURES)[op.number]
        for first in (ZERO_LEVEL, ONE_LEVEL, ONE_LEVEL + 30):
            for second in (ZERO_LEVEL, ONE_LEVEL, ONE_LEVEL + 30):
                x, y = (self.numbers(ops.SCALAR, level, generator) for level in (first, second))
                self.check(op.compute(RandomWords(*jnp.asarray(words)), x, y), table[first, second])

    @pytest.mark.parametrize("kind", ["VECTOR", "MATRIX"])
    @pytest.mark.parametrize("law", ["UNIFORM", "GAUSSIAN"])
    def test_of_random_ops_of_other_kinds(self, kind: str, law: str) -> None:
        table = transfer_table(self.FEATURES)
        one, scalar = (ops.op_number(f"{each}_{law}_SET") for each in (kind, "SCALAR"))
        assert_array_equal(table[one], table[scalar])

    @pytest.mark.parametrize("name", ["SCALAR_DIVISION", "VECTOR_RECIPROCAL", "SCALAR_LOG", "SCALAR_EXP"])
    def test_of_ops_that_may_give_anything(self, name: str) -> None:
        assert (transfer_table(self.FEATURES)[ops.op_number(name)] == UNBOUNDED).all()

    def test_a_sum_of_squares_of_the_largest_matrix_does_not_overflow(self) -> None:
        assert np.isfinite(np.float32(2.0**MOST) ** 2 * np.float32(MAX_FEATURES**2))

    def numbers(self, kind: str, level: int, generator: np.random.Generator) -> jax.Array:
        """Numbers that a level allows; in some lanes they are all as large as can be."""
        shape = {ops.SCALAR: (), ops.VECTOR: (self.FEATURES,), ops.MATRIX: (self.FEATURES, self.FEATURES)}[kind]
        signs = generator.choice([-1.0, 1.0], (*shape, self.LANES))
        if level == UNBOUNDED:
            return jnp.asarray(signs * generator.choice([np.inf, np.nan, 3e38, 1.0, 0.0], signs.shape), jnp.float32)
        size = generator.choice([1.0, 0.3, 1e-30, 0.0], signs.shape)
        size[..., :16] = 1.0
        signs[..., :8] = signs[..., :1]
        bound = 0.0 if level == ZERO_LEVEL else 2.0 ** (level - ONE_LEVEL)
        return jnp.asarray(signs * size * bound, jnp.float32)

    def check(self, result: jax.Array, level: int) -> None:
        if level < UNBOUNDED:
            assert np.abs(np.asarray(result)).max() <= (0.0 if level == ZERO_LEVEL else 2.0 ** (level - ONE_LEVEL))


@pytest.mark.parametrize(("space", "share"), [("demo", 0.92), ("affine", 0.86), ("full", 0.96)])
def test_most_zero_predictors_among_random_programs_are_recognised(space: str, share: float) -> None:
    tasks = random_tasks()
    programs = some_programs(SPACES[space], 4000, seed=3)
    engine = XlaEngine(SPACES[space], tasks, RunSettings(batch_size=4096))
    labels = np.abs(np.concatenate([tasks.train_labels, tasks.valid_labels], axis=1).T.astype(np.float32))
    predict_zero = (engine.evaluate(programs, record=True).errors == labels).all(axis=(1, 2))
    cache = ProgramCache(0, SPACES[space], tasks.metric, bounds=data_bounds(tasks))
    slots = cache.screen(programs, np.full(len(programs), np.nan)).constant_slots
    assert predict_zero.mean() > 0.1
    assert (slots[predict_zero] != NOT_CONSTANT).mean() > share
