"""The task sets of the user's data, as the configuration describes them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from azero_jax import ops
from azero_jax.config import MIN_FEATURES, Config, SourceConfig, TaskConfig
from azero_jax.data import BUNDLED_TABLES, Progress, ReadOptions, Source, load_source, no_progress
from azero_jax.presets import MULTICLASS_PRESET, load_preset
from azero_jax.settings import override
from azero_jax.task_sets import TaskSets
from azero_jax.tasks import Metric
from azero_jax.tasks.pairs import Pair, PairSplit, parse_pairs, split_pairs
from azero_jax.tasks.projected import Projected, prepare
from azero_jax.tasks.sets import Counts, MixedTasks, MulticlassTasks, PairTasks, TableTasks
from azero_jax.tasks.tabular import hold_out, table_metric

_TABLE_SUFFIXES: Final = (".csv", ".tsv")
_PAIR: Final = 2  # classes
_SAY_SECONDS: Final = 2.0  # between two lines of progress


def load_task_sets(config: Config, *, cache_dir: Path | None = None, progress: Progress = no_progress) -> TaskSets:
    """Reads the data of a configuration, and deals them out to search, select and unseen tasks.

    Args:
      config: its branches `source` and `tasks` say what to do.
      cache_dir: where decoded images and projections are kept; None keeps nothing.
      progress: called while something slow goes on.

    Raises:
      ValueError: no data are named, they cannot be read, or they do not make such tasks; one line says why.
    """
    tasks, seed = config.tasks, config.source.data_seed
    sources = read_sources(config, cache_dir=cache_dir, progress=progress)
    if tasks.kind == "table":
        if len(sources) > 1:
            raise ValueError(f"data names {len(sources)} tables; tasks of kind table are made of one")
        for name in ("features", "valid_examples", "select_valid_examples"):
            if getattr(tasks, name) is not None:
                raise ValueError(f"{name} is {getattr(tasks, name)}; a table's rows are taken as they are: say none")
        _check_predictions(config, table_metric(sources[0]))
        return TableTasks(hold_out(sources[0], seed=seed), _counts(config, 0, 1))
    projected = [project(source, config, cache_dir=cache_dir, progress=progress) for source in sources]
    for data in projected:
        _check_examples(data, len(data.class_names) if tasks.kind == "multiclass" else _PAIR, tasks)
    counts = [_counts(config, part, len(sources)) for part in range(len(sources))]
    if tasks.kind == "multiclass":
        if len(sources) > 1:
            raise ValueError(f"data names {len(sources)} sources; a mixture can only be made of tasks of kind pairs")
        _check_predictions(config, Metric.MULTICLASS_ACCURACY)
        return MulticlassTasks(projected[0], counts[0])
    parts = tuple(
        PairTasks(data, choose_pairs(data, config.source), count) for data, count in zip(projected, counts, strict=True)
    )
    return parts[0] if len(parts) == 1 else MixedTasks(parts)


def read_sources(config: Config, *, cache_dir: Path | None = None, progress: Progress = no_progress) -> list[Source]:
    """The data that a configuration names.

    Raises:
      ValueError: none are named, or they cannot be read.
    """
    wanted = config.source
    if not wanted.data:
        raise ValueError(f"tasks of kind {config.tasks.kind} are made of data; say which: --data PATH (or digits, ...)")
    options = ReadOptions(wanted.label, wanted.regression, wanted.download, cache_dir, progress)
    return [load_source(name, options) for name in wanted.data]


def project(
    source: Source, config: Config, *, cache_dir: Path | None = None, progress: Progress = no_progress
) -> Projected:
    """A source's classes under the projections of a configuration.

    Raises:
      ValueError: a regression, a class with too few examples, or fewer values than features.
    """
    return prepare(
        source,
        config.tasks.features,
        projections=config.source.projections,
        seed=config.source.data_seed,
        cache_dir=cache_dir,
        progress=progress,
    )


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
    return "table" if data.lower().endswith(_TABLE_SUFFIXES) or data in BUNDLED_TABLES else "pairs"


def natural_preset(data: str) -> str:
    """The preset that data are searched with where none is said: `table`, `digits` for those, else `cifar10`."""
    if natural_kind(data) == "table":
        return "table"
    return "digits" if data == "digits" else "cifar10"


def with_kind(config: Config, kind: str) -> Config:
    """A preset for tasks of a kind: for all classes at once `multiclass`, with the data of the one that was named.

    Programs that tell many classes apart need other ops and more vectors than those of two classes.
    """
    if kind != "multiclass" or config.tasks.kind == kind:
        return config
    return override(load_preset(MULTICLASS_PRESET), {"source.data": config.source.data})


def unseen_name(config: Config) -> str:
    """What the final tasks of a configuration are called."""
    return "held-out rows" if config.tasks.kind == "table" else "unseen tasks"


def spoken(say: Callable[[str], None]) -> Progress:
    """A `Progress` that says a line now and then, and at once what has not begun (0 done)."""
    last_time = time.monotonic()

    def progress(what: str, done: int, total: int) -> None:
        nonlocal last_time
        if done == 0:
            say(what)
        elif time.monotonic() - last_time >= _SAY_SECONDS:
            last_time = time.monotonic()
            say(f"{what}: {done:,} of {total:,}")

    return progress


def _check_predictions(config: Config, metric: Metric) -> None:
    """Refuses a space in which no program can tell many classes apart: its predictions are a vector."""
    predict = config.space.build(config.tasks.features or MIN_FEATURES).predict
    if metric is Metric.MULTICLASS_ACCURACY and all(ops.OPS[op].output != ops.VECTOR for op in predict.ops):
        raise ValueError(
            "predictions of many classes are a vector, but no op of Predict makes one; add one that does, such as"
            f" MATRIX_VECTOR_PRODUCT_OP, to --predict-ops, or take --preset {MULTICLASS_PRESET}"
        )


def _check_examples(data: Projected, classes: int, tasks: TaskConfig) -> None:
    """Names at once all settings that ask for more examples than there are."""
    sizes = data.sizes
    limits = {
        "train_examples": classes * sizes.train,
        "valid_examples": classes * sizes.valid,
        "select_train_examples": classes * sizes.train,
        "select_valid_examples": classes * min(sizes.valid, sizes.test),
    }
    asked = {name: getattr(tasks, name) for name in limits}
    excessive = [name for name, limit in limits.items() if asked[name] is not None and asked[name] > limit]
    if excessive:
        words = ", ".join(f"{name} = {asked[name]} (at most {limits[name]})" for name in excessive)
        flags = " ".join(f"--{name.replace('_', '-')} none" for name in excessive)
        raise ValueError(
            f"{data.name} has too few examples, in a task of {classes} classes, for {words}; take all with {flags}"
        )


def _counts(config: Config, part: int, parts: int) -> Counts:
    """The counts of one of `parts` sources, among which the tasks are divided as evenly as can be."""
    tasks = config.tasks

    def share(count: int) -> int:
        return max(count // parts + (part < count % parts), 1)

    return Counts(
        search_tasks=share(tasks.search_tasks),
        select_tasks=share(tasks.select_tasks),
        final_tasks=share(tasks.final_tasks),
        train_examples=tasks.train_examples,
        valid_examples=tasks.valid_examples,
        select_train_examples=tasks.select_train_examples,
        select_valid_examples=tasks.select_valid_examples,
    )
