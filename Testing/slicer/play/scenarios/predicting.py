"""A Foundation Ark looks at radiographs: findings, where they come from, similar cases; nothing lies over the wrong patient."""

from __future__ import annotations

from pathlib import Path

import slicer
from stage import app, images, models
from stage.forms import tick
from stage.panels import inference

SCENE = "predicting.mrb"


def opens(stage):
    """Two radiographs and a pretrained Ark"""
    yield from inference.open()
    yield from inference.connect(stage)
    model = models.ark(stage)
    stage["peac"] = models.peac(stage)
    stage["pair"] = images.radiographs(stage)
    yield 0.5
    yield from inference.chooseModel(stage, model)
    stage["ark"] = model


def predict(stage):
    """Probabilities, head by head"""
    ui = inference.predict.ui
    tick(ui.predictSelector, stage["pair"])
    yield 0.3
    app.scrollTo(ui.predictTable)
    yield from inference.finish(stage, inference.predict, ui.predictButton)
    assert ui.predictTable.rowCount, "the table is empty"
    stage.note(f"{ui.predictTable.rowCount} rows; {ui.predictStatus.text}")
    app.scrollTo(ui.whereButton)
    yield from stage.shot("predicted")


def saliency(stage):
    """Where a finding comes from, over its image only"""
    ui = inference.predict.ui
    ui.predictTable.selectRow(0)
    yield 0.3
    yield from inference.finish(stage, inference.predict, ui.whereButton)
    stage.note(ui.predictStatus.text)
    yield from stage.shot("saliency")
    found = inference.predict.saliency
    assert app.viewsOf(found.image), "its image is in no view"


def compare(stage):
    """The same two are compared, so that points lie over both"""
    yield from inference.chooseModel(stage, stage["peac"])
    for node in stage["pair"]:
        inference.radiographs.ui.imagesSelector.check(node)
    yield 0.4
    yield from inference.finish(stage, inference.radiographs, inference.radiographs.ui.correspondButton)
    yield from inference.finish(stage, inference.radiographs, inference.radiographs.ui.findButton)
    yield from stage.shot("compared")


def retrieve(stage):
    """Similar cases of a folder"""
    yield from inference.chooseModel(stage, stage["ark"])
    ui = inference.retrieve.ui
    inference.retrieve.section.collapsed = False
    ui.retrieveSelector.setCurrentNode(stage["pair"][0])
    ui.amongPath.currentPath = str(images.searchFolder(stage))
    yield 0.4
    app.scrollTo(ui.caseGallery)
    yield from inference.finish(stage, inference.retrieve, ui.retrieveButton)
    assert ui.caseGallery.count, "no case"
    stage.note(ui.retrieveStatus.text)
    app.scrollTo(ui.caseGallery)
    yield from stage.shot("retrieved")


def loadCase(stage):
    """A case is loaded beside the image: no mark of the earlier comparison lies over it"""
    ui = inference.retrieve.ui
    ui.caseGallery.setCurrentRow(min(1, ui.caseGallery.count - 1))
    yield 0.4
    yield from inference.finish(stage, inference.retrieve, ui.loadCaseButton, 120)
    yield from stage.shot("case")
    case = inference.retrieve.loaded
    assert app.viewsOf(case), "the case is in no view"
    assert not app.drawnOver(case), f"{app.drawnOver(case)} lie over {case.GetName()}, another patient's image"


def save(stage):
    """The scene is saved while the case is shown"""
    stage.note(f"layout {app.layout()}, views {app.viewNames()}")
    (Path(stage.work) / "predicting.txt").write_text(f"{app.layout()}\n{inference.retrieve.loaded.GetName()}\n")
    assert app.saveScene(stage.work / SCENE)
    yield 0.3


def reopen(stage):
    """A fresh application opens the scene to what was seen, though neither module was opened"""
    layout, name = (Path(stage.work) / "predicting.txt").read_text().split("\n")[:2]
    yield from app.leave()
    assert app.loadScene(stage.work / SCENE)
    yield 2.0
    yield from stage.shot("modules-not-opened")
    stage.note(f"layout {app.layout()}, views {app.viewNames()}")
    assert str(app.layout()) == layout and app.viewNames(), "the views are gone"
    case = slicer.util.getNode(name)
    assert app.viewsOf(case), "the case is in no view"
    assert not app.drawnOver(case), f"{app.drawnOver(case)} lie over {case.GetName()}"


def panel(stage):
    """The module opens on that scene, and the comparison is alive"""
    yield from inference.open()
    yield from inference.connect(stage)
    yield 1.5
    yield from stage.shot("module-opened")
    group = inference.radiographs.group
    assert group is not None and group.complete, "the comparison is forgotten"
    inference.radiographs.show()
    yield 1.0
    yield from stage.shot("comparison-shown")
    for image in group.images:
        assert app.viewsOf(image) and app.drawnOver(image), f"nothing over {image.GetName()}"


ACTS = ((opens, predict, saliency, compare, retrieve, loadCase, save), (reopen, panel))
