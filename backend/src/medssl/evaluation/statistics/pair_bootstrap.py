"""How sure is a mean over pairs of images? Bootstrap by patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medssl.evaluation.statistics.interval import FEWEST, LEVEL, Interval

REPLICATES = 2000


class PairBootstrap:
    """Resamples patients, not pairs: the pairs of one patient stand or fall together.

    A pair counts as often as its first patient is drawn times as often as its second is (the bootstrap of dyadic data by
    nodes; Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007). The same draws serve every mean, so that
    differences between models are paired.

    Args:
        first, second: patient of either image of each pair.
        seed: of the draws.
    """

    def __init__(self, first: Sequence[str] | np.ndarray, second: Sequence[str] | np.ndarray, seed: int = 0) -> None:
        names, places = np.unique(np.concatenate([first, second]), return_inverse=True)
        self.patients = len(names)
        self._first, self._second = places[: len(first)], places[len(first) :]
        drawn = np.random.default_rng(seed).multinomial(
            self.patients, np.full(self.patients, 1 / self.patients), REPLICATES
        )
        self._weights = drawn.astype(float)  # (replicates, patients)

    def mean(self, values: np.ndarray) -> Interval:
        """The mean of a value per pair, (pairs,), with its interval."""
        mean = float(np.mean(values))
        if self.patients < FEWEST:
            return Interval(mean, None, None)
        sums, counts = self._totals(values), self._totals(np.ones(len(values)))
        with np.errstate(invalid="ignore"):
            means = sums / counts  # NaN where no pair was drawn
        low, high = np.nanpercentile(means, [50 - LEVEL / 2, 50 + LEVEL / 2])
        return Interval(mean, float(low), float(high))

    def _totals(self, values: np.ndarray) -> np.ndarray:
        """(replicates,): the weighted sum of the values."""
        matrix = np.zeros((self.patients, self.patients))
        np.add.at(matrix, (self._first, self._second), values)
        return ((self._weights @ matrix) * self._weights).sum(axis=1)
