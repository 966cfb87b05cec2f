"""Which of several volumes in one file is meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medssl.core.errors import VolumeError


def choose(path: Path, size: Sequence[int], count: int, number: int | None, shape: Sequence[int]) -> int:
    """The place, from 0, of the volume that is meant.

    Args:
        path: the file.
        size: of one volume.
        count: volumes in the file.
        number: what the user chose, from 1; None: nothing.
        shape: the file's axes; three where a voxel holds several values.

    Raises:
        VolumeError: several and none chosen, or a number that is not there.
    """
    if number is not None and 1 <= number <= count:
        return number - 1
    if number is None and count == 1:
        return 0
    each = " x ".join(map(str, size))
    listed = ", ".join(f"{path.name}#{n}" for n in range(1, min(count, 3) + 1))
    listed += f" ... {path.name}#{count}" if count > 3 else ""
    if number is not None:
        raise VolumeError(
            f"{path}#{number}", f"is not there: the file holds {count} volumes of {each}", f"Choose {listed}",
            code="volume-not-in-file",
        )  # fmt: skip
    remedy = f"Choose one by adding its number to the path, wherever a path is given: {listed}"
    if len(shape) > 3:
        raise VolumeError(
            path, f"holds {count} volumes of {each}: its axes are sized {tuple(shape)}", remedy, code="axes-unsupported"
        )
    raise VolumeError(
        path, f"has {count} values per voxel, that is {count} volumes of {each}", remedy, code="several-components"
    )
