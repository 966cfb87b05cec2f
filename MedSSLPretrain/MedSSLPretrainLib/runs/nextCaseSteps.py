"""What *Next case* asks of the backend: which unlabelled volume of the scene is worth labelling next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from MedSSLLib.scene.labelMaps import isPrediction
from MedSSLLib.scene.volumeExport import isFlat, uploadSteps
from MedSSLLib.steps import Pause, StepRunner, Steps, resultSteps
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.errors import CatalogError
from medssl.core.protocol import DataSpec
from medssl.core.requests import NextCaseRequest
from MedSSLPretrainLib.labels.labelledSet import patients
from MedSSLPretrainLib.labels.labelledVolumes import isLabelled, segmentationOf, volumesOfScene


def nextCaseSteps(
    loopback: bool,
    model: str = "",
    heldOut=frozenset(),
    isComplete: Callable = isLabelled,
    stopped: Callable = lambda: False,
    onProgress: Callable = lambda *_: None,
    **options,
) -> Steps:
    """Rank the scene's unlabelled volumes; returns (rows of the answer, their volume nodes, its info).

    Args:
        model: a job id or a weight file; "": volumes are compared by image statistics.
        isComplete: says of a volume node whether it is labelled; others are the candidates.
        heldOut: patients that validate or test: volumes of theirs teach nothing, so that likeness to them does not count.
        options: further fields of NextCaseRequest: count, uncertainty, mirror, device.

    Raises:
        CatalogError: no volume of the scene is unlabelled.
        VolumeError: a volume that cannot travel.
    """
    nodes = volumesOfScene()
    labelled = yield from completeSteps(nodes, isComplete)
    candidates = [node for node in nodes if node not in labelled]
    if labelled:  # radiographs are not compared with volumes
        candidates = [node for node in candidates if isFlat(node) == isFlat(labelled[0])]
        labelled = [node for node in labelled if isFlat(node) == isFlat(labelled[0])]
    if not candidates:
        rule, remedy = _("holds no unlabelled volume like those that are labelled"), _("Load further volumes")
        raise CatalogError(_("scene"), rule, remedy, code="no-candidate")
    whose = dict(zip([node.GetID() for node in nodes], patients(nodes)))

    def refs(some) -> Steps:
        found = []
        for node in some:
            ref, patient = (yield from uploadSteps(node, loopback)), whose[node.GetID()]
            found.append(replace(ref, patient=patient, split="val" if patient in heldOut and some is labelled else ""))
        return tuple(found)

    asked = DataSpec(volumes=(yield from refs(candidates)))
    known = (DataSpec(volumes=(yield from refs(labelled))),) if labelled else ()
    result = yield from resultSteps(
        (yield api.next_case(NextCaseRequest(asked, known, model, **options))), stopped, onProgress
    )
    return result.table, [candidates[row["number"]] for row in result.table], result.info


def completeSteps(nodes, isComplete: Callable) -> Steps:
    """Those of the volumes that are labelled, each prediction in an event loop of its own: its label map is compared with what
    it was."""
    found = []
    for node in nodes:
        segmentation = segmentationOf(node)
        if segmentation is not None and isPrediction(segmentation):
            yield Pause(0.0)
        if isComplete(node):
            found.append(node)
    return found


class NextCaseRun:
    """The question on its way, for a section of the panel; arguments as of `nextCaseSteps`."""

    def __init__(
        self, loopback: bool, model: str, heldOut, isComplete: Callable, onProgress: Callable, **options
    ) -> None:
        self._stopped, self._runner = False, None
        self._steps = nextCaseSteps(loopback, model, heldOut, isComplete, lambda: self._stopped, onProgress, **options)

    def start(self, transport, onFinished: Callable, onFailed: Callable) -> NextCaseRun:
        """Ask; `onFinished(value)` or `onFailed(error)` follows."""
        self._runner = StepRunner(self._steps, transport, onFinished, onFailed, lambda: self._stopped).start()
        return self

    def cancel(self) -> None:
        """Send no more, or ask the backend to stop; `onFailed(CancelledError)` follows."""
        self._stopped = True

    def stop(self) -> None:
        """Follow no further."""
        self._runner.stop()
