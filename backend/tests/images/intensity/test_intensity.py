from __future__ import annotations

import numpy as np
import pytest
import torch
from refusals import refused

from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import denormalise, normalise, resolve, window
from medssl.images.intensity.volume_statistics import compute

AUTO = NormalisationConfig()


def test_auto_follows_the_modality():
    assert resolve(AUTO, "CT").kind == "ct"
    assert resolve(AUTO, "MR").kind == "mr-percentile"
    assert resolve(NormalisationConfig(kind="mr-fixed", fixed_low=0, fixed_high=4000), "MR").kind == "mr-fixed"
    with refused("modality-missing", names="scan 7 of modality unknown") as caught:
        resolve(AUTO, "", "scan 7")
    assert caught.value.remedy


def test_ct_rule_on_mr_names_volume_value_rule_and_remedy(rng):
    with refused("modality-mismatch", names="knee of modality MR") as caught:
        resolve(NormalisationConfig(kind="ct"), "MR", "knee")
    assert "mr-percentile" in caught.value.remedy
    mr = compute(rng.integers(0, 900, (8, 8, 8)).astype(np.int16), "CT")
    with refused("not-hounsfield", names="knee with minimum 2") as caught:
        window(NormalisationConfig(kind="ct"), mr, "knee")
    assert "mr-percentile" in caught.value.remedy


def test_windows(rng):
    array = rng.integers(-1000, 2000, (20, 20, 20)).astype(np.int16)
    assert window(resolve(AUTO, "CT"), compute(array, "CT")) == (-1000, 1000)
    known = compute(array + 1000, "MR")
    low, high = window(resolve(AUTO, "MR"), known)
    assert (
        low == known.percentile(0.5) and high == known.percentile(99.5) and known.minimum < low < high < known.maximum
    )
    assert window(NormalisationConfig(kind="mr-fixed", fixed_low=0, fixed_high=4000), known) == (0, 4000)


def test_constant_volume_and_no_contrast():
    with refused("image-constant", names="phantom, 7 everywhere"):
        window(resolve(AUTO, "MR"), compute(np.full((4, 4, 4), 7, np.int16), "MR"), "phantom")
    mask = np.zeros((20, 20, 20), np.int16)
    mask[3:9] = 1
    with refused("image-without-contrast"):
        window(resolve(AUTO, "MR"), compute(mask, "MR"))


def test_empty_window():
    with refused("window-empty"):
        resolve(NormalisationConfig(kind="ct", low=10, high=10), "CT")


@pytest.mark.parametrize("shape", [(2, 1, 4, 5, 6), (2, 1, 4, 5)])
def test_normalise_by_sample_and_back(shape):
    raw = torch.arange(int(np.prod(shape))).reshape(shape).to(torch.int16)
    windows = torch.tensor([[0.0, 100.0], [50.0, 60.0]])
    scaled = normalise(raw, windows)
    assert scaled.dtype == torch.float32 and scaled.shape == raw.shape
    for n in range(2):
        low, high = windows[n]
        torch.testing.assert_close(scaled[n], ((raw[n] - low) / (high - low)).clip(0, 1))
        torch.testing.assert_close(denormalise(scaled, windows)[n], raw[n].float().clip(low, high))
