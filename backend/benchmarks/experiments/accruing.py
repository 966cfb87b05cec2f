"""Does accruing labels help? One Ark trained on several sets against one trained on each alone, with equal steps.

    python benchmarks/experiments/accruing.py --images cxr-nih --lungs cxr-lungs --output accruing --seeds 5

Four sets with label spaces of their own are made of two public ones: patients of `cxr-nih` (labels.csv, images/) are dealt to a
multi-label, a binary and a three-class set, none in two of them; `cxr-lungs` (index.csv, images/) makes a fourth, whether the
radiograph was taken lying. A quarter of the NIH patients is kept aside from all of them. Each model is chosen by its own
validation patients; the patients kept aside are measured once, at the end. Fixed beforehand: the heads' AUC of the teacher
is the result, the three NIH sets count; linear probes of the encoders are told beside it. Called again, it goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medssl.datasets.cache.prepared_images import PreparedImages
from medssl.datasets.spec.read_dataset import read_dataset
from medssl.datasets.spec.spec import DatasetSpec
from medssl.datasets.spec.tabular_dataset import TabularDataset, hard_targets, split_dataset
from medssl.distort.framing import whole
from medssl.evaluation.statistics.bootstrap import PatientBootstrap
from medssl.evaluation.statistics.significance import holm, paired_t
from medssl.images.intensity.config import NormalisationConfig
from medssl.networks.ark import ArkNetwork
from medssl.networks.weights.weight_files import load_weights
from medssl.pretraining.ark.validation import mean_auc
from medssl.pretraining.spec_data import prepared_folder

SHARED = "shared"
AIRSPACE = ("Infiltration", "Edema", "Consolidation")
COUNTED = ("findings-a", "pneumonia-b", "diagnosis-c")  # the fourth has too few patients to tell anything
HELD_OUT = 4  # every fourth patient
BATCH = 32


def main() -> None:
    """Make the sets, train what is not trained yet, measure, and print the tables."""
    asked = _arguments()
    dataset_specs = make_sets(asked.images, asked.lungs, asked.output)
    arms = {SHARED: list(dataset_specs), **{name: [name] for name in COUNTED}}
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        for arm, names in arms.items():
            place = asked.output / "runs" / f"{arm}-{seed}"
            if not (place / "done.json").is_file():
                model = train([dataset_specs[name] for name in names], arm, seed, asked)
                measure(model, names, dataset_specs, place, asked.output / "home")
    tell(asked.output / "runs", list(arms), list(dataset_specs))


def make_sets(images: Path, lungs: Path, output: Path) -> dict[str, Path]:
    """Write tables and declarations; name of each set -> its declaration."""
    output.mkdir(parents=True, exist_ok=True)
    rows = {name: [] for name in COUNTED}
    with (images / "labels.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    patients = sorted({row["patient"] for row in table})
    random.Random(0).shuffle(patients)
    aside, others = set(patients[::HELD_OUT]), [p for n, p in enumerate(patients) if n % HELD_OUT]
    place = {patient: n for n, patient in enumerate(others)}
    for row in table:
        n = place.get(row["patient"], 0)
        shows = [name for name in list(row)[5:] if row[name] == "1"]
        row["diagnosis"] = "airspace" if set(shows) & set(AIRSPACE) else "other" if shows else "normal"
        row["split"] = "test" if row["patient"] in aside else "val" if n // 3 % 5 == 0 else "train"
        row["image"] = str(images / "images" / row["image"])
        for name in COUNTED if row["patient"] in aside else COUNTED[n % 3 : n % 3 + 1]:
            rows[name].append(row)
    with (lungs / "index.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    patients = sorted({row["patient"] for row in table})
    random.Random(0).shuffle(patients)
    parts = dict(zip(patients, ["test", "train", "train", "val"] * len(patients)))
    for row in table:
        row["split"], row["Supine"] = parts[row["patient"]], str(int(row["view"] == "AP Supine"))
        row["image"] = str(lungs / "images" / row["image"])
    labels = {
        "findings-a": ("multi-label", ["Infiltration", "Effusion", "Atelectasis", "Edema"]),
        "pneumonia-b": ("binary", ["Pneumonia"]),
        "diagnosis-c": ("multi-class", {"column": "diagnosis", "values": ["normal", "airspace", "other"]}),
        "supine-d": ("binary", ["Supine"]),
    }
    return {name: _write_set(name, *labels[name], {**rows, "supine-d": table}[name], output) for name in labels}


def _write_set(name: str, kind: str, labels: object, rows: list[dict[str, str]], output: Path) -> Path:
    with (output / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    declared = {"name": name, "kind": kind, "labels": labels, "tables": [f"{name}.csv"], "images": "{image}",
                "attributes": ["sex", "view"]}  # fmt: skip
    path = output / f"{name}.yaml"
    path.write_text(json.dumps(declared, indent=1))  # JSON is YAML
    return path


def train(dataset_specs: Sequence[Path], arm: str, seed: int, asked: argparse.Namespace) -> Path:
    """Train by the command line as anyone would; the weight file."""
    settings = {"epochs": 0, "training.steps": asked.steps, "training.warmup_steps": asked.steps // 12,
                "training.validate_every": asked.steps // 12, "training.seed": seed, "backbone": asked.backbone}  # fmt: skip
    program = Path(sys.executable).with_name("medssl")
    command = [str(program), "pretrain", *map(str, dataset_specs), "--method", "ark", "--preset", "laptop"]
    for setting in (*(f"{name}={value}" for name, value in settings.items()), *asked.set):
        command += ["--set", setting]
    done = subprocess.run(
        [*command, "--name", f"{arm}-{seed}", "--device", asked.device, "--home", str(asked.output / "home")],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return Path(done.stdout.strip().splitlines()[-1])


@torch.inference_mode()
def measure(model: Path, names: Sequence[str], dataset_specs: dict[str, Path], place: Path, home: Path) -> None:
    """AUC of the model's heads, and of linear probes of its encoder for every set, on the patients kept aside."""
    network = load_weights(model, "teacher")
    prepared = PreparedImages(
        prepared_folder(home), round(network.side * 8 / 7), NormalisationConfig(**network.plan.normalisation)
    )
    heads, probes, scores = {}, {}, {}
    for name, path in dataset_specs.items():
        declared = _read(path)
        training, validation, test = split_dataset(declared, 0.2, 0)
        targets = hard_targets(declared)
        features, answers = _answers(network, declared, prepared)
        if name in names:
            number = [one["name"] for one in network.sets].index(name)
            heads[name] = mean_auc(targets[test], answers[number][test])
            scores[name] = answers[number][test].tolist()
        known = np.concatenate([training, validation])
        probes[name] = _probe(features, targets, known, test)
    place.mkdir(parents=True, exist_ok=True)
    (place / "done.json").write_text(json.dumps({"heads": heads, "probes": probes, "scores": scores}))
    print(place.name, {name: round(value, 3) for name, value in heads.items()}, flush=True)


