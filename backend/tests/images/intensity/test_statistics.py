from __future__ import annotations

import json

import numpy as np
import pytest

from medssl.images.intensity.volume_statistics import VolumeStatistics, compute


def test_quantiles_are_of_voxels_above_air(rng):
    tissue = rng.integers(-400, 900, 5000)
    array = np.concatenate([np.full(20000, -1000), tissue]).astype(np.int16).reshape(50, 50, 10)
    known = compute(array, "CT")
    assert (known.minimum, known.maximum, known.air_threshold) == (-1000, tissue.max(), -500)
    assert known.percentile(0) == tissue.min()
    assert known.percentile(50) == pytest.approx(np.percentile(tissue, 50), abs=1)
    assert known.percentile(99.5) == pytest.approx(np.percentile(tissue, 99.5), abs=2)


def test_air_of_mr_ignores_a_bright_artefact(rng):
    array = rng.uniform(0, 20, (20, 20, 20)).astype(np.float32)
    array[5:15, 5:15, 5:15] = rng.uniform(300, 1000, (10, 10, 10))
    array[0, 0, 0] = 1e6
    known = compute(array, "MR")
    assert 20 < known.air_threshold < 300
    assert known.percentile(1) >= 300


def test_nothing_but_air_still_has_quantiles():
    known = compute(np.full((4, 4, 4), -1000, np.int16), "CT")
    assert known.percentile(50) == -1000


def test_json_round_trip(rng):
    known = compute(rng.normal(size=(9, 9, 9)).astype(np.float32), "MR")
    again = VolumeStatistics.from_dict(json.loads(json.dumps(known.as_dict())))
    assert again.as_dict() == known.as_dict()
    assert again.percentile(37.5) == known.percentile(37.5)
