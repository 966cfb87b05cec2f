"""Groups of patients by an attribute (sex, age band, view): a metric per group, and the gaps between groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Any, TypeVar

import numpy as np

from medssl.core.errors import InputError
from medssl.datasets.catalog.text_classes import class_names, class_of, known_text
from medssl.evaluation.statistics.bootstrap import PatientBootstrap, Statistic
from medssl.evaluation.statistics.interval import Interval, Test
from medssl.evaluation.statistics.significance import holm

MANY = 8  # different numbers: more are cut into bands
BANDS = 3
MOST = 12  # groups of texts: the rarest beyond are one
UNKNOWN, OTHER = "unknown", "other"

Key = tuple[str, str]  # class, metric
Measure = Callable[
    [np.ndarray], tuple[list[Key], Statistic, np.ndarray, Mapping[int, Sequence[int]]]
]  # rows -> keys, statistic of their weights, carriers, parts of means: see `hold_back`
Bounds = TypeVar("Bounds", Interval, Test)


@dataclass(frozen=True)
class Grouping:
    """Which group each row is in; `members` are row numbers, in the order of `names`."""

    attribute: str
    names: tuple[str, ...]
    members: tuple[np.ndarray, ...]


def group_by(asked: str, attributes: Mapping[str, Sequence[str]], as_written: bool = False) -> Grouping:
    """Groups from "sex" (a group per value) or "age:0,40,60" (bands from each edge up to the next).

    A column of more than 8 different numbers without edges is cut into thirds. Rows with an empty field or a word for unknown
    (NA, nan, ?), or with a number below the first edge, are in the group "unknown" or "below ...". Values that differ by upper
    and lower case alone are one group, and beyond 12 the rarest are one, "other".

    Args:
        asked: the attribute, perhaps with edges.
        attributes: name -> a value per row.
        as_written: a group for each value as it is spelt, however many: those that arms were trained on.

    Raises:
        InputError: no such attribute, edges that do not rise, or no numbers to cut into bands.
    """
    name, _, edges_text = asked.partition(":")
    if name not in attributes:
        rule = f"is no attribute of the table (it has: {', '.join(attributes) or 'none'})"
        raise InputError(
            f"group {name!r}", rule, "Name a column of attributes, as in --group sex", code="group-unknown"
        )
    values = [known_text(value.strip(), ()) for value in attributes[name]]
    edges = _edges(asked, edges_text)
    numbers = _numbers(values)
    if edges and numbers is None:
        raise InputError(
            f"group {asked!r}",
            "asks for bands of a column that holds text",
            f"Use --group {name}",
            code="group-not-numeric",
        )
    if not edges and numbers is not None and len(np.unique(numbers[~np.isnan(numbers)])) > MANY:
        edges = list(np.unique(np.nanquantile(numbers, np.arange(BANDS) / BANDS, method="nearest")))
    labels = _bands(numbers, edges) if edges and numbers is not None else _texts(values, as_written)
    order = _order(labels, edges)
    rows = np.array(labels)
    return Grouping(name, tuple(order), tuple(np.flatnonzero(rows == label) for label in order))


def evaluate_groups(
    grouping: Grouping, bootstrap: PatientBootstrap, measure: Measure
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Metrics of each group with intervals, and the difference of each two groups.

    A patient may be in several groups (one image PA, one AP): the same draws serve all, so that this counts.

    Args:
        grouping: of the bootstrap's rows.
        bootstrap: over all rows.
        measure: what to measure on some rows: keys, statistic of these rows' weights, patients that carry each value, and
            which values a mean is of.

    Returns:
        rows of attribute, group, images, patients, class, metric, value, low, high; and rows of attribute, first, second,
        class, metric, difference, low, high, p, adjusted_p (Holm, over the pairs of groups and classes of one metric).
    """
    table, gaps, found = [], [], []
    for name, rows in zip(grouping.names, grouping.members):
        keys, statistic, carriers, parts = measure(rows)
        resampled = bootstrap.resample(on_rows(rows, statistic))
        found.append((name, resampled, carriers))
        about = {"attribute": grouping.attribute, "group": name}
        sizes = {"images": len(rows), "patients": bootstrap.patients_among(rows)}
        intervals = hold_back(resampled.intervals(carriers), ~np.isnan(resampled.values), parts)
        for (label, metric), bounds in zip(keys, intervals):
            table.append({**about, **sizes, "class": label, "metric": metric, **bounds.as_dict()})
    for (first, one, carry), (second, other, carry_too) in combinations(found, 2):
        known = ~(np.isnan(one.values) & np.isnan(other.values))
        tests = hold_back(one.minus(other).tests(np.minimum(carry, carry_too)), known, parts)
        about = {"attribute": grouping.attribute, "first": first, "second": second}
        for (label, metric), test in zip(keys, tests):
            gaps.append({**about, "class": label, "metric": metric, **test.as_dict()})
    return table, adjusted(gaps, ("metric",))


