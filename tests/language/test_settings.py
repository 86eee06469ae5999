import pytest

from azero_jax.language.settings import SpaceConfig
from azero_jax.language.space import MAX_STREAMS, usable_ops


@pytest.mark.parametrize("function", ["setup", "predict", "learn"])
def test_each_function_may_have_all_ops_where_others_have_few(function: str) -> None:
    config = SpaceConfig(ops=("SCALAR_SUM_OP",), **{f"{function}_ops": ("all",)})
    found = {name: space.ops for name, space in zip(("setup", "predict", "learn"), config.functions, strict=True)}
    everything = usable_ops(config.scalars, config.vectors, config.matrices)
    assert found == {"setup": (1,), "predict": (1,), "learn": (1,)} | {function: everything}


def test_evolution_may_not_make_more_instructions_random_than_there_are_streams() -> None:
    SpaceConfig(setup=(0, 0, 6), predict=(100,), learn=(150,))
    with pytest.raises(ValueError, match=f"setup, predict, learn, with {MAX_STREAMS + 1} instructions in all; at most"):
        SpaceConfig(setup=(0, 0, 7), predict=(100,), learn=(150,))
    SpaceConfig(setup=(6,), predict=(255,), learn=(250,), predict_ops=("SCALAR_SUM",))
    SpaceConfig(setup=(255,), predict=(255,), learn=(255,), ops=("SCALAR_SUM",))
