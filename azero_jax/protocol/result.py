"""What a search tells while it runs and when it ends."""

import dataclasses
import math
from typing import Any, NamedTuple

from azero_jax.config.tree import Config
from azero_jax.fitness.counters import Counters
from azero_jax.language.roles import Metric
from azero_jax.learner.learner import Learner
from azero_jax.protocol.curve import CurvePoint
from azero_jax.protocol.finalist import Finalist
from azero_jax.protocol.front import Front
from azero_jax.tasks.sets import TaskSets


class WorkerProgress(NamedTuple):
    """How far one of the workers of a search has come.

    Attributes:
      worker: its number, from 0.
      candidates: programs that it has evaluated.
      round_seconds: its latest round took.
      best_fitness: its best current program's fitness on its search tasks.
      experiment: which one it is running, from 1.
    """

    worker: int
    candidates: int
    round_seconds: float
    best_fitness: float
    experiment: int


class Progress(NamedTuple):
    """How far a search has come.

    Attributes:
      candidates: programs evaluated so far, over all experiments.
      seconds: of search so far, without the first compile.
      best_fitness: best current program's fitness on the search tasks.
      mean_fitness: mean of the current programs.
      median_fitness: median of the current programs.
      select_fitness: best fitness on the select tasks so far, NaN before the first trial.
      experiment: which experiment is running, from 1.
      restarts: islands that started again in this experiment.
      counters: what happened to the candidates of all experiments.
      program: text of the best current program.
      workers: each worker's, if that was asked for; of several workers means are those of their means.

    >>> progress = Progress(1000, 2.0, 0.9, 0.5, 0.4, 0.8, 1, 0, Counters(candidates=1000), "def Setup(): ...")
    >>> progress.metrics()["candidates_per_second"]
    500.0
    """

    candidates: int
    seconds: float
    best_fitness: float
    mean_fitness: float
    median_fitness: float
    select_fitness: float
    experiment: int
    restarts: int
    counters: Counters
    program: str
    workers: tuple[WorkerProgress, ...] = ()

    def metrics(self) -> dict[str, Any]:
        """One line of `metrics.jsonl`: plain values, None before the first trial on select tasks."""
        values = self._asdict()
        del values["program"], values["workers"]
        if self.select_fitness != self.select_fitness:
            values["select_fitness"] = None
        values["candidates_per_second"] = self.candidates / max(self.seconds, 1e-9)
        values["counters"] = dataclasses.asdict(self.counters)
        return values


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
      solved: whether the select fitness is above the sufficient fitness.
      search_fitness: mean fitness on the search tasks.
      select_fitness: mean fitness on the select tasks.
      final_fitness: mean fitness on the unseen tasks.
      program: text of the program, without its dead instructions.
      raw_program: its text as evolution left it, also where the constants of `program` have been tuned since.
      candidates: programs evaluated.
      seconds: of search, without the first compile; over all sessions of a run that was resumed.
      compile_seconds: of the first compile of this session.
      stopped_by: "sufficient_fitness", "max_candidates", "max_train_steps", "max_seconds", "no_improvement",
        "interrupt" (Ctrl-C) or "terminate" (SIGTERM).
      experiments: how many experiments were begun.
      seed: of the search.
      metric: how predictions are judged.
      epochs: passes over the training examples.
      precision: "float32" or "float64", of the numbers in programs.
      engine: what ran the programs.
      device: what the engine ran on.
      run_directory: where the run was recorded; None if it was not.
      counters: what happened to all candidates.
      hall_of_fame: the best distinct algorithms, the one above first.
      front: the Pareto front of select fitness against cost, the fittest first; printed, it is a table.
      curve: how the best fitness grew.
      events: of a search that was not recorded, those that a lineage is made of, as `events.jsonl` would have them.
      config: everything that decided the search.
      task_sets: where its tasks came from; None after it has been pickled, as they may hold all of the data.

    >>> text, budget = "def Setup(): ...", "max_candidates"
    >>> best = Finalist(text, text, 0.9, 0.8, 0.7, candidates=1000, experiment=1, cost=3.7)
    >>> run = (1000, 2.0, 0.5, budget, 1, 0, Metric.ACCURACY, 1, "float32", "warp", "cpu", None, Counters(1000))
    >>> SearchResult(False, 0.9, 0.8, 0.7, text, text, *run, (best,), Front([best])).as_dict()["stopped_by"]
    'max_candidates'
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
    metric: Metric
    epochs: int
    precision: str
    engine: str
    device: str
    run_directory: str | None
    counters: Counters
    hall_of_fame: tuple[Finalist, ...]
    front: Front
    curve: tuple[CurvePoint, ...] = ()
    events: tuple[dict[str, Any], ...] = dataclasses.field(default=(), compare=False, repr=False)
    config: Config = dataclasses.field(default=Config(), compare=False, repr=False)
    task_sets: TaskSets | None = dataclasses.field(default=None, compare=False, repr=False)

    @property
    def candidates_per_second(self) -> float:
        """Candidates a second of search."""
        return self.candidates / max(self.seconds, 1e-9)

    @property
    def verdict(self) -> str:
        """Whether it is solved, and after what, in one line."""
        verdict = "solved" if self.solved else f"not solved ({self.stopped_by.replace('_', ' ')})"
        return (
            f"{verdict} after {self.candidates:,} candidates in {self.seconds:.1f} s"
            f" ({self.candidates_per_second:,.0f} a second), {self.experiments} experiment(s), seed {self.seed},"
            f" engine {self.engine}"
        )

    def learner(self) -> Learner:
        """The program as something that learns from rows, in the precision and with as many passes as in the search."""
        return Learner(self.program, self.metric, epochs=self.epochs, seed=self.seed, precision=self.precision)

    def as_dict(self) -> dict[str, Any]:
        """The result as plain values, for JSON, None where nothing was measured; without what has files of its own."""
        apart: dict[str, Any] = {
            "hall_of_fame": (),
            "front": Front(),
            "curve": (),
            "events": (),
            "config": None,
            "task_sets": None,
        }
        values = dataclasses.asdict(dataclasses.replace(self, **apart))
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in values.items()
            if name not in apart
        }

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the tasks."""
        return {**self.__dict__, "task_sets": None}
