"""The contract between panel, client, server and job process. Standard library only: Slicer imports this."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import re
import time
import typing
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar, cast

from medssl.core.errors import ConfigError, InputError

T = TypeVar("T")
VERSION = 6  # of job specs; since 2 volumes are brought to one orientation, since 3 tasks augment whole batches, see `tasks.earlier`;
# since 5 pretraining keeps sub-volumes of aerated lung, since 6 uncertain labels are no truth to measure against

QUEUED, RUNNING, FINISHED, FAILED, CANCELLED, INTERRUPTED = (
    "queued", "running", "finished", "failed", "cancelled", "interrupted",
)  # fmt: skip
END_STATES = (FINISHED, FAILED, CANCELLED)
RESUMABLE_STATES = (FAILED, CANCELLED, INTERRUPTED)

# Event types in events.jsonl. A resumed run repeats the steps after its last checkpoint: a reader that draws
# curves drops what lies beyond `step` of a `resumed` event.
STARTED, RESUMED, LOSS, METRIC, CHECKPOINT, ESTIMATE, WARNING, FINISHED_EVENT, FAILED_EVENT, CANCELLED_EVENT = (
    "started", "resumed", "loss", "metric", "checkpoint", "estimate", "warning", "finished", "failed", "cancelled",
)  # fmt: skip


class Body:
    """What travels in a request to the server, which refuses unknown fields: its validator, pydantic, reads this line."""

    __pydantic_config__ = {"extra": "forbid"}


@dataclass(frozen=True)
class VolumeRef(Body):
    """One image: a path the backend can read, or the SHA-256 of bytes uploaded before; exactly one of the two."""

    path: str = ""
    sha256: str = ""
    name: str = ""
    modality: str = ""  # CT, MR, CXR or "" (unknown)
    patient: str = ""
    view: str = ""  # a 3D image as 2D: "frontal", "lateral" (projections of a CT), "k:57", "k" (a slice); "": as it is
    inverted: bool = False  # high values are dark (MONOCHROME1, which DICOM files say so themselves)
    mask_path: str = ""  # its label map, on the backend's machine ...
    mask_sha256: str = ""  # ... or uploaded before
    labels: dict[str, float | str] = field(default_factory=dict)  # what is known of it, as in a catalogue's columns
    split: str = ""  # training, validation, test or "" (drawn)
    point: tuple[float, float, float] | None = None  # mm, RAS: the place in a 3D image that is asked about
    further: tuple[VolumeRef, ...] = ()  # images of the same place, registered with it: its further channels

    def __post_init__(self) -> None:
        what = self.name or repr(self.path)
        if bool(self.path) == bool(self.sha256):
            raise InputError(
                f"volume {what}", "needs either a path or a SHA-256", "Give one of the two", code="path-or-sha256"
            )
        if self.mask_path and self.mask_sha256:
            raise InputError(
                f"label map of {what}", "has a path and a SHA-256", "Give one of the two", code="path-or-sha256"
            )
        if any(one.further for one in self.further):
            raise InputError(
                f"further channel of {what}", "has further channels itself", "List all of them at the first",
                code="channels-nested",
            )  # fmt: skip


@dataclass(frozen=True)
class DataSpec(Body):
    """A training set: a folder, a catalogue CSV, single volumes (files or uploads), or dataset specs."""

    path: str = ""  # a folder or a .csv file, on the machine of the backend
    pattern: str = ""  # glob below a folder, e.g. "*/ct.nii.gz"; "" takes every readable image
    modality: str = ""  # overrides what files say; of several channels one for all, or one each: "MR,CT"
    channels: tuple[str, ...] = ()  # with pattern: globs of further channels, "*/mr.nii.gz", see `with_channels`
    channel_names: str = ""  # of all channels: "T1,T2"; "": their modalities, or what their files are called
    volumes: tuple[VolumeRef, ...] = ()
    sets: tuple[dict[str, Any], ...] = ()  # complete dataset specs, see `datasets/spec/spec.py`
    masks: str = ""  # where an image's label map lies: "{folder}/../labels/{stem}.nii.gz"; "": as the catalogue says
    validation_fraction: float = 0.2  # of the patients
    test_fraction: float = 0.0  # of the patients, where the catalogue fixes no test set (tasks only)
    folds: int = 0  # cross-validation (tasks only): so many parts of the patients; 0: one split
    fold: int = 0  # which of them is the test set
    exclude: tuple[str, ...] = ()  # "view=LATERAL": images with this value in this column of the catalogue are left out
    patient_ids: str = "hashed"  # how a PatientID of DICOM files is stored and shown: hashed or plain
    gaps: str = "refuse"  # missing slices of a DICOM series: refuse the volume, or resample (interpolate) them
    unreadable_share: float = 0.5  # of the images, that may be unusable and are then left out (one always may)
    validation_of: str = ""  # a fine-tuning (id or name) whose validation and test patients stay those (tasks only)

    def __post_init__(self) -> None:
        if [bool(self.path), bool(self.volumes), bool(self.sets)].count(True) != 1:
            raise InputError(
                "training set",
                "needs a folder or CSV, a list of volumes, or dataset specs",
                "Give one of the three",
                code="training-data-missing",
            )
        if not 0.0 < self.validation_fraction < 1.0:
            raise ConfigError(
                f"validation_fraction = {self.validation_fraction}",
                "must lie between 0 and 1",
                "0.2 is a good start",
                code="setting-out-of-range",
            )
        if self.folds and not 0 <= self.fold < self.folds:
            raise ConfigError(
                f"fold = {self.fold}",
                f"is not one of {self.folds} folds",
                f"Use 0 to {self.folds - 1}",
                code="setting-out-of-range",
            )
        if self.folds and self.validation_of:
            raise ConfigError(
                f"folds = {self.folds}",
                f"draw other validation cases than job {self.validation_of} had",
                "Set one of folds and validation_of",
                code="folds-and-validation-of",
            )
        if self.patient_ids not in ("hashed", "plain"):
            raise ConfigError(
                f"patient_ids = {self.patient_ids!r}", "is unknown", "Use hashed or plain", code="setting-not-a-choice"
            )
        if self.gaps not in ("refuse", "resample"):
            raise ConfigError(
                f"gaps = {self.gaps!r}", "is unknown", "Use refuse or resample", code="setting-not-a-choice"
            )
        if not 0.0 <= self.unreadable_share <= 1.0:
            raise ConfigError(
                f"unreadable_share = {self.unreadable_share}",
                "must lie between 0 and 1",
                "Take 0.1, or 0 to stop at the second bad file",
                code="setting-out-of-range",
            )
        if not 0.0 <= self.test_fraction < 1.0 - self.validation_fraction:
            raise ConfigError(
                f"test_fraction = {self.test_fraction}",
                "leaves nothing to train on",
                "Take 0.2, or 0 for no test set",
                code="setting-out-of-range",
            )


@dataclass(frozen=True)
class JobSpec(Body):
    """What a job is asked to do. `config` is the method's complete tree; presets are resolved before submission."""

    kind: str  # a key of jobs.KINDS: pretrain, finetune, ensemble, probe, apply, compare, batch
    method: str  # a key of the kind's table: of METHODS, TASKS, ...
    config: dict[str, Any]
    data: DataSpec
    name: str = ""
    device: str = "auto"  # auto, cpu, cuda, cuda:1, mps
    start_from: str = ""  # a weight file to begin with
    partial_weights: bool = False  # accept a start_from file that matches only in part
    rivals: bool = (
        True  # hold a fine-tuned model against trivial rivals; a comparison does that once for all of its runs
    )
    version: int = VERSION


