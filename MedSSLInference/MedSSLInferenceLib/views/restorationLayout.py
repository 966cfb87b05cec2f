"""The view layout of a restoration: Original | Distorted over Restored | Error, linked."""

from __future__ import annotations

import qt
import slicer

from MedSSLInferenceLib.scene.restorationNodes import imageTitles

LAYOUT_ID = 7310  # any number above 100 that other extensions are unlikely to have taken
VIEW_GROUP = 7310  # linking stays inside the group: the user's own slice views do not follow
VIEWS = {
    "original": ("MedSSLOriginal", "#4D9DE0"),
    "distorted": ("MedSSLDistorted", "#E1A32F"),
    "restored": ("MedSSLRestored", "#3BB273"),
    "error": ("MedSSLError", "#C0504D"),
}


def layoutXml() -> str:
    """The description that Slicer's layout manager reads."""
    rows = [("original", "distorted"), ("restored", "error")]
    body = "".join(f"<item>{_rowXml(row)}</item>" for row in rows)
    return f'<layout type="vertical" split="true">{body}</layout>'


def showFourUp(restoration, layoutManager) -> bool:
    """Switch to the four-up layout and show the restoration's volumes in it, fitted and linked.

    Args:
        restoration: has the volume nodes `original`, `distorted`, `restored`, `error`.
        layoutManager: a qMRMLLayoutManager, or None where Slicer runs without a main window.

    Returns:
        Whether there was a layout manager to show it in.
    """
    if layoutManager is None:
        return False
    _addLayout(layoutManager.layoutLogic().GetLayoutNode())
    layoutManager.setLayout(LAYOUT_ID)
    widgets = {key: layoutManager.sliceWidget(name) for key, (name, _colour) in VIEWS.items()}
    for key, widget in widgets.items():
        _show(widget, getattr(restoration, key))
    for widget in widgets.values():
        widget.mrmlSliceCompositeNode().SetLinkedControl(True)
    qt.QTimer.singleShot(0, slicer.util.resetSliceViews)  # new views have their size only when the event loop has run
    return True


def _addLayout(layoutNode) -> None:
    if layoutNode.IsLayoutDescription(LAYOUT_ID):
        layoutNode.SetLayoutDescription(LAYOUT_ID, layoutXml())
    else:
        layoutNode.AddLayoutDescription(LAYOUT_ID, layoutXml())


def _show(widget, volumeNode) -> None:
    """Background, orientation along the voxel axes, centre and zoom; unlinked meanwhile, so that each view acts alone."""
    composite = widget.mrmlSliceCompositeNode()
    composite.SetLinkedControl(False)
    composite.SetBackgroundVolumeID(volumeNode.GetID())
    composite.SetForegroundVolumeID(None)
    composite.SetLabelVolumeID(None)
    sliceNode = widget.mrmlSliceNode()
    sliceNode.SetOrientation("Axial")
    sliceNode.RotateToVolumePlane(volumeNode)
    widget.fitSliceToBackground()
    bounds = [0.0] * 6
    volumeNode.GetRASBounds(bounds)
    sliceNode.JumpSliceByCentering(*((bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)))


def _rowXml(keys: tuple[str, ...]) -> str:
    items = "".join(f"<item>{_viewXml(key)}</item>" for key in keys)
    return f'<layout type="horizontal" split="true">{items}</layout>'


def _viewXml(key: str) -> str:
    name, colour = VIEWS[key]
    return (
        f'<view class="vtkMRMLSliceNode" singletontag="{name}">'
        '<property name="orientation" action="default">Axial</property>'
        f'<property name="viewlabel" action="default">{imageTitles()[key]}</property>'
        f'<property name="viewcolor" action="default">{colour}</property>'
        f'<property name="viewgroup" action="default">{VIEW_GROUP}</property>'
        "</view>"
    )
