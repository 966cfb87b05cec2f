"""A patch map as table, series and chart: colour shows the place in the image, the marker the image."""

from __future__ import annotations

import math

import numpy as np
import slicer
from MedSSLLib.steps import Pause, Steps
from slicer.i18n import tr as _

from MedSSLInferenceLib.scene.comparison.radiographGroup import (
    CHART,
    PATCHES,
    SELECTED,
    SELECTED_TABLE,
    SERIES,
    SERIES_TABLE,
    RadiographGroup,
)
from MedSSLInferenceLib.scene.labelMapSegments import rgb
from MedSSLInferenceLib.scene.pixelGeometry import imageSize
from MedSSLInferenceLib.scene.presence import requirePresent
from MedSSLInferenceLib.scene.tableNodes import createTable, fillTable, rowsOf

REGIONS = 3  # a plot series has one colour: the image is parted into 3 x 3 regions of one colour each
MARKER_SIZE, SELECTED_SIZE = 7.0, 16.0


def patchMapSteps(group: RadiographGroup, rows) -> Steps:
    """Table, series and chart of a PatchmapRequest's answer; those of an earlier run are replaced.

    A conversation that only pauses: there are many series.

    Returns:
        The vtkMRMLPlotSeriesNodes, one per image and region.
    """
    names = ", ".join(image.GetName() for image in group.images)
    _table(group, PATCHES, [dict(row) for row in rows], _("Patches of {names}").format(names=names))
    keys = [(row["image"], _region(row, imageSize(group.images[row["image"]]))) for row in rows]
    columns = {key: f"v {key[0] + 1}.{key[1] + 1}" for key in sorted(set(keys))}
    sparse = [
        {"u": row["u"], **{name: row["v"] if key == own else None for key, name in columns.items()}}
        for row, own in zip(rows, keys)
    ]
    yield Pause(0.0)
    requirePresent(group.images, _("Load it and compare again"))
    table = _table(group, SERIES_TABLE, sparse, _("Patch map of {names}").format(names=names))
    yield Pause(0.0)
    requirePresent([*group.images, table], _("Load it and compare again"))
    for old in group.several(SERIES):
        slicer.mrmlScene.RemoveNode(old)
    group.node.RemoveNodeReferenceIDs(SERIES)
    for key, name in columns.items():
        colours = [rgb(row["colour"]) for row, own in zip(rows, keys) if own == key]
        group.add(SERIES, _series(group, key, name, table, np.mean(colours, axis=0)))
        if not key[1]:
            yield Pause(0.0)
            requirePresent([*group.images, table], _("Load it and compare again"))
    _chart(group, names)
    return group.several(SERIES)


def patchAt(group: RadiographGroup, number: int, pixel):
    """The row of the patch nearest to a pixel of an image, or None where there is no map."""
    table = group.get(PATCHES)
    rows = [row for row in rowsOf(table) if row["image"] == number] if table is not None else []
    return min(rows, key=lambda row: math.dist(pixel, (row["x"], row["y"])), default=None)


def select(group: RadiographGroup, row) -> None:
    """Ring a patch in the plot; None: no patch."""
    chart = group.get(CHART)
    if chart is None:
        return
    if row is None:
        if group.get(SELECTED) is not None:
            chart.RemovePlotSeriesNodeID(group.get(SELECTED).GetID())
        return
    table = _table(group, SELECTED_TABLE, [{"u": row["u"], "v": row["v"]}], _("Selected patch"))
    series = group.create("vtkMRMLPlotSeriesNode", _("Selected patch"), SELECTED)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName("u")
    series.SetYColumnName("v")
    series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    series.SetLineStyle(slicer.vtkMRMLPlotSeriesNode.LineStyleNone)
    series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleCross)
    series.SetMarkerSize(SELECTED_SIZE)
    series.SetColor(0.0, 0.0, 0.0)
    if not chart.HasPlotSeriesNodeID(series.GetID()):
        chart.AddAndObservePlotSeriesNodeID(series.GetID())


def _region(row, size) -> int:
    column, line = (min(REGIONS - 1, max(0, int(REGIONS * (row[axis] + 0.5) / side))) for axis, side in zip("xy", size))
    return line * REGIONS + column


def _table(group: RadiographGroup, role: str, rows, name: str):
    node = group.get(role)
    if node is None:
        node = createTable(rows, name)
        node.SetHideFromEditors(role != PATCHES)  # what only the plot needs
        group.set(role, node)
    else:
        fillTable(node, rows)
    return node


def _series(group: RadiographGroup, key: tuple[int, int], column: str, table, colour):
    kind = slicer.vtkMRMLPlotSeriesNode
    markers = (
        kind.MarkerStyleCircle, kind.MarkerStyleDiamond, kind.MarkerStyleSquare, kind.MarkerStyleCross,
        kind.MarkerStylePlus,
    )  # fmt: skip
    number, region = key
    name = _("{image}, region {region}").format(image=group.images[number].GetName(), region=region + 1)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
    node.SetAndObserveTableNodeID(table.GetID())
    node.SetXColumnName("u")
    node.SetYColumnName(column)
    node.SetPlotType(kind.PlotTypeScatter)
    node.SetLineStyle(kind.LineStyleNone)
    node.SetMarkerStyle(markers[number % len(markers)])
    node.SetMarkerSize(MARKER_SIZE)
    node.SetColor(*(float(value) for value in colour))
    return node


def _chart(group: RadiographGroup, names: str) -> None:
    chart = group.create("vtkMRMLPlotChartNode", _("Patch map of {names}").format(names=names), CHART)
    chart.RemoveAllPlotSeriesNodeIDs()
    for series in group.several(SERIES):
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    chart.SetTitle(_("Patches of equal descriptors lie together; colour: place in the image, marker: image"))
    chart.SetXAxisTitle("u")
    chart.SetYAxisTitle("v")
    chart.SetLegendVisibility(False)
    chart.SetGridVisibility(False)
    select(group, None)
