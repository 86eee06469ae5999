"""One program explained: simplified, annotated, ablated, swept, compared; and the files that say so."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from azero_jax.config.tree import derive_seed
from azero_jax.engines.settings import EngineConfig
from azero_jax.explain import html
from azero_jax.explain.ablate import Ablation, Bench, Sweep, ablate, sweep_constants
from azero_jax.explain.drawing import Drawing
from azero_jax.explain.export.write import ExportSettings, write_exports
from azero_jax.explain.figures import draw_ablation
from azero_jax.explain.ideas import Recognised, recognise
from azero_jax.explain.listing import Listing, Place, prune, read_listing
from azero_jax.explain.readable import commented, renamed
from azero_jax.explain.settings import TUNING_TRIALS
from azero_jax.explain.simplify import simplify
from azero_jax.explain.standing import Standing, compare, describe_metric
from azero_jax.explain.subject import Subject
from azero_jax.explain.tune import Tuning, tune
from azero_jax.language.library import program_space
from azero_jax.language.roles import Metric
from azero_jax.language.text import parse_program, prediction_note, read_text
from azero_jax.recording.files import write_atomically
from azero_jax.tasks import Tasks
from azero_jax.tasks.sets import TaskSets

FOLDER: Final = "explained"
EXPORTS: Final = "exports"
_WIDTH: Final = 520  # pixels of a figure in a notebook
_SAME: Final = 1e-6  # mean fitness of two programs that are proved equal may differ by rounding

Say = Callable[[str], None]


class Explanation(NamedTuple):
    """What was found out, which a notebook shows.

    Attributes:
      subject: what is explained.
      metric: how predictions are judged.
      features: F of the tasks.
      pruned: the program without dead instructions, as it was before.
      listing: the simplified program.
      recognised: its ideas.
      ablation: what its parts are worth.
      sweeps: what its constants are worth.
      tuning: what tuning them gains; None if that was not asked for, or there are none.
      standing: how it does beside baselines; empty if that was not asked for.
      notes: what a reader has to know.

    >>> import azero_jax as az
    >>> config = az.load_preset("linear", select_tasks=2, select_train_examples=50)
    >>> az.explain_program("linear_regressor", config, baselines=False, trials=0).listing.size
    6
    """

    subject: Subject
    metric: Metric
    features: int
    pruned: Listing
    listing: Listing
    recognised: Mapping[Place, Recognised]
    ablation: Ablation
    sweeps: tuple[Sweep, ...]
    tuning: Tuning | None
    standing: tuple[Standing, ...]
    notes: tuple[str, ...]

    @property
    def commented(self) -> str:
        """The simplified program with comments, as a program."""
        return commented(self.listing, self.recognised)

    @property
    def renamed(self) -> str:
        """The simplified program with names in place of registers."""
        return renamed(self.listing, self.recognised, self.metric)

    @property
    def export_settings(self) -> ExportSettings:
        """What exports of the program do by default: as it was run here."""
        config = self.subject.config
        return ExportSettings(config.tasks.epochs, config.seed)

    @property
    def lead(self) -> str:
        """How long the program is, and how fit."""
        before, after = self.pruned.size, self.listing.size
        size = f"{after} instructions"
        size += f", simplified from {before}, which predict the same" if after < before else ""
        ablation = self.ablation
        measured = (
            f"Fitness {ablation.fitness:.4f} (mean over {ablation.tasks} fresh tasks of {self.features} features)"
        )
        return f"A program of {size}. {measured}; fitness is {describe_metric(self.metric)}."

    def plot(self) -> Drawing:
        """What is lost without each instruction and without each idea.

        Raises:
          ValueError: matplotlib is not installed.
        """
        return draw_ablation(self.ablation)

    def __repr__(self) -> str:
        """The program with its comments, and what is lost without each line and each idea."""
        worth = [
            f"{one.change:+.4f}  without {one.name}" for one in (*self.ablation.instructions, *self.ablation.ideas)
        ]
        places = [
            f"{one.unseen:.4f}  {one.name}, unseen tasks, {one.select:.4f} on select tasks" for one in self.standing
        ]
        notes = [f"note: {note}" for note in self.notes]
        return "\n".join([self.lead, "", self.renamed, *worth, *([""] if places else []), *places, *notes])

    def _repr_html_(self) -> str:
        parts = [html.paragraph(self.lead), html.plain_program(self.renamed)]
        rows = [(one.name, f"{one.select:.4f}", f"{one.unseen:.4f}") for one in self.standing]
        try:
            parts.append(html.image(self.plot(), _WIDTH))
        except ValueError as error:  # matplotlib is not installed
            parts.append(html.paragraph(str(error)))
        parts.append(html.table(("mean fitness", ">select tasks", ">unseen tasks"), rows))
        return html.cell([*parts, *(html.paragraph(f"note: {note}") for note in self.notes)])


def explain(
    subject: Subject, task_sets: TaskSets, say: Say, *, baselines: bool = True, trials: int = TUNING_TRIALS
) -> Explanation:
    """Explains a program.

    Args:
      subject: the program, and how it is run.
      task_sets: what it is run on.
      say: is told, in single lines, what is going on.
      baselines: whether a linear model and a net are trained on the same tasks.
      trials: of random search for better constants; 0 tunes nothing.

    Raises:
      ValueError: the program does not fit the tasks.
    """
    config, metric = subject.config, task_sets.metric
    tasks = task_sets.select(derive_seed(config, 0, "ablation"))
    seed = derive_seed(config, 0, "random ops, ablation")
    bench = Bench(tasks, config.engine, epochs=config.tasks.epochs, seed=seed)
    try:
        parse_program(subject.text, program_space(subject.text, tasks.features))
    except ValueError as error:
        raise ValueError(f"{subject.title}: {error}") from None
    pruned = prune(read_listing(subject.text), metric)
    notes = _notes(subject, tasks)
    why = prediction_note(read_text(subject.text), metric)
    notes += (why,) if why else ()
    if not pruned.size:
        why = why or "it has no instruction that its predictions depend on"
        raise ValueError(f"{subject.title}: {why}; there is nothing to explain")
    listing = simplify(pruned, metric)
    if listing != pruned and _difference(pruned, listing, bench) > _SAME:
        listing = pruned
        notes += ("the simplified program differs by rounding here, so the program is explained as it was",)
    recognised = recognise(listing, metric)
    say(f"ablating {listing.size} instructions on {len(tasks)} tasks")
    ablation = ablate(listing, recognised, bench)
    sweeps = sweep_constants(listing, bench)
    if trials:
        say("tuning its constants, by gradients and by random search")
    tuning = tune(listing, task_sets, config, trials) if trials else None
    standing: tuple[Standing, ...] = ()
    if baselines:
        say("training a linear model and a net on the same tasks, to compare with")
        standing = compare(listing.text(), task_sets, config)
    if any(variant.diverged for variant in ablation.instructions):
        notes += ("some programs without an instruction diverge; their fitness on such tasks is 0",)
    return Explanation(
        subject, metric, tasks.features, pruned, listing, recognised, ablation, sweeps, tuning, standing, notes
    )


def write_explanation(explanation: Explanation, folder: Path) -> list[Path]:
    """Writes the programs, their exports and the numbers into a folder; returns the files.

    Raises:
      ValueError: it cannot be written to.
    """
    files = {
        "program.txt": explanation.commented,
        "readable.txt": explanation.renamed,
        "explanation.json": json.dumps(as_dict(explanation), indent=1) + "\n",
    }
    if explanation.tuning is not None:
        tuned = read_listing(explanation.tuning.program)
        files["tuned.txt"] = commented(tuned, recognise(tuned, explanation.metric))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_atomically(folder / name, text.encode())
        settings = explanation.export_settings
        exports = write_exports(explanation.commented, folder / EXPORTS, metric=explanation.metric, settings=settings)
    except OSError as error:
        raise ValueError(f"{folder} cannot be written to: {error.strerror}") from None
    return [*(folder / name for name in files), *exports.values()]


def as_dict(explanation: Explanation) -> dict[str, Any]:
    """All numbers as plain values, for JSON; what is not a number is None."""
    return {
        "title": explanation.subject.title,
        "metric": str(explanation.metric),
        "features": explanation.features,
        "instructions": {"before": explanation.pruned.size, "simplified": explanation.listing.size},
        "program": explanation.commented,
        "readable": explanation.renamed,
        "ablation": plain(explanation.ablation),
        "sweeps": plain(explanation.sweeps),
        "tuning": plain(explanation.tuning),
        "standing": plain(explanation.standing),
        "notes": list(explanation.notes),
    }


def plain(value: Any) -> Any:
    """Named tuples as dictionaries, arrays as lists, NaN and infinity as None."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _notes(subject: Subject, tasks: Tasks) -> tuple[str, ...]:
    run, notes = subject.run, []
    searched = run.config.tasks.features if run is not None else None  # or fewer, where the data have no more
    if searched and searched != tasks.features and searched != subject.config.tasks.features:
        notes.append(f"the search had {searched} features, these tasks have {tasks.features}")
    if run is not None and subject.config.tasks.of_data:
        what = "class pairs" if subject.config.tasks.kind == "pairs" else "rows"
        notes.append(f"its tasks are drawn anew, but from the data and {what} that the program was selected by too")
    return tuple(notes)


def _difference(first: Listing, second: Listing, bench: Bench) -> float:
    """The largest difference of their fitness on a task, in double precision."""
    fitness, _ = bench.with_engine(EngineConfig(precision="float64")).run([first, second])
    return float(np.abs(fitness[0] - fitness[1]).max())
