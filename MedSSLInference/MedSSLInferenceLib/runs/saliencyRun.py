"""Where in a radiograph a finding's probability comes from, as a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MedSSLLib.steps import Steps, resultSteps
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.requests import SaliencyRequest
from MedSSLInferenceLib.runs.inspectionRun import InspectionRun
from MedSSLInferenceLib.runs.radiographImages import pictures, planeSteps
from MedSSLInferenceLib.runs.radiographRun import refSteps
from MedSSLInferenceLib.scene.presence import requireGiven, requirePresent
from MedSSLInferenceLib.views.saliencyOverlay import createSaliency

MAP = "saliency.nrrd"


def saliencyRun(
    node,
    model: str,
    finding: str,
    head: str = "",
    view: str = "",
    onProgress: Callable = lambda *_: None,
    **options: Any,
) -> InspectionRun:
    """Its nodes are a Saliency.

    Args:
        node: a volume node, 2D, or 3D with a view.
        model: a job id, or the path of a weight file that the backend can read: an Ark, or a classifier of radiographs.
        finding: a class of the model; of an Ark a synonym will do.
        head: of an Ark; "": the first that knows the finding.
        view: as in `predictRun`.
        onProgress: called with a fraction 0...1 and a message.
        options: further fields of SaliencyRequest: method (grad-cam, occlusion), check, part, device.

    Raises:
        InputError: no volume, model or finding, or a 3D volume without a view.
        VolumeError: no voxels, or colours.
    """
    requireGiven(
        (node, _("volume"), _("Choose a loaded volume")),
        (model, _("model"), _("Choose a pretrained Ark or a classifier of radiographs")),
        (finding, _("finding"), _("Choose a class of the model")),
    )
    (picture,) = pictures([node], view, least=1)

    def conversation(transport, stopped) -> Steps:
        onProgress(0.0, "")
        image = yield from planeSteps(picture, transport, stopped, onProgress)
        (ref,) = yield from refSteps([image], transport)
        status = yield api.saliency(SaliencyRequest(ref, model, finding, head, **options))
        status = yield from resultSteps(status, stopped, onProgress)
        return image, status, (yield api.result_file(status.id, MAP))

    def createNodes(value):
        image, status, data = value
        requirePresent([image], _("Load it and ask again"))
        return createSaliency(image, model, status, data)

    return InspectionRun(conversation, createNodes)
