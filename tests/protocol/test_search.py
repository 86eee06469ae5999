"""The search protocol: when it ends, what it returns, and what it tells on the way."""

from __future__ import annotations

import math
import os
import re
import signal
import threading

import numpy as np
import pytest

import azero_jax as az
from azero_jax.config.tree import derive_seed
from azero_jax.judge.run_program import select_judge
from azero_jax.language.text import parse_program, read_text
from azero_jax.protocol.experiment import Arena
from azero_jax.protocol.finalist import Finalist
from azero_jax.protocol.hall_of_fame import HallOfFame
from azero_jax.protocol.signals import StoppedAtOnceError, StopSignals
from azero_jax.tasks.sets import GeneratedTasks
from tests.support.tiny import tiny


def finalist(name: str, select_fitness: float, cost: float = 1.0) -> Finalist:
    return Finalist(name, name, 0.0, select_fitness, None, 0, 1, cost)


@pytest.fixture(scope="module")
def reports() -> list[az.Progress]:
    """All that a search reported."""
    reports: list[az.Progress] = []
    az.search(tiny(), report=reports.append, report_seconds=0)
    return reports


def test_the_search_ends_at_the_first_step_that_spends_its_candidates() -> None:
    result = az.search(tiny(budget__max_candidates=130))
    assert (result.stopped_by, result.candidates) == ("max_candidates", 160)


def test_the_search_ends_when_its_training_steps_are_spent() -> None:
    result = az.search(tiny(budget__max_candidates=None, budget__max_train_steps=5000))
    assert result.stopped_by == "max_train_steps"
    assert result.counters.train_steps >= 5000


def test_the_search_ends_when_its_time_is_spent() -> None:
    result = az.search(tiny(budget__max_candidates=None, budget__max_seconds=0.2))
    assert result.stopped_by == "max_seconds"


def test_the_search_ends_when_nothing_improves() -> None:
    config = tiny(budget__max_candidates=None, budget__no_improvement_candidates=1000, budget__experiment_candidates=0)
    result = az.search(config)
    assert result.stopped_by == "no_improvement"
    best = result.hall_of_fame[0].select_fitness
    first = min(finalist.candidates for finalist in result.hall_of_fame if finalist.select_fitness == best)
    assert result.candidates == first + 1000


def test_the_search_ends_with_the_sufficient_fitness() -> None:
    result = az.search(tiny(budget__sufficient_fitness=0.3))
    assert (result.solved, result.stopped_by) == (True, "sufficient_fitness")
    assert result.select_fitness > 0.3


def test_experiments_follow_one_another_with_new_tasks() -> None:
    lines: list[str] = []
    result = az.search(tiny(), say=lines.append)
    assert result.experiments == 3
    assert [line for line in lines if line.startswith("experiment ")] == [
        "experiment 2 begins, with new tasks",
        "experiment 3 begins, with new tasks",
    ]


def test_reports_tell_how_far_the_search_has_come(reports: list[az.Progress]) -> None:
    counts = [progress.candidates for progress in reports]
    assert counts == sorted(counts)
    assert counts[0] == 80  # the initial populations
    assert math.isnan(reports[0].select_fitness)
    assert not math.isnan(reports[-1].select_fitness)
    for progress in reports:
        assert progress.counters.candidates == progress.candidates
        assert progress.best_fitness >= max(progress.mean_fitness, progress.median_fitness)
        assert progress.program.startswith("def Setup():")


def test_counters_account_for_every_candidate(reports: list[az.Progress]) -> None:
    counters = reports[-1].counters
    scored = counters.known_canonical + counters.constant_predictors + counters.known_fec + counters.run_in_full
    assert scored + sum(counters.stopped_at_hurdle) == counters.candidates


