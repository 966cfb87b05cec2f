"""Is a model accrued over several sets above what needs no network? Seeds and patients are drawn together.

    python benchmarks/experiments/accrued_crossed.py --images cxr-nih --lungs cxr-lungs --start imagenet:efficientnet_lite0 --seeds 5

The sets and patients kept aside are those of one split of accruing.py, and so is the training; only its seed changes. Fixed
beforehand: the mean AUC of the teacher's heads over the three NIH sets, against logistic regressions on a thumbnail, on metadata,
and on both, fitted to the training and validation patients of each set; 95 % intervals by the crossed bootstrap.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from accruing import COUNTED, SHARED, make_sets, measure, parser_of, probe_scores, read_set, rival_features, train

from medssl.datasets.cache.prepared_images import PreparedImages
from medssl.datasets.spec.tabular_dataset import hard_targets, split_dataset
from medssl.evaluation.statistics.bootstrap import PatientBootstrap
from medssl.evaluation.statistics.crossed import crossed_test
from medssl.evaluation.statistics.resampled import Resampled
from medssl.images.intensity.config import NormalisationConfig
from medssl.pretraining.ark.validation import mean_auc
from medssl.pretraining.spec_data import prepared_folder

Scores = dict[str, np.ndarray]  # set -> (T, C)


def main() -> None:
    asked = _arguments()
    folder, home = asked.output / f"split-{asked.split}", asked.output / "home"
    paths = make_sets(asked.images, asked.lungs, folder, asked.split)
    every = [*COUNTED, "supine-d"]
    answers = []
    for seed in range(asked.seeds):
        place = folder / asked.phase / (f"{SHARED}-{seed}" if seed else SHARED)
        if not (place / "done.json").is_file():
            model = train([paths[name] for name in every], f"{asked.phase}-{SHARED}-{asked.split}-{seed}", asked, seed)
            measure(model, every, paths, place, home)
        found = json.loads((place / "done.json").read_text())["scores"]
        answers.append({name: np.array(found[name]) for name in COUNTED})
    truth, patients = truth_of(paths)
    draws = PatientBootstrap(patients)

    def resampled(scores: Scores) -> Resampled:
        return draws.resample_rows(
            lambda rows: np.mean([mean_auc(truth[name][rows], scores[name][rows]) or np.nan for name in COUNTED])
        )

    models = [resampled(scores) for scores in answers]
    values = [float(one.values[0]) for one in models]
    print(f"{asked.phase}, split {asked.split}, {draws.patients} patients, {draws.rows} images")
    print(f"accrued: {np.mean(values):.3f} ({', '.join(f'{value:.3f}' for value in values)})")
    for name, scores in rival_scores(paths, home).items():
        rival = resampled(scores)
        test = crossed_test([one.minus(rival) for one in models], draws.patients)
        assert test is not None and test.low is not None
        print(
            f"against {name} {rival.values[0]:.3f}: {test.difference:+.3f} ({test.low:+.3f} to {test.high:+.3f}), p = {test.p:.3f}"
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
    parser.add_argument("--seeds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
