"""Which layout of the registers takes the least time on the CPU."""

import contextlib
import functools
from collections.abc import Collection
from pathlib import Path
from typing import Final

from azero_jax.engines.warp.spec import Layout, has_matrix_ops
from azero_jax.language.space import SearchSpace

BLOCKS: Final = (16, 8)  # elements; shorter blocks leave much of a vector register unused

# Time of a program on a group of tasks, by the lanes of the group, relative to that on the widest group. Measured with
# 16 tasks, on one core with 1 MiB of L2 cache (`experiments/results/bench_matrices_cpu.json` and `_48k.json`).
BLOCKWISE: Final = 1  # lanes of a group that is one task in blocks

# Without matrices (the demo of `experiments/bench_engines.py`) a narrower group saves little, because most of the time
# is spent on finding out what to do. 16 float64 lanes are two vector registers.
GROUP_COST: Final = {"float32": {16: 1.0, 8: 0.85, 4: 0.8}, "float64": {8: 1.0, 4: 0.8}}

# With matrices, by the KiB of the L1 cache and F: the mean of a few programs of `experiments/bench_matrices.py`. Where
# F is small, most of the time is spent on finding out what to do, which blocks do anew for every task. At F = 16 a
# matrix of 16 lanes has 16 KiB: two leave a cache of 32 KiB, in which those of 8 lanes stay, and fit into 48. Larger
# matrices come from the L2 cache or from beyond; in blocks, one task's do not displace another's. Four float32 lanes
# leave most of a vector register unused. (Those of 32 KiB were measured before instructions were fused, which needs
# less room, on a processor that nobody had at hand afterwards.)
MATRIX_GROUP_COST: Final[dict[int, dict[str, dict[int, dict[int, float]]]]] = {
    32: {
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
    },
    48: {
        "float32": {
            4: {16: 1.0, 8: 1.1, 4: 1.06},
            8: {16: 1.0, 8: 0.72, 4: 1.0, BLOCKWISE: 0.44},
            16: {16: 1.0, 8: 0.76, 4: 1.39, BLOCKWISE: 0.28},
            32: {16: 1.0, 8: 0.48, 4: 0.79, BLOCKWISE: 0.076},
            64: {16: 1.0, 8: 0.70, 4: 0.86, BLOCKWISE: 0.052},
        },
        "float64": {
            4: {8: 1.0, 4: 0.87},
            8: {8: 1.0, 4: 0.80, BLOCKWISE: 0.44},
            16: {8: 1.0, 4: 0.73, BLOCKWISE: 0.29},
            32: {8: 1.0, 4: 0.49, BLOCKWISE: 0.10},
            64: {8: 1.0, 4: 0.70, BLOCKWISE: 0.104},
        },
    },
}
SMALLEST_CACHE: Final = min(MATRIX_GROUP_COST)
WORTH_A_KERNEL: Final = 1.6  # times as long as on the best layout: from then on another kernel is worth its compilation


def choose_layout(
    space: SearchSpace, tasks: int, precision: str, cache: int | None = None, loaded: Collection[int] = ()
) -> Layout:
    """How registers lie in the CPU's memory, so that all tasks take the least time.

    Lanes or blocks, which differ in the last bits of sums, do not depend on the cache, so that a search is the same
    everywhere; how many lanes does.

    Args:
      space: what programs may look like.
      tasks: how many there are.
      precision: "float32" or "float64".
      cache: KiB of a core's L1 data cache; None finds out.
      loaded: lanes for which there is a kernel, which is taken if it takes little longer than the best.
    """
    block = next((block for block in BLOCKS if space.features % block == 0), 1)
    if not has_matrix_ops(space.ops):
        return Layout(_cheapest(GROUP_COST[precision], tasks, loaded))
    costs = _costs(SMALLEST_CACHE, precision, space.features)
    if block == 1:
        costs = _of_lanes(costs)
    if _cheapest(costs, tasks) == BLOCKWISE:
        return Layout(BLOCKWISE, block)
    known = max((size for size in MATRIX_GROUP_COST if size <= (cache or cache_size())), default=SMALLEST_CACHE)
    return Layout(_cheapest(_of_lanes(_costs(known, precision, space.features)), tasks, loaded))


@functools.cache
def cache_size() -> int:
    """KiB of a core's L1 data cache, where Linux tells; else the smallest that is usual."""
    for folder in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        with contextlib.suppress(OSError, ValueError):
            level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
            if (level, kind) == ("1", "Data") and size.endswith("K"):
                return int(size[:-1])
    return SMALLEST_CACHE


def _costs(cache: int, precision: str, features: int) -> dict[int, float]:
    by_features = MATRIX_GROUP_COST[cache][precision]
    return by_features[max((size for size in by_features if size <= features), default=min(by_features))]


def _of_lanes(costs: dict[int, float]) -> dict[int, float]:
    return {lanes: cost for lanes, cost in costs.items() if lanes != BLOCKWISE}


def _cheapest(costs: dict[int, float], tasks: int, loaded: Collection[int] = ()) -> int:
    """The lanes of the groups that take the least time, or little more where there is a kernel."""
    times = {lanes: -(-tasks // lanes) * cost for lanes, cost in costs.items()}
    most = WORTH_A_KERNEL * min(times.values())
    good = [lanes for lanes in times if lanes in loaded and times[lanes] <= most]
    return min(good or times, key=times.__getitem__)
