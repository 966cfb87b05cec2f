"""Our segmentation against nnU-Net v2: the same images, split, machine and minutes, one after the other.

    python backend/benchmarks/experiments/against_nnunet.py --data shared/data/mr-hippocampus --labels 20 --seeds 0 1 \\
        --minutes 20 --nnunet-python ENV/bin/python --output against

ENV is an environment of its own with `pip install nnunetv2`; without it only ours is run. 37 volumes (`--test`) are held out for
testing (drawn once), `--labels` train, up to 20 (`--validation`) of the rest validate. Each system gets both cores, one after the
other; reading, planning and preprocessing are timed apart. How many steps fit into the minutes is probed for both, so that their
schedules end with the time. A finished run is a line of runs.jsonl; called again with the same folder it goes on. The table gives
mean Dice and surface Dice (1 mm) over the test images, and the paired difference over them with its bootstrap interval.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from medssl.evaluation.metrics.segmentation_metrics import MEAN, case_metrics
from medssl.jobs.store import JobStore

VALIDATIONS = 4  # of ours, in a training
PROBE_STEPS, REPLICATES = 20, 5000
DRIVER = Path(__file__).with_name("nnunet_driver.py")
OURS, THEIRS = "medssl", "nnunet"
METRICS = ("dice", "surface_dice")


def main() -> None:
    """Run what is not done yet, and write the table."""
    asked = _arguments()
    asked.output.mkdir(parents=True, exist_ok=True)
    _keep_to_settings(asked)
    for labels in asked.labels:
        for seed in asked.seeds:
            for system, run in ((OURS, run_ours), (THEIRS, run_nnunet)):
                if system == THEIRS and not asked.nnunet_python:
                    continue
                if not any(
                    (one["labels"], one["seed"], one["system"]) == (labels, seed, system) for one in runs(asked)
                ):
                    place = asked.output / f"{system}-{labels}-{seed}"
                    shutil.rmtree(place, ignore_errors=True)
                    place.mkdir()
                    _add(asked, {"labels": labels, "seed": seed, "system": system, **run(place, labels, seed, asked)})
                    report(asked)


def split(labels: int, asked: argparse.Namespace) -> dict[str, list[str]]:
    """Names of the images of each part; the test images are the same whatever the labels."""
    names = sorted(path.name for path in (asked.data / "labels").glob("*.nii.gz"))
    random.Random(0).shuffle(names)
    rest = names[asked.test :]
    return {"test": names[: asked.test], "train": rest[:labels], "val": rest[labels : labels + asked.validation]}


def run_ours(place: Path, labels: int, seed: int, asked: argparse.Namespace) -> dict[str, Any]:
    """`medssl finetune` from scratch, then `medssl segment` of the test images."""
    parts, table = split(labels, asked), place / "set.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "patient", "mask", "split", "modality"))
        for part in ("train", "val", "test"):
            for name in parts[part]:
                where = [str((asked.data / kind / name).resolve()) for kind in ("images", "labels")]
                writer.writerow((where[0], name, where[1], part, asked.modality))
    probe = _train(place, table, "probe", PROBE_STEPS, PROBE_STEPS, seed, asked)
    spent = 60 * asked.minutes - VALIDATIONS * probe["validation_s"]
    steps = max(VALIDATIONS, int(spent / probe["step_s"]))
    found = _train(place, table, "trained", steps, -(-steps // VALIDATIONS), seed, asked)
    images = place / "test"
    images.mkdir()
    for name in parts["test"]:
        shutil.copyfile(asked.data / "images" / name, images / name)
    _medssl(place, "segment", str(images), "--model", found["job"], "--output", str(place / "predicted"),
            "--modality", asked.modality, "--device", "cpu")  # fmt: skip
    cases = measure(place / "predicted", asked.data / "labels", parts["test"])
    kept = {name: found[name] for name in ("planning_s", "training_s", "steps", "plan")}
    return {**kept, "step_s": probe["step_s"], "cases": cases}


def _train(
    place: Path, table: Path, name: str, steps: int, every: int, seed: int, asked: argparse.Namespace
) -> dict[str, Any]:
    settings = {
        "training.steps": steps, "training.validate_every": every, "training.checkpoint_every": every,
        "training.warmup_steps": max(1, steps // 20), "training.seed": seed, "training.workers": 0,
    }  # fmt: skip
    given = [*(f"{key}={value}" for key, value in settings.items()), *asked.set]
    begin = time.time()
    _medssl(place, "finetune", str(table), "--name", name, "--preset", asked.preset, "--device", "cpu", "--modality",
            asked.modality, *(word for one in given for word in ("--set", one)))  # fmt: skip
    store = JobStore(place / "home")
    job = next(view.id for view in store.list() if view.spec.name == name)
    events = [json.loads(line) for line in (store.folder(job) / "events.jsonl").read_text().splitlines()]
    times = {
        kind: [event["time"] for event in events if event["type"] == kind] for kind in ("started", "loss", "metric")
    }
    first, last = times["started"][0], times["metric"][-1]
    loss = [event for event in events if event["type"] == "loss"]
    paces = [event["samples_per_s"] for event in loss[2:]] or [loss[-1]["samples_per_s"]]
    plan = next(event for event in events if event["type"] == "plan")
    return {
        "job": job, "planning_s": first - begin, "training_s": last - first, "steps": steps, "plan": plan["text"],
        "step_s": plan["batch"] / float(np.median(paces)), "validation_s": times["metric"][0] - times["loss"][-1 if steps == every else 0],
    }  # fmt: skip


def _medssl(place: Path, *arguments: str) -> None:
    command = [sys.executable, "-c", "from medssl.cli import main; main()", *arguments, "--home", str(place / "home")]
    with (place / "log.txt").open("a") as log:
        subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)


def run_nnunet(place: Path, labels: int, seed: int, asked: argparse.Namespace) -> dict[str, Any]:
    """nnU-Net in its own environment; see `nnunet_driver.py`."""
    parts, raw = split(labels, asked), place / "nnUNet_raw" / "Dataset501_Compared"
    for folder in (
        raw / "imagesTr",
        raw / "labelsTr",
        place / "test",
        place / "nnUNet_preprocessed",
        place / "nnUNet_results",
    ):
        folder.mkdir(parents=True)
    values: set[int] = set()
    for name in (*parts["train"], *parts["val"]):
        stem = name.removesuffix(".nii.gz")
        shutil.copyfile(asked.data / "images" / name, raw / "imagesTr" / f"{stem}_0000.nii.gz")
        shutil.copyfile(asked.data / "labels" / name, raw / "labelsTr" / name)
        values |= set(np.unique(sitk.GetArrayFromImage(sitk.ReadImage(str(raw / "labelsTr" / name)))).tolist())
    for name in parts["test"]:
        shutil.copyfile(asked.data / "images" / name, place / "test" / f"{name.removesuffix('.nii.gz')}_0000.nii.gz")
    names = {"background": 0, **{f"class{int(value)}": int(value) for value in sorted(values - {0})}}
    about = {"channel_names": {"0": asked.modality}, "labels": names, "file_ending": ".nii.gz",
             "numTraining": len(parts["train"]) + len(parts["val"])}  # fmt: skip
    (raw / "dataset.json").write_text(json.dumps(about))
    stems = {part: [name.removesuffix(".nii.gz") for name in parts[part]] for part in ("train", "val")}
    (place / "split.json").write_text(json.dumps(stems))
    command = [asked.nnunet_python, str(DRIVER), str(place), "--minutes", str(asked.minutes), "--seed", str(seed),
               "--batch", str(asked.nnunet_batch)]  # fmt: skip
    with (place / "log.txt").open("w") as log:
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=log, text=True)
        log.write(done.stdout)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return {**found, "cases": measure(place / "predicted", asked.data / "labels", parts["test"])}


def measure(predicted: Path, truth: Path, names: list[str]) -> dict[str, dict[str, float]]:
    """Mean over classes of each metric, by image."""
    found = {}
    for name in names:
        stem = name.removesuffix(".nii.gz")
        file = next(path for path in sorted(predicted.rglob(f"{stem}*")) if path.name.endswith((".nii.gz", ".nrrd")))
        image = sitk.ReadImage(str(truth / name))
        true = sitk.GetArrayFromImage(image).T
        guess = sitk.GetArrayFromImage(
            sitk.Resample(sitk.ReadImage(str(file)), image, sitk.Transform(), sitk.sitkNearestNeighbor)
        ).T
        classes = [str(value) for value in sorted(set(np.unique(true).tolist()) - {0})]
        rows = case_metrics(guess.astype(np.uint8), true.astype(np.uint8), image.GetSpacing(), classes)
        mean = next(row for row in rows if row["class"] == MEAN)
        found[name] = {metric: float(mean[metric]) for metric in METRICS}
    return found


def report(asked: argparse.Namespace) -> None:
    """table.md of what is finished."""
    lines = [
        "| labels | seed | metric | medssl | nnunet | difference (95 %) | steps |",
        "|---|---|---|---|---|---|---|",
    ]
    done = {(one["labels"], one["seed"], one["system"]): one for one in runs(asked)}
    for labels in asked.labels:
        for seed in asked.seeds:
            pair = [done.get((labels, seed, system)) for system in (OURS, THEIRS)]
            for metric in METRICS:
                values = [
                    None if one is None else np.array([case[metric] for case in one["cases"].values()]) for one in pair
                ]
                means = ["-" if value is None else f"{value.mean():.4f}" for value in values]
                steps = " / ".join("-" if one is None else str(one["steps"]) for one in pair)
                lines.append(
                    f"| {labels} | {seed} | {metric} | {means[0]} | {means[1]} | {_difference(*values)} | {steps} |"
                )
    (asked.output / "table.md").write_text("\n".join(lines) + "\n")
    print((asked.output / "table.md").read_text(), flush=True)


def _difference(ours: np.ndarray | None, theirs: np.ndarray | None) -> str:
    if ours is None or theirs is None:
        return "-"
    differences = ours - theirs
    drawn = np.random.default_rng(0).integers(0, len(differences), (REPLICATES, len(differences)))
    low, high = np.percentile(differences[drawn].mean(axis=1), (2.5, 97.5))
    return f"{differences.mean():+.4f} ({low:+.4f} to {high:+.4f})"


def _keep_to_settings(asked: argparse.Namespace) -> None:
    """One folder holds runs of one comparison: other settings would be answered with what was run before."""
    names = ("test", "validation", "minutes", "modality", "preset", "set", "nnunet_batch")
    settings = {"data": str(asked.data.resolve()), **{name: getattr(asked, name) for name in names}}
    path = asked.output / "settings.json"
    before = json.loads(path.read_text()) if path.is_file() else settings
    other = [
        f"{name} = {settings[name]} (before: {before[name]})" for name in settings if settings[name] != before[name]
    ]
    if other:
        sys.exit(f"{asked.output} holds runs with other settings: {', '.join(other)}. Give another --output")
    path.write_text(json.dumps(settings))


def runs(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """What is finished."""
    path = asked.output / "runs.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def _add(asked: argparse.Namespace, run: dict[str, Any]) -> None:
    with (asked.output / "runs.jsonl").open("a") as file:
        file.write(json.dumps(run) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder with images/ and labels/ of equal names")
    parser.add_argument("--modality", default="MR")
    parser.add_argument("--labels", type=int, nargs="+", default=[20, 160])
    parser.add_argument("--test", type=int, default=37, help="volumes that test")
    parser.add_argument("--validation", type=int, default=20, help="volumes that validate, at most")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--nnunet-python", default="", help="Python of an environment with nnunetv2")
    parser.add_argument("--nnunet-batch", type=int, default=0, help="samples in a step of nnU-Net's; 0: as it plans")
    parser.add_argument("--preset", default="minutes", help="of ours")
    parser.add_argument("--set", action="append", default=[], help="further settings of ours")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
