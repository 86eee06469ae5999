"""From candidates to fitness: prune, look up what is known, run what is new in stages."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax import ops
from azero_jax.canonical import canonicalize
from azero_jax.engines.base import Engine
from azero_jax.evaluate.cache import FitnessCache
from azero_jax.evaluate.constants import NOT_CONSTANT, ZERO, ConstantFitness
from azero_jax.evaluate.counters import Counters
from azero_jax.evaluate.equivalence import hash_errors
from azero_jax.evaluate.hurdles import Hurdle
from azero_jax.evaluate.levels import data_bounds
from azero_jax.evaluate.program_cache import ProgramCache
from azero_jax.evaluate.train_budget import baseline_cost, training_cost
from azero_jax.program import Programs
from azero_jax.state import State, with_prefix, without_prefix
from azero_jax.tasks import Tasks
from azero_jax.timings import Timings

MAX_PROBE_EXAMPLES: Final = 100  # the original records the errors of at most 100 examples


@dataclasses.dataclass(frozen=True)
class EvaluatorSettings:
    """What the evaluator does to avoid running a candidate in full; each part can be switched off.

    Attributes:
      cache_size: programs, in canonical form or pruned, whose fitness is remembered; 0 switches the cache off.
      canonical: bring candidates into canonical form; if not, they are only pruned, which is quicker, but fewer are
        known. Where a run takes microseconds this pays. With random ops the canonical form is always made, because it
        numbers the streams that they draw from.
      fec_size: behaviours that functional equivalence checking remembers; 0 switches it off.
      fec_train_examples: training examples of its probe.
      fec_valid_examples: validation examples of its probe.
      fec_decimals: decimals to which the probe's errors are rounded before they are compared; None compares exactly.
      fec_forget_every: a behaviour is evaluated anew at every n-th sighting; 0 never.
      hurdle_examples: share of the examples at each hurdle, ascending, in (0, 1]; empty switches hurdles off.
      hurdle_tasks: share of the tasks at each hurdle, not descending, in (0, 1]; empty means all tasks at each.
      hurdle_percentile: of the unique fitnesses seen at a hurdle, which a candidate must reach.
      hurdle_window: how many of the latest fitnesses count for it.
      train_budget: most training cost, as a multiple of the reference neural net's; 0 sets no limit.
      constants: score constant predictors, and those that provably predict zero, without running them.
      combine: "mean" or "median" (the upper one) of the tasks' fitnesses.

    Raises:
      ValueError: a number is out of range.
    """

    cache_size: int = 200_000
    canonical: bool = True
    fec_size: int = 100_000
    fec_train_examples: int = 10
    fec_valid_examples: int = 10
    fec_decimals: int | None = None
    fec_forget_every: int = 0
    hurdle_examples: tuple[float, ...] = ()
    hurdle_tasks: tuple[float, ...] = ()
    hurdle_percentile: float = 75.0
    hurdle_window: int = 2000
    train_budget: float = 0.0
    constants: bool = True
    combine: str = "mean"

    def __post_init__(self) -> None:
        for name in ("cache_size", "fec_size", "fec_forget_every", "train_budget"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more")
        for name in ("fec_train_examples", "fec_valid_examples"):
            if not 1 <= getattr(self, name) <= MAX_PROBE_EXAMPLES:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be from 1 to {MAX_PROBE_EXAMPLES}")
        if not 0 <= self.hurdle_percentile <= 100:
            raise ValueError(f"hurdle_percentile is {self.hurdle_percentile}; it must be from 0 to 100")
        if self.hurdle_window < 1:
            raise ValueError(f"hurdle_window is {self.hurdle_window}; it must be at least 1")
        if self.combine not in ("mean", "median"):
            raise ValueError(f"combine is {self.combine!r}; allowed: mean, median")
        _check_shares("hurdle_examples", self.hurdle_examples, strictly=True)
        _check_shares("hurdle_tasks", self.hurdle_tasks, strictly=False)
        if self.hurdle_tasks and len(self.hurdle_tasks) != len(self.hurdle_examples):
            raise ValueError(
                f"hurdle_tasks has {len(self.hurdle_tasks)} stages and hurdle_examples {len(self.hurdle_examples)};"
                " they must be as many, or hurdle_tasks empty"
            )


class _Stage(NamedTuple):
    """One hurdle: where and on how many examples it runs candidates, and its threshold."""

    engine: Engine
    examples: tuple[int, int]
    hurdle: Hurdle


class Evaluator:
    """Fitness of programs of one search space on one set of tasks.

    Attributes:
      counters: what happened to the candidates so far.
      timings: where the time went; "probe", "hurdles" and "run in full" are the engine's, the others the host's.
    """

    def __init__(
        self,
        engine: Engine,
        settings: EvaluatorSettings,
        make_engine: Callable[[Tasks], Engine] | None = None,
    ) -> None:
        """An evaluator with empty caches.

        Args:
          engine: runs programs; its space and tasks are the evaluator's.
          settings: what is done to avoid running.
          make_engine: an engine for a part of the tasks; needed if a hurdle uses fewer tasks.

        Raises:
          ValueError: the probe needs more examples than a task has.
        """
        self.engine = engine
        self.settings = settings
        self.counters = Counters(stopped_at_hurdle=[0] * len(settings.hurdle_examples))
        self.timings = Timings()
        self._space = engine.space
        self._tasks = engine.tasks
        self._programs = ProgramCache(
            settings.cache_size,
            self._space,
            self._tasks.metric,
            find_constants=settings.constants,
            bounds=data_bounds(self._tasks),
        )
        self._behaviours = FitnessCache(settings.fec_size, forget_every=settings.fec_forget_every)
        self._canonical = settings.canonical or any(ops.OPS[op].random for op in self._space.ops)
        self._probe = (settings.fec_train_examples, settings.fec_valid_examples)
        if settings.fec_size > 0:
            _check_probe(self._probe, self._tasks)
        self._stages = [self._make_stage(index, make_engine) for index in range(len(settings.hurdle_examples))]
        self._most_cost = np.inf
        if settings.train_budget > 0:
            self._most_cost = settings.train_budget * baseline_cost(self._space, self._tasks.train_examples)

    def evaluate(self, programs: Programs, known: NDArray[np.float64] | None = None, /) -> NDArray[np.float64]:
        """`[N]` fitness of N programs, 0 (worst) to 1.

        Args:
          programs: the candidates.
          known: `[N]` fitness of those that are exact copies of programs evaluated before, NaN elsewhere; it counts as
            known by canonical form, and only if the cache is on.
        """
        counters = self.counters
        counters.candidates += len(programs)
        if known is None or self.settings.cache_size == 0:
            fitness = np.full(len(programs), np.nan)
        else:
            fitness = known.copy()
            counters.known_canonical += int((~np.isnan(known)).sum())
        if self._most_cost < np.inf:
            costly = training_cost(programs, self._space, self._tasks.train_examples) > self._most_cost
            costly &= np.isnan(fitness)
            counters.over_budget += int(costly.sum())
            fitness[costly] = 0.0
        self._evaluate_unknown(programs, fitness)
        return fitness

    def warm_up(self, programs: Programs) -> None:
        """Runs some programs through every stage, so that nothing is left to compile."""
        if self.settings.fec_size > 0:
            self.engine.evaluate(programs, examples=self._probe, record=True)
        for stage in self._stages:
            stage.engine.evaluate(programs, examples=stage.examples)
        self.engine.evaluate(programs)

    def state(self) -> State:
        """Everything that it remembers: both caches, the hurdles and the counters."""
        state = {
            **with_prefix("programs", self._programs.state()),
            **with_prefix("behaviours", self._behaviours.state()),
            **with_prefix("counters", self.counters.state()),
        }
        for index, stage in enumerate(self._stages):
            state |= with_prefix(f"hurdle{index}", stage.hurdle.state())
        return state

    def restore(self, state: State) -> None:
        """Goes on from what `state()` of an evaluator with the same space, settings and tasks gave; this one is new."""
        self._programs.restore(without_prefix("programs", state))
        self._behaviours.restore(without_prefix("behaviours", state))
        self.counters.restore(without_prefix("counters", state))
        for index, stage in enumerate(self._stages):
            stage.hurdle.restore(without_prefix(f"hurdle{index}", state))

    def _evaluate_unknown(self, programs: Programs, fitness: NDArray[np.float64]) -> None:
        """Fills in the fitness of programs, of `[N]`, where it is NaN."""
        unknown = np.flatnonzero(np.isnan(fitness))
        instructions = int(programs.sizes[unknown].sum())
        self.counters.instructions += instructions
        self.counters.pruned_instructions += instructions
        if not self._canonical:
            self._look_up_and_run(programs, fitness, len(unknown))
            return
        with self.timings.phase("canonicalize"):
            canonical = canonicalize(programs[unknown], self._space, self._tasks.metric).programs
        found = np.full(len(unknown), np.nan)
        self._look_up_and_run(canonical, found, len(unknown))
        fitness[unknown] = found

    def _look_up_and_run(self, programs: Programs, fitness: NDArray[np.float64], count: int) -> None:
        """Fills in the fitness of programs, of `[N]`, at the `count` places where it is NaN."""
        with self.timings.phase("look up"):
            # Of canonical programs this finds the live instructions a second time: 0.06 microseconds a candidate of the
            # demo, where the canonical form takes 1, so that is not worth a loop of its own.
            unknown, new, constant_slots, live = self._programs.screen(programs, fitness)
            self.counters.pruned_instructions -= live
        with self.timings.phase("constants"):
            constants = self._score_constants(programs, constant_slots, fitness)
            self.counters.known_canonical += count - len(new) - constants
        found = self._probe_and_run(new)
        with self.timings.phase("insert"):
            self._programs.fill(found)
            unknown.spread(found, fitness)

    @functools.cached_property
    def _constant_fitness(self) -> ConstantFitness:
        run = self.engine.settings
        return ConstantFitness(self._tasks, run.precision, run.max_abs_error)

    def _score_constants(self, programs: Programs, slots: NDArray[np.int64], fitness: NDArray[np.float64]) -> int:
        """Fills in the fitness of constant predictors and returns how many they are; `slots` are `ProgramCache`'s."""
        found = np.flatnonzero(slots != NOT_CONSTANT)
        if len(found):
            setting = found[slots[found] != ZERO]
            constants = np.append(programs.constants[setting, slots[setting], 0], 0.0)  # one zero for all the others
            values = self._combine(self._constant_fitness(constants))
            fitness[found] = values[-1]
            fitness[setting] = values[:-1]
        self.counters.constant_predictors += len(found)
        return len(found)

    def _probe_and_run(self, pruned: Programs) -> NDArray[np.float64]:
        """`[N]` fitness, after functional equivalence checking."""
        if self.settings.fec_size == 0 or len(pruned) == 0:
            return self._run_stages(pruned, np.arange(len(pruned)))
        with self.timings.phase("probe"):
            outcome = self.engine.evaluate(pruned, examples=self._probe, record=True)
            self._count_steps(outcome.train_steps)
            errors = np.asarray(outcome.errors)
        with self.timings.phase("equivalence"):
            fitness = np.full(len(pruned), np.nan)
            unknown = self._behaviours.look_up(hash_errors(errors, self.settings.fec_decimals), fitness)
            self.counters.probed += len(pruned)
            self.counters.known_fec += len(pruned) - len(unknown.new)
            probed = self._combine(np.asarray(outcome.fitness)[unknown.new])
        found = self._run_stages(pruned, unknown.new, probed)
        with self.timings.phase("insert"):
            self._behaviours.fill(found)
            unknown.spread(found, fitness)
        return fitness

    def _run_stages(
        self, pruned: Programs, chosen: NDArray[np.int64], probed: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """`[M]` fitness: of the hurdle that stopped the candidate, or of all examples of all tasks.

        Args:
          pruned: N programs.
          chosen: `[M]` which of them are run, ascending.
          probed: `[M]` their fitness in the probe, which a hurdle takes that wants what the probe has run.
        """
        fitness = np.zeros(len(chosen))
        running = np.arange(len(chosen))
        for index, stage in enumerate(self._stages):
            if len(running) == 0:
                return fitness
            with self.timings.phase("hurdles"):
                if probed is not None and stage.engine is self.engine and stage.examples == self._probe:
                    reached = probed[running]
                else:
                    reached = self._run(stage.engine, _select(pruned, chosen[running]), stage.examples)
            fitness[running] = reached
            passed = stage.hurdle.passes(reached)
            self.counters.stopped_at_hurdle[index] += int((~passed).sum())
            running = running[passed]
        if len(running):
            self.counters.run_in_full += len(running)
            with self.timings.phase("run in full"):
                fitness[running] = self._run(self.engine, _select(pruned, chosen[running]), None)
        return fitness

    def _run(self, engine: Engine, programs: Programs, examples: tuple[int, int] | None) -> NDArray[np.float64]:
        outcome = engine.evaluate(programs, examples=examples)
        self._count_steps(outcome.train_steps)
        return self._combine(np.asarray(outcome.fitness))

    def _combine(self, fitness: NDArray) -> NDArray[np.float64]:
        return combine_tasks(fitness, self.settings.combine)

    def _count_steps(self, steps: NDArray[np.int32]) -> None:
        self.counters.train_steps += int(np.asarray(steps).sum(dtype=np.int64))

    def _make_stage(self, index: int, make_engine: Callable[[Tasks], Engine] | None) -> _Stage:
        settings, tasks = self.settings, self._tasks
        hurdle = Hurdle(settings.hurdle_percentile, settings.hurdle_window)
        share = settings.hurdle_examples[index]
        steps = tasks.train_examples * self.engine.settings.epochs
        examples = (max(round(share * steps), 1), max(round(share * tasks.valid_examples), 1))
        count = len(tasks)
        if settings.hurdle_tasks:
            count = max(round(settings.hurdle_tasks[index] * count), 1)
        if count == len(tasks):
            return _Stage(self.engine, examples, hurdle)
        if make_engine is None:
            raise ValueError("hurdle_tasks needs an engine for a part of the tasks")
        return _Stage(make_engine(tasks.first(count)), examples, hurdle)


def _select(programs: Programs, chosen: NDArray[np.int64]) -> Programs:
    """The programs at some places, ascending; not copied if these are all places."""
    return programs if len(chosen) == len(programs) else programs[chosen]


def combine_tasks(fitness: NDArray, how: str) -> NDArray[np.float64]:
    """`[N]` mean, or upper median, of `[N, T]` task fitnesses."""
    if how == "mean":
        # NumPy adds up fewer than 8 numbers one by one, so that the layout makes no difference but in time.
        return fitness.astype(np.float64, order="F" if fitness.shape[1] < 8 else "C").mean(axis=1)
    values = fitness.astype(np.float64)
    middle = values.shape[1] // 2
    return np.partition(values, middle, axis=1)[:, middle]


def _check_shares(name: str, shares: tuple[float, ...], *, strictly: bool) -> None:
    ascending = all(a < b or (a == b and not strictly) for a, b in itertools.pairwise(shares))
    if not ascending or not all(0 < share <= 1 for share in shares):
        order = "ascending" if strictly else "not descending"
        raise ValueError(f"{name} is {shares}; they must be {order}, each above 0 and at most 1")


def _check_probe(probe: tuple[int, int], tasks: Tasks) -> None:
    for name, count, available in (
        ("fec_train_examples", probe[0], tasks.train_examples),
        ("fec_valid_examples", probe[1], tasks.valid_examples),
    ):
        if count > available:
            flag = f"--{name.replace('_', '-')}"
            raise ValueError(f"{name} is {count}; a task has only {available}; take all with {flag} {available}")
