"""Points of the chest that can be found in any chest CT by its air alone: lungs, trachea and what they outline.

Every point has the same definition in every patient, so that it can be compared across patients. They lie in three
dimensions: outlines that a radiograph shows where rays graze a surface (heart, diaphragm) differ from them by
millimetres as the view turns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from medssl.core.errors import VolumeError
from medssl.images.body import Body

AERATED = -400  # HU; lung and airway are below
LUMEN = -600  # HU; the trachea's lumen, its wall blurred by the voxel size
GRID = 1.4  # mm within slices; the lungs are found on a grid about this fine
TRACHEA = (60.0, 700.0)  # mm² of a cross section
LUNG = 300e3  # mm³, the smallest lung
SIDES = {"right": -1, "left": 1}  # of x in LPS
DOMES = {"right": (0.5, 0.7, -15, 30), "left": (0.65, 0.85, 0, 35)}  # clear of the heart: shares of the way to the
# lung's border at the carina's level, and mm behind the carina
LATERAL = 50.0  # mm before and behind the carina; the recess goes deeper behind, where no frontal view shows it
HEART = 10.0  # mm behind the carina; what is farther back is spine and vessels
DEPTH = 15.0  # mm of soft tissue along the beam that make a border

LANDMARKS = {  # name without side: definition
    "lung_apex": "centre of the uppermost 3 mm of a lung",
    "costophrenic_angle": "where a lung reaches farthest down and outwards (at 45 degrees), within 50 mm of the carina's depth",
    "lung_border": "outermost point of a lung at the carina's level",
    "diaphragm_dome": "highest point of the diaphragm beside and behind the heart",
    "heart_border": "outermost point of the heart in the lowest third between diaphragm and carina",
    "aortic_knob": "outermost left point of the mediastinum within 15...45 mm above the carina",
    "carina": "where the trachea divides",
    "trachea_inlet": "the trachea at the level of the lower lung apex",
}


@dataclass(frozen=True, eq=False)
class Chest:
    """Lungs and airway on a coarser grid of a body."""

    lungs: dict[str, np.ndarray]  # bool (i, j, k) for "right" and "left"
    spacing: np.ndarray  # (3,) mm
    to_world: np.ndarray  # (3, 4): indices and 1 to mm in LPS
    trachea: np.ndarray  # (n, 3) mm in LPS: its centre in each slice, from the top down to the carina

    def point(self, index) -> np.ndarray:
        """mm in LPS of one place in the grid."""
        return self.to_world @ np.append(index, 1.0)

    def level(self, z: float) -> int:
        """The slice nearest to a height in mm."""
        return int(
            np.clip(np.rint((z - self.to_world[2, 3]) / self.to_world[2, 2]), 0, self.lungs["left"].shape[2] - 1)
        )


def chest_landmarks(body: Body) -> dict[str, np.ndarray]:
    """Named points, (3,) mm in LPS, of a chest CT, as `LANDMARKS` defines them.

    Those at the end of a lung that the scan cuts off are left out.

    Raises:
        VolumeError: no two lungs, or no trachea, in the scan.
    """
    chest = find_chest(body)
    found = {"carina": chest.trachea[-1]}
    for side in SIDES:
        found |= _lung_points(chest, side)
    found |= _mediastinal_points(chest, found)
    apices = [found[name][2] for name in found if name.startswith("lung_apex")]
    if apices and min(apices) < chest.trachea[0, 2]:
        found["trachea_inlet"] = chest.trachea[np.argmin(np.abs(chest.trachea[:, 2] - min(apices)))]
    return found


def find_chest(body: Body) -> Chest:
    """Both lungs without the trachea, and the trachea's course.

    Raises:
        VolumeError: no two lungs, or no trachea, in the scan.
    """
    volume = body.volume
    factor = max(1, round(GRID / float(volume.spacing[0])))
    thin = (slice(None, None, factor), slice(None, None, factor), slice(None))
    hu, spacing = volume.array[thin], volume.spacing * (factor, factor, 1)
    air = (hu < AERATED) & _deep(body.inside[thin], spacing)
    to_world = np.column_stack([volume.direction * spacing, volume.origin])
    trachea = _trachea((hu < LUMEN) & air, spacing, body.volume.name)
    course = np.array([to_world @ (*np.mean(np.nonzero(piece), axis=1), k, 1) for k, piece in trachea])
    return Chest(_lungs(air, trachea, spacing, to_world, volume.name), spacing, to_world, course)


def _deep(inside: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """The body without its outermost centimetre, slice by slice."""
    kept = np.empty_like(inside)
    for k in range(inside.shape[2]):
        kept[..., k] = ndimage.distance_transform_edt(inside[..., k], sampling=spacing[:2]) > 10
    return kept


def _trachea(lumen: np.ndarray, spacing: np.ndarray, name: str) -> list[tuple[int, np.ndarray]]:
    """(slice, mask) from where it begins down to the last slice before it divides."""
    best: list[tuple[int, np.ndarray]] = []
    middle = lumen.shape[2] // 2
    for start in range(lumen.shape[2] - 1, middle, -max(1, int(10 / spacing[2]))):
        for piece in _pieces(lumen[..., start], spacing):
            course = _follow(lumen, start, piece, spacing)
            if len(course) > len(best):
                best = course
        if len(best) * spacing[2] > 60:
            return best
    raise VolumeError(
        name or "volume", "shows no trachea that divides", "Give a CT of the whole chest", code="no-trachea"
    )


def _follow(lumen, start: int, piece: np.ndarray, spacing: np.ndarray) -> list[tuple[int, np.ndarray]]:
    course = [(start, piece)]
    for k in range(start - 1, -1, -1):
        labels, _ = ndimage.label(lumen[..., k])
        touched = [n for n in np.unique(labels[course[-1][1]]) if n]
        areas = [(labels == n).sum() * spacing[0] * spacing[1] for n in touched]
        if len(touched) == 1 and TRACHEA[0] <= areas[0] <= TRACHEA[1]:
            course.append((k, labels == touched[0]))
        elif len(touched) == 2 or (len(touched) == 1 and areas[0] > TRACHEA[1]):
            return course
        else:
            return []
    return []


def _pieces(lumen: np.ndarray, spacing: np.ndarray) -> list[np.ndarray]:
    """Cross sections that could be a trachea: of its size and compact."""
    labels, _ = ndimage.label(lumen)
    pieces = []
    for n, box in enumerate(ndimage.find_objects(labels), start=1):
        piece = labels == n
        area = piece.sum() * spacing[0] * spacing[1]
        sides = [(b.stop - b.start) * s for b, s in zip(box, spacing)]
        if TRACHEA[0] <= area <= TRACHEA[1] and max(sides) < 3 * min(sides) and area > 0.4 * sides[0] * sides[1]:
            pieces.append(piece)
    return pieces


def _lungs(air, trachea, spacing, to_world, name: str) -> dict[str, np.ndarray]:
    """The two largest pieces of air once the trachea and the beginning of the main bronchi are taken out."""
    air = air.copy()
    for k, piece in trachea:
        air[..., k] &= ~ndimage.binary_dilation(piece, iterations=3)
    last, piece = trachea[-1]
    for k in range(max(0, last - int(20 / spacing[2])), last):
        air[..., k] &= ~ndimage.binary_dilation(piece, iterations=int(20 / spacing[0]))
    seeds = air
    for _ in range(4):  # lungs that touch hang together by a thin bridge
        labels, _ = ndimage.label(seeds)
        sizes = np.bincount(labels.ravel())[1:] * spacing.prod()
        large = [1 + int(n) for n in np.argsort(sizes)[::-1][:2] if sizes[n] > LUNG]
        if len(large) == 2:
            return _sides(air, labels, large, spacing, to_world)
        seeds = ndimage.binary_erosion(seeds, np.ones((3, 3, 1)))
    raise VolumeError(
        name or "volume", "does not show two separate lungs", "Give a CT of the whole chest", code="no-two-lungs"
    )


def _sides(air, labels, seeds: list[int], spacing, to_world) -> dict[str, np.ndarray]:
    """The air that hangs together with the two seeds, divided by which is nearer."""
    labels = np.where(np.isin(labels, seeds), labels, 0)
    whole = ndimage.binary_propagation(labels > 0, mask=air)
    box = ndimage.find_objects(whole.astype(np.uint8))[0]
    nearest = ndimage.distance_transform_edt(labels[box] == 0, spacing, return_distances=False, return_indices=True)
    owner = np.zeros_like(labels)
    owner[box] = np.where(whole[box], labels[box][tuple(nearest)], 0)
    middles = {n: (to_world @ (*(c.mean() for c in np.nonzero(owner == n)), 1))[0] for n in seeds}
    right, left = sorted(seeds, key=middles.__getitem__)
    return {"right": owner == right, "left": owner == left}


def _lung_points(chest: Chest, side: str) -> dict[str, np.ndarray]:
    lung, outwards = chest.lungs[side], SIDES[side]
    voxels = np.argwhere(lung)
    points = voxels @ chest.to_world[:, :3].T + chest.to_world[:, 3]
    found = {}
    if not lung[..., -1].any():
        found[f"lung_apex_{side}"] = points[points[:, 2] > points[:, 2].max() - 3].mean(axis=0)
    level = points[voxels[:, 2] == chest.level(chest.trachea[-1, 2])]
    outer = level[:, 0] * outwards
    found[f"lung_border_{side}"] = level[outer > outer.max() - 2].mean(axis=0)
    if not lung[..., 0].any():
        found |= _base_points(chest, side, voxels, points, found[f"lung_border_{side}"])
    return found


def _base_points(chest: Chest, side: str, voxels, points, border: np.ndarray) -> dict[str, np.ndarray]:
    share = (points[:, 0] - chest.trachea[-1, 0]) / (border[0] - chest.trachea[-1, 0])
    behind = points[:, 1] - chest.trachea[-1, 1]
    reach = np.where(np.abs(behind) < LATERAL, points @ np.array([SIDES[side], 0, -1]), -np.inf)
    found = {f"costophrenic_angle_{side}": points[reach > reach.max() - 3].mean(axis=0)}
    near, far, front, back = DOMES[side]
    dome = _dome(voxels[(share > near) & (share < far) & (behind > front) & (behind < back)], chest.lungs[side].shape)
    if dome is not None:
        found[f"diaphragm_dome_{side}"] = chest.point(dome)
    return found


def _dome(voxels: np.ndarray, shape) -> np.ndarray | None:
    """Highest among the lowest voxels of every vertical line, vessels apart; none in too narrow a lung."""
    lowest = np.full(shape[:2], shape[2])
    np.minimum.at(lowest, (voxels[:, 0], voxels[:, 1]), voxels[:, 2])
    known = lowest < shape[2]
    smooth = ndimage.median_filter(np.where(known, lowest, 0), size=7)
    inner = ndimage.binary_erosion(known, iterations=4)
    if not inner.any():
        return None
    i, j = np.unravel_index(np.argmax(np.where(inner, smooth, -1)), smooth.shape)
    return np.array([i, j, smooth[i, j]])


def _mediastinal_points(chest: Chest, known: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    carina = known["carina"][2]
    found = {}
    for side in SIDES:
        if f"diaphragm_dome_{side}" in known:
            lower = known[f"diaphragm_dome_{side}"][2] + 5
            found[f"heart_border_{side}"] = _outermost(chest, side, lower, (2 * lower + carina) / 3, HEART)
    found["aortic_knob"] = _outermost(chest, "left", carina + 15, carina + 45)
    return found


def _outermost(chest: Chest, side: str, low: float, high: float, behind: float = np.inf) -> np.ndarray:
    """The outermost place between two heights with enough soft tissue between the lungs along the beam.

    Tissue farther than `behind` mm behind the carina does not count.
    """
    best, reach = np.zeros(3), -np.inf
    right, left = chest.lungs["right"], chest.lungs["left"]
    columns = np.arange(right.shape[0])[:, None]
    depths = chest.to_world[1, 3] + chest.to_world[1, 1] * np.arange(right.shape[1]) - chest.trachea[-1, 1]
    for k in range(chest.level(low), chest.level(high) + 1):
        a, b = right[..., k], left[..., k]
        rows = a.any(axis=0) & b.any(axis=0) & (depths < behind)
        begin = np.where(rows, right.shape[0] - 1 - np.argmax(a[::-1], axis=0), right.shape[0])
        end = np.where(rows, np.argmax(b, axis=0), -1)
        between = (columns > begin) & (columns < end)
        deep = np.flatnonzero(between.sum(axis=1) * chest.spacing[1] >= DEPTH)
        if deep.size:
            i = deep[-1] if side == "left" else deep[0]
            point = chest.point((i, np.flatnonzero(between[i]).mean(), k))
            if point[0] * SIDES[side] > reach:
                best, reach = point, point[0] * SIDES[side]
    return best
