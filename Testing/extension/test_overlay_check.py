"""The invariant that every panel test ends with: it sees each kind of result that lies over a foreign image, and no other."""

from __future__ import annotations

import harness as harness_package
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(bool(harness_package.missing()), reason=harness_package.missing() or "complete")


@pytest.fixture
def found(scene):
    """What the invariant says; the scene is cleaned before the fixture `scene` asks by itself."""
    from watch.overlay_check import misplaced

    yield misplaced
    scene.Clear(0)


@pytest.fixture
def images(scene):
    """Two volumes; the red view shows the second."""
    import slicer

    array = np.zeros((4, 8, 8), np.float32)
    nodes = [slicer.util.addVolumeFromArray(array, name=name) for name in ("first", "second")]
    composite("Red").SetBackgroundVolumeID(nodes[1].GetID())
    return nodes


def composite(name: str):
    import slicer

    return slicer.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode()


def result(scene, kind: str, image):
    """A displayed node that says of which image it is."""
    node = scene.AddNewNodeByClass(kind, "result")
    node.CreateDefaultDisplayNodes()
    node.SetNodeReferenceID("MedSSL.image", image.GetID())
    return node


KINDS = ["vtkMRMLMarkupsFiducialNode", "vtkMRMLMarkupsROINode", "vtkMRMLSegmentationNode", "vtkMRMLMarkupsCurveNode"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_over_another_image(found, images, scene, kind):
    node = result(scene, kind, images[0])
    assert found() == ["result in Red, which shows second"]
    node.GetDisplayNode().SetVisibility2D(False)
    assert found() == []
    node.GetDisplayNode().SetVisibility2D(True)
    node.GetDisplayNode().SetViewNodeIDs(["vtkMRMLSliceNodeGreen"])
    assert found() == [], "the green view shows no image"
    composite("Green").SetBackgroundVolumeID(images[0].GetID())
    assert found() == []
    composite("Green").SetBackgroundVolumeID(images[1].GetID())
    assert found() == ["result in Green, which shows second"]


def test_every_display_node_counts(found, images, scene):
    import slicer

    node = result(scene, "vtkMRMLMarkupsFiducialNode", images[0])
    node.GetDisplayNode().SetVisibility(False)
    second = slicer.vtkMRMLMarkupsFiducialDisplayNode()
    node.AddAndObserveDisplayNodeID(scene.AddNode(second).GetID())
    assert found() == ["result in Red, which shows second"]


@pytest.mark.parametrize("layer", ["Foreground", "Label"])
def test_a_heat_map_or_label_map_over_another_image(found, images, scene, layer):
    import slicer

    upper = slicer.util.addVolumeFromArray(np.zeros((4, 8, 8), np.float32), name="heat")
    upper.SetNodeReferenceID("MedSSL.image", images[0].GetID())
    getattr(composite("Red"), f"Set{layer}VolumeID")(upper.GetID())
    assert found() == [f"heat as {layer.lower()} in Red, which shows second"]
    composite("Red").SetBackgroundVolumeID(images[0].GetID())
    assert found() == []


def test_results_of_one_image_may_be_blended(found, images, scene):
    import slicer

    restored = slicer.util.addVolumeFromArray(np.zeros((4, 8, 8), np.float32), name="restored")
    restored.SetNodeReferenceID("MedSSL.source", images[1].GetID())
    composite("Red").SetBackgroundVolumeID(restored.GetID())
    composite("Red").SetForegroundVolumeID(images[1].GetID())
    assert found() == []


OWN = """
def add(scene, kind):
    node = scene.AddNewNodeByClass(kind, "ours")
    node.CreateDefaultDisplayNodes()
"""


@pytest.mark.parametrize("folder", ["MedSSLInferenceLib", "MedSSLPretrainLib"])
def test_what_the_extension_made_counts_though_it_says_nothing(found, images, scene, folder):
    space: dict = {}
    exec(compile(OWN, f"/somewhere/{folder}/scene/toy.py", "exec"), space)
    space["add"](scene, "vtkMRMLMarkupsFiducialNode")
    assert found() == ["ours in Red, which shows second"]


def test_what_the_user_made_is_free(found, images, scene):
    scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "mine").CreateDefaultDisplayNodes()
    images[0].SetAttribute("MedSSL.Modality", "CT")
    composite("Red").SetForegroundVolumeID(images[0].GetID())
    assert found() == []
