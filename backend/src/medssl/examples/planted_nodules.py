"""Simulated nodules in real chest CT: soft-tissue ellipsoids at random places in the lungs, drawn by seed, then planted.

They prove that the way from candidates to FROC works. They are smoother and rounder than nodules of patients, and what else a scan shows is not
known to be free of nodules: nothing found on them is a clinical claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from medssl.images.body import AIR, isolate
from medssl.images.volume import Volume

GRID = 1.5  # mm, about: lungs and vessels are found on a grid as fine as this
LUNG, TISSUE = -500, (0, 100)  # HU below which is lung; and of soft tissue, whose noise nodules get
SMALLEST_LUNG = 100.0  # ml of a connected piece of lung
CLOSING = 6.0  # mm: vessels up to twice as thick belong to the lung
MARGIN = 20.0  # mm around the lungs that are kept
DIAMETERS, STRETCH, DENSITIES = (4.0, 12.0), (0.8, 1.25), (-50.0, 60.0)  # mm; of the axes; HU
ATTACHED = 0.4  # share of nodules that touch a wall or a vessel
AWAY, APART = 1.5, 10.0  # mm between a free nodule and other tissue, and between nodules
EDGE, FINE = 0.35, 0.75  # mm: softness of a nodule's edge; of the points at which voxels are averaged
FALSE_AWAY = 5.0  # mm from a nodule's surface, at least, of a false candidate
JITTER = 0.4  # of the radius: how far a true candidate may lie from the centre


@dataclass(frozen=True, eq=False)
class LungScan:
    """A chest CT around its lungs, with what is where on a coarser grid.

    Attributes:
        volume: HU, the patient's axes.
        steps: (3,) voxels of the volume from one voxel of the grid to the next.
        air: bool, on the grid: aerated lung.
        vessels: bool, on the grid: what is denser inside the lungs.
        depth: mm to the nearest voxel that is not aerated.
    """

    volume: Volume
    steps: np.ndarray
    air: np.ndarray
    vessels: np.ndarray
    depth: np.ndarray

    def place(self, index: np.ndarray) -> np.ndarray:
        """(..., 3) mm, LPS, of indices on the grid."""
        return self.volume.origin + (index * self.steps * self.volume.spacing) @ self.volume.direction.T


@dataclass(frozen=True, eq=False)
class Nodule:
    """An ellipsoid."""

    centre: np.ndarray  # (3,) mm, LPS
    axes: np.ndarray  # (3,) mm, halves
    turn: np.ndarray  # (3, 3), a rotation
    density: float  # HU
    attached: bool

    @property
    def radius(self) -> float:
        """Of the sphere of the same volume, mm."""
        return float(np.prod(self.axes) ** (1 / 3))


def find_lungs(volume: Volume) -> LungScan:
    """Lungs and the vessels in them.

    Raises:
        VolumeError: no CT of a trunk.
        ValueError: no lung in it.
    """
    body = isolate(volume)
    ct, steps = body.volume, np.maximum(1, np.rint(GRID / body.volume.spacing)).astype(int)
    every = tuple(slice(None, None, int(step)) for step in steps)
    hu, spacing = ct.array[every], ct.spacing * steps
    air = (hu < LUNG) & _eroded(body.inside[every], CLOSING, spacing)
    labels, _ = ndimage.label(air)
    large = np.flatnonzero(np.bincount(labels.ravel()) * spacing.prod() / 1000 >= SMALLEST_LUNG)
    air &= np.isin(labels, large[large > 0])
    if not air.any():
        raise ValueError(f"{volume.name or 'volume'}: no lung of {SMALLEST_LUNG:g} ml or more")
    roi = [_around(air, axis, int(np.ceil(MARGIN / spacing[axis]))) for axis in range(3)]
    inside = tuple(slice(first, last) for first, last in roi)
    air, hu = air[inside], hu[inside]
    closed = _eroded(ndimage.distance_transform_edt(~air, sampling=spacing) <= CLOSING, CLOSING, spacing)
    box = [(int(a * s), int(min(b * s, n))) for (a, b), s, n in zip(roi, steps, ct.shape)]
    depth = ndimage.distance_transform_edt(air, sampling=spacing)
    return LungScan(ct.crop(box), steps, air, closed & ~air & (hu > LUNG), depth)


def draw_nodules(scan: LungScan, count: int, rng: np.random.Generator) -> list[Nodule]:
    """So many nodules as fit, `count` at most: free in the lung, or touching a wall or a vessel, none near another."""
    spacing, ends = scan.volume.spacing * scan.steps, np.array(scan.air.shape) - 1
    found: list[Nodule] = []
    for index in rng.permutation(np.argwhere(scan.air))[: 2000 * count]:
        if len(found) == count:
            break
        radius, attached = rng.uniform(*DIAMETERS) / 2, bool(rng.random() < ATTACHED)
        axes = radius * rng.uniform(*STRETCH, 3)
        axes *= radius / np.prod(axes) ** (1 / 3)
        depth, centre = scan.depth[tuple(index)], scan.place(index)
        fits = abs(depth - 0.8 * radius) < spacing.min() / 2 if attached else depth >= axes.max() + AWAY
        cut = (np.minimum(index, ends - index) * spacing < axes.max()).any()
        near = any(np.linalg.norm(centre - n.centre) < radius + n.radius + APART for n in found)
        if fits and not cut and not near:
            turn = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
            found.append(Nodule(centre, axes, turn, float(rng.uniform(*DENSITIES)), attached))
    return found


def plant(scan: LungScan, nodules: Sequence[Nodule], rng: np.random.Generator) -> Volume:
    """The scan's CT with nodules in it: partial volumes at their edges, the noise of the scan's soft tissue inside them."""
    volume = scan.volume
    array, noise = volume.array.astype(np.float32), _noise(volume.array)
    for nodule in nodules:
        box = _box(volume, nodule)
        share = _share(volume, nodule, box)
        inside = array[box]
        target = nodule.density + rng.normal(0.0, noise, inside.shape)
        array[box] = inside + share * np.maximum(target - inside, 0.0)
    return volume.with_array(np.rint(array).clip(AIR, None).astype(np.int16))


def draw_candidates(
    scan: LungScan,
    nodules: Sequence[Nodule],
    rng: np.random.Generator,
    hits: int = 2,
    on_vessels: int = 25,
    elsewhere: int = 15,
) -> list[dict[str, Any]]:
    """Rows with x, y, z (LPS) and label 1 or 0: `hits` for each nodule, and false ones on vessels and anywhere in the lungs."""
    rows = []
    for nodule in nodules:
        for _ in range(hits):
            direction = rng.normal(size=3)
            shift = direction / np.linalg.norm(direction) * JITTER * nodule.radius * rng.random() ** (1 / 3)
            rows.append(_candidate(nodule.centre + shift, 1))
    for where, count in ((scan.vessels, on_vessels), (scan.air, elsewhere)):
        places: list[np.ndarray] = []
        for index in rng.permutation(np.argwhere(where))[: 100 * count]:
            place = scan.place(index)
            far = all(np.linalg.norm(place - n.centre) > n.axes.max() + FALSE_AWAY for n in nodules)
            if far and all(np.linalg.norm(place - other) > FALSE_AWAY for other in places) and len(places) < count:
                places.append(place)
        rows += [_candidate(place, 0) for place in places]
    return rows


def _candidate(place: np.ndarray, label: int) -> dict[str, Any]:
    return {**dict(zip("xyz", np.round(place, 3).tolist())), "coordinates": "LPS", "Nodule": label}


def _around(mask: np.ndarray, axis: int, room: int) -> tuple[int, int]:
    """The first and last (exclusive) index that a mask reaches along an axis, with room on either side."""
    along = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
    return max(int(along[0]) - room, 0), min(int(along[-1]) + room + 1, mask.shape[axis])


def _eroded(mask: np.ndarray, by: float, spacing: np.ndarray) -> np.ndarray:
    return ndimage.distance_transform_edt(mask, sampling=spacing) > by


def _noise(hu: np.ndarray) -> float:
    """Standard deviation of soft tissue, from slice-wise differences to the neighbours' mean."""
    tissue = ndimage.binary_erosion((hu > TISSUE[0]) & (hu < TISSUE[1]), iterations=2)
    if not tissue.any():
        return 0.0
    smooth = ndimage.uniform_filter(hu.astype(np.float32), (3, 3, 1))
    return float(1.4826 * np.median(np.abs(hu[tissue] - smooth[tissue])) * np.sqrt(9 / 8))


