"""The second file of a pair (.nhdr, .mhd, .hdr): only below the folder of its header."""

from __future__ import annotations

from pathlib import Path

from medssl.core.errors import VolumeError


def beside(header: Path, name: str) -> Path:
    """The file that a header names for its voxels.

    A header that came from elsewhere must not make its reader open any file of the user's, so what it names lies below the
    header's own folder, or below that of the file that a linked header stands for; links inside lead nowhere else.

    Raises:
        VolumeError: a name that leads elsewhere, or no such file.
    """
    file = header.parent / name
    if not file.is_file():
        raise VolumeError(
            header, f"names {name!a} for its voxels, which is not there", "Keep both files together",
            code="voxels-elsewhere",
        )  # fmt: skip
    folders = (header.parent.resolve(), header.resolve().parent)
    if Path(name).is_absolute() or not any(folder in file.resolve().parents for folder in folders):
        raise VolumeError(
            header, f"keeps its voxels elsewhere ({name!a}), outside its own folder",
            "Put both files into one folder, or save the image as one file", code="voxels-elsewhere",
        )  # fmt: skip
    return file
