"""The patient of a CT: axes in a fixed order, and nothing around the body."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from medssl.core.errors import VolumeError
from medssl.images.geometry import reorient
from medssl.images.volume import Volume, guess_modality

AIR, SKIN = -1000, -300  # HU; tissue is above SKIN, couch foam, blankets and lung are below
COARSE = 2.5  # mm; the body is found on a grid about this fine
OPENING = 7.5  # mm; bridges to the couch up to twice as thick are cut
FILLED = 0.1  # share of the volume that the body must fill


@dataclass(frozen=True, eq=False)
class Body:
    """A CT without its surroundings; axes of `volume.array` run to the patient's left, back and head, as nearly as they can."""

    volume: Volume  # int16 HU, -1000 around the body
    inside: np.ndarray  # bool, of the same shape: the body with its cavities
    centre: np.ndarray  # (3,) mm, LPS: of the box around the body
    half: np.ndarray  # (3,) mm: half of that box along L, P, S


def isolate(volume: Volume) -> Body:
    """Find the body and replace everything around it (couch, blankets, the scanner's padding) by air.

    The body is the largest connected piece of tissue, with its cavities filled slice by slice.

    Raises:
        VolumeError: not 3D, not in Hounsfield units, or without a body.
    """
    name = volume.name or "volume"
    if volume.array.ndim != 3:
        raise VolumeError(f"{name} of shape {volume.shape}", "is no 3D volume", "Give a CT", code="not-3d")
    modality = volume.modality or guess_modality(volume.array)
    if modality != "CT":
        raise VolumeError(
            f"{name} ({modality})",
            "cannot be projected: only CT knows attenuation",
            "Give a CT in Hounsfield units",
            code="not-ct",
        )
    ordered = reorient(volume)
    hu = np.clip(np.rint(ordered.array), AIR, np.iinfo(np.int16).max).astype(np.int16)
    factors = np.maximum(1, np.rint(COARSE / ordered.spacing)).astype(int)
    coarse = _find(hu[tuple(slice(None, None, f) for f in factors)], ordered.spacing * factors)
    if coarse.mean() < FILLED:
        raise VolumeError(f"{name}", "shows no body", "Give a CT of the trunk in Hounsfield units", code="no-body")
    mask = coarse
    for axis, factor in enumerate(factors):
        mask = np.repeat(mask, factor, axis=axis).take(np.arange(hu.shape[axis]), axis=axis)
    ordered = replace(ordered, array=np.where(mask, hu, np.int16(AIR)), modality="CT")
    roi = _roi(mask)
    inside = mask[tuple(slice(*ends) for ends in roi)]
    cropped = ordered.crop(roi)
    return Body(replace(cropped, array=np.ascontiguousarray(cropped.array)), inside, *_box(cropped))


def _find(hu: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    tissue = hu > SKIN
    far = _distance(tissue, spacing) > OPENING
    labels, count = ndimage.label(far)
    if count == 0:
        return far
    core = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    body = (_distance(~core, spacing) <= OPENING + COARSE) & tissue
    filled = np.stack([ndimage.binary_fill_holes(piece) for piece in np.moveaxis(body, 2, 0)], axis=2)
    return ndimage.binary_dilation(filled)  # the skin, which the coarse grid blurs


def _distance(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """mm to the nearest voxel outside the mask; the body goes on beyond the edges of the scan."""
    return ndimage.distance_transform_edt(mask, sampling=spacing)


def _roi(mask: np.ndarray) -> list[tuple[int, int]]:
    roi = []
    for axis in range(3):
        along = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        roi.append((int(along[0]), int(along[-1]) + 1))
    return roi


def _box(volume: Volume) -> tuple[np.ndarray, np.ndarray]:
    """Centre and half of the box in LPS around the centres of a volume's voxels."""
    middle = (np.array(volume.shape) - 1) / 2 * volume.spacing
    return volume.origin + volume.direction @ middle, np.abs(volume.direction) @ middle
