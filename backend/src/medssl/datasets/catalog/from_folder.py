"""A training set as a folder of images, as it comes from a PACS, a CD or a BIDS set."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from medssl.core.errors import CatalogError
from medssl.datasets.catalog.folder_files import MASK_FOLDERS, list_folder, list_pattern
from medssl.datasets.catalog.linked_patients import linked_patients, links_of
from medssl.datasets.catalog.patients import BIDS, FILE, FOLDER, PATIENT_ID, stated_id, subject_of
from medssl.datasets.entry import Entry
from medssl.images.dicom.header import is_dicom
from medssl.images.formats.dicom_series import Series, find_series
from medssl.images.formats.image_files import is_image, is_picture, stem
from medssl.images.intensity.voi_window import RADIOGRAPHS

PLAIN_FOLDERS = (*MASK_FOLDERS, "image", "images", "imagestr", "imagests", "img", "data", "scans", "volumes", "unlabelled", "unlabeled", "train", "training", "val", "validation", "test", "dicom", "dcm", "nifti", "nii", "pacs", "export", "rawdata")  # fmt: skip
NO_PATIENT = re.compile(  # what holds images of many patients: of a time or a place
    r"(visit|ses|session|time[-_ ]?point|baseline|follow[-_ ]?up|site|cent(er|re)|hospital|batch|fold)[-_ ]?\d*",
    re.IGNORECASE,
)

Named = Callable[[str], str]  # from a PatientID to what the patient is called


@dataclass(frozen=True)
class FolderContents:
    """Images of a folder, how many files were left out of it (by reason), what is broken, and what else to say."""

    entries: tuple[Entry, ...]
    left_out: dict[str, int]
    bad: tuple[tuple[Path, str], ...]
    notes: tuple[str, ...] = ()
    label_maps: tuple[Path, ...] = ()  # that were left out


def read_folder(root: Path, pattern: str = "", modality: str = "", named: Named = str) -> FolderContents:
    """List the images below `root`, sorted: those that the glob `pattern` matches (files or series folders), else all.

    DICOM files are sorted into series by their headers, in whatever folders they lie. Without a pattern, what is plainly a
    label map is left out: files in folders called masks, labels or segmentations, and names that begin or end with such a word. The patient is the PatientID, else the BIDS subject, else the first folder that is not merely called
    "images" or so, else the file's own name. Files without an ID in a patient's folder belong to the one ID found there;
    series without an ID that share a study or a PatientName are of one patient.

    Raises:
        CatalogError: a pattern that is not one.
    """
    try:
        files = list_pattern(root, pattern) if pattern else list_folder(root)
    except (ValueError, NotImplementedError) as error:
        raise CatalogError(
            f"pattern {pattern!r}", "is no pattern below the folder", "For example */ct.nii.gz", code="not-a-pattern"
        ) from error
    found = find_series(files.dicom)
    held = Counter(file.parent for series in found.series for file in series.files)
    shared = Counter(series.files for series in found.series)  # files that hold several phases
    ids: dict[Path, str] = {}
    links: dict[Path, tuple[str, ...]] = {}
    entries = [_of_file(root, image, modality) for image in files.images]
    for series in found.series:
        entry = _of_series(root, series if shared[series.files] > 1 else replace(series, part=""), held, modality)
        entries.append(entry)
        if stated := stated_id(series.patient):
            ids[_key(entry)] = stated
        links[_key(entry)] = links_of(series.study, "" if stated else series.person)
    entries = sorted(_distinct(entries), key=lambda entry: (str(entry.image), entry.part))
    entries, notes = _with_patients(root, entries, ids, named)
    entries, linked = linked_patients(entries, [links.get(_key(entry), ()) for entry in entries])
    notes += linked
    left_out = files.left_out + Counter(found.left_out)
    return FolderContents(
        tuple(entries), dict(sorted(left_out.items())), (*files.bad, *found.bad), tuple(notes), tuple(files.label_maps)
    )


def patient_id_of(path: Path) -> str:
    """The PatientID of a DICOM file, or of the first one below a folder; "" of other files, or where there is none."""
    files = sorted(path.rglob("*")) if path.is_dir() else [] if is_image(path) or is_picture(path) else [path]
    first = next((file for file in files if is_dicom(file)), None)
    series = find_series([first]).series if first else ()
    return stated_id(series[0].patient) if series else ""


def _key(entry: Entry) -> Path:
    return entry.image / entry.part


def _of_file(root: Path, image: Path, modality: str) -> Entry:
    return Entry(image, "", modality=modality, name=_name(root, image))


def _of_series(root: Path, series: Series, held: Counter[Path], modality: str) -> Entry:
    """An image of one series: named after its folder where that holds nothing else, after its file where it is one file."""
    folders = {file.parent for file in series.files}
    (folder, *others) = sorted(folders)
    alone = not others and held[folder] == len(series.files)
    if len(series.files) == 1 and (not alone or series.part or series.modality in RADIOGRAPHS or folder == root):
        image, name = series.files[0], _name(root, series.files[0])
    elif alone and not series.part:
        image, name = folder, _name(root, folder)
    else:
        image = series.files[0]
        above = folder if not others else _common(folders)
        name = f"{_name(root, above)}/{series.description or series.modality or 'series'}"
    name = f"{name}, {series.part}" if series.part else name
    modality = modality or (series.modality if series.modality in ("CT", "MR") else "")
    files = () if series.files == (image,) else series.files
    return Entry(image, "", modality=modality, name=name.removeprefix("./"), files=files, part=series.part)


def _common(folders: Iterable[Path]) -> Path:
    first, *others = sorted(folders)
    return next(above for above in (first, *first.parents) if all(other.is_relative_to(above) for other in others))


def _distinct(entries: list[Entry]) -> list[Entry]:
    """Series of one description get numbers."""
    counts, seen = Counter(entry.name for entry in entries), Counter[str]()
    distinct = []
    for entry in entries:
        seen[entry.name] += 1
        many = counts[entry.name] > 1 and entry.files
        distinct.append(replace(entry, name=f"{entry.name} {seen[entry.name]}") if many else entry)
    return distinct


def _with_patients(
    root: Path, entries: list[Entry], ids: dict[Path, str], named: Named
) -> tuple[list[Entry], list[str]]:
    """The entries with their patients, and what is odd about these."""
    in_folder: dict[str, set[str]] = {}  # whose images lie in a patient's folder
    folders_of: dict[str, set[str]] = {}
    for entry in entries:
        folder = subject_of(entry.image) or _folder_of(root, entry)
        if folder and (stated := ids.get(_key(entry))):
            in_folder.setdefault(folder, set()).add(stated)
            folders_of.setdefault(stated, set()).add(folder)
    whose = [_patient(root, entry, ids, in_folder, named) for entry in entries]
    notes = [
        f"Folder {folder} holds images of {len(found)} patients by their PatientID: these count, not the folder"
        for folder, found in in_folder.items()
        if len(found) > 1
    ]
    many = {stated: folders for stated, folders in folders_of.items() if len(folders) > 1}
    if many:
        stated, folders = next(iter(many.items()))
        listed = ", ".join(sorted(folders)[:3])
        notes.append(
            f"{len(many)} PatientID{'' if len(many) == 1 else 's'} in several folders, such as {named(stated)} in {listed}: the "
            "images of one PatientID count as one patient"
        )
    return [replace(entry, patient=patient, whose=by) for entry, (patient, by) in zip(entries, whose)], notes


def _patient(
    root: Path, entry: Entry, ids: dict[Path, str], in_folder: dict[str, set[str]], named: Named
) -> tuple[str, str]:
    """Who it is, and what says so."""
    if stated := ids.get(_key(entry)):
        return named(stated), PATIENT_ID
    subject = subject_of(entry.image.relative_to(root.parent))
    folder = subject or _folder_of(root, entry)
    if folder and len(in_folder.get(folder, ())) == 1:
        return named(next(iter(in_folder[folder]))), PATIENT_ID
    if folder:
        return folder, BIDS if subject else FOLDER
    return stem(entry.image), FILE


def _folder_of(root: Path, entry: Entry) -> str:
    """The first folder that is not merely called "images" or after a visit or site; of a series that is the root itself, that one."""
    parts = entry.image.relative_to(root).parts
    folders = parts if entry.files and entry.image not in entry.files else parts[:-1]
    if not parts:
        folders = (root.name,)
    return next((one for one in folders if one.lower() not in PLAIN_FOLDERS and not NO_PATIENT.fullmatch(one)), "")


def _name(root: Path, image: Path) -> str:
    relative = image.relative_to(root)
    return str((relative.parent / stem(image)).as_posix()) if relative.parts else root.name
