"""Foundation Ark on two declared sets, saved with the scene and opened again in a fresh application."""

from __future__ import annotations

import slicer
from stage import app, images
from stage.panels import pretrain

NAME, SCENE = "tiny ark", "declared-sets.mrb"


def declare(stage):
    """Two sets are added from their files"""
    yield from pretrain.open()
    yield from pretrain.connect(stage)
    pretrain.chooseMethod("ark")
    yield 0.5
    yield from stage.shot("empty")
    for name in images.SETS:
        yield from _add(stage, images.declaredSet(stage, name))
    yield from stage.shot("declared")


def check(stage):
    """The check reads tables and labels, and shows images"""
    stage.note((yield from pretrain.check(stage)))
    assert not pretrain.sets.ui.setsError.visible, pretrain.sets.ui.setsError.text
    app.scrollTo(pretrain.sets.ui.reportLabel)
    yield from stage.shot("checked")


def preview(stage):
    """Samples of the sets are seen"""
    assert (yield from pretrain.preview(stage)), "nothing to see"
    yield 1.0
    yield from stage.shot("preview")


def train(stage):
    """A short training with curves of each set"""
    pretrain.setTiny(epochs=0, warmup_epochs=0, projector=64)
    yield from pretrain.start(stage, NAME)
    yield from pretrain.ended(stage)
    app.scrollTo(pretrain.ui.logEdit)
    yield from stage.shot("finished")
    stage.note(pretrain.ui.jobLabel.text)


def curves(stage):
    """The curves can be chosen set by set"""
    combo = pretrain.ui.curvesCombo
    families = [combo.itemText(row) for row in range(combo.count)]
    stage.note(families)
    assert combo.visible and len(families) > 1, "there is no choice of curves"
    for row in range(len(families)):
        pretrain.chart.show(combo.itemData(row))
        yield from stage.shot(f"curves-{row}")


def save(stage):
    """The scene is saved"""
    assert app.saveScene(stage.work / SCENE)
    yield 0.3


def reopen(stage):
    """A fresh application opens the scene: sets and buttons are as they were"""
    yield from pretrain.open()
    yield from pretrain.connect(stage)
    assert app.loadScene(stage.work / SCENE)
    yield 2.0
    yield from stage.shot("reopened")
    stage.note(f"{len(pretrain.sets.specs)} sets, method {pretrain.panel.methodBox.name}")
    assert len(pretrain.sets.specs) == len(images.SETS)
    if pretrain.panel.methodBox.name != "ark":  # the method is no choice of the scene
        pretrain.chooseMethod("ark")
        yield 0.5
    for button in (pretrain.ui.checkButton, pretrain.ui.previewButton, pretrain.ui.startButton):
        assert button.enabled, f"{button.text} cannot be clicked: {button.toolTip}"


def reopenUnderArk(stage):
    """The same where the method was chosen before the scene came"""
    slicer.mrmlScene.Clear(0)
    yield 1.0
    assert app.loadScene(stage.work / SCENE)
    yield 2.0
    for button in (pretrain.ui.checkButton, pretrain.ui.previewButton, pretrain.ui.startButton):
        assert button.enabled, f"{button.text} cannot be clicked: {button.toolTip}"


def _add(stage, path):
    sets = pretrain.sets
    before = len(sets.specs)
    sets._files._askPath = lambda save: str(path)  # instead of the system's file dialog
    sets.ui.addSetCombo.setCurrentIndex(sets.ui.addSetCombo.findData("file"))
    sets.ui.addSetButton.click()
    yield from stage.until(lambda: len(sets.specs) > before or sets.ui.setsError.visible, "the set", 60)
    assert len(sets.specs) > before, sets.ui.setsError.text


ACTS = ((declare, check, preview, train, curves, save), (reopen, reopenUnderArk))
