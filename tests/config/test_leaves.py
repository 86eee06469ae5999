"""The configuration tree as flags: every setting by its dotted name, or by its last part."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from azero_jax.config.leaves import (
    all_settings,
    attribute_help,
    describe_kind,
    format_setting,
    get_setting,
    override,
    parse_setting,
    suggest,
)
from azero_jax.config.tree import Config

SETTINGS = {setting.path: setting for setting in all_settings()}
EVERY_SETTING = pytest.mark.parametrize("path", SETTINGS)


def test_the_last_part_of_every_name_is_unique() -> None:
    counts = Counter(setting.name for setting in SETTINGS.values())
    assert [name for name, count in counts.items() if count > 1] == []


@EVERY_SETTING
def test_every_setting_is_described(path: str) -> None:
    assert SETTINGS[path].help.endswith(".")
    assert describe_kind(SETTINGS[path].kind)


@EVERY_SETTING
def test_text_of_a_value_is_read_back(path: str) -> None:
    value = get_setting(Config(), path)
    assert parse_setting(SETTINGS[path], format_setting(value)) == value


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("search.population", "1_000", 1000),
        ("budget.max_seconds", "1e3", 1000.0),
        ("budget.max_seconds", "none", None),
        ("evaluator.constants", "False", False),
        ("space.setup", "1,5,10", (1, 5, 10)),
        ("evaluator.hurdle_examples", "", ()),
        ("search.mutations", "alter_param=2, identity=0.5", (("alter_param", 2.0), ("identity", 0.5))),
    ],
)
def test_words_are_read_as_the_type_says(path: str, text: str, value: Any) -> None:
    assert parse_setting(SETTINGS[path], text) == value


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("search.population", "many"),
        ("search.population", "1.5"),
        ("search.population", "none"),
        ("budget.max_seconds", "soon"),
        ("evaluator.constants", "1"),
        ("space.setup", "1,x"),
        ("search.mutations", "alter_param"),
    ],
)
def test_a_word_of_a_wrong_type_is_refused_by_name(path: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"--{path.replace('_', '-')}: '{text}' is not "):
        parse_setting(SETTINGS[path], text)


def test_override_changes_what_is_named_and_nothing_else() -> None:
    config = override(Config(), {"search.population": 200, "search.batch": 20, "seed": 3})
    assert (config.search.population, config.search.batch, config.seed) == (200, 20, 3)
    assert config.tasks == Config().tasks


def test_override_leaves_its_argument_alone() -> None:
    config = Config()
    override(config, {"seed": 3})
    assert config == Config()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("search.populaton", "search.population"), ("population", "search.population"), ("sead", "seed")],
)
def test_the_nearest_name_is_suggested(name: str, nearest: str) -> None:
    assert suggest(name, SETTINGS) == nearest


def test_help_is_the_attribute_section_of_the_docstring() -> None:
    class Example:
        """Something.

        Attributes:
          one: first,
            on two lines.
          two: second.

        Raises:
          ValueError: never.
        """

    Example.__doc__ = (Example.__doc__ or "").replace("\n    ", "\n")
    assert attribute_help(Example) == {"one": "first, on two lines.", "two": "second."}
