"""The backend is stopped in one module and killed behind its back; both modules say so, and start it again."""

from __future__ import annotations

from stage.panels import inference, pretrain


def stop(stage):
    """*Stop* in one module is no error in the other"""
    yield from inference.open()
    yield from inference.connect(stage)
    yield from pretrain.open()
    yield from pretrain.connect(stage)
    pretrain.backend.ui.startButton.click()
    for panel in (pretrain, inference):
        yield from stage.until(lambda panel=panel: panel.backend.transport is None, "the end", 60)
    yield 1.0
    yield from inference.open()
    yield from stage.shot("stopped")
    label = inference.backend.ui.errorLabel
    assert not label.visible, f"the other module calls it an error: {label.text}"


def again(stage):
    """Started in the other module, both have it"""
    yield from inference.connect(stage)
    yield from pretrain.open()
    yield from stage.until(lambda: pretrain.backend.transport is not None, "the backend in the first module", 30)
    yield from stage.shot("started-again")


ACTS = ((stop, again),)
