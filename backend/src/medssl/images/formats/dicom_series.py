"""DICOM series: which files of a folder, a CD or a PACS export belong together, and what is no image of the patient."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID

from medssl.core.errors import VolumeError
from medssl.images.formats.dicom_header import RADIOGRAPHS, is_projection, numbers, read_header, refusing, text, whole
from medssl.images.formats.dicom_phases import PHASE_TAGS, phases

TAGS = [
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID", "Modality", "ImageType", "ConversionType",
    "SeriesDescription", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "InstanceNumber",
    "ImagePositionPatient", "ImageOrientationPatient", *PHASE_TAGS,
]  # fmt: skip
STORAGE = "1.2.840.10008.5.1.4.1.1."
LEFT_OUT = (
    (("1.2.840.10008.1.3.10",), (), "DICOMDIR"),
    ((f"{STORAGE}88.59",), ("KO",), "key object selection"),
    ((f"{STORAGE}88.",), ("SR",), "structured report"),
    ((f"{STORAGE}11.",), ("PR",), "presentation state"),
    ((f"{STORAGE}481.3",), ("RTSTRUCT",), "RTSTRUCT"),
    ((f"{STORAGE}481.5", f"{STORAGE}481.8"), ("RTPLAN",), "RTPLAN"),
    ((f"{STORAGE}481.2",), ("RTDOSE",), "RTDOSE"),
    ((f"{STORAGE}481.",), ("RTRECORD", "RTIMAGE"), "radiotherapy record or portal image"),
    ((f"{STORAGE}66.4", f"{STORAGE}66.5"), ("SEG",), "segmentation"),
    ((f"{STORAGE}66", f"{STORAGE}67", f"{STORAGE}30", f"{STORAGE}4.2"), ("REG", "FID", "RWV"), "registration, map or raw data"),
    ((f"{STORAGE}104.",), ("DOC",), "document"),
    ((f"{STORAGE}9.",), ("ECG",), "waveform"),
)  # fmt: skip
SECONDARY = f"{STORAGE}7"
SCOUT = re.compile(r"\b(locali[sz]ers?|scouts?|topograms?|scanograms?|surview|3[ -]?pl(ane)?[ -]?loc)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Series:
    """One image of one patient: the files of a volume in any folders, or one radiograph."""

    uid: str
    files: tuple[Path, ...]
    modality: str
    patient: str  # PatientID as it stands in the file
    study: str
    description: str
    part: str = ""  # what tells this phase from the others of the same UID, for example "AcquisitionNumber 2"


@dataclass(frozen=True)
class FoundSeries:
    """What many DICOM files hold: images, files left out (reason -> how many) and files that cannot be read."""

    series: tuple[Series, ...]
    left_out: dict[str, int]
    bad: tuple[tuple[Path, str], ...]


@dataclass(frozen=True)
class Image:
    """What of one file decides where it belongs; a few hundred bytes, so that a hundred thousand fit into memory."""

    path: Path
    series: tuple[str, str, str]  # UIDs of series and study, patient
    instance: str
    modality: str
    description: str
    shape: tuple[int, int, int]  # rows, columns, frames
    projection: bool
    orientation: tuple[float, ...] | None
    position: tuple[float, ...] | None
    number: int
    marks: tuple[str, ...]  # the values of PHASE_TAGS


def find_series(paths: Iterable[Path]) -> FoundSeries:
    """Sort DICOM files into series by what their headers say; one series may lie in many folders.

    Left out and counted: localisers, secondary captures, structured reports, radiotherapy objects, DICOMDIR, presentation
    states, segmentations, copies of a file already seen, and single images of another size or orientation than the
    slices of their series. A series of several phases is split by the tag that tells them apart.
    """
    kept: dict[tuple[str, str, str], list[Image]] = {}
    left_out: Counter[str] = Counter()
    bad: list[tuple[Path, str]] = []
    seen = _Seen()
    for path in paths:
        try:
            image = _look_at(Path(path))
        except VolumeError as error:
            bad.append((Path(path), f"{error.rule}. {error.remedy}"))
            continue
        if isinstance(image, str):
            left_out[image] += 1
        elif seen.is_copy(image):
            left_out["copy of another file"] += 1
        else:
            kept.setdefault(image.series, []).append(image)
    series = [one for images in kept.values() for one in _split(images, left_out)]
    return FoundSeries(tuple(sorted(series, key=lambda one: str(one.files[0]))), dict(sorted(left_out.items())), tuple(bad))  # fmt: skip


def _look_at(path: Path) -> Image | str:
    """The file as an image, or the reason why it is left out."""
    if path.name.upper() == "DICOMDIR":
        return "DICOMDIR"
    header = read_header(path, TAGS)
    with refusing(path, "has a header that cannot be used"):
        return _left_out(header) or _describe(path, header)


def _left_out(header: Dataset) -> str:
    """Why this file is no image of a patient; "" where it is one."""
    uid = text(header, "SOPClassUID") or text(getattr(header, "file_meta", header), "MediaStorageSOPClassUID")
    modality = text(header, "Modality")
    for classes, modalities, reason in LEFT_OUT:
        if any(uid == one.rstrip(".") or uid.startswith(f"{one.rstrip('.')}.") for one in classes):
            return reason
        if modality in modalities:
            return reason
    if (uid == SECONDARY or uid.startswith(f"{SECONDARY}.")) and not _is_image_after_all(header, modality):
        return "secondary capture"
    if not text(header, "Rows") and not text(header, "Columns") and not text(header, "SamplesPerPixel"):
        return f"no image ({UID(uid).name})" if uid else "no image"
    if modality in RADIOGRAPHS:
        return ""
    localiser = "LOCALIZER" in text(header, "ImageType").upper()
    return "localiser" if localiser or SCOUT.search(text(header, "SeriesDescription")) else ""


def _is_image_after_all(header: Dataset, modality: str) -> bool:
    """Many tools write plain radiographs and slices as secondary captures: a modality, a film scan or a position tells."""
    scanned = text(header, "ConversionType") in ("DF", "DI")
    grey = text(header, "PhotometricInterpretation").startswith("MONOCHROME")
    return grey and (modality in RADIOGRAPHS or scanned or bool(text(header, "ImagePositionPatient")))


def _describe(path: Path, header: Dataset) -> Image:
    if whole(header, "SamplesPerPixel", 1) != 1:
        raise VolumeError(
            path,
            f"is a colour image ({text(header, 'PhotometricInterpretation')})",
            "Give grey images",
            code="colour-image",
        )
    uid = text(header, "SeriesInstanceUID") or f"in {path.parent}"
    return Image(
        path=path,
        series=(uid, text(header, "StudyInstanceUID"), text(header, "PatientID")),
        instance=text(header, "SOPInstanceUID"),
        modality=text(header, "Modality"),
        description=text(header, "SeriesDescription"),
        shape=(whole(header, "Rows"), whole(header, "Columns"), whole(header, "NumberOfFrames", 1)),
        projection=is_projection(header),
        orientation=numbers(header, "ImageOrientationPatient", 6),
        position=numbers(header, "ImagePositionPatient", 3),
        number=whole(header, "InstanceNumber"),
        marks=tuple(text(header, name) for name in PHASE_TAGS),
    )


class _Seen:
    """Objects met so far. Files of one SOPInstanceUID are copies only where their pixels are, as stored, the same:
    some tools give every file one UID."""

    def __init__(self) -> None:
        self.first: dict[tuple[str, ...], Path] = {}
        self.digests: dict[tuple[str, ...], set[bytes]] = {}

    def is_copy(self, image: Image) -> bool:
        key = (*image.series, image.instance)
        if not image.instance:
            return False
        first = self.first.setdefault(key, image.path)
        if first is image.path:
            return False
        digests = self.digests.setdefault(key, {_digest(first)})
        digest = _digest(image.path)
        known = digest in digests
        digests.add(digest)
        return known


def _digest(path: Path) -> bytes:
    """Of the pixels as they are stored; of the path where there are none to be read."""
    try:
        with refusing(path):
            pixels = pydicom.dcmread(path, force=True, specific_tags=["PixelData"]).PixelData
    except VolumeError:
        pixels = os.fsencode(path)
    return hashlib.sha256(pixels).digest()


def _split(images: list[Image], left_out: Counter[str]) -> list[Series]:
    """One series UID as its radiographs, its multi-frame files and its stacks of slices, phase by phase."""
    flat = [image for image in images if image.projection]
    frames = [image for image in images if not image.projection and image.shape[2] > 1]
    slices = [image for image in images if not image.projection and image.shape[2] <= 1]
    alone = [(_name_of(image, [*flat, *frames]), [image]) for image in (*flat, *frames)]
    stacks = _stacks(slices)
    largest = max((len(stack) for _, stack in stacks), default=0)
    parts = [*alone]
    for name, stack in stacks:
        if len(stack) <= 2 < largest:
            left_out["another size or orientation than its series"] += len(stack)
            continue
        several = len([1 for _, other in stacks if len(other) > 2 or largest <= 2]) > 1
        for phase, members in phases(stack):
            parts.append((", ".join(part for part in (name if several else "", phase) if part), members))
    return [_series(members, part if len(parts) > 1 else "") for part, members in parts]


def _name_of(image: Image, others: list[Image]) -> str:
    numbers_used = {other.number for other in others}
    return f"InstanceNumber {image.number}" if len(numbers_used) == len(others) else f"file {image.path.name}"


def _stacks(slices: list[Image]) -> list[tuple[str, list[Image]]]:
    """Slices of one size and one orientation each, with what names them."""
    stacks: list[tuple[tuple[int, int, int], np.ndarray | None, list[Image]]] = []
    for image in slices:
        axes = None if image.orientation is None else np.asarray(image.orientation)
        for shape, known, members in stacks:
            alike = axes is known if axes is None or known is None else np.abs(axes - known).max() < 0.01
            if shape == image.shape and alike:
                members.append(image)
                break
        else:
            stacks.append((image.shape, axes, [image]))
    sizes = {shape for shape, _, _ in stacks}
    return [
        (f"{shape[1]}x{shape[0]}" if len(sizes) == len(stacks) else f"orientation {n + 1}, {shape[1]}x{shape[0]}", members)
        for n, (shape, _, members) in enumerate(stacks)
    ]  # fmt: skip


def _series(images: list[Image], part: str) -> Series:
    first = images[0]
    return Series(
        uid=first.series[0], files=tuple(sorted(image.path for image in images)), modality=first.modality,
        patient=first.series[2], study=first.series[1], description=first.description, part=part,
    )  # fmt: skip
