"""Level "strong" follows the law of nnU-Net's training: deciles of what each change does, against those of its library."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from medssl.augment import Blur, Brightness, Contrast, Gamma, LowResolution, Noise, Warp
from medssl.augment.augmentation import Augmentation
from medssl.distort.pipeline import Sometimes

BACKEND = Path(__file__).resolve().parents[2]
sys.path.append(str(BACKEND / "checks"))
from augmentation_law import measures, picture, ramps  # noqa: E402

LAW = json.loads((BACKEND / "tests" / "reference" / "augmentation_law.json").read_text())
OURS = {
    "noise": Noise(), "blur": Blur(), "brightness": Brightness(), "contrast": Contrast(), "low resolution": LowResolution(),
    "gamma": Gamma(), "gamma, inverted": Gamma(inverted=True),
    "turn": Warp(turn_probability=1.0, scale_probability=0.0), "scale": Warp(turn_probability=0.0, scale_probability=1.0),
}  # fmt: skip
SAMPLES, STANDARD_ERRORS = 800, 4.5


@pytest.mark.parametrize("name", OURS)
def test_every_change_has_the_deciles_of_the_library(name):
    before = ramps() if name in ("turn", "scale") else picture()
    batch = before.expand(SAMPLES, *before.shape).contiguous()
    changed = OURS[name].apply(batch, OURS[name].draw(batch, torch.Generator().manual_seed(1)))
    ours = np.sort([measures(name, before, after) for after in changed])
    wanted = np.array(LAW[name])
    spread = wanted[-1] - wanted[0]
    for share, value in zip(np.arange(0.1, 1.0, 0.1), wanted[1:-1]):
        # how many of ours lie below the library's decile: a binomial number
        below = np.mean(ours < value + 0.002 * spread), np.mean(ours < value - 0.002 * spread)
        allowed = STANDARD_ERRORS * np.sqrt(share * (1 - share) / SAMPLES)
        assert below[1] - allowed <= share <= below[0] + allowed, f"{name}: decile {share:.1f}, {below}"


def test_the_level_has_the_probabilities_of_nnunet():
    strong = Augmentation("strong", axes=3)
    found = {}
    for link in strong.intensity.distortions:
        assert isinstance(link, Sometimes)
        inverted = ", inverted" if getattr(link.distortion, "inverted", False) else ""
        found[link.distortion.name + inverted] = link.probability
    assert found == {
        "noise": 0.1, "blur": 0.2, "brightness": 0.15, "contrast": 0.15, "low resolution": 0.25, "gamma, inverted": 0.1,
        "gamma": 0.3,
    }  # fmt: skip
    warp = strong.warp
    assert (warp.turn, warp.turn_probability, warp.scale, warp.scale_probability) == (30.0, 0.2, (0.7, 1.4), 0.2)
    assert warp.mirror == (0, 1, 2)
    drawn = warp.draw(torch.empty(4000, 1, 8, 8, 8), torch.Generator().manual_seed(0))
    assert drawn.flips.float().mean(0) == pytest.approx(0.5, abs=0.04)
    assert drawn.bent.float().mean() == pytest.approx(0.1, abs=0.02)
