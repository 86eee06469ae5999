"""What holds of a search with workers whatever runs them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

import azero_jax as az
from azero_jax.cluster.coordinator import Coordinator
from azero_jax.cluster.messages import NoPlace
from azero_jax.config.tree import Config
from azero_jax.protocol.loop import GRACE_SECONDS
from azero_jax.protocol.signals import StopSignals
from azero_jax.recording.checkpoint import list_checkpoints, read_checkpoint
from tests.support.local_crew import LocalCrew, coordinate
from tests.support.tiny import tiny


def with_workers(workers: int = 2, **values: Any) -> Config:
    settings: dict[str, Any] = {
        "cluster__workers": workers,
        "cluster__round_candidates": 400,
        "search__restart_after": 0,
    }
    return tiny(**{**settings, "cluster__migrants": 5, **values})


def found(coordinator: Coordinator) -> list[tuple[str, float, int]]:
    """The hall of fame, and when its entries were found."""
    return [(one.program, one.select_fitness, one.candidates) for one in coordinator.merged.hall]


def assert_kept(before: Coordinator, after: Coordinator) -> None:
    """What was in the hall of fame still is, unless there is something as good or better in its place."""
    kept = {one.program: one.select_fitness for one in after.merged.hall}
    least = min(kept.values())
    assert all(one.select_fitness <= kept.get(one.program, least) for one in before.merged.hall)


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    values = [json.loads(line) for line in (folder / name).read_text().splitlines()]
    return [{key: line[key] for key in line if "second" not in key} for line in values]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Coordinator, Path]:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    config = with_workers(3)
    return coordinate(config, folder, LocalCrew(config)), folder


def test_who_is_first_makes_no_difference(undisturbed: tuple[Coordinator, Path], tmp_path: Path) -> None:
    config = with_workers(3)
    other = coordinate(config, tmp_path / "run", LocalCrew(config, seed=5))
    assert found(other) == found(undisturbed[0])
    assert len(found(other)) > 3
    for name in ("metrics.jsonl", "events.jsonl"):
        assert lines(tmp_path / "run", name) == lines(undisturbed[1], name)


@pytest.mark.parametrize("checkpoint_seconds", [0.0, 1000.0])
def test_a_worker_that_dies_changes_nothing(
    checkpoint_seconds: float, undisturbed: tuple[Coordinator, Path], tmp_path: Path
) -> None:
    config, warnings = with_workers(3, output__checkpoint_seconds=checkpoint_seconds), list[str]()
    crew = LocalCrew(config, seed=1, deaths={turn: worker for turn in range(2, 12) for worker in (turn % 3,)})
    other = coordinate(config, tmp_path / "run", crew, warnings)
    assert found(other) == found(undisturbed[0])
    assert lines(tmp_path / "run", "metrics.jsonl") == lines(undisturbed[1], "metrics.jsonl")
    assert len(warnings) >= 2
    assert "of the hall of fame nothing is lost" in warnings[0]


def test_the_budget_is_kept_and_no_experiment_is_run_twice(undisturbed: tuple[Coordinator, Path]) -> None:
    coordinator, folder = undisturbed
    assert 4000 <= coordinator.merged.candidates() < 4000 + 3 * 60
    assert len(begun(folder)) == len(set(begun(folder)))
    assert coordinator.merged.counters().candidates == coordinator.merged.candidates()


def test_without_migration_workers_do_the_experiments_of_one_process(tmp_path: Path) -> None:
    """The same programs are found, whoever runs the experiment that they are in."""
    budget = {"budget__max_candidates": 3000, "budget__experiment_candidates": 1400, "output__hall_of_fame": 50}
    config = with_workers(2, cluster__migrants=0, **budget)
    together = coordinate(config, tmp_path / "run", LocalCrew(config))
    alone = az.search(tiny(**budget, search__restart_after=0))
    assert {one.program for one in together.merged.hall} & {one.program for one in alone.hall_of_fame}
    first = {one.program for one in alone.hall_of_fame if one.experiment == 1}
    assert first <= {one.program for one in together.merged.hall if one.experiment == 1}


def test_migration_changes_what_is_found(undisturbed: tuple[Coordinator, Path], tmp_path: Path) -> None:
    config = with_workers(3, cluster__migrants=0)
    alone = coordinate(config, tmp_path / "run", LocalCrew(config))
    assert found(alone) != found(undisturbed[0])
    ring = with_workers(3, search__topology="ring")
    assert found(coordinate(ring, tmp_path / "ring", LocalCrew(ring))) not in (found(alone), found(undisturbed[0]))


def begun(folder: Path) -> list[int]:
    """The experiments that have begun after the first ones, in all sessions."""
    return [event["experiment"] for event in lines(folder, "events.jsonl") if event["event"] == "experiment"]


def test_a_worker_that_dies_after_it_has_gone_on_with_others_repeats_no_experiment(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"cluster__migrants": 0, "budget__experiment_candidates": 500}
    first = with_workers(2, budget__max_candidates=2000, **settings)
    config = with_workers(3, budget__max_candidates=12000, **settings)
    coordinate(first, tmp_path / "run", LocalCrew(first))
    crew = LocalCrew(config, seed=1, deaths=dict.fromkeys((16, 17, 18), 0) | dict.fromkeys((20, 21, 22), 1))
    warnings = list[str]()
    coordinate(config, tmp_path / "run", crew, warnings, resume=True)
    assert warnings
    assert len(begun(tmp_path / "run")) == len(set(begun(tmp_path / "run"))) > 20


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_no_experiment_of_a_worker_that_was_given_up_is_repeated(lost: int, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"cluster__migrants": 0, "budget__experiment_candidates": 500}
    first, config = with_workers(3, **settings), with_workers(2, budget__max_candidates=9000, **settings)
    crew = LocalCrew(first)
    wait = crew.wait

    def lose_one(seconds: float) -> list[Any]:
        if crew.rounds == 4:
            crew.lost.add(lost)
        return wait(seconds)

    crew.wait = lose_one  # type: ignore[method-assign]
    coordinate(first, tmp_path / "run", crew)
    coordinate(config, tmp_path / "run", LocalCrew(config), resume=True)
    assert len(begun(tmp_path / "run")) == len(set(begun(tmp_path / "run"))) > 10


@pytest.mark.parametrize(("before", "after"), [(3, 3), (3, 1), (1, 3), (2, 3)])
def test_it_goes_on_with_more_or_fewer_workers(before: int, after: int, tmp_path: Path) -> None:
    short, longer = {"budget__max_candidates": 2000}, {"budget__max_candidates": 4000}
    first = with_workers(before, **short)
    halfway = coordinate(first, tmp_path / "run", LocalCrew(first))
    config = with_workers(after, **longer)
    other = coordinate(config, tmp_path / "run", LocalCrew(config), resume=True)
    assert 4000 <= other.merged.candidates() < 4000 + 3 * 60 + 3 * 80
    assert_kept(halfway, other)
    assert len(begun(tmp_path / "run")) == len(set(begun(tmp_path / "run")))


def test_a_coordinator_that_was_killed_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    config = with_workers(3, cluster__migrants=0)
    whole = coordinate(config, tmp_path / "whole", LocalCrew(config))
    crew = LocalCrew(config, seed=2)
    wait = crew.wait

    def die(seconds: float) -> list[Any]:
        if crew.rounds == 7:
            raise SystemExit
        return wait(seconds)

    crew.wait = die  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        coordinate(config, tmp_path / "run", crew)
    other = coordinate(config, tmp_path / "run", LocalCrew(config), resume=True)
    assert {one[:2] for one in found(other)} == {one[:2] for one in found(whole)}


def test_a_search_with_workers_goes_on_without_and_the_other_way_round(tmp_path: Path) -> None:
    one, many = tiny(budget__max_candidates=1000, search__restart_after=0), with_workers(2, budget__max_candidates=2500)
    az.search(one, out=tmp_path / "run")
    middle = coordinate(many, tmp_path / "run", LocalCrew(many), resume=True)
    assert 2500 <= middle.merged.candidates() < 2500 + 200
    longer = tiny(budget__max_candidates=4000, search__restart_after=0)
    end = az.search(longer, resume=tmp_path / "run")
    assert 4000 <= end.candidates < 4100
    assert end.counters.candidates == end.candidates
    assert end.select_fitness >= middle.merged.best_select_fitness


def test_what_was_found_after_the_last_checkpoint_is_not_lost(tmp_path: Path) -> None:
    config = with_workers(2, output__checkpoint_seconds=1000.0, budget__max_candidates=2000)
    first = coordinate(config, tmp_path / "run", LocalCrew(config))
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.unlink()
    again = with_workers(2, output__checkpoint_seconds=1000.0, budget__max_candidates=200)
    other = coordinate(again, tmp_path / "run", LocalCrew(again), resume=True)
    assert_kept(first, other)


def test_asynchronous_workers_end_with_the_same_budget_and_survive_deaths(tmp_path: Path) -> None:
    config, warnings = with_workers(3, cluster__asynchronous=True), list[str]()
    crew = LocalCrew(config, seed=3, deaths={turn: turn % 3 for turn in range(4, 11)})
    other = coordinate(config, tmp_path / "run", crew, warnings)
    assert other.merged.candidates() >= 4000
    assert len(found(other)) > 3
    assert warnings
    newest = list_checkpoints(tmp_path / "run" / "checkpoints")[0]
    assert int(read_checkpoint(newest)["workers"]) == 3


def test_a_worker_that_finds_no_place_any_more_is_given_up(tmp_path: Path) -> None:
    config, warnings = with_workers(3), list[str]()
    crew = LocalCrew(config)
    start = crew.wait

    def lose_one(seconds: float) -> list[Any]:
        if crew.rounds == 3:
            crew.lost.add(1)
        return start(seconds)

    crew.wait = lose_one  # type: ignore[method-assign]
    other = coordinate(config, tmp_path / "run", crew, warnings)
    assert other.merged.candidates() >= 4000
    assert "worker 1 is given up: the cluster had no free core for it within 60 s; 2 go on" in warnings


@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_others_do_the_rest_of_a_worker_that_is_given_up_when_they_are_idle(
    asynchronous: bool, tmp_path: Path
) -> None:
    config, warnings = with_workers(2, cluster__asynchronous=asynchronous), list[str]()
    crew = LocalCrew(config)
    crew.random.choice = lambda waiting: min(waiting)  # type: ignore[method-assign, assignment]
    wait = crew.wait

    def lose_the_last(seconds: float) -> list[Any]:
        if crew.rounds:
            crew.lost.add(1)
        late = [answer for answer in crew.news if isinstance(answer, NoPlace) and crew.orders[0]]
        crew.news = [answer for answer in crew.news if answer not in late]
        answers = wait(seconds)
        crew.news += late
        return answers

    crew.wait = lose_the_last  # type: ignore[method-assign]
    other = coordinate(config, tmp_path / "run", crew, warnings)
    assert "worker 1 is given up: the cluster had no free core for it within 60 s; 1 go on" in warnings
    assert other.merged.candidates() >= 4000


def test_a_single_asynchronous_worker_that_dies_in_its_first_round_is_given_it_again(tmp_path: Path) -> None:
    config = with_workers(1, cluster__asynchronous=True, budget__max_candidates=1000)
    other = coordinate(config, tmp_path / "run", LocalCrew(config, deaths={1: 0}))
    assert other.merged.candidates() >= 1000


@pytest.mark.parametrize(
    ("workers", "settings"),
    [
        (2, {}),
        (3, {}),
        (3, {"cluster__asynchronous": True}),
        (2, {"search__population": 300, "search__batch": 300}),
        (2, {"cluster__migrants": 5}),
    ],
)
def test_every_worker_tries_its_leaders_at_the_end(workers: int, settings: dict[str, Any], tmp_path: Path) -> None:
    """Also where a batch is more than a round."""
    rarely = {"budget__check_every": 1_000_000, "output__hall_of_fame": 50, "cluster__migrants": 0}
    config = with_workers(workers, budget__experiment_candidates=0, **{**rarely, **settings})
    other = coordinate(config, tmp_path / "run", LocalCrew(config))
    assert {one.experiment for one in other.merged.hall} == set(range(1, workers + 1))


@pytest.mark.parametrize(
    "budget", [{"budget__max_candidates": 2000}, {"budget__max_candidates": None, "budget__max_seconds": 0.5}]
)
def test_a_search_that_has_ended_goes_on_from_its_end(budget: dict[str, Any], tmp_path: Path) -> None:
    config = with_workers(2, output__checkpoint_seconds=1000.0, **budget)
    first = coordinate(config, tmp_path / "run", LocalCrew(config))
    (newest,) = list_checkpoints(tmp_path / "run" / "checkpoints")
    state = read_checkpoint(newest)
    assert int(state["totals.finished_candidates"]) == first.merged.candidates()
    assert sum(int(state[f"worker.{worker}.candidates"]) for worker in range(2)) == first.merged.candidates()
    config = with_workers(2, budget__max_candidates=first.merged.candidates() + 1000)
    other = coordinate(config, tmp_path / "run", LocalCrew(config), resume=True)
    assert other.merged.candidates() >= first.merged.candidates() + 1000
    assert_kept(first, other)


def test_a_search_that_goes_on_with_its_budget_spent_ends(tmp_path: Path) -> None:
    config = with_workers(2, budget__max_candidates=2000)
    first = coordinate(config, tmp_path / "run", LocalCrew(config))
    crew = LocalCrew(with_workers(3, budget__max_candidates=1000))
    other = coordinate(crew.job.config, tmp_path / "run", crew, resume=True)
    assert crew.ending is not None
    assert crew.ending.reason == "max_candidates"
    assert_kept(first, other)


def test_a_time_limit_ends_all_rounds(tmp_path: Path) -> None:
    config = with_workers(2, budget__max_candidates=None, budget__max_seconds=0.5)
    crew = LocalCrew(config)
    ended = coordinate(config, tmp_path / "run", crew)
    assert crew.ending is not None
    assert (crew.ending.reason, crew.ending.is_urgent) == ("max_seconds", True)
    assert len(found(ended)) > 0
    assert ended.merged.counters().candidates == ended.merged.candidates()


def test_the_best_of_a_stopped_search_has_a_lineage(tmp_path: Path) -> None:
    """Also one that was tried only when the rounds were stopped."""
    config = with_workers(2, budget__max_candidates=None, budget__max_seconds=0.5, budget__check_every=1_000_000)
    ended = coordinate(config, tmp_path / "run", LocalCrew(config))
    best = [event for event in lines(tmp_path / "run", "events.jsonl") if event["event"] == "best"]
    assert ended.merged.hall.best is not None
    assert best[-1]["program"] == ended.merged.hall.best.raw_program


def test_what_a_worker_measures_at_the_end_can_be_hurried(tmp_path: Path) -> None:
    config = with_workers(2, budget__max_candidates=1000)
    crew = LocalCrew(config)
    ended = coordinate(config, tmp_path / "run", crew)
    measured = crew.finish(ended.merged.hall, StopSignals(), tune=True, is_urgent=False)
    assert measured is not None
    assert all(one.final_fitness is not None for one in measured.finalists)
    crew.workers[0].hurry()
    time.sleep(GRACE_SECONDS)
    measured = crew.finish(ended.merged.hall, StopSignals(), tune=True, is_urgent=False)
    assert measured is not None
    assert all(one.final_fitness is None for one in measured.finalists)


def test_whoever_stops_a_search_at_once_gets_a_program(tmp_path: Path) -> None:
    config, stop = with_workers(2), StopSignals()
    crew = LocalCrew(config)
    stop.ask("interrupt")
    ended = coordinate(config, tmp_path / "run", crew, stop=stop)
    assert crew.ending is not None
    assert crew.ending.reason == "interrupt"
    assert len(found(ended)) > 0


def test_no_worker_that_dies_again_and_again_is_started_for_ever(tmp_path: Path) -> None:
    config, warnings = with_workers(2), list[str]()
    crew = LocalCrew(config, deaths=dict.fromkeys(range(3, 40), 1))
    other = coordinate(config, tmp_path / "run", crew, warnings)
    assert (
        "worker 1 is given up: it died 11 times in a row, the last time because its process ended; 1 go on" in warnings
    )
    assert other.merged.candidates() >= 4000
