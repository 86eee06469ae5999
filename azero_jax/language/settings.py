"""What a program may look like, as settings."""

import dataclasses
from typing import Final

from azero_jax.language.ops import OPS
from azero_jax.language.space import (
    FUNCTION_NAMES,
    MAX_STREAMS,
    FunctionSpace,
    SearchSpace,
    check_bounds,
    op_numbers,
    usable_ops,
)

ALL_OPS: Final = ("all",)


@dataclasses.dataclass(frozen=True)
class SpaceConfig:
    """What a program may look like; the number of features comes from the tasks.

    Attributes:
      scalars: scalar addresses, s0 (label) and s1 (prediction) included.
      vectors: vector addresses, v0 (features) included.
      matrices: matrix addresses.
      setup: fewest, initial and most instructions of Setup, such as `1,5,10`; one number stands for all three.
      predict: the same of Predict.
      learn: the same of Learn.
      ops: names of the ops that evolution may use, or `all` (those that have addresses to work on).
      setup_ops: ops of Setup, in place of `ops`, or `all`; empty takes `ops`.
      predict_ops: ops of Predict, in place of `ops`, or `all`; empty takes `ops`.
      learn_ops: ops of Learn, in place of `ops`, or `all`; empty takes `ops`.

    >>> space = SpaceConfig(learn=(1, 5, 10), ops=("SCALAR_DIFF_OP", "VECTOR_SUM_OP")).build(features=4)
    >>> space.max_sizes
    (10, 2, 10)
    """

    scalars: int = 4
    vectors: int = 3
    matrices: int = 1
    setup: tuple[int, ...] = (10,)
    predict: tuple[int, ...] = (2,)
    learn: tuple[int, ...] = (8,)
    ops: tuple[str, ...] = ALL_OPS
    setup_ops: tuple[str, ...] = ()
    predict_ops: tuple[str, ...] = ()
    learn_ops: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in FUNCTION_NAMES:
            sizes = getattr(self, name)
            if len(sizes) not in (1, 3):
                raise ValueError(f"{name} is {sizes}; it must be one number or three (fewest, initial, most)")
        check_bounds(self.scalars, self.vectors, self.matrices, self.functions)
        self._check_streams()

    @property
    def functions(self) -> tuple[FunctionSpace, FunctionSpace, FunctionSpace]:
        """Bounds of Setup, Predict and Learn."""
        functions = ((self.setup, self.setup_ops), (self.predict, self.predict_ops), (self.learn, self.learn_ops))
        setup, predict, learn = (FunctionSpace.sized(self._numbers(own or self.ops), sizes) for sizes, own in functions)
        return setup, predict, learn

    def build(self, features: int) -> SearchSpace:
        """The search space of tasks with F = `features`."""
        return SearchSpace(features, self.scalars, self.vectors, self.matrices, *self.functions)

    def _numbers(self, names: tuple[str, ...]) -> tuple[int, ...]:
        return usable_ops(self.scalars, self.vectors, self.matrices) if names == ALL_OPS else op_numbers(names)

    def _check_streams(self) -> None:
        """Evolution may make every instruction random that can be; each draws from a stream of its own."""
        named = zip(FUNCTION_NAMES, self.functions, strict=True)
        random = {name: function.max_size for name, function in named if any(OPS[op].random for op in function.ops)}
        total = sum(random.values())
        if total > MAX_STREAMS:
            where = f"random ops are allowed in {', '.join(random)}, with {total} instructions in all"
            raise ValueError(f"{where}; at most {MAX_STREAMS} may be random: allow fewer, or no random ops")
