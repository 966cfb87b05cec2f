"""What was chosen on validation images for a table of predictions: by the job that left it, in the model that made it, or now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medssl.core.errors import InputError, counted, listed
from medssl.core.files import read_json
from medssl.core.plan import read_plan
from medssl.evaluation.metrics.thresholds import choose_thresholds
from medssl.evaluation.prediction_tables import Predictions
from medssl.jobs.store import model_of_job
from medssl.tasks.apply.output import record_of

NAMED = 3  # images, patients or classes that a refusal names


@dataclass(frozen=True)
class TableChoices:
    """Thresholds by class, the kind of labels, and a note on where these thresholds come from."""

    thresholds: dict[str, float] = field(default_factory=dict)
    kind: str = "auto"
    note: str = ""


def choices_of(path: Path, names: Sequence[str], home: Path) -> TableChoices:
    """What is known of a table: in the evaluation beside it, or in the model of the job that its record names.

    Args:
        path: of the table.
        names: its classes.
        home: where jobs lie.
    """
    beside = path.parent / "evaluation.json"
    earlier = read_json(beside) if beside.is_file() else {}
    if "thresholds" in earlier and earlier.get("classes") == list(names):
        thresholds = {name: value for name, value in earlier["thresholds"].items() if name in names}
        note = (
            f"Thresholds and kind of labels are those of {beside.name}, which lies beside the table"
            if thresholds
            else ""
        )
        return TableChoices(thresholds, earlier["kind"], note)
    record = record_of(path)
    if "columns" in record:  # findings of an Ark are independent of each other
        return TableChoices(kind="multi-label" if len(names) > 1 else "binary")
    return _of_model(record.get("job", ""), record.get("model_sha256", ""), names, home)


def chosen_on(
    validation: Predictions, table: Predictions, rule: str = "youden", specificity: float = 0.9
) -> dict[str, float]:
    """Thresholds of a table's classes, chosen on other images.

    Raises:
        InputError: a class is missing there, or images or patients are in both tables.
    """
    missing = [name for name in table.names if name not in validation.names]
    if missing:
        rule_text = f"has no class {listed(missing, NAMED)} of the predictions (it has: {', '.join(validation.names)})"
        raise InputError(
            "validation", rule_text, "Give predictions of the same model", code="validation-of-other-classes"
        )
    for what, ours, theirs in (
        ("image", table.images, validation.images), ("patient", table.patients, validation.patients),
    ):  # fmt: skip
        if shared := sorted({*ours} & {*theirs}):
            rule_text = f"is in the predictions that are measured, too: {listed(shared, NAMED)}"
            remedy = "Give predictions of images of other patients: thresholds that were chosen on test images flatter"
            raise InputError(f"validation: {counted(len(shared), what)}", rule_text, remedy, code="validation-shared")
    found = choose_thresholds(validation.targets, validation.probabilities, validation.names, rule, specificity)
    return {name: found[name] for name in table.names}


def _of_model(job: str, sha256: str, names: Sequence[str], home: Path) -> TableChoices:
    path = model_of_job(home, job) if job else None
    plan = read_plan(path) if path else None
    if plan is None or plan.sha256 != sha256 or list(plan.task.get("classes", ())) != list(names):
        return TableChoices()
    thresholds = plan.task.get("thresholds", {})
    note = f"Thresholds are those that job {job} chose on its validation images" if thresholds else ""
    return TableChoices(thresholds, plan.task.get("kind", "auto"), note)
