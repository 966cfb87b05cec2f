"""Loss curves as pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from medssl.reports.figures.canvas import DPI, to_png


def draw_loss_curve(events: Iterable[dict[str, Any]]) -> bytes:
    """A PNG of training loss (thin: each step, thick: smoothed), validation loss and what stands beside it, the constant mean's loss for instance."""
    events = list(without_repeats(events))
    losses = [(e["step"], e["loss"]) for e in events if e["type"] == "loss"]
    metrics = [e for e in events if e["type"] == "metric"]
    figure = Figure(figsize=(9, 4), dpi=DPI)
    axes = figure.subplots()
    if losses:
        steps, values = np.array(losses).T
        axes.plot(steps, values, color="#4c78a8", alpha=0.25, linewidth=1)
        axes.plot(steps, smooth(values), color="#4c78a8", linewidth=2, label="training")
    for name, colour, style in (
        ("validation_loss", "#e4572e", "o-"), ("constant_mean_loss", "#888888", "--"), ("distorted_loss", "#b79f00", ":"),
        ("same_place_error", "#b79f00", "-."),
    ):  # fmt: skip
        points = [(e["step"], e[name]) for e in metrics if name in e]
        if points:
            axes.plot(*zip(*points), style, color=colour, label=name.replace("_loss", "").replace("_", " "))
    axes.set(xlabel="step", ylabel="loss", ylim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return to_png(figure, bbox_inches="tight")


def draw_set_curves(events: Iterable[dict[str, Any]], sets: Sequence[str]) -> bytes:
    """A PNG of a training on several sets, a colour each: losses (thin: training, thick: validation) and validation AUC.

    Args:
        events: with `loss_<set>`, `auc_<set>` (teacher) and `student_auc_<set>`.
        sets: names.
    """
    events = list(without_repeats(events))
    figure = Figure(figsize=(11, 4), dpi=DPI)
    left, right = figure.subplots(1, 2)
    for number, name in enumerate(sets):
        colour = f"C{number}"
        for axes, kind, field, style in (
            (left, "loss", f"loss_{name}", {"alpha": 0.35, "linewidth": 1}),
            (left, "metric", f"loss_{name}", {"marker": "o", "markersize": 3, "label": name}),
            (right, "metric", f"student_auc_{name}", {"alpha": 0.5, "linestyle": ":"}),
            (right, "metric", f"auc_{name}", {"marker": "o", "markersize": 3, "label": name}),
        ):
            points = [(e["step"], e[field]) for e in events if e["type"] == kind and e.get(field) is not None]
            if points:
                axes.plot(*zip(*points), color=colour, **style)
    right.axhline(0.5, color="#888888", linestyle="--", linewidth=1)
    left.set(xlabel="step", ylabel="loss (thin: training; dots: validation)", ylim=(0, None))
    right.set(xlabel="step", ylabel="validation AUC (dots: teacher; dotted: student)", ylim=(0, 1.02))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return to_png(figure, bbox_inches="tight")


def without_repeats(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drop what a resumed run did again: everything with a step beyond that of each `resumed` event."""
    kept: list[dict[str, Any]] = []
    for event in events:
        if event["type"] == "resumed":
            kept = [e for e in kept if e.get("step", 0) <= event["step"]]
        kept.append(event)
    return kept


def smooth(values: np.ndarray, window: int = 15) -> np.ndarray:
    """A centred moving mean that narrows towards the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    place = np.arange(len(values))
    half = np.minimum(np.minimum(place, len(values) - 1 - place), window // 2)
    return (sums[place + half + 1] - sums[place - half]) / (2 * half + 1)
