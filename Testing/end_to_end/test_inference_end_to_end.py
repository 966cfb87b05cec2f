"""MedSSLInference against the real backend: server, worker, a model trained for a few steps, a real transport."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import slicer
from scaffold import phantoms

from medssl.client import backend

pytestmark = pytest.mark.slow


@pytest.fixture
def server(load_module, monkeypatch, tmp_path):
    """A real server over an empty home folder; its address."""
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path))
    load_module("MedSSLInference")
    address = backend.start(sys.executable, tmp_path, timeout_s=60)
    yield address
    backend.stop(address)


def test_restore_through_the_real_backend(server, process_until, grab):
    from MedSSLLib.backend.backendProcess import localTransport
    from MedSSLLib.backend.selfTest import trainForThreeSteps

    source = phantoms.volume("chest", shape=(96, 96, 48), oblique=True)
    job = trainForThreeSteps(localTransport(), source)
    panel = slicer.modules.medsslinference.widgetRepresentation().self()
    process_until(lambda: panel.ui.modelCombo.findData(job) >= 0, timeout=30)
    panel.ui.inputSelector.setCurrentNode(source)
    panel.ui.modelCombo.setCurrentIndex(panel.ui.modelCombo.findData(job))
    panel.ui.distortionCombo.setCurrentIndex(panel.ui.distortionCombo.findData("outpaint"))
    panel.ui.applyButton.click()
    process_until(lambda: panel.panel.restore.state in ("finished", "failed"), timeout=120)
    assert panel.panel.restore.state == "finished", panel.ui.restoreError.text
    result = panel.panel.restore.restoration
    for node in (result.original, result.distorted, result.restored, result.error):
        assert np.array_equal(phantoms.ijk_to_ras(node), phantoms.ijk_to_ras(source))
        assert node.GetImageData().GetDimensions() == source.GetImageData().GetDimensions()
    original, voxels = slicer.util.arrayFromVolume(result.original), slicer.util.arrayFromVolume(source)
    assert np.array_equal(original, np.clip(voxels, -1000, 1000)), "in the source's units, inside the model's window"
    assert {row["image"] for row in result.table} >= {"distorted", "restored"}
    again = panel.logic.restore(source, model=job, distortion="outpaint")
    assert np.array_equal(slicer.util.arrayFromVolume(again.distorted), slicer.util.arrayFromVolume(result.distorted))
    grab(slicer.app.layoutManager().viewport(), "inference-end-to-end", 900, 760)


def save_segmenter(path) -> None:
    """A small network of random weights whose answer depends on which way the axes run."""
    import torch

    from medssl.core.geometry import Geometry
    from medssl.core.plan import Plan
    from medssl.networks.downstream.unet_segmenter import UNetSegmenter
    from medssl.networks.weights.weight_files import save_weights

    torch.manual_seed(0)
    network = UNetSegmenter(classes=2, base_width=4)
    image = torch.from_numpy(phantoms.voxels((48, 40, 24)).T.astype(np.float32)).add(1000).div(2000).clamp(0, 1)
    with torch.no_grad():
        weight, bias = list(network.parameters())[-2:]
        weight *= 300  # untrained, it says nearly the same everywhere
        logits = network.eval()(image[None, None])[0]
        bias[1] -= (logits[1] - logits[0]).median()  # else one class wins everywhere
    segments = [{"value": 1, "name": "part", "colour": "#ff8800", "terminology": ""}]
    task = {"name": "segmentation", "form": "3d", "segments": segments}
    plan = Plan("unet-segmenter", network.arguments, "paper", {"kind": "ct"}, (32, 32, 16), "CT", task,
                geometry=Geometry("LPS", (2.0, 2.0, 3.0), "linear", (0.1,) * 3, (9.0,) * 3, 90.0))  # fmt: skip
    save_weights(path, network.state_dict(), plan)


def test_nodes_of_one_patient_in_any_storage_give_one_result(server, tmp_path):
    from MedSSLLib.scene.labelMaps import labelArray

    from medssl.images.geometry import reorient
    from medssl.images.volume import LPS_TO_RAS, Volume

    save_segmenter(tmp_path / "segmenter.safetensors")
    logic = slicer.modules.medsslinference.widgetRepresentation().self().logic
    source = phantoms.volume("chest", shape=(48, 40, 24), oblique=True)
    ras = phantoms.ijk_to_ras(source)
    spacing = np.linalg.norm(ras[:3, :3], axis=0)
    patient = Volume(
        slicer.util.arrayFromVolume(source).T.copy(),
        spacing,
        LPS_TO_RAS @ ras[:3, 3],
        LPS_TO_RAS @ ras[:3, :3] / spacing,
    )
    found = {}
    for orientation in ("LPS", "RAS", "SPR"):
        stored = reorient(patient, orientation)
        node = slicer.util.addVolumeFromArray(np.ascontiguousarray(stored.array.T), name=orientation)
        node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(stored.ijk_to_ras))
        segmentation = logic.segment(node, model=str(tmp_path / "segmenter.safetensors"))
        labels = labelArray(segmentation, node).T
        found[orientation] = reorient(Volume(labels, stored.spacing, stored.origin, stored.direction)).array
    assert 0.02 < (found["LPS"] > 0).mean() < 0.98
    for orientation in ("RAS", "SPR"):
        assert (found[orientation] == found["LPS"]).mean() > 0.999, "but for ties"
