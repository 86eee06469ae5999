"""Helpers of compiled loops borrow their arrays; compiled loops are kept on disk until their sources change."""

import os
import pathlib
import pickle
import shutil
import subprocess
import sys
from typing import Final

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

import azero_jax
from azero_jax.compiled import inline
from azero_jax.compiled.inline import called, compiled_loop, inlined
from azero_jax.process.compilation import compilation_told


@inlined
def double_first(numbers):
    if len(numbers) == 0:
        return 0.0
    numbers[0] *= 2
    return numbers[0]


@called
def scale(numbers, factor):
    numbers[0] *= factor
    return numbers[0]


@inlined
def row(table):
    return table[0]


@inlined
def sum_of_zeros(count):
    return np.zeros(count).sum()


@njit
def call_double_first(numbers):
    return double_first(numbers)


@njit
def call_row(table):
    return row(table)[0]


@njit
def call_sum_of_zeros(count):
    return sum_of_zeros(count)


def test_a_helper_works_on_the_arrays_of_its_caller() -> None:
    numbers = np.array([1.5, 2.5])
    assert call_double_first(numbers) == 3.0
    assert numbers.tolist() == [3.0, 2.5]
    assert call_double_first(np.empty(0)) == 0.0


def test_a_helper_that_returns_an_array_is_refused() -> None:
    with pytest.raises(TypingError, match="Only accept returning of array passed into the function"):
        call_row(np.ones((2, 3)))


def test_a_helper_that_makes_an_array_is_refused() -> None:
    with pytest.raises(TypingError):
        call_sum_of_zeros(3)


def test_a_helper_compiles_once_for_all_constants_that_it_is_called_with() -> None:
    @njit
    def loop(numbers):
        return scale(numbers, 2) + scale(numbers, 3)

    assert loop(np.ones(1)) == 2 + 6
    assert len(scale.signatures) == 1


class TestTheCacheOnDisk:
    """A compiled loop is found there exactly as long as no source changes that it may be made of."""

    SOURCES: Final = {
        "__init__.py": "",
        "loops.py": '''"""
def in a docstring is no definition.
"""
            |from azero_jax.compiled.inline import compiled_loop
            |from package import helpers
            |
            |
            |@compiled_loop
            |def answer():
            |    return helpers.FACTOR * 7
            |''',
        "helpers/__init__.py": "from package.constants import (  # more than one line\n    FACTOR,\n)\n",
        "constants.py": "FACTOR = 6\n",
        "stranger.py": "FACTOR = 6\n",
    }

    @pytest.fixture
    def package(self, tmp_path: pathlib.Path) -> pathlib.Path:
        folder = tmp_path / "package"
        for name, text in self.SOURCES.items():
            file = folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text.replace("            |", ""))
        return folder

    def run(self, package: pathlib.Path) -> tuple[int, bool]:
        """What the loop gives in a new process, and whether it was found on disk."""
        command = "from package.loops import answer; print(answer(), sum(answer.stats.cache_hits.values()))"
        folders = f"{package.parent}{os.pathsep}{pathlib.Path(azero_jax.__file__).parents[1]}"
        done = subprocess.run(
            [sys.executable, "-c", command],
            env={**os.environ, "PYTHONPATH": folders},
            capture_output=True,
            text=True,
            check=True,
        )
        answer, hits = done.stdout.split()
        return int(answer), hits == "1"

    def test_it_is_found_again(self, package: pathlib.Path) -> None:
        assert self.run(package) == (42, False)
        (package / "stranger.py").write_text("FACTOR = 5\n")  # which it does not import
        assert self.run(package) == (42, True)

    def test_what_is_imported_two_steps_away_counts(self, package: pathlib.Path) -> None:
        assert self.run(package) == (42, False)
        (package / "constants.py").write_text("FACTOR = 5\n")
        assert self.run(package) == (35, False)


@pytest.mark.parametrize("content", [b"", b"\x80", b"not a pickle", pickle.dumps(("0.0", 1))])
@pytest.mark.parametrize("ending", ["nbi", "nbc"])
def test_a_damaged_cache_is_made_anew(tmp_path, monkeypatch, content, ending):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))

    def double(x: int) -> int:
        return 2 * x

    assert compiled_loop(double)(2) == 4
    for file in tmp_path.rglob(f"*.{ending}"):
        file.write_bytes(content)
    again = compiled_loop(double)
    assert again(2) == 4
    kept = compiled_loop(double)
    assert kept(2) == 4
    assert sum(kept.stats.cache_hits.values()) == 1


def test_without_a_folder_to_keep_it_in_a_loop_is_compiled_all_the_same(monkeypatch, caplog):
    def refuse(self: object, function: object) -> None:
        raise RuntimeError("cannot cache function: no locator available")

    inline._say_nothing_is_kept.cache_clear()
    monkeypatch.setattr("azero_jax.compiled.inline._SourceCache.__init__", refuse)
    for _ in range(2):
        assert compiled_loop(lambda x: 2 * x)(2) == 4
    (record,) = caplog.records
    assert record.getMessage().startswith("every process compiles anew")


def test_a_package_and_a_home_that_cannot_be_written_are_said_in_one_line(tmp_path):
    """Files are where folders would be: not even root can write into them."""
    package = pathlib.Path(azero_jax.__file__).parent
    shutil.copytree(package, tmp_path / "azero_jax", ignore=shutil.ignore_patterns("__pycache__"))
    blocked = [tmp_path / "home", tmp_path / "azero_jax" / "fitness" / "__pycache__"]
    for path in blocked:
        path.touch()
    code = (
        "from azero_jax.fitness.hurdles import unique_percentile as f; import numpy as np; print(f(np.ones(3), 50.0))"
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(blocked[0]), "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd="/", env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "1.0\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith("every process compiles anew: neither the package's folder nor the user's cache")


def test_a_helper_has_no_machine_code_that_python_could_call():
    @inlined
    def double(x):
        return 2 * x

    with pytest.raises(TypeError, match="double is a helper of compiled loops; only they can call it"):
        double(1.0)


def test_helpers_of_helpers_become_part_of_a_loop():
    @called
    def innermost(x):
        return x + 1

    @inlined
    def inner(x):
        return innermost(x) + innermost(2 * x)

    @called
    def outer(x):
        return inner(x) + innermost(x)

    assert compiled_loop(lambda x: outer(x) + inner(x))(3) == 11 + 4 + 11


def test_who_listens_is_told_what_is_compiled(monkeypatch, tmp_path):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))

    def double(x: int) -> int:
        return 2 * x

    lines: list[str] = []
    with compilation_told(lines.append):
        assert compiled_loop(double)(2) == 4
        assert compiled_loop(double)(2) == 4
    assert lines == [f"compiling {double.__module__}.{double.__qualname__}"]
