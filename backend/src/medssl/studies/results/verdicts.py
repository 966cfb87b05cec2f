"""The answer of a study in sentences."""

from __future__ import annotations

from typing import Any

from medssl.evaluation.statistics.crossed import CROSSED
from medssl.evaluation.statistics.interval import SIGNIFICANT
from medssl.reports.numbers import p_sentence
from medssl.studies.comparison.config import Study
from medssl.studies.comparison.plan import RunResult, describe_size, reference_of
from medssl.studies.results.differences import HEADLINES, verdict
from medssl.studies.results.numbers import metric_title, signed, signed_bounds
from medssl.studies.results.summaries import values_of

WORDS = {"better": "is better than", "worse": "is worse than", "open": "is not shown to differ from"}
Verdict = tuple[str, bool | None]


def verdicts(study: Study, outcomes: list[RunResult], rows: list[dict[str, Any]]) -> list[Verdict]:
    """A sentence per arm and size, and whether it is good news (None: neither).

    An arm is called better or worse only where the deciding test says so after Holm's correction.
    """
    sentences = []
    for arm in study.arms:
        for size in study.sizes if reference_of(study, arm) else ():
            of_pair = [row for row in rows if (row["arm"], row["size"]) == (arm.name, size) and not row["class"]]
            sentences.append(_sentence(study, outcomes, of_pair, arm.name, reference_of(study, arm), size))
    sentences.append((
        f"An arm is called better or worse where the test that decides, the first that is named, says so at p < {SIGNIFICANT} after "
        f"Holm's correction for all comparisons of this study. {_decides(rows)}", None,
    ))  # fmt: skip
    return sentences


def _decides(rows: list[dict[str, Any]]) -> str:
    """What the deciding tests hold for."""
    found = dict.fromkeys(row["test"] for row in rows if row["test"] in HEADLINES)
    if CROSSED in found or not found:
        return "The crossed bootstrap decides: it asks for other seeds and other patients; the others stand beside it."
    return f"There is no crossed bootstrap (it needs two seeds and replicates), so that {next(iter(found))} decides."


def _sentence(
    study: Study, outcomes: list[RunResult], rows: list[dict[str, Any]], arm: str, reference: str, size: float
) -> Verdict:
    runs = [len(values_of(outcomes, name, size, study.metric)) for name in (arm, reference)]
    where = f"{describe_size(study, size)}: {arm}"
    if not rows:
        return f"{where} cannot be compared with {reference} yet ({runs[0]} and {runs[1]} finished runs).", None
    answer = verdict(study, rows)
    tests = "; ".join(
        f"{row['test']} {signed(row['difference'])} ({signed_bounds(row['low'], row['high'])}), p {p_sentence(row['adjusted_p'])}"
        for row in rows
    )
    text = f"{where} {WORDS[answer]} {reference} in {metric_title(study.metric)}. {tests}."
    return text, {"better": True, "worse": False, "open": None}[answer]
