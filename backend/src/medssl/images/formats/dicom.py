"""DICOM: a folder, a file, or the files of one series as one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from medssl.core.errors import VolumeError, counted, listed
from medssl.images.dicom.grid import lay_out, lay_out_one
from medssl.images.dicom.header import is_dicom, read_header, refusing, whole
from medssl.images.dicom.kinds import kind_left_out
from medssl.images.dicom.pixels import read_planes
from medssl.images.dicom.radiograph import read_radiograph
from medssl.images.dicom.tilt import grown
from medssl.images.formats.dicom_series import TAGS, Group, SortedFiles, sort_files
from medssl.images.formats.guards import check_memory
from medssl.images.volume import Volume, compact

__all__ = ["frames_of_single", "is_dicom", "read_file", "read_files", "read_series"]
READABLE_ALONE = ("localiser", "secondary capture")  # left out of folders, but what is asked for by name is read


def read_file(path: Path, part: str = "", gaps: str = "refuse") -> Volume:
    """Read one DICOM file: a radiograph as (i, j), a slice as a volume of one, an enhanced multi-frame file as its stack.

    Raises:
        VolumeError: damaged, coloured, no image, frames without places, or several stacks and no `part` that names one.
    """
    found = sort_files([path], keep=READABLE_ALONE)
    if found.bad:
        raise found.bad[0][1]
    if not found.groups:
        kind = next(iter(found.left_out))
        raise VolumeError(
            path, f"is no image but a {kind}", "Choose a file of the image itself, or its folder", code="no-dicom"
        )
    volume = _read_group(_choose(found, path, part), path, gaps)
    header = read_header(path, TAGS)
    with refusing(path):
        kind = kind_left_out(header)
    return replace(volume, notes=(*volume.notes, f"The file is a {kind}.")) if kind else volume


def read_series(folder: Path, part: str = "", gaps: str = "refuse") -> Volume:
    """Read the one series below a folder, sorted by position, in the units that the rescale tags give (HU for CT).

    What is no image of the patient is left out and counted in the notes (see `find_series`). Slices missing between
    others are refused, or interpolated with `gaps` = "resample". A tilted gantry is straightened.

    Raises:
        VolumeError: no DICOM, several series, a tag absent, a missing or doubled slice, or damaged pixels.
    """
    with refusing(folder, "cannot be listed"):
        files = sorted(path for path in folder.rglob("*") if is_dicom(path))
    return replace(_read(files, folder, part, gaps), name=folder.name)


def frames_of_single(path: Path, files: Sequence[Path] = ()) -> int:
    """Frames of the one DICOM file that is all there is of an image (an enhanced CT or MR has several); 0 of several files, or none.

    Raises:
        VolumeError: its header cannot be read.
    """
    inside = files or (path.rglob("*") if path.is_dir() else (path,))
    found = list(islice(filter(is_dicom, inside), 2))
    if len(found) != 1:
        return 0
    with refusing(found[0]):
        return max(whole(read_header(found[0], ("NumberOfFrames",)), "NumberOfFrames", 1), 1)


def read_files(files: Sequence[Path], source: Path, part: str = "", gaps: str = "refuse") -> Volume:
    """Read the files of one series, in any folders, as one volume; `source` names it in messages.

    Raises:
        VolumeError: see `read_series`.
    """
    for file in files:
        if not file.exists():
            raise VolumeError(file, "does not exist", "Check the path", code="file-not-found")
    return _read(files, source, part, gaps)


def _read(files: Sequence[Path], source: Path, part: str, gaps: str) -> Volume:
    found = sort_files(files)
    if not found.groups:
        raise found.bad[0][1] if found.bad else _no_image(source, found)
    volume = _read_group(_choose(found, source, part), source, gaps)
    notes = []
    if found.left_out:
        notes.append(f"Left out: {', '.join(f'{count} x {kind}' for kind, count in found.left_out.items())}.")
    if found.bad:
        notes.append(f"{counted(len(found.bad), 'file')} could not be read, the first is {found.bad[0][1]}")
    return replace(volume, notes=(*volume.notes, *notes))


def _no_image(source: Path, found: SortedFiles) -> VolumeError:
    held = ", ".join(f"{count} x {kind}" for kind, count in found.left_out.items())
    return VolumeError(
        source,
        f"holds no DICOM images{f', only {held}' if held else ''}",
        "Choose the folder that holds the slices of one series",
        code="no-dicom",
    )


def _choose(found: SortedFiles, source: Path, part: str) -> Group:
    """The one series there is, or the one that `part` names."""
    named = [group for group in found.groups if group.series.part == part] if part else []
    if len(found.groups) == 1 or len(named) == 1:
        return (named or found.groups)[0]
    names = [_words(group) for group in found.groups]
    named_in = [f"{name} with {group.series.files[0].parent.name}/{group.series.files[0].name}" if names.count(name) > 1 else name for name, group in zip(names, found.groups)]  # fmt: skip
    one_file = len({file for group in found.groups for file in group.series.files}) == 1
    remedy = (
        "Choose one by its part, as it stands before the bracket: read_volume(path, part=...)"
        if one_file
        else "Give each series a folder of its own, or a folder above as a training set, where each series is an image of its own"
    )
    raise VolumeError(source, f"mixes {len(found.groups)} series: {listed(named_in, 12)}", remedy, code="series-mixed")


def _words(group: Group) -> str:
    series = group.series
    name = ", ".join(word for word in (series.description, series.part) if word) or series.uid
    return f"{name} ({len(group.planes)} images)"


def _read_group(group: Group, source: Path, gaps: str) -> Volume:
    if gaps not in ("refuse", "resample"):
        raise VolumeError(f"gaps={gaps!r}", "is no way to treat missing slices", 'Use "refuse" or "resample"')
    if group.projection:
        return read_radiograph(group.series.files[0])
    with refusing(source, "has a header that cannot be used"):
        _check_sizes(group, source)
        grid = lay_out(group.planes, source, gaps) if len(group.planes) > 1 else lay_out_one(group.planes[0])
    with refusing(source, "cannot be put together"):
        array, notes = read_planes(group.planes, grid, source, group.series.modality)
    low, _ = grown(grid.drift / grid.spacing[:2])
    return Volume(
        compact(array), spacing=grid.spacing, origin=grid.origin - grid.direction[:, :2] @ (low * grid.spacing[:2]), direction=grid.direction,
        modality=group.series.modality, name=source.stem, patient=group.series.patient, notes=(*grid.notes, *notes),
    )  # fmt: skip


def _check_sizes(group: Group, source: Path) -> None:
    sizes: dict[tuple[int, int], int] = {}
    for plane in group.planes:
        sizes[plane.shape] = sizes.get(plane.shape, 0) + 1
    if len(sizes) > 1:
        listed = ", ".join(f"{count} of {columns}x{rows}" for (columns, rows), count in sizes.items())
        raise VolumeError(
            source,
            f"holds images of several sizes: {listed}",
            "Remove the localiser images or split the series",
            code="slice-sizes-differ",
        )
    columns, rows = next(iter(sizes))
    check_memory(source, (columns, rows, len(group.planes)), 4 * columns * rows * len(group.planes))
