"""A lineage as an animation: the program of each step, what has changed in it, and the fitness so far."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from azero_jax.explain.lineage import LineageStep, changes

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

MOST_FRAMES: Final = 40
_FRAME_MILLISECONDS: Final = 900
_LAST_MILLISECONDS: Final = 4000
_WIDTH, _LINE, _MARGIN, _CURVE = 760, 24, 20, 140  # pixels
_SIZE: Final = 17


class Palette(NamedTuple):
    """Colours, as red, green and blue; `marks` are behind lines that came or went."""

    paper: tuple[int, int, int]
    ink: tuple[int, int, int]
    dim: tuple[int, int, int]
    line: tuple[int, int, int]
    marks: Mapping[str, tuple[int, int, int]]


LIGHT: Final = Palette(
    (255, 255, 255), (31, 35, 40), (101, 109, 118), (0, 114, 178), {"+": (206, 234, 248), "-": (253, 232, 214)}
)
DARK: Final = Palette(
    (13, 17, 23), (230, 237, 243), (145, 152, 161), (86, 180, 233), {"+": (16, 54, 78), "-": (72, 42, 16)}
)


def animate(steps: Sequence[tuple[LineageStep, str]], palette: Palette = LIGHT) -> bytes:
    """A GIF of steps with their simplified programs; of more than `MOST_FRAMES` some are left out, evenly.

    Raises:
      ValueError: Pillow or matplotlib, whose font it is drawn in, is not installed.
    """
    image, draw_on, font = _tools()
    picked = _thinned(list(steps))
    comparisons = [changes(picked[n - 1][1] if n else "", text) for n, (_, text) in enumerate(picked)]
    height = _LINE * (max(map(len, comparisons)) + 2) + 2 * _MARGIN + _CURVE
    frames = []
    for n, (step, _) in enumerate(picked):
        frame = image.new("RGB", (_WIDTH, height), palette.paper)
        pen = draw_on(frame)
        _draw_program(pen, font, palette, step, comparisons[n])
        _draw_curve(pen, font, palette, [one for one, _ in picked], n, height)
        frames.append(frame.convert("P", palette=image.Palette.ADAPTIVE, colors=32))
    file = io.BytesIO()
    durations = [_FRAME_MILLISECONDS] * (len(frames) - 1) + [_LAST_MILLISECONDS]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return file.getvalue()


def _tools() -> tuple[Any, Any, Any]:
    try:
        from matplotlib import font_manager
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise ValueError(f"the package {error.name} is needed to draw; pip install 'azero-jax[report]'") from None
    return Image, ImageDraw.Draw, ImageFont.truetype(font_manager.findfont("DejaVu Sans Mono"), _SIZE)


def _thinned(steps: list[tuple[LineageStep, str]]) -> list[tuple[LineageStep, str]]:
    if len(steps) <= MOST_FRAMES:
        return steps
    return [steps[round(n * (len(steps) - 1) / (MOST_FRAMES - 1))] for n in range(MOST_FRAMES)]


def _draw_program(pen: ImageDraw, font: Any, palette: Palette, step: LineageStep, lines: list[tuple[str, str]]) -> None:
    title = f"{step.candidates:,} candidates   fitness {step.fitness:.4f}   {step.mutation.replace('_', ' ')}"
    pen.text((_MARGIN, _MARGIN), title, palette.dim, font)
    for number, (mark, line) in enumerate(lines, start=2):
        top = _MARGIN + number * _LINE
        if mark in palette.marks:
            pen.rectangle((_MARGIN // 2, top, _WIDTH - _MARGIN // 2, top + _LINE - 1), palette.marks[mark])
        pen.text((_MARGIN, top), f"{mark} {line}", palette.dim if mark == "-" else palette.ink, font)


def _draw_curve(pen: ImageDraw, font: Any, palette: Palette, steps: list[LineageStep], now: int, height: int) -> None:
    """The fitness of all steps, evenly apart, that of now marked."""
    top, bottom, left, right = height - _CURVE, height - 2 * _MARGIN, _MARGIN, _WIDTH - _MARGIN
    lowest, highest = min(step.fitness for step in steps), max(step.fitness for step in steps)
    span = (highest - lowest) or 1.0

    def point(n: int) -> tuple[float, float]:
        x = left + (right - left) * n / max(len(steps) - 1, 1)
        return x, bottom - (bottom - top) * (steps[n].fitness - lowest) / span

    points = [point(n) for n in range(len(steps))]
    pen.line(points, palette.dim, 1)
    pen.line(points[: now + 1], palette.line, 3)
    x, y = points[now]
    pen.ellipse((x - 5, y - 5, x + 5, y + 5), palette.line)
    pen.text((left, bottom + 6), f"step {now + 1} of {len(steps)}", palette.dim, font)
