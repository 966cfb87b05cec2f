"""Tables of results, in the application's own table view."""

from __future__ import annotations

import slicer


def showTable(tableNode, layoutManager) -> None:
    """Show a table below the views.

    Args:
        layoutManager: a qMRMLLayoutManager, or None where Slicer runs without a main window.
    """
    if layoutManager is None:
        return
    layoutManager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpTableView)
    selection = slicer.app.applicationLogic().GetSelectionNode()
    selection.SetActiveTableID(tableNode.GetID())
    slicer.app.applicationLogic().PropagateTableSelection()
