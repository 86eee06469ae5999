"""The engines that this machine can run, for tests that hold of every engine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from azero_jax.engines.xla import XlaEngine

# XLA runs an instruction in two ways: a branch for one program at a time, a select for many side by side.
ENGINES: Final[dict[str, Callable[..., Any]]] = {"xla": XlaEngine, "xla_select": partial(XlaEngine, block=64)}

try:
    from azero_jax.engines.warp import WarpEngine
except ImportError:  # Warp is not there on every machine
    pass
else:
    ENGINES["warp"] = WarpEngine
