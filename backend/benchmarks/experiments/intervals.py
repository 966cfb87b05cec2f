"""How often do the intervals hold the truth, and how often do the tests cry wolf? Simulated studies with known answers.

    python backend/benchmarks/experiments/intervals.py [--studies 2000]

Nominal: intervals 95 %, tests 5 %. Scores are normal, areas of 0.70 to 0.95; with several images per patient half of the
variance is the patient's. Dice is beta-distributed around 0.86, skewed as real ones are.

Measured with 1000 replicates (1000 studies for intervals: standard error 0.7 %; 500 for tests: 1 %):

    AUC, 30 to 200 patients (6 designs each)   plain percentiles    BCa, expanded    DeLong (logit)
      0.70                                     91.2 to 95.0 %       95.3 to 97.6 %   92.8 to 95.4 %
      0.85                                     90.6 to 94.6 %       94.6 to 97.3 %   92.1 to 95.4 %
      0.95 (5 designs)                         83.2 to 92.6 %       93.3 to 98.6 %   89.6 to 97.1 %
    mean Dice, 10 to 50 patients               90.8 to 94.0 %       93.5 to 95.6 %
    false alarms, two equal AUCs of 0.85                            3.8 to 5.6 %     4.4 to 7.6 %
    false alarms, two equal Dice                                    3.2 to 7.2 %

Outside 93 to 97 %: BCa with 15 against 15 patients (too wide: 97.6 and 98.6 %; up to 97.3 % elsewhere), and DeLong with 20
positive patients or fewer (too narrow).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
from scipy import stats

from medssl.evaluation.metrics.weighted import ScoredClass
from medssl.evaluation.statistics.bootstrap import PatientBootstrap, mean_of
from medssl.evaluation.statistics.delong import delong_interval, delong_test
from medssl.evaluation.statistics.resampled import Interval, Resampled, Test

REPLICATES = 1000
AREAS = (0.7, 0.85, 0.95)
STUDIES = (
    (30, 1, 0.5),
    (60, 1, 0.3),
    (100, 1, 0.15),
    (200, 1, 0.1),
    (60, 4, 0.3),
    (150, 3, 0.1),
)  # patients, images, share
COHORTS = ((10, 1), (20, 1), (50, 1), (20, 4))  # patients, images of each at most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000, help="simulated studies of each kind")
    studies = parser.parse_args().studies
    start = time.perf_counter()
    print(
        "| what | patients | images | positive | plain percentiles | BCa, expanded | DeLong |\n|---|---|---|---|---|---|---|"
    )
    for area in AREAS:
        for patients, images, share in STUDIES:
            found = coverage(area, lambda n, a=area, s=(patients, images, share): auc_study(n, a, *s), studies)
            print(f"| AUC {area} | {patients} | 1-{images} | {share:.0%} |{found}|", flush=True)
    for patients, images in COHORTS:
        found = coverage(9 / 10.5, lambda n, s=(patients, images): dice_study(n, *s), studies)
        print(f"| mean Dice | {patients} | 1-{images} | |{found}|", flush=True)
    print("\n| false alarms of | patients | images | paired bootstrap | DeLong |\n|---|---|---|---|---|")
    for patients, images, share in STUDIES:
        found = monitors(lambda n, s=(patients, images, share): two_models(n, 0.85, *s), studies)
        print(f"| equal AUC 0.85 | {patients} | 1-{images} |{found}|", flush=True)
    for patients, images in COHORTS:
        found = monitors(lambda n, s=(patients, images): two_segmenters(n, *s), studies)
        print(f"| equal Dice | {patients} | 1-{images} |{found}|", flush=True)
    print(f"\n{studies} studies each, {REPLICATES} replicates, {time.perf_counter() - start:.0f} s")


def coverage(truth: float, study: Callable[[int], dict[str, Interval]], studies: int) -> str:
    """Share of intervals that hold the truth, per method, and on which side the others lie."""
    found: dict[str, list[tuple[bool, bool]]] = {}
    for n in range(studies):
        for name, bounds in study(n).items():
            if bounds.low is not None:
                found.setdefault(name, []).append((truth < bounds.low, truth > bounds.high))
    cells = []
    for misses in found.values():
        above, below = np.mean(misses, axis=0)
        cells.append(f" {1 - above - below:.1%} ({above:.1%} above, {below:.1%} below)")
    return " |".join(cells)


def monitors(study: Callable[[int], Iterator[Test]], studies: int) -> str:
    """Share of tests with p < 0.05 where there is no difference."""
    p = [[test.p for test in study(n)] for n in range(studies)]
    columns = zip(*p)
    return " |".join(f" {np.mean([value < 0.05 for value in column if value is not None]):.1%} " for column in columns)


def auc_study(seed: int, area: float, patients: int, images: int, share: float) -> dict[str, Interval]:
    """The intervals of an AUC that is `area`."""
    patient, truth, (scores,) = simulate(seed, area, patients, images, share, 1)
    bootstrap = PatientBootstrap(patient, REPLICATES, seed)
    scored = ScoredClass(truth, scores, truth, 0.9)
    resampled = bootstrap.resample(lambda weights: scored.auc(weights)[:, None])
    carriers = min(bootstrap.patients_among(truth), bootstrap.patients_among(~truth))
    return {
        "percentiles": percentiles(resampled),
        "bootstrap": resampled.intervals([carriers])[0],
        "delong": delong_interval(truth, scores, patient),
    }


def dice_study(seed: int, patients: int, images: int) -> dict[str, Interval]:
    """The intervals of a mean Dice of 9 / 10.5."""
    patient, (values,) = simulate_dice(seed, patients, images, 1)
    bootstrap = PatientBootstrap(patient, REPLICATES, seed)
    return {"percentiles": percentiles(bootstrap.resample(mean_of(values))), "bootstrap": bootstrap.mean(values)}


def two_models(seed: int, area: float, patients: int, images: int, share: float) -> Iterator[Test]:
    """Tests of two scores with the same true AUC, correlated as two models of the same images are."""
    patient, truth, scores = simulate(seed, area, patients, images, share, 2)
    bootstrap = PatientBootstrap(patient, REPLICATES, seed)
    first, second = (ScoredClass(truth, values, truth, 0.9) for values in scores)
    difference = bootstrap.resample(lambda weights: (first.auc(weights) - second.auc(weights))[:, None])
    yield difference.tests([min(bootstrap.patients_among(truth), bootstrap.patients_among(~truth))])[0]
    yield delong_test(truth, *scores, patient)


def two_segmenters(seed: int, patients: int, images: int) -> Iterator[Test]:
    patient, values = simulate_dice(seed, patients, images, 2)
    yield PatientBootstrap(patient, REPLICATES, seed).mean_difference(*values)


def simulate(seed: int, area: float, patients: int, images: int, share: float, models: int):
    """Patients of all images, truth, and a score in 0...1 per model; at least one image of each kind."""
    rng = np.random.default_rng([seed, patients, images])
    patient = np.repeat(np.arange(patients), rng.integers(1, images + 1, patients))
    truth = np.zeros(0, bool)
    while truth.all() or not truth.any():
        truth = rng.random(len(patient)) < share
    own = np.sqrt(0.5) * rng.normal(size=patients)[patient] if images > 1 else 0.0
    left = np.sqrt(0.5) if images > 1 else 1.0
    common = rng.normal(size=len(patient))  # of the image: what both models find hard
    noise = [np.sqrt(0.5) * (common + rng.normal(size=len(patient))) for _ in range(models)]
    shift = np.sqrt(2) * stats.norm.ppf(area)
    return patient, truth, [stats.norm.cdf((shift * truth + own + left * values) / 3) for values in noise]


def simulate_dice(seed: int, patients: int, images: int, models: int):
    rng = np.random.default_rng([seed, patients, images])
    patient = np.repeat(np.arange(patients), rng.integers(1, images + 1, patients))
    own = rng.beta(9, 1.5, patients)[patient]
    return patient, [0.7 * own + 0.3 * rng.beta(9, 1.5, len(patient)) for _ in range(models)]


def percentiles(resampled: Resampled) -> Interval:
    """What most scripts do."""
    low, high = np.nanpercentile(resampled.replicates[:, 0], [2.5, 97.5])
    return Interval(float(resampled.values[0]), float(low), float(high))


if __name__ == "__main__":
    main()
