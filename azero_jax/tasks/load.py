"""From settings to the task sets of the user's data."""

import dataclasses
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, cast

from azero_jax.data import BUNDLED_TABLES, Source, load_source
from azero_jax.data.registry import reads_labels
from azero_jax.data.table import is_table
from azero_jax.process.progress import Progress, no_progress
from azero_jax.tasks.pairs import Pair, PairSplit, parse_pairs, split_pairs
from azero_jax.tasks.projected import Projected, prepare
from azero_jax.tasks.sets import MixedTasks, MulticlassTasks, PairTasks, TableTasks, TaskSets
from azero_jax.tasks.settings import SourceConfig, TaskConfig
from azero_jax.tasks.tabular import hold_out, project_columns

WIDE_TABLE: Final = 1000  # columns; more are projected where nothing else is said, as matrices of them fit nowhere
_FEATURES_OF_WIDE: Final = 64


def load_task_sets(
    tasks: TaskConfig,
    source: SourceConfig,
    *,
    cache_dir: Path | None = None,
    progress: Progress = no_progress,
    asked: Collection[str] | None = None,
    data: Any = None,
) -> TaskSets:
    """Reads the user's data, and deals them out to search, select and unseen tasks.

    Args:
      tasks: what kind of tasks, and how many.
      source: which data.
      cache_dir: where decoded images and projections are kept; None keeps nothing.
      progress: called while something slow goes on.
      asked: numbers of features and examples, by name, that somebody asked for; others are taken as far as there are so
        many, which is said. None stands for all.
      data: what `source.data` would name, in memory: whatever `azero_jax.data.load_source` takes.

    Raises:
      ValueError: no data are named, they cannot be read, or they do not make such tasks; one line says why.
    """
    sources = read_sources(tasks, source, cache_dir=cache_dir, progress=progress, data=data)
    tasks, notes = fit_features(sources, tasks, asked)
    if tasks.kind == "table":
        if len(sources) > 1:
            raise ValueError(f"data names {len(sources)} tables; tasks of kind table are made of one")
        for name in ("valid_examples", "select_valid_examples"):
            if getattr(tasks, name) is not None:
                raise ValueError(f"{name} is {getattr(tasks, name)}; a table's rows are taken as they are: say none")
        narrow = _narrow(hold_out(sources[0], seed=source.data_seed), tasks.features, source.data_seed)
        tell((*notes, *narrow.notes), progress)
        return TableTasks(narrow, tasks)
    notes += [note for data in sources for note in data.notes]
    projected = [project(data, tasks, source, cache_dir=cache_dir, progress=progress) for data in sources]
    for data in projected:
        classes = len(data.class_names) if tasks.kind == "multiclass" else 2
        if asked is not None:
            tasks, fewer = _fit_examples(data, classes, tasks, asked)
            notes += fewer
        _check_examples(data, classes, tasks)
    if tasks.kind == "multiclass":
        if len(sources) > 1:
            raise ValueError(f"data names {len(sources)} sources; a mixture can only be made of tasks of kind pairs")
        tell(notes, progress)
        return MulticlassTasks(projected[0], tasks)
    parts = tuple(
        PairTasks(data, choose_pairs(data, source), _share(tasks, part, len(projected)))
        for part, data in enumerate(projected)
    )
    tell(notes, progress)
    return parts[0] if len(parts) == 1 else MixedTasks(parts)


def _narrow(source: Source, features: int | None, seed: int) -> Source:
    """A table with as many columns as are wanted, or fewer of its own; thousands are projected in any case."""
    if features is None and source.dimension > WIDE_TABLE:
        features = _FEATURES_OF_WIDE
        said = f"{source.dimension:,} columns are projected at random to {features} features; --features says otherwise"
        source = dataclasses.replace(source, notes=(*source.notes, f"{source.name}: {said}"))
    if features is None or features == source.dimension:
        return source
    return project_columns(source, features, seed)


def read_sources(
    tasks: TaskConfig, source: SourceConfig, *, cache_dir: Path | None, progress: Progress, data: Any = None
) -> list[Source]:
    """The data that settings name, or those in memory.

    Raises:
      ValueError: none are named, or they cannot be read.
    """
    named = source.data if data is None else (data,)
    if not named:
        raise ValueError(f"tasks of kind {tasks.kind} are made of data; say which: --data PATH (or digits, ...)")
    of_labels: dict[str, Any] = {"label": source.label, "missing": source.missing}
    of_all: dict[str, Any] = {
        "regression": source.regression,
        "download": source.download,
        "cache_dir": cache_dir,
        "progress": progress,
    }
    tables = [reads_labels(one) for one in named]  # what is said of label columns is for these, if there are any
    return [
        load_source(one, **of_all, **(of_labels if has_labels or not any(tables) else {}))
        for one, has_labels in zip(named, tables, strict=True)
    ]


