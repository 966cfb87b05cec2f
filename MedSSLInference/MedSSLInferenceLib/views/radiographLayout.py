"""Radiographs side by side, each in a view of its own with its points, heat map and parts; below them the patch map."""

from __future__ import annotations

import math

import slicer
import vtk
from MedSSLLib.scene.sliceOffsets import holdOffsets
from MedSSLLib.steps import Pause, Steps

from MedSSLInferenceLib.scene.comparison.radiographGroup import CHART, HEAT, LAYERS, RadiographGroup
from MedSSLInferenceLib.scene.overlayViews import bindOverlays, layOver
from MedSSLInferenceLib.scene.pixelGeometry import middle, pixelsToWorld

IMAGES_ID = 7320  # of two images; more images and the map have the next numbers, which other extensions hardly take
VIEW_GROUP = 7320  # linking stays inside the group: the user's own slice views do not follow
PLOT_VIEW = "MedSSLPatchMap"
COLOURS = ("#4D9DE0", "#E1A32F", "#3BB273", "#C0504D", "#8E6BBF", "#4FB0AE")
MOST = 12  # views


def layoutId(count: int, withMap: bool = False) -> int:
    """The number of the layout with so many images, with or without the patch map."""
    return IMAGES_ID + 2 * (min(max(count, 2), MOST) - 2) + withMap


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


def isOurs(layout: int) -> bool:
    """Whether a layout is one of those with radiographs side by side."""
    return layoutId(2) <= layout <= layoutId(MOST, True)


def descriptions() -> dict[int, str]:
    """All layouts of radiographs, by their numbers."""
    return {layoutId(n, withMap): layoutXml(n, withMap) for n in range(2, MOST + 1) for withMap in (False, True)}


def groupViewSteps(group: RadiographGroup, layoutManager, opacity: float, withMap: bool = False) -> Steps:
    """Switch to the side-by-side layout and show the group's images in it, one view an event loop.

    Args:
        layoutManager: a qMRMLLayoutManager, or None where Slicer runs without a main window.
        opacity: of the heat maps, 0...1.
        withMap: with the patch map below the images.
    """
    if layoutManager is None or not group.complete:
        return
    count = len(group.images[:MOST])
    layoutManager.setLayout(layoutId(count, withMap))
    for number in range(count):
        yield Pause(0.0)
        if not group.complete:
            return
        _showImage(group, number, layoutManager.sliceWidget(viewName(number)), opacity)
    bindOverlays()
    layOver(layers(group))
    if withMap and group.get(CHART) is not None:
        plotViewNode().SetPlotChartNodeID(group.get(CHART).GetID())
    holdViews(layoutManager, map(viewName, range(count)))


def holdViews(layoutManager, names, fit: bool = True) -> None:
    """Keep slice views where they are now, also after their sliders have answered."""
    nodes = {name: layoutManager.sliceWidget(name).mrmlSliceNode() for name in names}
    holdOffsets(layoutManager, {name: node.GetSliceOffset() for name, node in nodes.items()}, fit=fit)


def sliceNames(layoutManager) -> list[str]:
    """Names of the slice views that the current layout shows; the application also knows those of other layouts."""
    if layoutManager is None:
        return []
    nodes = layoutManager.layoutLogic().GetViewNodes()
    shown = [nodes.GetItemAsObject(number).GetID() for number in range(nodes.GetNumberOfItems())]
    names = layoutManager.sliceViewNames()
    return [name for name in names if layoutManager.sliceWidget(name).mrmlSliceNode().GetID() in shown]


def layers(group: RadiographGroup) -> list:
    """The volumes of a group that lie over its images."""
    return [node for role in LAYERS.values() for node in group.having(role)]


def showResults(group: RadiographGroup, layoutManager, opacity: float, role: str = HEAT) -> None:
    """Bring new results into the views that show the group's images, if its layout is shown; `opacity` of the role's layers."""
    if layoutManager is not None and isOurs(layoutManager.layout) and group.complete:
        bindOverlays()
        layOver(layers(group))
        setOpacity(group, layoutManager, opacity, role)


def isShown(group: RadiographGroup, layoutManager) -> bool:
    """Whether the group's images are in the views of the current layout."""
    if layoutManager is None or not isOurs(layoutManager.layout) or not group.complete:
        return False
    widgets = [layoutManager.sliceWidget(viewName(number)) for number in range(len(group.images[:MOST]))]
    shown = [w.mrmlSliceCompositeNode().GetBackgroundVolumeID() if w is not None else None for w in widgets]
    return shown == [image.GetID() for image in group.images[:MOST]]


def setOpacity(group: RadiographGroup, layoutManager, opacity: float, role: str = HEAT) -> None:
    """Of the layers of a role in the views: heat maps, or warped radiographs."""
    own = {node.GetID() for node in group.having(role)}
    for name in sliceNames(layoutManager):
        composite = layoutManager.sliceWidget(name).mrmlSliceCompositeNode()
        if composite.GetForegroundVolumeID() in own:
            composite.SetForegroundOpacity(opacity)


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
    composite, image = widget.mrmlSliceCompositeNode(), group.images[number]
    composite.SetLinkedControl(False)
    composite.SetBackgroundVolumeID(image.GetID())
    composite.SetForegroundVolumeID(None)
    composite.SetLabelVolumeID(None)
    composite.SetForegroundOpacity(opacity)
    facePixels(widget.mrmlSliceNode(), image)
    widget.fitSliceToBackground()


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
