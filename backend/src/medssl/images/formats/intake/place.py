"""Where an image says that it lies: numbers that a reader can compute with, or a refusal before the reader sees them.

With a matrix of 1e308 ITK's decomposition may never return, and 1e-300 or NaN give errors and images that nothing can be done with.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medssl.core.errors import VolumeError

LEAST, MOST = 1e-6, 1e6  # mm between voxels: from a nanometre to a kilometre
FARTHEST = 1e9  # mm from the scanner's zero
FLAT = 1e-6  # the volume of the cell of unit axes, below which they lie in one plane


def check_place(path: Path | str, steps: Sequence[Any] | np.ndarray, origin: Sequence[float] | np.ndarray = ()) -> None:
    """Refuse a place that is none.

    Args:
        path: the file, for messages.
        steps: from a voxel to the next along each axis (mm), a vector each.
        origin: of the first voxel (mm).

    Raises:
        VolumeError: no number, infinite, of an impossible size, or axes in one plane.
    """
    vectors = [np.asarray(step, np.float64).ravel() for step in steps]
    for number, vector in enumerate(vectors):
        length = np.abs(vector).max(initial=0.0)  # no square: it would overflow
        if not LEAST <= length <= MOST:
            raise _refused(path, f"{length:g} mm from voxel to voxel along axis {number + 1}")
    far = next((value for value in np.asarray(origin, np.float64).ravel() if not abs(value) <= FARTHEST), None)
    if far is not None:
        raise _refused(path, f"{far:g} mm from zero")
    units = [vector / np.linalg.norm(vector) for vector in vectors]
    if units and all(len(unit) == len(units) for unit in units) and abs(np.linalg.det(np.array(units))) < FLAT:
        raise _refused(path, "axes that lie in one plane")


def _refused(path: Path | str, what: str) -> VolumeError:
    return VolumeError(
        path, f"has an impossible place: {what}",
        f"Correct spacing ({LEAST:g} to {MOST:g} mm), origin (within {FARTHEST:g} mm) and direction in its header, or export it again",
        code="geometry-invalid",
    )  # fmt: skip
