"""The rooms of the Slicer libraries: imports point downwards, folders stay small, no circle of files."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("MedSSLPretrain", "MedSSLInference")
# Lowest first; a room may import those before it. The library's own files, such as steps.py, are the room "".
ORDER = {
    "MedSSLLib": ("widgets", "", "scene", "backend"),
    "MedSSLPretrainLib": ("labels", "datasets", "views", "runs", "panel", ""),
    "MedSSLInferenceLib": ("scene", "views", "runs", "panel", "radiographs", ""),
}
LIBRARIES = tuple(ORDER)  # lowest first, too; the two modules do not know each other
MOST = 14  # Python files of a folder


def files() -> dict[str, Path]:
    """Every file of the libraries by its module name."""
    found = {}
    for module in MODULES:
        for path in (ROOT / module).rglob("*.py"):
            parts = path.relative_to(ROOT / module).with_suffix("").parts
            if parts[0] in ORDER and parts[-1] != "__init__":
                found[".".join(parts)] = path
    return found


FILES = files()


def imports(path: Path) -> set[str]:
    """The libraries' files that a file imports anywhere, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names & FILES.keys()


def place(name: str) -> tuple[str, int]:
    """Library and number of the room of a file."""
    library, *rooms, _file = name.split(".")
    return library, ORDER[library].index(rooms[0] if rooms else "")


@pytest.mark.parametrize("name", FILES)
def test_imports_point_downwards(name):
    library, room = place(name)
    for other in imports(FILES[name]):
        otherLibrary, otherRoom = place(other)
        if otherLibrary == library:
            assert otherRoom <= room, f"{name} imports {other}"
        else:
            assert otherLibrary == LIBRARIES[0], f"{name} imports {other}"


def test_no_circle_of_files():
    left = {name: imports(path) - {name} for name, path in FILES.items()}
    while free := [name for name, needed in left.items() if not needed & left.keys()]:
        for name in free:
            del left[name]
    assert not left, f"import each other: {sorted(left)}"


@pytest.mark.parametrize("top", [*MODULES, "Testing"])
def test_folders_are_small(top):
    folders: dict[Path, int] = {}
    for path in (ROOT / top).rglob("*.py"):
        folders[path.parent] = folders.get(path.parent, 0) + 1
    large = {str(folder.relative_to(ROOT)): count for folder, count in folders.items() if count > MOST}
    assert not large
