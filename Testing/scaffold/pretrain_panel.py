"""A pretrain panel on a backend in memory, with what a test needs at hand."""

from __future__ import annotations

import pytest
import qt

from scaffold.jobs import TrainingServer
from scaffold.transports import FakeBuilder, FakeProbe, FakeProcess, FakeTransport

WIDTH = 470


class PretrainPanel:
    """The panel over a backend that is down."""

    def __init__(self, server) -> None:
        from MedSSLLib.backend.backendBox import BackendBox

        from MedSSLPretrain import MedSSLPretrainWidget

        self.server, self.process, self.builder = server, FakeProcess(server), FakeBuilder()
        self.opened, self.questions, self.paths = [], [], []
        self.parent = qt.QWidget()
        qt.QVBoxLayout(self.parent)
        self.widget = MedSSLPretrainWidget(
            self.parent,
            makeBackend=lambda frame: BackendBox(
                frame, self.process, self.builder, lambda address: FakeTransport(server), FakeProbe(), lambda question: True),
            pollSeconds=0.01, openUrl=self.opened.append, confirm=lambda question: self.questions.append(question) or True,
            askPath=lambda save: self.paths.pop(0),
        )  # fmt: skip
        self.widget.setup()
        self.ui, self.panel = self.widget.ui, self.widget.panel
        self.sets = self.panel.dataBox.sets
        self.backendUi, self.closed = self.widget.backend.ui, False

    def close(self) -> None:
        """The user closes the application."""
        if not self.closed:
            self.closed = True
            self.widget._onModuleAboutToBeUnloaded(self.widget.moduleName)
            self.parent.deleteLater()

    def grab(self, grab, name: str) -> None:
        """Pictures of the panel."""
        grab.panel(self.parent, f"pretrain-{name}")


@pytest.fixture
def make_pretrain(scene, tmp_path, monkeypatch):
    """`make_pretrain(server)` builds a panel; an empty home folder, a Python that exists as its environment."""
    python = tmp_path / "python"
    python.write_text("")
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MEDSSL_PYTHON", str(python))
    qt.QSettings().clear()
    panels = []

    def make(server=None) -> PretrainPanel:
        panels.append(PretrainPanel(server or TrainingServer()))
        return panels[-1]

    yield make
    for panel in panels:
        panel.close()


def start(panel, process_until, until: str) -> None:
    """Click start, and follow the job to a state."""
    panel.ui.startButton.click()
    process_until(lambda: panel.panel.runBox.view is not None and panel.panel.runBox.view.status.state == until)
