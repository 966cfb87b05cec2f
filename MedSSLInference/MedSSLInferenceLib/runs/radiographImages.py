"""What may be compared: 2D images, and 2D views of 3D volumes, which are made once and kept in the scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from MedSSLLib.backend.qtTransport import sharesFiles
from MedSSLLib.scene.dicomSeries import modalityOf
from MedSSLLib.scene.volumeExport import greyVoxels, ijkToRas, isFlat, uploadSteps
from MedSSLLib.steps import Steps, resultSteps
from MedSSLLib.widgets.counted import counted
from slicer.i18n import tr as _

from medssl.client import api
from medssl.client.volumes import read_nrrd_bytes
from medssl.core.errors import InputError, MedSSLError
from medssl.core.requests import PlaneRequest
from MedSSLInferenceLib.scene.folders import folderOf, placeInFolder
from MedSSLInferenceLib.scene.presence import requirePresent

FRONTAL, LATERAL, RED = "frontal", "lateral", "red"  # what becomes of a 3D volume; RED: the slice of the red view
SOURCE, VIEW = "MedSSL.source", "MedSSL.view"
STRAIGHT = 0.95  # cosine of the angle between a view's normal and the volume's axis, below which the view is oblique


@dataclass(frozen=True)
class Picture:
    """A volume node as the user chose it, with the view that makes a 2D image of it ("" where it is one)."""

    node: Any
    view: str = ""


def viewTitles() -> dict[str, str]:
    """What may become of a 3D volume."""
    return {
        "": _("(choose)"),
        FRONTAL: _("Frontal projection (simulated)"),
        LATERAL: _("Lateral projection (simulated)"),
        RED: _("Slice shown in the red view"),
    }


def pictures(volumeNodes, view: str = "", least: int = 2) -> list[Picture]:
    """Check the user's choice before anything is sent.

    Args:
        volumeNodes: vtkMRMLScalarVolumeNodes or grey vtkMRMLVectorVolumeNodes, 2D or 3D.
        view: for the 3D ones: "frontal", "lateral", "red" or a slice such as "k:57".

    Raises:
        InputError: too few images, or a 3D volume without a view.
        VolumeError: no voxels, or colours.
    """
    nodes = list(volumeNodes)
    if len(nodes) < least:
        rule = counted(
            len(nodes), _("is too few: {least} at least are compared"), _("are too few: {least} at least are compared"),
            least=least,
        )  # fmt: skip
        raise InputError(
            counted(len(nodes), _("{count} radiograph"), _("{count} radiographs")),
            rule,
            _("Choose another one"),
            code="too-few-images",
        )
    if len(set(node.GetID() for node in nodes)) < len(nodes):
        raise InputError(_("radiographs"), _("hold one twice"), _("Choose different ones"), code="radiograph-repeated")
    return [_picture(node, view) for node in nodes]


def _picture(node, view: str) -> Picture:
    greyVoxels(node)
    if isFlat(node):
        return Picture(node)
    if not view:
        rule, remedy = _("is a 3D volume"), _("Choose a projection or a slice of it, or another image")
        raise InputError(node.GetName(), rule, remedy, code="not-2d")
    return Picture(node, viewOf(node, view))


def viewOf(volumeNode, view: str) -> str:
    """What VolumeRef.view is for a volume: "" where it is 2D anyway, the slice that the red view shows for "red".

    Raises:
        InputError: the red view shows no slice of it.
    """
    if isFlat(volumeNode):
        return ""
    return redSlice(volumeNode) if view == RED else view


def redSlice(volumeNode) -> str:
    """The slice of a volume that the red view shows, along the volume's own axes: "k:57".

    Raises:
        InputError: the red view lies beside the volume, or is oblique to it.
    """
    sliceNode = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    if sliceNode is None:
        raise InputError(_("red view"), _("does not exist"), _("Choose a projection, or open Slicer's main window"))
    sliceToIjk = np.linalg.inv(_ijkToWorld(volumeNode)) @ slicer.util.arrayFromVTKMatrix(sliceNode.GetSliceToRAS())
    dimensions = volumeNode.GetImageData().GetDimensions()
    normal = np.abs(sliceToIjk[:3, 2]) * volumeNode.GetSpacing()  # along the volume's axes, in mm
    axis = int(np.argmax(normal))
    if normal[axis] < STRAIGHT * np.linalg.norm(normal):
        raise InputError(_("red view"), _("is oblique to {name}").format(name=volumeNode.GetName()),
                         _("Rotate it to the volume plane (in the bar of the view), and scroll to the slice"), code="view-oblique")  # fmt: skip
    number = round(float(sliceToIjk[axis, 3]))
    if not 0 <= number < dimensions[axis]:
        raise InputError(_("red view"), _("shows no slice of {name}").format(name=volumeNode.GetName()),
                         _("Show the volume in the red view and scroll to the slice"), code="no-slice-shown")  # fmt: skip
    return f"{'ijk'[axis]}:{number}"


def _ijkToWorld(volumeNode) -> np.ndarray:
    """4x4, with the transform that the volume lies under.

    Raises:
        InputError: one that bends.
    """
    parent = volumeNode.GetParentTransformNode()
    if parent is None:
        return ijkToRas(volumeNode)
    if not parent.IsTransformToWorldLinear():
        raise InputError(volumeNode.GetName(), _("lies under a transform that bends it: a slice of it is no plane of the view"),
                         _("Harden the transform first"), code="transform-bends")  # fmt: skip
    matrix = vtk.vtkMatrix4x4()
    parent.GetMatrixTransformToWorld(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix) @ ijkToRas(volumeNode)


def planeSteps(picture: Picture, transport, stopped, progress) -> Steps:
    """The 2D image of a picture: the node itself, the one made before, or a new one beside the volume."""
    if not picture.view:
        return picture.node
    made = madeBefore(picture)
    if made is not None:
        return made
    progress(0.0, _("Making a 2D image of {name}").format(name=picture.node.GetName()))
    volume = yield from uploadSteps(picture.node, sharesFiles(transport.address), picture.view)
    status = yield from resultSteps((yield api.plane(PlaneRequest(volume))), stopped, progress)
    return createPlane(picture, (yield api.result_file(status.id, status.files[0])))


def madeBefore(picture: Picture):
    """The 2D image that an earlier run made of the same view of the same volume, or None."""
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        if node.GetNodeReference(SOURCE) is picture.node and node.GetAttribute(VIEW) == picture.view:
            return node
    return None


def planesOf(nodes, view: str = "") -> list:
    """The 2D image of each node as far as it is there already, else None."""
    planes = []
    for node in nodes:
        if isFlat(node):
            planes.append(node)
            continue
        try:
            planes.append(madeBefore(_picture(node, view)))
        except MedSSLError:  # no view chosen yet
            planes.append(None)
    return planes


def createPlane(picture: Picture, data: bytes):
    """A 2D volume node beside its source; simulated radiographs say so in their name.

    Raises:
        InputError: the source was removed from the scene meanwhile.
    """
    requirePresent([picture.node], _("Load it and compare again"))
    array, ijkToRasArray = read_nrrd_bytes(data)
    name = _viewTitle(picture.view).format(name=picture.node.GetName())
    matrix = slicer.util.vtkMatrixFromArray(ijkToRasArray)
    node = slicer.util.addVolumeFromArray(array, ijkToRAS=matrix, name=slicer.mrmlScene.GenerateUniqueName(name))
    node.CreateDefaultDisplayNodes()
    node.SetNodeReferenceID(SOURCE, picture.node.GetID())
    node.SetAttribute(VIEW, picture.view)
    if picture.view in (FRONTAL, LATERAL):
        node.SetAttribute("MedSSL.Modality", "CXR")
    else:
        node.SetAttribute("MedSSL.Modality", modalityOf(picture.node))
        node.SetAndObserveTransformNodeID(picture.node.GetTransformNodeID())
    folder = folderOf(picture.node)
    if folder:
        placeInFolder(node, folder)
    return node


def _viewTitle(view: str) -> str:
    titles = {FRONTAL: _("{name} frontal (simulated)"), LATERAL: _("{name} lateral (simulated)")}
    return titles.get(view, _("{name} slice") + f" {view}")
