"""The ranking as a table: both parts of each score, and a sentence that says why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medssl.inspection.next_case.described_case import DescribedCase
from medssl.inspection.next_case.ranking import Choice

HIGH = 0.5  # rank from which on a part of the score speaks for a case
COLUMNS = ("rank", "name", "patient", "score", "uncertainty", "difference", "found", "nearest", "why", "path", "number")


def ranking_rows(
    order: Sequence[Choice],
    candidates: Sequence[DescribedCase],
    labelled: Sequence[DescribedCase],
    widths: np.ndarray | None,
    numbers: Sequence[int],
) -> list[dict[str, Any]]:
    """A row per choice, the best first.

    Args:
        order: of the candidates.
        candidates, labelled: as they were ranked.
        widths: uncertainty of each candidate, mm (pixels); None: no model was asked.
        numbers: of each candidate among the images that were asked about.
    """
    known, rows = [*labelled, *candidates], []
    for rank, choice in enumerate(order, 1):
        case = candidates[choice.number]
        width = None if widths is None else float(widths[choice.number])
        nearest = known[choice.nearest].entry.name if choice.nearest >= 0 else ""
        rows.append({
            "rank": rank, "name": case.entry.name, "patient": case.entry.patient, "score": choice.score, "uncertainty": width,
            "difference": choice.difference, "found": None if case.entropy is None else case.entropy.found, "nearest": nearest,
            "why": _why(choice, case, width, nearest, choice.nearest >= len(labelled)), "path": str(case.entry.image),
            "number": numbers[choice.number],
        })  # fmt: skip
    return rows


def _why(choice: Choice, case: DescribedCase, width: float | None, nearest: str, chosen: bool) -> str:
    place = _place(choice, nearest, chosen)
    if width is None or case.entropy is None or choice.uncertain is None:
        return f"{place[0].upper()}{place[1:]}"
    doubt = _doubt(case, width)
    unsure, unlike = choice.uncertain >= HIGH, choice.different >= HIGH
    if unsure and unlike:
        return f"The model is unsure of it ({doubt}), and it is {place}"
    if unsure:
        return f"The model is unsure of it ({doubt}), though it is {place}"
    if unlike:
        return f"It is {place}; the model is rather sure of it ({doubt})"
    return f"What is left is surer ({doubt}) and more alike: it is {place}"


def _doubt(case: DescribedCase, width: float) -> str:
    assert case.entropy is not None
    if not case.entropy.found:
        return "nothing is found in it" + (
            ", with places in doubt" if case.entropy.doubt > 0 else ", without any doubt"
        )
    return f"its border is blurred over {width:.2g} {case.entropy.unit}"


def _place(choice: Choice, nearest: str, chosen: bool) -> str:
    if choice.difference is None:
        return "the most typical of the candidates, since nothing is labelled yet"
    which = "case chosen before" if chosen else "labelled case"
    return f"{choice.difference:.2g} times the usual distance away from the nearest {which}, {nearest}"
