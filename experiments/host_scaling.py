"""How far the host scales: a search whose engine costs nothing, by cores, in processes and in threads, and by batch.

    python experiments/host_scaling.py                          # both presets, as many workers as there are cores
    python experiments/host_scaling.py --json > host.json

The engine gives recorded outcomes: those that the first engine of this machine gave to some random programs, chosen by
a hash of the program that is asked for. What is left is the host's work: breeding, pruning, looking up, hashing errors.
A worker is a search of its own. Each runs for `--seconds` once all have begun; rates are of all workers together, by
the wall clock; phases are microseconds a candidate in the first worker, `engine` what the stub took.
"""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, Final

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from azero_jax.config.presets import load_preset
from azero_jax.config.tree import Config
from azero_jax.engines.base import Engine
from azero_jax.engines.make import make_engine
from azero_jax.engines.outcome import Memory, RawOutcome
from azero_jax.evolve.regularized import Evolution
from azero_jax.fitness.evaluator import Evaluator
from azero_jax.language.program import Programs
from azero_jax.mutate.learnable import random_learnable
from azero_jax.tasks.synthetic import TEACHERS

RECORDED: Final = 1024  # programs whose outcomes are recorded
WARM_UP_STEPS: Final = 3
_PREPARING: Final = threading.Lock()  # searches are made one after the other
Row = dict[str, Any]


class RecordedEngine(Engine):
    """Gives what another engine gave to other programs, at next to no cost."""

    name = "recorded"
    device = "none"

    def __init__(self, engine: Engine) -> None:
        """Records outcomes of `engine` on all of its tasks' examples, without stops."""
        super().__init__(engine.space, engine.tasks, engine.settings)
        self.capacity, self.seconds = engine.capacity, 0.0
        programs = random_learnable(engine.space, engine.tasks.metric, RECORDED, np.random.default_rng(0))
        everything = self.tasks.train_examples, self.tasks.valid_examples
        self._raw = engine._run_piece(programs, *everything, True)
        self._weights = np.random.default_rng(1).integers(1, 2**31, self.space.length, np.uint64)

    @property
    def compilations(self) -> int:
        """None."""
        return 0

    def _run_piece(self, programs: Programs, train: int, valid: int, record: bool) -> RawOutcome:
        start = time.perf_counter()
        chosen = (self._hash(programs) % np.uint64(RECORDED)).astype(np.int64)
        raw = RawOutcome(
            *(field[chosen] for field in self._raw[:4]), self._raw.errors[chosen, : (train + valid) * record]
        )
        self.seconds += time.perf_counter() - start
        return raw

    def _hash(self, programs: Programs) -> NDArray[np.uint64]:
        words = programs.opcodes + programs.addresses @ np.array([1 << 8, 1 << 20, 1 << 32], np.uint64)
        hashed = words @ self._weights
        return hashed ^ (hashed >> np.uint64(29))

    def _trace_program(self, program: Programs, memory: Memory, train: int, valid: int) -> tuple[Memory, Memory]:
        raise NotImplementedError("nothing is run")


def make_search(config: Config, seed: int) -> tuple[Evolution, Evaluator, RecordedEngine]:
    """A search, warmed up."""
    sizes = config.tasks
    tasks = TEACHERS[sizes.kind](
        tasks=sizes.search_tasks,
        features=sizes.features,
        train_examples=sizes.train_examples,
        valid_examples=sizes.valid_examples,
        seed=0,
    )
    real = make_engine("auto", config.space.build(sizes.features), tasks, config.engine.run_settings())
    engine = RecordedEngine(real)
    learnable_only = config.search.candidates == "learnable"
    evaluator = Evaluator(engine, config.evaluator, overlap=False, learnable_only=learnable_only)
    generator = np.random.default_rng(seed)
    algorithm = Evolution(engine.space, evaluator, config.search, generator, metric=tasks.metric)
    for _ in range(WARM_UP_STEPS):
        algorithm.step()
    return algorithm, evaluator, engine


