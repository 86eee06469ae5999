"""What an estimator's parameters make of a search."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from azero_jax.api import search
from azero_jax.config.leaves import override, read_settings
from azero_jax.config.presets import load_preset
from azero_jax.config.tree import Config
from azero_jax.data.source import Source
from azero_jax.estimator.rows import RowTasks
from azero_jax.learner.reading import program_source
from azero_jax.protocol.result import Progress, SearchResult
from azero_jax.terminal.display import progress_line

# In place of the preset's: a search of seconds has to begin anew soon where it is stuck. R2 on two folds of diabetes
# after 20 s of half a core (linear regression 0.52 and 0.43): islands of 1000 0.27 and 0.03, of 200 0.50 and 0.28, with
# experiments of 40,000 candidates 0.12 and 0.44, of 100 with experiments of 80,000 0.51 and 0.44.
_SEARCH: Final[dict[str, Any]] = {
    "search.population": 100,
    "search.tournament": 5,
    "search.batch": 25,
    "budget.experiment_candidates": 80_000,
    "budget.check_every": 10_000,
}
_OF_THE_ROWS: Final = ("source.", "tasks.kind", "tasks.features", "tasks.valid_examples", "tasks.select_valid_examples")
_SHARE_OF_INITIAL: Final = 0.5  # of a small budget; the rest is for children
_CHECKS: Final = 10  # trials on select tasks in the course of a budget of candidates


class Wanted(NamedTuple):
    """The parameters of an estimator that decide a search; `Estimator` says what they mean."""

    preset: str
    max_seconds: float | None
    max_candidates: int | None
    start_from: tuple[str, ...]
    epochs: int
    precision: str
    settings: Mapping[str, Any]
    n_jobs: int | None
    verbose: int


def find_program(source: Source, wanted: Wanted, generator: np.random.RandomState) -> SearchResult:
    """What a search finds, with as many workers as jobs are wanted.

    Raises:
      ValueError: parameters that do not fit one another or the rows.
    """
    return _search(source, wanted, int(generator.randint(np.iinfo(np.int32).max)))


def read_estimator_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted name, as `read_settings` has them, without those that the rows decide.

    Raises:
      ValueError: an unknown setting, a value of a wrong type, or a setting that an estimator cannot follow.
    """
    settings = read_settings(given)
    for name in settings:
        if name.startswith(_OF_THE_ROWS):
            raise ValueError(f"settings has {name}, but the rows that fit is given decide that; leave it out")
    return settings


def search_config(source: Source, wanted: Wanted, seed: int) -> Config:
    """The configuration of a search.

    Raises:
      ValueError: an unknown preset or setting, one that the rows decide, or a value out of range.
    """
    from joblib import effective_n_jobs  # 1 in a process that is one of several jobs itself

    config = load_preset(wanted.preset)
    settings = read_estimator_settings(wanted.settings)
    limits = {"budget.max_seconds": wanted.max_seconds, "budget.max_candidates": wanted.max_candidates}
    config = override(
        config,
        {
            "seed": seed,
            "tasks.epochs": wanted.epochs,
            "engine.precision": wanted.precision,
            "cluster.workers": effective_n_jobs(wanted.n_jobs),
            **_SEARCH,
            **limits,
            **settings,
        },
    )
    if wanted.max_candidates is not None:
        checks = min(config.budget.check_every, max(wanted.max_candidates // _CHECKS, 1))
        budget = dataclasses.replace(config.budget, check_every=checks)
        config = dataclasses.replace(config, search=_within(config, wanted.max_candidates), budget=budget)
    tasks = RowTasks(source, config.tasks).search(0)
    evaluator = config.evaluator
    evaluator = dataclasses.replace(
        evaluator,
        fec_train_examples=min(evaluator.fec_train_examples, tasks.train_examples * config.tasks.epochs),
        fec_valid_examples=min(evaluator.fec_valid_examples, tasks.valid_examples),
    )
    return dataclasses.replace(config, evaluator=evaluator)


def _within(config: Config, candidates: int) -> Any:
    """Populations small enough that evolution begins within so many candidates."""
    settings, most = config.search, max(int(_SHARE_OF_INITIAL * candidates), 2)
    islands = min(settings.islands, max(1, most // 50))
    population = min(settings.population, max(2, most // islands))
    return dataclasses.replace(
        settings, islands=islands, population=population, batch=min(settings.batch, max(1, population // 2))
    )


def _search(source: Source, wanted: Wanted, seed: int) -> SearchResult:
    config = search_config(source, wanted, seed)

    def report(progress: Progress) -> None:
        if wanted.verbose > 0:
            print(progress_line(progress), flush=True)

    def say(line: str) -> None:
        if wanted.verbose > 1:
            print(line, flush=True)

    start_from = tuple(program_source(program) for program in wanted.start_from)
    return search(config, tasks=RowTasks(source, config.tasks), start_from=start_from, report=report, say=say)
