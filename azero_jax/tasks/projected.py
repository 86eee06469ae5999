"""A source's examples dealt out to training, validation and test, and projected at random to few features.

The examples of a source are dealt out once, class by class, before anything is computed from them: training,
validation and test examples are the same in every task, so that no example to learn from in one task is judged by in
another. Test examples come from the test set that the source brings, if it brings one (the paper's final judgement),
else from examples that are neither training nor validation.

A projection is a Gaussian matrix `[D, F]` that depends on the seed and on its own number, not on the classes: so each
class is projected once for all its pairs, by one matrix product for many projections. `azero_jax.tasks.classification`
makes tasks of the result.

The release instead splits the examples anew for each data seed, and takes test examples from the training images.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.data.cache import read_entry, write_entry
from azero_jax.data.source import Examples, Source
from azero_jax.process.progress import Progress, no_progress

PROJECTIONS: Final = 100  # of each pair, in the paper and the release
PARTS: Final = ("train", "valid", "test")

_SPLIT_STREAM, _PROJECTION_STREAM = 0, 1  # keep the random draws of one seed apart
_MAX_COLUMNS: Final = 2048  # of one matrix product: bounds its result to 8 KiB an example
# Of the smallest class, for validation and for test, where it is too small for 8000/1000/1000.
_SMALL_SHARE: Final = 0.1


class Split(NamedTuple):
    """Numbers of the examples of one class that are used, in order: training, validation, then test examples.

    `test` are of `Source.test`; empty where the source has no test set, or one without some class.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]


class Sizes(NamedTuple):
    """Examples of each class, by default the release's; a pair has twice as many."""

    train: int = 4000
    valid: int = 500
    test: int = 500


@dataclasses.dataclass(frozen=True)
class Projected:
    """C classes under P projections; make it with `prepare`.

    Attributes:
      name: of the source.
      class_names: `C` names.
      features: `[P, C, N, F]` float32, not standardised; of the N examples of a class the first `sizes.train` are for
        training, the next `sizes.valid` for validation, the last `sizes.test` for test.
      sizes: examples of each class.
      seed: decided the split and the projections.
    """

    name: str
    class_names: tuple[str, ...]
    features: NDArray[np.float32]
    sizes: Sizes
    seed: int

    @property
    def projections(self) -> int:
        """P, the number of projections."""
        return self.features.shape[0]

    def part(self, projection: int, class_: int, part: str) -> NDArray[np.float32]:
        """`[n, F]`: the examples of one class under one projection that are for `part` (train, valid or test)."""
        number = PARTS.index(part)
        return self.features[projection, class_, sum(self.sizes[:number]) : sum(self.sizes[: number + 1])]


def prepare(
    source: Source,
    features: int | None = 16,
    *,
    projections: int = PROJECTIONS,
    sizes: Sizes | None = None,
    seed: int = 0,
    cache_dir: Path | None = None,
    progress: Progress = no_progress,
) -> Projected:
    """Deals out a source's examples and projects them.

    Args:
      source: examples with classes.
      features: F, what examples are projected to; None takes them as they are (then there is one projection, the
        identity).
      projections: number of random projections.
      sizes: examples of each class; None takes 4000, 500 and 500, or as many as the smallest class allows.
      seed: decides the split and the projections.
      cache_dir: the cache folder; None computes everything anew.
      progress: called while projections are computed.

    Raises:
      ValueError: a regression, a class with too few examples, or numbers out of range.
    """
    if source.is_regression:
        cure = "--kind table predicts them; if they are classes, say --regression false"
        raise ValueError(f"{source.name}: has no classes to make pairs of, its labels are numbers; {cure}")
    if features is not None and not 1 <= features <= source.dimension:
        raise ValueError(f"features is {features}; {source.name} can be projected to 1 to {source.dimension}")
    if projections < 1:
        raise ValueError(f"projections is {projections}; it must be at least 1")
    sizes = default_sizes(source) if sizes is None else sizes
    if features is None:
        rows = _rows_of_classes(source, split_examples(source, sizes, seed))
        projected = np.stack([own.astype(np.float32) for own in rows])[None]
    else:
        projected = _project_all(source, features, projections, sizes, seed, cache_dir, progress)
    return Projected(source.name, source.class_names, projected, sizes, seed)


