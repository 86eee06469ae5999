"""What `import azero_jax` gives, whatever else is imported."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("door", ["azero_jax.search", "azero_jax.evaluate", "azero_jax.search.__main__"])
def test_search_stays_a_function_when_the_command_s_door_is_imported(door: str) -> None:
    script = f"import azero_jax as az, importlib; importlib.import_module({door!r}); print(type(az.search).__name__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "function"
