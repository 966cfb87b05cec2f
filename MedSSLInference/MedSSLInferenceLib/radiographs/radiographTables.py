"""Rows of comparisons in the panel's tables: what tells them apart and how sure they are; the rest stands in the tooltips."""

from __future__ import annotations

from slicer.i18n import tr as _

from MedSSLInferenceLib.panel.rowsTable import fillRows


def fillCorrespondences(widget, rows) -> None:
    """Label, image and confidence; in the tooltip the pixel, and the similarity, which is high anywhere in some models."""
    texts = [(row["label"], row["name"], f"{row['confidence']:.2f}") for row in rows]
    tip = _(
        "{label} in {name} at {where}: confidence {confidence:.2f} (0: as alike elsewhere), similarity {similarity:.4f}"
    )
    tips = [tip.format(where=pixelText(row["x"], row["y"]), **row) for row in rows]
    fillRows(widget, (_("Place"), _("Image"), _("Confidence")), texts, name=1, tips=tips)
    widget.visible = bool(rows)


def fillMatches(widget, rows, source: int) -> None:
    """How far the best place stands out from the runner-up, in every image but the source; in the tooltip where they are."""
    others = [row for row in rows if row["image"] != source]
    texts = [(row["name"], pixelText(row["x"], row["y"]), f"{row['confidence']:.2f}") for row in others]
    tip = _(
        "{name}: confidence {confidence:.2f} (0: as alike elsewhere); similarity {similarity:.4f}, of the runner-up {other}"
    )
    tips = [tip.format(other=_number(row["runner_up_similarity"]), **row) for row in others]
    fillRows(widget, (_("Image"), _("Best at"), _("Confidence")), texts, tips=tips)
    widget.visible = bool(others)


def fillLandmarks(widget, rows, unit: str) -> None:
    """Mean error with its interval, per model, landmark and group; in the tooltip the share within one patch."""
    headers = (_("Model"), _("Landmark"), _("Error ({unit})").format(unit=unit))
    texts = [(row["model"], _place(row), _error(row)) for row in rows]
    tips = [_("{share:.0%} lie within a patch").format(share=row["within_cell"]) for row in rows]
    fillRows(widget, headers, texts, tips=tips)
    widget.visible = bool(rows)


def pixelText(x: float, y: float) -> str:
    """A pixel, rounded."""
    return f"{x:.0f}, {y:.0f}"


def _place(row) -> str:
    """The landmark, and the group of patients where it is not all of them."""
    return row["landmark"] if row["group"] == "all" else _("{landmark}, {group}").format(**row)


def _error(row) -> str:
    """Mean and interval; of few patients there is no interval."""
    interval = "" if row["low"] is None else f" ({row['low']:.1f} to {row['high']:.1f})"
    return f"{row['mean']:.1f}{interval}"


def _number(value) -> str:
    return "-" if value is None else f"{value:.2f}"
