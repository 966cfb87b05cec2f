"""What lies between a panel and a backend in memory: transports, and stand-ins for the process and its environment."""

from __future__ import annotations

import dataclasses

import qt
from MedSSLLib.backend.qtTransport import disconnected
from MedSSLLib.widgets.signal import Signal

from medssl.client.backend import ServerAddress
from medssl.core.errors import MedSSLError, ResourceError

ADDRESS = ServerAddress("http://127.0.0.1:8765", "token")
SECOND_MS = 50  # how long the panels' pauses of a second last: these backends answer at once


class FakeTransport:
    """Asynchronous, as the panels' Qt transport: the answer comes from the event loop.

    Attributes: `broken`, the error that every call ends with, or None; `sharesFiles`, False: volumes travel.
    """

    def __init__(self, server, address: ServerAddress = ADDRESS) -> None:
        self.server, self.address = server, address
        self.sharesFiles, self.broken, self.closed, self.abandoned = False, None, False, False

    def send(self, call, onDone, onError) -> None:
        def reply() -> None:
            if self.abandoned:
                return
            try:
                if self.closed:
                    raise disconnected(self.address.url)
                if self.broken is not None:
                    raise self.broken
                answer = call.parse(*self.server.answer(call))
            except MedSSLError as error:
                onError(error)
            else:
                onDone(answer)

        qt.QTimer.singleShot(0, reply)

    def close(self) -> None:
        """Who waits, or still asks, gets an error."""
        self.closed = True

    def abandon(self) -> None:
        """No callback follows."""
        self.abandoned = True


class BlockingTransport:
    """As the `requests` transport: the answer is returned."""

    address = ADDRESS

    def __init__(self, server) -> None:
        self.server = server

    def send(self, call):
        return call.parse(*self.server.answer(call))


class FakeProcess:
    """A BackendProcess whose start and stop work at once.

    Attributes: `refuse`, the error that a start fails with, or None; `address`, of its transports.
    """

    def __init__(self, server, address: ServerAddress = ADDRESS) -> None:
        self.changed, self.server, self.address = Signal(), server, address
        self.state, self.transport, self.error, self.refuse = "down", None, None, None

    def watch(self) -> None:
        """The test says when something changes."""

    def unwatch(self) -> None:
        if self.transport is not None:
            self.transport.abandon()

    def start(self, environment=None) -> None:
        self.error = self.refuse
        if self.refuse is None:
            self.state, self.transport = "up", FakeTransport(self.server, self.address)
        self.changed.emit()

    def stop(self) -> None:
        if self.transport is not None:
            self.transport.close()
        self.state, self.transport = "down", None
        self.changed.emit()

    def die(self) -> None:
        """The server is gone; jobs are not."""
        self.error = ResourceError("backend", "has ended", "Start it again; its jobs went on meanwhile")
        self.stop()


class FakeBuilder:
    """An EnvironmentBuilder that prints two lines and then waits for `end`.

    Attribute: `built`, the plans it got.
    """

    def __init__(self) -> None:
        self.output, self.progress, self.finished = Signal(), Signal(), Signal()
        self.running, self.built = False, []

    def build(self, plan) -> None:
        self.running = True
        self.built.append(plan)
        self.progress.emit(1, len(plan.steps), plan.steps[0].title)
        self.output.emit("$ python -m pip install uv\nCollecting uv")

    def cancel(self) -> None:
        self.end(ResourceError("PyTorch", "was cancelled", "Press Continue to go on: what is done is kept"))

    def end(self, error=None) -> None:
        self.running = False
        self.finished.emit(error)


class FakeProbe:
    """A MachineProbe that finds the machine it was given; as there, the answer comes from the event loop.

    Attribute: `asked`, the network settings of each question; `reached`, whether PyTorch's index was part of it.
    """

    def __init__(self, machine=None) -> None:
        from MedSSLLib.install.machine import Machine

        self.found, self.running, self.asked, self.reached = Signal(), False, [], []
        self.machine = machine or Machine(freeBytes=100 * 2**30, torchIndex="")

    def start(self, folder, slicerPython, network, reach=False) -> None:
        if self.running:
            return
        self.asked.append(dict(network))
        self.reached.append(reach)
        self.running = True

        def answer() -> None:
            if self.running:
                self.running = False
                self.found.emit(self.machine if reach else dataclasses.replace(self.machine, torchIndex=None))

        qt.QTimer.singleShot(0, answer)

    def close(self) -> None:
        """No answer follows."""
        self.running = False
