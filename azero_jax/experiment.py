"""The whole search: candidates on search tasks, the best on select tasks, and what was found on unseen tasks, once.

This is the protocol of the original's main loop (its run_search_experiment): experiments follow one another, each with
fresh search and select tasks, until a program is good enough on the select tasks or the budget is spent.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from azero_jax.canonical import canonicalize
from azero_jax.config import Config, run_settings
from azero_jax.engines import Engine, make_engine
from azero_jax.evaluate import Counters, Evaluator, combine_tasks
from azero_jax.evolve import Evolution, RandomSearch, SearchAlgorithm
from azero_jax.program import Programs, check_programs
from azero_jax.prune import prune
from azero_jax.space import SearchSpace
from azero_jax.tasks import Tasks
from azero_jax.tasks.synthetic import TEACHERS
from azero_jax.text import format_program, parse_program

_SELECT_BATCH: Final = 64  # programs of one call on the select tasks: about the number of islands


class TaskSets(Protocol):
    """The three sets of tasks of a search; the numbers of tasks and examples must not depend on the seed."""

    def search(self, seed: int) -> Tasks:
        """Tasks on which every candidate is tried; a new seed for each experiment."""

    def select(self, seed: int) -> Tasks:
        """Tasks on which the best candidates are compared; a new seed for each experiment."""

    def final(self, seed: int) -> Tasks:
        """Unseen tasks on which the result is measured."""


class FixedTasks(NamedTuple):
    """Task sets that are the same whatever the seed: the user's own data."""

    search_tasks: Tasks
    select_tasks: Tasks
    final_tasks: Tasks

    def search(self, seed: int) -> Tasks:
        """See `TaskSets`."""
        del seed
        return self.search_tasks

    def select(self, seed: int) -> Tasks:
        """See `TaskSets`."""
        del seed
        return self.select_tasks

    def final(self, seed: int) -> Tasks:
        """See `TaskSets`."""
        del seed
        return self.final_tasks


class GeneratedTasks(NamedTuple):
    """Task sets drawn from random teachers, as the configuration says."""

    config: Config

    def search(self, seed: int) -> Tasks:
        """See `TaskSets`."""
        tasks = self.config.tasks
        return self._draw(tasks.search_tasks, tasks.train_examples, tasks.valid_examples, seed)

    def select(self, seed: int) -> Tasks:
        """See `TaskSets`."""
        tasks = self.config.tasks
        return self._draw(tasks.select_tasks, tasks.select_train_examples, tasks.select_valid_examples, seed)

    def final(self, seed: int) -> Tasks:
        """See `TaskSets`."""
        tasks = self.config.tasks
        return self._draw(tasks.final_tasks, tasks.select_train_examples, tasks.select_valid_examples, seed)

    def _draw(self, count: int, train_examples: int, valid_examples: int, seed: int) -> Tasks:
        tasks = self.config.tasks
        return TEACHERS[tasks.kind](
            tasks=count,
            features=tasks.features,
            train_examples=train_examples,
            valid_examples=valid_examples,
            seed=seed,
        )


