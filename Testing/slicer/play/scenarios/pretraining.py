"""Pretraining on volumes of the scene, as a user does it."""

from __future__ import annotations

import slicer
from stage import app, images
from stage.panels import pretrain

NAME = "tiny genesis"


def opens(stage):
    """The module opens, complete, and says what it waits for"""
    yield from pretrain.open()
    assert pretrain.ui.startButton.toolTip, "a start button that says nothing"
    yield from stage.shot("opened")
    yield from pretrain.connect(stage)
    yield from stage.shot("backend-runs")


def tick(stage):
    """Volumes are loaded and ticked"""
    stage["volumes"] = images.volumes(stage)
    yield 0.5
    pretrain.choose(stage["volumes"])
    yield 0.3
    assert len(pretrain.ui.volumesSelector.checkedNodes()) == len(stage["volumes"])
    yield from stage.shot("ticked")


def check(stage):
    """The check counts volumes and patients"""
    stage.note((yield from pretrain.check(stage)))
    yield from stage.shot("checked")


def preview(stage):
    """The preview opens in the middle of its samples, at once"""
    nodes = yield from pretrain.preview(stage)
    yield 1.0
    assert nodes, "nothing to see"
    yield from stage.shot("preview")
    _previewIsSeen(stage)


def previewAgain(stage):
    """A second preview takes the place of the first, under the same names"""
    before = [node.GetName() for node in pretrain.data.previewNodes]
    nodes = yield from pretrain.preview(stage)
    yield 1.0
    names = [node.GetName() for node in nodes]
    stage.note(names)
    assert names == before, f"{names} after {before}"
    _previewIsSeen(stage)


def start(stage):
    """A job starts; chart and log follow it"""
    pretrain.setTiny(base_width=4, training__steps=60, training__validate_every=10, training__checkpoint_every=5)
    yield from pretrain.start(stage, NAME)
    yield from stage.until(lambda: pretrain.job.status.step >= 12 or pretrain.state != "running", "step 12", 300)
    assert pretrain.plotView.inherits("qMRMLPlotView"), "the chart has no plot view"
    app.scrollTo(pretrain.ui.logEdit)
    yield from stage.shot("running")
    assert pretrain.state == "running", pretrain.ui.runError.text
    stage.note(f"{pretrain.ui.jobLabel.text}, {pretrain.ui.progressBar.format}")


def cancel(stage):
    """The job is cancelled, and stays in the list"""
    pretrain.ui.startButton.click()
    yield from pretrain.ended(stage, "cancelled")
    yield from stage.until(lambda: pretrain.jobState(NAME) == "cancelled", "the list to say so", 30)
    app.scrollTo(pretrain.ui.jobsTable)
    yield from stage.shot("cancelled")


def resume(stage):
    """It goes on from its checkpoint and finishes"""
    pretrain.select(NAME)
    yield 0.5
    assert pretrain.ui.resumeJobButton.enabled, pretrain.ui.resumeJobButton.toolTip
    pretrain.ui.resumeJobButton.click()
    yield from stage.until(lambda: pretrain.state in ("running", "queued"), "the job to go on", 120)
    yield from pretrain.ended(stage)
    app.scrollTo(pretrain.ui.logEdit)
    yield from stage.shot("finished")
    stage.note(pretrain.ui.logEdit.plainText[-300:])


def modules(stage):
    """A model is there for the other module"""
    from stage.panels import inference

    yield from inference.open()
    yield from inference.chooseModel(stage, pretrain.job.id)
    assert inference.restore.section.enabled
    yield from stage.shot("model-chosen")


def _previewIsSeen(stage) -> None:
    shown = {node.GetID() for node in pretrain.data.previewNodes if node.IsA("vtkMRMLVolumeNode")}
    views = [slicer.app.layoutManager().sliceWidget(name) for name in app.viewNames()]
    seen = [view for view in views if view.mrmlSliceCompositeNode().GetBackgroundVolumeID() in shown]
    assert seen, f"the preview is in no view of {app.viewNames()}"
    stage.note(f"offsets {[round(view.sliceLogic().GetSliceOffset(), 1) for view in seen]}")
    for view in seen:
        assert app.isMiddle(view), f"{view.mrmlSliceNode().GetName()} shows the border of the samples"


ACTS = ((opens, tick, check, preview, previewAgain, start, cancel, resume, modules),)
