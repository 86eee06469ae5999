"""The plan of the package holds: which room imports which, where modules lie, and how long they may be."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest

from tests.support import house

LINES: Final = 350  # of a file
OWN_LINES: Final = 60  # of a function, docstring and functions inside it apart

# Warp's dialect makes one kernel of one function, which is built where what it depends on is known.
KERNELS: Final = {"azero_jax.engines.warp.kernel.interpreter": "interpret"}


def test_rooms_import_only_rooms_before_them() -> None:
    assert [str(found) for found in house.imports() if house.backward(found)] == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("process/state.py", "def late() -> None:\n    import azero_jax.data.arrays"),
        ("data/arrays.py", "if TYPE_CHECKING:\n    from azero_jax.tasks import Tasks"),
        ("engines/base.py", "from azero_jax import api"),
        ("api.py", "import azero_jax"),
        ("evolve/algorithm.py", "from azero_jax.fitness.counters import Counters"),
        ("process/state.py", "from ..language import ops"),
    ],
)
def test_an_import_of_a_later_room_is_found(file: str, source: str, tmp_path: Path) -> None:
    path = tmp_path / "azero_jax" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    (found,) = house.imports(tmp_path / "azero_jax")
    assert house.backward(found)


def test_every_module_lies_in_a_room() -> None:
    loose = [path.stem for path in house.PACKAGE.glob("*.py")]
    folders = [path.name for path in house.PACKAGE.iterdir() if any(path.rglob("*.py"))]
    assert set(loose) - set(house.LOOSE) == set()
    assert set(folders) - set(house.ROOMS) == set()
    assert set(house.ROOMS) - {*loose, *folders} <= set(house.TO_COME)


def test_every_room_says_what_it_is_for() -> None:
    assert [name for name in house.graph() if not house.purpose(name)] == []


def test_tests_are_laid_out_like_the_rooms() -> None:
    folders = [path.name for path in (house.ROOT / "tests").iterdir() if any(path.glob("test_*.py"))]
    assert set(folders) <= set(house.ROOMS)


def test_no_module_is_long() -> None:
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in house.modules().items()}
    assert {name: count for name, count in lines.items() if count > LINES} == {}


def test_no_function_is_long() -> None:
    long = [
        f"{module}.{node.name} has {own_lines(node)} lines"
        for module, path in house.modules().items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and own_lines(node) > OWN_LINES and KERNELS.get(module) != node.name
    ]
    assert long == []


def own_lines(function: ast.FunctionDef) -> int:
    """Lines of a function's header and body."""
    apart = {
        statement for node in function.body for statement in ast.walk(node) if isinstance(statement, ast.FunctionDef)
    }
    if ast.get_docstring(function) is not None:
        apart.add(function.body[0])
    lines = set(range(function.lineno, function.end_lineno + 1))
    return len(lines.difference(*(range(node.lineno, node.end_lineno + 1) for node in apart)))


def test_the_reduced_graph_reaches_what_the_graph_reaches() -> None:
    assert house.reduced({"a": set(), "b": {"a"}, "c": {"a", "b"}, "d": {"a", "c"}}) == {
        "a": set(),
        "b": {"a"},
        "c": {"b"},
        "d": {"c"},
    }


def test_the_readme_shows_the_plan() -> None:
    assert house.shown() == house.diagram(), "python -m tests.support.house brings README.md up to date"
