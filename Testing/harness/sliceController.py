"""The bar over a slice view: its offset slider answers late, and with what it showed before.

In the application the slider's `valueChanged` is connected to the slice's offset through the event queue. A new view's slider
says 0 when it learns its unit, and one whose range no longer holds its value says the end of the range: whatever offset was set
meanwhile is overwritten. So an offset can be relied on only once the slider has spoken and the slice has followed.
"""

from __future__ import annotations

import shiboken6
import vtk

from .ctkWidgets import ctkSliderWidget
from .qtNamespace import QtCore, QtWidgets, emitter, registerCustomWidget

ROUNDED = 0.001  # mm that the slider's spin box may be off


@registerCustomWidget
class qMRMLSliderWidget(ctkSliderWidget):
    """A slider with a unit."""


class qMRMLSliceControllerWidget(QtWidgets.QWidget):
    """The controller of one slice logic; lives in the view's widget."""

    mrmlSceneChanged = emitter(object)

    def __init__(self, logic, parent) -> None:
        super().__init__(parent)
        self.hide()  # the stand-in paints a bar of its own
        self._logic, self._answering = logic, False
        self._slider = qMRMLSliderWidget(self)
        self._slider.minimum, self._slider.maximum, self._slider.decimals = 0.0, 99.99, 3
        self._limits = [0.0, 99.99]
        self._slider.connect("valueChanged(double)", self._queue)
        self._tag = logic.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._follow())
        self._answerLater(0.0)

    def _close(self) -> None:
        self._logic.RemoveObserver(self._tag)

    def sliceOffsetSlider(self) -> qMRMLSliderWidget:
        return self._slider

    def sliceLogic(self):
        return self._logic

    def setSliceOffsetValue(self, offset: float) -> None:
        self._logic.SetSliceOffset(offset)

    def _follow(self) -> None:
        """The slice changed: new range, new value, without a word; a value that the range lost is said later."""
        limits, resolution = [0.0, 0.0], vtk.reference(0.0)
        if not shiboken6.isValid(self) or not self._logic.GetSliceOffsetRangeResolution(limits, resolution):
            return
        before, changed, self._limits = self._slider.value, limits != self._limits, limits
        self._slider.blockSignals(True)
        self._slider.minimum, self._slider.maximum = limits
        self._slider.singleStep = max(resolution.get(), 1e-8)
        self._slider.value = self._logic.GetSliceOffset()
        self._slider.blockSignals(False)
        if changed and not limits[0] - ROUNDED <= before <= limits[1] + ROUNDED:
            self._answerLater(min(max(before, limits[0]), limits[1]))

    def _answerLater(self, value: float) -> None:
        if not self._answering:
            self._answering = True
            QtCore.QTimer.singleShot(0, lambda: self._answer(value))

    def _answer(self, value: float) -> None:
        self._answering = False
        if shiboken6.isValid(self) and self._logic.GetMRMLScene() is not None:
            self._slider.valueChanged.emit(value)

    def _queue(self, value: float) -> None:
        QtCore.QTimer.singleShot(0, lambda: self.setSliceOffsetValue(value))
