"""Weights to begin with whose pretraining learnt little, said before a training and in its report."""

from __future__ import annotations

from pathlib import Path

from medssl.core.errors import MedSSLError
from medssl.evaluation.learning import of_pretraining
from medssl.jobs.store import JobStore
from medssl.pretraining.seen import job_before

DOUBT = "The weights to start from may be worse than none"


def notes_on_learning(home: Path, start: str) -> tuple[str, ...]:
    """At most one note on weights that a pretraining of this home made; of other weights nothing is known."""
    job = job_before(start) if start else ""
    try:
        last = JobStore(home).last_events(job) if job else {}
    except MedSSLError:  # it was made elsewhere, or its folder is gone
        return ()
    best = last.get("finished", {}).get("validation_loss")
    if best is None or "metric" not in last:
        return ()
    verdict = of_pretraining(best, last["metric"])
    if verdict is None or verdict.good:
        return ()
    return (f"{DOUBT} (job {job}). {verdict.text.rstrip('.')}",)
