"""Places found in another volume, in the panel's table."""

from __future__ import annotations

import math

from slicer.i18n import tr as _

from MedSSLInferenceLib.panel.rowsTable import fillRows
from MedSSLInferenceLib.scene.comparison.placeNodes import BY_MODEL, BY_UNTRAINED


def fillPlaces(widget, rows) -> None:
    """A row per point: how far its place stands out, and how far the way back ends from it; in the tooltip where it is."""
    found = [row for row in rows if row["by"] == BY_MODEL]
    control = {row["point"]: row for row in rows if row["by"] == BY_UNTRAINED}
    titles = (_("Point"), _("Confidence"), _("Way back (mm)"))
    texts, tips = [], []
    for row in found:
        texts.append((row["label"], f"{row['confidence']:.2f}", f"{row['way_back']:.1f}"))
        tip = _("At {r:.1f}, {a:.1f}, {s:.1f} (RAS): similarity {similarity:.3f}; confidence 0: another place is as alike. "
                "What lies there leads back to {way_back:.1f} mm from the point.")  # fmt: skip
        text = tip.format(**row)
        if row["point"] in control:
            away = math.dist(*([one[axis] for axis in "ras"] for one in (row, control[row["point"]])))
            text += " " + _("The same network before training finds a place {away:.1f} mm from there.").format(
                away=away
            )
        tips.append(text)
    fillRows(widget, titles, texts, tips=tips)
    widget.visible = bool(found)
