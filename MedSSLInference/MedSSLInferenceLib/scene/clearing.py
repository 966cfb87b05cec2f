"""Taking results out of the scene, and bringing the last ones back."""

from __future__ import annotations

from dataclasses import dataclass

import slicer
from MedSSLLib.scene.labelMaps import isCorrected

from MedSSLInferenceLib.scene.folders import folderOf, placeInFolder, removeEmptyFolders, restoreFolder
from MedSSLInferenceLib.scene.overlayViews import HIDDEN, bindOverlays, layOver
from MedSSLInferenceLib.scene.results import SEGMENTATION, Result, results


@dataclass(frozen=True)
class Cleared:
    """What was removed, for `bringBack`: nodes in the order in which they come back, and who referred to them."""

    nodes: tuple
    references: tuple  # (node, role, ID)
    folders: tuple  # (node, folder's item, its name, item of its parent)
    layers: tuple  # heat maps that were shown


def isUsers(result: Result) -> bool:
    """Whether the user has worked on it: a segmentation that was corrected since a model made it, or whose volume is gone, so
    that nobody can tell."""
    (image,) = result.images if len(result.images) == 1 else (None,)
    return result.kind == SEGMENTATION and (image is None or isCorrected(result.nodes[0], image))


def clear(chosen: list[Result]) -> Cleared:
    """Take results out of the scene, with what belongs to their nodes alone; images and the user's own nodes stay."""
    keys = {result.key for result in chosen}
    kept = [image for result in results() if result.key not in keys for image in result.images]
    mine = [node for result in chosen for node in result.nodes]
    mine += [image for result in chosen for image in result.images if _isPlane(image)]
    mine = [node for number, node in enumerate(mine) if node not in mine[:number] and node not in kept]
    groups = [result.group.node for result in chosen if result.group is not None]
    groups = [node for number, node in enumerate(groups) if node not in groups[:number]]
    emptied = [node for node in groups if not _others(node, chosen)]
    nodes = tuple([own for node in mine for own in (*belongings(node), node)] + emptied)
    layers = tuple(layer for result in chosen for layer in result.layers if layer.GetAttribute(HIDDEN) != "1")
    cleared = Cleared(nodes, tuple(_references(nodes)), tuple(map(_folder, mine)), layers)
    for layer in layers:
        layer.SetAttribute(HIDDEN, "1")
    layOver(layers)
    for node in reversed(nodes):
        slicer.mrmlScene.RemoveNode(node)
    removeEmptyFolders()
    return cleared


def bringBack(cleared: Cleared) -> None:
    """Put what was removed back where it was."""
    for node in cleared.nodes:
        slicer.mrmlScene.AddNode(node)
    for node, role, identifier in cleared.references:
        if node.GetScene() is not None and not node.HasNodeReferenceID(role, identifier):
            node.AddNodeReferenceID(role, identifier)
    for node, folder, name, parent in cleared.folders:
        if folder:
            placeInFolder(node, restoreFolder(folder, name, parent))
    for layer in cleared.layers:
        layer.SetAttribute(HIDDEN, "0")
    layOver(cleared.layers)
    bindOverlays()


def removeNode(node) -> None:
    """Remove a node with its display and storage nodes."""
    for one in (node, *belongings(node)):
        if one.GetScene() is not None:
            slicer.mrmlScene.RemoveNode(one)


def belongings(node) -> list:
    """Display and storage nodes of a node."""
    own = []
    if isinstance(node, slicer.vtkMRMLDisplayableNode):
        own += [node.GetNthDisplayNode(number) for number in range(node.GetNumberOfDisplayNodes())]
    if isinstance(node, slicer.vtkMRMLStorableNode):
        own.append(node.GetStorageNode())
    return [one for one in own if one is not None]


def _isPlane(image) -> bool:
    """Whether an image was made of a 3D volume for a comparison."""
    return image is not None and bool(image.GetAttribute("MedSSL.view"))


def _others(groupNode, chosen: list[Result]) -> list[Result]:
    """Results of a comparison that stay."""
    keys = {result.key for result in chosen}
    return [result for result in results() if result.group is not None and result.group.node is groupNode
            and result.key not in keys]  # fmt: skip


def _references(nodes) -> list[tuple]:
    """Who else in the scene refers to these nodes."""
    identifiers, found = {node.GetID() for node in nodes}, []
    for number in range(slicer.mrmlScene.GetNumberOfNodes()):
        node = slicer.mrmlScene.GetNthNode(number)
        if node.GetSingletonTag():  # what the application has chosen meanwhile
            continue
        for role in [node.GetNthNodeReferenceRole(n) for n in range(node.GetNumberOfNodeReferenceRoles())]:
            for n in range(node.GetNumberOfNodeReferences(role)):
                identifier = node.GetNthNodeReferenceID(role, n)
                if identifier in identifiers:
                    found.append((node, role, identifier))
    return found


def _folder(node) -> tuple:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = folderOf(node)
    return (node, item, hierarchy.GetItemName(item), hierarchy.GetItemParent(item)) if item else (node, 0, "", 0)
