"""What a fine-tuning asks of the backend: label maps and labels beside the volumes. See MedSSLLib.steps."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from MedSSLLib.channels.channelNodes import channelSteps
from MedSSLLib.scene.volumeExport import ijkToRas, sendingOf, sendSteps
from MedSSLLib.steps import Pause, Steps, resultSteps

from medssl.client import api, volumes
from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.requests import PlanRequest
from MedSSLPretrainLib.labels.labelledSet import (
    LabelledSet,
    check,
    checkModel,
    checkNetworks,
    learnsSegments,
    patients,
    taskEntry,
)
from MedSSLPretrainLib.labels.labelledVolumes import labelsOf
from MedSSLPretrainLib.labels.segmentClasses import classArray, commonClasses


def finetuneSteps(
    chosen: LabelledSet,
    loopback: bool,
    task: str,
    config: dict[str, Any],
    startFrom: str = "",
    networks: int = 1,
    **spec: Any,
) -> Steps:
    """Start a fine-tuning, an ensemble or a probe; returns its JobView. Arguments and errors: see `jobSteps`."""
    return (yield api.submit((yield from jobSteps(chosen, loopback, task, config, startFrom, networks, **spec))))


def planSteps(
    chosen: LabelledSet,
    loopback: bool,
    task: str,
    config: dict[str, Any],
    startFrom: str,
    stopped: Callable[[], bool] = lambda: False,
    onProgress: Callable[[float, str], None] = lambda *_: None,
    **spec: Any,
) -> Steps:
    """Ask how it would be trained; returns rows (what, which). Arguments and errors: see `jobSteps` and `resultSteps`."""
    job = yield from jobSteps(chosen, loopback, task, config, startFrom, **spec)
    request = PlanRequest(job.data, job.method, job.config, job.start_from, job.device)
    result = yield from resultSteps((yield api.plan(request)), stopped, onProgress)
    return [(row["what"], row["which"]) for row in result.table]


def jobSteps(
    chosen: LabelledSet,
    loopback: bool,
    task: str,
    config: dict[str, Any],
    startFrom: str = "",
    networks: int = 1,
    **spec: Any,
) -> Steps:
    """Bring what a fine-tuning, an ensemble or a probe needs to the backend; returns its JobSpec.

    Args:
        config: the task's settings, but for classes and labels of scene volumes, which follow from the choice.
        startFrom: a job id or a weight file; "": from scratch.
        networks: of an ensemble, each trained on all folds of the patients but one; 1: no ensemble.
        spec: further fields of JobSpec: name, device, partial_weights.

    Raises:
        CatalogError: what is wrong with the choice; nothing was sent then.
        WeightsError: a model of another task.
        VolumeError: an empty segmentation, or a volume that cannot travel.
    """
    check(chosen, task)
    checkNetworks(chosen, networks)
    models = (yield api.models()) if startFrom else ()
    model = next((model for model in models if model["model"] == startFrom), None)
    checkModel(model, task, startFrom)
    classes = commonClasses(chosen.segmentations, classesOf(model)) if learnsSegments(task) else []
    data = yield from dataSteps(chosen, loopback, classes)
    if classes:
        config = {**config, "classes": json.dumps(classes)}
    elif chosen.columns:
        config = {**config, "labels": ",".join(chosen.columns)}
    kind = "ensemble" if networks > 1 else taskEntry(task).kind
    data = replace(data, folds=networks) if networks > 1 else data
    return JobSpec(kind, task, config, data, start_from=startFrom, **spec)


def classesOf(model: dict[str, Any] | None) -> tuple[dict[str, Any], ...]:
    """The segments that a model of `GET /models` knows, as `commonClasses` takes them."""
    plan = (model or {}).get("plan") or {}
    return tuple((plan.get("task") or {}).get("segments", ()))


def dataSteps(chosen: LabelledSet, loopback: bool, classes) -> Steps:
    """Bring volumes and, where there are classes, their label maps to the backend; returns a DataSpec."""
    if chosen.path:
        return DataSpec(path=chosen.path, modality=chosen.modality)
    masks = []
    for number, volume in enumerate(chosen.volumes if classes else ()):  # all first: an empty one ends it unsent
        yield Pause(0.0)  # each on its own: together they would stop the GUI
        array = classArray(chosen.segmentations[number], volume, classes)
        masks.append(volumes.nrrd_bytes(array, ijkToRas(volume)))
    refs = []
    for number, (volume, patient) in enumerate(zip(chosen.volumes, patients(chosen.volumes))):
        yield sendingOf(number, len(chosen.volumes))
        further = chosen.further[number] if chosen.further else ()
        ref = yield from channelSteps(volume, further, loopback)
        if further:  # the modality that was stated is that of the ticked volumes
            ref = replace(ref, modality=chosen.modality or ref.modality)
        mask = (yield from sendSteps(masks[number])) if classes else ""
        refs.append(replace(ref, patient=patient, mask_sha256=mask, labels=labelsOf(volume, chosen.columns)))
    modality = "" if chosen.further else chosen.modality
    return DataSpec(volumes=tuple(refs), modality=modality, channel_names=chosen.channelNames)
