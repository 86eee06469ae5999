"""Random search: the baseline of the paper (arXiv 2003.03384, section 4.1)."""

import numpy as np
from numpy.typing import NDArray

from azero_jax.evolve.algorithm import Evaluate, Evaluation, Event, NewBest, mean_of_run, median_of_run
from azero_jax.evolve.ancestry import NO_STEP, Ancestor
from azero_jax.evolve.initial import keep_frozen, repeat
from azero_jax.evolve.settings import EvolutionSettings
from azero_jax.language.program import Programs, empty_programs, programs_state, restore_programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace
from azero_jax.mutate.drawing import no_op_programs, randomize
from azero_jax.mutate.learnable import random_learnable
from azero_jax.process.state import State, generator_state, restore_generator, with_prefix, without_prefix
from azero_jax.process.timings import Timings


class RandomSearch:
    """Random programs, of which the best is kept.

    While one batch is evaluated, the next one is drawn.

    Attributes:
      candidates: programs evaluated so far.
      timings: where the time of the search itself goes.
    """

    def __init__(
        self,
        space: SearchSpace,
        evaluate: Evaluate,
        settings: EvolutionSettings,
        generator: np.random.Generator,
        seeds: Programs | None = None,
        state: State | None = None,
        metric: Metric = Metric.RMS_ERROR,
    ) -> None:
        """Evaluates a first batch of `islands * batch` programs, or goes on from a state; see `Evolution`.

        Of `seeds` only frozen functions are taken.
        """
        self._space, self._metric, self._settings = space, metric, settings
        self._evaluate, self._seeds = evaluate, seeds
        self._count = settings.islands * settings.batch
        self._next, self._spare = (no_op_programs(space, self._count) for _ in range(2))
        self._generator = generator
        self._best = empty_programs(1, space)
        self._best_fitness = -np.inf
        self._best_born, self._is_taken = 0, False  # candidates before it, and whether `take_ancestors` has given it
        self._latest = np.empty(0)  # fitnesses of the latest batch, until somebody asks for its mean and median:
        self._summary: tuple[float, float] | None = None
        self.candidates = 0
        self.timings = Timings()
        self._events: list[Event] = []
        if state is not None:
            self._restore(state)
        self._ahead = self._draw() if state is None else evaluate.resume(without_prefix("ahead", state))
        if state is None:
            self.step()

    @property
    def restarts(self) -> int:
        """Always 0: there is nothing to get stuck in."""
        return 0

    def step(self) -> None:
        """Draws one batch, and takes the fitness of the one before it."""
        programs, evaluation = self._next, self._ahead
        self._next, self._spare = self._spare, programs
        self._ahead = self._draw()
        fitness = evaluation.take()
        winner = int(fitness.argmax())
        if fitness[winner] > self._best_fitness:
            self._best = programs[winner : winner + 1].copy()
            self._best_fitness = float(fitness[winner])
            self._best_born, self._is_taken = self.candidates, False
            self._events.append(NewBest(self.candidates, self._best_fitness, self._best))
        self._latest, self._summary = fitness, None
        self.candidates += self._count

    def leaders(self) -> tuple[Programs, NDArray[np.float64]]:
        """The best program so far, and its fitness, each `[1]`."""
        return self._best, np.array([self._best_fitness])

    def take_ancestors(self, leader: int) -> tuple[int, list[Ancestor]]:
        """The best program so far, which comes from none; its number is that of its candidate."""
        del leader
        is_new, self._is_taken = not self._is_taken, True
        best = Ancestor(self._best_born, NO_STEP, self._best_born, self._best_fitness, -1, self._best, None)
        return self._best_born, [best] if is_new else []

    def mean_fitness(self) -> float:
        """Mean fitness of the latest batch."""
        return self._summarize()[0]

    def median_fitness(self) -> float:
        """Median fitness of the latest batch."""
        return self._summarize()[1]

    def take_events(self) -> list[Event]:
        """New best programs since the last call."""
        events, self._events = self._events, []
        return events

    def state(self) -> State:
        """The best program, the batch that is on its way, random generator and counts."""
        return {
            **with_prefix("best", programs_state(self._best)),
            **with_prefix("ahead", self._ahead.state()),
            **with_prefix("next", programs_state(self._next)),
            "fitness": np.array([self._best_fitness, *self._summarize()]),
            "candidates": np.array(self.candidates),
            "born": np.array([self._best_born, self._is_taken]),
            "generator": generator_state(self._generator),
        }

    def _draw(self) -> Evaluation:
        """Makes all of `_next` random, and submits it."""
        with self.timings.phase("breed"):
            if self._settings.candidates == "learnable":
                given = None if self._seeds is None else repeat(self._seeds, self._count)
                kinds, frozen = self._settings.learned_kinds()[0], self._settings.is_frozen
                programs = random_learnable(
                    self._space, self._metric, self._count, self._generator, kinds, given, frozen
                )
                self._next.put(slice(None), programs)
            else:
                randomize(self._next, self._space, self._generator)
                if self._seeds is not None:
                    keep_frozen(self._next, self._seeds, self._space, self._settings)
        return self._evaluate.submit(self._next, are_learnable=self._settings.candidates == "learnable")

    def _summarize(self) -> tuple[float, float]:
        """Mean and median fitness of the latest batch; not computed at every step, because it takes a while."""
        if self._summary is None:
            self._summary = mean_of_run(self._latest), median_of_run(self._latest)
        return self._summary

    def _restore(self, state: State) -> None:
        self._best = restore_programs(without_prefix("best", state))
        self._next = restore_programs(without_prefix("next", state))
        self._best_fitness, *summary = state["fitness"].tolist()
        self._summary = summary[0], summary[1]
        self.candidates = int(state["candidates"])
        self._best_born, self._is_taken = int(state["born"][0]), bool(state["born"][1])
        restore_generator(self._generator, state["generator"])
