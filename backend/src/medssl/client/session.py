"""The server in a few lines of Python, waiting for answers: for the console, batch work and the demo."""

from __future__ import annotations

import base64
import os
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medssl.client import api, backend, polling, volumes
from medssl.client.transport import RequestsTransport, Transport
from medssl.client.verbs import verb
from medssl.core.protocol import DataSpec, JobSpec, JobView, ResultStatus, VolumeRef
from medssl.core.registry import config_class
from medssl.core.schema import as_dict, build
from medssl.handlers import INSPECTIONS
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
    """Blocking helpers over a transport; `send` takes any call of `medssl.client.api`.

    Each inspection of `medssl.handlers.INSPECTIONS` is a method, see `help(Session.restore)`.
    """

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

        def arrived(events: list[dict[str, Any]]) -> None:
            for event in events:
                on_event(event)

        view: JobView = self._converse(polling.follow_job(api, job_id, JOB_POLL_S, arrived))
        polling.raise_unless_finished(view.status.state, view.status.error, view.id)
        return view

    def rounds(self, job_id: str) -> list[dict[str, Any]]:
        """How the score on the fixed validation cases moved up to a fine-tuning: a dict for each round, the first one first."""
        return self.send(api.rounds(job_id))

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

    def dataset_specs(self) -> dict[str, dict[str, Any]]:
        """Ready-made dataset specs of public sets by name; set their `root` and give them as `DataSpec(sets=...)`."""
        return {one["name"]: one["spec"] for one in self.send(api.dataset_specs())}

    def read_dataset_spec(self, path: str = "", text: str = "") -> dict[str, Any]:
        """A dataset spec as a dict, from a file on the backend's machine or from the text of one."""
        return self.send(api.read_dataset_spec(path, text))

    def dataset_spec_text(self, dataset_spec: dict[str, Any]) -> str:
        """A dataset spec as the text of a YAML file."""
        return self.send(api.dataset_spec_text(dataset_spec))["text"]

    def finished(self, result: ResultStatus, on_progress: OnProgress = _silent) -> ResultStatus:
        """Wait until an inspection has ended.

        Raises:
            MedSSLError: what made it fail.
            CancelledError: it was cancelled.
        """
        return self._converse(polling.follow_result(api, result, RESULT_POLL_S, on_progress))

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

    def _converse(self, conversation: Generator[Any, Any, Any]) -> Any:
        return polling.converse(conversation, self.send, self._sleep)

    if TYPE_CHECKING:  # the verbs below

        def __getattr__(self, name: str) -> Callable[..., ResultStatus]: ...


for _name, _inspection in INSPECTIONS.items():
    setattr(Session, _name, verb(_name, _inspection))


def similarity_maps(result: ResultStatus) -> list[np.ndarray]:
    """The maps of a similarity result, (rows, columns) float32 each; `result.info["maps"]` tells where they lie."""
    return [
        np.frombuffer(base64.b64decode(one["values"]), "<f4").reshape(one["rows"], one["columns"])
        for one in result.info["maps"]
    ]
