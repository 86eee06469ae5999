"""Tasks from a user's table: every example of a source, as it is, in one kind of task.

Two classes make an accuracy task, more classes a multi-class task, numbers to predict a regression. Rows are held out
once, before anything is computed; what is left is split into training and validation rows anew for each task, so that
several tasks judge a program by different rows of the same data, and by its columns in other orders, with other signs.
"""

import dataclasses
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.data.source import Examples, Source, is_constant
from azero_jax.language.roles import Metric
from azero_jax.process.messages import one_line
from azero_jax.tasks.classification import moments, stack_tasks, standardise
from azero_jax.tasks.tasks import MIN_TRAIN_EXAMPLES, Tasks

HELD_OUT_SHARE: Final = 0.2  # of the rows, where the source brings no test set
VALID_SHARE: Final = 0.2  # of the rows that are left, of each class alike
LEAST_ROWS: Final = 5  # to train on; fewer than a task needs are repeated
_LEAST_OF_CLASS: Final = 3  # one to train on, one to validate by, one to hold out
_HOLD_OUT_STREAM, _VALID_STREAM, _ORDER_STREAM, _COLUMN_STREAM, _PROJECTION_STREAM = (
    3,
    4,
    5,
    6,
    7,
)  # keep the random draws of one seed apart


class Scale(NamedTuple):
    """How labels of a regression were standardised: label = mean + deviation * standardised label."""

    mean: float
    deviation: float


def hold_out(source: Source, share: float = HELD_OUT_SHARE, seed: int = 0) -> Source:
    """The source with a test set: its own if it has one, else `share` of its rows, of each class alike.

    Raises:
      ValueError: `share` is not between 0 and 1, or a class has too few examples to hold one out.

    >>> from azero_jax.data import load_source
    >>> source = hold_out(load_source("iris"), share=0.2)
    >>> len(source.train), len(source.test)
    (120, 30)
    """
    if source.test is not None:
        return source
    kept, held = _split(source, share, np.random.default_rng([seed, _HOLD_OUT_STREAM]), _LEAST_OF_CLASS)
    return dataclasses.replace(source, train=_take(source.train, kept), test=_take(source.train, held))


def table_tasks(
    source: Source, count: int = 1, *, part: str = "valid", train_examples: int | None = None, seed: int = 0
) -> Tasks:
    """Tasks of all the source's classes or numbers, without projection.

    In each task to search on or to select by the columns have an order and signs of their own, drawn at random. That
    makes no difference to a program that learns; one that knows this table's answers by heart is of no use. (In the
    paper, section 4.1, searches with a single task hard-coded its weights.)

    A multi-class task has as many features as classes at least; missing ones are added as zeros. Labels of a regression
    are standardised like the features, with the training rows' statistics; `label_scale` says how.

    Args:
      source: the rows; see `hold_out`.
      count: number of tasks, each with a split and an order of its own.
      part: "valid": training and validation rows are taken from `source.train`; "test": `source.train` is for
        training, `source.test` to judge by.
      train_examples: training rows of a task; None takes all that are left. Fewer than 10 are repeated to make 10.
      seed: decides splits and orders.

    Raises:
      ValueError: a class with too few examples, no test set for "test", or too few rows.
    """
    if part not in ("valid", "test"):
        raise ValueError(f"part is {part!r}; tasks are judged by valid or test examples")
    if part == "test" and source.test is None:
        raise ValueError(f"{source.name}: has no rows held out to judge by; hold some out first")
    if count < 1:
        raise ValueError(f"count is {count}; at least one task is needed")
    made = []
    for number in range(count):
        train, other = _examples(source, part, train_examples, number, seed)
        features, labels = standardise(train.features, other.features), (train.labels, other.labels)
        if part == "valid":
            generator = np.random.default_rng([seed, _COLUMN_STREAM, number])
            columns = generator.permutation(source.dimension)
            signs = generator.choice((-1.0, 1.0), len(columns))
            features = (features[0][:, columns] * signs, features[1][:, columns] * signs)
        if source.is_regression:
            label_scale(train.labels)  # which refuses what cannot be learned from
            labels = standardise(train.labels, other.labels)
        made.append((_pad(features[0], source), labels[0], _pad(features[1], source), labels[1]))
    return stack_tasks(made, table_metric(source))


def table_metric(source: Source) -> Metric:
    """How predictions of the source's labels are judged."""
    if source.is_regression:
        return Metric.RMS_ERROR
    return Metric.ACCURACY if len(source.class_names) == 2 else Metric.MULTICLASS_ACCURACY


