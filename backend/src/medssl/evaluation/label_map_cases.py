"""Label maps in files against true ones in files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medssl.core.errors import CatalogError, NotFoundError, VolumeError, be, counted, have
from medssl.core.tables import read_table
from medssl.datasets.entry import Entry
from medssl.evaluation.metrics.segmentation_metrics import case_metrics
from medssl.evaluation.prediction_tables import ATTRIBUTE
from medssl.images.formats.image_files import is_image, is_picture, stem
from medssl.images.formats.reading import read_labels
from medssl.images.label_maps import check_geometry, turned_like
from medssl.images.planes import is_flat
from medssl.images.segment_classes import Segment, SegmentClasses
from medssl.images.volume import Volume

NAMED = 5  # files in a message


@dataclass(frozen=True)
class Pair:
    """A predicted label map and the true one of the same image."""

    image: str
    patient: str
    predicted: Path
    truth: Path
    attributes: dict[str, str] = field(default_factory=dict)


def pairs_of_folders(predictions: Path, truth: Path, entries: Sequence[Entry] = ()) -> tuple[list[Pair], list[str]]:
    """Label maps of equal name (without suffix) in two folders.

    Args:
        predictions: a folder of label maps; an index.csv that `medssl segment` left there tells patients.
        truth: a folder of label maps, each of which must have its prediction.
        entries: images of the same names, for patients and attributes.

    Returns:
        The pairs by name, and notes.

    Raises:
        NotFoundError: no such folder.
        CatalogError: no label map, one without a prediction, or two of one name.
    """
    predicted, true = label_maps(predictions), label_maps(truth)
    missing = [name for name in true if name not in predicted]
    if missing:
        rule = f"have no prediction of the same name in {predictions}: {', '.join(missing[:NAMED])}"
        remedy = "Segment them too: leaving out the failed ones makes a model look better than it is"
        raise CatalogError(
            f"{len(missing)} of {len(true)} label maps in {truth}", rule, remedy, code="label-maps-missing"
        )
    about = {entry.name: entry for entry in entries} | {stem(entry.image): entry for entry in entries}
    patients = _patients(predictions / "index.csv")
    pairs, unknown = [], 0
    for name in sorted(true):
        entry = about.get(name)
        patient = entry.patient if entry else patients.get(predicted[name].name, "")
        unknown += not patient
        attributes = attributes_of(entry) if entry else {}
        pairs.append(Pair(name, patient or name, predicted[name], true[name], attributes))
    notes = []
    if (more := len(predicted) - len(true)) > 0:
        notes.append(f"{counted(more, 'prediction')} {have(more)} no truth and {be(more)} left out")
    if unknown:
        notes.append(f"The patients of {counted(unknown, 'image')} are unknown: each counts as a patient of its own")
    return pairs, notes


def label_maps(folder: Path) -> dict[str, Path]:
    """Name without suffix -> file, of the image files in a folder.

    Raises:
        NotFoundError: no such folder.
        CatalogError: none, or two of one name.
    """
    if not folder.is_dir():
        raise NotFoundError(folder, "is no folder", "Give the folder of the label maps", code="folder-not-found")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and (is_image(path) or is_picture(path)):
            if stem(path) in found:
                raise CatalogError(path, f"has the same name as {found[stem(path)].name}", "Keep one of the two")
            found[stem(path)] = path
    if not found:
        raise CatalogError(folder, "holds no label maps", "Give a folder with NIfTI, NRRD or PNG files")
    return found


def measure_pairs(
    pairs: Sequence[Pair],
    classes: SegmentClasses,
    tolerance_mm: float = 1.0,
    notify: Callable[[int, str], None] = lambda number, image: None,
) -> list[dict[str, Any]]:
    """Rows of cases, see `segmentation.case_metrics`; `notify` gets the number and the name of each image.

    Raises:
        VolumeError: unreadable, of another place or size than the truth, or with a value that is no class.
    """
    rows = []
    for number, pair in enumerate(pairs):
        notify(number, pair.image)
        predicted, truth = read_pair(pair, classes)
        about = {ATTRIBUTE + name: value for name, value in pair.attributes.items()}
        for row in case_metrics(predicted, truth.array, truth.spacing, classes.names, tolerance_mm):
            rows.append({"image": pair.image, "patient": pair.patient, **row, **about})
    return rows


def read_pair(pair: Pair, classes: SegmentClasses) -> tuple[np.ndarray, Volume]:
    """The predicted class numbers, and the true ones where they lie.

    Raises:
        VolumeError: see `measure_pairs`.
    """
    truth = _read(pair.truth)
    predicted = _read(pair.predicted, truth)
    if truth.array.ndim == 3:
        predicted = turned_like(predicted, truth)
        check_geometry(predicted, truth, str(pair.predicted))
    return classes.index(predicted.array, str(pair.predicted)), truth.with_array(
        classes.index(truth.array, str(pair.truth))
    )


def classes_that_occur(pairs: Sequence[Pair]) -> SegmentClasses:
    """Classes "label 1", "label 2" ... from the values in the true label maps.

    Raises:
        CatalogError: all of them are empty.
    """
    values = sorted({int(value) for pair in pairs for value in np.unique(_read(pair.truth).array)} - {0})
    if not values:
        raise CatalogError(f"{len(pairs)} true label maps", "are all empty", "Check that they are label maps")
    return SegmentClasses(tuple(Segment(value, f"label {value}") for value in values))


def attributes_of(entry: Entry) -> dict[str, str]:
    """Everything a catalogue says of an image, as text."""
    return {**entry.attributes, **{name: f"{value:g}" for name, value in entry.labels.items() if value == value}}


def _patients(index: Path) -> dict[str, str]:
    return {row["output"]: row["patient"] for row in read_table(index).rows} if index.is_file() else {}


def _read(path: Path, like: Volume | None = None) -> Volume:
    volume = read_labels(path, like)
    if volume.array.dtype.kind == "f" and not (volume.array == np.rint(volume.array)).all():
        raise VolumeError(
            path,
            "holds fractions, so it is no label map",
            "Give whole numbers, one for each class",
            code="not-a-label-map",
        )
    if volume.array.ndim == 3 and is_flat(volume.shape):  # a radiograph's in NRRD, which is to fit one in PNG
        volume = Volume(volume.array[..., 0], volume.spacing, modality=volume.modality, name=volume.name)
    return volume.with_array(volume.array.astype(np.int32))
