"""Microseconds that breeding takes a child, in searches among learnable programs.

    python experiments/bench_breeding.py              # of processor time
    python experiments/bench_breeding.py --threads 2  # by the wall clock, in so many threads

A preset's space, mutations and populations on synthetic tasks (class labels are signs), with an engine that runs them;
the medians are over steps, of the early and of the later ones.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

import click
import numpy as np

from azero_jax.config.leaves import override
from azero_jax.config.presets import load_preset
from azero_jax.engines.make import make_engine
from azero_jax.evolve.breeders import Breeder, Breeding
from azero_jax.evolve.regularized import Evolution
from azero_jax.fitness.evaluator import Evaluator
from azero_jax.language.roles import Metric
from azero_jax.tasks import Tasks
from azero_jax.tasks.synthetic import TEACHERS


def make_tasks(kind: str, features: int, count: int) -> Tasks:
    """Regression tasks, or, of kinds that need data, two classes told apart by the sign of affine labels."""
    made = TEACHERS.get(kind, TEACHERS["affine"])(
        tasks=count, features=features, train_examples=100, valid_examples=50, seed=0
    )
    if kind in TEACHERS:
        return made
    labels = {name: (getattr(made, name) > 0).astype(float) for name in ("train_labels", "valid_labels")}
    return dataclasses.replace(made, metric=Metric.ACCURACY, **labels)


def measure(preset: str, steps: int, threads: int | None, islands: int | None) -> list[float]:
    """Microseconds a child, step by step."""
    config = load_preset(preset)
    if islands is not None:
        config = override(config, {"search.islands": islands})
    sizes = config.tasks
    tasks = make_tasks(sizes.kind, sizes.features or 16, sizes.search_tasks)
    engine = make_engine("auto", config.space.build(tasks.features), tasks, config.engine.run_settings())
    evaluator = Evaluator(engine, config.evaluator, overlap=False, learnable_only=True)
    clock = time.process_time if threads is None else time.perf_counter
    breed, found = Breeding.breed, list[float]()

    def timed(breeding: Breeding, breeders: Sequence[Breeder]) -> None:
        breeding.threads = threads or 1
        start = clock()
        breed(breeding, breeders)
        found.append((clock() - start) / sum(len(one.origins) for one in breeders) * 1e6)

    Breeding.breed = timed  # type: ignore[method-assign]
    try:
        algorithm = Evolution(
            engine.space, evaluator, config.search, np.random.default_rng(0), metric=engine.tasks.metric
        )
        for _ in range(steps):
            algorithm.step()
    finally:
        Breeding.breed = breed  # type: ignore[method-assign]
    return found


@click.command(help=__doc__)
@click.option("--steps", default=600, show_default=True)
@click.option("--preset", "presets", multiple=True, default=("linear", "affine", "cifar10", "teacher"))
@click.option("--threads", type=click.IntRange(min=1), help="By the wall clock; else it is processor time of one.")
@click.option("--islands", type=click.IntRange(min=1), help="By default as the preset has.")
def main(steps: int, presets: tuple[str, ...], threads: int | None, islands: int | None) -> None:
    """Measures and shows."""
    for preset in presets:
        found = measure(preset, steps, threads, islands)[2:]  # the first ones compile
        half = len(found) // 2
        early, late = np.median(found[:half]), np.median(found[half:])
        click.echo(f"{preset:8s} {early:.2f} early, {late:.2f} late, microseconds a child")


if __name__ == "__main__":
    main()
