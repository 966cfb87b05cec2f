"""docs/reference.md says what the code says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def reference(monkeypatch):
    if not (ROOT / "backend/checks/reference.py").is_file():
        pytest.skip("the tests lie outside their repository")
    monkeypatch.syspath_prepend(str(ROOT / "backend/checks"))
    import reference

    yield reference
    sys.modules.pop("reference", None)


def test_the_reference_is_up_to_date(reference):
    written = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
    assert written == reference.reference(), "run: python backend/checks/reference.py"


def test_the_reference_names_what_is_registered(reference):
    text = reference.reference()
    for name in (*reference.INSPECTIONS, *reference.METHODS, *reference.TASKS, *reference.KINDS):
        assert f"`{name}`" in text or f"### {name}\n" in text
    assert "POST /inspect/restore" in text and "`medssl pretrain`" in text and "`not-found`" in text
