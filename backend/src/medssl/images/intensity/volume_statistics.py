"""What is known of a volume's intensities, computed once when it is cached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

LEVELS = 1001  # quantiles 0, 0.1 %, … 100 %
CT_AIR = -500.0  # HU, half-way between air and water
AIR_SHARE = 0.05  # of the range, where there are no absolute units


@dataclass(frozen=True, eq=False)
class VolumeStatistics:
    """Extremes of all voxels, and quantiles of those that are not air; in stored units.

    Air is what lies below `air_threshold`: -500 HU in CT, nothing in radiographs; elsewhere 5 % of the way from the minimum
    to the 99.5th percentile of all voxels, which a few bright artefacts do not move.
    """

    minimum: float
    maximum: float
    air_threshold: float
    quantiles: np.ndarray  # (1001,) float32
    whole: bool = False  # stored as whole numbers

    def percentile(self, percent: float) -> float:
        """Percentile (0…100) of the non-air voxels, interpolated between the stored levels."""
        return float(np.interp(percent, np.linspace(0, 100, LEVELS), self.quantiles))

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "minimum": self.minimum,
            "maximum": self.maximum,
            "air_threshold": self.air_threshold,
            "quantiles": self.quantiles.tolist(),
            "whole": self.whole,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> VolumeStatistics:
        """Read what `as_dict` wrote."""
        quantiles = np.asarray(values["quantiles"], np.float32)
        return cls(values["minimum"], values["maximum"], values["air_threshold"], quantiles, values["whole"])


def extremes(array: np.ndarray) -> VolumeStatistics:
    """Statistics of a volume of which the minimum and the maximum will do: many times faster than `compute`."""
    low, high = float(array.min()), float(array.max())
    return VolumeStatistics(low, high, low, np.array([low, high], np.float32), array.dtype.kind in "iub")


def compute(array: np.ndarray, modality: str) -> VolumeStatistics:
    """Statistics of a volume (any shape); where all is air, the quantiles are of all voxels."""
    values = np.sort(array, axis=None)
    top = float(values[round(0.995 * (values.size - 1))])
    low, high = float(values[0]), float(values[-1])
    threshold = {"CT": CT_AIR, "CXR": low}.get(modality, low + AIR_SHARE * (top - low))
    least = values.dtype.type(
        np.ceil(threshold) if values.dtype.kind in "iu" else threshold
    )  # else numpy copies all to float
    tissue = values[np.searchsorted(values, least) :]
    tissue = tissue if tissue.size else values
    ranks = np.rint(np.linspace(0, tissue.size - 1, LEVELS)).astype(np.int64)
    whole = values.dtype.kind in "iub"
    return VolumeStatistics(low, high, threshold, tissue[ranks].astype(np.float32), whole)
