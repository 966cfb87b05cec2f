"""Training, validation and test, split by patient."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from medssl.core import seeds
from medssl.core.errors import CatalogError, be, counted
from medssl.core.protocol import DataSpec
from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.catalog.catalog import Catalog
from medssl.datasets.entry import Entry
from medssl.images.formats.dicom import frames_of_single, is_dicom
from medssl.images.formats.header import read_image_header
from medssl.images.formats.image_files import is_image

SPLIT_SEED = seeds.derive(0, "split") % 2**31  # of every task: all are measured on the same patients


@dataclass(frozen=True)
class Split:
    """The two parts, and what the user should know about them ("": nothing)."""

    training: Catalog
    validation: Catalog
    note: str = ""


def split_by_patient(catalog: Catalog, validation_fraction: float, seed: int, crop_depth: int = 32) -> Split:
    """Split so that no patient is in both parts.

    A `split` column is kept (test images are left out); else a share of the patients, drawn by `seed`, validates: at least
    one, and at least one trains. The volumes of one patient alone are split along k: the last slices validate, and
    `crop_depth` slices between the two parts are left unused. Of one patient's 2D images (all images where `crop_depth` is
    0) the last ones validate.

    Raises:
        CatalogError: a patient in two splits, a table with empty splits or without training images, or a single 2D image.
    """
    if any(entry.split for entry in catalog):
        check_split_column(catalog)
        training = Catalog(tuple(e for e in catalog if e.split == "training"))
        validation = Catalog(tuple(e for e in catalog if e.split == "validation"))
        if len(validation):
            return Split(training, validation)
        catalog = training
    patients = catalog.patients
    if len(patients) == 1:
        if crop_depth == 0 or all(depth(entry) == 1 for entry in catalog):
            return _split_images(catalog, validation_fraction)
        return _split_slices(catalog, validation_fraction, crop_depth)
    count = min(max(1, round(validation_fraction * len(patients))), len(patients) - 1)
    chosen = set(np.random.default_rng([seed, len(patients)]).permutation(patients)[:count].tolist())
    return Split(
        Catalog(tuple(e for e in catalog if e.patient not in chosen)),
        Catalog(tuple(e for e in catalog if e.patient in chosen)),
    )


def check_split_column(catalog: Catalog) -> None:
    """Refuse a split column that is wrong.

    Raises:
        CatalogError: a patient in two splits, an image without a split, or no training image.
    """
    splits: dict[str, str] = {}
    for entry in catalog:
        if not entry.split:
            raise CatalogError(
                f"image {entry.name}",
                "has no split while others do",
                "Fill the column, or remove it",
                code="split-missing",
            )
        if splits.setdefault(entry.patient, entry.split) != entry.split:
            raise CatalogError(
                f"patient {entry.patient}",
                f"is in two splits: {splits[entry.patient]} and {entry.split}",
                "Keep all images of a patient in one split",
                code="patient-in-two-splits",
            )
    if "training" not in splits.values():
        raise CatalogError(
            "split column", "names no training image", "Mark some patients with train", code="no-training-images"
        )


def _split_images(catalog: Catalog, fraction: float) -> Split:
    patient, count = catalog.patients[0], len(catalog)
    if count == 1:
        raise CatalogError(
            f"patient {patient}",
            "is the only one and has a single slice or 2D image, which cannot both train and validate",
            "Add 3D volumes, or images of a second patient",
            code="one-patient",
        )
    held = min(max(1, round(fraction * count)), count - 1)
    note = (
        f"Only one patient ({patient}): the last {held} of {count} images validate. The validation loss says nothing about "
        "other patients"
    )
    return Split(Catalog(catalog.entries[:-held]), Catalog(catalog.entries[-held:]), note)


def _split_slices(catalog: Catalog, fraction: float, crop_depth: int) -> Split:
    parts = [_slabs(depth(entry), entry.patient, entry.name, fraction, crop_depth) for entry in catalog]
    return Split(
        Catalog(tuple(replace(entry, slices=train) for entry, (train, _) in zip(catalog, parts))),
        Catalog(tuple(replace(entry, slices=last) for entry, (_, last) in zip(catalog, parts))),
        _one_patient(catalog.patients[0], parts[0][1]),
    )


def slabs_in_cache(
    training: Sequence[CachedVolume], validation: Sequence[CachedVolume], split: Split, fraction: float, crop_depth: int
) -> tuple[list[CachedVolume], list[CachedVolume], Split]:
    """The volumes of one patient with their slabs along the last axis that they have in the cache, and what to know of them.

    `split_by_patient` knows the axes of the files alone, which the cache turns: a slab along another axis might not even lie
    inside the volume. Volumes that are not cut stay as they are.

    Raises:
        CatalogError: too few slices.
    """

    def cut(volume: CachedVolume, part: int) -> CachedVolume:
        if volume.slices is None:
            return volume
        return replace(volume, slices=_slabs(volume.shape[2], volume.patient, volume.name, fraction, crop_depth)[part])

    trains, validates = [cut(volume, 0) for volume in training], [cut(volume, 1) for volume in validation]
    if validates and validates[0].slices is not None:
        split = replace(split, note=_one_patient(validates[0].patient, validates[0].slices))
    return trains, validates, split


def _one_patient(patient: str, last: tuple[int, int]) -> str:
    return (
        f"Only one patient ({patient}): the last {last[1] - last[0]} slices validate. The validation loss "
        "says nothing about other patients"
    )


def _slabs(
    slices: int, patient: str, name: str, fraction: float, crop_depth: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Slices that train and slices that validate; a scan thinner than three crops is cut in thirds."""
    if slices < 3:
        raise CatalogError(
            f"patient {patient}",
            f"is the only one, and {name} has too few slices ({slices}) to train and validate",
            "Add images of a second patient",
            code="one-patient",
        )
    gap = min(crop_depth, slices // 3)
    held = min(max(gap, round(fraction * slices)), slices - 2 * gap)
    return (0, slices - held - gap), (slices - held, slices)


def depth(entry: Entry) -> int:
    """Slices along k, read from headers and names; 1 for what is 2D, or becomes it by a view."""
    if frames := 0 if entry.view or is_image(entry.image) else frames_of_single(entry.image, entry.files):
        return frames
    image = entry.image
    if entry.view:
        return 1
    if len(entry.files) > 1:
        return len(entry.files)
    if image.is_dir():
        return sum(is_dicom(path) for path in image.rglob("*"))
    shape = read_image_header(image).shape if is_image(image) else ()
    return shape[2] if len(shape) > 2 else 1


@dataclass(frozen=True)
class ThreeSplit:
    """Training, validation and test images (the last may be none), and what the user should know of them."""

    training: Catalog
    validation: Catalog
    test: Catalog = field(default_factory=Catalog)
    notes: tuple[str, ...] = ()


def split_three(catalog: Catalog, validation_fraction: float, test_fraction: float, seed: int) -> ThreeSplit:
    """Split so that no patient is in two parts.

    A `split` column is kept; what it does not name (validation, test) is drawn by `seed` from the training patients, so many
    as the fractions say of all patients: at least one, and at least one trains. No test set is drawn where `test_fraction`
    is 0.

    Raises:
        CatalogError: a patient in two splits, a table with empty splits or without training images, or too few patients.
    """
    parts = {name: catalog for name in ("training",)}
    if any(entry.split for entry in catalog):
        check_split_column(catalog)
        parts = {name: _of_split(catalog, name) for name in ("training", "validation", "test")}
    wanted = {"test": test_fraction, "validation": validation_fraction}
    missing = [name for name, fraction in wanted.items() if fraction and not len(parts.get(name, ()))]
    patients = parts["training"].patients
    if len(patients) <= len(missing):
        raise CatalogError(
            counted(len(patients), "patient"),
            f"{be(len(patients))} too few for training, {' and '.join(missing)}",
            "Add images of further patients, or draw no test set",
            code="too-few-patients",
        )
    order, notes = np.random.default_rng([seed, len(patients)]).permutation(patients).tolist(), []
    for left, name in zip(range(len(missing), 0, -1), missing):
        count = min(max(1, round(wanted[name] * len(catalog.patients))), len(order) - left)
        parts[name], order = _of_patients(parts["training"], order[:count]), order[count:]
        if any(entry.split for entry in catalog):
            notes.append(
                f"The catalogue names no {name} images: {counted(count, 'training patient')} {'was' if count == 1 else 'were'} drawn"
            )
    training = _of_patients(parts["training"], order)
    return ThreeSplit(training, parts["validation"], parts.get("test", Catalog()), tuple(notes))


def split_for_task(catalog: Catalog, data: DataSpec, seed: int = SPLIT_SEED) -> ThreeSplit:
    """The split that tasks (fine-tuning, probing) train, choose and test on, whatever the seed of their training.

    Raises:
        CatalogError: see `split_three` and `folds`.
    """
    if data.folds:
        return folds(catalog, data.folds, seed)[data.fold]
    return split_three(catalog, data.validation_fraction, data.test_fraction, seed)


def folds(catalog: Catalog, count: int, seed: int) -> list[ThreeSplit]:
    """Cross-validation by patient: each patient is tested in one fold, and validates in the fold before.

    A `split` column does not count here.

    Raises:
        CatalogError: less than three folds, or fewer patients than folds.
    """
    patients = catalog.patients
    if count < 3:
        raise CatalogError(
            f"{count} folds",
            "leave nothing to train on: one validates, one tests",
            "Take 3 or more",
            code="too-few-folds",
        )
    if len(patients) < count:
        raise CatalogError(
            counted(len(patients), "patient"),
            f"{be(len(patients))} fewer than {count} folds",
            "Take fewer folds",
            code="too-few-patients",
        )
    order = np.random.default_rng([seed, len(patients)]).permutation(patients).tolist()
    parts = [_of_patients(catalog, order[n::count]) for n in range(count)]
    rest = [
        [p for m, part in enumerate(parts) if m not in (n, (n + 1) % count) for p in part.patients]
        for n in range(count)
    ]
    return [ThreeSplit(_of_patients(catalog, kept), parts[(n + 1) % count], parts[n]) for n, kept in enumerate(rest)]


def _of_split(catalog: Catalog, name: str) -> Catalog:
    return Catalog(tuple(entry for entry in catalog if entry.split == name))


def _of_patients(catalog: Catalog, patients: Iterable[str]) -> Catalog:
    chosen = set(patients)
    return Catalog(tuple(entry for entry in catalog if entry.patient in chosen))
