"""Headers that stand alone: which files hold their voxels."""

from __future__ import annotations

import re
from pathlib import Path

VOXELS_IN = re.compile(r"^\s*(?:ElementDataFile|data ?file)\s*[:=]+(.+)$", re.IGNORECASE | re.MULTILINE)
HEADER = 2**16  # bytes of a header that are looked into


def files_of(path: Path) -> list[Path]:
    """All files that an image is read from: of a folder with a series those at any depth, of a header its voxels too."""
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    return [path, *voxel_files(path)]


def voxel_files(path: Path) -> list[Path]:
    """Where the voxels are of a header that stands alone, by its own words or, of .hdr, by its name."""
    kind = path.suffix.lower()
    if kind == ".hdr":
        named = [f"{path.stem}.img", f"{path.stem}.img.gz"]
    elif kind in (".mhd", ".nhdr") and path.is_file():
        with path.open("rb") as file:
            named = VOXELS_IN.findall(file.read(HEADER).decode("latin-1"))
    else:
        return []
    return [one for name in named if (one := path.parent / name.strip()).is_file()]
