"""The FROC curve as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from medssl.evaluation.metrics.froc import RATES
from medssl.reports.figures.canvas import COLOURS, INK, SOFT, to_png

FEWEST_SHOWN = RATES[0] / 2


def draw_froc(curves: Mapping[str, Mapping[str, Any]]) -> bytes:
    """A PNG: sensitivity against false positives per scan (logarithmic), with intervals at the published rates.

    Args:
        curves: name -> an answer of `evaluate_detection`.
    """
    figure = Figure(figsize=(7.5, 4.4), layout="constrained")
    axes = figure.subplots()
    for number, (name, found) in enumerate(curves.items()):
        colour, curve = COLOURS[number % len(COLOURS)], found["curve"]
        false, hits = np.array(curve["false_positives_per_scan"]), np.array(curve["sensitivity"])
        last = np.append(np.diff(false) > 0, True)
        grid = np.geomspace(FEWEST_SHOWN, 2 * RATES[-1], 400)
        label = f"{name}: {found['sensitivity']['cpm']['value']:.3f}"
        axes.plot(grid, np.interp(grid, false[last], hits[last]), color=colour, linewidth=1.6, label=label)
        for rate in RATES:
            row = found["sensitivity"][f"{rate:g}"]
            shift = rate * 1.03 ** (number - (len(curves) - 1) / 2)
            if row["low"] is not None:
                axes.plot([shift, shift], [row["low"], row["high"]], color=colour, linewidth=1.2, alpha=0.7)
            axes.plot([shift], [row["value"]], "o", color=colour, markersize=4)
    axes.set(xscale="log", xlabel="false positives per scan", ylabel="sensitivity", ylim=(-0.02, 1.02))
    axes.xaxis.set_major_locator(FixedLocator(RATES))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels(["1/8", "1/4", "1/2", "1", "2", "4", "8"])
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=SOFT, alpha=0.35, linewidth=0.6)
    axes.legend(frameon=False, fontsize=8.5, title="mean sensitivity (CPM)", title_fontsize=8.5, labelcolor=INK)
    return to_png(figure, facecolor="white")
