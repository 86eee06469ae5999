"""How rare solutions are, and how much more often evolution finds them than random search (paper, 4.1, figure 4).

    python experiments/search_difficulty.py

Linear and affine regression with 8 features, 3 tasks of 1000 + 100 examples, in the paper's spaces: sizes 5/1/4 and
6/2/6, addresses 4/3/1 and 5/3/1, no instructions inserted or removed, and in each function only the ops that a
hand-designed regressor has there ("linear all ops" has all six in each function, as the release's demo has). A search
ends at its first solution, or without one at its limit; the rate of success is the number of solutions among all
candidates of a condition. A solution is a program with a mean fitness above 0.999 on two sets of select tasks (a root
mean square error of 0.0016).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from searches import Condition, Experiment, Line, command, markdown, measure_nothing

import azero_jax as az
from azero_jax.config.leaves import override

PAPER: Final = {"linear": "about 1 in 10^7", "affine": "about 1 in 10^12"}
_CONSTANT: Final = ("SCALAR_CONST_SET_OP",)
_DOT: Final = ("VECTOR_INNER_PRODUCT_OP",)
_STEP: Final = ("SCALAR_DIFF_OP", "SCALAR_PRODUCT_OP", "SCALAR_VECTOR_PRODUCT_OP", "VECTOR_SUM_OP")
_ADD: Final = ("SCALAR_SUM_OP",)
_SPACES: Final[dict[str, dict[str, Any]]] = {
    "linear": {
        "setup": (5,),
        "predict": (1,),
        "learn": (4,),
        "scalars": 4,
        "setup_ops": _CONSTANT,
        "predict_ops": _DOT,
        "learn_ops": _STEP,
    },
    "linear all ops": {"setup": (5,), "predict": (1,), "learn": (4,), "scalars": 4},
    "affine": {
        "setup": (6,),
        "predict": (2,),
        "learn": (6,),
        "scalars": 5,
        "setup_ops": _CONSTANT,
        "predict_ops": _DOT + _ADD,
        "learn_ops": _STEP + _ADD,
    },
}
_OF_THE_PAPER: Final = (("randomize_component_function", 1.0), ("alter_argument", 1.0))
_LIVE_OF_EQUAL_SIZE: Final = tuple(
    pair
    for pair in az.load_preset("affine").search.mutations
    if pair[0] not in ("insert_connected", "remove_connected")
)
_RANDOM: Final[dict[str, Any]] = {
    "search.algorithm": "random",
    "search.islands": 16,
    "search.batch": 512,
    "search.population": 1000,
    "engine.batch_size": 8192,
    # Nearly all are new and worthless: nothing to remember. Hurdles can only lower the rate: what they stop had not
    # learned as much as the best twentieth after 20 examples, or after 100.
    "evaluator.cache_size": 0,
    "evaluator.canonical": False,
    "evaluator.fec_size": 0,
    "evaluator.hurdle_examples": (0.02, 0.1),
    "evaluator.hurdle_percentile": 95.0,
    "budget.check_every": 100_000,
    "budget.experiment_candidates": 0,
}
_EVOLUTION: Final[dict[str, Any]] = {
    "search.population": 1000,
    "search.tournament": 10,
    "search.batch": 50,
    "budget.check_every": 20_000,
}

_SOON: Final = 1_000  # candidates after which to look for a solution, where it comes so early that 20,000 would hide it


def problem(kind: str, candidates: str) -> az.Config:
    """The space and the tasks of a kind."""
    if kind == "demo":
        return az.load_preset("linear", candidates=candidates)
    space = {**_SPACES[kind], "vectors": 3, "matrices": 1}
    tasks = {"features": 8, "search_tasks": 3, "train_examples": 1000, "valid_examples": 100}
    values = {f"space.{name}": value for name, value in space.items()}
    values |= {f"tasks.{name}": value for name, value in tasks.items()}
    preset = az.load_preset(kind.partition(" ")[0], candidates=candidates)
    return override(preset, values | {"budget.sufficient_fitness": 0.999})


def random_search(kind: str, candidates: str, most: int) -> az.Config:
    """Random search that ends at its first solution, or after so many candidates."""
    every = {"search.batch": 64, "budget.check_every": _SOON} if candidates == "learnable" else {}
    return override(problem(kind, candidates), {**_RANDOM, **every, "budget.max_candidates": most})


def evolution(kind: str, candidates: str, experiment: int, most: int) -> az.Config:
    """Evolution at equal sizes, which begins anew with other tasks after so many candidates."""
    mutations = _LIVE_OF_EQUAL_SIZE if candidates == "learnable" else _OF_THE_PAPER
    every = {"budget.check_every": _SOON} if candidates == "learnable" else {}
    values = {**_EVOLUTION, **every, "search.mutations": mutations}
    return override(
        problem(kind, candidates), {**values, "budget.experiment_candidates": experiment, "budget.max_candidates": most}
    )


MILLION: Final = 1_000_000
CONDITIONS: Final = {
    "linear, any, random": Condition(random_search("linear", "any", 100 * MILLION), 400, candidates=500 * MILLION),
    "linear, any, evolution": Condition(evolution("linear", "any", 2 * MILLION, 40 * MILLION), 6),
    "linear, learnable, random": Condition(random_search("linear", "learnable", 5 * MILLION), 24),
    "linear, learnable, evolution": Condition(evolution("linear", "learnable", 100_000, 5 * MILLION), 24),
    "linear all ops, any, random": Condition(random_search("linear all ops", "any", 100 * MILLION), 3),
    "affine, any, random": Condition(random_search("affine", "any", 100 * MILLION), 2),
    "affine, any, evolution": Condition(evolution("affine", "any", 5 * MILLION, 40 * MILLION), 4),
    "affine, learnable, random": Condition(random_search("affine", "learnable", 10 * MILLION), 4),
    "affine, learnable, evolution": Condition(evolution("affine", "learnable", MILLION, 10 * MILLION), 12),
    "demo, any, random": Condition(random_search("demo", "any", 100 * MILLION), 5),
    "demo, learnable, random": Condition(random_search("demo", "learnable", 5 * MILLION), 24),
}


def rate(solved: int, candidates: int) -> str:
    """Solutions among candidates; an upper bound at 95% where there are none."""
    if not solved:
        return f"below {-math.log(0.05) / candidates:.1e}"
    return f"{solved / candidates:.1e} (1 in {candidates / solved:,.0f})"


def table(lines: Sequence[Line]) -> str:
    """A row for each condition; the ratio is to random search over the same programs."""
    rows = []
    for name in CONDITIONS:
        found = [line for line in lines if line["condition"] == name]
        if not found:
            continue
        solved, candidates = sum(one["solved"] for one in found), sum(one["candidates"] for one in found)
        kind, space, how = name.split(", ")
        base = [line for line in lines if line["condition"] == f"{kind}, {space}, random"]
        ratio = ""
        if how == "evolution" and solved and (base_solved := sum(one["solved"] for one in base)):
            ratio = f"{solved / candidates / base_solved * sum(one['candidates'] for one in base):.1f}"
        paper = PAPER.get(kind, "") if space == "any" and how == "random" else ""
        seconds = sum(one["cpu_seconds"] for one in found)
        cells = f"{solved} of {len(found)}", f"{candidates:,}", rate(solved, candidates), ratio, paper, f"{seconds:.0f}"
        rows.append((name, *cells))
    head = ("condition", "solved", "candidates", "rate of success", "times random search", "paper", "CPU seconds")
    return markdown(head, rows)


EXPERIMENT: Final = Experiment("search_difficulty", CONDITIONS, measure_nothing, table)
main = command(EXPERIMENT, __doc__)

if __name__ == "__main__":
    main()
