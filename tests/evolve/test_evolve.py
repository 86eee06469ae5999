from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from azero_jax.analysis.learnable import learnable
from azero_jax.config.presets import PRESETS
from azero_jax.evolve.algorithm import AtOnce, Restart
from azero_jax.evolve.random_search import RandomSearch
from azero_jax.evolve.regularized import Evolution
from azero_jax.evolve.settings import EvolutionSettings
from azero_jax.language.library import load_program
from azero_jax.language.program import Programs, check_programs, concatenate
from azero_jax.language.roles import Metric
from azero_jax.language.space import make_space
from azero_jax.language.text import parse_program
from azero_jax.mutate.policy import LIVE_MUTATIONS
from azero_jax.process.state import State
from tests.support.mutants import mutate
from tests.support.spaces import DEMO, same, some_programs

TEACHER = PRESETS["teacher"].space.build(features=8)


def marker(programs: Programs) -> np.ndarray:
    """A fitness that any change of a program changes: there is nothing like it in evolution, but it is quick."""
    weights = np.random.default_rng(0).random(programs.opcodes.shape[1])
    values = programs.opcodes + programs.addresses.sum(-1) / 7 + programs.constants.sum(-1)
    return np.sin((values * weights).sum(-1)) / 2 + 0.5


def evolution(seed: int = 0, state: State | None = None, **changes: object) -> Evolution:
    settings = EvolutionSettings(**({"islands": 1, "population": 20, "tournament": 3, "batch": 1} | changes))  # type: ignore[arg-type]
    return Evolution(DEMO, AtOnce(marker), settings, np.random.default_rng(seed), state=state)


def test_one_island_and_batch_one_is_the_original_s_loop() -> None:
    search = evolution(seed=1)
    generator = np.random.default_rng(1)
    programs = some_programs(DEMO, 20, seed=1)
    generator.bit_generator.state = _state_after_initialization(1)
    fitness = marker(programs)
    for birth in range(100):
        drawn = [int(generator.random() * 20) for _ in range(3)]
        parent = max(drawn, key=lambda slot: (fitness[slot], -drawn.index(slot)))
        child, _ = mutate(programs[parent : parent + 1], DEMO, EvolutionSettings().mutation_policy(), generator)
        slot = birth % 20
        programs.put(slice(slot, slot + 1), child)
        fitness[slot] = marker(child)[0]
        search.step()
        assert same(search.programs, programs)
        assert np.array_equal(search.fitness[0], fitness)


def _state_after_initialization(seed: int) -> dict:
    generator = np.random.default_rng(seed)
    Evolution(DEMO, AtOnce(marker), EvolutionSettings(islands=1, population=20, batch=1), generator)
    return generator.bit_generator.state


def test_every_slot_is_replaced_after_exactly_p_births() -> None:
    search = evolution(population=20, batch=5, islands=3)
    before = search.programs.copy()
    for _ in range(3):
        search.step()
    slots = np.arange(60).reshape(3, 20)
    assert same(search.programs[slots[:, 15:].ravel()], before[slots[:, 15:].ravel()])
    search.step()
    assert (search.fitness == marker(search.programs).reshape(3, 20)).all()
    assert search.oldest == 0


def test_parents_are_the_best_of_a_tournament_with_replacement() -> None:
    # With copies as children, the k-th best of P is chosen with probability ((P-k+1)^T - (P-k)^T) / P^T.
    settings = EvolutionSettings(islands=1, population=100, tournament=4, batch=100, mutation_probability=0.0)
    search = Evolution(DEMO, AtOnce(marker), settings, np.random.default_rng(2))
    ranks: Counter[int] = Counter()
    programs, fitness = search.programs.copy(), search.fitness.copy()
    order = np.argsort(-fitness[0])
    for _ in range(300):
        search.programs.put(slice(None), programs)
        search.fitness[:] = fitness
        search.step()
        ranks.update(int(np.searchsorted(-fitness[0][order], -value)) for value in search.fitness[0])
    left = 100 - np.arange(101)
    expected = (left[:-1] ** 4 - left[1:] ** 4) / 100**4
    observed = np.array([ranks[k] for k in range(100)]) / sum(ranks.values())
    assert np.abs(observed - expected).max() < 0.004


def test_islands_do_not_mix() -> None:
    search = evolution(islands=2, population=30, batch=10, mutation_probability=0.0)
    first = {program.tobytes() for program in search.programs.constants[:30]}
    second = {program.tobytes() for program in search.programs.constants[30:]}
    for _ in range(9):
        search.step()
    assert {program.tobytes() for program in search.programs.constants[:30]} <= first
    assert {program.tobytes() for program in search.programs.constants[30:]} <= second


def test_candidates_are_counted_with_the_initial_population() -> None:
    search = evolution(islands=2, population=30, batch=10)
    search.step()
    search.step()
    assert search.candidates == 60 + 40


def test_populations_stay_in_their_space() -> None:
    search = evolution(islands=3, population=50, batch=50)
    for _ in range(20):
        search.step()
    check_programs(search.programs, DEMO)


