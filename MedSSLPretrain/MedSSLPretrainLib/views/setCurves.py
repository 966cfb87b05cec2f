"""The curves of the single sets of a training on several: families of them, one shown at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

# (event type, what its fields begin with) -> the family's key; the rest of a field's name is the set
FAMILIES = {
    ("loss", "loss_"): "training", ("metric", "loss_"): "validation",
    ("metric", "auc_"): "auc", ("metric", "student_auc_"): "student_auc",
}  # fmt: skip
# of Okabe and Ito, which colour-blind people tell apart; a set has one colour in every family
COLOURS = ((0.00, 0.45, 0.70), (0.84, 0.37, 0.00), (0.00, 0.62, 0.45), (0.80, 0.47, 0.65), (0.34, 0.71, 0.91),
           (0.90, 0.62, 0.00), (0.35, 0.35, 0.35), (0.55, 0.27, 0.07))  # fmt: skip


def familyTitles() -> dict[str, str]:
    """What the families show, in the user's language."""
    return {
        "training": _("Training loss of each set"), "validation": _("Validation loss of each set"),
        "auc": _("AUC of each set (validation)"), "student_auc": _("AUC of each set, student (validation)"),
    }  # fmt: skip


class SetCurves:
    """Grows with the events: each curve has a table of its own, since a step visits one set only.

    Args:
        add: adds a hidden node of a class and a name to the scene.
    """

    def __init__(self, add: Callable) -> None:
        self._add = add
        self._curves: dict[str, dict[str, Any]] = {}  # family -> set -> its series
        self._sets: list[str] = []  # in the order of their first point, which fixes their colours

    @property
    def families(self) -> list[str]:
        """Those that have curves, in a fixed order."""
        return [family for family in FAMILIES.values() if family in self._curves]

    def series(self, family: str) -> list[Any]:
        """The plot series of a family."""
        return list(self._curves.get(family, {}).values())

    def add(self, event: dict[str, Any]) -> None:
        """Append the points that an event has."""
        for field, value in event.items():
            if value is None:  # not to be computed, such as the AUC of a single class
                continue
            for (kind, prefix), family in FAMILIES.items():
                if event["type"] == kind and field.startswith(prefix):
                    self._append(family, field.removeprefix(prefix), event["step"], value)

    def points(self, family: str, name: str) -> list[tuple[float, float]]:
        """(step, value) of a set's curve."""
        series = self._curves.get(family, {}).get(name)
        if series is None:
            return []
        steps, values = _columns(series)
        return [(steps.GetValue(n), values.GetValue(n)) for n in range(steps.GetNumberOfTuples())]

    def touch(self) -> None:
        """Notify the views that points have come or gone."""
        for curves in self._curves.values():
            for series in curves.values():
                series.GetTableNode().GetTable().Modified()
                series.GetTableNode().Modified()

    def dropBeyond(self, step: float) -> None:
        """A resumed run repeats what lies beyond this step."""
        for curves in self._curves.values():
            for series in curves.values():
                table, (steps, _values) = series.GetTableNode().GetTable(), _columns(series)
                while steps.GetNumberOfTuples() and steps.GetValue(steps.GetNumberOfTuples() - 1) > step:
                    table.RemoveRow(table.GetNumberOfRows() - 1)

    def clear(self) -> None:
        """Forget every curve: another job has other sets."""
        for curves in self._curves.values():
            for series in curves.values():
                slicer.mrmlScene.RemoveNode(series.GetTableNode())
                slicer.mrmlScene.RemoveNode(series)
        self._curves, self._sets = {}, []

    def _append(self, family: str, name: str, step: float, value: float) -> None:
        if name not in self._sets:
            self._sets.append(name)
        curves = self._curves.setdefault(family, {})
        if name not in curves:
            curves[name] = self._makeSeries(family, name)
        steps, values = _columns(curves[name])
        steps.InsertNextValue(step)
        values.InsertNextValue(value)

    def _makeSeries(self, family: str, name: str):
        table = self._add("vtkMRMLTableNode", f"{family} {name}")
        for title in ("step", "value"):
            column = vtk.vtkDoubleArray()
            column.SetName(title)
            table.AddColumn(column)
        series = self._add("vtkMRMLPlotSeriesNode", name)
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName("step")
        series.SetYColumnName("value")
        kind = slicer.vtkMRMLPlotSeriesNode
        series.SetPlotType(kind.PlotTypeScatter)
        series.SetLineStyle(kind.LineStyleSolid)
        series.SetMarkerStyle(kind.MarkerStyleNone if family == "training" else kind.MarkerStyleCircle)
        series.SetMarkerSize(7)
        series.SetLineWidth(1 if family == "training" else 2)
        series.SetColor(*COLOURS[self._sets.index(name) % len(COLOURS)])
        return series


def _columns(series):
    table = series.GetTableNode().GetTable()
    return table.GetColumnByName("step"), table.GetColumnByName("value")
