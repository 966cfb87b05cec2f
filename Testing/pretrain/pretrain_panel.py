"""A pretrain panel on a fake backend, as fixtures for the tests that click it."""

from __future__ import annotations

import inference_fakes
import pretrain_fakes as fakes
import pytest
import qt
import slicer

PANEL_WIDTH = 470


class Panel:
    """A panel on a fake backend, with what a test needs at hand."""

    def __init__(self, server: fakes.FakeServer) -> None:
        from MedSSLLib.backend.backendBox import BackendBox

        from MedSSLPretrain import MedSSLPretrainWidget

        self.server, self.process, self.builder = server, fakes.FakeProcess(server), fakes.FakeBuilder()
        self.opened, self.questions, self.paths = [], [], []
        self.parent = qt.QWidget()
        qt.QVBoxLayout(self.parent)
        self.widget = MedSSLPretrainWidget(
            self.parent,
            makeBackend=lambda frame: BackendBox(frame, self.process, self.builder, lambda address: fakes.FakeTransport(server)),
            pollSeconds=0.01, openUrl=self.opened.append, confirm=lambda question: self.questions.append(question) or True,
            askPath=lambda save: self.paths.pop(0),
        )  # fmt: skip
        self.widget.setup()
        self.ui, self.panel = self.widget.ui, self.widget.panel
        self.sets = self.panel.dataBox.sets
        self.backendUi = self.widget.backend.ui

    def grab(self, grab, name: str) -> None:
        self.parent.resize(PANEL_WIDTH, 400)
        self.parent.show()
        slicer.app.processEvents()
        grab(self.parent, f"pretrain-{name}", PANEL_WIDTH, self.parent.layout().totalHeightForWidth(PANEL_WIDTH))


@pytest.fixture
def make_panel(scene, tmp_path, monkeypatch):
    """`make_panel(server)` builds a panel; an empty home folder, a Python that exists as its environment."""
    python = tmp_path / "python"
    python.write_text("")
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MEDSSL_PYTHON", str(python))
    qt.QSettings().clear()
    panels = []

    def make(server: fakes.FakeServer | None = None) -> Panel:
        panels.append(Panel(server or fakes.FakeServer()))
        return panels[-1]

    yield make
    for panel in panels:
        panel.widget.cleanup()
        panel.parent.deleteLater()


@pytest.fixture
def panel(make_panel):
    return make_panel()


@pytest.fixture
def ready(panel, process_until):
    """A panel with a running backend and two ticked volumes."""
    nodes = [inference_fakes.phantom(f"chest {n}", oblique=n == 2) for n in (1, 2)]
    for node in nodes:
        panel.ui.volumesSelector.check(node)
    panel.backendUi.startButton.click()
    process_until(lambda: panel.backendUi.deviceCombo.count == 3)
    return panel


def start(panel, process_until, until: str) -> None:
    panel.ui.startButton.click()
    process_until(lambda: panel.panel.runBox.view is not None and panel.panel.runBox.view.status.state == until)
