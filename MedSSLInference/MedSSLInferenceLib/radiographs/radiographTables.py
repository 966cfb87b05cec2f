"""Rows of comparisons in the panel's tables."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _


def fillCorrespondences(widget, rows) -> None:
    """Label, image, pixel, similarity, confidence."""
    headers = [_("Place"), _("Image"), _("x, y"), _("Similarity"), _("Confidence")]
    texts = [
        [
            row["label"],
            row["name"],
            pixelText(row["x"], row["y"]),
            f"{row['similarity']:.2f}",
            f"{row['confidence']:.2f}",
        ]
        for row in rows
    ]
    _fill(widget, headers, texts)


def fillMatches(widget, rows, source: int) -> None:
    """Best place and runner-up of every image but the source."""
    headers = [_("Image"), _("Best at x, y"), _("Similarity"), _("Runner-up"), _("Confidence")]
    texts = [
        [row["name"], pixelText(row["x"], row["y"]), f"{row['similarity']:.2f}",
         "-" if row["runner_up_similarity"] is None else f"{row['runner_up_similarity']:.2f}", f"{row['confidence']:.2f}"]
        for row in rows if row["image"] != source
    ]  # fmt: skip
    _fill(widget, headers, texts)


def fillLandmarks(widget, rows, unit: str) -> None:
    """Mean error with its interval and share within one patch, per model, landmark and group."""
    headers = [_("Model"), _("Landmark"), _("Group"), _("Error ({unit})").format(unit=unit), _("Within a patch")]
    texts = [
        [row["model"], row["landmark"], row["group"], f"{row['mean']:.1f} ({row['low']:.1f} to {row['high']:.1f})",
         f"{row['within_cell']:.0%}"] for row in rows
    ]  # fmt: skip
    _fill(widget, headers, texts)


def pixelText(x: float, y: float) -> str:
    """A pixel, rounded."""
    return f"{x:.0f}, {y:.0f}"


def _fill(widget, headers, texts) -> None:
    """Rows are filled in place while a point moves."""
    before = widget.blockSignals(True)
    widget.setRowCount(len(texts))
    widget.setColumnCount(len(headers))
    widget.setHorizontalHeaderLabels(headers)
    for r, row in enumerate(texts):
        for c, text in enumerate(row):
            if widget.item(r, c) is None:
                widget.setItem(r, c, qt.QTableWidgetItem(text))
            else:
                widget.item(r, c).setText(text)
    widget.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Stretch)
    widget.blockSignals(before)
