"""DICOM series: which files of a folder, a CD or a PACS export belong together, and what is no image of the patient."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from medssl.core.errors import VolumeError
from medssl.images.dicom.header import is_projection, read_header, refusing, text, whole
from medssl.images.dicom.kinds import KIND_TAGS, colour_refused, kind_left_out
from medssl.images.dicom.phases import phases
from medssl.images.dicom.planes import PLANE_TAGS, Plane, planes_of

TAGS = (
    "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID", "PatientName", *KIND_TAGS, *PLANE_TAGS,
)  # fmt: skip
MOST_STACKS = 64  # of one series; more are turns about an axis
SAME_ORIENTATION = 0.01  # between the components of the axes' unit vectors


@dataclass(frozen=True)
class Series:
    """One image of one patient: the files of a volume in any folders, or one radiograph."""

    uid: str
    files: tuple[Path, ...]
    modality: str
    patient: str  # PatientID as it stands in the file
    study: str
    description: str
    person: str = ""  # PatientName, to tell whether two images are of one patient; nothing stores or shows it
    part: str = ""  # what tells this phase from the others of the same UID, for example "AcquisitionNumber 2"


@dataclass(frozen=True)
class FoundSeries:
    """What many DICOM files hold: images, files left out (reason -> how many) and files that cannot be read."""

    series: tuple[Series, ...]
    left_out: dict[str, int]
    bad: tuple[tuple[Path, str], ...]


@dataclass(frozen=True)
class Group:
    """A series with its planes; one plane without a place for a radiograph."""

    series: Series
    planes: tuple[Plane, ...]
    projection: bool


@dataclass(frozen=True)
class SortedFiles:
    """`FoundSeries` with the planes of each series."""

    groups: tuple[Group, ...]
    left_out: dict[str, int]
    bad: tuple[tuple[Path, VolumeError], ...]


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    key: tuple[str, str, str]  # UIDs of series and study, patient
    instance: str
    modality: str
    description: str
    person: str
    projection: bool
    planes: tuple[Plane, ...]


def find_series(paths: Iterable[Path]) -> FoundSeries:
    """Sort DICOM files into series by what their headers say; one series may lie in many folders.

    Left out and counted: localisers, secondary captures, structured reports, radiotherapy objects, DICOMDIR, presentation
    states, segmentations, copies of a file already seen, and single images of another size or orientation than the
    slices of their series. A series of several phases is split by the tag that tells them apart.
    """
    found = sort_files(paths)
    bad = tuple((path, f"{error.rule}. {error.remedy}") for path, error in found.bad)
    return FoundSeries(tuple(group.series for group in found.groups), found.left_out, bad)


def sort_files(paths: Iterable[Path], keep: tuple[str, ...] = ()) -> SortedFiles:
    """`find_series`, with the planes of each series for those who read it; kinds in `keep` are not left out."""
    kept: dict[tuple[str, str, str], list[_File]] = {}
    left_out: Counter[str] = Counter()
    bad: list[tuple[Path, VolumeError]] = []
    seen = _Seen()
    for path in map(Path, paths):
        try:
            file = _look_at(path, keep)
        except VolumeError as error:
            bad.append((path, error))
            continue
        if isinstance(file, str):
            left_out[file] += 1
        elif seen.is_copy(file):
            left_out["copy of another file"] += 1
        else:
            kept.setdefault(file.key, []).append(file)
    groups: list[Group] = []
    for files in _with_known_patients(kept).values():
        try:
            with refusing(files[0].path, "belongs to a series that cannot be sorted"):
                groups += _split(files, left_out)
        except VolumeError as error:
            bad += [(file.path, error) for file in files]
    groups.sort(key=lambda group: (str(group.series.files[0]), group.planes[0].frame))
    return SortedFiles(tuple(groups), dict(sorted(left_out.items())), tuple(bad))


def _with_known_patients(kept: dict[tuple[str, str, str], list[_File]]) -> dict[tuple[str, str, str], list[_File]]:
    """Files without a PatientID join the rest of their series, where that is of one patient."""
    for key in [key for key in kept if not key[2]]:
        known = [other for other in kept if other[:2] == key[:2] and other[2]]
        if len(known) == 1:
            kept[known[0]] += [replace(file, key=known[0]) for file in kept.pop(key)]
    return kept


def _look_at(path: Path, keep: tuple[str, ...]) -> _File | str:
    """What the file's header says of it, or the reason why it is left out."""
    if path.name.upper() == "DICOMDIR":
        return "DICOMDIR"
    header = read_header(path, TAGS)
    with refusing(path, "has a header that cannot be used"):
        kind = kind_left_out(header)
        return kind if kind and kind not in keep else _describe(path, header)


