"""Every result that this extension has left in the scene: what it is, of which images, whether it is shown.

Of one image only one result is shown at a time: a new one, or one that is shown again, hides the others of its images.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import slicer

from MedSSLInferenceLib.scene.comparison.radiographGroup import (
    CIRCLE,
    FIND,
    LAYERS,
    MATCH,
    PARTS,
    POINTS,
    RESULTS,
    RadiographGroup,
    groups,
)  # fmt: skip
from MedSSLInferenceLib.scene.overlayViews import HIDDEN, bindOverlays, imageOf, layOver

RESTORATION, SEGMENTATION, UNCERTAINTY, SALIENCY, PREDICTION, CASES, LANDMARKS, PLACES = (
    "restoration", "segments", "uncertainty", "saliency", "prediction", "cases", "landmarks", "places",
)  # fmt: skip
KIND, ROLE, MADE = "MedSSL.result", "MedSSL.role", "MedSSL.made"  # attributes of result nodes
KEY = "MedSSL.resultKey"  # attribute: equal for the nodes of one result
SALIENCY_KEY, SALIENCY_LABEL = "MedSSL.saliency", "MedSSL.saliencyLabel"


@dataclass(frozen=True)
class Result:
    """Nodes that came of one question.

    Attributes:
        kind: one of the constants above, or of a comparison a key of its RESULTS.
        key: unique in the scene, and the same after saving and loading.
        images: the images that it was computed from; None where one was removed.
        nodes: all of its nodes.
        overlays: those drawn over its images: points, segmentations.
        layers: volumes that lie over its images: heat maps.
        group: the comparison that it belongs to, or None.
        made: when, as an ISO time; "" where that was not noted.
    """

    kind: str
    key: str
    images: tuple
    nodes: tuple
    overlays: tuple = ()
    layers: tuple = ()
    group: RadiographGroup | None = field(default=None, compare=False)
    made: str = ""

    @property
    def complete(self) -> bool:
        """Whether all of its images are still there."""
        return bool(self.images) and None not in self.images

    @property
    def covers(self) -> bool:
        """Whether it is drawn over its images, so that it can be hidden."""
        return bool(self.overlays or self.layers)

    def node(self, role: str) -> Any:
        """The node with a role, or None."""
        return next((node for node in self.nodes if node.GetAttribute(ROLE) == role), None)


def mark(nodes: dict[str, Any], kind: str, images) -> None:
    """Note in the scene that nodes are one result.

    Args:
        nodes: by their roles; each names its image itself if it is of one image only.
        kind: of the result.
        images: what all of them were computed from.
    """
    keys = {node.GetAttribute(KEY) for node in slicer.util.getNodesByClass("vtkMRMLStorableNode")}
    key = next(f"{kind}-{n}" for n in range(1, len(keys) + 2) if f"{kind}-{n}" not in keys)
    for role, node in nodes.items():
        for name, value in ((KIND, kind), (KEY, key), (ROLE, role), (MADE, now())):
            node.SetAttribute(name, value)
        if imageOf(node) is None:
            for image in images:
                node.AddNodeReferenceID("MedSSL.source", image.GetID())


def joinResult(node, member, role: str) -> None:
    """Note that a node belongs to the result of another one, from which it was made later."""
    for name, value in ((KIND, member.GetAttribute(KIND)), (KEY, member.GetAttribute(KEY)), (ROLE, role)):
        node.SetAttribute(name, value)


def now() -> str:
    """The time as results note it."""
    return datetime.now().isoformat(timespec="milliseconds")


def results() -> list[Result]:
    """All results of the scene, the newest first."""
    found = [*_comparisons(), *_saliencies(), *_segmentations(), *_marked()]
    return sorted(found, key=lambda result: result.made, reverse=True)


def find(key: str) -> Result | None:
    """The result with this key, or None."""
    return next((result for result in results() if result.key == key), None)


def resultOf(node) -> Result | None:
    """The result that a node belongs to, or None."""
    return next((result for result in results() if node in result.nodes), None)


def isShown(result: Result) -> bool:
    """Whether it is drawn wherever its images are shown."""
    return any(map(_visible, result.overlays)) or any(layer.GetAttribute(HIDDEN) != "1" for layer in result.layers)


def setShown(result: Result, shown: bool) -> None:
    """Draw it wherever its images are shown, or nowhere."""
    for node in result.overlays:
        for number in range(node.GetNumberOfDisplayNodes()):
            node.GetNthDisplayNode(number).SetVisibility(shown)
    for layer in result.layers:
        layer.SetAttribute(HIDDEN, "0" if shown else "1")
    layOver(result.layers)
    bindOverlays()


def reveal(result: Result | None) -> None:
    """Show it, and hide the other results of its images."""
    if result is None:
        return
    images = [image for image in result.images if image is not None]
    for other in results():
        overlaps = other.key != result.key and any(image in other.images for image in images)
        if overlaps and other.covers and isShown(other):
            setShown(other, False)
    if result.covers:
        setShown(result, True)


def revealKind(group: RadiographGroup, kind: str) -> None:
    """A comparison has a new result of a kind: show that."""
    for role in RESULTS[kind]:
        for node in group.having(role):
            node.SetAttribute(MADE, now())
    reveal(find(comparisonKey(group, kind)))


def comparisonKey(group: RadiographGroup, kind: str) -> str:
    """The key of a comparison's result."""
    return f"{group.key}.{kind}"


