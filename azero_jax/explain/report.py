"""The report: one HTML file with everything that was found out about a program, and its figures beside it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from azero_jax.config.file import format_config
from azero_jax.explain import html
from azero_jax.explain.ablate import Variant
from azero_jax.explain.animation import animate
from azero_jax.explain.drawing import Drawing
from azero_jax.explain.explanation import EXPORTS, FOLDER, Explanation, Say, explain, plain, write_explanation
from azero_jax.explain.export.write import FILES, export_program
from azero_jax.explain.figures import draw_ablation, draw_flow, draw_front, draw_progress, draw_standing, draw_sweeps
from azero_jax.explain.lineage import LineageStep, changes, lineage, simplified_steps
from azero_jax.explain.subject import Run, Subject, read_run
from azero_jax.fitness.counters import Counters
from azero_jax.recording.environment import describe_environment
from azero_jax.recording.files import write_atomically
from azero_jax.tasks.sets import TaskSets

REPORT_FILE: Final = "report.html"
FIGURES: Final = "figures"
LINEAGE_FILE: Final = "lineage.json"
ANIMATION_FILE: Final = "lineage.gif"


def write_report(explanation: Explanation, folder: Path) -> list[Path]:
    """Writes the page, its figures as SVG and PNG, and, of a run, its lineage; returns the files.

    Raises:
      ValueError: matplotlib or Pillow is not installed, or the folder cannot be written to.
    """
    run = explanation.subject.run
    steps = _steps(run)
    shown = simplified_steps(steps, explanation.metric)
    files: dict[str, bytes] = {}
    animation = b""
    if steps:
        animation = files[ANIMATION_FILE] = animate(shown)
        files[LINEAGE_FILE] = (json.dumps(plain(steps), indent=1) + "\n").encode()
    drawings = _draw(explanation, [step for step, _ in shown])
    for drawing in drawings.values():
        files[f"{FIGURES}/{drawing.name}.svg"] = drawing.svg.encode()
        files[f"{FIGURES}/{drawing.name}.png"] = drawing.png
    page = make_page(explanation, drawings, shown, animation)
    files[REPORT_FILE] = page.encode(errors="backslashreplace")  # names of files may be no UTF-8
    try:
        (folder / FIGURES).mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            write_atomically(folder / name, data)
    except OSError as error:
        raise ValueError(f"{folder} cannot be written to: {error.strerror}") from None
    return [folder / name for name in files]


def report_run(path: Path, task_sets: TaskSets, say: Say, folder: Path | None = None) -> Path:
    """Explains the program of a run on tasks as those of the search; returns the page.

    Args:
      path: the run directory.
      task_sets: where the tasks come from.
      say: is told, in single lines, what is going on.
      folder: where everything is written; None takes `explained` in the run directory.

    Raises:
      ValueError: the run has no result, or the files cannot be written.
    """
    run = read_run(path)
    explanation = explain(Subject(str(path), run.result["program"], run.config, run), task_sets, say)
    folder = folder or path / FOLDER
    write_explanation(explanation, folder)
    write_report(explanation, folder)
    return folder / REPORT_FILE


def make_page(
    explanation: Explanation, drawings: dict[str, Drawing], shown: Sequence[tuple[LineageStep, str]], animation: bytes
) -> str:
    """The page as text; `shown` are the steps of the lineage with their simplified programs."""
    figures = {name: html.figure(drawing) for name, drawing in drawings.items()}
    run = explanation.subject.run
    title = f"azero_jax: {explanation.subject.title}"
    body = [
        f"<h1>{escape(explanation.subject.title)}</h1>",
        html.paragraph(explanation.lead, "lead"),
        *(html.paragraph(note, "note") for note in explanation.notes),
        html.section("The program", html.program(explanation.renamed), _other_forms(explanation), figures["flow"]),
        html.section("As code", _exports(explanation)),
        html.section("How it was found", figures.get("progress", ""), _lineage(shown, animation)),
        html.section("How good it is", _standing(explanation), figures.get("standing", "")),
        html.section(
            "What its parts are worth",
            figures["ablation"],
            _variants("without", explanation.ablation.ideas),
            html.folded("each instruction, in numbers", _variants("without", explanation.ablation.instructions)),
        ),
        html.section("Its constants", figures.get("sweeps", ""), _tuning(explanation)),
        html.section("Approximately the same", _offers(explanation)),
        html.section("Fitness against cost", figures.get("front", ""), _front(run)),
        html.section("The search", *_search(run)),
        html.section("Settings and versions", *_versions(explanation)),
        f"<footer>Written by azero_jax, {time.strftime('%Y-%m-%d %H:%M')}.</footer>",
    ]
    return html.page(title, [part for part in body if part])


def _steps(run: Run | None) -> tuple[LineageStep, ...]:
    """The lineage; nothing of a program from elsewhere, or of a run whose events do not have it."""
    if run is None or not any(event["event"] == "best" for event in run.events):
        return ()
    return lineage(run.path)


def _draw(explanation: Explanation, steps: Sequence[LineageStep]) -> dict[str, Drawing]:
    drawings = [draw_flow(explanation.listing, explanation.recognised), draw_ablation(explanation.ablation)]
    run = explanation.subject.run
    if run is not None:
        drawings.append(draw_progress(run, steps))
        if run.front:
            drawings.append(draw_front(run.front))
    if explanation.sweeps:
        drawings.append(draw_sweeps(explanation.sweeps))
    if explanation.standing:
        drawings.append(draw_standing(explanation.standing))
    return {drawing.name: drawing for drawing in drawings}


def _other_forms(explanation: Explanation) -> str:
    pruned = explanation.pruned.text()
    return html.folded("with registers in place of names", html.program(explanation.commented)) + html.folded(
        "as it was found, without dead instructions", html.program(pruned)
    )


def _exports(explanation: Explanation) -> str:
    """The files beside the page, to be copied from it too."""
    program, metric, settings = explanation.commented, explanation.metric, explanation.export_settings
    texts = {FILES[kind]: export_program(program, kind, metric=metric, settings=settings) for kind in FILES}
    lead = html.paragraph(f"The same files lie beside this page, in {EXPORTS}/.")
    return lead + "".join(html.folded(name, f"<pre>{escape(text)}</pre>") for name, text in texts.items())


def _lineage(shown: Sequence[tuple[LineageStep, str]], animation: bytes) -> str:
    if not shown:
        return ""
    parts = [
        html.paragraph(f"From the first program to the best; {len(shown)} of the programs on the way, each simplified.")
    ]
    if len(shown) > 1:
        parts.append(html.picture("gif", base64.b64encode(animation).decode(), "The lineage as an animation."))
    before = ""
    for number, (step, text) in enumerate(shown, start=1):
        how = step.mutation.replace("_", " ")
        title = f"{number}. {step.candidates:,} candidates, fitness {step.fitness:.4f}: {how}"
        parts.append(html.folded(title, html.diff(changes(before, text)), is_open=number == len(shown)))
        before = text
    return "\n".join(parts)


def _standing(explanation: Explanation) -> str:
    rows = [
        (one.name, f"{one.select:.4f}", _error(one.select_error), f"{one.unseen:.4f}", _error(one.unseen_error))
        for one in explanation.standing
    ]
    return html.table(("", ">select tasks", ">", ">unseen tasks", ">"), rows)


def _variants(title: str, variants: Sequence[Variant]) -> str:
    rows = [
        (
            variant.name,
            f"{variant.fitness:.4f}",
            f"{variant.change:+.4f}",
            _error(variant.standard_error),
            f"{variant.diverged:.0%}" if variant.diverged else "",
        )
        for variant in variants
    ]
    return html.table((f"`{title}", ">fitness", ">change", ">", ">diverges"), rows)


def _tuning(explanation: Explanation) -> str:
    tuning = explanation.tuning
    if tuning is None:
        return ""
    rows = [
        (one.name, f"{one.fitness:.6f}", f"{one.gain:+.6f}", _error(one.standard_error), f"{one.seconds:.1f}")
        for one in tuning.methods
    ]
    rows.insert(0, ("as it was", f"{tuning.fitness:.6f}", "", "", ""))
    titles = (
        "",
        f">fitness on {tuning.tasks} tasks tuned on",
        f">gain on {tuning.other_tasks} others",
        ">",
        ">seconds",
    )
    if not tuning.kept:
        return html.table(titles, rows) + html.paragraph("No gain on other tasks, so the constants stay as they were.")
    tuned = html.diff(changes(explanation.listing.text(), tuning.program))
    return html.table(titles, rows) + html.paragraph(f"The constants of {tuning.kept} are better:") + tuned


def _offers(explanation: Explanation) -> str:
    offers = explanation.ablation.offers
    if not offers:
        return html.paragraph("Nothing can be left out or rounded for less than 0.01 of fitness.")
    lead = "These change what is predicted, for what it costs. None of them has been applied."
    return html.paragraph(lead) + _variants("change", offers)


def _front(run: Run | None) -> str:
    rows = [
        (f"{point['cost']:.1f}", f"{point['select_fitness']:.4f}", str(_size(point["program"])))
        for point in (run.front if run else ())
    ]
    return html.table((">cost", ">select fitness", ">instructions"), rows)


def _size(program: str) -> int:
    return sum(not line.startswith("def") for line in program.splitlines())


def _search(run: Run | None) -> list[str]:
    if run is None:
        return []
    result = run.result
    facts = [
        ("state", run.overview.state),
        ("candidates", f"{result['candidates']:,}"),
        ("seconds", f"{result['seconds']:.1f}"),
        ("experiments", f"{result['experiments']:,}"),
        ("seed", str(result["seed"])),
        ("engine", f"{result['engine']} on {result['device']}"),
    ]
    counters = Counters(**result["counters"])
    total = max(counters.candidates, 1)
    fates = [
        ("known programs", counters.known_canonical),
        ("constant predictors", counters.constant_predictors),
        ("known by behaviour", counters.known_fec),
        *((f"stopped at hurdle {n}", count) for n, count in enumerate(counters.stopped_at_hurdle, 1)),
        ("cannot learn", counters.not_learnable),
        ("over the train budget", counters.over_budget),
        ("run in full", counters.run_in_full),
    ]
    rows = [(name, f"{count:,}", f"{count / total:.1%}") for name, count in fates if count]
    return [html.table(("", "`"), facts), html.table(("candidates", ">number", ">share"), rows)]


def _versions(explanation: Explanation) -> list[str]:
    run = explanation.subject.run
    session: dict[str, Any] = run.sessions[-1] if run and run.sessions else describe_environment()
    packages = [(name, str(version)) for name, version in session["packages"].items() if version]
    about = [("python", str(session["python"])), ("platform", str(session["platform"])), *packages]
    config = f"<pre>{escape(format_config(explanation.subject.config))}</pre>"
    return [html.table(("", "`"), about), html.folded("the configuration", config)]


def _error(value: float) -> str:
    return "" if value != value else f"± {value:.4f}"
