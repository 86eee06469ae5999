"""A curve in one line of text."""

from collections.abc import Sequence
from typing import Final

_BARS: Final = " ▁▂▃▄▅▆▇█"
_WIDTH: Final = 60  # characters


def sparkline(values: Sequence[float], width: int = _WIDTH) -> str:
    """A small curve of fitnesses (0 to 1), the latest at the right; all of them, thinned out to `width` characters.

    >>> sparkline([0.0, 0.5, 1.0])
    ' ▄█'
    """
    step = max(len(values) / width, 1.0)
    picked = [values[int(n * step)] for n in range(min(len(values), width))]
    return "".join(_BARS[round(min(max(value, 0.0), 1.0) * (len(_BARS) - 1))] for value in picked)
