"""The grammar of instructions: one line such as `s1 = dot(v0, v1)`, to and from an op and its operands."""

import ast
import difflib
import re
import unicodedata
import warnings
from typing import Final, NamedTuple

from azero_jax.language import ops
from azero_jax.language.roles import Register
from azero_jax.process.messages import one_line

MAX_LINE: Final = 400  # characters of an instruction
_REGISTER: Final = re.compile(r"([svm])(\d{1,6})(?!\d)")  # more digits are no address of any memory
_OPERAND: Final = re.compile(r"\b[oabijxy]\b")
# What word processors and web pages make of ASCII: minus signs, blanks, times signs, wide brackets, low digits.
TYPOGRAPHIC: Final = str.maketrans(
    dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d", "-")
    | dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000", " ")
    | dict.fromkeys("\u00d7\u22c5\u00b7\u2217\uff0a", "*")
    | dict.fromkeys("\u00f7\u2215\u2044\uff0f", "/")
    | dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", "")
    | dict(zip("\uff08\uff09\uff1d\uff0c\uff0b\uff1a", "()=,+:", strict=True))
    | {chr(0x2080 + digit): str(digit) for digit in range(10)}
)


class Instruction(NamedTuple):
    """One instruction, as `Programs` keeps it."""

    op: ops.Op
    in1: int = 0
    in2: int = 0
    out: int = 0
    x: float = 0.0
    y: float = 0.0


class Line(NamedTuple):
    """One line of a text that has the form of an op; whether its operands exist depends on the search space.

    Attributes:
      number: of the line, from 1.
      code: the line without its comment.
      op: the op.
      registers: by operand letter (`o` the output, `a` and `b` the inputs).
      numbers: by operand letter (`i` and `j` indices, `x` and `y` constants).
    """

    number: int
    code: str
    op: ops.Op
    registers: dict[str, Register]
    numbers: dict[str, float]

    def instruction(self) -> Instruction:
        """The instruction that it is, if its operands exist."""
        values = {letter: register.address for letter, register in self.registers.items()} | self.numbers
        first, second = ("i", "j") if self.op.indices else ("a", "b")
        addresses = (int(values.get(letter, 0)) for letter in (first, second, "o"))
        return Instruction(self.op, *addresses, *(values.get(letter, 0.0) for letter in "xy"))


def format_instruction(instruction: Instruction) -> str:
    """Text of one instruction, such as `s1 = dot(v0, v1)`."""
    op = instruction.op
    operands = {
        "o": f"{op.output}{instruction.out}",
        "i": str(instruction.in1),
        "j": str(instruction.in2),
        "x": repr(instruction.x),
        "y": repr(instruction.y),
    }
    for letter, kind, address in zip("ab", op.inputs, (instruction.in1, instruction.in2), strict=False):
        operands[letter] = f"{kind}{address}"
    return _OPERAND.sub(lambda match: operands[match.group()], op.form)


def parse_line(number: int, code: str) -> Line:
    """What line `number`, such as `s1 = dot(v0, v1)`, without comment, says.

    Raises:
      ValueError: no op has this form; the nearest is suggested.
    """
    if len(code) > MAX_LINE:
        shown = f"{len(code):,} characters ({one_line(code, 30)!r})"
        raise ValueError(f"line {number}: has {shown}; an instruction has at most {MAX_LINE}")
    code = code.translate(TYPOGRAPHIC)
    place = next((n for n, character in enumerate(code) if not character.isascii()), None)
    if place is not None:
        name = f"{code[place]!r} (U+{ord(code[place]):04X}, {unicodedata.name(code[place], 'no name')})"
        raise ValueError(f"line {number}: character {name} at {place + 1} is none of the language, which is in ASCII")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python, which takes it for its own
            module = ast.parse(code.strip().lower())
            reading = _read_statement(module.body[0]) if len(module.body) == 1 else None
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):  # numbers without end among them
        reading = None
    if reading is None:
        raise ValueError(f"line {number}: {one_line(code, 80)!r} is not an instruction; {_suggestion(code)}")
    for form in _FORMS.get(reading.signature, ()):
        numbers = list(zip(form.numbers, reading.numbers, strict=True))
        if form.literals == tuple(value for letter, value in numbers if not letter):
            registers = zip(form.registers, reading.registers, strict=True)
            operands = {letter: Register(name[0], int(name[1:])) for letter, name in registers}
            return Line(number, code, form.op, operands, {letter: value for letter, value in numbers if letter})
    raise ValueError(f"line {number}: no op has the form {one_line(code, 80)!r}; {_suggestion(code)}")


