"""Every image of a training set looked at: read where that is affordable, else its header; a bad one does not stop the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medssl.core.errors import InputError, MedSSLError, NotFoundError, VolumeError, printable
from medssl.core.geometry import FAR, millimetres, orientation_of
from medssl.datasets.catalog.patients import stated_id
from medssl.datasets.entry import Entry, read_entry
from medssl.datasets.splits.split import depth
from medssl.images.channels.fit import Fit, measure_fit
from medssl.images.channels.together import check_volume
from medssl.images.formats.image_files import is_image, is_picture
from medssl.images.label_maps import read_label_map
from medssl.images.planes import is_flat
from medssl.images.volume import Volume, guess_modality

READ_AT_MOST = 2 * 2**30  # bytes of files that are read without being asked to

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Seen:
    """What an image showed; `error` where it cannot be used. Of an image whose header alone was read, little is known."""

    entry: Entry
    axes: int = 0  # 2 or 3; 0: unknown
    modality: str = ""
    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    orientation: str = ""
    notes: tuple[str, ...] = ()
    values: tuple[int, ...] | None = None  # of its label map
    error: MedSSLError | None = None
    read: bool = False
    patient_id: str = ""  # as the file itself states it; never shown
    channels: tuple[str, ...] = ()  # modalities of its channels, with the first
    fits: tuple[Fit, ...] = ()  # how the further ones lie on the first

    def row(self, split: str) -> dict[str, Any]:
        """The image as a row of a table."""
        return {
            "image": printable(self.entry.name), "patient": printable(self.entry.patient), "split": split,
            "modality": self.modality or self.entry.modality, "size": " x ".join(map(str, self.shape)),
            "spacing": millimetres(self.spacing) if self.spacing else "", "orientation": self.orientation,
            **({"channels": self._lying()} if self.entry.further else {}),
            "problem": "" if self.error is None else problem_of(self.error, self.entry),
        }  # fmt: skip

    def _lying(self) -> str:
        """How its further channels lie, such as "CT covers 94%, poorly"."""
        return "; ".join(
            f"{name} covers {1 - fit.outside:.0%}{', poorly' if fit.reasons else ''}"
            for name, fit in zip(self.channels[1:], self.fits)
        )


def look_at_all(entries: Sequence[Entry], read_all: bool, progress: Progress) -> list[Seen]:
    """Look at each image, in their order: all are read where their files are small enough together, or `read_all` says so.

    Args:
        entries: the images.
        read_all: however large.
        progress: called with (fraction, message); may raise to stop.
    """
    read = read_all or sum(map(_bytes_of, entries)) <= READ_AT_MOST
    seen = []
    for number, entry in enumerate(entries):
        progress(0.9 * number / len(entries), printable(f"{'reading' if read else 'checking'} {entry.name}"))
        seen.append(look_at(entry, read))
    return seen


def look_at(entry: Entry, read: bool) -> Seen:
    """Look at one image."""
    try:
        return _read(entry) if read else Seen(entry, 2 if depth(entry) == 1 else 3, entry.modality)
    except (InputError, NotFoundError) as error:
        return Seen(entry, error=error)
    except OSError as error:
        rule = f"cannot be read ({error.strerror})"
        return Seen(entry, error=VolumeError(entry.image, rule, "Check links and permissions", code="image-unreadable"))


def is_of_dicom(entry: Entry) -> bool:
    """A DICOM series or radiograph."""
    return not (is_image(entry.image) or is_picture(entry.image))


def problem_of(error: MedSSLError, entry: Entry) -> str:
    """Why an image cannot be used, and of which file that is said where it is another one."""
    named = "" if error.value == printable(str(entry.image)) else f"{error.value}: "
    return f"{named}{error.rule}"


def geometry_info(seen: Sequence[Seen]) -> tuple[dict[str, Any], list[str]]:
    """Ranges of spacing and size and the orientations of 3D images; and what there is to say where they are mixed."""
    volumes = [one for one in seen if one.axes == 3 and one.spacing and not one.entry.view]
    if not volumes:
        return {}, []
    spacings, shapes = (np.array([getattr(one, name) for one in volumes]) for name in ("spacing", "shape"))
    orientations = Counter(one.orientation for one in volumes)
    info = {
        "spacing": _range(spacings), "size": _range(shapes),
        "orientations": {code: count for code, count in orientations.most_common()},
    }  # fmt: skip
    notes = []
    if len(orientations) > 1:
        listed = ", ".join(f"{count} {code}" for code, count in orientations.most_common())
        notes.append(f"Volumes are stored in several orientations ({listed}): training brings all of them to LPS")
    ratio = float((spacings.max(axis=0) / spacings.min(axis=0)).max())
    if ratio > FAR:
        notes.append(
            f"Spacings differ up to {ratio:.2g} times: {info['spacing']} mm; segmentation resamples to one spacing, Genesis "
            "keeps them as they are unless its setting geometry.spacing says otherwise"
        )
    return info, notes


def contradictions(seen: Sequence[Seen]) -> list[str]:
    """Patients of a table who share a PatientID in their files: one person, perhaps, who may lie on two sides."""
    patients: dict[str, set[str]] = {}
    for one in seen:
        if one.patient_id:
            patients.setdefault(one.patient_id, set()).add(one.entry.patient)
    shared = [sorted(names) for names in patients.values() if len(names) > 1]
    if not shared:
        return []
    first = " and ".join(shared[0][:2])
    return [
        f"{sum(map(len, shared))} patients share a PatientID in their files, such as {first}: they may be one person, on two "
        "sides of the split; correct the table"
    ]


def _read(entry: Entry) -> Seen:
    volume = read_entry(entry)
    channels = (_modality(volume), *(_modality(one) for one in volume.further))
    flat = bool(entry.view) or is_flat(volume.shape)
    values = labels = None
    if entry.mask and not entry.view:
        labels = read_label_map(entry.mask, volume).array
        values = tuple(np.unique(labels).tolist())
    return Seen(
        entry, 2 if flat else 3, channels[0], volume.shape, tuple(volume.spacing.tolist()),
        "" if flat else orientation_of(volume.direction.tolist()), volume.notes, values, read=True,
        patient_id=stated_id(volume.patient), channels=channels, fits=_fits(entry, volume, labels),
    )  # fmt: skip


def _modality(volume: Volume) -> str:
    return volume.modality or guess_modality(volume.array)


def _fits(entry: Entry, volume: Volume, labels: np.ndarray | None) -> tuple[Fit, ...]:
    """How each further channel lies on the first; with the label maps of both their overlap is measured."""
    fits = []
    if volume.further:
        check_volume(volume, entry.name)
    for number, (one, channel) in enumerate(zip(entry.further, volume.further), 1):
        check_volume(channel, f"{entry.name}, image_{number}")
        known = read_label_map(one.mask, channel) if one.mask and labels is not None else None
        fits.append(measure_fit(volume, channel, f"{entry.name}, image_{number}", labels, known))
    return tuple(fits)


def _range(values: np.ndarray) -> str:
    low, middle, high = (
        millimetres(edge.tolist()) for edge in (values.min(0), np.median(values, axis=0), values.max(0))
    )
    return low if low == high else f"{low} to {high}, median {middle}"


def _bytes_of(entry: Entry) -> int:
    try:
        folder = entry.image.is_dir()
        files: Sequence[Path] = entry.files or (list(entry.image.iterdir()) if folder else [entry.image])
        return sum(file.stat().st_size for file in files)
    except OSError:
        return 0  # told when it is looked at
