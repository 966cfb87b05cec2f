"""What an inspection is given to work with: volumes, models, progress, and a folder for what it finds."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medssl.core.errors import CancelledError, InputError, MedSSLError, NotFoundError
from medssl.core.files import read_json, split_choice, write_json
from medssl.core.protocol import (
    CANCELLED,
    END_STATES,
    FAILED,
    FINISHED,
    RUNNING,
    ResultStatus,
    VolumeRef,
    from_json,
    to_json,
)
from medssl.images.formats.voxel_files import files_of
from medssl.inference.models import WarmEmbeddings, WarmModels

if TYPE_CHECKING:
    from medssl.images.volume import Volume
    from medssl.inference.patch_grid import PatchGrid
    from medssl.inference.volumes.voxel_grid import VoxelGrid
    from medssl.networks.network import Network

PROGRESS_S = 0.1  # status.json is replaced at most this often


class FolderContext:
    """The context over a result folder.

    Attributes:
        home: the home folder.
        folder: the result folder; outputs are written into it.
        kind: the inspection's name.
    """

    def __init__(self, home: Path, folder: Path, models: WarmModels, embeddings: WarmEmbeddings | None = None) -> None:
        self.home, self.folder, self._models = home, folder, models
        self._embeddings = embeddings or WarmEmbeddings()
        self._status: ResultStatus = from_json(ResultStatus, read_json(folder / "status.json"))
        self.kind, self._written = self._status.kind, 0.0
        self._notes: dict[str, None] = {}  # in order, each once

    def volume(self, ref: VolumeRef | dict[str, Any]) -> Volume:
        """Read a volume, from its path or from what was uploaded.

        Raises:
            NotFoundError: it was not uploaded.
            VolumeError: it cannot be read.
            InputError: it has further channels, which `segment` alone takes.
        """
        from medssl.images.formats.reading import read_volume
        from medssl.images.points import located

        ref = from_json(VolumeRef, ref) if isinstance(ref, dict) else ref
        if ref.further:
            raise InputError(
                f"volume {ref.name or ref.path} with {1 + len(ref.further)} channels", "has more than this takes, which is one",
                "Give one image", code="channels-not-taken",
            )  # fmt: skip
        volume = read_volume(ref.path or upload_path(self.home, ref))
        name, modality = (
            ref.name or volume.name,
            ref.modality or volume.modality,
        )  # the user knows the node, not its file
        volume = dataclasses.replace(volume, name=name, modality=modality)
        return located(volume, ref.point, "RAS") if ref.point else volume

    def note(self, notes: Iterable[str], name: str = "") -> None:
        """Tell the user something before the answer is there: it stands in `info` at once, and stays."""
        fresh = [note for note in (f"{name}: {note}" if name else note for note in notes) if note not in self._notes]
        if fresh:
            self._notes |= dict.fromkeys(fresh)
            self._change(info={**self._status.info, "notes": list(self._notes)})

    def model(self, reference: str, fidelity: str, device: str, part: str = "") -> Network:
        """A model by job id or path, in evaluation mode on the device; kept warm.

        Raises:
            NotFoundError: no such job or file.
            WeightsError: the file cannot be used.
        """
        return self._models.get(reference, fidelity, device, part)

    def embedding(
        self, ref: VolumeRef, reference: str, fidelity: str, device: str, part: str = "", dense: int = 1
    ) -> PatchGrid:
        """The patch descriptors of one radiograph under one model; kept warm.

        Args:
            ref: the image, with its view where it is 3D.
            reference, fidelity, device, part: see `model`.
            dense: descriptors along a side of a cell.

        Raises:
            NotFoundError, VolumeError, WeightsError: see `volume` and `model`.
        """
        from medssl.inference.patch_grid import embed_patches

        key = (_identity(self.home, ref), self._models.key(reference, fidelity, device, part), dense)
        return self._embeddings.get(
            key,
            lambda: embed_patches(
                self.volume(ref), self.model(reference, fidelity, device, part), dense, ref.view, ref.inverted
            ),
        )

    def places(
        self, ref: VolumeRef, reference: str, device: str, progress: Callable[[int, int], None] | None = None
    ) -> VoxelGrid:
        """The descriptors of one volume's places under one model; kept warm.

        Args:
            ref: a 3D image.
            reference, device: see `model`.
            progress: called with (tiles done, tiles).

        Raises:
            NotFoundError, VolumeError, WeightsError: see `volume` and `model`.
        """
        from medssl.inference.volumes.voxel_grid import describe_volume

        key = ("places", _identity(self.home, ref), self._models.key(reference, "", device))
        return self._embeddings.get(
            key, lambda: describe_volume(self.volume(ref), self.model(reference, "", device), progress)
        )

    def kept(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What the next inspection may want to find again, made where it is not there; it tells its `nbytes` of memory."""
        return self._embeddings.get(key, make)

    def progress(self, fraction: float, message: str = "") -> None:
        """Say how far the inspection is.

        Raises:
            CancelledError: the user asked to stop.
        """
        self._raise_if_cancelled()
        if time.monotonic() - self._written >= PROGRESS_S:
            self._change(progress=min(1.0, max(0.0, fraction)), message=message)

    def finish(self, files: list[str], table: list[dict[str, Any]], info: dict[str, Any]) -> None:
        """Report what was found; `files` are names in the folder. Notes of before stay, each once."""
        if notes := list(self._notes | dict.fromkeys(info.get("notes", ()))):
            info = {**info, "notes": notes}
        self._change(state=FINISHED, progress=1.0, message="", files=tuple(files), table=tuple(table), info=info)

    def begin(self) -> None:
        """Note that the inspection runs.

        Raises:
            CancelledError: it was cancelled while queued.
        """
        self._raise_if_cancelled()
        self._change(state=RUNNING)

    def close(self) -> None:
        """Finish an inspection that found nothing to report."""
        if self._status.state not in END_STATES:
            self.finish([], [], {})

    def end_cancelled(self) -> None:
        """Record that the user stopped it."""
        self._change(state=CANCELLED, message="")

    def end_failed(self, error: MedSSLError) -> None:
        """Record why it failed."""
        self._change(state=FAILED, message="", error=error.as_dict())

    def _raise_if_cancelled(self) -> None:
        if (self.folder / "cancel").exists():
            raise CancelledError(f"result {self.folder.name}")

    def _change(self, **values: Any) -> None:
        self._status = dataclasses.replace(self._status, **values)
        write_json(self.folder / "status.json", to_json(self._status), durable=False)
        self._written = time.monotonic()


def _identity(home: Path, ref: VolumeRef) -> tuple[Any, ...]:
    """What tells one image from another, and from a later one in the same file."""
    path = Path(ref.path) if ref.path else upload_path(home, ref)
    file = split_choice(path)[0]
    states = [one.stat() for one in files_of(file)] if file.exists() else []  # reading it will tell what is wrong
    changed = tuple((state.st_mtime_ns, state.st_size) for state in states)
    return str(path), changed, ref.modality, ref.view, ref.inverted


def upload_path(home: Path, ref: VolumeRef) -> Path:
    """Where an uploaded volume lies.

    Raises:
        NotFoundError: it was not uploaded.
    """
    path = home / "volumes" / f"{ref.sha256}.nrrd"
    if not path.is_file():
        raise NotFoundError(
            f"volume {ref.name or ref.sha256[:12]}", "was not uploaded", "Upload it first", code="not-uploaded"
        )
    return path
