"""A task that trains nothing: tables from a seeded formula, with a checkpoint between its steps."""

from __future__ import annotations

import json
import os
import signal
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from medssl.core.errors import CancelledError, TrainingError, WeightsError
from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.run import Run
from medssl.datasets.catalog.catalog import read_catalog
from medssl.evaluation.prediction_tables import Predictions, write_cases, write_predictions
from medssl.jobs import KINDS as REAL
from medssl.jobs import Kind

FAKE = "study_fakes:KINDS"
STEPS = 3


def run_task(spec: JobSpec, run: Run) -> None:
    """A better result with weights and with more patients; in the home, `kill.json` ends a process and `hold` holds all up."""
    if "unfit" in spec.start_from:
        raise WeightsError(spec.start_from, "does not fit", "Take other weights")
    config = spec.config
    seed = config["training"]["seed"] if "training" in config else config["seed"]
    if "unlucky" in spec.start_from and seed == 1:
        raise TrainingError("loss", "is not a number", "Lower the learning rate")
    begin = int((run.folder / "checkpoints" / "step").read_text()) if run.resume else 0
    with (run.home / "calls.txt").open("a") as calls:
        calls.write(f"{spec.name} {begin} {run.device}\n")
    for step in range(begin, STEPS):
        while (run.home / "hold").exists() and not run.cancel_requested():
            time.sleep(0.02)
        if run.cancel_requested():
            raise CancelledError()
        _maybe_kill(run.home, spec.name, step)
        run.progress(step + 1, STEPS)
        run.emit("loss", step=step, loss=1 / (step + 1))
        (run.folder / "checkpoints" / "step").write_text(str(step + 1))
    run.emit("evaluation", **(_segmentation if spec.method == "segmentation" else _classification)(spec, run, seed))


def _maybe_kill(home: Path, name: str, step: int) -> None:
    wish = home / "kill.json"
    with suppress(FileNotFoundError):  # a run beside this one may take it away at any moment
        if json.loads(wish.read_text()) == [name, step]:
            wish.unlink()
            os.kill(os.getpid(), signal.SIGKILL)


def _generator(*parts: Any) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(parts).encode()))


def _gain(spec: JobSpec) -> float:
    select = spec.config["select"]
    amount = select["patients"] / 10 if select["patients"] else select["fraction"]
    return 0.3 * amount / (amount + 1) + (0.06 if spec.start_from else 0.0)


def _segmentation(spec: JobSpec, run: Run, seed: int) -> dict[str, Any]:
    test = [entry for entry in read_catalog(spec.data, run.home) if entry.split == "test"]
    shared = _generator(seed, spec.config["select"]).normal(0, 0.01)  # of the subset: the same for every arm
    own = _generator(seed, spec.start_from, spec.config["select"]).normal(0, 0.01)
    rows = []
    for entry in test:
        hard = _generator(entry.patient).normal(0, 0.03)
        dice = float(
            np.clip(
                0.5 + _gain(spec) + shared + own + hard + _generator(entry.patient, seed, own).normal(0, 0.01), 0, 1
            )
        )
        attributes = {f"attribute_{name}": str(value) for name, value in {**entry.attributes, **entry.labels}.items()}
        for label in ("Anterior", "Posterior", "mean"):
            rows.append({
                "image": str(entry.image), "patient": entry.patient, "class": label, "dice": dice, "iou": dice / (2 - dice),
                "surface_dice": min(1, dice * 1.05), "hd95": 10 * (1 - dice), "volume_ml": 1.0, "reference_volume_ml": 1.1,
                **attributes,
            })  # fmt: skip
    write_cases(run.folder / "results" / "cases.csv", rows)
    mean = {
        name: float(np.mean([r[name] for r in rows if r["class"] == "mean"]))
        for name in ("dice", "iou", "surface_dice", "hd95")
    }
    return {"test": mean, "validation": {"dice": mean["dice"] + 0.01}}


def _classification(spec: JobSpec, run: Run, seed: int) -> dict[str, Any]:
    from sklearn.metrics import roc_auc_score

    test = [entry for entry in read_catalog(spec.data, run.home) if entry.split == "test"]
    names = spec.config["labels"].split(",")
    targets = np.array([[entry.labels[name] for name in names] for entry in test])
    draw = np.array([_generator(entry.patient).normal(0, 1, len(names)) for entry in test])
    own = _generator(seed, spec.start_from).normal(0, 0.5, draw.shape)
    scores = draw + own + targets * (0.4 + 4 * _gain(spec))
    known = [{**entry.attributes, "age": str(entry.labels["age"])} for entry in test]
    attributes = {name: tuple(row[name] for row in known) for name in known[0]}
    write_predictions(run.folder / "results" / "predictions.csv", Predictions(
        tuple(str(entry.image) for entry in test), tuple(entry.patient for entry in test), tuple(names),
        1 / (1 + np.exp(-scores)), targets, attributes,
    ))  # fmt: skip
    auc = float(np.mean([roc_auc_score(targets[:, n], scores[:, n]) for n in range(len(names))]))
    return {"test": {"auc": auc}, "validation": {"auc": auc}}


def write_catalog(folder: Path, patients: int = 40, split: bool = True) -> Path:
    """A catalogue whose image files are empty: the fake task reads none."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["image,patient,sex,age,Pneumonia,Mass" + (",split" if split else "")]
    for number in range(patients):
        (folder / f"image{number:02}.png").touch()
        part = "test" if number % 3 == 0 else "val" if number % 7 == 1 else "train"
        finding, mass = int(_generator(number, "p").random() < 0.5), int(_generator(number, "m").random() < 0.5)
        row = f"image{number:02}.png,p{number:02},{'FM'[number // 2 % 2]},{30 + number},{finding},{mass}"
        lines.append(row + (f",{part}" if split else ""))
    (folder / "catalog.csv").write_text("\n".join(lines) + "\n")
    return folder / "catalog.csv"


def study_spec(data: Path, task: str = "segmentation", test_fraction: float = 0.0, **study: Any) -> JobSpec:
    """A comparison of two arms at two sizes with three seeds, unless told otherwise."""
    from medssl.studies.comparison.check import check_study

    weights = data.parent / "genesis.safetensors"
    if not weights.exists():
        weights.write_bytes(b"weights")
    tree = {
        "task": task, "preset": "laptop", "patients": [5, 10], "seeds": 3, "replicates": 200,
        "arms": [{"name": "scratch"}, {"name": "genesis", "weights": str(weights)}], **study,
    }  # fmt: skip
    if task == "classification":
        tree.setdefault("config", {"labels": "Pneumonia"})
    return JobSpec(
        "compare", "compare", check_study(tree), DataSpec(path=str(data), test_fraction=test_fraction), device="cpu"
    )


def fake_compare(spec: JobSpec, run: Run) -> None:
    """The job kind "compare" with the fake task."""
    from medssl.studies.comparison.run import compare

    compare(spec, run, FAKE)


KINDS = {
    "compare": Kind("study_fakes:fake_compare", REAL["compare"].check),
    **{kind: Kind("study_fakes:run_task", REAL[kind].check) for kind in ("finetune", "probe")},
}