def test_evolution_raises_the_mean_fitness() -> None:
    search = evolution(population=100, batch=10, tournament=10)
    before = search.mean_fitness()
    for _ in range(100):
        search.step()
    assert search.mean_fitness() > before + 0.2


def test_leaders_are_the_best_of_each_island() -> None:
    search = evolution(islands=3, population=50, batch=10)
    programs, fitness = search.leaders()
    assert np.array_equal(fitness, search.fitness.max(axis=1))
    assert np.array_equal(marker(programs), fitness)


def test_stuck_islands_start_again_but_the_best_is_spared() -> None:
    is_over = False  # nobody gains any more

    def evaluate(programs: Programs) -> np.ndarray:
        return np.full(len(programs), 0.25) if is_over else marker(programs)

    settings = EvolutionSettings(islands=4, population=20, tournament=3, batch=10, restart_after=100, restart_gain=0.5)
    search = Evolution(DEMO, AtOnce(evaluate), settings, np.random.default_rng(0))
    best = int(search.fitness.max(axis=1).argmax())
    search.take_events()
    is_over = True
    for _ in range(9):
        search.step()
    assert search.restarts == 0
    search.step()
    assert search.restarts == 3
    assert search.candidates == 80 + 10 * 40 + 3 * 20
    restarted = {event.island for event in search.take_events() if isinstance(event, Restart)}
    assert restarted == {0, 1, 2, 3} - {best}


def test_without_a_restart_rule_nobody_starts_again() -> None:
    search = evolution(islands=4, population=20, batch=20, restart_after=0)
    for _ in range(50):
        search.step()
    assert search.restarts == 0


def test_seeds_fill_the_initial_populations() -> None:
    seeds = some_programs(DEMO, 3, seed=5)
    settings = EvolutionSettings(islands=2, population=10, batch=1)
    search = Evolution(DEMO, AtOnce(marker), settings, np.random.default_rng(0), seeds)
    assert same(search.programs, seeds[np.tile(np.arange(10) % 3, 2)])


def test_the_empty_initial_population_is_no_ops() -> None:
    assert (evolution(initial="empty").programs.opcodes == 0).all()


class NotedMarker:
    """`marker`, with the programs and fitnesses of all batches."""

    def __init__(self) -> None:
        self.programs: list[Programs] = []
        self.fitness: list[np.ndarray] = []

    def __call__(self, programs: Programs) -> np.ndarray:
        self.programs.append(programs.copy())
        self.fitness.append(marker(programs))
        return self.fitness[-1]


def random_search(function: Callable[[Programs], np.ndarray], seed: int = 3) -> RandomSearch:
    settings = EvolutionSettings(algorithm="random", islands=2, batch=50, population=50)
    return RandomSearch(DEMO, AtOnce(function), settings, np.random.default_rng(seed))


def test_random_search_keeps_the_best() -> None:
    evaluate = NotedMarker()
    search = random_search(evaluate)
    for _ in range(10):
        search.step()
    programs, fitness = search.leaders()
    assert fitness[0] == np.max(evaluate.fitness[:-1])  # the last batch is on its way
    assert marker(programs)[0] == fitness[0]
    assert search.candidates == np.size(evaluate.fitness[:-1]) == 1100


def test_random_search_draws_new_programs_of_the_initial_sizes_at_every_step() -> None:
    evaluate = NotedMarker()
    search = random_search(evaluate)
    for _ in range(10):
        search.step()
    everything = concatenate(evaluate.programs)
    check_programs(everything, DEMO)
    assert (everything.sizes == [function.initial_size for function in DEMO.functions]).all()
    assert len({program.tobytes() for program in everything.addresses}) == 1200


def test_random_search_tells_the_mean_and_median_of_its_latest_batch() -> None:
    evaluate = NotedMarker()
    search = random_search(evaluate)
    for _ in range(3):
        assert search.mean_fitness() == evaluate.fitness[-2].mean()
        assert search.median_fitness() == np.median(evaluate.fitness[-2])
        search.step()


def test_random_search_goes_on_as_if_it_had_not_stopped() -> None:
    search = random_search(marker)
    settings = EvolutionSettings(algorithm="random", islands=2, batch=50, population=50)
    resumed = RandomSearch(DEMO, AtOnce(marker), settings, np.random.default_rng(0), state=search.state())
    for _ in range(3):
        assert resumed.mean_fitness() == search.mean_fitness()
        assert resumed.median_fitness() == search.median_fitness()
        assert same(resumed.leaders()[0], search.leaders()[0])
        assert resumed.candidates == search.candidates
        for each in (search, resumed):
            each.step()


def test_initial_programs_and_those_of_restarts_can_learn() -> None:
    search = evolution(population=10, batch=10, candidates="learnable", restart_after=10, islands=2)
    assert learnable(search.programs, DEMO, Metric.RMS_ERROR).all()
    restart = None
    while restart is None:
        search.step()
        restart = next((event for event in search.take_events() if isinstance(event, Restart)), None)
    first = restart.island * 10
    assert learnable(search.programs[first : first + 10], DEMO, Metric.RMS_ERROR).all()


