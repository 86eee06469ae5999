import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from azero_jax.language import ops
from azero_jax.language.grammar import Instruction, format_instruction, parse_line
from azero_jax.language.library import load_program
from azero_jax.language.program import IN1, Programs, empty_programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import make_space
from azero_jax.language.text import format_program, parse_program, read_text, write_instruction
from tests.support.spaces import full_space, same, seeds, some_programs

SPACE = full_space()
constants = st.floats(allow_nan=False)


def in_order(programs: Programs) -> Programs:
    """The same programs, the streams of their random instructions numbered in their order, as the parser does."""
    is_random = np.array([op.random for op in ops.OPS])[programs.opcodes]
    programs.addresses[..., IN1] = np.where(is_random, is_random.cumsum(axis=1) - 1, programs.addresses[..., IN1])
    return programs


@given(seed=seeds)
def test_text_and_back_keeps_every_bit_of_a_program(seed: int) -> None:
    programs = in_order(some_programs(SPACE, 4, seed))
    for n in range(len(programs)):
        assert same(parse_program(format_program(programs, n, SPACE), SPACE), programs[n : n + 1])


@pytest.mark.parametrize("op", ops.OPS, ids=lambda op: op.name)
@given(x=constants, y=constants)
def test_every_op_is_read_back_with_its_constants(op: ops.Op, x: float, y: float) -> None:
    values = (x, y)[: op.constants] + (0.0,) * (2 - op.constants)
    inputs = len(op.inputs) or op.indices
    fields = (2 if inputs > 0 else 0, 1 if inputs > 1 else 0, 2 if op.output else 0)
    instruction = Instruction(op, *fields, *values)
    parsed = parse_line(1, format_instruction(instruction)).instruction()
    assert parsed.op is op
    assert np.array(parsed[1:]).tobytes() == np.array(instruction[1:]).tobytes()


def test_empty_functions_and_no_ops_are_told_apart() -> None:
    programs = empty_programs(1, SPACE)
    assert format_program(programs, 0, SPACE) == "def Setup():\ndef Predict():\ndef Learn():\n"
    write_instruction(programs, 0, 0, Instruction(ops.NO_OP))
    programs.sizes[0, 0] = 1
    assert format_program(programs, 0, SPACE) == "def Setup():\n  pass\ndef Predict():\ndef Learn():\n"


