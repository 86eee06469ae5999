"""Class pairs: which two classes a binary task is about, and which pairs are kept for which judgement."""

from itertools import combinations
from typing import Final, NamedTuple

import numpy as np

Pair = tuple[int, int]
"""Positive class (label 1) and negative class (label 0)."""

# Of ten classes, the nine pairs that the release keeps for the final tasks (`held_out_pairs` in its run_baseline.sh).
RELEASE_UNSEEN_PAIRS: Final[tuple[Pair, ...]] = (
    (0, 5), (0, 9), (1, 8), (2, 9), (3, 5), (3, 6), (3, 8), (4, 6), (8, 9),
)  # fmt: skip
_RELEASE_CLASSES: Final = 10
_SELECT_EVERY: Final = 4  # every fourth of the release's other 36 pairs selects: 27 to search, 9 to select
_SHARE_OF_A_JUDGEMENT: Final = 0.2  # of the pairs, both of select and of unseen, for other numbers of classes


class PairSplit(NamedTuple):
    """Pairs to search on, to select the best program by, and to judge it by at last.

    The three have no pair in common, unless there are fewer than three pairs; then all three are the same, and only
    the examples are kept apart.
    """

    search: tuple[Pair, ...]
    select: tuple[Pair, ...]
    unseen: tuple[Pair, ...]


class Choice(NamedTuple):
    """What one projected task is about."""

    pair: Pair
    projection: int


def class_pairs(classes: int) -> tuple[Pair, ...]:
    """Every pair of `classes` classes, the lower number positive, as in the release: 45 for ten classes."""
    return tuple(combinations(range(classes), 2))


def split_pairs(classes: int, seed: int = 0) -> PairSplit:
    """Which pairs search, which select, and which stay unseen.

    Ten classes: unseen are the release's nine. The release searches and selects on the same other 36 pairs (with other
    projections); here every fourth of those, in order, selects, so that the three are disjoint. Other numbers of
    classes: a fifth of the pairs stays unseen and a fifth selects, at least one each, drawn by `seed`.

    Raises:
      ValueError: fewer than two classes.
    """
    if classes < 2:
        raise ValueError(f"{classes} classes make no pair; at least two are needed")
    pairs = class_pairs(classes)
    if classes == _RELEASE_CLASSES:
        others = tuple(pair for pair in pairs if pair not in RELEASE_UNSEEN_PAIRS)
        select = others[_SELECT_EVERY - 1 :: _SELECT_EVERY]
        return PairSplit(tuple(pair for pair in others if pair not in select), select, RELEASE_UNSEEN_PAIRS)
    if len(pairs) < len(PairSplit._fields):
        return PairSplit(pairs, pairs, pairs)
    order = [pairs[i] for i in np.random.default_rng(seed).permutation(len(pairs))]
    each = max(1, round(_SHARE_OF_A_JUDGEMENT * len(pairs)))
    parts = (order[2 * each :], order[each : 2 * each], order[:each])
    return PairSplit(*(tuple(sorted(part)) for part in parts))


def choose_tasks(
    pairs: tuple[Pair, ...], projections: int, count: int | None = None, seed: int = 0
) -> tuple[Choice, ...]:
    """Pairs and projections of `count` tasks, drawn by `seed`, every pair equally often (give or take one).

    A count of None takes every pair with every projection, in order.

    Raises:
      ValueError: more tasks than there are combinations, or fewer than one.
    """
    combined = len(pairs) * projections
    if count is None:
        return tuple(Choice(pair, projection) for pair in pairs for projection in range(projections))
    if not 1 <= count <= combined:
        there_are = f"{len(pairs)} pairs with {projections} projections make 1 to {combined}"
        raise ValueError(f"{count} tasks cannot be chosen: {there_are}")
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(pairs))
    draws = [generator.permutation(projections) for _ in order]
    picked = [divmod(i, len(pairs)) for i in range(count)]
    return tuple(Choice(pairs[order[place]], int(draws[place][turn])) for turn, place in picked)


def parse_pairs(text: str, classes: int) -> tuple[Pair, ...]:
    """The pairs that a text such as `0-5,3-8` names, positive class first.

    Raises:
      ValueError: something that is not a pair of two different class numbers.
    """
    pairs = []
    for item in text.split(","):
        numbers = [part.strip() for part in item.split("-")]
        exist = all(number.isdecimal() and int(number) < classes for number in numbers)
        if len(numbers) != 2 or not exist or numbers[0] == numbers[1]:
            raise ValueError(f"{item.strip()!r} is no pair of two classes from 0 to {classes - 1}; write 0-5,3-8")
        pairs.append((int(numbers[0]), int(numbers[1])))
    return tuple(pairs)
