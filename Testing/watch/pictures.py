"""Pictures of the panels' states, and the check of each that nothing is cut.

A panel is taken at the widths that a module panel has, some states also in dark colours; views as large as the test says.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import qt
import slicer
from PIL import Image

from watch.cut_check import cutAt

WIDTHS = (400, 550)  # of the module panel, pixels: as Slicer opens it, and widened
CHIEF = frozenset({
    "backend-first-run", "backend-idle-card", "pretrain-nothing-loaded", "pretrain-backend-down", "pretrain-running", "pretrain-finished", "pretrain-failed",
    "pretrain-sets-checked", "pretrain-finetune-three", "pretrain-compare-finished", "inference-nothing-loaded",
    "inference-finished", "correspond-find", "correspond-finished", "segment-finished", "predict-finished", "retrieve-finished",
})  # fmt: skip  # also taken in dark colours
DARK = {
    "Window": "#323232", "Base": "#1e1e1e", "AlternateBase": "#323232", "Button": "#323232", "ToolTipBase": "#ffffff",
    "WindowText": "#ffffff", "Text": "#ffffff", "ButtonText": "#ffffff", "ToolTipText": "#323232", "BrightText": "#ff4444",
    "Light": "#828284", "Midlight": "#5a5a5b", "Mid": "#2b2b2b", "Dark": "#232323", "Shadow": "#141414",
    "Highlight": "#3ca4ff", "HighlightedText": "#ffffff", "Link": "#5aa9ff", "PlaceholderText": "#c0c0c0",
}  # fmt: skip  # of Slicer's dark style
DIMMED = {"WindowText": "#6d6d6d", "Text": "#6d6d6d", "ButtonText": "#b4b4b4"}  # of disabled widgets
CUT_IS_AN_ERROR = True  # in every state of every test; False: only in tests with the fixture `nothing_cut`

cutStates: dict[str, list[str]] = {}  # name of a state with its width -> what is cut, of the whole run


class Camera:
    """The fixture `grab`.

    Args:
        folder: where pictures go; "" checks only that things paint.
        strict: whether a state in which something is cut fails the test.
    """

    def __init__(self, folder: str, strict: bool = CUT_IS_AN_ERROR) -> None:
        self.folder, self.strict = folder, strict

    def __call__(self, widget, name: str, width: int = 0, height: int = 0) -> None:
        """One picture of a widget as large as stated, or as it is."""
        widget.resize(width or widget.width, height or widget.height)
        widget.show()
        slicer.app.processEvents()
        self._save(widget, name)

    def panel(self, panel, name: str, least: int = 0) -> None:
        """A panel's state at every width, at least `least` pixels high; what is cut there is kept and, if strict, an error."""
        from MedSSLLib.widgets.fitting import readableBoxes

        panel.show()
        wrong = []
        for width in WIDTHS:
            found = cutAt(panel, width)
            if found:
                cutStates[f"{name}-{width}"] = found
                wrong += [f"at {width} px: {one}" for one in found]
            panel.resize(panel.width, max(least, panel.height))
            self._save(panel, f"{name}-{width}", colours=256)
            if name in CHIEF and width == WIDTHS[0]:
                with darkColours():
                    lightened = readableBoxes(panel)  # as when a panel is built in a dark style
                    self._save(panel, f"{name}-{width}-dark", colours=256)
                for widget in lightened:
                    widget.setPalette(qt.QPalette())
        assert not (wrong and self.strict), "cut: " + "; ".join(wrong)

    def _save(self, widget, name: str, colours: int = 0) -> None:
        pixmap = widget.grab()
        assert not pixmap.isNull()
        if not self.folder:
            return
        path = Path(self.folder) / f"{name.removesuffix('.png')}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert pixmap.save(str(path))
        if colours:  # a panel has few: the file is a third as large
            picture = Image.open(io.BytesIO(path.read_bytes())).convert("RGB")
            picture.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)


@contextlib.contextmanager
def darkColours() -> Iterator[None]:
    """The application in dark colours, as with Slicer's dark style."""
    before = slicer.app.palette()
    slicer.app.setPalette(darkPalette())
    slicer.app.processEvents()
    try:
        yield
    finally:
        slicer.app.setPalette(before)
        slicer.app.processEvents()


def darkPalette():
    """A dark palette; disabled texts are dimmed."""
    palette = qt.QPalette()
    for role, colour in DARK.items():
        palette.setColor(getattr(qt.QPalette, role), qt.QColor(colour))
    for role, colour in DIMMED.items():
        palette.setColor(qt.QPalette.Disabled, getattr(qt.QPalette, role), qt.QColor(colour))
    return palette


def cutReport() -> list[str]:
    """What was cut in the whole run, a line each."""
    return [f"{state}: {one}" for state, found in sorted(cutStates.items()) for one in found]
