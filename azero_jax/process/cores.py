"""The processor cores that this process may use."""

import os


def usable_cores() -> int:
    """How many cores this process may use: those it is held to, and at most `OMP_NUM_THREADS` where that is set."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(limit)) if limit.isdecimal() and int(limit) else cores
