"""What the scene says of a volume: its segmentation, its labels, whose it is. Kept at the nodes, saved with the scene."""

from __future__ import annotations

import math

import slicer
from MedSSLLib.scene.labelMaps import isCorrected, isEmpty, isPrediction, referenceVolume
from MedSSLLib.scene.madeNodes import isMade
from MedSSLLib.scene.volumeExport import isFlat

SEGMENTATION, PATIENT, LABEL = "MedSSL.segmentation", "MedSSL.Patient", "MedSSL.label."
UNSEGMENTED = "MedSSL.unsegmented"  # the user chose no segmentation; one without a choice has the newest
NAME_COLUMNS = ("volume", "image", "name")  # of a table of labels: which volume a row is about


def volumesOfScene(everything: bool = False) -> list:
    """Volumes and radiographs of the user's; label maps are of a derived class.

    Args:
        everything: also those that this extension made: heat maps, restorations, previews.
    """
    scalar = [n for n in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if _plain(n)]
    vector = [n for n in slicer.util.getNodesByClass("vtkMRMLVectorVolumeNode") if isFlat(n)]
    nodes = {node.GetID(): node for node in (*scalar, *vector)}  # the second class may derive from the first
    return [node for node in nodes.values() if not node.GetHideFromEditors() and (everything or not isMade(node))]


def _plain(node) -> bool:
    return node.GetClassName() == "vtkMRMLScalarVolumeNode"


def segmentationsOfScene() -> list:
    """Segmentation nodes that the user sees."""
    return [n for n in slicer.util.getNodesByClass("vtkMRMLSegmentationNode") if not n.GetHideFromEditors()]


def segmentationOf(volumeNode):
    """The segmentation that the user chose for a volume, if only none, else the newest one that was made on it, else None."""
    if volumeNode.GetAttribute(UNSEGMENTED):
        return None
    choice = volumeNode.GetNodeReference(SEGMENTATION)
    if choice is not None:
        return choice
    made = [node for node in segmentationsOfScene() if referenceVolume(node) is volumeNode]
    return made[-1] if made else None


def isLabelled(volumeNode) -> bool:
    """Whether somebody has segmented it; what a model predicted and nobody looked at teaches nothing."""
    segmentation = segmentationOf(volumeNode)
    if segmentation is None or isEmpty(segmentation):
        return False
    return not isPrediction(segmentation) or isCorrected(segmentation, volumeNode)


def mayBeUnlabelled(volumeNode) -> bool:
    """As `not isLabelled`, without looking at voxels: a corrected prediction may be unlabelled, too."""
    segmentation = segmentationOf(volumeNode)
    return segmentation is None or isPrediction(segmentation) or isEmpty(segmentation)


def setSegmentation(volumeNode, segmentationNode) -> None:
    """Choose a volume's segmentation; None: it has none, whatever was made on it."""
    volumeNode.SetAttribute(UNSEGMENTED, "1" if segmentationNode is None else None)
    volumeNode.SetNodeReferenceID(SEGMENTATION, segmentationNode.GetID() if segmentationNode is not None else None)


def label(volumeNode, column: str) -> str:
    """A volume's label as the user wrote it; "" where it is unknown."""
    return volumeNode.GetAttribute(LABEL + column) or ""


def setLabel(volumeNode, column: str, text: str) -> None:
    """Keep a volume's label; "" forgets it."""
    volumeNode.SetAttribute(LABEL + column, text.strip() or None)


def labelsOf(volumeNode, columns) -> dict[str, float | str]:
    """A volume's labels as VolumeRef takes them: numbers where they are numbers, without the unknown ones."""
    texts = {column: label(volumeNode, column) for column in columns}
    return {column: _value(text) for column, text in texts.items() if text}


def patientOf(volumeNode) -> str:
    """Whose image it is: as the user wrote it, else as the subject hierarchy says (DICOM); "": nobody knows."""
    written = volumeNode.GetAttribute(PATIENT)
    if written:
        return written
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(volumeNode)
    while item and item != hierarchy.GetSceneItemID():
        if hierarchy.GetItemLevel(item) == "Patient":
            return hierarchy.GetItemName(item)
        item = hierarchy.GetItemParent(item)
    return ""


def setPatient(volumeNode, text: str) -> None:
    """Keep whose image it is; "": as the subject hierarchy says."""
    volumeNode.SetAttribute(PATIENT, text.strip() or None)


def takeTable(tableNode) -> tuple[str, ...]:
    """Take labels from a table node, a row per volume of the scene; returns the columns of labels.

    The row's volume is named in a column called volume, image or name, else in the first one; a column called patient
    says whose it is.
    """
    columns = [tableNode.GetColumnName(number) for number in range(tableNode.GetNumberOfColumns())]
    names = next((n for n, column in enumerate(columns) if column.lower() in NAME_COLUMNS), 0)
    volumes = {node.GetName(): node for node in volumesOfScene()}
    for row in range(tableNode.GetNumberOfRows()):
        node = volumes.get(tableNode.GetCellText(row, names))
        if node is None:
            continue
        for number, column in enumerate(columns):
            text = tableNode.GetCellText(row, number)
            if column.lower() == "patient":
                setPatient(node, text)
            elif number != names:
                setLabel(node, column, "" if text.lower() == "nan" else text)
    return tuple(c for n, c in enumerate(columns) if n != names and c.lower() != "patient")


def labelText(value) -> str:
    """A label of a script or a table as the user would write it; "" for None and NaN."""
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, bool) else str(value)


def _value(text: str) -> float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text
