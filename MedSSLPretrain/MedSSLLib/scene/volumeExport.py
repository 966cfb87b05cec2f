"""From a volume node to a `VolumeRef`: its file where the backend can read that, otherwise its voxels, sent once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from medssl.client import api, volumes
from medssl.core.errors import VolumeError
from medssl.core.protocol import VolumeRef
from MedSSLLib.scene.dicomSeries import inWindow, modalityOf, statedWindow
from MedSSLLib.steps import Pause, Progress, Steps

SINGLE_FILES = (".nrrd", ".nii", ".nii.gz", ".mha")
INVERTED_COLOURS = "vtkMRMLColorTableNodeInvertedGrey"  # by which users turn a negative
GREY_TOLERANCE = 2  # levels between the channels of a grey picture: JPEG rounds them apart

# node id -> ((modification times, window), SHA-256): hashing a large volume twice would be felt
_hashes: dict[str, tuple[tuple[Any, ...], str]] = {}


def uploadSteps(volumeNode, loopback: bool = False, view: str = "") -> Steps:
    """Bring a volume to the backend, as calls; the conversation returns its VolumeRef.

    Args:
        volumeNode: a vtkMRMLScalarVolumeNode, or a vtkMRMLVectorVolumeNode that is grey. A radiograph from DICOM is sent in the
            window that its file states.
        loopback: the backend reads the files of this machine, so an unmodified one travels as its path.
        view: how a 3D volume becomes 2D, as VolumeRef.view.

    Raises:
        VolumeError: the node holds no voxels, or colours, or was removed from the scene.
    """
    if volumeNode.GetScene() is None:  # and what the scene knows of it with it
        raise VolumeError(
            volumeNode.GetName(), _("was removed from the scene"), _("Load it again"), code="volume-removed"
        )
    array = greyVoxels(volumeNode)
    window = statedWindow(volumeNode, array) if isFlat(volumeNode) else None
    modality, inverted = modalityOf(volumeNode), isInverted(volumeNode)
    about = dict(name=volumeNode.GetName(), modality=modality, view=view, inverted=inverted)
    path = unmodifiedFile(volumeNode) if loopback and window is None else None
    if path is not None:
        return VolumeRef(path=str(path), **about)
    state = (volumeNode.GetImageData().GetMTime(), volumeNode.GetMTime(), window)
    known = _hashes.get(volumeNode.GetID())
    if known is not None and known[0] == state and (yield api.has_volume(known[1])):
        return VolumeRef(sha256=known[1], **about)
    shown = array if window is None else inWindow(array, window)
    sha256 = yield from sendSteps(volumes.nrrd_bytes(shown, ijkToRas(volumeNode)))
    _hashes[volumeNode.GetID()] = (state, sha256)
    return VolumeRef(sha256=sha256, **about)


def sendingOf(number: int, count: int) -> Progress:
    """What a conversation says before it sends one of several volumes.

    Args:
        number: of the volume, from 0.
        count: of all of them.
    """
    text = _("Sending volume {number} of {count}").format(number=number + 1, count=count)
    return Progress(fraction=number / count, message=text)


def sendSteps(data: bytes) -> Steps:
    """Bring NRRD bytes to the backend, unless it has them; returns their SHA-256."""
    sha256 = yield from hashSteps(data)
    if not (yield api.has_volume(sha256)):
        for start, stop in volumes.pieces(len(data)):
            yield api.put_piece(sha256, data[start:stop], start, len(data))
    return sha256


def hashSteps(data: bytes) -> Steps:
    """SHA-256 in hexadecimal digits, piece by piece: a large volume's would stop the GUI for seconds."""
    digest, view = hashlib.sha256(), memoryview(data)
    for start, stop in volumes.pieces(len(data)):
        digest.update(view[start:stop])
        yield Pause(0.0)
    return digest.hexdigest()


def unmodifiedFile(volumeNode) -> Path | None:
    """The file that holds exactly what the node holds, or None."""
    storage = volumeNode.GetStorageNode()
    name = storage.GetFileName() if storage is not None else None
    if not name or storage.GetNumberOfFileNames() > 1 or volumeNode.GetModifiedSinceRead() or _isCentred(storage):
        return None
    path = Path(name)
    return path if path.name.lower().endswith(SINGLE_FILES) and path.is_file() else None


def _isCentred(storage) -> bool:
    """Whether the volume was moved to the middle of the world when it was read (Add Data's option): its file says another place."""
    kinds = ("vtkMRMLVolumeArchetypeStorageNode", "vtkMRMLNRRDStorageNode")
    return any(storage.IsA(kind) for kind in kinds) and bool(storage.GetCenterImage())


def ijkToRas(volumeNode):
    """The node's 4x4 IJK-to-RAS matrix in mm."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def directionLps(volumeNode) -> list[list[float]]:
    """Where i, j, k run to in the LPS frame: a 3x3 matrix with a column for each."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASDirectionMatrix(matrix)
    signs = (-1.0, -1.0, 1.0)  # of LPS against RAS
    return [[signs[row] * matrix.GetElement(row, column) for column in range(3)] for row in range(3)]


def isFlat(volumeNode) -> bool:
    """Whether the node holds a 2D image: Slicer keeps those as a single slice along k."""
    return volumeNode.GetImageData() is not None and volumeNode.GetImageData().GetDimensions()[2] == 1


def isInverted(volumeNode) -> bool:
    """Whether high values of a 2D image are dark: it is shown so. Slicer's reader has turned what DICOM calls MONOCHROME1."""
    display = volumeNode.GetDisplayNode()
    return isFlat(volumeNode) and display is not None and display.GetColorNodeID() == INVERTED_COLOURS


def greyVoxels(volumeNode) -> np.ndarray:
    """The voxels, indexed [k, j, i]; of a picture whose channels are equal, one channel.

    Raises:
        VolumeError: the node holds no voxels, or colours.
    """
    image = volumeNode.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0:
        raise VolumeError(
            volumeNode.GetName(), _("has no voxels"), _("Load it again, or choose another volume"), code="no-voxels"
        )
    array, count = slicer.util.arrayFromVolume(volumeNode), image.GetNumberOfScalarComponents()
    if count == 1:
        return array
    if count in (3, 4) and isFlat(volumeNode):  # the fourth channel is transparency
        low, high = array[..., :3].min(axis=-1), array[..., :3].max(axis=-1)
        if (high.astype(np.int64) - low).max() <= GREY_TOLERANCE:
            return np.ascontiguousarray(array[..., 1])
        remedy = _("A radiograph is grey: choose the original file, or convert it (module Vector to Scalar Volume)")
        raise VolumeError(volumeNode.GetName(), _("is a colour picture"), remedy, code="colour-image")
    rule = _("has {count} components per voxel").format(count=count)
    raise VolumeError(volumeNode.GetName(), rule, _("Choose a scalar volume"), code="several-components")
