"""Numbers as papers print them; `unknown` stands for what could not be measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DASH = "–"


def number(value: float | None, digits: int = 3, sign: str = "", unknown: str = DASH) -> str:
    """A number of fixed decimals; `sign` "+" shows it always."""
    return unknown if value is None else f"{value:{sign}.{digits}f}"


def p_value(p: float | None, unknown: str = DASH) -> str:
    """A p-value: three decimals, or "< 0.001"."""
    return unknown if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_sentence(p: float | None) -> str:
    """A p-value after "p": "= 0.012", "< 0.001" or "unknown"."""
    return "unknown" if p is None else p_value(p) if p < 0.001 else f"= {p_value(p)}"


def bounds(low: float | None, high: float | None, sign: str = "", digits: int = 3, unknown: str = DASH) -> str:
    """An interval's bounds: "0.770 to 0.851"."""
    return unknown if low is None else f"{number(low, digits, sign)} to {number(high, digits, sign)}"


def with_interval(row: Mapping[str, Any], value: str = "value", digits: int = 3, sign: str = "") -> str:
    """A number and its interval: "0.812 (0.770 to 0.851)"."""
    text = number(row.get(value), digits, sign)
    return text if text == DASH or row["low"] is None else f"{text} ({bounds(row['low'], row['high'], sign, digits)})"


def in_cell(row: Mapping[str, Any], value: str = "value", digits: int = 3, sign: str = "") -> str:
    """The same for a narrow column of a table: the interval in a line of its own."""
    return with_interval(row, value, digits, sign).replace(" (", "\n").rstrip(")")


def plain(value: Any) -> Any:
    """A value as people write it: yes and no, lists with commas, mappings as name: value; nothing for None."""
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {plain(one)}" for name, one in value.items())
    if isinstance(value, (list, tuple, set)):
        return ", ".join(str(plain(one)) for one in value)
    return value