def table_features(source: Source) -> int:
    """F of the source's tasks: its columns, or as many as there are classes, if these are more than two and more."""
    return max(source.dimension, len(source.class_names) if table_metric(source).is_one_hot else 0)


def label_scale(train_labels: NDArray[np.float64]) -> Scale:
    """Mean and standard deviation of training labels.

    Raises:
      ValueError: they are all the same.
    """
    if is_constant(train_labels):
        what = f"all {len(train_labels)} labels drawn for training are {train_labels[0]:g}"
        raise ValueError(f"{what}; nothing can be learned of them; more rows with other labels are needed")
    return Scale(*map(float, moments(train_labels)))


def project_columns(source: Source, features: int, seed: int = 0) -> Source:
    """A source whose columns, standardised by the training rows, are projected at random to `features` numbers.

    The entries of the projection are normal with variance 1 / D, as for images (`azero_jax.tasks.projected`).

    Raises:
      ValueError: more features than there are columns.
    """
    if features > source.dimension:
        raise ValueError(
            f"{source.name}: features is {features}; allowed: 1 to {source.dimension} (its columns), or none"
        )
    generator = np.random.default_rng([seed, _PROJECTION_STREAM])
    matrix = generator.normal(scale=source.dimension**-0.5, size=(source.dimension, features))
    train, test = source.train, source.test
    train_features, test_features = standardise(train.features, (test or train).features)
    projected = Examples(train_features @ matrix, train.labels)
    unseen = None if test is None else Examples(test_features @ matrix, test.labels)
    return dataclasses.replace(source, train=projected, test=unseen)


def _examples(
    source: Source, part: str, train_examples: int | None, number: int, seed: int
) -> tuple[Examples, Examples]:
    """Training examples, shuffled, and examples to judge by, of task `number`."""
    train, other = source.train, source.test
    if part == "valid" or other is None:
        generator = np.random.default_rng([seed, _VALID_STREAM, number])
        kept, held = _split(source, VALID_SHARE, generator, _LEAST_OF_CLASS - 1)
        train, other = _take(source.train, kept), _take(source.train, held)
    order = np.random.default_rng([seed, _ORDER_STREAM, number]).permutation(len(train))
    if len(order) < LEAST_ROWS:
        raise ValueError(f"{source.name}: has {len(order)} rows to train on; at least {LEAST_ROWS} are needed")
    wanted = len(order) if train_examples is None else train_examples
    least = min(MIN_TRAIN_EXAMPLES, len(order))
    if not least <= wanted <= len(order):
        raise ValueError(f"{source.name}: {wanted} training examples cannot be taken; allowed: {least} to {len(order)}")
    return _take(train, np.resize(order[:wanted], max(wanted, MIN_TRAIN_EXAMPLES))), other


def _split(
    source: Source, share: float, generator: np.random.Generator, least: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the examples to keep and of those to hold out: `share` of each class, at least one of each.

    Of the `least` examples that a class must have all but one are kept.
    """
    if not 0 < share < 1:
        raise ValueError(f"the share to hold out is {share}; it must be above 0 and below 1")
    classes = [np.flatnonzero(source.train.labels == number) for number in range(len(source.class_names))]
    groups = classes or [np.arange(len(source.train))]  # a regression has no classes
    kept, held = [], []
    for number, group in enumerate(groups):
        if len(group) < least:
            name = f"class {one_line(source.class_names[number], 60)!r}" if source.class_names else "the table"
            raise ValueError(f"{source.name}: {name} has {len(group)} examples; {_needed(source, least)}")
        drawn = generator.permutation(group)
        first_kept = min(max(1, round(share * len(group))), len(group) - least + 1)
        held.append(drawn[:first_kept])
        kept.append(drawn[first_kept:])
    return np.sort(np.concatenate(kept)), np.sort(np.concatenate(held))


def _needed(source: Source, least: int) -> str:
    """How many examples a class needs, and what to do where numbers were taken for classes."""
    purposes = "to train on and to validate by" + (", and to hold out" if least == _LEAST_OF_CLASS else "")
    numbers = all(name.removeprefix("-").replace(".", "", 1).isdecimal() for name in source.class_names)
    cure = "; if the label is a number to predict, say --regression true" if source.class_names and numbers else ""
    return f"at least {least} are needed, {purposes}{cure}"


def _take(examples: Examples, numbers: NDArray[np.int64]) -> Examples:
    return Examples(examples.features[numbers], examples.labels[numbers])


def _pad(features: NDArray[np.float64], source: Source) -> NDArray[np.float64]:
    """Adds zero features where one-hot labels need more room than there are features."""
    return np.pad(features, ((0, 0), (0, table_features(source) - features.shape[1])))
