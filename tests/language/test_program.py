import numpy as np
import pytest

from azero_jax.analysis.canonical.form import canonicalize, number_streams
from azero_jax.engines.random_bits import STREAM_SHIFT
from azero_jax.language.ops import op_number
from azero_jax.language.program import IN1, check_programs, concatenate
from azero_jax.language.roles import Metric
from azero_jax.language.space import MAX_FEATURES, MAX_STREAMS, make_space
from azero_jax.language.text import parse_program
from tests.support.spaces import full_space, same, some_programs

SPACE = full_space()


def test_random_programs_pass_the_check() -> None:
    check_programs(some_programs(SPACE, 200, seed=0), SPACE)


@pytest.mark.parametrize(
    ("array", "place", "value", "message"),
    [
        ("sizes", (3, 1), 11, "program 3: predict: its size must be 0 to 10"),
        ("sizes", (3, 1), -1, "program 3: predict"),
        ("opcodes", (2, 12), 65, "program 2, slot 12: predict: an op that this search space does not allow"),
        ("addresses", (1, 4, 2), 99, "program 1, slot 4: an address, index or stream out of range"),
        ("constants", (0, 9, 0), 1.0, "program 0, slot 9: a slot beyond the function's size"),
    ],
)
def test_a_program_outside_its_space_is_refused(array: str, place: tuple, value: float, message: str) -> None:
    programs = some_programs(SPACE, 5, seed=1)
    getattr(programs, array)[place] = value
    with pytest.raises(ValueError, match=message):
        check_programs(programs, SPACE)


@pytest.mark.parametrize("line", ["s1 = s2 + s3", "s1 = 0.5", "v1[2] = 0.5", "pass"])
def test_a_constant_that_the_op_does_not_have_is_refused(line: str) -> None:
    programs = parse_program(f"def Setup():\n  {line}\n", SPACE)
    check_programs(programs, SPACE)
    programs.constants[0, 0, 1] = 0.5
    with pytest.raises(ValueError, match="program 0, slot 0: a constant that is not zero, which its op does not have"):
        check_programs(programs, SPACE)


LONG = make_space(features=2, scalars=4, vectors=1, matrices=0, setup=0, predict=255, learn=255)


def random_lines(count: int) -> str:
    lines = ["  s2 = uniform(0.0, 1.0)"] * count
    return "\n".join(["def Predict():", *lines[:200], "def Learn():", *lines[200:]])


def test_as_many_instructions_as_there_are_streams_may_be_random() -> None:
    programs = parse_program(random_lines(MAX_STREAMS), LONG)
    check_programs(programs, LONG)
    numbered = number_streams(programs, LONG, Metric.RMS_ERROR)
    streams = numbered.addresses[numbered.opcodes != 0][:, IN1]
    assert sorted(streams.tolist()) == list(range(MAX_STREAMS))


def test_more_are_refused_wherever_streams_are_numbered_or_checked() -> None:
    text = random_lines(MAX_STREAMS + 1)
    with pytest.raises(ValueError, match=r"^line 259: 's2 = uniform\(0.0, 1.0\)' is one more than the 256 random"):
        parse_program(text, LONG)
    programs = parse_program(text.replace("uniform(0.0, 1.0)", "s3 + s3"), LONG)
    is_used = programs.opcodes != 0
    programs.opcodes[is_used] = op_number("SCALAR_UNIFORM_SET")
    programs.addresses[is_used, :2] = 0
    for function in (number_streams, canonicalize):
        with pytest.raises(ValueError, match="program 0: it has more than 256 random instructions"):
            function(programs, LONG, Metric.RMS_ERROR)
    with pytest.raises(ValueError, match="program 0: it has more than 256 random instructions"):
        check_programs(programs, LONG)
    programs.addresses[0, 0, IN1] = MAX_STREAMS
    with pytest.raises(ValueError, match="program 0, slot 0: an address, index or stream out of range"):
        check_programs(programs, LONG)


def test_the_counter_of_the_random_ops_has_room_for_all() -> None:
    assert MAX_FEATURES**2 <= 2**STREAM_SHIFT
    assert MAX_STREAMS <= 2 ** (32 - STREAM_SHIFT)


def test_a_batch_of_another_space_is_refused() -> None:
    with pytest.raises(ValueError, match="opcodes has shape"):
        check_programs(some_programs(SPACE, 5, seed=1), full_space(sizes=(1, 2, 3)))


def test_batches_are_cut_and_joined() -> None:
    programs = some_programs(SPACE, 7, seed=2)
    assert same(programs[np.array([1, 5])], concatenate([programs[1:2], programs[5:6]]))
    assert same(concatenate([programs[:3], programs[3:]]), programs)