def test_random_search_draws_programs_that_can_learn() -> None:
    seen: list[Programs] = []

    def evaluate(programs: Programs) -> np.ndarray:
        seen.append(programs.copy())
        return marker(programs)

    settings = EvolutionSettings(algorithm="random", islands=1, batch=10, candidates="learnable")
    RandomSearch(DEMO, AtOnce(evaluate), settings, np.random.default_rng(0))
    assert learnable(concatenate(seen), DEMO, Metric.RMS_ERROR).all()


def test_refused_programs_are_left_out_of_mean_and_median() -> None:
    fitness = np.array([-1.0, 0.5, 0.25, 0.75, -1.0, 0.5, 0.0, 0.5])
    settings = EvolutionSettings(islands=1, population=8, batch=1)
    search = Evolution(DEMO, AtOnce(lambda programs: fitness[: len(programs)]), settings, np.random.default_rng(0))
    assert search.mean_fitness() == fitness[fitness >= 0].mean()
    assert search.median_fitness() == 0.5


def test_empty_programs_cannot_learn() -> None:
    with pytest.raises(ValueError, match=r"^initial is 'empty', but empty programs cannot learn; take initial random"):
        EvolutionSettings(candidates="learnable", initial="empty")
    with pytest.raises(ValueError, match=r"^candidates is 'all'; allowed: learnable, any$"):
        EvolutionSettings(candidates="all")


def test_all_children_of_learnable_programs_are_learnable() -> None:
    batches: list[Programs] = []

    def note(programs: Programs) -> np.ndarray:
        batches.append(programs.copy())
        return np.random.default_rng(len(batches)).random(len(programs))

    settings = EvolutionSettings(candidates="learnable", islands=2, population=50, batch=50, tournament=2)
    search = Evolution(DEMO, AtOnce(note), settings, np.random.default_rng(0))
    for _ in range(10):
        search.step()
    assert all(learnable(programs, DEMO, Metric.RMS_ERROR).all() for programs in batches)


def test_each_island_s_programs_learn_what_its_niche_asks_for() -> None:
    settings = EvolutionSettings(
        candidates="learnable",
        learned=("any", "m", "sv"),
        islands=6,
        population=40,
        batch=20,
        mutations=LIVE_MUTATIONS,
        mutation_probability=1.0,
    )
    search = Evolution(TEACHER, AtOnce(marker), settings, np.random.default_rng(0))
    for _ in range(4):
        for island, kinds in enumerate(["", "m", "sv"] * 2):
            programs = search.programs[40 * island : 40 * (island + 1)]
            assert learnable(programs, TEACHER, Metric.RMS_ERROR, kinds=kinds).all()
        search.step()
    elsewhere = search.programs[:40]
    assert not learnable(elsewhere, TEACHER, Metric.RMS_ERROR, kinds="m").all()


@pytest.mark.parametrize("candidates", ["any", "learnable"])
@pytest.mark.parametrize("algorithm", ["evolution", "random"])
def test_frozen_functions_stay_those_of_the_given_programs(candidates: str, algorithm: str) -> None:
    space = make_space(features=4, scalars=5, vectors=3, matrices=0, setup=2, predict=2, learn=8)
    given = parse_program(load_program("linear_regressor").text, space)
    settings = EvolutionSettings(
        algorithm=algorithm,
        candidates=candidates,
        frozen=("setup", "predict"),
        start_share=0.1,
        islands=2,
        population=20,
        batch=10,
    )
    seen: list[Programs] = []

    def evaluate(programs: Programs) -> np.ndarray:
        seen.append(programs.copy())
        return np.random.default_rng(len(seen)).random(len(programs))

    make = Evolution if algorithm == "evolution" else RandomSearch
    search = make(space, AtOnce(evaluate), settings, np.random.default_rng(0), given)
    for _ in range(5):
        search.step()
    kept = slice(0, space.offsets[2])
    for programs in seen:
        check_programs(programs, space)
        assert (programs.opcodes[:, kept] == given.opcodes[:, kept]).all()
        assert (programs.addresses[:, kept] == given.addresses[:, kept]).all()
        assert (programs.sizes[:, :2] == given.sizes[:, :2]).all()
    assert len(np.unique(concatenate(seen).opcodes, axis=0)) > 20  # Learn does change


@pytest.mark.parametrize(("share", "count"), [(1.0, 20), (0.1, 2), (0.01, 1)])
def test_a_share_of_the_initial_programs_is_given(share: float, count: int) -> None:
    given = some_programs(DEMO, 1, seed=5)
    settings = EvolutionSettings(islands=2, population=20, batch=1, start_share=share)
    search = Evolution(DEMO, AtOnce(marker), settings, np.random.default_rng(0), given)
    for island in range(2):
        population = search.programs[20 * island : 20 * (island + 1)]
        assert sum(same(population[n : n + 1], given) for n in range(20)) == count
