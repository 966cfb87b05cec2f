"""Datasets as training data: the table of them, the form of the selected one, and what a check found."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

from MedSSLLib.backend.qtTransport import unlessDisconnected
from MedSSLLib.widgets.errorText import errorText, showError
from MedSSLLib.widgets.fitting import fitCombo, readableBoxes, softLabel
from MedSSLLib.widgets.keyboard import orderByParts
from MedSSLLib.widgets.signal import Signal
from MedSSLLib.widgets.uiFile import loadInto
from slicer.i18n import tr as _

from medssl.core.errors import MedSSLError
from medssl.datasets.spec.spec import DatasetSpec, check_names
from MedSSLPretrainLib.datasets.datasetSpecForm import DatasetSpecForm
from MedSSLPretrainLib.datasets.datasetSpecText import complete
from MedSSLPretrainLib.datasets.reportView import ReportView
from MedSSLPretrainLib.datasets.setFiles import SetFiles
from MedSSLPretrainLib.datasets.setReport import labelsText, splitText
from MedSSLPretrainLib.datasets.setsTable import FINE, OPEN, WRONG, SetRow, SetsTable
from MedSSLPretrainLib.datasets.startingWeights import StartingWeights

UI_FILE = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "MedSSLSets.ui"


class SetsBox:
    """Fills a frame with the table of sets and the form of the selected one.

    Signal: `changed()` when a dataset spec changed, or the sets did, or the weights to begin with.

    Attributes: `specs`, as the user gave them, complete or not; `form` of the selected one; `weights` to begin with.

    Args:
        frame: an empty widget of the panel with a layout.
        backend: has `transport` and `changed`.
        askPath: see `SetFiles`.
    """

    def __init__(self, frame, backend, askPath: Callable[[bool], str] | None = None) -> None:
        self.changed = Signal()
        self.ui = ui = loadInto(frame, UI_FILE)
        self._backend = backend
        self.specs: list[dict[str, Any]] = []
        self._row, self._asked, self.weights, self._form = -1, None, None, None
        self._table, self._reports = SetsTable(ui.setsTable), ReportView(ui.reportLabel, ui.sheetLabel)
        self.weights = StartingWeights(ui, backend, self._onWeights)
        self._files = SetFiles(ui, backend, self.add, self._current, self._showError, askPath)
        self._table.selected.connect(self.select)
        for combo in (ui.addSetCombo, ui.weightsCombo):
            fitCombo(combo)
        for label in (ui.reportLabel, ui.headsLabel):
            softLabel(label)
        ui.removeSetButton.connect("clicked(bool)", lambda _on: self._remove())
        backend.changed.connect(self._backendChanged)
        self._backendChanged()

    @property
    def form(self) -> DatasetSpecForm:
        """The form, made when there is a set to show: it has twenty fields."""
        if self._form is None:
            self._form = DatasetSpecForm(self.ui.setFormFrame)
            self._form.changed.connect(self._onEdited)
            orderByParts(self.ui.setSection)
            readableBoxes(self.ui.setFormFrame)
        return self._form

    def chosen(self) -> tuple[dict[str, Any], ...]:
        """The specs, complete.

        Raises:
            CatalogError: what is wrong with one of them, or two of one name.
            WeightsError: one does not fit the weights to begin with.
        """
        specs = [complete(values) for values in self.specs]
        check_names(specs)
        self.weights.check(specs)
        return tuple(spec.as_dict() for spec in specs)

    def missing(self) -> str:
        """What the user still has to do, or ""."""
        if not self.specs:
            return _("Add a dataset: a ready-made spec, one from a file, or a new one")
        if not self.weights.complete:
            return _("Choose the weight file to begin with")
        try:
            self.chosen()
        except MedSSLError as error:
            return str(error)
        return ""

    def setSpecs(self, specs: list[dict[str, Any]]) -> None:
        """Show these sets; emits no signal."""
        self.specs = [dict(values) for values in specs]
        self.select(0 if specs else -1)

    def add(self, values: dict[str, Any]) -> None:
        """Add a set and select it."""
        self.specs.append(dict(values))
        self.select(len(self.specs) - 1)
        self.changed.emit()

    def select(self, row: int) -> None:
        """Show the form of a set; -1: none."""
        self._row = row
        if row >= 0:
            self.form.setValues(self.specs[row])
        self.update()

    def showReports(self, checked, info: dict[str, Any], files: dict[str, bytes]) -> None:
        """Show what a check found.

        Args:
            checked: the complete specs that were asked about; those here may be others by now.
            info, files: the answer of `POST /inspect/check`.
        """
        specs = {spec["name"]: spec for spec in checked}
        for report in info["sets"]:
            self._reports.keep(specs[report["name"]], report, files.get(f"sheet-{report['name']}", b""))
        self.update()

    def update(self) -> None:
        """Bring table, form, report and buttons up to date."""
        ui, row = self.ui, self._row
        looks = [self._look(number) for number in range(len(self.specs))]
        self._table.show([self._tableRow(number, *look) for number, look in enumerate(looks)], row)
        ui.setSection.visible = ui.removeSetButton.enabled = row >= 0
        spec, error = looks[row] if row >= 0 else (None, None)
        title = self.specs[row].get("name") or _("new set") if row >= 0 else ""
        ui.setSection.text = _("Dataset spec of {name}").format(name=title)
        if row >= 0:
            self.form.showError(error)
        self._reports.show(spec.as_dict() if spec is not None else None)
        self.weights.show([values.get("name", "") for values in self.specs])
        self._files.update()

    def refreshModels(self) -> None:
        """Ask the backend for the models to begin with."""
        self.weights.refresh(unlessDisconnected(self._showError))

    def close(self) -> None:
        """Stop asking."""
        self._backend.changed.disconnect(self._backendChanged)
        self._files.stop()

    def _look(self, row: int) -> tuple[DatasetSpec | None, MedSSLError | None]:
        """A dataset spec, and what is wrong with it by itself, beside those before it, or beside the weights."""
        spec = None
        try:
            spec = complete(self.specs[row])
            if spec.name in [values.get("name") for values in self.specs[:row]]:
                check_names([spec, spec])
            self.weights.check([spec])
        except MedSSLError as error:
            return spec, error
        return spec, None

    def _current(self) -> DatasetSpec | None:
        """The selected dataset spec, unless something is wrong with it."""
        spec, error = self._look(self._row) if self._row >= 0 else (None, None)
        return spec if error is None else None

    def _tableRow(self, row: int, spec: DatasetSpec | None, error: MedSSLError | None) -> SetRow:
        values = self.specs[row]
        name = values.get("name") or _("(new)")
        labels = f"{html.escape(name)}: {labelsText(values)}"
        if spec is None or error is not None:
            tip = f"{labels}<br>{errorText(error)}"
            return SetRow(name, "", WRONG, _("incomplete") if "missing" in error.code else _("wrong"), tip)
        report = self._reports.of(spec.as_dict())
        if report is None:
            tip = _("Check reads its tables and looks for its files")
            return SetRow(name, "", OPEN, _("not checked"), f"{labels}<br>{tip}")
        images = f"{report['images']:,}" if report["images"] else ""
        if report["errors"]:
            text = _("errors: {count}").format(count=len(report["errors"]))
            return SetRow(name, images, WRONG, text, f"{labels}<br>{report['errors'][0]['value']}")
        text = _("warnings: {count}").format(count=len(report["warnings"])) if report["warnings"] else _("fine")
        return SetRow(name, images, FINE, text, f"{labels}<br>{splitText(report)}")

    def _remove(self) -> None:
        del self.specs[self._row]
        self.select(min(self._row, len(self.specs) - 1))
        self.changed.emit()

    def _onEdited(self) -> None:
        self.specs[self._row] = self.form.values()
        self._showError(None)
        self.update()
        self.changed.emit()

    def _onWeights(self) -> None:
        if self.weights is not None:  # else it is being built
            self.update()
            self.changed.emit()

    def _showError(self, error: Exception | None) -> None:
        showError(self.ui.setsError, error)

    def _backendChanged(self) -> None:
        transport = self._backend.transport
        if transport is not None and transport is not self._asked:
            self._asked = transport
            self._files.refresh()
            self.refreshModels()
        self.update()
