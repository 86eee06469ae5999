"""Known programs as text: those that people designed, and those that the paper's searches found.

Each file starts with comment lines that say what it is, where it is from, and what was changed.
"""

import os
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple

from azero_jax.language import ops
from azero_jax.language.program import Programs
from azero_jax.language.roles import FEATURES, SCALAR_PREDICTION
from azero_jax.language.space import SearchSpace, make_space
from azero_jax.language.text import ProgramText, parse_program, read_text
from azero_jax.process.messages import one_line
from azero_jax.process.text_files import is_there, read_text_file

_SUFFIX: Final = ".txt"


class KnownProgram(NamedTuple):
    """One program of the library: its file's name without the ending, the comment that heads it, and all its text.

    >>> load_program("linear_regressor").name
    'linear_regressor'
    """

    name: str
    source: str
    text: str


def known_programs() -> tuple[str, ...]:
    """Names of the known programs, in alphabetical order.

    >>> "two_layer_net" in known_programs()
    True
    """
    files = resources.files(__name__).iterdir()
    return tuple(sorted(file.name.removesuffix(_SUFFIX) for file in files if file.name.endswith(_SUFFIX)))


def load_program(name: str) -> KnownProgram:
    """One program of the library.

    Raises:
      ValueError: there is none of that name.

    >>> load_program("linear_regressor").source.splitlines()[0]
    'Linear regression by stochastic gradient descent, designed by hand.'
    """
    if name not in known_programs():
        raise ValueError(f"{name!r} is no known program; known are {', '.join(known_programs())}")
    text = resources.files(__name__).joinpath(name + _SUFFIX).read_text(encoding="utf-8")
    head = text.split("def ", 1)[0]
    source = "\n".join(line.removeprefix("#").strip() for line in head.splitlines() if line.startswith("#"))
    return KnownProgram(name, source, text)


def find_text(program: str | os.PathLike[str]) -> str:
    """Text of the program in a file, or of a known program.

    Raises:
      ValueError: there is neither; or it cannot be read.
    """
    path = Path(program)
    name = str(path)
    if not is_there(name) and name in known_programs():
        return load_program(name).text
    if "\n" in name or name.lstrip().lower().startswith("def "):
        raise ValueError(f"{one_line(name, 40)!r} is a program's text; put it into a file, and name that")
    try:
        return read_text_file(path if is_there(name) else path.expanduser())
    except FileNotFoundError as error:
        known = ", ".join(known_programs())
        shown = one_line(name, 80)
        raise ValueError(f"{shown}: cannot be read: {error.strerror}, nor is it a known program ({known})") from None
    except RuntimeError as error:  # the home of nobody
        raise ValueError(f"{one_line(name, 120)}: cannot be read: {error}") from None


def program_space(text: str | ProgramText, features: int) -> SearchSpace:
    """The smallest search space with `features` features that a program's text fits into; only its ops are allowed.

    Raises:
      ValueError: the text does not parse.
    """
    program = read_text(text) if isinstance(text, str) else text
    setup, predict, learn = map(len, program)
    used = sorted({line.op.name for line in program.lines()} - {ops.NO_OP.name})
    return make_space(
        features=features,
        scalars=max(program.addresses(ops.SCALAR), SCALAR_PREDICTION.address + 1),
        vectors=max(program.addresses(ops.VECTOR), FEATURES.address + 1),
        matrices=program.addresses(ops.MATRIX),
        setup=setup,
        predict=predict,
        learn=learn,
        allowed=tuple(used),
    )


def parse_known(name: str, features: int) -> tuple[SearchSpace, Programs]:
    """A known program as a batch of one, with the smallest space that it fits into.

    Raises:
      ValueError: there is no program of that name.
    """
    text = load_program(name).text
    space = program_space(text, features)
    return space, parse_program(text, space)
