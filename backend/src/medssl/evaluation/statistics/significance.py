"""Is a difference more than chance? Tests of one or many comparisons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from medssl.core.errors import InputError
from medssl.evaluation.statistics.interval import LEVEL, Test

LEAST_SPREAD = 1e-12  # of runs: below, they differ by rounding only


def independent_t(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> Test:
    """Student's two-sample t-test with equal variances, the test of the Genesis and PEAC papers: first - second.

    Raises:
        InputError: fewer than two values on a side.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    return _t("independent t", stats.ttest_ind, first, second, max(_spread(first), _spread(second)))


def paired_t(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> Test:
    """Student's t-test of paired values: first - second.

    Raises:
        InputError: fewer than two pairs, or lists of different length.
    """
    if len(first) != len(second):
        raise InputError(
            f"{len(first)} and {len(second)} values",
            "cannot be paired",
            "Give a value of each run twice",
            code="values-not-paired",
        )
    first, second = np.asarray(first, float), np.asarray(second, float)
    return _t("paired t", stats.ttest_rel, first, second, _spread(first - second))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values that keep the chance of any false finding among all comparisons at the level.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979. Unknown
    p-values (None) stay unknown and are not counted.
    """
    known = [n for n, p in enumerate(p_values) if p is not None]
    values = np.array([p_values[n] for n in known], float)
    order = np.argsort(values, kind="stable")
    raised = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(known), 0, -1)), 1.0)
    adjusted: list[float | None] = [None] * len(p_values)
    for place, p in zip(order, raised):
        adjusted[known[place]] = float(p)
    return adjusted


def _t(name: str, test: Callable[..., Any], first: np.ndarray, second: np.ndarray, spread: float) -> Test:
    if min(len(first), len(second)) < 2:
        raise InputError(
            f"{len(first)} and {len(second)} values",
            "are too few for a t-test",
            "Take two seeds or more",
            code="too-few-values",
        )
    difference = float(first.mean() - second.mean())
    if spread <= LEAST_SPREAD:
        return Test(name, difference, None, None, None)  # nothing to hold the difference against
    result = test(first, second)
    bounds = result.confidence_interval(LEVEL / 100)
    return Test(name, difference, float(bounds.low), float(bounds.high), float(result.pvalue))


def _spread(values: np.ndarray) -> float:
    """Largest minus smallest; 0 of none."""
    return float(np.ptp(values)) if len(values) else 0.0
