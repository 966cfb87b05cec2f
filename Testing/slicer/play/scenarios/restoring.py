"""A Models Genesis network restores a region and a whole volume; the user cancels, deletes, and looks again."""

from __future__ import annotations

import slicer
from stage import app, images, models
from stage.panels import inference

VIEWS = ("MedSSLOriginal", "MedSSLDistorted", "MedSSLRestored", "MedSSLError")


def opens(stage):
    """The module opens without a volume"""
    yield from inference.open()
    yield from stage.shot("opened")
    yield from inference.connect(stage)
    stage["model"] = models.genesis(stage)


def region(stage):
    """A region is restored: four views in the middle of their volumes"""
    stage["ct"] = images.volumes(stage, 1)[0]
    yield 0.7
    yield from inference.chooseModel(stage, stage["model"])
    stage["region"] = _region(stage["ct"])
    inference.ui.inputSelector.setCurrentNode(stage["ct"])
    inference.ui.roiSelector.setCurrentNode(stage["region"])
    yield 0.4
    yield from _restore(stage)
    yield from stage.shot("region")
    _seen(stage)


def overlays(stage):
    """The region of interest does not lie over what was restored"""
    from watch.overlay_check import isDrawn

    views = [slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode() for name in VIEWS]
    drawn = [view.GetLayoutName() for view in views if isDrawn(stage["region"], view)]
    stage.note(f"drawn in {drawn}")
    display = stage["region"].GetDisplayNode()
    filled = display.GetFillVisibility() and display.GetFillOpacity() > 0
    assert len(drawn) <= 1 or not filled, f"the region's fill lies over {drawn}"


def again(stage):
    """The user looks elsewhere, and comes back by the button"""
    yield from app.leave()
    inference.restore.show()
    yield 1.0
    _seen(stage)
    yield from stage.shot("shown-again")


def whole(stage):
    """The whole volume is restored"""
    inference.ui.roiSelector.setCurrentNode(None)
    yield 0.3
    yield from _restore(stage)
    yield from stage.shot("whole")
    _seen(stage)
    app.scrollTo(inference.ui.metricsTable)
    yield from stage.shot("metrics")


def cancel(stage):
    """A restoration is cancelled and leaves nothing"""
    before = len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"))
    inference.ui.applyButton.click()
    yield 0.5
    if inference.restore.busy:
        inference.ui.applyButton.click()
    yield from stage.until(lambda: not inference.restore.busy, "the end", 120)
    assert inference.restore.state in ("idle", "finished"), inference.restore.state
    if inference.restore.state == "idle":
        assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == before
    stage.note(inference.ui.restoreStatus.text)


def deleteInput(stage):
    """The volume is deleted while it is restored: nothing breaks, and what is said names it"""
    node = images.volumes(stage, 1)[0]
    node.SetName("soon deleted")
    inference.ui.inputSelector.setCurrentNode(node)
    yield 0.3
    inference.ui.applyButton.click()
    yield 0.6
    slicer.mrmlScene.RemoveNode(node)
    yield from stage.until(lambda: not inference.restore.busy, "the end", 400)
    yield 1.0
    stage.note(f"{inference.restore.state}: {inference.ui.restoreError.text} {inference.ui.restoreStatus.text}")
    yield from stage.shot("input-deleted")


def firstOpening(stage):
    """In a fresh application the first four-up of all lies in the middle, not at an end"""
    yield from inference.open()
    yield from inference.connect(stage)
    stage["ct"] = images.volumes(stage, 1)[0]
    yield 0.5
    yield from inference.chooseModel(stage, models.genesis(stage))
    inference.ui.inputSelector.setCurrentNode(stage["ct"])
    inference.ui.roiSelector.setCurrentNode(_region(stage["ct"]))
    yield 0.3
    yield from _restore(stage)
    yield from stage.shot("first-four-up")
    _seen(stage)


def _region(volume):
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "region")
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    roi.SetCenter(*((bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)))
    roi.SetSize(*(min(120.0, 0.6 * (bounds[2 * axis + 1] - bounds[2 * axis])) for axis in range(3)))
    return roi


def _restore(stage):
    yield from inference.finish(stage, inference.restore, inference.ui.applyButton, 900)
    stage.note(f"{inference.ui.resultLabel.text} {inference.ui.restoreStatus.text}")


def _seen(stage) -> None:
    assert set(VIEWS) <= set(app.viewNames()), f"the views are {app.viewNames()}"
    widgets = [slicer.app.layoutManager().sliceWidget(name) for name in VIEWS]
    stage.note(f"offsets {[round(widget.sliceLogic().GetSliceOffset(), 1) for widget in widgets]}")
    for widget in widgets:
        assert widget.mrmlSliceCompositeNode().GetBackgroundVolumeID(), "an empty view"
        assert app.isMiddle(widget), f"{widget.mrmlSliceNode().GetLayoutName()} is not in the middle of its volume"


ACTS = ((opens, region, overlays, again, whole, cancel, deleteInput), (firstOpening,))
