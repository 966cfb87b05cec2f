"""Declared sets as a training set: added, edited, checked, saved."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from MedSSLLib.errorText import errorText, showError
from MedSSLLib.modelChoice import chosen
from MedSSLLib.signal import Signal
from MedSSLLib.steps import StepRunner
from slicer.i18n import tr as _

from medssl.client import api
from medssl.data.declaration import check_names, key_of
from medssl.errors import MedSSLError
from MedSSLPretrainLib.declarationForm import DeclarationForm
from MedSSLPretrainLib.declarationSteps import readSteps, saveSteps
from MedSSLPretrainLib.declarationText import complete
from MedSSLPretrainLib.setReport import labelsText, reportText, splitText
from MedSSLPretrainLib.setsTable import FINE, OPEN, WRONG, SetRow, SetsTable
from MedSSLPretrainLib.startingWeights import StartingWeights

UI_FILE = Path(__file__).resolve().parents[1] / "Resources" / "UI" / "MedSSLSets.ui"
NEW, FILE = "new", "file"  # what can be added beside ready-made sets, whose names have the prefix
READY = "ready:"
SHEET_WIDTH = 400  # pixels


class SetsBox:
    """Fills a frame with the table of sets and the form of the selected one.

    Signal: `changed()` when a declaration changed, or the sets did.

    Attributes: `declarations`, as the user gave them, complete or not; `weights` to begin with.

    Args:
        frame: an empty widget of the panel with a layout.
        backend: has `transport` and `changed`.
        askPath: asks for a file, `askPath(save: bool) -> str`; "" is none.
    """

    def __init__(self, frame, backend, askPath: Callable[[bool], str] | None = None) -> None:
        self.changed = Signal()
        self.widget = slicer.util.loadUI(str(UI_FILE))
        frame.layout().addWidget(self.widget)
        self.ui = ui = slicer.util.childWidgetVariables(self.widget)
        self._backend, self._askPath = backend, askPath or _askPath
        self.declarations: list[dict[str, Any]] = []
        self._row, self._runner, self._asked = -1, None, None
        self._ready: dict[str, dict[str, Any]] = {}  # name -> entry of GET /declarations
        self._reports: dict[str, tuple[dict[str, Any], bytes]] = {}  # a declaration as JSON -> report, contact sheet
        self._table = SetsTable(ui.setsTable)
        self.form = DeclarationForm(ui.setFormFrame)
        self.weights = None  # while it is being built
        self.weights = StartingWeights(ui, backend, self._onWeights)
        self._table.selected.connect(self.select)
        self.form.changed.connect(self._onEdited)
        ui.addSetButton.connect("clicked(bool)", lambda _on: self._add())
        ui.removeSetButton.connect("clicked(bool)", lambda _on: self._remove())
        ui.saveSetButton.connect("clicked(bool)", lambda _on: self._save())
        backend.changed.connect(self._backendChanged)
        self._offer()
        self._backendChanged()

    def chosen(self) -> tuple[dict[str, Any], ...]:
        """The declarations, complete.

        Raises:
            CatalogError: what is wrong with one of them, or two of one name.
            WeightsError: one does not fit the weights to begin with.
        """
        declared = [complete(values) for values in self.declarations]
        check_names(declared)
        self.weights.check(declared)
        return tuple(declaration.as_dict() for declaration in declared)

    def missing(self) -> str:
        """What the user still has to do, or ""."""
        if not self.declarations:
            return _("Add a set: a ready-made declaration, one from a file, or a new one")
        if not self.weights.complete:
            return _("Choose the weight file to begin with")
        try:
            self.chosen()
        except MedSSLError as error:
            return str(error)
        return ""

    def setDeclarations(self, declarations: list[dict[str, Any]]) -> None:
        """Show these sets; tells nobody."""
        self.declarations = [dict(values) for values in declarations]
        self.select(0 if declarations else -1)

    def add(self, values: dict[str, Any]) -> None:
        """Add a set and select it."""
        self.declarations.append(dict(values))
        self.select(len(self.declarations) - 1)
        self.changed.emit()

    def select(self, row: int) -> None:
        """Show the form of a set; -1: none."""
        self._row = row
        if row >= 0:
            self.form.setValues(self.declarations[row])
        self.update()

    def showReports(self, info: dict[str, Any], files: dict[str, bytes]) -> None:
        """Show what a check found: the answer of `POST /inspect/catalog` for the sets of `chosen`."""
        for values, report in zip(self.chosen(), info["sets"]):
            sheet = files.get(f"sheet-{report['name']}.png", b"")
            self._reports[_key(values)] = (report, sheet)
        self.update()

    def update(self) -> None:
        """Bring table, form and report up to date."""
        ui, row = self.ui, self._row
        errors = [self._error(number) for number in range(len(self.declarations))]
        rows = [self._tableRow(number, error) for number, error in enumerate(errors)]
        self._table.show(rows, row)
        ui.setSection.visible = ui.removeSetButton.enabled = row >= 0
        title = self.declarations[row].get("name") or _("new set") if row >= 0 else ""
        ui.setSection.text = _("Declaration of {name}").format(name=title)
        self.form.showError(errors[row] if row >= 0 else None)
        self.weights.show([values.get("name", "") for values in self.declarations])
        self._showReport()
        self._updateButtons(errors)

    def refreshModels(self) -> None:
        """Ask the backend for the models to begin with."""
        self.weights.refresh(self._showError)

    def close(self) -> None:
        """Stop asking."""
        self._backend.changed.disconnect(self._backendChanged)
        self.stop()

    def stop(self) -> None:
        """Nobody waits any more for what is being asked."""
        if self._runner is not None:
            self._runner.stop()
            self._runner = None

    def _error(self, row: int) -> MedSSLError | None:
        """What is wrong with a declaration by itself, or beside those before it."""
        try:
            declared = complete(self.declarations[row])
            names = [values.get("name") for values in self.declarations[:row]]
            if declared.name in names:
                check_names([declared, declared])
            self.weights.check([declared])
        except MedSSLError as error:
            return error
        return None

    def _report(self, row: int) -> tuple[dict[str, Any], bytes] | None:
        """What the last check of exactly this declaration found."""
        try:
            return self._reports.get(_key(complete(self.declarations[row]).as_dict()))
        except MedSSLError:
            return None

    def _tableRow(self, row: int, error: MedSSLError | None) -> SetRow:
        values, found = self.declarations[row], self._report(row)
        name, labels = values.get("name") or _("(new)"), labelsText(values)
        if error is not None:
            return SetRow(name, labels, "", WRONG, f"{key_of(error)} {error.rule}".strip(), errorText(error))
        if found is None:
            return SetRow(name, labels, "", OPEN, _("not checked"), _("Check reads its tables and looks for its files"))
        report, _sheet = found
        images = f"{report['images']:,}" if report["images"] else ""
        if report["errors"]:
            text = _("errors: {count}").format(count=len(report["errors"]))
            return SetRow(name, labels, images, WRONG, text, report["errors"][0]["value"])
        text = _("warnings: {count}").format(count=len(report["warnings"])) if report["warnings"] else _("fine")
        return SetRow(name, labels, images, FINE, text, splitText(report))

    def _showReport(self) -> None:
        ui = self.ui
        found = self._report(self._row) if self._row >= 0 else None
        report, sheet = found or ({}, b"")
        ui.reportLabel.visible, ui.sheetLabel.visible = bool(report), bool(sheet)
        if report:
            ui.reportLabel.text = reportText(report)
        if sheet:
            picture = qt.QPixmap()
            picture.loadFromData(sheet)
            ui.sheetLabel.setPixmap(picture.scaledToWidth(SHEET_WIDTH, qt.Qt.SmoothTransformation))
            ui.sheetLabel.toolTip = _("Random images of {name} with their labels").format(name=report["name"])

    def _updateButtons(self, errors: list[MedSSLError | None]) -> None:
        ui, transport = self.ui, self._backend.transport
        needed = "" if transport is not None or chosen(ui.addSetCombo) == NEW else _("Start the backend first")
        ui.addSetButton.enabled, ui.addSetButton.toolTip = not needed and self._runner is None, needed
        wrong = self._row < 0 or errors[self._row] is not None
        missing = _("Complete the declaration first") if wrong else ""
        missing = missing or ("" if transport is not None else _("Start the backend first"))
        ui.saveSetButton.enabled = not missing and self._runner is None
        ui.saveSetButton.toolTip = missing or _(
            "Write the declaration to a YAML file, which the command line takes too"
        )

    def _offer(self) -> None:
        combo = self.ui.addSetCombo
        before = chosen(combo)
        combo.clear()
        combo.addItem(_("New declaration"), NEW)
        combo.addItem(_("From a file..."), FILE)
        for name, entry in self._ready.items():
            combo.addItem(_("Ready-made: {title}").format(title=entry["title"]), READY + name)
        combo.setCurrentIndex(max(0, combo.findData(before)))

    def _add(self) -> None:
        self._showError(None)
        what = chosen(self.ui.addSetCombo)
        if what == NEW:
            self.add({"name": "", "kind": "multi-label", "labels": {}})
        elif what == FILE:
            path = self._askPath(False)
            if path:
                self._ask(readSteps(path, self._backend.transport.sharesFiles), self.add)
        else:
            self.add(self._ready[what.removeprefix(READY)]["declaration"])

    def _remove(self) -> None:
        del self.declarations[self._row]
        self.select(min(self._row, len(self.declarations) - 1))
        self.changed.emit()

    def _save(self) -> None:
        self._showError(None)
        path = self._askPath(True)
        if path:
            self._ask(saveSteps(path, complete(self.declarations[self._row])), lambda _path: None)

    def _ask(self, steps, onDone: Callable) -> None:
        def done(answer) -> None:
            self._runner = None
            onDone(answer)
            self.update()

        self._runner = StepRunner(steps, self._backend.transport, done, self._onFailed)
        self._runner.start()
        self.update()

    def _onEdited(self) -> None:
        self.declarations[self._row] = self.form.values()
        self._showError(None)
        self.update()
        self.changed.emit()

    def _onWeights(self) -> None:
        if self.weights is not None:
            self.update()
            self.changed.emit()

    def _onFailed(self, error: Exception) -> None:
        self._runner = None
        self._showError(error)
        self.update()

    def _showError(self, error: Exception | None) -> None:
        showError(self.ui.setsError, error)

    def _backendChanged(self) -> None:
        transport = self._backend.transport
        if transport is not None and transport is not self._asked:
            self._asked = transport
            transport.send(api.declarations(), self._onReady, self._showError)
            self.refreshModels()
        self.update()

    def _onReady(self, entries: list[dict[str, Any]]) -> None:
        self._ready = {entry["name"]: entry for entry in entries}
        self._offer()
        self.update()


def _key(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, default=list)


def _askPath(save: bool) -> str:
    """The system's file dialog."""
    kinds = _("Declarations (*.yaml *.yml *.json)")
    ask = qt.QFileDialog.getSaveFileName if save else qt.QFileDialog.getOpenFileName
    return ask(slicer.util.mainWindow(), _("Declaration of a set"), "", kinds)
