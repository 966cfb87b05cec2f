"""The 2D image that a view makes of a 3D volume, so that results on it have something to lie on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from medssl.core.requests import PlaneRequest
from medssl.images.formats.reading import write_volume
from medssl.images.planes import as_plane

if TYPE_CHECKING:
    from medssl.handlers.worker.context import FolderContext

FILE = "plane.nrrd"


def inspect(asked: PlaneRequest, context: FolderContext) -> None:
    """Answer a PlaneRequest; a slice lies where it was cut, a projection on a detector of its own."""
    plane = as_plane(context.volume(asked.volume), asked.volume.view, asked.volume.inverted)
    write_volume(replace(plane, array=plane.array[..., None]), context.folder / FILE)  # 2D files forget where they lie
    context.finish([FILE], [], {"view": asked.volume.view, "modality": plane.modality})
