import dataclasses
import gc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from azero_jax.analysis.constant_predictors import NOT_CONSTANT, ZERO
from azero_jax.analysis.cost import baseline_cost, training_cost
from azero_jax.engines.outcome import combine_tasks
from azero_jax.engines.settings import RunSettings
from azero_jax.engines.xla.engine import XlaEngine
from azero_jax.evolve.random_search import RandomSearch
from azero_jax.evolve.regularized import Evolution
from azero_jax.evolve.settings import EvolutionSettings
from azero_jax.fitness.constant_fitness import ConstantFitness
from azero_jax.fitness.equivalence import hash_errors
from azero_jax.fitness.evaluator import REFUSED, Evaluator
from azero_jax.fitness.hurdles import Hurdle, unique_percentile
from azero_jax.fitness.program_cache import ProgramCache
from azero_jax.fitness.settings import EvaluatorSettings
from azero_jax.language import ops
from azero_jax.language.program import Programs, concatenate
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace, make_space
from azero_jax.language.text import parse_program
from azero_jax.tasks import Tasks, linear_tasks, make_tasks
from tests.support.spaces import DEMO, some_programs

TASKS = linear_tasks(tasks=3, features=4, train_examples=20, valid_examples=15, seed=0)
ENGINE = XlaEngine(DEMO, TASKS, RunSettings(batch_size=256))
OFF = EvaluatorSettings(cache_size=0, fec_size=0, constants=False)
ON = EvaluatorSettings(fec_train_examples=10, fec_valid_examples=10)

LINEAR_REGRESSION = """
def Setup():
  s2 = 0.1
def Predict():
  s1 = dot(v0, v1)
def Learn():
  s3 = s0 - s1
  s3 = s3 * s2
  v2 = v0 * s3
  v1 = v1 + v2
"""


def evaluator(settings: EvaluatorSettings, tasks: Tasks = TASKS) -> Evaluator:
    engine = ENGINE if tasks is TASKS else XlaEngine(DEMO, tasks, RunSettings(batch_size=256))
    return Evaluator(engine, settings, lambda part: XlaEngine(DEMO, part, RunSettings(batch_size=256)))


def evolve(settings: EvaluatorSettings, steps: int = 20) -> tuple[Evolution, Evaluator]:
    fitness = evaluator(settings)
    search = EvolutionSettings(islands=2, population=50, batch=50, tournament=5)
    evolution = Evolution(DEMO, fitness, search, np.random.default_rng(0))
    for _ in range(steps):
        evolution.step()
    return evolution, fitness


def test_fitness_is_the_mean_over_tasks() -> None:
    programs = some_programs(DEMO, 50, seed=0)
    expected = np.asarray(ENGINE.evaluate(programs).fitness, np.float64).mean(axis=1)
    assert np.array_equal(evaluator(OFF).evaluate(programs), expected)


@pytest.mark.parametrize("tasks", [1, 2, 3, 7, 8, 16, 100])
def test_the_mean_is_numpy_s_to_the_last_bit(tasks: int) -> None:
    generator = np.random.default_rng(tasks)
    fitness = generator.random((500, tasks)) * 10.0 ** generator.integers(-16, 1, (500, tasks))
    for values in (fitness, fitness.astype(np.float32)):
        assert np.array_equal(combine_tasks(values, "mean"), values.astype(np.float64).mean(axis=1))


def test_the_median_is_the_upper_one() -> None:
    assert combine_tasks(np.array([[0.1, 0.4, 0.3, 0.2]]), "median").tolist() == [0.3]
    assert combine_tasks(np.array([[0.5, 0.1, 0.2]]), "median").tolist() == [0.2]


@pytest.mark.parametrize(
    "settings",
    [
        dataclasses.replace(OFF, cache_size=100_000),
        dataclasses.replace(OFF, cache_size=37),  # smaller than a batch: entries go while others come
        dataclasses.replace(OFF, cache_size=100_000, canonical=False),
        dataclasses.replace(OFF, fec_size=1000, fec_train_examples=20, fec_valid_examples=15),
        dataclasses.replace(OFF, cache_size=1000, fec_size=1000, fec_train_examples=20, fec_valid_examples=15),
    ],
    ids=["cache", "small cache", "cache of pruned programs", "fec", "both"],
)
def test_caches_change_no_population(settings: EvaluatorSettings) -> None:
    plain, _ = evolve(OFF)
    cached, fitness = evolve(settings)
    assert np.array_equal(plain.fitness, cached.fitness)
    assert np.array_equal(plain.programs.opcodes, cached.programs.opcodes)
    assert np.array_equal(plain.programs.constants, cached.programs.constants)
    assert fitness.counters.run_in_full < 0.8 * fitness.counters.candidates


