"""Damaged files of every kind but DICOM: whatever is wrong with one, only an error of our own may come out.

    python backend/checks/attacks/mutated_files.py [COUNT] [KIND ...]

Makes COUNT (1000) mutants of a small file of each kind (bytes flipped, cut out, put in, blanked, most often in the header;
packed files before or after packing), reads each, and prints how many were read and refused. Ends with status 1 if anything
else came out. `backend/tests/images/formats/test_mutated_files.py` does it with fewer.
"""

from __future__ import annotations

import gzip
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK as sitk
from PIL import Image

from medssl.core.errors import MedSSLError
from medssl.datasets.catalog.from_csv import read_csv
from medssl.images.formats.reading import read_labels, read_volume, write_volume
from medssl.images.formats.segmentation_files import write_segmentation
from medssl.images.volume import Volume

HEADER = 600  # bytes that most mutations fall on: what comes after them are mostly voxels


@dataclass(frozen=True)
class Kind:
    """How a sound file is made, and how it is read."""

    name: str  # of the file
    make: Callable[[Path], object]
    read: Callable[[Path], object] = read_volume


def _noise(shape: tuple[int, ...], high: int = 250) -> np.ndarray:
    return np.random.default_rng(0).integers(0, high, shape).astype(np.int16)


def _volume() -> Volume:
    return Volume(_noise((9, 8, 7)), (0.7, 0.8, 2.5), (-10, 20, 30))


def _nifti(kind: type, dtype: str = "i2") -> Callable[[Path], None]:
    affine = np.diag([0.7, 0.8, 2.5, 1])
    return lambda path: nibabel.save(kind(_noise((9, 8, 7)).astype(dtype), affine), path)


def _picture(mode: str) -> Callable[[Path], None]:
    grey = _noise((40, 50)).astype(np.uint8)
    return lambda path: Image.fromarray(grey).convert(mode).save(path)


def _deep(path: Path) -> None:
    layers = np.stack([_noise((40, 50), 4000).astype(np.uint16)] * 3, axis=-1)
    sitk.WriteImage(sitk.GetImageFromArray(layers, isVector=True), str(path))


def _segments(path: Path) -> None:
    labels = _volume().with_array((_noise((9, 8, 7)) % 3).astype(np.uint8))
    segments = [{"value": n, "name": f"organ {n}", "colour": "#102030"} for n in (1, 2)]
    write_segmentation(labels, segments, path)


def _table(path: Path) -> None:
    for name in "abc":
        (path.parent / f"{name}.nrrd").touch()
    path.write_text("image,patient,split,age,place\na.nrrd,1,train,50,Köln\nb.nrrd,2,val,,\nc.nrrd,3,test,7.5,x\n")


KINDS = (
    Kind("plain.nii", _nifti(nibabel.Nifti1Image)),
    Kind("floats.nii", _nifti(nibabel.Nifti1Image, "f4")),
    Kind("packed.nii.gz", _nifti(nibabel.Nifti1Image)),
    Kind("second.nii", _nifti(nibabel.Nifti2Image)),
    Kind("pair.hdr", _nifti(nibabel.Nifti1Pair)),
    Kind("raw.nrrd", lambda path: write_volume(_volume(), path, compress=False)),
    Kind("packed.nrrd", lambda path: write_volume(_volume(), path)),
    Kind("layers.seg.nrrd", _segments, read_labels),
    Kind("raw.mha", lambda path: write_volume(_volume(), path, compress=False)),
    Kind("packed.mha", lambda path: write_volume(_volume(), path)),
    Kind("header.mhd", lambda path: write_volume(_volume(), path, compress=False)),
    Kind("grey.png", _picture("L")),
    Kind("palette.png", _picture("P"), read_labels),
    Kind("deep.png", _deep),
    Kind("grey.jpg", _picture("L")),
    Kind("table.csv", _table, read_csv),
)


def mutant(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with one to eight faults, most of them near the start."""
    found = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        reach = min(len(found), HEADER) if rng.random() < 0.7 else len(found)
        at, length = int(rng.integers(0, max(reach, 1))), int(rng.integers(1, 24))
        fault = rng.integers(0, 6)
        if fault == 0:
            found[at : at + length] = bytes(rng.integers(0, 256, length).tolist())
        elif fault == 1:
            del found[at : at + length]
        elif fault == 2:
            found[at:at] = bytes(rng.integers(0, 256, length).tolist())
        elif fault == 3:
            found[at : at + length] = bytes([int(rng.choice([0, 255, 127, 128]))]) * length
        elif fault == 4 and rng.random() < 0.2:
            del found[at:]
        elif at < len(found):
            found[at] ^= 1 << int(rng.integers(0, 8))
    return bytes(found)


def mended(data: bytes) -> bytes:
    """A PNG whose checksums fit again, so that readers look at what was changed."""
    found, at = bytearray(data), 8
    while at + 12 <= len(found):
        end = at + 8 + int.from_bytes(found[at : at + 4], "big")
        if end + 4 > len(found):
            break
        found[end : end + 4] = zlib.crc32(found[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(found)


def outcomes(kind: Kind, count: int, folder: Path, seed: int = 0) -> Counter[str]:
    """How often a mutant was read, refused, or ended in another error (by its type and words)."""
    path, found = folder / kind.name, Counter[str]()
    kind.make(path)
    sound, rng = path.read_bytes(), np.random.default_rng(seed)
    packed = sound[:2] == b"\x1f\x8b"
    for _ in range(count):
        inside = packed and rng.random() < 0.7
        data = mutant(gzip.decompress(sound) if inside else sound, rng)
        data = mended(data) if kind.name.endswith(".png") and rng.random() < 0.8 else data
        path.write_bytes(gzip.compress(data, 1) if inside else data)
        try:
            kind.read(path)
            found["read"] += 1
        except MedSSLError:
            found["refused"] += 1
        except Exception as error:
            found[f"{type(error).__name__}: {error}"] += 1
    return found


def main(arguments: list[str]) -> int:
    """Print a line for each kind."""
    count = int(arguments[0]) if arguments else 1000
    wrong = 0
    for kind in KINDS:
        if arguments[1:] and kind.name not in arguments[1:]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            found = outcomes(kind, count, Path(folder))
        read, refused = found.pop("read", 0), found.pop("refused", 0)
        wrong += (others := sum(found.values()))
        print(
            f"{kind.name:18} read {read:5}  refused {refused:5}  other errors {others:5}  {time.perf_counter() - start:.0f} s"
        )
        for words, times in found.most_common(8):
            print(f"    {times} x {words[:160]}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
