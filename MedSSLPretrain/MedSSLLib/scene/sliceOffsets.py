"""Slice views that open at the slice that the program chose.

The slider of a slice view answers an event loop later: what it held while the view was being made then overwrites an offset that
was set meanwhile, and the view shows nothing. So an offset is held for a moment: put back as soon as the slice node changes,
until the view has been quiet for a while; after that it is the user's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import qt
import slicer
import vtk

LOOK_MS, QUIET_LOOKS, MOST_LOOKS = 30, 8, 60  # let go after so many looks in a row without a change, or so many in all
SAME = 1e-3  # mm


def middleOffset(sliceNode, volumeNode) -> float:
    """The offset at which a view shows the middle slice of a volume, through the centres of its voxels.

    Args:
        sliceNode: says which way the view looks.
        volumeNode: holds voxels.
    """
    ijkToWorld = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(ijkToWorld)
    matrix = slicer.util.arrayFromVTKMatrix(ijkToWorld)
    normal = slicer.util.arrayFromVTKMatrix(sliceNode.GetSliceToRAS())[:3, 2]
    axis = int(np.argmax(np.abs(normal @ (matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)))))
    middle = (np.array(volumeNode.GetImageData().GetDimensions()) - 1) / 2
    middle[axis] = np.floor(middle[axis])
    toWorld = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(volumeNode.GetParentTransformNode(), None, toWorld)
    return float(normal @ toWorld.TransformPoint((matrix @ [*middle, 1.0])[:3]))


def holdOffsets(
    layoutManager, offsets: dict[str, float], settled: Callable[[], None] = lambda: None, fit: bool = True
) -> None:
    """Show slice views at these offsets, also after their sliders have answered.

    Args:
        layoutManager: a qMRMLLayoutManager.
        offsets: in mm, by the layout names of views that are shown.
        settled: called once the views stay as they are, such as to link them; not called if others are held instead.
        fit: zoom them to their background too, also when they get their size later.
    """
    for old in [hold for hold in _holds if hold.offsets.keys() & offsets.keys()]:
        old.letGo()
    _holds.append(_Hold(layoutManager, dict(offsets), settled, fit))
    _holds[-1].start()


class _Hold:
    """Views that are held at their offsets."""

    def __init__(self, layoutManager, offsets: dict[str, float], settled: Callable[[], None], fit: bool) -> None:
        self.offsets, self._settled, self._fits = offsets, settled, fit
        self._widgets = {name: layoutManager.sliceWidget(name) for name in offsets}
        self._nodes = {name: widget.mrmlSliceNode() for name, widget in self._widgets.items()}
        self._sizes: dict[str, tuple] = {}
        self._looks = self._quiet = 0
        self._moved: set[str] = set()

    def start(self) -> None:
        """Put the views there, and watch them."""
        self._tags = {
            name: node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_event, name=name: self._onModified(name))
            for name, node in self._nodes.items()
        }
        scene = slicer.mrmlScene  # the plain slice views outlive what a scene held
        self._sceneTag = scene, scene.AddObserver(scene.StartCloseEvent, lambda *_event: self.letGo())
        for name in self.offsets:
            self._put(name)
        self._wait()

    def letGo(self) -> None:
        """Watch no more: the views are the user's."""
        for name, tag in self._tags.items():
            self._nodes[name].RemoveObserver(tag)
        self._tags = {}
        scene, tag = self._sceneTag
        scene.RemoveObserver(tag)
        if self in _holds:
            _holds.remove(self)

    def _wait(self) -> None:
        qt.QTimer.singleShot(LOOK_MS, self._look)

    def _look(self) -> None:
        if not self._tags:
            return
        if self._isOver():
            self.letGo()
            return
        for name, node in self._nodes.items():
            if tuple(node.GetDimensions()) != self._sizes[name]:  # a new view gets its size late
                self._put(name)
        self._looks, self._quiet = self._looks + 1, self._quiet + 1
        if self._quiet >= QUIET_LOOKS or self._looks >= MOST_LOOKS:
            self.letGo()
            self._settled()
        else:
            self._wait()

    def _put(self, name: str) -> None:
        self._quiet = 0
        self._sizes[name] = tuple(self._nodes[name].GetDimensions())
        if self._fits:
            self._widgets[name].fitSliceToBackground()
        self._nodes[name].SetSliceOffset(self.offsets[name])

    def _onModified(self, name: str) -> None:
        """Another offset came: inside its event the slice node cannot be set again, so this is done a loop later."""
        if self._isMoved(name) and name not in self._moved:
            self._moved.add(name)
            qt.QTimer.singleShot(0, lambda: self._putBack(name))

    def _putBack(self, name: str) -> None:
        self._moved.discard(name)
        if self._tags and self._isOver():
            self.letGo()
        elif self._tags and self._isMoved(name):
            self._quiet = 0
            self._nodes[name].SetSliceOffset(self.offsets[name])

    def _isOver(self) -> bool:
        """Whether the views were closed, or the user acts."""
        gone = any(node.GetScene() is None for node in self._nodes.values())
        return gone or slicer.app.mouseButtons() != qt.Qt.NoButton

    def _isMoved(self, name: str) -> bool:
        return abs(self._nodes[name].GetSliceOffset() - self.offsets[name]) > SAME


_holds: list[_Hold] = []
