"""What DICOM says of a volume that Slicer loaded from it, and its voxels do not: modality, and the window of a radiograph."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import slicer

from medssl.images.intensity.voi_window import RADIOGRAPHS, ends, unusable

MODALITY, INSTANCES = "DICOM.Modality", "DICOM.instanceUIDs"  # of the subject hierarchy's item, of the volume node
FACTS = "MedSSL.Dicom"  # of the volume node: what was found, for scenes that are opened where the database is another
TAGS = {
    "modality": "0008,0060", "center": "0028,1050", "width": "0028,1051", "function": "0028,1056",
    "photometric": "0028,0004", "bits": "0028,0101", "intercept": "0028,1052", "slope": "0028,1053",
}  # fmt: skip
MODALITIES = {"CT": "CT", "MR": "MR", **dict.fromkeys(RADIOGRAPHS, "CXR")}
NEGATIVE = "MONOCHROME1"

# node id -> (modification time of the voxels, facts, window): percentiles of a large radiograph take a quarter of a second
_windows: dict[str, tuple[int, str, tuple[float, float] | None]] = {}


def modalityOf(volumeNode) -> str:
    """CT, MR or CXR: as our attribute says, else as DICOM does; "": nobody knows, or it is something else."""
    return volumeNode.GetAttribute("MedSSL.Modality") or MODALITIES.get(_facts(volumeNode).get("modality", ""), "")


def statedWindow(volumeNode, voxels: np.ndarray) -> tuple[float, float] | None:
    """The values that become black and white in a radiograph from DICOM, by the first window that can be used; None: none is stated.

    Slicer keeps the window for display alone. Where the backend reads the file itself it applies the window, as viewers do, and so
    did the files that a model learnt from.
    """
    facts = _facts(volumeNode)
    if facts.get("modality") not in RADIOGRAPHS:
        return None
    state = (volumeNode.GetImageData().GetMTime(), json.dumps([facts, _presets(volumeNode)]))
    known = _windows.get(volumeNode.GetID())
    if known is not None and known[:2] == state:
        return known[2]
    usable = (
        ends(center, width)
        for center, width in _turned(_stated(facts) or _presets(volumeNode), facts)
        if width > 1 and not unusable(center, width, voxels, facts.get("function", ""))
    )
    found = next(usable, None)
    _windows[volumeNode.GetID()] = (*state, found)
    return found


def inWindow(voxels: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """The voxels, of their type, none darker than black and none brighter than white."""
    low, high = window
    if voxels.dtype.kind in "iu":
        limits = np.iinfo(voxels.dtype)
        low, high = max(int(np.floor(low)), limits.min), min(int(np.ceil(high)), limits.max)
    return voxels.clip(low, high)


def _facts(volumeNode) -> dict[str, Any]:
    """Modality and `TAGS` of the volume's first file, kept with the node once they were seen."""
    kept = volumeNode.GetAttribute(FACTS)
    if kept:
        return json.loads(kept)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(volumeNode) if hierarchy is not None else 0
    modality = hierarchy.GetItemAttribute(item, MODALITY) if item else ""  # copies of a volume have none
    facts: dict[str, Any] = {}
    database, instances = getattr(slicer, "dicomDatabase", None), (volumeNode.GetAttribute(INSTANCES) or "").split()
    if database is not None and instances:
        facts = {name: database.instanceValue(instances[0], tag) for name, tag in TAGS.items()}
    if facts.get("modality"):
        volumeNode.SetAttribute(FACTS, json.dumps(facts))
    return {**facts, "modality": facts.get("modality") or modality}


def _stated(facts: dict[str, Any]) -> list[tuple[float, float]]:
    """Centres and widths of the file."""
    try:
        centers, widths = (
            [float(part) for part in facts.get(name, "").split("\\") if part] for name in ("center", "width")
        )
    except ValueError:
        return []
    return list(zip(centers, widths))


def _turned(windows: list[tuple[float, float]], facts: dict[str, Any]) -> list[tuple[float, float]]:
    """The windows on the values as they are in the node: Slicer's reader (ITK's) turns MONOCHROME1 about all that its bits can hold,
    windows are stated of the values before. () where the file does not say enough.
    """  # fmt: skip
    if facts.get("photometric") != NEGATIVE:
        return windows
    try:
        most = 2 ** int(facts["bits"]) - 1
        slope, intercept = float(facts["slope"] or 1), float(facts["intercept"] or 0)
    except (KeyError, ValueError):
        return []
    # centres follow "black" and "white", which DICOM places half a value and a value below: see `ends`
    return [(slope * most + 2 * intercept - center + 1, width) for center, width in windows]


def _presets(volumeNode) -> list[tuple[float, float]]:
    """What Slicer keeps for display where the file states one window; lists of them it drops."""
    display = volumeNode.GetDisplayNode()
    if display is None:
        return []
    numbers = range(display.GetNumberOfWindowLevelPresets())
    return [(display.GetLevelPreset(n), display.GetWindowPreset(n)) for n in numbers]
