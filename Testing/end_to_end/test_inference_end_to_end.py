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


def test_restore_through_the_real_backend(server, process_until, grab, monkeypatch):
    from MedSSLInferenceLib.selfTest import trainForThreeSteps
    from MedSSLLib.backend.backendProcess import localTransport

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
    monkeypatch.setenv("MEDSSL_PYTHON", sys.executable)
    from MedSSLInference import MedSSLInferenceTest

    MedSSLInferenceTest().runTest()  # with a model and a backend at hand it restores through them
