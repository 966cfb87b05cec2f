"""What a handler is given to work with. `worker/` implements it over a result folder; tests over memory."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from medssl.core.protocol import VolumeRef

if TYPE_CHECKING:
    from medssl.images.volume import Volume
    from medssl.inference.patch_grid import PatchGrid
    from medssl.inference.volumes.voxel_grid import VoxelGrid
    from medssl.networks.network import Network


class Context(Protocol):
    """Images, models, progress, and a folder for what is found."""

    @property
    def home(self) -> Path:
        """The home folder."""

    @property
    def folder(self) -> Path:
        """The result folder: outputs are written into it."""

    def volume(self, ref: VolumeRef) -> Volume:
        """The volume of a path or an upload."""

    def model(self, reference: str, fidelity: str, device: str, part: str = "") -> Network:
        """A model by job id, path or `untrained:PRESET`, in evaluation mode on the device; kept warm."""

    def embedding(
        self, ref: VolumeRef, reference: str, fidelity: str, device: str, part: str = "", dense: int = 1
    ) -> PatchGrid:
        """The patch descriptors of one radiograph under one model; kept warm."""

    def places(
        self, ref: VolumeRef, reference: str, device: str, progress: Callable[[int, int], None] | None = None
    ) -> VoxelGrid:
        """The descriptors of one volume's places under one model; kept warm."""

    def kept(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What later inspections may want to find again, made where it is not there; it has `nbytes`."""

    def progress(self, fraction: float, message: str = "") -> None:
        """Report how far the inspection is; raises CancelledError where the user asked to stop."""

    def note(self, notes: Iterable[str], name: str = "") -> None:
        """Tell the user something before the answer is there: sentences, about what `name` says."""

    def finish(self, files: list[str], table: list[dict[str, Any]], info: dict[str, Any]) -> None:
        """Report what was found; `files` are names in the folder."""
