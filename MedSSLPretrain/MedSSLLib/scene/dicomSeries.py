"""What DICOM says of a volume that Slicer loaded from it, and its voxels do not: modality, and the window of a radiograph."""

from __future__ import annotations

import numpy as np
import slicer

from medssl.images.intensity.voi_window import RADIOGRAPHS, ends, unusable

MODALITY, INSTANCES = "DICOM.Modality", "DICOM.instanceUIDs"  # of the subject hierarchy's item, of the volume node
CENTER, WIDTH, FUNCTION = "0028,1050", "0028,1051", "0028,1056"
MODALITIES = {"CT": "CT", "MR": "MR", **dict.fromkeys(RADIOGRAPHS, "CXR")}


def modalityOf(volumeNode) -> str:
    """CT, MR or CXR: as our attribute says, else as DICOM does; "": nobody knows, or it is something else."""
    return volumeNode.GetAttribute("MedSSL.Modality") or MODALITIES.get(_modality(volumeNode), "")


def statedWindow(volumeNode, voxels: np.ndarray) -> tuple[float, float] | None:
    """The values that become black and white in a radiograph from DICOM, by the first window that can be used; None: none is stated.

    Slicer keeps the values as they were stored and the window for display alone. Where the backend reads the file itself it applies
    the window, as viewers do, and so did the files that a model learnt from.
    """
    if _modality(volumeNode) not in RADIOGRAPHS:
        return None
    function = _tag(volumeNode, FUNCTION)
    for center, width in _windows(volumeNode):
        if width > 1 and not unusable(center, width, voxels, function):
            return ends(center, width)
    return None


def _modality(volumeNode) -> str:
    """As DICOM writes it, "" where the volume does not come from there."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(volumeNode) if hierarchy is not None else 0
    return hierarchy.GetItemAttribute(item, MODALITY) if item else ""


def _windows(volumeNode) -> list[tuple[float, float]]:
    """Centres and widths: all that the database knows, else the one that was kept for display (Slicer drops lists of them)."""
    try:
        stated = [[float(part) for part in _tag(volumeNode, tag).split("\\") if part] for tag in (CENTER, WIDTH)]
    except ValueError:
        stated = [[], []]
    if all(stated):
        return list(zip(*stated))
    display = volumeNode.GetDisplayNode()
    if display is None:
        return []
    return [
        (display.GetLevelPreset(n), display.GetWindowPreset(n)) for n in range(display.GetNumberOfWindowLevelPresets())
    ]


def _tag(volumeNode, tag: str) -> str:
    """A tag of the volume's first file, as long as Slicer's database holds it; else ""."""
    database, instances = getattr(slicer, "dicomDatabase", None), (volumeNode.GetAttribute(INSTANCES) or "").split()
    return database.instanceValue(instances[0], tag) if database is not None and instances else ""
