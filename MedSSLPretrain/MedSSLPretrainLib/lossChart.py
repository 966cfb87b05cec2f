"""The live loss chart: two tables, three curves, updated in place as events arrive."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

PALETTE = {"loss": (0.17, 0.38, 0.70), "validation_loss": (0.85, 0.40, 0.10), "constant_mean_loss": (0.45, 0.45, 0.45)}
TABLES = {"loss": ("loss",), "metric": ("validation_loss", "constant_mean_loss")}  # event type -> columns


class LossChart:
    """Training loss, validation loss and the loss of a constant mean over steps.

    Its nodes are hidden from the node selectors; `attach` shows them in a plot view of the panel.
    """

    def __init__(self, name: str = "MedSSL loss") -> None:
        self.name = name
        self.tables = {kind: self._makeTable(kind, columns) for kind, columns in TABLES.items()}
        self.chart = self._makeChart()

    def attach(self, plotView) -> None:
        """Show the chart in a qMRMLPlotView that stands outside the layout."""
        node = self._add("vtkMRMLPlotViewNode", self.name, self.chart)
        node.SetLayoutName("MedSSLPretrain")
        node.SetPlotChartNodeID(self.chart.GetID())
        plotView.setMRMLScene(slicer.mrmlScene)
        plotView.setMRMLPlotViewNode(node)
        self.viewNode = node

    def clear(self) -> None:
        """Drop every point: another job is shown."""
        for node in self.tables.values():
            node.GetTable().SetNumberOfRows(0)
            self._touch(node)

    def addEvents(self, events: list[dict[str, Any]]) -> None:
        """Append the points of `loss` and `metric` events; a `resumed` event drops what lies beyond its step."""
        for event in events:
            if event["type"] == "resumed":
                self._dropBeyond(event["step"])
            elif event["type"] in TABLES:
                table = self.tables[event["type"]].GetTable()
                table.GetColumnByName("step").InsertNextValue(event["step"])
                for column in TABLES[event["type"]]:
                    table.GetColumnByName(column).InsertNextValue(event.get(column, vtk.vtkMath.Nan()))
        for node in self.tables.values():
            self._touch(node)

    def points(self, column: str) -> list[tuple[float, float]]:
        """(step, value) of a curve."""
        kind = next(kind for kind, columns in TABLES.items() if column in columns)
        table = self.tables[kind].GetTable()
        steps, values = table.GetColumnByName("step"), table.GetColumnByName(column)
        return [(steps.GetValue(n), values.GetValue(n)) for n in range(steps.GetNumberOfTuples())]

    def lastLoss(self) -> float | None:
        """The last validation loss, before the first one the last training loss."""
        points = self.points("validation_loss") or self.points("loss")
        return points[-1][1] if points else None

    def _dropBeyond(self, step: float) -> None:
        for node in self.tables.values():
            table = node.GetTable()
            steps = table.GetColumnByName("step")
            while steps.GetNumberOfTuples() and steps.GetValue(steps.GetNumberOfTuples() - 1) > step:
                table.RemoveRow(table.GetNumberOfRows() - 1)

    def _makeTable(self, kind: str, columns: tuple[str, ...]):
        node = self._add("vtkMRMLTableNode", f"{self.name} {kind}")
        for name in ("step", *columns):
            column = vtk.vtkDoubleArray()
            column.SetName(name)
            node.AddColumn(column)
        return node

    def _makeChart(self):
        chart = self._add("vtkMRMLPlotChartNode", self.name)
        chart.SetXAxisTitle(_("step"))
        chart.SetYAxisTitle(_("loss"))
        chart.SetLegendVisibility(True)
        titles = {
            "loss": _("training"),
            "validation_loss": _("validation"),
            "constant_mean_loss": _("constant mean"),
        }
        for kind, columns in TABLES.items():
            for column in columns:
                chart.AddAndObservePlotSeriesNodeID(self._makeSeries(kind, column, titles[column]).GetID())
        return chart

    def _makeSeries(self, kind: str, column: str, title: str):
        series = self._add("vtkMRMLPlotSeriesNode", title)
        series.SetAndObserveTableNodeID(self.tables[kind].GetID())
        series.SetXColumnName("step")
        series.SetYColumnName(column)
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        marked = column == "validation_loss"  # a single point makes no line
        series.SetMarkerStyle(
            getattr(slicer.vtkMRMLPlotSeriesNode, "MarkerStyleCircle" if marked else "MarkerStyleNone")
        )
        series.SetMarkerSize(7)
        dashed = column == "constant_mean_loss"
        series.SetLineStyle(getattr(slicer.vtkMRMLPlotSeriesNode, "LineStyleDash" if dashed else "LineStyleSolid"))
        series.SetLineWidth(1 if column == "loss" else 2)
        series.SetColor(*PALETTE[column])
        return series

    @staticmethod
    def _add(kind: str, name: str, parentLayout=None):
        node = slicer.mrmlScene.CreateNodeByClass(kind)
        node.UnRegister(None)
        node.SetName(name)
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        if parentLayout is not None:  # before it is in the scene: Slicer's layout makes a view for one without
            node.SetAndObserveParentLayoutNodeID(parentLayout.GetID())
        return slicer.mrmlScene.AddNode(node)

    @staticmethod
    def _touch(node) -> None:
        node.GetTable().Modified()
        node.Modified()
