import numpy as np
import pytest

from azero_jax.language.program import check_programs, concatenate
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
        ("addresses", (1, 4, 2), 99, "program 1, slot 4: an address or index out of range"),
        ("constants", (0, 9, 0), 1.0, "program 0, slot 9: a slot beyond the function's size"),
    ],
)
def test_a_program_outside_its_space_is_refused(array: str, place: tuple, value: float, message: str) -> None:
    programs = some_programs(SPACE, 5, seed=1)
    getattr(programs, array)[place] = value
    with pytest.raises(ValueError, match=message):
        check_programs(programs, SPACE)


def test_a_batch_of_another_space_is_refused() -> None:
    with pytest.raises(ValueError, match="opcodes has shape"):
        check_programs(some_programs(SPACE, 5, seed=1), full_space(sizes=(1, 2, 3)))


def test_batches_are_cut_and_joined() -> None:
    programs = some_programs(SPACE, 7, seed=2)
    assert same(programs[np.array([1, 5])], concatenate([programs[1:2], programs[5:6]]))
    assert same(concatenate([programs[:3], programs[3:]]), programs)
