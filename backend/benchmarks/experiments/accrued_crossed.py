"""Is a model accrued over several sets above what needs no network? Seeds and patients are drawn together.

    python benchmarks/experiments/accrued_crossed.py --images cxr-nih --lungs cxr-lungs --start imagenet:efficientnet_lite0 --seeds 5

The sets and patients kept aside are those of one split of accruing.py, and so is the training; only its seed changes, and with
`--quarters 4` each quarter of the patients is kept aside in turn, so that every patient is tested once by models that never saw it.
Fixed beforehand: the mean AUC, over quarters, of the teacher's heads over the three NIH sets, against logistic regressions on a
thumbnail, on metadata, and on both, fitted to the training and validation patients of each set; 95 % intervals by the crossed
bootstrap.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accruing import (
    COUNTED,
    HELD_OUT,
    SHARED,
    make_sets,
    measure,
    parser_of,
    probe_scores,
    read_set,
    rival_features,
    train,
)

from medssl.datasets.cache.prepared_images import PreparedImages
from medssl.datasets.spec.tabular_dataset import hard_targets, split_dataset
from medssl.evaluation.statistics.bootstrap import PatientBootstrap
from medssl.evaluation.statistics.crossed import crossed_test
from medssl.evaluation.statistics.resampled import Resampled
from medssl.images.intensity.config import NormalisationConfig
from medssl.pretraining.ark.validation import mean_auc
from medssl.pretraining.spec_data import prepared_folder

Scores = dict[str, np.ndarray]  # set -> (T, C)


@dataclass
class Kept:
    """What is known and said of the patients kept aside, the quarters one after the other."""

    quarter: np.ndarray  # of each image
    patients: np.ndarray
    truth: Scores
    answers: list[Scores]  # of each seed
    rivals: dict[str, Scores]


def main() -> None:
    asked = _arguments()
    kept = _joined([measured(asked, quarter) for quarter in range(asked.quarters)])
    draws = PatientBootstrap(kept.patients)

    def resampled(scores: Scores) -> Resampled:
        def mean_over_quarters(rows: np.ndarray) -> float:
            parts = [rows[kept.quarter[rows] == quarter] for quarter in range(asked.quarters)]
            areas = [mean_auc(kept.truth[name][part], scores[name][part]) for part in parts for name in COUNTED]
            return float(np.mean([np.nan if area is None else area for area in areas]))

        return draws.resample_rows(mean_over_quarters)

    models = [resampled(scores) for scores in kept.answers]
    values = [float(one.values[0]) for one in models]
    print(
        f"{asked.phase}, split {asked.split}, {asked.quarters} quarters, {draws.patients} patients, {draws.rows} images"
    )
    print(f"accrued: {np.mean(values):.3f} ({', '.join(f'{value:.3f}' for value in values)})")
    for name, scores in kept.rivals.items():
        rival = resampled(scores)
        test = crossed_test([one.minus(rival) for one in models], draws.patients)
        assert test is not None and test.low is not None
        print(
            f"against {name} {rival.values[0]:.3f}: {test.difference:+.3f} ({test.low:+.3f} to {test.high:+.3f}), p = {test.p:.3f}"
        )


def measured(asked: argparse.Namespace, quarter: int) -> Kept:
    """Train what is not trained yet, and measure on the patients of a quarter."""
    folder, home = asked.output / f"split-{asked.split}", asked.output / "home"
    if quarter:
        folder = folder.with_name(f"{folder.name}-{quarter}")
    paths = make_sets(asked.images, asked.lungs, folder, asked.split, quarter)
    every = [*COUNTED, "supine-d"]
    answers = []
    for seed in range(asked.seeds):
        place = folder / asked.phase / (f"{SHARED}-{seed}" if seed else SHARED)
        if not (place / "done.json").is_file():
            name = f"{asked.phase}-{SHARED}-{asked.split}-{quarter}-{seed}"
            measure(train([paths[one] for one in every], name, asked, seed), every, paths, place, home)
        found = json.loads((place / "done.json").read_text())["scores"]
        answers.append({name: np.array(found[name]) for name in COUNTED})
    truth, patients = truth_of(paths)
    return Kept(np.full(len(patients), quarter), patients, truth, answers, rival_scores(paths, home))


def _joined(kept: list[Kept]) -> Kept:
    def rows(scores: Sequence[Scores]) -> Scores:
        return {name: np.concatenate([one[name] for one in scores]) for name in COUNTED}

    return Kept(
        np.concatenate([one.quarter for one in kept]),
        np.concatenate([one.patients for one in kept]),
        rows([one.truth for one in kept]),
        [rows(of_seed) for of_seed in zip(*(one.answers for one in kept))],
        {rival: rows([one.rivals[rival] for one in kept]) for rival in kept[0].rivals},
    )


def truth_of(paths: dict[str, Path]) -> tuple[Scores, np.ndarray]:
    """Targets of the images kept aside, which are the same in each set and in the same order, and their patients."""
    truth, images, patients = {}, [], np.zeros(0)
    for name in COUNTED:
        declared = read_set(paths[name])
        test = split_dataset(declared, 0.2, 0)[2]
        truth[name] = hard_targets(declared)[test]
        images.append([declared.images[n] for n in test])
        patients = np.array([declared.patient_names[declared.patients[n]] for n in test])
    assert all(one == images[0] for one in images)
    return truth, patients


def rival_scores(paths: dict[str, Path], home: Path) -> dict[str, Scores]:
    """What needs no network says of the images kept aside."""
    prepared, found = PreparedImages(prepared_folder(home), 256, NormalisationConfig(kind="cxr")), {}
    for name in COUNTED:
        declared = read_set(paths[name])
        training, validation, test = split_dataset(declared, 0.2, 0)
        for rival, features in rival_features(declared, paths[name], prepared).items():
            scores = probe_scores(features, hard_targets(declared), np.concatenate([training, validation]), test)
            found.setdefault(rival, {})[name] = scores
    return found


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--split", type=int, default=0)
    parser.add_argument("--quarters", type=int, default=1, choices=range(1, HELD_OUT + 1))
    parser.add_argument("--seeds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
