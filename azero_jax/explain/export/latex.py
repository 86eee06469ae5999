"""A program as LaTeX pseudocode, an `algorithm` float."""

import re
from typing import Final

from azero_jax.explain.export.expressions import expression
from azero_jax.explain.export.listing import Assignment, list_program
from azero_jax.language import ops
from azero_jax.language.roles import FEATURES, Metric, Register
from azero_jax.learner.reading import ReadProgram

_SYMBOLS: Final = {ops.SCALAR: "s_{{{0}}}", ops.VECTOR: r"\mathbf{{v}}_{{{0}}}", ops.MATRIX: r"\mathbf{{M}}_{{{0}}}"}
_SPECIAL: Final = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {
    letter: f"\\{letter}" for letter in "&%$#_{}"
}
_NAMES: Final = ("Setup", "Predict", "Learn")
_AXES: Final[dict[tuple[int, ...], str]] = {(0,): r"_{\mathrm{col}}", (1,): r"_{\mathrm{row}}"}
_SQUASH: Final = {
    Metric.RMS_ERROR: "",
    Metric.ACCURACY: r"{0} \gets 1 / (1 + e^{{-{0}}})",
    Metric.MULTICLASS_ACCURACY: r"{0} \gets \mathrm{{softmax}}({0})",
}


def latex_file(program: ReadProgram) -> str:
    """The text; it needs the packages amssymb, amsmath, algorithm and algpseudocode."""
    metric = program.metric
    features, label, prediction = (_symbol(r, metric) for r in (FEATURES, metric.label, metric.prediction))
    lines = [
        r"% \usepackage{amsmath, amssymb, algorithm, algpseudocode}",
        r"\begin{algorithm}",
        r"\caption{An evolved learning algorithm; all registers are zero before the start.}",
        r"\begin{algorithmic}[1]",
    ]
    for name, function in zip(_NAMES, list_program(program), strict=True):
        lines.append(rf"\Procedure{{{name}}}{{}}")
        lines += [_statement(assignment, metric) for assignment in function]
        lines.append(r"\EndProcedure")
    squash = _SQUASH[metric].format(prediction)
    lines += [
        r"\State \Call{Setup}{}",
        rf"\For{{each training example $({features}, {label})$, the label hidden from \textsc{{Predict}}}}",
        r"  \State \Call{Predict}{}",
        *([f"  \\State ${squash}$"] if squash else []),
        r"  \State \Call{Learn}{}",
        r"\EndFor",
        r"\end{algorithmic}",
        r"\end{algorithm}",
    ]
    return "\n".join(lines) + "\n"


def _symbol(register: Register, metric: Metric) -> str:
    if register == FEATURES:
        return r"\mathbf{x}"
    if register == metric.label:
        return r"\mathbf{y}" if metric.is_one_hot else "y"
    if register == metric.prediction:
        return r"\hat{\mathbf{y}}" if metric.is_one_hot else r"\hat{y}"
    return _SYMBOLS[register.kind].format(register.address)


def _statement(assignment: Assignment, metric: Metric) -> str:
    line = assignment.line
    values = {letter: _symbol(register, metric) for letter, register in line.registers.items()}
    values |= {letter: latex_number(number) for letter, number in line.numbers.items()}
    target = values["o"]
    if line.op.indices:
        target += f"[{', '.join(str(int(line.numbers[letter])) for letter in 'ij'[: line.op.indices])}]"
    axis = _AXES.get(line.op.axes, "") if line.op.inputs == ops.MATRIX else ""
    formula = expression(line.op).latex.format(**values, axis=axis)
    draw = r"\sim" if line.op.random else r"\gets"
    comment = rf" \Comment{{{_escape(assignment.comment)}}}" if assignment.comment else ""
    return rf"  \State ${target} {draw} {formula}${comment}"


def latex_number(value: float) -> str:
    r"""A constant, to four digits.

    >>> print(latex_number(-0.00012345))
    -1.234 \times 10^{-4}
    """
    if value != value:
        return r"\mathrm{NaN}"
    if abs(value) == float("inf"):
        return r"\infty" if value > 0 else r"-\infty"
    text = f"{value:.4g}"
    mantissa, _, exponent = text.partition("e")
    if not exponent and 0 < abs(value) < 1e-3:
        mantissa, _, exponent = f"{value:.3e}".partition("e")
        mantissa = f"{float(mantissa):g}"
    return rf"{mantissa} \times 10^{{{int(exponent)}}}" if exponent else text


def _escape(text: str) -> str:
    return re.sub(r"[\\~^&%$#_{}]", lambda match: _SPECIAL[match.group()], text)
