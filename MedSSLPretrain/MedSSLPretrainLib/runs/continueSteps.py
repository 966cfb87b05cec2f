"""What the next round of a fine-tuning asks of the backend: the same validation cases, fewer and gentler steps."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from MedSSLLib.steps import Steps

from medssl.client import api
from medssl.core.protocol import DataSpec, JobSpec
from medssl.tasks.continuation import continuation
from MedSSLPretrainLib.labels.labelledSet import LabelledSet, check, learnsSegments, taskEntry
from MedSSLPretrainLib.labels.segmentClasses import commonClasses
from MedSSLPretrainLib.runs.finetuneSteps import classesOf, dataSteps

JOB = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def isJob(reference: str) -> bool:
    """Whether a model is named by its job; a weight file's name has a dot or a folder."""
    return JOB.fullmatch(reference) is not None


def continueSteps(chosen: LabelledSet, loopback: bool, task: str, model: dict[str, Any], **spec: Any) -> Steps:
    """Start the next round from a fine-tuned model; returns its JobView.

    The backend refuses the round where one of the volumes is missing that validated before.

    Args:
        chosen: labelled volumes of the scene.
        task: of the model.
        model: an entry of `GET /models`, of a job.
        spec: further fields of JobSpec: name, device.

    Raises:
        CatalogError, VolumeError: as `finetuneSteps`.
    """
    check(chosen, task)
    rounds = yield api.rounds(model["model"])
    before = yield api.job(model["model"])
    first = before if len(rounds) == 1 else (yield api.job(rounds[0]["job"]))
    config = continuation(before.spec.config, first.spec.config, len(rounds) + 1, rounds[-1]["steps_per_s"])
    classes = commonClasses(chosen.segmentations, classesOf(model)) if learnsSegments(task) else []
    data = yield from dataSteps(chosen, loopback, classes)
    if classes:
        config = {**config, "classes": json.dumps(classes)}
    elif chosen.columns:
        config = {**config, "labels": ",".join(chosen.columns)}
    data = replace(nextData(before.spec.data, data), validation_of=model["model"])
    return (yield api.submit(JobSpec(taskEntry(task).kind, task, config, data, start_from=model["model"], **spec)))


def nextData(before: DataSpec, chosen: DataSpec) -> DataSpec:
    """The chosen images, read as those of the round before: PatientIDs, gaps, how many may be unusable; of a path also channels,
    label maps, what is excluded and the modality, as long as it is a table again, or a folder again.

    Test patients stay those of the round before: a share would be drawn from those that it learnt from.
    """
    alike = bool(chosen.path and before.path) and isTable(chosen.path) == isTable(before.path)
    read = before if alike else chosen
    return replace(
        before, path=chosen.path, volumes=chosen.volumes, sets=chosen.sets, modality=chosen.modality or read.modality,
        pattern=read.pattern, channels=read.channels, channel_names=chosen.channel_names or read.channel_names,
        masks=read.masks, exclude=read.exclude, folds=0, fold=0, test_fraction=0.0,
    )  # fmt: skip


def isTable(path: str) -> bool:
    """Whether a path names a catalogue; the file may be on another machine."""
    return path.lower().endswith(".csv")
