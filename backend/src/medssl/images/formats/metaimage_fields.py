"""Fields of a MetaImage header, looked at before ITK is: it ends the process on some damaged ones.

ITK formats the name of the voxels' file like printf and divides by what the header says; a damaged header can take the
whole process with it. So a header must be plain here, before ITK sees the file.
"""

from __future__ import annotations

import re
from pathlib import Path

from medssl.core.errors import VolumeError

LONGEST = 2**16  # bytes of a header
LINE = re.compile(r"[A-Za-z_][\w ()-]*?\s*=\s*[^\x00-\x08\x0b-\x1f\x7f-\x9f]*")
NUMBERS = {
    "NDims": (1, 6),
    "HeaderSize": (-1, 2**31),
    "ElementNumberOfChannels": (1, 1000),
    "CompressedDataSize": (0, 2**40),
}


def check_fields(path: Path) -> str:
    """Refuse a header that is not plain text of the kind that writers of MetaImage produce.

    Returns:
        The name of the file of the voxels; "" where they follow the header.

    Raises:
        VolumeError: see above, or voxels in several files.
    """
    fields = _fields(path)
    try:
        for field, (low, high) in NUMBERS.items():
            if not low <= int(fields.get(field, max(low, 1))) <= high:
                raise ValueError(f"{field} = {fields[field]}")
        name = fields["ElementDataFile"]
        axes, sizes = int(fields["NDims"]), [int(size) for size in fields["DimSize"].split()]
        if len(sizes) != axes or min(sizes) < 1:
            raise ValueError(f"DimSize = {fields['DimSize']}")
        for field in ("ElementSpacing", "ElementSize"):
            if field in fields and not all(0 < abs(float(step)) < 1e9 for step in fields[field].split()):
                raise ValueError(f"{field} = {fields[field]}")
    except (ValueError, KeyError) as error:
        raise VolumeError(
            path, f"has no readable header ({error})", "Take another copy of the file", code="image-unreadable"
        ) from error
    return _data_file(path, name)


def check_beside(path: Path, name: str) -> int:
    """The size in bytes of the file of the voxels.

    Raises:
        VolumeError: it is not there.
    """
    file = path.parent / name
    if not file.is_file():
        raise VolumeError(
            path, f"names {name!a} for its voxels, which is not there", "Keep both files together",
            code="voxels-elsewhere",
        )  # fmt: skip
    return file.stat().st_size


def _fields(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        start = file.read(LONGEST)
    head, mark, rest = start.partition(b"ElementDataFile")
    lines = (head + mark + re.split(rb"[\r\n]", rest, maxsplit=1)[0]).decode("utf-8", "surrogateescape").splitlines()
    lines = [line for line in lines if line.strip()]
    if not mark or not all(LINE.fullmatch(line.strip()) for line in lines):
        raise VolumeError(path, "has no readable header", "Take another copy of the file", code="image-unreadable")
    pairs = [line.partition("=") for line in lines]
    return {name.strip(): value.strip() for name, _, value in pairs}


def _data_file(path: Path, name: str) -> str:
    if name.upper() == "LOCAL":
        return ""
    plain = name.isprintable() and "%" not in name and name.upper().split()[:1] not in ([], ["LIST"])
    if not plain or path.suffix.lower() == ".mha":
        raise VolumeError(
            path, f"keeps its voxels elsewhere ({name!a})", "Save it as .mha, in one file", code="voxels-elsewhere"
        )
    return name
