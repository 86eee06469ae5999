"""The island loop: experiment after experiment, the best programs of each tried on the select tasks.

It knows no budget but an experiment's own, and neither time nor files: whoever drives it, a whole search or a worker
of one, says when to go on, when to try the leaders and when to stop.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from azero_jax.analysis.cost import training_cost
from azero_jax.analysis.pruning import prune
from azero_jax.evolve.algorithm import Restart
from azero_jax.evolve.migration import Migrants
from azero_jax.evolve.regularized import Evolution
from azero_jax.language.program import Programs
from azero_jax.language.text import format_program
from azero_jax.mutate.policy import Mutation
from azero_jax.process.state import State, with_prefix, without_prefix
from azero_jax.protocol.experiment import Arena, Experiment, Trial
from azero_jax.protocol.finalist import Finalist
from azero_jax.protocol.result import Progress
from azero_jax.protocol.totals import Totals
from azero_jax.tasks.sets import TaskSets

_COST_UNIT: Final = 1e6  # of the op table's costs

AddEvent = Callable[[dict[str, Any]], None]
"""What is told of events, each a dictionary of plain values."""
AddFinalist = Callable[[str, Finalist], None]
"""What is told of an algorithm that got into the hall of fame: its canonical text, and itself."""


class IslandLoop:
    """Experiments one after the other.

    Attributes:
      experiment: the one that is running.
      totals: of all so far.
    """

    def __init__(
        self,
        arena: Arena,
        task_sets: TaskSets,
        seeds: Programs | None,
        say: Callable[[str], None],
        add_event: AddEvent | None = None,
        add_finalist: AddFinalist | None = None,
        stride: int = 1,
        next_number: int | None = None,
        state: State | None = None,
    ) -> None:
        """Begins the first experiment, or goes on with the one of a state.

        Args:
          arena: that of the first experiment, as it was made.
          task_sets: where tasks come from.
          seeds: programs to start from; None for random ones.
          say: is told what is going on.
          add_event: is told of events; None tells nobody, and finds out less.
          add_finalist: is told of what gets into the hall of fame.
          stride: from an experiment's number to that of the next one.
          next_number: that of the next one; None takes the state's, or one stride further.
          state: what `state()` gave; None starts afresh.
        """
        self._task_sets, self._seeds, self._say, self._stride = task_sets, seeds, say, stride
        self._add_event, self._add_finalist = add_event, add_finalist
        self._config, self._space, self._patience = arena.config, arena.space, arena.patience
        self._one_core = arena.one_core
        self.totals = Totals(
            self._config.output.hall_of_fame, None if state is None else without_prefix("totals", state)
        )
        inner, self._next_number = None, arena.number + stride
        if state is not None:
            self._next_number = int(state["next_number"])
            inner = without_prefix("experiment", state)
            arena = arena if int(state["number"]) == arena.number else self._arena(int(state["number"]))
        if next_number is not None:
            self._next_number = next_number
        self.experiment = Experiment(arena, seeds, inner)

    def candidates(self) -> int:
        """Candidates of all experiments."""
        return self.totals.candidates(self.experiment)

    def state(self) -> State:
        """Everything that the following steps depend on."""
        return {
            "number": np.array(self.experiment.arena.number),
            "next_number": np.array(self._next_number),
            "stride": np.array(self._stride),
            **with_prefix("totals", self.totals.state()),
            **with_prefix("experiment", self.experiment.state()),
        }

    def advance(self) -> bool:
        """One batch of candidates, or the beginning of the next experiment: False if that is due."""
        over = self._config.budget.experiment_candidates
        if not 0 < over <= self.experiment.algorithm.candidates:
            self.experiment.algorithm.step()
            return True
        return False

    def begin_next(self) -> None:
        """Begins the next experiment, whose tasks are new."""
        self.experiment.arena.close()
        number, self._next_number = self._next_number, self._next_number + self._stride
        self._say(f"experiment {number + 1} begins, with new tasks")
        self._note("experiment", experiment=number + 1)
        self.totals.finish(self.experiment)
        self.experiment = Experiment(self._arena(number), self._seeds)

    def try_leaders(self, *, best_first: bool = False) -> bool:
        """Tries the islands' best programs on the select tasks, and takes the best of them into the hall of fame.

        Returns:
          Whether the best fitness on the select tasks has grown.
        """
        trial = self.experiment.try_leaders(best_first=best_first)
        if trial is None:
            return False
        hall, best_before = self.totals.hall, self.totals.best_select_fitness
        costs = (training_cost(trial.canonical, self._space, train_examples=1) / _COST_UNIT).tolist()
        tried = np.flatnonzero(trial.select_fitness >= 0).tolist()  # the others patience did not last for
        leader = None
        for n in tried or ([0] if len(hall) == 0 else []):
            if hall.admits(trial.select_fitness[n], costs[n]):
                finalist, canonical = (
                    self._finalist(trial, n, costs[n]),
                    format_program(trial.canonical, n, self._space),
                )
                hall.add(canonical, finalist)
                if self._add_finalist is not None:
                    self._add_finalist(canonical, finalist)
                leader = n if hall.best is finalist else leader
        if leader is not None:
            self._note_ancestors(trial, leader)
        self.totals.note(self.candidates())
        return not self.totals.best_select_fitness <= best_before

    def emigrants(self, count: int) -> Migrants | None:
        """Copies of some programs, for the islands of others; None of an algorithm without populations."""
        algorithm = self.experiment.algorithm
        return algorithm.emigrants(count) if isinstance(algorithm, Evolution) else None

    def take_in(self, immigrants: Migrants) -> None:
        """Takes in programs of others with the next batch of candidates."""
        if isinstance(self.experiment.algorithm, Evolution):
            self.experiment.algorithm.take_in(immigrants)

    def note_events(self) -> None:
        """Tells of restarts, and of new best programs if they are better than those of all experiments before."""
        for event in self.experiment.algorithm.take_events():
            if isinstance(event, Restart):
                self._note("restart", island=event.island, best_fitness=event.best_fitness)
            elif self.totals.is_record(event.fitness):
                parent = None if event.parent is None else format_program(event.parent, 0, self._space)
                program = format_program(event.program, 0, self._space)
                self._note("new_best", fitness=event.fitness, mutation=event.mutation, program=program, parent=parent)
                self.totals.note(self.candidates())

    def progress(self, seconds: float) -> Progress:
        """How far it has come in so many seconds."""
        algorithm = self.experiment.algorithm
        programs, fitness = algorithm.leaders()
        best = int(fitness.argmax())
        return Progress(
            candidates=self.candidates(),
            seconds=seconds,
            best_fitness=float(fitness[best]),
            mean_fitness=algorithm.mean_fitness(),
            median_fitness=algorithm.median_fitness(),
            select_fitness=self.totals.best_select_fitness,
            experiment=self.experiment.arena.number + 1,
            restarts=algorithm.restarts,
            counters=self.totals.counters(self.experiment),
            program=format_program(programs, best, self._space),
        )

    def _arena(self, number: int) -> Arena:
        return Arena(
            self._config, self._task_sets, self._space, number, patience=self._patience, one_core=self._one_core
        )

    def _finalist(self, trial: Trial, n: int, cost: float) -> Finalist:
        program = prune(trial.programs[n : n + 1], self._space, self.experiment.arena.engine.tasks.metric)
        return Finalist(
            program=format_program(program, 0, self._space),
            raw_program=format_program(trial.programs, n, self._space),
            search_fitness=float(trial.search_fitness[n]),
            select_fitness=float(trial.select_fitness[n]),
            final_fitness=None,
            candidates=self.candidates(),
            experiment=self.experiment.arena.number + 1,
            cost=cost,
        )

    def _note_ancestors(self, trial: Trial, n: int) -> None:
        """Tells where a program comes from that has become the best on the select tasks."""
        if self._add_event is None:
            return
        latest, ancestors = self.experiment.algorithm.take_ancestors(trial.leaders[n])
        earlier = self.candidates() - self.experiment.algorithm.candidates  # of the experiments before
        for ancestor in ancestors:
            self._note(
                "ancestor",
                number=ancestor.number,
                before=ancestor.before,
                born=earlier + ancestor.born,
                fitness=ancestor.fitness,
                mutation=Mutation(ancestor.mutation).name.lower() if ancestor.mutation >= 0 else "",
                program=format_program(ancestor.program, 0, self._space),
                parent=None if ancestor.parent is None else format_program(ancestor.parent, 0, self._space),
            )
        self._note(
            "best",
            number=latest,
            program=format_program(trial.programs, n, self._space),
            fitness=float(trial.search_fitness[n]),
            select_fitness=float(trial.select_fitness[n]),
        )

    def _note(self, kind: str, **details: float | str | None) -> None:
        if self._add_event is not None:
            moment = {"candidates": self.candidates(), "experiment": self.experiment.arena.number + 1}
            self._add_event({"event": kind, **moment, **details})
