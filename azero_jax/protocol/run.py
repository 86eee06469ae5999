"""A search as a whole: settings in, result out."""

import contextlib
import dataclasses
import os
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final, NamedTuple

from azero_jax.analysis.learnable import check_can_learn, learnable
from azero_jax.config.presets import DEFAULT_PRESET, check_predictions, load_preset
from azero_jax.config.tree import Config
from azero_jax.data import default_cache_dir
from azero_jax.data.registry import absolute_name
from azero_jax.evolve.settings import EvolutionSettings
from azero_jax.language.program import Programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace
from azero_jax.language.text import read_programs
from azero_jax.process.compilation import compilation_told
from azero_jax.process.forks import check_not_forked
from azero_jax.process.patience import Patience
from azero_jax.process.progress import spoken
from azero_jax.process.state import State
from azero_jax.protocol.experiment import Arena
from azero_jax.protocol.identity import check_same_search, search_identity
from azero_jax.protocol.loop import SearchLoop
from azero_jax.protocol.memory import check_memory
from azero_jax.protocol.recorded_hall import recorded_hall
from azero_jax.protocol.result import Progress, SearchResult
from azero_jax.protocol.signals import StopSignals
from azero_jax.protocol.worker_states import state_of_one
from azero_jax.recording.run_directory import RunDirectory, read_run_config, read_start_programs
from azero_jax.recording.scalars import require_tensorboard
from azero_jax.tasks.load import load_task_sets
from azero_jax.tasks.sets import GeneratedTasks, TaskSets, fingerprint
from azero_jax.tasks.settings import DATA_KINDS

REPORT_SECONDS: Final = 1.0  # between two reports


class Prepared(NamedTuple):
    """A search that is ready to begin.

    Attributes:
      config: everything that decides it.
      tasks: where tasks come from.
      start_from: texts of the programs to start from.
      directory: where to record it; None for nowhere.
      say: is told what is going on.
      warn: is told of trouble.
    """

    config: Config
    tasks: TaskSets
    start_from: tuple[str, ...]
    directory: RunDirectory | None
    say: Callable[[str], None]
    warn: Callable[[str], None]


Conduct = Callable[[Prepared, Callable[[Progress], None], float], SearchResult]
"""Searches: what is prepared, what is told how far it has come, and the seconds between two times."""


def run(
    config: Config | None,
    tasks: TaskSets | None,
    start_from: tuple[str, ...],
    out: str | os.PathLike[str] | None,
    resume: str | os.PathLike[str] | None,
    report: Callable[[Progress], None] | None,
    report_seconds: float,
    say: Callable[[str], None] | None,
    warn: Callable[[str], None] | None,
    conduct: Conduct | None = None,
) -> SearchResult:
    """Evolves a program; arguments, result and errors are those of `azero_jax.search`.

    `conduct` does the search itself, once all is prepared; None does it in this process.
    """
    check_not_forked()
    say = say or (lambda line: None)
    warn = warn or (lambda line: warnings.warn(line, stacklevel=3))
    if resume is not None:
        if out is not None:
            raise ValueError("out and resume cannot both be given; a run goes on in its own directory")
        config, start_from = _as_it_began(Path(resume), config, start_from)
    config = _with_absolute_data(config or load_preset(DEFAULT_PRESET))
    path = out if resume is None else resume
    if config.output.tensorboard:
        if path is None:
            raise ValueError("output.tensorboard is true; it needs a run directory")
        require_tensorboard()
    tasks = tasks or make_task_sets(config, say)
    with contextlib.ExitStack() as stack:
        directory = None
        if path is not None:
            own_tasks = "" if isinstance(tasks, GeneratedTasks) else fingerprint(tasks)
            identity = search_identity(config, start_from, own_tasks)
            directory = RunDirectory(Path(path), config.output, identity, warn, resume=resume is not None)
            stack.enter_context(directory)
        prepared = Prepared(config, tasks, start_from, directory, say, warn)
        return (conduct or search_here)(prepared, report or (lambda progress: None), report_seconds)


def _with_absolute_data(config: Config) -> Config:
    """The same with full paths, so that a recorded run finds its data from everywhere."""
    return config.replace(data=tuple(map(absolute_name, config.source.data)))


def _as_it_began(path: Path, config: Config | None, start_from: tuple[str, ...]) -> tuple[Config, tuple[str, ...]]:
    """The configuration and the programs to start from of a run that goes on, which may be given or not.

    Raises:
      ValueError: there is no run, a file is damaged, or what is given differs in what decides the search.
    """
    saved, programs = read_run_config(path), read_start_programs(path)
    config = config or saved
    check_same_search(config, saved, f"run directory {path}")
    if start_from and tuple(start_from) != programs:
        raise ValueError(f"start_from differs from the programs that run directory {path} began with; leave it out")
    return config, programs