def _describe(path: Path, header: Dataset) -> _File:
    if whole(header, "SamplesPerPixel", 1) != 1 or "PALETTE" in text(header, "PhotometricInterpretation"):
        raise colour_refused(path, header)
    if absent := [name for name in ("Rows", "Columns") if whole(header, name) < 1]:
        raise VolumeError(
            path,
            f"the tag {' and '.join(absent)} is absent, empty or 0",
            "Export the image again from the scanner or PACS",
            code="tag-missing",
        )
    if "MOSAIC" in text(header, "ImageType").upper().split("\\"):
        raise VolumeError(
            path,
            "is a mosaic (ImageType): all slices of a volume side by side in one picture",
            "Convert the series with dcm2niix, which takes mosaics apart, and give the NIfTI file",
            code="mosaic",
        )
    series = text(header, "SeriesInstanceUID") or f"in {path.parent}"
    return _File(
        path=path,
        key=(series, text(header, "StudyInstanceUID"), text(header, "PatientID")),
        instance=text(header, "SOPInstanceUID"),
        modality=text(header, "Modality"),
        description=text(header, "SeriesDescription"),
        person=text(header, "PatientName"),
        projection=is_projection(header),
        planes=tuple(planes_of(path, header)),
    )


class _Seen:
    """Objects met so far. Files of one SOPInstanceUID are copies only where their pixels are, as stored, the same:
    some tools give every file one UID."""

    def __init__(self) -> None:
        self.first: dict[tuple[str, ...], Path] = {}
        self.digests: dict[tuple[str, ...], set[bytes]] = {}

    def is_copy(self, file: _File) -> bool:
        key = (*file.key, file.instance)
        if not file.instance:
            return False
        first = self.first.setdefault(key, file.path)
        if first is file.path:
            return False
        digests = self.digests.setdefault(key, {_digest(first)})
        digest = _digest(file.path)
        known = digest in digests
        digests.add(digest)
        return known


def _digest(path: Path) -> bytes:
    """Of the pixels as they are stored; of the path where there are none to be read."""
    try:
        with refusing(path):
            pixels = bytes(pydicom.dcmread(path, force=True, specific_tags=["PixelData"]).PixelData)
    except VolumeError:
        pixels = os.fsencode(path)
    return hashlib.sha256(pixels).digest()


def _split(files: list[_File], left_out: Counter[str]) -> list[Group]:
    """The files of one series UID as radiographs and as stacks of planes, phase by phase."""
    flat = [file for file in files if file.projection]
    parts = [(_name_of(file, flat), list(file.planes), True) for file in flat]
    stacks = _stacks([plane for file in files if not file.projection for plane in file.planes])
    largest = max((len(stack) for _, stack in stacks), default=0)
    kept = [(name, stack) for name, stack in stacks if len(stack) > 2 or largest <= 2]
    if fewer := sum(len(stack) for _, stack in stacks) - sum(len(stack) for _, stack in kept):
        left_out["another size or orientation than its series"] += fewer
    for name, stack in kept:
        for phase, planes in phases(stack):
            words = [word for word in (name if len(kept) > 1 else "", phase) if word]
            parts.append((", ".join(words), planes, False))
    return [_group(files, part if len(parts) > 1 else "", planes, flat) for part, planes, flat in parts]


def _name_of(file: _File, others: list[_File]) -> str:
    used = {other.planes[0].number for other in others}
    return f"InstanceNumber {file.planes[0].number[0]}" if len(used) == len(others) else f"file {file.path.name}"


def _stacks(planes: list[Plane]) -> list[tuple[str, list[Plane]]]:
    """Planes of one size, one orientation and one StackID each, with what names them."""
    stacks: list[tuple[tuple, np.ndarray | None, list[Plane]]] = []
    known_first = sorted(
        planes, key=lambda plane: plane.orientation is None
    )  # the rest joins them, to be refused by name
    for plane in known_first:
        axes = None if plane.orientation is None else np.asarray(plane.orientation)
        for key, known, members in stacks:
            alike = axes is None or known is None or np.abs(axes - known).max() < SAME_ORIENTATION
            if key == (plane.shape, plane.stack) and alike:
                members.append(plane)
                break
        else:
            stacks.append(((plane.shape, plane.stack), axes, [plane]))
        if len(stacks) > MOST_STACKS:
            return [("", planes)]
    if len(stacks) > 1 and max(len(members) for _, _, members in stacks) <= 2:
        return [("", planes)]  # turns about an axis, three directions: no stack at all, which reading refuses
    names = []
    for (shape, stack), _, _ in stacks:
        size = f"{shape[0]}x{shape[1]}" if len({key[0] for key, _, _ in stacks}) > 1 else ""
        one = f"StackID {stack}" if len({key[1] for key, _, _ in stacks}) > 1 else ""
        names.append(", ".join(word for word in (one, size) if word))
    names = [name if names.count(name) == 1 else ", ".join(word for word in (name, f"orientation {n + 1}") if word) for n, name in enumerate(names)]  # fmt: skip
    return [(name, members) for name, (_, _, members) in zip(names, stacks)]


def _group(files: list[_File], part: str, planes: list[Plane], projection: bool) -> Group:
    of = {file.path: file for file in files}
    first = of[planes[0].path]
    series = Series(
        uid=first.key[0], files=tuple(sorted({plane.path for plane in planes})), modality=first.modality,
        patient=first.key[2], study=first.key[1], description=first.description, person=first.person, part=part,
    )  # fmt: skip
    return Group(series, tuple(planes), projection)
