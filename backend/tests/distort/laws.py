"""The released generator's distributions, and how far a sample lies from them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "genesis_distortion.json").read_text())
LEVELS = np.array(REFERENCE["quantile_levels"])
CUBE = tuple(REFERENCE["cube"])


def reference_mean(quantiles: list[float]) -> float:
    """The mean of a distribution given by its quantiles at LEVELS."""
    return float(np.trapezoid(quantiles, LEVELS)) if hasattr(np, "trapezoid") else float(np.trapz(quantiles, LEVELS))


def ks_distance(samples: np.ndarray, quantiles: list[float]) -> float:
    """Largest gap between the empirical distribution and the reference at its quantiles; atoms span an interval."""
    samples = np.sort(samples)
    below = np.searchsorted(samples, np.array(quantiles) - 1e-7, "left") / len(samples)
    upto = np.searchsorted(samples, np.array(quantiles) + 1e-7, "right") / len(samples)
    return float(np.max(np.maximum(np.maximum(below - LEVELS, LEVELS - upto), 0)))
