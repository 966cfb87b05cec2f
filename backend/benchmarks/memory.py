"""Does memory grow with the training set? Anonymous memory (RssAnon: not mapped pages) of a training over many volumes against few.

python backend/benchmarks/memory.py [--few 10] [--many 200] [--json]          (Linux)
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.schema import as_dict, build
from medssl.pretraining.genesis.config import GenesisConfig

SHAPE = (128, 128, 96)  # 3 MiB of int16 each: 200 of them would be 600 MiB, were they held
STEPS = 60


class MeasuringRun:
    """A job that notes its process's anonymous memory at every event."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self.resume, self.device = folder, folder / "home", False, "cpu"
        self.peak = self.last = 0
        for name in ("results", "checkpoints"):
            (folder / name).mkdir(parents=True)

    def emit(self, type: str, **fields: Any) -> None:
        self.last = anonymous_memory()
        self.peak = max(self.peak, self.last)

    def progress(self, step: int, steps: int, message: str = "", eta_s: float | None = None) -> None: ...

    def cancel_requested(self) -> bool:
        return False


def anonymous_memory() -> int:
    """RssAnon of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def measure(data: Path) -> dict[str, int]:
    """Train in this process and tell its memory."""
    from medssl.pretraining.run import pretrain

    training = {"steps": STEPS, "batch_size": 4, "validate_every": 30, "validation_samples": 8, "warmup_steps": 1}
    config = as_dict(build(GenesisConfig, {"base_width": 4, "cube": [32, 32, 32], "training": training}))
    with tempfile.TemporaryDirectory() as folder:
        run = MeasuringRun(Path(folder) / "job")
        pretrain(JobSpec("pretrain", "genesis", config, DataSpec(path=str(data), modality="CT")), run)
    return {"peak": run.peak, "last": run.last}


def write_volumes(folder: Path, count: int) -> None:
    """Noise in Hounsfield units, hardly compressible."""
    folder.mkdir()
    for number in range(count):
        voxels = np.random.default_rng(number).integers(-1000, 1000, SHAPE[::-1], dtype=np.int16)
        sitk.WriteImage(sitk.GetImageFromArray(voxels), str(folder / f"patient{number:03}.nrrd"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=10)
    parser.add_argument("--many", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)  # in the measured process
    options = parser.parse_args()
    if options.data:
        print(json.dumps(measure(options.data)))
        return
    found: dict[str, Any] = {}
    for name, count in (("few", options.few), ("many", options.many)):
        with tempfile.TemporaryDirectory() as folder:
            write_volumes(Path(folder) / "data", count)
            command = [sys.executable, __file__, "--data", str(Path(folder) / "data")]
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found[name] = {"volumes": count, **json.loads(output.splitlines()[-1])}
    found["ratio"] = found["many"]["peak"] / found["few"]["peak"]
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for name in ("few", "many"):
        print(
            f"{found[name]['volumes']:4} volumes: peak {found[name]['peak'] / 2**20:.0f} MiB, at the end {found[name]['last'] / 2**20:.0f} MiB"
        )
    print(f"ratio of the peaks {found['ratio']:.3f}")


if __name__ == "__main__":
    main()
