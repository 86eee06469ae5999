"""What a search found, as a notebook shows it: the program, how the search went, and what there is to know of both."""

from __future__ import annotations

import base64
import dataclasses
import functools
import math
import os
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from azero_jax.explain import html
from azero_jax.explain.animation import DARK, LIGHT, animate
from azero_jax.explain.drawing import BLUE, GREEN, INK, RED, Drawing, count_axis, finish, new_figure, plain_axes
from azero_jax.explain.explanation import Explanation, explain
from azero_jax.explain.ideas import recognise
from azero_jax.explain.learning import LearningCurves, learning_curves
from azero_jax.explain.lineage import lineage, simplified_steps
from azero_jax.explain.listing import prune, read_listing
from azero_jax.explain.readable import renamed
from azero_jax.explain.settings import TUNING_TRIALS
from azero_jax.explain.simplify import simplify
from azero_jax.explain.sparkline import sparkline
from azero_jax.explain.standing import describe_metric, metric_label
from azero_jax.explain.subject import Subject, read_run
from azero_jax.protocol.result import SearchResult
from azero_jax.tasks.sets import TaskSets

_TITLE: Final = "the program that was found"
_WIDTH: Final = 520  # pixels of a figure in a notebook


class Animation(NamedTuple):
    """A GIF, which a notebook shows.

    >>> Animation(b"GIF89a", "two programs")
    Animation(two programs)
    """

    gif: bytes
    about: str

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes it into a file."""
        Path(path).write_bytes(self.gif)

    def __repr__(self) -> str:
        """What it shows."""
        return f"Animation({self.about})"

    def _repr_html_(self) -> str:
        return html.picture("gif", base64.b64encode(self.gif).decode(), self.about)


@dataclasses.dataclass(frozen=True, repr=False)
class Result(SearchResult):
    """What a search found; printed, or as the last thing in a notebook's cell, it shows itself.

    Attributes are those of `SearchResult`.

    >>> import azero_jax as az
    >>> config = az.load_preset("linear", islands=2, population=50, batch=25, max_candidates=500)
    >>> print(repr(az.search(config)).splitlines()[0][:14])
    not solved (ma
    """

    @functools.cached_property
    def readable(self) -> str:
        """The program simplified, with names in place of registers, and comments where the role of a line is known."""
        listing = simplify(prune(read_listing(self.program), self.metric), self.metric)
        if not listing.size:  # its predictions are constant
            return self.program
        return renamed(listing, recognise(listing, self.metric), self.metric)

    def plot(self) -> Drawing:
        """The curve of the search: the best fitness over the candidates that were evaluated.

        Raises:
          ValueError: matplotlib is not installed.
        """
        figure, axes = new_figure(2.8)
        last = max(self.candidates, 1)
        x = [*(max(point.candidates, 1) for point in self.curve), last]
        for n, (label, colour, dashes) in enumerate((("search", BLUE, "-"), ("select", GREEN, "--")), start=1):
            y = np.array([point[n] for point in self.curve], np.float64)  # None becomes NaN
            if len(y):
                axes.step(x, [*y, y[-1]], where="post", color=colour, ls=dashes, label=f"best so far, {label} tasks")
        if not math.isnan(self.final_fitness):
            axes.plot(last, self.final_fitness, "D", ms=5, color=RED, label="found, unseen tasks", clip_on=False)
        if x[0] < last:
            count_axis(axes)
        plain_axes(axes, "candidates", metric_label(self.metric))
        axes.legend(fontsize=8, frameon=False, loc="best", labelcolor=INK)
        return finish(figure, "curve", "The best fitness so far over the candidates that were evaluated.")

    def explain(
        self, *, baselines: bool = True, trials: int = TUNING_TRIALS, say: Callable[[str], None] | None = None
    ) -> Explanation:
        """What the program does in fewer lines, what each line is for, and what it is worth.

        Args:
          baselines: whether a linear model and a net are trained on the same tasks.
          trials: of random search for better constants, beside gradients; 0 tunes nothing.
          say: is told, in single lines, what is going on.

        Raises:
          ValueError: the program has nothing that its predictions depend on, or the result was pickled.
        """
        run = None if self.run_directory is None else read_run(Path(self.run_directory))
        subject = Subject(_TITLE, self.program, self.config, run)
        return explain(subject, self._tasks(), say or (lambda line: None), baselines=baselines, trials=trials)

    def learning_curves(self, *, baselines: bool = False) -> LearningCurves:
        """How the program learns on unseen tasks; `baselines` adds a linear model and a net.

        Raises:
          ValueError: the result was pickled.
        """
        return learning_curves({_TITLE: self.program}, self._tasks(), self.config, baselines=baselines)

    def animate(self, *, dark: bool = False) -> Animation:
        """The lineage of the program: from an initial one on, the ancestors that were fitter than all before them.

        `dark` draws it on black paper.

        Raises:
          ValueError: no program was tried on the select tasks, or Pillow or matplotlib is not installed.
        """
        shown = simplified_steps(lineage(self), self.metric)
        return Animation(
            animate(shown, DARK if dark else LIGHT),
            f"{len(shown)} of the programs through which the search came to what it found",
        )

    def __repr__(self) -> str:
        """The verdict, the program and its fitness, as text."""
        curve = [point.search_fitness for point in self.curve]
        sets = "   ".join(f"{name} {_number(value)}" for name, value in self._fitness())
        return "\n".join(
            [
                self.verdict,
                "",
                self.readable.rstrip(),
                "",
                f"mean fitness on tasks:   {sets}",
                f"best {sparkline(curve)}",
            ]
        )

    def _repr_html_(self) -> str:
        rows = [(f"{name} tasks", _number(value)) for name, value in self._fitness()]
        parts = [
            f"<p><b>{escape(self.verdict)}</b></p>",
            html.plain_program(self.readable),
            html.table((f"mean fitness ({describe_metric(self.metric)})", ">"), rows),
            html.folded("as it was found, without dead instructions", html.plain_program(self.program)),
            html.folded("as evolution left it", html.plain_program(self.raw_program)),
        ]
        try:
            drawing = self.plot()
        except ValueError:  # matplotlib is not installed
            return html.cell(parts)
        return html.cell([*parts, html.image(drawing, _WIDTH)])

    def _fitness(self) -> tuple[tuple[str, float], ...]:
        """The mean fitness on the three sets of tasks."""
        return ("search", self.search_fitness), ("select", self.select_fitness), ("unseen", self.final_fitness)

    def _tasks(self) -> TaskSets:
        if self.task_sets is None:
            raise ValueError("this result was pickled, without its tasks; explain its program with explain_program")
        return self.task_sets


def as_result(found: SearchResult) -> Result:
    """The same, as a notebook shows it."""
    return Result(**{field.name: getattr(found, field.name) for field in dataclasses.fields(found)})


def _number(value: float) -> str:
    return "not measured" if math.isnan(value) else f"{value:.6f}"


__all__ = ["Animation", "Result", "as_result"]
