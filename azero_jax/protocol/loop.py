"""The whole search: candidates on search tasks, the best on select tasks, and what was found on unseen tasks, once.

Experiments follow one another until a program is good enough on the select tasks, the budget is spent, or someone says
stop. Time never decides what is searched, only when it ends; so a search that goes on from a checkpoint repeats exactly
what it would have done.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np

from azero_jax.analysis import prune
from azero_jax.analysis.cost import training_cost
from azero_jax.evolve import Restart
from azero_jax.language.program import Programs
from azero_jax.language.text import format_program
from azero_jax.mutate import Mutation
from azero_jax.process.patience import Patience
from azero_jax.process.state import State, with_prefix, without_prefix
from azero_jax.protocol.budget import Budget
from azero_jax.protocol.experiment import Arena, Experiment, Trial
from azero_jax.protocol.finalist import Finalist
from azero_jax.protocol.finalists import measure_finalists, tune_best
from azero_jax.protocol.front import Front, pareto
from azero_jax.protocol.result import Progress, SearchResult
from azero_jax.protocol.signals import STOP_SIGNALS, StoppedAtOnceError, StopSignals
from azero_jax.protocol.totals import Totals
from azero_jax.recording.run_directory import RunDirectory
from azero_jax.tasks.sets import TaskSets

_COST_UNIT: Final = 1e6  # of the op table's costs
_GRACE_SECONDS: Final = 0.3  # for a step that is under way when the search is to end
_FINISH_SECONDS: Final = 0.4  # each for the trial of the leaders and for the unseen tasks, when the end is urgent


class SearchLoop:
    """One search from start, or from a checkpoint, to its end."""

    def __init__(
        self,
        arena: Arena,
        task_sets: TaskSets,
        seeds: Programs | None,
        directory: RunDirectory | None,
        say: Callable[[str], None],
        stop: StopSignals,
        state: State | None = None,
    ) -> None:
        """Begins the first experiment, or goes on with the one of a checkpoint.

        Args:
          arena: that of the first experiment, as it was made.
          task_sets: where tasks come from.
          seeds: programs to start from; None for random ones.
          directory: where to record the run, which has begun; None for nowhere.
          say: is told what is going on.
          stop: may ask to stop.
          state: what `state()` gave when the checkpoint was written; None starts afresh.
        """
        self._task_sets, self._seeds, self._directory, self._say = task_sets, seeds, directory, say
        self._config, self._space = arena.config, arena.space

        def part(name: str) -> State | None:
            return None if state is None else without_prefix(name, state)

        self._budget = Budget(self._config.budget, self._config.output.report_every, part("budget"))
        self._stop, self._patience = stop, arena.patience or Patience()
        self._patience.until(self._end)
        self._events: list[dict[str, Any]] = []  # of a search that is not recorded
        self._totals = Totals(self._config.output.hall_of_fame, part("totals"))
        if state is not None and int(state["number"]) > 0:
            arena = self._arena(int(state["number"]))
        self._experiment = Experiment(arena, seeds, part("experiment"))
        if state is not None:
            say(f"going on from {self._candidates():,} candidates, {self._budget.seconds():.1f} s")

    def run(self, report: Callable[[Progress], None], report_seconds: float, compile_seconds: float) -> SearchResult:
        """Searches until there is a reason to stop; `compile_seconds` go into the result.

        `report` is told about every `report_seconds` how far the search has come. A step that takes too long once there
        is such a reason is given up: no checkpoint is made of it, and a search that goes on does so from the last one.
        """
        try:
            reason = self._search(report, report_seconds)
        except BaseException:
            self._experiment.arena.evaluator.close(wait=False)
            raise
        self._write_checkpoint()  # before anything that a search which goes on would not do here
        self._experiment.arena.evaluator.close(wait=not self._patience.gave_up)
        is_urgent = self._patience.gave_up or self._experiment.arena.engine.is_slow
        is_urgent &= reason == "max_seconds" or reason in STOP_SIGNALS.values()
        self._wait_for_more(is_urgent)
        self._try_leaders(best_first=is_urgent)
        self._write_metrics()
        self._report(report)
        self._wait_for_more(is_urgent)
        return self._finish(reason, compile_seconds, is_urgent)

    def state(self) -> State:
        """Everything that the rest of the search depends on."""
        return {
            "number": np.array(self._experiment.arena.number),
            **with_prefix("budget", self._budget.state()),
            **with_prefix("totals", self._totals.state()),
            **with_prefix("experiment", self._experiment.state()),
        }

    def _arena(self, number: int) -> Arena:
        return Arena(self._config, self._task_sets, self._space, number, patience=self._patience)

    def _end(self) -> float:
        """When a step of the search is given up."""
        left = self._budget.seconds_left() if self._config.tasks.of_data else math.inf
        return min(self._stop.moment, time.monotonic() + left) + _GRACE_SECONDS

    def _wait_for_more(self, is_urgent: bool) -> None:
        """From here on results are worth little more time, if the end is urgent."""
        if is_urgent:
            self._patience.for_seconds(_FINISH_SECONDS)
        else:
            self._patience.until(lambda: self._stop.moment + _GRACE_SECONDS)

    def _search(self, report: Callable[[Progress], None], report_seconds: float) -> str:
        """Searches until there is a reason to stop, which it returns."""
        seconds, checkpoint_seconds = self._budget.seconds, self._config.output.checkpoint_seconds
        next_display, next_checkpoint = 0.0, seconds() + checkpoint_seconds
        while True:
            self._note_events()
            if self._budget.check_is_due(self._candidates()):
                self._try_leaders()
            if self._budget.report_is_due(self._candidates()):
                self._write_metrics()
            train_steps = self._totals.counters(self._experiment).train_steps
            reason = self._budget.reason_to_stop(self._candidates(), train_steps, self._totals.best_select_fitness)
            reason = reason or self._stop.reason or ("max_seconds" if self._patience.gave_up else "")
            if reason:
                break
            if seconds() >= next_display:
                self._report(report)
                next_display = seconds() + report_seconds
            if seconds() >= next_checkpoint:
                self._write_checkpoint()
                next_checkpoint = seconds() + checkpoint_seconds
            self._advance()
        if reason in STOP_SIGNALS.values():
            self._say("stopping, as asked (the same signal again stops at once)")
        return reason

    def _advance(self) -> None:
        if not self._budget.experiment_is_over(self._experiment.algorithm.candidates):
            self._experiment.algorithm.step()
            return
        self._try_leaders()
        self._experiment.arena.close()
        number = self._experiment.arena.number + 1
        self._say(f"experiment {number + 1} begins, with new tasks")
        self._add_event("experiment", experiment=number + 1)
        self._totals.finish(self._experiment)
        self._experiment = Experiment(self._arena(number), self._seeds)

    def _try_leaders(self, *, best_first: bool = False) -> None:
        """Tries the islands' best programs on the select tasks, and takes the best of them into the hall of fame."""
        trial = self._experiment.try_leaders(best_first=best_first)
        if trial is None:
            return
        hall, best_before = self._totals.hall, self._totals.best_select_fitness
        costs = (training_cost(trial.canonical, self._space, train_examples=1) / _COST_UNIT).tolist()
        tried = np.flatnonzero(trial.select_fitness >= 0).tolist()  # the others patience did not last for
        leader = None
        for n in tried or ([0] if len(hall) == 0 else []):
            if hall.admits(trial.select_fitness[n], costs[n]):
                finalist = self._finalist(trial, n, costs[n])
                hall.add(format_program(trial.canonical, n, self._space), finalist)
                leader = n if hall.best is finalist else leader
        if not self._totals.best_select_fitness <= best_before:
            self._budget.note_gain(self._candidates())
            self._totals.note(self._candidates())
        if leader is not None:
            self._note_ancestors(trial, leader)

    def _finalist(self, trial: Trial, n: int, cost: float) -> Finalist:
        program = prune(trial.programs[n : n + 1], self._space, self._experiment.arena.engine.tasks.metric)
        return Finalist(
            program=format_program(program, 0, self._space),
            raw_program=format_program(trial.programs, n, self._space),
            search_fitness=float(trial.search_fitness[n]),
            select_fitness=float(trial.select_fitness[n]),
            final_fitness=None,
            candidates=self._candidates(),
            experiment=self._experiment.arena.number + 1,
            cost=cost,
        )

    def _progress(self) -> Progress:
        algorithm = self._experiment.algorithm
        programs, fitness = algorithm.leaders()
        best = int(fitness.argmax())
        return Progress(
            candidates=self._candidates(),
            seconds=self._budget.seconds(),
            best_fitness=float(fitness[best]),
            mean_fitness=algorithm.mean_fitness(),
            median_fitness=algorithm.median_fitness(),
            select_fitness=self._totals.best_select_fitness,
            experiment=self._experiment.arena.number + 1,
            restarts=algorithm.restarts,
            counters=self._totals.counters(self._experiment),
            program=format_program(programs, best, self._space),
        )

    def _report(self, report: Callable[[Progress], None]) -> None:
        """Reports; a KeyboardInterrupt that the callback raises asks the search to stop."""
        try:
            report(self._progress())
        except StoppedAtOnceError:
            raise
        except KeyboardInterrupt:
            self._stop.ask("interrupt")

    def _finish(self, stopped_by: str, compile_seconds: float, is_urgent: bool) -> SearchResult:
        seconds, engine = self._budget.seconds(), self._experiment.arena.engine
        hall = tuple(_without_untried(finalist) for finalist in self._totals.hall)
        front = tuple(_without_untried(finalist) for finalist in self._totals.hall.front)
        finalists = hall
        solved = self._budget.is_sufficient(finalists[0].select_fitness)
        if self._config.budget.tune_trials and stopped_by not in STOP_SIGNALS.values() and not is_urgent:
            self._say(f"trying {self._config.budget.tune_trials:,} other constants for the best program")
            finalists = tune_best(finalists, self._config, self._task_sets, self._space, self._patience)
        both = (*finalists, *(other for other in front if other not in hall))
        measured = measure_finalists(both, self._config, self._task_sets, self._space, self._patience)
        front = Front(finalist for _, finalist in pareto(enumerate(measured)))
        finalists, best = measured[: len(finalists)], measured[0]
        result = SearchResult(
            solved=solved,
            search_fitness=best.search_fitness,
            select_fitness=best.select_fitness,
            final_fitness=float("nan") if best.final_fitness is None else best.final_fitness,
            program=best.program,
            raw_program=best.raw_program,
            candidates=self._candidates() - self._experiment.not_run,
            seconds=seconds,
            compile_seconds=compile_seconds,
            stopped_by="sufficient_fitness" if solved else stopped_by,
            experiments=self._experiment.arena.number + 1,
            seed=self._config.seed,
            metric=engine.tasks.metric,
            epochs=self._config.tasks.epochs,
            precision=self._config.engine.precision,
            engine=engine.name,
            device=engine.device,
            run_directory=str(self._directory.path) if self._directory else None,
            counters=self._totals.counters(self._experiment),
            hall_of_fame=finalists,
            front=front,
            curve=self._totals.curve,
            events=tuple(self._events),
            config=self._config,
            task_sets=self._task_sets,
        )
        if self._directory is not None:
            self._write_best(finalists, front)
            self._directory.write_result(result.as_dict())
        return result

    def _candidates(self) -> int:
        return self._totals.candidates(self._experiment)

    def _note_events(self) -> None:
        """Records restarts, and new best programs if they are better than those of all experiments before."""
        for event in self._experiment.algorithm.take_events():
            if isinstance(event, Restart):
                self._add_event("restart", island=event.island, best_fitness=event.best_fitness)
            elif self._totals.is_record(event.fitness):
                parent = None if event.parent is None else format_program(event.parent, 0, self._space)
                program = format_program(event.program, 0, self._space)
                self._add_event(
                    "new_best", fitness=event.fitness, mutation=event.mutation, program=program, parent=parent
                )
                self._totals.note(self._candidates())

    def _note_ancestors(self, trial: Trial, n: int) -> None:
        """Records where a program comes from that has become the best on the select tasks."""
        latest, ancestors = self._experiment.algorithm.take_ancestors(trial.leaders[n])
        earlier = self._candidates() - self._experiment.algorithm.candidates  # of the experiments before
        for ancestor in ancestors:
            self._add_event(
                "ancestor",
                number=ancestor.number,
                before=ancestor.before,
                born=earlier + ancestor.born,
                fitness=ancestor.fitness,
                mutation=Mutation(ancestor.mutation).name.lower() if ancestor.mutation >= 0 else "",
                program=format_program(ancestor.program, 0, self._space),
                parent=None if ancestor.parent is None else format_program(ancestor.parent, 0, self._space),
            )
        self._add_event(
            "best",
            number=latest,
            program=format_program(trial.programs, n, self._space),
            fitness=float(trial.search_fitness[n]),
            select_fitness=float(trial.select_fitness[n]),
        )

    def _add_event(self, kind: str, **details: float | str | None) -> None:
        moment = {"candidates": self._candidates(), "seconds": self._budget.seconds()}
        event = {"event": kind, **moment, "experiment": self._experiment.arena.number + 1, **details}
        if self._directory is not None:
            self._directory.add_event(event)
        elif kind in ("ancestor", "best"):  # of which a lineage is made
            self._events.append(event)

    def _write_metrics(self) -> None:
        if self._directory is not None:
            self._directory.add_metrics(self._progress().metrics())

    def _write_checkpoint(self) -> None:
        """Writes down where the search is, unless a step was given up: also while its state waited for the fitness."""
        if self._directory is None:
            return
        state = self.state()
        if not self._patience.gave_up:
            self._write_best(self._totals.hall, self._totals.hall.front)
            self._directory.write_checkpoint(state)

    def _write_best(self, hall: Iterable[Finalist], front: Iterable[Finalist]) -> None:
        if self._directory is not None:
            best, cheapest = ([dataclasses.asdict(finalist) for finalist in part] for part in (hall, front))
            self._directory.write_hall_of_fame(best)
            self._directory.write_front(cheapest)


def _without_untried(finalist: Finalist) -> Finalist:
    """A finalist that was not run, because patience was over, has no fitness."""
    search, select = (math.nan if x < 0 else x for x in (finalist.search_fitness, finalist.select_fitness))
    return dataclasses.replace(finalist, search_fitness=search, select_fitness=select)