@pytest.mark.parametrize("capacity", [37, 100_000])
def test_running_in_another_thread_changes_nothing(capacity: int) -> None:
    settings = dataclasses.replace(ON, cache_size=capacity, fec_size=capacity, hurdle_examples=(0.5,))
    searches = []
    for overlap in (False, True):
        fitness = Evaluator(ENGINE, settings, overlap=overlap)
        search = EvolutionSettings(islands=3, population=40, batch=20, tournament=5, restart_after=200)
        evolution = Evolution(DEMO, fitness, search, np.random.default_rng(0))
        for _ in range(30):
            evolution.step()
        searches.append(evolution.state() | fitness.state())
        fitness.close()
    for name, array in searches[0].items():
        assert np.array_equal(array, searches[1][name]), name


def test_batches_that_are_on_their_way_together_are_answered_as_one_after_the_other() -> None:
    first, second = some_programs(DEMO, 100, seed=0), some_programs(DEMO, 150, seed=0)  # the second repeats the first
    one_by_one, together = evaluator(ON), evaluator(ON)
    expected = [one_by_one.evaluate(programs) for programs in (first, second, first)]
    on_their_way = [together.submit(first), together.submit(second)]
    for programs in (first, second):  # they may be overwritten
        programs.opcodes[:] = 0
    actual = [on_their_way[0].take(), on_their_way[1].take(), together.evaluate(some_programs(DEMO, 100, seed=0))]
    for one, other in zip(expected, actual, strict=True):
        assert np.array_equal(one, other)
    assert together.counters == one_by_one.counters
    for name, array in one_by_one.state().items():
        assert np.array_equal(array, together.state()[name])


def test_a_batch_counts_when_its_fitness_is_taken() -> None:
    fitness = evaluator(ON)
    evaluation = fitness.submit(some_programs(DEMO, 50, seed=0))
    state = evaluation.state()
    assert fitness.counters.candidates == 0
    assert np.array_equal(fitness.resume(state).take(), evaluation.take())
    assert fitness.counters.candidates == 100


def test_what_fails_while_running_is_told_where_the_fitness_is_taken() -> None:
    fitness = Evaluator(ENGINE, ON, overlap=True)
    fitness.runs.run = lambda programs, parts: 1 / 0  # type: ignore[assignment,return-value]
    evaluation = fitness.submit(some_programs(DEMO, 50, seed=0))
    with pytest.raises(ZeroDivisionError):
        evaluation.take()
    for again in (evaluation.take, lambda: fitness.submit(some_programs(DEMO, 50, seed=1))):
        with pytest.raises(RuntimeError, match="has ended with an error: ZeroDivisionError"):
            again()


@pytest.mark.parametrize("overlap", [False, True])
def test_a_closed_evaluator_is_gone_with_what_was_on_its_way(overlap: bool) -> None:
    fitness = Evaluator(ENGINE, ON, overlap=overlap)
    evaluation = fitness.submit(some_programs(DEMO, 50, seed=0))
    fitness.close()
    with pytest.raises(RuntimeError, match="this evaluator is closed"):
        evaluation.take()
    gc.disable()
    try:
        there = weakref.ref(fitness)
        del evaluation, fitness
        assert there() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("cache_size", [0, 1000])
def test_random_search_in_another_thread_finds_the_same(cache_size: int) -> None:
    states = []
    for overlap in (False, True):
        fitness = Evaluator(ENGINE, dataclasses.replace(ON, cache_size=cache_size), overlap=overlap)
        settings = EvolutionSettings(algorithm="random", islands=2, batch=50, population=50)
        search = RandomSearch(DEMO, fitness, settings, np.random.default_rng(0))
        for step in range(8):
            search.step()
            if step == 3 + overlap:  # a checkpoint, here earlier than there
                search.state()
        states.append(search.state() | fitness.state())
        fitness.close()
    for name, array in states[0].items():
        assert np.array_equal(array, states[1][name]), name


