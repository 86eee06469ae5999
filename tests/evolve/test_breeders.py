"""Several breeders, maybe in several threads, breed what one after another would."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from azero_jax.evolve import breeders
from azero_jax.evolve.regularized import Evolution
from azero_jax.process import threads
from azero_jax.process.state import State
from tests.evolve.test_evolve import evolution
from tests.support.spaces import same


def ten_islands(candidates: str = "learnable", state: State | None = None) -> Evolution:
    return evolution(candidates=candidates, islands=10, population=30, batch=20, state=state)


@pytest.fixture
def three_islands_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breeders, "MOST_CHILDREN", {"any": 60, "learnable": 60})


@pytest.fixture
def two_threads_beside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadPoolExecutor(2) as pool:
        monkeypatch.setattr(threads, "_pool", lambda: pool)
        yield


@pytest.mark.usefixtures("three_islands_each")
def test_islands_are_dealt_out_whole() -> None:
    halves = ten_islands()._halves
    assert [[len(one.kinds) for one in half.breeders] for half in halves] == [[3, 2], [3, 2]]
    assert [[one.first for one in half.breeders] for half in halves] == [[0, 90], [0, 90]]


def test_few_islands_have_one_breeder_with_the_search_s_generator() -> None:
    search = ten_islands()
    assert [[one.generator for one in half.breeders] for half in search._halves] == [[search._generator]] * 2


@pytest.mark.usefixtures("three_islands_each", "two_threads_beside")
@pytest.mark.parametrize("candidates", ["any", "learnable"])
def test_two_threads_breed_the_same_programs_as_one(candidates: str, monkeypatch: pytest.MonkeyPatch) -> None:
    searches = [ten_islands(candidates) for _ in range(2)]
    breed, names = breeders.Breeding._breed, set()

    def note(breeding: breeders.Breeding, breeder: breeders.Breeder) -> None:
        names.add(threading.current_thread().name)
        if breeding.threads == 2:
            meeting.wait()  # each of the two has one share of a half
        breed(breeding, breeder)

    monkeypatch.setattr(breeders.Breeding, "_breed", note)
    meeting = threading.Barrier(2, timeout=60)
    for count, search in enumerate(searches, 1):
        search._breeding.threads = count
        for _ in range(10):
            search.step()
    assert len(names) > 1
    assert same(searches[0].programs, searches[1].programs)


@pytest.mark.usefixtures("three_islands_each")
def test_parents_are_of_the_child_s_island() -> None:
    search = ten_islands()
    search.step()
    for half in search._halves:
        assert (half.origins[:, 0] // 30 == np.arange(100) // 20).all()


@pytest.mark.usefixtures("three_islands_each")
def test_no_two_breeders_draw_the_same_numbers() -> None:
    generators = [one.generator for half in ten_islands()._halves for one in half.breeders]
    assert len({generator.random() for generator in generators}) == len(generators)


@pytest.mark.usefixtures("three_islands_each")
def test_a_search_goes_on_with_all_of_its_generators() -> None:
    def go_on(search: Evolution) -> Evolution:
        for _ in range(5):
            search.step()
        return search

    stopped = go_on(ten_islands())
    assert same(go_on(ten_islands(state=stopped.state())).programs, go_on(go_on(ten_islands())).programs)
