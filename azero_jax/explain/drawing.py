"""Figures that fit a page: one look, as SVG that takes the page's colours, and as files of their own.

As files they have no paper, and colours that are read on white and on black alike: texts in a middle grey, lines in
colours that people tell apart whatever they see of colours (Okabe and Ito, *Color Universal Design*, 2008).
"""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from azero_jax.process.messages import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH: Final = 5.2  # inches; on a phone a point is about a pixel
INK, DIM, GRID = "#757b82", "#7f858c", "#8a9098"
BLUE, RED, GREEN, AMBER = "#0072b2", "#d55e00", "#009e73", "#e69f00"
# What these colours are called in the page's style sheet, which has them for light and for dark.
VARIABLES: Final = {INK: "ink", DIM: "dim", GRID: "grid", BLUE: "blue", RED: "red", GREEN: "green", AMBER: "amber"}

_STYLE: Final[Any] = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.edgecolor": DIM,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "xtick.color": DIM,
    "ytick.color": DIM,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "grid.alpha": 0.35,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "svg.fonttype": "none",
}
_PIXELS_AN_INCH: Final = 180
_SHOWN_AN_INCH: Final = 110  # of them in a notebook, whose screen has more pixels than it says


class Drawing(NamedTuple):
    """One figure, which a notebook shows.

    Attributes:
      name: of its files.
      caption: what it shows, in a sentence or two.
      inline: SVG for the page.
      svg: the same as a file.
      png: the same as pixels.

    >>> Drawing("curve", "Fitness over candidates.", "<svg/>", "<svg/>", b"")
    Drawing(curve: Fitness over candidates.)
    """

    name: str
    caption: str
    inline: str
    svg: str
    png: bytes

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes it into a file, as SVG or PNG.

        Raises:
          ValueError: the name ends otherwise, or the file cannot be written.
        """
        target = Path(path)
        data = {".svg": self.svg.encode(), ".png": self.png}.get(target.suffix.lower())
        if data is None:
            raise ValueError(f"{one_line(str(path), 120)}: a figure is saved as .svg or .png")
        try:
            target.write_bytes(data)
        except OSError as error:
            raise ValueError(f"{one_line(str(path), 120)}: cannot be written: {error.strerror}") from None

    def __repr__(self) -> str:
        """What it shows."""
        return f"Drawing({self.name}: {self.caption})"

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """The figure for a notebook, and how many pixels wide it is shown."""
        return self.png, {"width": round(WIDTH * _SHOWN_AN_INCH)}


def new_figure(height: float, rows: int = 1, columns: int = 1, **settings: Any) -> tuple[Figure, Any]:
    """A figure of the page's width and so many inches high, and its axes (an array if there are several).

    Raises:
      ValueError: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ValueError("a report needs the package matplotlib; pip install 'azero-jax[report]'") from None
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, **settings)
    return figure, axes


def finish(figure: Figure, name: str, caption: str) -> Drawing:
    """The figure as SVG and PNG."""
    import matplotlib

    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        text, pixels = io.StringIO(), io.BytesIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
        figure.savefig(pixels, format="png", dpi=_PIXELS_AN_INCH)
    svg = text.getvalue()
    return Drawing(name, caption, _for_page(svg, name, caption), svg, pixels.getvalue())


def plain_axes(axes: Axes, x: str, y: str) -> None:
    """Labels, and a grid behind what is drawn."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(True, axis="both")
    axes.set_axisbelow(True)


def count_axis(axes: Axes) -> None:
    """Counts along the x axis, on a logarithmic scale, written out."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    subs = (1.0, 2.0, 5.0) if high < 100 * low else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _for_page(svg: str, name: str, caption: str) -> str:
    """The SVG element: as wide as there is room, in the page's colours, with identifiers of its own."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r' (width|height)="[\d.]+pt"', "", element, count=2)
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    for pattern in (r'(\bid=")', r"(url\(#)", r'(href="#)'):
        element = re.sub(pattern, rf"\g<1>{name}-", element)
    for colour, variable in VARIABLES.items():
        element = element.replace(colour, f"var(--{variable})")
    label = caption.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return element.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
