"""Which images make a training set, and whose they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from medssl.core.errors import CatalogError, InputError, NotFoundError, counted, printable
from medssl.core.files import split_choice
from medssl.core.protocol import DataSpec, VolumeRef
from medssl.datasets.catalog.channels import channel_count, one_channel, with_channels, with_modalities
from medssl.datasets.catalog.exclusion import idle_rules, without
from medssl.datasets.catalog.from_csv import read_csv
from medssl.datasets.catalog.from_folder import FolderContents, patient_id_of, read_folder
from medssl.datasets.catalog.mask_files import unpaired_notes, with_masks
from medssl.datasets.catalog.patients import (
    BIDS,
    FILE,
    PATIENT_ID,
    PATIENTS_UNKNOWN,
    patient_name,
    patient_notes,
    subject_of,
)
from medssl.datasets.entry import SPLIT_WORDS, Entry
from medssl.images.formats.image_files import stem

__all__ = ["PATIENTS_UNKNOWN", "Catalog", "Entry", "locate", "patients_unknown", "read_catalog"]
NAMED = 10  # broken files that notes name


@dataclass(frozen=True)
class Catalog:
    """A training set: its images, in a fixed order.

    Attributes:
        entries: the images.
        left_out: files of a folder that are no images of the set: reason -> how many.
        bad: files that cannot be used, and why, as far as listing the folder showed.
        notes: what the user should know of whose images they are.
    """

    entries: tuple[Entry, ...] = field(default=())
    left_out: Mapping[str, int] = field(default_factory=dict)
    bad: tuple[tuple[Path, str], ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    @property
    def patients(self) -> tuple[str, ...]:
        """Each patient once, sorted."""
        return tuple(sorted({entry.patient for entry in self.entries}))

    def remarks(self) -> list[str]:
        """What every face says of the set: files that cannot be used or were left out, and whose images they are."""
        said = []
        if self.bad:
            named = "; ".join(f"{printable(str(path))}: {reason}" for path, reason in self.bad[:NAMED])
            more = f"; and {len(self.bad) - NAMED} more" if len(self.bad) > NAMED else ""
            said.append(f"{counted(len(self.bad), 'file')} cannot be used: {named}{more}")
        if self.left_out:
            said.append(f"Left out: {', '.join(f'{count} x {reason}' for reason, count in self.left_out.items())}")
        return [*said, *self.notes, *patient_notes(self.entries)]


def read_catalog(spec: DataSpec, home: Path, channels: bool = False) -> Catalog:
    """List the images of a training set; none is opened but to recognise DICOM files.

    Folder: every readable image, or what `pattern` matches; a folder with DICOM slices is one image, DICOM radiographs
    are one each. The patient is the first folder below the root that is not merely called
    "images" or the like, otherwise the file's own name; label maps are left out unless the pattern matches them.
    CSV: columns `image` (relative to the CSV, or to a folder "images" beside it) and `patient`; `split`, `modality`, `name`
    and `mask` (its label map, relative likewise, or to a folder "masks" or "labels") are optional; every further column is
    a label where all its values are numbers, else an attribute; `image_1` and so on are further channels, see `read_csv`; below
    a folder `channels` finds these, see `with_channels`. Volumes: a patient each unless they name one. Dataset
    specs: see `from_spec`. What `exclude` names is left out. Images get their label maps as `masks` says or, without it, by folders and names.

    Args:
        spec: the training set.
        home: the home folder, where uploads lie.
        channels: whether the caller takes images of several channels.

    Raises:
        CatalogError: nothing found or left, a table that breaks a rule, or an unknown column to exclude by.
        NotFoundError: an upload that is not there.
        InputError: images of several channels where one is taken.
    """
    if spec.sets:
        from medssl.datasets.catalog.from_spec import read_specs  # only a dataset spec needs it

        listed = read_specs(spec.sets, spec.modality)
        entries = without(listed, spec.exclude)
        return Catalog(
            tuple(with_masks(entries, spec.masks) if spec.masks else entries),
            notes=tuple(idle_rules(listed, spec.exclude)),
        )
    found, modality = FolderContents((), {}, ()), "" if "," in spec.modality else spec.modality
    if spec.volumes:
        entries = _with_distinct_names([_from_ref(ref, home, spec.patient_ids) for ref in spec.volumes], spec.volumes)
    else:
        root = Path(spec.path)
        if not root.exists():
            raise CatalogError(
                root,
                "does not exist",
                "Check the path; it is read on the machine of the backend",
                code="file-not-found",
            )
        if root.is_dir():
            found = read_folder(root, spec.pattern, modality, lambda one: patient_name(one, home, spec.patient_ids))
            entries = with_channels(found.entries, root, spec.pattern, spec.channels)
        else:
            entries = read_csv(root, modality)
    if not entries:
        looked = f" that match {spec.pattern!r}" if spec.pattern else ""
        looked += "".join(f"; {one}" for one in Catalog((), found.left_out, found.bad).remarks())
        raise CatalogError(
            spec.path,
            f"holds no images{looked}",
            "Choose another folder or pattern (NRRD, NIfTI, MetaImage, DICOM, PNG, JPEG)",
            code="no-images",
        )
    if channel_count(entries) > 1 and not channels:
        one_channel(entries)
    entries = [_with_gaps(entry, spec.gaps) for entry in with_modalities(entries, spec.modality)]
    kept = tuple(with_masks(without(entries, spec.exclude), spec.masks))
    notes = (*found.notes, *idle_rules(entries, spec.exclude), *unpaired_notes(kept, found.label_maps))
    return Catalog(kept, found.left_out, found.bad, notes)


def _with_gaps(entry: Entry, gaps: str) -> Entry:
    return replace(entry, gaps=gaps, further=tuple(replace(one, gaps=gaps) for one in entry.further))


def patients_unknown(spec: DataSpec, images: Iterable[tuple[Path, str]]) -> bool:
    """Does each of several files count as a patient of its own because nothing says whose it is?

    Args:
        images: file and patient of those that `read_catalog` finds.
    """
    if not spec.volumes and not (spec.path and Path(spec.path).is_dir()):
        return False  # a table or a dataset spec says it
    whose = list(images)
    return len(whose) > 1 and all(patient == stem(image) for image, patient in whose)


def locate(ref: VolumeRef, home: Path) -> Path:
    """Where the image of a reference lies: its path, or the upload in the home folder.

    Raises:
        InputError: no SHA-256. NotFoundError: nothing there.
    """
    if ref.path:
        path = Path(ref.path)
    elif re.fullmatch(r"[0-9a-f]{64}", ref.sha256):
        path = home / "volumes" / f"{ref.sha256}.nrrd"
    else:
        raise InputError(
            f"sha256 = {ref.sha256!r}",
            "must be 64 hexadecimal digits in lower case",
            "Give the hash of the uploaded bytes",
            code="not-a-sha256",
        )
    if not split_choice(path)[0].exists():
        raise NotFoundError(
            ref.path or ref.sha256, "is not there", "Check the path, or upload the volume again", code="file-not-found"
        )
    return path


def _with_distinct_names(entries: list[Entry], refs: tuple[VolumeRef, ...]) -> list[Entry]:
    """Files of one name in several folders get their folder's name too: they are not one patient."""
    names = [entry.name for entry in entries]
    distinct = []
    for entry, ref in zip(entries, refs):
        if ref.path and not ref.name and names.count(entry.name) > 1:
            name = f"{entry.image.absolute().parent.name}/{entry.name}"
            entry = replace(entry, name=name, patient=name if entry.whose == FILE else entry.patient)
        distinct.append(entry)
    return distinct


