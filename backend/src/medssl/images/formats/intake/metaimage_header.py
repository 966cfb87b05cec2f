"""MetaImage headers, looked at before ITK is: it ends the process on some damaged ones.

ITK formats the name of the voxels' file like printf and divides by what the header says; a damaged header can take the
whole process with it. So a header must be plain here, before ITK sees the file: each field once, in lines that end where ITK
ends them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from medssl.core.errors import VolumeError
from medssl.images.formats.guards import Header, check_memory
from medssl.images.formats.intake.beside import beside
from medssl.images.formats.intake.place import check_place
from medssl.images.formats.intake.streams import ZLIB_OR_GZIP, check_stream

LONGEST = 2**16  # bytes of a header
LARGEST_RATIO = 1100  # deflate packs at most 1032:1
LINE = re.compile(r"[A-Za-z_][\w ()-]*?\s*=\s*[^\x00-\x08\x0a-\x1f\x7f-\x9f]*")
NUMBERS = {
    "NDims": (1, 6),
    "HeaderSize": (-1, 2**31),
    "ElementNumberOfChannels": (1, 1000),
    "CompressedDataSize": (0, 2**40),
}
SPACINGS, MATRICES = ("ElementSpacing", "ElementSize"), ("TransformMatrix", "Rotation", "Orientation")
ORIGINS = ("Offset", "Position", "Origin")
VOXEL_BYTES = {
    sitk.sitkUInt8: 1, sitk.sitkInt8: 1, sitk.sitkUInt16: 2, sitk.sitkInt16: 2, sitk.sitkUInt32: 4,
    sitk.sitkInt32: 4, sitk.sitkUInt64: 8, sitk.sitkInt64: 8, sitk.sitkFloat32: 4, sitk.sitkFloat64: 8,
}  # fmt: skip


@dataclass(frozen=True)
class Fields:
    """What a header says beside the type of its voxels.

    Attributes:
        voxels: their file, "" for the header's own.
        start: where they begin in it.
        packed: whether they are a zlib stream.
        length: bytes of that; 0 where the header does not say.
    """

    voxels: str
    start: int
    packed: bool
    length: int


def inspect_metaimage(path: Path) -> Header:
    """What a MetaImage file announces; its place is checked, and the file of its voxels found.

    Raises:
        VolumeError: no such header, an impossible place, or voxels elsewhere.
    """
    fields = check_fields(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise VolumeError(
            path, "has no readable header", "Take another copy of the file", code="image-unreadable"
        ) from error
    shape = tuple(int(n) for n in reader.GetSize())
    size = math.prod(shape) * VOXEL_BYTES.get(reader.GetPixelID(), 1) * reader.GetNumberOfComponents()
    if fields.voxels:
        check_memory(path, shape, size)  # before the other file is asked for
    voxels = beside(path, fields.voxels) if fields.voxels else path
    most = voxels.stat().st_size * LARGEST_RATIO
    if not fields.packed:
        return Header(shape, size, most)
    return Header(
        shape, size, most, lambda: check_stream(voxels, fields.start, size, ZLIB_OR_GZIP, fields.length or None)
    )


def check_fields(path: Path) -> Fields:
    """Refuse a header that is not plain text of the kind that writers of MetaImage produce.

    Raises:
        VolumeError: see above, an impossible place, or voxels in several files.
    """
    fields, end = _fields(path)
    try:
        for field, (low, high) in NUMBERS.items():
            if not low <= int(fields.get(field, max(low, 1))) <= high:
                raise ValueError(f"{field} = {fields[field]}")
        name = fields["ElementDataFile"]
        axes, sizes = int(fields["NDims"]), [int(size) for size in fields["DimSize"].split()]
        if len(sizes) != axes or min(sizes) < 1:
            raise ValueError(f"DimSize = {fields['DimSize']}")
        spacings, matrices, origins = (_numbers(fields, names) for names in (SPACINGS, MATRICES, ORIGINS))
    except (ValueError, KeyError) as error:
        raise VolumeError(
            path, f"has no readable header ({error})", "Take another copy of the file", code="image-unreadable"
        ) from error
    for matrix in matrices:
        check_place(path, [matrix[n : n + axes] for n in range(0, len(matrix), axes)])
    for steps in spacings:
        check_place(path, [[step] for step in steps])
    for origin in origins:
        check_place(path, (), origin)
    voxels = _data_file(path, name)
    header = int(fields.get("HeaderSize", 0))
    packed = fields.get("CompressedData", "").lower() in ("true", "1")
    return Fields(
        voxels, header if header > 0 else 0 if voxels else end, packed, int(fields.get("CompressedDataSize", 0))
    )


def _numbers(fields: dict[str, str], names: tuple[str, ...]) -> list[list[float]]:
    """The numbers of those fields that are there.

    Raises:
        ValueError: what is none.
    """
    return [[float(part) for part in fields[name].split()] for name in names if name in fields]


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """The fields, and where the header ends. Lines end at a line feed, as for ITK, and nowhere else."""
    with path.open("rb") as file:
        start = file.read(LONGEST)
    head, mark, rest = start.partition(b"ElementDataFile")
    last, _, _ = rest.partition(b"\n")
    lines = (head + mark + last).decode("utf-8", "surrogateescape").split("\n")
    pairs = [
        (name.strip(), value.strip()) for name, _, value in (line.partition("=") for line in lines if line.strip())
    ]
    names = [pair[0] for pair in pairs]
    plain = mark and all(LINE.fullmatch(line.strip()) for line in lines if line.strip())
    if not plain or len(set(names)) < len(names):
        raise VolumeError(path, "has no readable header", "Take another copy of the file", code="image-unreadable")
    return dict(pairs), len(head) + len(mark) + len(last) + 1


def _data_file(path: Path, name: str) -> str:
    if name.upper() == "LOCAL":
        return ""
    plain = name.isprintable() and "%" not in name and name.upper().split()[:1] not in ([], ["LIST"])
    if not plain or path.suffix.lower() == ".mha":
        raise VolumeError(
            path, f"keeps its voxels elsewhere ({name!a})", "Save it as .mha, in one file", code="voxels-elsewhere"
        )
    return name
