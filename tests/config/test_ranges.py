"""The range of every setting: what is just outside is refused in one line, what is just inside is taken."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import pytest

from azero_jax.config.leaves import all_settings, override
from azero_jax.config.tree import Config


class Range(NamedTuple):
    """Of one setting.

    Attributes:
      inside: values at its ends, which are taken.
      outside: values beyond, which are refused.
      message: what a refusal says; `{}` stands for the value.
    """

    inside: tuple[Any, ...]
    outside: tuple[Any, ...]
    message: str


def at_least(lowest: int, message: str) -> Range:
    return Range((lowest,), (lowest - 1, lowest - 5), message)


def between(lowest: Any, highest: Any, outside: tuple[Any, ...], message: str) -> Range:
    return Range((lowest, highest), outside, message)


_KINDS: Final = "linear, affine, teacher, pairs, multiclass, table"
_UNKNOWN: Final = "unknown op {[0]!r}; did you mean SCALAR_SUM_OP?"
_SHARES: Final = "each above 0 and at most 1"

RANGES: Final[dict[str, Range]] = {
    "seed": between(0, 2**32 - 1, (-1, 2**32), "seed is {}; it must be from 0 to 4294967295"),
    "space.scalars": between(4, 64, (1, 65), "scalars is {}; it must be a whole number from 2 to 64"),
    "space.vectors": between(2, 64, (0, 65), "vectors is {}; it must be a whole number from 1 to 64"),
    "space.matrices": between(0, 64, (-1, 65), "matrices is {}; it must be a whole number from 0 to 64"),
    "space.setup": Range(((0,), (0, 0, 246)), ((), (1, 2)), "setup is {}; it must be one number or three"),
    "space.predict": Range(((0,), (3, 5, 5)), ((-1,), (256,)), "predict: max_size is {[0]}; it must be a whole number"),
    "space.learn": Range(((5, 5, 10),), ((5, 4, 10), (5, 11, 10)), "learn: initial_size is {[1]}; it must be a whole"),
    "space.ops": Range((("all",),), (("SCALAR_SUMM_OP",),), _UNKNOWN),
    "space.setup_ops": Range(((), ("all",)), (("SCALAR_SUMM_OP",),), _UNKNOWN),
    "space.predict_ops": Range(((), ("all",)), (("SCALAR_SUMM_OP",),), _UNKNOWN),
    "space.learn_ops": Range(((), ("all",)), (("SCALAR_SUMM_OP",),), _UNKNOWN),
    "tasks.kind": between("linear", "table", ("lineer", ""), "kind is {!r}; allowed: " + _KINDS),
    "tasks.features": at_least(1, "features is {}; it must be at least 1"),
    "tasks.search_tasks": at_least(1, "search_tasks is {}; it must be at least 1"),
    "tasks.train_examples": at_least(1, "train_examples is {}; it must be at least 1"),
    "tasks.valid_examples": at_least(1, "valid_examples is {}; it must be at least 1"),
    "tasks.epochs": at_least(1, "epochs is {}; it must be at least 1"),
    "tasks.select_tasks": at_least(1, "select_tasks is {}; it must be at least 1"),
    "tasks.select_train_examples": at_least(1, "select_train_examples is {}; it must be at least 1"),
    "tasks.select_valid_examples": at_least(1, "select_valid_examples is {}; it must be at least 1"),
    "tasks.final_tasks": at_least(1, "final_tasks is {}; it must be at least 1"),
    "source.projections": at_least(1, "projections is {}; it must be at least 1"),
    "source.data_seed": between(0, 2**32 - 1, (-1, 2**32), "data_seed is {}; it must be from 0 to 4294967295"),
    "search.algorithm": between("evolution", "random", ("genetic",), "algorithm is {!r}; allowed: evolution, random"),
    "search.candidates": between("learnable", "any", ("all",), "candidates is {!r}; allowed: learnable, any"),
    "search.learned": Range(((),), (("x",), ("any", "vq")), "learned is "),
    "search.frozen": Range(
        ((), ("setup", "predict")), (("forget",),), "frozen is forget; allowed: setup, predict, learn"
    ),
    "search.start_share": between(0.0, 1.0, (-0.1, 1.1), "start_share is {}; it must be from 0 to 1"),
    "search.islands": at_least(1, "islands is {}; it must be at least 1"),
    "search.population": Range((100,), (0, -1), "population is {}; it must be at least 1"),
    "search.tournament": at_least(1, "tournament is {}; it must be at least 1"),
    "search.batch": Range((1, 1000), (1001,), "batch is {}; it must be at most the population, 1000"),
    "search.initial": between("random", "empty", ("zeros",), "initial is {!r}; allowed: random, empty"),
    "search.restart_after": at_least(0, "restart_after is {}; it must be 0 or more"),
    "search.restart_gain": between(0.0, 0.999, (-0.1, 1.0), "restart_gain is {}; it must be from 0 to below 1"),
    "search.migration_every": at_least(0, "migration_every is {}; it must be 0 or more"),
    "search.migration_share": between(
        0.01, 1.0, (0.0, 1.5, math.nan), "migration_share is {}; it must be above 0 and at most 1"
    ),
    "search.topology": between("pool", "ring", ("star",), "topology is {!r}; allowed: pool, ring"),
    "search.mutation_probability": between(
        0.0, 1.0, (-0.1, 1.5, math.nan), "mutation probability is {}; it must be from 0 to 1"
    ),
    "search.mutations": Range(
        ((("alter_param", 0.0), ("identity", 1.0)),),
        ((("alter_param", -1.0),), (("alter_param", math.inf),)),
        "the weight of mutation alter_param is {[0][1]}; it must be 0 or more, and finite",
    ),
    "evaluator.cache_size": at_least(0, "cache_size is {}; it must be 0 or more"),
    "evaluator.fec_size": at_least(0, "fec_size is {}; it must be 0 or more"),
    "evaluator.fec_train_examples": between(1, 100, (0, 101), "fec_train_examples is {}; it must be from 1 to 100"),
    "evaluator.fec_valid_examples": between(1, 100, (0, 101), "fec_valid_examples is {}; it must be from 1 to 100"),
    "evaluator.fec_forget_every": at_least(0, "fec_forget_every is {}; it must be 0 or more"),
    "evaluator.hurdle_examples": Range(
        ((), (0.1, 1.0)),
        ((0.5, 0.2), (0.5, 0.5), (0.0,), (0.5, 1.5)),
        "hurdle_examples is {}; they must be ascending, " + _SHARES,
    ),
    "evaluator.hurdle_tasks": Range(
        ((),), ((0.5, 0.2), (0.0,), (0.5, 1.5)), "hurdle_tasks is {}; they must be not descending, " + _SHARES
    ),
    "evaluator.hurdle_percentile": between(
        0.0, 100.0, (-1.0, 101.0, math.nan), "hurdle_percentile is {}; it must be from 0 to 100"
    ),
    "evaluator.hurdle_window": at_least(1, "hurdle_window is {}; it must be at least 1"),
    "evaluator.fec_decimals": between(0, 100, (-1, 101), "fec_decimals is {}; it must be from 0 to 100, or none"),
    "evaluator.train_budget": Range((0.0,), (-1.0, math.nan), "train_budget is {}; it must be 0 or more"),
    "evaluator.combine": between("mean", "median", ("mode",), "combine is {!r}; allowed: mean, median"),
    "engine.engine": between("auto", "xla", ("tpu",), "engine is {!r}; allowed: auto, warp, xla"),
    "engine.precision": between("float32", "float64", ("float16",), "precision is {!r}; allowed: float32, float64"),
    "engine.max_abs_error": Range((1e-9, math.inf), (0.0, -1.0, math.nan), "max_abs_error is {}; it must be above 0"),
    "engine.batch_size": at_least(1, "batch_size is {}; it must be at least 1"),
    "budget.sufficient_fitness": Range(
        (1e-9, 1.0), (0.0, 1.5, math.nan), "sufficient_fitness is {}; it must be above 0 and at most 1"
    ),
    "budget.max_candidates": at_least(1, "max_candidates is {}; it must be above 0"),
    "budget.max_train_steps": at_least(1, "max_train_steps is {}; it must be above 0"),
    "budget.max_seconds": Range((1e-9,), (0.0, -1.0, math.nan), "max_seconds is {:g}; it must be above 0"),
    "budget.no_improvement_candidates": at_least(1, "no_improvement_candidates is {}; it must be above 0"),
    "budget.experiment_candidates": at_least(0, "experiment_candidates is {}; it must be 0 or more"),
    "budget.check_every": at_least(1, "check_every is {}; it must be at least 1"),
    "budget.tune_trials": at_least(0, "tune_trials is {}; it must be 0 or more"),
    "output.report_every": at_least(1, "report_every is {}; it must be at least 1"),
    "output.checkpoint_seconds": Range((0.0,), (-1.0, math.nan), "checkpoint_seconds is {:g}; it must be 0 or more"),
    "output.keep_checkpoints": at_least(1, "keep_checkpoints is {}; it must be at least 1"),
    "cluster.workers": at_least(1, "workers is {}; it must be at least 1"),
    "cluster.device": between("auto", "gpu", ("tpu",), "device is {!r}; allowed: auto, cpu, gpu"),
    "cluster.round_candidates": at_least(1, "round_candidates is {}; it must be at least 1 (or none)"),
    "cluster.migrants": at_least(0, "migrants is {}; it must be 0 or more"),
    "output.hall_of_fame": at_least(1, "hall_of_fame is {}; it must be at least 1"),
}

# Any value will do, or what it must be is known only where the data are.
UNBOUNDED: Final = {"cluster.ray_address", "source.data", "source.label", "source.pairs", "source.missing"}

INSIDE: Final = [(path, value) for path, range_ in RANGES.items() for value in range_.inside]
OUTSIDE: Final = [(path, value) for path, range_ in RANGES.items() for value in range_.outside]


@pytest.mark.parametrize(("path", "value"), OUTSIDE)
def test_a_value_out_of_range_is_refused_in_one_line(path: str, value: Any) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        override(Config(), {path: value})
    assert str(caught.value).startswith(RANGES[path].message.format(value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("path", "value"), INSIDE)
def test_a_value_at_the_end_of_its_range_is_taken(path: str, value: Any) -> None:
    override(Config(), {path: value})


def test_every_setting_but_switches_has_a_range() -> None:
    open_ended = {setting.path for setting in all_settings() if setting.kind not in (bool, bool | None)}
    assert open_ended - UNBOUNDED == set(RANGES)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"search.population": 99}, "batch is 100; it must be at most the population, 99"),
        (
            {"search.migration_every": 5, "search.algorithm": "random"},
            "migration_every is for evolution; random search has no populations: leave it 0",
        ),
        (
            {"cluster.migrants": 5, "search.algorithm": "random"},
            "migrants are for evolution; random search has no popul",
        ),
        ({"evaluator.hurdle_tasks": (0.5,)}, "hurdle_tasks has 1 stages and hurdle_examples 0; they must be as many"),
        (
            {"search.frozen": ("setup", "predict", "learn")},
            "frozen has all functions; at least one must be left to evolve",
        ),
        (
            {"search.learned": ("m",)},
            "learned is for learnable candidates only; leave it empty, or take candidates learn",
        ),
        (
            {"search.mutations": (("add_learned", 1.0),)},
            "candidates is 'any', but mutation add_learned is for learnable ones only; give other mutations",
        ),
        ({"search.mutations": (("alter_parm", 1.0),)}, "unknown mutation 'alter_parm'; did you mean alter_param?"),
        ({"search.mutations": (("identity", 0.0),)}, "no mutation has a positive weight; at least one must"),
        ({"tasks.features": 4097}, "features is 4097; it must be a whole number from 1 to 4096"),
        ({"tasks.features": None}, "features is none; tasks drawn at random need a number"),
        ({"tasks.train_examples": None}, "train_examples is none; tasks drawn at random need a number"),
        ({"tasks.select_valid_examples": None}, "select_valid_examples is none; tasks drawn at random need a number"),
        ({"source.data": ("digits",)}, "data is digits, but tasks of kind linear are drawn at random"),
        ({"space.setup": (5, 5, 4)}, "setup: min_size is 5; it must be a whole number from 0 to 4"),
        (
            {"space.setup": (0, 0, 255)},
            "random ops are allowed in setup, predict, learn, with 265 instructions in all; at most 256 may be random",
        ),
        ({"search.batch": 0}, "batch is 0; it must be at least 1"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        override(Config(), values)
    assert str(caught.value).startswith(message)
