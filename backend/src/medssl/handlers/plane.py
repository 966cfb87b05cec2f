"""Make the 2D image of a view of a 3D volume, so that results on it have something to lie on."""

from __future__ import annotations

from dataclasses import replace

from medssl.core.requests import PlaneRequest
from medssl.handlers.context import Context
from medssl.images.formats.reading import write_volume
from medssl.images.planes import as_plane

FILE = "plane.nrrd"


def plane(request: PlaneRequest, context: Context) -> None:
    """Answer with plane.nrrd; a slice lies where it was cut, a projection on a detector of its own.

    Raises:
        VolumeError: a volume without a view.
    """
    image = as_plane(context.volume(request.volume), request.volume.view, request.volume.inverted)
    write_volume(replace(image, array=image.array[..., None]), context.folder / FILE)  # 2D files forget where they lie
    context.finish([FILE], [], {"view": request.volume.view, "modality": image.modality})