def test_a_keyboard_interrupt_in_a_callback_ends_the_search_with_a_result() -> None:
    def report(progress: az.Progress) -> None:
        if progress.candidates >= 200:
            raise KeyboardInterrupt

    result = az.search(tiny(), report=report, report_seconds=0)
    assert result.stopped_by == "interrupt"
    assert 200 <= result.candidates < 400
    assert result.program == result.hall_of_fame[0].program


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGINT, "interrupt"), (signal.SIGTERM, "terminate")])
def test_a_signal_ends_the_search_with_a_result(number: signal.Signals, reason: str) -> None:
    def report(progress: az.Progress) -> None:
        if progress.candidates == 200:
            os.kill(os.getpid(), number)

    result = az.search(tiny(), report=report, report_seconds=0)
    assert result.stopped_by == reason
    assert 200 <= result.candidates < 400


def test_a_second_signal_stops_at_once_and_the_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.reason == "interrupt"
        with pytest.raises(StoppedAtOnceError) as caught:
            os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_search_runs_in_any_thread() -> None:
    results: list[az.SearchResult] = []
    thread = threading.Thread(target=lambda: results.append(az.search(tiny(budget__max_candidates=200))))
    thread.start()
    thread.join()
    assert results[0].candidates >= 200


def test_own_tasks_are_searched() -> None:
    tasks = az.affine_tasks(tasks=3, features=5, train_examples=20, valid_examples=10, seed=0)
    result = az.search(tiny(budget__max_candidates=200), tasks=az.FixedTasks(tasks, tasks, tasks))
    assert result.select_fitness == pytest.approx(result.final_fitness)
    fitness = az.evaluate_program(result.program, tasks, tiny())
    assert fitness.mean() == pytest.approx(result.final_fitness, rel=1e-6)


def test_the_hall_of_fame_keeps_the_best_of_each_algorithm() -> None:
    hall = HallOfFame(2)
    for name, fitness in (("a", 0.1), ("b", 0.3), ("a", 0.2), ("b", 0.2), ("c", 0.1)):
        hall.add(name, finalist(name, fitness))
    assert [(entry.program, entry.select_fitness) for entry in hall] == [("b", 0.3), ("a", 0.2)]
    assert hall.admits(0.2, cost=1.0)
    assert not hall.admits(0.1, cost=1.0)
    assert hall.admits(0.1, cost=0.9)


def test_the_hall_of_fame_keeps_the_front_of_fitness_against_cost() -> None:
    hall = HallOfFame(1)
    for name, fitness, cost in (("a", 0.5, 5.0), ("b", 0.3, 2.0), ("c", 0.3, 3.0), ("d", 0.2, 2.0), ("e", 0.9, 9.0)):
        hall.add(name, finalist(name, fitness, cost))
    assert [entry.program for entry in hall] == ["e"]
    assert [entry.program for entry in hall.front] == ["e", "a", "b"]
    hall.add("f", finalist("f", 0.6, 2.0))
    assert [entry.program for entry in hall.front] == ["e", "f"]
    assert hall.front.pick().program == "e"
    assert hall.front.pick(tolerance=0.35).program == "f"
    with pytest.raises(ValueError, match="the tolerance is -1"):
        hall.front.pick(-1)


def test_a_search_ends_with_a_front_of_measured_programs() -> None:
    result = az.search(tiny(output__hall_of_fame=1))
    assert result.front[0].select_fitness == result.select_fitness
    assert len(result.front) > 1
    fitness, costs = ([getattr(one, name) for one in result.front] for name in ("select_fitness", "cost"))
    assert fitness == sorted(fitness, reverse=True)
    assert costs == sorted(costs, reverse=True)
    assert all(one.final_fitness is not None for one in result.front)
    assert len(str(result.front).splitlines()) == 1 + len(result.front)
    # The op table's costs of what is left of the program, in millions.
    texts = [one.program for one in result.front]
    expected = [sum(line.op.cost for line in read_text(text).lines()) / 1e6 for text in texts]
    assert costs == pytest.approx(expected)


def test_of_two_that_are_equally_fit_the_later_one_leads() -> None:
    hall = HallOfFame(2)
    for name in ("a", "b"):
        hall.add(name, finalist(name, 0.5))
    assert hall.best == finalist("b", 0.5)


