"""The stand-in of the panel tests as an application with a main window: what scenarios run in where no Slicer is at hand."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

TESTING = Path(__file__).resolve().parents[2]
ROOT = TESTING.parent
sys.path.insert(0, str(TESTING))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import conftest  # noqa: E402  # makes the stand-in, as for the panel tests
import qt  # noqa: E402
import slicer  # noqa: E402
from watch.pictures import darkPalette  # noqa: E402

PANEL_WIDTH = 400


class ModuleSelector(qt.QWidget):
    """The list of modules, as far as `slicer.util` uses it.

    Args:
        area: a QScrollArea for the panel.
    """

    def __init__(self, area) -> None:
        super().__init__()
        self._area, self.selectedModule = area, ""
        self._other = qt.QWidget()  # stands for all modules that are not of this extension
        area.setWidget(self._other)

    def selectModule(self, name: str) -> None:
        """Leave the module that is shown and enter another."""
        before, module = (slicer.app.moduleManager().module(n) for n in (self.selectedModule, name))
        if before is not None:
            before.widgetRepresentation().self().exit()
        self._area.takeWidget()
        panel = module.widgetRepresentation() if module is not None else self._other
        self._area.setWidget(panel)
        panel.show()
        self.selectedModule = name
        if module is not None:
            panel.self().enter()


class MainWindow(qt.QMainWindow):
    """The panel at its usual width beside the views."""

    def __init__(self) -> None:
        super().__init__()
        self._palette = qt.QPalette(slicer.app.palette())
        self.objectName = "qSlicerMainWindow"  # as `slicer.util` looks for it
        area = self._area = qt.QScrollArea()
        area.widgetResizable = True
        area.setFixedWidth(PANEL_WIDTH)
        self._selector = ModuleSelector(area)
        body = qt.QWidget()
        row = qt.QHBoxLayout(body)
        row.addWidget(area)
        row.addWidget(slicer.app.layoutManager().viewport(), 1)
        self.setCentralWidget(body)

    def setPanelWidth(self, width: int) -> None:
        """As a user drags the border between panel and views."""
        self._area.setFixedWidth(width)

    def setDark(self, dark: bool) -> None:
        """The palette of the dark style."""
        slicer.app.setPalette(darkPalette() if dark else self._palette)

    def moduleSelector(self) -> ModuleSelector:
        """The list of modules."""
        return self._selector


def main() -> int:
    """Start the modules, then the script that is named."""
    conftest.keep_singletons()
    for name in ("MedSSLPretrain", "MedSSLInference"):
        slicer.app.moduleManager().load(name, ROOT / name)
    window = MainWindow()
    window.show()
    slicer.app.startupCompleted.emit()
    runpy.run_path(sys.argv[1], run_name="__main__")
    code = slicer.app.exec()
    window.moduleSelector().selectModule("")
    slicer.app.moduleManager().unload()
    return code


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # the order in which Qt and VTK would go is not the real application's
