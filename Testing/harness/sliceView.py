"""A stand-in for Slicer's slice view: the real vtkMRMLSliceLogic, its picture painted with QPainter."""

from __future__ import annotations

import numpy as np
import shiboken6
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from . import sliceOverlay
from .qtNamespace import QtCore, QtGui, QtWidgets, emitter, registerCustomWidget
from .sliceController import qMRMLSliceControllerWidget

BAR = 18  # height of the coloured view bar, pixels


@registerCustomWidget
class qMRMLSliceWidget(QtWidgets.QWidget):
    """One slice view of the layout."""

    mrmlSceneChanged = emitter(object)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._logic = slicer.vtkMRMLSliceLogic()
        self._node, self._controller, self._scheduled = None, None, False
        self._tags: list[tuple] = []

    def setMRMLScene(self, scene) -> None:
        self._logic.SetMRMLScene(scene)
        self.mrmlSceneChanged.emit(scene)

    def setMRMLSliceNode(self, node) -> None:
        self._node = node
        self._logic.SetSliceNode(node)
        event = vtk.vtkCommand.ModifiedEvent
        self._tags = [(source, source.AddObserver(event, self._scheduleRender)) for source in (node, self._logic)]
        self._controller = qMRMLSliceControllerWidget(self._logic, self)

    def sliceController(self) -> qMRMLSliceControllerWidget:
        return self._controller

    def _scheduleRender(self, *_event) -> None:
        """As there, a view that the layout shows runs its pipeline an event loop after a change, and complains if it lacks something."""
        self.update()
        if not self._scheduled:
            self._scheduled = True
            QtCore.QTimer.singleShot(0, self._render)

    def _render(self) -> None:
        if not shiboken6.isValid(self):
            return
        self._scheduled, scene = False, self._logic.GetMRMLScene()
        if self.parent() is not None and scene is not None and not scene.IsBatchProcessing():
            _image(self._logic)

    def _close(self) -> None:
        """The view goes away; its node may stay."""
        for source, tag in self._tags:
            source.RemoveObserver(tag)
        self._controller._close()
        self._logic.SetMRMLScene(None)
        self.deleteLater()

    def mrmlSliceNode(self):
        return self._node

    def mrmlSliceCompositeNode(self):
        return self._logic.GetSliceCompositeNode()

    def sliceLogic(self):
        return self._logic

    def fitSliceToBackground(self) -> None:
        self._logic.FitSliceToBackground()
        self.update()

    def resizeEvent(self, event) -> None:
        if self._node is not None:
            self._logic.ResizeSliceNode(max(1, event.size().width()), max(1, event.size().height() - BAR))

    def paintEvent(self, event) -> None:
        painter = QtGui.QPainter(self)
        painter.fillRect(self.rect, QtGui.QColor("black"))
        if self._node is not None:
            image = _image(self._logic)
            if image is not None:
                painter.drawImage(0, BAR, image)
                sliceOverlay.paint(painter, self._node, BAR)
            color = self._node.GetLayoutColor()
            painter.fillRect(0, 0, self.width, BAR, QtGui.QColor.fromRgbF(*color))
            painter.setPen(QtGui.QColor("black"))
            painter.drawText(6, BAR - 5, f"{self._node.GetLayoutLabel()}: {self._title()}")
        painter.end()

    def _title(self) -> str:
        composite = self._logic.GetSliceCompositeNode()
        layers = (composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID(), composite.GetLabelVolumeID())
        nodes = [self._logic.GetMRMLScene().GetNodeByID(i) for i in layers if i]
        return ", ".join(n.GetName() for n in nodes if n is not None) or self._node.GetName()


def _image(logic):
    """The slice as a QImage, or None where no volume is shown."""
    connection = logic.GetImageDataConnection()
    if connection is None:
        return None
    connection.GetProducer().Update()
    data = connection.GetProducer().GetOutputDataObject(connection.GetIndex())
    width, height, _ = data.GetDimensions()
    if data.GetPointData().GetScalars() is None:
        return None
    rgba = vtk_to_numpy(data.GetPointData().GetScalars()).reshape(height, width, -1)[::-1]
    rgb = np.where(rgba[:, :, 3:4] == 0, np.uint8(0), rgba[:, :, :3]) if rgba.shape[2] == 4 else rgba.copy()
    return QtGui.QImage(rgb.data, width, height, 3 * width, QtGui.QImage.Format.Format_RGB888).copy()