def test_the_hall_of_fame_is_restored() -> None:
    hall, other = HallOfFame(3), HallOfFame(3)
    for name, fitness in (("a", 0.1), ("b", 0.3)):
        hall.add(name, finalist(name, fitness))
    other.restore(hall.state())  # type: ignore[arg-type]
    assert list(other) == list(hall)
    assert other.state() == hall.state()


def test_constants_of_the_best_program_are_tuned_when_the_search_has_ended() -> None:
    said: list[str] = []
    plain = az.search(tiny(budget__max_candidates=1000))
    tuned = az.search(tiny(budget__max_candidates=1000, budget__tune_trials=200), say=said.append)
    assert "trying 200 other constants for the best program" in said
    assert tuned.candidates == plain.candidates
    assert (tuned.raw_program, tuned.search_fitness) == (plain.raw_program, plain.search_fitness)
    assert tuned.select_fitness > plain.select_fitness
    assert without_numbers(tuned.program) == without_numbers(plain.program)
    assert tuned.program != plain.program
    assert tuned.hall_of_fame[1:] == plain.hall_of_fame[1:]
    config = tiny()
    tasks = GeneratedTasks(config.tasks).select(derive_seed(config, tuned.hall_of_fame[0].experiment - 1, "select"))
    assert az.evaluate_program(tuned.program, tasks, config).mean() == pytest.approx(tuned.select_fitness)


def test_constants_that_do_no_better_are_not_taken() -> None:
    plain = az.search(tiny(budget__max_candidates=1000))
    assert az.search(tiny(budget__max_candidates=1000, budget__tune_trials=1)).program == plain.program


def test_a_search_that_was_stopped_does_not_tune() -> None:
    said: list[str] = []

    def stop(progress: az.Progress) -> None:
        raise KeyboardInterrupt

    az.search(tiny(budget__tune_trials=100_000), report=stop, report_seconds=0, say=said.append)
    assert not any("other constants" in line for line in said)


def test_a_search_among_learnable_programs_starts_from_one_at_least() -> None:
    config = tiny(search__candidates="learnable", budget__max_candidates=200)
    text = "def Predict():\n  s1 = dot(v0, v1)\n"
    with pytest.raises(ValueError, match="of the programs to start from none can learn"):
        az.search(config, start_from=(text,))
    learns = "def Learn():\n  s3 = s0 - s1\n  v1 = s3 * v0\n  v1 = v1 + v1\n"
    with pytest.raises(ValueError, match="none can learn"):  # v1 has no past
        az.search(config, start_from=(text + learns,))


def without_numbers(text: str) -> str:
    return re.sub(r"-?\d+\.\d+(e-?\d+)?", "number", text)


def test_what_was_lucky_on_the_search_tasks_is_not_so_on_the_same_tasks_when_selecting() -> None:
    config = tiny(space__ops=("SCALAR_GAUSSIAN_SET_OP",))
    tasks = GeneratedTasks(config.tasks).search(0)
    sets = az.FixedTasks(tasks, tasks, tasks)
    space = config.space.build(tasks.features)
    text = "def Setup():\n  s1 = gaussian(0.0, 1.0)\ndef Predict():\ndef Learn():\n"
    program = parse_program(text, space)
    engines = [Arena(config, sets, space, 0).engine]
    engines += [select_judge(config, sets, space, 0, purpose).engine for purpose in ("select", "confirm")]
    fitness = np.array([engine.evaluate(program).fitness[0] for engine in engines])
    assert len(np.unique(fitness, axis=0)) == 3


def test_what_seems_sufficient_is_tried_on_many_more_tasks_where_they_cost_nothing() -> None:
    demo, teacher = (GeneratedTasks(az.load_preset(name).tasks) for name in ("linear", "teacher"))
    assert len(demo.with_more_select_tasks().select(0)) == 10 * len(demo.select(0))
    assert teacher.with_more_select_tasks().settings.select_tasks == teacher.settings.select_tasks
