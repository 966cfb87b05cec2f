"""What the backend computes on: the choice, the words for the line, and what helps where a card lies idle."""

from __future__ import annotations

from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.errors import ResourceError
from medssl.jobs.cards import NO_GPU
from MedSSLLib.backend.qtTransport import unlessDisconnected
from MedSSLLib.widgets.fitting import addItem, breakable, fitCombo
from MedSSLLib.widgets.signal import Signal


class DeviceChoice:
    """Keeps a combo box of devices and a label of advice.

    Signal: `changed()`. Attributes: `transport`, the backend that was asked last; `error`, why it can compute on nothing.
    """

    def __init__(self, combo, hint) -> None:
        self.changed, self.transport, self.error = Signal(), None, None
        self._combo, self._hint = combo, hint
        self._devices: list[dict] = []
        fitCombo(combo)
        combo.addItem(_("Automatic"), "auto")
        combo.connect("currentIndexChanged(int)", lambda _index: self.changed.emit())

    @property
    def device(self) -> str:
        """The chosen device: auto, cpu, cuda:0, ..."""
        return self._combo.currentData or "auto"

    def ask(self, transport) -> None:
        """Ask a backend what it has; None where there is none."""
        self.transport, self._devices, self.error = transport, [], None
        if transport is not None:
            transport.send(api.devices(), self._show, unlessDisconnected(self._failed))

    def text(self) -> str:
        """What the next job computes on, in a few words."""
        if not self._devices:
            return _("looking for a GPU...") if self.error is None else _("no usable device")
        used = self._used()
        if used is None or used["name"] == "cpu":
            return _("without a GPU")
        return _("GPU {name} {gb:.0f} GB").format(name=used["description"], gb=used["memory_bytes"] / 2**30)

    def update(self, running: bool) -> None:
        """Say why no GPU is used, and what helps; a computer without one needs no advice."""
        self._combo.enabled = running
        if not running:
            self._combo.toolTip = _("Start the backend first: it knows its devices")
        notes = [device["note"] for device in self._devices if device["note"]] if running else []
        mendable = bool(notes) and not notes[0].startswith(NO_GPU) and self.error is None
        self._hint.visible = mendable
        if mendable:
            reason, _semicolon, remedy = notes[0].partition("; ")
            self._hint.text = breakable(f"{reason[:1].upper()}{reason[1:]}. {remedy[:1].upper()}{remedy[1:]}".strip())

    def _used(self) -> dict | None:
        """The device that the next job will take; automatic takes no Apple GPU."""
        usable = {device["name"]: device for device in self._devices if device["available"]}
        cuda = next((device for name, device in usable.items() if name.startswith("cuda")), None)
        return usable.get(self.device) or cuda or usable.get("cpu")

    def _show(self, devices: list[dict]) -> None:
        combo, before = self._combo, self.device
        combo.blockSignals(True)
        combo.clear()
        combo.addItem(_("Automatic"), "auto")
        usable = [d for d in devices if d["available"]]
        for device in usable:
            text = _("{name}: {description}, {free:.0f} of {all:.0f} GB free")
            gigabytes = dict(free=device["free_bytes"] / 1e9, all=device["memory_bytes"] / 1e9)
            addItem(
                combo, text.format(name=device["name"], description=device["description"], **gigabytes), device["name"]
            )
        combo.currentIndex = max(0, combo.findData(before))
        combo.blockSignals(False)
        note = next((d["note"] for d in devices if d["note"]), "")
        self._devices, self.error = devices, None
        if not usable:
            remedy = _("Install or update the backend under 'Where it runs'")
            self.error = ResourceError(_("backend environment"), note or _("has no usable device"), remedy)
        combo.toolTip = note or _("Device of the backend; automatic takes a free GPU if there is one")
        self.changed.emit()

    def _failed(self, error: Exception) -> None:
        self.error = error
        self.changed.emit()
