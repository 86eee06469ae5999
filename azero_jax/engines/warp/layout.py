"""Which layout of the registers takes the least time on the CPU."""

from typing import Final

from azero_jax.engines.warp.spec import Layout, has_matrix_ops
from azero_jax.language.space import SearchSpace

BLOCKS: Final = (16, 8)  # elements; shorter blocks leave much of a vector register unused

# Time of a program on a group of tasks, by the lanes of the group, relative to that on the widest group. Measured with
# 16 tasks, on one core with 32 KiB of L1 and 1 MiB of L2 cache (`experiments/results/bench_matrices_cpu.json`).
BLOCKWISE: Final = 1  # lanes of a group that is one task in blocks

# Without matrices (the demo of `experiments/bench_engines.py`) a narrower group saves little, because most of the time
# is spent on finding out what to do. 16 float64 lanes are two vector registers.
GROUP_COST: Final = {"float32": {16: 1.0, 8: 0.85, 4: 0.8}, "float64": {8: 1.0, 4: 0.8}}

# With matrices, by F: the mean of three (of float64 two) programs of `experiments/bench_matrices.py`. Where F is small,
# most of the time is spent on finding out what to do, which blocks do anew for every task. At F = 16 a matrix of 16
# lanes has 16 KiB, and two leave the L1 cache, in which those of 8 lanes stay. Larger matrices come from the L2 cache
# or from beyond; in blocks, one task's do not displace another's. Four float32 lanes leave most of a vector register
# unused.
MATRIX_GROUP_COST: Final = {
    "float32": {
        4: {16: 1.0, 8: 0.78, 4: 0.93},
        8: {16: 1.0, 8: 0.56, 4: 0.72, BLOCKWISE: 0.28},
        16: {16: 1.0, 8: 0.44, 4: 0.64, BLOCKWISE: 0.15},
        32: {16: 1.0, 8: 0.50, 4: 0.54, BLOCKWISE: 0.078},
        64: {16: 1.0, 8: 0.54, 4: 0.64, BLOCKWISE: 0.058},
        256: {16: 1.0, 8: 0.70, 4: 0.44, BLOCKWISE: 0.043},
    },
    "float64": {
        4: {8: 1.0, 4: 0.71},
        8: {8: 1.0, 4: 0.59, BLOCKWISE: 0.33},
        16: {8: 1.0, 4: 0.50, BLOCKWISE: 0.18},
        32: {8: 1.0, 4: 0.49, BLOCKWISE: 0.104},
        64: {8: 1.0, 4: 0.56, BLOCKWISE: 0.126},
    },
}


def choose_layout(space: SearchSpace, tasks: int, precision: str) -> Layout:
    """How registers lie in the CPU's memory, so that all tasks take the least time."""
    costs = GROUP_COST[precision]
    if has_matrix_ops(space.ops):
        by_features = MATRIX_GROUP_COST[precision]
        costs = by_features[max((size for size in by_features if size <= space.features), default=min(by_features))]
    block = next((block for block in BLOCKS if space.features % block == 0), 1)
    allowed = [lanes for lanes in costs if lanes != BLOCKWISE or block > 1]
    lanes = min(allowed, key=lambda lanes: -(-tasks // lanes) * costs[lanes])
    return Layout(lanes, block if lanes == BLOCKWISE else 1)
