"""What the site has that is written nowhere: the command line, generated from its options; links of README.md."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from azero_jax.terminal import evaluate_command, explain_command, search_command

ROOT: Final = Path(__file__).parents[1]
COMMANDS: Final = {
    "search": search_command.make_command(),
    "evaluate": evaluate_command.make_command(),
    "explain": explain_command.make_command(),
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the page of the command line."""
    files.append(File.generated(config, "command_line.md", content=command_line()))
    return files


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links of included texts to files of the repository lead there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = f"{project['urls']['Repository']}/blob/main/"
    return re.sub(r'href="repository:([^"]+)"', rf'href="{address}\1"', html)


def command_line() -> str:
    """All commands and their options, as Markdown."""
    parts = ["# Command line", ""]
    for name, command in COMMANDS.items():
        parts += [f"## python -m azero_jax.{name}", "", *_text(command.help or ""), "", *_options(command)]
    return "\n".join(parts) + "\n"


def _text(text: str) -> Iterator[str]:
    """Help as Markdown: what click leaves as it is, after a backspace, is code."""
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("\b\n"):
            title, *lines = paragraph.splitlines()[1:]
            yield from (title, "", "```text", *(line.removeprefix("  ") for line in lines), "```", "")
        else:
            yield from (paragraph.replace("<", "&lt;"), "")


def _options(command: click.Command) -> Iterator[str]:
    """Options as tables, in the sections of the help."""
    parameters = {str(parameter.name): parameter for parameter in command.params}
    sections = getattr(command, "sections", {"Options": list(parameters)})
    context = click.Context(command)
    for title, names in sections.items():
        records = [record for name in names if (record := parameters[name].get_help_record(context))]
        if records:
            yield from (
                f"### {title}" + " {: #" + f"{command.name}-{_slug(title)}" + " }",
                "",
                "| option | |",
                "| --- | --- |",
            )
            for flags, text in records:
                yield f"| `{_cell(flags)}` | {_cell(text)} |"
            yield ""


def _slug(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
