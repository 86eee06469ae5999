"""The examples of a run in the order in which it meets them, epoch after epoch, as the kernel streams them."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

USED: Final = 1
TRAINING: Final = 2  # else validation
FIRST_OF_EPOCH: Final = 4
LAST_OF_EPOCH: Final = 8
FIRST_EPOCH: Final = 16


class Sequence(NamedTuple):
    """Positions of a run, those that are not used at the end.

    Attributes:
      numbers: `[chunks, positions]` int32, of the examples.
      flags: `[chunks, 1, positions]` int32, the bits above; 0 where a position is not used.
      steps: `[chunks, 1, positions]` int32, from which random ops draw: counted as if no example were left out.
    """

    numbers: NDArray[np.int32]
    flags: NDArray[np.int32]
    steps: NDArray[np.int32]


def count_chunks(epochs: int, examples: int, positions: int) -> int:
    """Chunks that all examples of all epochs take."""
    return -(-epochs * examples // positions)


def make_sequence(
    order: NDArray[np.int32], valid_examples: int, train: int, valid: int, positions: int, *, ends_with_training: bool
) -> Sequence:
    """The positions of a run.

    Args:
      order: `[epochs, N]` training example numbers.
      valid_examples: V, which are numbered after the training examples.
      train: training examples to use, over all epochs.
      valid: validation examples to use in each epoch.
      positions: of a chunk.
      ends_with_training: whether the last epoch's validation is left out.
    """
    epochs, train_examples = order.shape
    flat = np.zeros((3, count_chunks(epochs, train_examples + valid_examples, positions) * positions), np.int32)
    last, end = -(-train // train_examples) - 1, 0
    for epoch in range(last + 1):
        train_count = min(train - epoch * train_examples, train_examples)
        valid_count = 0 if ends_with_training and epoch == last else valid
        places = np.concatenate([np.arange(train_count), train_examples + np.arange(valid_count)])
        numbers = places.copy()
        numbers[:train_count] = order[epoch, :train_count]
        flags = np.full(len(places), USED | (FIRST_EPOCH if epoch == 0 else 0))
        flags[:train_count] |= TRAINING
        flags[0] |= FIRST_OF_EPOCH
        flags[-1] |= LAST_OF_EPOCH
        steps = 1 + epoch * (train_examples + valid_examples) + places
        flat[:, end : end + len(places)] = numbers, flags, steps
        end += len(places)
    numbers, flags, steps = flat.reshape(3, -1, positions)
    return Sequence(numbers, flags[:, None], steps[:, None])
