"""Starts, watches and stops the local backend. It is detached: it survives Slicer, and so do its jobs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import qt
import slicer
from slicer.i18n import tr as _

from medssl.client import api, backend
from medssl.core.errors import ResourceError
from medssl.core.home import NEUTRAL_FOLDER, home_folder, make_home
from MedSSLLib.backend.qtTransport import QtTransport
from MedSSLLib.backendLocator import backendFolder
from MedSSLLib.install.environments import OWN, SLICER, Environment, chosenEnvironment
from MedSSLLib.widgets.signal import Signal

DOWN, STARTING, UP = "down", "starting", "up"
POLL_STARTING_MS, POLL_MS = 200, 2000
SILENCES = 2  # one that is just ending has closed its port, and its server.json is there for a moment yet
START_TIMEOUT_S = 60.0  # importing the web framework from a cold network disk


class BackendProcess:
    """The backend on this machine.

    Signal: `changed()` when `state`, `transport` or `error` changed.

    Args:
        launch: starts the server and returns its process (`poll()`); tests bring their own.
        makeTransport: address -> asynchronous transport.
    """

    def __init__(self, launch: Callable | None = None, makeTransport: Callable = QtTransport) -> None:
        self.changed = Signal()
        self.state, self.transport, self.error = DOWN, None, None
        self._launch, self._makeTransport = launch or launchServer, makeTransport
        self._child, self._environment, self._deadline, self._asking = None, None, 0.0, None
        self._logged = 0  # how long server.log was before the start
        self._stopping = False  # asked to end, but its server.json is still there
        self._silences = 0  # polls in a row without an answer of a server whose server.json is there
        self._timer = qt.QTimer()
        self._timer.connect("timeout()", self.poll)

    def watch(self) -> None:
        """Look now and then whether a backend runs, whoever started it."""
        self._timer.start(POLL_MS)
        self.poll()

    def unwatch(self) -> None:
        """Stop looking; a running backend goes on."""
        self._timer.stop()
        self._timer.disconnect("timeout()", self.poll)  # a connection left would keep this object for ever
        for transport in (self._asking, self.transport):
            if transport is not None:
                transport.abandon()
        self._asking = None

    def start(self, environment: Environment) -> None:
        """Start the backend with that Python; `changed` says how it went."""
        self._logged = logLength()
        try:
            self._child = self._launch(environment)
        except ResourceError as error:
            self._set(DOWN, None, error)
            return
        self._stopping = False
        self._environment, self._deadline = environment, time.monotonic() + START_TIMEOUT_S
        self._set(STARTING, None, None)
        self._timer.start(POLL_STARTING_MS)

    def stop(self) -> None:
        """Ask the backend to end; running jobs go on and are seen again after the next start."""
        if (transport := self.transport) is not None:
            transport.send(api.shutdown(), lambda _answer: self._stopped(), lambda e: self._failed(transport, e))

    def poll(self) -> None:
        """Read server.json and have that server prove that it is the one; neither waits."""
        if self._asking is not None:
            return
        address = backend.read_address()
        if address is None:
            self._notThere(endedWell=True)
            return
        asking = self._asking = self._makeTransport(address)
        asking.send(backend.alive(address), lambda _answer: self._there(asking), lambda _error: self._silent())

    def _stopped(self) -> None:
        self._stopping = True
        self._set(DOWN, None, None)

    def _there(self, transport) -> None:
        self._asking, self._silences = None, 0
        if self._stopping:
            return
        if self.transport is None or self.transport.address != transport.address:
            self._set(UP, transport, None)
        self._timer.start(POLL_MS)

    def _silent(self) -> None:
        self._asking = None
        self._notThere()

    def _notThere(self, endedWell: bool = False) -> None:
        """Nobody answers. A server that ends well takes its server.json with it: somebody stopped it, e.g. the other module."""
        self._stopping = False
        if self.state == STARTING:
            status, late = self._child.poll(), time.monotonic() > self._deadline
            if not backend.may_come(status, home_folder()) or (late and status is not None):
                self._set(DOWN, None, whyNot(self._environment, self._logged))
            elif late:
                rule = _("did not answer within {s:.0f} s").format(s=START_TIMEOUT_S)
                remedy = _("Look into {log}").format(log=home_folder() / "server.log")
                self._set(DOWN, None, ResourceError(self._environment.python, rule, remedy))
            else:
                return
            self._timer.start(POLL_MS)
        elif self.state == UP and endedWell:
            self._set(DOWN, None, None)
        elif self.state == UP:
            self._silences += 1
            if self._silences < SILENCES:
                return
            gone = ResourceError(_("backend"), _("has ended"), _("Start it again; its jobs went on meanwhile"))
            self._set(DOWN, None, gone)

    def _failed(self, transport, error: Exception) -> None:
        if transport is self.transport:  # else it has ended before it could answer, as it should
            self._set(self.state, transport, error)

    def _set(self, state: str, transport, error) -> None:
        if transport is not self.transport and self.transport is not None:
            self.transport.close()
        self.state, self.transport, self.error = state, transport, error
        self.changed.emit()


def logLength() -> int:
    """How many bytes server.log holds."""
    try:
        return (home_folder() / "server.log").stat().st_size
    except OSError:  # there is none yet
        return 0


def whyNot(environment: Environment, since: int = 0) -> ResourceError:
    """Why a backend that was started has ended; `since`: how long server.log was before."""
    error = backend.why_not(home_folder(), environment.python, since)
    if environment.key == OWN and any(words in error.rule for words in backend.NO_IMPORT):
        error.remedy = _("Open 'Where it runs' and 'MedSSL's own environment', and press Repair")
    return error


def variablesOf(environment: Environment) -> dict[str, str]:
    """With what the backend's programs are started by a Python: Slicer's own needs Slicer's variables, another is free of them."""
    variables = dict(os.environ) if environment.key == SLICER else backend.environment(slicer.util.startupEnvironment())
    source = str(backendFolder() / "src")  # panel and backend are of one version whatever was installed before
    path = os.pathsep.join(part for part in (source, variables.get("PYTHONPATH", "")) if part)
    return {**variables, "PYTHONPATH": path, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}