@pytest.mark.parametrize("hurdles", [(), (0.5,), (0.25, 0.5)])
@pytest.mark.parametrize("train_budget", [0.0, 0.5])
def test_every_candidate_is_counted_once(hurdles: tuple[float, ...], train_budget: float) -> None:
    _, fitness = evolve(dataclasses.replace(ON, hurdle_examples=hurdles, train_budget=train_budget))
    counters = fitness.counters
    assert counters.candidates == 2 * 50 + 20 * 100
    assert counters.candidates == (
        counters.over_budget
        + counters.constant_predictors
        + counters.known_canonical
        + counters.known_fec
        + sum(counters.stopped_at_hurdle)
        + counters.run_in_full
    )
    assert 0 < counters.pruned_instructions < counters.instructions <= 20 * counters.candidates
    assert counters.train_steps > 0
    assert len(counters.stopped_at_hurdle) == len(hurdles)


def test_a_known_algorithm_in_other_words_is_not_run_again() -> None:
    fitness = evaluator(dataclasses.replace(OFF, cache_size=100))
    first = parse_program(LINEAR_REGRESSION, DEMO)
    renamed = parse_program(LINEAR_REGRESSION.replace("s2", "s9").replace("s3", "s2").replace("s9", "s3"), DEMO)
    both = fitness.evaluate(concatenate([first, renamed]))
    assert both[0] == both[1]
    assert fitness.counters.run_in_full == 1
    assert fitness.evaluate(renamed)[0] == both[0]
    assert fitness.counters.run_in_full == 1
    assert fitness.counters.known_canonical == 2


def test_without_the_canonical_form_only_dead_code_is_seen_through() -> None:
    fitness = evaluator(dataclasses.replace(OFF, cache_size=100, canonical=False))
    first = parse_program(LINEAR_REGRESSION, DEMO)
    renamed = parse_program(LINEAR_REGRESSION.replace("s2", "s9").replace("s3", "s2").replace("s9", "s3"), DEMO)
    longer = parse_program(LINEAR_REGRESSION.replace("def Predict():", "  v2 = v0 + v0\ndef Predict():"), DEMO)
    values = fitness.evaluate(concatenate([first, renamed, longer]))
    assert values[0] == values[1] == values[2]
    assert fitness.counters.run_in_full == 2


def test_copies_of_evaluated_programs_keep_their_fitness() -> None:
    fitness = evaluator(dataclasses.replace(OFF, cache_size=100))
    programs = some_programs(DEMO, 4, seed=3)
    known = np.array([np.nan, 0.123, np.nan, np.nan])
    values = fitness.evaluate(programs, known)
    assert values[1] == 0.123
    assert np.array_equal(np.delete(values, 1), np.delete(evaluator(OFF).evaluate(programs), 1))
    assert evaluator(OFF).evaluate(programs, known)[1] != 0.123  # without the cache everything is evaluated


def test_a_median_of_tasks_is_used_when_asked_for() -> None:
    programs = some_programs(DEMO, 30, seed=1)
    expected = combine_tasks(np.asarray(ENGINE.evaluate(programs).fitness), "median")
    assert np.array_equal(evaluator(dataclasses.replace(OFF, combine="median")).evaluate(programs), expected)


def test_hurdles_may_use_fewer_tasks() -> None:
    settings = dataclasses.replace(OFF, hurdle_examples=(0.5,), hurdle_tasks=(0.4,), hurdle_percentile=100.0)
    fitness = evaluator(settings)
    programs = some_programs(DEMO, 100, seed=2)
    fitness.evaluate(programs[:50])
    part = XlaEngine(DEMO, TASKS.first(1), RunSettings(batch_size=256))
    expected = np.asarray(part.evaluate(programs[50:], examples=(10, 8)).fitness, np.float64)[:, 0]
    stopped = fitness.counters.stopped_at_hurdle[0]
    second = fitness.evaluate(programs[50:])
    assert fitness.counters.stopped_at_hurdle[0] > stopped
    assert np.isin(second, expected).mean() > 0.5  # who is stopped keeps the fitness of the hurdle


def test_a_hurdle_takes_the_probe_s_fitness_where_it_wants_the_same_examples() -> None:
    programs = some_programs(DEMO, 200, seed=4)
    settings = dataclasses.replace(OFF, hurdle_examples=(0.5,), fec_valid_examples=8)
    alone, shared = evaluator(settings), evaluator(dataclasses.replace(settings, fec_size=1000))
    for _ in range(2):
        alone.evaluate(programs)
        shared.evaluate(programs)
    assert shared.runs.state()["hurdle0.threshold"] > 0
    assert shared.counters.probed == 400
    assert shared.counters.train_steps < alone.counters.train_steps