class _Reading(NamedTuple):
    """One statement, taken apart: its shape, and what stands at the places of registers and numbers, in order."""

    signature: str
    registers: tuple[str, ...]
    numbers: tuple[float, ...]


class _Form(NamedTuple):
    """One way to write an op: operand letters in the order of a reading; "" stands for a number that is literal."""

    op: ops.Op
    registers: tuple[str, ...]
    numbers: tuple[str, ...]
    literals: tuple[float, ...]


class _Operands(ast.NodeTransformer):
    """Replaces registers by `S`, `V` or `M` and numbers by `N`, collecting both in the order in which they are printed.

    These marks are capitals, which no name of a source is: a source is put in small letters before.
    """

    def __init__(self) -> None:
        self.registers: list[str] = []
        self.numbers: list[float] = []

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if _REGISTER.fullmatch(node.id):
            self.registers.append(node.id)
            return ast.Name(node.id[0].upper())
        if node.id in ("inf", "nan"):
            return self._number(float(node.id))
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return self._number(float(node.value))
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        count = len(self.numbers)
        node = ast.UnaryOp(node.op, self.visit(node.operand))
        if isinstance(node.operand, ast.Name) and node.operand.id == "N" and isinstance(node.op, ast.USub | ast.UAdd):
            if isinstance(node.op, ast.USub):
                self.numbers[count] = -self.numbers[count]
            return node.operand
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return ast.Call(node.func, [self.visit(a) for a in node.args], [self.visit(k) for k in node.keywords])

    def _number(self, value: float) -> ast.AST:
        self.numbers.append(value)
        return ast.Name("N")


def _read_statement(statement: ast.stmt) -> _Reading | None:
    if isinstance(statement, ast.Pass):
        return _Reading("pass", (), ())
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    operands = _Operands()
    target = operands.visit(statement.targets[0])
    value = operands.visit(statement.value)
    signature = f"{ast.unparse(target)} = {ast.unparse(value)}"
    return _Reading(signature, tuple(operands.registers), tuple(operands.numbers))


def _read_form(op: ops.Op, text: str) -> tuple[str, _Form]:
    """Signature and form of one row of the op table: operands are numbered so that they can be told apart again."""
    kinds = dict(zip("ab", op.inputs, strict=False)) | {"o": op.output}
    marks = {"i": 1e6, "j": 2e6, "x": 3e6, "y": 4e6}
    letters = {mark: letter for letter, mark in marks.items()}
    addresses = {"o": 0, "a": 1, "b": 2}

    def mark(match: re.Match[str]) -> str:
        letter = match.group()
        return repr(marks[letter]) if letter in marks else f"{kinds[letter]}{addresses[letter]}"

    reading = _read_statement(ast.parse(_OPERAND.sub(mark, text)).body[0])
    assert reading is not None
    numbers = tuple(letters.get(number, "") for number in reading.numbers)
    literals = tuple(number for number, letter in zip(reading.numbers, numbers, strict=True) if not letter)
    registers = tuple("oab"[int(register[1:])] for register in reading.registers)
    return reading.signature, _Form(op, registers, numbers, literals)


def _all_forms() -> dict[str, list[_Form]]:
    forms: dict[str, list[_Form]] = {}
    for op in ops.OPS:
        for text in (op.form, *op.aliases):
            signature, form = _read_form(op, text)
            forms.setdefault(signature, []).append(form)
    return forms


_FORMS: Final = _all_forms()


def _suggestion(code: str) -> str:
    """What the writer of `code` may have meant: the op whose printed form is nearest."""
    shape = _REGISTER.sub(r"\1", code.lower())
    called = re.search(r"([a-z_]+)\s*\(", code.lower())
    names = {name for op in ops.OPS for name in re.findall(r"([a-z]+)\(", op.form)}
    if called and called.group(1) not in names:
        nearest = difflib.get_close_matches(called.group(1), sorted(names), n=1, cutoff=0)[0]
        shape = shape.replace(called.group(1), nearest)
    examples = {_REGISTER.sub(r"\1", example): (op, example) for op, example in _EXAMPLES}
    op, example = examples[difflib.get_close_matches(shape, examples, n=1, cutoff=0)[0]]
    return f"did you mean {op.name}, `{example}`?"


_EXAMPLES: Final = tuple(
    (op, format_instruction(Instruction(op, 1 if op.inputs else 0, 2 if len(op.inputs) > 1 else 0, 1, 0.5, 1.0)))
    for op in ops.OPS
)
