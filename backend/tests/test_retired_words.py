"""Words that this house no longer uses: names of code by `ast`, phrases in what users and developers read.

Everyday English is not policed: only names and phrases that were replaced by the field's own terms. To see what a word became,
read the pairs.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ("backend/src", "MedSSLPretrain", "MedSSLInference")
IDENTIFIERS = {  # name -> what it is called now
    "Declaration": "DatasetSpec", "DeclaredSet": "TabularDataset", "DeclaredSamples": "MultiSetSamples", "DECLARED": "RegistryEntry.data",
    "read_declaration": "read_dataset_spec", "parse_declaration": "parse_dataset_spec", "declaration_text": "dataset_spec_text",
    "declaration": "dataset_spec", "declarations": "dataset_specs", "declared": "dataset", "DeclarationForm": "DatasetSpecForm",
    "Visits": "SetSchedule", "Visit": "ScheduledStep", "VisitingOrder": "SampleOrder", "visits": "schedule",
    "KEPT_ASIDE": "HELD_OUT", "aside": "held_out", "Material": "TrainingData", "material": "training_data",
    "read_material": "read_training_data", "Sides": "LeakageCheck", "tell": "notify, report", "told": "reported", "Tell": "Notify",
    "Alarm": "MonitorWarning", "alarm": "warning", "alarms": "monitors", "worth_telling": "should_log", "rising": "ramp",
    "lasting": "with_total_steps, durable", "heats": "temperatures", "CubeDataset": "SubVolumeDataset", "Cubes": "SubVolumes",
    "cubes": "sub_volumes, samples", "draw_cube": "draw_crop", "cube_depth": "crop_depth", "Panes": "ImageGrid", "panes": "tiles",
    "pane": "tile", "not_a_number": "non_finite", "in_words": "gap_sentence", "images_from_json": "from_json",
    "catalog_from_json": "from_json", "check_sets": "deleted", "put_volume": "put_piece", "project_points": "deleted",
    "from_ijk_to_ras": "deleted", "setArms": "deleted", "StudyRun": "FolderRun", "SilentRun": "FolderRun",
}  # fmt: skip
PARTS = ("worth_tell", "kept_aside", "not_a_number", "page_parts", "visiting")  # of names
PHRASES = (
    "declared set", "kept aside", "worth telling", "not a number", "could all not be", "repeat themselves", "is asked of no model",
    "a name that folders cannot bear", "would flatter the model", "makes no head", "never was a number",
)  # fmt: skip
EXEMPT_NAMES = {  # file -> names that mean something else there, or that are stored
    "backend/src/medssl/datasets/spec/table_stream.py": {"tell"},  # of a file object
    "backend/src/medssl/images/formats/intake/nrrd_header.py": {"tell"},
    "MedSSLPretrain/MedSSLPretrain.py": {"declarations"},  # a field of the parameter node, which saved scenes hold
    "MedSSLPretrain/MedSSLPretrainLib/panel/pretrainPanel.py": {"declarations"},
    "MedSSLPretrain/MedSSLPretrainLib/panel/dataBox.py": {"declarations"},
    "MedSSLPretrain/MedSSLPretrainLib/datasets/setsBox.py": {"declarations"},
}
TEXTS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/commands.md",
    "docs/formats.md",
    "docs/reference.md",
    "docs/panels.md",
    "docs/decisions.md",
)


def code_files() -> list[Path]:
    return sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def names_in(tree: ast.AST) -> set[str]:
    """Every name that a file uses: variables, attributes, functions, classes, arguments, imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.arg, ast.keyword)):
            names.add(node.arg or "")
        elif isinstance(node, ast.alias):
            names |= {*node.name.split("."), node.asname or ""}
    return names


@pytest.mark.parametrize("path", code_files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_names_and_phrases_of_code(path):
    text = path.read_text(encoding="utf-8")
    names = names_in(ast.parse(text)) - EXEMPT_NAMES.get(path.relative_to(ROOT).as_posix(), set())
    assert {name: IDENTIFIERS[name] for name in names & IDENTIFIERS.keys()} == {}
    assert [name for name in names for part in PARTS if part in name.lower()] == []
    assert phrases_in(text) == []


@pytest.mark.parametrize("name", TEXTS)
def test_phrases_of_documents(name):
    path = ROOT / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside these tests")
    assert phrases_in(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("MedSSL*/Resources/UI/*.ui")), ids=lambda path: path.name)
def test_phrases_of_forms(path):
    assert phrases_in(path.read_text(encoding="utf-8")) == []


def phrases_in(text: str) -> list[str]:
    """Retired phrases in a text, also over the end of a line."""
    flat = re.sub(r'["\s]+', " ", text.lower())
    return [phrase for phrase in PHRASES if phrase in flat]


def test_the_search_finds_what_it_looks_for():
    assert names_in(ast.parse("def f(told): return x.alarms")) >= {"told", "alarms"}
    assert phrases_in("They are kept\n    aside.") == ["kept aside"]
