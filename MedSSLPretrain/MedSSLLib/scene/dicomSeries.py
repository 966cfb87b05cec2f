"""What DICOM says of a volume that Slicer loaded from it, and its voxels do not: modality, polarity and window of a radiograph."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import slicer

from medssl.images.intensity.voi_window import RADIOGRAPHS, ends, unusable

MODALITY, INSTANCES = "DICOM.Modality", "DICOM.instanceUIDs"  # of the subject hierarchy's item, of the volume node
FACTS = "MedSSL.Dicom"  # of the volume node: what was found, for scenes that are opened where the database is another
TAGS = {"center": "0028,1050", "width": "0028,1051", "function": "0028,1056", "photometric": "0028,0004"}
MODALITIES = {"CT": "CT", "MR": "MR", **dict.fromkeys(RADIOGRAPHS, "CXR")}
NEGATIVE = "MONOCHROME1"

# node id -> (modification time of the voxels, facts, window): percentiles of a large radiograph take a quarter of a second
_windows: dict[str, tuple[int, str, tuple[float, float] | None]] = {}


def modalityOf(volumeNode) -> str:
    """CT, MR or CXR: as our attribute says, else as DICOM does; "": nobody knows, or it is something else."""
    return volumeNode.GetAttribute("MedSSL.Modality") or MODALITIES.get(_facts(volumeNode).get("modality", ""), "")


def isNegative(volumeNode) -> bool:
    """Whether DICOM says that high values are dark. Slicer leaves such values as they are, and shows them so."""
    return _facts(volumeNode).get("photometric") == NEGATIVE


def statedWindow(volumeNode, voxels: np.ndarray) -> tuple[float, float] | None:
    """The values that become black and white in a radiograph from DICOM, by the first window that can be used; None: none is stated.

    Slicer keeps the values as they were stored and the window for display alone. Where the backend reads the file itself it applies
    the window, as viewers do, and so did the files that a model learnt from.
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
        for center, width in _stated(facts) or _presets(volumeNode)
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
    facts = {"modality": hierarchy.GetItemAttribute(item, MODALITY) if item else ""}
    database, instances = getattr(slicer, "dicomDatabase", None), (volumeNode.GetAttribute(INSTANCES) or "").split()
    if database is not None and instances:
        facts |= {name: database.instanceValue(instances[0], tag) for name, tag in TAGS.items()}
    if facts.get("photometric"):
        volumeNode.SetAttribute(FACTS, json.dumps(facts))
    return facts


def _stated(facts: dict[str, Any]) -> list[tuple[float, float]]:
    """Centres and widths of the file."""
    try:
        centers, widths = (
            [float(part) for part in facts.get(name, "").split("\\") if part] for name in ("center", "width")
        )
    except ValueError:
        return []
    return list(zip(centers, widths))


def _presets(volumeNode) -> list[tuple[float, float]]:
    """What Slicer keeps for display where the file states one window; lists of them it drops."""
    display = volumeNode.GetDisplayNode()
    if display is None:
        return []
    numbers = range(display.GetNumberOfWindowLevelPresets())
    return [(display.GetLevelPreset(n), display.GetWindowPreset(n)) for n in numbers]
