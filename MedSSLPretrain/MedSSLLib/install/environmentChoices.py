"""The fields under 'What will be installed': build, Python, place, source of packages, proxy, certificate."""

from __future__ import annotations

from pathlib import Path

import ctk
import qt
from slicer.i18n import tr as _

from medssl.core.errors import InputError, MedSSLError
from medssl.core.home import home_folder
from MedSSLLib.install.environments import ownPlace, setOwnPlace
from MedSSLLib.install.installPlan import Choices
from MedSSLLib.install.machine import Machine
from MedSSLLib.install.networkSettings import NetworkSettings, withoutPassword
from MedSSLLib.install.torchBuild import AUTO, CHOICES, FOLDER, FOLDER_FIRST, INDEXES, ORDINARY, chosenBuild, title
from MedSSLLib.widgets.fitting import addItem, fitCombo
from MedSSLLib.widgets.signal import Signal


class EnvironmentChoices:
    """Keeps the fields and what is remembered of them.

    Signals: `changed()`; `networkChanged()` when the computer has to be looked at again. Attribute: `placeError`, what is
    wrong with the place, or None.
    """

    def __init__(self, ui) -> None:
        self.ui, self.changed, self.networkChanged = ui, Signal(), Signal()
        self.placeError: MedSSLError | None = None
        self._sourceChosen = False  # by the user; until then the panel changes it when PyTorch's index is out of reach
        ui.wheelsPath.filters = ui.placePath.filters = ctk.ctkPathLineEdit.Dirs
        for combo in (ui.sourceCombo, ui.buildCombo, ui.pythonCombo):
            fitCombo(combo)
        for path in (ui.wheelsPath, ui.placePath, ui.certificatePath):  # otherwise as wide as what they hold at first
            path.setMinimumWidth(80)
            path.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Fixed)
        for name, key in self._sources():
            addItem(ui.sourceCombo, name, key)
        self._restore()
        ui.sourceCombo.connect("currentIndexChanged(int)", self._chooseSource)
        ui.buildCombo.connect("currentIndexChanged(int)", lambda _index: self._keep("Build", self._data(ui.buildCombo)))
        ui.pythonCombo.connect(
            "currentIndexChanged(int)", lambda _index: self._keep("Python", self._data(ui.pythonCombo))
        )
        ui.wheelsPath.connect("currentPathChanged(QString)", lambda path: self._keep("Wheels", path))
        ui.placePath.connect("currentPathChanged(QString)", lambda _path: self._placeChanged())
        ui.placePath.comboBox().lineEdit().connect("editingFinished()", self._placeTyped)
        ui.proxyEdit.connect("editingFinished()", self._chooseProxy)
        ui.certificatePath.connect("currentPathChanged(QString)", self._chooseCertificate)

    @property
    def network(self) -> NetworkSettings:
        """Proxy and certificate."""
        return NetworkSettings(self.ui.proxyEdit.text.strip(), self.ui.certificatePath.currentPath.strip())

    def choices(self) -> Choices:
        """What the fields say."""
        ui = self.ui
        source = self._data(ui.sourceCombo) or INDEXES
        wheels = ui.wheelsPath.currentPath.strip() if source in (FOLDER, FOLDER_FIRST) else ""
        build = self._data(ui.buildCombo) if source == INDEXES else ""
        return Choices(build, self._data(ui.pythonCombo), source, wheels, self.network)

    def fill(self, machine: Machine) -> None:
        """Offer what this computer can have."""
        self._machine = machine
        if machine.torchIndex and machine.system != "Darwin" and not self._sourceChosen:
            self._setCurrent(self.ui.sourceCombo, ORDINARY)
        versions = [
            _("Python {version}").format(version=".".join(map(str, python.version))) for python in machine.pythons
        ]
        automatic = versions[0] if versions else _("Python 3.12, by uv")
        pythons = [(f"{name}: {python.path}", python.path) for name, python in zip(versions, machine.pythons)]
        self._fill(self.ui.pythonCombo, [(_("Automatic: {choice}").format(choice=automatic), ""), *pythons], "Python")
        self.update()

    def update(self) -> None:
        """What depends on the source of the packages."""
        ui, source = self.ui, self._data(self.ui.sourceCombo)
        ui.wheelsPath.visible = ui.wheelsLabel.visible = source in (FOLDER, FOLDER_FIRST)
        machine = getattr(self, "_machine", None)
        if machine is None:
            return
        wheels = [path.name for path in Path(ui.wheelsPath.currentPath or "/nowhere").glob("*.whl")]
        automatic = chosenBuild(machine, source, wheels=wheels).title
        items = [(title(name), name) for name in CHOICES if name != AUTO]
        self._fill(ui.buildCombo, [(_("Automatic: {choice}").format(choice=automatic), ""), *items], "Build")
        fixed = source != INDEXES or machine.system == "Darwin"
        ui.buildCombo.enabled = not fixed
        ui.buildCombo.toolTip = _("Which graphics card PyTorch is built for")
        if fixed:
            ui.buildCombo.toolTip = _("Only PyTorch's own index has several builds, and none for macOS")

    def lockPlace(self, reason: str) -> None:
        """The place of what is installed cannot change; "" lets it."""
        self.ui.placePath.enabled = not reason
        self.ui.placePath.toolTip = reason or _("The folder below which the environment and what installed it lie")

    def _sources(self) -> list[tuple[str, str]]:
        return [
            (_("PyTorch's index, package index"), INDEXES),
            (_("Package index alone"), ORDINARY),
            (_("Wheels folder, package index"), FOLDER_FIRST),
            (_("Wheels folder alone (offline)"), FOLDER),
        ]

    def _restore(self) -> None:
        ui = self.ui
        ui.placePath.currentPath = str(ownPlace())
        ui.proxyEdit.text, ui.certificatePath.currentPath = self._kept("Proxy"), self._kept("Certificate")
        ui.wheelsPath.currentPath = self._kept("Wheels")
        if self._kept("Source"):
            self._sourceChosen = True
            self._setCurrent(ui.sourceCombo, self._kept("Source"))

    def _fill(self, combo, items: list[tuple[str, str]], setting: str) -> None:
        combo.blockSignals(True)
        combo.clear()
        for text, key in items:
            addItem(combo, text, key)
        combo.blockSignals(False)
        self._setCurrent(combo, self._kept(setting))

    def _setCurrent(self, combo, key: str) -> None:
        combo.blockSignals(True)
        combo.currentIndex = max(0, combo.findData(key))
        combo.blockSignals(False)

    def _data(self, combo) -> str:
        return str(combo.currentData or "")

    def _chooseSource(self, _index: int) -> None:
        self._sourceChosen = True
        self.update()
        self._keep("Source", self._data(self.ui.sourceCombo))

    def _placeChanged(self) -> None:
        """What was chosen in the dialog counts at once, what is being typed when it is finished."""
        if not self.ui.placePath.comboBox().lineEdit().modified:
            self._choosePlace()

    def _placeTyped(self) -> None:
        line = self.ui.placePath.comboBox().lineEdit()
        if (
            line.modified and self.ui.placePath.enabled
        ):  # the focus leaves the field for many reasons, also while it is locked
            line.modified = False
            self._choosePlace()

    def _choosePlace(self) -> None:
        path, before, self.placeError = self.ui.placePath.currentPath.strip(), self.placeError, None
        if path and Path(path) == ownPlace():
            if before is not None:
                self.changed.emit()
            return
        try:
            if path and Path(path) != home_folder() and not (Path(path).is_absolute() and Path(path).is_dir()):
                raise InputError(path, _("is no folder on this computer"), _("Create it, or choose another place"))
            setOwnPlace(path)
        except MedSSLError as error:
            self.placeError = error
        self.networkChanged.emit()  # maybe another disk

    def _chooseProxy(self) -> None:
        if withoutPassword(self.ui.proxyEdit.text.strip()) != self._kept("Proxy"):
            self._keep(
                "Proxy", withoutPassword(self.ui.proxyEdit.text.strip())
            )  # a password does not belong into settings
            self.networkChanged.emit()

    def _chooseCertificate(self, path: str) -> None:
        self._keep("Certificate", path.strip())
        if not path or Path(path).is_file():
            self.networkChanged.emit()

    def _keep(self, name: str, value: str) -> None:
        qt.QSettings().setValue(f"MedSSL/Install{name}", value)
        self.changed.emit()

    def _kept(self, name: str) -> str:
        return str(qt.QSettings().value(f"MedSSL/Install{name}", "") or "")
