"""The train budget: candidates whose training would cost much more than a reference program's get fitness 0 unrun."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from azero_jax.language import ops
from azero_jax.language.library import parse_known
from azero_jax.language.program import Programs
from azero_jax.language.space import SearchSpace

_COST: Final = np.array([op.cost for op in ops.OPS])


def training_cost(programs: Programs, space: SearchSpace, train_examples: int) -> NDArray[np.float64]:
    """`[N]` cost of Setup once and Predict and Learn on every training example, in the op table's units.

    NO_OPs inside a function count, the unused slots beyond its size do not.
    """
    total = np.zeros(len(programs))
    for function, repeats in enumerate((1, train_examples, train_examples)):
        first, most = space.offsets[function], space.max_sizes[function]
        costs = _COST[programs.opcodes[:, first : first + most]]
        total += repeats * (costs * (np.arange(most) < programs.sizes[:, function, None])).sum(axis=1)
    return total


def baseline_cost(space: SearchSpace, train_examples: int) -> float:
    """Training cost of the reference, the release's neural net padded with NO_OPs to the space's initial sizes."""
    own_space, program = parse_known("two_layer_net", space.features)
    total = float(training_cost(program, own_space, train_examples)[0])
    for own, function, repeats in zip(
        own_space.functions, space.functions, (1, train_examples, train_examples), strict=True
    ):
        total += repeats * max(function.initial_size - own.max_size, 0) * ops.NO_OP.cost
    return total
