"""How well one program does on the user's data: one row for each class pair (or table, or set of all classes)."""

import dataclasses
import itertools
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from azero_jax.config.tree import Config
from azero_jax.judge.pairs import accuracy_by_pair
from azero_jax.judge.run_program import Judge, judge_program, standard_error
from azero_jax.judge.tune import tune_constants
from azero_jax.language.library import program_space
from azero_jax.language.roles import Metric
from azero_jax.language.text import format_program, parse_program
from azero_jax.process.progress import Progress, no_progress
from azero_jax.tasks import Tasks
from azero_jax.tasks.classification import pair_tasks
from azero_jax.tasks.load import fit_features, load_task_sets, project, read_sources, tell
from azero_jax.tasks.pairs import Pair, choose_tasks, parse_pairs, split_pairs
from azero_jax.tasks.projected import Projected
from azero_jax.tasks.sets import TaskSets

_TUNE_TASKS: Final = 10


class Row(NamedTuple):
    """Mean fitness over some tasks of one source, and the standard error of that mean (NaN for one task)."""

    data: str  # name of the source
    tasks_of: str  # what the tasks are about, such as `cat / dog`
    mean: float
    standard_error: float
    tasks: int  # how many there are


@dataclasses.dataclass(frozen=True)
class Measurement:
    """A program on all the data.

    Attributes:
      rows: one for each class pair, table or set of classes.
      mean: mean over the rows.
      standard_error: of that mean; of the only row, if there is but one.
      seconds: wall time of tuning and measuring, without reading the data.
      metric: how predictions were judged.
      programs: the program by source, its constants tuned if that was asked for.
    """

    rows: tuple[Row, ...]
    mean: float
    standard_error: float
    seconds: float
    metric: Metric
    programs: dict[str, str]


def measure_program(
    text: str,
    config: Config,
    *,
    pairs: tuple[str, ...] = (),
    trials: int = 0,
    asked: Collection[str] | None = None,
    cache_dir: Path | None = None,
    progress: Progress = no_progress,
) -> Measurement:
    """Trains a program anew on each task that the configuration makes of its data, and judges it by test examples.

    Args:
      text: the program.
      config: its branches `source`, `tasks` and `engine` say on what and how; of the numbers of tasks and examples
        `select_train_examples` and `final_tasks` count (class pairs: every projection of every pair).
      pairs: class pairs to judge by, such as `0-5`; empty takes the unseen ones.
      trials: of random search for better constants, on validation examples of other pairs; 0 leaves them alone.
      asked: numbers of features and examples, by name, that somebody asked for; see `load_task_sets`.
      cache_dir: where decoded images and projections are kept; None keeps nothing.
      progress: called while something slow goes on.

    Raises:
      ValueError: the program does not parse, or there are no such data or tasks.
    """
    tasks, source = config.tasks, config.source
    if tasks.kind == "pairs":
        sources = read_sources(tasks, source, cache_dir=cache_dir, progress=progress)
        fitting, notes = zip(*(fit_features([data], tasks, asked) for data in sources), strict=True)
        projected = [
            project(data, own, source, cache_dir=cache_dir, progress=progress)
            for data, own in zip(sources, fitting, strict=True)
        ]
        names = distinct_names([data.name for data in sources], source.data)
        projected = [dataclasses.replace(data, name=name) for data, name in zip(projected, names, strict=True)]
        tell(itertools.chain(*notes, *(data.notes for data in sources)), progress)
        start, metric = time.perf_counter(), Metric.ACCURACY
        parts = [_measure_pairs(text, data, config, pairs, trials, progress) for data in projected]
    elif pairs:
        raise ValueError(f"pairs are given, but tasks of kind {tasks.kind} are not about pairs")
    else:
        sets = load_task_sets(tasks, source, cache_dir=cache_dir, progress=progress, asked=asked)
        start, metric = time.perf_counter(), sets.metric
        parts = [_measure_whole(text, sets, config, trials)]
    seconds = time.perf_counter() - start
    rows = tuple(row for part, _ in parts for row in part)
    means = np.array([row.mean for row in rows])
    error = standard_error(means) if len(rows) > 1 else rows[0].standard_error
    programs = {part[0].data: program for part, program in parts}
    return Measurement(rows, float(means.mean()), error, seconds, metric, programs)


