"""The known programs: every file names its source, is read by the parser, fits its space, runs, and learns."""

import numpy as np
import pytest

from azero_jax.engines.settings import EngineConfig
from azero_jax.engines.xla.engine import XlaEngine
from azero_jax.judge.run_program import Judge
from azero_jax.judge.tune import scale_constants, tune_constants
from azero_jax.language.library import known_programs, load_program, parse_known, program_space
from azero_jax.language.roles import Metric
from azero_jax.language.text import format_program, parse_program
from azero_jax.tasks import make_tasks

FEATURES = 8


def linear_tasks(metric, seed=0):
    """Labels by a random direction: the number itself, or its sign as a class."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(2, 1100, FEATURES))
    y = np.einsum("tnf,tf->tn", x, generator.normal(size=(2, FEATURES)))
    y = y if metric is Metric.RMS_ERROR else (y > 0).astype(float)
    return make_tasks(x[:, :1000], y[:, :1000], x[:, 1000:], y[:, 1000:], metric)


def linear_judge(space):
    return Judge(space, linear_tasks(Metric.RMS_ERROR), EngineConfig(engine="xla"), batch_size=64)


@pytest.mark.parametrize("name", known_programs())
def test_every_program_says_where_it_is_from(name):
    program = load_program(name)
    assert "Source:" in program.source
    assert program.text.startswith("#")


@pytest.mark.parametrize("name", known_programs())
def test_every_program_survives_the_way_to_tensors_and_back(name):
    space, programs = parse_known(name, FEATURES)
    text = format_program(programs, 0, space)
    again = parse_program(text, space)
    np.testing.assert_array_equal(programs.addresses, again.addresses)
    np.testing.assert_array_equal(programs.constants, again.constants)


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("linear_regressor", (5, 3, 0, 1, 1, 4)),
        ("two_layer_net", (5, 9, 2, 3, 5, 11)),  # addresses of run_baseline.sh, sizes of generator.cc
        ("evolved_cifar10", (6, 6, 3, 1, 5, 10)),
    ],
)
def test_needs(name, needs):
    space = program_space(load_program(name).text, FEATURES)
    assert (space.scalars, space.vectors, space.matrices, *space.max_sizes) == needs


@pytest.mark.parametrize(
    ("name", "floor"),
    [
        ("linear_regressor", 0.4),
        ("logistic_regressor", 0.9),
        ("two_layer_net", 0.9),
        ("evolved_net", 0.85),
        ("evolved_cifar10", 0.8),
        ("evolved_cifar10_as_listed", 0.8),
        ("softmax_regressor", 0.9),
    ],
)
def test_every_program_learns(name, floor):
    space, programs = parse_known(name, FEATURES)
    metrics = {"linear_regressor": Metric.RMS_ERROR, "softmax_regressor": Metric.MULTICLASS_ACCURACY}
    metric = metrics.get(name, Metric.ACCURACY)
    fitness = np.asarray(XlaEngine(space, linear_tasks(metric)).evaluate(programs).fitness)
    assert fitness.min() > floor


def test_the_listed_evolved_program_has_a_dead_constant():
    """Why the library has a version that writes s4: no value of the listed constant changes anything."""
    for name, matters in (("evolved_cifar10_as_listed", False), ("evolved_cifar10", True)):
        space, programs = parse_known(name, FEATURES)
        engine = XlaEngine(space, linear_tasks(Metric.ACCURACY))
        scaled = scale_constants(programs, 10)
        uniform = programs.constants[0, :, 1] != 0  # the noise's bounds stay as they are
        scaled.constants[:, uniform] = programs.constants[:, uniform]
        fitness = np.asarray(engine.evaluate(scaled).fitness)
        assert (np.ptp(fitness, axis=0) > 0).any() == matters


def test_unknown_program():
    with pytest.raises(ValueError, match="linear_regressor"):
        load_program("nonsense")
    with pytest.raises(ValueError, match="linear_regressor"):
        load_program("../programs/linear_regressor")


class TestTuning:
    def test_factors_scale_constants_and_nothing_else(self):
        _, programs = parse_known("two_layer_net", FEATURES)
        scaled = scale_constants(programs, 500, seed=1)
        np.testing.assert_array_equal(scaled.opcodes, np.repeat(programs.opcodes, 500, axis=0))
        np.testing.assert_array_equal(scaled.addresses, np.repeat(programs.addresses, 500, axis=0))
        np.testing.assert_array_equal(scaled.constants[0], programs.constants[0])
        given = programs.constants[0] != 0
        assert (scaled.constants[:, ~given] == 0).all()
        factors = scaled.constants[1:, given] / programs.constants[0, given]
        assert factors.min() >= 1e-3
        assert factors.max() <= 1e3
        np.testing.assert_allclose(np.log(factors).mean(axis=0), 0, atol=1)  # log-uniform: its mean is 0, st.dev. 4

    def test_the_best_trial_wins_and_beats_a_bad_start(self):
        space, programs = parse_known("linear_regressor", FEATURES)
        programs.constants[0, 0, 0] = 1e-6
        tuned = tune_constants(linear_judge(space), programs, trials=64)
        assert tuned.trial_fitness.shape == (64,)
        assert tuned.fitness == tuned.trial_fitness.max() > tuned.trial_fitness[0] + 0.1
        assert tuned.program.constants[0, 0, 0] > 1e-6

    def test_successive_halving_ends_on_all_examples_and_lets_few_trials_get_there(self):
        space, programs = parse_known("linear_regressor", FEATURES)
        judge = linear_judge(space)
        plain = tune_constants(judge, programs, trials=16)
        halved = tune_constants(judge, programs, trials=16, rounds=2)
        same = np.flatnonzero((plain.trial_fitness == halved.trial_fitness) & (halved.trial_fitness > 0))
        assert len(same) == 4  # those of the last round; what diverges at once has 0 in both
        assert halved.fitness == plain.trial_fitness[same].max()

    def test_bad_numbers(self):
        _, programs = parse_known("linear_regressor", FEATURES)
        with pytest.raises(ValueError, match="trials"):
            scale_constants(programs, 0)
        with pytest.raises(ValueError, match="one program"):
            scale_constants(programs[[0, 0]], 5)
