"""A search in this process, or with workers, as the configuration says."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from azero_jax.cluster.coordinator import Coordinator, Ending
from azero_jax.cluster.messages import Job, Started
from azero_jax.cluster.mixed import check_mixed
from azero_jax.cluster.ray_crew import RayCrew, ray_running
from azero_jax.config.leaves import format_setting
from azero_jax.config.tree import ClusterConfig
from azero_jax.language.space import SearchSpace
from azero_jax.protocol import run as protocol
from azero_jax.protocol.finalist import Finalist
from azero_jax.protocol.finish import Measured, Session, make_result, measure
from azero_jax.protocol.recorded_hall import recorded_hall
from azero_jax.protocol.result import Progress, SearchResult
from azero_jax.protocol.signals import STOP_SIGNALS, StopSignals
from azero_jax.recording.run_directory import RunDirectory


def conduct(prepared: protocol.Prepared, report: Callable[[Progress], None], report_seconds: float) -> SearchResult:
    """Searches in this process, or with workers."""
    if prepared.config.cluster.is_used:
        return search_with_workers(prepared, report, report_seconds)
    if prepared.config.cluster.mixed:
        check_mixed(prepared.tasks, 1)
    unused = ", ".join(f"{name} {format_setting(value)}" for name, value in _for_workers_only(prepared.config.cluster))
    if unused:
        prepared.say(f"note: {unused}: that is for workers, of which there are none")
    return protocol.search_here(prepared, report, report_seconds)


def _for_workers_only(cluster: ClusterConfig) -> list[tuple[str, Any]]:
    """Settings, with their values, that were chosen and make no difference to a search in this process."""
    default = dataclasses.asdict(ClusterConfig())
    return [(name, value) for name, value in dataclasses.asdict(cluster).items() if value != default[name]]


run = functools.partial(protocol.run, conduct=conduct)
"""Evolves a program; arguments, result and errors are those of `azero_jax.search`."""


def search_with_workers(
    prepared: protocol.Prepared, report: Callable[[Progress], None], report_seconds: float
) -> SearchResult:
    """Starts workers, and coordinates their search."""
    config, tasks, start_from, directory, say, warn = prepared
    cluster = config.cluster
    space, _ = protocol.check_start(prepared, cluster.workers if cluster.ray_address is None else 1)
    if cluster.mixed:
        check_mixed(tasks, cluster.workers)
    say(f"starting {cluster.workers} worker(s)" + ("" if cluster.ray_address is None else f" at {cluster.ray_address}"))
    with ray_running(cluster) as ray:
        crew = RayCrew(ray, cluster)
        crew.prepare(Job(config, start_from, crew.one_core), tasks)
        state, hall = None, list[tuple[str, Finalist]]()
        if directory is not None:
            hall = recorded_hall(directory.path, space, tasks.metric)
            state = protocol.begin_recording(directory, config, start_from, config.engine.engine, "workers")
        try:
            coordinator = Coordinator(config, crew, directory, say, warn, state, hall)
            first = coordinator.await_start()
            say(
                f"engine {first.engine} on {first.device}, {cluster.workers} times; the first compiled in"
                f" {first.compile_seconds:.1f} s"
            )
            with StopSignals() as stop:
                ending = coordinator.search(stop, report, report_seconds)
                tune = ending.reason not in STOP_SIGNALS.values() and not ending.is_urgent
                if tune and config.budget.tune_trials:
                    say(f"trying {config.budget.tune_trials:,} other constants for the best program")
                measured = crew.finish(coordinator.merged.hall, stop, tune=tune, is_urgent=ending.is_urgent)
        finally:
            crew.close()
    return _result(prepared, space, coordinator, ending, first, measured)


def _result(
    prepared: protocol.Prepared,
    space: SearchSpace,
    coordinator: Coordinator,
    ending: Ending,
    first: Started,
    measured: Measured | None,
) -> SearchResult:
    config, tasks, _, directory, say, _ = prepared
    hall = coordinator.merged.hall
    if measured is None:  # no worker could
        measured = measure(hall, hall.front, config, tasks, space, say, tune=False)
    session = Session(
        candidates=coordinator.merged.candidates(),
        seconds=ending.seconds,
        compile_seconds=first.compile_seconds,
        stopped_by=ending.reason,
        experiments=coordinator.merged.experiments,
        metric=tasks.metric,
        engine=first.engine,
        device=f"{config.cluster.workers} x {first.device}",
        run_directory=str(directory.path) if directory else None,
        counters=coordinator.merged.counters(),
        curve=coordinator.merged.curve.points,
        events=tuple(coordinator.events),
        task_sets=tasks,
    )
    result = make_result(measured, config, session)
    if directory is not None:
        _record(directory, measured, result)
    return result


def _record(directory: RunDirectory, measured: Measured, result: SearchResult) -> None:
    best, cheapest = ([dataclasses.asdict(one) for one in part] for part in (measured.finalists, measured.front))
    directory.write_hall_of_fame(best)
    directory.write_front(cheapest)
    directory.write_result(result.as_dict())
