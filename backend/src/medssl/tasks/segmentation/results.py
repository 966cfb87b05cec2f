"""What a segmentation leaves behind: a table of all cases, an evaluation with intervals, a report with the worst cases."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medssl.evaluation.evaluate import evaluate_segmentation
from medssl.evaluation.metrics.segmentation_metrics import MEAN, METRICS, mean_known
from medssl.evaluation.prediction_tables import write_cases
from medssl.evaluation.rivals import judge, segmentation_rows
from medssl.reports.evaluation_report import write_evaluation
from medssl.reports.figures.case_pictures import draw_overlay
from medssl.tasks.label_columns import attribute_groups
from medssl.tasks.rivals.segmenters import WHAT

WORST = 6  # cases with a picture
Rows = list[dict[str, Any]]


@dataclass(order=True)
class _Case:
    badness: float
    name: str
    aspect: float = field(compare=False)
    image: np.ndarray = field(compare=False)  # (columns, rows), 0...1
    predicted: np.ndarray = field(compare=False)
    truth: np.ndarray = field(compare=False)


class WorstCases:
    """The slices with most of the truth of the cases that went worst; memory does not grow with the number of cases."""

    def __init__(self) -> None:
        self._kept: list[_Case] = []

    def add(
        self,
        name: str,
        dice: float | None,
        image: np.ndarray,
        predicted: np.ndarray,
        truth: np.ndarray,
        spacing: Any,
        bounds: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        """Keep a case if it has a Dice and is among the worst; arrays (i, j, k) or (i, j); `bounds` are the image's values of black and white."""
        if dice is None:
            return
        image, predicted, truth = _slice(image, predicted, truth)
        low, high = map(np.float32, bounds)
        shown = ((image - low) / (high - low)).clip(0, 1)
        case = _Case(1.0 - dice, name, float(spacing[1] / spacing[0]), shown, predicted, truth)
        (heapq.heappush if len(self._kept) < WORST else heapq.heappushpop)(self._kept, case)

    def draw(self, folder: Path, colours: list[str]) -> dict[str, str]:
        """A PNG for each; image name -> file name."""
        folder.mkdir(parents=True, exist_ok=True)
        drawn = {}
        for number, case in enumerate(sorted(self._kept, reverse=True)):
            path = folder / f"worst-{number + 1}.png"
            draw_overlay(path, case.image, case.predicted, case.truth, colours, case.aspect)
            drawn[case.name] = f"{folder.name}/{path.name}"
        return drawn


def write_results(
    folder: Path,
    rows: dict[str, Rows],
    worst: WorstCases,
    colours: list[str],
    notes: list[str],
    groups: str = "",
    rivals: Mapping[str, Rows] | None = None,
    more: Sequence[str] = (),
    further: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Write cases.csv (test), validation_cases.csv, evaluation.json, rivals.csv and report.html.

    Args:
        rivals: cases of trivial rivals on the part that is reported: test, else validation.
        more: sentences that stand behind the verdict.
        further: what the evaluation says too.

    Returns:
        {"validation": {metric: mean over cases}, "test": {...}, "verdict": {text, good}}; the mean over classes of each case
        counts.
    """
    write_cases(folder / "validation_cases.csv", rows["validation"])
    if rows["test"]:
        write_cases(folder / "cases.csv", rows["test"])
    part = "test" if rows["test"] else "validation"
    evaluation = evaluate_segmentation(rows[part], attribute_groups(groups))
    evaluation |= {"part": part, "notes": [*evaluation["notes"], *notes], **(further or {})}
    beside = segmentation_rows(rows[part], rivals or {})
    evaluation = judge(evaluation, [{**row, "what": WHAT[row["rival"]]} for row in beside], more)
    write_evaluation(evaluation, folder, f"Segmentation of {part} images", worst.draw(folder / "pictures", colours))
    return {**{name: _headline(cases) for name, cases in rows.items()}, "verdict": evaluation["verdict"]}


def _headline(rows: Rows) -> dict[str, float | None]:
    means = [row for row in rows if row["class"] == MEAN]
    return {metric: mean_known([row[metric] for row in means]) for metric in METRICS} if means else {}


def _slice(image: np.ndarray, predicted: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, ...]:
    """The slice along k with most truth, or where there is none with most of what was found; images are what they are."""
    if truth.ndim == 2:
        return image, predicted, truth
    k = int(((truth if truth.any() else predicted) > 0).sum(axis=(0, 1)).argmax())
    return tuple(array[:, :, k].copy() for array in (image, predicted, truth))  # a view would keep the whole volume
