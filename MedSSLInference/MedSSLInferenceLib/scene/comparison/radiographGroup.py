"""Radiographs that are compared, and everything that came of it: one node of the scene knows them all.

The node is a vtkMRMLScriptedModuleNode that holds references, so a saved scene brings the group back. Each result also says
where it belongs by itself: attribute `MedSSL.group`, references `MedSSL.group` and `MedSSL.image`.
"""

from __future__ import annotations

from datetime import datetime

import slicer
from slicer.i18n import tr as _

from MedSSLInferenceLib.scene.folders import createFolder, folderOf, placeInFolder

KEY = "MedSSL.group"
IMAGE, MADE = "MedSSL.image", "MedSSL.made"
# Roles of results. One an image, with its number behind the role:
POINTS, FIND, MATCH, HEAT, PARTS, CIRCLE = "points", "find", "match", "heat", "parts", "circle"
WARPED, TRANSFORM = "warped", "transform"  # of the image that another one was bent onto
# One a group, but for the series, of which there are many:
TABLE, PART_TABLE, PATCHES, SERIES, SERIES_TABLE, CHART, SELECTED, SELECTED_TABLE = (
    "table", "partTable", "patches", "series", "seriesTable", "chart", "selected", "selectedTable",
)  # fmt: skip
RESULTS = {  # kinds of results, each with the roles of its nodes
    POINTS: (POINTS, TABLE), FIND: (FIND, MATCH, HEAT, CIRCLE), PARTS: (PARTS, PART_TABLE),
    WARPED: (WARPED, TRANSFORM),
    CHART: (CHART, PATCHES, SERIES, SERIES_TABLE, SELECTED, SELECTED_TABLE),
}  # fmt: skip
PER_IMAGE = (POINTS, FIND, MATCH, HEAT, PARTS, CIRCLE, WARPED, TRANSFORM)
LAYERS = {FIND: HEAT, WARPED: WARPED}  # kinds of results, and the role of the volumes that lie over the images


class RadiographGroup:
    """Two or more 2D images and their results.

    Attributes: `node`, which is saved with the scene.
    """

    def __init__(self, node) -> None:
        self.node = node

    def __eq__(self, other) -> bool:
        return isinstance(other, RadiographGroup) and other.node is self.node

    __hash__ = None

    @property
    def key(self) -> str:
        """What all results have as their attribute `MedSSL.group`."""
        return self.node.GetAttribute(KEY)

    @property
    def images(self) -> list:
        """The image nodes in their order; None where one was removed from the scene."""
        count = int(self.node.GetAttribute("MedSSL.images"))
        return [self.node.GetNodeReference(f"image{number}") for number in range(count)]

    @property
    def complete(self) -> bool:
        """Whether every image is still there."""
        return self.node.GetScene() is not None and all(image is not None for image in self.images)

    @property
    def empty(self) -> bool:
        """Whether it has no results."""
        return not self.results()

    def results(self) -> list:
        """All nodes that came of comparing the images."""
        count = self.node.GetNumberOfNodeReferenceRoles()
        roles = [self.node.GetNthNodeReferenceRole(number) for number in range(count)]
        found = [
            self.node.GetNthNodeReference(role, number)
            for role in roles for number in range(self.node.GetNumberOfNodeReferences(role))
        ]  # fmt: skip
        return [node for node in found if node is not None and node.GetAttribute(KEY) == self.key]

    def get(self, role: str, number: int | None = None):
        """A result node, or None."""
        return self.node.GetNodeReference(_role(role, number))

    def all(self, role: str) -> list:
        """The result of each image; None where there is none."""
        return [self.get(role, number) for number in range(len(self.images))]

    def having(self, role: str) -> list:
        """All nodes of a role, of whichever image."""
        if role in PER_IMAGE:
            return [node for node in self.all(role) if node is not None]
        return self.several(role)

    def set(self, role: str, node, number: int | None = None) -> None:
        """Take a node in as a result, of an image or of all."""
        self.node.SetNodeReferenceID(_role(role, number), node.GetID())
        node.SetAttribute(KEY, self.key)
        node.SetAttribute(MADE, datetime.now().isoformat(timespec="milliseconds"))
        node.SetNodeReferenceID(KEY, self.node.GetID())
        if number is not None:
            image = self.images[number]
            node.SetNodeReferenceID(IMAGE, image.GetID())
            image.SetNodeReferenceID(f"MedSSL.{self.key}.{role}", node.GetID())
        if not node.GetHideFromEditors() and isinstance(node, slicer.vtkMRMLStorableNode):
            placeInFolder(node, self._folder())

    def create(self, className: str, name: str, role: str, number: int | None = None):
        """The result node of a role: the one that is there, or a new one."""
        node = self.get(role, number)
        if node is None:
            unique = slicer.mrmlScene.GenerateUniqueName(name)
            node = slicer.mrmlScene.AddNewNodeByClass(className, unique)
            self.set(role, node, number)
        return node

    def add(self, role: str, node) -> None:
        """Take a node in as one of several results of a role."""
        self.node.AddNodeReferenceID(role, node.GetID())
        node.SetAttribute(KEY, self.key)
        node.SetNodeReferenceID(KEY, self.node.GetID())

    def several(self, role: str) -> list:
        """The results that were added to a role."""
        count = self.node.GetNumberOfNodeReferences(role)
        return [node for number in range(count) if (node := self.node.GetNthNodeReference(role, number)) is not None]

    def _folder(self) -> int:
        """The folder of the results that are there, or a new one beside the first image."""
        folders = [folderOf(node) for node in self.results()]
        if any(folders):
            return next(filter(None, folders))
        names = ", ".join(image.GetName() for image in self.images)
        return createFolder(_("Comparison of {names}").format(names=names), self.images[0])


def _role(role: str, number: int | None) -> str:
    return role if number is None else f"{role}{number}"


def groupOf(images) -> RadiographGroup:
    """The group of these images in this order: the one in the scene, or a new one."""
    found = findGroup(images)
    if found is not None:
        return found
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "MedSSL radiographs")
    keys = {group.key for group in groups()}
    number = next(n for n in range(1, len(keys) + 2) if f"radiographs-{n}" not in keys)
    node.SetAttribute("MedSSL.images", str(len(images)))
    node.SetAttribute(KEY, f"radiographs-{number}")
    for number, image in enumerate(images):
        node.SetNodeReferenceID(f"image{number}", image.GetID())
    return RadiographGroup(node)


def findGroup(images) -> RadiographGroup | None:
    """The group of these images in this order, or None."""
    return next((group for group in groups() if group.images == list(images)), None)


def groups() -> list[RadiographGroup]:
    """All groups of the scene, the latest last."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
    return [RadiographGroup(node) for node in nodes if node.GetAttribute("MedSSL.images")]