class Progress(NamedTuple):
    """How far a search has come.

    Attributes:
      candidates: programs evaluated so far, over all experiments.
      seconds: of search so far, without the first compile.
      best_fitness: best current program's fitness on the search tasks.
      mean_fitness: mean of the current programs.
      select_fitness: best fitness on the select tasks so far, NaN before the first trial.
      experiment: which experiment is running, from 1.
      restarts: islands that started again in this experiment.
      counters: what happened to the candidates of this experiment.
      program: text of the best current program.
    """

    candidates: int
    seconds: float
    best_fitness: float
    mean_fitness: float
    select_fitness: float
    experiment: int
    restarts: int
    counters: Counters
    program: str


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
      solved: whether the select fitness is above the sufficient fitness.
      search_fitness: mean fitness on the search tasks.
      select_fitness: mean fitness on the select tasks.
      final_fitness: mean fitness on the unseen tasks.
      program: text of the program, without its dead instructions.
      raw_program: its text as evolution left it.
      candidates: programs evaluated.
      seconds: of search, without the first compile.
      compile_seconds: of the first compile.
      stopped_by: "sufficient_fitness", "max_candidates", "max_train_steps", "max_seconds" or "interrupt".
      experiments: how many experiments were begun.
      seed: of the search.
      engine: what ran the programs.
      device: what the engine ran on.
      counters: what happened to all candidates.
    """

    solved: bool
    search_fitness: float
    select_fitness: float
    final_fitness: float
    program: str
    raw_program: str
    candidates: int
    seconds: float
    compile_seconds: float
    stopped_by: str
    experiments: int
    seed: int
    engine: str
    device: str
    counters: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """The result as plain values, for JSON."""
        return dataclasses.asdict(self)


class _Found(NamedTuple):
    """The program that did best on select tasks so far."""

    program: Programs
    search_fitness: float
    select_fitness: float


def search(
    config: Config | None = None,
    *,
    tasks: TaskSets | None = None,
    seeds: tuple[str, ...] = (),
    report: Callable[[Progress], None] | None = None,
    report_seconds: float = 1.0,
    say: Callable[[str], None] | None = None,
) -> SearchResult:
    """Evolves a program.

    Args:
      config: everything that decides the search; None is the preset `linear`.
      tasks: the tasks, such as `FixedTasks(search, select, final)`; None draws them as the configuration says.
      seeds: texts of programs to start from instead of random ones.
      report: is told how far the search has come, about every `report_seconds`.
      report_seconds: seconds between two reports.
      say: is told, in single lines, what is going on besides (engine, compilation, new experiments).

    Returns:
      The program that did best on the select tasks, measured on the unseen tasks; whether it is sufficient or not. A
      KeyboardInterrupt ends the search the same way.

    Raises:
      ValueError: the configuration does not fit the tasks, or the engine is not available.
    """
    if config is None:
        from azero_jax.presets import DEFAULT_PRESET, load_preset

        config = load_preset(DEFAULT_PRESET)
    run = _Run(config, tasks or GeneratedTasks(config), seeds, say or (lambda line: None))
    return run.run(report or (lambda progress: None), report_seconds)


class _Run:
    """One search from start to end."""

    def __init__(self, config: Config, tasks: TaskSets, seeds: tuple[str, ...], say: Callable[[str], None]) -> None:
        self._config = config
        self._tasks = tasks
        self._say = say
        self._experiment = 0
        self._candidates_before = 0  # of finished experiments
        self._totals: list[Counters] = []
        self._found: _Found | None = None
        self._space = config.space.build(tasks.search(self._seed("search")).features)
        self._seeds = _read_seeds(seeds, self._space)
        self._compile_seconds = self._begin(warm_up=True)
        self._start = time.perf_counter()

    def run(self, report: Callable[[Progress], None], report_seconds: float) -> SearchResult:
        next_report, next_check = 0.0, self._config.budget.check_every
        stopped_by = ""
        try:
            self._begin_evolution()
            while not stopped_by:
                stopped_by = self._exceeded()
                if stopped_by or self._total_candidates() >= next_check:
                    next_check = self._total_candidates() + self._config.budget.check_every
                    if self._check_leaders():
                        stopped_by = "sufficient_fitness"
                if stopped_by or self._seconds() >= next_report:
                    next_report = self._seconds() + report_seconds
                    report(self._progress())
                if not stopped_by:
                    self._advance()
        except KeyboardInterrupt:
            stopped_by = "interrupt"
            self._check_leaders()
        return self._finish(stopped_by)

    def _seed(self, purpose: str) -> int:
        """A 32-bit seed for one purpose of the current experiment (the unseen tasks are the same in all of them)."""
        experiment = 0 if purpose == "final" else self._experiment
        words = (self._config.seed, experiment, *purpose.encode())
        return int(np.random.SeedSequence(words).generate_state(1)[0])

    def _make_engine(self, tasks: Tasks, batch_size: int | None = None) -> Engine:
        settings = run_settings(self._config, self._seed("random ops"), batch_size)
        return make_engine(self._config.engine.engine, self._space, tasks, settings)

    def _begin(self, *, warm_up: bool) -> float:
        """Starts an experiment: new tasks, engines, evaluator. Returns the seconds that compiling took."""
        config = self._config
        settings = run_settings(config, self._seed("random ops"))
        search_tasks = self._tasks.search(self._seed("search"))
        say = self._say if warm_up else None
        engine = make_engine(config.engine.engine, self._space, search_tasks, settings, say)
        select_engine = self._make_engine(self._tasks.select(self._seed("select")), _SELECT_BATCH)
        seconds = 0.0
        if warm_up:
            self._say(
                f"engine {engine.name} on {engine.device}; compiling for this search space (cached where possible)"
            )
            seconds = self._warm_up(engine, select_engine)
            self._say(f"compiled in {seconds:.1f} s")
        self._select_engine = select_engine
        self._evaluator = Evaluator(engine, config.evaluator, self._make_engine)
        self._tried: set[int] = set()
        self._totals.append(self._evaluator.counters)
        return seconds

    def _warm_up(self, engine: Engine, select_engine: Engine) -> float:
        """Runs every compiled function once, on a population of two. Returns the seconds that it took."""
        start = time.perf_counter()
        evaluator = Evaluator(engine, self._config.evaluator, self._make_engine)
        tiny = dataclasses.replace(self._config.search, islands=1, population=2, batch=1)
        evolution = Evolution(self._space, evaluator.evaluate, tiny, np.random.default_rng(0))
        evolution.step()
        evaluator.warm_up(evolution.programs)
        select_engine.evaluate(evolution.programs)
        prune(evolution.programs, self._space, engine.tasks.metric)
        return time.perf_counter() - start

    def _begin_evolution(self) -> None:
        generator = np.random.default_rng(self._seed("evolution"))
        evaluate, settings = self._evaluator.evaluate, self._config.search
        self._algorithm: SearchAlgorithm
        if settings.algorithm == "random":
            self._algorithm = RandomSearch(self._space, evaluate, settings, generator)
        else:
            self._algorithm = Evolution(self._space, evaluate, settings, generator, self._seeds)

    def _advance(self) -> None:
        limit = self._config.budget.experiment_candidates
        if limit and self._algorithm.candidates >= limit:
            self._check_leaders()
            self._candidates_before += self._algorithm.candidates
            self._experiment += 1
            self._say(f"experiment {self._experiment + 1} begins, with new tasks")
            self._begin(warm_up=False)
            self._begin_evolution()
        else:
            self._algorithm.step()

    def _seconds(self) -> float:
        return time.perf_counter() - self._start

    def _total_candidates(self) -> int:
        return self._candidates_before + self._algorithm.candidates

    def _exceeded(self) -> str:
        """Which budget is spent, or ""."""
        budget = self._config.budget
        if budget.max_candidates is not None and self._total_candidates() >= budget.max_candidates:
            return "max_candidates"
        if budget.max_train_steps is not None and sum(c.train_steps for c in self._totals) >= budget.max_train_steps:
            return "max_train_steps"
        if budget.max_seconds is not None and self._seconds() >= budget.max_seconds:
            return "max_seconds"
        return ""

    def _check_leaders(self) -> bool:
        """Tries the islands' best programs on the select tasks; whether one is good enough."""
        programs, fitness = self._algorithm.leaders()
        canonical, hashes = canonicalize(programs, self._space, self._evaluator.engine.tasks.metric)
        new = [n for n, key in enumerate(hashes.tolist()) if key not in self._tried]
        self._tried.update(hashes.tolist())
        if new:
            outcome = self._select_engine.evaluate(canonical[new])
            select_fitness = combine_tasks(np.asarray(outcome.fitness), "mean")
            best = int(select_fitness.argmax())
            if self._found is None or select_fitness[best] >= self._found.select_fitness:
                chosen = new[best]
                program = programs[chosen : chosen + 1].copy()
                self._found = _Found(program, float(fitness[chosen]), float(select_fitness[best]))
        return self._found is not None and self._found.select_fitness > self._config.budget.sufficient_fitness

    def _progress(self) -> Progress:
        programs, fitness = self._algorithm.leaders()
        best = int(fitness.argmax())
        return Progress(
            candidates=self._total_candidates(),
            seconds=self._seconds(),
            best_fitness=float(fitness[best]),
            mean_fitness=self._algorithm.mean_fitness(),
            select_fitness=self._found.select_fitness if self._found else float("nan"),
            experiment=self._experiment + 1,
            restarts=self._algorithm.restarts,
            counters=self._evaluator.counters,
            program=format_program(programs, best, self._space),
        )

    def _finish(self, stopped_by: str) -> SearchResult:
        seconds = self._seconds()
        assert self._found is not None
        metric = self._evaluator.engine.tasks.metric
        canonical = canonicalize(self._found.program, self._space, metric).programs
        engine = self._make_engine(self._tasks.final(self._seed("final")), 1)
        final = combine_tasks(np.asarray(engine.evaluate(canonical).fitness), "mean")
        return SearchResult(
            solved=self._found.select_fitness > self._config.budget.sufficient_fitness,
            search_fitness=self._found.search_fitness,
            select_fitness=self._found.select_fitness,
            final_fitness=float(final[0]),
            program=format_program(prune(self._found.program, self._space, metric), 0, self._space),
            raw_program=format_program(self._found.program, 0, self._space),
            candidates=self._total_candidates(),
            seconds=seconds,
            compile_seconds=self._compile_seconds,
            stopped_by=stopped_by,
            experiments=self._experiment + 1,
            seed=self._config.seed,
            engine=engine.name,
            device=engine.device,
            counters=_add_counters(self._totals),
        )


