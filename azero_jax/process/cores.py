"""The processor cores that this process may use."""

import math
import os
from pathlib import Path
from typing import Final

QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")  # of a container under Linux: microseconds, or "max", in so many


def held_cores() -> int:
    """How many cores the operating system lets this process run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_cores() -> int:
    """How many cores this process may use.

    Those that it is held to, at most as many as its container has time for, and at most `OMP_NUM_THREADS` where that is
    set.
    """
    cores = held_cores()
    limit = os.environ.get("OMP_NUM_THREADS", "")
    asked = int(limit) if limit.isdecimal() and int(limit) else cores
    return min(cores, _quota(cores), asked)


def _quota(cores: int) -> int:
    """Cores that the container has time for, rounded up; `cores` where nothing is said."""
    try:
        time, _, period = QUOTA.read_text().partition(" ")
        return cores if time == "max" else max(1, math.ceil(int(time) / int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return cores
