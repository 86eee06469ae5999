"""How a search ends: the best programs tuned and measured on the unseen tasks, and the result made of them."""

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from azero_jax.config.tree import Config
from azero_jax.fitness.counters import Counters
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace
from azero_jax.process.patience import Patience
from azero_jax.protocol.curve import CurvePoint
from azero_jax.protocol.finalist import Finalist
from azero_jax.protocol.finalists import measure_finalists, tune_best
from azero_jax.protocol.front import Front, pareto
from azero_jax.protocol.result import SearchResult
from azero_jax.tasks.sets import TaskSets


class Measured(NamedTuple):
    """The best algorithms, measured on the unseen tasks.

    Attributes:
      finalists: the best first.
      front: those that no cheaper one equals.
      solved: whether the best was good enough before it was tuned.
    """

    finalists: tuple[Finalist, ...]
    front: Front
    solved: bool


class Session(NamedTuple):
    """What else a result tells of a search: see `SearchResult`."""

    candidates: int
    seconds: float
    compile_seconds: float
    stopped_by: str
    experiments: int
    metric: Metric
    engine: str
    device: str
    run_directory: str | None
    counters: Counters
    curve: tuple[CurvePoint, ...] = ()
    events: tuple[dict[str, Any], ...] = ()
    task_sets: TaskSets | None = None


def measure(
    hall: Iterable[Finalist],
    front: Iterable[Finalist],
    config: Config,
    task_sets: TaskSets,
    space: SearchSpace,
    say: Callable[[str], None],
    patience: Patience | None = None,
    *,
    tune: bool,
) -> Measured:
    """Tunes the best of a hall of fame, if `tune`, and measures all of it and of its front on the unseen tasks."""
    finalists, others = tuple(map(_without_untried, hall)), tuple(map(_without_untried, front))
    others = tuple(other for other in others if other not in finalists)
    solved = finalists[0].select_fitness > config.budget.sufficient_fitness
    if config.budget.tune_trials and tune:
        say(f"trying {config.budget.tune_trials:,} other constants for the best program")
        finalists = tune_best(finalists, config, task_sets, space, patience)
    measured = measure_finalists((*finalists, *others), config, task_sets, space, patience)
    best = Front(finalist for _, finalist in pareto(enumerate(measured)))
    return Measured(measured[: len(finalists)], best, solved)


def make_result(measured: Measured, config: Config, session: Session) -> SearchResult:
    """The result of a search."""
    best = measured.finalists[0]
    if measured.solved:
        session = session._replace(stopped_by="sufficient_fitness")
    return SearchResult(
        solved=measured.solved,
        search_fitness=best.search_fitness,
        select_fitness=best.select_fitness,
        final_fitness=float("nan") if best.final_fitness is None else best.final_fitness,
        program=best.program,
        raw_program=best.raw_program,
        seed=config.seed,
        epochs=config.tasks.epochs,
        precision=config.engine.precision,
        hall_of_fame=measured.finalists,
        front=measured.front,
        config=config,
        **session._asdict(),
    )


def _without_untried(finalist: Finalist) -> Finalist:
    """A finalist that was not run, because patience was over, has no fitness."""
    search, select = (math.nan if x < 0 else x for x in (finalist.search_fitness, finalist.select_fitness))
    return dataclasses.replace(finalist, search_fitness=search, select_fitness=select)
