"""Do saliency maps point to where a finding is known to lie, more often than a point without a look would?

The pointing game of Zhang et al., "Top-down neural attention by excitation backprop", International Journal of Computer
Vision 126, 2018: one point of each map, a hit or a miss. Two controls need no network: a place drawn at random, and the
image's centre, which photographers and demonstrations favour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from medssl.core.errors import ConfigError, InputError, counted
from medssl.evaluation.statistics.interval import FEWEST, Interval
from medssl.evaluation.statistics.proportion import share
from medssl.evaluation.verdicts import Verdict


@dataclass(frozen=True)
class PointingGame:
    """Hits of maps, and how often the controls hit.

    Attributes:
        hits: of each map.
        rate: share of hits with Wilson's interval, which takes the images for independent: those of one patient hardly are.
        random: share of hits of a place drawn at random, the mean over the images: the region's share of the image.
        centre: share of images whose centre lies in the region.
    """

    hits: tuple[bool, ...]
    rate: Interval
    random: float
    centre: float

    @property
    def verdict(self) -> Verdict:
        """Good where the whole interval lies above both controls; nothing is said of fewer than 5 maps."""
        if self.rate.low is None or self.rate.high is None:
            return Verdict("No map could be held against a known place.", None)
        facts = (
            f"{sum(self.hits)} of {counted(len(self.hits), 'map')} (95 % interval {self.rate.low:.0%} to {self.rate.high:.0%}); "
            f"a random place hits {self.random:.0%}, the image's centre {self.centre:.0%}"
        )
        if len(self.hits) < FEWEST:
            return Verdict(f"Too few maps to say whether they point to the finding: {facts}.", None)
        control = max(self.random, self.centre)
        if self.rate.low > control:
            return Verdict(f"The maps point to the finding: {facts}.", True)
        worse = self.rate.high < control
        said = "point elsewhere than to the finding" if worse else "are not shown to point to the finding"
        return Verdict(f"The maps {said}: {facts}.", False)

    def as_dict(self) -> dict[str, Any]:
        """For a result's info."""
        return {
            "maps": len(self.hits), "hits": sum(self.hits), "rate": self.rate.value, "low": self.rate.low,
            "high": self.rate.high, "random": self.random, "centre": self.centre, "verdict": self.verdict.as_dict(),
        }  # fmt: skip


def pointing_game(maps: Sequence[np.ndarray], regions: Sequence[np.ndarray], tolerance: float = 0.0) -> PointingGame:
    """Play it with maps (rows, columns) and the regions (rows, columns) bool where the findings are known to lie.

    Args:
        maps: of one image each; larger values speak for the finding.
        regions: in the same order; none may be empty.
        tolerance: pixels around a region that still count: networks see patches, not pixels.

    Raises:
        InputError: other numbers or shapes of maps than of regions, or an empty region.
        ConfigError: a negative tolerance.
    """
    _check(maps, regions, tolerance)
    wide = [ndimage.distance_transform_edt(~np.asarray(region, bool)) <= tolerance for region in regions]
    points = [brightest(one) for one in maps]
    hits = tuple(point is not None and bool(region[point]) for point, region in zip(points, wide))
    centres = [bool(region[tuple(n // 2 for n in region.shape)]) for region in wide]
    return PointingGame(
        hits, share(sum(hits), len(hits)), _mean([float(region.mean()) for region in wide]), _mean(centres)
    )


def brightest(values: np.ndarray) -> tuple[int, int] | None:
    """Row and column of a map's maximum; of equal ones the nearest to their middle. A map that is the same everywhere has none."""
    if not np.isfinite(values).all() or np.ptp(values) == 0:
        return None
    places = np.argwhere(values == values.max())
    row, column = places[np.argmin(((places - places.mean(axis=0)) ** 2).sum(axis=1))]
    return int(row), int(column)


def _check(maps: Sequence[np.ndarray], regions: Sequence[np.ndarray], tolerance: float) -> None:
    if tolerance < 0:
        raise ConfigError(
            f"tolerance = {tolerance:g}",
            "must not be below 0",
            "0 takes the region itself",
            code="setting-out-of-range",
        )
    if len(maps) != len(regions):
        raise InputError(
            f"{counted(len(maps), 'map')} and {counted(len(regions), 'region')}",
            "do not go together",
            "Give a region for each map",
            code="regions-not-paired",
        )
    for number, (one, region) in enumerate(zip(maps, regions)):
        if one.shape != region.shape or not np.any(region):
            rule = "is empty" if one.shape == region.shape else f"is {region.shape}, its map {one.shape}"
            raise InputError(
                f"region {number}", rule, "Give the pixels of the map that show the finding", code="region-unusable"
            )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else 0.0
