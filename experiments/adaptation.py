"""How a two-layer net adapts to few examples, fast training and ten classes (paper, section 4.3, figure 6).

    python experiments/adaptation.py --data cifar10=cifar10.zip

Evolution starts from the hand-designed net, in a space of all ops (addresses 10/16/4), on projected CIFAR-10 with 16
features and 10 search tasks. "few examples" has 80 training examples and 100 epochs, "fast training" 800 and 10 epochs;
both have the same control, 800 and 100 epochs. "ten classes" starts from softmax regression, the nearest that the
library has, and has the first 8000 examples; its control is the same in two classes, from logistic regression. All
searches have 20,000 candidates.

What is counted, by rules over the live instructions that were written before any result was seen:

* noise: Predict or Learn draws random numbers, anew for every example;
* decay: a scalar of Predict or Learn that depends on its own past, and on nothing but constants, is read;
* mean of the weights: a mean, norm or standard deviation of a matrix that depends on its own past is taken.

These rules count what is no idea too, so each idea is taken out of the program again: means of distributions in place
of draws, scalars that stay as Setup left them, no mean of the weights. It is *needed* if the fitness on unseen tasks
falls by more than two standard errors.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any, Final

from dataflow import depends_on
from searches import Condition, Experiment, Line, command, markdown
from speedups import unseen_tasks

import azero_jax as az
from azero_jax.config.leaves import override
from azero_jax.explain.ablate import Bench
from azero_jax.explain.listing import Listing, Place, live_at_entry, prune, read, read_listing, written
from azero_jax.explain.reader import SETUP
from azero_jax.judge.run_program import standard_error
from azero_jax.language.families import Family
from azero_jax.language.grammar import Instruction
from azero_jax.language.library import load_program
from azero_jax.language.ops import MATRIX, SCALAR
from azero_jax.language.roles import Metric, Register

CANDIDATES: Final = 20_000
PAPER: Final = {
    "few examples": "noise 8 of 30",
    "fast training": "decay 30 of 30",
    "control": "noise 0 of 30, decay 3 of 30",
    "ten classes": "mean of the weights 24 of 30",
    "two classes": "mean of the weights 0 of 30",
}
RULES: Final = ("noise", "decay", "mean of the weights")
_SPACE: Final[dict[str, Any]] = {
    "space.scalars": 10,
    "space.vectors": 16,
    "space.matrices": 4,
    "space.setup": (1, 4, 10),
    "space.predict": (1, 5, 14),
    "space.learn": (1, 11, 28),
    "space.ops": ("all",),
    "space.setup_ops": (),
    "space.predict_ops": (),
    "space.learn_ops": (),
}
_SEARCH: Final[dict[str, Any]] = {
    "search.learned": (),
    "search.population": 100,
    "search.tournament": 10,
    "search.batch": 5,
    "budget.sufficient_fitness": 1.0,
    "budget.max_seconds": None,
    "budget.tune_trials": 0,
    "budget.max_train_steps": None,
    "budget.max_candidates": CANDIDATES,
    "source.projections": 10,
    "tasks.search_tasks": 10,
    "tasks.valid_examples": 200,  # after each of up to 100 epochs
    "tasks.select_tasks": 20,
    "tasks.select_valid_examples": 1000,
    "tasks.final_tasks": 45,
}


def condition(examples: int, epochs: int, start: str, preset: str = "cifar10", seeds: int = 3) -> Condition:
    """A search that starts from a known program, all of whose tasks have so many training examples and epochs."""
    tasks = {"train_examples": examples, "select_train_examples": examples, "epochs": epochs}
    sizes = {f"tasks.{name}": value for name, value in tasks.items()}
    config = override(az.load_preset(preset), {**_SPACE, **_SEARCH, **sizes})
    return Condition(config, seeds, ("cifar10",), (load_program(start).text,))


CONDITIONS: Final = {
    "few examples": condition(80, 100, "two_layer_net"),
    "fast training": condition(800, 10, "two_layer_net"),
    "control": condition(800, 100, "two_layer_net"),
    "ten classes": condition(8000, 1, "softmax_regressor", "multiclass"),
    "two classes": condition(8000, 1, "logistic_regressor"),
}


def places_of_noise(listing: Listing) -> tuple[Place, ...]:
    """Where random numbers are drawn for every example."""
    return tuple(place for place, one in in_rounds(listing) if one.op.random)


def places_of_decay(listing: Listing, metric: Metric) -> tuple[Place, ...]:
    """What moves a scalar that is carried from round to round, depends on no data, and is read for something else."""
    closed = depends_on(listing)
    rounds = in_rounds(listing)
    given = {*metric.given, metric.prediction, Register("v", 0)}
    written_by_random = {written(one) for _, one in rounds if one.op.random}
    carried = live_at_entry(listing, metric)
    own = {
        register
        for register, inputs in closed.items()
        if register.kind == SCALAR
        and register in carried
        and register in inputs
        and not inputs & (given | written_by_random)
    }
    used = {register for _, one in rounds for register in set(read(one)) & own if written(one) not in own}
    return tuple(place for place, one in rounds if used and written(one) in own)


def places_of_mean_of_weights(listing: Listing) -> tuple[Place, ...]:
    """Where a mean, norm or deviation of a learned matrix is taken."""
    closed = depends_on(listing)
    kinds = {Family.MEAN, Family.NORM, Family.ST_DEV}
    learned = {register for register, inputs in closed.items() if register.kind == MATRIX and register in inputs}
    return tuple(place for place, one in in_rounds(listing) if one.op.family in kinds and set(read(one)) & learned)


def in_rounds(listing: Listing) -> list[tuple[Place, Instruction]]:
    """The instructions that every example runs, those of Predict and Learn."""
    return [(place, one) for place, one in listing.places() if place.function != SETUP]


def silenced(listing: Listing, places: Sequence[Place]) -> Listing:
    """The same with the means of distributions in place of draws from them."""
    for place in places:
        one = listing.at(place)
        is_interval = one.op.family is Family.UNIFORM and one.x < one.y  # the wrong way round it is its first bound
        mean = (one.x + one.y) / 2 if is_interval else one.x
        width = mean if one.op.family is Family.UNIFORM else 0.0
        listing = listing.with_instruction(place, one._replace(x=mean, y=width))
    return listing


def measure(config: az.Config, result: az.SearchResult) -> Line:
    """Which of the paper's ideas a program has, and how its fitness on unseen tasks changes without each of them."""
    listing = prune(read_listing(result.program), result.metric)
    noise, decay = places_of_noise(listing), places_of_decay(listing, result.metric)
    mean_of_weights = places_of_mean_of_weights(listing)
    without = (silenced(listing, noise), listing.without(*decay), listing.without(*mean_of_weights))
    line: Line = dict(zip(RULES, map(bool, (noise, decay, mean_of_weights)), strict=True))
    if any(line.values()):
        tasks = unseen_tasks(config.source, config.tasks)
        fitness, _ = Bench(tasks, epochs=config.tasks.epochs).run([listing, *without])
        for rule, change in zip(RULES, fitness[1:] - fitness[0], strict=True):
            if line[rule]:
                line[f"without {rule}"] = (float(change.mean()), standard_error(change))
    return line


