"""Regression tasks drawn from known teachers: linear, affine, and two-layer networks.

The first and the last follow the original release (arXiv 2003.03384, section 4.1 and its source), affine the paper.
The numbers come from NumPy's generator, so the same seed gives other values than the original.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from azero_jax.language.roles import Metric
from azero_jax.tasks.tasks import Tasks, make_tasks

_SILENT_UNITS: Final = [0, 2]  # the release zeroes these hidden units of its teacher network
_Draw = Callable[[np.random.Generator], Callable[[NDArray], NDArray]]
"""Draws one teacher: what gives the labels `[N]` of features `[N, F]`."""


def linear_tasks(tasks: int, features: int, train_examples: int, valid_examples: int, seed: int) -> Tasks:
    """Tasks whose label is w . x, with x and one w a task from N(0, 1); no noise.

    Args:
      tasks: T.
      features: F.
      train_examples: training examples a task.
      valid_examples: validation examples a task.
      seed: decides every number; task t is the same however many tasks there are.

    Raises:
      ValueError: a number is too small.

    >>> tasks = linear_tasks(tasks=2, features=3, train_examples=20, valid_examples=10, seed=0)
    >>> tasks.train_features.shape, tasks.valid_labels.shape
    ((2, 20, 3), (2, 10))
    """

    def teacher(generator: np.random.Generator) -> Callable[[NDArray], NDArray]:
        weights = generator.standard_normal(features)
        return lambda x: x @ weights

    return _make(teacher, tasks, features, train_examples, valid_examples, seed)


def affine_tasks(tasks: int, features: int, train_examples: int, valid_examples: int, seed: int) -> Tasks:
    """Tasks whose label is w . x + b, with x, w and b from N(0, 1); no noise. See `linear_tasks`.

    >>> affine_tasks(tasks=2, features=3, train_examples=20, valid_examples=10, seed=0).train_features.shape
    (2, 20, 3)
    """

    def teacher(generator: np.random.Generator) -> Callable[[NDArray], NDArray]:
        weights = generator.standard_normal(features)
        bias = generator.standard_normal()
        return lambda x: x @ weights + bias

    return _make(teacher, tasks, features, train_examples, valid_examples, seed)


def teacher_tasks(tasks: int, features: int, train_examples: int, valid_examples: int, seed: int) -> Tasks:
    """Tasks whose label is u . max(W x, 0), W and u from N(0, 1), hidden units 0 and 2 silent; no noise or bias.

    See `linear_tasks`; at least 4 features are needed.

    >>> teacher_tasks(tasks=2, features=3, train_examples=20, valid_examples=10, seed=0)
    Traceback (most recent call last):
    ValueError: features is 3; teacher tasks need at least 4
    """
    if features < 4:
        raise ValueError(f"features is {features}; teacher tasks need at least 4")

    def teacher(generator: np.random.Generator) -> Callable[[NDArray], NDArray]:
        hidden = generator.standard_normal((features, features))
        final = generator.standard_normal(features)
        hidden[_SILENT_UNITS] = 0.0
        final[_SILENT_UNITS] = 0.0
        return lambda x: np.maximum(x @ hidden.T, 0.0) @ final

    return _make(teacher, tasks, features, train_examples, valid_examples, seed)


TEACHERS: Final[dict[str, Callable[..., Tasks]]] = {
    "linear": linear_tasks, "affine": affine_tasks, "teacher": teacher_tasks,
}  # fmt: skip


def _make(draw: _Draw, tasks: int, features: int, train_examples: int, valid_examples: int, seed: int) -> Tasks:
    for name, value in (("tasks", tasks), ("features", features)):
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")
    train = max(train_examples, 0)
    examples = train + max(valid_examples, 0)
    inputs, labels = np.empty((tasks, examples, features)), np.empty((tasks, examples))
    for task, child in enumerate(np.random.SeedSequence(seed).spawn(tasks)):
        generator = np.random.default_rng(child)
        teacher = draw(generator)
        inputs[task] = generator.standard_normal((examples, features))
        labels[task] = teacher(inputs[task])
    return make_tasks(inputs[:, :train], labels[:, :train], inputs[:, train:], labels[:, train:], Metric.RMS_ERROR)