@dataclass(frozen=True)
class JobStatus:
    """`status.json`. Times are seconds since the epoch; `state` as stored never says interrupted: readers derive it."""

    state: str
    progress: float = 0.0  # 0…1
    message: str = ""
    step: int = 0
    steps: int = 0
    eta_s: float | None = None
    device: str = ""
    host: str = ""
    pid: int = 0
    pid_started: float = 0.0
    heartbeat: float = 0.0
    created: float = field(default_factory=time.time)
    started: float = 0.0
    ended: float = 0.0
    error: dict[str, str] | None = None


@dataclass(frozen=True)
class JobView:
    """A job as HTTP, client and CLI show it."""

    id: str
    spec: JobSpec
    status: JobStatus
    events: int  # how many complete events there are
    files: tuple[str, ...]  # what GET /jobs/{id}/files/{name} can fetch, below the job folder


@dataclass(frozen=True)
class ResultStatus:
    """`GET /results/{id}`: an inspection that the warm worker queues, computes and leaves as files and a table."""

    id: str
    kind: str  # a key of handlers.INSPECTIONS
    state: str
    progress: float = 0.0
    message: str = ""
    files: tuple[str, ...] = ()  # e.g. original.nrrd, distorted.nrrd, restored.nrrd, error.nrrd
    table: tuple[dict[str, Any], ...] = ()  # rows, e.g. {"image": "restored", "mse": …, "psnr": …, "ssim": …}
    info: dict[str, Any] = field(default_factory=dict)  # e.g. window (lo, hi), distortion as drawn, model name
    error: dict[str, str] | None = None


