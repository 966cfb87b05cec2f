"""Both panels at the widths that module panels have, light and dark: nothing is cut."""

from __future__ import annotations

from stage import app, images
from stage.panels import inference, pretrain
from watch.cut_check import cuts, tooWide

WIDTHS = (400, 550)


def light(stage):
    """Light, with a volume and two radiographs in the scene"""
    yield from pretrain.open()
    yield from pretrain.connect(stage)
    images.volumes(stage, 1)[0].SetName("A volume with a name that is longer than any panel is wide")
    images.radiographs(stage)
    yield from _look(stage, "light")


def dark(stage):
    """Dark"""
    yield from app.style("Dark Slicer")
    yield from _look(stage, "dark")
    yield from app.style("Slicer")


def _look(stage, name: str):
    wrong = []
    for panel in (pretrain, inference):
        yield from panel.open()
        for width in WIDTHS:
            app.setPanelWidth(width)
            yield 0.4
            title = f"{name}-{panel.MODULE}-{width}"
            whole = panel.widget.parent
            room = whole.width
            stage.note(f"{title}: {room} px of room")
            wrong += [f"{title}: {text}" for text in (*tooWide(whole, room), *cuts(whole))]
            yield from stage.pages(whole, title)
    assert not wrong, "; ".join(wrong)


ACTS = ((light, dark),)
