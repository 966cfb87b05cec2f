"""From replicates of numbers to intervals and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from medssl.evaluation.statistics import FEWEST, LEVEL

TAIL = (1 - LEVEL / 100) / 2


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval; None where it cannot be told."""

    value: float | None
    low: float | None
    high: float | None

    def as_dict(self) -> dict[str, float | None]:
        return asdict(self)


@dataclass(frozen=True)
class Test:
    """A difference (first - second) with its 95 % interval and the two-sided p-value; None where it cannot be told."""

    name: str
    difference: float | None
    low: float | None
    high: float | None
    p: float | None

    __test__ = False  # not one of pytest's

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Resampled:
    """K numbers as measured, on each replicate, and with each patient (or group of patients) left out.

    Intervals are BCa (Efron, "Better bootstrap confidence intervals", Journal of the American Statistical Association 82,
    1987), moved outwards for few patients: the bootstrap's variance divides by n where Student's divides by n - 1, and its
    quantiles are normal ones (Hesterberg, "What teachers should know about the bootstrap", The American Statistician 69,
    2015). Simulated coverage of this and of simpler intervals: `benchmarks/coverage.py`.
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
                replicates are equal, resampling says nothing: the bounds are None.
        """
        return [self._interval(n, int(patients[n])) for n in range(len(self.values))]

    def tests(self, patients: Sequence[int] | np.ndarray, name: str = "paired bootstrap") -> list[Test]:
        """Each number against 0: its interval, and the p-value at whose level the interval would just touch 0."""
        return [
            Test(
                name,
                bounds.value,
                bounds.low,
                bounds.high,
                self._p(n, int(patients[n])) if bounds.low is not None else None,
            )
            for n, bounds in enumerate(self.intervals(patients))
        ]

    def _interval(self, n: int, patients: int) -> Interval:
        known = _known(self.replicates[:, n])
        if np.isnan(self.values[n]):
            return Interval(None, None, None)
        value = float(self.values[n])
        if patients < FEWEST or not len(known) or np.ptp(known) == 0:
            return Interval(value, None, None)
        bias, acceleration = self._shape(n, known)
        z = bias + stats.t.ppf(TAIL, patients - 1) * _expansion(patients) * np.array([1, -1])
        room = 1 - acceleration * z
        moved = bias + np.where(room > 0, z / np.where(room > 0, room, 1), np.inf * np.sign(z))
        low, high = np.percentile(known, 100 * stats.norm.cdf(moved))
        return Interval(value, float(low), float(high))

    def _p(self, n: int, patients: int) -> float:
        known = _known(self.replicates[:, n])
        bias, acceleration = self._shape(n, known)
        moved = _quantile(known, 0.0) - bias
        room = 1 + acceleration * moved
        z = (moved / room if room > 0 else np.inf * np.sign(moved)) - bias
        return float(2 * stats.t.cdf(-abs(z) / _expansion(patients), patients - 1))

    def _shape(self, n: int, known: np.ndarray) -> tuple[float, float]:
        """Bias and acceleration: how far the replicates' median is off, and how their spread changes with the value."""
        off = _known(self.left_out[:, n])
        off = off.mean() - off
        squares = float((off**2).sum())
        acceleration = float((off**3).sum()) / (6 * squares**1.5) if squares > 0 else 0.0
        return _quantile(known, float(self.values[n])), acceleration


def _quantile(known: np.ndarray, value: float) -> float:
    """Normal quantile of the share of replicates below a value, equal ones counting half; finite."""
    share = (np.count_nonzero(known < value) + np.count_nonzero(known == value) / 2) / len(known)
    least = 1 / (len(known) + 1)
    return float(stats.norm.ppf(min(max(share, least), 1 - least)))


def _known(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]


def _expansion(patients: int) -> float:
    return float(np.sqrt(patients / (patients - 1)))
