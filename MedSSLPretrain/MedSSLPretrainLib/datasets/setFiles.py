"""Where dataset specs come from and go to: ready-made ones, files, a new one; a YAML file to keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
from MedSSLLib.backend.qtTransport import unlessDisconnected
from MedSSLLib.steps import StepRunner
from MedSSLLib.widgets.fitting import addItem
from MedSSLLib.widgets.modelChoice import chosen
from slicer.i18n import tr as _

from medssl.client import api
from medssl.datasets.spec.spec import DatasetSpec
from MedSSLPretrainLib.datasets.datasetSpecSteps import readSteps, saveSteps

NEW, FILE = "new", "file"  # what can be added beside ready-made sets, whose names have the prefix
READY = "ready:"
EMPTY = {"name": "", "kind": "multi-label", "labels": {}}


class SetFiles:
    """The combo box of what can be added, and the buttons that add and save.

    Args:
        ui: widgets of MedSSLSets.ui.
        backend: has `transport`; it reads and writes YAML.
        add: called with a dataset spec.
        current: the selected dataset spec, None where there is none or a wrong one.
        showError: shows an error, or none.
        askPath: asks for a file, `askPath(save: bool) -> str`; "" is none.
    """

    def __init__(
        self,
        ui,
        backend,
        add: Callable[[dict[str, Any]], None],
        current: Callable[[], DatasetSpec | None],
        showError: Callable[[Exception | None], None],
        askPath: Callable[[bool], str] | None,
    ) -> None:
        self._ui, self._backend, self._add, self._current = ui, backend, add, current
        self._showError, self._askPath, self._runner = showError, askPath or _askPath, None
        self._ready: dict[str, dict[str, Any]] = {}  # name -> entry of GET /dataset-specs
        ui.addSetButton.connect("clicked(bool)", lambda _on: self.add())
        ui.saveSetButton.connect("clicked(bool)", lambda _on: self.save())
        ui.addSetCombo.connect("currentIndexChanged(int)", lambda _index: self.update())
        self._offer()

    def refresh(self) -> None:
        """Ask the backend for its ready-made dataset specs."""
        self._backend.transport.send(api.dataset_specs(), self._onReady, unlessDisconnected(self._showError))

    def add(self) -> None:
        """Add what the combo box names."""
        self._showError(None)
        what = chosen(self._ui.addSetCombo)
        if what == NEW:
            self._add(EMPTY)
        elif what == FILE:
            path = self._askPath(False)
            if path:
                self._ask(readSteps(path, self._backend.transport.sharesFiles), self._add)
        else:
            self._add(self._ready[what.removeprefix(READY)]["spec"])

    def save(self) -> None:
        """Write the selected dataset spec to a file that the user names."""
        self._showError(None)
        spec = self._current()
        path = self._askPath(True)
        if path and spec is not None:
            self._ask(saveSteps(path, spec), lambda _path: None)

    def update(self) -> None:
        """Say at the buttons what is missing."""
        ui, busy = self._ui, self._runner is not None
        down = "" if self._backend.transport is not None else _("Start the backend first")
        needed = down if chosen(ui.addSetCombo) != NEW else ""
        ui.addSetButton.enabled, ui.addSetButton.toolTip = not needed and not busy, needed
        missing = _("Complete the dataset spec first") if self._current() is None else down
        ui.saveSetButton.enabled = not missing and not busy
        ui.saveSetButton.toolTip = missing or _(
            "Write the dataset spec to a YAML file, which the command line takes too"
        )

    def stop(self) -> None:
        """Nobody waits any more for what is being asked."""
        if self._runner is not None:
            self._runner.stop()
            self._runner = None

    def _ask(self, steps, onDone: Callable) -> None:
        def done(answer) -> None:
            self._runner = None
            onDone(answer)
            self.update()

        def failed(error: Exception) -> None:
            self._runner = None
            self._showError(error)
            self.update()

        self._runner = StepRunner(steps, self._backend.transport, done, failed)
        self._runner.start()
        self.update()

    def _onReady(self, entries: list[dict[str, Any]]) -> None:
        self._ready = {entry["name"]: entry for entry in entries}
        self._offer()

    def _offer(self) -> None:
        combo = self._ui.addSetCombo
        before = chosen(combo)
        wasBlocked = combo.blockSignals(True)
        combo.clear()
        addItem(combo, _("New dataset spec"), NEW)
        addItem(combo, _("From a file..."), FILE)
        for name, entry in self._ready.items():
            addItem(combo, _("Ready-made: {title}").format(title=entry["title"]), READY + name)
        combo.setCurrentIndex(max(0, combo.findData(before)))
        combo.blockSignals(wasBlocked)


def _askPath(save: bool) -> str:
    """The system's file dialog."""
    ask = qt.QFileDialog.getSaveFileName if save else qt.QFileDialog.getOpenFileName
    kinds = _("Dataset specs (*.yaml *.yml *.json)")
    return ask(slicer.util.mainWindow(), _("Dataset spec"), "", kinds)
