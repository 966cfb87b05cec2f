"""From candidates to FROC on simulated nodules in real chest CT: a pretrained 3D encoder against one from scratch.

    python backend/benchmarks/experiments/planted_nodules.py CT [CT ...] --output planted [--steps 150] [--pretrain 80]

Scans are cut into folds. In each the task `classification` learns candidates (boxes around points) of the other folds' scans, the last of
these for validation, and says how probable those of its own scans are nodules; so every scan is tested once, by a network that saw others.
`genesis` begins with Models Genesis trained on the same other scans without nodules, `scratch` with nothing; `brightness` is the mean HU in
a ball of 4 mm, which needs no training. Nodules are simulated: the figures prove the pipeline and say nothing of patients. A run that
was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medssl.core.files import write_json
from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.registry import config_class
from medssl.core.schema import as_dict, build
from medssl.core.tables import read_table, write_table
from medssl.evaluation.candidates import read_candidates, read_nodules
from medssl.evaluation.detection import evaluate_detection
from medssl.examples.planted_nodules import draw_candidates, draw_nodules, find_lungs, plant
from medssl.images.formats.reading import read_volume, write_volume
from medssl.images.points import index_of
from medssl.images.resampling import resample
from medssl.images.volume import Volume
from medssl.jobs.folder_run import FolderRun
from medssl.pretraining import METHODS
from medssl.pretraining.run import pretrain
from medssl.reports.detection_report import write_detection
from medssl.reports.figures.froc import draw_froc
from medssl.reports.numbers import with_interval
from medssl.tasks import TASKS
from medssl.tasks.run import run_task

SPACING = 1.5  # mm, of everything that is learnt from
BALL = 4.0  # mm, of `brightness`
ARMS = ("genesis", "scratch", "brightness")


def main() -> None:
    asked = _arguments()
    torch.set_num_threads(asked.threads)
    start = time.monotonic()
    scans = [make_scan(path, n, asked) for n, path in enumerate(asked.scans)]
    print(
        f"{len(scans)} scans, {sum(len(s['nodules']) for s in scans)} nodules planted, {time.monotonic() - start:.0f} s",
        flush=True,
    )
    write_table([row for scan in scans for row in scan["nodules"]], asked.output / "nodules.csv")
    rows: dict[str, list[dict[str, str]]] = {arm: [] for arm in ARMS}
    for fold in range(asked.folds):
        for arm, found in run_fold(scans, fold, asked).items():
            rows[arm] += found
            print(f"fold {fold + 1} of {asked.folds}: {arm}, {time.monotonic() - start:.0f} s", flush=True)
    measure(rows, asked.output)


def make_scan(path: Path, number: int, asked: argparse.Namespace) -> dict[str, Any]:
    """Plant nodules in a scan, as often as asked for; the plain scan, the candidates of each copy, and the first's nodules."""
    patient, folder = f"scan-{number}", asked.output / "scans"
    folder.mkdir(parents=True, exist_ok=True)
    done, plain = folder / f"{patient}.json", folder / f"{patient}-plain.nrrd"
    if done.is_file():
        return json.loads(done.read_text(encoding="utf-8"))
    lungs = find_lungs(resample(read_volume(path, "CT"), (SPACING,) * 3))
    write_volume(lungs.volume, plain)
    copies, nodules = [], []
    for copy in range(asked.copies):
        rng = np.random.default_rng([asked.seed, number, copy])
        drawn = draw_nodules(lungs, asked.nodules, rng)
        file = folder / f"{patient}-{copy}.nrrd"
        write_volume(plant(lungs, drawn, rng), file)
        about = {"image": str(file), "patient": patient, "modality": "CT"}
        copies.append([{**about, **row} for row in draw_candidates(lungs, drawn, rng)])
        if copy == 0:
            nodules = [
                {"image": str(file), "patient": patient, **dict(zip("xyz", n.centre.tolist())), "coordinates": "LPS",
                 "diameter": 2 * n.radius, "attached": int(n.attached)} for n in drawn
            ]  # fmt: skip
    write_json(done, found := {"plain": str(plain), "patient": patient, "copies": copies, "nodules": nodules})
    return found


def run_fold(scans: Sequence[dict[str, Any]], fold: int, asked: argparse.Namespace) -> dict[str, list[dict[str, str]]]:
    """Each arm's rows of image, patient, x, y, z, coordinates and probability, of the fold's own scans."""
    tested = [scan for n, scan in enumerate(scans) if n % asked.folds == fold]
    others = [scan for n, scan in enumerate(scans) if n % asked.folds != fold]
    folder = asked.output / f"fold-{fold}"
    rows = [{**row, "split": "test"} for scan in tested for row in scan["copies"][0]]
    for scan in others:
        split, copies = ("val", 1) if scan is others[-1] else ("train", asked.copies)
        rows += [{**row, "split": split} for copy in scan["copies"][:copies] for row in copy]
    folder.mkdir(parents=True, exist_ok=True)
    write_table(rows, folder / "candidates.csv")
    start = learn_genesis([Path(scan["plain"]) for scan in others], folder, asked)
    found = {arm: learn(folder, arm, weights, asked) for arm, weights in (("genesis", start), ("scratch", ""))}
    return {**found, "brightness": brightness([row for row in rows if row["split"] == "test"])}


