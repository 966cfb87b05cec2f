"""Trivial rivals of a classifier: the training prevalence, a thumbnail, the metadata, and both together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from medssl.core.run import Run
from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.entry import attributes
from medssl.evaluation.metrics.classification_metrics import MEAN, classification_metrics
from medssl.images.intensity.config import NormalisationConfig
from medssl.inference.classification.probe import fit_linear
from medssl.tasks.labelled_data import LabelledSplit, LabelledSplits, notify
from medssl.tasks.rivals.metadata import Metadata
from medssl.tasks.rivals.thumbnails import box_around, rule_of, thumbnail

CONSTANT, THUMBNAIL, METADATA, BOTH = "constant", "thumbnail", "metadata", "thumbnail and metadata"
WHAT = {
    CONSTANT: "the share of training images with the class, for every image",
    THUMBNAIL: "logistic regression on the mean grey values of 12 x 12 cells of a radiograph, or 6 x 6 x 6 of a volume",
    METADATA: "logistic regression on what the catalogue says of an image, without the image",
    BOTH: "logistic regression on the thumbnail and the metadata together",
}
OF_METADATA = (METADATA, BOTH)
PENALTIES = (1000.0, 100.0, 10.0, 1.0, 0.1)  # of the logistic regressions, tried on validation
MOST = 5000  # training images that rivals learn from
REACH = 64.0  # mm, of the box around a place


@dataclass(frozen=True)
class Answers:
    """What rivals answer.

    Attributes:
        probabilities: rival -> part -> (N, C).
        columns: of the catalogue, from which those of metadata come.
    """

    probabilities: dict[str, dict[str, np.ndarray]]
    columns: tuple[str, ...]


class RivalClassifiers:
    """The rivals, fitted on the training part of a split; thumbnails are made once per image.

    Args:
        normalisation: of the task; "auto" follows the modality.
    """

    def __init__(self, normalisation: NormalisationConfig, run: Run) -> None:
        self._normalisation, self._run = normalisation, run
        self._known: dict[tuple[object, ...], np.ndarray] = {}

    def answers(self, parts: LabelledSplits) -> Answers:
        """To validation and test images.

        Raises:
            CancelledError: a cancel was asked for.
        """
        named = {"training": _at_most(parts.training, MOST), "validation": parts.validation, "test": parts.test}
        asked = {name: part for name, part in named.items() if name != "training" and len(part)}
        known = {name: [attributes(entry, parts.columns) for entry in part.entries] for name, part in named.items()}
        metadata = Metadata.of(known["training"])
        found = {CONSTANT: {name: _prevalence(named["training"].targets, len(part)) for name, part in asked.items()}}
        ways: dict[str, Callable[[str], np.ndarray]] = {
            THUMBNAIL: lambda name: self._thumbnails(named[name], name, parts.modality)
        }
        if metadata.names:
            ways[METADATA] = lambda name: metadata.encode(known[name])
            ways[BOTH] = lambda name: np.hstack([ways[THUMBNAIL](name), ways[METADATA](name)])
        for rival, features in ways.items():
            found[rival] = _fitted({name: features(name) for name in ("training", *asked)}, named, parts)
        return Answers(found, tuple(metadata.names))

    def _thumbnails(self, part: LabelledSplit, name: str, modality: str) -> np.ndarray:
        """(N, D) of a part."""
        rule = rule_of(self._normalisation, modality)
        rows = []
        for n, image in enumerate(part.images):
            place = part.places[n] if part.places else None
            key = (image.path, place)
            if key not in self._known:
                notify(self._run, n, len(part), f"trivial rivals: {name} image {n + 1} of {len(part)}")
                self._known[key] = _thumbnail(image, rule, place)
            rows.append(self._known[key])
        return np.array(rows)


def what_is(rival: str, columns: Sequence[str] = ()) -> str:
    """What a rival is, with the columns of the catalogue that it was given."""
    return WHAT[rival] + (f": {', '.join(columns)}" if columns and rival in OF_METADATA else "")


def _thumbnail(image: CachedVolume, rule: NormalisationConfig, place: Sequence[float] | None) -> np.ndarray:
    return thumbnail(image, rule, None if place is None else box_around(image, place, (REACH,) * 3))


def _prevalence(targets: np.ndarray, count: int) -> np.ndarray:
    """(count, C): the share of known training labels; 0.5 of a class without any."""
    known = ~np.isnan(targets)
    share = np.where(known, targets, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.tile(np.where(known.any(axis=0), share, 0.5), (count, 1))


def _fitted(
    features: dict[str, np.ndarray], named: dict[str, LabelledSplit], parts: LabelledSplits
) -> dict[str, np.ndarray]:
    """Logistic regression with the penalty of the largest mean AUC on validation; of equals the strongest."""
    best, answers = -1.0, {}
    truth = named["validation"].targets
    for penalty in PENALTIES:
        probe = fit_linear(features["training"], named["training"].targets, parts.kind, penalty)
        scores = probe.probabilities(features["validation"], parts.kind)
        metrics = classification_metrics(truth, scores, parts.kind, parts.names)
        auc = metrics[MEAN if MEAN in metrics else parts.names[0]]["auc"]
        if (0.5 if auc is None else auc) > best:
            best = 0.5 if auc is None else auc
            answers = {
                name: probe.probabilities(rows, parts.kind) for name, rows in features.items() if name != "training"
            }
    return answers


def _at_most(part: LabelledSplit, count: int) -> LabelledSplit:
    """So many images of a part, evenly taken."""
    if len(part) <= count:
        return part
    chosen = np.linspace(0, len(part) - 1, count).round().astype(int)

    def take(values: Sequence) -> tuple:
        return tuple(values[n] for n in chosen) if values else ()

    return LabelledSplit(take(part.entries), take(part.images), targets=part.targets[chosen], places=take(part.places))
