"""Tiny labelled sets and runs for the task tests."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from fakes import FakeRun
from PIL import Image

from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.registry import config_class
from medssl.core.schema import as_dict, build
from medssl.tasks import TASKS
from medssl.tasks.run import run_task

SPLITS = ("train", "train", "train", "train", "val", "val", "test", "test")
LOOP = {
    "steps": 4, "batch_size": 2, "validate_every": 2, "checkpoint_every": 2, "warmup_steps": 1, "precision": "fp32",
    "learning_rate": 0.01,
}  # fmt: skip
SMALL: dict[str, dict[str, Any]] = {
    "segmentation": {"base_width": 4, "crop": [16, 16, 16], "classes": "1=Left,2=Right", "training": LOOP},
    "classification": {"labels": "Bright", "backbone": "swin_micro", "test_time": "none", "training": LOOP},
    "probing": {"labels": "Bright"},
}


def write_volumes(folder: Path, shape: tuple[int, int, int] = (24, 20, 16)) -> Path:
    """MR-like volumes of eight patients, each with two bright boxes and their label map; returns the catalogue."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, split in enumerate(SPLITS):
        rng = np.random.default_rng(number)
        labels = np.zeros(shape, np.uint8)
        i, j, k = rng.integers(1, 4, 3)
        labels[i : i + 8, j : j + 10, k : k + 8] = 1
        labels[i + 12 : i + 20, j : j + 10, k : k + 8] = 2
        image = 100 + 120 * labels + rng.normal(0, 10, shape)
        for name, array in (("image", image.astype(np.int16)), ("mask", labels)):
            picture = sitk.GetImageFromArray(array.T)
            picture.SetSpacing((1.0, 1.5, 2.0))
            sitk.WriteImage(picture, str(folder / f"{name}{number}.nrrd"))
        sex = "FM"[number % 2]
        rows.append({"image": f"image{number}.nrrd", "patient": f"p{number}", "split": split, "modality": "MR",
                     "mask": f"mask{number}.nrrd", "sex": sex})  # fmt: skip
    return write_table(folder / "volumes.csv", rows)


def write_pictures(folder: Path, shape: tuple[int, int] = (150, 140)) -> Path:
    """Radiograph-like pictures of twelve patients: those called bright have a bright disc in the middle."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, split in enumerate((*SPLITS, "train", "train", "val", "test")):
        rng, bright = np.random.default_rng(number), number % 2
        y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
        grey = 90 + 40 * np.abs(x) + rng.normal(0, 8, shape) + 90 * bright * (x**2 + y**2 < 0.3)
        Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(folder / f"picture{number}.png")
        Image.fromarray((255 * (x**2 + y**2 < 0.3)).astype(np.uint8)).save(folder / f"disc{number}.png")
        rows.append({"image": f"picture{number}.png", "patient": f"p{number}", "split": split, "Bright": bright,
                     "mask": f"disc{number}.png", "shade": ("dark", "bright")[bright], "sex": "FM"[number % 3 % 2]})  # fmt: skip
    return write_table(folder / "pictures.csv", rows)


def write_table(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def task_spec(task: str, data: Path | DataSpec, start_from: str = "", **over: Any) -> JobSpec:
    """A task of seconds; `over` are settings beside those of `SMALL`."""
    config = as_dict(build(config_class(TASKS, task), {**SMALL[task], **over}))
    spec = data if isinstance(data, DataSpec) else DataSpec(path=str(data))
    return JobSpec("probe" if task == "probing" else "finetune", task, config, spec, start_from=start_from)


def run(spec: JobSpec, folder: Path, **fake: Any) -> tuple[dict[str, Any], FakeRun]:
    """Run a task in `folder/job`; the headline numbers and what the run was told."""
    job = FakeRun(folder / "job", folder / "home", **fake)
    return run_task(spec, job), job
