"""From candidates to fitness: prune, look up what is known, run what is new.

A batch is submitted, and its fitness taken later, so that the search can make the next batch in the meantime. Up to two
batches are on their way; they are answered in the order in which they were submitted. What is new in them runs in
another thread where that pays: host and engine then work at the same time. Where it does not pay, what is new in both
runs together, in fewer calls of the engine. The results are the same to the last bit.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import jax
import numpy as np
from numpy.typing import NDArray

from azero_jax.analysis.canonical.form import canonicalize
from azero_jax.analysis.constant_predictors import NOT_CONSTANT, ZERO
from azero_jax.analysis.cost import baseline_cost, training_cost
from azero_jax.analysis.learnable import learnable
from azero_jax.analysis.levels import data_bounds
from azero_jax.engines.base import Engine
from azero_jax.engines.outcome import NOT_RUN, combine_tasks
from azero_jax.fitness.cache import Unknown
from azero_jax.fitness.constant_fitness import ConstantFitness
from azero_jax.fitness.counters import Counters
from azero_jax.fitness.program_cache import ProgramCache
from azero_jax.fitness.settings import EvaluatorSettings
from azero_jax.fitness.stages import Part, StagedRuns
from azero_jax.language import ops
from azero_jax.language.program import Programs, empty_programs
from azero_jax.process.cores import usable_cores
from azero_jax.process.state import State, with_prefix, without_prefix
from azero_jax.process.timings import Timings
from azero_jax.tasks import Tasks

MOST_ON_THEIR_WAY: Final = 2  # batches
REFUSED: Final = -1.0  # fitness of what cannot learn, where only learnable programs are run


@dataclasses.dataclass
class Evaluation:
    """A batch of N candidates on its way to its fitness.

    Attributes:
      evaluator: where it was submitted.
      counters: what has happened to these candidates; the evaluator's own only learn of it when the fitness is taken.
      fitness: `[N]`, NaN where it is not known yet.
      waiting: what is waited for; None once all fitness is known.
    """

    evaluator: Evaluator
    counters: Counters
    fitness: NDArray[np.float64]
    waiting: _Waiting | None = None

    def take(self) -> NDArray[np.float64]:
        """`[N]` fitness, 0 (worst) to 1; to be called once."""
        self.evaluator.settle(self)
        self.evaluator.counters.add(self.counters)
        return self.fitness

    def state(self) -> State:
        """Fitness and counters; `Evaluator.resume` makes an evaluation of them that is still to be taken."""
        self.evaluator.settle(self)
        return {"fitness": self.fitness, **with_prefix("counters", self.counters.state())}


@dataclasses.dataclass
class _Waiting:
    """What a batch waits for.

    Attributes:
      asked: `[M]` candidates that were looked up; None stands for all.
      fitness: `[M]` their fitness, NaN where it is not known yet.
      unknown: what the look-up did not find.
      new: of these, the programs to run, each once.
      found: their fitness; None if they do not run yet.
    """

    asked: NDArray[np.int64] | None
    fitness: NDArray[np.float64]
    unknown: Unknown
    new: Programs
    found: Callable[[], NDArray[np.float64]] | None = None


class Evaluator:
    """Fitness of programs of one search space on one set of tasks.

    Attributes:
      engine: runs programs.
      settings: what is done to avoid running.
      counters: what happened to the candidates whose fitness has been taken.
      overlaps: whether what is new runs in another thread.
      timings: where the time of the calling thread went.
      runs: runs what is new; it has timings of its own.
      not_run: candidates that the engine's patience did not last for.
    """

    def __init__(
        self,
        engine: Engine,
        settings: EvaluatorSettings,
        make_engine: Callable[[Tasks], Engine] | None = None,
        *,
        overlap: bool | None = None,
        learnable_only: bool = False,
    ) -> None:
        """An evaluator with empty caches.

        Args:
          engine: runs programs; its space and tasks are the evaluator's.
          settings: what is done to avoid running.
          make_engine: an engine for a part of the tasks; needed if a hurdle uses fewer tasks.
          overlap: run what is new in another thread; None does where this process has more than one core, or the
            engine an accelerator.
          learnable_only: refuse programs that cannot learn: their fitness is `REFUSED`, and they are not run.

        Raises:
          ValueError: the probe needs more examples than a task has.
        """
        self.engine = engine
        self.settings = settings
        self.runs = StagedRuns(engine, settings, make_engine)
        self.counters = self._no_counts()
        self.not_run = 0
        self.timings = Timings()
        self.overlaps = _overlap_pays() if overlap is None else overlap
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="evaluate") if self.overlaps else None
        self._on_their_way: deque[Evaluation] = deque()
        self._ended = ""  # why nothing can be evaluated any more
        self._space, self._tasks = engine.space, engine.tasks
        self._rooms = [empty_programs(0, self._space) for _ in range(2)]  # for new programs
        self._programs = ProgramCache(
            settings.cache_size,
            self._space,
            self._tasks.metric,
            find_constants=settings.constants and not learnable_only,  # what can learn predicts no constant
            bounds=data_bounds(self._tasks),
        )
        self._canonical = settings.canonical or any(ops.OPS[op].random for op in self._space.ops)
        self._learnable_only = learnable_only
        self._most_cost = np.inf
        if settings.train_budget > 0:
            self._most_cost = settings.train_budget * baseline_cost(self._space, self._tasks.train_examples)

    def evaluate(self, programs: Programs, known: NDArray[np.float64] | None = None, /) -> NDArray[np.float64]:
        """`[N]` fitness of N programs, 0 (worst) to 1, or `REFUSED`; arguments are those of `submit`."""
        return self.submit(programs, known).take()

    def submit(
        self, programs: Programs, known: NDArray[np.float64] | None = None, /, *, are_learnable: bool = False
    ) -> Evaluation:
        """Starts the evaluation of N programs, which may be overwritten from then on.

        Args:
          programs: the candidates.
          known: `[N]` fitness of those that are exact copies of programs evaluated before, NaN elsewhere; it counts as
            known by canonical form, and only if the cache is on.
          are_learnable: all but these copies are, so that need not be tested.
        """
        if self._ended:
            raise RuntimeError(self._ended)
        while len(self._on_their_way) >= MOST_ON_THEIR_WAY:
            self.settle(self._on_their_way[0])
        counters = self._no_counts()
        counters.candidates += len(programs)
        if known is None or self.settings.cache_size == 0:
            fitness = np.full(len(programs), np.nan)
        else:
            fitness = known.copy()
            counters.known_canonical += len(known) - int(np.count_nonzero(np.isnan(known)))
        if self._learnable_only:
            with self.timings.phase("learnable"):
                doubtful = np.isnan(fitness)
                if are_learnable:
                    doubtful &= False if known is None else ~np.isnan(known)
                if doubtful.any():
                    doubtful[doubtful] = ~learnable(programs[doubtful], self._space, self._tasks.metric)
                    counters.not_learnable += int(doubtful.sum())
                    fitness[doubtful] = REFUSED
        if self._most_cost < np.inf:
            costly = training_cost(programs, self._space, self._tasks.train_examples) > self._most_cost
            costly &= np.isnan(fitness)
            counters.over_budget += int(costly.sum())
            fitness[costly] = 0.0
        evaluation = Evaluation(self, counters, fitness)
        evaluation.waiting = self._look_up(programs, evaluation)
        self._on_their_way.append(evaluation)
        if self._thread is not None:
            part = Part(len(evaluation.waiting.new), counters)
            evaluation.waiting.found = self._thread.submit(self.runs.run, evaluation.waiting.new, [part]).result
        return evaluation

    def settle(self, evaluation: Evaluation) -> None:
        """Waits for the fitness of a batch, and of those before it.

        Raises:
          RuntimeError: the evaluator is closed, or an evaluation has failed before; the first time its own error comes.
        """
        if self._ended:
            raise RuntimeError(self._ended)
        try:
            if evaluation.waiting is not None and evaluation.waiting.found is None:
                self._run_together()
            while evaluation.waiting is not None:
                self._fill_in(self._on_their_way.popleft())
        except BaseException as error:  # what has not been filled in would be looked for in vain
            self._ended = f"this evaluator has ended with an error: {error!r}"
            raise

    def _fill_in(self, evaluation: Evaluation) -> None:
        """Waits for the fitness of the batch that was submitted first."""
        waiting = evaluation.waiting
        assert waiting is not None
        assert waiting.found is not None
        with self.timings.phase("wait"):
            found = waiting.found()
        with self.timings.phase("insert"):
            self._programs.fill(waiting.unknown, found, waiting.fitness)
            self.not_run += int(np.count_nonzero(waiting.fitness == NOT_RUN))
            if waiting.asked is not None:
                evaluation.fitness[waiting.asked] = waiting.fitness
        evaluation.waiting = None

    def resume(self, state: State) -> Evaluation:
        """The evaluation that gave this state, still to be taken."""
        counters = self._no_counts()
        counters.restore(without_prefix("counters", state))
        return Evaluation(self, counters, state["fitness"].copy())

    def close(self, *, wait: bool = True) -> None:
        """Drops what is on its way and ends the other thread, when nobody will take any more fitness.

        `wait`: for what that thread is running just now; only then the engines that are its own are given back.
        """
        if self._thread is not None:
            self._thread.shutdown(wait=wait, cancel_futures=True)
        if wait:
            self.runs.close()
        for evaluation in self._on_their_way:  # which know their evaluator: the circle would keep the caches in memory
            evaluation.waiting = None
        self._on_their_way.clear()
        self._ended = self._ended or "this evaluator is closed"

    def warm_up(self, programs: Programs) -> None:
        """Runs some programs through every stage, so that nothing is left to compile."""
        self.runs.warm_up(programs)

    def state(self) -> State:
        """Everything that it remembers: both caches, the hurdles and the counters; waits for what is on its way."""
        if self._on_their_way:
            self.settle(self._on_their_way[-1])
        return {
            **with_prefix("programs", self._programs.state()),
            **with_prefix("runs", self.runs.state()),
            **with_prefix("counters", self.counters.state()),
        }

    def restore(self, state: State) -> None:
        """Goes on from what `state()` of an evaluator with the same space, settings and tasks gave; this one is new."""
        self._programs.restore(without_prefix("programs", state))
        self.runs.restore(without_prefix("runs", state))
        self.counters.restore(without_prefix("counters", state))

    def _look_up(self, programs: Programs, evaluation: Evaluation) -> _Waiting:
        """Looks up the programs whose fitness is NaN."""
        counters, fitness, chosen = evaluation.counters, evaluation.fitness, None
        if self._canonical:
            with self.timings.phase("canonicalize"):
                chosen = np.flatnonzero(np.isnan(fitness))
                fitness = np.full(len(chosen), np.nan)
                programs = programs[chosen]
                counters.pruned_instructions += int(programs.sizes.sum())
                programs = canonicalize(programs, self._space, self._tasks.metric).programs
                counters.pruned_instructions -= int(programs.sizes.sum())
                counters.instructions += counters.pruned_instructions
        with self.timings.phase("look up"):
            # Of canonical programs this finds the live instructions a second time: 0.06 microseconds a candidate of the
            # demo, where the canonical form takes 1, so that is not worth a loop of its own.
            found = self._programs.screen(programs, fitness, self._make_room(len(programs)))
            counters.instructions += found.instructions
            counters.pruned_instructions += found.instructions - found.live_instructions
        with self.timings.phase("constants"):
            constants = self._score_constants(programs, found.constant_slots, fitness)
            counters.constant_predictors += constants + found.known_zeros
            counters.known_canonical += found.asked - len(found.programs) - constants - found.known_zeros
        return _Waiting(chosen, fitness, found.unknown, found.programs)

    def _make_room(self, count: int) -> Programs:
        """Room for new programs: behind those that they will run together with, or away from those that are running."""
        used = 0
        if self._thread is None:
            used = sum(len(waiting.new) for _, waiting in self._not_running())
        else:
            self._rooms.reverse()
        if len(self._rooms[0]) < used + count:
            larger = empty_programs(used + count, self._space)
            larger.put(slice(used), self._rooms[0][:used])
            self._rooms[0] = larger
        return self._rooms[0][used : used + count]

    def _not_running(self) -> list[tuple[Evaluation, _Waiting]]:
        """The batches whose new programs do not run yet."""
        batches = [(evaluation, evaluation.waiting) for evaluation in self._on_their_way]
        return [(evaluation, waiting) for evaluation, waiting in batches if waiting and waiting.found is None]

    def _run_together(self) -> None:
        """Runs the new programs of all batches that do not run yet."""
        batches = self._not_running()
        ends = np.cumsum([len(waiting.new) for _, waiting in batches])
        parts = [Part(len(waiting.new), evaluation.counters) for evaluation, waiting in batches]
        pieces = np.split(self.runs.run(self._rooms[0][: ends[-1]], parts), ends[:-1])
        for (_, waiting), found in zip(batches, pieces, strict=True):
            waiting.found = functools.partial(np.asarray, found)

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
            values = combine_tasks(self._constant_fitness(constants), self.settings.combine)
            fitness[found] = values[-1]
            fitness[setting] = values[:-1]
        return len(found)

    def _no_counts(self) -> Counters:
        return Counters(stopped_at_hurdle=[0] * len(self.settings.hurdle_examples))


def _overlap_pays() -> bool:
    """Whether host and engine can work at the same time: on two cores, or on a core and an accelerator."""
    return usable_cores() > 1 or jax.default_backend() != "cpu"
