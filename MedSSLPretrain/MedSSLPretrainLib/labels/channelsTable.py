"""The table of further channels: for each ticked volume the volumes that were registered with it."""

from __future__ import annotations

import qt
from MedSSLLib.channels.channelCombo import channelCombo
from MedSSLLib.channels.channelNodes import channelCandidates, furtherOf
from MedSSLLib.widgets.fitting import fitTable
from MedSSLLib.widgets.signal import Signal
from MedSSLLib.widgets.tables import fitHeight
from slicer.i18n import tr as _

SHOWN = 6  # rows; more scroll
MOST = 4  # images per case


class ChannelsTable:
    """The widgets in channelsFrame of MedSSLFinetune.ui; what the user chooses is kept at the volume nodes.

    Signal: `changed()`.

    Args:
        ui: its widgets.
    """

    def __init__(self, ui) -> None:
        self.changed = Signal()
        self._ui, self._volumes, self._shown = ui, (), None
        ui.channelsSpin.minimum, ui.channelsSpin.maximum = 1, MOST
        ui.channelsSpin.connect("valueChanged(int)", lambda _count: self._onCount())
        ui.channelNamesEdit.connect("textChanged(QString)", lambda _text: self._onCount())
        ui.channelsTable.verticalHeader().visible = False
        ui.channelsTable.alternatingRowColors = True
        ui.channelsTable.selectionMode = qt.QAbstractItemView.NoSelection
        fitTable(ui.channelsTable)
        self._fill()

    @property
    def count(self) -> int:
        """Images per case, with the first."""
        return self._ui.channelsSpin.value

    @property
    def names(self) -> str:
        """What the channels are called, separated by commas; "": by their modality."""
        return self._ui.channelNamesEdit.text.strip() if self.count > 1 else ""

    @property
    def further(self) -> tuple:
        """Of each volume its further channels, None where one is not chosen."""
        return tuple(furtherOf(node, self.count - 1) for node in self._volumes)

    def set(self, count: int, names: str) -> None:
        """Choose how many images a case has, and what they are called."""
        self._ui.channelsSpin.value, self._ui.channelNamesEdit.text = count, names

    def show(self, volumes) -> None:
        """Show the rows of these volumes."""
        self._volumes = tuple(volumes)
        self._fill()

    def _onCount(self) -> None:
        self._fill()
        self.changed.emit()

    def _titles(self) -> list[str]:
        named = [name.strip() for name in self.names.split(",")]
        titles = named if len(named) == self.count else [str(number + 1) for number in range(self.count)]
        return [_("Volume"), *titles[1:]]

    def _fill(self) -> None:
        table, ui, titles = self._ui.channelsTable, self._ui, self._titles()
        several = self.count > 1
        for widget in (table, ui.channelNamesEdit, ui.channelNamesLabel):
            widget.visible = several
        candidates = [(node.GetID(), node.GetName()) for node in channelCandidates(None)] if several else []
        state = (titles, candidates, [(node.GetID(), node.GetName()) for node in self._volumes])
        if not several or state == self._shown:
            return
        self._shown = state
        table.clear()
        table.columnCount, table.rowCount = len(titles), len(self._volumes)
        table.setHorizontalHeaderLabels(titles)
        for row, node in enumerate(self._volumes):
            item = qt.QTableWidgetItem(node.GetName())
            item.setFlags(qt.Qt.ItemIsEnabled)
            item.setToolTip(node.GetName())
            table.setItem(row, 0, item)
            for number, title in enumerate(titles[1:], 1):
                table.setCellWidget(row, number, channelCombo(node, number, title, self.changed.emit))
        header = table.horizontalHeader()
        for column in range(len(titles)):
            header.setSectionResizeMode(column, qt.QHeaderView.Stretch)
        fitHeight(table, SHOWN)
