"""The comparison of radiographs against the real backend: server, worker, a small untrained PEAC network, a real transport."""

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
    """A real server over a home folder with one model; its address."""
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path))
    save_small_model(tmp_path / "models" / "small.safetensors")
    load_module("MedSSLInference")
    address = backend.start(sys.executable, tmp_path, timeout_s=60)
    yield address
    backend.stop(address)


def save_small_model(path) -> None:
    """A PEAC network of 0.4 M parameters: its descriptors tell appearance, not anatomy, which suffices here."""
    import torch

    from medssl.core.plan import Plan
    from medssl.core.schema import as_dict
    from medssl.images.intensity.config import NormalisationConfig
    from medssl.networks.peac import PeacNetwork
    from medssl.networks.weights.weight_files import save_weights

    torch.manual_seed(0)
    sizes = dict(width=32, patch=8, depths=(2, 2), heads=(1, 2), global_hidden=32, local_hidden=32)
    network = PeacNetwork(**sizes)
    normalisation = as_dict(NormalisationConfig(kind="cxr"))
    path.parent.mkdir(parents=True)
    plan = Plan("peac", sizes, normalisation=normalisation, input_size=(network.side,) * 2, modality="CXR")
    save_weights(path, network.state_dict(), plan)


def test_all_four_comparisons_through_the_real_backend(server, process_until, grab, tmp_path):
    from MedSSLInferenceLib.scene.pixelGeometry import pixelsToWorld, worldToPixel

    images = [phantoms.radiograph("first", (240, 200)), phantoms.radiograph("second", (180, 220), seed=1, origin=30.0)]
    widget = slicer.modules.medsslinference.widgetRepresentation().self()
    box = widget.panel.radiographs
    model = str(tmp_path / "models" / "small.safetensors")
    process_until(lambda: widget.ui.modelCombo.findData(model) >= 0, timeout=30)
    widget.ui.modelCombo.setCurrentIndex(widget.ui.modelCombo.findData(model))
    assert box.ui.radiographSection.enabled and not widget.ui.restoreSection.enabled
    for image in images:
        box.ui.imagesSelector.check(image)
    for button in (box.ui.correspondButton, box.ui.findButton, box.ui.cosegmentButton, box.ui.patchmapButton):
        button.click()
        process_until(lambda: box.state in ("finished", "failed"), timeout=120)
        assert box.state == "finished", box.ui.radiographError.text
    group = box.group
    first, second = group.all("points")
    assert first.GetNumberOfControlPoints() >= 1 and second.GetNumberOfControlPoints() >= 1
    heat = group.get("heat", 1)
    before = slicer.util.arrayFromVolume(heat).copy()
    group.get("find", 0).SetNthControlPointPositionWorld(0, *pixelsToWorld(images[0], [(60, 120)])[0])
    process_until(lambda: not box.find.busy, timeout=30)
    assert not np.array_equal(before, slicer.util.arrayFromVolume(heat)), box.ui.radiographError.text
    corners = [(phantoms.ijk_to_ras(heat) @ [*ij, 0, 1])[:3] for ij in ((0, 0), np.subtract(before.shape[:0:-1], 1))]
    (x0, y0), (x1, y1) = (worldToPixel(images[1], corner) for corner in corners)
    assert -1 < x0 < 12 and -1 < y0 < 12 and 165 < x1 < 185 and 205 < y1 < 225, "the map covers the image"
    names = [
        [node.GetSegmentation().GetNthSegment(n).GetName() for n in range(node.GetSegmentation().GetNumberOfSegments())]
        for node in group.all("parts")
    ]
    assert names[0] and set(names[0]) & set(names[1])
    assert group.get("patches").GetNumberOfRows() > 100
    grab(slicer.app.layoutManager().viewport(), "correspond-end-to-end", 1000, 900)
    again = widget.logic.correspond(images, model)
    assert again.group == group and again.lists == [first, second]


def test_a_ct_becomes_a_radiograph(server, tmp_path):
    from MedSSLInference import MedSSLInferenceLogic

    ct = phantoms.volume("ct", (96, 80, 72))
    ct.SetAttribute("MedSSL.Modality", "CT")
    model = str(tmp_path / "models" / "small.safetensors")
    logic = MedSSLInferenceLogic()
    result = logic.correspond([ct, phantoms.radiograph("first", (240, 200))], model, view="frontal")
    radiograph = result.group.images[0]
    assert radiograph.GetName() == "ct frontal (simulated)" and radiograph.GetImageData().GetDimensions()[2] == 1
    cut = logic.correspond([ct, phantoms.radiograph("other", (240, 200))], model, view="k:30").group.images[0]
    assert np.allclose(phantoms.ijk_to_ras(cut) @ [5, 6, 0, 1], phantoms.ijk_to_ras(ct) @ [5, 6, 30, 1])
    assert np.array_equal(slicer.util.arrayFromVolume(cut)[0], slicer.util.arrayFromVolume(ct)[30])


def test_the_other_methods_model_is_refused(server, tmp_path):
    from medssl.core.errors import WeightsError
    from MedSSLInference import MedSSLInferenceLogic

    model = str(tmp_path / "models" / "small.safetensors")
    with pytest.raises(WeightsError):
        MedSSLInferenceLogic().restore(phantoms.volume("ct", (96, 80, 48)), model)