def distinct_names(names: Sequence[str], paths: Sequence[str]) -> list[str]:
    """The names of sources, where some are equal with as much of their paths as tells them apart, or with a number.

    >>> distinct_names(["a.npz", "a.npz", "b.npz"], ["/data/x/a.npz", "/data/y/a.npz", "b.npz"])
    ['x/a.npz', 'y/a.npz', 'b.npz']
    >>> distinct_names(["digits", "digits"], ["digits", "digits"])
    ['digits', 'digits (2)']
    """
    parts = [Path(path).parts for path in paths]
    distinct: list[str] = []
    for number, (name, own) in enumerate(zip(names, parts, strict=True), start=1):
        lengths = range(1, len(own) + 1) if names.count(name) > 1 else ()
        telling = (n for n in lengths if sum(other[-n:] == own[-n:] for other in parts) == 1)
        longer = next((Path(*own[-n:]).as_posix() for n in telling), name)
        distinct.append(f"{name} ({number})" if longer in distinct else longer)
    return distinct


def _measure_pairs(
    text: str, data: Projected, config: Config, pairs: tuple[str, ...], trials: int, progress: Progress
) -> tuple[list[Row], str]:
    """Class pairs of one source, each with all projections: one row each; and the program, tuned or not."""
    names = data.class_names
    split = split_pairs(len(names), data.seed)
    judged = parse_pairs(",".join(pairs), len(names)) if pairs else split.unseen
    if trials:
        text = _tune(text, _tuning_tasks(data, split.search, judged, config), config, trials)
    accuracy = accuracy_by_pair(
        text,
        data,
        judged,
        train_examples=config.tasks.select_train_examples,
        engine=config.engine,
        epochs=config.tasks.epochs,
        seed=config.seed,
        progress=progress,
    )
    return [
        Row(data.name, " / ".join(names[class_] for class_ in pair), mean, error, tasks)
        for pair, mean, error, tasks in accuracy.pairs
    ], text


def _measure_whole(text: str, sets: TaskSets, config: Config, trials: int) -> tuple[list[Row], str]:
    """A table, or all classes at once: the tasks of the source are one row; and the program, tuned or not."""
    if trials:
        text = _tune(text, sets.select(config.seed), config, trials)
    fitness = judge_program(text, sets.final(config.seed), config.engine, epochs=config.tasks.epochs, seed=config.seed)
    about = "held-out rows" if config.tasks.kind == "table" else "all classes"
    name = Path(config.source.data[0]).name
    return [Row(name, about, float(fitness.mean()), standard_error(fitness), len(fitness))], text


def _tuning_tasks(data: Projected, search: tuple[Pair, ...], judged: tuple[Pair, ...], config: Config) -> Tasks:
    """Tasks judged by validation examples, of pairs that the program is not judged by, unless there are no others."""
    taken = {frozenset(pair) for pair in judged}
    others = tuple(pair for pair in search if frozenset(pair) not in taken) or judged
    count = min(_TUNE_TASKS, len(others) * data.projections)
    choices = choose_tasks(others, data.projections, count, config.seed)
    return pair_tasks(data, choices, train_examples=config.tasks.select_train_examples)


def _tune(text: str, tasks: Tasks, config: Config, trials: int) -> str:
    space = program_space(text, tasks.features)
    judge = Judge(space, tasks, config.engine, epochs=config.tasks.epochs, seed=config.seed, batch_size=trials)
    tuned = tune_constants(judge, parse_program(text, space), trials, config.seed)
    return format_program(tuned.program, 0, space)
