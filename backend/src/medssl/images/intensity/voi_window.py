"""The window that a DICOM radiograph states (centre and width of its values of interest): whether it can be used, and its ends."""

from __future__ import annotations

import math

import numpy as np

RADIOGRAPHS = (
    "CR",
    "DX",
    "RG",
    "DR",
)  # modalities of DICOM whose window belongs to the image; elsewhere it is one of many
NARROWEST = 0.01  # of the range of values (percentiles 0.5 to 99.5): a narrower window leaves black and white only


def unusable(center: float, width: float, values: np.ndarray, function: str = "") -> str:
    """Why a window shows nothing of the values; "" where it does show something. `function`: VOILUTFunction."""
    if not (math.isfinite(center) and math.isfinite(width)):
        return "is no pair of numbers"
    if width <= 0:
        return "has no width above 0"
    if function != "SIGMOID" and (center + width / 2 <= values.min() or center - width / 2 >= values.max()):
        return f"lies outside the values ({values.min():g} to {values.max():g})"
    low, high = np.percentile(values, (0.5, 99.5))
    if width < NARROWEST * float(high - low):
        return f"is too narrow for the values ({low:g} to {high:g})"
    return ""


def ends(center: float, width: float) -> tuple[float, float]:
    """The values that become black and white (DICOM PS3.3, C.11.2.1.2)."""
    return center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
