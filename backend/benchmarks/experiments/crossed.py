"""How often does the crossed bootstrap hold the truth? Simulated comparisons with known answers.

    python backend/benchmarks/experiments/crossed.py [--studies 1000]

A difference of two arms on each patient with each seed is the sum of a truth, what a patient adds (skewed, as Dice is),
what a seed adds and what only both together add. Nominal: 95 %. Beside it the patient bootstrap, which takes the seeds as they
are, and the paired t-test over seeds, which takes the patients as they are. docs/experiments.md has the figures.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from medssl.evaluation.statistics.bootstrap import PatientBootstrap, mean_of
from medssl.evaluation.statistics.crossed import crossed_test
from medssl.evaluation.statistics.interval import Test
from medssl.evaluation.statistics.significance import paired_t
from medssl.studies.results.scores import mean_of_runs

REPLICATES = 1000
TRUTH = 0.02
SPREADS = {
    "patients": (0.06, 0.003, 0.02),
    "seeds": (0.02, 0.02, 0.02),
    "both": (0.06, 0.015, 0.02),
}  # patient, seed, both
DESIGNS = ((3, 10), (3, 40), (5, 20), (5, 40), (10, 40))  # seeds, test patients


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000, help="simulated comparisons of each kind")
    studies = parser.parse_args().studies
    start = time.perf_counter()
    print(
        "| most variance from | seeds | patients | crossed bootstrap | patient bootstrap | paired t |\n|---|---|---|---|---|---|"
    )
    for name, spreads in SPREADS.items():
        for seeds, patients in DESIGNS:
            found = [study(n, seeds, patients, spreads) for n in range(studies)]
            cells = [f"{np.mean([holds(tests[k]) for tests in found]):.1%}" for k in range(3)]
            print(f"| {name} | {seeds} | {patients} | {' | '.join(cells)} |", flush=True)
    print(f"\n{studies} comparisons each, {REPLICATES} replicates, {time.perf_counter() - start:.0f} s")


def study(number: int, seeds: int, patients: int, spreads: tuple[float, float, float]) -> tuple[Test, Test, Test]:
    """The three tests of one simulated comparison."""
    rng = np.random.default_rng([number, seeds, patients])
    of_patient, of_seed, of_both = spreads
    skewed = rng.gamma(2.0, size=(1, patients)) / np.sqrt(2) - np.sqrt(2)  # mean 0, deviation 1
    values = TRUTH + of_patient * skewed + of_seed * rng.normal(size=(seeds, 1))
    values = values + of_both * rng.normal(size=(seeds, patients))
    bootstrap = PatientBootstrap(np.arange(patients), REPLICATES, number)
    resampled = [bootstrap.resample(mean_of(row)) for row in values]
    crossed = crossed_test(resampled, patients, number)
    assert crossed is not None
    return crossed, mean_of_runs(resampled).tests([patients])[0], paired_t(values.mean(axis=1), np.zeros(seeds))


def holds(test: Test) -> bool:
    """Whether the interval holds the truth."""
    return test.low is not None and test.high is not None and test.low <= TRUTH <= test.high


if __name__ == "__main__":
    main()
