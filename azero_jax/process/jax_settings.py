"""JAX as this package needs it, whatever the user's own settings ask for."""

import contextlib
from collections.abc import Iterator

import jax


@contextlib.contextmanager
def jax_settings(*, x64: bool = False) -> Iterator[None]:
    """JAX without strict promotion, checks for NaN (which programs make all the time) and the like; `x64` as asked."""
    with contextlib.ExitStack() as stack:
        for setting in (
            jax.enable_x64(x64),
            jax.numpy_dtype_promotion("standard"),
            jax.numpy_rank_promotion("allow"),
            jax.debug_nans(False),
            jax.debug_infs(False),
            jax.disable_jit(False),
        ):
            stack.enter_context(setting)
        yield