def _read_seeds(texts: tuple[str, ...], space: SearchSpace) -> Programs | None:
    if not texts:
        return None
    from azero_jax.program import concatenate

    programs = concatenate([parse_program(text, space) for text in texts])
    check_programs(programs, space)
    return programs


def _add_counters(all_counters: list[Counters]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for counters in all_counters:
        for name, value in dataclasses.asdict(counters).items():
            if isinstance(value, list):
                total[name] = [a + b for a, b in zip(total.get(name, [0] * len(value)), value, strict=True)]
            else:
                total[name] = total.get(name, 0) + value
    return total


def evaluate_program(text: str, tasks: Tasks, config: Config | None = None) -> NDArray[np.float64]:
    """`[T]` fitness of one program, given as text, on each of T tasks.

    Args:
      text: the program, as `SearchResult.program` has it.
      tasks: what to run it on.
      config: the search space and engine; None is the preset `linear`.

    Raises:
      ValueError: the text is not a program of the search space.
    """
    if config is None:
        config = Config()
    space = config.space.build(tasks.features)
    canonical = canonicalize(parse_program(text, space), space, tasks.metric).programs
    engine = make_engine(config.engine.engine, space, tasks, run_settings(config, config.seed, 1))
    return np.asarray(engine.evaluate(canonical).fitness)[0].astype(np.float64)