def is_needed(line: Line, rule: str) -> bool:
    """Whether a program with an idea is worse without it, by more than two standard errors."""
    mean, error = line.get(f"without {rule}", (0.0, 0.0))
    return bool(mean < -2 * error)


def table(lines: Sequence[Line]) -> str:
    """A row for each condition."""
    rows = []
    for name in CONDITIONS:
        found = [line for line in lines if line["condition"] == name]
        if found:
            counts = (
                f"{sum(line[rule] for line in found)} of {len(found)}, {sum(is_needed(line, rule) for line in found)}"
                for rule in RULES
            )
            candidates = f"{statistics.mean(line['candidates'] for line in found):,.0f}"
            unseen = f"{100 * statistics.mean(line['final_fitness'] for line in found):.1f}"
            seconds = f"{statistics.mean(line['cpu_seconds'] for line in found):.0f}"
            rows.append((name, *counts, PAPER[name], candidates, unseen, seconds))
    counted = (f"{rule}: seen, needed" for rule in RULES)
    return markdown(("condition", *counted, "paper", "candidates", "unseen, %", "CPU seconds"), rows)


EXPERIMENT: Final = Experiment("adaptation", CONDITIONS, measure, table)
main = command(EXPERIMENT, __doc__)

if __name__ == "__main__":
    main()
