"""An inference panel on a fake backend that knows radiographs, as fixtures for the tests that click it."""

from __future__ import annotations

import correspond_fakes as fakes
import inference_fakes
import pytest
import qt
import slicer

PEAC, GENESIS = "20261123-peac-b2", "20261123-genesis-a1"
WIDTH = 470


@pytest.fixture
def panel(load_module, monkeypatch, tmp_path):
    """The panel over a fake backend that is down."""
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path))
    load_module("MedSSLInference")
    parent = qt.QWidget()
    qt.QVBoxLayout(parent)
    yield (panel := Panel(parent))
    panel.close()


class Panel:
    def __init__(self, parent) -> None:
        from MedSSLLib.backend.backendBox import BackendBox

        from MedSSLInference import MedSSLInferenceWidget

        self.process, self.server, self.closed = inference_fakes.FakeProcess(), fakes.RadiographBackend(), False
        self.transport = inference_fakes.FakeTransport(self.server)
        self.widget = MedSSLInferenceWidget(parent, lambda frame: BackendBox(frame, process=self.process))
        self.widget.setup()
        self.ui, self.box = self.widget.panel.radiographs.ui, self.widget.panel.radiographs
        self.top = self.widget.ui
        parent.resize(WIDTH, 760)
        parent.show()

    def connect(self) -> None:
        self.process.set(self.transport)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.widget.cleanup()
            self.widget.parent.close()

    def finish(self, button, process_until) -> None:
        button.click()
        process_until(lambda: self.box.state in ("finished", "failed"))
        assert self.box.state == "finished" and not self.ui.radiographError.visible, self.ui.radiographError.text

    def grab(self, grab, name: str) -> None:
        slicer.app.processEvents()
        grab(self.widget.parent, name, WIDTH, max(760, self.widget.parent.layout().totalHeightForWidth(WIDTH)))

    def idle(self, process_until) -> None:
        process_until(lambda: not self.box.find.busy)


@pytest.fixture
def two(scene):
    return [fakes.radiograph("first"), fakes.radiograph("second", (90, 110), seed=1, origin=30.0)]


@pytest.fixture
def ready(panel, two, process_until):
    """Two radiographs are ticked, the backend is up, a PEAC model is chosen."""
    panel.images = two
    panel.connect()
    process_until(lambda: panel.top.modelCombo.count == 4)
    for node in two:
        panel.ui.imagesSelector.check(node)
    return panel


@pytest.fixture
def found(ready, process_until):
    """A point was put into the first radiograph, and the second shows where that is."""
    ready.ui.tabs.currentIndex = 1
    ready.finish(ready.ui.findButton, process_until)
    return ready


def choose(combo, data) -> None:
    index = combo.findData(data)
    assert index >= 0, f"{data!r} is not offered"
    combo.setCurrentIndex(index)


def grabViews(grab, name: str, width: int, height: int) -> None:
    """The views, fitted to the picture's size."""
    manager = slicer.app.layoutManager()
    manager.viewport().resize(width, height)
    manager.viewport().show()
    slicer.app.processEvents()
    manager.resetSliceViews()
    grab(manager.viewport(), name, width, height)


def move(panel, number: int, pixel) -> None:
    """As a drag of the mouse does."""
    from MedSSLInferenceLib.scene.pixelGeometry import pixelsToWorld

    place = pixelsToWorld(panel.images[number], [pixel])[0]
    panel.box.group.get("find", number).SetNthControlPointPositionWorld(0, *place)
