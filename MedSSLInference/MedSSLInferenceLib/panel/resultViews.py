"""A result of the scene in its layout and views, and in the section that makes such results."""

from __future__ import annotations

from collections.abc import Callable

from MedSSLInferenceLib.scene.restorationNodes import restorationOf
from MedSSLInferenceLib.scene.results import (
    CASES,
    PLACES,
    RESTORATION,
    SALIENCY,
    SEGMENTATION,
    UNCERTAINTY,
    Result,
    reveal,
)
from MedSSLInferenceLib.views.saliencyOverlay import saliencyOf
from MedSSLInferenceLib.views.segmentViews import showSegmented
from MedSSLInferenceLib.views.tableViews import showTable


class ResultViews:
    """Shows results.

    Args:
        restore, radiographs, volumes, predict, retrieve: sections of the panel.
        layoutManager: function that returns Slicer's layout manager or None.
    """

    def __init__(self, restore, radiographs, volumes, predict, retrieve, layoutManager: Callable) -> None:
        self._restore, self._radiographs, self._volumes = restore, radiographs, volumes
        self._predict, self._retrieve = predict, retrieve
        self._layoutManager = layoutManager

    def show(self, result: Result) -> None:
        """Show a result alone over its images; tables go below the views."""
        reveal(result)
        if result.kind == RESTORATION:
            self._restore.showRestoration(restorationOf(result))
        elif result.group is not None:
            self._radiographs.showResult(result)
        elif result.kind == PLACES:
            self._volumes.showResult(result)
        elif result.kind == SEGMENTATION:
            showSegmented(result.images[0], self._layoutManager())
        elif result.kind == UNCERTAINTY:
            showSegmented(result.images[0], self._layoutManager(), result.layers[0])
        elif result.kind == SALIENCY:
            self._predict.showMap(saliencyOf(result))
        elif result.kind == CASES and result.node("case") is not None:
            self._retrieve.showCase(result.images[0], result.node("case"))
        elif result.node("table") is not None:
            showTable(result.node("table"), self._layoutManager())
