"""Radiographs side by side, each in a view of its own with its points, heat map and parts; below them the patch map."""

from __future__ import annotations

import math

import qt
import slicer
import vtk

from MedSSLInferenceLib.scene.comparison.radiographGroup import CHART, HEAT, RadiographGroup
from MedSSLInferenceLib.scene.overlayViews import bindOverlays
from MedSSLInferenceLib.scene.pixelGeometry import middle, pixelsToWorld

IMAGES_ID, MAP_ID = 7320, 7321  # any numbers above 100 that other extensions are unlikely to have taken
VIEW_GROUP = 7320  # linking stays inside the group: the user's own slice views do not follow
PLOT_VIEW = "MedSSLPatchMap"
COLOURS = ("#4D9DE0", "#E1A32F", "#3BB273", "#C0504D", "#8E6BBF", "#4FB0AE")
MOST = 12  # views


def viewName(number: int) -> str:
    """The layout name of an image's view."""
    return f"MedSSLImage{number + 1}"


def layoutXml(count: int, withMap: bool = False) -> str:
    """The description that Slicer's layout manager reads: up to three images in a row, the patch map beside or below."""
    perRow = count if count <= 3 else math.ceil(math.sqrt(count))
    rows = [range(start, min(start + perRow, count)) for start in range(0, count, perRow)]
    body = "".join(f"<item>{_rowXml(row)}</item>" for row in rows)
    images = f'<layout type="vertical" split="true">{body}</layout>'
    if not withMap:
        return images
    plot = (
        f'<view class="vtkMRMLPlotViewNode" singletontag="{PLOT_VIEW}">'
        '<property name="viewlabel" action="default">M</property></view>'
    )
    return (
        '<layout type="vertical" split="true">'
        f'<item splitSize="500">{images}</item><item splitSize="500">{plot}</item></layout>'
    )


def registerLayouts(layoutManager, count: int = 2) -> None:
    """Make both layouts known, so that a scene that was saved in one of them opens in it."""
    if layoutManager is None:
        return
    layoutNode = layoutManager.layoutLogic().GetLayoutNode()
    for identifier, withMap in ((IMAGES_ID, False), (MAP_ID, True)):
        description = layoutXml(count, withMap)
        if layoutNode.IsLayoutDescription(identifier):
            layoutNode.SetLayoutDescription(identifier, description)
        else:
            layoutNode.AddLayoutDescription(identifier, description)


def showGroup(group: RadiographGroup, layoutManager, opacity: float, withMap: bool = False) -> bool:
    """Switch to the side-by-side layout and show the group's images and results in it.

    Args:
        layoutManager: a qMRMLLayoutManager, or None where Slicer runs without a main window.
        opacity: of the heat maps, 0...1.
        withMap: with the patch map below the images.

    Returns:
        Whether there was a layout manager to show it in.
    """
    if layoutManager is None:
        return False
    images = group.images[:MOST]
    registerLayouts(layoutManager, len(images))
    layoutManager.setLayout(MAP_ID if withMap else IMAGES_ID)
    for number in range(len(images)):
        _showImage(group, number, layoutManager.sliceWidget(viewName(number)), opacity)
    bindOverlays()
    if withMap and group.get(CHART) is not None:
        plotViewNode().SetPlotChartNodeID(group.get(CHART).GetID())
    # New views have their size only when the event loop has run.
    qt.QTimer.singleShot(0, lambda: fitViews(layoutManager, len(images)))
    return True


def showResults(group: RadiographGroup, layoutManager, opacity: float) -> None:
    """Bring new results into the views that show the group's images already; elsewhere nothing changes."""
    if not isShown(group, layoutManager):
        return
    for number in range(min(len(group.images), MOST)):
        widget = layoutManager.sliceWidget(viewName(number))
        _showLayers(group, number, widget.mrmlSliceCompositeNode(), opacity)
    bindOverlays()


def isShown(group: RadiographGroup, layoutManager) -> bool:
    """Whether the views show this group."""
    if layoutManager is None or layoutManager.layout not in (IMAGES_ID, MAP_ID) or not group.complete:
        return False
    widget = layoutManager.sliceWidget(viewName(0))
    shown = widget.mrmlSliceCompositeNode().GetBackgroundVolumeID() if widget is not None else None
    return shown == group.images[0].GetID()


def setOpacity(group: RadiographGroup, layoutManager, opacity: float) -> None:
    """Of the heat maps in the views."""
    if isShown(group, layoutManager):
        for number in range(min(len(group.images), MOST)):
            layoutManager.sliceWidget(viewName(number)).mrmlSliceCompositeNode().SetForegroundOpacity(opacity)


def fitViews(layoutManager, count: int) -> None:
    """Zoom each view to its image."""
    for number in range(count):
        widget = layoutManager.sliceWidget(viewName(number))
        if widget is not None and widget.mrmlSliceCompositeNode().GetBackgroundVolumeID():
            widget.fitSliceToBackground()


def plotViewNode():
    """The view node of the patch map, or None before the layout has made it."""
    return slicer.mrmlScene.GetSingletonNode(PLOT_VIEW, "vtkMRMLPlotViewNode")


def facePixels(sliceNode, image) -> None:
    """Look at the image as its pixels run, columns to the right and rows down, wherever it lies in the scene."""
    first, right, down, centre = pixelsToWorld(image, [(0, 0), (1, 0), (0, 1), middle(image)])
    matrix = vtk.vtkMatrix4x4()
    axes = [right - first, first - down, [0.0, 0.0, 0.0]]
    for axis in axes[:2]:
        vtk.vtkMath.Normalize(axis)
    vtk.vtkMath.Cross(axes[1], axes[0], axes[2])  # left-handed, as Slicer's own axial view
    for column, vector in enumerate((*axes, centre)):
        for row in range(3):
            matrix.SetElement(row, column, vector[row])
    sliceNode.GetSliceToRAS().DeepCopy(matrix)
    sliceNode.UpdateMatrices()


def _showImage(group: RadiographGroup, number: int, widget, opacity: float) -> None:
    composite, sliceNode, image = widget.mrmlSliceCompositeNode(), widget.mrmlSliceNode(), group.images[number]
    composite.SetLinkedControl(False)
    composite.SetBackgroundVolumeID(image.GetID())
    composite.SetLabelVolumeID(None)
    _showLayers(group, number, composite, opacity)
    facePixels(sliceNode, image)
    widget.fitSliceToBackground()


def _showLayers(group: RadiographGroup, number: int, composite, opacity: float) -> None:
    heat = group.get(HEAT, number)
    composite.SetForegroundVolumeID(heat.GetID() if heat is not None else None)
    composite.SetForegroundOpacity(opacity)


def _rowXml(numbers) -> str:
    items = "".join(f"<item>{_viewXml(number)}</item>" for number in numbers)
    return f'<layout type="horizontal" split="true">{items}</layout>'


def _viewXml(number: int) -> str:
    return (
        f'<view class="vtkMRMLSliceNode" singletontag="{viewName(number)}">'
        '<property name="orientation" action="default">Axial</property>'
        f'<property name="viewlabel" action="default">{number + 1}</property>'
        f'<property name="viewcolor" action="default">{COLOURS[number % len(COLOURS)]}</property>'
        f'<property name="viewgroup" action="default">{VIEW_GROUP}</property>'
        "</view>"
    )
