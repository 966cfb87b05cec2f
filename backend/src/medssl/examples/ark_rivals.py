"""What Ark's demonstration has to beat: a logistic regression on thumbnails of the same images, and what the difference rests on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from medssl.datasets.spec.read_dataset import read_dataset
from medssl.datasets.spec.spec import DatasetSpec
from medssl.datasets.spec.tabular_dataset import VALIDATION, hard_targets
from medssl.evaluation.metrics.classification_metrics import MEAN, ClassificationMetrics
from medssl.evaluation.statistics.bootstrap import PatientBootstrap, Statistic
from medssl.evaluation.verdicts import Verdict, against_rivals
from medssl.images.formats.reading import read_volume
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.radiograph import as_radiograph
from medssl.images.resizing import resized_to
from medssl.inference.classification.probe import fit_linear

CELLS = (12, 12)  # of a thumbnail
PENALTIES = (1000.0, 10.0, 0.1)  # the best on the unseen patient is taken, to the rival's advantage
POSE = re.compile(r".*?_\d+")  # how the name of an image begins that several findings were drawn into


@dataclass(frozen=True, eq=False)
class Unseen:
    """The validation images of a set: N images, C classes."""

    name: str
    kind: str
    classes: tuple[str, ...]
    images: list[str]  # absolute paths
    targets: np.ndarray  # (N, C) 1, 0


def thumbnail_answers(dataset_spec: dict[str, Any]) -> np.ndarray:
    """Probabilities (N, C) of a logistic regression on thumbnails, of the images of a set that no training step saw."""
    dataset = read_dataset(DatasetSpec.from_dict(dataset_spec))
    small = np.stack([_thumbnail(image) for image in dataset.images])
    targets, unseen = hard_targets(dataset), dataset.splits == VALIDATION
    answers = []
    for penalty in PENALTIES:
        probe = fit_linear(small[~unseen], targets[~unseen], dataset.kind, penalty)
        answers.append(probe.probabilities(small[unseen], dataset.kind))
    return max(answers, key=lambda answer: float(roc_auc_score(targets[unseen], answer)))


def against_thumbnails(unseen: Sequence[Unseen], model: Sequence[np.ndarray], rival: Sequence[np.ndarray]) -> Verdict:
    """Is the model's mean AUC over the sets better than the rival's? The interval draws poses of the unseen patient.

    Args:
        unseen: the sets.
        model, rival: of each set, probabilities (N, C) of its images.
    """
    poses = [POSE.match(Path(image).stem)[0] for one in unseen for image in one.images]  # type: ignore[index]
    ours, theirs = (_mean_over_sets(unseen, answers) for answers in (model, rival))
    every = np.ones((1, len(poses)))
    test = (
        PatientBootstrap(poses)
        .resample(lambda weights: ours(weights) - theirs(weights))
        .tests([len(set(poses))], "paired bootstrap")[0]
    )
    row = {
        "metric": "auc", "rival": "thumbnails of 12 x 12 pixels", "model": float(ours(every)[0, 0]),
        "value": float(theirs(every)[0, 0]), "difference": test.difference, "difference_low": test.low,
        "difference_high": test.high, "patients": len(set(poses)),
    }  # fmt: skip
    return against_rivals([row], who="In images of the unseen patient the model")


def _mean_over_sets(unseen: Sequence[Unseen], answers: Sequence[np.ndarray]) -> Statistic:
    """Of weights (R, rows of all sets) the mean over the sets of their classes' mean AUC (R, 1)."""
    ends = np.cumsum([0, *(len(one.images) for one in unseen)])
    metrics = [
        ClassificationMetrics(one.targets, answer, one.kind, one.classes) for one, answer in zip(unseen, answers)
    ]
    columns = [
        m.keys.index((MEAN if len(one.classes) > 1 else one.classes[0], "auc")) for m, one in zip(metrics, unseen)
    ]

    def statistic(weights: np.ndarray) -> np.ndarray:
        parts = zip(metrics, columns, ends, ends[1:])
        return np.nanmean([m(weights[:, first:end])[:, [column]] for m, column, first, end in parts], axis=0)

    return statistic


def _thumbnail(image: str) -> np.ndarray:
    pixels = as_radiograph(read_volume(image, "CXR"), "", False, NormalisationConfig(kind="cxr")).pixels
    return resized_to(pixels, CELLS).ravel()
