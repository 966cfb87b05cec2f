"""The uncertainty map: high where classes meet, 0 where there is no doubt, on the image's own grid, of what answered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from inspection_fakes import make_ct
from radiograph_fakes import radiograph
from segment_fakes import LEVELS, Levels

from medssl.core.geometry import Geometry
from medssl.inference.volumes.segmenter import segment_image
from medssl.inference.volumes.uncertainty import VoxelSample, entropy, source_sentence


class Steep(Levels):
    """Levels whose logits are what they are asked to be: an intensity at a level is doubtful, one far from it is not."""

    def __init__(self, slope: float = 20.0, **how) -> None:
        super().__init__(**how)
        self.slope = slope

    def forward(self, x):
        self.calls += 1
        x = x[:, x.shape[1] // 2, None] * self.weight
        one, two = ((x - level) * self.slope for level in LEVELS)
        return torch.cat([torch.zeros_like(x), one, one + two], dim=1)


def ramp(direction: np.ndarray | None = None, spacing=(1.0, 1.0, 2.0)):
    """Intensities that rise along i from 0 to 1 of the model's range."""
    values = np.linspace(0, 1, 40)[:, None, None] * np.ones((1, 20, 12))
    volume = make_ct((40, 20, 12))
    turn = np.eye(3) if direction is None else direction
    return replace(volume, array=(2000 * values - 1000).astype(np.float32), spacing=np.array(spacing), direction=turn)


def test_the_entropy_is_a_share_of_the_largest():
    logits = torch.tensor([[0.0, 50.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, -50.0]])
    found = entropy(logits).tolist()
    assert found[0] == pytest.approx(1.0) and found[1] == pytest.approx(0.0, abs=1e-6)
    assert found[2] == pytest.approx(np.log(2) / np.log(3))


def test_it_is_high_where_classes_meet_and_nothing_where_there_is_no_doubt():
    volume = ramp()
    found = segment_image(volume, Steep(60.0, mirrored=True), uncertainty=True)
    unsure, scaled = found.uncertainty.array, (volume.array + 1000) / 2000
    assert unsure.shape == volume.shape and unsure.dtype == np.float32
    border = np.abs(scaled[..., None] - np.array(LEVELS)).min(-1)
    assert unsure[border < 0.01].min() > 0.5 and unsure[border > 0.15].max() < 0.01
    np.testing.assert_array_equal(found.uncertainty.spacing, volume.spacing)
    assert segment_image(volume, Steep(60.0)).uncertainty is None
    assert "8 mirrored copies" in found.notes[-1] and "not calibrated" in found.notes[-1]


def test_a_constant_inside_is_sure():
    array = np.full((32, 24, 16), -1000.0, np.float32)
    array[8:24, 6:18, 4:12] = 1000.0
    found = segment_image(replace(make_ct((32, 24, 16)), array=array), Steep(200.0), uncertainty=True)
    assert found.uncertainty.array.max() < 1e-3


@pytest.mark.parametrize("spacing", [(), (1.5, 1.5, 1.5)])
def test_it_lies_where_the_image_lies_however_that_is_stored(spacing):
    flipped = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    volume = ramp(flipped)
    net = Steep(60.0, geometry=Geometry("LPS", spacing, "linear", tilt=30.0))
    found = segment_image(volume, net, uncertainty=True)
    unsure = found.uncertainty.array
    assert unsure.shape == volume.shape
    doubtful = np.argsort(unsure.mean((1, 2)))[-4:] / 39  # two on either side of each level
    assert all(min(abs(place - level) for level in LEVELS) < 0.05 for place in doubtful)
    assert {min(LEVELS, key=lambda level: abs(place - level)) for place in doubtful} == set(LEVELS)
    assert np.ptp(unsure, axis=(1, 2)).max() < 0.05  # along i alone


def test_mirrored_copies_are_averaged_by_their_probabilities():
    class OneSided(Levels):
        """Sure of class 1 at low i of the window, of background at high: mirrored copies contradict each other."""

        def forward(self, x):
            place = torch.linspace(-1, 1, x.shape[2], device=x.device)[None, None, :, None, None].expand_as(x)
            one = torch.where(place < 0, 9.0, -9.0) * self.weight
            return torch.cat([torch.zeros_like(x), one, torch.full_like(x, -30.0)], dim=1)

    volume = ramp()
    small = replace(volume, array=volume.array[:16, :16, :8])
    found = segment_image(small, OneSided(mirrored=True), uncertainty=True)
    np.testing.assert_allclose(found.uncertainty.array, np.log(2) / np.log(3), atol=2e-3)


def test_the_temperature_of_the_file_makes_it_broader():
    volume = ramp()
    plain = segment_image(volume, Steep(60.0), uncertainty=True)
    net = Steep(60.0, calibration={"temperature": 4.0})
    warm = segment_image(volume, net, uncertainty=True)
    assert warm.uncertainty.array.mean() > 2 * plain.uncertainty.array.mean()
    np.testing.assert_array_equal(warm.labels.array, plain.labels.array)
    assert "temperature 4.00" in warm.notes[-1]


@pytest.mark.parametrize(("copies", "members"), [(8, 1), (1, 3), (1, 1)])
def test_a_temperature_that_was_fitted_to_single_answers_is_not_claimed_of_their_mean(copies, members):
    plan = Steep(calibration={"temperature": 1.5}).plan
    said = source_sentence(copies, members, plan)
    assert "calibrated (temperature 1.50)" in said
    assert ("for single answers" in said) == (copies > 1 or members > 1)
    averaged = replace(plan, task={**plan.task, "mirror": True})  # validation was asked about mirrored copies
    assert ("for single answers" in source_sentence(copies, members, averaged)) == (members > 1)


def test_a_radiograph_has_one_too():
    image = radiograph((100, 90))
    net = Steep(30.0, form="2d", size=(64, 64), modality="CXR", mirrored=True)
    found = segment_image(image, net, uncertainty=True)
    assert found.uncertainty.shape == found.labels.shape and 0 < found.uncertainty.array.max() <= 1
    assert "2 mirrored copies" in found.notes[-1]


def test_a_sample_takes_the_logits_of_its_voxels_wherever_they_lie():
    flipped = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    volume = ramp(flipped)
    asked = np.full(volume.shape, -1, np.int16)
    asked[5, 3, 2], asked[20, 10, 11], asked[39, 0, 0] = 0, 1, 2
    sample = VoxelSample(asked)
    segment_image(volume, Steep(20.0), sample=sample)
    truth, scores = np.concatenate(sample.truth), np.concatenate(sample.scores)
    for number, i in enumerate((5, 20, 39)):
        row = scores[truth == number]
        assert row.shape == (1, 3) and row[0, 1] == pytest.approx(20 * (i / 39 - LEVELS[0]), abs=1e-3)
