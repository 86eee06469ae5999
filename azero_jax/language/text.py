r"""One program to text and back, in the form that the paper prints (`s1 = dot(v0, v1)`).

Nothing is lost but the numbers of the streams that random instructions draw from: a parsed program has them in order.

>>> from azero_jax.language.space import make_space
>>> space = make_space(features=4, scalars=3, vectors=2, matrices=0, setup=1, predict=1, learn=1)
>>> program = parse_program("def Predict():\n  s1 = dot(v0, v1)  # a linear model", space)
>>> print(format_program(program, 0, space))
def Setup():
def Predict():
  s1 = dot(v0, v1)
def Learn():
<BLANKLINE>
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from azero_jax.language import ops
from azero_jax.language.grammar import TYPOGRAPHIC, Instruction, Line, format_instruction, parse_line
from azero_jax.language.program import IN1, IN2, OUT, Programs, check_programs, concatenate, empty_programs
from azero_jax.language.roles import Metric, Register
from azero_jax.language.space import FUNCTION_NAMES, MAX_STREAMS, SearchSpace
from azero_jax.process.messages import one_line

_HEADER: Final = re.compile(r"def\s+(\w+)\s*\(\s*\)\s*:", re.IGNORECASE)


class ProgramText(NamedTuple):
    """The lines of a text that has the form of a program; whether it is one depends on the search space."""

    setup: tuple[Line, ...]
    predict: tuple[Line, ...]
    learn: tuple[Line, ...]

    def lines(self) -> Iterator[Line]:
        """All instructions, in the order of the functions."""
        return (line for function in self for line in function)

    def addresses(self, kind: str) -> int:
        """How many addresses of a kind are needed: one more than the highest that is named."""
        used = (register for line in self.lines() for register in line.registers.values())
        return max((register.address + 1 for register in used if register.kind == kind), default=0)

    def predicts(self, register: Register) -> bool:
        """Whether Predict writes a register."""
        return any(line.registers.get("o") == register for line in self.predict)


def prediction_note(program: ProgramText, metric: Metric) -> str:
    """What to say of a program that cannot predict what it is asked for; "" where nothing is wrong."""
    if program.predicts(metric.prediction):
        return ""
    what = "many classes" if metric.is_one_hot else "two classes or numbers"
    return f"Predict never writes {metric.prediction}, where predictions of {what} are read"


def read_text(text: str) -> ProgramText:
    """What a text says, whatever the search space.

    Comments (`#` to the end of the line), blank lines, indentation and upper or lower case make no difference. A
    function that is missing is empty.

    Raises:
      ValueError: a line is not an instruction; it is named, and the nearest op suggested.
    """
    functions: dict[str, list[Line]] = {}
    body: list[Line] | None = None
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        code = line.split("#", 1)[0].strip()
        if not code:
            continue
        if code.lower().startswith("def"):
            body = functions.setdefault(_parse_header(code, number, functions), [])
        elif body is None:
            raise ValueError(
                f"line {number}: {one_line(code, 80)!r} stands before the first function; start with `def Setup():`"
            )
        else:
            body.append(parse_line(number, code))
    return ProgramText(*(tuple(functions.get(name, ())) for name in FUNCTION_NAMES))


def format_program(programs: Programs, index: int, space: SearchSpace) -> str:
    """Text of program `index`; `parse_program` gives it back, to the last bit of its constants, but for its streams."""
    lines = []
    for function, name in enumerate(FUNCTION_NAMES):
        lines.append(f"def {name.capitalize()}():")
        first = space.offsets[function]
        for slot in range(first, first + int(programs.sizes[index, function])):
            addresses, constants = programs.addresses[index, slot].tolist(), programs.constants[index, slot].tolist()
            instruction = Instruction(ops.OPS[programs.opcodes[index, slot]], *addresses, *constants)
            lines.append(f"  {format_instruction(instruction)}")
    return "\n".join(lines) + "\n"


def parse_program(text: str | ProgramText, space: SearchSpace) -> Programs:
    """The program that `text` says, as a batch of one; see `read_text`.

    The op need not be one that evolution may use, but its addresses must exist. Random instructions draw from streams
    of their own, numbered in their order.

    Raises:
      ValueError: a line is not an instruction (it is named, and the nearest op suggested), an address or index is out
        of range, a function has more instructions than the space allows, or too many instructions are random.
    """
    functions = read_text(text) if isinstance(text, str) else text
    programs, streams = empty_programs(1, space), 0
    for function, (name, lines) in enumerate(zip(FUNCTION_NAMES, functions, strict=True)):
        limit = space.max_sizes[function]
        if len(lines) > limit:
            too_many = f"{name.capitalize()} has {len(lines)} instructions; this search space allows {limit}"
            raise ValueError(f"line {lines[limit].number}: {too_many}")
        for slot, line in enumerate(lines, start=space.offsets[function]):
            _check_operands(line, space)
            instruction = line.instruction()
            if instruction.op.random:
                if streams == MAX_STREAMS:
                    too_many = f"{one_line(line.code, 80)!r} is one more than the {MAX_STREAMS} random instructions"
                    raise ValueError(f"line {line.number}: {too_many} that a program may have")
                instruction = instruction._replace(in1=streams)
                streams += 1
            write_instruction(programs, 0, slot, instruction)
        programs.sizes[0, function] = len(lines)
    return programs


def read_programs(texts: Sequence[str], space: SearchSpace) -> Programs:
    """`[N]` programs from N texts, at least one.

    Raises:
      ValueError: a text is not a program of the search space.
    """
    programs = concatenate([parse_program(text, space) for text in texts])
    check_programs(programs, space)
    return programs


def write_instruction(programs: Programs, index: int, slot: int, instruction: Instruction) -> None:
    """Writes one instruction into a slot of program `index`; the sizes are left alone."""
    programs.opcodes[index, slot] = instruction.op.number
    programs.addresses[index, slot, [IN1, IN2, OUT]] = instruction.in1, instruction.in2, instruction.out
    programs.constants[index, slot] = instruction.x, instruction.y


def _check_operands(line: Line, space: SearchSpace) -> None:
    where = f"line {line.number}: {one_line(line.code, 80)!r}: "
    for letter, register in line.registers.items():
        lowest = ops.FIRST_OUTPUT_ADDRESS[register.kind] if letter == "o" else 0
        count = space.addresses(register.kind)
        if not lowest <= register.address < count:
            role = "written" if letter == "o" else "read"
            allowed = f"{register.kind}{lowest} to {register.kind}{count - 1}" if count > lowest else "none"
            raise ValueError(f"{where}{register} cannot be {role}; allowed: {allowed}")
    for letter, number in line.numbers.items():
        if letter in ("i", "j") and not (number.is_integer() and 0 <= number < space.features):
            raise ValueError(f"{where}index {number:g} is out of range; allowed: 0 to {space.features - 1}")


def _parse_header(code: str, number: int, seen: dict[str, list[Line]]) -> str:
    match = _HEADER.fullmatch(code.translate(TYPOGRAPHIC))
    name = match.group(1).lower() if match else ""
    if name not in FUNCTION_NAMES:
        raise ValueError(
            f"line {number}: {one_line(code, 80)!r} is not one of `def Setup():`, `def Predict():`, `def Learn():`"
        )
    if name in seen:
        raise ValueError(f"line {number}: {name.capitalize()} is defined twice")
    return name
