"""What the pages of all evaluations have in common: numbers in words, groups, how it was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medssl.evaluation.statistics.interval import SIGNIFICANT
from medssl.evaluation.verdicts import TITLES
from medssl.reports.figures.plots import draw_intervals
from medssl.reports.html import Report
from medssl.reports.numbers import in_cell, number, p_sentence, p_value, with_interval

GAPS = 60  # most that are drawn and listed with those of single classes


def add_groups(page: Report, evaluation: Mapping[str, Any], main: str, label: str, shown: Sequence[str]) -> None:
    """Metrics of each group, and the gaps between groups.

    Args:
        main: the metric that is drawn and whose gap is told for every class.
        label: the class (or mean) that stands for the whole.
        shown: metrics of the table.
    """
    if not evaluation["groups"]:
        return
    page.heading("Groups")
    rows = [row for row in evaluation["groups"] if row["class"] == label]
    of_main = [row for row in rows if row["metric"] == main]
    names = [(f"{row['attribute']}: {row['group']}", row) for row in of_main]
    whole = evaluation["metrics"][label][main]
    page.picture(
        draw_intervals([("everyone", whole), *names], TITLES[main], whole["value"]),
        f"{TITLES[main]} of each group with 95 % intervals; the line is everyone's.",
    )
    heads = ["attribute", "group", "images", "patients", *(TITLES[metric] for metric in shown)]
    by_group = {(row["attribute"], row["group"], row["metric"]): row for row in rows}
    page.table(
        heads,
        [
            [
                *(row[key] for key in ("attribute", "group", "images", "patients")),
                *(in_cell(by_group[row["attribute"], row["group"], metric]) for metric in shown),
            ]
            for row in of_main
        ],
    )
    _add_gaps(page, evaluation, main, label)


def _add_gaps(page: Report, evaluation: Mapping[str, Any], main: str, label: str) -> None:
    gaps = [row for row in evaluation["gaps"] if row["metric"] == main]
    if not gaps:
        return
    page.heading("Gaps between groups")
    of_whole = [row for row in gaps if row["class"] == label]
    for row in of_whole:
        page.text(gap_sentence(row, TITLES[main]))
    sure = [row for row in gaps if row["low"] is not None]
    shown = sure if len(sure) <= GAPS else [row for row in sure if row["class"] == label]
    named = [(_pair(row), row) for row in shown]
    if named:
        page.picture(
            draw_intervals(named, f"difference in {TITLES[main]}", 0.0, "difference"),
            f"{TITLES[main]} of the first group less that of the second with 95 % intervals, where there are patients enough.",
        )
    heads = ["attribute", "first", "second", "class", f"difference in {TITLES[main]}", "p", "p (Holm)"]
    page.table(
        heads,
        [
            [
                *(row[key] for key in ("attribute", "first", "second", "class")),
                with_interval(row, "difference", sign="+"), p_value(row["p"]), p_value(row["adjusted_p"]),
            ]
            for row in shown
        ],
    )  # fmt: skip
    if len(shown) < len(sure):
        page.text(f"These are {len(shown)} of {len(sure)} gaps: those of single classes stand in gaps.csv only.")
    page.text(
        "Groups that share patients are resampled together. The Holm p-values hold for all gaps of one attribute; an "
        "interval stands for itself. Gaps that rest on under 5 patients stand in gaps.csv only."
    )


def gap_sentence(row: Mapping[str, Any], title: str) -> str:
    """A gap as a sentence."""
    pair = f"{row['attribute']} {row['first']} against {row['second']}"
    if row["low"] is None:
        return f"{pair}: there is no interval, for want of patients or since nothing varies, so that {title} cannot be held against each other."
    bounds = f"{with_interval(row, 'difference', sign='+')}, p {p_sentence(row['adjusted_p'])} after Holm"
    if row["adjusted_p"] < SIGNIFICANT:
        return f"{pair}: {title} is {'higher' if row['difference'] > 0 else 'lower'} ({bounds})."
    return f"{pair}: no difference in {title} can be told ({bounds})."


def add_rivals(page: Report, evaluation: Mapping[str, Any]) -> None:
    """Trivial rivals beside the model: values, and paired differences over test patients."""
    rows = evaluation.get("rivals") or []
    if not rows:
        return
    title = TITLES[rows[0]["metric"]]
    page.heading("Trivial rivals")
    named = [
        (row["rival"], {"value": row["difference"], "low": row["difference_low"], "high": row["difference_high"]})
        for row in rows
    ]
    page.picture(
        draw_intervals(named, f"{title} of the model less that of the rival", 0.0),
        "Right of the line the model is better. 95 % intervals, paired over test patients.",
    )
    page.table(
        ["rival", title, "of the model", "difference", "p", "what it is"],
        [
            [
                row["rival"], in_cell(row), number(row["model"]),
                in_cell({"value": row["difference"], "low": row["difference_low"], "high": row["difference_high"]}, sign="+"),
                p_value(row["p"]), row.get("what", ""),
            ]
            for row in rows
        ],
    )  # fmt: skip
    page.text(
        "Rivals learn from the training part alone and choose their strength on validation. A model is called better where the "
        "interval of its difference to each of them lies above 0."
    )


def add_method(page: Report, evaluation: Mapping[str, Any], statements: Sequence[str]) -> None:
    """How it was measured, and what to bear in mind."""
    page.heading("How it was measured")
    for statement in statements:
        page.text(statement)
    page.text(f"{evaluation['intervals']}. Seed {evaluation['seed']}.")
    for note in evaluation["notes"]:
        page.text(f"Note: {note}.")


def name_of(image: str) -> str:
    """The end of a path."""
    return Path(image).name


def _pair(row: Mapping[str, Any]) -> str:
    return f"{row['class']}: {row['first']} less {row['second']}".replace("_", " ")
