"""Modules reloaded, scenes closed and modules switched, again and again, in one process."""

from __future__ import annotations

import gc

import slicer
from stage import app, images
from stage.panels import inference, pretrain
from watch.observers import observersOf

TIMES, SWITCHES = 10, 100
PANELS = {"MedSSLPretrain": pretrain, "MedSSLInference": inference}


def opens(stage):
    """Both modules are open"""
    for panel in PANELS.values():
        yield from panel.open()
    yield from pretrain.connect(stage)
    images.volumes(stage, 1)
    yield 0.5
    stage["observers"] = _observers()


def reload(stage):
    """Each module is reloaded ten times, and the scene closed after each"""
    for panel in (pretrain, inference):
        yield from panel.open()
        for _ in range(TIMES):
            panel.widget.onReload()
            yield 0.6
            slicer.mrmlScene.Clear(0)
            yield 0.4
    yield from stage.shot("reloaded")


def close(stage):
    """The scene is closed ten times, with images in it"""
    for _ in range(TIMES):
        images.radiographs(stage)
        yield 0.1
        slicer.mrmlScene.Clear(0)
        yield 0.2


def switch(stage):
    """The module is switched a hundred times"""
    others = ("Data", "Markups") if not app.isStandIn() else ("",)
    names = [*PANELS, *others]
    for number in range(SWITCHES):
        slicer.util.selectModule(names[number % len(names)])
        yield 0.05
    yield from pretrain.open()
    yield from stage.shot("switched")


def observers(stage):
    """No Python function is left behind as an observer of the scene"""
    before, after = stage["observers"], _observers()
    stage.note(f"{before} Python observers of the scene before, {after} after")
    assert after <= before + 5, f"{after} observers, {before} at the beginning"
    yield from pretrain.connect(stage)
    assert pretrain.ui.startButton.toolTip, "the panel is dead"


def _observers() -> int:
    gc.collect()
    return len(observersOf(slicer.mrmlScene))


ACTS = ((opens, reload, close, switch, observers),)
