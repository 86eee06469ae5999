"""One experiment of a search: its tasks, engines, caches and populations.

A search is a series of experiments, each with fresh search and select tasks, as in the original's main loop (its
run_search_experiment).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.canonical import canonicalize
from azero_jax.config import Config, run_settings
from azero_jax.engines import Engine, make_engine
from azero_jax.evaluate import Evaluator, combine_tasks
from azero_jax.evolve import Evolution, RandomSearch, SearchAlgorithm
from azero_jax.program import Programs
from azero_jax.prune import prune
from azero_jax.space import SearchSpace
from azero_jax.state import State, with_prefix, without_prefix
from azero_jax.task_sets import GeneratedTasks, TaskSets
from azero_jax.tasks import Tasks

_SELECT_BATCH: Final = 64  # programs of one call on the select tasks: about the number of islands
_MOST_TRIED: Final = 10_000  # programs that are remembered as tried on the select tasks; a longer search forgets some


class Trial(NamedTuple):
    """M programs that were tried on the select tasks.

    Attributes:
      programs: `[M]` as evolution left them.
      canonical: `[M]` in canonical form.
      search_fitness: `[M]` mean fitness on the search tasks.
      select_fitness: `[M]` mean fitness on the select tasks; if sufficient, the smaller one of two sets of them.
    """

    programs: Programs
    canonical: Programs
    search_fitness: NDArray[np.float64]
    select_fitness: NDArray[np.float64]


class Experiment:
    """One experiment.

    Attributes:
      number: which of the search's experiments it is, from 0.
      engine: runs candidates on the search tasks.
      evaluator: their fitness.
      algorithm: makes candidates; there after `begin`.
    """

    algorithm: SearchAlgorithm

    def __init__(
        self,
        config: Config,
        task_sets: TaskSets,
        space: SearchSpace,
        number: int,
        seeds: Programs | None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        """Makes tasks, engines and empty caches.

        Args:
          config: everything that decides the search.
          task_sets: where its tasks come from.
          space: what programs may look like.
          number: of the experiment, from 0; it decides the tasks and all random numbers, together with the seed.
          seeds: programs to start from; None for random ones.
          say: is told why an engine was passed over.
        """
        self.number = number
        self._config, self._space, self._seeds, self._task_sets = config, space, seeds, task_sets
        settings = run_settings(config, self._seed("random ops"))
        search_tasks = task_sets.search(self._seed("search"))
        self.engine = make_engine(config.engine.engine, space, search_tasks, settings, say)
        self._select_engine = self._make_judge("select")
        has_halves = config.search.algorithm == "random" or config.search.islands > 1
        self.evaluator = Evaluator(
            self.engine, config.evaluator, self._make_engine, overlap=None if has_halves else False
        )
        self._tried: dict[int, None] = {}  # hashes of programs, the latest last

    def warm_up(self) -> float:
        """Runs every compiled function once, on a population of two. Returns the seconds that it took."""
        start = time.perf_counter()
        evaluator = Evaluator(self.engine, self._config.evaluator, self._make_engine, overlap=False)
        tiny = dataclasses.replace(self._config.search, islands=1, population=2, batch=1)
        evolution = Evolution(self._space, evaluator, tiny, np.random.default_rng(0))
        evolution.step()
        evaluator.warm_up(evolution.programs)
        self._select_engine.evaluate(evolution.programs)
        prune(evolution.programs, self._space, self.engine.tasks.metric)
        canonicalize(evolution.programs, self._space, self.engine.tasks.metric)
        return time.perf_counter() - start

    def begin(self, state: State | None = None) -> None:
        """Makes and evaluates the initial population, or goes on from what `state()` gave."""
        generator = np.random.default_rng(self._seed("evolution"))
        inner = None
        if state is not None:
            self.evaluator.restore(without_prefix("evaluator", state))
            self._tried = dict.fromkeys(state["tried"].tolist())
            inner = without_prefix("algorithm", state)
        settings = self._config.search
        if settings.algorithm == "random":
            self.algorithm = RandomSearch(self._space, self.evaluator, settings, generator, inner)
        else:
            self.algorithm = Evolution(self._space, self.evaluator, settings, generator, self._seeds, inner)

    def state(self) -> State:
        """Everything that the following steps depend on."""
        return {
            **with_prefix("algorithm", self.algorithm.state()),
            **with_prefix("evaluator", self.evaluator.state()),
            "tried": np.array(list(self._tried), np.uint64),
        }

    def try_leaders(self) -> Trial | None:
        """Runs the islands' best programs on the select tasks, those that were not tried before; None if all were."""
        programs, fitness = self.algorithm.leaders()
        canonical, hashes = canonicalize(programs, self._space, self.engine.tasks.metric)
        _, first = np.unique(hashes, return_index=True)
        new = [int(n) for n in np.sort(first) if int(hashes[n]) not in self._tried]
        if not new:
            return None
        for key in hashes[new].tolist():
            self._tried[key] = None
            if len(self._tried) > _MOST_TRIED:
                del self._tried[next(iter(self._tried))]
        chosen = canonical[new]
        select_fitness = _mean_fitness(self._select_engine, chosen)
        self._confirm(chosen, select_fitness)
        return Trial(programs[new], chosen, fitness[new], select_fitness)

    def _confirm(self, programs: Programs, select_fitness: NDArray[np.float64]) -> None:
        """Runs those that seem sufficient on a second set of select tasks; the smaller fitness `[M]` counts.

        Many programs are tried in the course of a search: one that is a little unstable passes now and then by luck,
        and would end the search. So the second set is larger, where tasks are drawn at random and cost nothing.
        """
        sufficient = np.flatnonzero(select_fitness > self._config.budget.sufficient_fitness)
        if len(sufficient) == 0:
            return
        task_sets = self._task_sets
        if isinstance(task_sets, GeneratedTasks):
            task_sets = task_sets.with_more_select_tasks()
        judge = make_judge(self._config, task_sets, self._space, self.number, "confirm")
        confirmed = _mean_fitness(judge, programs[sufficient])
        select_fitness[sufficient] = np.minimum(select_fitness[sufficient], confirmed)

    def _make_judge(self, purpose: str) -> Engine:
        return make_judge(self._config, self._task_sets, self._space, self.number, purpose)

    def _seed(self, purpose: str) -> int:
        return derive_seed(self._config, self.number, purpose)

    def _make_engine(self, tasks: Tasks, batch_size: int | None = None) -> Engine:
        settings = run_settings(self._config, self._seed("random ops"), batch_size)
        return make_engine(self._config.engine.engine, self._space, tasks, settings)


def make_judge(config: Config, task_sets: TaskSets, space: SearchSpace, number: int, purpose: str) -> Engine:
    """An engine on select tasks of experiment `number`, those for `purpose`.

    Its random ops draw other numbers than on the search tasks: what was only lucky there is not lucky here.
    """
    tasks = task_sets.select(derive_seed(config, number, purpose))
    settings = run_settings(config, derive_seed(config, number, f"random ops, {purpose}"), _SELECT_BATCH)
    return make_engine(config.engine.engine, space, tasks, settings)


def _mean_fitness(engine: Engine, programs: Programs) -> NDArray[np.float64]:
    """`[N]` mean fitness over the engine's tasks."""
    return combine_tasks(np.asarray(engine.evaluate(programs).fitness), "mean")


def derive_seed(config: Config, experiment: int, purpose: str) -> int:
    """A 32-bit seed for one purpose of one experiment."""
    words = (config.seed, experiment, *purpose.encode())
    return int(np.random.SeedSequence(words).generate_state(1)[0])
