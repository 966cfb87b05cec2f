"""Classes that a column of texts or grades makes: one for each of its values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from medssl.datasets.catalog.from_csv import UNKNOWN

NO_LABEL = frozenset(UNKNOWN) - {"none"}  # sets also write "none" of images that have no finding


def known_text(text: str, classes: Sequence[str]) -> str:
    """A label as text; "" where it is a word for unknown, unless a training that goes on has a class of that name."""
    return "" if text.casefold() in NO_LABEL and text not in classes else text


def class_names(values: Iterable[str]) -> tuple[str, ...]:
    """The classes of values, numbers by size and before texts; values that differ by case alone are one.

    That is spelt as the first of them in alphabetical order: the order of rows, or a part of them, gives the same.
    """
    found: dict[str, str] = {}
    for value in sorted(set(values)):
        found.setdefault(value.casefold(), value)
    return tuple(sorted(found.values(), key=lambda v: (not is_number(v), float(v) if is_number(v) else 0, v)))


def class_of(value: str, names: Sequence[str]) -> str | None:
    """The class of a value: of exactly this name, else of one that differs by case alone; None where there is none."""
    if value in names:
        return value
    return next((name for name in names if name.casefold() == value.casefold()), None)


def spelling_notes(column: str, values: Iterable[str], names: Sequence[str]) -> tuple[str, ...]:
    """What to know of values that are one class and differ by case."""
    other: dict[str, list[str]] = {}
    for value in sorted(set(values)):
        if value not in names and (name := class_of(value, names)):
            other.setdefault(name, []).append(value)
    if not other:
        return ()
    listed = ", ".join(f"{name} (also {', '.join(found)})" for name, found in other.items())
    return (f"Values of {column} that differ by upper and lower case alone are one class: {listed}",)


def is_number(text: str) -> bool:
    """Whether a value is a number, and not NaN."""
    try:
        return float(text) == float(text)
    except ValueError:
        return False
