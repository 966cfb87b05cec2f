"""Does a training keep to the memory that it may take? The peak resident memory of the job's process, of a budget in GB.

Of a pretraining with Models Genesis the batch follows the budget, with the largest cubes of which two fit; of a segmentation from
scratch crop, width and batch are planned from it, and on a processor from the time of a step too.

python backend/benchmarks/memory_budget.py [--budgets 2 20] [--width 8] [--steps 2] [--json]          (Linux or macOS)
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from medssl.core.protocol import DataSpec, JobSpec
from medssl.jobs.check import checked
from medssl.jobs.store import JobStore
from medssl.networks.unet3d import UNet3D
from medssl.tasks.segmentation.planning import PLAN_FILE
from medssl.training.memory import GB, PROCESS, network_memory

SIDES = (16, 32, 48, 64, 96, 128)  # of cubes; the largest is taken of which two fit
KINDS = "medssl.jobs:KINDS"
UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


def fitting_side(budget: int, width: int) -> int:
    """The largest cube of which a batch of two fits."""
    network = UNet3D(width)
    fitting = [s for s in SIDES if PROCESS + network_memory(network, (2, 1, s, s, s)).total <= budget]
    return fitting[-1] if fitting else SIDES[0]


def write_volumes(folder: Path, side: int, labelled: bool = False) -> Path:
    """CT-like noise of four patients, with a labelled cube in the middle where asked; the folder, or the catalogue of it."""
    rows = []
    for number, part in enumerate(("train", "train", "train", "val")):
        voxels = np.random.default_rng(number).integers(-1000, 1000, (side + 8,) * 3, dtype=np.int16)
        mask, middle = np.zeros(voxels.shape, np.uint8), slice(side // 4, side // 2)
        mask[middle, middle, middle] = 1
        image, labels = folder / f"patient{number}.nrrd", folder / f"mask{number}.nrrd"
        sitk.WriteImage(sitk.GetImageFromArray(voxels), str(image))
        if labelled:
            sitk.WriteImage(sitk.GetImageFromArray(mask), str(labels))
        rows.append((image.name, f"p{number}", labels.name, part, "CT"))
    if not labelled:
        return folder
    with (folder / "set.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "patient", "mask", "split", "modality"), *rows])
    return folder / "set.csv"


def pretraining(data: Path, budget_gb: float, asked: argparse.Namespace) -> tuple[JobSpec, dict[str, Any]]:
    """Models Genesis on the largest cubes that fit; what it is called."""
    side = asked.side or fitting_side(int(budget_gb * GB), asked.width)
    config = {"base_width": asked.width, "cube": [side] * 3, "training": training(budget_gb, asked.steps)}
    where = DataSpec(path=str(write_volumes(data, side)), modality="CT")
    return JobSpec("pretrain", "genesis", config, where, device="cpu"), {"side": side}


def segmentation(data: Path, budget_gb: float, asked: argparse.Namespace) -> tuple[JobSpec, dict[str, Any]]:
    """From scratch, planned for the budget."""
    where = DataSpec(path=str(write_volumes(data, asked.volume, labelled=True)))
    config = {"training": training(budget_gb, asked.steps), "postprocessing": "none"}  # of noise it takes minutes
    return JobSpec("finetune", "segmentation", config, where, device="cpu", rivals=False), {}


def training(budget_gb: float, steps: int) -> dict[str, Any]:
    """Of both."""
    return {"steps": steps, "batch_size": 0, "memory": budget_gb, "validate_every": steps, "validation_samples": 2,
            "warmup_steps": 1, "precision": "fp32"}  # fmt: skip


def measure(kind: str, budget_gb: float, asked: argparse.Namespace) -> dict[str, Any]:
    """Run a training as a job that may take so many GB."""
    with tempfile.TemporaryDirectory() as folder:
        data, home = Path(folder) / "data", Path(folder) / "home"
        data.mkdir(), home.mkdir()
        spec, known = TRAININGS[kind](data, budget_gb, asked)
        store = JobStore(home)
        job = store.create(checked(spec, KINDS))
        start = time.monotonic()
        child = subprocess.Popen([sys.executable, "-m", "medssl.jobs.child", str(store.folder(job))])
        _, _, used = os.wait4(child.pid, 0)  # what this very process used
        status, found = store.status(job), {"training": kind, "budget_gb": budget_gb, **known}
        if status.state != "finished":
            return {**found, "error": (status.error or {}).get("message", status.state)}
        peak = used.ru_maxrss * UNIT
        return {**found, **chosen(store.folder(job)), "peak_gb": peak / GB, "kept": peak <= budget_gb * GB,
                "seconds": time.monotonic() - start}  # fmt: skip


def chosen(folder: Path) -> dict[str, Any]:
    """Crop, width and batch of a job, and what its step was estimated to need."""
    if (folder / PLAN_FILE).is_file():
        plan = json.loads((folder / PLAN_FILE).read_text())["plan"]
        return {
            "crop": plan["crop"],
            "width": plan["width"],
            "batch_size": plan["batch"],
            "step_estimated_gb": plan["memory"] / GB,
        }
    batch = json.loads((folder / "batch.json").read_text())
    return {"batch_size": batch["batch_size"], "step_estimated_gb": batch["needed"] / GB}


TRAININGS = {"pretraining": pretraining, "segmentation": segmentation}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budgets", type=float, nargs="+", default=[2.0, 20.0], help="GB")
    parser.add_argument("--width", type=int, default=8, help="channels of the first layer")
    parser.add_argument("--side", type=int, default=0, help="of the cubes; 0: the largest of which two fit")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--volume", type=int, default=96, help="side of the volumes that are segmented")
    parser.add_argument("--trainings", nargs="+", choices=TRAININGS, default=list(TRAININGS))
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = [measure(kind, budget, asked) for kind in asked.trainings for budget in asked.budgets]
    if asked.json:
        print(json.dumps(found, indent=2))
        return
    for one in found:
        of = f"{one['training']} with {one['budget_gb']:g} GB"
        if "error" in one:
            print(f"{of}: {one['error']}")
            continue
        size = " × ".join(map(str, one.get("crop", [one.get("side")] * 3)))
        print(
            f"{of}: crops of {size}, batch {one['batch_size']}; a step was estimated at {one['step_estimated_gb']:.2f} GB, the "
            f"process peaked at {one['peak_gb']:.2f} GB ({'kept' if one['kept'] else 'EXCEEDED'}), {one['seconds']:.0f} s"
        )


if __name__ == "__main__":
    main()
