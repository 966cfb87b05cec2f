"""Notices that nodes have come or gone: once for all of them, an event loop later, when they have their names and attributes."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer


class SceneWatch:
    """Calls a function after the scene has changed, never while a scene is being loaded or closed.

    Args:
        changed: the function, without arguments.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed, scene = changed, slicer.mrmlScene
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._notify)
        events = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndBatchProcessEvent)
        self._scene = scene
        self._tags = [scene.AddObserver(event, lambda *_: self._timer.start()) for event in events]

    def close(self) -> None:
        """Call no more."""
        self._timer.stop()
        self._timer.disconnect("timeout()", self._notify)  # a connection left would keep this object for ever
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._tags = []

    def _notify(self) -> None:
        if not self._scene.IsBatchProcessing():
            self._changed()