def learn_genesis(plain: Sequence[Path], folder: Path, asked: argparse.Namespace) -> str:
    """Models Genesis of the scans without nodules; its weight file."""
    write_table([{"image": str(p), "patient": p.stem, "modality": "CT"} for p in plain], folder / "plain.csv")
    steps = asked.pretrain
    over = {"base_width": asked.width, "cube": (asked.cube,) * 3, "training": {
        "steps": steps, "warmup_steps": steps // 10, "validate_every": max(steps // 2, 1), "checkpoint_every": steps, "seed": asked.seed}}  # fmt: skip
    config = as_dict(build(config_class(METHODS, "genesis"), over, "laptop"))
    spec = JobSpec("pretrain", "genesis", config, DataSpec(path=str(folder / "plain.csv"), validation_fraction=0.25))
    job = _run(folder / "genesis-pretraining", asked)
    done = job.folder / "done"
    if not done.is_file():
        pretrain(spec, job)
        done.touch()
    return str(job.folder / "results" / "model.safetensors")


def learn(folder: Path, arm: str, start: str, asked: argparse.Namespace) -> list[dict[str, str]]:
    """Train the candidates' classification; the test candidates with their probabilities."""
    steps = asked.steps
    over = {"labels": "Nodule", "crop": (asked.crop,) * 3, "base_width": asked.width, "balance": "sampler", "augmentation": "light",
            "test_time": "none", "geometry": {"spacing": f"{SPACING} {SPACING} {SPACING}"}, "training": {
                "steps": steps, "batch_size": 16, "learning_rate": 1e-3, "warmup_steps": steps // 10, "validate_every": max(steps // 5, 1),
                "checkpoint_every": steps, "seed": asked.seed}}  # fmt: skip
    config = as_dict(build(config_class(TASKS, "classification"), over, "laptop"))
    spec = JobSpec(
        "finetune", "classification", config, DataSpec(path=str(folder / "candidates.csv")), start_from=start
    )
    job = _run(folder / arm, asked)
    predictions = job.folder / "results" / "predictions.csv"
    if not predictions.is_file():
        run_task(spec, job)
    return read_table(predictions).rows


def brightness(rows: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """The candidates with the mean HU around them, between 0 and 1, in the place of a probability."""
    found = []
    for image in dict.fromkeys(row["image"] for row in rows):
        volume = read_volume(image, "CT")
        for row in (row for row in rows if row["image"] == image):
            score = (_mean_around(volume, [row[name] for name in "xyz"]) + 1000) / 2000
            place = " ".join(f"{row[name]:g}" for name in "xyz")
            found.append({"image": f"{image} ({place} LPS)", "patient": row["patient"], "Nodule": f"{score}"})
    return found


def _mean_around(volume: Volume, place: Sequence[float]) -> float:
    """Mean HU in a ball of `BALL` mm."""
    middle = index_of(volume, place)
    first = np.clip(np.floor(middle - BALL / volume.spacing), 0, None).astype(int)
    last = np.ceil(middle + BALL / volume.spacing).astype(int) + 1
    part = volume.array[tuple(slice(a, b) for a, b in zip(first, last))]
    index = np.stack(np.meshgrid(*(f + np.arange(n) for f, n in zip(first, part.shape)), indexing="ij"), axis=-1)
    return float(part[(((index - middle) * volume.spacing) ** 2).sum(axis=-1) <= BALL**2].mean())


def measure(rows: dict[str, list[dict[str, str]]], output: Path) -> None:
    """FROC of each arm with intervals by scan, printed, and as pages and one picture."""
    nodules, measured = read_nodules(output / "nodules.csv"), {}
    for arm, found in rows.items():
        table = [{"image": row["image"], "patient": row["patient"], "Nodule": row["Nodule"]} for row in found]
        write_table(table, output / f"candidates-{arm}.csv")
        measured[arm] = evaluate_detection(read_candidates(output / f"candidates-{arm}.csv"), nodules)
        write_detection(measured[arm], output / arm, f"Simulated nodules: {arm}")
        print(f"{arm}: {measured[arm]['verdict']}")
        for rate, row in measured[arm]["sensitivity"].items():
            print(f"  {rate:>6}  {with_interval(row)}")
    (output / "froc.png").write_bytes(draw_froc(measured))


def _run(folder: Path, asked: argparse.Namespace) -> FolderRun:
    for name in ("results", "checkpoints"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return FolderRun(folder, asked.output / "home", lambda: False, device=asked.device)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scans", nargs="+", type=Path, help="chest CT, a file for each patient")
    parser.add_argument("--output", type=Path, required=True, help="folder for everything")
    for name, value, text in (
        ("folds", 2, "parts of the scans"), ("nodules", 12, "in each scan"), ("copies", 2, "of each training scan, with other nodules"),
        ("steps", 150, "of each fine-tuning"), ("pretrain", 80, "steps of each pretraining"), ("crop", 24, "voxels of a candidate's box"),
        ("cube", 48, "voxels of the pretraining's sub-volumes"), ("width", 8, "channels of the first layer"), ("seed", 0, "of everything"),
        ("threads", 1, "of the processor"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{text} (default {value})")
    parser.add_argument("--device", default="cpu", help="as torch names it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