def _read(path: Path) -> TabularDataset:
    return read_dataset(DatasetSpec.from_dict({**json.loads(path.read_text()), "root": str(path.parent.absolute())}))


def _answers(
    network: ArkNetwork, declared: TabularDataset, prepared: PreparedImages
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Encoder features (N, D) and every head's probabilities (N, C) of all images of a set."""
    features, answers = [], [[] for _ in network.sets]
    for first in range(0, len(declared), BATCH):
        raw = np.stack([prepared.get(image) for image in declared.images[first : first + BATCH]])
        images = whole(torch.from_numpy(raw)[:, None].float() / 255, network.side)
        found = network.features(network.standardise(images))
        features.append(found.numpy())
        for rows, logits, one in zip(answers, network.logits(network.projector(found)), network.sets):
            rows.append((logits.softmax(1) if one["activation"] == "softmax" else logits.sigmoid()).numpy())
    return np.concatenate(features), [np.concatenate(rows) for rows in answers]


def _probe(features: np.ndarray, targets: np.ndarray, known: np.ndarray, test: np.ndarray) -> float | None:
    scores = np.zeros((len(test), targets.shape[1]))
    for column, wanted in enumerate(targets.T):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
        scores[:, column] = model.fit(features[known], wanted[known]).predict_proba(features[test])[:, 1]
    return mean_auc(targets[test], scores)


def tell(runs: Path, arms: Sequence[str], sets: Sequence[str]) -> None:
    """The tables, over the seeds that are done for every arm."""
    found = {path.parent.name: json.loads(path.read_text()) for path in runs.glob("*/done.json")}
    seeds = [seed for seed in range(1000) if all(f"{arm}-{seed}" in found for arm in arms)]
    print(
        f"seeds {seeds}\n\n| set | alone | shared | difference (95 % t interval) | better | p (Holm) |\n|---|---|---|---|---|---|"
    )
    alone = {n: np.array([found[f"{n}-{s}"]["heads"][n] for s in seeds]) for n in COUNTED}
    shared = {n: np.array([found[f"{SHARED}-{s}"]["heads"][n] for s in seeds]) for n in COUNTED}
    alone["mean of the three"] = np.mean([alone[n] for n in COUNTED], axis=0)
    shared["mean of the three"] = np.mean([shared[n] for n in COUNTED], axis=0)
    tests = {name: paired_t(shared[name], alone[name]) for name in alone}
    for (name, test), p in zip(tests.items(), holm([test.p for test in tests.values()])):
        better = int((shared[name] > alone[name]).sum())
        print(
            f"| {name} | {alone[name].mean():.3f} ± {alone[name].std(ddof=1):.3f} | {shared[name].mean():.3f} ± "
            f"{shared[name].std(ddof=1):.3f} | {_bounds(test)} | {better} of {len(seeds)} | {p:.3f} |"
        )
    _tell_patients(runs.parent, found, seeds)
    print("\nLinear probes of the encoders, AUC (columns: probed set)\n")
    print("| trained on | " + " | ".join(sets) + " |\n|---" * 1 + "|---" * len(sets) + "|")
    for arm in arms:
        values = [np.mean([found[f"{arm}-{s}"]["probes"][n] for s in seeds]) for n in sets]
        print(f"| {arm} | " + " | ".join(f"{value:.3f}" for value in values) + " |")


def _tell_patients(output: Path, found: dict[str, dict], seeds: Sequence[int]) -> None:
    """How much of the difference is the choice of patients: bootstrap of the probabilities' means over seeds."""
    print("\n| set | shared - alone, probabilities averaged over seeds (95 % patient bootstrap) |\n|---|---|")
    for name in COUNTED:
        declared = _read(output / f"{name}.yaml")
        test = split_dataset(declared, 0.2, 0)[2]
        targets, patients = hard_targets(declared)[test], declared.patients[test].astype(str)
        ours, theirs = (np.mean([found[f"{arm}-{s}"]["scores"][name] for s in seeds], axis=0) for arm in (SHARED, name))
        result = PatientBootstrap(patients, 1000).difference(
            lambda rows, t=targets, o=ours: mean_auc(t[rows], o[rows]) or np.nan,
            lambda rows, t=targets, o=theirs: mean_auc(t[rows], o[rows]) or np.nan,
        )
        print(f"| {name} | {_bounds(result)}, p = {result.p:.3f} |")


def _bounds(test) -> str:
    if test.low is None:
        return f"{test.difference:+.3f}"
    return f"{test.difference:+.3f} ({test.low:+.3f} to {test.high:+.3f})"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=lambda text: Path(text).absolute(), required=True)
    parser.add_argument("--lungs", type=lambda text: Path(text).absolute(), required=True)
    parser.add_argument("--output", type=lambda text: Path(text).absolute(), default=Path("accruing").absolute())
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=264)
    parser.add_argument("--backbone", default="swin_micro_112")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", action="append", default=[], help="a further setting of the laptop preset: NAME=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
