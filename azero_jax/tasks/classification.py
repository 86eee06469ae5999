"""Tasks to tell classes apart, made of projected examples: two classes, or many.

Features are standardised with the mean and standard deviation of the task's own training examples.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from azero_jax.data.source import ROUNDING
from azero_jax.language.roles import Metric
from azero_jax.tasks.pairs import Choice, Pair
from azero_jax.tasks.projected import PARTS, Projected
from azero_jax.tasks.tasks import Tasks, make_tasks

FARTHEST: Final = 1e6  # standard deviations: what an engine of single precision can still square

_LARGE: Final = 1e100  # numbers beyond are scaled before they are squared
_ORDER_STREAM: Final = 2  # keeps the draws of the order apart from those of the split and the projections


def pair_tasks(
    data: Projected,
    choices: Sequence[Choice | tuple[Pair, int]],
    part: str = "valid",
    train_examples: int | None = None,
    valid_examples: int | None = None,
) -> Tasks:
    """Binary tasks, one for each choice; label 1 is the pair's first class.

    Args:
      data: the projected classes.
      choices: (pair, projection) of each task.
      part: which examples the tasks are judged by: "valid" while searching and selecting, "test" at last.
      train_examples: training examples of a task, half of each class; None takes all (fewer make the paper's
        few-example tasks).
      valid_examples: examples that a task is judged by, half of each class; None takes all.

    Raises:
      ValueError: more examples than there are, an odd number, or a class or projection that does not exist.
    """
    counts = _examples_of_a_class(data, part, 2, train_examples, valid_examples)
    made = [_one_task(data, projection, (pair[1], pair[0]), part, counts) for pair, projection in choices]
    return stack_tasks(made, Metric.ACCURACY)


def multiclass_tasks(
    data: Projected,
    projections: Sequence[int] = (0,),
    part: str = "valid",
    train_examples: int | None = None,
    valid_examples: int | None = None,
) -> Tasks:
    """Tasks to tell all classes apart, one for each projection; labels are one-hot in F entries.

    There are equally many examples of each class; the rest is as in `pair_tasks`.

    Raises:
      ValueError: fewer features than classes, or numbers of examples that are not to be had.
    """
    classes = tuple(range(len(data.class_names)))
    if data.features.shape[-1] < len(classes):
        raise ValueError(f"{data.features.shape[-1]} features cannot hold one-hot labels of {len(classes)} classes")
    counts = _examples_of_a_class(data, part, len(classes), train_examples, valid_examples)
    made = [_one_task(data, projection, classes, part, counts) for projection in projections]
    return stack_tasks(made, Metric.MULTICLASS_ACCURACY)


def join_tasks(*tasks: Tasks) -> Tasks:
    """One batch of all tasks, such as a mixture of half CIFAR-10 and half MNIST.

    Raises:
      ValueError: they differ in features, examples or metric.
    """
    first = tasks[0]
    for other in tasks[1:]:
        for name in ("features", "train_examples", "valid_examples", "metric"):
            one, another = getattr(first, name), getattr(other, name)
            if one != another:
                raise ValueError(f"tasks to join must agree in {name}; these have {one} and {another}")
    return stack_tasks([task.arrays for task in tasks], first.metric, np.concatenate)


def stack_tasks(
    made: Sequence[tuple[NDArray[Any], ...]], metric: Metric, stack: Callable[..., NDArray[Any]] = np.stack
) -> Tasks:
    """Tasks from each one's training features and labels, and the features and labels that it is judged by."""
    train_features, train_labels, valid_features, valid_labels = map(stack, zip(*made, strict=True))
    return make_tasks(train_features, train_labels, valid_features, valid_labels, metric)


def standardise(train: NDArray[Any], other: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both `[n, F]` or `[n]`, less the mean of `train` and divided by its standard deviation.

    A constant feature becomes 0; what lies `FARTHEST` deviations out or more, as only `other` can, is put there.
    """
    mean, deviation = moments(train)
    with np.errstate(over="ignore"):
        made = [np.clip((array - mean) / deviation, -FARTHEST, FARTHEST) for array in (train, other)]
    return made[0], made[1]


def moments(train: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation over the first axis, of numbers of any scale.

    The deviation of what differs by no more than rounding is 1, and its mean exactly what it is.
    """
    low, high = (np.asarray(f(axis=0), np.float64) for f in (train.min, train.max))
    largest = np.maximum(np.abs(low), np.abs(high))
    scale = np.where((largest > _LARGE) | ((largest < 1 / _LARGE) & (largest > 0)), largest, 1.0)
    scaled = train if (scale == 1).all() else train / scale  # squares neither overflow nor vanish
    mean = scaled.mean(axis=0, dtype=np.float64) * scale
    deviation = scaled.std(axis=0, dtype=np.float64) * scale
    constant = high / 2 - low / 2 <= ROUNDING * largest
    return np.where(constant, low, mean), np.where(constant | (deviation == 0), 1.0, deviation)


def _one_task(
    data: Projected, projection: int, classes: tuple[int, ...], part: str, counts: tuple[int, int]
) -> tuple[NDArray[np.float64], ...]:
    """One task's training features and labels, then those to judge by, shuffled; a label is a place in `classes`."""
    if not 0 <= projection < data.projections:
        raise ValueError(f"projection {projection} does not exist; {data.name} has 0 to {data.projections - 1}")
    for class_ in classes:
        if not 0 <= class_ < len(data.class_names):
            raise ValueError(f"class {class_} does not exist; {data.name} has 0 to {len(data.class_names) - 1}")
    train, other = (
        np.concatenate([data.part(projection, class_, name)[:count] for class_ in classes])
        for name, count in zip(("train", part), counts, strict=True)
    )
    labels = [np.repeat(np.arange(len(classes), dtype=np.float64), count) for count in counts]
    generator = np.random.default_rng([data.seed, _ORDER_STREAM, projection, *classes])
    orders = [generator.permutation(len(y)) for y in labels]
    train, other = standardise(train, other)
    return train[orders[0]], labels[0][orders[0]], other[orders[1]], labels[1][orders[1]]


def _examples_of_a_class(
    data: Projected, part: str, classes: int, train_examples: int | None, valid_examples: int | None
) -> tuple[int, int]:
    """Training examples and examples to judge by, of each class."""
    if part not in PARTS[1:]:
        raise ValueError(f"part is {part!r}; tasks are judged by valid or test examples")
    counts = []
    for name, wanted in (("train", train_examples), (part, valid_examples)):
        limit = data.sizes[PARTS.index(name)]
        if wanted is not None and (wanted % classes or not 1 <= wanted // classes <= limit):
            allowed = f"a task of {classes} classes has up to {classes * limit}, in multiples of {classes}"
            raise ValueError(f"{wanted} {name} examples cannot be taken from {data.name}: {allowed}")
        counts.append(limit if wanted is None else wanted // classes)
    return counts[0], counts[1]
