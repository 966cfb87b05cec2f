"""Classes common to several segmentations: segments of one name are one class."""

from __future__ import annotations

from typing import Any

import numpy as np
from MedSSLLib.scene.labelMaps import labelArray, segmentFacts
from slicer.i18n import tr as _

from medssl.core.errors import VolumeError


def commonClasses(segmentationNodes, known=()) -> list[dict[str, Any]]:
    """A value for each name of segments, as SegmentationConfig.classes takes them in JSON: value, name, colour, terminology.

    Args:
        segmentationNodes: their segments get values 1, 2, ... in the order in which their names appear.
        known: the classes of the model one goes on from, whose values stay as they are; those that no node has are left
            out.
    """
    values = {entry["name"]: int(entry["value"]) for entry in known}
    free = max(values.values(), default=0) + 1
    classes: dict[str, dict[str, Any]] = {}
    for facts in (facts for node in segmentationNodes for facts in segmentFacts(node)):
        if facts.name in classes:
            continue
        if facts.name not in values:
            values[facts.name], free = free, free + 1
        about = dict(colour=facts.colour, terminology=facts.terminology)
        classes[facts.name] = {"value": values[facts.name], "name": facts.name, **about}
    return sorted(classes.values(), key=lambda entry: entry["value"])


def classArray(segmentationNode, volumeNode, classes) -> np.ndarray:
    """A segmentation in the common values, indexed [k, j, i].

    Raises:
        VolumeError: no voxel of the volume is labelled.
    """
    values = {entry["name"]: entry["value"] for entry in classes}
    table = [0, *(values[facts.name] for facts in segmentFacts(segmentationNode))]
    array = np.asarray(table, np.uint8 if max(table) < 256 else np.int16)[labelArray(segmentationNode, volumeNode)]
    if not array.any():
        rule = _("labels no voxel of {volume}").format(volume=volumeNode.GetName())
        raise VolumeError(
            segmentationNode.GetName(), rule, _("Segment something in it, or choose another segmentation")
        )
    return array
