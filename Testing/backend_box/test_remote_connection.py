"""A backend on another computer: connected, lost, connected again, and seen from the boxes of both modules."""

from __future__ import annotations

import pytest
import qt
from MedSSLLib.backend import backendBox, remoteConnection
from MedSSLLib.backend.backendBox import BackendBox
from MedSSLLib.backend.remoteConnection import RemoteConnection
from scaffold.jobs import TrainingServer
from scaffold.transports import FakeBuilder, FakeProbe, FakeProcess, FakeTransport

from medssl.core.errors import ResourceError

GONE = ResourceError("backend", "does not answer", "Start it")


class Held(FakeTransport):
    """A transport to a computer that does not answer for long."""

    def send(self, call, onDone, onError) -> None:
        """No answer comes."""


class Network:
    """Makes the transports, and cuts all of them."""

    def __init__(self) -> None:
        self.server, self.kind, self.made = TrainingServer(), FakeTransport, []

    def __call__(self, address):
        self.made.append(self.kind(self.server, address))
        return self.made[-1]

    def cut(self, error) -> None:
        for transport in self.made:
            transport.broken = error


@pytest.fixture
def network(harness, monkeypatch):
    monkeypatch.setattr(remoteConnection, "POLL_MS", 10)
    return Network()


@pytest.fixture
def make(network, tmp_path, monkeypatch):
    """`make()` makes the box of a module; all share one connection, and are at another computer."""
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path))
    monkeypatch.delenv("MEDSSL_PYTHON", raising=False)
    qt.QSettings().clear()
    shared, made = RemoteConnection(network), []
    monkeypatch.setattr(backendBox, "sharedRemote", lambda: shared)
    monkeypatch.setattr(backendBox, "QtTransport", network)

    def build() -> BackendBox:
        frame = qt.QWidget()
        qt.QVBoxLayout(frame)
        box = BackendBox(
            frame, FakeProcess(network.server), FakeBuilder(), probe=FakeProbe(), confirm=lambda _text: True
        )
        box.ui.addressEdit.text, box.ui.tokenEdit.text = "https://server.example:8443", "secret"
        made.append((box, frame))
        return box

    yield build
    for box, frame in made:
        box.close()
        frame.deleteLater()
    assert shared.state == "down", "nobody uses it any more"


@pytest.fixture
def box(make):
    box = make()
    box.ui.placeCombo.currentIndex = 1
    return box


def connect(box, process_until) -> None:
    box.ui.startButton.click()
    process_until(lambda: box.transport is not None)


def test_a_backend_that_is_gone_is_connected_no_more(box, network, process_until):
    connect(box, process_until)
    assert "Connected" in box.ui.stateLabel.text and box.ui.startButton.text == "Disconnect"
    looks = len(network.server.calls)
    process_until(lambda: network.server.calls[looks:].count("GET /health") >= 2)
    network.cut(GONE)
    process_until(lambda: box.transport is None)
    assert (
        box.ui.stateLabel.text == "Not connected"
        and box.ui.startButton.text == "Connect"
        and box.ui.startButton.enabled
    )
    assert "does not answer any more" in box.ui.errorLabel.text and "press Connect" in box.ui.errorLabel.text
    network.cut(None)
    connect(box, process_until)
    assert not box.ui.errorLabel.text


def test_one_look_without_an_answer_ends_nothing(box, network, process_until):
    connect(box, process_until)
    box.remote._timer.stop()
    for error in (GONE, None, GONE, None):
        network.cut(error)
        box.remote.poll()
        process_until(lambda: not box.remote._asking)
    assert box.remote.state == "up"


def test_connecting_is_seen_and_can_be_ended(box, network, process_until, qapp):
    network.kind = Held
    button = box.ui.startButton
    button.click()
    assert box.ui.stateLabel.text == "Connecting..." and button.text == "Cancel" and button.enabled
    assert not box.ui.addressEdit.enabled and box.transport is None
    button.click()
    assert box.ui.stateLabel.text == "Not connected" and button.text == "Connect" and box.ui.addressEdit.enabled
    network.kind = FakeTransport
    connect(box, process_until)


def test_a_connection_that_fails_says_why(box, network, process_until):
    network.server.answer = lambda call: (500, b"no")
    box.ui.startButton.click()
    process_until(lambda: bool(box.ui.errorLabel.text))
    assert box.remote.state == "down" and box.ui.startButton.text == "Connect"


def test_both_modules_are_connected_together(box, make, process_until):
    other = make()
    connect(box, process_until)
    assert other.transport is None, "it is at this computer"
    other.useThatOf(box)
    assert other.transport is not None and other.transport is not box.transport
    other.ui.startButton.click()
    assert other.transport is None and box.transport is None
    connect(other, process_until)
    late = make()
    late.useThatOf(box)
    assert late.transport is not None


def test_show_uses_the_backend_that_the_job_was_seen_on(box, make, monkeypatch):
    import slicer
    from MedSSLLib.widgets.runningJobs import showInPretrain

    class Widget:
        """The other module's."""

        backend, shown = make(), []

        class panel:
            @staticmethod
            def showJob(jobId) -> None:
                Widget.shown.append((jobId, Widget.backend.ui.placeCombo.currentIndex))

    monkeypatch.setattr(slicer.util, "selectModule", lambda name: None, raising=False)
    monkeypatch.setattr(slicer.util, "getModuleWidget", lambda name: Widget)
    showInPretrain("job", box)
    assert Widget.shown == [("job", 1)]
