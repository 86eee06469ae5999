"""The train budget: candidates whose training would cost much more than a reference program's get fitness 0 unrun."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from azero_jax import ops
from azero_jax.program import Programs
from azero_jax.space import SearchSpace

_COST: Final = np.array([op.cost for op in ops.OPS])

# The original's default baseline, its hand-designed neural net (SEMANTICS of the release: 3 + 5 + 11 instructions).
_NEURAL_NET: Final = (
    ("SCALAR_CONST_SET", "VECTOR_GAUSSIAN_SET", "MATRIX_GAUSSIAN_SET"),
    ("MATRIX_VECTOR_PRODUCT", "VECTOR_SUM", "VECTOR_MAX", "VECTOR_INNER_PRODUCT", "SCALAR_SUM"),
    (
        "SCALAR_DIFF",
        "SCALAR_PRODUCT",
        "SCALAR_VECTOR_PRODUCT",
        "VECTOR_SUM",
        "SCALAR_SUM",
        "SCALAR_VECTOR_PRODUCT",
        "VECTOR_HEAVYSIDE",
        "VECTOR_PRODUCT",
        "VECTOR_SUM",
        "VECTOR_OUTER_PRODUCT",
        "MATRIX_SUM",
    ),
)


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
    total = 0.0
    for names, function, repeats in zip(_NEURAL_NET, space.functions, (1, train_examples, train_examples), strict=True):
        padding = max(function.initial_size - len(names), 0)
        total += repeats * (sum(_COST[ops.op_number(name)] for name in names) + padding * ops.NO_OP.cost)
    return total
