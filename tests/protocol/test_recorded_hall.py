"""The hall of fame in a run directory, as a search that goes on knows it."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import azero_jax as az
from azero_jax.language.roles import Metric
from azero_jax.protocol.finalist import Finalist
from azero_jax.protocol.recorded_hall import recorded_hall
from tests.support.local_crew import LocalCrew, coordinate
from tests.support.tiny import tiny

ONE_RUN = {"budget__max_candidates": 1000, "search__restart_after": 0}
SPACE = tiny().space.build(2)


def finalists(folder: Path) -> list[Finalist]:
    return [finalist for _, finalist in recorded_hall(folder, SPACE, Metric.RMS_ERROR)]


def record(folder: Path, *entries: Any) -> None:
    (folder / "hall_of_fame.json").write_text(json.dumps(entries))


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, az.Result]:
    folder = tmp_path_factory.mktemp("tuned") / "run"
    return folder, az.search(tiny(**ONE_RUN, budget__tune_trials=200), out=folder)


def test_a_tuned_program_says_how_fit_it_was_before(tuned: tuple[Path, az.Result]) -> None:
    plain, (best, *others) = az.search(tiny(**ONE_RUN)), tuned[1].hall_of_fame
    assert best.untuned_fitness == plain.select_fitness < best.select_fitness
    assert {finalist.untuned_fitness for finalist in others} == {None}


def test_programs_are_as_evolution_left_them(tuned: tuple[Path, az.Result]) -> None:
    plain = az.search(tiny(**ONE_RUN))
    expected = {dataclasses.replace(one, final_fitness=None) for one in (*plain.hall_of_fame, *plain.front)}
    assert set(finalists(tuned[0])) == expected


def test_tuned_constants_do_not_solve_a_search_that_goes_on(tuned: tuple[Path, az.Result], tmp_path: Path) -> None:
    folder, result = shutil.copytree(tuned[0], tmp_path / "run"), tuned[1]
    before = result.hall_of_fame[0].untuned_fitness
    assert before is not None
    between = (before + result.select_fitness) / 2
    config = tiny(**ONE_RUN | {"budget__max_candidates": 1200}, cluster__workers=2, budget__sufficient_fitness=between)
    crew = LocalCrew(config)
    after = coordinate(config, folder, crew, resume=True)
    assert crew.ending is not None
    assert crew.ending.reason == "max_candidates"
    assert before <= after.merged.best_select_fitness < between


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: {name: value for name, value in entry.items() if name != "cost"},
        lambda entry: {**entry, "colour": "red"},
        lambda entry: {**entry, "program": "def Predict():\n  what = ever"},
        lambda entry: {**entry, "select_fitness": "much"},
        lambda entry: entry["program"],
    ],
)
def test_a_damaged_entry_is_refused_with_the_name_of_the_file(damage: Any, tmp_path: Path) -> None:
    entry = dataclasses.asdict(Finalist("def Setup():\n", "def Setup():\n", 0.9, 0.8, None, 1000, 1, 3.7))
    record(tmp_path, entry)
    assert finalists(tmp_path) == [Finalist(**entry)]
    record(tmp_path, damage(entry))
    with pytest.raises(ValueError, match=r"hall_of_fame\.json: damaged, it is not a list of programs"):
        finalists(tmp_path)


def test_what_was_not_run_on_the_select_tasks_is_left_out(tmp_path: Path) -> None:
    entry = Finalist("def Setup():\n", "def Setup():\n", 0.9, float("nan"), None, 1000, 1, 3.7)
    record(tmp_path, dataclasses.asdict(entry))
    assert finalists(tmp_path) == []
