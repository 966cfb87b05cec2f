"""The backend box of both panels: what is missing, start and stop; another machine, device. Folded to one line while it runs."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from medssl.core.errors import InputError
from MedSSLLib.backend.backendProcess import DOWN, STARTING, UP, BackendProcess
from MedSSLLib.backend.deviceChoice import DeviceChoice
from MedSSLLib.backend.qtTransport import LOOPBACK, QtTransport
from MedSSLLib.backend.remoteConnection import RemoteConnection, sharedRemote
from MedSSLLib.install.environmentBox import EnvironmentBox
from MedSSLLib.install.environmentBuilder import sharedBuilder
from MedSSLLib.install.environments import OTHER, OWN, Environment, environments
from MedSSLLib.install.machineProbe import MachineProbe
from MedSSLLib.widgets.errorText import showError
from MedSSLLib.widgets.fitting import elideMiddle, fitCombo, softLabel
from MedSSLLib.widgets.signal import Signal
from MedSSLLib.widgets.uiFile import loadInto

UI_FILE = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "MedSSLBackendBox.ui"
HERE, ELSEWHERE = 0, 1  # rows of the place combo
GPU_NAME = 30  # characters of a card's name in the line


class BackendBox:
    """Fills a frame with the backend's controls.

    Attributes: `transport` (asynchronous; None while no backend answers), `device` (name for JobSpec.device).
    Signal: `changed()`.

    Args:
        frame: an empty widget of the panel with a layout.
        process: a BackendProcess or a stand-in.
        builder: an EnvironmentBuilder or a stand-in.
        makeTransport: address -> asynchronous transport, for a remote backend; left out: the connection is that of both modules.
        probe: a MachineProbe or a stand-in.
        confirm: asks before something is deleted.
    """

    def __init__(self, frame, process=None, builder=None, makeTransport=None, probe=None, confirm=None) -> None:
        self.changed = Signal()
        self._remote, self._remoteAddress, self._addressError = None, None, None
        self._makeTransport = makeTransport or QtTransport
        self.remote = sharedRemote() if makeTransport is None else RemoteConnection(makeTransport)
        self.process = process or BackendProcess()
        self.ui = loadInto(frame, UI_FILE)
        confirm = confirm or slicer.util.confirmOkCancelDisplay
        self.installing = EnvironmentBox(
            self.ui.environmentFrame, builder or sharedBuilder(), probe or MachineProbe(), confirm
        )
        self.ui = slicer.util.childWidgetVariables(frame)  # with those of the environment
        self._devices = DeviceChoice(self.ui.deviceCombo, self.ui.hintLabel)
        self._fill()
        self._connect()
        self.process.watch()
        self.remote.watch()
        self._remoteChanged()  # the other module may be connected
        self.update()

    @property
    def transport(self):
        """What sends calls to the chosen backend, or None."""
        return self._remote if self._elsewhere else self.process.transport

    @property
    def device(self) -> str:
        """The chosen device: auto, cpu, cuda:0, ..."""
        return self._devices.device

    @property
    def _elsewhere(self) -> bool:
        return self.ui.placeCombo.currentIndex == ELSEWHERE

    def close(self) -> None:
        """Let go of timers and connections; the backend goes on, an installation does not."""
        self.process.changed.disconnect(self._processChanged)
        self.installing.built.disconnect(self._built)
        self.installing.close()
        self.process.unwatch()
        self.remote.changed.disconnect(self._remoteChanged)
        self.remote.unwatch()
        if self._remote is not None:
            self._remote.abandon()

    def useThatOf(self, other) -> None:
        """Use the backend that the box of the other module uses."""
        self.ui.placeCombo.currentIndex = other.ui.placeCombo.currentIndex

    def environment(self) -> Environment:
        """The chosen environment."""
        known = {e.key: e for e in environments(otherPython=self.ui.otherPath.currentPath)}
        return known[self.ui.environmentCombo.currentData]

    def update(self) -> None:
        """Make every widget say what is the case."""
        ui, running, environment = self.ui, self.transport is not None, self.environment()
        ui.localPage.visible, ui.remotePage.visible = not self._elsewhere, self._elsewhere
        ui.otherPath.visible = ui.otherLabel.visible = environment.key == OTHER
        ui.stateLabel.text, ui.stateLabel.toolTip = self._stateText()
        ui.stateLabel.visible = running or self._elsewhere or environment.key != OWN or environment.exists
        ui.settingsButton.visible = running
        ui.settingsSection.visible = not running or ui.settingsButton.checked
        opened = not ui.settingsSection.collapsed and (not running or ui.settingsButton.checked)
        self.installing.show(environment, opened, self.process.state != DOWN)
        needed = not running and (not environment.exists or self.installing.outdated())
        ui.environmentFrame.visible = not self._elsewhere and (needed or opened or self.installing.builder.running)
        self._updateStart(running, environment)
        self._devices.update(running)
        error = (self._addressError or self.remote.error) if self._elsewhere else self.process.error
        showError(ui.errorLabel, error or (self._devices.error if running else None))

    def _fill(self) -> None:
        ui = self.ui
        for label in (ui.stateLabel, ui.hintLabel, ui.errorLabel):
            softLabel(label)
        for combo in (ui.placeCombo, ui.environmentCombo):
            fitCombo(combo)
        ui.placeCombo.addItems([_("This computer"), _("Another computer")])
        ui.otherPath.currentPath = str(qt.QSettings().value("MedSSL/OtherPython", "") or "")
        ui.addressEdit.text = str(qt.QSettings().value("MedSSL/RemoteAddress", "") or "")
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
        self.remote.changed.connect(self._remoteChanged)
        self.installing.built.connect(self._built)
        ui.startButton.connect("clicked(bool)", lambda _on: self._startOrStop())
        ui.settingsButton.connect("toggled(bool)", self._openSettings)
        ui.settingsSection.connect("contentsCollapsed(bool)", lambda _collapsed: self.update())
        ui.placeCombo.connect("currentIndexChanged(int)", lambda _index: self._changed())
        ui.environmentCombo.connect("currentIndexChanged(int)", lambda _index: self._environmentChanged())
        ui.otherPath.connect("currentPathChanged(QString)", lambda _path: self._environmentChanged())
        ui.addressEdit.connect("textChanged(QString)", lambda _text: self.update())
        ui.tokenEdit.connect("textChanged(QString)", lambda _text: self.update())
        self._devices.changed.connect(self.update)

    def _stateText(self) -> tuple[str, str]:
        """The line, and its tooltip."""
        if self.transport is not None:
            line = (
                _("<b>Connected</b>, {device}") if self._elsewhere else _("<b>Running</b> on this computer, {device}")
            )
            used = self._devices.text()
            return line.format(device=elideMiddle(used, GPU_NAME)), f"{used}\n{self.transport.address.url}"
        if self._elsewhere:
            return (_("Connecting...") if self.remote.state == STARTING else _("Not connected")), ""
        return (_("Starting...") if self.process.state == STARTING else _("Not running")), ""

    def _updateStart(self, running: bool, environment: Environment) -> None:
        ui, missing = self.ui, ""
        connecting = self._elsewhere and self.remote.state == STARTING
        ui.addressEdit.enabled = ui.tokenEdit.enabled = not connecting
        if self._elsewhere and not running and not (ui.addressEdit.text.strip() and ui.tokenEdit.text.strip()):
            missing = _("Enter the address and the token of the backend")
        elif not self._elsewhere and not running and not environment.exists:
            missing = _("Create the environment first")
            if environment.key != OWN:
                missing = _("Choose a Python executable, below under 'Where it runs'")
        busy = not self._elsewhere and (self.installing.builder.running or self.process.state == STARTING)
        ui.startButton.enabled = not missing and not busy
        ui.startButton.toolTip = missing or (_("Wait until it is done") if busy else "")
        ui.startButton.visible = self._elsewhere or running or environment.key != OWN or environment.exists
        words = (_("Connect"), _("Disconnect")) if self._elsewhere else (_("Start"), _("Stop"))
        ui.startButton.text = _("Cancel") if connecting else words[running]

    def _openSettings(self, opened: bool) -> None:
        self.ui.settingsSection.collapsed = not opened
        self.update()

    def _startOrStop(self) -> None:
        if self._elsewhere:
            self._connectRemote() if self.remote.state == DOWN else self.remote.disconnect()
        elif self.process.state == UP:
            self.process.stop()
        else:
            self.process.start(self.environment())

    def _connectRemote(self) -> None:
        url, token = self.ui.addressEdit.text.strip().rstrip("/"), self.ui.tokenEdit.text.strip()
        self._addressError = addressError(url)
        if self._addressError is not None:
            self.update()
            return
        qt.QSettings().setValue("MedSSL/RemoteAddress", url)
        self.remote.connect(url, token)

    def _remoteChanged(self) -> None:
        address = self.remote.address
        if address is not self._remoteAddress:
            if self._remote is not None:
                self._remote.close()  # who waits for it is told
            self._remoteAddress, self._remote = address, self._makeTransport(address) if address is not None else None
        if self._elsewhere:
            self._fold()
            self._changed()

    def _built(self, error) -> None:
        """An installation of this box that went well is started; what was removed is offered again."""
        self._fillEnvironments(self.ui.environmentCombo.currentData)
        wanted = self.installing.mine and not self._elsewhere and self.process.state == DOWN
        if error is None and wanted and self.environment().exists:
            self.process.start(self.environment())
        self.update()

    def _environmentChanged(self) -> None:
        qt.QSettings().setValue("MedSSL/Environment", self.ui.environmentCombo.currentData)
        qt.QSettings().setValue("MedSSL/OtherPython", self.ui.otherPath.currentPath)
        self.update()

    def _processChanged(self) -> None:
        if not self._elsewhere:
            self._fold()
            self._changed()

    def _fold(self) -> None:
        """A backend that has come up needs no settings any more; while the user chooses another, they stay open."""
        if self.transport is not None and self.transport is not self._devices.transport:
            self.ui.settingsButton.checked = False
            self.ui.settingsSection.collapsed = True

    def _changed(self) -> None:
        if self.transport is not self._devices.transport:
            self._devices.ask(self.transport)
        self.update()
        self.changed.emit()


def addressError(url: str) -> InputError | None:
    """What is wrong with the address of a backend elsewhere; the token and the images must not travel in the clear."""
    if not url.startswith(("http://", "https://")):
        return InputError(url, _("is not an address"), _("Begin it with https://"))
    if url.startswith("http://") and qt.QUrl(url).host() not in LOOPBACK:
        remedy = _("Begin it with https://, or use an SSH tunnel and http://127.0.0.1")
        return InputError(url, _("would get the token and the images without encryption"), remedy)
    return None
