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


def fillMatches(widget, rows, source: int, untrained=()) -> None:
    """How far the best place stands out from the runner-up, in every image but the source; in the tooltip where they are.

    Args:
        untrained: rows of an untrained network with the same search radius, for the tooltip.
    """
    others = [row for row in rows if row["image"] != source]
    beside = {row["image"]: row for row in untrained}
    texts = [(row["name"], pixelText(row["x"], row["y"]), f"{row['confidence']:.2f}") for row in others]
    tip = _(
        "{name}: confidence {confidence:.2f} (0: as alike elsewhere); similarity {similarity:.4f}, of the runner-up {other}"
    )
    tips = [
        tip.format(other=_number(row["runner_up_similarity"]), **row) + _beside(beside.get(row["image"]))
        for row in others
    ]
    fillRows(widget, (_("Image"), _("Best at"), _("Confidence")), texts, tips=tips)
    widget.visible = bool(others)


def _beside(row) -> str:
    """Where an untrained network with the same search radius finds it."""
    if row is None:
        return ""
    said = _("\nAn untrained network with the same radius: {where}, confidence {confidence:.2f}")
    return said.format(where=pixelText(row["x"], row["y"]), confidence=row["confidence"])


def fillLandmarks(widget, rows, unit: str) -> None:
    """Median error and, in brackets, share within a patch, per model, landmark and group; in the tooltip their intervals and the means."""
    headers = (_("Model"), _("Landmark"), _("Median ({unit})").format(unit=unit))
    texts = [(row["model"], _place(row), f"{row['median']:.1f} ({row['within_cell']:.0%})") for row in rows]
    tip = _(
        "{model}, in {unit}: median {median}, within a patch {share}, mean {mean}, clipped at 30 % of the width {clipped}"
    )
    tips = [
        tip.format(
            model=row["model"], unit=unit, median=_error(row, "median"), share=_share(row), mean=_error(row, "mean"),
            clipped=_error(row, "mean_clipped"),
        )
        for row in rows
    ]  # fmt: skip
    fillRows(widget, headers, texts, tips=tips)
    widget.visible = bool(rows)


def pixelText(x: float, y: float) -> str:
    """A pixel, rounded."""
    return f"{x:.0f}, {y:.0f}"


def _place(row) -> str:
    """The landmark, and the group of patients where it is not all of them."""
    return row["landmark"] if row["group"] == "all" else _("{landmark}, {group}").format(**row)


def _error(row, measure: str) -> str:
    """A distance and its interval; of few patients there is no interval."""
    low, high = row[f"{measure}_low"], row[f"{measure}_high"]
    return f"{row[measure]:.1f}" + ("" if low is None else f" ({low:.1f} to {high:.1f})")


def _share(row) -> str:
    low, high = row["within_cell_low"], row["within_cell_high"]
    return f"{row['within_cell']:.0%}" + ("" if low is None else f" ({low:.0%} to {high:.0%})")


def _number(value) -> str:
    return "-" if value is None else f"{value:.2f}"
