"""How sure is a number that was measured on these patients? Resampling patients, with all of their images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from medssl.evaluation.statistics.interval import Interval, Test
from medssl.evaluation.statistics.resampled import Resampled

Statistic = Callable[[np.ndarray], np.ndarray]  # how often each row counts (R, N) -> values (R, K)
CHUNK = 2**17  # weights at a time: they stay in the processor's cache
LEFT_OUT = 200  # groups of patients of the jackknife, at most
METHOD = (
    "95 % intervals: bootstrap by patient, {replicates} replicates, BCa (differences: percentiles), expanded for few "
    "patients; under 5 patients none"
)


class PatientBootstrap:
    """Draws patients with replacement; all images of a patient come with it.

    The same draws serve every statistic, so that differences are paired. For the intervals see `Resampled`.

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

    def patients_among(self, rows: np.ndarray) -> int:
        """The number of different patients of rows given by number or mask."""
        return len(np.unique(self._patient[rows]))

    def resample(self, statistic: Statistic) -> Resampled:
        """A statistic that is a function of how often each row counts, (R, rows) to (R, K)."""
        value = statistic(np.ones((1, self.rows)))[0]
        parts = (
            np.concatenate([statistic(w) for w in self._weights(draws)]) for draws in (self._draws, self._left_out())
        )
        return Resampled(value, *parts)

    def resample_rows(self, statistic: Callable[[np.ndarray], float]) -> Resampled:
        """A statistic of row numbers, which repeat as patients do; a loop, for what cannot be written with weights."""
        whole = np.arange(self.rows)

        def every(weights: np.ndarray) -> np.ndarray:
            return np.array([[statistic(np.repeat(whole, weight.astype(int)))] for weight in weights], float)

        return self.resample(every)

    def interval(self, statistic: Callable[[np.ndarray], float]) -> Interval:
        """The interval of a statistic of row numbers."""
        return self.resample_rows(statistic).intervals([self.patients])[0]

    def difference(
        self,
        first: Callable[[np.ndarray], float],
        second: Callable[[np.ndarray], float],
        name: str = "paired bootstrap",
    ) -> Test:
        """Two statistics of row numbers, on the same draws: first - second."""
        return self.resample_rows(lambda rows: first(rows) - second(rows)).tests([self.patients], name)[0]

    def mean(self, values: np.ndarray) -> Interval:
        """The mean of a value per row, unknown ones (nan) left out."""
        return self.resample(mean_of(values)).intervals([self.patients_among(~np.isnan(values))])[0]

    def mean_difference(self, first: np.ndarray, second: np.ndarray, name: str = "paired bootstrap") -> Test:
        """The mean of first - second over the rows where both are known."""
        values = first - second
        return self.resample(mean_of(values)).tests([self.patients_among(~np.isnan(values))], name)[0]

    def _weights(self, draws: np.ndarray) -> Iterator[np.ndarray]:
        step = max(CHUNK // max(self.rows, 1), 1)
        for first in range(0, len(draws), step):
            yield draws[first : first + step, self._patient].astype(float)

    def _left_out(self) -> np.ndarray:
        """(groups, patients): every patient once, but none of one group."""
        groups = min(self.patients, LEFT_OUT)
        return np.arange(groups)[:, None] != np.arange(self.patients) % groups


def mean_of(values: np.ndarray) -> Statistic:
    """The means of the columns of (N,) or (N, K), unknown values (nan) left out, as a function of weights."""
    columns = values.reshape(len(values), -1)
    known, filled = ~np.isnan(columns), np.nan_to_num(columns)

    def statistic(weights: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return (weights @ filled) / (weights @ known)

    return statistic
