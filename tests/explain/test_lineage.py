"""Where the best program of a search comes from."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path

import pytest

import azero_jax as az
from azero_jax.explain.animation import MOST_FRAMES, animate
from azero_jax.explain.lineage import INITIAL, LATER, TUNED, LineageStep, lineage, simplified_steps
from azero_jax.language.roles import Metric
from tests.support.tiny import tiny


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, az.SearchResult]:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    config = tiny(budget__experiment_candidates=0, budget__check_every=1000, search__restart_after=0)
    return folder, az.search(config, out=folder)


def test_steps_lead_from_an_initial_program_to_the_best(run: tuple[Path, az.SearchResult]) -> None:
    folder, result = run
    steps = az.lineage(folder)
    assert steps == az.lineage(result)
    first, *others = steps
    assert (first.mutation, first.parent) == (INITIAL, None)
    assert steps[-1].program == result.raw_program
    assert len(others) >= 2
    grown = [step for step in steps if step.mutation != LATER]
    for before, after in itertools.pairwise(grown):
        assert after.fitness > before.fitness
        assert after.candidates > before.candidates
        assert after.parent is not None
        assert after.parent != after.program


def test_each_ancestor_is_written_once(run: tuple[Path, az.SearchResult]) -> None:
    folder, _ = run
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    numbers = [(event["experiment"], event["number"]) for event in events if event["event"] == "ancestor"]
    assert len(numbers) == len(set(numbers)) > 0


def test_tuned_constants_are_a_step_of_their_own(tmp_path: Path) -> None:
    config = tiny(budget__tune_trials=200, budget__max_candidates=2000, budget__experiment_candidates=0)
    result = az.search(config, out=tmp_path / "run")
    steps = lineage(result)
    assert (steps[-1].mutation == TUNED) == (result.hall_of_fame[0].program == steps[-1].program)


def test_random_search_finds_its_best_without_ancestors(tmp_path: Path) -> None:
    result = az.search(tiny(search__algorithm="random", budget__max_candidates=2000), out=tmp_path / "run")
    assert [step.mutation for step in lineage(result)] == [INITIAL]


def test_a_search_that_was_not_recorded_has_the_same_lineage(tmp_path: Path) -> None:
    config = tiny(budget__max_candidates=1000)
    assert az.lineage(az.search(config)) == az.lineage(az.search(config, out=tmp_path / "run"))


def test_where_there_is_no_run_there_is_no_lineage(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no run"):
        az.lineage(tmp_path)


def step(number: int, line: str) -> LineageStep:
    program = f"def Predict():\n  s1 = dot(v0, v1)\n{line}\ndef Learn():\n  v1 = v1 + v0\n"
    return LineageStep(number, 1, number / 100, "change_op", program, None)


def test_steps_that_change_constants_only_are_shown_once() -> None:
    steps = [step(1, "  s1 = s1 + s2"), step(2, "  s3 = 0.5\n  s1 = s1 + s3"), step(3, "  s3 = 0.7\n  s1 = s1 + s3")]
    shown = simplified_steps(steps, Metric.RMS_ERROR)
    assert [one.candidates for one, _ in shown] == [1, 3]
    assert "s1 + s2" not in shown[0][1]


def test_an_animation_has_a_frame_for_each_step_up_to_a_limit() -> None:
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    shown = [(step(n, f"  s1 = s1 + s{n % 9 + 2}"), step(n, f"  s1 = s1 + s{n % 9 + 2}").program) for n in range(60)]
    for count in (1, 3, 60):
        assert image.open(io.BytesIO(animate(shown[:count]))).n_frames == min(count, MOST_FRAMES)
