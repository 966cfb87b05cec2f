"""PEAC from simulated radiographs to anatomy that is found again in a patient no training step saw, all through the client."""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from medssl.cli.data.samples import fetch_with_bar
from medssl.cli.output import err
from medssl.client.session import Session
from medssl.core.protocol import DataSpec, JobView, VolumeRef
from medssl.core.tables import read_table, write_table
from medssl.examples.demonstration import (
    DemoResult,
    backend_over,
    finish_report,
    new_report,
    save_result,
    train,
)
from medssl.reports.figures.curves import draw_loss_curve

SAMPLE = "simulated-radiographs"
UNSEEN = "patient-3"
POSES = 3  # frontal images of each patient whose landmarks are looked for
SHORT = {
    "steps": 700,
    "validate_every": 100,
    "checkpoint_every": 100,
}  # a few minutes of the laptop preset on two cores
PICTURES = {
    "correspond": "Places that are each other's nearest in patient-1 and the unseen patient, and in a second trained one",
    "cosegment": "Parts of equal anatomy, clustered over all patients together: one colour, one part",
    "patchmap": "A point per cell; the colour says where in the image it lies",
    "landmarks": "True landmarks (rings) of one image, and where they were found from the other patients (dots)",
}


COLUMNS = ("landmarks found by", "mean error (mm)", "median (mm)", "within a cell")


class UnseenErrors(NamedTuple):
    """Retrieval of landmarks of the trained patients in the unseen one."""

    name: str
    mean: float  # error in the table's unit
    median: float
    within_cell: float  # share


def demonstrate_peac(output: Path, preset: str, settings: dict[str, Any]) -> DemoResult:
    """Do everything below `output`; the backend started for it is stopped again.

    Raises:
        ResourceError: the samples cannot be had, or the backend cannot start.
        MedSSLError: what made the training fail.
    """
    home, begun = output / "home", time.monotonic()
    output.mkdir(parents=True, exist_ok=True)
    sample = fetch_with_bar(SAMPLE, home)
    catalogue = write_catalogue(sample, output)
    if preset == "laptop":
        settings = {**settings, "training": {**SHORT, **settings.get("training", {})}}
    with backend_over(home) as session:
        events: list[dict[str, Any]] = []
        job = train(session, DataSpec(path=str(catalogue)), "peac", preset, settings, events)
        rows = inspect_anatomy(session, job, sample, output)
    by_name = {row.name: row for row in rows}
    trained, untrained, unmoved = (by_name[name] for name in ("trained", "untrained", "same coordinates"))
    good = trained.mean < untrained.mean
    verdict = (
        f"In the unseen patient landmarks are found {trained.mean:.0f} mm off on average, against {untrained.mean:.0f} mm by the "
        f"untrained network and {unmoved.mean:.0f} mm by answering with the same image coordinates."
    )
    report = write_landmark_report(output, job, events, rows, (verdict, good), time.monotonic() - begun)
    save_result(output, rows, verdict, good)
    return DemoResult(COLUMNS, rows, verdict, good, report)


def write_catalogue(sample: Path, output: Path) -> Path:
    """Write the catalogue of frontal images, one patient apart."""
    rows: list[dict[str, Any]] = [
        {**row, "image": sample / row["image"], "split": "validation" if row["patient"] == UNSEEN else "train"}
        for row in read_table(sample / "catalog.csv").rows
        if row["view"] == "frontal"
    ]
    catalogue = output / "catalogue.csv"
    write_table(rows, catalogue, ("image", "patient", "split", "modality", "pixel_mm"))
    return catalogue


def inspect_anatomy(session: Session, job: JobView, sample: Path, output: Path) -> list[UnseenErrors]:
    """Every inspection of the trained model, its files below `output`; returns the landmark errors."""
    patients = ["patient-1", UNSEEN, "patient-4", "patient-2"]
    refs = [_straight(sample, patient) for patient in patients]
    data, points = measured(sample, output)
    with err.status("looking for the same anatomy in all patients"):
        found = {
            "correspond": session.correspond(refs[:3], job.id, count=10),
            "cosegment": session.cosegment(refs, job.id),
            "patchmap": session.patchmap(refs[:3], job.id),
            "landmarks": session.landmarks(data, [job.id], points=points, unit="mm", dense=1),
        }
    for name, result in found.items():
        session.save(result, output / name)
    return errors_in_unseen(output / "landmarks" / "pairs.csv", job.id)


def measured(sample: Path, output: Path) -> tuple[DataSpec, tuple[dict[str, Any], ...]]:
    """The catalogue of the images whose landmarks are looked for, and those landmarks."""
    table = read_table(output / "catalogue.csv")
    rows = [row for row in table.rows if int(Path(row["image"]).stem.split("_")[2]) < POSES]
    write_table(rows, output / "measured.csv")
    names = {Path(row["image"]).name for row in rows}
    points = tuple(row for row in read_table(sample / "landmarks.csv").rows if Path(row["image"]).name in names)
    return DataSpec(path=str(output / "measured.csv")), points


def errors_in_unseen(pairs: Path, model: str) -> list[UnseenErrors]:
    """Rows over the retrievals that ask for a trained patient's landmark in the unseen one."""
    errors: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in read_table(pairs).rows:
        if row["target_patient"] == UNSEEN:
            name = "trained" if row["model"] == model else row["model"]
            errors[name].append((float(row["error"]), float(row["cells"])))
    rows = []
    for name, found in errors.items():
        distance, cells = np.array(found).T
        rows.append(UnseenErrors(name, float(distance.mean()), float(np.median(distance)), float((cells <= 1).mean())))
    return rows


def write_landmark_report(
    output: Path,
    job: JobView,
    events: list[dict[str, Any]],
    rows: list[UnseenErrors],
    verdict: tuple[str, bool],
    seconds: float,
) -> Path:
    """Leave report.html and loss.png; returns the report."""
    curve = draw_loss_curve(events)
    (output / "loss.png").write_bytes(curve)
    report = new_report("PEAC on simulated chest radiographs", *verdict)
    report.text(
        "All images here are simulated: chest CTs projected by a ray sum. Three patients train, ten poses each; the fourth, "
        f"{UNSEEN}, is seen by no training step, but its validation loss chose the checkpoint. Four patients are too few for a "
        "claim about patients in general; docs/experiments.md has measurements on real radiographs."
    )
    report.heading("Landmarks of the trained patients, looked for in the unseen one")
    report.table(COLUMNS, rows, best="trained")
    for name, caption in PICTURES.items():
        report.picture((output / name / "montage.png").read_bytes(), caption)
    report.heading("Training")
    report.picture(curve, "Weighted sum of the four terms; validation: order and restoration on the unseen patient")
    started = next(event for event in events if event["type"] == "started")
    training = job.spec.config["training"]
    facts = {
        "preset": f"{training['steps']} steps of {training['batch_size']} images, {job.spec.config['backbone']}",
        "device": f"{started['device']}, {started['precision']}", "fidelity": job.spec.config["fidelity"],
        "seed": training["seed"], "seconds in all": round(seconds), "job": job.id,
    }  # fmt: skip
    return finish_report(report, facts, "DiffDRR, PyRadiomics and TotalSegmentator", output)


def _straight(sample: Path, patient: str) -> VolumeRef:
    path = sample / "images" / f"{patient}_frontal_00_simulated.png"
    return VolumeRef(path=str(path), name=f"{patient} (simulated)", modality="CXR")
