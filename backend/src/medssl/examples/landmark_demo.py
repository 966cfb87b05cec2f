"""From simulated radiographs to anatomy that is found again in a patient no training step saw, all through the client."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
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
EVERY = {"validate_every": 100, "checkpoint_every": 100}
PICTURES = {
    "correspond": "Places that are each other's nearest in patient-1 and the unseen patient, and in a second trained one",
    "cosegment": "Parts of equal anatomy, clustered over all patients together: one colour, one part",
    "patchmap": "A point per cell; the colour says where in the image it lies",
    "landmarks": "True landmarks (rings) of one image, and where they were found from the other patients (dots)",
}


COLUMNS = ("landmarks found by", "mean error (mm)", "median (mm)", "within a cell")
TRAINED, UNTRAINED, UNMOVED = "trained", "untrained", "same coordinates"


class UnseenErrors(NamedTuple):
    """Retrieval of landmarks of the trained patients in the unseen one."""

    name: str
    mean: float  # error in the table's unit
    median: float
    within_cell: float  # share


class Shown(NamedTuple):
    """A method whose tokens are shown: its name, the report's title, what its curve is of, and its steps in the preset laptop: a few
    minutes on two cores."""

    method: str
    title: str
    curve: str
    steps: int


PEAC = Shown(
    "peac", "PEAC on simulated chest radiographs",
    "Weighted sum of the four terms; validation: order and restoration on the unseen patient", 260,
)  # fmt: skip
ANATOMY = Shown(
    "anatomy", "Dense contrastive anatomy embedding on simulated chest radiographs",
    "Contrastive loss; validation: mean error in cells of finding places of the unseen patient's images in moved copies of them", 350,
)  # fmt: skip


def demonstrate_peac(output: Path, preset: str, settings: dict[str, Any]) -> DemoResult:
    """See `demonstrate_landmarks`."""
    return demonstrate_landmarks(PEAC, output, preset, settings)


def demonstrate_anatomy(output: Path, preset: str, settings: dict[str, Any]) -> DemoResult:
    """See `demonstrate_landmarks`."""
    return demonstrate_landmarks(ANATOMY, output, preset, settings)


def demonstrate_landmarks(shown: Shown, output: Path, preset: str, settings: dict[str, Any]) -> DemoResult:
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
        settings = {**settings, "training": {"steps": shown.steps, **EVERY, **settings.get("training", {})}}
    with backend_over(home) as session:
        events: list[dict[str, Any]] = []
        job = train(session, DataSpec(path=str(catalogue)), shown.method, preset, settings, events)
        rows = inspect_anatomy(session, job, sample, output)
    verdict, better = judge(rows)
    learnt = better is not False
    report = write_landmark_report(shown, output, job, events, rows, (verdict, better), time.monotonic() - begun)
    save_result(output, rows, verdict, learnt)
    return DemoResult(COLUMNS, rows, verdict, learnt, report)


def judge(rows: Sequence[UnseenErrors]) -> tuple[str, bool | None]:
    """The verdict, which begins with what is beaten in mean and median; True: the untrained network and the same coordinates,
    None: the untrained network only, False: not even that."""
    by_name = {row.name: row for row in rows}
    trained = by_name[TRAINED]
    rivals = {
        "the untrained network": by_name[UNTRAINED],
        "answering with the same image coordinates": by_name[UNMOVED],
    }
    beaten = {what: trained.median < rival.median and trained.mean < rival.mean for what, rival in rivals.items()}
    learnt, better = beaten.values()
    lost = [what for what, won in beaten.items() if not won]
    begin = f"Not better than {' or '.join(lost)}" if lost else f"Better than {' and '.join(rivals)}"
    numbers = (
        f": in the unseen patient landmarks are found {trained.median:.0f} mm off in the median ({trained.mean:.0f} on average), "
        + ", ".join(f"by {what} {rival.median:.0f} ({rival.mean:.0f})" for what, rival in rivals.items())
    )
    return f"{begin}{numbers}.", (better or None) if learnt else False


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
            name = TRAINED if row["model"] == model else row["model"]
            errors[name].append((float(row["error"]), float(row["cells"])))
    rows = []
    for name, found in errors.items():
        distance, cells = np.array(found).T
        rows.append(UnseenErrors(name, float(distance.mean()), float(np.median(distance)), float((cells <= 1).mean())))
    return rows


def write_landmark_report(
    shown: Shown,
    output: Path,
    job: JobView,
    events: list[dict[str, Any]],
    rows: list[UnseenErrors],
    verdict: tuple[str, bool | None],
    seconds: float,
) -> Path:
    """Leave report.html and loss.png; returns the report."""
    curve = draw_loss_curve(events)
    (output / "loss.png").write_bytes(curve)
    report = new_report(shown.title, *verdict)
    report.text(
        "All images here are simulated: chest CTs projected by a ray sum. Three patients train, ten poses each; the fourth, "
        f"{UNSEEN}, is seen by no training step, but its validation loss chose the checkpoint. Four patients are too few for a "
        "claim about patients in general; docs/experiments.md has measurements on real radiographs."
    )
    report.heading("Landmarks of the trained patients, looked for in the unseen one")
    report.table(COLUMNS, rows, best=min(rows, key=lambda row: row.median).name)
    for name, caption in PICTURES.items():
        report.picture((output / name / "montage.png").read_bytes(), caption)
    report.heading("Training")
    report.picture(curve, shown.curve)
    started = next(event for event in events if event["type"] == "started")
    training = job.spec.config["training"]
    facts = {
        "preset": f"{training['steps']} steps of {training['batch_size']} images, {job.spec.config['backbone']}",
        "device": f"{started['device']}, {started['precision']}",
        "seed": training["seed"], "seconds in all": round(seconds), "job": job.id,
    }  # fmt: skip
    return finish_report(report, facts, "DiffDRR, PyRadiomics and TotalSegmentator", output)


def _straight(sample: Path, patient: str) -> VolumeRef:
    path = sample / "images" / f"{patient}_frontal_00_simulated.png"
    return VolumeRef(path=str(path), name=f"{patient} (simulated)", modality="CXR")
