"""The view layout of a restoration: Original | Distorted over Restored | Error, linked."""

from __future__ import annotations

from MedSSLLib.scene.sliceOffsets import holdOffsets, middleOffset
from MedSSLLib.steps import Pause, Steps
from slicer.i18n import tr as _

from MedSSLInferenceLib.scene.presence import requirePresent
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


def fourUpSteps(restoration, layoutManager) -> Steps:
    """Switch to the four-up layout and show the restoration's volumes in it, fitted and linked, one view an event loop.

    Args:
        restoration: has the volume nodes `original`, `distorted`, `restored`, `error`.
        layoutManager: a qMRMLLayoutManager, or None where Slicer runs without a main window.
    """
    if layoutManager is None:
        return
    layoutManager.setLayout(LAYOUT_ID)
    widgets = {name: layoutManager.sliceWidget(name) for name, _colour in VIEWS.values()}
    volumes = {name: getattr(restoration, key) for key, (name, _colour) in VIEWS.items()}
    for name, widget in widgets.items():
        yield Pause(0.0)
        requirePresent(volumes.values(), _("Restore the volume again"))
        _show(widget, volumes[name])
    offsets = {name: middleOffset(widget.mrmlSliceNode(), volumes[name]) for name, widget in widgets.items()}
    holdOffsets(layoutManager, offsets, lambda: _link(widgets.values()))


def _link(widgets) -> None:
    """Not before: a view that still has to settle would take the others with it."""
    for widget in widgets:
        widget.mrmlSliceCompositeNode().SetLinkedControl(True)


def _show(widget, volumeNode) -> None:
    """Background, and orientation along the voxel axes; unlinked meanwhile, so that each view acts alone."""
    composite = widget.mrmlSliceCompositeNode()
    composite.SetLinkedControl(False)
    composite.SetBackgroundVolumeID(volumeNode.GetID())
    composite.SetForegroundVolumeID(None)
    composite.SetLabelVolumeID(None)
    sliceNode = widget.mrmlSliceNode()
    sliceNode.SetViewGroup(VIEW_GROUP)  # scenes of earlier versions hold these views in the group of the preview
    sliceNode.SetOrientation("Axial")
    sliceNode.RotateToVolumePlane(volumeNode)


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