def _visible(node) -> bool:
    displays = [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]  # None while a scene is read
    return any(display is not None and display.GetVisibility() for display in displays)


def _comparisons() -> list[Result]:
    found = []
    for group in groups():
        for kind, roles in RESULTS.items():
            nodes = tuple(node for role in roles for node in group.having(role))
            if not nodes:
                continue
            overlays = tuple(
                node for role in (POINTS, FIND, MATCH, CIRCLE, PARTS) if role in roles for node in group.having(role)
            )
            layers = tuple(group.having(LAYERS[kind])) if kind in LAYERS else ()
            made = max(node.GetAttribute(MADE) or "" for node in nodes)
            key = comparisonKey(group, kind)
            found.append(Result(kind, key, tuple(group.images), nodes, overlays, layers, group, made))
    return found


def _saliencies() -> list[Result]:
    found = []
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        if node.GetAttribute(SALIENCY_KEY):
            label = node.GetNodeReference(SALIENCY_LABEL)
            labels = (label,) if label is not None else ()
            key, made = f"{SALIENCY}.{node.GetID()}", node.GetAttribute(MADE) or ""
            found.append(Result(SALIENCY, key, (imageOf(node),), (node, *labels), labels, (node,), None, made))
    return found


def _segmentations() -> list[Result]:
    """Those that a model made of one volume; parts of radiographs belong to their comparison."""
    found = []
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        if node.GetAttribute("MedSSL.model") and not node.GetAttribute("MedSSL.group"):
            key, made = f"{SEGMENTATION}.{node.GetID()}", node.GetAttribute(MADE) or ""
            found.append(Result(SEGMENTATION, key, (imageOf(node),), (node,), (node,), (), None, made))
    return found


def _marked() -> list[Result]:
    """Restorations, uncertainty maps, places of volumes, and tables."""
    byKey: dict[str, list] = {}
    for node in slicer.util.getNodesByClass("vtkMRMLStorableNode"):
        if node.GetAttribute(KEY):
            byKey.setdefault(node.GetAttribute(KEY), []).append(node)
    found = []
    for key, nodes in byKey.items():
        first = next((node for node in nodes if node.GetAttribute(MADE)), nodes[0])
        count = first.GetNumberOfNodeReferences("MedSSL.source")
        images = tuple(first.GetNthNodeReference("MedSSL.source", number) for number in range(count))
        kind, made = first.GetAttribute(KIND), first.GetAttribute(MADE) or ""
        drawn = kind in (UNCERTAINTY, PLACES)
        layers = tuple(node for node in nodes if drawn and isinstance(node, slicer.vtkMRMLVolumeNode))
        overlays = tuple(node for node in nodes if drawn and isinstance(node, slicer.vtkMRMLMarkupsNode))
        found.append(Result(kind, key, images, tuple(nodes), overlays, layers, None, made))
    return found
