"""Curves, boxes and intervals of an evaluation as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medssl.evaluation.statistics.interval import FEWEST
from medssl.reports.figures.canvas import COLOURS, INK, SOFT, to_png

FEWEST_IN_BIN = 5  # images: thinner bins of a reliability curve are drawn hollow
LONGEST = 26  # letters of a name in a legend


def draw_roc_curves(curves: Mapping[str, Mapping[str, Any]], metrics: Mapping[str, Mapping[str, Any]]) -> bytes:
    """A PNG: ROC and precision-recall curves of the classes that have them, with their areas."""
    names = [name for name, curve in curves.items() if curve]
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    roc, recall = figure.subplots(1, 2)
    roc.plot([0, 1], [0, 1], ":", color=SOFT, linewidth=1)
    for number, name in enumerate(names):
        how = {"color": _colour(number, len(names)), "linewidth": 1.6}
        areas = [f"{metrics[name][metric]['value']:.3f}" for metric in ("auc", "average_precision")]
        points = curves[name]["roc"]
        label = f"{_short(name)}  {' / '.join(areas)}"
        roc.plot(points["false_positive_rate"], points["sensitivity"], label=label, **how)
        points = curves[name]["precision_recall"]
        recall.step(points["recall"], points["precision"], where="post", **how)
    for axes, x, y, title in (
        (roc, "1 - specificity", "sensitivity", "ROC"),
        (recall, "recall (sensitivity)", "precision", "Precision and recall"),
    ):
        axes.set(xlabel=x, ylabel=y, xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
        axes.set_title(title, fontsize=10, loc="left", color=INK)
        _plain(axes)
    figure.legend(
        loc="outside right upper", frameon=False, fontsize=8.5, title="AUC / average precision", title_fontsize=8.5
    )
    return to_png(figure, facecolor="white")


def draw_reliability(curves: Mapping[str, Mapping[str, Any]], share: str = "share of positive images") -> bytes:
    """A PNG: share of positive images (or what `share` calls it) against the probability, and how many images have which."""
    names = [name for name, curve in curves.items() if curve]
    columns = min(len(names), 4)
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(2.6 * max(columns, 1.4), 2.75 * max(rows, 1.2)), layout="constrained")
    tiles = figure.subplots(rows, columns, squeeze=False).ravel()
    for tile in tiles[len(names) :]:
        tile.remove()
    for name, axes in zip(names, tiles):
        bins = curves[name]["reliability"]
        x, y, images = (np.array([row[key] for row in bins]) for key in ("probability", "positives", "images"))
        axes.plot([0, 1], [0, 1], ":", color=SOFT, linewidth=1)
        axes.bar(x, images / images.sum(), width=0.06, color="#1f77b4", alpha=0.18)
        axes.plot(x, y, color="#1f77b4", linewidth=1.2)
        sure = images >= FEWEST_IN_BIN
        axes.plot(x[sure], y[sure], "o", color="#1f77b4", markersize=4.5)
        axes.plot(x[~sure], y[~sure], "o", markerfacecolor="white", markeredgecolor="#1f77b4", markersize=4.5)
        axes.set(xlim=(-0.04, 1.04), ylim=(-0.03, 1.03), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        axes.set_title(_short(name), fontsize=9, loc="left", color=INK)
        _plain(axes)
    figure.supxlabel("probability", fontsize=9, color=INK)
    figure.supylabel(share, fontsize=9, color=INK)
    return to_png(figure, facecolor="white")


def draw_boxes(values: Mapping[str, Sequence[float | None]], label: str, top: float | None = None) -> bytes:
    """A PNG: a dot per image, and of 5 images or more a box per class (quartiles, whiskers to 1.5 times their distance)."""
    figure = Figure(figsize=(7.5, 0.9 + 0.55 * len(values)), layout="constrained")
    axes = figure.subplots()
    for place, (_, column) in enumerate(values.items()):
        known = np.array([value for value in column if value is not None])
        if not len(known):
            continue
        boxed = len(known) >= FEWEST
        if boxed:
            axes.boxplot(
                known, positions=[place], widths=0.5, orientation="horizontal", showfliers=False, patch_artist=True,
                boxprops={"facecolor": "#1f77b433", "edgecolor": "#1f77b4"}, whiskerprops={"color": "#1f77b4"},
                capprops={"color": "#1f77b4"}, medianprops={"color": "#c8443c", "linewidth": 1.8},
            )  # fmt: skip
        spread = np.random.default_rng(0).uniform(-0.16, 0.16, len(known))
        axes.plot(known, place + spread, "o", color=INK, markersize=2.5 if boxed else 5, alpha=0.4 if boxed else 0.8)
    axes.set_yticks(range(len(values)), [_short(name) for name in values], fontsize=9)
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.set_xlim(right=top)
    axes.set_xlabel(label)
    _plain(axes, "x")
    return to_png(figure, facecolor="white")


def draw_intervals(
    rows: Sequence[tuple[str, Mapping[str, Any]]], label: str, line: float | None = None, value: str = "value"
) -> bytes:
    """A PNG: a dot with its 95 % interval per named row; rows without a value are left out.

    Args:
        rows: name and {value, low, high}; an empty name begins a new block.
        label: of the axis.
        line: where to draw a vertical line.
        value: the key of the number.
    """
    rows = [(name, row) for name, row in rows if not name or row.get(value) is not None]
    figure = Figure(figsize=(7.5, 0.8 + 0.25 * len(rows)), layout="constrained")
    axes = figure.subplots()
    if line is not None:
        axes.axvline(line, color=INK, linewidth=0.8)
    for place, (name, row) in enumerate(rows):
        if not name:
            continue
        if row["low"] is not None:
            axes.plot([row["low"], row["high"]], [place, place], color=COLOURS[0], linewidth=1.8, alpha=0.8)
        axes.plot([row[value]], [place], "o", color=COLOURS[0], markersize=5)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=8.5)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(label)
    _plain(axes, "x")
    return to_png(figure, facecolor="white")


def _colour(number: int, of: int) -> Any:
    return COLOURS[number] if of <= len(COLOURS) else colormaps["tab20"](number % 20)


def _short(name: str) -> str:
    name = name.replace("_", " ")
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _plain(axes: Axes, grid: Any = "both") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8.5, length=3)
    axes.grid(axis=grid, color=SOFT, alpha=0.35, linewidth=0.6)
    axes.set_axisbelow(True)
