"""A lineage as an animation: the program of each step, what has changed in it, and the fitness so far."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from azero_jax.explain.lineage import LineageStep, changes

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

MOST_FRAMES: Final = 40
_FRAME_MILLISECONDS: Final = 900
_LAST_MILLISECONDS: Final = 4000
_WIDTH, _LINE, _MARGIN, _CURVE = 760, 24, 20, 140  # pixels
_SIZE: Final = 17
_PAPER, _INK, _DIM = (255, 255, 255), (31, 35, 40), (110, 119, 129)
_COLOURS: Final = {"+": (218, 251, 225), "-": (255, 235, 233)}
_BLUE: Final = (9, 105, 218)


def animate(steps: Sequence[tuple[LineageStep, str]]) -> bytes:
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
        frame = image.new("RGB", (_WIDTH, height), _PAPER)
        pen = draw_on(frame)
        _draw_program(pen, font, step, comparisons[n])
        _draw_curve(pen, font, [one for one, _ in picked], n, height)
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


def _draw_program(pen: ImageDraw, font: Any, step: LineageStep, lines: list[tuple[str, str]]) -> None:
    title = f"{step.candidates:,} candidates   fitness {step.fitness:.4f}   {step.mutation.replace('_', ' ')}"
    pen.text((_MARGIN, _MARGIN), title, _DIM, font)
    for number, (mark, line) in enumerate(lines, start=2):
        top = _MARGIN + number * _LINE
        if mark in _COLOURS:
            pen.rectangle((_MARGIN // 2, top, _WIDTH - _MARGIN // 2, top + _LINE - 1), _COLOURS[mark])
        pen.text((_MARGIN, top), f"{mark} {line}", _DIM if mark == "-" else _INK, font)


def _draw_curve(pen: ImageDraw, font: Any, steps: list[LineageStep], now: int, height: int) -> None:
    """The fitness of all steps, evenly apart, that of now marked."""
    top, bottom, left, right = height - _CURVE, height - 2 * _MARGIN, _MARGIN, _WIDTH - _MARGIN
    lowest, highest = min(step.fitness for step in steps), max(step.fitness for step in steps)
    span = (highest - lowest) or 1.0

    def point(n: int) -> tuple[float, float]:
        x = left + (right - left) * n / max(len(steps) - 1, 1)
        return x, bottom - (bottom - top) * (steps[n].fitness - lowest) / span

    points = [point(n) for n in range(len(steps))]
    pen.line(points, _DIM, 1)
    pen.line(points[: now + 1], _BLUE, 3)
    x, y = points[now]
    pen.ellipse((x - 5, y - 5, x + 5, y + 5), _BLUE)
    pen.text((left, bottom + 6), f"step {now + 1} of {len(steps)}", _DIM, font)
