"""Codes of errors are names, each of one class; tests compare them, not the wording of messages."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SEVERAL = {  # the same situation met in things of several kinds; every other code has one class
    "device-unknown": {"ConfigError", "InputError"},
    "file-unwritable": {"CatalogError", "ResourceError"},
    "file-not-found": {"CatalogError", "NotFoundError", "VolumeError", "WeightsError"},
    "model-missing": {"ConfigError", "InputError", "WeightsError"},
    "model-not-found": {"NotFoundError", "WeightsError"},
    "not-2d": {"InputError", "VolumeError"},
    "not-3d": {"InputError", "VolumeError"},
    "one-class-only": {"CatalogError", "InputError"},
    "split-unknown": {"CatalogError", "ConfigError"},
}


@pytest.fixture
def checks(monkeypatch):
    if not (ROOT / "backend/checks/error_codes.py").is_file():
        pytest.skip("the tests lie outside their repository")
    monkeypatch.syspath_prepend(str(ROOT / "backend/checks"))
    import error_codes

    yield error_codes
    sys.modules.pop("error_codes", None)


def test_a_code_is_kebab_case_and_of_one_class(checks):
    kinds = defaultdict(set)
    for use in checks.code_uses():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", use.code), use
        kinds[use.code].add(use.kind)
    assert len(kinds) > 200, "the codes were not found"
    assert {code: names for code, names in kinds.items() if len(names) > 1} == SEVERAL
    own = {kind.code for kind in checks.CLASSES.values()}
    assert own & kinds.keys() == set(), "a code of a class needs not be written"


def test_rules_are_read_with_their_values_left_out(checks):
    code = """
rule, remedy = f"has {n} axes", "Save one"
raise VolumeError(path, rule, remedy, code="axes-unsupported")
raise InputError(name, _("lies outside {one}").format(one=one), code="point-outside")
raise InputError(name, "lies left" if n else "lies right", code="left" if n else "right")
raise ConfigError(name, "is unknown")
"""
    assert list(checks._in_file(ast.parse(code))) == [
        ("axes-unsupported", "VolumeError", "has … axes"),
        ("point-outside", "InputError", "lies outside …"),
        ("left", "InputError", "lies left"),
        ("right", "InputError", "lies right"),
    ]


def test_no_test_compares_the_wording_of_an_error(checks):
    found = []
    for path in [*ROOT.glob("backend/tests/**/*.py"), *ROOT.glob("Testing/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and any(keyword.arg == "match" for keyword in node.keywords):
                names = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
                found += [f"{path.name}:{node.lineno}"] if names & checks.CLASSES.keys() else []
    assert found == [], "refused(code, names=...) of refusals.py compares the code"
