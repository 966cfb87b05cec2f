"""Matches of points as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medssl.images.volume import LPS_TO_RAS
from medssl.inspection.volume_match.place_search import PlaceMatch

COLUMNS = (
    "label", "point", "volume", "name", "by", "source_r", "source_a", "source_s", "r", "a", "s", "similarity", "confidence",
    "way_back", "runner_up_r", "runner_up_a", "runner_up_s", "runner_up_similarity",
)  # fmt: skip
AXES = ("r", "a", "s")


def match_rows(
    points: np.ndarray, matches: Sequence[PlaceMatch], volume: int, name: str, by: str
) -> list[dict[str, Any]]:
    """A row per point: what was found of it in one volume.

    Args:
        points: (Q, 3) mm, LPS, of the first volume.
        volume: number of the volume, 1 for the first after the reference.
        by: model, or untrained.
    """
    return [
        {
            "label": str(number + 1), "point": number, "volume": volume, "name": name, "by": by,
            **_ras("source_", point), **_ras("", match.point), "similarity": match.similarity,
            "confidence": match.confidence, "way_back": match.way_back, **_ras("runner_up_", match.runner_up),
            "runner_up_similarity": match.runner_up_similarity,
        }
        for number, (point, match) in enumerate(zip(points, matches))
    ]  # fmt: skip


def _ras(prefix: str, point: np.ndarray | None) -> dict[str, float | None]:
    """R, A and S of a point in LPS; None of none."""
    values = [None] * 3 if point is None else [float(value) for value in LPS_TO_RAS @ point]
    return {f"{prefix}{axis}": value for axis, value in zip(AXES, values)}
