"""Two volumes one above the other, each in three planes; both at the same anatomy, wherever that lies in either."""

from __future__ import annotations

import numpy as np
import slicer
from MedSSLLib.scene.sliceOffsets import holdOffsets
from MedSSLLib.steps import Pause, Steps
from slicer.i18n import tr as _

from MedSSLInferenceLib.scene.comparison.placeNodes import HEAT, MATCHES, Places
from MedSSLInferenceLib.scene.overlayViews import bindOverlays, layOver
from MedSSLInferenceLib.scene.presence import requirePresent

LAYOUT_ID = 7360  # any number above 100 that other extensions are unlikely to have taken
VIEW_GROUPS = (7360, 7361)  # linking stays inside a volume's row: the other is at a place of its own
PLANES = {"Axial": "#4D9DE0", "Sagittal": "#E1A32F", "Coronal": "#3BB273"}
ROWS = ("From", "In")


def viewName(row: int, plane: str) -> str:
    """The layout name of a view: 0 the volume that points lie in, 1 the one that is searched."""
    return f"MedSSL{ROWS[row]}{plane}"


def layoutXml() -> str:
    """The description that Slicer's layout manager reads."""
    body = "".join(f"<item>{_rowXml(row)}</item>" for row in range(len(ROWS)))
    return f'<layout type="vertical" split="true">{body}</layout>'


def placesViewSteps(places: Places, layoutManager, opacity: float, number: int = 0) -> Steps:
    """Switch to the layout and show both volumes in it at a point and its match, one view an event loop.

    Args:
        layoutManager: a qMRMLLayoutManager, or None where Slicer runs without a main window.
        opacity: of the heat map, 0...1.
        number: of the point.
    """
    if layoutManager is None:
        return
    layoutManager.setLayout(LAYOUT_ID)
    for row, volume in enumerate((places.source, places.target)):
        for plane in PLANES:
            yield Pause(0.0)
            requirePresent([volume], _("Search again"))
            _show(layoutManager.sliceWidget(viewName(row, plane)), volume, plane, opacity)
    bindOverlays()
    showHeatOver(places)
    offsets = _offsets(places, layoutManager, number)
    if offsets:
        holdOffsets(layoutManager, offsets)


def isShown(places: Places, layoutManager) -> bool:
    """Whether the views of the current layout show the two volumes."""
    if layoutManager is None or layoutManager.layout != LAYOUT_ID or not places.complete:
        return False
    widgets = [layoutManager.sliceWidget(viewName(row, "Axial")) for row in range(len(ROWS))]
    shown = [w.mrmlSliceCompositeNode().GetBackgroundVolumeID() if w is not None else None for w in widgets]
    return shown == [places.source.GetID(), places.target.GetID()]


def goTo(places: Places, layoutManager, number: int) -> None:
    """Bring the views to a point and its match: the rows of a volume each go to their own."""
    if isShown(places, layoutManager):
        for name, offset in _offsets(places, layoutManager, number).items():
            layoutManager.sliceWidget(name).mrmlSliceNode().SetSliceOffset(offset)


def showHeatOver(places: Places) -> None:
    """Lay the heat map over the searched volume."""
    heat = places.get(HEAT)
    if heat is not None:
        layOver([heat])


def setOpacity(places: Places, layoutManager, opacity: float) -> None:
    """Of the heat map in the views."""
    if isShown(places, layoutManager):
        for plane in PLANES:
            layoutManager.sliceWidget(viewName(1, plane)).mrmlSliceCompositeNode().SetForegroundOpacity(opacity)


def _offsets(places: Places, layoutManager, number: int) -> dict[str, float]:
    """Slice offsets, by view, at which a point and its match are seen."""
    offsets = {}
    for row, node in enumerate((places.points, places.get(MATCHES))):
        if node is None or number >= node.GetNumberOfControlPoints():
            continue
        place = np.array(node.GetNthControlPointPositionWorld(number))
        for plane in PLANES:
            sliceNode = layoutManager.sliceWidget(viewName(row, plane)).mrmlSliceNode()
            normal = slicer.util.arrayFromVTKMatrix(sliceNode.GetSliceToRAS())[:3, 2]
            offsets[viewName(row, plane)] = float(normal @ place)
    return offsets


def _show(widget, volumeNode, plane: str, opacity: float) -> None:
    composite = widget.mrmlSliceCompositeNode()
    composite.SetLinkedControl(False)
    composite.SetBackgroundVolumeID(volumeNode.GetID())
    composite.SetForegroundVolumeID(None)
    composite.SetLabelVolumeID(None)
    composite.SetForegroundOpacity(opacity)
    widget.mrmlSliceNode().SetOrientation(plane)
    widget.fitSliceToBackground()


def _rowXml(row: int) -> str:
    items = "".join(f"<item>{_viewXml(row, plane)}</item>" for plane in PLANES)
    return f'<layout type="horizontal" split="true">{items}</layout>'


def _viewXml(row: int, plane: str) -> str:
    return (
        f'<view class="vtkMRMLSliceNode" singletontag="{viewName(row, plane)}">'
        f'<property name="orientation" action="default">{plane}</property>'
        f'<property name="viewlabel" action="default">{row + 1}{plane[0]}</property>'
        f'<property name="viewcolor" action="default">{PLANES[plane]}</property>'
        f'<property name="viewgroup" action="default">{VIEW_GROUPS[row]}</property>'
        "</view>"
    )
