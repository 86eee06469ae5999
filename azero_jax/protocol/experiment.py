"""One experiment of a search: its tasks, engines, caches and populations.

A search is a series of experiments, each with fresh search and select tasks, as in the original's main loop (its
run_search_experiment).
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.analysis.canonical.form import canonicalize
from azero_jax.analysis.pruning import prune
from azero_jax.config.tree import Config, derive_seed
from azero_jax.engines.base import Engine
from azero_jax.engines.make import make_engine
from azero_jax.evolve.algorithm import SearchAlgorithm
from azero_jax.evolve.random_search import RandomSearch
from azero_jax.evolve.regularized import Evolution
from azero_jax.fitness.evaluator import Evaluator
from azero_jax.fitness.settings import EvaluatorSettings
from azero_jax.judge.run_program import final_judge, select_judge
from azero_jax.language.program import Programs
from azero_jax.language.space import SearchSpace
from azero_jax.process.patience import Patience
from azero_jax.process.state import State, with_prefix, without_prefix
from azero_jax.tasks import Tasks
from azero_jax.tasks.sets import GeneratedTasks, TaskSets

_MOST_TRIED: Final = 10_000  # programs that are remembered as tried on the select tasks; a longer search forgets some


class Trial(NamedTuple):
    """M programs that were tried on the select tasks."""

    programs: Programs  # `[M]` as evolution left them
    canonical: Programs  # `[M]` in canonical form
    search_fitness: NDArray[np.float64]  # `[M]` mean fitness on the search tasks
    select_fitness: NDArray[np.float64]  # `[M]` see `Arena.select_fitness`
    leaders: tuple[int, ...]  # `[M]` their numbers among the leaders of the search algorithm


class Arena:
    """The tasks, engines and caches of one experiment.

    Attributes:
      config: everything that decides the search.
      space: what programs may look like.
      number: of the experiment, from 0; it decides the tasks and all random numbers, together with the seed.
      engine: runs candidates on the search tasks.
      evaluator: their fitness.
      patience: when it is over, programs are left out; None waits for everything.
      one_core: whether all work is done in the thread that asks for it.
    """

    def __init__(
        self,
        config: Config,
        task_sets: TaskSets,
        space: SearchSpace,
        number: int,
        say: Callable[[str], None] | None = None,
        patience: Patience | None = None,
        *,
        one_core: bool = False,
    ) -> None:
        """Makes tasks, engines and empty caches; `say` is told why an engine was passed over."""
        self.patience, self.one_core = patience, one_core
        self.config, self._task_sets, self.space, self.number = config, task_sets, space, number
        self.engine = self._make_engine(task_sets.search(self.seed("search")), say)
        self._judge = select_judge(config, task_sets, space, number, "select", patience)
        self._settings = _fitting_probe(config, self.engine.tasks, say)
        has_halves = config.search.algorithm == "random" or config.search.islands > 1
        self.evaluator = self._make_evaluator(None if has_halves and not one_core else False)

    def close(self, *, wait: bool = True) -> None:
        """Ends the evaluation and gives back the engines; `wait`: for what the other thread is running just now."""
        self.evaluator.close(wait=wait)
        if wait:
            self.engine.close()
            self._judge.engine.close()

    def seed(self, purpose: str) -> int:
        """A 32-bit seed for one purpose of this experiment."""
        return derive_seed(self.config, self.number, purpose)

    def warm_up(self) -> float:
        """Runs every compiled function once, on a population of two. Returns the seconds that it took."""
        start = time.perf_counter()
        evaluator, metric = self._make_evaluator(False), self.engine.tasks.metric
        tiny = dataclasses.replace(self.config.search, islands=1, population=2, batch=1, frozen=())
        evolution = Evolution(self.space, evaluator, tiny, np.random.default_rng(0), metric=metric)
        evolution.step()
        evaluator.warm_up(evolution.programs)
        evaluator.close()
        self._judge.fitness(evolution.programs)
        prune(evolution.programs, self.space, metric)
        if self.config.tasks.of_data:  # whose unseen tasks are of another number, which may need another kernel
            judge = final_judge(self.config, self._task_sets, self.space)
            judge.fitness(evolution.programs)
            judge.engine.close()
        return time.perf_counter() - start

    def select_fitness(self, programs: Programs) -> NDArray[np.float64]:
        """`[M]` mean fitness on the select tasks; of what seems sufficient, on a second set too, the smaller one.

        Many programs are tried in the course of a search: one that is a little unstable passes now and then by luck,
        and would end the search. So the second set is larger, where tasks are drawn at random and cost nothing.
        """
        fitness = self._judge.mean_fitness(programs)
        sufficient = np.flatnonzero(fitness > self.config.budget.sufficient_fitness)
        if len(sufficient):
            task_sets = self._task_sets
            if isinstance(task_sets, GeneratedTasks):
                task_sets = task_sets.with_more_select_tasks()
            judge = select_judge(self.config, task_sets, self.space, self.number, "confirm", self.patience)
            fitness[sufficient] = np.minimum(fitness[sufficient], judge.mean_fitness(programs[sufficient]))
            judge.engine.close()
        return fitness

    def _make_evaluator(self, overlap: bool | None) -> Evaluator:
        learnable_only = self.config.search.candidates == "learnable"
        return Evaluator(self.engine, self._settings, self._make_engine, overlap=overlap, learnable_only=learnable_only)

    def _make_engine(self, tasks: Tasks, say: Callable[[str], None] | None = None) -> Engine:
        engine = self.config.engine
        settings = engine.run_settings(epochs=self.config.tasks.epochs, seed=self.seed("random ops"))
        made = make_engine(engine.engine, self.space, tasks, settings, say)
        made.patience = self.patience
        return made


def _fitting_probe(config: Config, tasks: Tasks, say: Callable[[str], None] | None) -> EvaluatorSettings:
    """The evaluator's settings, with a smaller probe where the user's data have fewer examples than it asks for."""
    settings = config.evaluator
    probe = {"fec_train_examples": tasks.train_examples, "fec_valid_examples": tasks.valid_examples}
    excessive = {name: there for name, there in probe.items() if getattr(settings, name) > there}
    if not excessive or not config.tasks.of_data or settings.fec_size == 0:
        return settings
    if say is not None:
        words = ", ".join(f"{name} is {there}" for name, there in excessive.items())
        say(f"note: few examples; {words} in place of {', '.join(str(getattr(settings, n)) for n in excessive)}")
    train, valid = (min(getattr(settings, name), there) for name, there in probe.items())
    return dataclasses.replace(settings, fec_train_examples=train, fec_valid_examples=valid)


class Experiment:
    """One experiment.

    Attributes:
      arena: where it takes place.
      algorithm: makes candidates.
    """

    def __init__(self, arena: Arena, seeds: Programs | None = None, state: State | None = None) -> None:
        """Makes and evaluates the initial population, of `seeds` if any, or goes on from what `state()` gave."""
        self.arena = arena
        self._tried: dict[int, None] = {}  # hashes of programs, the latest last
        inner = None
        if state is not None:
            arena.evaluator.restore(without_prefix("evaluator", state))
            self._tried = dict.fromkeys(state["tried"].tolist())
            inner = without_prefix("algorithm", state)
        generator, settings = np.random.default_rng(arena.seed("evolution")), arena.config.search
        metric = arena.engine.tasks.metric
        self.algorithm: SearchAlgorithm
        try:
            if settings.algorithm == "random":
                self.algorithm = RandomSearch(arena.space, arena.evaluator, settings, generator, seeds, inner, metric)
            else:
                self.algorithm = Evolution(arena.space, arena.evaluator, settings, generator, seeds, inner, metric)
        except BaseException:
            arena.evaluator.close(wait=False)
            raise

    def state(self) -> State:
        """Everything that the following steps depend on."""
        return {
            **with_prefix("algorithm", self.algorithm.state()),
            **with_prefix("evaluator", self.arena.evaluator.state()),
            "tried": np.array(list(self._tried), np.uint64),
        }

    @property
    def not_run(self) -> int:
        """Candidates of the last batch that patience did not last for."""
        return self.arena.evaluator.not_run

    def try_leaders(self, *, best_first: bool = False) -> Trial | None:
        """Runs the islands' best programs on the select tasks, those that were not tried before; None if all were.

        `best_first` is for when patience may not last for all of them; else they are in the order of the islands.
        """
        programs, fitness = self.algorithm.leaders()
        canonical, hashes = canonicalize(programs, self.arena.space, self.arena.engine.tasks.metric)
        _, first = np.unique(hashes, return_index=True)
        new = [int(n) for n in np.sort(first) if int(hashes[n]) not in self._tried]
        if not new:
            return None
        if best_first:
            new.sort(key=lambda n: -fitness[n])
        for key in hashes[new].tolist():
            self._tried[key] = None
            if len(self._tried) > _MOST_TRIED:
                del self._tried[next(iter(self._tried))]
        select_fitness = self.arena.select_fitness(canonical[new])
        return Trial(programs[new], canonical[new], fitness[new], select_fitness, tuple(new))
