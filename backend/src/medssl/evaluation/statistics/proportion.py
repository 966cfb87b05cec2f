"""A share of trials with its interval."""

from __future__ import annotations

from scipy import stats

from medssl.core.errors import InputError
from medssl.evaluation.statistics.interval import LEVEL, Interval


def share(hits: int, trials: int) -> Interval:
    """The share of hits among independent trials with Wilson's score interval; without a trial nothing is known.

    Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American Statistical
    Association 22, 1927: it stays inside 0...1, and says something also where all or none are hits.

    Raises:
        InputError: more hits than trials, or a negative number.
    """
    if not 0 <= hits <= trials:
        raise InputError(
            f"{hits} hits of {trials}", "cannot be", "Give 0 to as many hits as trials", code="count-impossible"
        )
    if not trials:
        return Interval(None, None, None)
    bounds = stats.binomtest(hits, trials).proportion_ci(LEVEL / 100, method="wilson")
    return Interval(hits / trials, float(bounds.low), float(bounds.high))
