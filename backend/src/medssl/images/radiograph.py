"""A radiograph as the networks see it: one 2D image, bright bone on dark air, 0...1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medssl.core.errors import VolumeError
from medssl.images.borders import box_of, check_box
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import resolve, window
from medssl.images.intensity.volume_statistics import compute
from medssl.images.planes import as_plane
from medssl.images.resizing import resized
from medssl.images.volume import Volume

__all__ = ["Radiograph", "as_radiograph", "resized"]

AUTO = NormalisationConfig()


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
    volume: Volume, view: str = "", inverted: bool = False, normalisation: NormalisationConfig = AUTO
) -> Radiograph:
    """Make a radiograph of an image: view, inversion, borders, intensities.

    Args:
        volume: 2D, a single slice, or 3D with a view.
        view: see `as_plane`.
        inverted: high values are dark (MONOCHROME1; DICOM files say so themselves and are inverted when read).
        normalisation: by default that of the image's modality.

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
    plane = as_plane(volume, view, inverted)
    x0, y0, width, height = box = box_of(plane.array, plane.modality)
    inside = plane.array[x0 : x0 + width, y0 : y0 + height]
    low, high = window(resolve(normalisation, plane.modality, name), compute(inside, plane.modality), name)
    check_box(box, name)
    pixels = (inside.T.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    pixels = pixels.clip(0, 1)
    notes = list(plane.notes)
    if inside.size < plane.array.size:
        whole = " x ".join(map(str, plane.shape))
        notes.append(f"Uniform borders left out: {width} x {height} of {whole} pixels are looked at")
    if plane.modality == "CXR" and view != "lateral" and looks_inverted(pixels):
        notes.append("Looks inverted (dark bone on bright air): if it is, say so (inverted)")
    return Radiograph(pixels, x0, y0, plane, (low, high), tuple(notes))


def looks_inverted(pixels: np.ndarray) -> bool:
    """Are spine and abdomen of a frontal chest radiograph (rows, columns) both darker than the lungs?

    Medians of four regions decide. On 755 radiographs of ChestX-ray14 and 83 of the V7 lung set it had no false positive, and it
    found 97.5 % and 95.2 % of their inverses. It knows nothing of lateral views and other parts of the body.
    """
    height, width = pixels.shape
    middle = pixels[height // 4 : 3 * height // 4]
    sides = (middle[:, width // 6 : width // 3], middle[:, width - width // 3 : width - width // 6])
    lungs = np.median(np.concatenate(sides, axis=1))
    spine = np.median(middle[:, round(0.42 * width) : round(0.58 * width)])
    abdomen = np.median(pixels[-(height // 5) :, width // 4 : width - width // 4])
    return bool(spine < lungs and abdomen < lungs)
