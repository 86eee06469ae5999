"""How fast the search itself is: candidates a second, host time a candidate by phase, and what each filter removes.

    python experiments/bench_search.py            # the demo preset and random search, one core
    python experiments/bench_search.py --json

The demo's figure is an average over a whole search that is not stopped when it has solved its task: `--candidates`
candidates on each of `--seeds` seeds, after a warm-up. Random search runs on the linear space of the paper's section
4.1 (F=8, sizes 5/1/4, addresses 4/3/1, 3 tasks of 1000 + 100 examples).
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from typing import Any, Final

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from azero_jax.config.presets import load_preset
from azero_jax.config.tree import Config
from azero_jax.engines.make import make_engine
from azero_jax.evolve.random_search import RandomSearch
from azero_jax.evolve.regularized import Evolution
from azero_jax.fitness.evaluator import Evaluator
from azero_jax.fitness.settings import EvaluatorSettings
from azero_jax.language.settings import SpaceConfig
from azero_jax.tasks.settings import TaskConfig
from azero_jax.tasks.synthetic import TEACHERS

ENGINE_PHASES: Final = ("probe", "hurdles", "run in full")
WARM_UP_STEPS: Final = 5
RECORDED_ORIGINAL: Final = 33_000  # candidates/s of the original with its cache, one core of another machine, recorded


def linear_search_config() -> Config:
    """Random search on the linear space of the paper's section 4.1."""
    demo = load_preset("linear", candidates="any")
    return dataclasses.replace(
        demo,
        space=SpaceConfig(scalars=4, vectors=3, matrices=1, setup=(5,), predict=(1,), learn=(4,), ops=demo.space.ops),
        tasks=TaskConfig(features=8, search_tasks=3, train_examples=1000, valid_examples=100),
        search=dataclasses.replace(demo.search, algorithm="random", islands=16, batch=512),
        engine=dataclasses.replace(demo.engine, batch_size=8192),
        # Nearly all candidates are new and worthless, so there is nothing to remember and little to run.
        evaluator=EvaluatorSettings(
            cache_size=0, canonical=False, fec_size=0, hurdle_examples=(0.01, 0.1), hurdle_percentile=95.0
        ),
    )


def measure(config: Config, candidates: int, seeds: int) -> dict[str, Any]:
    """Runs one search a seed for `candidates` candidates; figures over all of them."""
    seconds, evaluated = 0.0, 0
    phases: dict[str, float] = {}
    counters: dict[str, int] = {}
    for seed in range(seeds):
        algorithm, evaluator = start(config, seed)
        for _ in range(WARM_UP_STEPS):
            algorithm.step()
        before = dataclasses.replace(evaluator.counters)
        timings = (algorithm.timings, evaluator.timings, evaluator.runs.timings)
        for timing in timings:
            timing.seconds.clear()
        first, begin = algorithm.candidates, time.perf_counter()
        while algorithm.candidates < first + candidates:
            algorithm.step()
        seconds += time.perf_counter() - begin
        evaluator.close()
        evaluated += algorithm.candidates - first
        for timing in timings:
            for name, value in timing.seconds.items():
                phases[name] = phases.get(name, 0.0) + value
        for field in dataclasses.fields(before):
            now, then = getattr(evaluator.counters, field.name), getattr(before, field.name)
            if isinstance(now, int):
                counters[field.name] = counters.get(field.name, 0) + now - then
    return summarize(config, evaluator, evaluated, seconds, phases, counters)


def start(config: Config, seed: int) -> tuple[Evolution | RandomSearch, Evaluator]:
    """A search with its initial population evaluated."""
    tasks = TEACHERS[config.tasks.kind](
        tasks=config.tasks.search_tasks,
        features=config.tasks.features,
        train_examples=config.tasks.train_examples,
        valid_examples=config.tasks.valid_examples,
        seed=seed,
    )
    space = config.space.build(config.tasks.features)
    engine = make_engine(
        config.engine.engine, space, tasks, config.engine.run_settings(epochs=config.tasks.epochs, seed=seed)
    )
    evaluator = Evaluator(engine, config.evaluator)
    algorithm = RandomSearch if config.search.algorithm == "random" else Evolution
    return algorithm(space, evaluator, config.search, np.random.default_rng(seed)), evaluator