def work(config: Config, seed: int, seconds: float, barrier: Any) -> Row:
    """One worker: how many candidates it made, and where its time went."""
    try:
        with _PREPARING:
            algorithm, evaluator, engine = make_search(config, seed)
    except BaseException:
        barrier.abort()  # or the others would wait for ever
        raise
    timings = (algorithm.timings, evaluator.timings)
    for timing in timings:
        timing.seconds.clear()
    first, engine.seconds = algorithm.candidates, 0.0
    barrier.wait()
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        algorithm.step()
    total, candidates = time.perf_counter() - start, algorithm.candidates - first
    phases = {name: value / candidates * 1e6 for timing in timings for name, value in timing.seconds.items()}
    return {"candidates": candidates, "seconds": total, **phases, "engine": engine.seconds / candidates * 1e6}


_barrier: Any = None  # of the processes


def _set_barrier(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _work_in_process(config: Config, seed: int, seconds: float) -> Row:
    return work(config, seed, seconds, _barrier)


def run_workers(config: Config, kind: str, workers: int, seconds: float) -> Row:
    """Several workers at a time, in processes or in threads of this one."""
    if kind == "threads":
        barrier = threading.Barrier(workers)
        with ThreadPoolExecutor(workers) as pool:
            rows = list(pool.map(lambda seed: work(config, seed, seconds, barrier), range(workers)))
    else:
        context = multiprocessing.get_context("spawn")
        arguments = (context.Barrier(workers),)
        with ProcessPoolExecutor(workers, context, initializer=_set_barrier, initargs=arguments) as pool:
            rows = list(pool.map(_work_in_process, [config] * workers, range(workers), [seconds] * workers))
    rate = sum(row["candidates"] / row["seconds"] for row in rows)
    phases = {name: value for name, value in rows[0].items() if name not in ("candidates", "seconds")}
    search = config.search
    return {
        "preset": f"{config.tasks.kind} {search.candidates}",
        "kind": kind,
        "workers": workers,
        "candidates_per_step": search.islands * search.batch,
        "candidates_per_second": rate,
        "microseconds": phases,
    }


def with_batch(config: Config, batch: int) -> Config:
    """The same search with so many children of each island at a time."""
    population = max(config.search.population, batch)
    return dataclasses.replace(config, search=dataclasses.replace(config.search, batch=batch, population=population))


def show(rows: list[Row]) -> Table:
    """All rows."""
    table = Table(title="host without engine", title_justify="left")
    for column in ("search", "workers", "candidates a step", "candidates/s", "us a candidate"):
        table.add_column(column)
    for row in rows:
        phases = ", ".join(f"{name} {value:.2f}" for name, value in row["microseconds"].items() if value >= 0.005)
        workers = f"{row['workers']} {row['kind']}"
        rate = f"{row['candidates_per_second']:,.0f}"
        table.add_row(row["preset"], workers, f"{row['candidates_per_step']:,}", rate, phases)
    return table


@click.command(help=__doc__)
@click.option("--seconds", default=5.0, show_default=True, help="Of each measurement.")
@click.option("--cores", default=multiprocessing.cpu_count(), show_default=True, help="Most workers.")
@click.option("--batch", "batches", multiple=True, type=int, default=(50, 200, 800, 3200), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="A list of objects in place of a table.")
def main(seconds: float, cores: int, batches: tuple[int, ...], as_json: bool) -> None:
    """Measures and shows."""
    rows = []
    for candidates in ("any", "learnable"):
        config = load_preset("linear", candidates=candidates)
        rows += [run_workers(with_batch(config, batch), "processes", 1, seconds) for batch in batches]
        counts = [count for count in (2, 4, 8, 16, 32, 64, 128) if count <= cores]
        rows += [run_workers(config, kind, count, seconds) for kind in ("threads", "processes") for count in counts]
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        Console().print(show(rows))


if __name__ == "__main__":
    main()
