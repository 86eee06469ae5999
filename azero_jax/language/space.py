"""The search space: how much memory a program has, and which ops and how many instructions each function may have."""

import dataclasses
from collections.abc import Iterable
from typing import Final

from azero_jax.language import ops

FUNCTION_NAMES: Final = ("setup", "predict", "learn")

MAX_ADDRESSES: Final = 64  # of a kind
MAX_INSTRUCTIONS: Final = 255  # of one function
# The counter of the random ops has 24 bits for the number of a matrix element, and 8 for that of a stream.
MAX_FEATURES: Final = 4096
MAX_STREAMS: Final = 256  # random instructions of a program


@dataclasses.dataclass(frozen=True)
class FunctionSpace:
    """What one of Setup, Predict and Learn may look like.

    Attributes:
      ops: numbers of the allowed ops, ascending and without repeats; if empty, evolution leaves this function alone.
      min_size: fewest instructions that a removal leaves.
      initial_size: instructions of an initial program.
      max_size: most instructions that an insertion reaches, inclusive (the original's limit, one more, is exclusive).
    """

    ops: tuple[int, ...]
    min_size: int
    initial_size: int
    max_size: int

    @classmethod
    def sized(cls, op_numbers: tuple[int, ...], sizes: tuple[int, ...]) -> "FunctionSpace":
        """With (fewest, initial, most) instructions, or one number for all three."""
        fewest, initial, most = sizes if len(sizes) == 3 else 3 * sizes
        return cls(op_numbers, fewest, initial, most)


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """Everything that bounds a program.

    Attributes:
      features: F, the length of every vector; matrices are F x F.
      scalars: scalar addresses, s0 (label) and s1 (prediction) included.
      vectors: vector addresses, v0 (features) included.
      matrices: matrix addresses.
      setup: bounds of Setup.
      predict: bounds of Predict.
      learn: bounds of Learn.

    Raises:
      ValueError: a number is out of range, or an allowed op has no address to read or write.
    """

    features: int
    scalars: int
    vectors: int
    matrices: int
    setup: FunctionSpace
    predict: FunctionSpace
    learn: FunctionSpace

    def __post_init__(self) -> None:
        _check_range("features", self.features, 1, MAX_FEATURES)
        check_bounds(self.scalars, self.vectors, self.matrices, self.functions)

    @property
    def functions(self) -> tuple[FunctionSpace, FunctionSpace, FunctionSpace]:
        """Bounds of Setup, Predict and Learn, in this order."""
        return (self.setup, self.predict, self.learn)

    @property
    def max_sizes(self) -> tuple[int, int, int]:
        """Most instructions of Setup, Predict and Learn."""
        return (self.setup.max_size, self.predict.max_size, self.learn.max_size)

    @property
    def length(self) -> int:
        """L, the instruction slots of a program tensor: the three functions' largest sizes one after the other."""
        return sum(self.max_sizes)

    @property
    def offsets(self) -> tuple[int, int, int]:
        """First slot of Setup, Predict and Learn."""
        return (0, self.setup.max_size, self.setup.max_size + self.predict.max_size)

    @property
    def ops(self) -> tuple[int, ...]:
        """Numbers of the ops that any function may use, ascending; NO_OP excluded."""
        return tuple(sorted({op for function in self.functions for op in function.ops} - {ops.NO_OP.number}))

    def addresses(self, kind: str) -> int:
        """Number of addresses of a kind (`"s"`, `"v"` or `"m"`)."""
        return _by_kind(self.scalars, self.vectors, self.matrices)[kind]


def make_space(
    *,
    features: int,
    scalars: int,
    vectors: int,
    matrices: int,
    setup: tuple[int, int, int] | int,
    predict: tuple[int, int, int] | int,
    learn: tuple[int, int, int] | int,
    allowed: tuple[str, ...] | None = None,
) -> SearchSpace:
    """A search space whose three functions share one op set.

    Args:
      features: F, the length of a vector.
      scalars: scalar addresses.
      vectors: vector addresses.
      matrices: matrix addresses.
      setup: (fewest, initial, most) instructions of Setup, or one number for all three.
      predict: the same of Predict.
      learn: the same of Learn.
      allowed: names of the allowed ops; None allows every op that has addresses to work on, NO_OP excluded.

    Raises:
      ValueError: an unknown op, or a number out of range.
    """
    numbers = usable_ops(scalars, vectors, matrices) if allowed is None else op_numbers(allowed)
    sizes = ((size,) if isinstance(size, int) else size for size in (setup, predict, learn))
    return SearchSpace(features, scalars, vectors, matrices, *(FunctionSpace.sized(numbers, size) for size in sizes))


def usable_ops(scalars: int, vectors: int, matrices: int) -> tuple[int, ...]:
    """Numbers of the ops that have addresses to work on, NO_OP excluded."""
    counts = _by_kind(scalars, vectors, matrices)
    return tuple(op.number for op in ops.OPS[1:] if _has_addresses(op, counts))


def op_numbers(names: Iterable[str]) -> tuple[int, ...]:
    """Numbers of the ops called so, ascending and without repeats.

    Raises:
      ValueError: an unknown op.
    """
    return tuple(sorted({ops.op_number(name) for name in names}))


def check_bounds(scalars: int, vectors: int, matrices: int, functions: Iterable[FunctionSpace]) -> None:
    """Checks all that bounds a program but the number of features.

    Raises:
      ValueError: a number is out of range, or an allowed op has no address to read or write.
    """
    _check_range("scalars", scalars, 2, MAX_ADDRESSES)
    _check_range("vectors", vectors, 1, MAX_ADDRESSES)
    _check_range("matrices", matrices, 0, MAX_ADDRESSES)
    for name, function in zip(FUNCTION_NAMES, functions, strict=True):
        _check_function(name, function, _by_kind(scalars, vectors, matrices))


def _by_kind(scalars: int, vectors: int, matrices: int) -> dict[str, int]:
    return {ops.SCALAR: scalars, ops.VECTOR: vectors, ops.MATRIX: matrices}


def _has_addresses(op: ops.Op, counts: dict[str, int]) -> bool:
    writable = not op.output or counts[op.output] > ops.FIRST_OUTPUT_ADDRESS[op.output]
    return writable and all(counts[kind] > 0 for kind in op.inputs)


def _check_range(name: str, value: int, lowest: int, highest: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise ValueError(f"{name} is {value!r}; it must be a whole number from {lowest} to {highest}")


def _check_function(name: str, function: FunctionSpace, counts: dict[str, int]) -> None:
    _check_range(f"{name}: max_size", function.max_size, 0, MAX_INSTRUCTIONS)
    _check_range(f"{name}: min_size", function.min_size, 0, function.max_size)
    _check_range(f"{name}: initial_size", function.initial_size, function.min_size, function.max_size)
    if list(function.ops) != sorted(set(function.ops)):
        raise ValueError(f"{name}: ops must be ascending and without repeats, not {function.ops}")
    for number in function.ops:
        _check_range(f"{name}: op number", number, 0, len(ops.OPS) - 1)
        op = ops.OPS[number]
        if not _has_addresses(op, counts):
            have = ", ".join(f"{counts[kind]} {ops.KIND_NAMES[kind]}" for kind in ops.KINDS)
            lacks = f"no address to read or write with {have} addresses (s0 and v0 are read-only)"
            raise ValueError(f"{name}: {op.name} has {lacks}")