def summarize(
    config: Config,
    evaluator: Evaluator,
    candidates: int,
    seconds: float,
    phases: dict[str, float],
    counters: dict[str, int],
) -> dict[str, Any]:
    """All figures of one workload; times in microseconds a candidate, shares of all candidates.

    Where host and engine work at the same time, the host's time is what the main thread did not wait for the engine.
    """
    overlaps = evaluator.overlaps
    micro = {name: value / candidates * 1e6 for name, value in phases.items()}
    on_engine = sum(micro.get(name, 0.0) for name in ENGINE_PHASES)
    total = seconds / candidates * 1e6
    waiting = micro["wait"] if overlaps else on_engine
    share = {
        name: counters[name] / candidates
        for name in ("known_canonical", "constant_predictors", "probed", "known_fec", "run_in_full")
    }
    share["stopped_at_hurdles"] = 1 - sum(
        share[name] for name in ("known_canonical", "constant_predictors", "known_fec", "run_in_full")
    )
    return {
        "workload": f"{config.tasks.kind} {config.search.algorithm}",
        "engine": evaluator.engine.name,
        "cores": len(os.sched_getaffinity(0)),
        "candidates": candidates,
        "candidates_per_second": candidates / seconds,
        "overlap": overlaps,
        "host_microseconds_per_candidate": total - waiting,
        "engine_microseconds_per_candidate": on_engine,
        "microseconds_per_candidate": dict(sorted(micro.items(), key=lambda item: -item[1])),
        "pruned_share_of_instructions": counters["pruned_instructions"] / max(counters["instructions"], 1),
        "share": share,
        "ratio_to_original_recorded": candidates / seconds / RECORDED_ORIGINAL,
    }


def show(result: dict[str, Any], console: Console) -> None:
    """One workload's figures as a table."""
    table = Table(
        title=f"{result['workload']}, engine {result['engine']}, {result['cores']} core(s)", title_justify="left"
    )
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_row("candidates/s", f"{result['candidates_per_second']:,.0f}")
    table.add_row("host, us a candidate", f"{result['host_microseconds_per_candidate']:.2f}")
    table.add_row("engine, us a candidate", f"{result['engine_microseconds_per_candidate']:.2f}")
    for name, value in result["microseconds_per_candidate"].items():
        table.add_row(f"  {name}", f"{value:.2f}")
    for name, value in result["share"].items():
        table.add_row(f"{name.replace('_', ' ')}, share of candidates", f"{value:.1%}")
    table.add_row("instructions pruned", f"{result['pruned_share_of_instructions']:.1%}")
    if result["workload"] == "linear evolution":
        table.add_row("ratio to the original (33,000/s, recorded)", f"{result['ratio_to_original_recorded']:.1f}")
    console.print(table)


@click.command(help=__doc__)
@click.option("--candidates", default=1_000_000, show_default=True, help="Candidates of each seed.")
@click.option("--seeds", default=3, show_default=True, help="Seeds, from 0.")
@click.option("--engine", default="auto", show_default=True, help="auto, warp or xla.")
@click.option("--workload", default="all", type=click.Choice(["all", "demo", "random"]), show_default=True)
@click.option("--cores", default=1, show_default=True, help="Cores to run on.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object: the demo's figures, with those of random search inside."
)
def main(candidates: int, seeds: int, engine: str, workload: str, cores: int, as_json: bool) -> None:
    """Measures and shows."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
    console = Console(stderr=as_json)
    configs = {"demo": load_preset("linear", candidates="any"), "random": linear_search_config()}
    results = {}
    for name, config in configs.items():
        if workload in ("all", name):
            config = dataclasses.replace(config, engine=dataclasses.replace(config.engine, engine=engine))
            results[name] = measure(config, candidates, seeds)
            show(results[name], console)
    if as_json:
        first, *others = results.values()
        print(json.dumps(first | {"random_search": others[0]} if others else first))


if __name__ == "__main__":
    main()
