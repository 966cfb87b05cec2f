"""Whether a segmentation network sees volumes (whole or slice by slice) or flat images: each is asked about what it learnt from."""

from __future__ import annotations

from medssl.core.errors import VolumeError
from medssl.core.plan import Plan
from medssl.images.planes import HOW
from medssl.images.volume import Volume

FLAT = "flat"  # of `Plan.task`: were the training images 2D? Files of before say nothing


def check_flat(volume: Volume, plan: Plan) -> None:
    """May a 2D image, or a view, be given to the model?

    Raises:
        VolumeError: the model learnt from volumes, or from their slices, whose scale it knows in millimetres.
    """
    if len(plan.input_size) != 2 or plan.task.get("context") or plan.task.get(FLAT) is False:
        raise VolumeError(
            f"{volume.name or 'image'} of shape {volume.shape}", "is 2D where the model needs a volume",
            "Choose a volume", code="not-3d",
        )  # fmt: skip


def check_deep(volume: Volume, plan: Plan) -> None:
    """May a volume be given to the model?

    Raises:
        VolumeError: the model learnt from 2D images, which it saw brought to one size.
    """
    if plan.modality == "CXR" or plan.task.get(FLAT):
        seen = "radiographs" if plan.modality == "CXR" else "2D images"
        raise VolumeError(
            f"{volume.name or 'volume'} of shape {volume.shape}",
            f"is 3D where the model sees {seen}",
            HOW,
            code="not-2d",
        )
