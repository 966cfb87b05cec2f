"""The loop of the scene: fine-tune on segmented volumes, segment, correct in the Segment Editor, go on."""

from __future__ import annotations

import numpy as np
import slicer
from stage import app, images, models
from stage.forms import TINY, fill
from stage.panels import inference, pretrain

NAME = "tiny segmenter"
SETTINGS = {**TINY, "base_width": 4, "crop": (16, 16, 16)}


def load(stage):
    """Segmented volumes of three patients; the table shows them and nothing of our own"""
    yield from pretrain.open()
    yield from pretrain.connect(stage)
    stage["genesis"] = models.genesis(stage)
    stage["pairs"] = images.segmented(stage)
    tuning = pretrain.tuning
    tuning.ui.finetuneSection.collapsed = False
    tuning.refreshModels()
    yield 1.0
    app.scrollTo(tuning.ui.volumesTable)
    yield from stage.shot("table")
    assert tuning.ui.volumesTable.rowCount == len(stage["pairs"])


def finetune(stage):
    """A model is fine-tuned from the pretrained one"""
    tuning = pretrain.tuning
    tuning.ui.tickAllButton.click()
    yield 0.4
    assert len(tuning.table.volumes) == len(stage["pairs"]), "not all were ticked"
    tuning.models.select(stage["genesis"])
    fill(tuning.tasks.form, {**SETTINGS, "base_width": 4})
    tuning.ui.nameEdit.text = NAME
    yield 0.3
    assert tuning.ui.finetuneButton.enabled, tuning.ui.finetuneButton.toolTip
    tuning.ui.finetuneButton.click()
    yield from pretrain.follow(stage, NAME)
    yield from pretrain.ended(stage)
    stage["segmenter"] = pretrain.job.id
    app.scrollTo(pretrain.ui.logEdit)
    yield from stage.shot("fine-tuned")


def segment(stage):
    """It segments a volume, with the names it has learnt"""
    yield from inference.open()
    yield from inference.chooseModel(stage, stage["segmenter"])
    image = stage["pairs"][1][0]
    inference.segment.ui.segmentSelector.setCurrentNode(image)
    yield 0.3
    yield from inference.finish(stage, inference.segment, inference.segment.ui.segmentButton)
    segmentation = inference.segment.segmented.node.GetSegmentation()
    names = [segmentation.GetNthSegment(n).GetName() for n in range(segmentation.GetNumberOfSegments())]
    assert names == ["tumour"], names
    app.scrollTo(inference.segment.ui.segmentTable)
    yield from stage.shot("segmented")


def edit(stage):
    """It is corrected"""
    node, image = inference.segment.segmented.node, stage["pairs"][1][0]
    if not app.isStandIn():
        inference.segment.ui.editButton.click()
        yield 1.5
        yield from stage.shot("segment-editor")
        seen, all_ = app.viewsOf(image), app.viewNames()
        assert len(seen) == len(all_), f"{len(seen)} of {len(all_)} views show the image that is edited"
    identifier = node.GetSegmentation().GetNthSegmentID(0)
    array = np.zeros(slicer.util.arrayFromVolume(image).shape, np.uint8)
    array[tuple(slice(side // 4, side // 2) for side in array.shape)] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, identifier, image)
    yield 0.3


def goOn(stage):
    """The fine-tuning goes on with the correction"""
    yield from pretrain.open()
    tuning = pretrain.tuning
    jobs = len(pretrain.history.views)
    assert tuning.ui.continueButton.enabled, tuning.ui.continueButton.toolTip
    tuning.ui.continueButton.click()
    yield from stage.until(
        lambda: len(pretrain.history.views) > jobs or tuning.ui.finetuneError.visible, "the next job", 120
    )  # fmt: skip
    assert not tuning.ui.finetuneError.visible, tuning.ui.finetuneError.text
    yield from stage.until(lambda: pretrain.job is not None and pretrain.job.id != stage["segmenter"], "it", 60)
    yield from pretrain.ended(stage)
    assert stage["segmenter"] in pretrain.job.spec.start_from
    app.scrollTo(pretrain.ui.jobsTable)
    yield from stage.shot("continued")


def labels(stage):
    """Classification: labels are written into the table, and what is missing is said"""
    tuning = pretrain.tuning
    combo = tuning.ui.methodCombo
    combo.setCurrentIndex(combo.findData("classification"))
    tuning.ui.columnEdit.text = "Effusion"
    tuning.ui.addColumnButton.click()
    yield 0.4
    app.scrollTo(tuning.ui.volumesTable)
    yield from stage.shot("labels")
    assert tuning.ui.finetuneButton.toolTip
    stage.note(tuning.ui.finetuneButton.toolTip)
    pretrain.panel.compareBox.ui.compareSection.collapsed = False
    yield 0.3
    app.scrollTo(pretrain.panel.compareBox.ui.compareButton)
    yield from stage.shot("compare-models")


ACTS = ((load, finetune, segment, edit, goOn, labels),)
