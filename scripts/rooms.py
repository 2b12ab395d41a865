"""Print the rooms of the house, and who imports whom, as a Mermaid drawing: ``python scripts/rooms.py``.

A room is a folder right inside a package, or a file. What is drawn is read off the import statements, those inside
functions too; nothing is imported. ``--write`` puts the drawing into CONTRIBUTING.md.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("examples", "benchmarks", "training", "nnsearch")
"""Imports go from left to right, never back."""

Graph = Mapping[str, set[str]]
"""Who imports whom."""


def imports(root: Path = ROOT) -> dict[str, set[str]]:
    """Return which files of the packages each of their files imports, as paths from the root."""
    files = [path.relative_to(root) for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    file_of = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path.as_posix() for path in files}
    found: dict[str, set[str]] = {}
    for path in files:
        tree = ast.parse((root / path).read_text(encoding="utf-8"))
        names = {name for node in ast.walk(tree) for name in _imported(node)}
        # What a dotted name stands for is a file, or is defined in one.
        modules = {name if name in file_of else name.rpartition(".")[0] for name in names}
        found[path.as_posix()] = {file_of[module] for module in modules if module in file_of} - {path.as_posix()}
    return found


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(folder: str, graph: Graph) -> dict[str, set[str]]:
    """Return who imports whom of the folders and files right inside a folder; ``""`` is the root."""

    def inside(file: str) -> str | None:
        return file.removeprefix(folder).lstrip("/").partition("/")[0] if file.startswith(folder) else None

    edges: dict[str, set[str]] = {}
    for importer, imported in graph.items():
        if room := inside(importer):
            edges.setdefault(room, set()).update({other for file in imported if (other := inside(file))} - {room})
    return edges


def cycles(graph: Graph) -> list[tuple[str, ...]]:
    """Return the groups of folders and files, side by side in one folder, that import each other round about."""
    found = set()
    for folder in {f"{parent.as_posix()}/" for file in graph for parent in Path(file).parents}:
        edges = within(folder, graph)
        reach = {name: _reachable(name, edges) for name in edges}
        for name in edges:
            found.add(tuple(sorted(folder + other for other in reach[name] if name in reach[other])))
    return sorted(found - {()})


def _reachable(start: str, edges: Graph) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        new = edges.get(waiting.pop(), set()) - reached
        reached |= new
        waiting += new
    return reached


def _drawn(edges: Graph) -> Graph:
    """Return the arrows without those that other arrows imply: from a to c, where one leads from a to b and on to c."""
    reach = {name: _reachable(name, edges) for name in edges}

    def implied(name: str, other: str) -> bool:
        # Rooms that import each other round about imply nothing.
        ways = [via for via in edges[name] if name not in reach[via] and via not in reach[other]]
        return any(other in reach[via] for via in ways)

    return {name: {other for other in others if not implied(name, other)} for name, others in edges.items()}


def drawing(graph: Graph) -> str:
    """Return the packages as boxes of rooms, with an arrow from each to what it imports.

    Arrows that others imply are left out, and so are tests and, inside a package, the doors ``__init__.py`` and
    ``__main__.py``.
    """
    doors = {file for file in graph if Path(file).name.startswith(("__", "test_"))}
    rooms = {file: imported - doors for file, imported in graph.items() if file not in doors}
    lines = ["flowchart TD"]
    lines += [f"  {package} --> {other}" for package, others in _drawn(within("", graph)).items() for other in others]
    for package in PACKAGES:
        lines.append(f"  subgraph {package}")
        for room, others in sorted(_drawn(within(f"{package}/", rooms)).items()):
            node = {name: f"{package}_{name.removesuffix('.py')}" for name in (room, *others)}
            lines.append(f"    {node[room]}[{room}]")
            lines += [f"    {node[room]} --> {node[other]}" for other in sorted(others)]
        lines.append("  end")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    drawn = drawing(imports())
    if "--write" in sys.argv[1:]:
        page = ROOT / "CONTRIBUTING.md"
        text = page.read_text(encoding="utf-8")
        page.write_text(
            re.sub(r"```mermaid\n.*?```", f"```mermaid\n{drawn}```", text, flags=re.DOTALL), encoding="utf-8"
        )
    else:
        sys.stdout.write(drawn)
