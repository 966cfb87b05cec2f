"""One image with its place in the world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from medssl.core.errors import VolumeError
from medssl.images.intensity.volume_statistics import VolumeStatistics

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
HIGHEST_OF_AIR = -200.0  # HU, what any CT reaches below
AIR, LOWEST_HU = -900.0, -10_000.0  # HU: air lies below the one, no scanner's padding below the other
AIR_SHARE = 0.01  # of the voxels of a CT whose numbers are not whole


@dataclass(frozen=True, eq=False)
class Volume:
    """A grey image: voxels in the file's own units, geometry in millimetres in the LPS frame.

    `array` is (i, j, k), or (i, j) = (column, row) for a radiograph; i runs fastest in files. Geometry always has
    three axes: a radiograph lies in a plane and its third spacing is 1. The columns of `direction` are the unit
    vectors of i, j and k.
    """

    array: np.ndarray
    spacing: np.ndarray = field(default_factory=lambda: np.ones(3))  # mm
    origin: np.ndarray = field(default_factory=lambda: np.zeros(3))  # mm, centre of voxel 0
    direction: np.ndarray = field(default_factory=lambda: np.eye(3))
    modality: str = ""  # CT, MR, CXR or "" (unknown)
    name: str = ""
    patient: str = ""
    point: tuple[float, float, float] | None = None  # mm, LPS: the place in a 3D image that is asked about
    notes: tuple[str, ...] = ()  # what a reader changed or doubts: whole sentences, without the file's name
    further: tuple[Volume, ...] = ()  # images registered with it, its further channels; on its grid after `together`
    statistics: VolumeStatistics | None = None  # of the image that it was resampled from; None: those of its voxels

    def __post_init__(self) -> None:
        if self.array.ndim not in (2, 3):
            raise VolumeError(
                f"{self.name or 'array'} of shape {self.array.shape}",
                "must have two or three axes",
                "Give one channel of one time point",
            )
        for name, shape in (("spacing", (3,)), ("origin", (3,)), ("direction", (3, 3))):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64).reshape(shape))
        if not (self.spacing > 0).all():
            raise VolumeError(
                f"{self.name or 'volume'} with spacing {self.spacing.tolist()} mm",
                "needs a spacing above 0 along each axis",
                "Correct it in Slicer",
            )

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def size_mm(self) -> tuple[float, ...]:
        """Edge lengths along the array's axes."""
        return tuple(float(n * s) for n, s in zip(self.shape, self.spacing))

    @property
    def ijk_to_ras(self) -> np.ndarray:
        """(4, 4): homogeneous voxel indices to millimetres in Slicer's RAS frame."""
        matrix = np.eye(4)
        matrix[:3, :3] = LPS_TO_RAS @ self.direction * self.spacing
        matrix[:3, 3] = LPS_TO_RAS @ self.origin
        return matrix

    def with_array(self, array: np.ndarray) -> Volume:
        """Other voxels in the same place."""
        if array.shape != self.shape:
            raise VolumeError(
                f"array of shape {array.shape}", f"does not fit the volume's {self.shape}", "Give one of the same shape"
            )
        return replace(self, array=array, further=())

    def crop(self, roi: Sequence[Sequence[int]]) -> Volume:
        """The box ((i0, i1), (j0, j1), (k0, k1)), half open, where it lies in the world; a view, not a copy.

        Raises:
            VolumeError: an empty box, or one that reaches beyond the volume.
        """
        inside = len(roi) == len(self.shape) and all(0 <= a < b <= n for (a, b), n in zip(roi, self.shape))
        if not inside:
            raise VolumeError(
                f"region {tuple(map(tuple, roi))}",
                f"must lie inside the volume of shape {self.shape}",
                "Choose a smaller region",
                code="region-outside",
            )
        start = np.zeros(3)
        start[: len(roi)] = [a for a, _ in roi]
        origin = self.origin + self.direction @ (self.spacing * start)
        part = self.array[tuple(slice(a, b) for a, b in roi)]
        return replace(self, array=part, origin=origin, further=())


def compact(array: np.ndarray) -> np.ndarray:
    """The voxels as int16 where that loses nothing, else as float32.

    Scanners store integers; a file that went through a float format comes back as integers here.
    """
    limits = np.iinfo(np.int16)
    whole = array.dtype.kind in "iub" or bool((array == np.rint(array)).all())
    if whole and array.size and limits.min <= array.min() and array.max() <= limits.max:
        return array.astype(np.int16, copy=False)
    return array.astype(np.float32, copy=False)


def guess_modality(array: np.ndarray) -> str:
    """CT or MR, from the voxels alone; a 2D image is taken for a radiograph (CXR).

    Hounsfield units reach below -200 (air, lung, or the scanner's padding); MR magnitudes do not. As scanners store them they are
    whole numbers; of a CT that was resampled or scaled, whose are not, a hundredth is air. CT stored with an offset that
    makes it positive is taken for MR: state the modality of such files.
    """
    if array.ndim != 3:
        return "CXR"
    lowest = float(array.min())
    if lowest > HIGHEST_OF_AIR:
        return "MR"
    if array.dtype.kind in "iu" or bool((array == np.rint(array)).all()):
        return "CT"
    air = lowest >= LOWEST_HU and np.count_nonzero(array <= AIR) >= AIR_SHARE * array.size
    return "CT" if air else "MR"
