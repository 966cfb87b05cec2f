"""Dataset of images as columns: what training needs of 700 000 images, in little memory."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from medssl.core.errors import CatalogError
from medssl.datasets.spec.rules import FIXED, SMOOTHED

OPEN, TRAINING, VALIDATION, TEST = range(4)  # of `splits`; open: drawn by patient
SPLIT_NAMES = ("", "training", "validation", "test")  # by their code
TARGETS = 7  # marks the random draws of smoothed targets


@dataclass(frozen=True, eq=False)
class Attribute:
    """A column of texts, each kept once: `values[codes[n]]` is what image n has; "" is unknown."""

    codes: np.ndarray  # (N,) int32
    values: list[str]


class Codes:
    """Texts as numbers: each is kept once."""

    def __init__(self) -> None:
        self.codes = array("i")
        self._number = _Numbers()

    @property
    def values(self) -> list[str]:
        """The texts in the order of their numbers."""
        return list(self._number)

    def extend(self, texts: Sequence[str]) -> None:
        """Add a row for each text."""
        self.codes.extend(map(self._number.__getitem__, texts))

    def holds(self, row: int, text: str) -> bool:
        """Is this what a row holds?"""
        return self._number.get(text) == self.codes[row]

    def numbers(self) -> np.ndarray:
        """(N,) int32."""
        return np.frombuffer(self.codes, np.int32) if len(self.codes) else np.empty(0, np.int32)


class _Numbers(dict[str, int]):
    """A new text gets the next number."""

    def __missing__(self, text: str) -> int:
        self[text] = number = len(self)
        return number


@dataclass(frozen=True, eq=False)
class TabularDataset:
    """Images of one source with its label space; N images, C classes.

    Attributes:
        name: of the set and of its head.
        kind: binary (C = 1), multi-label, multi-class (rows of `stated` are one-hot; NaN throughout: unknown).
        classes: their names.
        images: absolute paths.
        patients: (N,) int32, numbers in `patient_names`.
        patient_names: each patient once.
        splits: (N,) int8, OPEN, TRAINING, VALIDATION or TEST.
        stated: (N, C) float32 as the tables say: 1, 0, -1 (uncertain), NaN (missing).
        attributes: further columns, for subgroups.
        uncertain: what -1 becomes in training: zeros, ones, smooth-ones, smooth-zeros, ignore.
        missing: what a missing value becomes; the same words.
        inverted: high values are dark in all images of the set.
        title: for people.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    images: list[str]
    patients: np.ndarray
    patient_names: list[str]
    splits: np.ndarray
    stated: np.ndarray
    attributes: dict[str, Attribute] = field(default_factory=dict)
    uncertain: str = "ignore"
    missing: str = "ignore"
    inverted: bool = False
    title: str = ""

    def __len__(self) -> int:
        return len(self.images)


def training_targets(dataset: TabularDataset, seed: int) -> np.ndarray:
    """Targets (N, C) float32 to learn from; NaN: no loss. Smoothed ones are drawn once, by `seed`.

    The intervals are U(0.55, 0.85) and U(0, 0.3), those of Pham et al. ("Interpreting chest X-rays via CNNs that exploit
    hierarchical disease dependencies and uncertainty labels", Neurocomputing 2021).
    """
    rng = np.random.default_rng([seed, TARGETS])
    targets = dataset.stated.copy()
    rules = ((dataset.stated == -1, dataset.uncertain), (np.isnan(dataset.stated), dataset.missing))
    for where, rule in rules:
        if rule in SMOOTHED:
            targets[where] = rng.uniform(*SMOOTHED[rule], size=int(where.sum()))
        else:
            targets[where] = FIXED[rule]
    return targets if dataset.kind != "multi-class" else _one_or_none(targets, dataset.stated)


def hard_targets(dataset: TabularDataset) -> np.ndarray:
    """Targets (N, C) of 0, 1 and NaN (not counted) to measure on: smoothed ones without smoothing."""
    targets = dataset.stated.copy()
    targets[dataset.stated == -1] = FIXED[dataset.uncertain.removeprefix("smooth-")]
    targets[np.isnan(dataset.stated)] = FIXED[dataset.missing.removeprefix("smooth-")]
    return targets if dataset.kind != "multi-class" else _one_or_none(targets, dataset.stated)


def split_dataset(
    dataset: TabularDataset, validation_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image numbers (ascending) of training, validation and test; no patient is in two of them.

    A split that the dataset states is kept; without validation images a share of the training patients is drawn by `seed` and their names: at
    least one, and at least one trains. A patient who is in several sets is drawn in all or none, so that nobody trains one head
    and chooses the weights by another.

    Raises:
        CatalogError: some images have a split and others have none, no training images, or a single patient.
    """
    splits = dataset.splits
    if (splits == OPEN).any() and (splits != OPEN).any():
        first = dataset.images[int(np.flatnonzero(splits == OPEN)[0])]
        raise CatalogError(
            f"set {dataset.name}: {first}", "has no split while others do", "Give every image one", code="split-missing"
        )
    training = np.flatnonzero((splits == TRAINING) | (splits == OPEN))
    validation, test = np.flatnonzero(splits == VALIDATION), np.flatnonzero(splits == TEST)
    if not len(training):
        raise CatalogError(
            f"set {dataset.name}", "has no training images", "Mark some patients as training", code="no-training-images"
        )
    if not len(validation):
        patients = np.unique(dataset.patients[training])
        if len(patients) < 2:
            raise CatalogError(
                f"set {dataset.name} of one training patient",
                "cannot both train and validate",
                "Add further patients",
                code="one-patient",
            )
        lots = np.array([_lot(seed, dataset.patient_names[patient]) for patient in patients])
        count = min(max(1, int((lots < validation_fraction).sum())), len(patients) - 1)
        held = np.isin(dataset.patients[training], patients[np.argsort(lots, kind="stable")[:count]])
        training, validation = training[~held], training[held]
    return training, validation, test


def _lot(seed: int, patient: str) -> float:
    """A number in 0…1 that depends on seed and name alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{patient}".encode()).digest()[:7], "big") / 256**7


def _one_or_none(targets: np.ndarray, stated: np.ndarray) -> np.ndarray:
    """One of several classes: a row without its class is unknown whatever the rules say."""
    targets[~(stated == 1).any(axis=1)] = np.nan
    return targets
