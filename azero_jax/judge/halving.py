"""Successive halving: all trials on few examples, the best quarter of them on four times as many, the last on all.

Source: Jamieson, Talwalkar, AISTATS 2016, arXiv 1502.07943. Li et al., JMLR 18, 2018 ("Hyperband") find that the rate
matters little and recommend 3 or 4.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.tasks.tasks import MIN_TRAIN_EXAMPLES

RATE: Final = 4  # of the trials one in so many goes on, with so many times the examples


class Halved(NamedTuple):
    """The outcome of `halve`.

    Attributes:
      best: number of the trial that did best in the last round.
      fitness: `[trials]` of each trial in the last round that it took part in.
    """

    best: int
    fitness: NDArray[np.float64]


def halve(trials: int, rounds: int, evaluate: Callable[[NDArray[np.int64], float], NDArray[np.float64]]) -> Halved:
    """The best of many trials.

    Args:
      trials: how many there are.
      rounds: of selection; in the last each trial has all examples, so that one round is a plain comparison.
      evaluate: (numbers of `[n]` trials, share of the examples) -> `[n]` fitness.

    Raises:
      ValueError: fewer than one trial or round.
    """
    if trials < 1:
        raise ValueError(f"trials is {trials}; at least one is needed")
    if rounds < 1:
        raise ValueError(f"rounds is {rounds}; at least one is needed")
    fitness = np.zeros(trials)
    running = np.arange(trials)
    for count, share in _schedule(trials, rounds):
        running = running[np.argsort(-fitness[running], kind="stable")][:count]
        fitness[running] = evaluate(running, share)
    return Halved(int(running[np.argmax(fitness[running])]), fitness)


def share_of_examples(train: int, valid: int, share: float) -> tuple[int, int]:
    """Training and validation examples of a round; with fewer than all, no more to judge by than to learn from."""
    if share == 1:
        return train, valid
    learned = min(train, max(MIN_TRAIN_EXAMPLES, round(share * train)))
    return learned, min(valid, learned)


def _schedule(trials: int, rounds: int) -> Iterator[tuple[int, float]]:
    """Trials and share of the examples of each round."""
    for number in range(rounds):
        yield -(-trials // RATE**number), float(RATE) ** (number + 1 - rounds)
