"""What makes patch descriptors follow anatomy: views x losses, and the settings of the contrastive loss.

    python backend/benchmarks/experiments/anatomy_ablation.py --train cxr-nih/labels.csv --output ablation
        [--arms anatomy peac …] [--seeds 0 1 2] [--steps 0] [--measure cxr-lungs]

Each arm is the laptop preset of a method with few settings changed, see ARMS; each seed has its own split, weights and samples. Every
network is measured on the validation patients of its own training set, whose affine maps are known: from each cell of one view of an
image to the most similar cell of the other, in cells. These figures are for choosing. Only with --measure FOLDER (index.csv, images,
masks of the lungs) all trained networks also look for landmarks on images of another source, everywhere and within a radius around
the same place (landmarks/ARM-RADIUS); that is for the end. A run that was stopped goes on where it was; runs.jsonl holds a line
per network.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from torch import nn

from medssl.core import seeds
from medssl.core.files import write_json
from medssl.core.protocol import DataSpec, JobSpec, to_json
from medssl.core.registry import config_class
from medssl.core.requests import LandmarksRequest
from medssl.core.schema import as_dict, build
from medssl.core.tables import read_table, write_table
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.crops.loader import micro_batches
from medssl.evaluation.landmark_errors import MEASURES
from medssl.handlers.worker.local import run_here
from medssl.inference.untrained import untrained_twin
from medssl.inspection.anatomy.lung_landmarks import landmarks_of_masks
from medssl.jobs.folder_run import FolderRun
from medssl.networks.weights.weight_files import load_weights
from medssl.pretraining import METHODS
from medssl.pretraining.anatomy.config import AnatomyConfig
from medssl.pretraining.anatomy.method import Anatomy
from medssl.pretraining.run import pretrain, read_training_data

ARMS: dict[str, tuple[str, dict[str, Any]]] = {  # name: method, settings that differ from its laptop preset
    "anatomy": ("anatomy", {}),  # affine views, contrastive
    "published views": ("anatomy", {"views": "published"}),
    "PEAC's losses": ("peac", {"views": "affine"}),
    "peac": ("peac", {}),  # published views, PEAC's losses
    "negatives of the batch": ("anatomy", {"negatives": "batch"}),
    "temperature 0.05": ("anatomy", {"temperature": 0.05}),
    "temperature 0.2": ("anatomy", {"temperature": 0.2}),
    "appearance as it is": ("anatomy", {"curve_probability": 0.0, "box_probability": 0.0}),
}
CROSSED = ("anatomy", "published views", "PEAC's losses", "peac")  # views x losses
PAIRS, BATCH, MEASURING = 256, 8, 20_000  # pairs of views that a network is measured on, and the seed of their maps
FIGURES = ("match_error", "match_median", "within_a_cell", "same_place_error", "chance_error")


def main() -> None:
    asked = _arguments()
    torch.set_num_threads(asked.threads)
    asked.output.mkdir(parents=True, exist_ok=True)
    runs = asked.output / "runs.jsonl"
    for seed in asked.seeds:
        for arm in asked.arms:
            if (arm, seed) not in {(row["arm"], row["seed"]) for row in read_runs(runs)}:
                row = run_arm(arm, seed, asked)
                with runs.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                print(_line(row), flush=True)
    rows = [row for row in read_runs(runs) if row["arm"] in asked.arms and row["seed"] in asked.seeds]
    write_table(summarise(rows), asked.output / "known_maps.csv")
    for row in summarise(rows):
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    if asked.measure:
        measure_landmarks(rows, asked)


def run_arm(arm: str, seed: int, asked: argparse.Namespace) -> dict[str, Any]:
    """Train an arm, or take what it left, and measure it and its untrained twin under known maps."""
    method, settings = ARMS[arm]
    training = {"seed": seed, **({"steps": asked.steps} if asked.steps else {})}
    config = as_dict(build(config_class(METHODS, method), {**settings, "training": training}, preset="laptop"))
    spec = JobSpec("pretrain", method, config, DataSpec(path=str(asked.train), modality="CXR"))
    folder, begun = asked.output / f"{arm.replace(' ', '-')}-{seed}", time.process_time()
    job = _run(folder, asked)
    done, model = folder / "done.json", folder / "results" / "model.safetensors"
    if not done.is_file():
        pretrain(spec, job)
        write_json(done, {"cpu_s": round(time.process_time() - begun)})
    found = {
        "trained": known_maps(load_weights(model), spec, job),
        "untrained": known_maps(untrained_twin(model, seed), spec, job),
    }
    return {
        "arm": arm, "seed": seed, "steps": config["training"]["steps"], "model": str(model.resolve()),
        **json.loads(done.read_text(encoding="utf-8")),
        **{f"{name} {figure}": value for name, values in found.items() for figure, value in values.items()},
    }  # fmt: skip


@torch.inference_mode()
def known_maps(network: nn.Module, spec: JobSpec, job: FolderRun) -> dict[str, float]:
    """Matching between two affine views of the same held-out image, the same pairs for every arm of a seed; in cells."""
    data = read_training_data(spec, job, build(config_class(METHODS, spec.method), spec.config))
    seed = spec.config["training"]["seed"]
    measure = Anatomy(AnatomyConfig(backbone=spec.config["backbone"]), "CXR")
    numbers = [list(range(n, n + BATCH)) for n in range(0, PAIRS, BATCH)]
    sums = dict.fromkeys(FIGURES, 0.0)
    for number, batch in enumerate(micro_batches(measure.dataset(data.validation, seed), numbers)):
        views = measure.views(batch, seeds.generator(MEASURING, "validation", number))
        for name, value in measure.evaluate(network.eval(), views).items():
            if name in sums:
                sums[name] += float(value) / len(numbers)
    return sums


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row per arm: mean over its seeds and their standard deviation."""
    table = []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        own = [row for row in rows if row["arm"] == arm]
        figures = {
            name: _with_deviation([row[name] for row in own])
            for name in (*(f"trained {figure}" for figure in FIGURES), "untrained match_error")
        }
        table.append({"arm": arm, "seeds": len(own), **figures})
    return table


