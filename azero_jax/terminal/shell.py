"""What both commands share with a shell: exit codes, refusals, and the files that are named."""

import contextlib
import io
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from azero_jax.language.library import find_text
from azero_jax.language.text import ProgramText, read_text
from azero_jax.process.messages import MAX_MESSAGE, one_line
from azero_jax.process.text_files import is_there
from azero_jax.protocol.signals import EXIT_CODES

SOLVED: Final = 0  # exit codes; those of signals are in EXIT_CODES
NOT_SOLVED: Final = 1
BAD_INPUT: Final = 2
BUG: Final = 70  # EX_SOFTWARE of sysexits.h
CLOSED_OUTPUT: Final = 141  # what a shell shows for a process that wrote into a closed pipe

_PACKAGE: Final = Path(__file__).parents[1]


class ReadProgram(NamedTuple):
    """A program as its file has it, and what it says."""

    text: str
    parsed: ProgramText


def run_command(command: click.Command, name: str, arguments: list[str] | None) -> int:
    """Runs a command; a user's mistake becomes one line on standard error. Returns the exit code, whatever happens."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what a terminal cannot show
    try:
        return int(command.main(arguments, prog_name=name, standalone_mode=False) or 0)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.UsageError as error:
        return _refuse(error.format_message())
    except click.Abort as error:  # what click makes of a KeyboardInterrupt, and of an EOFError
        if isinstance(error.__cause__, EOFError):
            return _bug(error.__cause__)
        print("stopped", file=sys.stderr)
        return getattr(error.__cause__, "exit_code", EXIT_CODES["interrupt"])
    except ValueError as error:
        return _refuse(str(error)) if is_refusal(error) else _bug(error)
    except MemoryError as error:
        return _refuse(f"there is not enough memory ({str(error) or 'nothing more is known'}); take less, or fewer")
    except BrokenPipeError:
        with contextlib.suppress(OSError, ValueError):  # so that Python does not try to write the rest
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_OUTPUT
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        return _refuse(f"{where}{error.strerror or error}")
    except Exception as error:  # a mistake of this program
        return _bug(error)


def is_refusal(error: ValueError) -> bool:
    """Whether an error was raised by this package, for a person to read; not by a library in the depth of a bug."""
    if type(error).__module__.partition(".")[0] == __name__.partition(".")[0]:  # an error of this package's own kind
        return True
    last = traceback.extract_tb(error.__traceback__)[-1].filename
    return Path(last).is_relative_to(_PACKAGE)


def _bug(error: BaseException) -> int:
    """Says that there is a bug, with the traceback in a file to send in."""
    report = "".join([*traceback.format_exception(error), "\n", " ".join(sys.argv), "\n", sys.version, "\n"])
    what = f"{type(error).__name__}: {one_line(str(error), 80)}"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="azero_jax-bug-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write(report)
        where = f"please send in {file.name}"
    except OSError as problem:
        where = f"no file could be written of it: {problem.strerror}"
    print(one_line(f"bug: {what}; {where}"), file=sys.stderr)
    return BUG


class FilePath(click.Path):
    """A path that is not empty, which would be this folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        if value == "":
            self.fail("it is empty; name a file or folder", param, ctx)
        if "\0" in str(value):
            self.fail(f"{one_line(str(value), 80)!r} has a NUL character, which no path has", param, ctx)
        return super().convert(value, param, ctx)


def names_of_data(data: tuple[str, ...]) -> tuple[str, ...]:
    """What `--data` names, from its parts between commas.

    Where all of the text, or some parts with their commas, are an existing file, it is that.

    Raises:
      ValueError: it names nothing.
    """
    if not any(data):
        raise ValueError("--data is empty; name a file, a folder or a data set")
    names, waiting = [], list(data)
    while waiting:
        joined = (mark.join(waiting[:count]) for count in range(len(waiting), 0, -1) for mark in (",", ", "))
        name = next((text for text in joined if is_there(text)), waiting[0])
        del waiting[: name.count(",") + 1]
        names.append(name)
    return tuple(names)


def read_program(path: Path) -> ReadProgram:
    """The program in a file, or a known program.

    Raises:
      ValueError: there is neither, or it does not have the form of a program.
    """
    text = find_text(path)
    try:
        return ReadProgram(text, read_text(text))
    except ValueError as error:
        raise ValueError(one_line(f"{path}: {error}")) from None


def _refuse(message: str) -> int:
    print(f"error: {one_line(message, MAX_MESSAGE - len('error: '))}", file=sys.stderr)
    return BAD_INPUT