def to_json(value: Any) -> Any:
    """Dataclasses, tuples and paths as plain JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(v) for v in value]
    return value


def spec_from_json(data: dict[str, Any]) -> JobSpec:
    """Read a `JobSpec`, checking names and version.

    Raises:
        InputError: an unknown or missing field, or a spec of a later version.
    """
    check_version(data.get("version", VERSION))
    return from_json(JobSpec, data)


def check_version(version: int) -> None:
    """Refuse a `JobSpec` of a later version.

    Raises:
        InputError: it is one.
    """
    if version > VERSION:
        raise InputError(f"spec version {version}", f"is newer than {VERSION}", "Update MedSSL")


def from_json(kind: type[T], data: dict[str, Any]) -> T:
    """Make the dataclass `kind` from a mapping; its own fields that are dataclasses too, lists become tuples.

    Raises:
        InputError: an unknown or a missing field.
    """
    if not isinstance(data, dict):
        raise InputError(f"{kind.__name__} = {data!r}", "must be a JSON object", "See the API docs")
    known = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = [name for name in data if name not in known]
    if unknown:
        raise InputError(
            f"{kind.__name__}.{unknown[0]}", "is unknown", f"Known here: {', '.join(known)}", code="field-unknown"
        )
    required = [n for n, f in known.items() if f.default is f.default_factory is dataclasses.MISSING and n not in data]
    if required:
        raise InputError(f"{kind.__name__}.{required[0]}", "is missing", "Give it a value", code="field-missing")
    hints = _hints(cast(Any, kind))
    return kind(**{name: _value(hints[name], value) for name, value in data.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _value(hint: Any, value: Any) -> Any:
    """A JSON value as a field's type wants it; what does not fit stays as it is."""
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return from_json(hint, value)  # type: ignore[arg-type]
    if isinstance(value, (list, tuple)):
        inner = _of_items(hint)
        return tuple(_value(inner, item) for item in value)
    return value


def _of_items(hint: Any) -> Any:
    """What the items of a field are: `tuple[X, ...]`, also where that may be None, holds X."""
    for option in (hint, *typing.get_args(hint)):
        if typing.get_origin(option) is tuple:
            return typing.get_args(option)[0]
    return Any


def token_id(token: str) -> str:
    """The public part of a named token, `medssl_<id>_<secret>`; "" for the owner's."""
    match = re.match(r"medssl_([0-9a-f]{8})_", token)
    return match[1] if match else ""


def token_key(token: str) -> str:
    """What a server keeps of a token: its SHA-256 as 64 hexadecimal digits, from which the token cannot be had."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def token_proof(key: str, nonce: str) -> str:
    """What only who has the key of a token can answer to a nonce: so a server shows that it knows a token unseen."""
    return hmac.new(bytes.fromhex(key), b"medssl server proof\n" + nonce.encode(), "sha256").hexdigest()
