"""Made-up computers, and places that lie nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import qt
import slicer
from MedSSLLib.install.environments import Places
from MedSSLLib.install.machine import FoundPython, Machine

from medssl.jobs.cards import Card

PLENTY = 100 * 2**30
GEFORCE = Card("NVIDIA GeForce RTX 4090", 24564 * 2**20, "560.94", (8, 9))
OLD_CARD = Card("NVIDIA GeForce GTX 1080", 8192 * 2**20, "580.88", (6, 1))
PYTHON = FoundPython("/usr/bin/python3.12", (3, 12))


@pytest.fixture
def windows() -> Machine:
    """Windows with a card, and no Python but Slicer's."""
    return Machine("Windows", "AMD64", (GEFORCE,), freeBytes=PLENTY, torchIndex="")


@pytest.fixture
def linux() -> Machine:
    """Linux with a card and a Python."""
    return Machine("Linux", "x86_64", (GEFORCE,), pythons=(PYTHON,), freeBytes=PLENTY, torchIndex="")


@pytest.fixture
def bare() -> Machine:
    """Linux without a card."""
    return Machine("Linux", "x86_64", pythons=(PYTHON,), freeBytes=PLENTY, torchIndex="")


@pytest.fixture
def mac() -> Machine:
    """A Mac with an Apple processor."""
    return Machine("Darwin", "arm64", freeBytes=PLENTY, torchIndex="")


@pytest.fixture
def places() -> Places:
    """Folders of a home folder with a space and an umlaut."""
    home = Path("/home/Jörg M/medssl")
    return Places(
        home / "environment",
        home / "installer",
        Path("/opt/Slicer/MedSSLBackend"),
        home / "backend-source",
        "/opt/Slicer/bin/PythonSlicer",
    )


class Box:
    """A backend box over stand-ins, as a panel builds it, in an empty home folder."""

    def __init__(self, machine: Machine, server=None, builder=None, process=None) -> None:
        from MedSSLLib.backend.backendBox import BackendBox
        from scaffold.server import FakeServer
        from scaffold.transports import FakeBuilder, FakeProbe, FakeProcess

        self.server = server or FakeServer()
        self.process, self.builder = process or FakeProcess(self.server), builder or FakeBuilder()
        self.probe = FakeProbe(machine)
        self.questions: list[str] = []
        self.frame = qt.QWidget()
        qt.QVBoxLayout(self.frame)
        self.box = BackendBox(
            self.frame, self.process, self.builder, probe=self.probe,
            confirm=lambda question: self.questions.append(question) or True,
        )  # fmt: skip
        self.ui, self.env = self.box.ui, self.box.installing.ui

    def install(self) -> None:
        """Click the one button, and let it ask what it wants to know."""
        self.env.installButton.click()
        self.wait()

    def wait(self) -> None:
        """Until the computer has been looked at."""
        while self.probe.running:
            slicer.app.processEvents()

    def seen(self, widget) -> bool:
        """Whether a widget would be seen in a shown panel."""
        while widget is not self.frame:
            if widget.isHidden():
                return False
            widget = widget.parentWidget()
        return True


@pytest.fixture
def make_box(harness, tmp_path, monkeypatch):
    """`make_box(machine, server)`: nothing is installed yet."""
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MEDSSL_PYTHON", raising=False)
    qt.QSettings().clear()
    made = []

    def make(machine: Machine, server=None, **shared) -> Box:
        made.append(Box(machine, server, **shared))
        return made[-1]

    yield make
    for box in made:
        box.box.close()
        box.frame.deleteLater()
    qt.QSettings().clear()
