"""`runTest` of both modules through a real backend, and what they do where no sample volume can be had."""

from __future__ import annotations

import sys

import pytest
import slicer
from scaffold import phantoms

from medssl.client import backend
from medssl.core.errors import ResourceError

pytestmark = pytest.mark.slow


@pytest.fixture
def server(load_module, monkeypatch, tmp_path):
    """A real server over an empty home folder, both modules, and nothing that can be fetched."""
    from MedSSLLib.backend import selfTest

    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path))
    monkeypatch.setenv("MEDSSL_PYTHON", sys.executable)
    asked = []

    def fetch(name: str):
        asked.append(name)
        raise ResourceError(name, "cannot be fetched", "Use a phantom")

    monkeypatch.setattr(selfTest, "fetch", fetch)
    for name in ("MedSSLPretrain", "MedSSLInference"):
        load_module(name)
    address = backend.start(sys.executable, tmp_path, timeout_s=120)
    yield asked
    backend.stop(address)


def names() -> list[str]:
    return [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]


def test_both_restore_and_find_places(server, tmp_path):
    """The first without a sample that can be had, through a model of its own; the second with one, through that model."""
    from MedSSLInference import MedSSLInferenceTest
    from MedSSLPretrain import MedSSLPretrainTest

    MedSSLPretrainTest().runTest()
    assert server == ["chest-ct"]
    assert {"MedSSL phantom frontal (simulated)", "second patient frontal (simulated)"} <= set(names())
    phantoms.save(phantoms.volume("chest"), tmp_path / "samples" / "chest-ct" / "images" / "chest.nii.gz")
    MedSSLInferenceTest().runTest()
    assert server == ["chest-ct"], "it was there"
    assert {"chest", "chest frontal (simulated)"} <= set(names())
