"""The labels of a classification's images: those that it learns from, and those that it is measured against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from medssl.core.errors import CatalogError
from medssl.datasets.catalog.catalog import Catalog
from medssl.datasets.catalog.label_checks import class_notes
from medssl.datasets.catalog.labels import Labels, LabelSpec, check_classes, read_labels
from medssl.datasets.entry import Entry
from medssl.datasets.splits.split import ThreeSplit
from medssl.datasets.splits.subset import subset
from medssl.jobs.split_record import Begun
from medssl.tasks.earlier import SURE
from medssl.tasks.label_columns import label_columns
from medssl.tasks.transfer_config import SelectionConfig


@dataclass(frozen=True, eq=False)
class Truth:
    """The labels of all images of a catalogue.

    Attributes:
        catalog: whose they are.
        known: to learn from; uncertain ones may be smoothed.
        measured: to measure against: without smoothing, and without uncertain ones unless a job of an earlier version goes on.
    """

    catalog: Catalog
    known: Labels
    measured: Labels

    def taught(self, entries: Iterable[Entry]) -> Labels:
        """What some of the images teach."""
        return self._of(entries, self.known)

    def targets(self, part: str, entries: Iterable[Entry]) -> np.ndarray:
        """(N, C) of the images of a part (training, validation, test)."""
        return self._of(entries, self.known if part == "training" else self.measured).targets

    def notes(self, parts: Mapping[str, Sequence[Entry]]) -> list[str]:
        """How labels were read, and what of them will hurt later, by the images of each part."""
        targets = {name: self.targets(name, entries) for name, entries in parts.items()}
        unsure = {
            name: int((np.isnan(found) & ~np.isnan(self.taught(parts[name]).targets)).sum())
            for name, found in targets.items() if name != "training"
        }  # fmt: skip
        said = " and ".join(f"{count} of {name} images" for name, count in unsure.items() if count)
        left_out = [f"Uncertain labels count as unknown where models are measured: {said}"] * bool(said)
        return [*self.known.notes, *left_out, *class_notes(self.known.names, self.known.kind, targets)]

    def check(self, split: ThreeSplit, training: Catalog, begun: bool) -> None:
        """Refuse what cannot be learnt, and images measured on a class that no training patient has, whatever part of them is used.

        Args:
            split: of the catalogue.
            training: those of its training images that are used.
            begun: whether a training goes on, which began with its classes.

        Raises:
            CatalogError: one class only, or such an image.
        """
        for name, part in (("training", training), ("validation", split.validation)):
            check_classes(self.taught(part), name)
        if begun or self.known.kind != "multi-class":
            return
        taught = np.any(self.taught(split.training).targets > 0.5, axis=0).tolist()
        for name, part in (("validation", split.validation), ("test", split.test)):
            for entry, row in zip(part, self.taught(part).targets):
                if not taught[np.nanargmax(row)]:
                    there = ", ".join(label for label, has in zip(self.known.names, taught) if has)
                    raise CatalogError(
                        f"class {self.known.names[np.nanargmax(row)]!r} of {name} image {entry.name}",
                        f"is no class of the training set (there are: {there})",
                        "Leave the image out, or add such images to the training set", code="class-not-in-training",
                    )  # fmt: skip

    def _of(self, entries: Iterable[Entry], labels: Labels) -> Labels:
        rows = {id(entry): row for row, entry in enumerate(self.catalog)}
        return replace(labels, targets=labels.targets[[rows[id(entry)] for entry in entries]])


class Described(Protocol):
    """Settings that name label columns, and how they are read."""

    @property
    def labels(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def uncertain(self) -> str: ...


def label_spec(config: Described, version: int) -> LabelSpec:
    """The labels of a task; a job of an earlier version of specs is measured as it began.

    Raises:
        ConfigError: see `LabelSpec`.
    """
    return LabelSpec(label_columns(config.labels), config.kind, config.uncertain, version >= SURE)


def read_truth(catalog: Catalog, labels: LabelSpec, seed: int, begun: Begun | None) -> Truth:
    """Read the labels of a catalogue; a training that goes on keeps its classes.

    Raises:
        CatalogError, ConfigError: see `read_labels`.
    """
    like = Labels(begun.kind, begun.classes, np.empty((0, 0))) if begun and begun.kind else None
    known = read_labels(catalog, labels, seed, like)
    measured = labels.hard() if known.kind == "multi-class" else labels.measured()  # whose images have one class each
    return Truth(catalog, known, read_labels(catalog, measured, seed, like))


def selected(training: Catalog, select: SelectionConfig, truth: Truth | None) -> Catalog:
    """The training images that are used.

    Raises:
        CatalogError: see `subset`.
    """
    labels = truth.taught(training) if truth and select.per_class else None
    return subset(training, select.seed, select.fraction, select.patients, select.per_class, labels)
