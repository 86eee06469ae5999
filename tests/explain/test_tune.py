"""Constants tuned through the training."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from azero_jax.config.leaves import override
from azero_jax.config.presets import load_preset
from azero_jax.explain.ablate import Bench
from azero_jax.explain.gradients import descend
from azero_jax.explain.listing import Listing, read_listing
from azero_jax.explain.tune import tune
from azero_jax.language.library import load_program
from azero_jax.language.roles import Metric
from azero_jax.tasks import linear_tasks, make_tasks
from azero_jax.tasks.sets import GeneratedTasks

TASKS: Final = linear_tasks(tasks=8, features=4, train_examples=100, valid_examples=50, seed=1)
SLOW: Final = "s2 = 0.0001"
CONFIG: Final = override(
    load_preset("linear"),
    {"tasks.select_tasks": 12, "tasks.select_train_examples": 100, "tasks.select_valid_examples": 20},
)


def regressor(rate: float) -> Listing:
    return read_listing(load_program("linear_regressor").text.replace("0.001", repr(rate)))


def test_from_a_low_learning_rate_the_best_of_a_grid_is_found() -> None:
    found = descend(regressor(1e-4), TASKS)
    best = found.programs[int(found.losses.argmin())]
    grid = [regressor(float(rate)) for rate in np.logspace(-5, 0, 1000)]
    fitness = Bench(TASKS).run([*grid, best])[0].mean(axis=1)
    assert 1 - fitness[-1] <= 1.05 * (1 - fitness[:-1].max())
    assert best.setup[0].x == pytest.approx(grid[int(fitness[:-1].argmax())].setup[0].x, rel=0.05)


def test_losses_are_those_of_the_engine() -> None:
    found = descend(regressor(0.05), TASKS, starts=1, steps=1)
    assert 1 - found.losses[0] == pytest.approx(Bench(TASKS).run([regressor(0.05)])[0].mean(), abs=1e-5)
    assert found.programs[0] == regressor(0.05)


@pytest.mark.parametrize("name", ["logistic_regressor", "softmax_regressor"])
def test_classifiers_are_tuned(name: str) -> None:
    metric = Metric.MULTICLASS_ACCURACY if name.startswith("softmax") else Metric.ACCURACY
    generator = np.random.default_rng(0)
    x, w = generator.normal(size=(4, 80, 4)), generator.normal(size=(4, 4, 4))
    scores = np.einsum("tnf,tfc->tnc", x, w)
    labels = scores.argmax(-1) if metric.is_one_hot else (scores[..., 0] > 0)
    tasks = make_tasks(x[:, :60], labels[:, :60], x[:, 60:], labels[:, 60:], metric)
    listing = read_listing(load_program(name).text.replace("= 0.01 ", "= 0.001 "))
    found = descend(listing, tasks, starts=2, steps=30)
    best = found.programs[int(found.losses.argmin())]
    before, after = Bench(tasks).run([listing, best])[0].mean(axis=1)
    assert after > before


def test_the_spread_of_random_initial_weights_is_tuned() -> None:
    text = regressor(0.002).text().replace("def Setup():", "def Setup():\n  v1 = gaussian(0.0, 3.0)")
    found = descend(read_listing(text), TASKS, starts=1)
    assert found.programs[0].setup[0].x == 0.0
    assert 0 < found.programs[0].setup[0].y < 1.0


def test_what_overflows_finds_its_way_back() -> None:
    found = descend(regressor(30.0), TASKS, starts=1)
    assert found.losses[0] < 0.01


def test_a_program_without_constants_has_nothing_to_tune() -> None:
    listing = read_listing("def Predict():\n s1 = dot(v0, v1)\ndef Learn():\n v1 = v1 + v0")
    with pytest.raises(ValueError, match="no constant"):
        descend(listing, TASKS)
    assert tune(listing, GeneratedTasks(CONFIG.tasks), CONFIG, trials=5) is None


def test_better_constants_are_kept_and_others_are_not() -> None:
    sets = GeneratedTasks(CONFIG.tasks)
    tuning = tune(regressor(1e-4), sets, CONFIG, trials=20)
    assert tuning is not None
    assert tuning.kept
    assert max(method.gain for method in tuning.methods) > 0.5
    again = tune(read_listing(tuning.program), sets, CONFIG, trials=5)
    assert again is not None
    assert again.kept or again.program == tuning.program
