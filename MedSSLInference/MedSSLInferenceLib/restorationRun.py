"""Start a restoration of a volume node, follow it, and make its nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MedSSLLib.qtTransport import sharesFiles
from MedSSLLib.steps import StepRunner, Steps, runSteps
from MedSSLLib.volumeExport import uploadSteps
from slicer.i18n import tr as _

from medssl.client import api
from medssl.errors import InputError
from medssl.protocol import RestoreRequest
from MedSSLInferenceLib.regionOfInterest import ijkBounds
from MedSSLInferenceLib.restorationNodes import Restoration, createRestoration
from MedSSLInferenceLib.restorationSteps import restorationSteps


class RestorationRun:
    """One restoration of one volume node.

    Args:
        volumeNode: a vtkMRMLScalarVolumeNode.
        model: a job id, or the path of a weight file that the backend can read.
        roi: a vtkMRMLMarkupsROINode or None.
        onProgress: told a fraction 0...1 and a message.
        options: further fields of RestoreRequest: distortion, strength, seed, overlap, fidelity, device.

    Raises:
        InputError: the node holds no 3D image, or the ROI lies outside it.
    """

    def __init__(
        self, volumeNode, model: str, roi=None, onProgress: Callable = lambda *_: None, **options: Any
    ) -> None:
        self._volumeNode, self._stopped, self._runner = checked(volumeNode), False, None
        bounds = ijkBounds(roi, volumeNode) if roi is not None else None
        self._makeRequest = lambda volume: RestoreRequest(volume, model, roi=bounds, **options)
        self._onProgress = onProgress

    def wait(self, transport) -> Restoration:
        """Run to the end through a blocking transport, and make the nodes."""
        return self._createNodes(runSteps(self._steps(transport), transport))

    def start(self, transport, onFinished: Callable, onFailed: Callable) -> None:
        """Run through an asynchronous transport; `onFinished(Restoration)` or `onFailed(error)` follows."""

        def finished(value) -> None:
            try:
                restoration = self._createNodes(value)
            except Exception as error:  # the border of a Qt slot: what is raised beyond it is only printed
                onFailed(error)
            else:
                onFinished(restoration)

        self._runner = StepRunner(self._steps(transport), transport, finished, onFailed)
        self._runner.start()

    def cancel(self) -> None:
        """Ask the backend to stop; `onFailed(CancelledError)` follows."""
        self._stopped = True

    def close(self) -> None:
        """Follow no further."""
        self._runner.stop()

    def _steps(self, transport) -> Steps:
        upload = uploadSteps(self._volumeNode, sharesFiles(transport.address))
        return restorationSteps(api, upload, self._makeRequest, lambda: self._stopped, self._onProgress)

    def _createNodes(self, value) -> Restoration:
        request, result, images = value
        if self._volumeNode.GetScene() is None:
            raise InputError(
                self._volumeNode.GetName(),
                _("was removed from the scene meanwhile"),
                _("Load it and restore it again"),
            )
        return createRestoration(self._volumeNode, request, result, images)


def checked(volumeNode):
    """The node itself, if it holds a 3D image.

    Raises:
        InputError: it does not.
    """
    if volumeNode is None or volumeNode.GetImageData() is None:
        name = volumeNode.GetName() if volumeNode is not None else _("volume")
        raise InputError(name, _("holds no image"), _("Choose a loaded volume"))
    size = volumeNode.GetImageData().GetDimensions()
    if min(size) < 2:
        shape = " x ".join(str(side) for side in size)
        raise InputError(f"{volumeNode.GetName()} ({shape})", _("must be a 3D volume"), _("Load a CT or MR series"))
    return volumeNode
