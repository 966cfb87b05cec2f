"""Numbers of a comparison: its tables go into LaTeX and Markdown, where a hyphen stands for what is unknown."""

from __future__ import annotations

from functools import partial

from medssl.reports import numbers

UNKNOWN = "-"
IDENTICAL = "identical"  # runs whose seeds changed nothing

plain = partial(numbers.number, unknown=UNKNOWN)
signed = partial(numbers.number, sign="+", unknown=UNKNOWN)
p_value = partial(numbers.p_value, unknown=UNKNOWN)
bounds = partial(numbers.bounds, unknown=UNKNOWN)
signed_bounds = partial(numbers.bounds, sign="+", unknown=UNKNOWN)


def mean_sd(mean: float | None, sd: float | None) -> str:
    """Mean and standard deviation; of runs that are all the same, that they are."""
    if mean is None or sd is None:
        return plain(mean)
    return f"{mean:.3f}, {IDENTICAL}" if sd == 0 else f"{mean:.3f} ± {sd:.3f}"


def metric_title(metric: str) -> str:
    """A metric as papers write it."""
    names = {"auc": "AUC", "hd95": "HD95 (mm)", "iou": "IoU", "mcc": "MCC", "f1": "F1", "ece": "ECE"}
    return names.get(metric, metric.replace("_", " ").capitalize())
