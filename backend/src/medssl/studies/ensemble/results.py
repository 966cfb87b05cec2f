"""An ensemble beside its single networks: the same test images, paired; and what was measured on nothing held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medssl.core.errors import counted
from medssl.evaluation.metrics.segmentation_metrics import MEAN, mean_known
from medssl.evaluation.prediction_tables import read_cases
from medssl.evaluation.statistics.bootstrap import PatientBootstrap

CASES = "cases.csv"
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class FoldResult:
    """How the network of one fold did by itself.

    Attributes:
        folder: of its job.
        training, validation: images.
        validation_dice: mean over the images of its fold.
        test_dice: of the test images; None where there are none.
    """

    folder: Path
    training: int
    validation: int
    validation_dice: float | None
    test_dice: float | None


def compare_with_folds(rows: Mapping[str, Rows], folds: Sequence[FoldResult]) -> dict[str, Any]:
    """What the report says of an ensemble.

    Args:
        rows: "validation", of each image by the network that did not learn from it; "test", by the ensemble.
        folds: its networks.

    Returns:
        verdict (a sentence), validation_dice, test_dice, folds: a row each, with the `difference` of the ensemble.
    """
    ensemble, out_of_fold = _dice(rows["test"]), _mean(rows["validation"])
    table = [
        {
            "fold": number, "training": fold.training, "validation": fold.validation, "validation_dice": fold.validation_dice,
            "test_dice": fold.test_dice, "difference": _difference(ensemble, fold) if ensemble else None,
        }
        for number, fold in enumerate(folds)
    ]  # fmt: skip
    found = {"validation_dice": out_of_fold, "test_dice": _mean(rows["test"]), "folds": table}
    return {"verdict": _verdict(found, len(ensemble)), **found}


def _difference(ensemble: Mapping[str, tuple[str, float]], fold: FoldResult) -> dict[str, float | None]:
    """Ensemble - network: mean Dice over the images that both know, with its interval over patients."""
    alone = _dice(read_cases(fold.folder / "results" / CASES))
    images = [image for image in ensemble if image in alone]
    first, second = (np.array([of[image][1] for image in images]) for of in (ensemble, alone))
    test = PatientBootstrap([ensemble[image][0] for image in images]).mean_difference(first, second)
    return {"value": float(np.mean(first - second)), "low": test.low, "high": test.high}


def _verdict(found: Mapping[str, Any], images: int) -> str:
    known = [row for row in found["folds"] if row["test_dice"] is not None]
    if not images or not known:
        return (
            "The ensemble itself was measured on nothing held out: every image trained all of its networks but one. Each image is "
            f"measured with the network that did not learn from it: mean Dice {_number(found['validation_dice'])}. For a number of "
            "the ensemble keep patients aside as a test set (--test-fraction, or test in the column split)."
        )
    best = max(known, key=lambda row: row["test_dice"])
    off = best["difference"]
    there = "" if off["low"] is None else f", 95 % interval {off['low']:+.4f} to {off['high']:+.4f}"
    way = "more" if off["value"] >= 0 else "less"
    return (
        f"On {counted(images, 'test image')} the ensemble has a mean Dice of {_number(found['test_dice'])}, {abs(off['value']):.4f} {way} than "
        f"the best of its networks (fold {best['fold'] + 1}: {_number(best['test_dice'])}{there}). Which one is the best, the test images "
        "themselves said, which favours it."
    )


def _dice(rows: Rows) -> dict[str, tuple[str, float]]:
    """Image -> patient and mean Dice, of images that have one."""
    means = [row for row in rows if row["class"] == MEAN and row["dice"] is not None]
    return {str(row["image"]): (str(row["patient"]), float(row["dice"])) for row in means}


def _mean(rows: Rows) -> float | None:
    return mean_known([dice for _, dice in _dice(rows).values()])


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
