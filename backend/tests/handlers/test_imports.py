"""A handler loads what it needs: classifying a picture starts without pretraining and distortions."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from medssl.handlers import INSPECTIONS

LIST = "import sys, {}; print(*[name for name in sys.modules if name.startswith('medssl.')])"


def loaded(module: str) -> set[str]:
    """The modules of MedSSL that a fresh interpreter has after one import."""
    done = subprocess.run([sys.executable, "-c", LIST.format(module)], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("predict", ("medssl.pretraining.genesis", "medssl.distort", "medssl.inference.volumes", "medssl.reports")),
        ("segment", ("medssl.inference.volumes.restoration", "medssl.pretraining.genesis", "medssl.distort")),
        ("similarity", ("medssl.reports", "medssl.pretraining.genesis", "medssl.distort")),
    ],
)
def test_a_handler_starts_without(name, without):
    modules = loaded(f"medssl.handlers.{name}")
    assert f"medssl.handlers.{name}" in modules
    assert [one for one in modules if one.startswith(without) or one.startswith("medssl.handlers.worker")] == []


def test_a_handler_is_named_like_its_inspection():
    for name, inspection in INSPECTIONS.items():
        assert re.fullmatch(rf"medssl\.handlers\.(\w+\.)?{name}:{name}", inspection.handler)
