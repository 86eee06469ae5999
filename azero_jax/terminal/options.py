"""An option of the command line for every setting of the configuration tree, and help in sections."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import click

from azero_jax.config.leaves import all_settings, describe_kind, format_setting, get_setting, parse_setting
from azero_jax.config.tree import Config

_TITLES: Final = {
    "": "Search as a whole",
    "space": "Space: what a program may look like",
    "tasks": "Tasks: what programs are tried on",
    "source": "Source: the data of which tasks are made",
    "search": "Search: how candidates come about",
    "evaluator": "Evaluator: how running them is avoided",
    "engine": "Engine: what runs them",
    "budget": "Budget: when the search ends",
    "output": "Output: what a run directory gets",
    "cluster": "Cluster: who searches",
}


def _parameter(path: str) -> str:
    """The name of a setting as a function argument."""
    return path.replace(".", "__")


def _sections() -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    for setting in all_settings():
        title = _TITLES[setting.path.rpartition(".")[0].partition(".")[0]]
        sections.setdefault(title, []).append(_parameter(setting.path))
    return sections


SETTINGS_SECTIONS: Final = _sections()


def setting_options(
    defaults: Config, paths: Collection[str] | None = None, helps: Mapping[str, str] | None = None
) -> list[click.Option]:
    """An option for every setting (or those in `paths`); its help shows the value in `defaults`.

    `helps` has what is said of a setting where that is not what its docstring says.
    """
    options = []
    for setting in all_settings():
        if paths is not None and setting.path not in paths:
            continue
        names = {f"--{setting.path}", f"--{setting.name}"}
        flags = sorted({name.replace("_", "-") for name in names}, key=len)
        value = format_setting(get_setting(defaults, setting.path)) or "none"
        about = (helps or {}).get(setting.path, setting.help)
        text = f"{about[:1].upper()}{about[1:]} [{describe_kind(setting.kind)}; default: {value}]"
        options.append(click.Option([_parameter(setting.path), *flags], metavar="VALUE", help=text))
    return options


def given_settings(words: Mapping[str, str | None]) -> dict[str, Any]:
    """The settings that were given on the command line, by dotted name.

    Raises:
      ValueError: a word is not of the setting's type.
    """
    given = ((setting, words.get(_parameter(setting.path))) for setting in all_settings())
    return {setting.path: parse_setting(setting, word) for setting, word in given if word is not None}


class SectionedCommand(click.Command):
    """A command whose help lists the options in sections: names of parameters, by title."""

    def __init__(self, *arguments: Any, sections: Mapping[str, Sequence[str]], **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the sections."""
        parameters = {parameter.name: parameter for parameter in self.get_params(ctx)}
        for title, names in self.sections.items():
            records = [record for name in names if (record := parameters.pop(name).get_help_record(ctx))]
            with formatter.section(title):
                formatter.write_dl(records)
        with formatter.section("Help"):
            formatter.write_dl([record for rest in parameters.values() if (record := rest.get_help_record(ctx))])
