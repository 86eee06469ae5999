"""Candidates and seconds to a solution: any programs, learnable ones, and each ingredient by itself.

    python experiments/search_efficiency.py                        # what is missing, one search after another
    python experiments/search_efficiency.py --problem affine --condition learnable --seeds 24
    python experiments/search_efficiency.py --report               # tables and plot of what there is

Every search is one line of `results/search_efficiency.jsonl`; what is there is not run again, so a run that was stopped
goes on. Searches of a problem have equal budgets, one core, and seeds that no setting was chosen by. Seconds are those
of the search, without compiling.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from searches import append_line, describe_machine, hold_to_one_core, read_lines

import azero_jax as az
from azero_jax.config.leaves import override

RESULTS: Final = Path(__file__).parent / "results" / "search_efficiency.jsonl"
FIRST_SEED: Final = 5000


class Problem(NamedTuple):
    """What is searched: a preset, its space, and the budget of a search."""

    preset: str
    seeds: int
    max_candidates: int
    max_seconds: float | None
    values: dict[str, Any]


# Two-layer teachers in a space with the ops of a net: 4 features, up to 6/4/11 instructions.
TEACHER_SPACE: Final[dict[str, Any]] = {
    "tasks.features": 4,
    "space.scalars": 4,
    "space.vectors": 7,
    "space.matrices": 2,
    "space.setup": (0, 3, 6),
    "space.predict": (1, 4, 4),
    "space.learn": (1, 8, 11),
    "space.setup_ops": ("SCALAR_CONST_SET_OP", "VECTOR_GAUSSIAN_SET_OP", "MATRIX_GAUSSIAN_SET_OP"),
    "space.predict_ops": ("VECTOR_INNER_PRODUCT_OP", "MATRIX_VECTOR_PRODUCT_OP", "VECTOR_MAX_OP"),
    "space.learn_ops": (
        "SCALAR_DIFF_OP",
        "SCALAR_PRODUCT_OP",
        "VECTOR_HEAVYSIDE_OP",
        "SCALAR_VECTOR_PRODUCT_OP",
        "VECTOR_SUM_OP",
        "VECTOR_PRODUCT_OP",
        "VECTOR_OUTER_PRODUCT_OP",
        "MATRIX_SUM_OP",
    ),
    "budget.sufficient_fitness": 0.95,
}
_LEAST_SIZES: Final = {"space.setup": (6,), "space.predict": (2,), "space.learn": (6,)}  # the paper's, section 4.1
PROBLEMS: Final = {
    "linear": Problem("linear", 24, 5_000_000, 60.0, {}),
    "affine": Problem("affine", 24, 20_000_000, 60.0, {}),
    "affine, sizes 6/2/6": Problem("affine", 24, 20_000_000, 60.0, _LEAST_SIZES),
    "teacher, 4 features": Problem("teacher", 10, 20_000_000, None, TEACHER_SPACE),
}
# What is changed in the preset for learnable candidates; "any" is the preset for any.
CONDITIONS: Final[dict[str, dict[str, Any]]] = {
    "learnable": {},
    "any": {},
    "random": {"search.algorithm": "random"},
    "mutations of any": {},
    "no new updates": {"without": ("rebuild_update", "add_learned", "drop_learned")},
    "no insertion": {"without": ("insert_connected", "remove_connected")},
    "no niches": {"search.learned": ()},
    "migration": {"search.migration_every": 1000},
}


def make_config(problem: str, condition: str, seed: int) -> az.Config:
    """The search of one line."""
    preset, _, max_candidates, max_seconds, values = PROBLEMS[problem]
    config = az.load_preset(preset, candidates="any" if condition == "any" else "learnable")
    changes = dict(CONDITIONS[condition])
    without = changes.pop("without", ())
    if without:
        changes["search.mutations"] = tuple(pair for pair in config.search.mutations if pair[0] not in without)
    if condition == "mutations of any":
        changes["search.mutations"] = az.load_preset(preset, candidates="any").search.mutations
    limits = {"budget.max_candidates": max_candidates, "budget.max_seconds": max_seconds}
    return override(config, {**values, **limits, **changes, "seed": seed})


def search(problem: str, condition: str, seed: int) -> dict[str, Any]:
    """One search, as a line of the results."""
    result = az.search(make_config(problem, condition, seed))
    return {
        "problem": problem,
        "condition": condition,
        "seed": seed,
        "solved": result.solved,
        "candidates": result.candidates,
        "seconds": round(result.seconds, 3),
        "search_fitness": result.search_fitness,
        "select_fitness": result.select_fitness,
        "final_fitness": result.final_fitness,
        "program": result.program,
        "machine": describe_machine(),
    }


def table(results: list[dict[str, Any]]) -> str:
    """A Markdown table, a row for each problem and condition."""
    rows = [
        "| problem | candidates | solved | median | mean | seconds, median | most | search | unseen | least unseen |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for problem in PROBLEMS:
        for condition in CONDITIONS:
            lines = [line for line in results if (line["problem"], line["condition"]) == (problem, condition)]
            if lines:
                counts, seconds = [line["candidates"] for line in lines], [line["seconds"] for line in lines]
                final = [line["final_fitness"] for line in lines]
                cells = (
                    problem,
                    condition,
                    f"{sum(line['solved'] for line in lines)} of {len(lines)}",
                    f"{statistics.median(counts):,.0f}",
                    f"{statistics.mean(counts):,.0f}",
                    f"{statistics.median(seconds):.2f}",
                    f"{max(seconds):.1f}",
                    f"{statistics.mean(line['search_fitness'] for line in lines):.3f}",
                    f"{statistics.mean(final):.4f}",
                    f"{min(final):.4f}",
                )
                rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def plot(results: list[dict[str, Any]], path: Path) -> None:
    """Share of searches that had solved their problem after so many candidates; a panel for each problem."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    problems = [problem for problem in PROBLEMS if any(line["problem"] == problem for line in results)]
    figure, axes = pyplot.subplots(1, len(problems), figsize=(4.2 * len(problems), 3.4), sharey=True, squeeze=False)
    for axis, problem in zip(axes[0], problems, strict=True):
        for number, condition in enumerate(CONDITIONS):
            lines = [line for line in results if (line["problem"], line["condition"]) == (problem, condition)]
            if lines:
                solved = sorted(line["candidates"] for line in lines if line["solved"])
                most = max(line["candidates"] for line in lines)
                steps = [count / len(lines) for count in range(1, len(solved) + 1)]
                shares = [*steps, steps[-1] if steps else 0.0]
                axis.step([*solved, most], shares, where="post", label=condition, color=f"C{number}")
        axis.set(title=problem, xlabel="candidates", xscale="log", ylim=(0, 1.02))
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    axes[0][0].set_ylabel("share of searches that are solved")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


