"""The configuration: presets, TOML files, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from azero_jax.config.file import format_config, read_config
from azero_jax.config.leaves import override
from azero_jax.config.presets import ANY_PRESETS, PRESETS, load_preset
from azero_jax.evolve.settings import EvolutionSettings


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


def test_the_presets_for_any_candidates_are_as_many() -> None:
    assert set(ANY_PRESETS) == set(PRESETS)
    assert all(config.search.candidates == "any" for config in ANY_PRESETS.values())
    assert {name for name, config in PRESETS.items() if config.search.candidates == "any"} == {"original"}
    assert all(PRESETS[name].space == ANY_PRESETS[name].space for name in PRESETS)


def test_candidates_decide_which_settings_of_a_preset_are_taken(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, "[search]\ncandidates = 'any'")) == load_preset("linear", candidates="any")
    file = write(tmp_path, "preset = 'affine'")
    assert read_config(file, candidates="any") == load_preset("affine", candidates="any")
    with pytest.raises(ValueError, match=r"^candidates is 'all'; allowed: learnable, any$"):
        load_preset("linear", candidates="all")


def test_the_original_preset_is_the_release_s_demo() -> None:
    config = load_preset("original")
    search, evaluator = config.search, config.evaluator
    assert (search.islands, search.population, search.tournament, search.batch) == (1, 1000, 10, 1)
    assert (evaluator.cache_size, evaluator.canonical, evaluator.constants, evaluator.fec_size) == (
        0,
        False,
        False,
        100_000,
    )
    assert not evaluator.hurdle_examples
    assert config.search.mutations == EvolutionSettings().mutations


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
        ("[space]\nsetup = [1, 'x', 3]", "it must be whole numbers, as in [1, 5, 10]"),
        ("[space]\nsetup = '1,5,10'", "space.setup is '1,5,10'; it must be whole numbers, as in [1, 5, 10]"),
        ("[evaluator]\nhurdle_examples = 0.1", "it must be numbers, as in [0.1, 0.5]"),
        ("[source]\ndata = 'a.csv'", 'source.data is \'a.csv\'; it must be texts, as in ["a", "b"]'),
        ("[search.mutations]\nidentity = 'often'", "it must be names with weights, as in {alter_param = 1.0, "),
        ("[search]\nmutations = 'identity=1'", "it must be names with weights, as in {alter_param = 1.0, "),
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


@pytest.mark.parametrize(
    ("preset", "setting", "message"),
    [
        ("linear", {"label": "x"}, "label is x, but tasks of kind linear are drawn at random"),
        ("linear", {"pairs": ("0-1",)}, "pairs is 0-1, but tasks of kind linear are drawn at random"),
        ("affine", {"missing": ("z",)}, "missing is z, but tasks of kind affine are drawn at random"),
        ("linear", {"regression": False}, "regression is false, but tasks of kind linear are drawn at random"),
        ("linear", {"download": True}, "download is true, but tasks of kind linear are drawn at random"),
        ("table", {"data": "my.csv", "pairs": ("0-1",)}, "pairs is 0-1, but tasks of kind table have none"),
        ("multiclass", {"data": "digits", "pairs": ("0-7",)}, "pairs is 0-7, but tasks of kind multiclass have none"),
    ],
)
def test_what_is_said_of_data_that_there_are_not(preset: str, setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        load_preset(preset, **setting)
