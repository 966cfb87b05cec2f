"""The section "Segment" with a model of two channels: two nodes of the scene, chosen by the channel's name."""

from __future__ import annotations

import pytest
import slicer
from refusals import refused
from scaffold import phantoms
from scaffold.inference_panel import choose
from scaffold.tasks import MODELS, TaskServer

from medssl.core.errors import WeightsError

PAIRED = "20261129-tumour-c3"
TUMOUR = {**MODELS[0], "model": PAIRED, "name": "tumour"}
TUMOUR["plan"] = {**TUMOUR["plan"], "task": {**TUMOUR["plan"]["task"], "channels": [
    {"name": "MR", "modality": "MR", "normalisation": {}}, {"name": "CT", "modality": "CT", "normalisation": {}}]}}  # fmt: skip


def displaced(name: str, millimetres: float):
    """A phantom moved along the patient's axis."""
    node = phantoms.volume(name, (64, 56, 32))
    matrix = phantoms.geometry(False)
    matrix[2, 3] += millimetres
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
    return node


@pytest.fixture
def panel(make_inference, process_until):
    """A model of MR and CT is chosen, an MR is loaded."""
    panel = make_inference(TaskServer(models=[TUMOUR, *MODELS]), "segment")
    panel.mr = phantoms.volume("t1", (64, 56, 32))
    panel.ui.segmentSelector.setCurrentNode(panel.mr)
    panel.connect(process_until)
    panel.choose(PAIRED)
    return panel


def combo(panel):
    """The selector of the second channel."""
    return panel.box.channels.combos[0]


def pick(panel, node) -> None:
    """Choose the second channel as a user does."""
    box = combo(panel)
    choose(box, node.GetID() if node is not None else "")
    box.activated.emit(box.currentIndex)


def test_two_nodes_are_sent_as_the_channels_of_one_case(panel, process_until, grab):
    ui = panel.ui
    assert ui.segmentLabel.text == "MR:" and not ui.segmentButton.enabled
    assert "choose the volume of CT" in ui.segmentStatus.text
    ct = displaced("ct", 20.0)
    process_until(lambda: combo(panel).count == 2)
    panel.grab(grab, "segment-channels-missing")
    pick(panel, ct)
    assert ui.segmentButton.enabled and "CT covers 88% of t1" in ui.segmentStatus.text
    panel.grab(grab, "segment-channels")
    panel.finish(ui.segmentButton, process_until)
    (request,) = panel.server.asked
    assert [one.name for one in (request.volume, *request.volume.further)] == ["t1", "ct"]
    assert len({request.volume.sha256, request.volume.further[0].sha256}) == 2
    assert panel.box.segmented.volume is panel.mr
    panel.choose(MODELS[0]["model"])
    assert not ui.channelsFrame.visible and ui.segmentLabel.text == "Volume:"
    panel.finish(ui.segmentButton, process_until)
    assert panel.server.asked[1].volume.further == ()


def test_what_a_run_said_stays_when_nodes_come_and_go(panel, scene, process_until):
    ct = displaced("ct", 0.0)
    process_until(lambda: combo(panel).count == 2)
    pick(panel, ct)
    panel.finish(panel.ui.segmentButton, process_until)
    said = panel.ui.segmentStatus.text
    assert "is in the scene" in said
    displaced("another", 0.0)
    process_until(lambda: combo(panel).count == 3)
    assert panel.ui.segmentStatus.text == said and panel.box.state == "finished"
    panel.server.fails = WeightsError("tumour", "was trained for CT", "Take another model")
    panel.finish(panel.ui.segmentButton, process_until, state="failed")
    scene.AddNewNodeByClass("vtkMRMLTableNode")
    displaced("third", 0.0)
    process_until(lambda: combo(panel).count == 4)
    assert "was trained for CT" in panel.ui.segmentError.text and panel.ui.segmentError.visible
    pick(panel, None)
    assert "choose the volume of CT" in panel.ui.segmentStatus.text and not panel.ui.segmentError.visible


def test_fields_without_a_common_place_and_other_transforms_are_refused_before_running(panel, scene, process_until):
    far, turned = displaced("far", 1000.0), displaced("turned", 0.0)
    turn = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "registration")
    turned.SetAndObserveTransformNodeID(turn.GetID())
    process_until(lambda: combo(panel).count == 3)
    for node, complaint in ((far, "has no place in common"), (turned, "is under another transform")):
        pick(panel, node)
        assert not panel.ui.segmentButton.enabled and complaint in panel.ui.segmentStatus.text
    pick(panel, None)
    assert "choose the volume of CT" in panel.ui.segmentStatus.text


def test_console(make_logic):
    server = TaskServer(models=[TUMOUR])
    logic, mr = make_logic("MedSSLInference", server), phantoms.volume("t1", (64, 56, 32))
    node = logic.segment(mr, PAIRED, channels=[displaced("ct", 0.0)])
    assert node.IsA("vtkMRMLSegmentationNode")
    assert [one.name for one in server.asked[0].volume.further] == ["ct"]
    with refused("channels-apart", "far"):
        logic.segment(mr, PAIRED, channels=[displaced("far", 1000.0)])
