"""Figures that fit a page: one look, as SVG that takes the page's colours, and as files of their own."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH: Final = 5.2  # inches; on a phone a point is about a pixel
INK, DIM, GRID, PAPER = "#1f2328", "#656d76", "#d0d7de", "#ffffff"
BLUE, RED, GREEN, AMBER = "#0969da", "#cf222e", "#1a7f37", "#9a6700"
# What these colours are called in the page's style sheet, which has them for light and for dark.
VARIABLES: Final = {
    INK: "ink",
    DIM: "dim",
    GRID: "grid",
    PAPER: "paper",
    BLUE: "blue",
    RED: "red",
    GREEN: "green",
    AMBER: "amber",
}

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
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "svg.fonttype": "none",
}
_PIXELS_AN_INCH: Final = 150


class Drawing(NamedTuple):
    """One figure.

    Attributes:
      name: of its files.
      caption: what it shows, in a sentence or two.
      inline: SVG for the page.
      svg: the same as a file.
      png: the same as pixels.
    """

    name: str
    caption: str
    inline: str
    svg: str
    png: bytes


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
