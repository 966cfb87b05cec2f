"""Retrieval errors as rows: per model, landmark and group, and models held against each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from medssl.evaluation.statistics.pair_bootstrap import PairBootstrap

ALL = "all"


def landmark_rows(
    error: dict[str, np.ndarray],
    cells: dict[str, np.ndarray],
    subsets: dict[tuple[str, str], np.ndarray],
    images: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    seed: int,
) -> list[dict[str, Any]]:
    """A row per model and subset.

    Args:
        error, cells: distances (retrievals,) of each model, in the unit of the table and in patches.
        subsets: (landmark, group): which retrievals, (retrievals,) bool.
        images: (retrievals, 2) numbers of source and target image.
        first, second: their patients, (retrievals,).
        seed: of the bootstrap.

    Returns:
        model, landmark, group, pairs (of images), patients, mean, low, high, median, within_cell.
    """
    rows = []
    for (landmark, group), chosen in subsets.items():
        bootstrap = PairBootstrap(first[chosen], second[chosen], seed)
        pairs = len(np.unique(images[chosen], axis=0))
        for model, values in error.items():
            interval = bootstrap.mean(values[chosen])
            rows.append(
                {
                    "model": model, "landmark": landmark, "group": group, "pairs": pairs,
                    "patients": bootstrap.patients, "mean": interval.value, "low": interval.low, "high": interval.high,
                    "median": float(np.median(values[chosen])), "within_cell": float(np.mean(cells[model][chosen] <= 1)),
                }
            )  # fmt: skip
    return rows


def difference(
    error: dict[str, np.ndarray], model: str, than: str, first: np.ndarray, second: np.ndarray, seed: int
) -> dict[str, Any]:
    """The mean difference of two models' errors on the same retrievals, below 0 where `model` is the better one."""
    interval = PairBootstrap(first, second, seed).mean(error[model] - error[than])
    return {"model": model, "than": than, "difference": interval.value, "low": interval.low, "high": interval.high}


def difference_sentence(row: dict[str, Any], unit: str) -> str:
    """A difference as a sentence."""
    model, than, mean, low, high = (row[name] for name in ("model", "than", "difference", "low", "high"))
    if low is None:
        return f"{model} against {than}: {mean:+.2f} {unit}; too few patients to say whether that is more than chance."
    bounds = f"95 % interval {low:+.2f} to {high:+.2f}"
    if high < 0:
        return f"{model} is better than {than}: its error is {-mean:.2f} {unit} smaller ({bounds})."
    if low > 0:
        return f"{model} is worse than {than}: its error is {mean:.2f} {unit} larger ({bounds})."
    return f"{model} and {than} cannot be told apart: {mean:+.2f} {unit} ({bounds})."
