"""How sure is a number that was measured on these patients? Resampling patients, with all of their images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from medssl.evaluation.statistics import FEWEST, LEVEL

Statistic = Callable[[np.ndarray], np.ndarray]  # weights (R, N) -> (R, K)
CHUNK = 2**18  # weights at a time: they stay in the processor's cache
METHOD = (
    "95 % intervals: bootstrap by patient ({replicates} replicates), percentiles expanded for the number of patients "
    "(Hesterberg 2015)"
)


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


class PatientBootstrap:
    """Draws patients with replacement; all images of a patient come with it.

    The interval is that between two percentiles of the replicates, moved outwards for few patients: percentiles alone are
    too narrow by the factor by which a normal quantile and n fall short of Student's and n - 1 (Hesterberg, "What teachers
    should know about the bootstrap", The American Statistician 69, 2015, section 5.3). The same draws serve every
    statistic, so that differences are paired. Where fewer than 5 patients carry a statistic, or all replicates are equal,
    resampling says nothing and the bounds are None.

    Args:
        patients: of each row.
        replicates: how often patients are drawn.
        seed: of the draws.
    """

    def __init__(self, patients: Sequence[str] | np.ndarray, replicates: int = 1000, seed: int = 0) -> None:
        names, self._patient = np.unique(np.asarray(patients), return_inverse=True)
        self.patients, self.rows, self.replicates = len(names), len(self._patient), replicates
        draws = np.random.default_rng(seed).multinomial(
            self.patients, np.full(self.patients, 1 / self.patients), replicates
        )
        self._draws = draws.astype(np.uint16)  # (replicates, patients): how often each was drawn
        self._rows_of = [np.flatnonzero(self._patient == n) for n in range(self.patients)]

    def patients_among(self, rows: np.ndarray) -> int:
        """The number of different patients of rows given by number or mask."""
        return len(np.unique(self._patient[rows]))

    def weights(self) -> Iterator[np.ndarray]:
        """How often each row counts, (some replicates, rows) at a time."""
        step = max(CHUNK // max(self.rows, 1), 1)
        for first in range(0, self.replicates, step):
            yield self._draws[first : first + step, self._patient].astype(float)

    def replicate(self, statistic: Statistic) -> tuple[np.ndarray, np.ndarray]:
        """The statistic's values on the data, (K,), and on each replicate, (replicates, K)."""
        value = statistic(np.ones((1, self.rows)))[0]
        return value, np.concatenate([statistic(weights) for weights in self.weights()])

    def intervals(self, statistic: Statistic, carriers: Sequence[int] | np.ndarray | None = None) -> list[Interval]:
        """An interval for each of the statistic's K values.

        Args:
            statistic: weights (R, rows), how often each row counts, to values (R, K).
            carriers: (K,) patients that each value rests on (for a sensitivity those with the finding); None: all.
        """
        value, replicates = self.replicate(statistic)
        numbers = np.full(len(value), self.patients) if carriers is None else carriers
        return [interval(v, replicates[:, n], int(numbers[n])) for n, v in enumerate(value)]

    def interval(self, statistic: Callable[[np.ndarray], float]) -> Interval:
        """An interval for any statistic of row numbers; a loop, for what cannot be written with weights."""
        return interval(statistic(np.arange(self.rows)), self._loop(statistic), self.patients)

    def mean(self, values: np.ndarray) -> Interval:
        """The mean of a value per row, unknown ones (nan) left out."""
        known = ~np.isnan(values)
        return self.intervals(_mean(values, known), [self.patients_among(known)])[0]

    def mean_difference(self, first: np.ndarray, second: np.ndarray, name: str = "paired bootstrap") -> Test:
        """The mean of first - second over the rows where both are known."""
        values = first - second
        known = ~np.isnan(values)
        value, replicates = self.replicate(_mean(values, known))
        return compare(name, value[0], replicates[:, 0], self.patients_among(known))

    def difference(
        self,
        first: Callable[[np.ndarray], float],
        second: Callable[[np.ndarray], float],
        name: str = "paired bootstrap",
    ) -> Test:
        """Two statistics of row numbers, on the same draws: first - second."""
        whole = np.arange(self.rows)
        replicates = self._loop(lambda rows: first(rows) - second(rows))
        return compare(name, first(whole) - second(whole), replicates, self.patients)

    def _loop(self, statistic: Callable[[np.ndarray], float]) -> np.ndarray:
        values = []
        for draw in self._draws:
            rows = np.concatenate([np.tile(self._rows_of[n], draw[n]) for n in np.flatnonzero(draw)])
            values.append(statistic(rows))
        return np.array(values, float)


def interval(value: float, replicates: np.ndarray, patients: int) -> Interval:
    """The expanded percentile interval of a value from its replicates (R,); nan among them is left out."""
    known = replicates[~np.isnan(replicates)]
    if np.isnan(value) or not len(known):
        return Interval(None, None, None)
    if patients < FEWEST or np.ptp(known) == 0:
        return Interval(float(value), None, None)
    tail = 100 * stats.norm.cdf(stats.t.ppf((1 - LEVEL / 100) / 2, patients - 1) * expansion(patients))
    low, high = np.percentile(known, [tail, 100 - tail])
    return Interval(float(value), float(low), float(high))


def compare(name: str, difference: float, replicates: np.ndarray, patients: int) -> Test:
    """A difference with the same interval as `interval`'s, and the p-value at which that interval would touch 0."""
    bounds = interval(difference, replicates, patients)
    if bounds.low is None:
        return Test(name, bounds.value, None, None, None)
    known = replicates[~np.isnan(replicates)]
    below, above = (np.count_nonzero(side) + np.count_nonzero(known == 0) / 2 for side in (known < 0, known > 0))
    share = (min(below, above) + 1) / (len(known) + 1)  # never 0: as many replicates say no more
    p = 2 * stats.t.cdf(stats.norm.ppf(min(share, 0.5)) / expansion(patients), patients - 1)
    return Test(name, bounds.value, bounds.low, bounds.high, float(p))


def expansion(patients: int) -> float:
    """How much narrower replicates lie than estimates would: the bootstrap's variance divides by n, not n - 1."""
    return float(np.sqrt(patients / (patients - 1)))


def _mean(values: np.ndarray, known: np.ndarray) -> Statistic:
    filled = np.where(known, values, 0.0)

    def statistic(weights: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return ((weights @ filled) / (weights @ known))[:, None]

    return statistic
