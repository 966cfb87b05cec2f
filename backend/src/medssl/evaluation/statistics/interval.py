"""A value with its interval, a difference with its test, and the levels that all of them share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

LEVEL = 95.0  # percent, of every interval
SIGNIFICANT = 0.05  # p-values below
FEWEST = 5  # patients: below, resampling says nothing


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval; None where it cannot be estimated."""

    value: float | None
    low: float | None
    high: float | None

    def as_dict(self) -> dict[str, float | None]:
        return asdict(self)


@dataclass(frozen=True)
class Test:
    """A difference (first - second) with its 95 % interval and the two-sided p-value; None where it cannot be estimated."""

    name: str
    difference: float | None
    low: float | None
    high: float | None
    p: float | None

    __test__ = False  # not one of pytest's

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