def _box(volume: Volume, nodule: Nodule) -> tuple[slice, ...]:
    """The voxels that a nodule may touch."""
    middle = np.linalg.solve(volume.direction * volume.spacing, nodule.centre - volume.origin)
    half = (nodule.axes.max() + 6 * EDGE) / volume.spacing + 1
    first, last = np.floor(middle - half), np.ceil(middle + half) + 1
    return tuple(slice(max(int(a), 0), min(int(b), n)) for a, b, n in zip(first, last, volume.shape))


def _share(volume: Volume, nodule: Nodule, box: tuple[slice, ...]) -> np.ndarray:
    """How much of each voxel of a box a nodule fills, 0...1."""
    parts = np.maximum(1, np.ceil(volume.spacing / FINE)).astype(int)
    fine = [
        np.arange(one.start, one.stop, 1 / n)[: (one.stop - one.start) * n] + (1 / n - 1) / 2
        for one, n in zip(box, parts)
    ]
    index = np.stack(np.meshgrid(*fine, indexing="ij"), axis=-1)
    away = volume.origin + (index * volume.spacing) @ volume.direction.T - nodule.centre
    rho = np.linalg.norm(away @ nodule.turn / nodule.axes, axis=-1)
    share = 1 / (1 + np.exp(np.clip((rho - 1) * nodule.radius / EDGE, -30, 30)))
    shape = [n for one, part in zip(box, parts) for n in (one.stop - one.start, int(part))]
    return share.reshape(shape).mean(axis=(1, 3, 5))
