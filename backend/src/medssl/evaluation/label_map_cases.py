"""Label maps in files against true ones in files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medssl.core.errors import CatalogError, MedSSLError, VolumeError
from medssl.evaluation.label_map_pairs import Pair
from medssl.evaluation.metrics.segmentation_metrics import case_metrics
from medssl.evaluation.prediction_tables import ATTRIBUTE
from medssl.images.formats.reading import read_labels, read_volume
from medssl.images.label_maps import check_geometry, turned_like
from medssl.images.planes import is_flat
from medssl.images.segment_classes import Segment, SegmentClasses
from medssl.images.thumbnail import SHOWN
from medssl.images.volume import Volume


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


def image_under(pair: Pair, truth: Volume) -> np.ndarray | None:
    """The grey values (0...1) of a pair's image on the grid of its true label map; None where it is not known or lies elsewhere."""
    if pair.source is None:
        return None
    try:
        image = _flat(read_volume(pair.source))
        if truth.array.ndim == 3:
            image = turned_like(image, truth)
            check_geometry(image, truth, str(pair.source))
    except MedSSLError:
        return None
    if image.shape != truth.shape:
        return None
    low, high = np.percentile(image.array, SHOWN)
    return np.clip((image.array - np.float32(low)) / np.float32(max(high - low, 1e-6)), 0, 1)


def classes_that_occur(pairs: Sequence[Pair]) -> SegmentClasses:
    """Classes "label 1", "label 2" ... from the values in the true label maps.

    Raises:
        CatalogError: all of them are empty.
    """
    values = sorted({int(value) for pair in pairs for value in np.unique(_read(pair.truth).array)} - {0})
    if not values:
        raise CatalogError(f"{len(pairs)} true label maps", "are all empty", "Check that they are label maps")
    return SegmentClasses(tuple(Segment(value, f"label {value}") for value in values))


def _read(path: Path, like: Volume | None = None) -> Volume:
    volume = read_labels(path, like)
    if volume.array.dtype.kind == "f" and not (volume.array == np.rint(volume.array)).all():
        raise VolumeError(
            path,
            "holds fractions, so it is no label map",
            "Give whole numbers, one for each class",
            code="not-a-label-map",
        )
    volume = _flat(volume)
    return volume.with_array(volume.array.astype(np.int32))


def _flat(volume: Volume) -> Volume:
    """A radiograph's in NRRD, which is to fit one in PNG, without its third axis."""
    if volume.array.ndim == 3 and is_flat(volume.shape):
        return Volume(volume.array[..., 0], volume.spacing, modality=volume.modality, name=volume.name)
    return volume
