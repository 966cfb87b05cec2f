"""What a pretraining asks of the backend, as conversations: see MedSSLLib.steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MedSSLLib.scene.volumeExport import isFlat, uploadSteps
from MedSSLLib.steps import Pause, Steps
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.errors import CancelledError, CatalogError, from_dict
from medssl.core.protocol import CANCELLED, END_STATES, FAILED, INTERRUPTED, DataSpec, JobSpec, ResultStatus
from medssl.core.requests import CatalogRequest, PreviewRequest

JOB_POLL_S, RESULT_POLL_S = 1.0, 0.2


@dataclass(frozen=True)
class TrainingSet:
    """The user's choice: volume nodes, a folder or CSV file on the backend's machine, or declared sets."""

    volumes: tuple = ()
    path: str = ""
    modality: str = ""
    view: str = ""  # what 3D volume nodes become, where the method learns from 2D images: as VolumeRef.view
    exclude: tuple[str, ...] = ()  # "column=value": what a table's rows are left out by
    sets: tuple[dict[str, Any], ...] = ()  # declarations, complete
    startFrom: str = ""  # a job id or a weight file; only a training on declared sets takes one

    @staticmethod
    def of(volumes) -> TrainingSet:
        """From a path, or from a list of volume nodes."""
        if isinstance(volumes, (str, Path)):
            return TrainingSet(path=str(volumes))
        return TrainingSet(volumes=tuple(volumes))


def dataSteps(chosen: TrainingSet, loopback: bool) -> Steps:
    """Bring the scene's volumes to the backend; returns a DataSpec.

    Raises:
        CatalogError: nothing is chosen.
    """
    if not chosen.volumes and not chosen.path and not chosen.sets:
        raise CatalogError(_("training set"), _("is empty"), _("Choose volumes, a folder, a table or declared sets"))
    refs = []
    for node in chosen.volumes:
        refs.append((yield from uploadSteps(node, loopback, "" if isFlat(node) else chosen.view)))
    return DataSpec(
        path=chosen.path, modality=chosen.modality, volumes=tuple(refs), exclude=chosen.exclude, sets=chosen.sets
    )


def checkSteps(chosen: TrainingSet, loopback: bool) -> Steps:
    """What is in the training set; returns (ResultStatus.info, {name: bytes} of its pictures: contact sheets)."""
    data = yield from dataSteps(chosen, loopback)
    result = yield from resultSteps((yield api.catalog(CatalogRequest(data))))
    return result.info, (yield from filesSteps(result, ".png"))


def previewSteps(chosen: TrainingSet, loopback: bool, method: str, config: dict[str, Any], count: int = 4) -> Steps:
    """Cubes and their distortions; returns (ResultStatus, {file name: bytes})."""
    data = yield from dataSteps(chosen, loopback)
    result = yield from resultSteps((yield api.preview(PreviewRequest(data, method, config, count))))
    return result, (yield from filesSteps(result, ".nrrd"))


def filesSteps(result: ResultStatus, ending: str) -> Steps:
    """The files of a result whose names end so; returns {name: bytes}."""
    files = {}
    for name in result.files:
        if name.endswith(ending):
            files[name] = yield api.result_file(result.id, name)
    return files


def submitSteps(chosen: TrainingSet, loopback: bool, **spec: Any) -> Steps:
    """Start a pretraining; returns its JobView. `spec` takes the fields of JobSpec but kind and data."""
    data = yield from dataSteps(chosen, loopback)
    return (yield api.submit(JobSpec(kind="pretrain", data=data, start_from=chosen.startFrom, **spec)))


def resultSteps(result: ResultStatus) -> Steps:
    """Wait until an inspection ends; returns its ResultStatus.

    Raises:
        MedSSLError: what made it fail.
    """
    while result.state not in END_STATES:
        yield Pause(RESULT_POLL_S)
        result = yield api.result(result.id)
    if result.state == CANCELLED:
        raise CancelledError(result.kind)
    if result.state == FAILED:
        raise from_dict(result.error or {})
    return result


def followSteps(
    jobId: str, onView: Callable, onEvents: Callable[[list[dict]], None], after: int = 0, wait: float = JOB_POLL_S
) -> Steps:
    """Follow a job: `onView(JobView)` at each look, `onEvents([...])` for the new ones; returns the last JobView."""
    while True:
        view = yield api.job(jobId)  # before the events, so that the last ones are not missed
        answer = yield api.events(jobId, after)
        after = answer["next"]
        if answer["events"]:
            onEvents(answer["events"])
        onView(view)
        if view.status.state in (*END_STATES, INTERRUPTED) and not answer["events"]:
            return view
        yield Pause(wait if not answer["events"] or view.status.state not in END_STATES else 0.0)
