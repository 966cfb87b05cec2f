"""A restoration of a volume node, as a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MedSSLLib.backend.qtTransport import sharesFiles
from MedSSLLib.scene.volumeExport import uploadSteps
from MedSSLLib.steps import Steps, fileSteps, resultSteps
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.errors import InputError
from medssl.core.requests import RestoreRequest
from MedSSLInferenceLib.runs.inspectionRun import InspectionRun
from MedSSLInferenceLib.scene.overlayViews import bindRegion
from MedSSLInferenceLib.scene.presence import requirePresent
from MedSSLInferenceLib.scene.regionOfInterest import ijkBounds
from MedSSLInferenceLib.scene.restorationNodes import restorationSteps


def restorationRun(
    volumeNode, model: str, roi=None, onProgress: Callable = lambda *_: None, **options: Any
) -> InspectionRun:
    """One restoration of one volume node; its nodes are a Restoration.

    Args:
        volumeNode: a vtkMRMLScalarVolumeNode.
        model: a job id, or the path of a weight file that the backend can read.
        roi: a vtkMRMLMarkupsROINode or None.
        onProgress: called with a fraction 0...1 and a message.
        options: further fields of RestoreRequest: distortion, strength, seed, overlap, fidelity, device.

    Raises:
        InputError: the node holds no 3D image, or the ROI lies outside it.
    """
    checked(volumeNode)
    bounds = ijkBounds(roi, volumeNode) if roi is not None else None

    def conversation(transport, stopped) -> Steps:
        onProgress(0.0, "")
        volume = yield from uploadSteps(volumeNode, sharesFiles(transport.address))
        request = RestoreRequest(volume, model, roi=bounds, **options)
        status = yield from resultSteps((yield api.restore(request)), stopped, onProgress)
        return request, status, (yield from fileSteps(status, ".nrrd"))

    def createNodes(value) -> Steps:
        requirePresent([volumeNode], _("Load it and restore it again"))
        if roi is not None and roi.GetScene() is not None:
            bindRegion(roi, volumeNode)
        return (yield from restorationSteps(volumeNode, *value))

    return InspectionRun(conversation, createNodes)


def checked(volumeNode):
    """The node itself, if it holds a 3D image.

    Raises:
        InputError: it does not.
    """
    if volumeNode is None or volumeNode.GetImageData() is None:
        name = volumeNode.GetName() if volumeNode is not None else _("volume")
        raise InputError(name, _("holds no image"), _("Choose a loaded volume"), code="no-image-in-node")
    size = volumeNode.GetImageData().GetDimensions()
    if min(size) < 2:
        shape = " x ".join(str(side) for side in size)
        raise InputError(
            f"{volumeNode.GetName()} ({shape})", _("must be a 3D volume"), _("Load a CT or MR series"), code="not-3d"
        )
    return volumeNode
