"""Notices that other nodes are ticked: also where a ticked one has left the scene, of which Slicer's combo box says nothing."""

from __future__ import annotations

from collections.abc import Callable

from MedSSLLib.scene.sceneWatch import SceneWatch


class TickedNodes:
    """Calls a function when the ticked nodes have changed.

    Args:
        selector: a qMRMLCheckableNodeComboBox.
        changed: the function, without arguments.
    """

    def __init__(self, selector, changed: Callable[[], None]) -> None:
        self._selector, self._changed, self._known = selector, changed, ()
        selector.connect("checkedNodesChanged()", self._look)
        self._watch = SceneWatch(self._look)

    def close(self) -> None:
        """Call no more."""
        self._watch.close()

    def _look(self) -> None:
        ticked = tuple(node.GetID() for node in self._selector.checkedNodes())
        if ticked != self._known:
            self._known = ticked
            self._changed()
