"""Rounds of labelling and training: the chain of jobs, each of which began with the model of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medssl.core.errors import StateError, counted
from medssl.core.files import expanded
from medssl.core.protocol import JobSpec, JobView
from medssl.jobs.split_record import read_split
from medssl.jobs.store import JobStore, model_of_job

KIND, METRICS = "finetune", ("dice", "auc")  # of the jobs that make rounds; the first metric that a job has is shown
VALIDATION = "validation"


@dataclass(frozen=True)
class Round:
    """One job of a chain.

    Attributes:
        number: from 1, the first that labels taught.
        job, name, state: of the job.
        training: images that it learnt from.
        validation: patients that it was chosen by, sorted.
        metric, score: what was measured on them, with the chosen weights; None until it has ended.
        minutes: from its start to its end; None until then.
        steps, steps_per_s: of its training, validations included; None before there are two losses.
        comparable: whether the patients are those of the first round, and their label maps those of the round before.
    """

    number: int
    job: str
    name: str
    state: str
    training: int
    validation: tuple[str, ...]
    metric: str
    score: float | None
    minutes: float | None
    steps: int
    steps_per_s: float | None
    comparable: bool


def rounds_of(store: JobStore, job: str) -> list[Round]:
    """The chain that ends with a job, the first round first.

    Raises:
        NotFoundError: no such job. StateError: it is no fine-tuning.
    """
    view = store.view(job)
    if view.spec.kind != KIND:
        raise StateError(
            f"job {job}", f"is of the kind {view.spec.kind}, and rounds are fine-tunings", "Choose a fine-tuning",
            code="job-without-rounds",
        )  # fmt: skip
    chain = [view]
    while (before := _before(store, chain[0])) is not None and before.id not in {one.id for one in chain}:
        chain.insert(0, before)
    records = [_truth(store.folder(one.id)) for one in chain]
    return [
        _round(store, one, number, records[number - 1], _comparable(records, number - 1))
        for number, one in enumerate(chain, 1)
    ]


def rounds_sentence(rounds: Sequence[Round]) -> str:
    """What the rounds brought, in a plain sentence."""
    if any(not one.comparable for one in rounds):
        return "Validation cases or their label maps were changed between rounds: the scores do not compare (*)."
    scores = [one for one in rounds if one.score is not None]
    if len(scores) < 2:
        return "One round has a score so far: label further images, then go on from its model."
    first, last = scores[0], scores[-1]
    change = (last.score or 0.0) - (first.score or 0.0)
    moved = "rose" if change > 0 else "fell" if change < 0 else "stayed"
    cases = counted(len(last.validation), "validation case")
    return (
        f"The {last.metric} on the same {cases} {moved} by {abs(change):.3f} from round {first.number} to round {last.number} "
        f"({first.training} to {last.training} labelled images)."
    )


def job_of_model(home: Path, reference: str) -> str:
    """The id of the job whose model is meant, by id, name or path; "" where it is no job's.

    Raises:
        InputError: a name that several jobs have.
    """
    path = model_of_job(home, reference) or expanded(reference)
    inside = path.name == "model.safetensors" and path.parent.name == "results"
    job = path.parent.parent
    return job.name if inside and job.parent.resolve() == (home / "jobs").resolve() else ""


def kept_patients(store: JobStore, job: str) -> dict[str, str]:
    """Patients that a job held out, and what for: validation or test."""
    return {row["patient"]: row["split"] for row in read_split(store.folder(job)) if row["split"] != "training"}


def _before(store: JobStore, view: JobView) -> JobView | None:
    """The fine-tuning of the same task that a job began with."""
    job = job_of_model(store.home, view.spec.start_from) if view.spec.start_from else ""
    if not job or not (store.jobs / job / "spec.json").is_file():
        return None
    before = store.view(job)
    return before if (before.spec.kind, before.spec.method) == (KIND, view.spec.method) else None


def _truth(folder: Path) -> dict[str, set[str]]:
    """Each validation patient and the digests of their label maps."""
    found: dict[str, set[str]] = {}
    for row in read_split(folder):
        if row["split"] == VALIDATION:
            found.setdefault(row["patient"], set()).add(row["mask_sha256"])
    return found


def _comparable(records: list[dict[str, set[str]]], number: int) -> bool:
    """Same patients as at first, same label maps as before; a digest that nobody recorded contradicts nothing."""
    now, before = records[number], records[max(number - 1, 0)]
    changed = any(before[who] != now[who] and "" not in before[who] | now[who] for who in before.keys() & now.keys())
    return now.keys() == records[0].keys() and not changed


def _round(store: JobStore, view: JobView, number: int, truth: dict[str, set[str]], comparable: bool) -> Round:
    spec, status = view.spec, view.status
    last = store.last_events(view.id)
    measured = (last.get("evaluation") or {}).get(VALIDATION) or {}
    metric = next((name for name in METRICS if name in measured), "")
    return Round(
        number, view.id, spec.name, status.state, int((last.get("started") or {}).get("training", 0)), tuple(sorted(truth)),
        metric, measured.get(metric), (status.ended - status.started) / 60 if status.ended > status.started > 0 else None,
        _steps(spec), _pace(store, view.id), comparable,
    )  # fmt: skip


def _steps(spec: JobSpec) -> int:
    return int((spec.config.get("training") or {}).get("steps", 0))


def _pace(store: JobStore, job: str) -> float | None:
    """Steps a second between the first and the last event of the last uninterrupted stretch of training."""
    first: dict[str, Any] | None = None
    last: dict[str, Any] | None = None
    events, after = store.events(job)
    while events:
        for event in events:
            if event["type"] == "resumed":
                first = last = None
            elif event["type"] in ("loss", "metric"):
                first, last = first or event, event
        events, after = store.events(job, after)
    if first is None or last is None or last["time"] <= first["time"] or last["step"] <= first["step"]:
        return None
    return float((last["step"] - first["step"]) / (last["time"] - first["time"]))