def default_sizes(source: Source) -> Sizes:
    """The release's 4000, 500 and 500 of each class, or as much of them as the smallest class allows.

    Raises:
      ValueError: a class with too few examples.
    """
    full = Sizes()
    name, available = _smallest_class(source, source.train)
    share = int(_SMALL_SHARE * available)
    own_test = _test_examples(source)
    test = min(full.test, own_test or share)
    sizes = Sizes(min(full.train, available - share - (0 if own_test else share)), min(full.valid, share), test)
    if min(sizes) < 1:
        raise ValueError(f"{source.name}: class {name[:60]!r} has {available} examples; at least 10 are needed")
    return sizes


def split_examples(source: Source, sizes: Sizes, seed: int = 0) -> list[Split]:
    """Deals out each class's examples at random.

    Returns:
      C splits, the two parts of each together `sum(sizes)` long.

    Raises:
      ValueError: a class has too few examples.
    """
    if min(sizes) < 1:
        raise ValueError(f"sizes are {tuple(sizes)}; each class needs at least one example of each part")
    needed = (sizes.train + sizes.valid, sizes.test) if _test_examples(source) else (sum(sizes), 0)
    chosen = []
    for number, name in enumerate(source.class_names):
        generator = np.random.default_rng([seed, _SPLIT_STREAM, number])
        numbers = []
        for examples, count, part in ((source.train, needed[0], "training"), (source.test, needed[1], "test")):
            own = np.flatnonzero(examples.labels == number) if examples is not None and count else np.zeros(0, np.int64)
            if len(own) < count:
                each = f"of each class {sizes.train} to train, {sizes.valid} to validate, {sizes.test} to test"
                has = f"class {name!r} has {len(own)} {part} examples"
                raise ValueError(f"{source.name}: {has}; {count} are needed ({each})")
            numbers.append(generator.permutation(own)[:count])
        chosen.append(Split(*numbers))
    return chosen


def projection_matrix(dimension: int, features: int, projection: int, seed: int = 0) -> NDArray[np.float32]:
    """`[D, F]` standard normal: projection number `projection` of `seed`."""
    generator = np.random.default_rng([seed, _PROJECTION_STREAM, projection])
    return generator.standard_normal((dimension, features), dtype=np.float32)


def _project_all(
    source: Source, features: int, projections: int, sizes: Sizes, seed: int, cache_dir: Path | None, progress: Progress
) -> NDArray[np.float32]:
    """`[P, C, N, F]`; each projection is an entry of the cache of its own, so that asking for more adds to it."""
    chosen = split_examples(source, sizes, seed)
    key = {"source": source.fingerprint, "features": features, "sizes": list(sizes), "seed": seed}
    projected = np.empty((projections, len(chosen), sum(sizes), features), np.float32)
    missing = []
    for number in range(projections):
        if (stored := read_entry("projection", {**key, "projection": number}, cache_dir)) is None:
            missing.append(number)
        else:
            projected[number] = stored["features"]
    at_once = max(1, _MAX_COLUMNS // features)
    done, total = 0, len(missing) * len(chosen)
    for numbers in (missing[start : start + at_once] for start in range(0, len(missing), at_once)):
        matrices = np.concatenate([projection_matrix(source.dimension, features, p, seed) for p in numbers], axis=1)
        for class_, rows in enumerate(_rows_of_classes(source, chosen)):
            product = rows.astype(np.float32) @ matrices
            projected[numbers, class_] = product.reshape(len(rows), len(numbers), features).transpose(1, 0, 2)
            done += len(numbers)
            progress(f"projecting {source.name}", done, total)
        for number in numbers:
            write_entry("projection", {**key, "projection": number}, {"features": projected[number]}, cache_dir)
    return projected


def _rows_of_classes(source: Source, chosen: list[Split]) -> Iterator[NDArray[Any]]:
    """`[sum(sizes), D]` of each class, in the order of the split."""
    for train_numbers, test_numbers in chosen:
        rows = [source.train.features[train_numbers]]
        if source.test is not None and len(test_numbers):
            rows.append(source.test.features[test_numbers])
        yield np.concatenate(rows)


def _test_examples(source: Source) -> int:
    """Examples of the smallest class in the source's own test set; 0 if it has none, or lacks a class."""
    return 0 if source.test is None else _smallest_class(source, source.test)[1]


def _smallest_class(source: Source, examples: Examples) -> tuple[str, int]:
    counts = np.bincount(examples.labels, minlength=len(source.class_names))
    return source.class_names[int(np.argmin(counts))], int(counts.min())
