"""The metrics as TensorBoard scalars."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from azero_jax.data.libraries import require

_AXES = ("candidates", "seconds")


def require_tensorboard() -> ModuleType:
    """The module that writes event files.

    Raises:
      MissingLibraryError: the package tensorboardX is not installed.
    """
    return require("tensorboardX.writer", "output.tensorboard", "tensorboard")


class TensorBoardScalars:
    """Writes event files below a folder; the step is the number of candidates."""

    def __init__(self, folder: Path, first_step: int) -> None:
        """A writer; scalars of earlier sessions from `first_step` on no longer count.

        Raises:
          MissingLibraryError: the package tensorboardX is not installed.
        """
        self._writer = require_tensorboard().SummaryWriter(str(folder), purge_step=first_step)

    def write(self, metrics: dict[str, Any]) -> None:
        """Adds one line of metrics."""
        for name, value in _flatten(metrics):
            self._writer.add_scalar(name, value, metrics["candidates"])
        self._writer.flush()

    def close(self) -> None:
        """Ends the event file."""
        self._writer.close()


def _flatten(metrics: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in metrics.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}/")
        elif isinstance(value, list):
            yield from ((f"{prefix}{name}/{index}", item) for index, item in enumerate(value, 1))
        elif value is not None and name not in _AXES:
            yield f"{prefix}{name}", value
