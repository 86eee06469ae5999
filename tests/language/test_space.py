import dataclasses

import pytest

from azero_jax.language import ops
from azero_jax.language.space import FunctionSpace, SearchSpace, make_space


def make(**changes: object) -> SearchSpace:
    values = {"features": 4, "scalars": 4, "vectors": 3, "matrices": 1, "setup": 3, "predict": (1, 2, 5), "learn": 4}
    return make_space(**(values | changes))  # type: ignore[arg-type]


def test_slots_of_the_functions_follow_one_another() -> None:
    space = make()
    assert space.length == 3 + 5 + 4
    assert space.offsets == (0, 3, 8)


def test_all_ops_with_addresses_are_allowed_by_default() -> None:
    assert make().ops == tuple(range(1, 65))


def test_without_matrices_no_op_touches_one() -> None:
    assert not any(ops.MATRIX in ops.OPS[op].inputs + ops.OPS[op].output for op in make(matrices=0).ops)


def test_ops_are_named_in_upper_or_lower_case_with_or_without_the_ending() -> None:
    assert make(allowed=("scalar_sum", "VECTOR_SUM_OP")).ops == (1, 23)


def test_an_unknown_op_is_named_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match=r"unknown op 'SCALAR_SUMM'; did you mean SCALAR_SUM_OP\?"):
        make(allowed=("SCALAR_SUMM",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": 0}, "features is 0; it must be a whole number from 1 to"),
        ({"features": -4}, "features is -4"),
        ({"features": 2.5}, "features is 2.5"),
        ({"scalars": 1}, "scalars is 1; it must be a whole number from 2 to"),
        ({"scalars": 65}, "scalars is 65"),
        ({"vectors": 0}, "vectors is 0"),
        ({"matrices": -1}, "matrices is -1"),
        ({"setup": 256}, "setup: max_size is 256"),
        ({"learn": (5, 4, 6)}, "learn: initial_size is 4; it must be a whole number from 5 to 6"),
        ({"vectors": 1, "allowed": ("VECTOR_SUM",)}, "VECTOR_SUM_OP has no address to read or write"),
    ],
)
def test_what_is_out_of_range_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**changes)


def test_op_lists_are_ascending_and_without_repeats() -> None:
    with pytest.raises(ValueError, match="ascending"):
        dataclasses.replace(make(), learn=FunctionSpace((2, 1), 1, 1, 1))
