"""`runTest` of both modules through a real backend: with a sample volume at hand, and where none can be fetched."""

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
    from MedSSLLib import selfTest

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


def test_pretrain_restores_and_finds_places_in_the_sample(server, tmp_path):
    from MedSSLPretrain import MedSSLPretrainTest

    phantoms.save(phantoms.volume("chest"), tmp_path / "samples" / "chest-ct" / "images" / "chest.nii.gz")
    MedSSLPretrainTest().runTest()
    assert server == [] and "chest" in names()
    assert {"chest frontal (simulated)", "second patient frontal (simulated)"} <= set(names())


def test_inference_takes_a_phantom_where_no_sample_can_be_had(server):
    from MedSSLInference import MedSSLInferenceTest

    MedSSLInferenceTest().runTest()
    assert server == ["chest-ct"]
    assert {"MedSSL phantom", "MedSSL phantom frontal (simulated)"} <= set(names())