def tell(notes: Iterable[str], progress: Progress) -> None:
    """Tells what a person should know of the data; to be called when nothing can go wrong with them any more."""
    for note in notes:
        progress(f"note: {note}", 0, 1)


def project(
    data: Source, tasks: TaskConfig, source: SourceConfig, *, cache_dir: Path | None, progress: Progress
) -> Projected:
    """A source's classes under the projections that settings ask for.

    Raises:
      ValueError: a regression, a class with too few examples, or fewer values than features.
    """
    number, seed = source.projections, source.data_seed
    return prepare(data, tasks.features, projections=number, seed=seed, cache_dir=cache_dir, progress=progress)


def choose_pairs(data: Projected, wanted: SourceConfig) -> PairSplit:
    """The class pairs to search on, to select and to judge by.

    Pairs that were asked for are searched on, and neither select nor judge; unless no other pair is left for that.

    Raises:
      ValueError: something that is not a pair of two different classes.
    """
    classes = len(data.class_names)
    split = split_pairs(classes, data.seed)
    if not wanted.pairs:
        return split
    search = parse_pairs(",".join(wanted.pairs), classes)

    def others(pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
        return tuple(pair for pair in pairs if pair not in search and pair[::-1] not in search) or search

    return PairSplit(search, others(split.select), others(split.unseen))


def natural_kind(data: str) -> str:
    """The kind of tasks that data are taken for where nothing is said: a table for tables, else class pairs."""
    return "table" if is_table(Path(data)) or data in BUNDLED_TABLES else "pairs"


def unseen_name(tasks: TaskConfig) -> str:
    """What the final tasks are called."""
    return "held-out rows" if tasks.kind == "table" else "unseen tasks"


def fit_features(
    sources: Sequence[Source], tasks: TaskConfig, asked: Collection[str] | None
) -> tuple[TaskConfig, list[str]]:
    """The settings with as many features as all examples have, where nobody asked for more; and what is to be said."""
    least = min(sources, key=lambda source: source.dimension)
    wanted = tasks.features
    if wanted is None or wanted <= least.dimension or asked is None or "features" in asked:
        return tasks, []
    note = f"{least.name} has few values an example: features is {least.dimension} in place of {wanted}"
    return dataclasses.replace(tasks, features=least.dimension), [note]


def _example_limits(data: Projected, classes: int) -> dict[str, int]:
    """The most examples of a task, by the names of the settings."""
    train, valid, test = (classes * size for size in data.sizes)
    limits = {"train_examples": train, "valid_examples": valid}
    return limits | {"select_train_examples": train, "select_valid_examples": min(valid, test)}


def _fit_examples(
    data: Projected, classes: int, tasks: TaskConfig, asked: Collection[str]
) -> tuple[TaskConfig, list[str]]:
    """The settings with as many examples as there are, where nobody asked for more; and what is to be said of that."""
    wanted = {name: getattr(tasks, name) for name in _example_limits(data, classes)}
    limits = {name: limit for name, limit in _example_limits(data, classes).items() if name not in asked}
    fewer = {name: n for name, n in limits.items() if wanted[name] is not None and wanted[name] > n}
    words = ", ".join(f"{name} is {limit} in place of {wanted[name]}" for name, limit in fewer.items())
    notes = [f"{data.name} has few examples: {words}"] if fewer else []
    return dataclasses.replace(tasks, **cast(dict[str, Any], fewer)), notes


def _check_examples(data: Projected, classes: int, tasks: TaskConfig) -> None:
    """Names at once all settings that ask for more examples than there are."""
    limits = _example_limits(data, classes)
    asked = {name: getattr(tasks, name) for name in limits}
    excessive = [name for name, limit in limits.items() if asked[name] is not None and asked[name] > limit]
    if excessive:
        words = ", ".join(f"{name} = {asked[name]} (at most {limits[name]})" for name in excessive)
        flags = " ".join(f"--{name.replace('_', '-')} none" for name in excessive)
        few = f"{data.name} has too few examples, in a task of {classes} classes"
        raise ValueError(f"{few}, for {words}; take all with {flags}")


def _share(tasks: TaskConfig, part: int, parts: int) -> TaskConfig:
    """The settings of one of `parts` sources, among which the tasks are divided as evenly as can be."""
    counts = {name: getattr(tasks, name) for name in ("search_tasks", "select_tasks", "final_tasks")}
    shares = {name: max(count // parts + (part < count % parts), 1) for name, count in counts.items()}
    return dataclasses.replace(tasks, **shares)
