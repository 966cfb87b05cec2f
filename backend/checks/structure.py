"""The house in numbers: files a folder, circles of files, imports that point upwards, lines of code.

`python backend/checks/structure.py` prints them and fails where a limit is passed; `backend/tests/test_structure.py` holds them.
Every import counts: also those inside functions, those for type checkers only, and strings such as "medssl.tasks:TASKS". Only
a registry may name in a string what stands above it.
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST_FILES = 16  # of Python in a folder
ROOMS = (
    "core", "jobs", "distort", "augment", "images", "datasets", "networks", "evaluation", "training", "pretraining", "inference",
    "inspection", "reports", "tasks", "studies", "handlers", "server", "client", "cli", "examples",
)  # fmt: skip  # of the backend, lowest first
LIBRARIES = {  # of the extension: their folders, lowest first; "" are the files beside them. MedSSLLib lies below the two others
    "MedSSLLib": ("widgets", "", "scene", "channels", "install", "backend"),
    "MedSSLPretrainLib": ("labels", "datasets", "views", "runs", "rounds", "panel", ""),
    "MedSSLInferenceLib": ("scene", "views", "runs", "panel", "radiographs", "volumes", ""),
}
REGISTRIES = {
    "medssl", "medssl.jobs", "medssl.networks", "medssl.pretraining", "medssl.tasks", "medssl.handlers",
    "medssl.cli.server.demo",
}  # fmt: skip
SOURCES = {
    "medssl": "backend/src",
    "MedSSLLib": "MedSSLPretrain",
    "MedSSLPretrainLib": "MedSSLPretrain",
    "MedSSLInferenceLib": "MedSSLInference",
}
COUNTED = (
    "backend/src",
    "backend/tests",
    "backend/benchmarks",
    "backend/checks",
    "MedSSLPretrain",
    "MedSSLInference",
    "Testing",
    "Resources",
)
REFERENCE = re.compile(r"(medssl|MedSSL\w*Lib)(\.\w+)*(:\w+)?")

Arrow = tuple[str, str, bool]  # from module, to module, whether a string makes it


def python_files(root: Path, folder: str) -> list[Path]:
    """Python files below a folder of the repository, without caches."""
    return sorted(path for path in (root / folder).rglob("*.py") if "__pycache__" not in path.parts)


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Dotted name -> file, of the backend and of the extension's libraries."""
    found = {}
    for package, source in SOURCES.items():
        for path in python_files(root / source, package):
            parts = path.relative_to(root / source).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def arrows(known: dict[str, Path]) -> Iterator[Arrow]:
    """Every import of one known module by another."""
    for module, path in known.items():
        for target, string in _references(ast.parse(path.read_text(encoding="utf-8"))):
            while target and target not in known:
                target = target.rpartition(".")[0]  # a name in a module
            if target and target != module:
                yield module, target, string


def _references(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f"{node.module}.{alias.name}", False) for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and REFERENCE.fullmatch(node.value):
            yield node.value.partition(":")[0], True


def upward(found: list[Arrow]) -> list[str]:
    """Arrows from a lower to a higher room."""
    return [
        f"{source} -> {target}"
        for source, target, string in found
        if not (string and source in REGISTRIES) and "." in target and _height(target) > _height(source)
    ]


def _height(module: str) -> tuple[int, int]:
    package, _, rest = module.partition(".")
    room = rest.partition(".")[0] if "." in rest or package == "medssl" else ""
    if package == "medssl":
        return 0, ROOMS.index(room) if room in ROOMS else len(ROOMS)
    return 1 if package == "MedSSLLib" else 2, LIBRARIES[package].index(room)


def circles(found: list[Arrow]) -> list[str]:
    """Circles of files, one for each that must be cut."""
    graph: dict[str, set[str]] = defaultdict(set)
    for source, target, string in found:
        if not (string and source in REGISTRIES):
            graph[source].add(target)
    circles = []
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            circle = error.args[1]  # each is needed by the next one
            circles.append(" <- ".join(circle))
            graph[circle[1]].discard(circle[0])
        else:
            return circles


def files_per_folder(root: Path = ROOT) -> Counter[str]:
    """Folder -> number of its Python files, `__init__.py` included."""
    paths = [path for folder in COUNTED for path in python_files(root, folder)]
    return Counter(path.parent.relative_to(root).as_posix() for path in paths)


def foreign_imports_of_core(root: Path = ROOT) -> list[str]:
    """What the room `core` imports at file scope beside the standard library: Slicer's and the server's process load it."""
    foreign = []
    for path in python_files(root, "backend/src/medssl/core"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            packages = {name.partition(".")[0] for name in names} - {"medssl", *sys.stdlib_module_names}
            foreign += [f"{path.name}: {name}" for name in sorted(packages)]
    return foreign


def lines(root: Path, *folders: str) -> list[tuple[int, Path]]:
    """Lines of each Python file, longest first."""
    paths = [path for folder in folders for path in python_files(root, folder)]
    return sorted(
        ((path.read_text(encoding="utf-8").count("\n"), path.relative_to(root)) for path in paths), reverse=True
    )


def main() -> int:
    """Print all numbers; 1 where a limit is passed."""
    known = modules()
    found = list(arrows(known))
    crowded = {folder: count for folder, count in files_per_folder().items() if count > MOST_FILES}
    for folder, count in sorted(files_per_folder().items()):
        print(f"{count:4} {folder}")
    wrong = {
        f"folders of more than {MOST_FILES} files": [f"{folder}: {count}" for folder, count in crowded.items()],
        "imports that point upwards": upward(found),
        "circles of files": circles(found),
        "foreign imports of core": foreign_imports_of_core(),
    }
    for what, places in wrong.items():
        print(f"{what}: {len(places)}", *places, sep="\n  ")
    for name, folders in (("backend", ["backend/src"]), ("Slicer", ["MedSSLPretrain", "MedSSLInference"])):
        counted = lines(ROOT, *folders)
        sizes = [count for count, _ in counted]
        print(
            f"{name}: {sum(sizes)} lines in {len(sizes)} files, median {statistics.median(sizes):.0f}, largest {counted[0][1]} ({sizes[0]})"
        )
    return int(any(wrong.values()))


if __name__ == "__main__":
    sys.exit(main())
