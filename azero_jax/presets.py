"""Ready configurations, by name."""

from __future__ import annotations

import difflib
from typing import Final

from azero_jax.config import BudgetConfig, Config, SpaceConfig, TaskConfig

# The ops of the original's demo (its run_demo.sh).
_LINEAR_OPS: Final = (
    "SCALAR_CONST_SET_OP",
    "VECTOR_INNER_PRODUCT_OP",
    "SCALAR_DIFF_OP",
    "SCALAR_PRODUCT_OP",
    "SCALAR_VECTOR_PRODUCT_OP",
    "VECTOR_SUM_OP",
)

PRESETS: Final[dict[str, Config]] = {
    # The original's demo: sizes 10/2/8, addresses 4/3/1, 10 tasks of 100 + 100 examples.
    "linear": Config(space=SpaceConfig(ops=_LINEAR_OPS)),
    # Paper, section 4.1: a bias makes the programs longer (sizes 6/2/6, addresses 5/3/1).
    "affine": Config(
        space=SpaceConfig(scalars=5, setup=(6,), predict=(2,), learn=(6,), ops=(*_LINEAR_OPS, "SCALAR_SUM_OP")),
        tasks=TaskConfig(kind="affine"),
        budget=BudgetConfig(sufficient_fitness=0.999),
    ),
    # Paper, figure 5: two-layer teachers, addresses 4/8/2, sizes 21/3/9 there.
    "teacher": Config(
        space=SpaceConfig(scalars=4, vectors=8, matrices=2, setup=(21,), predict=(3,), learn=(9,)),
        tasks=TaskConfig(
            kind="teacher", features=8, train_examples=1000, valid_examples=100, select_train_examples=10_000
        ),
        budget=BudgetConfig(sufficient_fitness=0.9, check_every=200_000),
    ),
}
DEFAULT_PRESET: Final = "linear"


def load_preset(name: str) -> Config:
    """The configuration called `name`.

    Raises:
      ValueError: there is none of that name; the nearest is suggested.
    """
    if name in PRESETS:
        return PRESETS[name]
    nearest = difflib.get_close_matches(name, PRESETS, n=1, cutoff=0)[0]
    raise ValueError(f"unknown preset {name!r}; did you mean {nearest}? allowed: {', '.join(PRESETS)}")
