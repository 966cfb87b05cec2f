"""What all figures share: colours on light and on dark ground, and a figure as PNG."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.figure import Figure

INK, SOFT = "#333333", "#bbbbbb"  # on white
COLOURS = (
    "#1f77b4",
    "#d9822b",
    "#2a9d5c",
    "#b04fb5",
    "#c8443c",
    "#8c6d31",
    "#17a2b8",
    "#7f7f7f",
)  # of series, on white
DARK, LIGHT, DIM = "#16181d", "#f2f2f2", "#a8adb8"  # a dark ground beside images, and what is written on it
ON_DARK = ("#4cc2ff", "#ffb454", "#9aa0ab", "#c792ea", "#8bd450", "#ff6b81")  # of series
DPI = 110


def to_png(figure: Figure, dpi: float = DPI, **how: Any) -> bytes:
    """A figure as the bytes of a PNG file; `how` goes to `Figure.savefig`."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=dpi, format="png", **how)
    return buffer.getvalue()
