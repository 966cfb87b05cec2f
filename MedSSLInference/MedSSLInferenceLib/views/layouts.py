"""The view layouts of this module: known to the application from its start, so that a scene saved in one opens in it."""

from __future__ import annotations

import qt
import slicer

from MedSSLInferenceLib.views import placesLayout, radiographLayout, restorationLayout


def registerLayouts(layoutManager) -> None:
    """Make the layouts known, and open the one that a scene asked for before it was.

    Args:
        layoutManager: a qMRMLLayoutManager, or None where Slicer runs without a main window.
    """
    if layoutManager is None:
        return
    node = layoutManager.layoutLogic().GetLayoutNode()
    for identifier, xml in descriptions().items():
        if node.IsLayoutDescription(identifier):
            node.SetLayoutDescription(identifier, xml)
        else:
            node.AddLayoutDescription(identifier, xml)
            if node.GetViewArrangement() == identifier:  # asked for in vain: the same number again would do nothing
                node.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
                node.SetViewArrangement(identifier)


def descriptions() -> dict[int, str]:
    """All layouts, by their numbers."""
    own = {one.LAYOUT_ID: one.layoutXml() for one in (restorationLayout, placesLayout)}
    return {**own, **radiographLayout.descriptions()}


class Reopening:
    """A scene that was saved in one of our layouts opens at the slices that were seen."""

    def __init__(self) -> None:
        self._tag = None

    def start(self) -> None:
        """Register the layouts, and watch the scene, unless this was done before."""
        registerLayouts(slicer.app.layoutManager())
        if self._tag is None:
            self._tag = slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.EndImportEvent, self._onImported)

    def stop(self) -> None:
        """The module goes away."""
        if self._tag is not None:
            slicer.mrmlScene.RemoveObserver(self._tag)
            self._tag = None

    def _onImported(self, *_event) -> None:
        """The views of the scene's layout are made after this event."""
        qt.QTimer.singleShot(0, self._hold)

    def _hold(self) -> None:
        manager = slicer.app.layoutManager()
        if self._tag is None or manager is None or manager.layout not in descriptions():
            return
        registerLayouts(manager)
        radiographLayout.holdViews(manager, radiographLayout.sliceNames(manager), fit=False)


reopening = Reopening()  # one for panel and console
