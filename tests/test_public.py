"""What `import azero_jax` gives, whatever else is imported."""

import subprocess
import sys

import pytest


def printed(script: str) -> str:
    """What a new process prints last."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "script",
    [
        "import azero_jax as az, azero_jax.search; search = az.search",
        "import azero_jax as az, azero_jax.search.__main__; search = az.search",
        "import azero_jax.evaluate.__main__, azero_jax as az; search = az.search",
        "from azero_jax import search",
        "import azero_jax.search as search",
        "import azero_jax.api, azero_jax.search.__main__, azero_jax as az; search = az.search",
        "import importlib, azero_jax as az; importlib.reload(az); search = az.search",
        "import sys, azero_jax; del sys.modules['azero_jax']; from azero_jax import search",
    ],
)
def test_search_is_the_function_whatever_is_imported_first(script: str) -> None:
    assert printed(f"{script}\nprint(type(search).__name__)") == "function"


def test_the_package_itself_waits_for_no_library() -> None:
    script = "import sys, azero_jax\nprint({'jax', 'numpy', 'numba', 'warp', 'optax', 'sklearn'} & set(sys.modules))"
    assert printed(script) == "set()"


def test_all_names_are_there_without_scikit_learn_but_the_estimators() -> None:
    script = """
import sys
sys.modules["sklearn"] = None
from azero_jax import *
import azero_jax as az
missing = []
for name in dir(az):
    try:
        getattr(az, name)
    except ImportError:
        missing.append(name)
print(search.__name__, sorted(missing))
"""
    assert printed(script) == "search ['EvolvedClassifier', 'EvolvedRegressor']"


def test_public_modules_are_attributes() -> None:
    assert printed("import azero_jax as az\nprint(len({az.data, az.programs, az.tasks}))") == "3"
