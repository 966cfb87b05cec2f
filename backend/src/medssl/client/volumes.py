"""Volumes as NRRD bytes and back, with NumPy alone, and how to send them in pieces."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from medssl.core.errors import VolumeError

PIECE = 16 * 2**20
FLIP_XY = np.diag([-1.0, -1.0, 1.0, 1.0])  # LPS <-> RAS
TYPES = {
    "signed char": "i1", "int8": "i1", "unsigned char": "u1", "uchar": "u1", "uint8": "u1",
    "short": "i2", "int16": "i2", "unsigned short": "u2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "unsigned int": "u4", "uint": "u4", "uint32": "u4",
    "long long": "i8", "longlong": "i8", "int64": "i8", "unsigned long long": "u8", "ulonglong": "u8", "uint64": "u8",
    "float": "f4", "double": "f8",
}  # fmt: skip
NAMES = {
    "i1": "signed char", "u1": "unsigned char", "i2": "short", "u2": "unsigned short", "i4": "int",
    "u4": "unsigned int", "i8": "long long", "u8": "unsigned long long", "f4": "float", "f8": "double",
}  # fmt: skip


def nrrd_bytes(array_kji: np.ndarray, ijk_to_ras: np.ndarray) -> bytes:
    """A raw NRRD file.

    Args:
        array_kji: voxels, indexed [k, j, i] as by `slicer.util.arrayFromVolume`; [j, i] is taken for one slice.
        ijk_to_ras: 4x4 matrix in mm, as by `vtkMRMLVolumeNode.GetIJKToRASMatrix`.

    Raises:
        VolumeError: not two or three axes, or a type that NRRD lacks.
    """
    array = np.asarray(array_kji)
    array = array[None] if array.ndim == 2 else array
    kind = f"{array.dtype.kind}{array.dtype.itemsize}"
    if array.ndim != 3 or not array.size:
        raise VolumeError(f"array of shape {array.shape}", "must be a volume", "Give an array indexed [k, j, i]")
    if kind not in NAMES:
        raise VolumeError(f"array of type {array.dtype}", "has no NRRD type", "Convert it to int16 or float32")
    matrix = FLIP_XY @ np.asarray(ijk_to_ras, dtype=np.float64)
    header = [
        "NRRD0004",
        f"type: {NAMES[kind]}",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {array.shape[2]} {array.shape[1]} {array.shape[0]}",
        f"space directions: {' '.join(_vector(matrix[:3, axis]) for axis in range(3))}",
        "kinds: domain domain domain",
        "endian: little",
        "encoding: raw",
        f"space origin: {_vector(matrix[:3, 3])}",
    ]
    voxels = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    start = ("\n".join(header) + "\n\n").encode("ascii")
    return b"".join((start, voxels.reshape(-1).view(np.uint8).data))  # one copy: the GUI thread waits for it


def read_nrrd_bytes(data: bytes, copy: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """The voxels of an NRRD file and where they lie.

    Args:
        data: a file with its data attached, raw or gzip.
        copy: False: the voxels may be read only and stay those of `data`, so that nobody waits for a copy of them.

    Returns:
        The array, indexed [k, j, i] (a vector image has its components last), and the 4x4 IJK-to-RAS matrix in mm.

    Raises:
        VolumeError: not such a file, or a truncated one.
    """
    fields, rest = _split(data)
    name = fields.get("type", "").lower().removesuffix("_t")
    sizes = [int(size) for size in fields.get("sizes", "").split()]
    if name not in TYPES or not sizes or min(sizes) < 1:
        raise VolumeError(
            f"NRRD of type {name!r}, sizes {sizes}", "cannot be read", "Save the volume again", code="nrrd-header"
        )
    order = ">" if fields.get("endian", "little") == "big" else "<"
    count, kind = math.prod(sizes), np.dtype(order + TYPES[name])
    body = _decoded(rest, fields.get("encoding", "raw").lower())
    if len(body) < count * kind.itemsize:
        raise VolumeError(
            f"NRRD of {len(body)} bytes",
            f"announces {count * kind.itemsize}",
            "Save or send it again",
            code="nrrd-truncated",
        )
    voxels = np.frombuffer(body, kind, count)
    array = voxels.astype(kind.newbyteorder("="), copy=copy).reshape(sizes[::-1])
    return array, _ijk_to_ras(fields)


def sha256_of(source: bytes | str | os.PathLike[str]) -> str:
    """SHA-256 of bytes or of a file, in lower-case hexadecimal digits."""
    digest = hashlib.sha256()
    if isinstance(source, bytes):
        digest.update(source)
    else:
        with Path(source).open("rb") as file:
            while chunk := file.read(2**20):
                digest.update(chunk)
    return digest.hexdigest()


def pieces(total: int, size: int = PIECE) -> Iterator[tuple[int, int]]:
    """Start and stop (half open) of each piece of an upload of `total` bytes."""
    return ((start, min(start + size, total)) for start in range(0, total, size))


def _vector(values: np.ndarray) -> str:
    return "(" + ",".join(repr(float(value)) for value in values) + ")"


def _split(data: bytes) -> tuple[dict[str, str], memoryview]:
    plain = data.find(b"\n\n")
    other = data.find(b"\r\n\r\n", 0, plain if plain >= 0 else len(data))  # not through all voxels
    ends = [(plain, 2), (other, 4)]
    found = min(((at, size) for at, size in ends if at >= 0), default=None)
    if not data.startswith(b"NRRD") or found is None:
        raise VolumeError(
            "bytes", "are not an NRRD file with its data attached", "Save the volume as .nrrd", code="not-nrrd"
        )
    at, size = found
    lines = data[:at].decode("utf-8", "replace").splitlines()[1:]
    parts = (line.partition(": ") for line in lines if not line.startswith("#") and ":=" not in line)
    return {name.strip().lower(): value.strip() for name, _, value in parts}, memoryview(data)[at + size :]


def _decoded(body: memoryview, encoding: str) -> bytes | memoryview:
    whole: bytes | memoryview
    if encoding == "raw":
        whole = body
    elif encoding in ("gzip", "gz"):
        try:
            whole = gzip.decompress(body)
        except (OSError, EOFError, zlib.error) as error:
            raise VolumeError("NRRD", f"is damaged ({error})", "Save or send it again", code="nrrd-damaged") from error
    else:
        raise VolumeError(
            f"NRRD encoding {encoding!r}", "is not supported", "Save the volume raw or with gzip", code="nrrd-encoding"
        )
    return whole


def _ijk_to_ras(fields: dict[str, str]) -> np.ndarray:
    vectors = [_numbers(text) for text in re.findall(r"\(([^)]*)\)", fields.get("space directions", ""))]
    origin = _numbers(fields.get("space origin", "").strip("()"))
    matrix = np.eye(4)
    for axis, vector in enumerate(vectors[:3]):
        matrix[: len(vector), axis] = vector
    matrix[: len(origin), 3] = origin
    space = fields.get("space", "").lower()
    return FLIP_XY @ matrix if space in ("left-posterior-superior", "lps") else matrix


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",") if number.strip()]
