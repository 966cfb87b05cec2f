"""The live loss chart: curves of the whole training, or those of each of its sets; updated in place as events arrive."""

from __future__ import annotations

import itertools
import math
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from MedSSLPretrainLib.views.setCurves import SetCurves

WHOLE = ""  # the family of curves that every training has
PALETTE = {"loss": (0.17, 0.38, 0.70), "validation_loss": (0.85, 0.40, 0.10), "constant_mean_loss": (0.45, 0.45, 0.45),
           "score": (0.15, 0.55, 0.30)}  # fmt: skip
# event type -> columns; "score": what a task is measured by, such as validation_dice
TABLES = {"loss": ("loss",), "metric": ("validation_loss", "constant_mean_loss", "score")}
SCORES = ("validation_dice", "validation_auc")


class LossChart:
    """Training loss, validation loss, and over the same steps the loss of a constant mean, or the score of a task.

    A training on several sets has further families of curves, one for each set: `families`; `show` chooses one.
    Its nodes are hidden from the node selectors; `attach` shows them in a plot view of the panel, which is told to fit its axes
    whenever points have come or gone: by itself it never does. Curves without points stay out of it.
    """

    def __init__(self, name: str = "MedSSL loss") -> None:
        self.name, self.family, self._view = name, WHOLE, None
        self._made: list[str] = []  # IDs of its nodes
        self.tables = {kind: self._makeTable(kind, columns) for kind, columns in TABLES.items()}
        self._series: dict[str, Any] = {}
        self.chart = self._makeChart()
        self._second, self._score = "constant_mean_loss", ""  # of the metric events so far
        self.sets = SetCurves(self._add)
        self._refresh()

    @property
    def families(self) -> list[str]:
        """The families of curves there are so far, that of the whole training first."""
        return [WHOLE, *self.sets.families]

    def attach(self, plotView) -> None:
        """Show the chart in a qMRMLPlotView that stands outside the layout."""
        node = self._add("vtkMRMLPlotViewNode", self.name, self.chart)
        node.SetLayoutName("MedSSLPretrain")
        node.SetPlotChartNodeID(self.chart.GetID())
        plotView.setMRMLScene(slicer.mrmlScene)
        plotView.setMRMLPlotViewNode(node)
        self.viewNode, self._view = node, plotView

    def remove(self) -> None:
        """Take its nodes out of the scene."""
        if self._view is not None:
            self._view.setMRMLPlotViewNode(None)
        for node in [slicer.mrmlScene.GetNodeByID(identifier) for identifier in reversed(self._made)]:
            if node is not None:
                slicer.mrmlScene.RemoveNode(node)
        self._view, self._made = None, []

    def clear(self) -> None:
        """Drop every point: another job is shown."""
        self.family = WHOLE
        self._second, self._score = "constant_mean_loss", ""
        for node in self.tables.values():
            node.GetTable().SetNumberOfRows(0)
            self._touch(node)
        self._refresh()
        self.sets.clear()

    def addEvents(self, events: list[dict[str, Any]]) -> None:
        """Append the points of `loss` and `metric` events; a `resumed` event drops what lies beyond its step."""
        for event in events:
            if event["type"] == "resumed":
                self._dropBeyond(event["step"])
            elif event["type"] in TABLES:
                self._append(event)
                self.sets.add(event)
        for node in self.tables.values():
            self._touch(node)
        self.sets.touch()
        self._refresh()

    def show(self, family: str) -> None:
        """Show a family of curves: WHOLE, or one of `families`."""
        self.family = family
        self._refresh()

    def _append(self, event: dict[str, Any]) -> None:
        table = self.tables[event["type"]].GetTable()
        table.GetColumnByName("step").InsertNextValue(event["step"])
        score = next((name for name in SCORES if event.get(name) is not None), "")
        if score and score != self._score:
            self._second, self._score = "score", score
        for column in TABLES[event["type"]]:
            value = event.get(score if column == "score" else column)
            table.GetColumnByName(column).InsertNextValue(vtk.vtkMath.Nan() if value is None else value)

    def _refresh(self) -> None:
        """Show the family's curves as far as they have points, and fit the axes to them."""
        series = self._whole() if self.family == WHOLE else self._ofSets()
        wanted = [node.GetID() for node in series if drawable(node)]
        chart = self.chart
        if wanted != [chart.GetNthPlotSeriesNodeID(n) for n in range(chart.GetNumberOfPlotSeriesNodes())]:
            chart.RemoveAllPlotSeriesNodeIDs()
            for identifier in wanted:
                chart.AddAndObservePlotSeriesNodeID(identifier)
        if self._view is not None:
            self._view.fitToContent()

    def _whole(self) -> list[Any]:
        """A chart has a constant mean or a score, never both."""
        titles = {"validation_dice": _("validation Dice"), "validation_auc": _("validation AUC")}
        self._series["score"].SetName(titles.get(self._score, _("score")))
        self.chart.SetYAxisTitle(_("loss, score") if self._score else _("loss"))
        return [self._series[name] for name in ("loss", "validation_loss", self._second)]

    def _ofSets(self) -> list[Any]:
        self.chart.SetYAxisTitle(_("AUC") if "auc" in self.family else _("loss"))
        return self.sets.series(self.family)

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
        self.sets.dropBeyond(step)

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
            "score": _("score"),
        }
        for kind, columns in TABLES.items():
            for column in columns:
                self._series[column] = self._makeSeries(kind, column, titles[column])
        return chart

    def _makeSeries(self, kind: str, column: str, title: str):
        series = self._add("vtkMRMLPlotSeriesNode", title)
        series.SetAndObserveTableNodeID(self.tables[kind].GetID())
        series.SetXColumnName("step")
        series.SetYColumnName(column)
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        marked = column in ("validation_loss", "score")  # a single point makes no line
        series.SetMarkerStyle(
            getattr(slicer.vtkMRMLPlotSeriesNode, "MarkerStyleCircle" if marked else "MarkerStyleNone")
        )
        series.SetMarkerSize(7)
        dashed = column == "constant_mean_loss"
        series.SetLineStyle(getattr(slicer.vtkMRMLPlotSeriesNode, "LineStyleDash" if dashed else "LineStyleSolid"))
        series.SetLineWidth(1 if column == "loss" else 2)
        series.SetColor(*PALETTE[column])
        return series

    def _add(self, kind: str, name: str, parentLayout=None):
        node = slicer.mrmlScene.CreateNodeByClass(kind)
        node.UnRegister(None)
        node.SetName(name)
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        if parentLayout is not None:  # before it is in the scene: Slicer's layout makes a view for one without
            node.SetAndObserveParentLayoutNodeID(parentLayout.GetID())
        self._made.append(slicer.mrmlScene.AddNode(node).GetID())
        return node

    @staticmethod
    def _touch(node) -> None:
        node.GetTable().Modified()
        node.Modified()


def drawable(series) -> bool:
    """Whether a plot series would show a line, or at least a marked point; VTK complains at each paint of an empty one."""
    values = series.GetTableNode().GetTable().GetColumnByName(series.GetYColumnName())
    marked = series.GetMarkerStyle() != slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone
    least = 1 if marked else 2
    finite = (n for n in range(values.GetNumberOfTuples()) if math.isfinite(values.GetValue(n)))
    return len(list(itertools.islice(finite, least))) == least
