"""Numbers as papers print them."""

from __future__ import annotations

from collections.abc import Callable

NONE = "-"
IDENTICAL = "identical"  # runs whose seeds changed nothing


def plain(value: float | None) -> str:
    """Three decimals."""
    return NONE if value is None else f"{value:.3f}"


def signed(value: float | None) -> str:
    """Three decimals with their sign."""
    return NONE if value is None else f"{value:+.3f}"


def probability(p: float | None) -> str:
    """A p-value."""
    return NONE if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def between(low: float | None, high: float | None, show: Callable[[float | None], str] = plain) -> str:
    """An interval."""
    return NONE if low is None else f"{show(low)} to {show(high)}"


def mean_sd(mean: float | None, sd: float | None) -> str:
    """Mean and standard deviation; of runs that are all the same, that they are."""
    if mean is None or sd is None:
        return plain(mean)
    return f"{mean:.3f}, {IDENTICAL}" if sd == 0 else f"{mean:.3f} ± {sd:.3f}"
