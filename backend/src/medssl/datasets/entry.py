"""One image of a training set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from medssl.images.formats.reading import read_volume
from medssl.images.label_maps import looks_like_label_map
from medssl.images.points import located
from medssl.images.volume import Volume

SPLIT_WORDS = {  # as tables write them, in lower case -> the split
    "": "", "train": "training", "training": "training", "val": "validation", "valid": "validation",
    "validation": "validation", "test": "test",
}  # fmt: skip
LABEL_MAP_NOTE = (
    "looks like a label map (a few whole numbers, mostly 0), not like an image: --pattern chooses the images alone, and --masks "
    "says where their label maps lie"
)
FRAMES = ("RAS", "LPS", "voxel")


@dataclass(frozen=True)
class Entry:
    """An image file (or a folder with one DICOM series), whose it is and what is known of it."""

    image: Path
    patient: str
    split: str = ""  # training, validation, test or "" (not fixed)
    modality: str = ""  # CT, MR, CXR or "" (as the file says, else guessed)
    name: str = ""
    mask: Path | None = None  # its label map
    labels: dict[str, float] = field(default_factory=dict)  # NaN: unknown
    attributes: dict[str, str] = field(default_factory=dict)
    slices: tuple[int, int] | None = None  # use only these along the last axis, half open
    view: str = ""  # how a 3D image becomes 2D, see `VolumeRef`
    inverted: bool = False  # high values are dark
    point: tuple[float, float, float] | None = None  # the place in a 3D image that its labels are about ...
    frame: str = "RAS"  # ... in mm of RAS or LPS, or in voxels (i, j, k) of the file: one of FRAMES
    files: tuple[Path, ...] = ()  # of a DICOM series: its files, in any folders
    part: str = ""  # which of several stacks or phases in these files, see `images.formats.dicom_series`
    gaps: str = "refuse"  # missing slices of a DICOM series, see `DataSpec`
    further: tuple[Entry, ...] = ()  # images of the same place, registered with it: its further channels
    whose: str = ""  # what says whose it is: PatientID, BIDS, folder, file (nothing does); "": the table or the caller


def read_entry(entry: Entry) -> Volume:
    """Read the image of an entry, of a series from its files, with the place that its labels are about and its further channels.

    One without a label map that looks like one itself gets a note.

    Raises:
        VolumeError: see `read_volume`.
    """
    volume = read_volume(entry.image, entry.modality, files=entry.files, part=entry.part, gaps=entry.gaps)
    if entry.mask is None and looks_like_label_map(volume.array):
        volume = replace(volume, notes=(*volume.notes, LABEL_MAP_NOTE))
    if entry.further:
        volume = replace(volume, further=tuple(map(read_entry, entry.further)))
    return located(volume, entry.point, entry.frame) if entry.point else volume


def number_text(value: float) -> str:
    """A number of a table as text, whole codes (of diagnoses, dates, sites) with all their digits; "" where it is unknown."""
    return "" if value != value else f"{value:.12g}"


def attributes(entry: Entry, without: Sequence[str] = ()) -> dict[str, str]:
    """What a catalogue tells of an image as text, beside the columns that are its labels: sex, age, view ..."""
    numbers = {name: number_text(value) for name, value in entry.labels.items() if value == value}
    return {name: text for name, text in {**entry.attributes, **numbers}.items() if name not in without}


def shown(entry: Entry) -> str:
    """How tables name an image: its path, and part, view and place where it has these."""
    place = f"{' '.join(f'{p:g}' for p in entry.point)} {entry.frame}" if entry.point else ""
    return str(entry.image) + "".join(f" ({one})" for one in (entry.part, entry.view, place) if one)
