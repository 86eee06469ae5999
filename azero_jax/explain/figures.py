"""The figures of a report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from azero_jax.explain.ablate import Ablation, Sweep, Variant
from azero_jax.explain.drawing import AMBER, BLUE, DIM, GREEN, INK, RED, Drawing, finish, new_figure, plain_axes
from azero_jax.explain.ideas import Recognised
from azero_jax.explain.lineage import LineageStep
from azero_jax.explain.listing import Listing, Place, read, written
from azero_jax.explain.standing import Standing
from azero_jax.explain.subject import Run
from azero_jax.language.grammar import format_instruction
from azero_jax.language.space import FUNCTION_NAMES

_CHARACTER: Final = 4.85 / 374  # width of a letter of a line in the data flow, as a share of the figure's
_BAR: Final = 0.2  # inches
_MOST_SWEEPS: Final = 8
_APART: Final = 9  # points between two numbers at steps


def draw_progress(run: Run, steps: Sequence[LineageStep]) -> Drawing:
    """Fitness over candidates: of the search and the select tasks, and the steps that led to the best program."""
    figure, axes = new_figure(3.0)
    new_best = [event for event in run.events if event["event"] == "new_best"]
    x = [*(max(event["candidates"], 1) for event in new_best), max(run.result["candidates"], 1)]
    y = [event["fitness"] for event in new_best]
    if y:
        axes.step(x, [*y, y[-1]], where="post", color=DIM, label="best, search tasks")
    best = [event for event in run.events if event["event"] == "best"]
    if best:
        last = [best[-1]["select_fitness"]]
        xs = [*(max(event["candidates"], 1) for event in best), x[-1]]
        axes.step(
            xs, [*(e["select_fitness"] for e in best), *last], where="post", color=GREEN, label="best, select tasks"
        )
    if steps:
        xs = [max(step.candidates, 1) for step in steps]
        axes.plot(xs, [step.fitness for step in steps], "o", ms=4, color=BLUE, label="ancestors of the best program")
    if x[-1] > 100:
        axes.set_xscale("symlog", linthresh=max(x[-1] / 100, 1))
    _number(axes, steps)
    plain_axes(axes, "candidates", "fitness")
    axes.legend(fontsize=8, frameon=False, loc="best", labelcolor=INK)
    return finish(figure, "progress", "Fitness over candidates. Numbered: the steps of the lineage, further below.")


def _number(axes: Any, steps: Sequence[LineageStep]) -> None:
    """Numbers at steps, from the last on, where they do not hide one another."""
    taken: list[tuple[float, float]] = []
    for number, step in reversed(list(enumerate(steps, start=1))):
        spot = (max(step.candidates, 1), step.fitness)
        x, y = axes.transData.transform(spot) * 72 / axes.figure.dpi
        if all(math.hypot(x - other_x, y - other_y) > _APART for other_x, other_y in taken):
            taken.append((x, y))
            axes.annotate(str(number), spot, (0, 4), textcoords="offset points", ha="center", fontsize=7, color=BLUE)


def draw_flow(listing: Listing, recognised: Mapping[Place, Recognised]) -> Drawing:
    """The data flow as arcs between lines: at the right within a round, at the left what is kept for later rounds."""
    places = [place for place, _ in listing.places()]
    rows = {place: n + place.function for n, place in enumerate(places)}
    height = max(rows.values(), default=0) + 2
    figure, axes = new_figure(0.26 * height + 0.3)
    widths: dict[int, float] = {}
    for function, name in enumerate(FUNCTION_NAMES):
        own = [rows[place] for place in places if place.function == function]
        if own:
            axes.text(0.5, min(own) - 0.62, name.capitalize(), ha="center", va="center", fontsize=8, color=DIM)
    for place in places:
        colour = BLUE if place in recognised else INK
        text = format_instruction(listing.at(place))
        box = {"boxstyle": "round,pad=0.25", "facecolor": "none", "edgecolor": colour, "linewidth": 0.8}
        text = _short(text)
        widths[rows[place]] = _CHARACTER * (len(text) + 2) / 2
        axes.text(
            0.5, rows[place], text, ha="center", va="center", fontsize=8, family="DejaVu Sans Mono", bbox=box, color=INK
        )
    for source, target, is_kept in _flows(listing):
        _arc(axes, widths, rows[source], rows[target], is_kept)
    axes.set_xlim(0, 1)
    axes.set_ylim(height - 0.4, -1.2)
    axes.axis("off")
    return finish(
        figure,
        "flow",
        "Data flow. Right: a line reads what another one made in the same round. Left, dashed: it reads what was kept"
        " from an earlier one. Blue frames: the role of the line is known.",
    )


def draw_ablation(ablation: Ablation) -> Drawing:
    """The change of fitness without each instruction and each idea, with standard errors."""
    groups: list[tuple[Variant, str]] = [(variant, BLUE) for variant in ablation.instructions]
    groups += [(variant, AMBER) for variant in ablation.ideas]
    figure, axes = new_figure(_BAR * len(groups) + 0.9)
    for row, (variant, colour) in enumerate(groups):
        error = 0.0 if math.isnan(variant.standard_error) else variant.standard_error
        axes.barh(row, variant.change, color=colour, height=0.7, xerr=error, error_kw={"ecolor": INK, "lw": 0.8})
    axes.set_yticks(range(len(groups)), [_short(variant.name) for variant, _ in groups], fontsize=7, color=INK)
    for label, (variant, _) in zip(axes.get_yticklabels(), groups, strict=True):
        label.set_family("DejaVu Sans Mono" if variant.place else "DejaVu Sans")
    axes.invert_yaxis()
    axes.axvline(0, color=DIM, lw=0.8)
    plain_axes(axes, "change of fitness", "")
    axes.locator_params(axis="x", nbins=6)
    return finish(
        figure,
        "ablation",
        f"What is lost without an instruction (blue) or an idea (amber): mean over {ablation.tasks} fresh tasks,"
        " with the standard error.",
    )


def draw_sweeps(sweeps: Sequence[Sweep]) -> Drawing:
    """Fitness over each constant."""
    shown = sweeps[:_MOST_SWEEPS]
    rows = -(-len(shown) // 2)
    columns = min(len(shown), 2)
    figure, axes = new_figure(1.9 * rows, rows, columns, squeeze=False, sharey=True)
    for spot, sweep in zip(axes.flat, shown, strict=False):
        x = abs(sweep.values)
        spot.fill_between(x, sweep.fitness - sweep.errors, sweep.fitness + sweep.errors, color=BLUE, alpha=0.25, lw=0)
        spot.plot(x, sweep.fitness, color=BLUE)
        spot.axvline(abs(sweep.value) or 1.0, color=RED, lw=1, ls="--")
        spot.set_xscale("log")
        spot.set_title(_short(sweep.name), fontsize=8, family="DejaVu Sans Mono", color=INK)
        plain_axes(spot, "", "")
    for spot in axes.flat[len(shown) :]:
        spot.axis("off")
    figure.supylabel("fitness", fontsize=9, color=INK)
    left_out = f" {len(sweeps) - len(shown)} more are in explanation.json." if len(sweeps) > len(shown) else ""
    return finish(
        figure, "sweeps", f"Each constant over six decades, its sign kept; red: its value in the program.{left_out}"
    )


def draw_standing(standing: Sequence[Standing]) -> Drawing:
    """The program beside the baselines."""
    figure, axes = new_figure(0.42 * len(standing) + 0.9)
    for row, one in enumerate(standing):
        for offset, colour, value, error in (
            (-0.12, GREEN, one.select, one.select_error),
            (0.12, BLUE, one.unseen, one.unseen_error),
        ):
            error = 0.0 if math.isnan(error) else error
            axes.errorbar(value, row + offset, xerr=error, fmt="o", ms=5, color=colour, capsize=2)
    axes.plot([], [], "o", color=GREEN, label="select tasks")
    axes.plot([], [], "o", color=BLUE, label="unseen tasks")
    axes.set_yticks(range(len(standing)), [one.name for one in standing], color=INK)
    axes.set_ylim(len(standing) - 0.5, -0.5)
    plain_axes(axes, "fitness", "")
    axes.locator_params(axis="x", nbins=6)
    axes.legend(fontsize=8, frameon=False, labelcolor=INK)
    return finish(figure, "standing", "Fitness on select and on unseen tasks, with the standard error over tasks.")


def draw_front(front: Sequence[Mapping[str, Any]]) -> Drawing:
    """Fitness against cost of the programs of which none is both fitter and cheaper."""
    figure, axes = new_figure(2.4)
    points = sorted((point["cost"], point["select_fitness"]) for point in front)
    axes.step(*zip(*points, strict=True), where="post", color=BLUE, marker="o", ms=4)
    axes.set_xscale("log")
    plain_axes(axes, "cost of an example, millions of the op table's units", "select fitness")
    return finish(figure, "front", "The Pareto front: no program that was tried is both fitter and cheaper.")


def _flows(listing: Listing) -> list[tuple[Place, Place, bool]]:
    """(writer, reader, whether in a later round) of every value that is read."""
    flows = []
    for place, instruction in listing.places():
        for register in set(read(instruction)):
            source = _writer(listing, place, register)
            if source is not None:
                flows.append((source, place, False))
                continue
            for function in (0, 1, 2):
                body = listing[function]
                kept = [line for line, one in enumerate(body) if written(one) == register]
                if kept and (function, kept[-1]) != place:
                    is_before = function < place.function
                    flows.append((Place(function, kept[-1]), place, not is_before))
                elif kept:
                    flows.append((place, place, True))
    return flows


def _writer(listing: Listing, place: Place, register: Any) -> Place | None:
    for line in range(place.line - 1, -1, -1):
        if written(listing[place.function][line]) == register:
            return Place(place.function, line)
    return None


def _arc(axes: Any, widths: Mapping[int, float], start: int, end: int, is_kept: bool) -> None:
    side = -1 if is_kept else 1
    begin, finish_x = (0.5 + side * (widths[row] + 0.01) for row in (start, end))
    reach = 0.5 + side * (max(widths.values()) + min(0.06 + 0.015 * abs(end - start), 0.3))
    style: dict[str, Any] = {
        "arrowstyle": "->",
        "color": RED if is_kept else DIM,
        "lw": 0.9,
        "ls": "--" if is_kept else "-",
    }
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    curve = [(begin, start + 0.12), (reach, start + 0.12), (reach, end - 0.12), (finish_x, end - 0.12)]
    path = Path(curve, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
    axes.add_patch(FancyArrowPatch(path=path, mutation_scale=7, fill=False, **style))


def _short(name: str) -> str:
    return name if len(name) <= 32 else f"{name[:30]}…"