def make_task_sets(
    config: Config, say: Callable[[str], None], asked: Collection[str] = (), data: Any = None
) -> TaskSets:
    """The tasks that a configuration describes: drawn at random, or of the user's data, which may be in memory.

    Of the user's data there are fewer features and examples than it says where there are not so many, apart from the
    numbers that were `asked` for, by name.

    Raises:
      ValueError: the data cannot be read, or do not make such tasks, or no program of the space could predict them.
    """
    if data is not None and not config.tasks.of_data:
        kinds = ", ".join(DATA_KINDS)
        raise ValueError(
            f"data are given, but tasks of kind {config.tasks.kind} are drawn at random; take one of {kinds}"
        )
    if not config.tasks.of_data:
        return GeneratedTasks(config.tasks)
    cache_dir, progress = default_cache_dir(), spoken(say)
    reading: dict[str, Any] = {"cache_dir": cache_dir, "progress": progress, "asked": asked, "data": data}
    tasks = load_task_sets(config.tasks, config.source, **reading)
    check_predictions(config.space, tasks.metric)
    return tasks


def check_start(prepared: Prepared, processes: int = 1) -> tuple[SearchSpace, Programs | None]:
    """The search space and the programs to start from, after a check that a search can begin, in so many processes.

    Raises:
      ValueError: it cannot.
    """
    config, tasks = prepared.config, prepared.tasks
    space = config.space.build(tasks.features)
    check_memory(config, space, processes)
    _check_niches(config.search)
    seeds = read_programs(prepared.start_from, space) if prepared.start_from else None
    _check_programs(config.search, seeds, space, tasks.metric)
    return space, seeds


def _check_niches(search: EvolutionSettings) -> None:
    """Checks that there is an island for every niche.

    Raises:
      ValueError: there is not.
    """
    islands = 1 if search.algorithm == "random" else search.islands
    if len(search.learned) > islands:
        what = f"learned is {','.join(search.learned)}, {len(search.learned)} niches"
        if search.algorithm == "random":
            raise ValueError(f"{what}, but algorithm random has only one, such as learned {search.learned[0]}")
        raise ValueError(
            f"{what}, but islands is {islands}; take as many islands, or one niche: learned {search.learned[0]}"
        )


def _check_programs(search: EvolutionSettings, seeds: Programs | None, space: SearchSpace, metric: Metric) -> None:
    """Checks that a search can begin with some programs.

    Raises:
      ValueError: no program can learn, or functions are frozen of nothing, or given programs would not be used.
    """
    if search.frozen and seeds is None:
        raise ValueError(f"frozen is {','.join(search.frozen)}, but there is no program to start from; give one")
    if seeds is not None and search.start_share == 0 and not search.frozen:
        raise ValueError("start_share is 0 and nothing is frozen, so the programs to start from would not be used")
    if seeds is not None and search.algorithm == "random" and not search.frozen:
        raise ValueError(
            "algorithm is random and nothing is frozen, so the programs to start from would not be used; freeze"
            " functions, or take algorithm evolution"
        )
    if search.candidates == "learnable":
        check_can_learn(space, metric, "".join(search.learned_kinds()))
        if seeds is not None and search.start_share > 0 and not learnable(seeds, space, metric).any():
            hint = "; start_share 0 takes only what is frozen of them" if search.frozen else ", or take candidates any"
            raise ValueError(f"of the programs to start from none can learn; start from others{hint}")


def search_here(prepared: Prepared, report: Callable[[Progress], None], report_seconds: float) -> SearchResult:
    """Compiles what will run, and searches in this process."""
    config, tasks, start_from, directory, say, _ = prepared
    space, seeds = check_start(prepared)
    with compilation_told(say):
        arena = Arena(config, tasks, space, 0, say, Patience())
        engine = arena.engine
        say(f"engine {engine.name} on {engine.device}; compiling (what was compiled before is reused)")
        if engine.idle_tasks:
            count = len(engine.tasks)
            say(f"note: search_tasks is {count}; up to {count + engine.idle_tasks} take as long on {engine.device}")
        compile_seconds = arena.warm_up()
    say(f"compiled in {compile_seconds:.1f} s")
    with StopSignals() as stop:
        state = None
        if directory is not None:
            state = begin_recording(directory, config, start_from, engine.name, engine.device)
        recorded = []
        if directory is not None and state is not None and "workers" in state:
            recorded, state = recorded_hall(directory.path, space, tasks.metric), state_of_one(state)
        loop = SearchLoop(arena, tasks, seeds, directory, say, stop, state, recorded)
        return loop.run(report, report_seconds, compile_seconds)


def begin_recording(
    directory: RunDirectory, config: Config, start_from: tuple[str, ...], engine: str, device: str
) -> State | None:
    """Writes down what is about to run, on which engine; returns the latest checkpoint's state."""
    about = {"engine": engine, "device": device, "seed": config.seed, "workers": config.cluster.workers}
    used = dataclasses.replace(config, engine=dataclasses.replace(config.engine, engine=engine))
    return directory.begin(used, start_from, about)
