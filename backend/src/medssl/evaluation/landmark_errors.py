"""Retrieval errors as rows: per model, landmark and group, models held against each other, and the verdict.

Four numbers: the median and the share within a cell of the network, which say how good a typical answer is; the mean, which
a few far misses rule; and the mean with distances clipped at 30 % of the image's width, since beyond that an answer is
missed, however far: a search that may go anywhere can miss farther than the same coordinates ever do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medssl.evaluation.statistics.interval import Interval
from medssl.evaluation.statistics.pair_bootstrap import PairBootstrap
from medssl.evaluation.verdicts import Verdict

ALL = "all"
UNITS = {"mm": "mm", "percent": "% of width"}
CLIP = 0.3  # of the image's width
MEDIAN, WITHIN_CELL, MEAN, CLIPPED = "median", "within_cell", "mean", "mean_clipped"
MEASURES = {  # in the order of tables, with what each is called
    MEDIAN: "median", WITHIN_CELL: "share within a cell", MEAN: "mean", CLIPPED: "mean, clipped at 30 % of the width",
}  # fmt: skip
JUDGED = (MEDIAN, WITHIN_CELL, MEAN)
COLUMNS = (
    "model", "landmark", "group", "pairs", "patients",
    *(f"{measure}{end}" for measure in MEASURES for end in ("", "_low", "_high")),
)  # fmt: skip


@dataclass(frozen=True)
class Distances:
    """How far a model's answers were off, (retrievals,) each.

    Attributes:
        error: in the unit of the table.
        cells: in cells of the network.
        limit: 30 % of the target's width, in the unit of the table.
    """

    error: np.ndarray
    cells: np.ndarray
    limit: np.ndarray

    def of(self, measure: str) -> np.ndarray:
        """What a measure is the median, mean or share of."""
        return {
            MEDIAN: self.error, MEAN: self.error, WITHIN_CELL: self.cells <= 1,
            CLIPPED: np.minimum(self.error, self.limit),
        }[measure]  # fmt: skip


def landmark_rows(
    found: Mapping[str, Distances],
    subsets: Mapping[tuple[str, str], np.ndarray],
    images: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    seed: int,
) -> list[dict[str, Any]]:
    """A row per model and subset, of COLUMNS.

    Args:
        found: of each model.
        subsets: (landmark, group): which retrievals, (retrievals,) bool.
        images: (retrievals, 2) numbers of source and target image.
        first, second: their patients, (retrievals,).
        seed: of the bootstrap.
    """
    rows = []
    for (landmark, group), chosen in subsets.items():
        bootstrap = PairBootstrap(first[chosen], second[chosen], seed)
        pairs = len(np.unique(images[chosen], axis=0))
        for model, distances in found.items():
            row = dict(zip(COLUMNS, (model, landmark, group, pairs, bootstrap.patients)))
            for measure in MEASURES:
                values = distances.of(measure)[chosen]
                interval = bootstrap.median(values) if measure == MEDIAN else bootstrap.mean(values)
                row |= _bounds(measure, interval)
            rows.append(row)
    return rows


def differences(
    found: Mapping[str, Distances], first: np.ndarray, second: np.ndarray, seed: int
) -> list[dict[str, Any]]:
    """A row for each pair of models and measure: model, than, measure, difference, low, high; on the same retrievals.

    Below 0 `model` is the better one, but in the share within a cell, of which more is better.
    """
    bootstrap, names = PairBootstrap(first, second, seed), list(found)
    rows = []
    for model, than in ((a, b) for n, a in enumerate(names) for b in names[n + 1 :]):
        for measure in MEASURES:
            values, others = (found[name].of(measure) for name in (model, than))
            if measure == MEDIAN:
                interval = bootstrap.median_difference(values, others)
            else:
                interval = bootstrap.mean(values.astype(float) - others)
            bounds = {"difference": interval.value, "low": interval.low, "high": interval.high}
            rows.append({"model": model, "than": than, "measure": measure, **bounds})
    return rows


def is_better(row: Mapping[str, Any]) -> bool | None:
    """Whether a difference shows its model to be the better one: False the worse one, None neither."""
    if row["low"] is None or row["low"] <= 0 <= row["high"]:
        return None
    return bool(row["low"] > 0) == (row["measure"] == WITHIN_CELL)


def difference_sentence(row: Mapping[str, Any], unit: str) -> str:
    """A difference as a sentence."""
    model, than, what = row["model"], row["than"], MEASURES[row["measure"]]
    value, low, high = (
        number_text(row[name], row["measure"], unit, signed=True) for name in ("difference", "low", "high")
    )
    if row["low"] is None:
        return f"{model} against {than}: {what} {value}; too few patients to say whether that is more than chance."
    said = {True: "is better than", False: "is worse than", None: "cannot be held apart from"}[is_better(row)]
    return f"{model} {said} {than} by the {what}: {value} (95 % interval {low} to {high})."


def with_interval(row: Mapping[str, Any], measure: str) -> str:
    """A number of a table's row, and in a further line its interval."""
    low, high = row[f"{measure}_low"], row[f"{measure}_high"]
    value = number_text(row[measure], measure, "").strip()
    if low is None:
        return value
    return f"{value}\n{number_text(low, measure, '').strip()} to {number_text(high, measure, '').strip()}"


