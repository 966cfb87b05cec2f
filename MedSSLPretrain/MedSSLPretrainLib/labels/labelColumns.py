"""The columns of labels: added and removed by name, or taken from a table of the scene."""

from __future__ import annotations

from collections.abc import Callable

from MedSSLLib.widgets.fitting import fitCombo
from MedSSLLib.widgets.modelChoice import chosen
from MedSSLLib.widgets.signal import Signal
from slicer.i18n import tr as _

from medssl.core.errors import CatalogError, MedSSLError
from MedSSLPretrainLib.labels.labelledSet import checkColumn
from MedSSLPretrainLib.labels.labelledVolumes import takeTable


class LabelColumns:
    """The widgets in labelsFrame of MedSSLFinetune.ui.

    Signal: `changed()`. Attributes: `names`, the columns.

    Args:
        ui: its widgets.
        showError: shows an error, or none.
    """

    def __init__(self, ui, showError: Callable) -> None:
        self.changed = Signal()
        self.names: tuple[str, ...] = ()
        self._ui, self._showError = ui, showError
        ui.addColumnButton.connect("clicked(bool)", lambda _on: self.add(ui.columnEdit.text.strip()))
        ui.columnEdit.connect("returnPressed()", lambda: self.add(ui.columnEdit.text.strip()))
        ui.removeColumnButton.connect("clicked(bool)", lambda _on: self._remove(chosen(ui.columnCombo)))
        ui.takeTableButton.connect("clicked(bool)", lambda _on: self.take(ui.labelTableSelector.currentNode()))
        ui.labelTableSelector.connect("currentNodeChanged(vtkMRMLNode*)", lambda _node: self._update())
        fitCombo(ui.columnCombo)
        self._update()

    def add(self, name: str) -> None:
        """Add a column of empty labels."""
        try:
            checkColumn(name, self.names)
        except MedSSLError as error:
            self._showError(error)
            return
        self._showError(None)
        self._ui.columnEdit.text = ""
        self.set((*self.names, name))

    def take(self, tableNode) -> None:
        """Take the labels of a table node, and show its columns."""
        try:
            found = takeTable(tableNode)
            if not found:
                rule, remedy = (
                    _("has no column of labels"),
                    _("Choose a table with a column beside that of the volumes"),
                )
                raise CatalogError(tableNode.GetName(), rule, remedy)
            for name in found:
                checkColumn(name, ())
        except MedSSLError as error:
            self._showError(error)
            return
        self._showError(None)
        self.set((*self.names, *(name for name in found if name not in self.names)))

    def set(self, names: tuple[str, ...]) -> None:
        """Show these columns."""
        self.names = names
        self._update()
        self.changed.emit()

    def _remove(self, name: str) -> None:
        self.set(tuple(known for known in self.names if known != name))

    def _update(self) -> None:
        ui = self._ui
        ui.columnCombo.clear()
        for name in self.names:
            ui.columnCombo.addItem(name, name)
        ui.columnCombo.enabled = ui.removeColumnButton.enabled = bool(self.names)
        ui.columnCombo.toolTip = _("The columns there are") if self.names else _("There is no column yet")
        ui.removeColumnButton.toolTip = (
            _("Show the column no more; its labels stay at the volumes") if self.names else _("There is no column yet")
        )
        known = ui.labelTableSelector.currentNode() is not None
        ui.takeTableButton.enabled = known
        ui.takeTableButton.toolTip = (
            _("Keep the labels of its rows at the volumes") if known else _("Choose a table of the scene first")
        )