@click.command(help=__doc__)
@click.option(
    "--problem", "problems", multiple=True, type=click.Choice(list(PROBLEMS)), help="Only these; all if none."
)
@click.option("--condition", "conditions", multiple=True, type=click.Choice(list(CONDITIONS)), help="Only these.")
@click.option("--seeds", type=int, help="Seeds of each; by default 24, and 10 of the teacher's.")
@click.option("--core", type=int, help="The core that it runs on; by default the last one.")
@click.option("--report", is_flag=True, help="Run nothing.")
@click.option("--results", "path", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(
    problems: tuple[str, ...],
    conditions: tuple[str, ...],
    seeds: int | None,
    core: int | None,
    report: bool,
    path: Path,
) -> None:
    """Runs what is missing, then prints the table and draws the plot."""
    hold_to_one_core(core)
    done = {(line["problem"], line["condition"], line["seed"]) for line in read_lines(path)}
    for problem in problems or PROBLEMS:
        for condition in conditions or CONDITIONS:
            for seed in range(FIRST_SEED, FIRST_SEED + (seeds or PROBLEMS[problem].seeds)):
                if report or (problem, condition, seed) in done:
                    continue
                line = search(problem, condition, seed)
                append_line(path, line)
                about = "solved" if line["solved"] else "not solved"
                click.echo(
                    f"{problem}, {condition}, seed {seed}: {about}, {line['candidates']:,} candidates,"
                    f" {line['seconds']:.1f} s, search {line['search_fitness']:.3f}, unseen {line['final_fitness']:.4f}"
                )
    click.echo(table(read_lines(path)))
    if lines := read_lines(path):
        plot(lines, path.with_suffix(".png"))


if __name__ == "__main__":
    main()
