"""The metrics as TensorBoard scalars."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

_AXES = ("candidates", "seconds")


class TensorBoardScalars:
    """Writes event files below a folder; the step is the number of candidates."""

    def __init__(self, folder: Path, first_step: int) -> None:
        """A writer.

        Args:
          folder: where TensorBoard will look.
          first_step: scalars of earlier sessions from this step on no longer count.

        Raises:
          ValueError: the package tensorboardX is not installed.
        """
        try:
            from tensorboardX.writer import SummaryWriter
        except ImportError:
            raise ValueError(
                "output.tensorboard needs the package tensorboardX; pip install 'azero-jax[tensorboard]'"
            ) from None
        self._writer = SummaryWriter(str(folder), purge_step=first_step)

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
