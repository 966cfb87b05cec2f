"""NIfTI-1, NIfTI-2 and pairs of .hdr and .img: voxels through nibabel, the place in the world as ITK sees it where it does."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK as sitk
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.fileholders import FileHolder
from nibabel.spatialimages import HeaderDataError

from medssl.core.errors import VolumeError
from medssl.images.formats.choice import choose
from medssl.images.formats.intake.nifti_header import is_gzip, voxel_file
from medssl.images.volume import Volume

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
MILLIMETRES = {"meter": 1000.0, "micron": 0.001}
SAME = 1e-2  # voxels at the far corner
NO_PLACE = "The header does not say where the image lies: its axes are taken for left, posterior, superior"
ERRORS = (
    ImageFileError,
    HeaderDataError,
    OSError,
    EOFError,
    zlib.error,
    ValueError,
    TypeError,
    KeyError,
    OverflowError,
)
nibabel.imageglobals.logger.setLevel("CRITICAL")  # what it mends in headers is judged, and said, here


def read_nifti(path: Path, number: int | None) -> Volume:
    """Read a NIfTI file; integers stay integers, missing voxels stay NaN.

    Args:
        path: the header, or the file that holds all.
        number: which of several volumes, counted from 1; None: the only one.

    Raises:
        VolumeError: damaged, several volumes of which none was chosen, or colours.
    """
    try:
        with _opened(path) as (image, slope, intercept):
            array = _voxels(image, path, number)
            spacing, origin, direction, notes = _place(image, path)
            notes += _odd_scale(slope, intercept)
    except VolumeError:
        raise
    except ERRORS as error:
        raise VolumeError(
            path,
            f"cannot be read ({error})",
            "Take another copy of the file, or save it anew with Slicer",
            code="image-unreadable",
        ) from error
    return Volume(array, spacing, origin, direction, notes=notes)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, float, float]]:
    """A nibabel image over open files, packed or not, whatever their names say; slope and intercept as the header has them."""
    with ExitStack() as stack:
        header = _open(path, stack)
        two = header.read(4) in (b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c")
        if path.suffix.lower() == ".hdr":
            kind: Any = nibabel.Nifti2Pair if two else nibabel.Nifti1Pair
            voxels = _open(voxel_file(path), stack)
        else:
            kind, voxels = nibabel.Nifti2Image if two else nibabel.Nifti1Image, header
        header.seek(0)
        stored = kind.header_class.from_fileobj(header, check=False)
        header.seek(0)
        image = kind.from_file_map({"header": FileHolder(fileobj=header), "image": FileHolder(fileobj=voxels)})
        yield image, float(stored["scl_slope"]), float(stored["scl_inter"])


def _open(path: Path, stack: ExitStack) -> Any:
    return stack.enter_context(gzip.open(path) if is_gzip(path) else path.open("rb"))


def _voxels(image: Any, path: Path, number: int | None) -> np.ndarray:
    """(i, j, k) or (i, j), scaled as the header says."""
    shape = image.shape
    if image.get_data_dtype().names:
        raise VolumeError(path, "holds colours", "Save it as a grey image", code="colour-image")
    if len(shape) < 2 or 0 in shape:
        raise VolumeError(path, f"is sized {shape}", "Give an image of two or three axes", code="axes-unsupported")
    chosen = choose(path, shape[:3], math.prod(shape[3:]), number, shape)
    there = tuple(int(n) for n in np.unravel_index(chosen, shape[3:], order="F")) if len(shape) > 3 else ()
    stored = image.dataobj
    raw = np.asarray(
        ArrayProxy(stored.file_like, (shape, stored.dtype, stored.offset, 1.0, 0.0), mmap=False)[(..., *there)]
    )
    raw = raw.astype(raw.dtype.newbyteorder("="), copy=False)
    if (stored.slope, stored.inter) == (1.0, 0.0):
        return raw
    return _scaled(raw, np.float64(stored.slope), np.float64(stored.inter))


def _scaled(raw: np.ndarray, slope: np.float64, intercept: np.float64) -> np.ndarray:
    """As ITK does it: in double precision, kept as float32 (float64 stays)."""
    scaled = np.empty(raw.shape, np.float64 if raw.dtype == np.float64 else np.float32, order="F")
    for k in range(raw.shape[-1]):  # slice by slice: no second volume in double precision
        scaled[..., k] = raw[..., k] * slope + intercept
    return scaled


def _odd_scale(slope: float, intercept: float) -> tuple[str, ...]:
    """An intercept without a slope: the standard says not to scale at all, ITK adds it."""
    if (slope and np.isfinite(slope)) or not intercept or not np.isfinite(intercept):
        return ()
    return (f"The header's scl_slope is {slope:g}, so its scl_inter of {intercept:g} was not added either",)


def _place(image: Any, path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    """Spacing, origin, direction in LPS, and what is odd about them."""
    header = image.header
    shape = np.array([*image.shape[:3], 1][:3])
    stated = {"sform": _finite(header.get_sform(coded=True)[0]), "qform": _qform(header)}
    unit = MILLIMETRES.get(header.get_xyzt_units()[0], 1.0)
    scale = np.diag([unit, unit, unit, 1.0])
    known = {name: RAS_TO_LPS @ scale @ affine for name, affine in stated.items() if affine is not None}
    seen = _seen_by_itk(path)
    doubt = (NO_PLACE,) if len(image.shape) > 2 else ()
    if not known and seen:
        return (*seen, doubt)
    if not known:
        spacing = unit * np.array([abs(z) or 1.0 for z in (*header.get_zooms()[:3], 1.0, 1.0)][:3], dtype=np.float64)
        return spacing, np.zeros(3), np.eye(3), doubt
    name = next((n for n, a in known.items() if seen and _apart(a, _affine(*seen), shape) < SAME), "")
    if seen and (name or len(image.shape) == 2):
        place = seen
    else:
        name = next(iter(known))
        place = _split(known[name])
    notes = []
    if len(known) == 2:
        apart = _apart(known["sform"], known["qform"], shape)
        if apart > SAME:
            notes.append(
                f"The header holds two places (sform and qform) that are up to {apart:.3g} voxels apart: the {name} was taken"
            )
    zooms = unit * np.array([*header.get_zooms(), 1.0, 1.0, 1.0][:3], dtype=np.float64)
    if name == "sform" and (np.abs(np.abs(zooms) - place[0]) > 0.01 * place[0])[: len(image.shape)].any():
        notes.append(
            f"The header's pixdim {_list(zooms)} does not fit its sform, whose spacing {_list(place[0])} was taken"
        )
    return (*place, tuple(notes))


def _finite(affine: np.ndarray | None) -> np.ndarray | None:
    """Raises ValueError: numbers that are none."""
    if affine is not None and not np.isfinite(affine).all():
        raise ValueError("its sform or qform holds what is no number")
    return affine


def _qform(header: Any) -> np.ndarray | None:
    """None where it is not stated or makes no sense."""
    try:
        return _finite(header.get_qform(coded=True)[0])
    except (HeaderDataError, ValueError, ZeroDivisionError):
        return None


def _seen_by_itk(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The geometry of 3D and 2D NIfTI-1 as ITK (and so Slicer) gives it; None where it refuses."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return None
    axes = min(reader.GetDimension(), 3)
    spacing, origin, direction = np.ones(3), np.zeros(3), np.eye(3)
    spacing[:axes], origin[:axes] = reader.GetSpacing()[:axes], reader.GetOrigin()[:axes]
    direction[:axes, :axes] = np.reshape(reader.GetDirection(), (reader.GetDimension(),) * 2)[:axes, :axes]
    return (spacing, origin, direction) if (spacing > 0).all() and np.isfinite(origin).all() else None


def _affine(spacing: np.ndarray, origin: np.ndarray, direction: np.ndarray) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = direction * spacing, origin
    return affine


def _split(affine: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spacing, origin and unit columns, as skewed as they are.

    Raises:
        ValueError: a column without length.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not (spacing > 0).all():
        raise ValueError("an axis without length in its sform or qform")
    return spacing, affine[:3, 3], affine[:3, :3] / spacing


def _apart(one: np.ndarray, other: np.ndarray, shape: np.ndarray) -> float:
    """The largest distance of the same corner under two affines, in voxels of the finest axis."""
    corners = np.stack(np.meshgrid(*[(0, n - 1) for n in shape], [1], indexing="ij"), axis=-1).reshape(-1, 4)
    finest = np.linalg.norm(one[:3, :3], axis=0).min()
    return float(np.linalg.norm(corners @ (one - other).T, axis=1).max() / max(finest, 1e-12))


def _list(values: np.ndarray) -> str:
    return " x ".join(f"{value:.4g}" for value in values)
