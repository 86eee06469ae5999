"""What `python -m azero_jax.explain` does: explain a program, show what was found out, and write it down."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from azero_jax.config.leaves import override
from azero_jax.config.presets import DEFAULT_PRESET, load_preset, natural_preset, with_kind
from azero_jax.config.tree import Config
from azero_jax.data.registry import reads_labels
from azero_jax.explain.ablate import Variant
from azero_jax.explain.explanation import FOLDER, Explanation, as_dict, explain, write_explanation
from azero_jax.explain.report import REPORT_FILE, write_report
from azero_jax.explain.subject import Subject, check_own_tasks, read_run
from azero_jax.explain.tune import Tuning
from azero_jax.process.streams import stdout_kept_free
from azero_jax.protocol.run import make_task_sets
from azero_jax.terminal.display import plain_console, show_table
from azero_jax.terminal.options import given_settings
from azero_jax.terminal.shell import names_of_data, read_program


def run_explain(
    *,
    subject: Path,
    preset: str | None,
    out: Path | None,
    baselines: bool,
    tune: int,
    as_json: bool,
    quiet: bool,
    **words: str | None,
) -> int:
    """Explains the subject; returns the exit code."""
    errors = plain_console(to_stderr=True)

    def say(line: str) -> None:
        if not quiet:
            errors.print(Text(line), style="dim")

    given = given_settings(words)
    given.update({"source.data": names_of_data(given["source.data"])} if given.get("source.data") else {})
    read = _read_subject(subject, preset, given)
    folder = out or (subject / FOLDER if read.run else Path(f"{subject.stem}-{FOLDER}"))
    with stdout_kept_free(as_json):
        explanation = explain(read, make_task_sets(read.config, say), say, baselines=baselines, trials=tune)
        write_explanation(explanation, folder)
        say("drawing the report")
        write_report(explanation, folder)
    if as_json:
        print(json.dumps(as_dict(explanation) | {"folder": str(folder)}), flush=True)
    else:
        _show(explanation, folder)
    return 0


def _read_subject(path: Path, preset: str | None, given: dict[str, Any]) -> Subject:
    """The run or program, with the tasks that it is to be explained on."""
    if path.is_dir():
        if preset is not None:
            raise ValueError("--preset cannot go with a run, which has its own settings")
        run = read_run(path)
        if "source.data" not in given and "tasks.kind" not in given:
            check_own_tasks(run)
        if given.get("tasks.kind", "pairs") != "pairs":
            given = {"source.pairs": (), **given}  # the run's own, of which tasks of another kind have no use
        if given.get("source.data") and not any(map(reads_labels, given["source.data"])):
            given = {"source.label": None, "source.missing": (), **given}  # those of the run's own table
        config = override(_with_data(run.config, given), given)
        return Subject(str(path), run.result["program"], config, run)
    program = read_program(path)
    data = given.get("source.data", ())
    base = load_preset(preset or (natural_preset(data[0]) if data else DEFAULT_PRESET))
    base = with_kind(base, given.get("tasks.kind", base.tasks.kind))
    return Subject(str(path), program.text, override(_with_data(base, given), given))


def _with_data(config: Config, given: dict[str, Any]) -> Config:
    """A configuration that can take the data that are given, if it was made for none."""
    data = given.get("source.data")
    if not data or config.tasks.of_data or "tasks.kind" in given:
        return config
    base = load_preset(natural_preset(data[0]))
    return dataclasses.replace(config, tasks=base.tasks, source=base.source)


def _show(explanation: Explanation, folder: Path) -> None:
    console = plain_console()
    ablation = explanation.ablation
    console.print(Text(f"\n{explanation.subject.title}: {_size_line(explanation)}", style="bold"))
    console.print(Text(explanation.renamed))
    error = "" if ablation.standard_error != ablation.standard_error else f" ± {ablation.standard_error:.4f}"
    console.print(Text(f"fitness {ablation.fitness:.6f}{error}, mean over {ablation.tasks} fresh tasks"))
    _show_variants(console, "without the instruction", ablation.instructions)
    _show_variants(console, "without the idea", ablation.ideas)
    _show_variants(console, "approximately the same", ablation.offers)
    if explanation.tuning is not None:
        _show_tuning(console, explanation.tuning)
    if explanation.standing:
        rows = [
            (row.name, f"{row.select:.4f}", _error(row.select_error), f"{row.unseen:.4f}", _error(row.unseen_error))
            for row in explanation.standing
        ]
        show_table(console, ("", ">select tasks", "", ">unseen tasks", ""), rows)
    for note in explanation.notes:
        console.print(Text(f"note: {note}"), style="yellow")
    console.print(Text(f"written into {folder}; the report is {folder / REPORT_FILE}"))


def _show_variants(console: Console, title: str, variants: tuple[Variant, ...]) -> None:
    if variants:
        rows = [
            (
                variant.name,
                f"{variant.change:+.4f}",
                _error(variant.standard_error),
                f"diverges on {variant.diverged:.0%} of the tasks" if variant.diverged else "",
            )
            for variant in variants
        ]
        show_table(console, (title, ">change", "", ""), rows)
        console.print()


def _show_tuning(console: Console, tuning: Tuning) -> None:
    rows = [
        (one.name, f"{one.gain:+.4f}", _error(one.standard_error), f"{one.seconds:.1f} s") for one in tuning.methods
    ]
    show_table(console, (f"constants tuned on {tuning.tasks} tasks", ">gain on others", "", ""), rows)
    outcome = f"those of {tuning.kept} are better" if tuning.kept else "no gain, so the old ones are kept"
    console.print(Text(f"{outcome}, on {tuning.other_tasks} other tasks\n"))


def _size_line(explanation: Explanation) -> str:
    before, after = explanation.pruned.size, explanation.listing.size
    return f"{after} instructions" + (f", simplified from {before} live ones" if after < before else "")


def _error(value: float) -> str:
    return "" if value != value else f"± {value:.4f}"
