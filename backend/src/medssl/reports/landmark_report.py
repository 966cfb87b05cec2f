"""The report on landmark retrieval: what is better than what, by how much, and where nothing can be said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from medssl.evaluation.landmark_errors import ALL, MEASURES, UNITS, difference_sentence, with_interval
from medssl.reports.figures.canvas import DARK, DIM, LIGHT, ON_DARK, to_png
from medssl.reports.html import Report


def write_report(path: Path, table: Sequence[dict[str, Any]], info: dict[str, Any], examples: bytes) -> None:
    """Write report.html, which begins with the verdict on the first model.

    Args:
        table: rows of `landmark_errors.landmark_rows`.
        info: unit, verdicts, differences, notes, images, patients, pairs, search_radius, refine.
        examples: a PNG with places that were found.
    """
    unit = UNITS[info["unit"]]
    report = Report(
        "Landmark retrieval",
        f"{info['pairs']} ordered pairs of {info['images']} radiographs of {info['patients']} patients. A landmark is known in "
        "both images of a pair; the error is the distance from where a model finds it to where it is. "
        + _searched(info),
    )
    first, *others = info["verdicts"]
    report.lead(first["text"], first["good"])
    for verdict in others:
        report.verdict(verdict["text"], verdict["good"])
    for note in info["notes"]:
        report.text(f"Note: {note}.")
    report.heading("All landmarks")
    report.table(*_rows([row for row in table if row["landmark"] == row["group"] == ALL], "", unit))
    report.text(
        "Median and share within a cell of the network say how good a typical answer is; a few far misses rule the mean. In "
        "the last column distances are clipped at 30 % of the width: beyond that an answer is missed, however far, and a search "
        "that may go anywhere can miss farther than the same coordinates ever do."
    )
    report.heading("Differences")
    for row in info["differences"]:
        report.text(difference_sentence(row, unit))
    report.text(
        "Intervals: bootstrap by patient, 2000 draws; a pair counts as often as both of its patients are drawn. They tell how "
        "far the numbers could move with other patients of the same kind, not with another training run."
    )
    by_landmark = [row for row in table if row["landmark"] != ALL]
    caption = f"Median error in {unit} with 95 % intervals."
    report.heading("Each landmark")
    report.picture(draw_model_intervals(by_landmark, "landmark", unit), caption)
    report.table(*_rows(by_landmark, "landmark", unit))
    by_group = [row for row in table if row["group"] != ALL]
    if by_group:
        report.heading("Groups")
        report.text("Both images of one group, or from the first group (landmark known) to the second (looked for).")
        report.picture(draw_model_intervals(by_group, "group", unit), caption)
        report.table(*_rows(by_group, "group", unit))
    report.heading("Where landmarks were found")
    report.picture(examples, "Rings: where landmarks are. Dots: where they were found from each other patient's image.")
    report.write(path)


def _searched(info: dict[str, Any]) -> str:
    where = (
        f"Every model searched within {info['search_radius']:g} % of the width around the same relative place."
        if info["search_radius"] else "Every model searched the whole image."
    )  # fmt: skip
    return f"{where} Matches were looked at again on finer cells." if info["refine"] else where


def draw_model_intervals(rows: Sequence[dict[str, Any]], by: str, unit: str) -> bytes:
    """A PNG: a line per landmark or group, a dot with its interval per model."""
    names, models = list(dict.fromkeys(row[by] for row in rows)), list(dict.fromkeys(row["model"] for row in rows))
    figure = Figure(figsize=(8, 0.9 + 0.3 * len(names) + 0.22 * len(models)), facecolor=DARK, layout="constrained")
    axes = figure.add_subplot(facecolor=DARK)
    spread = 0.6 / max(len(models), 1)
    for n, model in enumerate(models):
        of_model = {row[by]: row for row in rows if row["model"] == model}
        colour = ON_DARK[n % len(ON_DARK)]
        for place, row in (
            (names.index(name) + (n - (len(models) - 1) / 2) * spread, r) for name, r in of_model.items()
        ):
            if row["median_low"] is not None:
                axes.plot([row["median_low"], row["median_high"]], [place, place], color=colour, linewidth=1.6)
            axes.plot([row["median"]], [place], "o", color=colour, markersize=4)
        axes.plot([], [], "o-", color=colour, label=model, markersize=4)
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, None)
    axes.set_xlabel(f"median error ({unit})", color=DIM, fontsize=9)
    axes.tick_params(colors=DIM, labelsize=8, length=0)
    axes.grid(axis="x", color=DIM, alpha=0.2, linewidth=0.6)
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.legend(loc="outside upper left", ncols=3, frameon=False, labelcolor=LIGHT, fontsize=8)
    return to_png(figure, facecolor=DARK)


def _rows(rows: Sequence[dict[str, Any]], by: str, unit: str) -> tuple[list[str], list[list[Any]]]:
    heads = [
        "model",
        *([by] if by else []),
        f"median ({unit})",
        "within a cell",
        f"mean ({unit})",
        "mean, clipped",
        "patients",
    ]
    return heads, [
        [
            row["model"], *([row[by].replace("_", " ")] if by else []),
            *(with_interval(row, measure) for measure in MEASURES), row["patients"],
        ]
        for row in rows
    ]  # fmt: skip
