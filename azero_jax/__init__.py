"""Evolve whole machine-learning algorithms from scratch (AutoML-Zero), thousands of candidates at a time.

    import azero_jax as az
    result = az.search(az.load_preset("linear", seed=3, max_seconds=60))
    print(result)  # in a notebook `result` shows itself, `result.plot()` and `result.explain()` show more

A program has three functions, Setup, Predict and Learn, made of basic maths on a small memory of scalars, vectors and
matrices. Tasks are arrays: features `[T, N, F]`, labels `[T, N]`, for T tasks of N examples with F features.

Public are the names here, and those of `azero_jax.tasks`, `azero_jax.data` and `azero_jax.programs`; everything deeper
may move.
"""

import lazy_loader

# The command line's door comes first: a package that is imported later takes the place of the function `search`.
import azero_jax.search  # noqa: F401

del search  # type: ignore[name-defined]  # noqa: F821 - the package that the import above put here

# The names are those of `__init__.pyi`, each imported when it is first asked for.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
