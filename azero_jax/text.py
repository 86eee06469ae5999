"""One program to text and back, in the form that the paper prints (`s1 = dot(v0, v1)`); lossless."""

from __future__ import annotations

import ast
import difflib
import re
from typing import Final, NamedTuple

from azero_jax import ops
from azero_jax.program import IN1, IN2, OUT, Programs, empty_programs
from azero_jax.space import FUNCTION_NAMES, SearchSpace

_REGISTER: Final = re.compile(r"([svm])(\d+)")
_HEADER: Final = re.compile(r"def\s+(\w+)\s*\(\s*\)\s*:", re.IGNORECASE)
_OPERAND: Final = re.compile(r"\b[oabijxy]\b")


class Instruction(NamedTuple):
    """One instruction, as `Programs` keeps it."""

    op: ops.Op
    in1: int = 0
    in2: int = 0
    out: int = 0
    x: float = 0.0
    y: float = 0.0


def format_program(programs: Programs, index: int, space: SearchSpace) -> str:
    """Text of program `index`; `parse_program` gives the same program back, to the last bit of its constants."""
    lines = []
    for function, name in enumerate(FUNCTION_NAMES):
        lines.append(f"def {name.capitalize()}():")
        first = space.offsets[function]
        for slot in range(first, first + int(programs.sizes[index, function])):
            in1, in2, out = (int(address) for address in programs.addresses[index, slot])
            x, y = (float(constant) for constant in programs.constants[index, slot])
            op = ops.OPS[programs.opcodes[index, slot]]
            lines.append(f"  {format_instruction(Instruction(op, in1, in2, out, x, y))}")
    return "\n".join(lines) + "\n"


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


def parse_program(text: str, space: SearchSpace) -> Programs:
    """The program that `text` says, as a batch of one.

    Comments (`#` to the end of the line), blank lines, indentation and upper or lower case make no difference. A
    function that is missing is empty. The op need not be one that evolution may use, but its addresses must exist.

    Raises:
      ValueError: a line is not an instruction (it is named, and the nearest op suggested), an address or index is out
        of range, or a function has more instructions than the space allows.
    """
    functions: dict[str, list[tuple[int, Instruction]]] = {}
    body: list[tuple[int, Instruction]] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        code = line.split("#", 1)[0].strip()
        if not code:
            continue
        if code.lower().startswith("def"):
            body = functions.setdefault(_parse_header(code, number, functions), [])
        elif body is None:
            raise ValueError(f"line {number}: {code!r} stands before the first function; start with `def Setup():`")
        else:
            body.append((number, parse_instruction(code, space, f"line {number}: ")))
    programs = empty_programs(1, space)
    for function, name in enumerate(FUNCTION_NAMES):
        instructions = functions.get(name, [])
        limit = space.max_sizes[function]
        if len(instructions) > limit:
            line_number = instructions[limit][0]
            raise ValueError(
                f"line {line_number}: {name.capitalize()} has {len(instructions)} instructions;"
                f" this search space allows {limit}"
            )
        for slot, (_, instruction) in enumerate(instructions, start=space.offsets[function]):
            write_instruction(programs, 0, slot, instruction)
        programs.sizes[0, function] = len(instructions)
    return programs


def write_instruction(programs: Programs, index: int, slot: int, instruction: Instruction) -> None:
    """Writes one instruction into a slot of program `index`; the sizes are left alone."""
    programs.opcodes[index, slot] = instruction.op.number
    programs.addresses[index, slot, [IN1, IN2, OUT]] = instruction.in1, instruction.in2, instruction.out
    programs.constants[index, slot] = instruction.x, instruction.y


