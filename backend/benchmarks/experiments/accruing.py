"""Does accruing labels help? One Ark trained on several sets against one on each alone, with equal passes over every set.

    python benchmarks/experiments/accruing.py --images cxr-nih --lungs cxr-lungs --output accruing \
        --start imagenet:efficientnet_lite0 --splits 5

Four sets with label spaces of their own are made of two public ones: patients of `cxr-nih` (labels.csv, images/) are dealt to a
multi-label, a binary and a three-class set, none in two of them; `cxr-lungs` (index.csv, images/) makes a fourth, whether the
radiograph was taken lying. A quarter of the NIH patients is kept aside from all of them. A split deals and keeps aside anew. Each model is
chosen by its own validation patients; the patients kept aside are measured once, at the end. Fixed beforehand: the heads' AUC of the
teacher is the result, the three NIH sets count; linear probes of the encoders, and rivals that no network is needed for (a thumbnail of
12 x 12 pixels, metadata), are beside it. Called again, it goes on.

Without `--start` the backbone is the laptop preset's and begins with random weights. `--phase` says how much of it learns: frozen, none, its
features being computed once for all runs; last, the last stages in the second half; all, everything in the second half.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medssl.datasets.cache.prepared_images import PreparedImages
from medssl.datasets.spec.read_dataset import read_dataset
from medssl.datasets.spec.spec import DatasetSpec
from medssl.datasets.spec.tabular_dataset import TabularDataset, hard_targets, split_dataset
from medssl.distort.framing import Framing
from medssl.evaluation.statistics.significance import holm, paired_t
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.resizing import resized_to
from medssl.networks.ark import ArkEncoder
from medssl.networks.weights.weight_files import load_weights
from medssl.pretraining.ark.fixed_views import FixedViews
from medssl.pretraining.ark.kept_features import KeptFeatures, View
from medssl.pretraining.ark.method import FEATURES
from medssl.pretraining.ark.validation import mean_auc
from medssl.pretraining.spec_data import prepared_folder

SHARED = "shared"
AIRSPACE = ("Infiltration", "Edema", "Consolidation")
COUNTED = ("findings-a", "pneumonia-b", "diagnosis-c")  # the fourth has too few patients to say anything
HELD_OUT = 4  # every fourth patient
THUMBNAIL = (12, 12)
THEN = {"frozen_share": 0.5, "fixed_views": 1, "rate_restarts": True, "backbone_rate": 0.4}
PHASES: dict[str, dict[str, Any]] = {
    "frozen": {"frozen_share": 1.0, "fixed_views": 1},
    "last": {**THEN, "last_share": 0.5},
    "all": {**THEN, "last_share": 0.0},
}


def main() -> None:
    """Make the sets, train what is not trained yet, measure, and print the tables."""
    asked = _arguments()
    arms = {SHARED: [*COUNTED, "supine-d"], **{name: [name] for name in COUNTED}}
    for split in range(asked.first_split, asked.first_split + asked.splits):
        folder = asked.output / f"split-{split}"
        dataset_specs = make_sets(asked.images, asked.lungs, folder, split)
        measure_rivals(dataset_specs, folder / "rivals.json", asked.output / "home")
        for arm, names in arms.items():
            place = folder / asked.phase / arm
            if not (place / "done.json").is_file():
                model = train([dataset_specs[name] for name in names], f"{asked.phase}-{arm}-{split}", asked)
                measure(model, names, dataset_specs, place, asked.output / "home")
    show(asked.output, asked.phase, list(arms))


def make_sets(images: Path, lungs: Path, output: Path, split: int = 0, quarter: int = 0) -> dict[str, Path]:
    """Write tables and dataset specs, with one quarter of the patients kept aside; name of each set -> its spec."""
    output.mkdir(parents=True, exist_ok=True)
    rows = {name: [] for name in COUNTED}
    with (images / "labels.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    patients = sorted({row["patient"] for row in table})
    random.Random(split).shuffle(patients)
    aside = set(patients[quarter::HELD_OUT])
    others = [patient for patient in patients if patient not in aside]
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
    random.Random(split).shuffle(patients)
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


def train(dataset_specs: Sequence[Path], name: str, asked: argparse.Namespace, seed: int = 0) -> Path:
    """Train by the command line as anyone would; the weight file."""
    program = Path(sys.executable).with_name("medssl")
    settings: dict[str, Any] = {"epochs": asked.epochs, "order": "interleaved", "training.seed": seed}
    if asked.start:
        settings |= {**PHASES[asked.phase], "backbone": asked.backbone}
    command = [str(program), "pretrain", *map(str, dataset_specs), "--method", "ark", "--name", name]
    command += ["--preset", "imagenet_cnn" if asked.start else "laptop", "--device", asked.device]
    command += ["--home", str(asked.output / "home"), *(["--start-from", asked.start] if asked.start else [])]
    for setting in (*(f"{key}={value}" for key, value in settings.items()), *asked.set):
        command += ["--set", setting]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return Path(done.stdout.strip().splitlines()[-1])


def measure(model: Path, names: Sequence[str], dataset_specs: dict[str, Path], place: Path, home: Path) -> None:
    """AUC of the model's heads, and of linear probes of its encoder for every set, on the patients kept aside."""
    network = load_weights(model, "teacher")
    assert isinstance(network, ArkEncoder)
    heads, probes, scores = {}, {}, {}
    for name, path in dataset_specs.items():
        declared = read_set(path)
        training, validation, test = split_dataset(declared, 0.2, 0)
        targets = hard_targets(declared)
        features = _features(network, declared, home)
        if name in names:
            number = [one["name"] for one in network.sets].index(name)
            with torch.inference_mode():
                answers = network.class_logits(torch.from_numpy(features[test]), number)
            softmax = network.sets[number]["activation"] == "softmax"
            answers = answers.softmax(1) if softmax else answers.sigmoid()
            heads[name] = mean_auc(targets[test], answers.numpy())
            scores[name] = answers.tolist()
        known = np.concatenate([training, validation])
        probes[name] = _probe(features, targets, known, test)
    place.mkdir(parents=True, exist_ok=True)
    (place / "done.json").write_text(json.dumps({"heads": heads, "probes": probes, "scores": scores}))
    print(place, {name: round(value, 3) for name, value in heads.items()}, flush=True)


