"""The configuration: presets, TOML files, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from azero_jax.config.file import format_config, read_config
from azero_jax.config.leaves import override
from azero_jax.config.presets import PRESETS, load_preset
from azero_jax.config.tree import Config


def write(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", PRESETS)
def test_a_configuration_is_read_back_from_its_file(name: str, tmp_path: Path) -> None:
    config = override(load_preset(name), {"budget.max_seconds": 5.0, "search.mutations": (("identity", 0.25),)})
    assert read_config(write(tmp_path, format_config(config))) == config


def test_a_file_changes_the_default_preset_where_it_says_so(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, "seed = 4\n[search]\npopulation = 300\n"))
    assert config == override(load_preset("linear"), {"seed": 4, "search.population": 300})


def test_a_file_may_name_its_preset(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, "preset = 'affine'")) == load_preset("affine")


def test_a_preset_asked_for_goes_before_the_one_in_the_file(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, "preset = 'affine'"), "teacher") == load_preset("teacher")


def test_a_whole_number_will_do_for_a_number(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, "[budget]\nmax_seconds = 5")).budget.max_seconds == 5.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[search]\npopulaton = 3", "unknown key search.populaton; did you mean search.population?"),
        ("[serch]\npopulation = 3", "unknown key serch.population; did you mean search.population?"),
        ("population = 3", "unknown key population; did you mean search.population?"),
        ("search = 3", "search is 3; it must be a table"),
        ("[search]\npopulation = 'x'", "search.population is 'x'; it must be a whole number"),
        ("[search]\npopulation = 1.5", "search.population is 1.5; it must be a whole number"),
        ("[search]\npopulation = true", "search.population is True; it must be a whole number"),
        ("[search]\npopulation = 'none'", "search.population is none; it must be a whole number"),
        ("[evaluator]\nconstants = 1", "evaluator.constants is 1; it must be true or false"),
        ("[space]\nsetup = [1, 'x', 3]", "it must be whole numbers, as in 1,5,10"),
        ("[search.mutations]\nidentity = 'often'", "it must be names with weights"),
        ("[search]\nmutations = 'identity'", "it must be names with weights"),
        ("[search]\npopulation = 0", "population is 0; it must be at least 1"),
        ("preset = 'affin'", "unknown preset 'affin'; did you mean affine?"),
        ("preset = 1", "preset is 1; it must be a word"),
        ("seed =", "not TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_name(text: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"absent\.toml: cannot be read: No such file"):
        read_config(tmp_path / "absent.toml")


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"run\.toml: cannot be read: it is not text"):
        read_config(path)


# Dotted name, value, and what the message must say.
BAD_VALUES: list[tuple[str, Any, str]] = [
    ("seed", -1, "seed is -1; it must be from 0 to 4294967295"),
    ("space.scalars", 1, "scalars"),
    ("space.scalars", 100_000, "scalars"),
    ("space.vectors", 0, "vectors"),
    ("space.matrices", -1, "matrices"),
    ("space.setup", (1, 2), "setup is (1, 2); it must be one number or three"),
    ("space.setup", (-1,), "setup: max_size is -1"),
    ("space.setup", (5, 3, 10), "setup: initial_size is 3"),
    ("space.ops", ("SCALAR_SUMM_OP",), "SCALAR_SUM"),
    ("tasks.features", 0, "features is 0; it must be at least 1"),
    ("tasks.features", -4, "features is -4; it must be at least 1"),
    ("tasks.kind", "lineer", "kind is 'lineer'; allowed: linear, affine, teacher"),
    ("tasks.search_tasks", 0, "search_tasks is 0; it must be at least 1"),
    ("tasks.valid_examples", 0, "valid_examples is 0; it must be at least 1"),
    ("tasks.epochs", 0, "epochs is 0; it must be at least 1"),
    ("search.algorithm", "annealing", "algorithm is 'annealing'; allowed: evolution, random"),
    ("search.initial", "full", "initial is 'full'; allowed: random, empty"),
    ("search.islands", 0, "islands is 0; it must be at least 1"),
    ("search.population", 0, "population is 0; it must be at least 1"),
    ("search.tournament", 0, "tournament is 0; it must be at least 1"),
    ("search.batch", 2000, "batch is 2000; it must be at most the population, 1000"),
    ("search.restart_after", -1, "restart_after is -1; it must be 0 or more"),
    ("search.mutation_probability", 1.5, "mutation probability is 1.5; it must be from 0 to 1"),
    ("search.mutations", (("alter_parm", 1.0),), "unknown mutation 'alter_parm'; did you mean alter_param?"),
    ("search.mutations", (("alter_param", -1.0),), "-1.0; it must be 0 or more"),
    ("evaluator.cache_size", -1, "cache_size is -1; it must be 0 or more"),
    ("evaluator.fec_size", -1, "fec_size is -1; it must be 0 or more"),
    ("evaluator.fec_train_examples", 101, "fec_train_examples is 101; it must be from 1 to 100"),
    ("evaluator.hurdle_examples", (0.5, 0.2), "hurdle_examples is (0.5, 0.2); they must be ascending"),
    ("evaluator.hurdle_examples", (0.5, 1.5), "each above 0 and at most 1"),
    ("evaluator.hurdle_tasks", (0.5,), "hurdle_tasks has 1 stages and hurdle_examples 0"),
    ("evaluator.hurdle_percentile", 101.0, "hurdle_percentile is 101.0; it must be from 0 to 100"),
    ("evaluator.combine", "max", "combine is 'max'; allowed: mean, median"),
    ("engine.engine", "tpu", "engine is 'tpu'; allowed: auto, warp, xla"),
    ("engine.precision", "float16", "precision is 'float16'; allowed: float32, float64"),
    ("engine.batch_size", 0, "batch_size is 0; it must be at least 1"),
    ("budget.max_seconds", 0.0, "max_seconds is 0; it must be above 0"),
    ("budget.max_seconds", float("nan"), "max_seconds is nan; it must be above 0"),
    ("budget.max_candidates", 0, "max_candidates is 0; it must be above 0"),
    ("budget.max_train_steps", -5, "max_train_steps is -5; it must be above 0"),
    ("budget.no_improvement_candidates", 0, "no_improvement_candidates is 0; it must be above 0"),
    ("budget.sufficient_fitness", 1.5, "sufficient_fitness is 1.5; it must be above 0 and at most 1"),
    ("budget.check_every", 0, "check_every is 0; it must be at least 1"),
    ("output.report_every", 0, "report_every is 0; it must be at least 1"),
    ("output.checkpoint_seconds", -1.0, "checkpoint_seconds is -1; it must be 0 or more"),
    ("output.keep_checkpoints", 0, "keep_checkpoints is 0; it must be at least 1"),
]


@pytest.mark.parametrize(("path", "value", "message"), BAD_VALUES)
def test_a_value_out_of_range_is_refused_in_one_line(path: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        override(Config(), {path: value})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
