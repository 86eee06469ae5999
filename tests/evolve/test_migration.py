import numpy as np
import pytest

from azero_jax.evolve.algorithm import AtOnce
from azero_jax.evolve.migration import exchange, niches_of, slots_for
from azero_jax.evolve.regularized import Evolution
from azero_jax.evolve.settings import EvolutionSettings
from tests.evolve.test_evolve import evolution, marker
from tests.support.spaces import DEMO, some_programs

ONE_NICHE = np.zeros(4, np.int64)


@pytest.mark.parametrize("topology", ["pool", "ring"])
def test_what_is_given_away_takes_the_places_of_what_was(topology: str) -> None:
    slots, sources = exchange(ONE_NICHE, 10, 0.5, topology, np.random.default_rng(0))
    assert sorted(slots) == sorted(sources)
    assert np.bincount(slots // 10).tolist() == [5, 5, 5, 5]


def test_a_ring_gives_to_the_next_island() -> None:
    slots, sources = exchange(ONE_NICHE, 10, 0.3, "ring", np.random.default_rng(0))
    assert (slots // 10 == (sources // 10 + 1) % 4).all()


def test_a_pool_gives_to_all() -> None:
    slots, sources = exchange(ONE_NICHE, 1000, 0.5, "pool", np.random.default_rng(0))
    ways = np.histogram2d(slots // 1000, sources // 1000, bins=4)[0]
    assert ways == pytest.approx(np.full((4, 4), 125), abs=40)


def test_niches_keep_to_themselves() -> None:
    niches = niches_of(["", "m", "", "m", "v"])
    slots, sources = exchange(niches, 10, 1.0, "pool", np.random.default_rng(0))
    assert (niches[slots // 10] == niches[sources // 10]).all()
    assert set(slots // 10) == {0, 1, 2, 3}  # there is one island of the third
    places = slots_for(np.array([1, 1, 0, 2]), niches, 10, np.random.default_rng(0))
    assert niches[places // 10].tolist() == [1, 1, 0, 2]


@pytest.mark.parametrize("topology", ["pool", "ring"])
def test_islands_exchange_programs_together_with_their_fitness(topology: str) -> None:
    search = evolution(islands=4, batch=5, migration_every=20, topology=topology)
    for _ in range(12):
        search.step()
        assert np.array_equal(marker(search.programs), search.fitness.reshape(-1))


def test_islands_mix_at_the_right_time() -> None:
    alone, mixing = evolution(islands=4, batch=5), evolution(islands=4, batch=5, migration_every=20)
    for step in range(1, 5):
        alone.step()
        mixing.step()
        assert np.array_equal(alone.fitness, mixing.fitness) == (step < 4)
        assert sorted(alone.fitness.reshape(-1)) == sorted(mixing.fitness.reshape(-1))


def test_a_search_with_migration_goes_on_as_if_it_had_not_stopped() -> None:
    settings = EvolutionSettings(islands=4, population=20, batch=5, migration_every=15)
    generator = np.random.default_rng(1)
    whole = evolution(seed=0, islands=4, batch=5, tournament=10, migration_every=15)
    for _ in range(5):
        whole.step()
    state = {name: array.copy() for name, array in whole.state().items()}
    other = Evolution(DEMO, AtOnce(marker), settings, generator, state=state)
    for _ in range(5):
        whole.step()
        other.step()
    assert np.array_equal(whole.fitness, other.fitness)


def test_programs_of_another_search_are_taken_in() -> None:
    search, other = evolution(seed=0, islands=3, batch=5), evolution(seed=5, islands=3, batch=5)
    migrants = other.emigrants(7)
    search.take_in(migrants)
    before = search.candidates
    search.step()
    assert search.candidates == before + 15 + 7
    assert np.isin(marker(migrants.programs), search.fitness).all()
    assert np.array_equal(marker(search.programs), search.fitness.reshape(-1))


def test_programs_that_were_refused_are_not_taken_in() -> None:
    settings = EvolutionSettings(islands=2, population=20, batch=5)
    foreign = some_programs(DEMO, 4, seed=99)
    refused = set(marker(foreign))

    def fitness(programs: object) -> np.ndarray:
        values = marker(programs)  # type: ignore[arg-type]
        return np.where(np.isin(values, list(refused)), -1.0, values)

    search = Evolution(DEMO, AtOnce(fitness), settings, np.random.default_rng(0))
    search.take_in(evolution().emigrants(4)._replace(programs=foreign))
    search.step()
    assert (search.fitness >= 0).all()
