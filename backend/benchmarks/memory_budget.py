"""Does a training keep to the memory that it may take? Crop and batch follow a budget; the peak resident memory of the job's process.

python backend/benchmarks/memory_budget.py [--budgets 2 20] [--width 8] [--steps 2] [--json]          (Linux or macOS)
"""

from __future__ import annotations

import argparse
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
from medssl.training.memory import GB, PROCESS, network_memory

SIDES = (16, 32, 48, 64, 96, 128)  # of cubes; the largest is taken of which two fit
KINDS = "medssl.jobs:KINDS"
UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


def fitting_side(budget: int, width: int) -> int:
    """The largest cube of which a batch of two fits."""
    network = UNet3D(width)
    fitting = [s for s in SIDES if PROCESS + network_memory(network, (2, 1, s, s, s)).total <= budget]
    return fitting[-1] if fitting else SIDES[0]


def write_volumes(folder: Path, side: int) -> None:
    """CT-like noise of three patients."""
    for number in range(3):
        voxels = np.random.default_rng(number).integers(-1000, 1000, (side + 8,) * 3, dtype=np.int16)
        sitk.WriteImage(sitk.GetImageFromArray(voxels), str(folder / f"patient{number}.nrrd"))


def measure(budget_gb: float, width: int, steps: int, side: int = 0) -> dict[str, Any]:
    """Run a pretraining as a job that may take so many GB."""
    side = side or fitting_side(int(budget_gb * GB), width)
    with tempfile.TemporaryDirectory() as folder:
        data, home = Path(folder) / "data", Path(folder) / "home"
        data.mkdir(), home.mkdir()
        write_volumes(data, side)
        training = {
            "steps": steps, "batch_size": 0, "memory": budget_gb, "validate_every": steps, "validation_samples": 2,
            "warmup_steps": 1, "precision": "fp32",
        }  # fmt: skip
        config = {"base_width": width, "cube": [side] * 3, "training": training}
        store = JobStore(home)
        spec = JobSpec("pretrain", "genesis", config, DataSpec(path=str(data), modality="CT"), device="cpu")
        job = store.create(checked(spec, KINDS))
        start = time.monotonic()
        child = subprocess.Popen([sys.executable, "-m", "medssl.jobs.child", str(store.folder(job))])
        _, _, used = os.wait4(child.pid, 0)  # what this very process used
        status, chosen = store.status(job), store.folder(job) / "batch.json"
        if status.state != "finished":
            return {"budget_gb": budget_gb, "side": side, "error": (status.error or {}).get("message", status.state)}
        batch = json.loads(chosen.read_text())
        return {
            "budget_gb": budget_gb, "side": side, "batch_size": batch["batch_size"], "step_estimated_gb": batch["needed"] / GB,
            "step_budget_gb": batch["budget"] / GB, "peak_gb": used.ru_maxrss * UNIT / GB,
            "kept": used.ru_maxrss * UNIT <= budget_gb * GB, "seconds": time.monotonic() - start,
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budgets", type=float, nargs="+", default=[2.0, 20.0], help="GB")
    parser.add_argument("--width", type=int, default=8, help="channels of the first layer")
    parser.add_argument("--side", type=int, default=0, help="of the cubes; 0: the largest of which two fit")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = [measure(budget, options.width, options.steps, options.side) for budget in options.budgets]
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for one in found:
        if "error" in one:
            print(f"{one['budget_gb']:g} GB: {one['error']}")
            continue
        print(
            f"{one['budget_gb']:g} GB: cubes of {one['side']}, batch {one['batch_size']}; a step was estimated at "
            f"{one['step_estimated_gb']:.2f} of {one['step_budget_gb']:.2f} GB, the process peaked at {one['peak_gb']:.2f} GB "
            f"({'kept' if one['kept'] else 'EXCEEDED'}), {one['seconds']:.0f} s"
        )


if __name__ == "__main__":
    main()
