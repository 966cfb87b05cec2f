"""The loop of the scene against the real backend: fine-tune, segment another volume, correct it, go on."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import slicer
from scaffold import phantoms

from medssl.client import backend

pytestmark = pytest.mark.slow

SHAPE = (24, 24, 24)
CONFIG = {
    "base_width": 4, "crop": [16, 16, 16],
    "training": {"steps": 3, "batch_size": 2, "warmup_steps": 1, "validate_every": 3, "checkpoint_every": 3},
}  # fmt: skip


@pytest.fixture
def server(load_module, monkeypatch, tmp_path):
    """A real server over an empty home folder; its address."""
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path))
    monkeypatch.setenv("MEDSSL_PYTHON", sys.executable)
    load_module("MedSSLPretrain")
    load_module("MedSSLInference")
    address = backend.start(sys.executable, tmp_path, timeout_s=120)
    yield address
    backend.stop(address)


def names(node) -> list[str]:
    segmentation = node.GetSegmentation()
    return [segmentation.GetNthSegment(n).GetName() for n in range(segmentation.GetNumberOfSegments())]


def openFinetune(process_until):
    """The panel, connected, with its section open and the settings of this test."""
    panel = slicer.modules.medsslpretrain.widgetRepresentation().self().panel
    panel.finetuneBox.ui.finetuneSection.collapsed = False
    process_until(lambda: panel.backend.transport is not None, 60)
    form = panel.finetuneBox.tasks.form
    process_until(lambda: panel.finetuneBox.ui.startFromCombo.count == 2, 30)
    form.setValues(merged(form.values(), CONFIG))
    return panel


def merged(tree, over):
    return {**tree, **{k: merged(tree[k], v) if isinstance(v, dict) else v for k, v in over.items()}}


def ended(panel, jobs, process_until) -> str:
    """Wait until one job more than `jobs` has ended well; returns its ID."""
    process_until(lambda: len(panel.history.views) > jobs or panel.finetuneBox.ui.finetuneError.visible, 60)
    assert not panel.finetuneBox.ui.finetuneError.visible, panel.finetuneBox.ui.finetuneError.text
    process_until(lambda: panel.runBox.view is not None and panel.runBox.view.id == panel.history.views[0].id, 30)
    process_until(lambda: not panel.runBox.active, 300)
    assert panel.runBox.view.status.state == "finished", panel.ui.runError.text
    return panel.runBox.view.id


def test_fine_tune_segment_correct_continue(server, process_until, grab):
    from MedSSLLib.scene.labelMaps import isCorrected

    pairs = [phantoms.segmented(f"chest {n}", shape=SHAPE, oblique=n == 1) for n in range(3)]
    panel = openFinetune(process_until)
    box = panel.finetuneBox
    process_until(lambda: box.ui.volumesTable.rowCount == 3)
    box.ui.tickAllButton.click()
    assert box.ui.finetuneButton.enabled, box.ui.finetuneStatus.text
    box.ui.finetuneButton.click()
    model = ended(panel, 0, process_until)
    fourth = phantoms.volume("chest 3", SHAPE, oblique=True)
    node = slicer.util.getModuleLogic("MedSSLInference").segment(fourth, model)
    assert names(node) == names(pairs[0][1]) == ["left lung", "right lung"]
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    assert node.GetNodeReference(role) is fourth and not isCorrected(node, fourth)
    colours = [[entry.GetSegmentation().GetNthSegment(1).GetColor()] for entry in (node, pairs[0][1])]
    assert np.allclose(*colours, atol=0.01)
    phantoms.paint(node, fourth, node.GetSegmentation().GetNthSegmentID(1), 1)
    assert isCorrected(node, fourth)
    box.ui.continueButton.click()
    again = ended(panel, 1, process_until)
    spec = panel.runBox.view.spec
    assert [ref.name for ref in spec.data.volumes] == ["chest 0", "chest 1", "chest 2", "chest 3"]
    assert again != model and model in spec.start_from
    grab(panel.ui.jobsSection, "finetune-end-to-end", 470, 260)