def measure_rivals(dataset_specs: dict[str, Path], place: Path, home: Path) -> None:
    """AUC on the patients kept aside of what needs no network: logistic regression on thumbnails, and on metadata."""
    if place.is_file():
        return
    prepared = PreparedImages(prepared_folder(home), 256, NormalisationConfig(kind="cxr"))
    found: dict[str, dict[str, float | None]] = defaultdict(dict)
    for name in COUNTED:
        path = dataset_specs[name]
        declared = read_set(path)
        training, validation, test = split_dataset(declared, 0.2, 0)
        targets, known = hard_targets(declared), np.concatenate([training, validation])
        for rival, features in rival_features(declared, path, prepared).items():
            found[rival][name] = _probe(features, targets, known, test)
    place.write_text(json.dumps(found))


def rival_features(declared: TabularDataset, path: Path, prepared: PreparedImages) -> dict[str, np.ndarray]:
    """What is known of the images (N, D) without a network."""
    small = np.stack([resized_to(prepared.get(image) / 255, THUMBNAIL).ravel() for image in declared.images])
    with path.with_suffix(".csv").open(newline="") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    about = np.array([_about(rows[image]) for image in declared.images])
    return {"thumbnail": small, "metadata": about, "thumbnail and metadata": np.hstack([small, about])}


def _about(row: dict[str, str]) -> list[float]:
    """Sex, age, view."""
    return [float(row["sex"] == "F"), float(row["age"]), float(row["view"].startswith("AP"))]


def read_set(path: Path) -> TabularDataset:
    return read_dataset(DatasetSpec.from_dict({**json.loads(path.read_text()), "root": str(path.parent.absolute())}))


def _features(network: ArkEncoder, declared: TabularDataset, home: Path) -> np.ndarray:
    """Encoder features (N, D) of all images of a set; those of a backbone that several runs share are computed once."""
    prepared = PreparedImages(
        prepared_folder(home), round(network.side * 8 / 7), NormalisationConfig(**network.plan.normalisation)
    )
    kept = KeptFeatures(home / "cache" / FEATURES, network, FixedViews(Framing(network.side), 1), prepared)
    views = [View(image, declared.inverted, 0, True) for image in declared.images]
    kept.fill(views, lambda done, total: None)
    return kept.rows(views)[0].numpy()


