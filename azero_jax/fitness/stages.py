"""Running what is new in stages: a probe of its behaviour, hurdles, and everything."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.engines.base import Engine
from azero_jax.engines.outcome import NOT_RUN, combine_tasks
from azero_jax.fitness.cache import FitnessCache
from azero_jax.fitness.counters import Counters
from azero_jax.fitness.equivalence import hash_errors
from azero_jax.fitness.hurdles import Hurdle
from azero_jax.fitness.settings import EvaluatorSettings
from azero_jax.language.program import Programs
from azero_jax.process.state import State, with_prefix, without_prefix
from azero_jax.process.timings import Timings
from azero_jax.tasks import Tasks

_SLOW_BATCH: Final = 8  # programs that go through all stages together, where one may take a good part of a second


class Part(NamedTuple):
    """A batch among several that are run together.

    Attributes:
      size: its programs.
      counters: are told what happens to them.
    """

    size: int
    counters: Counters


class _Stage(NamedTuple):
    """One hurdle: where and on how many examples it runs candidates, and its threshold."""

    engine: Engine
    examples: tuple[int, int]
    hurdle: Hurdle


class StagedRuns:
    """Runs programs, stopping each as soon as its fitness is known or looks poor.

    Functional equivalence checking comes first: a program that makes the errors of a known one on a few examples has
    its fitness. Then come the hurdles, then all examples of all tasks.

    Attributes:
      timings: where the time went; "probe", "hurdles" and "run in full" are the engine's.
    """

    def __init__(
        self, engine: Engine, settings: EvaluatorSettings, make_engine: Callable[[Tasks], Engine] | None = None
    ) -> None:
        """No behaviours known, and hurdles that everything passes; arguments and errors are those of `Evaluator`."""
        self.timings = Timings()
        self._engine, self._settings = engine, settings
        self._behaviours = FitnessCache(settings.fec_size, forget_every=settings.fec_forget_every)
        self._probe = (settings.fec_train_examples, settings.fec_valid_examples)
        if settings.fec_size > 0:
            _check_probe(self._probe, engine.tasks)
        self._stages = [self._make_stage(index, make_engine) for index in range(len(settings.hurdle_examples))]

    def run(self, programs: Programs, parts: Sequence[Part]) -> NDArray[np.float64]:
        """`[N]` fitness of N programs: of the hurdle that stopped one, or of all examples of all tasks.

        Where a run takes long, a few programs at a time go through all stages, so that the first have their fitness
        when patience is over; not with hurdles, which judge a batch as a whole.

        Args:
          programs: batches that are run together, one after another.
          parts: of which they are; it makes no difference to a batch whether it is run together with others.
        """
        size = len(programs)
        if self._engine.is_slow and not self._stages:
            size = _SLOW_BATCH
        if len(programs) <= size:
            return self._run_batch(programs, parts)
        fitness = np.full(len(programs), NOT_RUN)
        for first in range(0, len(programs), size):
            if self._engine.patience is not None and self._engine.patience.gave_up:
                break
            rows = slice(first, first + size)
            fitness[rows] = self._run_batch(programs[rows], _between(parts, rows.start, rows.stop))
        return fitness

    def _run_batch(self, programs: Programs, parts: Sequence[Part]) -> NDArray[np.float64]:
        if self._settings.fec_size == 0 or len(programs) == 0:
            return self._run_stages(programs, np.arange(len(programs)), parts)
        with self.timings.phase("probe"):
            outcome = self._engine.evaluate(programs, examples=self._probe, record=True)
            errors = np.asarray(outcome.errors)
        with self.timings.phase("equivalence"):
            fitness = np.full(len(programs), np.nan)
            unknown = self._behaviours.look_up(hash_errors(errors, self._settings.fec_decimals), fitness)
            probed = self._combine(np.asarray(outcome.fitness)[unknown.new])
            for part, rows, new in _cut(parts, unknown.new):
                part.counters.train_steps += outcome.count_steps(rows)
                part.counters.probed += part.size
                part.counters.known_fec += part.size - (new.stop - new.start)
        found = self._run_stages(programs, unknown.new, parts, probed)
        with self.timings.phase("equivalence"):
            self._behaviours.fill(unknown, found, fitness)
        return fitness

    def close(self) -> None:
        """Gives back the engines of hurdles with fewer tasks."""
        for stage in self._stages:
            if stage.engine is not self._engine:
                stage.engine.close()

    def warm_up(self, programs: Programs) -> None:
        """Runs some programs through every stage, so that nothing is left to compile."""
        if self._settings.fec_size > 0:
            self._engine.evaluate(programs, examples=self._probe, record=True)
        for stage in self._stages:
            stage.engine.evaluate(programs, examples=stage.examples)
        self._engine.evaluate(programs)
        Hurdle(self._settings.hurdle_percentile, window=1).passes(np.zeros(1))

    def state(self) -> State:
        """Known behaviours and the hurdles' thresholds."""
        state = with_prefix("behaviours", self._behaviours.state())
        for index, stage in enumerate(self._stages):
            state |= with_prefix(f"hurdle{index}", stage.hurdle.state())
        return state

    def restore(self, state: State) -> None:
        """Goes on from what `state()` gave; this object is new."""
        self._behaviours.restore(without_prefix("behaviours", state))
        for index, stage in enumerate(self._stages):
            stage.hurdle.restore(without_prefix(f"hurdle{index}", state))

    def _run_stages(
        self,
        programs: Programs,
        chosen: NDArray[np.int64],
        parts: Sequence[Part],
        probed: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """`[M]` fitness after the hurdles.

        Args:
          programs: N programs.
          chosen: `[M]` which of them are run, ascending.
          parts: the batches that they are.
          probed: `[M]` their fitness in the probe, which a hurdle takes that wants what the probe has run.
        """
        fitness = np.zeros(len(chosen))
        running = np.arange(len(chosen))
        tasks = self._engine.tasks
        everything = (tasks.train_examples * self._engine.settings.epochs, tasks.valid_examples)
        is_complete = False
        for index, stage in enumerate(self._stages):
            if len(running) == 0:
                return fitness
            with self.timings.phase("hurdles"):
                if probed is not None and stage.engine is self._engine and stage.examples == self._probe:
                    reached = probed[running]
                else:
                    reached = self._run(stage.engine, programs, chosen[running], parts, stage.examples)
            fitness[running] = reached
            is_complete = stage.engine is self._engine and stage.examples == everything
            passed = np.empty(len(running), np.bool_)
            for part, _, rows in _cut(parts, chosen[running]):
                passed[rows] = stage.hurdle.passes(reached[rows])
                part.counters.stopped_at_hurdle[index] += int((~passed[rows]).sum())
            running = running[passed]
        if len(running):
            for part, _, rows in _cut(parts, chosen[running]):
                part.counters.run_in_full += rows.stop - rows.start
            if is_complete:
                return fitness
            with self.timings.phase("run in full"):
                fitness[running] = self._run(self._engine, programs, chosen[running], parts, None)
        return fitness

    def _run(
        self,
        engine: Engine,
        programs: Programs,
        chosen: NDArray[np.int64],
        parts: Sequence[Part],
        examples: tuple[int, int] | None,
    ) -> NDArray[np.float64]:
        """`[M]` fitness of the chosen programs `[M]` on so many examples."""
        outcome = engine.evaluate(_select(programs, chosen), examples=examples)
        for part, _, rows in _cut(parts, chosen):
            part.counters.train_steps += outcome.count_steps(rows)
        return self._combine(np.asarray(outcome.fitness))

    def _combine(self, fitness: NDArray) -> NDArray[np.float64]:
        return combine_tasks(fitness, self._settings.combine)

    def _make_stage(self, index: int, make_engine: Callable[[Tasks], Engine] | None) -> _Stage:
        settings, tasks = self._settings, self._engine.tasks
        hurdle = Hurdle(settings.hurdle_percentile, settings.hurdle_window)
        share = settings.hurdle_examples[index]
        steps = tasks.train_examples * self._engine.settings.epochs
        examples = (max(round(share * steps), 1), max(round(share * tasks.valid_examples), 1))
        count = len(tasks)
        if settings.hurdle_tasks:
            count = max(round(settings.hurdle_tasks[index] * count), 1)
        if count == len(tasks):
            return _Stage(self._engine, examples, hurdle)
        if make_engine is None:
            raise ValueError("hurdle_tasks needs an engine for a part of the tasks")
        return _Stage(make_engine(tasks.first(count)), examples, hurdle)


def _between(parts: Sequence[Part], first: int, end: int) -> list[Part]:
    """The parts of some of the programs."""
    bounds = np.cumsum([0, *(part.size for part in parts)]).clip(first, end)
    return [Part(int(size), part.counters) for part, size in zip(parts, np.diff(bounds), strict=True)]


def _cut(parts: Sequence[Part], chosen: NDArray[np.int64]) -> Iterator[tuple[Part, slice, slice]]:
    """Of each part the rows among all programs, and among those that are chosen, `[M]` in ascending order."""
    first = 0
    for part in parts:
        end = first + part.size
        begin, stop = np.searchsorted(chosen, (first, end)).tolist() if len(parts) > 1 else (0, len(chosen))
        yield part, slice(first, end), slice(begin, stop)
        first = end


def _select(programs: Programs, chosen: NDArray[np.int64]) -> Programs:
    """The programs at some places, ascending; not copied if these are all places."""
    return programs if len(chosen) == len(programs) else programs[chosen]


def _check_probe(probe: tuple[int, int], tasks: Tasks) -> None:
    for name, count, available in (
        ("fec_train_examples", probe[0], tasks.train_examples),
        ("fec_valid_examples", probe[1], tasks.valid_examples),
    ):
        if count > available:
            flag = f"--{name.replace('_', '-')}"
            raise ValueError(f"{name} is {count}; a task has only {available}; take all with {flag} {available}")
