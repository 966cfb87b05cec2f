"""The page on a segmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medssl.core.errors import counted
from medssl.evaluation.metrics.segmentation_metrics import MEAN, METRICS
from medssl.evaluation.statistics.interval import FEWEST
from medssl.evaluation.verdicts import TITLES, in_one_map
from medssl.reports.figures.plots import draw_boxes
from medssl.reports.html import Report
from medssl.reports.model_sections import add_model
from medssl.reports.numbers import in_cell, number
from medssl.reports.sections import add_groups, add_method, add_rivals, name_of


def page(evaluation: Mapping[str, Any], title: str) -> Report:
    """Everything but the worst cases."""
    metrics, classes = evaluation["metrics"], evaluation["classes"]
    report = Report(
        title,
        f"{counted(evaluation['images'], 'image')} of {counted(evaluation['patients'], 'patient')}; {', '.join(classes)}.",
    )
    report.lead(**evaluation["verdict"])
    add_rivals(report, evaluation)
    report.heading("Agreement with the truth")
    report.table(
        ["class", *(TITLES[metric] for metric in METRICS), "in one map only"],
        [
            [name, *(in_cell(values[m], digits=2 if m == "hd95" else 3) for m in METRICS), in_one_map(evaluation, name)]
            for name, values in metrics.items()
        ],
        MEAN,
    )
    for metric, top in (("dice", 1.01), ("hd95", None)):
        values = {
            name: columns[metric] for name, columns in evaluation["cases"].items() if name != MEAN or len(classes) > 1
        }
        if any(value is not None for column in values.values() for value in column):
            report.picture(draw_boxes(values, TITLES[metric], top), f"{TITLES[metric]} of each image{_boxes(values)}.")
    if evaluation["volumes"]:
        report.heading("Volumes")
        report.table(
            ["class", "measured (ml)", "truth (ml)", "difference (ml)", "limits of agreement (ml)"],
            [
                [
                    name, number(row["mean_ml"], 2), number(row["reference_mean_ml"], 2), f"{row['bias_ml']:+.2f}",
                    "–" if row["low_ml"] is None else f"{row['low_ml']:+.2f} to {row['high_ml']:+.2f}",
                ]
                for name, row in evaluation["volumes"].items()
            ],
        )  # fmt: skip
        if any(row["low_ml"] is None for row in evaluation["volumes"].values()):
            report.text(f"Limits of agreement need {FEWEST} images: the deviation of fewer says nothing.")
    add_model(report, evaluation)
    add_groups(report, evaluation, "dice", MEAN, METRICS)
    add_method(report, evaluation, STATEMENTS)
    return report


def _boxes(values: Mapping[str, Sequence[float | None]]) -> str:
    """What is drawn beside the points."""
    counts = [sum(value is not None for value in column) for column in values.values()]
    if all(count >= FEWEST for count in counts):
        return "; the red line is the median"
    if any(count >= FEWEST for count in counts):
        return f"; the red line is the median. Classes of under {FEWEST} images have no box, which would say nothing of so few"
    return f"; no boxes are drawn, since quartiles of under {FEWEST} images say nothing"


def captions(evaluation: Mapping[str, Any]) -> dict[str, str]:
    """image -> its scores."""
    return {
        row["image"]: f"{name_of(row['image'])} (patient {row['patient']}): Dice {number(row['dice'])}; "
        + ", ".join(f"{name} {number(value)}" for name, value in row["classes"].items())
        for row in evaluation["worst"]
    }


STATEMENTS = (
    "Each image's mean over classes enters the mean over images. A class that is in neither map of an image has no score, one "
    "that is in only one of them (missed, or found where it is not) scores 0, and its HD95 is the image's diagonal.",
    "Surface Dice is the share of both surfaces within the tolerance (1 mm unless said) of the other; HD95 the larger of the "
    "two 95th percentiles of surface distances. Both follow the voxel spacing; pictures (PNG, JPEG) state none, and their mm are pixels.",
)