def number_text(value: float | None, measure: str, unit: str, signed: bool = False) -> str:
    """A number with its unit; a share in percent, of a difference in points."""
    sign = "+" if signed else ""
    if value is None:
        return ""
    if measure == WITHIN_CELL:
        return f"{100 * value:{sign}.0f} {'points' if signed else '%'}"
    return f"{value:{sign}.2f} {unit}"


def landmark_verdict(
    table: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], model: str, rivals: Sequence[str], unit: str
) -> Verdict:
    """Is a model better than its rivals by median, share within a cell and mean? Good where it is by all, than each.

    Args:
        table: of `landmark_rows`, with the rows of all landmarks and groups.
        rows: of `differences`.
        rivals: names; one at least.
        unit: of the errors, in words.
    """
    against = {(row["model"], row["than"], row["measure"]): row for row in rows}
    whole = {row["model"]: row for row in table if row["landmark"] == row["group"] == ALL}
    said: list[str] = []
    outcomes: list[bool | None] = []
    unknown = False
    for rival in rivals:
        found = {measure: against[model, rival, measure] for measure in JUDGED}
        unknown |= any(row["low"] is None for row in found.values())
        of_rival = {measure: is_better(row) for measure, row in found.items()}
        outcomes += of_rival.values()
        said.append(f"{_outcome(of_rival)} {rival}")
    facts = "; ".join(
        f"{MEASURES[measure]} "
        + " against ".join(number_text(whole[name][measure], measure, unit) for name in (model, *rivals))
        for measure in JUDGED
    )
    if unknown:
        patients = whole[model]["patients"]
        return Verdict(
            f"{model} is held against {' and '.join(rivals)} on {patients} patients, too few to judge: {facts}.", None
        )
    return Verdict(f"{model} is {', and '.join(said)}: {facts}.", all(outcomes))


def _outcome(by: Mapping[str, bool | None]) -> str:
    """In words, with the rival's name to follow: "better by median and mean, worse by share within a cell than"."""
    words = {True: "better", False: "worse", None: "not shown to be better or worse"}
    groups = {word: [MEASURES[m] for m, outcome in by.items() if outcome is key] for key, word in words.items()}
    parts = [f"{word} by {_listed(names)}" for word, names in groups.items() if names]
    return f"{', '.join(parts)} than"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _bounds(measure: str, interval: Interval) -> dict[str, float | None]:
    return {measure: interval.value, f"{measure}_low": interval.low, f"{measure}_high": interval.high}