def parse_instruction(code: str, space: SearchSpace, where: str = "") -> Instruction:
    """The instruction that one line such as `s1 = dot(v0, v1)` says.

    Args:
      code: the line, without comment.
      space: the search space, for the numbers of addresses.
      where: what an error message starts with.

    Raises:
      ValueError: no op has this form, or an address or index is out of range.
    """
    try:
        module = ast.parse(code.strip().lower())
    except (SyntaxError, ValueError):
        module = None
    reading = _read_statement(module.body[0]) if module is not None and len(module.body) == 1 else None
    if reading is None:
        raise ValueError(f"{where}{code!r} is not an instruction; {_suggestion(code)}")
    for form in _FORMS.get(reading.signature, ()):
        if form.literals == tuple(
            value for value, letter in zip(reading.numbers, form.numbers, strict=True) if not letter
        ):
            return _bind(form, reading, code, space, where)
    raise ValueError(f"{where}no op has the form {code!r}; {_suggestion(code)}")


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
    """Replaces registers by their kind and numbers by `N`, collecting both in the order in which they are printed."""

    def __init__(self) -> None:
        self.registers: list[str] = []
        self.numbers: list[float] = []

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if _REGISTER.fullmatch(node.id):
            self.registers.append(node.id)
            return ast.Name(node.id[0])
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


def _bind(form: _Form, reading: _Reading, code: str, space: SearchSpace, where: str) -> Instruction:
    op = form.op
    values: dict[str, float] = {}
    for letter, register in zip(form.registers, reading.registers, strict=True):
        address = int(register[1:])
        lowest = ops.FIRST_OUTPUT_ADDRESS[register[0]] if letter == "o" else 0
        count = space.addresses(register[0])
        if not lowest <= address < count:
            role = "written" if letter == "o" else "read"
            allowed = f"{register[0]}{lowest} to {register[0]}{count - 1}" if count > lowest else "none"
            raise ValueError(f"{where}{code!r}: {register} cannot be {role}; allowed: {allowed}")
        values[letter] = address
    for letter, number in zip(form.numbers, reading.numbers, strict=True):
        if letter in ("i", "j") and not (number.is_integer() and 0 <= number < space.features):
            raise ValueError(f"{where}{code!r}: index {number:g} is out of range; allowed: 0 to {space.features - 1}")
        if letter:
            values[letter] = number
    first, second = ("i", "j") if op.indices else ("a", "b")
    return Instruction(
        op,
        int(values.get(first, 0)),
        int(values.get(second, 0)),
        int(values.get("o", 0)),
        float(values.get("x", 0.0)),
        float(values.get("y", 0.0)),
    )


def _parse_header(code: str, number: int, seen: dict[str, list[tuple[int, Instruction]]]) -> str:
    match = _HEADER.fullmatch(code)
    name = match.group(1).lower() if match else ""
    if name not in FUNCTION_NAMES:
        raise ValueError(f"line {number}: {code!r} is not one of `def Setup():`, `def Predict():`, `def Learn():`")
    if name in seen:
        raise ValueError(f"line {number}: {name.capitalize()} is defined twice")
    return name


def _suggestion(code: str) -> str:
    """What the writer of `code` may have meant: the op whose printed form is nearest."""
    shape = _REGISTER.sub(r"\1", code.lower())
    called = re.search(r"([a-z_]+)\s*\(", code.lower())
    names = {name for op in ops.OPS for name in re.findall(r"([a-z]+)\(", op.form)}
    if called and called.group(1) not in names:
        nearest_name = difflib.get_close_matches(called.group(1), sorted(names), n=1, cutoff=0)[0]
        shape = shape.replace(called.group(1), nearest_name)
    examples = {_REGISTER.sub(r"\1", example): (op, example) for op, example in _EXAMPLES}
    nearest = difflib.get_close_matches(shape, examples, n=1, cutoff=0)[0]
    op, example = examples[nearest]
    return f"did you mean {op.name}, `{example}`?"


_EXAMPLES: Final = tuple(
    (op, format_instruction(Instruction(op, 1 if op.inputs else 0, 2 if len(op.inputs) > 1 else 0, 1, 0.5, 1.0)))
    for op in ops.OPS
)
