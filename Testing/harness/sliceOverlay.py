"""What Slicer's displayable managers draw over a slice: segmentations, closed curves, and control points with their labels."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from .qtNamespace import QtCore, QtGui

NEAR = 1.0  # mm from the slice: farther points are not shown


def paint(painter, sliceNode, top: int) -> None:
    """Draw what is displayed in a view.

    Args:
        top: pixels of the widget above the slice.
    """
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        if _shown(node, sliceNode):
            image = _segments(node, sliceNode)
            if image is not None:
                painter.drawImage(0, top, image)
    for node in slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode"):
        if _shown(node, sliceNode):
            _points(painter, node, sliceNode, top)

    for node in slicer.util.getNodesByClass("vtkMRMLMarkupsClosedCurveNode"):
        if _shown(node, sliceNode):
            _curve(painter, node, sliceNode, top)


def _shown(node, sliceNode) -> bool:
    display = node.GetDisplayNode()
    return display is not None and bool(display.GetVisibility()) and display.IsDisplayableInView(sliceNode.GetID())


def _curve(painter, node, sliceNode, top: int) -> None:
    """The line alone, through the control points."""
    rasToXy = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(sliceNode.GetXYToRAS(), rasToXy)
    height = sliceNode.GetDimensions()[1]
    count = node.GetNumberOfDefinedControlPoints()
    places = [rasToXy.MultiplyPoint([*node.GetNthControlPointPositionWorld(n), 1.0]) for n in range(count)]
    painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
    painter.setPen(QtGui.QPen(QtGui.QColor.fromRgbF(*node.GetDisplayNode().GetSelectedColor()), 1.5))
    painter.drawPolygon(QtGui.QPolygonF([QtCore.QPointF(x, top + height - 1 - y) for x, y, *_ in places]))


def _points(painter, node, sliceNode, top: int) -> None:
    rasToXy = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(sliceNode.GetXYToRAS(), rasToXy)
    height, display = sliceNode.GetDimensions()[1], node.GetDisplayNode()
    painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
    for n in range(node.GetNumberOfDefinedControlPoints()):
        x, y, z, _ = rasToXy.MultiplyPoint([*node.GetNthControlPointPositionWorld(n), 1.0])
        if abs(z) > NEAR + sliceNode.GetDimensions()[2]:
            continue
        chosen = node.GetNthControlPointSelected(n)
        painter.setPen(
            QtGui.QPen(QtGui.QColor.fromRgbF(*(display.GetSelectedColor() if chosen else display.GetColor())), 2)
        )
        place = QtCore.QPointF(x, top + height - 1 - y)
        painter.drawEllipse(place, 4, 4)
        if display.GetPointLabelsVisibility():
            painter.drawText(place + QtCore.QPointF(7, -5), node.GetNthControlPointLabel(n))


def _segments(node, sliceNode):
    """An image with transparent colours, the slice sampled at the segmentation's voxels."""
    reference = node.GetNodeReference(slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole())
    if reference is None:
        return None
    width, height = sliceNode.GetDimensions()[:2]
    toIjk = vtk.vtkMatrix4x4()
    reference.GetRASToIJKMatrix(toIjk)
    vtk.vtkMatrix4x4.Multiply4x4(toIjk, sliceNode.GetXYToRAS(), toIjk)
    matrix = slicer.util.arrayFromVTKMatrix(toIjk)
    y, x = np.mgrid[0:height, 0:width]
    ijk = np.rint(np.einsum("ab,bhw->ahw", matrix, np.stack([x, y, 0 * x, 0 * x + 1]))).astype(int)[:3]
    rgba = np.zeros((height, width, 4), np.uint8)
    segmentation, display = node.GetSegmentation(), node.GetDisplayNode()
    for number in range(segmentation.GetNumberOfSegments()):
        name = segmentation.GetNthSegmentID(number)
        array = slicer.util.arrayFromSegmentBinaryLabelmap(node, name, reference)
        inside = np.all([(ijk[a] >= 0) & (ijk[a] < array.shape[2 - a]) for a in range(3)], axis=0)
        hit = np.zeros(inside.shape, bool)
        hit[inside] = array[ijk[2][inside], ijk[1][inside], ijk[0][inside]] > 0
        opacity = display.GetSegmentOpacity2DFill(name) * display.GetOpacity2DFill() * display.GetOpacity()
        rgba[hit] = [
            *(round(255 * value) for value in segmentation.GetNthSegment(number).GetColor()),
            round(255 * opacity),
        ]
    rgba = np.ascontiguousarray(rgba[::-1])
    return QtGui.QImage(rgba.data, width, height, 4 * width, QtGui.QImage.Format.Format_RGBA8888).copy()