def _from_ref(ref: VolumeRef, home: Path, patient_ids: str) -> Entry:
    path = locate(ref, home)
    name = ref.name or stem(path)
    mask = VolumeRef(path=ref.mask_path, sha256=ref.mask_sha256) if ref.mask_path or ref.mask_sha256 else None
    if ref.split.lower() not in SPLIT_WORDS:
        raise CatalogError(f"{name}: split {ref.split!r}", "is unknown", "Use train, val or test", code="split-unknown")
    numbers, texts = {}, {}
    for label, value in ref.labels.items():
        if isinstance(value, str):
            texts[label] = value
        else:
            numbers[label] = float("nan" if value is None else value)  # JSON has null for what is unknown
    patient, whose = _patient_of(path, home, patient_ids) if ref.path and not ref.patient else (ref.patient, "")
    return Entry(
        path, patient or ref.name or stem(split_choice(path)[0]), SPLIT_WORDS[ref.split.lower()], ref.modality, name,
        mask=locate(mask, home) if mask else None, labels=numbers, attributes=texts, view=ref.view, inverted=ref.inverted, point=ref.point,
        further=tuple(_from_ref(one, home, patient_ids) for one in ref.further), whose="" if ref.patient else whose or FILE,
    )  # fmt: skip


def _patient_of(path: Path, home: Path, patient_ids: str) -> tuple[str, str]:
    """The patient of a file that was named by itself, and what says so; "" where nothing does."""
    if stated := patient_id_of(path):
        return patient_name(stated, home, patient_ids), PATIENT_ID
    subject = subject_of(path)
    return (subject, BIDS) if subject else ("", "")
