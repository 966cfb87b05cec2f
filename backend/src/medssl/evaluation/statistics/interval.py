"""A value with its interval, a difference with its test, and the levels that all of them share."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

LEVEL = 95.0  # percent, of every interval
SIGNIFICANT = 0.05  # p-values below
FEWEST = 5  # patients: below, resampling says nothing


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval; None where it cannot be estimated.

    Attributes:
        varies: False where there are patients enough and all replicates are equal (an AUC of 1), which leaves no bounds either.
    """

    value: float | None
    low: float | None
    high: float | None
    varies: bool = field(default=True, compare=False)

    def as_dict(self) -> dict[str, float | None]:
        """The numbers."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Test:
    """A difference (first - second) with its 95 % interval and the two-sided p-value; None where it cannot be estimated.

    Attributes:
        varies: see `Interval`.
    """

    name: str
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    varies: bool = field(default=True, compare=False)

    __test__ = False  # not one of pytest's

    def as_dict(self) -> dict[str, Any]:
        """The name and the numbers."""
        return {name: value for name, value in asdict(self).items() if name != "varies"}
