"""The engines that this machine can run, for tests that hold of every engine."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from azero_jax.engines.base import Engine, EngineUnavailableError
from azero_jax.engines.pallas.engine import PallasEngine
from azero_jax.engines.reference import ReferenceEngine
from azero_jax.engines.settings import RunSettings
from azero_jax.engines.warp.device import start_warp
from azero_jax.engines.warp.engine import WarpEngine
from azero_jax.engines.warp.spec import Layout
from azero_jax.engines.xla.engine import XlaEngine
from azero_jax.engines.xla.forms import Grouped, Select
from azero_jax.language.space import SearchSpace
from azero_jax.tasks import Tasks

# XLA runs an instruction in three ways: a branch for one program at a time, a select for many side by side, and, as on
# accelerators, a branch to a group of ops that many select among.
ENGINES: Final[dict[str, Callable[..., Any]]] = {
    "reference": ReferenceEngine,
    "xla": XlaEngine,
    "xla_select": partial(XlaEngine, form=Select(64)),
    "xla_grouped": partial(XlaEngine, form=Grouped(64)),
    "pallas": partial(PallasEngine, interpret=True),
}

try:
    start_warp()
except EngineUnavailableError:  # Warp is not there on every machine
    pass
else:
    # Warp lays registers out in two ways: one element of several tasks side by side, or several elements of one task.
    def _warp_blocks(space: SearchSpace, tasks: Tasks, settings: RunSettings | None = None, **arguments: Any) -> Engine:
        layout = Layout(lanes=1, block=math.gcd(space.features, 16))
        return WarpEngine(space, tasks, settings, layout=layout, **arguments)

    ENGINES["warp_lanes"] = partial(WarpEngine, layout=Layout(lanes=8))
    ENGINES["warp_blocks"] = _warp_blocks

SLOW_ENGINES: Final = ("reference", "xla_grouped", "pallas")  # which take up to 10 s to compile each time
FAST_ENGINES: Final = tuple(name for name in ENGINES if name not in SLOW_ENGINES)
