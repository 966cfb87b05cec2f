"""Damaged files of every kind but DICOM end in errors of our own; `backend/checks/attacks/mutated_files.py` makes more of them."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[4]
if not (ROOT / "backend/checks/attacks/mutated_files.py").is_file():
    pytest.skip("the tests lie outside their repository", allow_module_level=True)
SPEC = importlib.util.spec_from_file_location("mutated_files", ROOT / "backend/checks/attacks/mutated_files.py")
assert SPEC is not None and SPEC.loader is not None
mutated_files = sys.modules[SPEC.name] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(mutated_files)
COUNT = int(os.environ.get("MEDSSL_MUTANTS", "60"))


@pytest.mark.parametrize("kind", mutated_files.KINDS, ids=lambda kind: kind.name)
def test_mutants_are_read_or_refused(tmp_path, kind):
    found = mutated_files.outcomes(kind, COUNT, tmp_path, seed=1)
    assert sum(found.values()) == COUNT
    assert found["refused"] > COUNT / 4
    assert set(found) <= {"read", "refused"}


def test_the_sound_files_are_read_and_mutants_differ(tmp_path):
    for kind in mutated_files.KINDS:
        kind.make(tmp_path / kind.name)
        kind.read(tmp_path / kind.name)
    data, rng = (tmp_path / "plain.nii").read_bytes(), np.random.default_rng(0)
    assert sum(mutated_files.mutant(data, rng) != data for _ in range(50)) > 45
