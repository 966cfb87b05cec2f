"""What a pretraining asks of the backend, as conversations: see MedSSLLib.steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MedSSLLib.scene.volumeExport import isFlat, sendingOf, uploadSteps
from MedSSLLib.steps import Steps, fileSteps, resultSteps
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.errors import CatalogError
from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.requests import CheckRequest, PreviewRequest

JOB_POLL_S = 1.0  # between two looks at a job


@dataclass(frozen=True)
class TrainingSet:
    """The user's choice: volume nodes, a folder or CSV file on the backend's machine, or dataset specs."""

    volumes: tuple = ()
    path: str = ""
    modality: str = ""
    view: str = ""  # what 3D volume nodes become, where the method learns from 2D images: as VolumeRef.view
    exclude: tuple[str, ...] = ()  # "column=value": what a table's rows are left out by
    sets: tuple[dict[str, Any], ...] = ()  # specs, complete
    startFrom: str = ""  # a job id or a weight file; only a training on dataset specs takes one

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
        raise CatalogError(
            _("training set"), _("is empty"), _("Choose volumes, a folder, a table or dataset specs"), code="no-images"
        )
    refs = []
    for number, node in enumerate(chosen.volumes):
        yield sendingOf(number, len(chosen.volumes))
        refs.append((yield from uploadSteps(node, loopback, "" if isFlat(node) else chosen.view)))
    return DataSpec(
        path=chosen.path, modality=chosen.modality, volumes=tuple(refs), exclude=chosen.exclude, sets=chosen.sets
    )


def checkSteps(
    chosen: TrainingSet,
    loopback: bool,
    stopped: Callable[[], bool] = lambda: False,
    onProgress: Callable[[float, str], None] = lambda *_: None,
) -> Steps:
    """What is in the training set; returns (ResultStatus.info, {name: bytes} of its pictures: contact sheets).

    Args:
        stopped, onProgress: as of `resultSteps`.
    """
    data = yield from dataSteps(chosen, loopback)
    result = yield from resultSteps((yield api.check(CheckRequest(data))), stopped, onProgress)
    return result.info, (yield from fileSteps(result, ".png"))


def previewSteps(
    chosen: TrainingSet,
    loopback: bool,
    method: str,
    config: dict[str, Any],
    count: int = 4,
    stopped: Callable[[], bool] = lambda: False,
    onProgress: Callable[[float, str], None] = lambda *_: None,
) -> Steps:
    """Sub-volumes, or crops of radiographs, and their distortions; returns (ResultStatus, {name: bytes}).

    Args:
        stopped, onProgress: as of `resultSteps`.
    """
    data = yield from dataSteps(chosen, loopback)
    request = PreviewRequest(data, method, config, count)
    result = yield from resultSteps((yield api.preview(request)), stopped, onProgress)
    return result, (yield from fileSteps(result, ".nrrd"))


def submitSteps(chosen: TrainingSet, loopback: bool, **spec: Any) -> Steps:
    """Start a pretraining; returns its JobView. `spec` takes the fields of JobSpec but kind and data."""
    data = yield from dataSteps(chosen, loopback)
    return (yield api.submit(JobSpec(kind="pretrain", data=data, start_from=chosen.startFrom, **spec)))