def test_a_hurdle_of_all_examples_is_not_run_twice() -> None:
    programs = some_programs(DEMO, 50, seed=5)
    twice, once = evaluator(dataclasses.replace(OFF, hurdle_examples=(1.0,), hurdle_percentile=0.0)), evaluator(OFF)
    assert np.array_equal(twice.evaluate(programs), once.evaluate(programs))
    assert twice.counters.train_steps == once.counters.train_steps
    assert twice.counters.run_in_full == 50


def test_engines_of_hurdles_are_given_back() -> None:
    closed: list[int] = []

    class Closing(XlaEngine):
        def close(self) -> None:
            closed.append(len(self.tasks))
            super().close()

    settings = dataclasses.replace(OFF, hurdle_examples=(0.5,), hurdle_tasks=(0.4,))
    engine = Closing(DEMO, TASKS, RunSettings(batch_size=256))
    Evaluator(engine, settings, lambda part: Closing(DEMO, part, RunSettings(batch_size=256))).close()
    assert closed == [1]


class TestHurdle:
    def test_everything_passes_before_anything_is_seen(self) -> None:
        assert Hurdle(75, 10).passes(np.zeros(5)).all()

    def test_the_threshold_is_a_percentile_of_the_unique_fitnesses(self) -> None:
        hurdle = Hurdle(75, 1000)
        hurdle.passes(np.array([0.0] * 100 + [0.25, 0.5, 0.75, 1.0]))
        assert hurdle.threshold == 0.75
        assert hurdle.passes(np.array([0.74, 0.75, 0.76])).tolist() == [False, True, True]

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 100))
    def test_the_percentile_is_numpy_s_to_the_last_bit(self, fitness: list[float], percent: float) -> None:
        assert unique_percentile(np.sort(fitness), percent) == np.percentile(np.unique(fitness), percent)

    @given(st.lists(st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0]), max_size=12)), st.floats(0, 100))
    def test_the_window_slides_over_what_was_seen(self, batches: list[list[float]], percent: float) -> None:
        hurdle, seen = Hurdle(percent, 10), np.empty(0)
        for batch in batches:
            hurdle.passes(np.array(batch))
            seen = np.append(seen, batch)[-10:]
            if len(seen):
                assert hurdle.threshold == np.percentile(np.unique(seen), percent)

    def test_old_fitnesses_are_forgotten(self) -> None:
        hurdle = Hurdle(50, 4)
        hurdle.passes(np.array([0.9, 0.8, 0.7, 0.6]))
        hurdle.passes(np.array([0.1, 0.2, 0.3, 0.4]))
        assert hurdle.threshold == 0.25

    def test_a_batch_longer_than_the_window_leaves_its_end(self) -> None:
        hurdle = Hurdle(0, 3)
        hurdle.passes(np.linspace(0, 1, 11))
        assert hurdle.threshold == 0.8


class TestTrainBudget:
    SPACE = make_space(features=4, scalars=5, vectors=9, matrices=2, setup=3, predict=5, learn=11)

    def test_a_program_costs_its_ops(self) -> None:
        program = parse_program("def Setup():\n s1 = s2 + s3\ndef Learn():\n s1 = sin(s2)\n pass\n", self.SPACE)
        cost = {name: ops.OPS[ops.op_number(name)].cost for name in ("SCALAR_SUM", "SCALAR_SIN", "NO_OP")}
        expected = cost["SCALAR_SUM"] + 100 * (cost["SCALAR_SIN"] + cost["NO_OP"])
        assert training_cost(program, self.SPACE, 100) == [expected]

    def test_the_reference_is_the_neural_net(self) -> None:
        # SEMANTICS of the release: 8.19e7 an example.
        per_example = (baseline_cost(self.SPACE, 1001) - baseline_cost(self.SPACE, 1)) / 1000
        assert np.isclose(per_example, 8.19e7, rtol=1e-3)

    def test_the_reference_is_padded_with_no_ops_to_the_initial_sizes(self) -> None:
        longer = make_space(features=4, scalars=5, vectors=9, matrices=2, setup=5, predict=5, learn=11)
        assert baseline_cost(longer, 10) - baseline_cost(self.SPACE, 10) == 2 * ops.NO_OP.cost

    def test_who_costs_more_gets_fitness_0_unrun(self) -> None:
        space = make_space(features=4, scalars=4, vectors=3, matrices=1, setup=10, predict=2, learn=8)
        engine = XlaEngine(space, TASKS, RunSettings(batch_size=4))
        program = parse_program("def Predict():\n m0 = gaussian(0, 1)\ndef Learn():\n pass\n", space)
        fitness = Evaluator(engine, dataclasses.replace(OFF, train_budget=0.5))
        assert fitness.evaluate(program).tolist() == [0.0]
        assert fitness.counters.over_budget == 1
        assert fitness.counters.run_in_full == 0