def test_a_published_program_parses_with_comments_blank_lines_and_upper_case() -> None:
    space = make_space(features=16, scalars=8, vectors=14, matrices=3, setup=21, predict=21, learn=45)
    published = load_program("evolved_cifar10_as_listed").text
    assert "#" in published
    programs = parse_program(published.upper().replace("DEF LEARN", "\n\nDEF LEARN"), space)
    assert programs.sizes.tolist() == [[1, 5, 10]]
    assert same(programs, parse_program(published, space))
    text = format_program(programs, 0, space)
    assert "  s3 = 0.0018\n" in text
    assert "  v5 = s5 * v3\n" in text
    assert "  v1 = uniform(0.0024, 0.67)\n" in text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("s1 = dott(v0, v1)", "did you mean VECTOR_INNER_PRODUCT_OP, `s1 = dot"),
        ("s1 = dot(v0)", "did you mean VECTOR_INNER_PRODUCT_OP"),
        ("v1 = maxmum(v1, v2)", "did you mean VECTOR_MAX_OP"),
        ("s1 = heaviside(s1, 0.5)", "did you mean SCALAR_HEAVYSIDE_OP"),
        ("s1 == 3", "is not an instruction"),
        ("s1 = (", "is not an instruction"),
        ("s1 = s2 + s3 + s4", "no op has the form"),
        ("s = s + s", "no op has the form 's = s + s'; did you mean SCALAR_SUM_OP, `s1 = s1 + s2`?"),
        ("S1 = S + s2", "no op has the form 'S1 = S + s2'; did you mean SCALAR_SUM_OP"),
        ("v = dot(m, v1)", "no op has the form 'v = dot(m, v1)'; did you mean MATRIX_VECTOR_PRODUCT_OP"),
        ("s1 = N", "no op has the form 's1 = N'; did you mean"),
        ("s9 = s1 + s2", "s9 cannot be written; allowed: s1 to s4"),
        ("s0 = s1 + s2", "s0 cannot be written"),
        ("v0 = v1 + v2", "v0 cannot be written"),
        ("s1 = s5 + s2", "s5 cannot be read; allowed: s0 to s4"),
        ("v1[4] = 0.5", "index 4 is out of range; allowed: 0 to 3"),
        ("m1[0, 0.5] = 0.5", "index 0.5 is out of range"),
        ("v1[inf] = 0.5", "index inf is out of range"),
    ],
)
def test_what_does_not_parse_is_named_with_its_line(line: str, message: str) -> None:
    with pytest.raises(ValueError, match="line 3: ") as raised:
        parse_program(f"def Setup():\n\n  {line}\n", SPACE)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s1 = s2 + s3", "line 1: .* stands before the first function"),
        ("def Setup():\ndef Train():", "line 2: 'def Train\\(\\):' is not one of"),
        ("def Setup():\ndef setup():", "line 2: Setup is defined twice"),
        ("def Learn():\n" + "  pass\n" * 11, "line 12: Learn has 11 instructions; this search space allows 10"),
    ],
)
def test_functions_must_be_setup_predict_and_learn_and_fit(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_program(text, SPACE)


def test_random_instructions_draw_from_streams_of_their_own() -> None:
    setup = "def Setup():\n  v1 = gaussian(0.0, 1.0)\n  s1 = 0.5\n  m1 = gaussian(0.0, 1.0)\n"
    programs = parse_program(setup + "def Learn():\n  s2 = uniform(0.0, 1.0)\n", SPACE)
    is_random = np.array([op.random for op in ops.OPS])[programs.opcodes]
    assert programs.addresses[..., IN1][is_random].tolist() == [0, 1, 2]


def test_what_a_text_needs_and_predicts_is_known_whatever_the_space() -> None:
    text = read_text("def Predict():\n  v7[300] = 0.5\n  s1 = dot(v7, v0)\ndef Learn():\n  s12 = s0 - s1\n")
    assert [text.addresses(kind) for kind in ops.KINDS] == [13, 8, 0]
    assert text.predicts(Metric.RMS_ERROR.prediction)
    assert not text.predicts(Metric.MULTICLASS_ACCURACY.prediction)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffdef Predict():\n  s1 = dot(v0, v1)\n",
        "def Predict():\r\n  s1 = dot(v0, v1)\r\n",
        "def\u00a0Predict():\n\u00a0\u00a0s1 = dot(v0, v1)\n",
        "def Predict():\n  s\u2081 = dot(v\u2080, v\u2081)\n",
        "def Predict()\uff1a\n  s1 \uff1d dot\uff08v0\uff0c v1\uff09\n",
        "def Predict():  # \u201ca comment\u201d \u2014 with anything\n  s1 = dot(v0, v1)\n",
        "def Predict():\n  s1 = dot(v0, v1)\u200b\n",
    ],
)
def test_what_editors_make_of_a_program_is_read(text):
    space = make_space(features=4, scalars=3, vectors=2, matrices=0, setup=1, predict=1, learn=1)
    plain = parse_program("def Predict():\n  s1 = dot(v0, v1)\n", space)
    assert format_program(parse_program(text, space), 0, space) == format_program(plain, 0, space)


@pytest.mark.parametrize("minus", ["\u2212", "\u2013", "\u2014", "\ufe63"])
def test_a_typographic_minus_is_a_minus(minus):
    space = make_space(features=4, scalars=4, vectors=2, matrices=0, setup=2, predict=1, learn=1)
    text = f"def Setup():\n  s2 = {minus}0.5\n  s3 = s1 {minus} s2\n"
    assert format_program(parse_program(text, space), 0, space).count("-") == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("s1 = " + " + ".join(["s2"] * 2000), "an instruction has at most 400"),
        ("s1 = " + "9" * 400, "an instruction has at most 400"),
        ("s1 = " + "9" * 330, "is not an instruction"),
        ("s1 = " + "(" * 150 + "s2" + ")" * 150, "did you mean"),
        ("s1 = " + "-" * 380 + "s2", "did you mean"),
        ("s1 = s2 \u2295 s3", "character '\u2295' (U+2295, CIRCLED PLUS) at 9"),
        ("s1 = \u0430bs(s2)", "CYRILLIC SMALL LETTER A"),
        ("s1 = s2 \x00 s3", "is not an instruction"),
        ("s1 = 'a' 'b'", "did you mean"),
    ],
)
def test_what_no_line_can_be_is_refused_in_one_line(line, said):
    with pytest.raises(ValueError, match="line 2: ") as caught:
        read_text(f"def Setup():\n  {line}\n")
    assert said in str(caught.value)
    assert len(str(caught.value)) <= 300
