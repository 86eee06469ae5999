"""The plan of the package: its rooms, what they import, and the diagram of both that README.md shows.

`python -m tests.support.house` brings the diagram in README.md up to date.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "azero_jax"
README: Final = ROOT / "README.md"
MARKERS: Final = ("<!-- house -->\n", "<!-- /house -->\n")

# A room imports itself and rooms before it. Those to come may be absent.
DOORS: Final = ("search", "evaluate", "programs", "api", "estimator")
ROOMS: Final = (
    *(
        "process",
        "language",
        "data",
        "tasks",
        "compiled",
        "analysis",
        "mutate",
        "engines",
        "learner",
        "fitness",
        "evolve",
    ),
    *("config", "judge", "recording", "protocol", "explain", "cluster", "terminal"),
    *DOORS,
)
TO_COME: Final = ()
LOOSE: Final = ("__init__", "programs", "api")  # modules that lie in no room
STRANGERS: Final = ("evolve", "fitness")  # neither imports the other


class Import(NamedTuple):
    """One import between modules of the package.

    Attributes:
      module: dotted name of the importing module.
      line: where.
      imported: dotted name of what is imported, a module or a name of one.
    """

    module: str
    line: int
    imported: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.imported}"


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """The file of every module, by dotted name; a package is called as its `__init__`."""
    files = sorted(package.rglob("*.py"))
    return {".".join(file.relative_to(package.parent).with_suffix("").parts): file for file in files}


def imports(package: Path = PACKAGE) -> list[Import]:
    """All imports of the package's own modules, wherever in a file they stand."""
    return [
        Import(module, node.lineno, name)
        for module, file in modules(package).items()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in _imported(node, module)
        if name.split(".")[0] == package.name
    ]


def _imported(node: ast.Import | ast.ImportFrom, module: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    else:
        origin = resolve_name("." * node.level + (node.module or ""), module.rpartition(".")[0])
        yield from (f"{origin}.{alias.name}" for alias in node.names)


def room(name: str) -> str:
    """The room of a module or of a name in it; that of the package's own names is `__init__`.

    The `__main__` of a room that is no door is one: it stands above all, and nothing can import it.
    """
    inside, *rest = [*name.split("."), "__init__"][1:]
    if inside in ROOMS and rest[:1] == ["__main__"] and ROOMS.index(inside) < ROOMS.index(DOORS[0]):
        return "__init__"
    return inside if inside in ROOMS else "__init__"


def backward(found: Import) -> bool:
    """Whether an import breaks the order of the rooms."""
    order = (*ROOMS, "__init__")
    here, there = room(found.module), room(found.imported)
    return order.index(there) > order.index(here) or (here != there and {here, there} == set(STRANGERS))


def graph(package: Path = PACKAGE) -> dict[str, set[str]]:
    """The other rooms that each room imports; rooms in order."""
    rooms = {room(module) for module in modules(package)}
    edges: dict[str, set[str]] = {name: set() for name in ROOMS if name in rooms}
    for found in imports(package):
        here, there = room(found.module), room(found.imported)
        if here != there and here in edges:
            edges[here].add(there)
    return edges


def reduced(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """The graph without the edges that a longer way replaces; no edge runs to a later room."""
    reach: dict[str, set[str]] = {}
    kept: dict[str, set[str]] = {}
    for name, targets in edges.items():
        further = set().union(*(reach[target] for target in targets))
        kept[name], reach[name] = targets - further, targets | further
    return kept


def purpose(name: str, package: Path = PACKAGE) -> str:
    """The first sentence of a room's docstring."""
    file = package / name / "__init__.py" if (package / name).is_dir() else package / f"{name}.py"
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n\n")[0].replace("\n", " ").replace("`", "").removesuffix(".")


def diagram(package: Path = PACKAGE) -> str:
    """A Mermaid flowchart of the rooms; an arrow runs from a room to one that it imports."""
    edges = reduced(graph(package))
    nodes = [f'  {name}["<b>{name}</b><br/>{purpose(name, package)}"]' for name in edges]
    arrows = [f"  {name} --> {' & '.join(sorted(to, key=ROOMS.index))}" for name, to in edges.items() if to]
    return "\n".join(["```mermaid", "flowchart BT", *nodes, *arrows, "```", ""])


def shown() -> str:
    """The diagram that README.md shows."""
    return README.read_text(encoding="utf-8").partition(MARKERS[0])[2].partition(MARKERS[1])[0]


if __name__ == "__main__":
    readme = README.read_text(encoding="utf-8")
    README.write_text(readme.replace(MARKERS[0] + shown(), MARKERS[0] + diagram()), encoding="utf-8")
