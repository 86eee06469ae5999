# mypy: ignore-errors
# These functions are in Warp's dialect of Python: it has its own types, and `int(0)` makes a variable of a constant.
"""Types of the compiled code."""

from typing import Any

import warp as wp

from azero_jax.engines.warp_kernel.spec import KernelSpec


def real_type(spec: KernelSpec) -> Any:
    """Warp's type of a number."""
    return wp.float64 if spec.precision == "float64" else wp.float32


def value_type(spec: KernelSpec) -> Any:
    """Warp's type of a value: one number a lane."""
    return wp.types.vector(length=spec.lanes, dtype=real_type(spec))


@wp.struct
class Lot:
    """Which run a thread works on."""

    program: int
    group: int
    tasks: int
    examples: int  # recorded errors of a run


@wp.func
def run_index(lot: Lot, width: int, lane: int):
    """Index of a lane's run in the outputs `[N * T]`."""
    return lot.program * lot.tasks + lot.group * width + lane
