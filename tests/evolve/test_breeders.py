"""Several breeders, maybe in several threads, breed what one after another would."""

from __future__ import annotations

import numpy as np
import pytest

from azero_jax.evolve import breeders
from azero_jax.evolve.algorithm import AtOnce
from azero_jax.evolve.regularized import Evolution
from azero_jax.evolve.settings import EvolutionSettings
from azero_jax.language.program import Programs
from tests.support.spaces import DEMO, same

SETTINGS = EvolutionSettings(candidates="learnable", islands=10, population=30, tournament=3, batch=20)


def mean_opcode(programs: Programs) -> np.ndarray:
    return programs.opcodes.mean(axis=1) / 65


def evolution(settings: EvolutionSettings = SETTINGS, seed: int = 0, **given: object) -> Evolution:
    return Evolution(DEMO, AtOnce(mean_opcode), settings, np.random.default_rng(seed), **given)  # type: ignore[arg-type]


@pytest.fixture
def three_islands_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breeders, "MOST_CHILDREN", {"any": 60, "learnable": 60})


@pytest.mark.usefixtures("three_islands_each")
def test_islands_are_dealt_out_whole() -> None:
    halves = evolution()._halves
    assert [[len(one.kinds) for one in half.breeders] for half in halves] == [[3, 2], [3, 2]]
    assert [[one.first for one in half.breeders] for half in halves] == [[0, 90], [0, 90]]


def test_few_islands_have_one_breeder_with_the_search_s_generator() -> None:
    search = evolution()
    assert [[one.generator for one in half.breeders] for half in search._halves] == [[search._generator]] * 2


@pytest.mark.usefixtures("three_islands_each")
@pytest.mark.parametrize("candidates", ["any", "learnable"])
def test_any_number_of_threads_breeds_the_same_programs(candidates: str) -> None:
    settings = EvolutionSettings(candidates=candidates, islands=10, population=30, tournament=3, batch=20)
    searches = [evolution(settings) for _ in range(3)]
    for threads, search in enumerate(searches, 1):
        search._breeding.threads = threads
        for _ in range(10):
            search.step()
    assert all(same(search.programs, searches[0].programs) for search in searches[1:])


@pytest.mark.usefixtures("three_islands_each")
def test_parents_are_of_the_child_s_island() -> None:
    search = evolution()
    search.step()
    for half in search._halves:
        assert (half.origins[:, 0] // 30 == np.arange(100) // 20).all()


@pytest.mark.usefixtures("three_islands_each")
def test_no_two_breeders_draw_the_same_numbers() -> None:
    generators = [one.generator for half in evolution()._halves for one in half.breeders]
    assert len({generator.random() for generator in generators}) == len(generators)


@pytest.mark.usefixtures("three_islands_each")
def test_a_search_goes_on_with_all_of_its_generators() -> None:
    def go_on(search: Evolution) -> Evolution:
        for _ in range(5):
            search.step()
        return search

    stopped = go_on(evolution())
    assert same(go_on(evolution(state=stopped.state())).programs, go_on(go_on(evolution())).programs)