class TestLearnableOnly:
    PROGRAMS = concatenate([parse_program(LINEAR_REGRESSION, DEMO), some_programs(DEMO, 50, seed=3)])

    def test_what_cannot_learn_is_refused_unrun(self) -> None:
        fitness = Evaluator(ENGINE, OFF, learnable_only=True)
        found = fitness.evaluate(self.PROGRAMS)
        assert found[0] > 0.5
        assert (found[1:] == REFUSED).all()
        assert fitness.counters.not_learnable == 50
        assert fitness.counters.run_in_full == 1

    def test_what_can_learn_has_the_fitness_that_it_has_among_all(self) -> None:
        among_all = evaluator(OFF).evaluate(self.PROGRAMS)
        assert Evaluator(ENGINE, OFF, learnable_only=True).evaluate(self.PROGRAMS)[0] == among_all[0]

    def test_copies_of_refused_programs_are_known(self) -> None:
        fitness = Evaluator(ENGINE, ON, learnable_only=True)
        refused = self.PROGRAMS[1:2]
        assert fitness.evaluate(refused, np.array([REFUSED])).tolist() == [REFUSED]
        assert fitness.counters.not_learnable == 0
        assert fitness.counters.known_canonical == 1


class TestConstantPredictors:
    def constant(self, text: str, metric: Metric = Metric.RMS_ERROR, space: SearchSpace = DEMO) -> float:
        program = parse_program(text, space)
        slot = ProgramCache(0, space, metric).screen(program, np.full(1, np.nan)).constant_slots[0]
        return {NOT_CONSTANT: np.nan, ZERO: 0.0}.get(slot, program.constants[0, slot, 0])

    def test_no_instruction_predicts_zero(self) -> None:
        assert self.constant("") == 0.0

    @pytest.mark.parametrize("function", ["Setup", "Predict"])
    def test_a_constant_prediction_is_recognised(self, function: str) -> None:
        assert self.constant(f"def {function}():\n s1 = 0.25\n") == 0.25

    def test_dead_code_beside_it_does_not_hide_it(self) -> None:
        assert self.constant("def Predict():\n s2 = 0.25\n s1 = 0.5\n") == 0.5
        assert self.constant("def Predict():\n s2 = 0.25\n") == 0.0

    @pytest.mark.parametrize("text", ["def Learn():\n s1 = 0.25\n", LINEAR_REGRESSION])
    def test_anything_else_is_not(self, text: str) -> None:
        assert np.isnan(self.constant(text))

    def test_in_classification_only_predict_keeps_it_constant(self) -> None:
        assert np.isnan(self.constant("def Setup():\n s1 = 0.25\n", Metric.ACCURACY))
        assert self.constant("def Predict():\n s1 = 0.25\n", Metric.ACCURACY) == 0.25

    @pytest.mark.parametrize("value", [0.0, -0.7, 3.0, 99.0, 1e30])
    @pytest.mark.parametrize("metric", [Metric.RMS_ERROR, Metric.ACCURACY])
    def test_their_fitness_is_the_engine_s(self, value: float, metric: Metric) -> None:
        tasks = TASKS
        if metric is Metric.ACCURACY:
            positive = (TASKS.train_labels > 0, TASKS.valid_labels > 0)
            tasks = make_tasks(TASKS.train_features, positive[0], TASKS.valid_features, positive[1], metric)
        program = parse_program(f"def Predict():\n s1 = {value}\n", DEMO)
        engine = XlaEngine(DEMO, tasks, RunSettings(batch_size=4))
        expected = np.asarray(engine.evaluate(program).fitness)
        assert np.allclose(ConstantFitness(tasks, "float32", 100.0)(np.array([value])), expected, rtol=1e-6)

    def test_one_batch_may_hold_zeros_and_numbers(self) -> None:
        texts = ["", "def Predict():\n s1 = 0.25\n", LINEAR_REGRESSION, "def Setup():\n s1 = -0.5\n", ""]
        programs = concatenate([parse_program(text, DEMO) for text in texts])
        with_constants, without = evaluator(dataclasses.replace(OFF, constants=True)), evaluator(OFF)
        assert np.allclose(with_constants.evaluate(programs), without.evaluate(programs), rtol=1e-6)
        assert with_constants.counters.constant_predictors == 4
        assert with_constants.counters.run_in_full == 1

    @pytest.mark.parametrize("precision", ["float32", "float64"])
    @pytest.mark.parametrize("valid", [7, 15, 20])
    def test_an_accuracy_is_the_engine_s_to_the_last_bit(self, precision: str, valid: int) -> None:
        x, y = np.ones((2, 40, 4)), np.random.default_rng(0).integers(2, size=(2, 40))
        tasks = make_tasks(x[:, :20], y[:, :20], x[:, 20 : 20 + valid], y[:, 20 : 20 + valid], "accuracy")
        engine = XlaEngine(DEMO, tasks, RunSettings(precision=precision))
        expected = engine.evaluate(parse_program("def Predict():\n s1 = -0.5\n", DEMO)).fitness
        assert np.array_equal(ConstantFitness(tasks, precision, 100.0)(np.array([-0.5])), expected)

    def test_a_number_beyond_the_precision_fails(self) -> None:
        assert (ConstantFitness(TASKS, "float32", 100.0)(np.array([1e300])) == 0).all()

    def test_a_nan_fails(self) -> None:
        assert (ConstantFitness(TASKS, "float32", 100.0)(np.array([np.nan])) == 0).all()