def measure_landmarks(rows: list[dict[str, Any]], asked: argparse.Namespace) -> None:
    """Landmarks of the lungs on images of another source, with every trained network; the tables of `medssl landmarks`."""
    data, home = DataSpec(path=str(asked.measure / "index.csv"), modality="CXR"), asked.output / "home"
    points, notes = landmarks_of_masks(read_catalog(data, home).entries, asked.measure / "masks")
    for arm, radius in product(dict.fromkeys(row["arm"] for row in rows), asked.radius):
        models = tuple(row["model"] for row in rows if row["arm"] == arm)
        request = LandmarksRequest(data, models, points=tuple(points), dense=asked.dense, search_radius=radius)
        folder = asked.output / "landmarks" / f"{arm.replace(' ', '-')}-{radius:g}"
        if not (folder / "info.json").is_file():
            result = run_here("landmarks", to_json(request), home, folder, lambda *_: None)
            write_json(folder / "info.json", {**result.info, "notes": [*result.info["notes"], *notes]})
        for row in read_table(folder / "landmarks.csv").rows:
            if row["landmark"] == row["group"] == "all":
                print(f"{arm}, radius {radius:g}, {row['model']}: {_measures(row)}", flush=True)


def read_runs(path: Path) -> list[dict[str, Any]]:
    """The lines of runs.jsonl; none where there is no such file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def _run(folder: Path, asked: argparse.Namespace) -> FolderRun:
    for name in ("results", "checkpoints"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return FolderRun(folder, asked.output / "home", lambda: False, device=asked.device)


def _measures(row: dict[str, str]) -> str:
    """A row of landmarks.csv: each measure with its interval."""
    bounds = {name: [float(row[f"{name}{end}"] or "nan") for end in ("", "_low", "_high")] for name in MEASURES}
    return ", ".join(f"{name} {value:.3g} ({low:.3g} to {high:.3g})" for name, (value, low, high) in bounds.items())


def _line(row: dict[str, Any]) -> str:
    return "  ".join(f"{name} {_short(value)}" for name, value in row.items() if name != "model")


def _short(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value


def _with_deviation(values: list[float]) -> str:
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=Path, required=True, help="catalogue or folder of training radiographs")
    parser.add_argument("--output", type=Path, required=True, help="folder for everything")
    parser.add_argument(
        "--arms", nargs="+", choices=list(ARMS), default=list(CROSSED), help="by default views x losses"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=0, help="of each training; 0: those of the preset")
    parser.add_argument("--measure", type=Path, help="folder with index.csv and masks, of images of another source")
    parser.add_argument(
        "--radius", nargs="+", type=float, default=[0.0, 25.0], help="search radii in %% of the width; 0: none"
    )
    parser.add_argument("--dense", type=int, default=1, help="descriptors along a side of a cell, for landmarks")
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    parser.add_argument("--device", default="cpu", help="as torch names it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
