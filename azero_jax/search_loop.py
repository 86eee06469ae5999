"""The whole search: candidates on search tasks, the best on select tasks, and what was found on unseen tasks, once.

Experiments follow one another until a program is good enough on the select tasks, the budget is spent, or someone says
stop. Time never decides what is searched, only when it ends; so a search that goes on from a checkpoint repeats exactly
what it would have done.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from azero_jax.config import Config
from azero_jax.evaluate import Counters
from azero_jax.evolve import Restart
from azero_jax.experiment import Experiment, derive_seed
from azero_jax.finalists import measure_finalists, read_programs, tune_best
from azero_jax.hall_of_fame import HallOfFame
from azero_jax.identity import search_identity
from azero_jax.interrupt import STOP_SIGNALS, StoppedAtOnceError, StopSignals
from azero_jax.prune import prune
from azero_jax.recording import RunDirectory
from azero_jax.result import Finalist, Progress, SearchResult
from azero_jax.state import State, with_prefix, without_prefix
from azero_jax.task_sets import GeneratedTasks, TaskSets, fingerprint
from azero_jax.text import format_program

_REPORT_SHARE: Final = 1000  # lines of metrics come at most this often: once in a thousandth of the candidates so far


class SearchLoop:
    """One search from start, or from a checkpoint, to its end."""

    def __init__(
        self,
        config: Config,
        task_sets: TaskSets | None,
        start_from: tuple[str, ...],
        directory: RunDirectory | None,
        say: Callable[[str], None],
    ) -> None:
        """Makes the first experiment's tasks and engines, and compiles what will run.

        Args:
          config: everything that decides the search.
          task_sets: where tasks come from; None draws them as the configuration says.
          start_from: texts of programs to start from.
          directory: where to record the run; None for nowhere.
          say: is told what is going on.
        """
        self._say, self._directory, self._start_from = say, directory, start_from
        self._task_sets = task_sets or GeneratedTasks(config)
        self._space = config.space.build(self._task_sets.search(derive_seed(config, 0, "search")).features)
        self._seeds = read_programs(start_from, self._space) if start_from else None
        self._experiment = Experiment(config, self._task_sets, self._space, 0, self._seeds, say)
        self._engine = self._experiment.engine
        say(f"engine {self._engine.name} on {self._engine.device}; compiling (what was compiled before is reused)")
        self._compile_seconds = self._experiment.warm_up()
        say(f"compiled in {self._compile_seconds:.1f} s")
        self._config = dataclasses.replace(config, engine=dataclasses.replace(config.engine, engine=self._engine.name))
        own_tasks = directory is not None and not isinstance(self._task_sets, GeneratedTasks)
        self._identity = search_identity(config, start_from, fingerprint(self._task_sets) if own_tasks else "")
        self._hall = HallOfFame(config.output.hall_of_fame)
        self._finished = Counters()  # of the experiments before
        self._finished_candidates = 0
        self._next_check, self._next_report = config.budget.check_every, config.output.report_every
        self._last_gain = 0  # candidates when the best select fitness last grew
        self._record = -np.inf  # best search fitness of all experiments
        self._seconds_before = 0.0  # of earlier sessions
        self._start = time.perf_counter()

    def run(self, stop: StopSignals, report: Callable[[Progress], None], report_seconds: float) -> SearchResult:
        """Searches until there is a reason to stop.

        Args:
          stop: whether someone wants it to stop.
          report: is told how far the search has come.
          report_seconds: seconds between two reports.
        """
        try:
            reason = self._search(stop, report, report_seconds)
        except BaseException:
            self._experiment.evaluator.close(wait=False)
            raise
        self._write_checkpoint()  # before anything that a search which goes on would not do here
        self._experiment.evaluator.close()
        self._try_leaders()
        self._write_metrics()
        self._report(report, stop)
        return self._finish(reason)

    def _search(self, stop: StopSignals, report: Callable[[Progress], None], report_seconds: float) -> str:
        """Searches until there is a reason to stop, which it returns; arguments are those of `run`."""
        self._begin()
        checkpoint_seconds = self._config.output.checkpoint_seconds
        next_display, next_checkpoint = 0.0, self._seconds() + checkpoint_seconds
        while True:
            self._do_what_is_due()
            reason = self._spent() or stop.reason
            if reason:
                break
            if self._seconds() >= next_display:
                self._report(report, stop)
                next_display = self._seconds() + report_seconds
            if self._seconds() >= next_checkpoint:
                self._write_checkpoint()
                next_checkpoint = self._seconds() + checkpoint_seconds
            self._advance()
        if reason in STOP_SIGNALS.values():
            self._say("stopping, as asked (the same signal again stops at once)")
        return reason

    def _begin(self) -> None:
        self._start = time.perf_counter()
        state = None
        if self._directory is not None:
            about = {"engine": self._engine.name, "device": self._engine.device, "seed": self._config.seed}
            state = self._directory.begin(self._config, self._start_from, self._identity, about)
        self._experiment.begin() if state is None else self._restore(state)

    def _do_what_is_due(self) -> None:
        """What comes after certain numbers of candidates: trials on select tasks, metrics; and events."""
        self._note_events()
        candidates = self._candidates()
        if candidates >= self._next_check:
            self._next_check = candidates + self._config.budget.check_every
            self._try_leaders()
        if candidates >= self._next_report:
            self._next_report = candidates + max(self._config.output.report_every, candidates // _REPORT_SHARE)
            self._write_metrics()

    def _advance(self) -> None:
        limit = self._config.budget.experiment_candidates
        if not limit or self._experiment.algorithm.candidates < limit:
            self._experiment.algorithm.step()
            return
        self._try_leaders()
        self._experiment.evaluator.close()
        self._finished.add(self._experiment.evaluator.counters)
        self._finished_candidates += self._experiment.algorithm.candidates
        number = self._experiment.number + 1
        self._say(f"experiment {number + 1} begins, with new tasks")
        self._add_event("experiment")
        self._experiment = Experiment(self._config, self._task_sets, self._space, number, self._seeds)
        self._experiment.begin()

    def _spent(self) -> str:
        """Why the search is over, or ""."""
        budget = self._config.budget
        best = self._hall.best
        reached = {
            "sufficient_fitness": best is not None and best.select_fitness > budget.sufficient_fitness,
            "max_candidates": _reached(self._candidates(), budget.max_candidates),
            "max_train_steps": _reached(self._counters().train_steps, budget.max_train_steps),
            "max_seconds": _reached(self._seconds(), budget.max_seconds),
            "no_improvement": _reached(self._candidates() - self._last_gain, budget.no_improvement_candidates),
        }
        return next((reason for reason, holds in reached.items() if holds), "")

    def _try_leaders(self) -> None:
        """Tries the islands' best programs on the select tasks, and takes the best of them into the hall of fame."""
        trial = self._experiment.try_leaders()
        if trial is None:
            return
        metric = self._engine.tasks.metric
        best_before = self._hall.best
        for n in range(len(trial.programs)):
            if not self._hall.admits(trial.select_fitness[n]):
                continue
            finalist = Finalist(
                program=format_program(prune(trial.programs[n : n + 1], self._space, metric), 0, self._space),
                raw_program=format_program(trial.programs, n, self._space),
                search_fitness=float(trial.search_fitness[n]),
                select_fitness=float(trial.select_fitness[n]),
                final_fitness=None,
                candidates=self._candidates(),
                experiment=self._experiment.number + 1,
            )
            self._hall.add(format_program(trial.canonical, n, self._space), finalist)
        assert self._hall.best is not None
        if best_before is None or self._hall.best.select_fitness > best_before.select_fitness:
            self._last_gain = self._candidates()

    def _progress(self) -> Progress:
        algorithm = self._experiment.algorithm
        programs, fitness = algorithm.leaders()
        best = int(fitness.argmax())
        return Progress(
            candidates=self._candidates(),
            seconds=self._seconds(),
            best_fitness=float(fitness[best]),
            mean_fitness=algorithm.mean_fitness(),
            median_fitness=algorithm.median_fitness(),
            select_fitness=self._hall.best.select_fitness if self._hall.best else float("nan"),
            experiment=self._experiment.number + 1,
            restarts=algorithm.restarts,
            counters=self._counters(),
            program=format_program(programs, best, self._space),
        )

    def _report(self, report: Callable[[Progress], None], stop: StopSignals) -> None:
        """Reports; a KeyboardInterrupt that the callback raises asks the search to stop."""
        try:
            report(self._progress())
        except StoppedAtOnceError:
            raise
        except KeyboardInterrupt:
            stop.reason = stop.reason or "interrupt"

    def _finish(self, stopped_by: str) -> SearchResult:
        seconds = self._seconds()
        finalists = tuple(self._hall)
        solved = finalists[0].select_fitness > self._config.budget.sufficient_fitness
        if self._config.budget.tune_trials and stopped_by not in STOP_SIGNALS.values():
            self._say(f"trying {self._config.budget.tune_trials:,} other constants for the best program")
            finalists = tune_best(finalists, self._config, self._task_sets, self._space)
        finalists = measure_finalists(finalists, self._config, self._task_sets, self._space)
        best = finalists[0]
        result = SearchResult(
            solved=solved,
            search_fitness=best.search_fitness,
            select_fitness=best.select_fitness,
            final_fitness=float("nan") if best.final_fitness is None else best.final_fitness,
            program=best.program,
            raw_program=best.raw_program,
            candidates=self._candidates(),
            seconds=seconds,
            compile_seconds=self._compile_seconds,
            stopped_by="sufficient_fitness" if solved else stopped_by,
            experiments=self._experiment.number + 1,
            seed=self._config.seed,
            engine=self._engine.name,
            device=self._engine.device,
            run_directory=str(self._directory.path) if self._directory else None,
            counters=dataclasses.asdict(self._counters()),
            hall_of_fame=finalists,
        )
        if self._directory is not None:
            self._directory.write_hall_of_fame([dataclasses.asdict(finalist) for finalist in finalists])
            self._directory.write_result(result.as_dict())
        return result

    def _candidates(self) -> int:
        return self._finished_candidates + self._experiment.algorithm.candidates

    def _counters(self) -> Counters:
        total = Counters()
        total.add(self._finished)
        total.add(self._experiment.evaluator.counters)
        return total

    def _seconds(self) -> float:
        return self._seconds_before + time.perf_counter() - self._start

    def _note_events(self) -> None:
        """Records restarts, and new best programs if they are better than those of all experiments before."""
        for event in self._experiment.algorithm.take_events():
            if isinstance(event, Restart):
                self._add_event("restart", island=event.island, best_fitness=event.best_fitness)
            elif event.fitness > self._record:
                self._record = event.fitness
                parent = None if event.parent is None else format_program(event.parent, 0, self._space)
                program = format_program(event.program, 0, self._space)
                self._add_event(
                    "new_best", fitness=event.fitness, mutation=event.mutation, program=program, parent=parent
                )

    def _add_event(self, kind: str, **details: Any) -> None:
        if self._directory is not None:
            moment = {"candidates": self._candidates(), "seconds": self._seconds()}
            self._directory.add_event({"event": kind, **moment, "experiment": self._experiment.number + 1, **details})

    def _write_metrics(self) -> None:
        if self._directory is not None:
            self._directory.add_metrics(self._progress().metrics())

    def _write_checkpoint(self) -> None:
        if self._directory is None:
            return
        self._directory.write_hall_of_fame([dataclasses.asdict(finalist) for finalist in self._hall])
        scalars = {
            "experiment": self._experiment.number,
            "finished_candidates": self._finished_candidates,
            "next_check": self._next_check,
            "next_report": self._next_report,
            "last_gain": self._last_gain,
            "record": self._record,
            "seconds": self._seconds(),
            "hall_of_fame": self._hall.state(),
        }
        state = {
            "loop": np.array(json.dumps(scalars)),
            **with_prefix("finished", self._finished.state()),
            **with_prefix("experiment", self._experiment.state()),
        }
        self._directory.write_checkpoint(state)

    def _restore(self, state: State) -> None:
        """Goes on from a checkpoint."""
        scalars = json.loads(str(state["loop"]))
        if scalars["experiment"] > 0:
            number = scalars["experiment"]
            self._experiment = Experiment(self._config, self._task_sets, self._space, number, self._seeds)
        self._experiment.begin(without_prefix("experiment", state))
        self._finished.restore(without_prefix("finished", state))
        self._finished_candidates = scalars["finished_candidates"]
        self._next_check, self._next_report = scalars["next_check"], scalars["next_report"]
        self._last_gain, self._record = scalars["last_gain"], scalars["record"]
        self._seconds_before = scalars["seconds"]
        self._hall.restore(scalars["hall_of_fame"])
        self._start = time.perf_counter()
        self._say(f"going on from {self._candidates():,} candidates, {self._seconds_before:.1f} s")


def _reached(value: float, limit: float | None) -> bool:
    return limit is not None and value >= limit