def hold_back(bounds: list[Bounds], known: np.ndarray, parts: Mapping[int, Sequence[int]]) -> list[Bounds]:
    """The same without the bounds of a mean one of whose parts has none for want of patients: it is no surer than that part.

    A part that does not vary between patients (an AUC of 1) holds nothing back.

    Args:
        bounds: of each number.
        known: (K,) which numbers there are; others are in no mean.
        parts: number of a mean -> the numbers that it is of.
    """
    unsure = {n for n, of in parts.items() if any(known[m] and bounds[m].low is None and bounds[m].varies for m in of)}
    return [_unbounded(one) if n in unsure else one for n, one in enumerate(bounds)]


def _unbounded(one: Bounds) -> Bounds:
    if isinstance(one, Interval):
        return replace(one, low=None, high=None, varies=True)
    return replace(one, low=None, high=None, p=None, varies=True)


def on_rows(rows: np.ndarray, statistic: Statistic) -> Statistic:
    """A statistic of some rows as one of all rows."""
    return lambda weights: statistic(weights[:, rows])


def adjusted(rows: list[dict[str, Any]], within: Sequence[str]) -> list[dict[str, Any]]:
    """The rows with `adjusted_p`, Holm's over all rows that agree in the columns `within`."""
    families: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        families.setdefault(tuple(row[name] for name in within), []).append(row)
    for family in families.values():
        for row, p in zip(family, holm([row["p"] for row in family])):
            row["adjusted_p"] = p
    return rows


def _edges(asked: str, text: str) -> list[float]:
    if not text:
        return []
    try:
        edges = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(
            f"group {asked!r}", "has bands whose edges are not numbers", "Write age:0,40,60", code="group-bands"
        ) from error
    if any(b <= a for a, b in pairwise(edges)):
        raise InputError(
            f"group {asked!r}", "has bands whose edges do not increase", "Write age:0,40,60", code="group-bands"
        )
    return edges


def _numbers(values: Sequence[str]) -> np.ndarray | None:
    try:
        return np.array([float(value or "nan") for value in values])
    except ValueError:
        return None


def _bands(numbers: np.ndarray, edges: Sequence[float]) -> list[str]:
    names = _band_names(edges)
    places = np.searchsorted(edges, numbers, side="right")
    return [UNKNOWN if np.isnan(number) else names[place] for number, place in zip(numbers, places)]


def _texts(values: Sequence[str], as_written: bool) -> list[str]:
    """The group of each text."""
    if as_written:
        return [value or UNKNOWN for value in values]
    names = class_names(value for value in values if value)
    of = {value: class_of(value, names) or UNKNOWN for value in {*values}}
    counts = Counter(of[value] for value in values if value)
    kept = {name for name, _ in counts.most_common(MOST - 1)} if len(counts) > MOST else counts.keys()
    return [UNKNOWN if not value else of[value] if of[value] in kept else OTHER for value in values]


def _band_names(edges: Sequence[float]) -> list[str]:
    between = [f"{a:g} to {b:g}" for a, b in pairwise(edges)]
    return [f"below {edges[0]:g}", *between, f"{edges[-1]:g} and above"]


def _order(labels: Sequence[str], edges: Sequence[float]) -> list[str]:
    """Bands from low to high, other values sorted, the rest and the unknown last."""
    present, last = set(labels), [OTHER, UNKNOWN]
    known = [name for name in _band_names(edges) if name in present] if edges else sorted(present - {*last})
    return [*known, *(name for name in last if name in present)]
