"""From a volume node to a `VolumeRef`: its file where the backend can read that, otherwise its voxels, sent once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import slicer
import vtk
from slicer.i18n import tr as _

from medssl.client import api, volumes
from medssl.errors import VolumeError
from medssl.protocol import VolumeRef
from MedSSLLib.steps import Pause, Steps

SINGLE_FILES = (".nrrd", ".nii", ".nii.gz", ".mha")

# node id -> ((modification times), SHA-256): hashing a large volume twice would be felt
_hashes: dict[str, tuple[tuple[int, int], str]] = {}


def uploadSteps(volumeNode, loopback: bool = False) -> Steps:
    """Bring a volume to the backend, as calls; the conversation returns its VolumeRef.

    Args:
        volumeNode: a vtkMRMLScalarVolumeNode.
        loopback: the backend reads the files of this machine, so an unmodified one travels as its path.

    Raises:
        VolumeError: the node holds no scalar voxels.
    """
    _requireVoxels(volumeNode)
    about = dict(name=volumeNode.GetName(), modality=volumeNode.GetAttribute("MedSSL.Modality") or "")
    path = unmodifiedFile(volumeNode) if loopback else None
    if path is not None:
        return VolumeRef(path=str(path), **about)
    state = (volumeNode.GetImageData().GetMTime(), volumeNode.GetMTime())
    known = _hashes.get(volumeNode.GetID())
    if known is not None and known[0] == state and (yield api.has_volume(known[1])):
        return VolumeRef(sha256=known[1], **about)
    data = volumes.nrrd_bytes(slicer.util.arrayFromVolume(volumeNode), ijkToRas(volumeNode))
    sha256 = yield from hashSteps(data)
    _hashes[volumeNode.GetID()] = (state, sha256)
    if not (yield api.has_volume(sha256)):
        for start, stop in volumes.pieces(len(data)):
            yield api.put_piece(sha256, data[start:stop], start, len(data))
    return VolumeRef(sha256=sha256, **about)


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
    if not name or storage.GetNumberOfFileNames() > 1 or volumeNode.GetModifiedSinceRead():
        return None
    path = Path(name)
    return path if path.name.lower().endswith(SINGLE_FILES) and path.is_file() else None


def ijkToRas(volumeNode):
    """The node's 4x4 IJK-to-RAS matrix in mm."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def _requireVoxels(volumeNode) -> None:
    image = volumeNode.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0:
        raise VolumeError(volumeNode.GetName(), _("has no voxels"), _("Load it again, or choose another volume"))
    if image.GetNumberOfScalarComponents() != 1:
        count = image.GetNumberOfScalarComponents()
        rule = _("has {count} components per voxel").format(count=count)
        raise VolumeError(volumeNode.GetName(), rule, _("Choose a scalar volume (CT or MR)"))
