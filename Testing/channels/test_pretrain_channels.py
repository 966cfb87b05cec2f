"""Fine-tuning from the scene on several images per case: chosen in a table, kept at the nodes, sent as channels."""

from __future__ import annotations

import pytest
import slicer
from refusals import refused
from scaffold import phantoms
from scaffold.finetune_panel import finish
from scaffold.finetuning import FinetuneServer
from scaffold.inference_panel import choose


def beside(volume, name: str, millimetres: float = 0.0):
    """A second image of a volume's patient, moved along the patient's axis."""
    node = phantoms.volume(name)
    matrix = phantoms.ijk_to_ras(volume)
    matrix[2, 3] += millimetres
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
    return node


@pytest.fixture
def paired(two, process_until):
    """Two ticked volumes, and a second image of each in the scene."""
    two.seconds = [beside(volume, f"mr {n}") for n, (volume, _node) in enumerate(two.pairs, 1)]
    process_until(lambda: two.box.ui.volumesTable.rowCount == 4)
    return two


def pick(panel, row: int, node) -> None:
    """Choose the second image of a row as a user does."""
    combo = panel.box.ui.channelsTable.cellWidget(row, 1)
    choose(combo, node.GetID() if node is not None else "")
    combo.activated.emit(combo.currentIndex)


def test_two_images_per_case(paired, process_until, grab):
    ui = paired.box.ui
    assert not ui.channelsTable.visible and ui.finetuneButton.enabled
    ui.channelsSpin.value = 2
    assert ui.channelsTable.visible and ui.channelsTable.rowCount == 2
    assert not ui.finetuneButton.enabled and "chest 1: has no image 2" in ui.finetuneStatus.text
    paired.grab(grab, "finetune-channels-missing")
    for row, node in enumerate(paired.seconds):
        pick(paired, row, node)
    ui.channelNamesEdit.text = "CT,MR"
    assert ui.finetuneButton.enabled
    paired.grab(grab, "finetune-channels")
    finish(paired, process_until)
    data = paired.server.jobs[0].spec.data
    assert data.channel_names == "CT,MR"
    assert [[one.name for one in ref.further] for ref in data.volumes] == [["mr 1"], ["mr 2"]]
    ui.channelsSpin.value = 1
    assert not ui.channelsTable.visible
    finish(paired, process_until)
    assert all(not ref.further for ref in paired.server.jobs[1].spec.data.volumes)


def test_an_image_elsewhere_is_refused_before_anything_is_sent(paired, process_until):
    far = beside(paired.pairs[1][0], "far", 2000.0)
    process_until(lambda: paired.box.ui.volumesTable.rowCount == 5)
    paired.box.ui.channelsSpin.value = 2
    pick(paired, 0, paired.seconds[0])
    pick(paired, 1, far)
    assert "far, image 2 of chest 2: has no place in common" in paired.box.ui.finetuneStatus.text
    assert not paired.box.ui.finetuneButton.enabled and not paired.server.jobs


def test_what_was_chosen_is_kept_in_the_scene(paired):
    from MedSSLLib.channels.channelNodes import furtherOf

    paired.box.ui.channelsSpin.value = 2
    pick(paired, 0, paired.seconds[0])
    node = paired.widget._parameterNode
    assert (node.channelCount, furtherOf(paired.pairs[0][0], 1)) == (2, (paired.seconds[0],))
    node.channelCount, node.channelNames = 1, ""
    paired.box.setParameterNode(node)
    assert paired.box.channels.count == 1


def test_console(make_logic):
    server = FinetuneServer(pace=200)
    logic, volumes = make_logic("MedSSLPretrain", server), [phantoms.segmented(f"chest {n}")[0] for n in (1, 2)]
    channels = [[beside(volume, f"mr {n}")] for n, volume in enumerate(volumes)]
    logic.finetune(volumes, channels=channels, channelNames="CT,MR", modality="CT")
    data = server.jobs[0].spec.data
    assert ([len(ref.further) for ref in data.volumes], data.channel_names, data.modality) == ([1, 1], "CT,MR", "")
    assert [(ref.modality, ref.further[0].modality) for ref in data.volumes] == [("CT", "")] * 2
    with refused("counts-differ", ["1 lists of channels", "2 volumes"]):
        logic.finetune(volumes, channels=channels[:1])
    with refused("channel-missing", "chest 2"):
        logic.finetune(volumes, channels=[channels[0], [None]])
