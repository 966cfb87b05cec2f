"""Picking points in the plot of a patch map."""

from __future__ import annotations

from collections.abc import Callable

import slicer

from MedSSLInferenceLib.scene.comparison.radiographGroup import PATCHES, SERIES, RadiographGroup
from MedSSLInferenceLib.scene.tableNodes import rowsOf
from MedSSLInferenceLib.views.radiographLayout import plotViewNode

SIGNAL = "dataSelected(vtkStringArray*, vtkCollection*)"


class PatchMapLinks:
    """Reports which patch the user picked in the plot view that shows a group's map.

    Args:
        onPicked: called with the row of the patch.
    """

    def __init__(self, onPicked: Callable) -> None:
        self._onPicked, self._group, self._view = onPicked, None, None

    def follow(self, group: RadiographGroup, layoutManager) -> None:
        """Listen to the plot view of the layout, which shows this group's map."""
        self._group = group
        node = plotViewNode()
        if layoutManager is None or node is None:
            return
        node.SetInteractionMode(slicer.vtkMRMLPlotViewNode.InteractionModeSelectPoints)
        for number in range(layoutManager.plotViewCount):
            widget = layoutManager.plotWidget(number)
            if widget.mrmlPlotViewNode() is node and widget.plotView() is not self._view:
                self.close()
                self._view = widget.plotView()
                self._view.connect(SIGNAL, self._selected)
        if self._view is not None:
            self._view.fitToContent()  # the map of a group that is asked again is the same chart with other points

    def close(self) -> None:
        """Listen no more."""
        if self._view is not None:
            self._view.disconnect(SIGNAL, self._selected)
            self._view = None

    def _selected(self, seriesIds, indices) -> None:
        """Several patches may lie in the rectangle that was drawn: the first one counts."""
        if self._group is None or not self._group.complete:
            return
        own = {series.GetID() for series in self._group.several(SERIES)}
        rows = rowsOf(self._group.get(PATCHES)) if self._group.get(PATCHES) is not None else []
        for number in range(seriesIds.GetNumberOfValues()):
            chosen = indices.GetItemAsObject(number)
            if seriesIds.GetValue(number) in own and chosen is not None and chosen.GetNumberOfValues():
                self._onPicked(rows[chosen.GetValue(0)])
                return
