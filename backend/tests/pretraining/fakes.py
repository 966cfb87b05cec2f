"""A job without a process: collects events in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from PIL import Image

from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.schema import as_dict, build
from medssl.datasets.spec.spec import DatasetSpec
from medssl.pretraining.genesis.config import GenesisConfig


class FakeRun:
    """A `Run` whose cancel request comes at a chosen step."""

    def __init__(self, folder: Path, home: Path, cancel_at: int | None = None, resume: bool = False) -> None:
        self.folder, self.home, self.resume, self.device = folder, home, resume, "cpu"
        self.cancel_at, self.events, self.asked = cancel_at, [], 0
        for name in ("results", "checkpoints"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def emit(self, type: str, **fields: Any) -> None:
        self.events.append({"type": type, **fields})

    def progress(self, step: int, steps: int, message: str = "", eta_s: float | None = None) -> None: ...

    def cancel_requested(self) -> bool:
        self.asked += 1
        return self.cancel_at is not None and self.asked >= self.cancel_at

    def of(self, type: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == type]


def write_phantoms(folder: Path, count: int = 3, shape: tuple[int, int, int] = (40, 36, 24)) -> Path:
    """CT-like volumes: a soft-tissue ellipsoid with two lungs and some noise, in HU."""
    folder.mkdir(parents=True, exist_ok=True)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    for number in range(count):
        rng = np.random.default_rng(number)
        body = (grid**2).sum(0) < 0.9
        lungs = ((np.abs(grid[0]) - 0.35) ** 2 * 8 + grid[1] ** 2 * 3 + grid[2] ** 2 < 0.5) & body
        hu = np.where(lungs, -800.0, np.where(body, 40.0, -1000.0)) + rng.normal(0, 20, shape)
        image = sitk.GetImageFromArray(hu.T.astype(np.int16))
        sitk.WriteImage(image, str(folder / f"patient{number}.nrrd"))
    return folder


def write_radiographs(folder: Path, count: int = 3, shape: tuple[int, int] = (150, 130)) -> Path:
    """8-bit pictures like chest radiographs: a bright body with two dark lungs, each at a place of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        rng = np.random.default_rng(number)
        rows, columns = np.meshgrid(*(np.linspace(-1, 1, n) - rng.uniform(-0.1, 0.1) for n in shape), indexing="ij")
        lungs = ((np.abs(columns) - 0.4) ** 2 * 8 + rows**2 * 2) < 0.6
        grey = np.where(lungs, 60.0, 160.0 - 30 * np.abs(columns)) + rng.normal(0, 6, shape)
        Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(folder / f"patient{number}.png")
    return folder


def write_dataset_specs(folder: Path, count: int = 8, name: str = "toy", **keys: Any) -> dict[str, Any]:
    """Radiographs with a table beside them; the dataset spec of two findings, the even images have the first."""
    write_radiographs(folder, count)
    rows = [f"patient{n}.png,{n},{int(n % 2 == 0)},{int(n % 3 == 0)},{'MF'[n % 2]}" for n in range(count)]
    (folder / "table.csv").write_text("\n".join(["image,patient,Even,Third,sex", *rows]) + "\n")
    spec = {"name": name, "kind": "multi-label", "root": str(folder), "tables": ["table.csv"], "images": "{image}",
                "labels": ["Even", "Third"], "attributes": ["sex"]}  # fmt: skip
    return DatasetSpec.from_dict({**spec, **keys}).as_dict()


def tiny_spec(data: Path, **training: Any) -> JobSpec:
    """A Genesis training of seconds: width 4, cubes of 16×16×16."""
    loop = {
        "steps": 6, "batch_size": 2, "validate_every": 3, "validation_samples": 4, "checkpoint_every": 2, "precision": "fp32",
        "warmup_steps": 1,
    }  # fmt: skip
    settings = {"base_width": 4, "cube": [16, 16, 16], "training": {**loop, **training}}
    config = as_dict(build(GenesisConfig, settings))
    return JobSpec("pretrain", "genesis", config, DataSpec(path=str(data), modality="CT", validation_fraction=0.34))