def launchServer(environment: Environment):
    """Start the server over the home folder, detached, without waiting.

    Raises:
        ResourceError: there is no such Python, or the home folder cannot be written.
    """
    home, variables = home_folder(), variablesOf(environment)
    command = backend.start_command(environment.python, home)
    try:
        make_home(home)
        log = backend.open_log(home)
    except OSError as error:
        rule = _("cannot be written ({reason})").format(reason=error.strerror)
        raise ResourceError(str(home), rule, _("Check disk space and permissions, or set MEDSSL_HOME")) from error
    with log:
        return _launched(command, log, variables)


def _launched(command: list[str], log, variables: dict[str, str]):
    detached = {"start_new_session": True}
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=NEUTRAL_FOLDER,
            env=variables,
            **detached,
        )
    except OSError as error:
        rule = _("cannot be run ({reason})").format(reason=error.strerror)
        raise ResourceError(command[0], rule, _("Choose a Python executable")) from error


def startAndWait(timeoutSeconds: float = START_TIMEOUT_S):
    """The address of the local backend, started where none runs: for console and batch.

    Raises:
        ResourceError: no environment exists, or the backend cannot be started.
    """
    from MedSSLLib.steps import patientSleep

    if (address := backend.find()) is not None:
        return address
    environment = chosenEnvironment()
    if environment is None:
        remedy = _("Create one in the panel's Backend section, or set MEDSSL_PYTHON")
        raise ResourceError(_("backend environment"), _("does not exist yet"), remedy, code="environment-missing")
    since = logLength()
    child, end = launchServer(environment), time.monotonic() + timeoutSeconds
    while time.monotonic() < end:
        patientSleep(0.1)
        if (address := backend.find()) is not None:
            return address
        if not backend.may_come(child.poll(), home_folder()):
            raise whyNot(environment, since)
    if child.poll() is not None:
        raise whyNot(environment, since)
    child.kill()
    raise ResourceError(environment.python, _("did not answer in time"), _("Look into server.log in the home folder"))


def localTransport():
    """A blocking transport to the local backend, for console and batch; the backend is started where none runs.

    Raises:
        ResourceError: it cannot be started, and why.
    """
    from medssl.client.transport import RequestsTransport

    return RequestsTransport(startAndWait())
