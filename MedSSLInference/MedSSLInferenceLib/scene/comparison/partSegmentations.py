"""Anatomical parts as segmentations: common numbers, names and colours in all radiographs of a group."""

from __future__ import annotations

import slicer
import vtk
from MedSSLLib.scene.labelMaps import segmentsOf
from MedSSLLib.steps import Pause, Steps
from slicer.i18n import tr as _

from medssl.client.volumes import read_nrrd_bytes
from MedSSLInferenceLib.scene.comparison.radiographGroup import PART_TABLE, PARTS, RadiographGroup, groups
from MedSSLInferenceLib.scene.labelMapSegments import describe, importLabels
from MedSSLInferenceLib.scene.overlayViews import bindOverlay
from MedSSLInferenceLib.scene.presence import requirePresent
from MedSSLInferenceLib.scene.tableNodes import createTable, fillTable

TAG = "MedSSL.part"  # the part's number, by which segments of different images belong together
OPACITY = 0.35  # of the fill: the radiograph shows through


def partSteps(group: RadiographGroup, rows, labelMaps: list[bytes]) -> Steps:
    """A vtkMRMLSegmentationNode per image; those of an earlier run are filled anew.

    A conversation that only pauses: the views draw one segmentation after the other.

    Args:
        rows: of a CosegmentRequest's answer: part, name, colour, ...
        labelMaps: NRRD bytes per image, of the image's size.

    Returns:
        The segmentations.
    """
    partNames.leave(group)
    arrays = [read_nrrd_bytes(data)[0] for data in labelMaps]  # all before the scene changes: one may be damaged
    nodes = []
    for number, (image, array) in enumerate(zip(group.images, arrays)):
        name = _("{image} parts").format(image=image.GetName())
        node = group.create("vtkMRMLSegmentationNode", name, PARTS, number)
        _fill(node, image, array)
        _describe(node, rows)
        nodes.append(node)
        yield Pause(0.0)
        requirePresent([*group.images, *nodes], _("Load it and compare again"))
    table = group.get(PART_TABLE)
    if table is not None:
        fillTable(table, rows)
    else:
        names = ", ".join(image.GetName() for image in group.images)
        group.set(PART_TABLE, createTable(rows, _("Parts of {names}").format(names=names)))
    partNames.follow(group)
    return nodes


def _fill(node, image, array) -> None:
    importLabels(node, image, array)
    node.GetDisplayNode().SetOpacity2DFill(OPACITY)
    bindOverlay(node)


def _describe(node, rows) -> None:
    """Number, name, colour and terminology of each segment; a new segment bears its label in the map as value."""
    parts = {row["part"]: row for row in rows}
    for segment in segmentsOf(node):
        row = parts[segment.GetLabelValue()]
        segment.SetTag(TAG, str(row["part"]))
        describe(segment, row["name"], row["colour"])


class PartNames:
    """Keeps names and colours of parts equal: renaming a segment renames it in every image of its group."""

    def __init__(self) -> None:
        self._observed: dict[str, list[tuple]] = {}  # by group
        self._copying = False

    def follow(self, group: RadiographGroup) -> None:
        """Watch the segmentations of a group from now on."""
        self.leave(group)
        observed = self._observed[group.key] = []
        for number, node in enumerate(group.all(PARTS)):
            if node is not None:
                tag = node.GetSegmentation().AddObserver(  # the observer holds no nodes, which may be removed meanwhile
                    slicer.vtkSegmentation.SegmentModified,
                    lambda _caller, _event, key=group.key, number=number: self._copy(key, number),
                )
                observed.append((node.GetSegmentation(), tag))

    def leave(self, group: RadiographGroup) -> None:
        """Watch the segmentations of a group no more."""
        for segmentation, tag in self._observed.pop(group.key, ()):
            segmentation.RemoveObserver(tag)

    def clear(self) -> None:
        """The scene is closed."""
        for observed in self._observed.values():
            for segmentation, tag in observed:
                segmentation.RemoveObserver(tag)
        self._observed = {}

    def _copy(self, key: str, number: int) -> None:
        """The event's data, a segment's ID, does not arrive in every Python: compare all of them, they are few."""
        group = next((group for group in groups() if group.key == key), None)
        nodes = group.all(PARTS) if group is not None else []
        if self._copying or not nodes or nodes[number] is None:
            return
        self._copying = True
        try:
            parts = {part(segment): segment for segment in segmentsOf(nodes[number]) if part(segment)}
            others = [node for node in nodes if node is not None and node is not nodes[number]]
            for segment in (segment for other in others for segment in segmentsOf(other)):
                _imitate(segment, parts.get(part(segment)))
        finally:
            self._copying = False


partNames = PartNames()  # one for panel and console: whoever makes segmentations, their names stay equal


def part(segment) -> str:
    """The part's number that a segment bears; "" for one that the user added."""
    found = vtk.reference("")
    return str(found) if segment.GetTag(TAG, found) else ""


def _imitate(segment, model) -> None:
    if model is None:
        return
    if segment.GetName() != model.GetName():
        segment.SetName(model.GetName())
    if segment.GetColor() != model.GetColor():
        segment.SetColor(*model.GetColor())
