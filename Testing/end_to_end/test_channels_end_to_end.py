"""Two images per case against the real backend: learnt from the scene, then applied to two nodes."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import slicer
from refusals import refused
from scaffold import phantoms

from medssl.client import backend

pytestmark = pytest.mark.slow

SHAPE = (24, 24, 24)
CONFIG = {
    "base_width": 4, "crop": [16, 16, 16],
    "training": {"steps": 2, "batch_size": 2, "warmup_steps": 1, "validate_every": 2, "checkpoint_every": 2},
}  # fmt: skip


@pytest.fixture
def server(load_module, monkeypatch, tmp_path):
    """A real server over an empty home folder."""
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path))
    monkeypatch.setenv("MEDSSL_PYTHON", sys.executable)
    load_module("MedSSLPretrain")
    load_module("MedSSLInference")
    address = backend.start(sys.executable, tmp_path, timeout_s=120)
    yield address
    backend.stop(address)


def mrBeside(volume, name: str):
    """An MR-like image of the same chest, on coarser voxels along k that begin one slice later."""
    array = slicer.util.arrayFromVolume(volume)[2::2]
    node = slicer.util.addVolumeFromArray(((600 - array) // 2).clip(0).astype(np.int16), name=name)
    matrix = phantoms.ijk_to_ras(volume)
    matrix[:3, 3] += 2 * matrix[:3, 2]
    matrix[:3, 2] *= 2
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
    return node


def test_fine_tune_on_two_images_and_segment_two_nodes(server):
    pretrain, inference = (slicer.util.getModuleLogic(name) for name in ("MedSSLPretrain", "MedSSLInference"))
    volumes = [phantoms.segmented(f"chest {n}", shape=SHAPE, oblique=n == 1)[0] for n in range(2)]
    channels = [[mrBeside(volume, f"mr {n}")] for n, volume in enumerate(volumes)]
    job = pretrain.finetune(volumes, channels=channels, config=CONFIG)
    assert job.state == "finished"
    said = [event["message"] for event in job.events if event["type"] == "warning"]
    assert any("outside the field of MR" in message and "chest 0" in message for message in said)
    third = phantoms.volume("chest 2", SHAPE, oblique=True)
    node = inference.segment(third, job.model, channels=[mrBeside(third, "mr 2")])
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    assert node.GetNodeReference(role) is third
    with refused("channels-incomplete", ["CT and MR", "MR is missing"]):
        inference.segment(third, job.model)
