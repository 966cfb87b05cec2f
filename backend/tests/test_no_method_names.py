"""Names of methods, tasks and networks stand in registries, in their own folders and in the tables below, nowhere else.

What a model can do and how images enter it is asked of registries, plans and network classes; a comparison with a name would
leave out the next method.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from medssl.networks import NETWORKS
from medssl.pretraining import METHODS
from medssl.tasks import TASKS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "backend" / "src" / "medssl"
NAMES = {*METHODS, *TASKS, *NETWORKS}
REGISTRIES = ("networks/__init__.py", "pretraining/__init__.py", "tasks/__init__.py", "cli/server/demo.py")
OWN = tuple(f"pretraining/{name}/" for name in METHODS) + tuple(f"tasks/{name}/" for name in TASKS) + ("examples/",)
TABLES = {  # file -> the names in it, and why they may stand there
    "networks/weights/layouts/official.py": "what the authors' files look like, by the method whose files they are",
    "networks/weights/layouts/swin.py": "the method that a plain Swin starts",
    "networks/weights/layouts/monai.py": "the network that files of MONAI are of",
    "networks/weights/layouts/nnunet.py": "the network that files of nnU-Net's library are of",
    "networks/weights/layouts/cnn.py": "the network that files of timm's convolutional networks are of",
    "tasks/architecture.py": "the networks of the tasks, which are chosen here by family and form",
    "jobs/models/packaged_weights.py": "a table of packages: the network whose weights each ships",
    "tasks/probing/task.py": "its own name in the plan",
    "evaluation/evaluate.py": "a stored value of evaluation.json, which is older than the registry",
    "reports/evaluation_report.py": "a page for each of these stored values",
    "datasets/catalog/folder_files.py": "folders that people call so",
    "MedSSLPretrain/MedSSLLib/widgets/modelChoice.py": "titles that can be translated, by name; unknown names are shown as they are",
}
DEFAULTS = {  # file -> defaults of options that users may leave out
    "cli/app.py": 1,  # an example of a verb
    "cli/training/pretrain.py": 1,
    "cli/training/finetune.py": 1,
    "client/session.py": 1,
    "MedSSLPretrain/MedSSLPretrain.py": 1,
    "MedSSLPretrain/MedSSLPretrainLib/consoleVerbs.py": 3,  # two of them of one option: by what the labels are
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Each product file by its path in its package, or in the extension."""
    for folder, base in ((PACKAGE, PACKAGE), (ROOT / "MedSSLPretrain", ROOT), (ROOT / "MedSSLInference", ROOT)):
        for path in sorted(folder.rglob("*.py")):
            yield path.relative_to(base).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def named(tree: ast.AST) -> list[str]:
    """Text constants that are a registered name."""
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [text for text in texts if text in NAMES]


def allowed(file: str) -> bool:
    return file in REGISTRIES or file in TABLES or file.startswith(OWN)


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    return {file: names for file, tree in sources() if (names := named(tree))}


def test_names_stand_where_they_may(found):
    elsewhere = {
        file: names for file, names in found.items() if not allowed(file) and len(names) != DEFAULTS.get(file, 0)
    }
    assert not elsewhere, "ask what a model can do (medssl.networks.capabilities_of), or look it up in a table"


def test_the_lists_of_exceptions_hold_no_file_that_needs_none(found):
    assert not [file for file in (*REGISTRIES, *TABLES, *DEFAULTS) if file not in found]


def test_a_comparison_with_a_name_is_found():
    assert named(ast.parse('if plan.method == "peac": pass')) == ["peac"]


def test_networks_are_asked_for_what_every_network_has():
    """`hasattr` and three-argument `getattr` on a network hide which networks a function is for."""
    asked = {
        (file, node.args[0].id, node.func.id)
        for file, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and isinstance(node.args[0] if node.args else 0, ast.Name)
        and (node.func.id == "hasattr" or (node.func.id == "getattr" and len(node.args) == 3))
    }  # fmt: skip
    assert not [one for one in asked if one[1] in ("net", "network", "ours", "model")]
