"""What a classification leaves behind: tables of probabilities, thresholds, an evaluation with intervals, a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medssl.datasets.entry import attributes, shown
from medssl.evaluation.evaluate import evaluate_classification
from medssl.evaluation.metrics.calibration import logits_of, temperature
from medssl.evaluation.metrics.thresholds import choose_thresholds
from medssl.evaluation.prediction_tables import Predictions, write_predictions
from medssl.evaluation.rivals import carriers_of_auc, classification_rows, judge
from medssl.inference.classification.predict import calibrate
from medssl.reports.evaluation_report import write_evaluation
from medssl.tasks.label_columns import attribute_groups
from medssl.tasks.labelled_data import LabelledSplit, LabelledSplits
from medssl.tasks.rivals.classifiers import Answers, what_is


def calibrated(
    probabilities: np.ndarray, parts: LabelledSplits, targets: np.ndarray, rule: str, specificity: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Temperatures and thresholds by class, from validation images (N, C); one temperature and no threshold for multi-class."""
    names, logits = parts.names, logits_of(probabilities)
    if parts.kind == "multi-class":
        return dict.fromkeys(names, temperature(logits, targets)), {}
    temperatures = {name: temperature(logits_of(probabilities[:, n]), targets[:, n]) for n, name in enumerate(names)}
    return temperatures, choose_thresholds(
        targets, rescaled(probabilities, temperatures, parts), names, rule, specificity
    )


def rescaled(probabilities: np.ndarray, temperatures: dict[str, float], parts: LabelledSplits) -> np.ndarray:
    """Probabilities (N, C) after the temperatures that validation gave."""
    return np.stack([calibrate(row, parts.names, parts.kind, temperatures) for row in probabilities])


def as_predictions(part: LabelledSplit, parts: LabelledSplits, probabilities: np.ndarray) -> Predictions:
    """The table of one part."""
    about = [attributes(entry, parts.columns) for entry in part.entries]
    known = sorted({name for row in about for name in row})
    return Predictions(
        images=tuple(shown(entry) if entry.point else str(entry.image) for entry in part.entries),
        patients=tuple(entry.patient for entry in part.entries),
        names=parts.names,
        probabilities=probabilities,
        targets=part.targets,
        attributes={name: tuple(row.get(name, "") for row in about) for name in known},
    )


def write_results(
    folder: Path,
    tables: dict[str, Predictions | None],
    parts: LabelledSplits,
    thresholds: dict[str, float],
    specificity: float,
    groups: str = "",
    rivals: Answers | None = None,
    more: Sequence[str] = (),
) -> dict[str, Any]:
    """Write predictions.csv (test), validation_predictions.csv, evaluation.json, rivals.csv and report.html.

    Args:
        rivals: what trivial rivals answer to validation and test images.
        more: sentences that stand behind the verdict.

    Returns:
        {"validation": {metric: value}, "test": {...}, "verdict": {text, good}}.
    """
    given = rivals or Answers({}, ())
    found: dict[str, Any] = {}
    for name, file in (("validation", "validation_predictions.csv"), ("test", "predictions.csv")):
        table = tables[name]
        if table is None:
            found[name] = {}
            continue
        write_predictions(folder / file, table)
        evaluation = evaluate_classification(
            table, thresholds, attribute_groups(groups), kind=parts.kind, specificity=specificity
        )
        found[name] = evaluation["headline"]
        answers = {rival: of[name] for rival, of in given.probabilities.items()}
        rows = classification_rows(table, answers, parts.kind, carriers_of_auc(evaluation))
        evaluation = judge(evaluation, [{**row, "what": what_is(row["rival"], given.columns)} for row in rows], more)
        found["verdict"] = evaluation["verdict"]
        evaluation |= {"part": name, "notes": [*evaluation["notes"], *parts.every_note()]}
        images = {path: path for path in table.images}
        write_evaluation(evaluation, folder, f"Classification of {name} images", images)  # the last one, test, stays
    return found
