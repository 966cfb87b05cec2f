"""Pictures of a comparison: the metric against the size, every run, every difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medssl.reports.figures.canvas import COLOURS, INK, to_png
from medssl.studies.comparison.config import Study
from medssl.studies.comparison.plan import RunResult, describe_size
from medssl.studies.results.numbers import metric_title
from medssl.studies.results.summaries import Summary, values_of

ARMS = (COLOURS[-1], *COLOURS[:-1])  # colours; the first arm is the reference, in grey
JITTER = 0.05
MARKERS = "x+^v"  # of trivial rivals


def draw_learning_curves(study: Study, lines: Sequence[Summary], rivals: Sequence[Summary] = ()) -> bytes:
    """A PNG: mean with 95 % interval of each arm against the size; trivial rivals dashed."""
    figure, axes = _figure(7.5, 4.2)
    places = np.arange(len(study.sizes))
    for number, arm in enumerate(study.arms):
        of_arm = [line for line in lines if line.arm == arm.name and line.mean is not None]
        x = np.array([places[study.sizes.index(line.size)] for line in of_arm]) + _offset(number, study)
        means = np.array([line.mean for line in of_arm], float)
        bounds = np.array([[line.low or line.mean, line.high or line.mean] for line in of_arm], float).reshape(-1, 2)
        spread = np.abs(bounds.T - means)
        axes.errorbar(
            x, means, spread, fmt="o-", color=_colour(number), capsize=3, markersize=5, linewidth=1.6, label=arm.name
        )
    for number, name in enumerate(dict.fromkeys(line.arm for line in rivals)):
        of_rival = [line for line in rivals if line.arm == name and line.mean is not None]
        places_of = [places[study.sizes.index(line.size)] for line in of_rival]
        how = f"{MARKERS[number % len(MARKERS)]}--"
        axes.plot(places_of, [line.mean or 0.0 for line in of_rival], how, color=INK, linewidth=1.0, label=name)
    _finish(figure, axes, study)
    return to_png(figure, metadata={"Software": None})


def draw_runs(study: Study, outcomes: Sequence[RunResult]) -> bytes:
    """A PNG: a dot per run, a bar at each mean; runs of one seed are joined by a line."""
    figure, axes = _figure(max(7.5, 0.8 * len(study.arms) * len(study.sizes)), 4.2)
    for s, size in enumerate(study.sizes):
        values = [values_of(outcomes, arm.name, size, study.metric) for arm in study.arms]
        places = [s + _offset(number, study, 0.7) for number in range(len(study.arms))]
        for seed in study.seeds:
            known = [(place, of_arm[seed]) for place, of_arm in zip(places, values) if seed in of_arm]
            axes.plot(*zip(*known) if known else ([], []), color="#bbbbbb", linewidth=0.6, zorder=1)
        for number, (place, of_arm) in enumerate(zip(places, values)):
            found = list(of_arm.values())
            axes.plot([place] * len(found), found, "o", color=_colour(number), markersize=4, alpha=0.75, zorder=2)
            if found:
                axes.plot([place - 0.06, place + 0.06], [np.mean(found)] * 2, color=INK, linewidth=2, zorder=3)
    for number, arm in enumerate(study.arms):
        axes.plot([], [], "o", color=_colour(number), label=arm.name)
    _finish(figure, axes, study)
    return to_png(figure, metadata={"Software": None})


def draw_differences(study: Study, rows: Sequence[dict[str, Any]]) -> bytes:
    """A PNG: a line per test of each arm and size, arm - reference with its 95 % interval."""
    rows = [row for row in rows if row["difference"] is not None]
    figure, axes = _figure(7.5, 0.9 + 0.26 * len(rows), "x")
    tests = list(dict.fromkeys(row["test"] for row in rows))
    for place, row in enumerate(rows):
        colour = _colour(tests.index(row["test"]) + 1)
        if row["low"] is not None:
            axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=1.6)
        axes.plot([row["difference"]], [place], "o", color=colour, markersize=4)
    names = [
        f"{row['arm']}{': ' * bool(row['class'])}{row['class']}, {describe_size(study, row['size'])}" for row in rows
    ]
    axes.set_yticks(
        range(len(rows)), [n if k == 0 or n != names[k - 1] else "" for k, n in enumerate(names)], fontsize=8
    )
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.axvline(0, color=INK, linewidth=0.8)
    for number, test in enumerate(tests):
        axes.plot([], [], "o-", color=_colour(number + 1), label=test)
    axes.set_xlabel(f"difference in {metric_title(study.metric)} to the reference")
    figure.legend(loc="outside upper left", ncols=4, frameon=False, fontsize=8)
    return to_png(figure, metadata={"Software": None})


def draw_groups(study: Study, rows: Sequence[dict[str, Any]]) -> bytes:
    """A PNG: a line per group, a dot with its interval per arm, a panel per size."""
    names = list(dict.fromkeys((row["attribute"], row["group"]) for row in rows))
    figure = Figure(figsize=(3.2 * len(study.sizes) + 1.6, 1.1 + 0.42 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(study.sizes), sharex=True, sharey=True, squeeze=False)[0]
    for axes, size in zip(panels, study.sizes):
        for row in (row for row in rows if row["size"] == size and row["value"] is not None):
            number = [arm.name for arm in study.arms].index(row["arm"])
            place = names.index((row["attribute"], row["group"])) + _offset(number, study, 0.5)
            if row["low"] is not None:
                axes.plot([row["low"], row["high"]], [place, place], color=_colour(number), linewidth=1.6)
            axes.plot([row["value"]], [place], "o", color=_colour(number), markersize=4)
        axes.set_yticks(range(len(names)), [f"{attribute}: {group}" for attribute, group in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_title(describe_size(study, size), fontsize=9)
        axes.set_xlabel(metric_title(study.metric))
        _clean(axes, "x")
    for number, arm in enumerate(study.arms):
        panels[0].plot([], [], "o-", color=_colour(number), label=arm.name)
    figure.legend(loc="outside upper left", ncols=4, frameon=False, fontsize=8)
    return to_png(figure, metadata={"Software": None})


def _offset(number: int, study: Study, width: float = 0.0) -> float:
    """Arms stand side by side, so that their intervals do not hide each other."""
    step = width / len(study.arms) if width else JITTER
    return (number - (len(study.arms) - 1) / 2) * step


def _colour(number: int) -> str:
    return ARMS[number % len(ARMS)]


def _figure(width: float, height: float, grid: str = "both") -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    _clean(axes, grid)
    return figure, axes


def _clean(axes: Axes, grid: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    if grid == "x":  # names, not numbers, stand along the other axis
        axes.tick_params(axis="y", length=0)
    axes.grid(axis=grid, color="#dddddd", linewidth=0.6)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def _finish(figure: Figure, axes: Axes, study: Study) -> None:
    axes.set_xticks(range(len(study.sizes)), [describe_size(study, size) for size in study.sizes])
    axes.set_xlim(-0.5, len(study.sizes) - 0.5)
    axes.set_ylabel(f"{metric_title(study.metric)} on the test set")
    figure.legend(loc="outside upper left", ncols=4, frameon=False, fontsize=9)
