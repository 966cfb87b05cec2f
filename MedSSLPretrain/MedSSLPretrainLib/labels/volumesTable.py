"""The table of the scene's volumes: a tick, a segmentation or labels, and whose each volume is."""

from __future__ import annotations

import qt
from MedSSLLib.widgets.fitting import fitCombo, fitTable
from MedSSLLib.widgets.modelChoice import chosen
from MedSSLLib.widgets.signal import Signal
from MedSSLLib.widgets.tables import fitHeight
from slicer.i18n import tr as _

from MedSSLPretrainLib.labels.labelledVolumes import (
    label,
    patientOf,
    segmentationOf,
    segmentationsOfScene,
    setLabel,
    setPatient,
    setSegmentation,
    volumesOfScene,
)

SHOWN = 6  # rows; more scroll
SEGMENTATION, PATIENT, SCROLLED = 106, 62, 150  # widths of columns, pixels; the last of the names where labels scroll
MOST_LABELS = 2  # columns of labels that fit beside the names


class VolumesTable:
    """Fills a QTableWidget; what the user enters is kept at the volume nodes.

    Signal: `changed()`.
    """

    def __init__(self, table) -> None:
        self.changed = Signal()
        self._table, self._nodes, self._columns, self._shown = table, [], None, None
        self._ticked: set[str] = set()
        table.verticalHeader().visible = False
        table.alternatingRowColors = True
        table.selectionMode = qt.QAbstractItemView.NoSelection
        fitTable(table)
        table.connect("itemChanged(QTableWidgetItem*)", self._onItem)

    @property
    def volumes(self) -> tuple:
        """The ticked volume nodes."""
        return tuple(node for node in self._nodes if node.GetID() in self._ticked)

    @property
    def count(self) -> int:
        """How many volumes there are to tick."""
        return len(self._nodes)

    @property
    def segmentations(self) -> tuple:
        """The segmentation of each ticked volume, or None."""
        return tuple(segmentationOf(node) for node in self.volumes)

    def tick(self, nodes) -> None:
        """Tick these volumes and no others."""
        self._ticked = {node.GetID() for node in nodes}
        self.refresh(always=True)
        self.changed.emit()

    def setColumns(self, columns: tuple[str, ...] | None) -> None:
        """Show these columns of labels; None: the segmentations instead."""
        if columns != self._columns:
            self._columns = columns
            self.refresh(always=True)

    def refresh(self, always: bool = False) -> None:
        """Show the scene's volumes as they are now."""
        nodes = volumesOfScene()
        self._nodes = nodes
        self._ticked &= {node.GetID() for node in nodes}
        state = [(node.GetID(), node.GetName(), _idOf(segmentationOf(node))) for node in nodes]
        state += [(node.GetID(), node.GetName()) for node in segmentationsOfScene()]
        if always or state != self._shown:
            self._shown = state
            self._fill()

    def _fill(self) -> None:
        table, titles = self._table, self._titles()
        table.blockSignals(True)
        table.clear()
        table.columnCount, table.rowCount = len(titles), len(self._nodes)
        table.setHorizontalHeaderLabels(titles)
        for row, node in enumerate(self._nodes):
            self._fillRow(row, node)
        self._fitColumns()
        fitHeight(table, SHOWN)
        table.blockSignals(False)

    def _fitColumns(self) -> None:
        """The names take what the others leave; many labels scroll."""
        table, header, last = self._table, self._table.horizontalHeader(), self._table.columnCount - 1
        scrolls = self._columns is not None and len(self._columns) > MOST_LABELS
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(0, qt.QHeaderView.Interactive if scrolls else qt.QHeaderView.Stretch)
        header.setSectionResizeMode(last, qt.QHeaderView.Fixed)
        table.setColumnWidth(last, PATIENT)
        if scrolls:
            table.setColumnWidth(0, SCROLLED)
        table.setHorizontalScrollBarPolicy(qt.Qt.ScrollBarAsNeeded if scrolls else qt.Qt.ScrollBarAlwaysOff)
        table.setProperty("nameColumn", 0 if len(self._columns or ()) < MOST_LABELS else -1)  # labels need their room
        if self._columns is None:
            header.setSectionResizeMode(1, qt.QHeaderView.Fixed)
            table.setColumnWidth(1, SEGMENTATION)

    def _titles(self) -> list[str]:
        middle = [_("Segmentation")] if self._columns is None else list(self._columns)
        return [_("Volume"), *middle, _("Patient")]

    def _fillRow(self, row: int, node) -> None:
        item = qt.QTableWidgetItem(node.GetName())
        item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable)
        item.setCheckState(qt.Qt.Checked if node.GetID() in self._ticked else qt.Qt.Unchecked)
        item.setToolTip(node.GetName())
        self._table.setItem(row, 0, item)
        if self._columns is None:
            self._table.setCellWidget(row, 1, self._segmentationCombo(node))
        for number, column in enumerate(self._columns or ()):
            self._table.setItem(row, 1 + number, qt.QTableWidgetItem(label(node, column)))
        patient = qt.QTableWidgetItem(patientOf(node))
        rule = _("Volumes of one patient are never split between training and validation; empty: one of its own")
        patient.setToolTip(f"{patient.text()}\n{rule}" if patient.text() else rule)
        self._table.setItem(row, self._table.columnCount - 1, patient)

    def _segmentationCombo(self, volumeNode):
        combo, current = qt.QComboBox(), segmentationOf(volumeNode)
        fitCombo(combo, 4)
        combo.addItem(_("(none)"), "")
        for node in segmentationsOfScene():
            combo.addItem(node.GetName(), node.GetID())
        combo.setCurrentIndex(max(0, combo.findData(_idOf(current))))
        what = _("What is segmented in {name}").format(name=volumeNode.GetName())
        combo.toolTip = f"{what}: {combo.currentText}"
        combo.connect("activated(int)", lambda _index: self._onSegmentation(volumeNode, chosen(combo)))
        return combo

    def _onSegmentation(self, volumeNode, identifier: str) -> None:
        nodes = {node.GetID(): node for node in segmentationsOfScene()}
        setSegmentation(volumeNode, nodes.get(identifier))
        qt.QTimer.singleShot(0, self._refreshLater)  # not now: it would delete the combo box that is speaking

    def _refreshLater(self) -> None:
        self.refresh(always=True)
        self.changed.emit()

    def _onItem(self, item) -> None:
        node, column, text = self._nodes[item.row()], item.column(), item.text()
        if column == 0:
            (self._ticked.add if item.checkState() == qt.Qt.Checked else self._ticked.discard)(node.GetID())
        elif column == self._table.columnCount - 1:
            setPatient(node, text)
        elif self._columns is not None:
            setLabel(node, self._columns[column - 1], text)
        self.changed.emit()


def _idOf(node) -> str:
    return node.GetID() if node is not None else ""
