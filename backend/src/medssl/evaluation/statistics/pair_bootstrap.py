"""How sure is a mean or a median over pairs of images? Bootstrap by patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medssl.evaluation.statistics.interval import FEWEST, LEVEL, Interval

REPLICATES = 2000
CHUNK = 2**21  # weights of pairs at a time


class PairBootstrap:
    """Resamples patients, not pairs: the pairs of one patient stand or fall together.

    A pair counts as often as its first patient is drawn times as often as its second is (the bootstrap of dyadic data by
    nodes; Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007). The same draws serve every number, so that
    differences between models are paired. Intervals are percentiles.

    Args:
        first, second: patient of either image of each pair.
        seed: of the draws.
    """

    def __init__(self, first: Sequence[str] | np.ndarray, second: Sequence[str] | np.ndarray, seed: int = 0) -> None:
        names, places = np.unique(np.concatenate([first, second]), return_inverse=True)
        self.patients = len(names)
        self._first, self._second = places[: len(first)], places[len(first) :]
        self._drawn = np.random.default_rng(seed).multinomial(
            self.patients, np.full(self.patients, 1 / self.patients), REPLICATES
        )  # (replicates, patients)

    def mean(self, values: np.ndarray) -> Interval:
        """The mean of a value per pair, (pairs,), with its interval; of bools their share."""
        mean = float(np.mean(values))
        if self.patients < FEWEST:
            return Interval(mean, None, None)
        sums, counts = self._totals(values), self._totals(np.ones(len(values)))
        with np.errstate(invalid="ignore"):
            return _interval(mean, sums / counts)  # NaN where no pair was drawn

    def median(self, values: np.ndarray) -> Interval:
        """The median of a value per pair, (pairs,), with its interval."""
        median = float(np.median(values))
        return Interval(median, None, None) if self.patients < FEWEST else _interval(median, self._medians(values))

    def median_difference(self, values: np.ndarray, others: np.ndarray) -> Interval:
        """The median of values less that of others, both (pairs,), with its interval."""
        difference = float(np.median(values) - np.median(others))
        if self.patients < FEWEST:
            return Interval(difference, None, None)
        return _interval(difference, self._medians(values) - self._medians(others))

    def _totals(self, values: np.ndarray) -> np.ndarray:
        """(replicates,): the weighted sum of the values."""
        matrix = np.zeros((self.patients, self.patients))
        np.add.at(matrix, (self._first, self._second), values)
        return ((self._drawn @ matrix) * self._drawn).sum(axis=1)

    def _medians(self, values: np.ndarray) -> np.ndarray:
        """(replicates,): the median of the values, each repeated as often as its pair counts; NaN where none does.

        Exact: the values are sorted once, and each replicate's running count says where its middle lies.
        """
        order = np.argsort(values, kind="stable")
        ordered, first, second = values[order], self._first[order], self._second[order]
        found, step = np.full(REPLICATES, np.nan), max(CHUNK // max(len(values), 1), 1)
        drawn = self._drawn.astype(np.int32)
        for start in range(0, REPLICATES, step):
            some = drawn[start : start + step]
            counts = np.cumsum(some[:, first] * some[:, second], axis=1, dtype=np.int64)  # (some, pairs), rising
            total = counts[:, -1]
            ahead = np.concatenate(
                [[0], np.cumsum(total[:-1])]
            )  # laid end to end the rows rise too: one search does all
            flat = (counts + ahead[:, None]).ravel()
            rows = np.arange(len(some)) * len(values)
            lower, upper = (np.searchsorted(flat, ahead + rank) - rows for rank in ((total + 1) // 2, total // 2 + 1))
            known = total > 0
            found[start : start + step][known] = (ordered[lower[known]] + ordered[upper[known]]) / 2
        return found


def _interval(value: float, replicates: np.ndarray) -> Interval:
    low, high = np.nanpercentile(replicates, [50 - LEVEL / 2, 50 + LEVEL / 2])
    return Interval(value, float(low), float(high))
