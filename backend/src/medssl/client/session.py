"""The server in a few lines of Python, waiting for answers: for the console, batch work and the demo."""

from __future__ import annotations

import base64
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medssl.client import api, backend, volumes
from medssl.client.transport import RequestsTransport, Transport
from medssl.core.errors import CancelledError, from_dict
from medssl.core.protocol import (
    CANCELLED,
    END_STATES,
    FAILED,
    INTERRUPTED,
    DataSpec,
    JobSpec,
    JobView,
    ResultStatus,
    VolumeRef,
)
from medssl.core.registry import config_class
from medssl.core.requests import (
    CatalogRequest,
    CorrespondRequest,
    CosegmentRequest,
    LandmarksRequest,
    PatchmapRequest,
    PredictRequest,
    PreviewRequest,
    RestoreRequest,
    RetrieveRequest,
    SaliencyRequest,
    SegmentRequest,
    SimilarityRequest,
)
from medssl.core.schema import as_dict, build
from medssl.pretraining import METHODS

JOB_POLL_S = 0.5
RESULT_POLL_S = 0.05

OnEvent = Callable[[dict[str, Any]], None]
OnProgress = Callable[[float, str], None]


def _silent(share: float, message: str) -> None:
    """Progress that nobody wants to hear."""


def connect(home: str | os.PathLike[str] | None = None, python: str | os.PathLike[str] = sys.executable) -> Session:
    """A session with the local server over the home folder, which is started with `python` where none runs.

    Raises:
        ResourceError: it cannot be started.
    """
    return Session(RequestsTransport(backend.start(python, home)))


