"""The backend box of both panels: start and stop, environment, another machine, device."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import qt
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.errors import InputError, ResourceError
from MedSSLLib.backend.backendProcess import STARTING, UP, BackendProcess
from MedSSLLib.backend.environmentBuilder import EnvironmentBuilder
from MedSSLLib.backend.environments import OTHER, OWN, Environment, environments
from MedSSLLib.backend.qtTransport import LOOPBACK, QtTransport
from MedSSLLib.widgets.errorText import showError
from MedSSLLib.widgets.signal import Signal
from MedSSLLib.widgets.uiFile import loadInto

UI_FILE = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "MedSSLBackendBox.ui"
HERE, ELSEWHERE = 0, 1  # rows of the place combo


@dataclass(frozen=True)
class RemoteAddress:
    """A backend on another machine."""

    url: str
    token: str = field(repr=False)  # it does not belong into logs


class BackendBox:
    """Fills a frame with the backend's controls.

    Attributes: `transport` (asynchronous; None while no backend answers), `device` (name for JobSpec.device).
    Signal: `changed()`.

    Args:
        frame: an empty widget of the panel with a layout.
        process: a BackendProcess or a stand-in.
        builder: an EnvironmentBuilder or a stand-in.
        makeTransport: address -> asynchronous transport, for a remote backend.
    """

    def __init__(self, frame, process=None, builder=None, makeTransport=QtTransport) -> None:
        self.changed = Signal()
        self._remote, self._remoteError, self._makeTransport = None, None, makeTransport
        self._deviceError, self._askedDevices = None, None
        self.process, self.builder = process or BackendProcess(), builder or EnvironmentBuilder()
        self.ui = loadInto(frame, UI_FILE)
        self._fill()
        self._connect()
        self.process.watch()
        self.update()

    @property
    def transport(self):
        """What sends calls to the chosen backend, or None."""
        return self._remote if self.ui.placeCombo.currentIndex == ELSEWHERE else self.process.transport

    @property
    def device(self) -> str:
        """The chosen device: auto, cpu, cuda:0, ..."""
        return self.ui.deviceCombo.currentData or "auto"

    def close(self) -> None:
        """Let go of timers and connections; the backend goes on, an installation does not."""
        self.process.changed.disconnect(self._processChanged)
        self.builder.finished.disconnect(self._built)
        self.builder.output.disconnect(self._log)
        if self.builder.running:
            self.builder.cancel()
        self.process.unwatch()
        if self._remote is not None:
            self._remote.close()

    def environment(self) -> Environment:
        """The chosen environment."""
        known = {e.key: e for e in environments(otherPython=self.ui.otherPath.currentPath)}
        return known[self.ui.environmentCombo.currentData]

    def update(self) -> None:
        """Make every widget say what is the case."""
        ui, elsewhere = self.ui, self.ui.placeCombo.currentIndex == ELSEWHERE
        ui.localPage.visible, ui.remotePage.visible = not elsewhere, elsewhere
        ui.otherPath.visible = ui.otherLabel.visible = ui.environmentCombo.currentData == OTHER
        ui.installProgress.visible = self.builder.running
        ui.stateLabel.text = self._stateText()
        self._updateButtons(elsewhere)
        error = self._remoteError if elsewhere else self.process.error
        showError(ui.errorLabel, error or (self._deviceError if self.transport is not None else None))
        ui.deviceCombo.enabled = self.transport is not None

    def _fill(self) -> None:
        ui = self.ui
        ui.placeCombo.addItems([_("This computer"), _("Another computer")])
        ui.otherPath.currentPath = str(qt.QSettings().value("MedSSL/OtherPython", "") or "")
        ui.addressEdit.text = str(qt.QSettings().value("MedSSL/RemoteAddress", "") or "")
        ui.deviceCombo.addItem(_("Automatic"), "auto")
        self._fillEnvironments(str(qt.QSettings().value("MedSSL/Environment", "") or ""))

    def _fillEnvironments(self, key: str) -> None:
        combo = self.ui.environmentCombo
        combo.blockSignals(True)
        combo.clear()
        for environment in environments():
            combo.addItem(environment.title, environment.key)
        combo.currentIndex = max(0, combo.findData(key))
        combo.blockSignals(False)

    def _connect(self) -> None:
        ui = self.ui
        self.process.changed.connect(self._processChanged)
        self.builder.output.connect(self._log)
        self.builder.finished.connect(self._built)
        ui.startButton.connect("clicked(bool)", lambda _on: self._startOrStop())
        ui.installButton.connect("clicked(bool)", lambda _on: self._install())
        ui.placeCombo.connect("currentIndexChanged(int)", lambda _index: self._placeChanged())
        ui.environmentCombo.connect("currentIndexChanged(int)", lambda _index: self._environmentChanged())
        ui.otherPath.connect("currentPathChanged(QString)", lambda _path: self._environmentChanged())
        ui.addressEdit.connect("textChanged(QString)", lambda _text: self.update())
        ui.tokenEdit.connect("textChanged(QString)", lambda _text: self.update())

    def _stateText(self) -> str:
        if self.transport is not None:
            return _("<b>Running</b> at {url}").format(url=self.transport.address.url)
        if self.ui.placeCombo.currentIndex == ELSEWHERE:
            return _("Not connected")
        return _("Starting...") if self.process.state == STARTING else _("Not running")

    def _updateButtons(self, elsewhere: bool) -> None:
        ui, running = self.ui, self.transport is not None
        environment = self.environment()
        missing = ""
        if elsewhere and not running and not (ui.addressEdit.text.strip() and ui.tokenEdit.text.strip()):
            missing = _("Enter the address and the token of the backend")
        elif not elsewhere and not running and not environment.exists:
            missing = _("Create the environment first, below under 'Where it runs'")
            if environment.key == OTHER:
                missing = _("Choose a Python executable, below under 'Where it runs'")
        busy = self.builder.running or (not elsewhere and self.process.state == STARTING)
        ui.startButton.enabled = not missing and not busy
        ui.startButton.toolTip = missing
        words = (_("Connect"), _("Disconnect")) if elsewhere else (_("Start"), _("Stop"))
        ui.startButton.text = words[running]
        ui.installButton.enabled = self.builder.running or environment.key == OWN or environment.exists
        create = environment.key == OWN and not environment.exists
        ui.installButton.text = _("Create environment") if create else _("Install or update the backend there")
        if self.builder.running:
            ui.installButton.text = _("Cancel")
        ui.installButton.toolTip = _("Downloads PyTorch and other packages (several GB) from the Python package index")

    def _startOrStop(self) -> None:
        if self.ui.placeCombo.currentIndex == ELSEWHERE:
            self._connectRemote() if self._remote is None else self._disconnectRemote()
        elif self.process.state == UP:
            self.process.stop()
        else:
            self.process.start(self.environment())

    def _connectRemote(self) -> None:
        url, token = self.ui.addressEdit.text.strip().rstrip("/"), self.ui.tokenEdit.text.strip()
        self._remoteError = addressError(url)
        if self._remoteError is not None:
            self.update()
            return
        qt.QSettings().setValue("MedSSL/RemoteAddress", url)
        candidate = self._makeTransport(RemoteAddress(url, token))
        candidate.send(api.jobs(), lambda _jobs: self._setRemote(candidate, None), lambda e: self._setRemote(None, e))
        self._pending = candidate

    def _disconnectRemote(self) -> None:
        self._remote.close()
        self._setRemote(None, None)

    def _setRemote(self, transport, error) -> None:
        self._remote, self._remoteError = transport, error
        self._changed()

    def _install(self) -> None:
        if self.builder.running:
            self.builder.cancel()
            return
        self.ui.installLog.visible = True
        self.ui.installLog.clear()
        self.builder.build(self.environment())
        self.update()

    def _log(self, text: str) -> None:
        self.ui.installLog.appendPlainText(text)

    def _built(self, error) -> None:
        self._fillEnvironments(self.ui.environmentCombo.currentData)
        self.process.error = error
        self.ui.installLog.appendPlainText(_("Done.") if error is None else str(error))
        self.update()

    def _placeChanged(self) -> None:
        self._changed()

    def _environmentChanged(self) -> None:
        qt.QSettings().setValue("MedSSL/Environment", self.ui.environmentCombo.currentData)
        qt.QSettings().setValue("MedSSL/OtherPython", self.ui.otherPath.currentPath)
        self.update()

    def _processChanged(self) -> None:
        if self.ui.placeCombo.currentIndex == HERE:
            self._changed()

    def _changed(self) -> None:
        self.update()
        if self.transport is not None and self.transport is not self._askedDevices:
            self._askedDevices = self.transport
            self.transport.send(api.devices(), self._showDevices, self._devicesFailed)
        self.changed.emit()

    def _showDevices(self, devices: list[dict]) -> None:
        combo = self.ui.deviceCombo
        combo.clear()
        combo.addItem(_("Automatic"), "auto")
        usable = [d for d in devices if d["available"]]
        for device in usable:
            text = _("{name}: {description}, {free:.0f} of {all:.0f} GB free")
            gigabytes = dict(free=device["free_bytes"] / 1e9, all=device["memory_bytes"] / 1e9)
            combo.addItem(
                text.format(name=device["name"], description=device["description"], **gigabytes), device["name"]
            )
        note = next((d["note"] for d in devices if d["note"]), "")
        self._deviceError = None
        if not usable:
            remedy = _("Install or update the backend under 'Where it runs'")
            self._deviceError = ResourceError(_("backend environment"), note or _("has no usable device"), remedy)
        combo.toolTip = note or _("Device of the backend; automatic takes a free GPU if there is one")
        self.update()

    def _devicesFailed(self, error: Exception) -> None:
        self._deviceError = error
        self.update()


def addressError(url: str) -> InputError | None:
    """What is wrong with the address of a backend elsewhere; the token and the images must not travel in the clear."""
    if not url.startswith(("http://", "https://")):
        return InputError(url, _("is not an address"), _("Begin it with https://"))
    if url.startswith("http://") and qt.QUrl(url).host() not in LOOPBACK:
        remedy = _("Begin it with https://, or use an SSH tunnel and http://127.0.0.1")
        return InputError(url, _("would get the token and the images without encryption"), remedy)
    return None
