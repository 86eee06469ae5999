"""Search spaces and programs that many tests share."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from azero_jax.config.presets import PRESETS
from azero_jax.language.program import Programs
from azero_jax.language.space import SearchSpace, make_space
from azero_jax.mutate.drawing import random_programs

DEMO = PRESETS["linear"].space.build(features=4)


def full_space(features: int = 4, sizes: tuple[int, int, int] = (2, 6, 10)) -> SearchSpace:
    """All 65 ops less NO_OP, with room to insert and remove."""
    return make_space(features=features, scalars=5, vectors=4, matrices=3, setup=sizes, predict=sizes, learn=sizes)


def some_programs(space: SearchSpace, count: int, seed: int) -> Programs:
    """Random programs, by seed."""
    return random_programs(space, count, np.random.default_rng(seed))


def same(first: Programs, second: Programs) -> bool:
    """Whether two batches are equal to the last bit."""
    return all(a.tobytes() == b.tobytes() for a, b in zip(first.arrays(), second.arrays(), strict=True))


seeds = st.integers(0, 2**32 - 1)
