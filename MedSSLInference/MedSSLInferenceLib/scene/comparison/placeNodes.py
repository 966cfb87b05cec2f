"""Points of one volume and where they are in another: one result, which a saved scene brings back.

The user's own points hold the others together: they lie in the first volume, and move while the second is searched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from medssl.client.volumes import read_nrrd_bytes
from MedSSLInferenceLib.scene.clearing import removeNode
from MedSSLInferenceLib.scene.heatColours import heatColours
from MedSSLInferenceLib.scene.overlayViews import IMAGE, SOURCE, bindOverlay
from MedSSLInferenceLib.scene.results import MADE, PLACES, Result, find, joinResult, mark, now, results
from MedSSLInferenceLib.scene.tableNodes import createTable, fillTable

POINTS, MATCHES, CONTROL, HEAT, TABLE = "points", "matches", "control", "heat", "table"  # roles
COLOURS = {POINTS: (0.2, 1.0, 0.4), MATCHES: (0.3, 0.85, 1.0), CONTROL: (0.75, 0.75, 0.75)}
BY_MODEL, BY_UNTRAINED = "model", "untrained"  # the column `by` of an answer
CLEAR = 95  # percentile of the similarities below which there is no heat


@dataclass(frozen=True)
class Places:
    """Points of a volume that were looked for in another."""

    points: Any  # vtkMRMLMarkupsFiducialNode in the first volume, the user's own

    @property
    def key(self) -> str:
        """Of the result that all of its nodes belong to."""
        return self.points.GetAttribute("MedSSL.resultKey")

    @property
    def source(self):
        """The volume that the points lie in; None once it is removed."""
        return self.points.GetNthNodeReference(SOURCE, 0)

    @property
    def target(self):
        """The volume that is searched; None once it is removed."""
        return self.points.GetNthNodeReference(SOURCE, 1)

    @property
    def complete(self) -> bool:
        """Whether points and both volumes are still there."""
        nodes = (self.points, self.source, self.target)
        return all(node is not None and node.GetScene() is not None for node in nodes)

    @property
    def result(self) -> Result | None:
        """All of it."""
        return find(self.key)

    def get(self, role: str):
        """A node of it, or None."""
        result = self.result
        return result.node(role) if result is not None else None

    def positions(self) -> list[tuple[float, ...]]:
        """R, A, S of its points in mm, as the first volume has them, without the transform that it is under.

        One that the mouse carries and has not put down is none yet.
        """
        node = self.points
        numbers = range(node.GetNumberOfControlPoints())
        put = [n for n in numbers if node.GetNthControlPointPositionStatus(n) == node.PositionDefined]
        return [tuple(node.GetNthControlPointPosition(number)) for number in put]


def placesOf(source, target) -> Places | None:
    """The points that were looked for from one volume in the other before, or None."""
    found = (one for one in results() if one.kind == PLACES and one.images == (source, target))
    return next((Places(one.node(POINTS)) for one in found if one.node(POINTS) is not None), None)


def createPlaces(source, target) -> Places:
    """The points of two volumes: those that are there, or a new list without any."""
    known = placesOf(source, target)
    if known is not None:
        return known
    node = _pointList(_("{name} places").format(name=source.GetName()))
    mark({POINTS: node}, PLACES, [source, target])
    _over(node, source, POINTS)
    return Places(node)


def addPoint(places: Places, position) -> None:
    """One more point, at R, A, S as the first volume has them."""
    places.points.AddControlPoint(*(float(value) for value in position))


def replacePoints(places: Places, positions) -> None:
    """Other points instead of those that are there."""
    node = places.points
    modified = node.StartModify()
    node.RemoveAllControlPoints()
    for position in positions:
        addPoint(places, position)
    node.EndModify(modified)
    labelPoints(places)


def labelPoints(places: Places) -> None:
    """Points are counted, as their matches are."""
    for number in range(places.points.GetNumberOfControlPoints()):
        if places.points.GetNthControlPointLabel(number) != str(number + 1):
            places.points.SetNthControlPointLabel(number, str(number + 1))


def showMatches(places: Places, rows, model: str) -> None:
    """Bring lists and table in line with the rows of all points."""
    labelPoints(places)
    for role, by in ((MATCHES, BY_MODEL), (CONTROL, BY_UNTRAINED)):
        found = [row for row in rows if row["by"] == by]
        if found or places.get(role) is not None:
            _fill(_listOf(places, role), found, role)
    table = places.get(TABLE)
    if table is None:
        names = dict(first=places.source.GetName(), second=places.target.GetName())
        table = createTable(rows, _("Places of {first} in {second}").format(**names))
        joinResult(table, places.points, TABLE)
    else:
        fillTable(table, rows)
    places.points.SetAttribute("MedSSL.model", model)
    places.points.SetAttribute(MADE, now())


def showHeat(places: Places, data: bytes):
    """The similarity map of one point over the second volume, in place; None removes it.

    Args:
        data: NRRD bytes; empty: there is none.
    """
    node = places.get(HEAT)
    if not data:
        if node is not None:
            removeNode(node)
        return None
    values, geometry = read_nrrd_bytes(data)
    if node is None:
        name = slicer.mrmlScene.GenerateUniqueName(_("{name} similarity").format(name=places.target.GetName()))
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        joinResult(node, places.points, HEAT)
        node.SetNodeReferenceID(IMAGE, places.target.GetID())
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetAndObserveColorNodeID(heatColours())
        node.GetDisplayNode().SetAutoWindowLevel(False)
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(values, dtype=np.float32))
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(geometry))
    node.SetAndObserveTransformNodeID(places.target.GetTransformNodeID())
    low, high = float(np.percentile(values, CLEAR)), float(values.max())
    node.GetDisplayNode().SetWindowLevelMinMax(low, max(high, low + 1e-6))
    return node


def _listOf(places: Places, role: str):
    node = places.get(role)
    if node is None:
        titles = {MATCHES: _("{name} found"), CONTROL: _("{name} found untrained")}
        node = _pointList(titles[role].format(name=places.target.GetName()))
        joinResult(node, places.points, role)
        _over(node, places.target, role)
        node.SetLocked(True)
    return node


def _fill(node, rows, role: str) -> None:
    modified = node.StartModify()
    while node.GetNumberOfControlPoints() > len(rows):
        node.RemoveNthControlPoint(node.GetNumberOfControlPoints() - 1)
    for number, row in enumerate(rows):
        position = [row[axis] for axis in ("r", "a", "s")]
        if number < node.GetNumberOfControlPoints():
            node.SetNthControlPointPosition(number, *position)
        else:
            node.AddControlPoint(*position)
        text = _("{label}, confidence {confidence:.2f}") if role == MATCHES else _("{label} untrained")
        node.SetNthControlPointLabel(number, text.format(**row))
    node.EndModify(modified)


def _pointList(name: str):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", slicer.mrmlScene.GenerateUniqueName(name))
    node.SetControlPointLabelFormat("%d")  # also of points that the user places
    return node


def _over(node, image, role: str) -> None:
    """Points go where their image goes, and are drawn over it alone."""
    node.SetNodeReferenceID(IMAGE, image.GetID())
    node.SetAndObserveTransformNodeID(image.GetTransformNodeID())
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetSelectedColor(*COLOURS[role])
    display.SetActiveColor(*COLOURS[role])
    display.SetPointLabelsVisibility(True)
    display.SetPropertiesLabelVisibility(False)
    display.SetTextScale(3.0)
    display.SetGlyphScale(2.0)
    bindOverlay(node)
