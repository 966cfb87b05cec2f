"""The form of one dataset spec: a line for each field, with what is wrong with it under it."""

from __future__ import annotations

import dataclasses
from typing import Any

import ctk
import qt
from MedSSLLib.widgets.errorText import showError
from MedSSLLib.widgets.modelChoice import chosen
from MedSSLLib.widgets.signal import Signal
from slicer.i18n import tr as _

from medssl.datasets.spec.spec import DatasetSpec, key_of
from MedSSLPretrainLib.datasets.datasetSpecFields import DatasetSpecField, furtherFields, mainFields
from MedSSLPretrainLib.datasets.datasetSpecText import textOf, valueOf
from MedSSLPretrainLib.datasets.labelsEditor import LabelsEditor

DEFAULTS = {
    one.name: one.default_factory() if one.default is dataclasses.MISSING else one.default
    for one in dataclasses.fields(DatasetSpec)
    if one.default is not one.default_factory
}
ALWAYS = ("name", "kind", "labels")  # are sent even where they are empty


class DatasetSpecForm:
    """Fills a frame with the fields.

    Signal: `changed()` when the user edits.

    Attributes: `widgets`, field -> its widget; `labels`, the editor of the classes.
    """

    def __init__(self, frame) -> None:
        self.changed = Signal()
        self.widgets: dict[str, Any] = {}
        self._errors: dict[str, Any] = {}  # field -> label under it; "": what is about no field
        self._fields = {one.key: one for one in (*mainFields(), *furtherFields())}
        self.labels = LabelsEditor(self._edited, self.showError)
        self._silent = False
        form = qt.QFormLayout()
        frame.layout().addLayout(form)
        for one in mainFields():
            self._addRow(form, one)
        self._further = ctk.ctkCollapsibleButton()
        self._further.text, self._further.collapsed = _("Further fields"), True
        inside = qt.QFormLayout(self._further)
        for one in furtherFields():
            self._addRow(inside, one)
        form.addRow(self._further)
        self._errors[""] = self._errorLabel()
        form.addRow(self._errors[""])

    def values(self) -> dict[str, Any]:
        """What the user entered, without what is as it would be anyway."""
        read = {key: self._read(one) for key, one in self._fields.items()}
        return {key: value for key, value in read.items() if key in ALWAYS or not _isDefault(key, value)}

    def setValues(self, values: dict[str, Any]) -> None:
        """Show a dataset spec, complete or not; emits no signal."""
        self._silent = True
        for key, one in self._fields.items():
            self._write(one, values.get(key, DEFAULTS.get(key, "")))
        self._silent = False

    def showError(self, error: Exception | None) -> None:
        """Show what is wrong at the field that it is about; None: all is well."""
        key = key_of(error) if error is not None else ""
        for name, label in self._errors.items():
            showError(label, error if name == key else None)
        if key in (one.key for one in furtherFields()):
            self._further.collapsed = False

    def _addRow(self, form, one: DatasetSpecField) -> None:
        widget = self.widgets[one.key] = self._makeWidget(one)
        widget.toolTip = one.tip
        label, box = qt.QLabel(one.title + ":"), qt.QWidget()
        label.toolTip = one.tip
        layout = qt.QVBoxLayout(box)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(widget)
        self._errors[one.key] = self._errorLabel()
        layout.addWidget(self._errors[one.key])
        if one.shape == "labels":  # a table needs the whole width
            form.addRow(label)
            form.addRow(box)
        else:
            form.addRow(label, box)

    def _makeWidget(self, one: DatasetSpecField):
        if one.shape == "labels":
            return self.labels.widget
        if one.shape == "folder":
            folder = ctk.ctkPathLineEdit()
            folder.filters = ctk.ctkPathLineEdit.Dirs
            folder.connect("currentPathChanged(QString)", lambda _path: self._edited())
            return folder
        if one.shape == "choice":
            combo = qt.QComboBox()
            for choice in one.choices:
                combo.addItem(choice, choice)
            combo.connect("currentIndexChanged(int)", lambda _index: self._edited())
            return combo
        if one.shape == "check":
            check = qt.QCheckBox()
            check.connect("toggled(bool)", lambda _on: self._edited())
            return check
        line = qt.QLineEdit()
        line.placeholderText = one.hint
        line.connect("textChanged(QString)", lambda _text: self._edited())
        return line

    def _errorLabel(self):
        label = qt.QLabel()
        showError(label, None)
        return label

    def _read(self, one: DatasetSpecField) -> Any:
        widget = self.widgets[one.key]
        if one.shape == "labels":
            return self.labels.value()
        if one.shape == "folder":
            return widget.currentPath.strip()
        if one.shape == "choice":
            return chosen(widget)
        return widget.checked if one.shape == "check" else valueOf(widget.text, one.shape)

    def _write(self, one: DatasetSpecField, value: Any) -> None:
        widget = self.widgets[one.key]
        if one.shape == "labels":
            self.labels.setValue(value)
        elif one.shape == "folder":
            widget.currentPath = str(value)
        elif one.shape == "choice":
            widget.setCurrentIndex(max(0, widget.findData(value)))
        elif one.shape == "check":
            widget.checked = bool(value)
        else:
            widget.text = "" if _isDefault(one.key, value) else textOf(value, one.shape)
            widget.cursorPosition = 0

    def _edited(self) -> None:
        if not self._silent:
            self.changed.emit()


def _isDefault(key: str, value: Any) -> bool:
    """Whether a value says no more than leaving it out does."""
    return value in ("", [], {}, ()) or value == DEFAULTS.get(key)
