"""Is a difference more than the luck of seeds and of test patients together? Both are drawn, each by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from medssl.evaluation.statistics.interval import FEWEST, Test
from medssl.evaluation.statistics.resampled import TAIL, Resampled
from medssl.evaluation.statistics.significance import LEAST_SPREAD

CROSSED = "crossed bootstrap"


def crossed_test(of_seeds: Sequence[Resampled], patients: int, seed: int = 0) -> Test | None:
    """The mean over seeds of a difference, against 0, as if other seeds and other patients had been drawn.

    Every replicate draws patients and, independently of them, seeds with replacement (Owen, "The pigeonhole bootstrap", Annals
    of Applied Statistics 1, 2007). Few seeds spread too little when they are drawn from themselves, by (n - 1) / n of their
    variance: the replicates' standard error is expanded by that, and the interval is Student's with Satterthwaite's
    degrees of freedom of both. Simulated coverage: `benchmarks/experiments/crossed.py`.

    Args:
        of_seeds: of each seed, one difference resampled by the same draws of patients.
        patients: on how many it rests; under 5 the bounds are None.
        seed: of the draws of seeds.

    Returns:
        None for a single seed, which says nothing of others. Bounds and p are None where nothing varies.
    """
    seeds = len(of_seeds)
    if seeds < 2:
        return None
    values = np.array([one.values[0] for one in of_seeds])  # (S,)
    value = float(values.mean())
    mean = Resampled(values.mean(keepdims=True), *(_mean(of_seeds, name) for name in ("replicates", "left_out")))
    by_seed, by_patient = float(values.var(ddof=1)) / seeds, mean.variance(0)
    if patients < FEWEST or by_seed + by_patient <= LEAST_SPREAD**2 or np.isnan(value):
        return Test(CROSSED, None if np.isnan(value) else value, None, None, None)
    drawn = np.concatenate([one.replicates for one in of_seeds], axis=1)  # (R, S)
    weights = np.random.default_rng(seed).multinomial(seeds, np.full(seeds, 1 / seeds), len(drawn))
    spread = float(np.nanstd((weights * drawn).sum(axis=1) / seeds))
    groups = len(mean.left_out)
    shrunk = by_patient * (groups - 1) / groups + by_seed * (seeds - 1) / seeds
    error = spread * float(np.sqrt((by_seed + by_patient) / shrunk))
    freedom = (by_seed + by_patient) ** 2 / (by_seed**2 / (seeds - 1) + by_patient**2 / mean.freedom(0))
    half = float(stats.t.isf(TAIL, freedom)) * error
    return Test(CROSSED, value, value - half, value + half, float(2 * stats.t.sf(abs(value) / error, freedom)))


def _mean(of_seeds: Sequence[Resampled], name: str) -> np.ndarray:
    return np.mean([getattr(one, name) for one in of_seeds], axis=0)