def _probe(features: np.ndarray, targets: np.ndarray, known: np.ndarray, test: np.ndarray) -> float | None:
    return mean_auc(targets[test], probe_scores(features, targets, known, test))


def probe_scores(features: np.ndarray, targets: np.ndarray, known: np.ndarray, test: np.ndarray) -> np.ndarray:
    """What logistic regressions on features (N, D) of known images say of the test images: (T, C)."""
    scores = np.zeros((len(test), targets.shape[1]))
    for column, wanted in enumerate(targets.T):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
        scores[:, column] = model.fit(features[known], wanted[known]).predict_proba(features[test])[:, 1]
    return scores


def show(output: Path, phase: str, arms: Sequence[str]) -> None:
    """The tables, over the splits that are done for every arm."""
    splits = sorted(
        path for path in output.glob("split-*") if all((path / phase / arm / "done.json").is_file() for arm in arms)
    )
    found = [{arm: json.loads((path / phase / arm / "done.json").read_text()) for arm in arms} for path in splits]
    print(
        f"{phase}, {len(splits)} splits\n\n| set | alone | shared | difference (95 % t interval over splits) | better | p (Holm) |"
    )
    print("|---|---|---|---|---|---|")
    alone = {n: np.array([one[n]["heads"][n] for one in found]) for n in COUNTED}
    shared = {n: np.array([one[SHARED]["heads"][n] for one in found]) for n in COUNTED}
    better = sum(int((shared[n] > alone[n]).sum()) for n in COUNTED)
    alone["mean of the three"] = np.mean([alone[n] for n in COUNTED], axis=0)
    shared["mean of the three"] = np.mean([shared[n] for n in COUNTED], axis=0)
    tests = {name: paired_t(shared[name], alone[name]) for name in alone}
    for (name, test), p in zip(tests.items(), holm([test.p for test in tests.values()])):
        ahead = int((shared[name] > alone[name]).sum())
        print(
            f"| {name} | {alone[name].mean():.3f} | {shared[name].mean():.3f} | {_bounds(test)} | {ahead} of {len(splits)} | {p:.3f} |"
        )
    rivals = [json.loads((path / "rivals.json").read_text()) for path in splits]
    for name in rivals[0]:
        values = np.array([np.mean([one[name][n] for n in COUNTED]) for one in rivals])
        test, ahead = paired_t(shared["mean of the three"], values), int((shared["mean of the three"] > values).sum())
        print(
            f"| mean of the three against {name} | {values.mean():.3f} | {shared['mean of the three'].mean():.3f} | {_bounds(test)} | "
            f"{ahead} of {len(splits)} | {test.p:.3f}, uncorrected |"
        )
    print(f"\nShared better in {better} of {len(splits) * len(COUNTED)} pairs of split and set\n")
    print("| trained on | " + " | ".join(COUNTED) + " | mean |\n|---|---|---|---|---|")
    rows = {f"no network: {name}": [np.mean([one[name][n] for one in rivals]) for n in COUNTED] for name in rivals[0]}
    rows |= {f"probe of {arm}": [np.mean([one[arm]["probes"][n] for one in found]) for n in COUNTED] for arm in arms}
    for name, values in rows.items():
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in (*values, np.mean(values))) + " |")


def _bounds(test) -> str:
    if test.low is None:
        return f"{test.difference:+.3f}"
    return f"{test.difference:+.3f} ({test.low:+.3f} to {test.high:+.3f})"


def parser_of(about: str) -> argparse.ArgumentParser:
    """The options that trainings on the four sets share."""

    def absolute(text: str) -> Path:
        return Path(text).absolute()

    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=absolute, required=True)
    parser.add_argument("--lungs", type=absolute, required=True)
    parser.add_argument("--output", type=absolute, default=Path("accruing").absolute())
    parser.add_argument("--start", default="", help="weights of ImageNet: a file, or imagenet:efficientnet_lite0")
    parser.add_argument("--backbone", default="efficientnet_lite0", help="of --start")
    parser.add_argument("--phase", choices=tuple(PHASES), default="frozen")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", action="append", default=[], help="a further setting of the preset: NAME=VALUE")
    return parser


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--first-split", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
