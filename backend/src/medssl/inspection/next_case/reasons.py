"""The ranking as a table: both parts of each score, and a sentence that says why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medssl.inspection.next_case.described_case import DescribedCase
from medssl.inspection.next_case.ranking import Choice

HIGH = 0.5  # rank from which on a part of the score speaks for a case
COLUMNS = (
    "rank", "name", "patient", "score", "uncertainty", "represents", "difference", "found", "nearest", "why", "path", "number",
)  # fmt: skip


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
            "represents": choice.represents, "difference": choice.difference,
            "found": None if case.entropy is None else case.entropy.found, "nearest": nearest, "why": _why(choice, case, width),
            "path": str(case.entry.image), "number": numbers[choice.number],
        })  # fmt: skip
    return rows


def _why(choice: Choice, case: DescribedCase, width: float | None) -> str:
    stands = _stands_for(choice)
    if width is None or case.entropy is None or choice.uncertain is None:
        return f"It {stands}"
    doubt = _doubt(case, width)
    if choice.uncertain < HIGH:
        return f"It {stands}; the model is rather sure of it ({doubt})"
    return f"The model is unsure of it ({doubt}), {'and' if _for_many(choice) else 'though'} it {stands}"


def _doubt(case: DescribedCase, width: float) -> str:
    assert case.entropy is not None
    if not case.entropy.found:
        return "nothing is found in it" + (
            ", with places in doubt" if case.entropy.doubt > 0 else ", without any doubt"
        )
    return f"its border is blurred over {width:.2g} {case.entropy.unit}"


def _for_many(choice: Choice) -> bool:
    """Where none is nearer to any candidate that is left, all share a middle rank, and it stands for few."""
    return choice.covers >= HIGH and choice.represents > 0


def _stands_for(choice: Choice) -> str:
    if choice.difference is None:
        how = "the most typical" if choice.covers == 1 else "typical" if choice.covers >= HIGH else "not typical"
        return f"is {how} of the candidates, and nothing is labelled yet"
    much = "many" if _for_many(choice) else "few"
    return (
        f"stands for {much}: {choice.represents:.0%} of the others are nearer to it than to any labelled or chosen case"
    )
