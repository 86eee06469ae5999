"""The engine of a name, or the fastest that this machine can run."""

import os
from collections.abc import Callable

import jax

from azero_jax.engines.base import Engine, EngineUnavailableError
from azero_jax.engines.settings import AUTOMATIC, ENGINES, RunSettings
from azero_jax.language.space import SearchSpace
from azero_jax.process.messages import one_line
from azero_jax.tasks import Tasks


def make_engine(
    name: str,
    space: SearchSpace,
    tasks: Tasks,
    settings: RunSettings,
    say: Callable[[str], None] | None = None,
    *,
    few_programs: bool = False,
) -> Engine:
    """The engine called `name`, for one search space and one set of tasks.

    Args:
      name: "warp", "xla", "pallas", "reference", or "auto" for the first two's first that this machine can run. (No TPU
        has run "pallas" yet, so that it has to be asked for.)
      space: what programs may look like.
      tasks: what they run on.
      settings: how they run.
      say: is told, in one line, why "auto" passed over an engine.
      few_programs: whether it is to run so few programs that what this process has compiled is better than what would
        run them a little faster.

    Raises:
      ValueError: there is no engine of that name.
      EngineUnavailableError: this machine cannot run the engine that was named.
    """
    _check_backend()
    if name not in ("auto", *ENGINES):
        raise ValueError(f"unknown engine {name!r}; allowed: auto, {', '.join(ENGINES)}")
    if name != "auto":
        return _build(name, space, tasks, settings, few_programs)
    for candidate in AUTOMATIC[:-1]:
        try:
            return _build(candidate, space, tasks, settings, few_programs)
        except EngineUnavailableError as error:
            if say is not None:
                say(f"engine {candidate} is not available: {error}")
    return _build(AUTOMATIC[-1], space, tasks, settings, few_programs)


def _check_backend() -> None:
    """Refuses a machine on which JAX does not start, such as one without the GPU that JAX_PLATFORMS names."""
    try:
        jax.devices()
    except Exception as error:  # of JAX's backends, each has its own
        platforms = os.environ.get("JAX_PLATFORMS", "")
        asked = f"JAX_PLATFORMS={platforms}; unset it, or set it to cpu" if platforms else "JAX_PLATFORMS=cpu may help"
        reason = one_line(str(error), 100) or "there is no such device"
        raise EngineUnavailableError(f"JAX does not start here ({reason}): {asked}") from None


def _build(name: str, space: SearchSpace, tasks: Tasks, settings: RunSettings, few_programs: bool) -> Engine:
    # Imported only when asked for: Warp need not be installed, and takes its time to load.
    if name == "warp":
        from azero_jax.engines.warp.engine import WarpEngine

        return WarpEngine(space, tasks, settings, reuse_kernel=few_programs)
    if name == "pallas":
        from azero_jax.engines.pallas.engine import PallasEngine

        return PallasEngine(space, tasks, settings)
    if name == "reference":
        from azero_jax.engines.reference import ReferenceEngine

        return ReferenceEngine(space, tasks, settings)
    from azero_jax.engines.xla.engine import XlaEngine

    return XlaEngine(space, tasks, settings)