class Session:
    """Blocking helpers over a transport; `send` takes any call of `medssl.client.api`."""

    def __init__(self, transport: Transport, sleep: Callable[[float], None] = time.sleep) -> None:
        self.send, self._sleep = transport.send, sleep

    def pretrain(
        self,
        data: DataSpec,
        method: str = "genesis",
        preset: str = "default",
        config: dict[str, Any] | None = None,
        **spec: Any,
    ) -> JobView:
        """Start a pretraining.

        Args:
            data: the training set.
            method: a registered method.
            preset: one of the method's presets.
            config: nested overrides of the preset, e.g. `{"training": {"steps": 100}}`.
            spec: further fields of `JobSpec`: name, device, start_from, partial_weights.

        Raises:
            ConfigError: a setting is unknown or out of range.
        """
        complete = as_dict(build(config_class(METHODS, method), config or {}, preset=preset))
        return self.send(api.submit(JobSpec("pretrain", method, complete, data, **spec)))

    def wait(self, job_id: str, on_event: OnEvent = lambda event: None) -> JobView:
        """Follow a job to its end.

        Raises:
            MedSSLError: what made it fail.
            CancelledError: it was cancelled.
        """
        after = 0
        while True:
            view: JobView = self.send(api.job(job_id))  # before the events, so that the last ones are not missed
            answer = self.send(api.events(job_id, after))
            after = answer["next"]
            for event in answer["events"]:
                on_event(event)
            if answer["events"]:
                continue
            if view.status.state in (*END_STATES, INTERRUPTED):
                return _unless_failed(view.status.state, view.status.error, view)
            self._sleep(JOB_POLL_S)

    def upload(self, data: bytes, **ref: Any) -> VolumeRef:
        """Send NRRD bytes unless the server has them; `ref` takes name, modality and patient."""
        sha256 = volumes.sha256_of(data)
        if not self.send(api.has_volume(sha256)):
            for start, stop in volumes.pieces(len(data)):
                self.send(api.put_piece(sha256, data[start:stop], start, len(data)))
        return VolumeRef(sha256=sha256, **ref)

    def upload_array(self, array_kji: np.ndarray, ijk_to_ras: np.ndarray, **ref: Any) -> VolumeRef:
        """Send an array indexed [k, j, i] with its 4x4 IJK-to-RAS matrix in mm."""
        return self.upload(volumes.nrrd_bytes(array_kji, ijk_to_ras), **ref)

    def restore(self, volume: VolumeRef, model: str, on_progress: OnProgress = _silent, **request: Any) -> ResultStatus:
        """Distort a volume, let the model restore it, wait; `request` takes further fields of `RestoreRequest`.

        Raises:
            MedSSLError: what made it fail.
        """
        return self.finished(self.send(api.restore(RestoreRequest(volume, model, **request))), on_progress)

    def preview(self, request: PreviewRequest) -> ResultStatus:
        """Cubes of a training set and their distortions."""
        return self.finished(self.send(api.preview(request)))

    def catalog(self, data: DataSpec, read_all: bool = False) -> ResultStatus:
        """What is in a training set; `read_all`: of declared sets every image is read, not a few."""
        return self.finished(self.send(api.catalog(CatalogRequest(data, read_all))))

    def dataset_specs(self) -> dict[str, dict[str, Any]]:
        """Ready-made declarations of public sets by name; set their `root` and give them as `DataSpec(sets=...)`."""
        return {one["name"]: one["declaration"] for one in self.send(api.dataset_specs())}

    def read_dataset_spec(self, path: str = "", text: str = "") -> dict[str, Any]:
        """A declaration file on the backend's machine, or the text of one, as a dict."""
        return self.send(api.read_dataset_spec(path, text))

    def dataset_spec_text(self, dataset_spec: dict[str, Any]) -> str:
        """A declaration as the text of a YAML file."""
        return self.send(api.dataset_spec_text(dataset_spec))["text"]

    def correspond(
        self, images: Sequence[VolumeRef], model: str, on_progress: OnProgress = _silent, **request: Any
    ) -> ResultStatus:
        """Places of equal anatomy in two or more radiographs; `request` takes further fields of `CorrespondRequest`."""
        asked = CorrespondRequest(tuple(images), model, **request)
        return self.finished(self.send(api.correspond(asked)), on_progress)

    def similarity(self, images: Sequence[VolumeRef], model: str, x: float, y: float, **request: Any) -> ResultStatus:
        """Where in every image is what lies at (x, y) of the first? `request` takes further fields of `SimilarityRequest`.

        Milliseconds once the images are known to the worker; `similarity_maps` reads the maps.
        """
        return self.finished(self.send(api.similarity(SimilarityRequest(tuple(images), model, x, y, **request))))

    def cosegment(
        self, images: Sequence[VolumeRef], model: str, on_progress: OnProgress = _silent, **request: Any
    ) -> ResultStatus:
        """Parts of equal anatomy in several radiographs; `request` takes further fields of `CosegmentRequest`."""
        asked = CosegmentRequest(tuple(images), model, **request)
        return self.finished(self.send(api.cosegment(asked)), on_progress)

    def patchmap(
        self, images: Sequence[VolumeRef], model: str, on_progress: OnProgress = _silent, **request: Any
    ) -> ResultStatus:
        """Patches of equal descriptors, near each other; `request` takes further fields of `PatchmapRequest`."""
        asked = PatchmapRequest(tuple(images), model, **request)
        return self.finished(self.send(api.patchmap(asked)), on_progress)

    def landmarks(
        self, data: DataSpec, models: Sequence[str], on_progress: OnProgress = _silent, **request: Any
    ) -> ResultStatus:
        """How far from known landmarks do models find them? `request` takes further fields of `LandmarksRequest`."""
        asked = LandmarksRequest(data, tuple(models), **request)
        return self.finished(self.send(api.landmarks(asked)), on_progress)

    def segment(self, volume: VolumeRef, model: str, on_progress: OnProgress = _silent, **request: Any) -> ResultStatus:
        """Segment an image; `request` takes further fields of `SegmentRequest`, `result_volume` reads it."""
        return self.finished(self.send(api.segment(SegmentRequest(volume, model, **request))), on_progress)

    def predict(
        self, images: Sequence[VolumeRef], model: str, on_progress: OnProgress = _silent, **request: Any
    ) -> ResultStatus:
        """Probabilities of classes for one or more images; `request` takes further fields of `PredictRequest`."""
        return self.finished(self.send(api.predict(PredictRequest(tuple(images), model, **request))), on_progress)

    def retrieve(
        self, volume: VolumeRef, data: DataSpec, model: str, on_progress: OnProgress = _silent, **request: Any
    ) -> ResultStatus:
        """The most similar images of a set to one image; `request` takes further fields of `RetrieveRequest`."""
        return self.finished(self.send(api.retrieve(RetrieveRequest(volume, data, model, **request))), on_progress)

    def saliency(
        self, volume: VolumeRef, model: str, finding: str, on_progress: OnProgress = _silent, **request: Any
    ) -> ResultStatus:
        """Where in an image a finding's probability comes from; `request` takes further fields of `SaliencyRequest`."""
        return self.finished(self.send(api.saliency(SaliencyRequest(volume, model, finding, **request))), on_progress)

    def finished(self, result: ResultStatus, on_progress: OnProgress = _silent) -> ResultStatus:
        """Wait until an inspection has ended.

        Raises:
            MedSSLError: what made it fail.
            CancelledError: it was cancelled.
        """
        while result.state not in END_STATES:
            on_progress(result.progress, result.message)
            self._sleep(RESULT_POLL_S)
            result = self.send(api.result(result.id))
        return _unless_failed(result.state, result.error, result)

    def result_volume(self, result: ResultStatus, name: str) -> tuple[np.ndarray, np.ndarray]:
        """One of a result's volumes: the array, indexed [k, j, i], and its 4x4 IJK-to-RAS matrix in mm."""
        return volumes.read_nrrd_bytes(self.send(api.result_file(result.id, name)))

    def save(self, result: ResultStatus, folder: Path) -> list[Path]:
        """Write all files of a result into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / Path(name).name for name in result.files]
        for name, path in zip(result.files, paths):
            path.write_bytes(self.send(api.result_file(result.id, name)))
        return paths


def _unless_failed(state: str, error: dict[str, str] | None, value: Any) -> Any:
    if state == FAILED and error:
        raise from_dict(error)
    if state == CANCELLED:
        raise CancelledError(value.id)
    return value


def similarity_maps(result: ResultStatus) -> list[np.ndarray]:
    """The maps of a similarity result, (rows, columns) float32 each; `result.info["maps"]` tells where they lie."""
    return [
        np.frombuffer(base64.b64decode(one["values"]), "<f4").reshape(one["rows"], one["columns"])
        for one in result.info["maps"]
    ]
