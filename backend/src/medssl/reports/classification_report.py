"""The page on a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medssl.core.errors import counted
from medssl.evaluation.metrics.classification_metrics import MEAN
from medssl.evaluation.verdicts import TITLES
from medssl.reports.figures.plots import draw_intervals, draw_reliability, draw_roc_curves
from medssl.reports.html import Report
from medssl.reports.numbers import in_cell, number
from medssl.reports.sections import add_groups, add_method, add_rivals, name_of

OF_SCORES = ("auc", "average_precision", "sensitivity_at_specificity", "brier", "ece")
OF_DECISIONS = ("accuracy", "mcc", "f1", "sensitivity", "specificity")


def page(evaluation: Mapping[str, Any], title: str) -> Report:
    """Everything but the worst cases."""
    metrics, names = evaluation["metrics"], evaluation["classes"]
    label = MEAN if MEAN in metrics else names[0]
    report = Report(
        title,
        f"{counted(evaluation['images'], 'image')} of {counted(evaluation['patients'], 'patient')}; {evaluation['kind']}: {', '.join(names)}.",
    )
    report.lead(**evaluation["verdict"])
    add_rivals(report, evaluation)
    _tables(report, evaluation)
    drawn = {name: curve for name, curve in evaluation["curves"].items() if curve}
    if drawn:
        report.heading("Curves")
        report.picture(draw_roc_curves(drawn, metrics), "ROC and precision-recall curves of each class.")
        if len(names) > 1:
            rows = [(name.replace("_", " "), metrics[name]["auc"]) for name in (*names, MEAN)]
            report.picture(
                draw_intervals(rows, "AUC", 0.5), "AUC of each class with 95 % intervals; the line is chance."
            )
        report.heading("Calibration")
        report.picture(
            draw_reliability(drawn),
            "Share of positive images among those of a probability; on the dotted line probabilities are what they say. Bars: "
            "share of all images. Hollow: under 5 images.",
        )
    _confusion(report, evaluation)
    add_groups(report, evaluation, "auc", label, ("auc", "average_precision", "sensitivity", "specificity"))
    add_method(report, evaluation, _statements(evaluation))
    return report


def captions(evaluation: Mapping[str, Any]) -> dict[str, str]:
    """image -> what went wrong."""
    return {
        row["image"]: f"{name_of(row['image'])} (patient {row['patient']}): {row['class']} "
        f"{'is there' if row['label'] else 'is not there'}, probability {row['probability']:.3f}"
        for row in evaluation["worst"]
    }


def _tables(report: Report, evaluation: Mapping[str, Any]) -> None:
    metrics, counts, thresholds = evaluation["metrics"], evaluation["counts"], evaluation["thresholds"]
    report.heading("Scores")
    heads = ["class", "positive of", *(TITLES[metric] for metric in OF_SCORES)]
    rows = [[name, _positive(counts.get(name)), *_cells(values, OF_SCORES)] for name, values in metrics.items()]
    report.table(heads, rows, MEAN)
    report.text(
        f"Sensitivity at the highest cut of the test scores that keeps a specificity of {evaluation['specificity']:.0%}. Brier "
        "score and calibration error are best at 0."
    )
    report.heading("Decisions")
    multi = evaluation["kind"] == "multi-class"
    heads = ["class", *(() if multi else ("threshold",)), *(TITLES[metric] for metric in OF_DECISIONS)]
    report.table(
        heads,
        [
            [name, *(() if multi else (number(thresholds.get(name)),)), *_cells(values, OF_DECISIONS)]
            for name, values in metrics.items()
        ],
        MEAN,
    )


def _confusion(report: Report, evaluation: Mapping[str, Any]) -> None:
    names, confusion = evaluation["classes"], evaluation["confusion"]
    report.heading("Confusion")
    if "table" in confusion:
        report.table(
            ["true", *(f"called {name}" for name in names)], [[n, *r] for n, r in zip(names, confusion["table"])]
        )
        return
    heads = ["class", "there and called", "there, not called", "not there, called", "not there, not called"]
    report.table(heads, [[name, *(confusion[name][cell] for cell in ("tp", "fn", "fp", "tn"))] for name in names])


def _statements(evaluation: Mapping[str, Any]) -> list[str]:
    if evaluation["kind"] == "multi-class":
        called = "An image is called what has its largest probability."
    else:
        called = "A class is called where its probability reaches the threshold of the table, which was fixed before."
    several = (
        "The mean over classes leaves out those without both kinds of images." if len(evaluation["classes"]) > 1 else ""
    )
    return [called, *([several] if several else [])]


def _cells(values: Mapping[str, Any], metrics: tuple[str, ...]) -> list[str]:
    return [in_cell(values[metric]) for metric in metrics]


def _positive(counts: Mapping[str, int] | None) -> str:
    return f"{counts['positives']} of {counts['positives'] + counts['negatives']}" if counts else ""
