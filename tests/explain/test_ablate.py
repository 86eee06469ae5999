"""What parts of a program are worth."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from azero_jax.engines.settings import EngineConfig
from azero_jax.explain.ablate import Bench, ablate, sweep_constants
from azero_jax.explain.ideas import recognise
from azero_jax.explain.listing import read_listing
from azero_jax.language.library import load_program
from azero_jax.language.roles import Metric
from azero_jax.tasks import linear_tasks

TASKS: Final = linear_tasks(tasks=6, features=4, train_examples=300, valid_examples=50, seed=1)
LINEAR: Final = read_listing(load_program("linear_regressor").text.replace("0.001", "0.05"))


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(TASKS, EngineConfig())


def test_every_instruction_of_a_regressor_is_needed(bench: Bench) -> None:
    ablation = ablate(LINEAR, recognise(LINEAR, Metric.RMS_ERROR), bench)
    assert ablation.fitness > 0.99
    assert [variant.place for variant in ablation.instructions] == [place for place, _ in LINEAR.places()]
    for variant in ablation.instructions:
        assert variant.change < -0.3
        assert variant.fitness == pytest.approx(ablation.fitness + variant.change)
        assert 0 < variant.standard_error < 0.2
    assert all(offer.name.startswith("constants rounded") for offer in ablation.offers)


def test_what_diverges_has_no_fitness(bench: Bench) -> None:
    wild = read_listing(LINEAR.text().replace("0.05", "0.9"))
    (variant,) = [one for one in ablate(wild, recognise(wild, Metric.RMS_ERROR), bench).ideas if "rate" in one.name]
    assert variant.fitness < 0.2
    assert variant.diverged > 0.5


def test_what_does_nothing_is_offered_to_be_left_out(bench: Bench) -> None:
    text = LINEAR.text().replace("s1 = dot(v0, v1)", "s1 = dot(v0, v1)\n s5 = 1e-6\n s1 = s1 + s5")
    listing = read_listing(text)
    ablation = ablate(listing, recognise(listing, Metric.RMS_ERROR), bench)
    offers = {offer.name: offer.change for offer in ablation.offers}
    assert abs(offers["without s1 = s1 + s5"]) < 1e-3


def test_constants_are_swept_over_decades(bench: Bench) -> None:
    (sweep,) = sweep_constants(LINEAR, bench)
    np.testing.assert_allclose(sweep.values[[0, 12, 24]], [0.05e-3, 0.05, 50.0])
    assert sweep.fitness[12] == pytest.approx(ablate(LINEAR, {}, bench).fitness)
    assert sweep.fitness[0] < 0.6
    assert sweep.fitness[-1] == 0
