"""A plain slice view that looks another way for as long as it shows an image: afterwards it looks as the user left it."""

from __future__ import annotations

import qt
import vtk


class TurnedView:
    """Brings a slice view back to the way it looked once its background is another image.

    Make it before the view is turned.

    Args:
        widget: a qMRMLSliceWidget.
        image: the volume node that it is turned for.
    """

    def __init__(self, widget, image) -> None:
        self._widget, self._image = widget, image.GetID()
        self._name = widget.mrmlSliceNode().GetLayoutName()
        before = _turned.get(self._name)
        self._before = vtk.vtkMatrix4x4()
        self._before.DeepCopy(before._before if before is not None else widget.mrmlSliceNode().GetSliceToRAS())
        if before is not None:
            before.forget()
        _turned[self._name] = self
        self._composite = widget.mrmlSliceCompositeNode()
        self._tag = self._composite.AddObserver(vtk.vtkCommand.ModifiedEvent, self._onModified)

    def forget(self) -> None:
        """Watch no more."""
        if self._tag is not None:
            self._composite.RemoveObserver(self._tag)
            _turned.pop(self._name)
        self._tag = None

    def _onModified(self, *_event) -> None:
        if self._composite.GetBackgroundVolumeID() != self._image:
            qt.QTimer.singleShot(0, self._turnBack)  # who changes the view sets more of it in this event loop

    def _turnBack(self) -> None:
        if self._tag is None or self._composite.GetBackgroundVolumeID() == self._image:
            return
        self.forget()
        node = self._widget.mrmlSliceNode()
        if node.GetScene() is None:
            return
        node.GetSliceToRAS().DeepCopy(self._before)
        node.UpdateMatrices()
        self._widget.fitSliceToBackground()


_turned: dict[str, TurnedView] = {}  # by the name of the view
