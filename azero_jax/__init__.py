"""Evolve whole machine-learning algorithms from scratch (AutoML-Zero), thousands of candidates at a time.

    import azero_jax as az
    result = az.search(az.load_preset("linear", seed=3, max_seconds=60))
    print(result)  # in a notebook `result` shows itself, `result.plot()` and `result.explain()` show more

A program has three functions, Setup, Predict and Learn, made of basic maths on a small memory of scalars, vectors and
matrices. Tasks are arrays: features `[T, N, F]`, labels `[T, N]`, for T tasks of N examples with F features.

Public are the names here, and those of `azero_jax.tasks`, `azero_jax.data` and `azero_jax.programs`; everything deeper
may move.
"""

import importlib

import lazy_loader

# The command line's door comes first: a package that is imported later takes the place of the function `search`.
importlib.import_module("azero_jax.search")
globals().pop("search", None)

# The names are those of `__init__.pyi`, each imported when it is first asked for.
__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)
# What `from azero_jax import *` leaves out: estimators need scikit-learn, and modules have names that users have too.
_APART = ("EvolvedClassifier", "EvolvedRegressor", "data", "programs", "tasks")
__all__ = [name for name in _names if name not in _APART]  # noqa: PLE0604, RUF100