class TestFunctionalEquivalence:
    def errors(self) -> np.ndarray:
        return np.random.default_rng(0).random((4, 3, 20)).astype(np.float32)

    def test_equal_errors_have_equal_hashes_and_others_not(self) -> None:
        errors = self.errors()
        errors[2] = errors[0]
        hashes = hash_errors(errors)
        assert hashes[0] == hashes[2]
        assert len({*hashes.tolist()}) == 3

    @pytest.mark.parametrize("place", [(0, 0), (1, 7), (2, 19)])
    def test_one_bit_of_any_error_matters(self, place: tuple[int, int]) -> None:
        errors = self.errors()
        before = hash_errors(errors)
        errors[(1, *place)] = np.nextafter(errors[(1, *place)], np.float32(2))
        after = hash_errors(errors)
        assert (before == after).tolist() == [True, False, True, True]

    def test_order_matters(self) -> None:
        errors = self.errors()
        assert hash_errors(errors)[0] != hash_errors(errors[:, ::-1])[0]
        assert hash_errors(errors)[0] != hash_errors(errors[:, :, ::-1])[0]

    def test_zeros_and_nans_are_alike(self) -> None:
        errors = np.zeros((2, 1, 5))
        errors[1] = -0.0
        assert len(set(hash_errors(errors).tolist())) == 1
        errors[0, 0, 3], errors[1, 0, 3] = np.nan, -np.nan
        assert len(set(hash_errors(errors).tolist())) == 1

    def test_rounding_is_an_option(self) -> None:
        errors = np.array([[[0.12345678]], [[0.12345679]]])
        assert len(set(hash_errors(errors).tolist())) == 2
        assert len(set(hash_errors(errors, decimals=6).tolist())) == 1

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("scale", [1e-3, 1.0, 1e30])
    @pytest.mark.parametrize("decimals", [9, 38, 39, 100])
    def test_errors_too_large_to_be_rounded_stay_as_they_are(self, dtype: str, scale: float, decimals: int) -> None:
        errors = (self.errors() * scale).astype(dtype)
        assert len(set(hash_errors(errors, decimals=decimals).tolist())) == 4

    def test_programs_that_behave_alike_are_run_once(self) -> None:
        fitness = evaluator(dataclasses.replace(OFF, fec_size=100))
        programs: Programs = concatenate(
            [
                parse_program("def Predict():\n s1 = s2 * s3\n", DEMO),
                parse_program("def Predict():\n s1 = s2 - s2\n", DEMO),
            ]
        )
        values = fitness.evaluate(programs)
        assert values[0] == values[1]
        assert fitness.counters.known_fec == 1
        assert fitness.counters.run_in_full == 1


def test_a_probe_needs_its_examples() -> None:
    with pytest.raises(ValueError, match="fec_valid_examples is 16; a task has only 15"):
        evaluator(dataclasses.replace(ON, fec_valid_examples=16))
