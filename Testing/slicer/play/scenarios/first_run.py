"""The first run: no environment, nothing named; what is said, and the ways out."""

from __future__ import annotations

from stage import app
from stage.panels import inference, pretrain


def nothing(stage):
    """Without a backend the panel says what is missing, and there is one button"""
    yield from pretrain.open()
    yield from stage.shot("nothing-installed")
    ui, button = pretrain.backend.ui, pretrain.installing.installButton

    def looked() -> bool:  # too little room on the disk is an answer too
        return button.enabled or "GB" in button.toolTip

    yield from stage.until(looked, "what this computer has", 60)
    stage.note(f"{ui.messageLabel.text}; start: {ui.startButton.toolTip}; install: {button.text}")
    assert pretrain.backend.transport is None
    assert not pretrain.ui.startButton.enabled and pretrain.ui.startButton.toolTip
    assert button.visible and not ui.startButton.visible, "not one button"


def slicersPython(stage):
    """Slicer's own Python, which lacks the backend, is named with what to do"""
    yield from _environment(stage, "slicer")
    ui = pretrain.backend.ui
    if app.isStandIn() or not ui.startButton.enabled:
        stage.note(ui.startButton.toolTip)
        return
    ui.startButton.click()
    ended = lambda: pretrain.backend.transport is not None or ui.errorLabel.visible  # noqa: E731
    yield from stage.until(ended, "an answer", 120)
    stage.note(ui.errorLabel.text)
    yield from stage.shot("slicers-python")
    if pretrain.backend.transport is not None:  # somebody has installed it there
        ui.startButton.click()
        yield 2.0


def wrongPython(stage):
    """A Python that is none is refused with the reason"""
    yield from _environment(stage, "other")
    ui = pretrain.backend.ui
    wrong = stage.work / "no-python"
    wrong.write_text("")
    ui.otherPath.currentPath = str(wrong)
    yield 0.3
    if ui.startButton.enabled:
        ui.startButton.click()
        yield from stage.until(lambda: ui.errorLabel.visible, "an error", 60)
    stage.note(f"{ui.errorLabel.text} {ui.startButton.toolTip}")
    yield from stage.shot("wrong-python")
    assert ui.errorLabel.text or ui.startButton.toolTip


def remote(stage):
    """Another computer: no encryption, nobody there"""
    ui = pretrain.backend.ui
    ui.placeCombo.setCurrentIndex(1)
    ui.tokenEdit.text = "x"
    for address in ("http://example.org:8000", "http://127.0.0.1:9"):
        ui.addressEdit.text = address
        yield 0.2
        ui.startButton.click()
        yield from stage.until(lambda: ui.errorLabel.visible and ui.errorLabel.text, f"an error of {address}", 60)
        stage.note(ui.errorLabel.text)
        yield from stage.shot("remote")
    ui.placeCombo.setCurrentIndex(0)
    yield 0.3


def otherModule(stage):
    """The other module says the same"""
    yield from inference.open()
    yield from stage.shot("inference")
    assert not inference.ui.applyButton.enabled and inference.ui.applyButton.toolTip
    stage.note(inference.ui.applyButton.toolTip)


def _environment(stage, key: str):
    ui = pretrain.backend.ui
    row = ui.environmentCombo.findData(key)
    assert row >= 0, f"there is no environment {key}"
    ui.environmentCombo.setCurrentIndex(row)
    yield 0.4


ACTS = ((nothing, slicersPython, wrongPython, remote, otherModule),)
