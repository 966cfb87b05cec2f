"""The house stays walkable: few files a folder, no circles, imports that only point downwards."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "backend/checks/structure.py").is_file():
    pytest.skip("the tests lie outside their repository", allow_module_level=True)
SPEC = importlib.util.spec_from_file_location("structure", ROOT / "backend/checks/structure.py")
assert SPEC is not None and SPEC.loader is not None
structure = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(structure)


@pytest.fixture(scope="module")
def known() -> dict[str, Path]:
    return structure.modules(ROOT)


@pytest.fixture(scope="module")
def found(known):
    return list(structure.arrows(known))


def test_a_folder_holds_few_files():
    counts = structure.files_per_folder(ROOT)
    assert len(counts) > 60, "the folders were not found"
    assert {folder: count for folder, count in counts.items() if count > structure.MOST_FILES} == {}


def test_imports_point_downwards(found):
    assert len(found) > 1000
    assert structure.upward(found) == []


def test_there_is_no_circle_of_files(found):
    assert structure.circles(found) == []


def test_the_core_needs_the_standard_library_only():
    assert structure.foreign_imports_of_core(ROOT) == []


def test_every_folder_is_a_package_that_says_what_it_holds(known):
    folders = {path.parent for path in known.values()}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []
    silent = [
        str(folder) for folder in folders if not (folder / "__init__.py").read_text(encoding="utf-8").startswith('"""')
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("arrow", "wrong"),
    [
        (("medssl.images.volume", "medssl.datasets.entry", False), True),
        (("medssl.datasets.entry", "medssl.images.volume", False), False),
        (("medssl.jobs", "medssl.tasks.run", True), False),  # a registry's string
        (("medssl.jobs", "medssl.tasks.run", False), True),
        (("medssl.jobs.store", "medssl.tasks.run", True), True),  # no registry
        (("MedSSLInferenceLib.scene.folders", "MedSSLInferenceLib.panel.restoreBox", False), True),
        (("MedSSLLib.steps", "MedSSLPretrainLib.runs.job", False), True),
        (("MedSSLPretrainLib.runs.job", "MedSSLLib.steps", False), False),
    ],
)
def test_upward_means_from_a_lower_to_a_higher_room(arrow, wrong):
    assert bool(structure.upward([arrow])) == wrong


def test_a_circle_is_found_also_through_a_function_and_a_string(tmp_path):
    package = tmp_path / "backend/src/medssl/core"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("def f():\n    from medssl.core import b\n")
    (package / "b.py").write_text("C = 'medssl.core.c:Thing'\n")
    (package / "c.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from medssl.core.a import f\n"
    )
    (circle,) = structure.circles(list(structure.arrows(structure.modules(tmp_path))))
    assert set(circle.split(" <- ")) == {"medssl.core.a", "medssl.core.b", "medssl.core.c"}
