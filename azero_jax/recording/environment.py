"""What a session ran on and with."""

import os
import platform
import sys
import time
from importlib import metadata
from typing import Any, Final

PACKAGES: Final = ("azero-jax", "jax", "jaxlib", "numpy", "numba", "warp-lang")


def describe_environment() -> dict[str, Any]:
    """Versions of what decides the numbers, the machine, and how the process was started."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "process": os.getpid(),
        "host": platform.node(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "arguments": sys.argv,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
