"""From replicates of numbers to intervals and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from medssl.evaluation.statistics.interval import FEWEST, LEVEL, Interval, Test

TAIL = (1 - LEVEL / 100) / 2
EDGE = 0.01  # share of the replicates


@dataclass(frozen=True)
class Resampled:
    """K numbers as measured, on each replicate, and with each patient (or group of patients) left out.

    Intervals are BCa (Efron, "Better bootstrap confidence intervals", Journal of the American Statistical Association 82,
    1987), moved outwards for few patients as Student's are against normal ones (Hesterberg, "What teachers should know about
    the bootstrap", The American Statistician 69, 2015). The degrees of freedom are Satterthwaite's, from how evenly the
    patients carry the number: an AUC with 10 positive patients among 200 has about 10. Simulated coverage of this and of
    plain percentiles: `benchmarks/experiments/intervals.py`.
    """

    values: np.ndarray  # (K,)
    replicates: np.ndarray  # (R, K), nan where a replicate holds nothing to measure
    left_out: np.ndarray  # (G, K)

    def minus(self, other: Resampled) -> Resampled:
        """The differences to numbers that were resampled by the same draws."""
        return Resampled(self.values - other.values, self.replicates - other.replicates, self.left_out - other.left_out)

    def intervals(self, patients: Sequence[int] | np.ndarray) -> list[Interval]:
        """The interval of each number.

        Args:
            patients: (K,) on how many patients each rests: of a sensitivity, those with the finding. Under 5, or where all
                replicates are equal (`varies` is False), resampling says nothing: the bounds are None.
        """
        return [self._interval(n, int(patients[n]), corrected=True) for n in range(len(self.values))]

    def tests(self, patients: Sequence[int] | np.ndarray, name: str = "paired bootstrap") -> list[Test]:
        """Each number, a difference, against 0: its interval, and the p-value at whose level that would just touch 0."""
        found = []
        for n in range(len(self.values)):
            bounds = self._interval(n, int(patients[n]), corrected=False)
            p = None if bounds.low is None else self._p(n)
            found.append(Test(name, bounds.value, bounds.low, bounds.high, p, bounds.varies))
        return found

    def variance(self, n: int) -> float:
        """The jackknife's, of one number, between groups of patients."""
        left_out = _known(self.left_out[:, n])
        return float(left_out.var()) * (len(left_out) - 1) if len(left_out) else 0.0

    def freedom(self, n: int) -> float:
        """Degrees of freedom of that variance, Satterthwaite's."""
        return self._shape(n, corrected=False).freedom

    def _interval(self, n: int, patients: int, corrected: bool) -> Interval:
        known = _known(self.replicates[:, n])
        if np.isnan(self.values[n]):
            return Interval(None, None, None)
        value = float(self.values[n])
        if patients < FEWEST or not len(known) or np.ptp(known) == 0:
            return Interval(value, None, None, varies=patients < FEWEST or not len(known))
        shape = self._shape(n, corrected)
        z = shape.bias + stats.t.ppf(TAIL, shape.freedom) * shape.expansion * np.array([1, -1])
        moved = shape.bias + _stretch(z, shape.acceleration)
        low, high = np.percentile(known, 100 * stats.norm.cdf(moved))
        return Interval(value, float(low), float(high))

    def _p(self, n: int) -> float:
        shape = self._shape(n, corrected=False)
        z = _normal_score(_known(self.replicates[:, n]), 0.0)
        return float(2 * stats.t.cdf(-abs(z) / shape.expansion, shape.freedom))

    def _shape(self, n: int, corrected: bool) -> _Shape:
        left_out = _known(self.left_out[:, n])
        off = left_out.mean() - left_out
        squares, groups = float((off**2).sum()), len(off)
        tails = groups * float((off**4).sum()) / squares**2 if squares else 1.0  # kurtosis of what each patient carries
        freedom = 2 * groups / (tails - 1) if tails > 1 else groups
        freedom = min(max(freedom, FEWEST - 1), groups - 1)
        if not corrected or not squares:
            return _Shape(0.0, 0.0, freedom)
        bias = _share_score(_known(self.replicates[:, n]), float(self.values[n]))
        return _Shape(bias, float((off**3).sum()) / (6 * squares**1.5), freedom)


@dataclass(frozen=True)
class _Shape:
    """How far the replicates' median is off, how their spread changes with the value, and how sure that spread is."""

    bias: float
    acceleration: float
    freedom: float

    @property
    def expansion(self) -> float:
        """The bootstrap's variance divides by n, not n - 1."""
        return float(np.sqrt(1 + 1 / self.freedom))


def _stretch(z: np.ndarray, acceleration: float) -> np.ndarray:
    """z / (1 - acceleration z), infinite beyond the pole."""
    room = 1 - acceleration * z
    return np.where(room > 0, z / np.where(room > 0, room, 1), np.copysign(np.inf, z))


def _share_score(known: np.ndarray, value: float) -> float:
    """Normal score of the share of replicates below a value, equal ones counting half; finite."""
    share = (np.count_nonzero(known < value) + np.count_nonzero(known == value) / 2) / len(known)
    least = 1 / (len(known) + 1)
    return float(stats.norm.ppf(min(max(share, least), 1 - least)))


def _normal_score(known: np.ndarray, value: float) -> float:
    """As `_share_score`, but beyond the outermost 1 % of the replicates their tail goes on as a normal one.

    Else no p-value could be below that of one replicate, and a table of many comparisons would find nothing.
    """
    middle, *ends = np.percentile(known, [50, 100 * EDGE, 100 * (1 - EDGE)])
    for end, side in zip(ends, (-1, 1)):
        if side * (value - end) > 0 and side * (end - middle) > 0:
            return float(side * stats.norm.ppf(1 - EDGE) * (value - middle) / (end - middle))
    return _share_score(known, value)


def _known(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]
