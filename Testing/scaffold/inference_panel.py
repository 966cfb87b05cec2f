"""An inference panel on a backend in memory, with what a test needs at hand."""

from __future__ import annotations

import pytest
import qt
import slicer

from medssl.client.backend import ServerAddress
from scaffold.transports import ADDRESS, SECOND_MS, FakeProcess

WIDTH, LEAST_HEIGHT = 470, 420


class InferencePanel:
    """The panel over a backend that is down.

    Attributes: `widget`, the module's; `top`, the widgets above the sections; `box`, the section that is tested, and `ui`,
    its widgets; `edited`, what the Segment Editor was opened with.
    """

    def __init__(self, server, section: str, address: ServerAddress = ADDRESS) -> None:
        from MedSSLLib.backend.backendBox import BackendBox

        from MedSSLInference import MedSSLInferenceWidget

        self.server, self.process, self.edited, self.closed = server, FakeProcess(server, address), [], False
        self.parent = qt.QWidget()
        qt.QVBoxLayout(self.parent)
        self.widget = MedSSLInferenceWidget(
            self.parent, lambda frame: BackendBox(frame, process=self.process),
            openEditor=lambda *nodes: self.edited.append(nodes),
        )  # fmt: skip
        self.widget.setup()
        self.top, self.sections = self.widget.ui, self.widget.panel
        self.box = getattr(self.sections, section)
        self.ui = self.box.ui
        self.parent.resize(WIDTH, 760)
        self.parent.show()

    @property
    def transport(self):
        """What reaches the backend, once it is up."""
        return self.process.transport

    def connect(self, process_until) -> None:
        """The backend comes up, and its models are listed."""
        self.process.start()
        process_until(lambda: self.top.modelCombo.count == len(self.server.models) + 1)

    def choose(self, model: str) -> None:
        """Choose a model."""
        choose(self.top.modelCombo, model)

    def finish(self, button, process_until, box=None, state: str = "finished") -> None:
        """Click a button and wait for the end of what it starts."""
        box = box or self.box
        button.click()
        process_until(lambda: box.state in ("finished", "failed") and not box.showing)
        assert box.state == state, box._errorLabel.text
        assert state != "finished" or not box._errorLabel.visible, box._errorLabel.text

    def idle(self, process_until) -> None:
        """Wait until no question about a moved point is under way."""
        process_until(lambda: not self.box.find.busy)

    def grab(self, grab, name: str, least: int = LEAST_HEIGHT) -> None:
        """Pictures of the panel."""
        grab.panel(self.parent, name, least)

    def grabBeside(self, grab, name: str, height: int) -> None:
        """A picture of the panel beside the views, as a user sees them."""
        manager, window = slicer.app.layoutManager(), qt.QWidget()
        row = qt.QHBoxLayout(window)
        row.setContentsMargins(0, 0, 0, 0)
        self.parent.setFixedWidth(WIDTH)
        for part in (self.parent, manager.viewport()):
            row.addWidget(part)
            part.show()
        window.resize(WIDTH + 640, height)
        window.show()
        slicer.app.processEvents()
        manager.resetSliceViews()
        grab(window, name)
        for part in (self.parent, manager.viewport()):
            part.setParent(None)

    def close(self) -> None:
        """The user closes the application."""
        if not self.closed:
            self.closed = True
            self.widget._onModuleAboutToBeUnloaded(self.widget.moduleName)
            self.parent.close()
            self.parent.deleteLater()


@pytest.fixture
def make_inference(load_module, monkeypatch, tmp_path):
    """`make_inference(server, section)` builds a panel over an empty home folder; `section` is the one that is tested."""
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path))
    load_module("MedSSLInference")
    monkeypatch.setattr("MedSSLLib.steps.SECOND_MS", SECOND_MS)
    panels = []

    def make(server, section: str, **options) -> InferencePanel:
        panels.append(InferencePanel(server, section, **options))
        return panels[-1]

    yield make
    for panel in panels:
        panel.close()


def choose(combo, data) -> None:
    """Choose an item of a combo box by its data."""
    index = combo.findData(data)
    assert index >= 0, f"{data!r} is not offered"
    combo.setCurrentIndex(index)


def move(panel, number: int, pixel) -> None:
    """Put the point of one of the panel's images to a pixel, as a drag of the mouse does."""
    from MedSSLInferenceLib.scene.pixelGeometry import pixelsToWorld

    place = pixelsToWorld(panel.images[number], [pixel])[0]
    panel.box.group.get("find", number).SetNthControlPointPositionWorld(0, *place)


def grabViews(grab, name: str, width: int, height: int) -> None:
    """A picture of the views, fitted to its size."""
    manager = slicer.app.layoutManager()
    manager.viewport().resize(width, height)
    manager.viewport().show()
    slicer.app.processEvents()
    manager.resetSliceViews()
    grab(manager.viewport(), name, width, height)
