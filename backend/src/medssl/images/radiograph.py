"""A radiograph as the networks see it: one 2D image, bright bone on dark air, 0...1."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from medssl.core.errors import VolumeError
from medssl.images.borders import box_of, check_box
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import resolve, window
from medssl.images.intensity.volume_statistics import compute
from medssl.images.planes import as_plane, is_flat
from medssl.images.polarity import NOTE, looks_inverted
from medssl.images.resizing import resized
from medssl.images.volume import Volume

__all__ = ["Radiograph", "as_radiograph", "resized"]

AUTO = NormalisationConfig()
SQUARE = 1.1  # long to short side of a pixel, at most: above, shapes are visibly others


@dataclass(frozen=True, eq=False)
class Radiograph:
    """Pixels without uniform borders, and where they lie.

    Attributes:
        pixels: (rows, columns) float32, 0...1.
        x0: column of the source where `pixels` begins.
        y0: row of the source where `pixels` begins.
        volume: the 2D source (column, row), already inverted back where it was inverted.
        window: values of the source that became 0 and 1.
        notes: what the user should know.
    """

    pixels: np.ndarray
    x0: int
    y0: int
    volume: Volume
    window: tuple[float, float]
    notes: tuple[str, ...] = ()


def as_radiograph(
    volume: Volume,
    view: str = "",
    inverted: bool = False,
    normalisation: NormalisationConfig = AUTO,
    modality: str = "",
) -> Radiograph:
    """Make a radiograph of an image: view, inversion, borders, intensities.

    Args:
        volume: 2D, a single slice, or 3D with a view.
        view: see `as_plane`.
        inverted: high values are dark (MONOCHROME1; DICOM files say so themselves and are inverted when read).
        normalisation: by default that of the image's modality.
        modality: of a 2D image that states none (the model's, say); "": as its values tell.

    Raises:
        VolumeError: 3D without a view, not finite, constant, without contrast, too small, or too long.
    """
    name = volume.name or "image"
    if volume.array.dtype.kind == "f" and not np.isfinite(volume.array).all():
        raise VolumeError(
            name,
            "holds pixels that are not numbers (NaN or infinite)",
            "Replace them by the background",
            code="image-nan",
        )
    if modality and not volume.modality and is_flat(volume.shape):
        volume = replace(volume, modality=modality)
    plane = as_plane(volume, view, inverted)
    x0, y0, width, height = box = box_of(plane.array, plane.modality)
    inside = plane.array[x0 : x0 + width, y0 : y0 + height]
    low, high = window(resolve(normalisation, plane.modality, name), compute(inside, plane.modality), name)
    check_box(box, name)
    pixels = (inside.T.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    pixels = pixels.clip(0, 1)
    return Radiograph(pixels, x0, y0, plane, (low, high), plane_notes(plane, view))


def plane_notes(plane: Volume, view: str = "") -> tuple[str, ...]:
    """What the user should know of a 2D image of `as_plane`, turned round already where it was stated as inverted."""
    notes = [note for note in plane.notes if note != NOTE]  # a reader knows nothing of `inverted`
    _, _, width, height = box_of(plane.array, plane.modality)
    if width * height < plane.array.size:
        whole = " x ".join(map(str, plane.shape))
        notes.append(f"Uniform borders left out: {width} x {height} of {whole} pixels are looked at")
    if plane.modality == "CXR" and view != "lateral" and looks_inverted(plane.array):
        notes.append(NOTE)
    across, down = (float(side) for side in plane.spacing[:2])
    if (ratio := max(across, down) / min(across, down)) > SQUARE:
        notes.append(
            f"Pixels of {across:.4g} x {down:.4g} mm are taken as squares, so that shapes are {ratio:.3g} times too "
            f"{'flat' if down > across else 'narrow'} (more than {SQUARE:g} is noted): resample the image to square pixels first"
        )
    return tuple(notes)
